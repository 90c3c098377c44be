//! What is counted of reading the shared directory and its files.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chordial_proto::catalog_v1::Skipped;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use crate::metrics::{Counters, Gauges, Metrics, shown, took};

/// Seconds of a scan, of an empty directory up to a million files on a slow disk.
const SCAN: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0];

/// What one catalog counts; clones count in the same.
#[derive(Clone, Debug)]
pub(super) struct CatalogMetrics {
    scans: Counters<1>,
    scan_seconds: Histogram,
    last_scan: Gauge<f64, AtomicU64>,
    files: Gauge,
    bytes: Gauge,
    skipped: Gauges<1>,
    watching: Gauge,
    hashed_files: Counter,
    hashed_bytes: Counter,
    hash_errors: Counter,
    hash_pending: Gauge,
}

impl CatalogMetrics {
    pub fn new(metrics: &Metrics) -> CatalogMetrics {
        let (last_scan, bytes) = (Gauge::default(), Gauge::default());
        let hashed_bytes = Counter::default();
        metrics.register(|registry| {
            let help = "When the directory was last read to its end, since 1970; 0: not yet";
            registry.register_with_unit(
                "catalog_last_scan_timestamp",
                help,
                Unit::Seconds,
                Gauge::clone(&last_scan),
            );
            registry.register_with_unit(
                "catalog_files",
                "Size of all files listed",
                Unit::Bytes,
                Gauge::clone(&bytes),
            );
            let help = "Bytes of files read for their digests";
            registry.register_with_unit("catalog_hashed", help, Unit::Bytes, Counter::clone(&hashed_bytes));
        });
        let scans: Counters<1> =
            metrics.counters("catalog_scans", "Scans of the directory, by how they ended");
        // Shown from the start on, so that the first failure is an increase.
        for outcome in ["ok", "error"] {
            drop(scans.get_or_create_owned(&[("outcome", outcome)]));
        }
        CatalogMetrics {
            scans,
            scan_seconds: metrics.seconds(
                "catalog_scan_duration",
                "From the beginning of a scan to its end",
                &SCAN,
            ),
            last_scan,
            files: metrics.gauge("catalog_files", "Files listed"),
            bytes,
            skipped: metrics
                .gauges("catalog_skipped_files", "What lies in the directory and is not shared, by reason"),
            watching: metrics.gauge("catalog_watching", "Whether the system tells of changes"),
            hashed_files: metrics.counter("catalog_hashed_files", "Files read for their digests"),
            hashed_bytes,
            hash_errors: metrics
                .counter("catalog_hash_errors", "Files that could not be read for their digests"),
            hash_pending: metrics.gauge("catalog_hash_pending_files", "Files that wait for their digests"),
        }
    }

    /// A scan has ended.
    pub fn scanned(&self, whole: bool, time: Duration) {
        self.scans.get_or_create(&[("outcome", if whole { "ok" } else { "error" })]).inc();
        took(&self.scan_seconds, time);
        if whole {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.last_scan.set(now.as_secs_f64());
        }
    }

    /// What is listed now, and what is not.
    pub fn listed(&self, files: usize, bytes: u64, skipped: &Skipped) {
        self.files.set(shown(files as u64));
        self.bytes.set(shown(bytes));
        let Skipped { special, links, names, unreadable, beyond, hidden, unfinished } = *skipped;
        for (reason, count) in [
            ("special", special),
            ("link", links),
            ("name", names),
            ("unreadable", unreadable),
            ("beyond", beyond),
            ("hidden", hidden),
            ("unfinished", unfinished),
        ] {
            self.skipped.get_or_create(&[("reason", reason)]).set(shown(count));
        }
    }

    /// Whether the system tells of changes.
    pub fn watching(&self, watching: bool) {
        self.watching.set(watching.into());
    }

    /// A file was read; its digest is known.
    pub fn hashed(&self, bytes: u64) {
        self.hashed_files.inc();
        self.hashed_bytes.inc_by(bytes);
    }

    /// A file could not be read.
    pub fn not_hashed(&self) {
        self.hash_errors.inc();
    }

    /// So many files wait for their digests.
    pub fn pending(&self, files: usize) {
        self.hash_pending.set(shown(files as u64));
    }
}
