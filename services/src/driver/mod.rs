//! Owns the [`Node`]: one task, one `select!`, no lock. It performs what the node wants done, and everybody
//! else asks through a [`Handle`].
//!
//! What comes in has an order. Replies and timers first, and they are never refused: the node waits for
//! exactly one reply to each of its calls. Then short requests of other peers, then this peer's own users,
//! then long requests. Requests that find their queue full are shed.

mod friends;
mod handle;
mod tell;

#[cfg(test)]
pub(crate) mod testing;

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chord::{
    Envelope, Event, Input, Node, Outcome, Output, Peer, Rejection, Request, Services, Status, Ticket, Timer,
    Why,
};
use futures::FutureExt;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::time::{DelayQueue, delay_queue};

use crate::calls::Calls;
use handle::{Asked, Command, Ended};
pub use handle::{Handle, LookUpError, PeersSeen, Published, ServeError, Snapshot};

/// Short requests of other peers that may wait.
const CONTROL: usize = 1024;
/// Long requests of other peers that may wait.
const BULK: usize = 256;
/// Requests of this peer's own users that may wait.
const COMMANDS: usize = 256;
/// Lookups of users under way.
const LOOKUPS: usize = 4096;
/// Calls to other peers under way: one for each lookup, and the node's own.
const CALLS: usize = LOOKUPS + 1024;
/// Between two looks at what the friends' names mean, as long as the ring is not found.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Events that a slow listener may lag behind before it loses some.
const EVENTS: usize = 1024;

/// Starts the task that owns `node`, which then joins through `friends` (by address; a name with several
/// addresses means all of them) or peers `remembered`, or founds. The task ends when `cancel` is cancelled.
pub fn spawn(
    node: Node,
    calls: Arc<Calls>,
    friends: Vec<Peer>,
    remembered: Vec<Peer>,
    cancel: CancellationToken,
) -> Handle {
    let (control, control_queue) = mpsc::channel(CONTROL);
    let (bulk, bulk_queue) = mpsc::channel(BULK);
    let (commands, command_queue) = mpsc::channel(COMMANDS);
    let (events, _) = broadcast::channel(EVENTS);
    let (status, status_seen) = watch::channel(node.status());
    let me = node.me().clone();
    calls.metrics().set_entries_limit(node.config().room.capacity);
    let (lives, life) = watch::channel(me.clone());
    let (services, services_seen) = watch::channel(node.services().clone());
    let (peers, peers_seen) = watch::channel(0);
    let handle = Handle {
        me: life,
        config: Arc::new(node.config().clone()),
        services: services_seen,
        calls: calls.clone(),
        control,
        bulk,
        commands,
        events: events.clone(),
        status: status_seen,
        peers: peers_seen,
    };
    let driver = Driver {
        node,
        calls,
        out: Vec::new(),
        at_once: VecDeque::new(),
        replies: JoinSet::new(),
        timers: Timers::default(),
        lookups: HashMap::new(),
        tickets: 0,
        entries_sent: 0,
        events,
        status,
        peers,
        turns: 0,
        lives,
        services,
        leaving: Vec::new(),
        left: false,
        named: if friends::any_name(&friends) { friends.clone() } else { Vec::new() },
        looking_again: false,
    };
    let start = async move { Input::Start { friends: friends::resolve(&me, friends).await, remembered } };
    tokio::spawn(driver.run(start, control_queue, bulk_queue, command_queue, cancel));
    handle
}

struct Driver {
    node: Node,
    calls: Arc<Calls>,
    /// What the node wants done; empty between two steps.
    out: Vec<Output>,
    /// Replies to calls that were not even made.
    at_once: VecDeque<Input>,
    replies: JoinSet<Input>,
    timers: Timers,
    lookups: HashMap<Ticket, oneshot::Sender<Ended>>,
    tickets: u64,
    /// Own entries sent to other peers.
    entries_sent: u64,
    events: broadcast::Sender<Event>,
    status: watch::Sender<Status>,
    /// Another number whenever other peers are known, or suspected.
    peers: watch::Sender<u64>,
    /// How often a suspicion has begun or ended, or the node's own standing changed.
    turns: u64,
    lives: watch::Sender<Peer>,
    services: watch::Sender<Services>,
    leaving: Vec<oneshot::Sender<()>>,
    left: bool,
    /// All friends as configured, if any of them is a name.
    named: Vec<Peer>,
    looking_again: bool,
}

