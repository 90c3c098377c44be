//! What is on every host's disk, what its peer made of it, and whether the index says the same.
//!
//! Every content ever written is a *version*, told by its size, so that an entry names the one it was made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chord::index::{File, List, Query, Search, Source, Term, Text, What, word_key};
use chord::{Id, Input, Node, Peer, Read, Status, Ticket};

use super::Network;
use super::links::Links;

/// Files of one name are read up to so many.
const ALL: usize = 1 << 20;

/// One content of one file.
pub(super) struct Version {
    pub(super) host: usize,
    pub(super) path: Arc<str>,
    pub(super) key: Id,
    text: Text,
    /// The lowest number of a life that published it.
    pub(super) first: u64,
    pub(super) receipt: Option<Receipt>,
    pub(super) gone: Option<Gone>,
    /// Since when, after it was withdrawn, nobody kept it any more.
    pub(super) vanished: Option<Duration>,
}

/// Who has acknowledged a version.
pub(super) struct Receipt {
    /// Since when all keepers that the publisher knew had done so.
    pub(super) at: Duration,
    /// The publisher's life.
    pub(super) life: u64,
    /// Keepers by host and life, each with the time from which on it certainly had it.
    pub(super) keepers: BTreeMap<(usize, u64), Duration>,
}

/// A version is no longer on its host's disk.
#[derive(Debug)]
pub(super) struct Gone {
    /// Since when its peer knows, or will know when it starts.
    pub(super) at: Duration,
    /// The peer's life then.
    pub(super) life: u64,
    /// When all keepers that the publisher knew had acknowledged that.
    pub(super) acknowledged: Option<Duration>,
}

/// A lookup of a name, as it was asked.
pub(super) struct Question {
    pub(super) host: usize,
    pub(super) at: Duration,
    pub(super) limit: usize,
}

/// All that is known of files.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) judges: bool,
    /// By size.
    pub(super) versions: BTreeMap<u64, Version>,
    pub(super) by_key: BTreeMap<Id, Vec<u64>>,
    /// By host and path: the version that is there.
    disks: BTreeMap<usize, BTreeMap<Arc<str>, File>>,
    /// By host: versions whose receipt, or the receipt of whose withdrawal, has not come yet.
    awaited: BTreeMap<usize, BTreeSet<u64>>,
    /// When a host's last life ended or began.
    pub(super) turned: BTreeMap<usize, Duration>,
    /// Who reached whom, from each of these times on.
    links: Vec<(Duration, Links)>,
    /// By host: since when and, if that is over, until when it was paused or slow.
    doubts: BTreeMap<usize, Vec<(Duration, Option<Duration>)>>,
    /// By keeper, its life, and publisher: the latest life that it held anything of.
    lives: BTreeMap<(usize, u64, Id), u64>,
    pub(super) questions: BTreeMap<Ticket, Question>,
}

impl Network {
    /// Judges from now on what answers say of the files that [`edit`](Self::edit) has written and removed.
    pub fn judge_files(&mut self) {
        self.ledger.judges = true;
        self.note_links();
    }

    /// Writes files, given by path and name, and removes others, given by path. A living peer notices at once,
    /// another one when it starts.
    ///
    /// Where a peer is paused, nothing is done: a disk does not change behind a publisher's back here.
    pub fn edit(&mut self, host: usize, written: &[(&str, &str)], removed: &[&str]) {
        if self.is_paused(host) {
            return;
        }
        let mut present = Vec::new();
        for (path, name) in written {
            self.forget(host, path);
            let size = self.ledger.versions.len() as u64 + 1;
            let (path, name): (Arc<str>, Arc<str>) = ((*path).into(), (*name).into());
            let key = Id::of(name.as_bytes());
            let text = Text(name.clone());
            let file =
                File { name, path: path.clone(), size, modified_ms: 0, digest: None, text: text.clone() };
            let first = self.node(host).map_or(u64::MAX, |node| node.me().incarnation);
            let version = Version {
                host,
                path: path.clone(),
                key,
                text,
                first,
                receipt: None,
                gone: None,
                vanished: None,
            };
            self.ledger.versions.insert(size, version);
            self.ledger.by_key.entry(key).or_default().push(size);
            self.ledger.awaited.entry(host).or_default().insert(size);
            self.ledger.disks.entry(host).or_default().insert(path, file.clone());
            present.push(file);
        }
        removed.iter().for_each(|path| self.forget(host, path));
        let gone = removed.iter().map(|path| Arc::from(*path)).collect();
        self.input(host, Input::Shared { present, gone });
    }

