//! How everybody else asks the node.

use std::sync::Arc;
use std::time::Duration;

use chord::index::{Digest, File, Progress, Receipt};
use chord::{
    Config, Departure, Envelope, Event, Found, Id, Lost, LostReason, Node, Peer, Read, Rejection, Request,
    Response, Route, Services, Status, VERSION,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::calls::{Calls, Lane, lane};

/// A lookup ends by itself; this is only for a driver that is held up.
const SLACK: Duration = Duration::from_secs(1);
/// How long the driver may be held up before a snapshot is given up.
const SNAPSHOT: Duration = Duration::from_secs(5);

/// Asks the task that owns the node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) me: watch::Receiver<Peer>,
    pub(super) config: Arc<Config>,
    pub(super) services: watch::Receiver<Services>,
    pub(super) calls: Arc<Calls>,
    pub(super) control: mpsc::Sender<Asked>,
    pub(super) bulk: mpsc::Sender<Asked>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) peers: watch::Receiver<u64>,
}

/// A request of another peer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) envelope: Envelope,
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Result<Response, Rejection>>,
}

/// How a lookup ended.
pub(super) type Ended = Result<Box<Found>, Box<Lost>>;

/// What this peer's own users ask.
#[derive(Debug)]
pub(super) enum Command {
    LookUp { key: Id, read: Read, within: Duration, answer: oneshot::Sender<Ended> },
    Shared { present: Vec<File>, gone: Vec<Arc<str>> },
    Watching(bool),
    Gateway(Arc<str>),
    Leave(oneshot::Sender<()>),
    Snapshot(oneshot::Sender<Snapshot>),
    Peers(oneshot::Sender<PeersSeen>),
    Kept { arcs: Vec<(Id, Id)>, answer: oneshot::Sender<Vec<Digest>> },
    Files { after: Option<Arc<str>>, count: usize, answer: oneshot::Sender<Vec<Arc<File>>> },
    Delegates { between: (Id, Id), avoid: Vec<Id>, count: usize, answer: oneshot::Sender<Vec<Peer>> },
    Published { name: Option<Id>, answer: oneshot::Sender<Published> },
}

/// How far this peer's own files are published.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// All of them.
    pub progress: Progress,
    /// Where those of one name are; none: this peer shares no such file.
    pub receipt: Option<Receipt>,
}

/// Why a request of another peer was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServeError {
    /// The node turned it down.
    Rejected(Rejection),
    /// Too many requests wait already.
    Overloaded,
    /// The peer is stopping.
    Stopped,
}

/// Why a lookup has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookUpError {
    /// It was lost on the way.
    #[error("{0}")]
    Lost(Box<Lost>),
    /// Too many lookups are under way.
    #[error("this peer has too many lookups under way: ask again in a moment")]
    Overloaded,
    /// The peer is stopping.
    #[error("this peer is stopping")]
    Stopped,
}

/// What a node is at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// This peer.
    pub me: Peer,
    /// Its ring.
    pub ring: Arc<str>,
    /// Where it stands between start and end.
    pub status: Status,
    /// Where its other services are reached.
    pub services: Services,
    /// The peer before it.
    pub predecessor: Option<Peer>,
    /// Those that follow it, nearest first.
    pub successors: Vec<Peer>,
    /// Its fingers, each with where it starts, nearest first.
    pub fingers: Vec<(Id, Peer)>,
    /// Peers seen lately, to be remembered for the next start.
    pub contacts: Vec<Peer>,
    /// Entries of its own arc.
    pub owned: u64,
    /// Entries of other arcs.
    pub replicas: u64,
    /// Peers whose leases it keeps, itself included.
    pub publishers: u64,
    /// Files that it shares.
    pub shared_files: u64,
    /// How far its own files are published.
    pub published: Progress,
    /// Own entries sent to other peers since the start, each as often as it was sent.
    pub entries_sent: u64,
    /// Time between two renewals of its leases.
    pub renewal: Duration,
    /// Why it has not joined, in words; empty where there is no trouble.
    pub trouble: String,
}

