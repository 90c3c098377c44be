//! What happens in the network as this peer sees it: peers that come and go, files that appear, change and vanish.
//!
//! What becomes of peers is known anyway, by gossip, and always written down. What happens to others' files is asked of
//! these peers themselves, and only while somebody watches; so each peer writes down what happens to its own.

mod files;
mod journal;
mod links;
mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chord::Id;
use chordial_proto::chord_v1::watch_events_response::Event;
use chordial_proto::chord_v1::{
    EventScope, EventsBegin, EventsEnd, FilesWatched, PeerChange, PeerChanged, WatchEventsRequest,
    WatchEventsResponse,
};
use futures::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::files::Funnel;
pub(super) use self::files::{OwnChange, OwnFiles};
use self::journal::{Journal, Reader};
use self::links::Links;
use self::peers::Peers;
use super::exhausted;
use crate::driver::Handle;

/// People and programs that follow the events at a time.
const READERS: usize = 128;
/// Peers that watch this one's files at a time.
const WATCHERS: usize = 256;
/// How long others' files are watched on when nobody follows them any more: a reader that was cut off comes back and
/// has missed nothing.
const LINGER: Duration = Duration::from_secs(60);
/// Between two looks at the peers; what is undone within it is not told.
const LOOK: Duration = Duration::from_millis(20);
/// From a change of the number of watched peers until it is told: others follow it.
const REST: Duration = Duration::from_millis(300);
/// Batches of own changes that wait.
const WAITING: usize = 16;

/// The events of this peer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    /// What all readers follow.
    network: Arc<Journal>,
    /// What happens to this peer's own files: what other peers follow.
    own: Arc<Journal>,
    own_changes: mpsc::Sender<Vec<OwnChange>>,
    /// How many follow others' files.
    watching: Arc<watch::Sender<usize>>,
    readers: Arc<Semaphore>,
    watchers: Arc<Semaphore>,
    /// Peers known, and those whose files are watched.
    counts: Arc<(AtomicU32, AtomicU32)>,
    handle: Handle,
    cancel: CancellationToken,
}

/// The messages of one reader.
pub(super) type Subscription =
    std::pin::Pin<Box<dyn Stream<Item = Result<WatchEventsResponse, Status>> + Send>>;

impl Events {
    /// Writes down what happens until `cancel` is cancelled; then all streams end.
    pub fn start(handle: Handle, cancel: CancellationToken) -> Events {
        let (own_changes, changes) = mpsc::channel(WAITING);
        let events = Events {
            network: Journal::new(),
            own: Journal::new(),
            own_changes,
            watching: Arc::new(watch::Sender::new(0)),
            readers: Arc::new(Semaphore::new(READERS)),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
            counts: Arc::new((AtomicU32::new(1), AtomicU32::new(1))),
            handle: handle.clone(),
            cancel,
        };
        let (links, heard) = Links::new(handle);
        let now = Instant::now();
        let clerk = Clerk {
            events: events.clone(),
            peers: Peers::default(),
            links,
            watches: false,
            idle_since: None,
            told: FilesWatched::default(),
            counted_at: None,
            all: Funnel::new(now),
            own: Funnel::new(now),
        };
        let cancel = events.cancel.clone();
        tokio::spawn(async move { cancel.run_until_cancelled(clerk.run(changes, heard)).await });
        events
    }

    /// Takes note of what has happened to files of this peer. Waits for room.
    pub(super) async fn own(&self, changes: Vec<OwnChange>) {
        if !changes.is_empty() {
            let _ = self.own_changes.send(changes).await;
        }
    }

    /// A stream of events.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED: too many follow them already.
    pub(super) fn subscribe(&self, request: &WatchEventsRequest) -> Result<Subscription, Status> {
        let scope = request.scope();
        let (journal, places, most) = match scope {
            EventScope::OwnFiles => (&self.own, &self.watchers, WATCHERS),
            _ => (&self.network, &self.readers, READERS),
        };
        let place = places.clone().try_acquire_owned();
        let place =
            place.map_err(|_| exhausted(&format!("{most} follow the events of this peer already")))?;
        let watching = matches!(scope, EventScope::Unspecified | EventScope::Files)
            .then(|| Watching::new(self.watching.clone()));
        let resumed = journal.after(&request.after, scope);
        let reset = resumed.is_none();
        // An empty id is always known.
        let reader = resumed.or_else(|| journal.after("", scope));
        let reader = reader.ok_or_else(|| Status::internal("the journal has no end"))?;
        let (peers, watched) = &*self.counts;
        let begin = EventsBegin {
            peer: Some(self.handle.me().into()),
            peers: peers.load(Ordering::Relaxed),
            watched: watched.load(Ordering::Relaxed),
            reset,
        };
        let stage =
            Stage::Begin(Event::Begin(begin), Following { reader, _place: place, _watching: watching });
        let cancel = self.cancel.clone();
        Ok(Box::pin(stream::unfold((stage, cancel), |(stage, cancel)| async move {
            let (message, next) = stage.next(&cancel).await?;
            Some((Ok(message), (next, cancel)))
        })))
    }
}

/// One that follows others' files, counted as long as it does.
struct Watching(Arc<watch::Sender<usize>>);

