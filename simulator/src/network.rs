//! The simulator: a whole network in virtual time, reproducible by its seed.
//!
//! Every node is the daemon's own [`chord::Node`]. One event queue carries timers, messages and deadlines;
//! latency, loss, crashes and partitions come from the seed. Nothing here reads a clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use chord::index::{File, Reading};
use chord::{
    Config, Envelope, Found, Id, Input, Lost, Node, Outcome, Output, Peer, Read, Refusal, Request, Services,
    Status, Ticket, Timer, Why,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::ideal;

/// How messages travel.
#[derive(Clone, Debug)]
pub struct Weather {
    /// One way, drawn anew for each message.
    pub latency: Range<Duration>,
    /// The part of all messages that is lost, 0 to 1.
    pub loss: f64,
}

impl Default for Weather {
    fn default() -> Weather {
        Weather { latency: Duration::from_millis(1)..Duration::from_millis(20), loss: 0.0 }
    }
}

/// How a host ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed: its port refuses.
    Process,
    /// The host vanishes: nothing answers.
    Host,
}

/// One process, past or present, at one address.
struct Host {
    address: Arc<str>,
    config: Config,
    node: Option<Node>,
    /// Counts lives; what was meant for an earlier one is void.
    life: u64,
    refuses: bool,
    timers: BTreeMap<Timer, (u64, Duration)>,
    island: u32,
}

struct Pending {
    caller: usize,
    life: u64,
    to: Peer,
    why: Why,
    sent: Duration,
}

enum Happening {
    Timer { host: usize, life: u64, timer: Timer, generation: u64 },
    Arrive { call: u64, from: usize, to: usize, envelope: Box<Envelope>, request: Box<Request> },
    Answer { call: u64, responder: Option<Peer>, outcome: Box<Outcome> },
    Deadline { call: u64 },
}

struct Scheduled {
    at: Duration,
    number: u64,
    what: Happening,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Scheduled) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Scheduled) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Scheduled) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// A simulated network.
pub struct Network {
    config: Config,
    weather: Weather,
    rng: ChaCha8Rng,
    now: Duration,
    queue: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    hosts: Vec<Host>,
    by_address: BTreeMap<Arc<str>, usize>,
    pending: BTreeMap<u64, Pending>,
    calls: u64,
    results: BTreeMap<Ticket, Result<Found, Lost>>,
    tickets: u64,
    trace: Option<String>,
}

impl Network {
    /// An empty network.
    pub fn new(seed: u64, config: Config, weather: Weather) -> Network {
        Network {
            config,
            weather,
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            scheduled: 0,
            hosts: Vec::new(),
            by_address: BTreeMap::new(),
            pending: BTreeMap::new(),
            calls: 0,
            results: BTreeMap::new(),
            tickets: 0,
            trace: None,
        }
    }

    /// Keeps a text of everything that happens from now on.
    pub fn keep_trace(&mut self) {
        self.trace = Some(String::new());
    }