    fn forget(&mut self, host: usize, path: &str) {
        let life = self.hosts[host].life;
        let Some(file) = self.ledger.disks.entry(host).or_default().remove(path) else { return };
        if let Some(version) = self.ledger.versions.get_mut(&file.size) {
            version.gone = Some(Gone { at: self.now, life, acknowledged: None });
            self.ledger.awaited.entry(host).or_default().insert(file.size);
        }
    }

    /// Lets a peer that has just started notice what is on its host's disk.
    pub fn read_disk(&mut self, host: usize) {
        let Some(incarnation) = self.node(host).map(|node| node.me().incarnation) else { return };
        let present: Vec<File> =
            self.ledger.disks.get(&host).into_iter().flat_map(BTreeMap::values).cloned().collect();
        for file in &present {
            if let Some(version) = self.ledger.versions.get_mut(&file.size) {
                version.first = version.first.min(incarnation);
            }
        }
        let sizes = present.iter().map(|file| file.size);
        self.ledger.awaited.entry(host).or_default().extend(sizes);
        if !present.is_empty() {
            self.input(host, Input::Shared { present, gone: Vec::new() });
        }
    }

    /// The path and name of each file on a host's disk.
    pub fn disk(&self, host: usize) -> Vec<(Arc<str>, Arc<str>)> {
        let files = self.ledger.disks.get(&host).into_iter().flat_map(BTreeMap::values);
        files.map(|file| (file.path.clone(), file.name.clone())).collect()
    }

    /// The keys of all names that were ever written.
    pub fn keys(&self) -> Vec<Id> {
        self.ledger.by_key.keys().copied().collect()
    }

    /// How every name and every word that was ever written is asked for, by key, with what the living share of it.
    pub fn expected(&self) -> Vec<(Id, Read, BTreeSet<Said>)> {
        let mut names: BTreeMap<Id, BTreeSet<Said>> = BTreeMap::new();
        let mut words: BTreeMap<Arc<str>, BTreeSet<Said>> = BTreeMap::new();
        for (size, version) in &self.ledger.versions {
            let node = self.node(version.host).filter(|node| node.status() == Status::Member);
            let said = node.filter(|_| version.gone.is_none()).map(|node| {
                let Peer { id, incarnation, .. } = *node.me();
                (id, incarnation, version.path.clone(), *size)
            });
            names.entry(version.key).or_default().extend(said.clone());
            for word in version.text.words() {
                words.entry(word.into()).or_default().extend(said.clone());
            }
        }
        let names = names.into_iter().map(|(key, said)| (key, Read::Key(100), said));
        let words = words.into_iter().map(|(word, said)| {
            let term = Term { exclude: false, what: What::Word(word.clone()) };
            let query = Query { terms: vec![term], typos: false };
            let list = List { word: word.clone(), prefix: false };
            let search = Search { query, list, after: None, limit: ALL, most: ALL };
            (word_key(&word), Read::Search(Arc::new(search)), said)
        });
        names.chain(words).collect()
    }

