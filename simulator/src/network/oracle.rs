//! Whether answers are right, seen from the whole network.
//!
//! A right answer is vouched for by a peer that was responsible in the asker's part of the network at some time
//! during the call. A change takes its time to become known, so what was so shortly before the call is told
//! apart from what was never so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use chord::{Found, Id, Lost, Read, Status, Ticket};

use super::Network;
use super::links::Links;

/// After the network was whole for so long, no entry that was acknowledged is missed.
const WHOLE: Duration = Duration::from_secs(60);

/// How lookups ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Vouched for by a peer that was responsible during the call.
    pub right: u64,
    /// By one that was responsible shortly before the call only (in its own part, where parts have met since), or
    /// would be but for peers that came shortly before: within what a change takes to become known.
    pub outdated: u64,
    /// By nobody: who answered says itself that its own arc does not hold the key, and stands in for one that
    /// did not answer.
    pub unvouched: u64,
    /// By one that was not, or "there is none" of what there was.
    pub wrong: u64,
    /// Without an answer, and with a reason.
    pub lost: u64,
}

struct Asked {
    host: usize,
    at: Duration,
    read: Read,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    id: Id,
    host: usize,
    /// It is paused or slow.
    doubtful: bool,
    /// When that changed last, it joined, or somebody gave it up although it lived.
    unsettled: Duration,
}

/// Who the members were from a time on, and who reached whom.
struct Epoch {
    from: Duration,
    /// In ring order.
    members: Vec<Member>,
    links: Links,
}

struct Published {
    host: usize,
    life: u64,
    acknowledged: Option<Duration>,
}

/// What is known for judging answers.
#[derive(Default)]
pub(super) struct Oracle {
    patience: Duration,
    epochs: VecDeque<Epoch>,
    outdated: bool,
    asked: BTreeMap<Ticket, Asked>,
    published: BTreeMap<Id, Vec<Published>>,
    /// Hosts that have something published that is not acknowledged yet.
    unacknowledged: BTreeSet<usize>,
    verdicts: Verdicts,
}

impl Epoch {
    /// Whether this peer was responsible for the key, as far as the asker could reach: the first behind the key
    /// whom it reached, or one before that was in doubt: paused, slow, behind a flapping link, or unsettled
    /// since `settled`.
    fn is_responsible(&self, owner: Id, asker: usize, key: Id, now: Duration, settled: Duration) -> bool {
        let start = self.members.partition_point(|member| member.id < key);
        let (before, behind) = self.members.split_at(start);
        for Member { id, host, doubtful, unsettled } in behind.iter().chain(before) {
            let open = self.links.is_open(asker, *host, now) && self.links.is_open(*host, asker, now);
            let flaps = self.links.is_flapping(asker, *host);
            if (open || flaps) && *id == owner {
                return true;
            }
            if open && !flaps && !doubtful && *unsettled <= settled {
                return false;
            }
        }
        false
    }
}

impl Network {
    /// Judges the answers of all lookups from now on. A change may take `patience` to become known.
    pub fn judge_answers(&mut self, patience: Duration) {
        self.oracle = Some(Oracle { patience, outdated: true, ..Oracle::default() });
    }

    /// How the lookups ended since [`judge_answers`](Self::judge_answers).
    pub fn verdicts(&self) -> Verdicts {
        self.oracle.as_ref().map(|oracle| oracle.verdicts).unwrap_or_default()
    }

    /// Members or links have changed.
    pub(super) fn membership_changed(&mut self) {
        self.oracle.iter_mut().for_each(|oracle| oracle.outdated = true);
    }

    /// Brings the epochs up to date, before time passes.
    pub(super) fn note_epoch(&mut self) {
        let Some(mut oracle) = self.oracle.take_if(|oracle| oracle.outdated) else { return };
        oracle.outdated = false;
        let member = |host: usize| {
            let slot = &self.hosts[host];
            let node = slot.node.as_ref().filter(|node| node.status() == Status::Member)?;
            let doubtful = slot.waiting.is_some() || slot.slow.is_some();
            Some(Member { id: node.me().id, host, doubtful, unsettled: slot.unsettled })
        };
        let mut members: Vec<_> = (0..self.hosts.len()).filter_map(member).collect();
        members.sort();
        let oldest = oracle.asked.values().map(|asked| asked.at).min().unwrap_or(self.now);
        let oldest = oldest.saturating_sub(oracle.patience);
        while oracle.epochs.get(1).is_some_and(|second| second.from <= oldest) {
            oracle.epochs.pop_front();
        }
        oracle.epochs.push_back(Epoch { from: self.now, members, links: self.links.clone() });
        self.oracle = Some(oracle);
    }

    pub(super) fn note_asked(&mut self, ticket: Ticket, host: usize, read: Read) {
        let at = self.now;
        self.note_epoch();
        self.oracle.iter_mut().for_each(|oracle| {
            oracle.asked.insert(ticket, Asked { host, at, read: read.clone() });
        });
    }

