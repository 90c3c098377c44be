//! What is counted, for Prometheus: one registry for each process of a peer. Each service registers what it counts
//! when it starts, so a process shows only what happens in it.
//!
//! Labels are taken from what this program knows beforehand: services, methods, outcomes, kinds of events. Names and
//! addresses of peers and files are none, for each value of a label is a series that its collector keeps for months.

mod exposition;
mod made;
mod methods;
mod process;
mod ring;
mod served;
mod service;

#[cfg(test)]
mod cardinality;

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::accept::Counts;
use crate::config::Service;
pub use exposition::{Families, Form};
pub use made::{End, Made};
pub use process::{open_files, resident_memory};
pub use ring::RingMetrics;
pub use served::Served;
pub use service::{MetricsApi, NAME};

const PREFIX: &str = "chord";

/// Labels with values that are known beforehand.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];
/// Counters that differ in their labels.
pub type Counters<const N: usize> = Family<Labels<N>, Counter>;
/// Gauges that differ in their labels.
pub type Gauges<const N: usize> = Family<Labels<N>, Gauge>;
/// Histograms that differ in their labels.
pub type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Seconds of what is done within a machine or a LAN: 0.1 ms to 5 s.
pub const SHORT: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// All that one process of a peer counts; clones share it.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: RwLock<Registry>,
    /// Those that run in this process.
    services: Vec<Service>,
    process: process::Process,
    served: OnceLock<served::Families>,
    /// What became of those that wanted too much: connections evicted and refused, requests limited.
    limited: OnceLock<[Counters<1>; 3]>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Of a process in which all services of a peer run.
    pub fn new() -> Self {
        Self::of(&Service::ALL)
    }

    /// Of a process in which these services run.
    pub fn of(services: &[Service]) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register("build", "What runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let mut services = services.to_vec();
        services.sort_unstable();
        Self(Arc::new(Inner {
            registry: RwLock::new(registry),
            process: process::Process::of(&services),
            services,
            served: OnceLock::new(),
            limited: OnceLock::new(),
        }))
    }

    /// The services that run in this process.
    pub fn services(&self) -> &[Service] {
        &self.0.services
    }

    /// Lets a part of the program register what it counts, under the prefix `chord_`.
    pub fn register(&self, with: impl FnOnce(&mut Registry)) {
        with(&mut self.0.registry.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Counts the gRPC requests that a service's port serves.
    pub fn served(&self, service: Service) -> Served {
        Served::new(self, self.0.served.get_or_init(|| served::Families::new(self)), service)
    }

    /// Counts what becomes of those that want too much at a service's port.
    pub fn limited(&self, service: Service) -> Counts {
        let [evicted, refused, limited] = self.0.limited.get_or_init(|| {
            [
                self.counters("connections_evicted", "Connections closed to make room for others"),
                self.counters("connections_refused", "Connections of addresses that held too many"),
                self.counters("requests_limited", "Requests of addresses that made too many"),
            ]
        });
        let of = |family: &Counters<1>| family.get_or_create_owned(&[("service", service.name())]);
        Counts { evicted: of(evicted), refused: of(refused), limited: of(limited) }
    }

    /// OpenMetrics text of all that this process counts and is, without the end mark.
    ///
    /// # Errors
    /// Where a metric has no text form.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.0.registry.read().unwrap_or_else(PoisonError::into_inner))?;
        encode_registry(&mut text, &self.0.process.now())?;
        Ok(text)
    }

    pub(crate) fn counter(&self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.register(|registry| registry.register(name, help, counter.clone()));
        counter
    }

    pub(crate) fn counters<const N: usize>(&self, name: &str, help: &str) -> Counters<N> {
        let counters = Family::default();
        self.register(|registry| registry.register(name, help, counters.clone()));
        counters
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.register(|registry| registry.register(name, help, gauge.clone()));
        gauge
    }

    pub(crate) fn gauges<const N: usize>(&self, name: &str, help: &str) -> Gauges<N> {
        let gauges = Family::default();
        self.register(|registry| registry.register(name, help, gauges.clone()));
        gauges
    }

    /// Of a time: `name` without its unit.
    pub(crate) fn seconds(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let histogram = Histogram::new(buckets.iter().copied());
        self.register(|registry| registry.register_with_unit(name, help, Unit::Seconds, histogram.clone()));
        histogram
    }

    /// The same by labels.
    pub(crate) fn seconds_by<const N: usize>(
        &self,
        name: &str,
        help: &str,
        histogram: fn() -> Histogram,
    ) -> Histograms<N> {
        let histograms = Family::new_with_constructor(histogram);
        self.register(|registry| registry.register_with_unit(name, help, Unit::Seconds, histograms.clone()));
        histograms
    }
}

/// Counts one more in a gauge while it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A number as a gauge shows it.
pub(crate) fn shown(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A gRPC code as gRPC's documents write it.
pub(crate) fn code_name(code: tonic::Code) -> &'static str {
    served::CODES[code as usize]
}

/// Notes a time in a histogram.
pub(crate) fn took(histogram: &Histogram, time: Duration) {
    histogram.observe(time.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_shows_what_is_registered_and_what_it_is() {
        let metrics = Metrics::of(&[Service::Catalog, Service::Chord]);
        metrics.counter("more", "More").inc();
        let busy = metrics.gauge("busy", "Busy");
        let one = Counted::new(&busy);
        let text = metrics.text().unwrap();
        for line in [
            concat!("chord_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "chord_more_total 1",
            "chord_busy 1",
            "# TYPE process_cpu_seconds counter",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is missing in:\n{text}");
        }
        assert!(text.contains("process_start_time_seconds{process=\"chord+catalog\"} "), "{text}");
        drop(one);
        assert!(metrics.text().unwrap().contains("chord_busy 0\n"));
    }
}
