//! Counts the gRPC calls that the chord service makes to other peers.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use tonic::Code;

use super::{Counters, Histograms, Metrics, SHORT, code_name, took};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// As the other side said.
    Code(Code),
    /// Nobody listens there.
    Refused,
    /// The connection broke, or could not be made.
    Broken,
    /// What came is no answer.
    Malformed,
    /// The deadline passed.
    Silent,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            End::Code(code) => code_name(code),
            End::Refused => "refused",
            End::Broken => "broken",
            End::Malformed => "malformed",
            End::Silent => "silent",
        }
    }
}

type Known = HashMap<(&'static str, End), (Counter, Histogram)>;

/// The calls of one peer; clones count in the same.
#[derive(Clone, Debug)]
pub struct Made {
    handled: Counters<2>,
    seconds: Histograms<1>,
    /// What has been counted before, without the families' own locks and copies.
    known: Arc<RwLock<Known>>,
}

impl Made {
    /// Counts in `metrics`.
    pub fn new(metrics: &Metrics) -> Made {
        let histogram = || Histogram::new(SHORT);
        Made {
            handled: metrics.counters("grpc_client_handled", "gRPC calls to other peers, by how they ended"),
            seconds: metrics.seconds_by(
                "grpc_client_handling",
                "From a gRPC call to another peer to its answer, of a stream to its beginning",
                histogram,
            ),
            known: Arc::default(),
        }
    }

    /// A call of this method, `package.Service/Method`, has ended so after a time.
    pub fn ended(&self, method: &'static str, end: End, time: Duration) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&(method, end)).cloned();
        let (handled, seconds) = known.unwrap_or_else(|| {
            let labels = ("method", method);
            let handled = self.handled.get_or_create_owned(&[labels, ("outcome", end.name())]);
            let new = (handled, self.seconds.get_or_create_owned(&[labels]));
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.insert((method, end), new.clone());
            new
        });
        handled.inc();
        took(&seconds, time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_method_and_end() {
        let metrics = Metrics::new();
        let made = Made::new(&metrics);
        let method = "chord.v1.ChordService/Ping";
        for end in
            [End::Code(Code::Ok), End::Code(Code::Ok), End::Silent, End::Code(Code::FailedPrecondition)]
        {
            made.ended(method, end, Duration::from_millis(2));
        }
        let text = metrics.text().unwrap();
        for (outcome, count) in [("OK", 2), ("silent", 1), ("FAILED_PRECONDITION", 1)] {
            let line = format!(
                "chord_grpc_client_handled_total{{method=\"{method}\",outcome=\"{outcome}\"}} {count}\n"
            );
            assert!(text.contains(&line), "{line} is missing in\n{text}");
        }
        let seconds = format!("chord_grpc_client_handling_seconds_count{{method=\"{method}\"}} 4\n");
        assert!(text.contains(&seconds), "{text}");
    }
}