    /// What keeps the index from being what the living share; none: it is. Every member keeps exactly that of
    /// the names and words that it should keep. With `nothing_else`, it keeps nothing of others.
    pub fn files_flaw(&self, nothing_else: bool) -> Option<String> {
        let members = self.members();
        let expected = self.expected();
        for node in self.nodes().filter(|node| node.status() == Status::Member) {
            let me = node.me().id;
            let at = members.partition_point(|id| *id < me);
            let replicas = node.config().replicas.min(members.len());
            let before = members[(at + members.len() - replicas) % members.len()];
            for (key, read, expected) in &expected {
                let keeps = replicas == members.len() || key.is_within(before, me);
                if !keeps && !nothing_else {
                    continue;
                }
                let kept = match read {
                    Read::Search(search) => node.keeper().search(search, (me, me), |_| true),
                    _ => node.keeper().read(*key, ALL, |_| true),
                };
                let kept: BTreeSet<Said> = kept.sources.iter().map(said).collect();
                if keeps && kept != *expected {
                    let me = node.me();
                    return Some(format!("{me:?} keeps {kept:?} under {key:?}, should {expected:?}"));
                }
                if !keeps && !kept.is_empty() {
                    return Some(format!("{:?} keeps {kept:?} under {key:?}, should nothing", node.me()));
                }
            }
        }
        None
    }

    pub(super) fn note_question(&mut self, ticket: Ticket, host: usize, read: &Read) {
        if let (true, Read::Key(limit)) = (self.ledger.judges, read) {
            self.ledger.questions.insert(ticket, Question { host, at: self.now, limit: *limit });
        }
    }

    /// Links were cut or healed.
    pub(super) fn note_links(&mut self) {
        if self.ledger.judges {
            self.ledger.links.push((self.now, self.links.clone()));
        }
    }

    /// A host may have been paused or made slow, or be neither again.
    pub(super) fn note_doubt(&mut self, host: usize) {
        let slot = &self.hosts[host];
        let doubtful = slot.waiting.is_some() || slot.slow.is_some();
        let doubts = self.ledger.doubts.entry(host).or_default();
        match doubts.last_mut().filter(|(_, until)| until.is_none()) {
            Some((_, until)) if !doubtful => *until = Some(self.now),
            None if doubtful => doubts.push((self.now, None)),
            _ => {}
        }
    }

    /// A life has begun or ended, or is about to end by leaving: what was acknowledged in it counts no longer.
    pub(super) fn note_turn(&mut self, host: usize) {
        self.note_doubt(host);
        self.ledger.turned.insert(host, self.now);
        let present = self.ledger.disks.get(&host).into_iter().flat_map(BTreeMap::values);
        for file in present {
            self.ledger.versions.entry(file.size).and_modify(|version| version.receipt = None);
        }
        // Withdrawals that nobody will acknowledge.
        self.ledger.awaited.remove(&host);
    }

    /// The last time at or after `since` at which one of two hosts may not have reached the other: the link was
    /// cut in some direction, or a host paused or slow.
    pub(super) fn apart(&self, a: usize, b: usize, since: Duration) -> Option<Duration> {
        let ledger = &self.ledger;
        let doubts = [a, b].into_iter().filter_map(|host| ledger.doubts.get(&host)?.last());
        let doubts = doubts.map(|(_, until)| until.unwrap_or(self.now));
        let ends = ledger.links.iter().skip(1).map(|(from, _)| *from).chain([self.now]);
        let cuts = ledger.links.iter().zip(ends).filter(|((from, links), _)| {
            let open = links.is_open(a, b, *from) && links.is_open(b, a, *from) && !links.is_flapping(a, b);
            a != b && !open
        });
        doubts.chain(cuts.map(|(_, end)| end)).filter(|last| *last >= since).max()
    }

    /// Something has happened at a host: it may have got receipts.
    pub(super) fn note_receipts(&mut self, host: usize) {
        if !self.ledger.judges || self.ledger.awaited.get(&host).is_none_or(BTreeSet::is_empty) {
            return;
        }
        let Some(mut awaited) = self.ledger.awaited.remove(&host) else { return };
        awaited.retain(|size| !self.take_receipt(host, *size));
        self.ledger.awaited.insert(host, awaited);
    }

