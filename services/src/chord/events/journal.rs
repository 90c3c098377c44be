//! The last events, numbered, and readers that follow them.
//!
//! Nothing is buffered for a single reader: it has a place in the journal and draws from there when it has room. One
//! whose place is no longer in the journal did not keep up, and is told so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use chordial_proto::chord_v1::watch_events_response::Event;
use chordial_proto::chord_v1::{EventScope, WatchEventsResponse};
use tokio::sync::watch;

/// Events kept.
pub(super) const KEPT: usize = 1024;
/// What `after` names the start of the peer's life by.
pub(super) const BIRTH: &str = "0";

/// The last [`KEPT`] events. Their ids name the life of the peer, too: a number of an earlier one means nothing.
#[derive(Debug)]
pub(super) struct Journal {
    life: u64,
    events: Mutex<Events>,
    latest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Events {
    kept: VecDeque<Arc<WatchEventsResponse>>,
    /// The number of the last one, kept or not; 0: there was none.
    last: u64,
    /// Files are watched since this one.
    files_since: u64,
}

impl Events {
    fn first_kept(&self) -> u64 {
        self.last + 1 - self.kept.len() as u64
    }
}

impl Journal {
    pub(super) fn new() -> Arc<Journal> {
        Arc::new(Journal { life: rand::random(), events: Mutex::default(), latest: watch::Sender::new(0) })
    }

    /// Appends an event.
    pub(super) fn tell(&self, event: Event) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let mut events = self.lock();
        events.last += 1;
        if events.kept.len() == KEPT {
            events.kept.pop_front();
        }
        let id = self.id(events.last);
        events.kept.push_back(Arc::new(WatchEventsResponse { id, at_ms, event: Some(event) }));
        self.latest.send_replace(events.last);
    }

    /// Files were not watched before: what happened to them until now is unknown.
    pub(super) fn files_watched_from_now(&self) {
        let mut events = self.lock();
        events.files_since = events.last;
    }

    /// A reader of what follows the event with the id `after`; none: that is not known. An empty id is the last one.
    pub(super) fn after(self: &Arc<Self>, after: &str, scope: EventScope) -> Option<Reader> {
        let events = self.lock();
        let seen = match after {
            "" => events.last,
            BIRTH => 0,
            id => self.number(id).filter(|number| *number <= events.last)?,
        };
        let files = matches!(scope, EventScope::Unspecified | EventScope::Files);
        let known = seen + 1 >= events.first_kept() && !(files && seen < events.files_since);
        known.then(|| Reader {
            journal: self.clone(),
            next: seen + 1,
            scope,
            latest: self.latest.subscribe(),
        })
    }

    fn id(&self, number: u64) -> String {
        format!("{:016x}-{number}", self.life)
    }

