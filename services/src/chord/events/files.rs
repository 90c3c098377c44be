//! From the states of files to what has happened to them, and from too many changes to how many there were.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use chord::Id;
use chord::index::File;
use chordial_proto::chord_v1::watch_events_response::Event;
use chordial_proto::chord_v1::{self as wire, FileChange, FileChanged, FilesChanged};
use tokio::time::Instant;

/// Changes told one by one in a second; what is more is counted.
pub(super) const SINGLY: usize = 200;
/// The second.
const SECOND: Duration = Duration::from_secs(1);

/// Something that has happened to a file of this peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::chord) enum OwnChange {
    Appeared(File),
    Changed(File),
    Vanished(Arc<str>),
}

/// In which state each file of this peer was told last.
#[derive(Debug, Default)]
pub(in crate::chord) struct OwnFiles {
    states: HashMap<Arc<str>, State>,
}

/// Two numbers, since there may be a million of these.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Of size and time.
    stamp: u64,
    /// The digest's first bytes; 0: not computed yet.
    digest: u64,
}

impl State {
    fn of(file: &File) -> State {
        let mut stamp = DefaultHasher::new();
        (file.size, file.modified_ms).hash(&mut stamp);
        let digest = file.digest.and_then(|digest| digest.first_chunk().copied());
        State { stamp: stamp.finish(), digest: digest.map_or(0, u64::from_le_bytes) }
    }

    /// A digest that has only become known is no change of a file.
    fn fits(&self, now: &State) -> bool {
        self.stamp == now.stamp && (self.digest == 0 || now.digest == 0 || self.digest == now.digest)
    }
}

impl OwnFiles {
    /// The paths of all files.
    pub(in crate::chord) fn paths(&self) -> impl Iterator<Item = &Arc<str>> {
        self.states.keys()
    }

    /// This is how the file is now.
    pub(in crate::chord) fn present(&mut self, file: &File) -> Option<OwnChange> {
        let mut now = State::of(file);
        match self.states.get_mut(&file.path) {
            None => {
                self.states.insert(file.path.clone(), now);
                Some(OwnChange::Appeared(file.clone()))
            }
            Some(before) => {
                let fits = before.fits(&now);
                if fits && now.digest == 0 {
                    now.digest = before.digest;
                }
                *before = now;
                (!fits).then(|| OwnChange::Changed(file.clone()))
            }
        }
    }

    /// There is no file at this path any more.
    pub(in crate::chord) fn gone(&mut self, path: &Arc<str>) -> Option<OwnChange> {
        self.states.remove(path).map(|_| OwnChange::Vanished(path.clone()))
    }
}

impl OwnChange {
    /// As others are told of it.
    pub(super) fn event(self, me: &chord::Peer, gateway: &str) -> Event {
        let (change, file) = match self {
            OwnChange::Appeared(file) => (FileChange::Appeared, file.into()),
            OwnChange::Changed(file) => (FileChange::Changed, file.into()),
            OwnChange::Vanished(path) => (FileChange::Vanished, vanished(&path)),
        };
        Event::File(FileChanged {
            change: change.into(),
            peer: Some(me.clone().into()),
            gateway: gateway.to_owned(),
            file: Some(file),
        })
    }
}

fn vanished(path: &str) -> chordial_proto::catalog_v1::File {
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    chordial_proto::catalog_v1::File { name, path: path.to_owned(), ..Default::default() }
}

/// Lets through as many single changes as a reader can be expected to take, and counts the others by peer.
#[derive(Debug)]
pub(super) struct Funnel {
    left: usize,
    until: Instant,
    counted: BTreeMap<Id, FilesChanged>,
}

impl Funnel {
    pub(super) fn new(now: Instant) -> Funnel {
        Funnel { left: SINGLY, until: now + SECOND, counted: BTreeMap::new() }
    }