    /// Whether all keepers that the publisher knows have acknowledged a version, or that it is gone.
    fn take_receipt(&mut self, host: usize, size: u64) -> bool {
        let Some(node) = self.hosts[host].node.as_ref() else { return false };
        let (Some(version), publisher) = (self.ledger.versions.get(&size), node.publisher()) else {
            return true;
        };
        let receipt = publisher.receipt(version.key);
        let nothing_left = publisher.listing().under(version.key).is_empty();
        let all = receipt.pending.is_empty()
            && (!receipt.keepers.is_empty() || nothing_left && publisher.pending() == 0);
        if !all {
            return false;
        }
        let (now, life) = (self.now, self.hosts[host].life);
        let keepers: Vec<(usize, u64)> =
            receipt.keepers.iter().filter_map(|peer| self.living_as(peer)).collect();
        let Some(version) = self.ledger.versions.get_mut(&size) else { return true };
        if let Some(gone) = &mut version.gone {
            gone.acknowledged.get_or_insert(now);
            return true;
        }
        let known = version.receipt.get_or_insert(Receipt { at: now, life, keepers: BTreeMap::new() });
        keepers.into_iter().for_each(|keeper| {
            known.keepers.entry(keeper).or_insert(now);
        });
        true
    }

    /// The host and life of a peer that lives.
    pub(super) fn living_as(&self, peer: &Peer) -> Option<(usize, u64)> {
        let host = *self.by_address.get(&peer.address)?;
        let node = self.hosts[host].node.as_ref()?;
        node.me().is_same_life(peer).then_some((host, self.hosts[host].life))
    }

    /// Looks at what every peer keeps: to be called once a second or so while files are judged.
    pub fn inspect_files(&mut self) {
        if !self.ledger.judges {
            return;
        }
        let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
        let mut wrongs = Vec::new();
        for host in self.living() {
            let life = self.hosts[host].life;
            let held: Vec<Source> = self.node(host).into_iter().flat_map(held).collect();
            for source in held {
                let Peer { id, incarnation, .. } = source.publisher;
                let latest = self.ledger.lives.entry((host, life, id)).or_default();
                if *latest > incarnation {
                    wrongs.push((host, format!("of {id:?} it kept life {latest}, now {incarnation}")));
                }
                *latest = (*latest).max(incarnation);
                seen.insert(source.file.size, host);
            }
        }
        for (size, version) in &mut self.ledger.versions {
            let Some(gone) = &version.gone else { continue };
            match seen.get(size) {
                Some(host) if version.vanished.is_some() => {
                    let Version { host: publisher, path, key, vanished, .. } = version;
                    wrongs.push((
                        *host,
                        format!("it keeps p{publisher}'s {path:?} under {key:?} ({gone:?}) again, gone since {vanished:?}"),
                    ));
                }
                None if gone.acknowledged.is_some() => {
                    version.vanished.get_or_insert(self.now);
                }
                _ => {}
            }
        }
        wrongs.into_iter().for_each(|(host, what)| self.wrong(host, what));
        // Arcs move: keepers that came later count, too.
        for host in self.living() {
            let sizes =
                self.ledger.disks.get(&host).into_iter().flat_map(BTreeMap::values).map(|file| file.size);
            for size in sizes.collect::<Vec<_>>() {
                let known = self.ledger.versions.get(&size).is_some_and(|version| version.receipt.is_some());
                if known {
                    self.take_receipt(host, size);
                }
            }
        }
    }
}

/// What an entry says: who publishes it, in which life, under which path, and of what size.
pub type Said = (Id, u64, Arc<str>, u64);

/// What an entry says.
pub fn said(source: &Source) -> Said {
    let Source { publisher, file, .. } = source;
    (publisher.id, publisher.incarnation, file.path.clone(), file.size)
}

/// All that a peer keeps.
fn held(node: &Node) -> Vec<Source> {
    node.keeper().read_range(Id::default(), Id::from_bytes([0xff; 20]), ALL, |_| true).sources
}
