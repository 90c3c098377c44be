//! What the chord service counts: lookups and searches of this peer's users, and what happens to the node.

use std::time::Instant;

use chord::{Event, LostReason};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::{Counted, Counters, Made, Metrics, SHORT, took};
use crate::driver::LookUpError;

/// How lookups end, for the label `outcome`.
const LOOKUPS: [&str; 8] =
    ["found", "incomplete", "timed_out", "no_way", "not_member", "overloaded", "stopped", "cancelled"];
/// Calls of a lookup that were answered.
const HOPS: [f64; 13] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 14.0, 16.0];
/// Seconds of a search, which may ask all peers.
const SEARCH: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// What one chord service counts; clones count in the same.
#[derive(Clone, Debug)]
pub struct RingMetrics {
    /// Its calls to other peers.
    pub made: Made,
    /// In the order of [`LOOKUPS`].
    lookups: [Counter; LOOKUPS.len()],
    hops: Histogram,
    lookup_seconds: Histogram,
    lookups_in_flight: Gauge,
    searches: Counters<1>,
    search_seconds: Histogram,
    events: Counters<1>,
    entries_limit: Gauge,
}

impl RingMetrics {
    /// Counts in `metrics`.
    pub fn new(metrics: &Metrics) -> RingMetrics {
        let lookups: Counters<1> =
            metrics.counters("lookups", "Lookups of this peer's users, by how they ended");
        let searches: Counters<1> =
            metrics.counters("searches", "Searches of this peer's users, by how they ended");
        // All are shown from the start on, so that the first failure is an increase.
        for outcome in ["complete", "incomplete", "failed"] {
            drop(searches.get_or_create_owned(&[("outcome", outcome)]));
        }
        let hops = Histogram::new(HOPS);
        let help = "Calls that a lookup needed until it had found who is responsible";
        metrics.register(|registry| registry.register("lookup_hops", help, hops.clone()));
        RingMetrics {
            made: Made::new(metrics),
            lookups: LOOKUPS.map(|outcome| lookups.get_or_create_owned(&[("outcome", outcome)])),
            hops,
            lookup_seconds: metrics.seconds("lookup_duration", "From a lookup to its end", &SHORT),
            lookups_in_flight: metrics.gauge("lookups_in_flight", "Lookups of this peer's users under way"),
            searches,
            search_seconds: metrics.seconds("search_duration", "From a search to its end", &SEARCH),
            events: metrics.counters("events", "What has happened to this peer's place in the ring"),
            entries_limit: metrics.gauge("index_entries_limit", "Entries that this peer keeps at most"),
        }
    }

    /// So many entries may be kept.
    pub fn set_entries_limit(&self, most: u64) {
        self.entries_limit.set(super::shown(most));
    }

    /// A lookup begins.
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        let _in_flight = Counted::new(&self.lookups_in_flight);
        Lookup { metrics: self, began: Instant::now(), outcome: "cancelled", _in_flight }
    }

    /// A search has ended: whether its answer is complete; none: it failed.
    pub(crate) fn search(&self, complete: Option<bool>, began: Instant) {
        let outcome = match complete {
            Some(true) => "complete",
            Some(false) => "incomplete",
            None => "failed",
        };
        self.searches.get_or_create(&[("outcome", outcome)]).inc();
        took(&self.search_seconds, began.elapsed());
    }

    /// Something has happened to the node.
    pub(crate) fn event(&self, event: &Event) {
        let event = match event {
            Event::Founded => "founded",
            Event::Joined(_) => "joined",
            Event::CannotJoin(_) => "cannot_join",
            Event::Renumbered(_) => "renumbered",
            Event::Successor(_) => "successor",
            Event::Predecessor(_) => "predecessor",
            Event::Suspected(_) => "suspected",
            Event::Recovered(_) => "recovered",
            Event::GivenUp(_) => "given_up",
            Event::HasLeft(_) => "has_left",
            Event::LeaseExpired(_) => "lease_expired",
            Event::Full(..) => "full",
        };
        self.events.get_or_create(&[("event", event)]).inc();
    }
}

/// A lookup under way; counted when it goes.
pub(crate) struct Lookup<'a> {
    metrics: &'a RingMetrics,
    began: Instant,
    outcome: &'static str,
    _in_flight: Counted,
}

impl Lookup<'_> {
    /// It has found who is responsible, who knows all that was asked or not.
    pub(crate) fn found(mut self, hops: usize, complete: bool) {
        self.metrics.hops.observe(hops as f64);
        self.outcome = if complete { "found" } else { "incomplete" };
    }

    /// It has failed.
    pub(crate) fn failed(mut self, error: &LookUpError) {
        self.outcome = match error {
            LookUpError::Overloaded => "overloaded",
            LookUpError::Stopped => "stopped",
            LookUpError::Lost(lost) => match lost.reason {
                LostReason::TimedOut => "timed_out",
                LostReason::NoWay => "no_way",
                LostReason::NotMember => "not_member",
            },
        };
    }
}

impl Drop for Lookup<'_> {
    fn drop(&mut self) {
        if let Some(at) = LOOKUPS.iter().position(|outcome| *outcome == self.outcome) {
            self.metrics.lookups[at].inc();
        }
        took(&self.metrics.lookup_seconds, self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use chord::{Id, Lost, Peer, Route};

    use super::*;

    #[test]
    fn lookups_searches_and_events_are_counted() {
        let metrics = Metrics::new();
        let ring = RingMetrics::new(&metrics);
        ring.lookup().found(3, true);
        ring.lookup().found(0, false);
        let lost =
            |reason| LookUpError::Lost(Box::new(Lost { key: Id::of(b""), reason, route: Route::default() }));
        ring.lookup().failed(&lost(LostReason::TimedOut));
        ring.lookup().failed(&LookUpError::Stopped);
        drop(ring.lookup());
        ring.search(Some(true), Instant::now());
        ring.search(None, Instant::now());
        ring.event(&Event::Suspected(Peer::stranger("10.0.0.1:7000")));
        let under_way = ring.lookup();
        let text = metrics.text().unwrap();
        for line in [
            "chord_lookups_total{outcome=\"found\"} 1",
            "chord_lookups_total{outcome=\"incomplete\"} 1",
            "chord_lookups_total{outcome=\"timed_out\"} 1",
            "chord_lookups_total{outcome=\"no_way\"} 0",
            "chord_lookups_total{outcome=\"stopped\"} 1",
            "chord_lookups_total{outcome=\"cancelled\"} 1",
            "chord_lookup_hops_count 2",
            "chord_lookup_hops_bucket{le=\"2.0\"} 1",
            "chord_lookup_hops_bucket{le=\"3.0\"} 2",
            "chord_lookup_duration_seconds_count 5",
            "chord_lookups_in_flight 1",
            "chord_searches_total{outcome=\"complete\"} 1",
            "chord_searches_total{outcome=\"failed\"} 1",
            "chord_searches_total{outcome=\"incomplete\"} 0",
            "chord_search_duration_seconds_count 2",
            "chord_events_total{event=\"suspected\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is missing in:\n{text}");
        }
        assert!(!text.contains("10.0.0.1"), "{text}");
        drop(under_way);
    }
}
