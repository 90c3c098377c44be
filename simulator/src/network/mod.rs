//! The simulator: a whole network in virtual time, reproducible by its seed.
//!
//! Every node is the daemon's own [`chord::Node`]. One event queue carries timers, messages and deadlines;
//! latency, loss, crashes and partitions come from the seed. Nothing here reads a clock.

mod claims;
mod files;
mod hosts;
mod links;
mod lookups;
mod measure;
mod oracle;
mod queue;
mod trace;
mod traffic;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chord::{Config, Id, Input, Outcome, Output, Peer, Refusal, Request, Ticket, Why};
use chordial_proto::convert::Kind;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use files::Ledger;
pub use files::{Said, said};
pub use hosts::Crash;
use hosts::Host;
use links::Links;
pub use links::{Blocked, Weather};
pub use measure::{Ended, Told};
use oracle::Oracle;
pub use oracle::Verdicts;
use queue::{Happening, Message, Queue};
use trace::Trace;
pub use traffic::{ANSWER_FRAMING, Count, Counts, REQUEST_FRAMING, Traffic};
pub use watch::Wrong;
use watch::{Before, Watch};

struct Pending {
    caller: usize,
    life: u64,
    to: Peer,
    why: Why,
    sent: Duration,
}

/// A simulated network.
pub struct Network {
    config: Config,
    weather: Weather,
    rng: ChaCha8Rng,
    now: Duration,
    queue: Queue,
    hosts: Vec<Host>,
    by_address: BTreeMap<Arc<str>, usize>,
    links: Links,
    pending: BTreeMap<u64, Pending>,
    calls: u64,
    results: BTreeMap<Ticket, Ended>,
    tickets: u64,
    trace: Option<Trace>,
    events: Option<Vec<Told>>,
    frozen: bool,
    traffic: Option<Traffic>,
    watch: Watch,
    oracle: Option<Oracle>,
    ledger: Ledger,
}

impl Network {
    /// An empty network.
    pub fn new(seed: u64, config: Config, weather: Weather) -> Network {
        Network {
            config,
            weather,
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: Duration::ZERO,
            queue: Queue::default(),
            hosts: Vec::new(),
            by_address: BTreeMap::new(),
            links: Links::default(),
            pending: BTreeMap::new(),
            calls: 0,
            results: BTreeMap::new(),
            tickets: 0,
            trace: None,
            events: None,
            frozen: false,
            traffic: None,
            watch: Watch::default(),
            oracle: None,
            ledger: Ledger::default(),
        }
    }