impl Driver {
    async fn run(
        mut self,
        start: impl Future<Output = Input> + Send + 'static,
        mut control: mpsc::Receiver<Asked>,
        mut bulk: mpsc::Receiver<Asked>,
        mut commands: mpsc::Receiver<Command>,
        cancel: CancellationToken,
    ) {
        self.replies.spawn(start);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                Some(reply) = self.replies.join_next() => match reply {
                    Ok(input) => self.handle(input),
                    Err(error) => tracing::error!("a call was lost: {error}"),
                },
                (timer, after) = self.timers.next() => self.handle(Input::Timer { timer, after }),
                Some(asked) = control.recv() => self.serve(asked),
                Some(command) = commands.recv() => self.obey(command),
                Some(asked) = bulk.recv() => self.serve(asked),
            }
        }
    }

    fn handle(&mut self, input: Input) {
        if matches!(input, Input::Friends(_)) {
            self.looking_again = false;
        }
        self.node.handle(input, &mut self.out);
        self.perform();
    }

    fn serve(&mut self, asked: Asked) {
        let Asked { envelope, request, answer } = asked;
        // Whoever asked has gone: nothing was promised.
        if answer.is_closed() {
            return;
        }
        // Whoever has left must not seem to live because its process still runs.
        let result = match self.left {
            true => Err(Rejection::NotMember),
            false => self.node.serve(&envelope, request, &mut self.out),
        };
        let _ = answer.send(result);
        self.perform();
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::LookUp { key, read, within, answer } => {
                if self.lookups.len() >= LOOKUPS {
                    self.lookups.retain(|_, waiting| !waiting.is_closed());
                }
                // Dropping `answer` says that there is no room.
                if self.lookups.len() < LOOKUPS && !answer.is_closed() {
                    self.tickets += 1;
                    let ticket = Ticket(self.tickets);
                    self.lookups.insert(ticket, answer);
                    self.handle(Input::Lookup { ticket, key, read, within });
                }
            }
            Command::Shared { present, gone } => self.handle(Input::Shared { present, gone }),
            Command::Watching(watching) => self.handle(Input::Watching(watching)),
            Command::Gateway(url) => {
                self.handle(Input::Gateway(url));
                self.services.send_replace(self.node.services().clone());
            }
            Command::Leave(done) if self.left => {
                let _ = done.send(());
            }
            Command::Leave(done) => {
                self.leaving.retain(|waiting| !waiting.is_closed());
                self.leaving.push(done);
                self.handle(Input::Leave);
            }
            Command::Kept { arcs, answer } => {
                let keeper = self.node.keeper();
                let _ = answer.send(arcs.into_iter().map(|(from, to)| keeper.digest(from, to)).collect());
            }
            Command::Files { after, count, answer } => {
                let files = self.node.publisher().listing().files_after(after.as_ref());
                let _ = answer.send(files.take(count).cloned().collect());
            }
            Command::Delegates { between: (from, until), avoid, count, answer } => {
                let _ = answer.send(self.node.delegates(from, until, &avoid, count));
            }
            Command::Published { name, answer } => {
                let publisher = self.node.publisher();
                let shared = name.filter(|key| !publisher.listing().under(*key).is_empty());
                let receipt = shared.map(|key| publisher.receipt(key));
                let _ = answer.send(Published { progress: publisher.progress(), receipt });
            }
            Command::Peers(answer) => {
                let _ = answer.send(PeersSeen::of(&self.node));
            }
            Command::Snapshot(answer) => {
                let _ = answer.send(Snapshot::of(&self.node, self.entries_sent));
            }
        }
    }

    /// Does what the node wants done, and what it wants done because of that.
    fn perform(&mut self) {
        loop {
            for output in std::mem::take(&mut self.out) {
                self.do_one(output);
            }
            match self.at_once.pop_front() {
                Some(input) => self.node.handle(input, &mut self.out),
                None => break,
            }
        }
        let status = self.node.status();
        if self.status.send_if_modified(|seen| std::mem::replace(seen, status) != status) {
            self.turns += 1;
        }
        let peers = self.node.contacts().digest().wrapping_add(self.turns);
        self.peers.send_if_modified(|seen| std::mem::replace(seen, peers) != peers);
        self.look_again();
    }

    /// A name's addresses come and go with the peers behind it: a node that is in no ring, or alone in its own,
    /// is told of them again and again.
    fn look_again(&mut self) {
        let found = match self.node.status() {
            Status::Joining => false,
            Status::Member => !self.node.successors().is_empty(),
            Status::Leaving => true,
        };
        if found || self.named.is_empty() || self.looking_again {
            return;
        }
        self.looking_again = true;
        let (me, named) = (self.node.me().clone(), self.named.clone());
        self.replies.spawn(async move {
            tokio::time::sleep(LOOK_AGAIN).await;
            Input::Friends(friends::resolve(&me, named).await)
        });
    }

    fn do_one(&mut self, output: Output) {
        match output {
            Output::Call { to, request, why, within } => self.call(to, request, why, within),
            Output::SetTimer { timer, after } => self.timers.set(timer, after),
            Output::Found(ticket, found) => self.tell_waiting(ticket, Ok(found)),
            Output::Lost(ticket, lost) => self.tell_waiting(ticket, Err(lost)),
            Output::Event(event) => {
                tell::log(&event);
                self.calls.metrics().event(&event);
                match &event {
                    Event::Renumbered(me) => drop(self.lives.send_replace(me.clone())),
                    Event::Suspected(_) | Event::Recovered(_) | Event::GivenUp(_) => self.turns += 1,
                    _ => {}
                }
                // Nobody listens: nothing is lost.
                let _ = self.events.send(event);
            }
            Output::Left => {
                self.left = true;
                self.leaving.drain(..).for_each(|waiting| {
                    let _ = waiting.send(());
                });
            }
        }
    }

    fn call(&mut self, to: Peer, request: Request, why: Why, within: Duration) {
        if self.replies.len() >= CALLS {
            let busy = Input::Reply { from: to, why, took: Duration::ZERO, outcome: Outcome::Busy };
            return self.at_once.push_back(busy);
        }
        if let Request::Publish(batch) = &request {
            self.entries_sent += batch.keys.iter().map(|key| key.files.len() as u64).sum::<u64>();
        }
        let envelope: Envelope = self.node.envelope(&to);
        let calls = self.calls.clone();
        self.replies.spawn(async move {
            let start = Instant::now();
            let call = AssertUnwindSafe(calls.call(&to, envelope, request, within)).catch_unwind().await;
            let (from, outcome) = call.unwrap_or((to, Outcome::Silent));
            let took = start.elapsed();
            // After a pause of this process, old answers lie in the socket's buffer.
            let outcome = if took > within { Outcome::Silent } else { outcome };
            Input::Reply { from, why, took, outcome }
        });
    }

    fn tell_waiting(&mut self, ticket: Ticket, result: Ended) {
        if let Some(waiting) = self.lookups.remove(&ticket) {
            let _ = waiting.send(result);
        }
    }
}

/// The node's timers, at most one of each kind.
#[derive(Default)]
struct Timers {
    queue: DelayQueue<(Timer, Instant)>,
    keys: HashMap<Timer, delay_queue::Key>,
}

impl Timers {
    fn set(&mut self, timer: Timer, after: std::ops::Range<Duration>) {
        let after = if after.is_empty() { after.start } else { rand::random_range(after) };
        if let Some(key) = self.keys.remove(&timer) {
            self.queue.try_remove(&key);
        }
        self.keys.insert(timer, self.queue.insert((timer, Instant::now()), after));
    }

    /// The next timer that runs out, and how long ago it was set. Waits for ever where none is set.
    async fn next(&mut self) -> (Timer, Duration) {
        if self.queue.is_empty() {
            std::future::pending::<()>().await;
        }
        match std::future::poll_fn(|context| self.queue.poll_expired(context)).await {
            Some(expired) => {
                let (timer, set) = expired.into_inner();
                self.keys.remove(&timer);
                (timer, set.elapsed())
            }
            None => std::future::pending().await,
        }
    }
}
