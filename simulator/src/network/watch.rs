//! What must hold: of a peer after each of its events, and of the whole ring wherever the assumption of
//! Zave's proof holds.

use std::collections::BTreeSet;
use std::time::Duration;

use chord::invariants::{Place, violations};
use chord::{Event, Id, Node, Peer, Status, Timer};

use super::Network;

/// Rings up to this size are checked whole after each change of a pointer, larger ones once a second.
const AT_EACH_STEP: usize = 64;
/// After a living peer was given up, its proof is relied on again only so much later.
const CALM: Duration = Duration::from_secs(30);
/// What is wrong is collected up to so many times.
const COLLECTED: usize = 20;

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// When, in virtual time.
    pub at: Duration,
    /// At which host.
    pub host: usize,
    /// What.
    pub what: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at {:?}, p{}: {}", self.at, self.host, self.what)
    }
}

/// A peer before an event.
pub(super) struct Before {
    me: Peer,
    status: Status,
    predecessor: Option<Id>,
    successors: Vec<Id>,
    /// Who answered, where the event is an answer.
    answered: Option<Id>,
}

#[derive(Default)]
pub(super) struct Watch {
    collects: bool,
    wrongs: Vec<Wrong>,
    /// While her assumption holds: members that were principals when it began, by host and life.
    base: Option<BTreeSet<(usize, u64)>>,
    /// Since the whole ring was checked last, a pointer or a member has changed.
    changed: bool,
    /// Whole rings checked.
    checked: u64,
    next_second: Duration,
    /// When something last kept living peers from reaching each other, or one was given up.
    pub(super) disturbed: Duration,
}

impl Watch {
    pub(super) fn next_second(&self) -> Duration {
        self.next_second
    }

    pub(super) fn skip_rings(&mut self) {
        self.next_second = Duration::MAX;
        self.base = None;
    }
}

/// What must hold of a peer, whatever happens around it.
fn flaw(node: &Node, before: &Before) -> Option<String> {
    let me = node.me();
    let successors: Vec<Id> = node.successors().iter().map(|peer| peer.id).collect();
    let strictly = successors.windows(2).all(|pair| me.id.distance_to(pair[0]) < me.id.distance_to(pair[1]));
    if !strictly {
        return Some(format!("its successors are not strictly clockwise: {:?}", node.successors()));
    }
    if successors.contains(&me.id) || successors.len() > node.config().successors {
        return Some(format!("its successor list holds itself, or too many: {:?}", node.successors()));
    }
    let strangers = node.successors().iter().chain(node.predecessor()).any(|peer| peer.incarnation == 0);
    if strangers || node.predecessor().is_some_and(|peer| peer.id == me.id) {
        return Some(format!("no such neighbour: {:?}, {:?}", node.predecessor(), node.successors()));
    }
    let contacts = node.contacts();
    if contacts.from(me.id).next().is_some_and(|peer| peer.id == me.id)
        || contacts.len() > node.config().contacts
    {
        return Some("its contacts hold itself, or too many".into());
    }
    if me.id != before.me.id || me.incarnation < before.me.incarnation {
        return Some(format!("it was {:?} and is {me:?}", before.me));
    }
    if node.is_busy() && node.status() != Status::Member {
        return Some(format!("it is {:?} and has a membership operation open", node.status()));
    }
    // A pointer is adopted only from a peer that has just answered; a joiner takes over a whole list.
    let adopted = successors.first().filter(|head| !before.successors.contains(head));
    if before.status == Status::Member
        && let Some(head) = adopted
        && before.answered != Some(*head)
        && !before.successors.is_empty()
    {
        return Some(format!("it follows {head:?}, which has not just answered it"));
    }
    None
}

impl Network {
    /// Collects what is wrong, up to some number, instead of ending in a panic.
    pub fn collect_wrongs(&mut self) {
        self.watch.collects = true;
    }

    /// What was wrong so far.
    pub fn wrongs(&self) -> &[Wrong] {
        &self.watch.wrongs
    }

    /// How often all of Zave's invariants were checked: each time a pointer changed, or a second passed,
    /// while the assumption of her proof held.
    pub fn rings_checked(&self) -> u64 {
        self.watch.checked
    }

    pub(super) fn wrong(&mut self, host: usize, what: String) {
        self.note(host, "WRONG", &what);
        let wrong = Wrong { at: self.now, host, what };
        assert!(self.watch.collects, "{wrong}");
        if self.watch.wrongs.len() < COLLECTED {
            self.watch.wrongs.push(wrong);
        }
    }