#[cfg(test)]
impl Snapshot {
    /// A peer that knows nobody.
    pub(crate) fn lonely(me: Peer) -> Snapshot {
        Snapshot::of(&Node::new(me, Services::default(), Config::default()), 0)
    }
}

impl Snapshot {
    pub(super) fn of(node: &Node, entries_sent: u64) -> Snapshot {
        let me = node.me().clone();
        let arc_from = node.predecessor().map_or(me.id, |peer| peer.id);
        let (owned, replicas) = node.keeper().counts(arc_from, me.id);
        let fingers = node.fingers();
        Snapshot {
            ring: node.config().ring.clone(),
            status: node.status(),
            services: node.services().clone(),
            predecessor: node.predecessor().cloned(),
            successors: node.successors().to_vec(),
            fingers: fingers.iter().map(|(index, peer)| (fingers.start(index), peer.clone())).collect(),
            contacts: node.contacts().from(me.id).cloned().collect(),
            owned,
            replicas,
            publishers: node.keeper().publisher_count() as u64,
            shared_files: node.publisher().len() as u64,
            published: node.publisher().progress(),
            entries_sent,
            renewal: node.config().renewal(),
            trouble: node.trouble().to_string(),
            me,
        }
    }
}

/// Whom a node knows, and what it holds of them.
#[derive(Clone, Debug, Default)]
pub struct PeersSeen {
    /// It is a member: as long as it is not, it has only heard of some.
    pub joined: bool,
    /// They live, as far as it knows; clockwise from itself.
    pub alive: Vec<Peer>,
    /// Those of them, and perhaps others, that did not answer it lately.
    pub suspects: Vec<Id>,
    /// They went lately.
    pub departed: Vec<(Peer, Departure)>,
}

impl PeersSeen {
    pub(super) fn of(node: &Node) -> PeersSeen {
        PeersSeen {
            joined: node.status() == Status::Member,
            alive: node.contacts().from(node.me().id).cloned().collect(),
            suspects: node.suspects().map(|peer| peer.id).collect(),
            departed: node.contacts().departed().map(|(peer, how)| (peer.clone(), how)).collect(),
        }
    }
}

impl Handle {
    /// This peer, in the life that it has now.
    pub fn me(&self) -> Peer {
        self.me.borrow().clone()
    }

    /// The same, as it changes: only its incarnation ever does.
    pub fn lives(&self) -> watch::Receiver<Peer> {
        self.me.clone()
    }

    /// This peer's ring.
    pub fn ring(&self) -> &Arc<str> {
        &self.config.ring
    }

    /// Where this peer's other services are reached.
    pub fn services(&self) -> Services {
        self.services.borrow().clone()
    }

    /// The node's settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The calls to other peers, for those who ask them other things than the node does.
    pub fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Puts another peer's request to the node.
    ///
    /// # Errors
    /// The node turned it down, or it was shed.
    pub async fn serve(&self, envelope: Envelope, request: Request) -> Result<Response, ServeError> {
        let (answer, answered) = oneshot::channel();
        let queue = match lane(&request) {
            Lane::Control => &self.control,
            Lane::Bulk => &self.bulk,
        };
        queue.try_send(Asked { envelope, request, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ServeError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => ServeError::Stopped,
        })?;
        answered.await.map_err(|_| ServeError::Stopped)?.map_err(ServeError::Rejected)
    }

