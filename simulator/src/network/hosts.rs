//! The hosts: processes that start, stop, pause and end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use chord::index::{File, Text};
use chord::{Config, Id, Input, Node, Peer, Services, Status, Timer};

use super::Network;
use super::queue::Happening;
use crate::ideal;

/// What a paused host receives is kept up to so many messages and timers, as a kernel's buffers do.
const WAITING: usize = 4096;

/// How a host ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed: its port refuses.
    Process,
    /// The host vanishes: nothing answers.
    Host,
}

/// One process, past or present, at one address.
pub(super) struct Host {
    pub(super) address: Arc<str>,
    config: Config,
    pub(super) node: Option<Node>,
    /// Counts lives; what was meant for an earlier one is void.
    pub(super) life: u64,
    pub(super) refuses: bool,
    /// By timer: which setting counts, and since when.
    pub(super) timers: BTreeMap<Timer, (u64, Duration)>,
    /// What waits for a paused host.
    pub(super) waiting: Option<Vec<Happening>>,
    /// What each message from and to it takes longer.
    pub(super) slow: Option<Range<Duration>>,
    /// When it last joined, or stopped or began to answer in time.
    pub(super) unsettled: Duration,
    /// It ends in the middle of its next event.
    pub(super) doomed: Option<Crash>,
}

impl Host {
    fn new(address: Arc<str>, config: Config) -> Host {
        Host {
            address,
            config,
            node: None,
            life: 0,
            refuses: true,
            timers: BTreeMap::new(),
            waiting: None,
            slow: None,
            unsettled: Duration::ZERO,
            doomed: None,
        }
    }
}

pub(super) fn address(host: usize) -> String {
    format!("10.{}.{}.{}:7300", host / 65536, host / 256 % 256, host % 256)
}

impl Network {
    /// Starts a new peer that has these friends.
    pub fn start(&mut self, friends: &[usize]) -> usize {
        self.start_with(friends, self.config.clone())
    }

    /// Starts a new peer with settings of its own.
    pub fn start_with(&mut self, friends: &[usize], config: Config) -> usize {
        let host = self.add(&address(self.hosts.len()), config);
        self.restart(host, friends, &[]);
        host
    }

    /// Starts a new peer at an address, with friends by address; the friends' addresses lead to it, too.
    pub fn start_as(&mut self, address: &str, aliases: &[&str]) -> usize {
        let host = self.add(address, self.config.clone());
        for name in aliases {
            self.by_address.insert((*name).into(), host);
        }
        self.begin(host, aliases.iter().map(|name| Peer::stranger(name)).collect(), Vec::new());
        host
    }

    /// Starts a second process that advertises the address of another peer, which leads to that one only; where
    /// that one has crashed, to nobody.
    pub fn start_copy(&mut self, of: usize, friends: &[usize]) -> usize {
        let address = self.hosts[of].address.clone();
        let host = self.add(&address, self.config.clone());
        self.lead_to(of);
        self.restart(host, friends, &[]);
        host
    }

    /// From now on, a peer's address leads to this process of it.
    pub fn lead_to(&mut self, host: usize) {
        self.by_address.insert(self.hosts[host].address.clone(), host);
    }

    /// A host at which nothing runs yet.
    pub fn add_host(&mut self) -> usize {
        self.add(&address(self.hosts.len()), self.config.clone())
    }

    fn add(&mut self, address: &str, config: Config) -> usize {
        let host = self.hosts.len();
        let address: Arc<str> = address.into();
        self.by_address.insert(address.clone(), host);
        self.hosts.push(Host::new(address, config));
        host
    }

    /// Starts a peer again, at its old address.
    pub fn restart(&mut self, host: usize, friends: &[usize], remembered: &[usize]) {
        let strangers =
            |hosts: &[usize]| hosts.iter().map(|h| Peer::stranger(&self.hosts[*h].address)).collect();
        self.begin(host, strangers(friends), strangers(remembered));
    }

    /// Starts a peer again, where the clock and all that was stored are lost: its number is lower than that of
    /// earlier lives.
    pub fn restart_in_the_past(&mut self, host: usize, friends: &[usize]) {
        let strangers = friends.iter().map(|friend| Peer::stranger(&self.hosts[*friend].address)).collect();
        self.begin_as(host, 1, strangers, Vec::new());
    }

    fn begin(&mut self, host: usize, friends: Vec<Peer>, remembered: Vec<Peer>) {
        let incarnation = self.now.as_micros() as u64 + self.hosts[host].life + 1;
        self.begin_as(host, incarnation, friends, remembered);
    }

    fn begin_as(&mut self, host: usize, incarnation: u64, friends: Vec<Peer>, remembered: Vec<Peer>) {
        let slot = &mut self.hosts[host];
        slot.life += 1;
        slot.timers.clear();
        slot.waiting = None;
        slot.doomed = None;
        let peer = Peer { incarnation, name: format!("p{host}").into(), ..Peer::stranger(&slot.address) };
        slot.node = Some(Node::new(peer, Services::default(), slot.config.clone()));
        self.note(host, "start", &"");
        self.note_turn(host);
        self.input(host, Input::Watching(true));
        self.input(host, Input::Start { friends, remembered });
    }

