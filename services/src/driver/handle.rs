//! How everybody else asks the node.

use std::sync::Arc;
use std::time::Duration;

use chord::index::{Digest, File};
use chord::{
    Config, Envelope, Event, Found, Id, Lost, LostReason, Node, Peer, Read, Rejection, Request, Response,
    Route, Services, Status,
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
    pub(super) calls: Arc<Calls>,
    pub(super) control: mpsc::Sender<Asked>,
    pub(super) bulk: mpsc::Sender<Asked>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) status: watch::Receiver<Status>,
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
    Leave(oneshot::Sender<()>),
    Snapshot(oneshot::Sender<Snapshot>),
    Kept { arcs: Vec<(Id, Id)>, answer: oneshot::Sender<Vec<Digest>> },
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
    /// Files that it shares.
    pub shared_files: u64,
    /// Its own keys that not all of their keepers have acknowledged.
    pub unpublished: u64,
    /// Why it has not joined, in words; empty where there is no trouble.
    pub trouble: String,
}

impl Snapshot {
    pub(super) fn of(node: &Node) -> Snapshot {
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
            shared_files: node.publisher().len() as u64,
            unpublished: node.publisher().pending(),
            trouble: node.trouble().to_string(),
            me,
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

    /// Leaves the ring gracefully. Tells whether that was done before the deadline.
    pub async fn leave(&self, deadline: Duration) -> bool {
        let (done, left) = oneshot::channel();
        let leave = async { self.commands.send(Command::Leave(done)).await.is_ok() && left.await.is_ok() };
        tokio::time::timeout(deadline, leave).await.unwrap_or(false)
    }

    /// The node as it is now; none: the peer is stopping.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        let (answer, answered) = oneshot::channel();
        let ask = async {
            self.commands.send(Command::Snapshot(answer)).await.ok()?;
            answered.await.ok()
        };
        tokio::time::timeout(SNAPSHOT, ask).await.ok().flatten()
    }

    /// What the node keeps of the index in each of these arcs; none: the peer is stopping. The node reads
    /// every entry in them for that.
    pub async fn kept(&self, arcs: Vec<(Id, Id)>) -> Option<Vec<Digest>> {
        let (answer, answered) = oneshot::channel();
        let ask = async {
            self.commands.send(Command::Kept { arcs, answer }).await.ok()?;
            answered.await.ok()
        };
        tokio::time::timeout(SNAPSHOT, ask).await.ok().flatten()
    }

    /// Events from now on. A listener that lags far behind loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Where the node stands, as it changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}