    pub(super) fn note_shared(&mut self, host: usize, present: &[&str], gone: &[&str]) {
        let life = self.hosts[host].life;
        let runs = self.hosts[host].node.is_some() && !self.is_paused(host);
        let Some(oracle) = &mut self.oracle else { return };
        for name in present.iter().chain(gone) {
            let published = oracle.published.entry(Id::of(name.as_bytes())).or_default();
            published.retain(|published| published.host != host);
        }
        for name in present.iter().filter(|_| runs) {
            let published = oracle.published.entry(Id::of(name.as_bytes())).or_default();
            published.push(Published { host, life, acknowledged: None });
            oracle.unacknowledged.insert(host);
        }
    }

    pub(super) fn note_left(&mut self, host: usize) {
        let Some(oracle) = &mut self.oracle else { return };
        oracle.published.values_mut().for_each(|published| published.retain(|p| p.host != host));
    }

    /// All that a peer publishes is with its keepers.
    pub(super) fn note_acknowledged(&mut self, host: usize) {
        let Some(oracle) = &mut self.oracle else { return };
        let all = self.hosts[host].node.as_ref().is_some_and(|node| node.publisher().pending() == 0);
        if !all || !oracle.unacknowledged.remove(&host) {
            return;
        }
        let of_host = oracle.published.values_mut().flatten().filter(|published| published.host == host);
        of_host.for_each(|published| {
            published.acknowledged.get_or_insert(self.now);
        });
    }

    pub(super) fn judge(&mut self, ticket: Ticket, outcome: &Result<Found, Lost>) {
        self.note_epoch();
        let Some(mut oracle) = self.oracle.take() else { return };
        let Some(asked) = oracle.asked.remove(&ticket) else {
            self.oracle = Some(oracle);
            return;
        };
        let mut wrong = None;
        match outcome {
            Err(_) => oracle.verdicts.lost += 1,
            Ok(found) => {
                let was_responsible =
                    |to: usize, start: Duration, settled: Duration| {
                        let first = oracle.epochs.iter().rposition(|epoch| epoch.from <= start).unwrap_or(0);
                        oracle.epochs.iter().skip(first).any(|epoch| {
                            epoch.is_responsible(found.owner.id, to, found.key, self.now, settled)
                        })
                    };
                let before = asked.at.saturating_sub(oracle.patience);
                // Of parts that have just met, either's owner answers.
                let owner = self.by_address.get(&found.owner.address).copied();
                let of_either = [Some(asked.host), owner];
                if !found.key.is_within(found.arc_from, found.owner.id) {
                    oracle.verdicts.unvouched += 1;
                } else if was_responsible(asked.host, asked.at, Duration::MAX) {
                    oracle.verdicts.right += 1;
                } else if of_either.into_iter().flatten().any(|host| was_responsible(host, before, before)) {
                    oracle.verdicts.outdated += 1;
                } else {
                    wrong = Some(format!("{:?} is said to be responsible for {:?}", found.owner, found.key));
                }
                wrong = wrong.or(self.missed(&oracle, &asked, found));
            }
        }
        oracle.verdicts.wrong += u64::from(wrong.is_some());
        self.oracle = Some(oracle);
        if let Some(what) = wrong {
            self.wrong(asked.host, what);
        }
    }

    /// Whose entry an answer claims not to exist, although its keepers had acknowledged it and could all be
    /// reached.
    fn missed(&self, oracle: &Oracle, asked: &Asked, found: &Found) -> Option<String> {
        let limit = if let Read::Key(limit) = asked.read { limit } else { return None };
        let disturbed = self.now < WHOLE || self.watch.disturbed + WHOLE > asked.at || self.links.flaps();
        if !found.reading.complete || found.reading.sources.len() >= limit || disturbed {
            return None;
        }
        let reached = |host: usize| {
            let slot = &self.hosts[host];
            let sound = slot.waiting.is_none() && slot.slow.is_none();
            sound && self.reaches(asked.host, host) && self.reaches(host, asked.host)
        };
        let holds = |host: &usize| {
            let node = self.hosts[*host].node.as_ref();
            node.is_some_and(|node| node.keeper().read(found.key, 1, |_| true).total > 0)
        };
        let missing = oracle.published.get(&found.key)?.iter().find(|published| {
            let acknowledged = published.acknowledged.is_some_and(|at| at <= asked.at);
            let slot = &self.hosts[published.host];
            let lives = slot.life == published.life && slot.node.is_some();
            let listed = |node: &chord::Node| {
                found.reading.sources.iter().any(|source| source.publisher.id == node.me().id)
            };
            acknowledged && lives && reached(published.host) && !slot.node.as_ref().is_some_and(listed)
        })?;
        (0..self.hosts.len())
            .filter(holds)
            .all(reached)
            .then(|| format!("of {:?} it is said that p{} has none, which it has", found.key, missing.host))
    }
}