    /// When the present second ends, if changes were counted in it: [`Funnel::flush`] tells of them.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.counted.is_empty()).then_some(self.until)
    }

    /// What is to be told of those that were counted, once their second is over.
    pub(super) fn flush(&mut self, now: Instant) -> Vec<Event> {
        if now < self.until {
            return Vec::new();
        }
        (self.left, self.until) = (SINGLY, now + SECOND);
        let counted = std::mem::take(&mut self.counted);
        self.left = self.left.saturating_sub(counted.len());
        counted.into_values().map(Event::Files).collect()
    }

    /// What is to be told now that something has happened to files of `peer`.
    pub(super) fn take(&mut self, peer: Id, event: Event, now: Instant) -> Vec<Event> {
        let mut told = self.flush(now);
        let summed = self.counted.contains_key(&peer);
        match event {
            Event::Files(_) | Event::File(_) if self.left == 0 || summed => self.count(peer, event),
            event => {
                self.left = self.left.saturating_sub(1);
                told.push(event);
            }
        }
        told
    }

    fn count(&mut self, peer: Id, event: Event) {
        let (whose, more) = match event {
            Event::File(file) => {
                let mut one = FilesChanged::default();
                match file.change() {
                    FileChange::Appeared => one.appeared = 1,
                    FileChange::Changed => one.changed = 1,
                    FileChange::Vanished => one.vanished = 1,
                    FileChange::Unspecified => one.uncounted = true,
                }
                (file.peer, one)
            }
            Event::Files(files) => (files.peer.clone(), files),
            _ => return,
        };
        let sum = self.counted.entry(peer).or_default();
        sum.peer = whose;
        sum.appeared = sum.appeared.saturating_add(more.appeared);
        sum.changed = sum.changed.saturating_add(more.changed);
        sum.vanished = sum.vanished.saturating_add(more.vanished);
        sum.uncounted |= more.uncounted;
    }
}

/// Files of `peer` may have changed, nobody knows how many.
pub(super) fn uncounted(peer: wire::Peer) -> Event {
    Event::Files(FilesChanged { peer: Some(peer), uncounted: true, ..FilesChanged::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, size: u64, digest: Option<[u8; 32]>) -> File {
        let wire = chordial_proto::catalog_v1::File {
            name: path.rsplit('/').next().unwrap().to_owned(),
            path: path.to_owned(),
            size,
            modified_ms: 1_000,
            digest: digest.map(Vec::from).unwrap_or_default(),
        };
        wire.try_into().unwrap()
    }

    #[test]
    fn a_digest_that_becomes_known_is_no_change() {
        let mut files = OwnFiles::default();
        let (plain, digested) = (file("d/a", 1, None), file("d/a", 1, Some([1; 32])));
        assert_eq!(files.present(&plain), Some(OwnChange::Appeared(plain.clone())));
        for same in [&plain, &digested, &plain, &digested] {
            assert_eq!(files.present(same), None);
        }
        let other = file("d/a", 1, Some([2; 32]));
        assert_eq!(files.present(&other), Some(OwnChange::Changed(other.clone())), "other bytes, same size");
        let longer = file("d/a", 2, None);
        assert_eq!(files.present(&longer), Some(OwnChange::Changed(longer.clone())));
        assert_eq!(files.present(&file("d/a", 2, Some([2; 32]))), None);
        let path: Arc<str> = "d/a".into();
        assert_eq!(files.gone(&path), Some(OwnChange::Vanished(path.clone())));
        assert_eq!(files.gone(&path), None);
        assert_eq!(files.present(&plain), Some(OwnChange::Appeared(plain)));
    }

    fn appeared(number: u64) -> (Id, Event) {
        let peer = chord::Peer { id: Id::from(number), ..chord::Peer::stranger("h:1") };
        (peer.id, OwnChange::Appeared(file("a", 1, None)).event(&peer, "http://h:2"))
    }

    #[test]
    fn too_many_changes_are_counted_and_told_in_their_order() {
        let start = Instant::now();
        let mut funnel = Funnel::new(start);
        let take = |funnel: &mut Funnel, number, now| {
            let (id, event) = appeared(number);
            funnel.take(id, event, now)
        };
        for _ in 0..SINGLY {
            assert_eq!(take(&mut funnel, 1, start), [appeared(1).1]);
        }
        assert_eq!(funnel.due(), None);
        for number in [1, 2, 1] {
            assert_eq!(take(&mut funnel, number, start), []);
        }
        let more = FilesChanged { vanished: 5, uncounted: true, ..FilesChanged::default() };
        assert_eq!(funnel.take(Id::from(2), Event::Files(more), start), []);
        assert_eq!((funnel.flush(start + SECOND / 2), funnel.due()), (vec![], Some(start + SECOND)));
        let counts = |event: &Event| match event {
            Event::Files(sum) => (sum.appeared, sum.vanished, sum.uncounted),
            other => panic!("{other:?}"),
        };
        let told = take(&mut funnel, 1, start + SECOND);
        assert_eq!(told[..2].iter().map(counts).collect::<Vec<_>>(), [(2, 0, false), (1, 5, true)]);
        assert_eq!((&told[2], told.len(), funnel.due()), (&appeared(1).1, 3, None));
    }
}
