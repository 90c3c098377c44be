//! What is counted of downloads and uploads.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tonic::Code;

use crate::metrics::{Counted, Counters, Metrics, code_name, shown};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Download,
    Upload,
}

const DIRECTIONS: [&str; 2] = ["download", "upload"];

/// What one transfer service counts; clones count in the same.
#[derive(Clone, Debug)]
pub(super) struct TransferMetrics {
    ended: Counters<2>,
    bytes: [Counter; 2],
    in_flight: [Gauge; 2],
}

impl TransferMetrics {
    /// So many downloads and uploads may be under way.
    pub fn new(metrics: &Metrics, max_downloads: usize, max_uploads: usize) -> TransferMetrics {
        let bytes: Counters<1> = metrics.counters("transfer_bytes", "Bytes of files sent and taken");
        let in_flight = metrics.gauges::<1>("transfers_in_flight", "Downloads and uploads under way");
        let limit = metrics.gauges::<1>("transfers_limit", "As many as may be under way; more are refused");
        for (direction, most) in DIRECTIONS.into_iter().zip([max_downloads, max_uploads]) {
            limit.get_or_create(&[("direction", direction)]).set(shown(most as u64));
        }
        TransferMetrics {
            ended: metrics.counters("transfers", "Downloads and uploads, by how they ended"),
            bytes: DIRECTIONS.map(|direction| bytes.get_or_create_owned(&[("direction", direction)])),
            in_flight: DIRECTIONS.map(|direction| in_flight.get_or_create_owned(&[("direction", direction)])),
        }
    }

    /// One more begins. Whoever does not see its end has cancelled it.
    pub fn begin(&self, direction: Direction) -> Moving {
        let _in_flight = Counted::new(&self.in_flight[direction as usize]);
        Moving { metrics: self.clone(), direction, code: Code::Cancelled, _in_flight }
    }

    /// So many bytes have moved.
    pub fn bytes(&self, direction: Direction, count: usize) {
        self.bytes[direction as usize].inc_by(count as u64);
    }
}

/// A transfer under way; counted when it goes.
#[derive(Debug)]
pub(super) struct Moving {
    metrics: TransferMetrics,
    direction: Direction,
    code: Code,
    _in_flight: Counted,
}

impl Moving {
    /// So many bytes of it have moved.
    pub fn bytes(&self, count: usize) {
        self.metrics.bytes(self.direction, count);
    }

    /// How it ends.
    pub fn ends(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        let direction = ("direction", DIRECTIONS[self.direction as usize]);
        self.metrics.ended.get_or_create(&[direction, ("outcome", code_name(self.code))]).inc();
    }
}