    fn number(&self, id: &str) -> Option<u64> {
        let (life, number) = id.split_once('-')?;
        (life == format!("{:016x}", self.life)).then(|| number.parse().ok())?
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the journal.
#[derive(Debug)]
pub(super) struct Reader {
    journal: Arc<Journal>,
    next: u64,
    scope: EventScope,
    latest: watch::Receiver<u64>,
}

impl Reader {
    /// The id of the event before the next one.
    pub(super) fn place(&self) -> String {
        self.journal.id(self.next - 1)
    }

    /// The next event of the reader's scope; none: it was too slow, and has missed some.
    pub(super) async fn next(&mut self) -> Option<WatchEventsResponse> {
        loop {
            if let Some(event) = self.read()? {
                return Some(WatchEventsResponse::clone(&event));
            }
            // The journal lives as long as its readers.
            self.latest.changed().await.ok()?;
        }
    }

    /// Outer none: too slow. Inner none: there is no further one yet.
    fn read(&mut self) -> Option<Option<Arc<WatchEventsResponse>>> {
        let events = self.journal.lock();
        let at = usize::try_from(self.next.checked_sub(events.first_kept())?).ok()?;
        let mut rest = events.kept.iter().skip(at);
        let found = rest.find(|event| {
            self.next += 1;
            takes(self.scope, event)
        });
        Some(found.cloned())
    }
}

fn takes(scope: EventScope, event: &WatchEventsResponse) -> bool {
    let of_peers = matches!(event.event, Some(Event::Peer(_)));
    match scope {
        EventScope::Unspecified | EventScope::OwnFiles => true,
        EventScope::Peers => of_peers,
        EventScope::Files => !of_peers,
    }
}

#[cfg(test)]
mod tests {
    use chordial_proto::chord_v1::{FilesWatched, PeerChanged};
    use futures::FutureExt;

    use super::*;

    const ALL: EventScope = EventScope::Unspecified;

    fn peer(journal: &Journal, peers: u32) {
        journal.tell(Event::Peer(PeerChanged { peers, ..PeerChanged::default() }));
    }

    fn file(journal: &Journal, watched: u32) {
        journal.tell(Event::Watched(FilesWatched { watched, ..FilesWatched::default() }));
    }

    /// The numbers of all events that there are, each in its order.
    fn all(reader: &mut Reader) -> Vec<u32> {
        let next = || reader.next().now_or_never().map(|event| event.expect("none was missed").event);
        std::iter::from_fn(next)
            .map(|event| match event {
                Some(Event::Peer(peer)) => peer.peers,
                Some(Event::Watched(files)) => files.watched,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[tokio::test]
    async fn readers_get_what_follows_in_order_and_of_their_scope() {
        let journal = Journal::new();
        peer(&journal, 1);
        let mut new = journal.after("", ALL).unwrap();
        let (mut peers, mut files) =
            (journal.after("", EventScope::Peers).unwrap(), journal.after(BIRTH, EventScope::Files).unwrap());
        for number in 2..6 {
            if number % 2 == 0 { file(&journal, number) } else { peer(&journal, number) }
        }
        assert_eq!(
            (all(&mut new), all(&mut peers), all(&mut files)),
            (vec![2, 3, 4, 5], vec![3, 5], vec![2, 4])
        );
        let waiting = tokio::spawn(async move { new.next().await.map(|event| event.id) });
        peer(&journal, 6);
        assert_eq!(waiting.await.unwrap(), Some(journal.id(6)));
    }

    #[tokio::test]
    async fn a_reader_goes_on_where_it_was_if_that_is_known() {
        let journal = Journal::new();
        (1..=3).for_each(|number| peer(&journal, number));
        let mut reader = journal.after(BIRTH, ALL).unwrap();
        let second = [reader.next().await, reader.next().await].map(|event| event.unwrap().id)[1].clone();
        assert_eq!(reader.place(), second);
        assert_eq!(all(&mut journal.after(&second, ALL).unwrap()), [3]);
        for unknown in ["1", "x-1", "-", &journal.id(4), &journal.id(u64::MAX), &Journal::new().id(1)] {
            assert!(journal.after(unknown, ALL).is_none(), "{unknown}");
        }
        (0..KEPT as u32).for_each(|number| peer(&journal, number));
        assert!(journal.after(&second, ALL).is_none() && journal.after(BIRTH, ALL).is_none());
        assert_eq!(all(&mut journal.after(&journal.id(3), ALL).unwrap()).len(), KEPT);
    }

    #[tokio::test]
    async fn what_happened_to_files_while_nobody_watched_them_is_unknown() {
        let journal = Journal::new();
        peer(&journal, 1);
        journal.files_watched_from_now();
        file(&journal, 2);
        for (after, scope, known) in [(0, ALL, false), (0, EventScope::Peers, true), (1, ALL, true)] {
            assert_eq!(journal.after(&journal.id(after), scope).is_some(), known, "{after} {scope:?}");
        }
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_that_it_is() {
        let journal = Journal::new();
        let (mut slow, mut quick) = (journal.after("", ALL).unwrap(), journal.after("", ALL).unwrap());
        (0..KEPT as u32).for_each(|number| peer(&journal, number));
        assert_eq!(all(&mut quick).len(), KEPT);
        peer(&journal, 7);
        assert_eq!(slow.next().await, None);
        assert_eq!(all(&mut quick), [7]);
    }
}