    /// Puts members into the network that hold these to be their predecessor, successors and contacts, right
    /// or wrong. Numbers are hosts, counted from the first of these.
    pub fn place(&mut self, members: &[(Option<usize>, Vec<usize>, Vec<usize>)]) {
        let first = self.hosts.len();
        let peer = |number: usize| Peer {
            incarnation: 1,
            name: format!("p{}", first + number).into(),
            ..Peer::stranger(&address(first + number))
        };
        let node = |(number, (predecessor, successors, contacts)): (usize, &(_, Vec<_>, Vec<_>))| {
            let peers = |numbers: &[usize]| numbers.iter().map(|n| peer(*n)).collect::<Vec<_>>();
            let predecessor: Option<usize> = *predecessor;
            let (successors, contacts) = (peers(successors), peers(contacts));
            Node::standing(peer(number), self.config.clone(), predecessor.map(peer), &successors, &contacts)
        };
        let nodes = members.iter().enumerate().map(node).collect();
        self.stand(nodes);
    }

    /// Puts members into the network as they are.
    pub fn stand(&mut self, nodes: Vec<Node>) {
        let first = self.hosts.len();
        for node in nodes {
            let host = self.add(&node.me().address.clone(), node.config().clone());
            self.hosts[host].node = Some(node);
            self.hosts[host].life = 1;
        }
        for host in first..self.hosts.len() {
            let mut out = Vec::new();
            self.hosts[host].node.iter_mut().for_each(|node| node.wake(&mut out));
            self.perform(host, out, None);
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
        self.end(host, how == Crash::Process);
    }

    /// Ends a peer in the middle of the next event that it wants something done for: a drawn part of that is
    /// still done.
    pub fn crash_amid(&mut self, host: usize, how: Crash) {
        self.note(host, "doomed", &how);
        self.hosts[host].doomed = Some(how);
    }

    /// No node runs here any more.
    pub(super) fn end(&mut self, host: usize, refuses: bool) {
        let slot = &mut self.hosts[host];
        slot.node = None;
        slot.life += 1;
        slot.refuses = refuses;
        slot.waiting = None;
        slot.doomed = None;
        self.note_turn(host);
        self.ended();
        self.membership_changed();
    }

    /// Stops a process as SIGSTOP does: what comes for it waits, and its timers come late.
    pub fn pause(&mut self, host: usize) {
        self.note(host, "pause", &"");
        let slot = &mut self.hosts[host];
        if slot.node.is_some() && slot.waiting.is_none() {
            slot.waiting = Some(Vec::new());
        }
        self.note_doubt(host);
        self.unsettle(host);
    }

    /// Lets a paused process go on. As the daemon does, it takes in the ends of its own calls first, then timers,
    /// which are late, then requests; an answer that came in time and was not seen in time is none.
    pub fn resume(&mut self, host: usize) {
        self.note(host, "resume", &"");
        let mut waiting = self.hosts[host].waiting.take().unwrap_or_default();
        let missed = |what: &Happening| match what {
            Happening::Deadline { call } => Some(*call),
            _ => None,
        };
        let missed: BTreeSet<u64> = waiting.iter().filter_map(missed).collect();
        waiting.retain(|what| !matches!(what, Happening::Answer { call, .. } if missed.contains(call)));
        waiting.sort_by_key(|what| match what {
            Happening::Answer { .. } | Happening::Deadline { .. } => 0,
            Happening::Timer { .. } => 1,
            Happening::Arrive { .. } | Happening::Local { .. } => 2,
        });
        for happening in waiting {
            self.queue.push(self.now, happening);
        }
        self.note_doubt(host);
        self.unsettle(host);
    }

    /// Others may not reach it for some time, or do so again.
    pub(super) fn unsettle(&mut self, host: usize) {
        self.hosts[host].unsettled = self.now;
        self.disturb();
        self.membership_changed();
    }

    /// Whether a host is paused.
    pub fn is_paused(&self, host: usize) -> bool {
        self.hosts[host].waiting.is_some()
    }

    /// Puts what happens aside where the host that it happens at is paused; else gives it back.
    pub(super) fn unless_paused(&mut self, host: usize, happening: Happening) -> Option<Happening> {
        let Some(waiting) = &mut self.hosts[host].waiting else { return Some(happening) };
        if waiting.len() < WAITING {
            waiting.push(happening);
        }
        None
    }

    /// Makes each message from and to a host take longer by so much; none: as long as others.
    pub fn slow(&mut self, host: usize, by: Option<Range<Duration>>) {
        self.note(host, "slow", &by);
        self.hosts[host].slow = by;
        self.note_doubt(host);
        self.unsettle(host);
    }

    /// Tells a peer to leave gracefully.
    pub fn leave(&mut self, host: usize) {
        self.note_left(host);
        self.note_turn(host);
        self.input(host, Input::Leave);
    }

    /// Shares files of these names at a peer; the second list is withdrawn.
    pub fn share(&mut self, host: usize, present: &[&str], gone: &[&str]) {
        self.note_shared(host, present, gone);
        let file = |name: &&str| File {
            name: (*name).into(),
            path: (*name).into(),
            size: name.len() as u64,
            modified_ms: 0,
            digest: None,
            text: Text((*name).into()),
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

    /// How many hosts there are, living or not.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
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
}