impl Watching {
    fn new(count: Arc<watch::Sender<usize>>) -> Watching {
        count.send_modify(|count| *count += 1);
        Watching(count)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

struct Following {
    reader: Reader,
    _place: OwnedSemaphorePermit,
    _watching: Option<Watching>,
}

enum Stage {
    Begin(Event, Following),
    Following(Following),
    Ended,
}

impl Stage {
    async fn next(self, cancel: &CancellationToken) -> Option<(WatchEventsResponse, Stage)> {
        let message = |id, event| WatchEventsResponse { id, at_ms: 0, event: Some(event) };
        match self {
            Stage::Begin(event, following) => {
                Some((message(following.reader.place(), event), Stage::Following(following)))
            }
            Stage::Following(mut following) => {
                let next = tokio::select! {
                    biased;
                    () = cancel.cancelled() => Err(EventsEnd { slow: false, why: "this peer is stopping".into() }),
                    next = following.reader.next() => next.ok_or_else(|| EventsEnd {
                        slow: true,
                        why: format!("this reader did not keep up and is more than {} events behind", journal::KEPT),
                    }),
                };
                match next {
                    Ok(event) => Some((event, Stage::Following(following))),
                    Err(end) => Some((message(following.reader.place(), Event::End(end)), Stage::Ended)),
                }
            }
            Stage::Ended => None,
        }
    }
}

/// The task that writes down what happens.
struct Clerk {
    events: Events,
    peers: Peers,
    links: Links,
    /// Others' files are watched.
    watches: bool,
    /// Since when nobody follows them.
    idle_since: Option<Instant>,
    /// How many peers were watched when that was told last.
    told: FilesWatched,
    /// When the number changed last, if that is not told yet.
    counted_at: Option<Instant>,
    all: Funnel,
    own: Funnel,
}

impl Clerk {
    async fn run(
        mut self,
        mut changes: mpsc::Receiver<Vec<OwnChange>>,
        mut heard: mpsc::Receiver<links::Heard>,
    ) {
        let mut peers = self.events.handle.peers_changes();
        let mut watching = self.events.watching.subscribe();
        peers.mark_changed();
        let mut looked = Instant::now() - LOOK;
        loop {
            let due =
                [self.all.due(), self.own.due(), self.counted_at.map(|at| at + REST), self.idle_until()];
            let due = due.into_iter().flatten().min();
            tokio::select! {
                changed = peers.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep_until(looked + LOOK).await;
                    looked = Instant::now();
                    peers.mark_unchanged();
                    self.look().await;
                }
                changed = watching.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let count = *watching.borrow_and_update();
                    self.follow(count).await;
                }
                Some(changes) = changes.recv() => changes.into_iter().for_each(|change| self.tell_own(change)),
                Some(heard) = heard.recv() => {
                    let from = heard.from.id;
                    if let Some(event) = self.links.hear(heard) {
                        self.tell_file(from, event);
                    }
                    self.count();
                }
                () = until(due) => {}
            }
            self.catch_up();
        }
    }

    /// Tells what has become of peers.
    async fn look(&mut self) {
        let Some(seen) = self.events.handle.peers().await else { return };
        let changes = self.peers.look(&seen);
        let peers = self.peers.alive() as u32 + 1;
        self.events.counts.0.store(peers, Ordering::Relaxed);
        for change in &changes {
            let (what, peer) = (change.what.into(), Some(change.peer.clone().into()));
            self.events.network.tell(Event::Peer(PeerChanged { change: what, peer, peers }));
        }
        if self.watches {
            let new = |change: &&peers::Change| {
                change.new_life && matches!(change.what, PeerChange::Joined | PeerChange::Back)
            };
            let new: Vec<Id> = changes.iter().filter(new).map(|change| change.peer.id).collect();
            self.links.set(&seen.alive, &new);
        }
        self.count();
    }

    /// So many follow others' files now.
    async fn follow(&mut self, count: usize) {
        self.idle_since = (count == 0 && self.watches).then(Instant::now);
        if count > 0 && !self.watches {
            self.watches = true;
            self.events.network.files_watched_from_now();
            if let Some(seen) = self.events.handle.peers().await {
                self.links.set(&seen.alive, &[]);
            }
            self.count();
        }
    }

    fn idle_until(&self) -> Option<Instant> {
        self.idle_since.map(|since| since + LINGER)
    }

    /// Takes note of how many peers are watched.
    fn count(&mut self) {
        let now = self.watched();
        self.events.counts.1.store(now.watched, Ordering::Relaxed);
        if now != self.told && self.counted_at.is_none() {
            self.counted_at = Some(Instant::now());
        }
    }

    /// How many peers are watched, this one included.
    fn watched(&self) -> FilesWatched {
        let (watched, peers) = (self.links.up() + 1, self.peers.alive() + 1);
        FilesWatched { watched: watched as u32, peers: peers as u32 }
    }

    fn tell_own(&mut self, change: OwnChange) {
        let handle = &self.events.handle;
        let me = handle.me();
        let event = change.event(&me, &handle.services().gateway);
        for event in self.own.take(me.id, event.clone(), Instant::now()) {
            self.events.own.tell(event);
        }
        self.tell_file(me.id, event);
    }

    fn tell_file(&mut self, whose: Id, event: Event) {
        if self.watches {
            for event in self.all.take(whose, event, Instant::now()) {
                self.events.network.tell(event);
            }
        }
    }

    /// Does what its time has come for.
    fn catch_up(&mut self) {
        let now = Instant::now();
        if self.idle_until().is_some_and(|until| until <= now) {
            (self.idle_since, self.watches) = (None, false);
            self.links.clear();
            self.count();
        }
        for event in self.own.flush(now) {
            self.events.own.tell(event);
        }
        for event in self.all.flush(now) {
            self.events.network.tell(event);
        }
        if self.counted_at.is_some_and(|at| at + REST <= now) {
            self.counted_at = None;
            let count = self.watched();
            if self.watches && count != self.told {
                self.events.network.tell(Event::Watched(count));
            }
            self.told = count;
        }
    }
}

/// Waits for ever where there is nothing to wait for.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
