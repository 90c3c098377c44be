//! A simulated network whose membership is recorded, and lookups in it that are judged by that record.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use chord::{Config, Event, Id, Read, Status, Ticket};
use chordial_proto::convert::Kind;

use super::history::History;
use super::table::Sample;
use crate::network::{Crash, Network, Told, Weather};

/// Time until a lookup is lost; the papers have no such limit.
const WITHIN: Duration = Duration::from_secs(60);

/// Zave's invariants of the whole ring are checked in rings up to this size.
const CHECKED: usize = 200;

/// A network, who lives in it, and who lived when.
pub struct World {
    /// The network.
    pub network: Network,
    history: History,
    living: Vec<usize>,
    asked: Vec<Asked>,
}

struct Asked {
    ticket: Ticket,
    asker: usize,
    key: Id,
    at: Duration,
}

impl World {
    /// An ideal ring of so many peers that has run for `settled`, until its fingers are what they will be.
    ///
    /// # Panics
    /// Where the ring is not exact then.
    pub fn settled(seed: u64, peers: usize, config: Config, weather: Weather, settled: Duration) -> World {
        let mut network = Network::new(seed, config, weather);
        network.keep_events();
        if peers > CHECKED {
            network.check_no_rings();
        }
        network.place_ring(peers);
        let mut history = History::default();
        network.members().into_iter().for_each(|id| history.joined(id, Duration::ZERO));
        network.run(settled);
        if let Some(flaw) = network.flaw() {
            panic!("an ideal ring of {peers} did not stay so: {flaw}");
        }
        World { living: network.living(), network, history, asked: Vec::new() }
    }

    /// How many peers live, joining ones included.
    pub fn size(&self) -> usize {
        self.living.len()
    }

    /// The peers that live, joining ones included.
    pub fn living(&self) -> &[usize] {
        &self.living
    }

    /// A random member.
    ///
    /// # Panics
    /// Where there is none.
    pub fn member(&mut self) -> usize {
        assert!(self.network.nodes().any(|node| node.status() == Status::Member), "nobody is a member");
        loop {
            let host = self.living[self.network.draw(self.living.len())];
            if self.network.node(host).is_some_and(|node| node.status() == Status::Member) {
                return host;
            }
        }
    }

    /// Starts a peer that has three random members as friends.
    pub fn join(&mut self) -> usize {
        let friends = [self.member(), self.member(), self.member()];
        let host = self.network.start(&friends);
        self.living.push(host);
        host
    }

    /// Lets a random peer's host vanish.
    pub fn fail_any(&mut self) {
        let at = self.network.draw(self.living.len());
        self.fail(self.living[at]);
    }

    /// Lets a host vanish.
    pub fn fail(&mut self, host: usize) {
        self.living.retain(|living| *living != host);
        if let Some(node) = self.network.node(host) {
            let id = node.me().id;
            self.record();
            self.history.died(id, self.network.now());
        }
        self.network.crash(host, Crash::Host);
    }

    /// A random member looks up a random key.
    pub fn look_up_any(&mut self) {
        let (asker, key) = (self.member(), self.network.draw_id());
        let at = self.network.now();
        let ticket = self.network.look_up_within(asker, key, Read::Nothing, WITHIN);
        self.asked.push(Asked { ticket, asker, key, at });
    }

    /// So many times that, at this very instant.
    pub fn look_up_many(&mut self, lookups: usize) {
        (0..lookups).for_each(|_| self.look_up_any());
    }

