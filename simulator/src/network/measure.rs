//! What a measurement needs beyond a test: ideal rings, what peers told and when, lookups without timers.

use std::time::Duration;

use chord::{Event, Found, Lost, Peer, Ticket};

use super::Network;
use super::hosts::address;

/// How a lookup ended, and when.
#[derive(Clone, Debug)]
pub struct Ended {
    /// In virtual time.
    pub at: Duration,
    /// What came of it.
    pub result: Result<Found, Lost>,
}

/// Something that a peer told people.
#[derive(Clone, Debug)]
pub struct Told {
    /// In virtual time.
    pub at: Duration,
    /// The peer's number.
    pub host: usize,
    /// What.
    pub event: Event,
}

impl Network {
    /// Puts so many members into the network that stand in an ideal ring; their fingers are still empty.
    ///
    /// # Panics
    /// Where there is to be nobody.
    pub fn place_ring(&mut self, peers: usize) {
        let first = self.hosts.len();
        let mut order: Vec<usize> = (0..peers).collect();
        order.sort_by_key(|number| Peer::stranger(&address(first + number)).id);
        let length = self.config.successors.min(peers - 1);
        let mut members = vec![(None, Vec::new(), Vec::new()); peers];
        for (at, number) in order.iter().enumerate() {
            let ahead = |step: usize| order[(at + step) % peers];
            let predecessor = (peers > 1).then(|| ahead(peers - 1));
            members[*number] = (predecessor, (1..=length).map(ahead).collect(), Vec::new());
        }
        self.place(&members);
    }

    /// Single peers are checked, but no whole rings any more: in large ones that takes most of the time.
    pub fn check_no_rings(&mut self) {
        self.watch.skip_rings();
    }

    /// From now on no timer runs out: nobody stabilizes, probes or refreshes anything.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Keeps what the peers tell from now on.
    pub fn keep_events(&mut self) {
        self.events = Some(Vec::new());
    }

    /// What the peers told since the last time this was asked, in order.
    pub fn take_events(&mut self) -> Vec<Told> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn tell(&mut self, host: usize, event: Event) {
        if let Some(events) = &mut self.events {
            events.push(Told { at: self.now, host, event });
        }
    }

    /// How and when a lookup ended, once it has; it is forgotten here.
    pub fn take_end(&mut self, ticket: Ticket) -> Option<Ended> {
        self.results.remove(&ticket)
    }
}