    /// Virtual time since the beginning.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// A number below `end`, from the seed.
    ///
    /// # Panics
    /// Where `end` is 0.
    pub fn draw(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    /// A random identifier, from the seed.
    pub fn draw_id(&mut self) -> Id {
        Id::from_bytes(self.rng.random())
    }

    /// Lets time pass until the ring is exact. Returns how long that took.
    ///
    /// # Panics
    /// Where it is not within `limit`, naming a flaw.
    pub fn settle(&mut self, limit: Duration) -> Duration {
        let start = self.now;
        while let Some(flaw) = self.flaw() {
            assert!(self.now < start + limit, "after {:?}: {flaw}", self.now - start);
            self.run(Duration::from_millis(500));
        }
        self.now - start
    }

    /// Lets time pass until a condition holds. Returns how long that took.
    ///
    /// # Panics
    /// Where it does not within `limit`.
    pub fn until(&mut self, what: &str, limit: Duration, holds: impl Fn(&Network) -> bool) -> Duration {
        let start = self.now;
        while !holds(self) {
            assert!(self.now < start + limit, "{what}: not after {:?}", self.now - start);
            self.run(Duration::from_millis(50));
        }
        self.now - start
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.note_epoch();
        loop {
            let next = self.queue.next_at().unwrap_or(Duration::MAX);
            let second = self.watch.next_second();
            if second <= next && second <= end {
                self.now = self.now.max(second);
                self.each_second();
            } else if next <= end {
                self.step();
                self.note_epoch();
            } else {
                break;
            }
        }
        self.now = end;
    }

    fn schedule(&mut self, after: Duration, what: Happening) {
        self.queue.push(self.now + after, what);
    }

    fn step(&mut self) {
        let Some((at, happening)) = self.queue.pop() else { return };
        self.now = at;
        match happening {
            Happening::Arrive { message, received } => self.arrive(message, received),
            Happening::Timer { host, .. } | Happening::Local { host, .. } => {
                if let Some(happening) = self.unless_paused(host, happening) {
                    self.happen(happening);
                }
            }
            Happening::Answer { call, .. } | Happening::Deadline { call } => {
                let Some(caller) = self.pending.get(&call).map(|pending| pending.caller) else { return };
                if let Some(happening) = self.unless_paused(caller, happening) {
                    self.happen(happening);
                }
            }
        }
    }

    /// Lets a host that is not paused have what is meant for it.
    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Timer { .. } if self.frozen => {}
            Happening::Timer { host, life, timer, generation } => {
                let slot = &mut self.hosts[host];
                let set = slot.timers.get(&timer).copied();
                if let Some((latest, since)) = set
                    && slot.life == life
                    && latest == generation
                {
                    slot.timers.remove(&timer);
                    let after = self.now - since;
                    self.input(host, Input::Timer { timer, after });
                }
            }
            Happening::Local { host, life, input } => {
                if self.hosts[host].life == life {
                    self.input(host, *input);
                }
            }
            Happening::Answer { call, responder, outcome, measured } => {
                if let Some(pending) = self.pending.get(&call) {
                    self.count_received(pending.caller, measured);
                }
                self.reply(call, responder, *outcome);
            }
            Happening::Deadline { call } => self.reply(call, None, Outcome::Silent),
            Happening::Arrive { message, .. } => self.serve(*message),
        }
    }

    fn reply(&mut self, call: u64, responder: Option<Peer>, outcome: Outcome) {
        let Some(Pending { caller, life, to, why, sent }) = self.pending.remove(&call) else { return };
        if self.hosts[caller].life == life {
            let took = self.now - sent;
            self.input(caller, Input::Reply { from: responder.unwrap_or(to), why, took, outcome });
        }
    }

    fn arrive(&mut self, message: Box<Message>, received: bool) {
        let to = message.to;
        if !received && self.refuses_way(message.from, to) {
            let latency = self.travel(to, message.from);
            let outcome = Box::new(Outcome::Refused(Refusal::Connection));
            let (call, responder, measured) = (message.call, None, Default::default());
            return self.schedule(latency, Happening::Answer { call, responder, outcome, measured });
        }
        if !received && (!self.reaches(message.from, to) || self.is_lost()) {
            return;
        }
        if !received {
            self.count_received(to, message.measured);
        }
        if let Some(happening) = self.unless_paused(to, Happening::Arrive { message, received: true }) {
            self.happen(happening);
        }
    }

    fn serve(&mut self, message: Message) {
        let Message { call, from, to, envelope, request, .. } = message;
        // A neighbour that can't be reached answers through another peer.
        let answered = match &request {
            Request::Relayed { by, neighbors: Some(_) } => Some(by.id),
            _ => None,
        };
        let (kind, before) = (Kind::from(&request), self.before(to, answered));
        self.note(to, "?", &(from, &request));
        let refuses = self.hosts[to].refuses;
        let (responder, outcome) = match &mut self.hosts[to].node {
            None if !refuses => return,
            None => (None, Outcome::Refused(Refusal::Connection)),
            Some(node) => {
                let mut out = Vec::new();
                let outcome = Outcome::from(node.serve(&envelope, request, &mut out));
                let responder = node.me().clone();
                self.perform(to, out, before);
                (Some(responder), outcome)
            }
        };
        // It ended before it could answer.
        if responder.is_some() && self.hosts[to].node.is_none() {
            return;
        }
        self.note(to, "=", &outcome);
        // A rejection does not say whose it is, no more than it does on the wire.
        let responder = responder.filter(|_| matches!(outcome, Outcome::Answer(_)));
        let measured = self.measure_answer(kind, &outcome, responder.as_ref());
        self.count_sent(to, measured);
        let latency = self.travel(to, from);
        if self.reaches(to, from) && !self.is_lost() {
            let outcome = Box::new(outcome);
            self.schedule(latency, Happening::Answer { call, responder, outcome, measured });
        }
    }

    fn input(&mut self, host: usize, input: Input) {
        if self.is_paused(host) {
            let life = self.hosts[host].life;
            self.unless_paused(host, Happening::Local { host, life, input: Box::new(input) });
            return;
        }
        self.note(host, "<", &input);
        let answered = match &input {
            Input::Reply { from, .. } => Some(from.id),
            _ => None,
        };
        let before = self.before(host, answered);
        let Some(node) = &mut self.hosts[host].node else { return };
        let mut out = Vec::new();
        node.handle(input, &mut out);
        self.perform(host, out, before);
    }

    /// Does what a node wants done: all of it, unless the host ends in between.
    fn perform(&mut self, host: usize, mut outputs: Vec<Output>, before: Option<Before>) {
        self.note_state(host);
        let mut ends = None;
        if !outputs.is_empty()
            && let Some(how) = self.hosts[host].doomed.take()
        {
            outputs.truncate(self.draw(outputs.len() + 1));
            ends = Some(how);
        }
        for output in outputs {
            self.note(host, ">", &output);
            match output {
                Output::Call { to, request, why, within } => self.call(host, to, request, why, within),
                Output::SetTimer { timer, after } => {
                    let after = self.rng.random_range(after);
                    let (generation, life) = (self.queue.next_number(), self.hosts[host].life);
                    self.hosts[host].timers.insert(timer, (generation, self.now));
                    self.schedule(after, Happening::Timer { host, life, timer, generation });
                }
                Output::Found(ticket, found) => self.conclude(ticket, Ok(*found)),
                Output::Lost(ticket, lost) => self.conclude(ticket, Err(*lost)),
                Output::Event(event) => {
                    self.told(&event);
                    self.tell(host, event);
                }
                Output::Left => self.end(host, true),
            }
        }
        match (ends, before) {
            (Some(how), _) => self.crash(host, how),
            (None, Some(before)) => {
                self.note_acknowledged(host);
                self.note_receipts(host);
                self.check(host, &before);
            }
            (None, None) => {}
        }
    }

    fn call(&mut self, host: usize, to: Peer, request: Request, why: Why, within: Duration) {
        let Some(node) = &self.hosts[host].node else { return };
        let envelope = node.envelope(&to);
        self.calls += 1;
        let call = self.calls;
        let target = self.by_address.get(&to.address).copied();
        let life = self.hosts[host].life;
        self.pending.insert(call, Pending { caller: host, life, to, why, sent: self.now });
        self.schedule(within, Happening::Deadline { call });
        let Some(to) = target else { return };
        let measured = self.measure_request(&envelope, &request);
        self.count_sent(host, measured);
        let message = Box::new(Message { call, from: host, to, envelope, request, measured });
        if self.is_repeated() {
            let latency = self.travel(host, to);
            self.schedule(latency, Happening::Arrive { message: message.clone(), received: false });
        }
        let latency = self.travel(host, to);
        self.schedule(latency, Happening::Arrive { message, received: false });
    }
}