    /// A peer before an event, in which this one has answered, if any.
    pub(super) fn before(&self, host: usize, answered: Option<Id>) -> Option<Before> {
        let node = self.hosts[host].node.as_ref()?;
        Some(Before {
            me: node.me().clone(),
            status: node.status(),
            predecessor: node.predecessor().map(|peer| peer.id),
            successors: node.successors().iter().map(|peer| peer.id).collect(),
            answered,
        })
    }

    /// Checks a peer after an event.
    pub(super) fn check(&mut self, host: usize, before: &Before) {
        let slot = &self.hosts[host];
        let Some(node) = &slot.node else { return };
        let asleep = [Timer::Stabilize, Timer::Tick].iter().find(|timer| !slot.timers.contains_key(timer));
        let asleep = asleep.filter(|_| node.status() == Status::Member);
        let flaw = flaw(node, before).or(asleep.map(|timer| format!("a member without timer {timer:?}")));
        let changed = node.status() != before.status
            || node.predecessor().map(|peer| peer.id) != before.predecessor
            || !node.successors().iter().map(|peer| &peer.id).eq(&before.successors);
        if node.status() != before.status {
            self.hosts[host].unsettled = self.now;
            self.membership_changed();
            self.ended();
        }
        if let Some(flaw) = flaw {
            self.wrong(host, flaw);
        }
        if changed {
            self.watch.changed = true;
            self.check_ring(host, true);
        }
    }

    /// Living peers may fail to reach each other for some time.
    pub(super) fn disturb(&mut self) {
        self.watch.disturbed = self.now;
    }

    /// A member may have ended or left: does the proof's assumption still hold?
    pub(super) fn ended(&mut self) {
        self.watch.changed = true;
        let Some(base) = &self.watch.base else { return };
        let living: BTreeSet<Id> = self.members().into_iter().collect();
        let stays = |(host, life): &(usize, u64)| {
            let slot = &self.hosts[*host];
            slot.life == *life && slot.node.as_ref().is_some_and(|node| node.status() == Status::Member)
        };
        let enough = base.iter().filter(|member| stays(member)).count() > self.config.successors;
        let bereft = self.nodes().any(|node| {
            let listed = node.successors();
            node.status() == Status::Member
                && !listed.is_empty()
                && !listed.iter().any(|peer| living.contains(&peer.id))
        });
        if !enough || bereft {
            self.watch.base = None;
        }
    }

    /// Failure detection that errs is not within her assumption.
    pub(super) fn told(&mut self, event: &Event) {
        if let Event::GivenUp(peer) = event {
            let Some(host) = self.by_address.get(&peer.address).copied() else { return };
            let node = self.hosts[host].node.as_ref();
            if node.is_some_and(|node| node.me().is_same_life(peer) && node.status() == Status::Member) {
                self.unsettle(host);
                self.watch.base = None;
            }
        }
    }

    /// The whole ring, once a second.
    pub(super) fn each_second(&mut self) {
        self.watch.next_second += Duration::from_secs(1);
        self.check_ring(0, false);
        let calm = self.now > self.watch.disturbed + CALM;
        if self.watch.base.is_none()
            && calm
            && self.links.is_whole()
            && self.nodes().count() > self.config.successors
            && self.flaw().is_none()
        {
            let members = (0..self.hosts.len()).filter(|host| {
                self.hosts[*host].node.as_ref().is_some_and(|node| node.status() == Status::Member)
            });
            let base: BTreeSet<_> = members.map(|host| (host, self.hosts[host].life)).collect();
            self.watch.base = Some(base).filter(|base| base.len() > self.config.successors);
        }
    }

    fn check_ring(&mut self, host: usize, step: bool) {
        if self.watch.base.is_none() || !self.watch.changed || step && self.hosts.len() > AT_EACH_STEP {
            return;
        }
        self.watch.changed = false;
        self.watch.checked += 1;
        let members = self.nodes().filter(|node| node.status() == Status::Member);
        let places: Vec<Place> = members.map(Place::from).collect();
        if let Some(violation) = violations(&places, self.config.successors).first() {
            self.watch.base = None;
            self.wrong(host, format!("{} does not hold: {:?}", violation.invariant, violation.members));
        }
    }
}