    /// The time until the next event of a Poisson process of so many events per second.
    pub fn interval(&mut self, rate: f64) -> Duration {
        let uniform = (self.network.draw(1 << 53) + 1) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-uniform.ln() / rate)
    }

    /// What a peer sent on average in each second since `began`, as far as it was counted.
    pub fn bytes_per_peer(&self, began: Duration) -> Bytes {
        let count = self.network.traffic().map(|traffic| traffic.sent.total()).unwrap_or_default();
        let share = self.living.len() as f64 * (self.network.now() - began).as_secs_f64();
        let messages = count.bytes as f64 / share;
        Bytes { messages, with_framing: messages + count.framing as f64 / share, mostly: self.mostly() }
    }

    /// The three kinds of call with most bytes, and their shares.
    fn mostly(&self) -> String {
        let Some(sent) = self.network.traffic().map(|traffic| &traffic.sent) else { return String::new() };
        let all = sent.total().bytes.max(1);
        let mut kinds: Vec<(u64, Kind)> =
            Kind::ALL.iter().map(|kind| (sent.of(*kind).bytes, *kind)).collect();
        kinds.sort_by_key(|(bytes, _)| Reverse(*bytes));
        let shares = kinds.iter().take(3).map(|(bytes, kind)| format!("{kind:?} {} %", bytes * 100 / all));
        shares.collect::<Vec<_>>().join(", ")
    }

    fn record(&mut self) {
        for Told { at, host, event } in self.network.take_events() {
            match event {
                Event::Founded => {
                    let founder = self.network.node(host).map(|node| node.me().id);
                    founder.into_iter().for_each(|id| self.history.joined(id, at));
                }
                // A joiner is no part of the ring before one of its neighbours has taken it in.
                Event::Predecessor(peer) | Event::Successor(Some(peer)) => self.history.joined(peer.id, at),
                _ => {}
            }
        }
    }

    /// Waits for all lookups asked so far to end, and judges them.
    ///
    /// # Panics
    /// Where a member's lookup has not ended by its deadline.
    pub fn judge(&mut self) -> Lookups {
        let asked = std::mem::take(&mut self.asked);
        let waiting = |network: &Network| {
            asked.iter().any(|a| network.node(a.asker).is_some() && network.result(a.ticket).is_none())
        };
        let deadline = self.network.now() + WITHIN + Duration::from_secs(2);
        while waiting(&self.network) {
            assert!(self.network.now() < deadline, "a lookup did not end by its deadline");
            self.network.run(Duration::from_millis(500));
        }
        self.record();
        let mut lookups = Lookups::default();
        let (mut calls, mut hops, mut timeouts) = (Vec::new(), Vec::new(), Vec::new());
        for Asked { ticket, key, at, .. } in asked {
            // The asker died first.
            let Some(ended) = self.network.take_end(ticket) else { continue };
            lookups.asked += 1;
            let route = match &ended.result {
                Ok(found) => {
                    let right = self.history.was_responsible(found.owner.id, key, (at, ended.at));
                    lookups.right += usize::from(right);
                    if !right {
                        lookups.faults.push(format!("{at:?} {key:?}: {:?} was wrong", found.owner));
                    }
                    let direct = found.route.steps.len() <= 1 && found.route.failed.is_empty();
                    lookups.direct += usize::from(right && direct);
                    &found.route
                }
                Err(lost) => {
                    lookups.lost += 1;
                    lookups.faults.push(format!("{at:?} {key:?}: {lost}"));
                    &lost.route
                }
            };
            calls.push(route.steps.len() as f64);
            let forwarders: BTreeSet<Id> =
                route.steps.iter().rev().skip(1).map(|step| step.peer.id).collect();
            hops.push(forwarders.len() as f64);
            timeouts.push(route.failed.len() as f64);
        }
        lookups.calls = calls.into_iter().collect();
        lookups.hops = hops.into_iter().collect();
        lookups.timeouts = timeouts.into_iter().collect();
        lookups
    }
}

/// Bytes per second.
#[derive(Clone, Debug)]
pub struct Bytes {
    /// Encoded messages.
    pub messages: f64,
    /// The same, with what HTTP/2 and gRPC add, about.
    pub with_framing: f64,
    /// By which kinds of call, mostly; in words.
    pub mostly: String,
}

/// What became of many lookups.
#[derive(Clone, Debug, Default)]
pub struct Lookups {
    /// Those whose asker lived to see the end.
    pub asked: usize,
    /// Answered by a peer that was responsible during the call.
    pub right: usize,
    /// Without an answer.
    pub lost: usize,
    /// Right after at most one call, which nobody failed to answer.
    pub direct: usize,
    /// Calls answered, the owner's included.
    pub calls: Sample,
    /// Forwarding hops: the peers that answered, but for the owner.
    pub hops: Sample,
    /// Calls that nobody answered.
    pub timeouts: Sample,
    /// Each wrong or lost one, in words.
    pub faults: Vec<String>,
}

impl Lookups {
    /// Wrong or lost.
    pub fn failed(&self) -> usize {
        self.asked - self.right
    }

    /// The share of right ones.
    pub fn share_right(&self) -> f64 {
        self.right as f64 / self.asked.max(1) as f64
    }

    /// The share of those that needed one call at most.
    pub fn share_direct(&self) -> f64 {
        self.direct as f64 / self.asked.max(1) as f64
    }
}
