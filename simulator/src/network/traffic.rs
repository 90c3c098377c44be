//! What goes over the wire: encoded lengths, by host and by kind of call.

use std::ops::AddAssign;
use std::time::Duration;

use chord::{Envelope, Outcome, Peer, Request};
use chordial_proto::convert::{Kind, request_len};

use super::Network;

/// Bytes that HTTP/2 and gRPC add to a request on a connection in use, about: two frame headers, the header block
/// (all but grpc-timeout by index), gRPC's length prefix. TLS, TCP and IP are not in it.
pub const REQUEST_FRAMING: u64 = 40;
/// Bytes that HTTP/2 and gRPC add to an answer, about: three frame headers, headers and trailers by index, gRPC's
/// length prefix.
pub const ANSWER_FRAMING: u64 = 40;

/// Messages of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests and answers.
    pub messages: u64,
    /// Their protobuf bytes.
    pub bytes: u64,
    /// What HTTP/2 and gRPC add to that, about.
    pub framing: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.framing += other.framing;
    }
}

/// Messages by kind of call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts([Count; Kind::ALL.len()]);

impl Default for Counts {
    fn default() -> Counts {
        Counts([Count::default(); Kind::ALL.len()])
    }
}

impl Counts {
    /// Requests of one kind, and answers to such.
    pub fn of(&self, kind: Kind) -> Count {
        self.0[kind as usize]
    }

    /// All together.
    pub fn total(&self) -> Count {
        let mut total = Count::default();
        self.0.iter().for_each(|count| total += *count);
        total
    }

    fn add(&mut self, kind: Kind, count: Count) {
        self.0[kind as usize] += count;
    }
}

/// What was sent, lost messages included, and received since the count began.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// When the count began, in virtual time.
    pub since: Duration,
    /// What all hosts sent.
    pub sent: Counts,
    by_host: Vec<[Counts; 2]>,
}

impl Traffic {
    /// What one host sent.
    pub fn sent_by(&self, host: usize) -> Counts {
        self.by_host.get(host).map(|[sent, _]| sent.clone()).unwrap_or_default()
    }

    /// What one host received.
    pub fn received_by(&self, host: usize) -> Counts {
        self.by_host.get(host).map(|[_, received]| received.clone()).unwrap_or_default()
    }

    fn add(&mut self, host: usize, direction: usize, kind: Kind, count: Count) {
        if self.by_host.len() <= host {
            self.by_host.resize(host + 1, Default::default());
        }
        self.by_host[host][direction].add(kind, count);
    }
}

/// What a message counts, once it is known to be counted.
pub(super) type Measured = Option<(Kind, Count)>;

impl Network {
    /// Counts messages and bytes from now on, from zero.
    pub fn count_traffic(&mut self) {
        self.traffic = Some(Traffic { since: self.now, ..Traffic::default() });
    }

    /// The count since [`count_traffic`](Self::count_traffic); none before.
    pub fn traffic(&self) -> Option<&Traffic> {
        self.traffic.as_ref()
    }

    pub(super) fn measure_request(&self, envelope: &Envelope, request: &Request) -> Measured {
        self.traffic.as_ref()?;
        let bytes = request_len(envelope, request) as u64;
        Some((request.into(), Count { messages: 1, bytes, framing: REQUEST_FRAMING }))
    }

    /// An answer that turns the request down has no message, only a status.
    pub(super) fn measure_answer(&self, kind: Kind, outcome: &Outcome, me: Option<&Peer>) -> Measured {
        self.traffic.as_ref()?;
        let bytes = match (outcome, me) {
            (Outcome::Answer(response), Some(me)) => kind.answer_len(response.clone(), me).unwrap_or(0),
            _ => 0,
        };
        Some((kind, Count { messages: 1, bytes: bytes as u64, framing: ANSWER_FRAMING }))
    }

    pub(super) fn count_sent(&mut self, host: usize, measured: Measured) {
        if let (Some(traffic), Some((kind, count))) = (&mut self.traffic, measured) {
            traffic.sent.add(kind, count);
            traffic.add(host, 0, kind, count);
        }
    }

    pub(super) fn count_received(&mut self, host: usize, measured: Measured) {
        if let (Some(traffic), Some((kind, count))) = (&mut self.traffic, measured) {
            traffic.add(host, 1, kind, count);
        }
    }
}
