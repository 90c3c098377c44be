//! What a peer has to do: rates from what it has counted.

use std::time::Duration;

use chord_client::views::TrafficView;

/// What a process has counted since its start, and what it holds now.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Counters {
    served: f64,
    made: f64,
    lookups: f64,
    lookup_seconds: f64,
    hop_lookups: f64,
    hops: f64,
    searches: f64,
    requests: f64,
    transfers: f64,
    sent: f64,
    taken: f64,
    cpu_seconds: f64,
    in_flight: f64,
    memory: f64,
}

impl Counters {
    /// Of an OpenMetrics text; whatever else is in it is passed over.
    pub fn read(text: &str) -> Self {
        let mut counters = Self::default();
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let upload = labels.contains("direction=\"upload\"");
            let counter = match name {
                "chord_grpc_server_handled_total" => &mut counters.served,
                "chord_grpc_client_handled_total" => &mut counters.made,
                "chord_lookups_total" => &mut counters.lookups,
                "chord_lookup_duration_seconds_sum" => &mut counters.lookup_seconds,
                "chord_lookup_hops_count" => &mut counters.hop_lookups,
                "chord_lookup_hops_sum" => &mut counters.hops,
                "chord_searches_total" => &mut counters.searches,
                "chord_http_requests_total" => &mut counters.requests,
                "chord_transfers_total" => &mut counters.transfers,
                "chord_transfer_bytes_total" if upload => &mut counters.taken,
                "chord_transfer_bytes_total" | "chord_http_file_bytes_total" => &mut counters.sent,
                "process_cpu_seconds_total" => &mut counters.cpu_seconds,
                "chord_transfers_in_flight" => &mut counters.in_flight,
                "process_resident_memory_bytes" => &mut counters.memory,
                _ => continue,
            };
            // No number of anything is negative or endless.
            *counter +=
                value.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0).unwrap_or(0.0);
        }
        counters
    }

    /// What has happened since `before`. None: the process is another one, which counts anew.
    pub fn since(&self, before: &Self, within: Duration) -> Option<TrafficView> {
        let seconds = within.as_secs_f64();
        let counters = |c: &Self| {
            [
                c.served,
                c.made,
                c.lookups,
                c.lookup_seconds,
                c.hop_lookups,
                c.hops,
                c.searches,
                c.requests,
                c.transfers,
                c.sent,
                c.taken,
                c.cpu_seconds,
            ]
        };
        let fallen = counters(self).iter().zip(counters(before)).any(|(now, before)| *now < before);
        if fallen || seconds <= 0.0 {
            return None;
        }
        let per_second = |counter: fn(&Self) -> f64| (counter(self) - counter(before)) / seconds;
        let mean = |sum: f64, number: f64| (number > 0.0).then_some(sum / number);
        let lookups = self.lookups - before.lookups;
        Some(TrafficView {
            served_per_second: per_second(|c| c.served),
            made_per_second: per_second(|c| c.made),
            lookups_per_second: per_second(|c| c.lookups),
            lookup_ms: mean((self.lookup_seconds - before.lookup_seconds) * 1000.0, lookups),
            lookup_hops: mean(self.hops - before.hops, self.hop_lookups - before.hop_lookups),
            searches_per_second: per_second(|c| c.searches),
            requests_per_second: per_second(|c| c.requests),
            transfers_per_second: per_second(|c| c.transfers),
            sent_bytes_per_second: per_second(|c| c.sent),
            taken_bytes_per_second: per_second(|c| c.taken),
            transfers_in_flight: self.in_flight as u64,
            processors: per_second(|c| c.cpu_seconds),
            memory_bytes: self.memory as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE chord_grpc_server_handled counter\n\
        chord_grpc_server_handled_total{service=\"chord\",method=\"chord.v1.X/Y\",code=\"OK\"} 10\n\
        chord_grpc_server_handled_total{service=\"catalog\",method=\"other\",code=\"OK\"} 5\n\
        chord_grpc_client_handled_total{method=\"a\",outcome=\"silent\"} 3\n\
        chord_lookups_total{outcome=\"found\"} 4\nchord_lookup_duration_seconds_sum 0.5\n\
        chord_lookup_hops_bucket{le=\"1\"} 2\nchord_lookup_hops_sum 6\nchord_lookup_hops_count 4\n\
        chord_transfer_bytes_total{direction=\"download\"} 1000\n\
        chord_transfer_bytes_total{direction=\"upload\"} 50\nchord_http_file_bytes_total 24\n\
        chord_transfers_in_flight{direction=\"upload\"} 1\nchord_transfers_in_flight{direction=\"download\"} 2\n\
        process_resident_memory_bytes{process=\"peer\"} 2e6\nnonsense\nprocess_cpu_seconds_total NaN\n";

    #[test]
    fn rates_are_what_is_more_than_before() {
        let now = Counters::read(TEXT);
        let view = now.since(&Counters::default(), Duration::from_secs(2)).expect("rates");
        assert_eq!((view.served_per_second, view.made_per_second, view.lookups_per_second), (7.5, 1.5, 2.0));
        assert_eq!((view.lookup_ms, view.lookup_hops), (Some(125.0), Some(1.5)));
        assert_eq!((view.sent_bytes_per_second, view.taken_bytes_per_second), (512.0, 25.0));
        assert_eq!((view.transfers_in_flight, view.memory_bytes, view.processors), (3, 2_000_000, 0.0));
        let idle = now.since(&now, Duration::from_secs(2)).expect("rates");
        assert_eq!((idle.served_per_second, idle.lookup_ms), (0.0, None));
    }

    #[test]
    fn a_restart_is_no_negative_rate() {
        let before = Counters::read(TEXT);
        let after = Counters::read("chord_grpc_client_handled_total{method=\"a\",outcome=\"OK\"} 1\n");
        assert_eq!(after.since(&before, Duration::from_secs(2)), None);
        assert_eq!(before.since(&before, Duration::ZERO), None);
    }
}