    /// Finds the peer responsible for `key` and reads there, within the deadline. Dropping the future is
    /// safe: the lookup then ends unheard.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn look_up(&self, key: Id, read: Read, within: Duration) -> Result<Found, LookUpError> {
        let lookup = self.calls.metrics().lookup();
        let reads = read != Read::Nothing;
        let answer = self.look_up_uncounted(key, read, within).await;
        match &answer {
            Ok(found) => lookup.found(found.route.steps.len(), !reads || found.reading.complete),
            Err(error) => lookup.failed(error),
        }
        answer
    }

    async fn look_up_uncounted(&self, key: Id, read: Read, within: Duration) -> Result<Found, LookUpError> {
        let late = || {
            let lost = Lost { key, reason: LostReason::TimedOut, route: Route::default() };
            LookUpError::Lost(Box::new(lost))
        };
        let (answer, answered) = oneshot::channel();
        let command = Command::LookUp { key, read, within, answer };
        match self.commands.send_timeout(command, within).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => return Err(LookUpError::Overloaded),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return Err(LookUpError::Stopped),
        }
        match tokio::time::timeout(within + SLACK, answered).await {
            Ok(Ok(Ok(found))) => Ok(*found),
            Ok(Ok(Err(lost))) => Err(LookUpError::Lost(lost)),
            Ok(Err(_)) if self.commands.is_closed() => Err(LookUpError::Stopped),
            Ok(Err(_)) => Err(LookUpError::Overloaded),
            Err(_) => Err(late()),
        }
    }

    /// Tells the node of files that are new or changed, and of paths that are gone. Waits for room.
    pub async fn shared(&self, present: Vec<File>, gone: Vec<Arc<str>>) {
        let _ = self.commands.send(Command::Shared { present, gone }).await;
    }

    /// Tells the node whether the catalog can be watched: it publishes and renews only while that is so.
    pub async fn watching(&self, watching: bool) {
        let _ = self.commands.send(Command::Watching(watching)).await;
    }

    /// Tells the node that callers are told another URL of this peer's gateway.
    pub async fn set_gateway(&self, url: &str) {
        let _ = self.commands.send(Command::Gateway(url.into())).await;
    }

    /// Leaves the ring gracefully. Tells whether that was done before the deadline.
    pub async fn leave(&self, deadline: Duration) -> bool {
        let (done, left) = oneshot::channel();
        let leave = async { self.commands.send(Command::Leave(done)).await.is_ok() && left.await.is_ok() };
        tokio::time::timeout(deadline, leave).await.unwrap_or(false)
    }

    /// The node as it is now; none: the peer is stopping.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.ask(Command::Snapshot).await
    }

    /// The own files behind the one of this path, or the first ones, in order, at most `count`; none: the peer is
    /// stopping.
    pub async fn files(&self, after: Option<Arc<str>>, count: usize) -> Option<Vec<Arc<File>>> {
        self.ask(|answer| Command::Files { after, count, answer }).await
    }

    /// Who passes a message on to all peers between two points, as [`Node::delegates`] has it; none: the peer is
    /// stopping.
    pub async fn delegates(&self, between: (Id, Id), avoid: Vec<Id>, count: usize) -> Option<Vec<Peer>> {
        self.ask(|answer| Command::Delegates { between, avoid, count, answer }).await
    }

    /// How far the own files are published, and the receipt of those of one name; none: the peer is stopping.
    pub async fn published(&self, name: Option<Id>) -> Option<Published> {
        self.ask(|answer| Command::Published { name, answer }).await
    }

    /// What travels with every message to `to`.
    pub fn envelope(&self, to: &Peer) -> Envelope {
        Envelope {
            version: VERSION,
            ring: self.ring().clone(),
            sender: self.me(),
            addressee: Some(to.id),
            incarnation: to.incarnation,
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let ask = async {
            self.commands.send(command(answer)).await.ok()?;
            answered.await.ok()
        };
        tokio::time::timeout(SNAPSHOT, ask).await.ok().flatten()
    }

    /// What the node keeps of the index in each of these arcs; none: the peer is stopping. The node reads
    /// every entry in them for that.
    pub async fn kept(&self, arcs: Vec<(Id, Id)>) -> Option<Vec<Digest>> {
        self.ask(|answer| Command::Kept { arcs, answer }).await
    }

    /// Events from now on. A listener that lags far behind loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// All peers that the node knows; none: the peer is stopping.
    pub async fn peers(&self) -> Option<PeersSeen> {
        self.ask(Command::Peers).await
    }

    /// Changes whenever [`Handle::peers`] may have another answer.
    pub fn peers_changes(&self) -> watch::Receiver<u64> {
        self.peers.clone()
    }

    /// Where the node stands, as it changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}
