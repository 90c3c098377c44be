//! How long to wait for an answer: deadlines that follow each peer's own round trips.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Config, Id};

/// Peers whose round trips are known at most; the next clockwise makes room.
const TRACKED: usize = 512;

/// Round trips of other peers, and how late this peer's own timers run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct RoundTrips {
    peers: BTreeMap<Id, Estimate>,
    /// Milliseconds; halved with each timer that is in time.
    lateness: u32,
}

/// Mean and mean deviation of the round trips to one peer as in RFC 6298, in eighths and quarters of a
/// millisecond: no fractions, so that equal histories are equal states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Estimate {
    mean: u32,
    deviation: u32,
}

impl Estimate {
    fn first(sample: u32) -> Estimate {
        Estimate { mean: sample * 8, deviation: sample * 2 }
    }

    fn add(&mut self, sample: u32) {
        let difference = sample.abs_diff(self.mean / 8);
        self.mean = self.mean - self.mean / 8 + sample;
        self.deviation = self.deviation - self.deviation / 4 + difference;
    }

    /// The mean and four deviations.
    fn bound(self) -> Duration {
        Duration::from_millis(u64::from(self.mean / 8 + self.deviation))
    }
}

/// Whole milliseconds, rounded up.
fn millis(time: Duration) -> u32 {
    // An hour is longer than any call, and leaves room to multiply.
    time.as_micros().div_ceil(1000).min(3_600_000) as u32
}

impl RoundTrips {
    /// A short call to a peer was answered after `took`.
    pub(crate) fn observe(&mut self, peer: Id, took: Duration, config: &Config) {
        if config.shortest_timeout >= config.call_timeout {
            return;
        }
        let sample = millis(took);
        if let Some(known) = self.peers.get_mut(&peer) {
            return known.add(sample);
        }
        if self.peers.len() == TRACKED {
            let next = self.peers.range(peer..).chain(&self.peers).next().map(|(id, _)| *id);
            next.map(|id| self.peers.remove(&id));
        }
        self.peers.insert(peer, Estimate::first(sample));
    }

    /// A regular timer of this peer ran out so much too late: it will be as late to see an answer.
    pub(crate) fn run_late(&mut self, by: Duration, config: &Config) {
        if config.shortest_timeout < config.call_timeout {
            self.lateness = millis(by).max(self.lateness / 2);
        }
    }

    /// Deadline of a short call to a peer.
    pub(crate) fn timeout(&self, peer: Id, config: &Config) -> Duration {
        if config.shortest_timeout >= config.call_timeout {
            return config.call_timeout;
        }
        let usual = self.peers.get(&peer).map_or(config.call_timeout, |estimate| estimate.bound());
        let late = Duration::from_millis(self.lateness.into());
        (usual.max(config.shortest_timeout) + late).min(config.longest_timeout())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Id {
        Id::from(1)
    }

    fn after(samples: impl IntoIterator<Item = u64>) -> Duration {
        let (mut round_trips, config) = (RoundTrips::default(), Config::default());
        for sample in samples {
            round_trips.observe(peer(), Duration::from_millis(sample), &config);
        }
        round_trips.timeout(peer(), &config)
    }

    #[test]
    fn a_deadline_follows_the_round_trips_between_floor_and_ceiling() {
        let config = Config::default();
        assert_eq!(after([]), config.call_timeout, "unknown");
        assert_eq!(after([100]), Duration::from_millis(300), "mean and four deviations of a half");
        assert_eq!(after([1; 9]), config.shortest_timeout);
        assert_eq!(after([60_000; 9]), config.longest_timeout());
        let steady = after([400; 40]);
        assert!((400..420).contains(&steady.as_millis()), "{steady:?}");
        let varying = after((0..40).map(|n| if n % 2 == 0 { 300 } else { 500 }));
        assert!((700..900).contains(&varying.as_millis()), "{varying:?}");
    }

    #[test]
    fn a_late_peer_waits_longer_until_it_is_in_time_again() {
        let (mut round_trips, config) = (RoundTrips::default(), Config::default());
        round_trips.observe(peer(), Duration::from_millis(1), &config);
        round_trips.run_late(Duration::from_millis(400), &config);
        assert_eq!(round_trips.timeout(peer(), &config), Duration::from_millis(600));
        (0..9).for_each(|_| round_trips.run_late(Duration::ZERO, &config));
        assert_eq!(round_trips.timeout(peer(), &config), config.shortest_timeout);
    }

    #[test]
    fn the_table_is_bounded_and_can_be_switched_off() {
        let (mut round_trips, config) = (RoundTrips::default(), Config::default());
        for number in 0..2 * TRACKED as u64 {
            round_trips.observe(Id::from(number), Duration::ZERO, &config);
        }
        assert_eq!(round_trips.peers.len(), TRACKED);
        let fixed = Config { shortest_timeout: config.call_timeout, ..config };
        let mut round_trips = RoundTrips::default();
        round_trips.observe(peer(), Duration::from_millis(9), &fixed);
        round_trips.run_late(Duration::from_secs(9), &fixed);
        assert_eq!(round_trips, RoundTrips::default());
        assert_eq!(round_trips.timeout(peer(), &fixed), fixed.call_timeout);
    }
}