    /// The text kept so far.
    pub fn trace(&self) -> &str {
        self.trace.as_deref().unwrap_or_default()
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
    pub fn draw(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    /// A random identifier, from the seed.
    pub fn draw_id(&mut self) -> Id {
        Id::from_bytes(self.rng.random())
    }

    /// Starts a new peer that has these friends.
    pub fn start(&mut self, friends: &[usize]) -> usize {
        self.start_with(friends, self.config.clone())
    }

    /// Starts a new peer with settings of its own.
    pub fn start_with(&mut self, friends: &[usize], config: Config) -> usize {
        let host = self.hosts.len();
        let address: Arc<str> = format!("10.0.{}.{}:7300", host / 256, host % 256).into();
        self.by_address.insert(address.clone(), host);
        let timers = BTreeMap::new();
        self.hosts.push(Host { address, config, node: None, life: 0, refuses: true, timers, island: 0 });
        self.restart(host, friends, &[]);
        host
    }

    /// Starts a new peer at an address, with friends by address; the friends' addresses lead to it, too.
    pub fn start_as(&mut self, address: &str, aliases: &[&str]) -> usize {
        let host = self.hosts.len();
        let timers = BTreeMap::new();
        let (address, config) = (Arc::from(address), self.config.clone());
        for name in aliases.iter().copied().chain([&*address]) {
            self.by_address.insert(name.into(), host);
        }
        self.hosts.push(Host { address, config, node: None, life: 0, refuses: true, timers, island: 0 });
        self.begin(host, aliases.iter().map(|name| Peer::stranger(name)).collect(), Vec::new());
        host
    }

    /// Starts a peer again, at its old address.
    pub fn restart(&mut self, host: usize, friends: &[usize], remembered: &[usize]) {
        let strangers =
            |hosts: &[usize]| hosts.iter().map(|h| Peer::stranger(&self.hosts[*h].address)).collect();
        self.begin(host, strangers(friends), strangers(remembered));
    }

    fn begin(&mut self, host: usize, friends: Vec<Peer>, remembered: Vec<Peer>) {
        let slot = &mut self.hosts[host];
        slot.life += 1;
        slot.timers.clear();
        let peer = Peer {
            incarnation: self.now.as_micros() as u64 + slot.life,
            name: format!("p{host}").into(),
            ..Peer::stranger(&slot.address)
        };
        slot.node = Some(Node::new(peer, Services::default(), slot.config.clone()));
        self.note(host, "start", &"");
        self.input(host, Input::Watching(true));
        self.input(host, Input::Start { friends, remembered });
    }

    /// Puts members into the network that hold these to be their predecessor, successors and contacts, right
    /// or wrong. Numbers are hosts, counted from the first of these.
    pub fn place(&mut self, members: &[(Option<usize>, Vec<usize>, Vec<usize>)]) {
        let first = self.hosts.len();
        let peer = |number: usize| {
            let host = first + number;
            let address = format!("10.0.{}.{}:7300", host / 256, host % 256);
            Peer { incarnation: 1, name: format!("p{host}").into(), ..Peer::stranger(&address) }
        };
        for (number, (predecessor, successors, contacts)) in members.iter().enumerate() {
            let peers = |numbers: &[usize]| numbers.iter().map(|n| peer(*n)).collect::<Vec<_>>();
            let me = peer(number);
            let (address, config, host) = (me.address.clone(), self.config.clone(), first + number);
            let predecessor = predecessor.map(peer);
            let node = Node::standing(me, config.clone(), predecessor, &peers(successors), &peers(contacts));
            self.by_address.insert(address.clone(), host);
            let (node, timers) = (Some(node), BTreeMap::new());
            self.hosts.push(Host { address, config, node, life: 1, refuses: true, timers, island: 0 });
        }
        for host in first..self.hosts.len() {
            let mut out = Vec::new();
            self.hosts[host].node.iter_mut().for_each(|node| node.wake(&mut out));
            self.perform(host, out);
        }
    }

    /// Tells a running peer who its friends are now.
    pub fn befriend(&mut self, host: usize, friends: &[usize]) {
        let addresses: Vec<_> = friends.iter().map(|friend| self.hosts[*friend].address.clone()).collect();
        self.befriend_as(host, &addresses.iter().map(|address| &**address).collect::<Vec<_>>());
    }

    /// The same, by addresses.
    pub fn befriend_as(&mut self, host: usize, friends: &[&str]) {
        self.input(host, Input::Friends(friends.iter().map(|address| Peer::stranger(address)).collect()));
    }

    /// Ends a peer without warning.
    pub fn crash(&mut self, host: usize, how: Crash) {
        self.note(host, "crash", &how);
        let slot = &mut self.hosts[host];
        slot.node = None;
        slot.life += 1;
        slot.refuses = how == Crash::Process;
    }

    /// Tells a peer to leave gracefully.
    pub fn leave(&mut self, host: usize) {
        self.input(host, Input::Leave);
    }

    /// Cuts the network: only hosts of one island reach each other. Hosts not named are of island 0.
    pub fn cut(&mut self, islands: &[&[usize]]) {
        for (number, hosts) in islands.iter().enumerate() {
            hosts.iter().for_each(|host| self.hosts[*host].island = number as u32 + 1);
        }
    }

    /// Heals all cuts.
    pub fn heal(&mut self) {
        self.hosts.iter_mut().for_each(|host| host.island = 0);
    }

    /// Shares files of these names at a peer; the second list is withdrawn.
    pub fn share(&mut self, host: usize, present: &[&str], gone: &[&str]) {
        let file = |name: &&str| File {
            name: (*name).into(),
            path: (*name).into(),
            size: name.len() as u64,
            modified_ms: 0,
            digest: None,
        };
        let present = present.iter().map(file).collect();
        let gone = gone.iter().map(|path| Arc::from(*path)).collect();
        self.input(host, Input::Shared { present, gone });
    }

    /// A peer, while it lives.
    pub fn node(&self, host: usize) -> Option<&Node> {
        self.hosts[host].node.as_ref()
    }

    /// All living peers.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.hosts.iter().filter_map(|host| host.node.as_ref())
    }

    /// The numbers of all living peers.
    pub fn living(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].node.is_some()).collect()
    }

    /// The identifiers of all living members, in ring order.
    pub fn members(&self) -> Vec<Id> {
        ideal::members(self.nodes())
    }

    /// What keeps the ring from being exact; none: it is.
    pub fn flaw(&self) -> Option<String> {
        let members = self.members();
        self.nodes().find_map(|node| match node.status() {
            Status::Leaving => None,
            Status::Joining => Some(format!("{:?} is joining: {}", node.me(), node.trouble())),
            Status::Member => ideal::flaw(&members, node),
        })
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
        while self.queue.peek().is_some_and(|Reverse(next)| next.at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Starts a lookup at a peer; [`result`](Self::result) has its end.
    pub fn look_up(&mut self, host: usize, key: Id, read: Read) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.input(host, Input::Lookup { ticket, key, read, within: Duration::from_secs(10) });
        ticket
    }

    /// How a lookup ended, once it has.
    pub fn result(&self, ticket: Ticket) -> Option<&Result<Found, Lost>> {
        self.results.get(&ticket)
    }

    /// Looks a name up at a peer and waits for the answer.
    ///
    /// # Errors
    /// Why the lookup failed.
    ///
    /// # Panics
    /// Where neither came within its deadline.
    pub fn find(&mut self, host: usize, name: &str) -> Result<Reading, Lost> {
        let ticket = self.look_up(host, Id::of(name.as_bytes()), Read::Key(100));
        self.until("the lookup's end", Duration::from_secs(12), |network| network.result(ticket).is_some());
        self.results[&ticket].clone().map(|found| found.reading)
    }

    fn note(&mut self, host: usize, what: &str, detail: &dyn std::fmt::Debug) {
        if let Some(trace) = &mut self.trace {
            let _ = writeln!(trace, "{:>12} p{host} {what} {detail:?}", self.now.as_micros());
        }
    }

    fn schedule(&mut self, after: Duration, what: Happening) {
        self.scheduled += 1;
        self.queue.push(Reverse(Scheduled { at: self.now + after, number: self.scheduled, what }));
    }

    fn step(&mut self) {
        let Some(Reverse(Scheduled { at, what, .. })) = self.queue.pop() else { return };
        self.now = at;
        match what {
            Happening::Timer { host, life, timer, generation } => {
                let slot = &self.hosts[host];
                let set =
                    slot.timers.get(&timer).filter(|(latest, _)| slot.life == life && *latest == generation);
                if let Some((_, since)) = set {
                    let after = self.now - *since;
                    self.hosts[host].timers.remove(&timer);
                    self.input(host, Input::Timer { timer, after });
                }
            }
            Happening::Arrive { call, from, to, envelope, request } => {
                self.arrive(call, from, to, &envelope, *request);
            }
            Happening::Answer { call, responder, outcome } => {
                if let Some(pending) = self.pending.remove(&call) {
                    let from = responder.unwrap_or_else(|| pending.to.clone());
                    self.reply(pending, from, *outcome);
                }
            }
            Happening::Deadline { call } => {
                if let Some(pending) = self.pending.remove(&call) {
                    let from = pending.to.clone();
                    self.reply(pending, from, Outcome::Silent);
                }
            }
        }
    }

    fn reply(&mut self, pending: Pending, from: Peer, outcome: Outcome) {
        if self.hosts[pending.caller].life == pending.life {
            let took = self.now - pending.sent;
            self.input(pending.caller, Input::Reply { from, why: pending.why, took, outcome });
        }
    }

    fn latency(&mut self) -> Duration {
        self.rng.random_range(self.weather.latency.clone())
    }

    fn is_lost(&mut self) -> bool {
        self.weather.loss > 0.0 && self.rng.random_bool(self.weather.loss)
    }

    fn arrive(&mut self, call: u64, from: usize, to: usize, envelope: &Envelope, request: Request) {
        if self.hosts[from].island != self.hosts[to].island || self.is_lost() {
            return;
        }
        let refuses = self.hosts[to].refuses;
        let (responder, outcome) = match &mut self.hosts[to].node {
            None if !refuses => return,
            None => (None, Outcome::Refused(Refusal::Connection)),
            Some(node) => {
                let mut out = Vec::new();
                let outcome = Outcome::from(node.serve(envelope, request, &mut out));
                let responder = node.me().clone();
                self.perform(to, out);
                (Some(responder), outcome)
            }
        };
        // A rejection does not say whose it is, no more than it does on the wire.
        let responder = responder.filter(|_| matches!(outcome, Outcome::Answer(_)));
        let latency = self.latency();
        if !self.is_lost() {
            self.schedule(latency, Happening::Answer { call, responder, outcome: Box::new(outcome) });
        }
    }

    fn input(&mut self, host: usize, input: Input) {
        self.note(host, "<", &input);
        let Some(node) = &mut self.hosts[host].node else { return };
        let mut out = Vec::new();
        node.handle(input, &mut out);
        self.perform(host, out);
    }

    fn perform(&mut self, host: usize, outputs: Vec<Output>) {
        for output in outputs {
            self.note(host, ">", &output);
            match output {
                Output::Call { to, request, why, within } => self.call(host, to, request, why, within),
                Output::SetTimer { timer, after } => {
                    let after = self.rng.random_range(after);
                    self.scheduled += 1;
                    let generation = self.scheduled;
                    let life = self.hosts[host].life;
                    self.hosts[host].timers.insert(timer, (generation, self.now));
                    self.schedule(after, Happening::Timer { host, life, timer, generation });
                }
                Output::Found(ticket, found) => {
                    self.results.insert(ticket, Ok(*found));
                }
                Output::Lost(ticket, lost) => {
                    self.results.insert(ticket, Err(*lost));
                }
                Output::Event(_) => {}
                Output::Left => {
                    let slot = &mut self.hosts[host];
                    slot.node = None;
                    slot.life += 1;
                    slot.refuses = true;
                }
            }
        }
    }

    fn call(&mut self, host: usize, to: Peer, request: Request, why: Why, within: Duration) {
        let Some(node) = &self.hosts[host].node else { return };
        let envelope = Box::new(node.envelope(&to));
        self.calls += 1;
        let call = self.calls;
        let target = self.by_address.get(&to.address).copied();
        let life = self.hosts[host].life;
        self.pending.insert(call, Pending { caller: host, life, to, why, sent: self.now });
        self.schedule(within, Happening::Deadline { call });
        if let Some(target) = target {
            let latency = self.latency();
            let what =
                Happening::Arrive { call, from: host, to: target, envelope, request: Box::new(request) };
            self.schedule(latency, what);
        }
    }
}
