//! Outgoing gRPC: a bounded pool of channels, deadlines, and what became of each call.
//!
//! Each address has two channels, so that a long message of entries never holds up the ring's own short ones.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chord::index::{ArcDigest, Digest};
use chord::{Envelope, Id, Outcome, Peer, Refusal, Request};
use chordial_proto::chord_v1 as wire;
use chordial_proto::chord_v1::chord_service_client::ChordServiceClient;
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;
use chordial_proto::chord_v1::node_service_client::NodeServiceClient;
use chordial_proto::convert::{Answer, Outgoing};
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status, Streaming};

use crate::metrics::{End, Metrics, RingMetrics};

/// Metadata of a refusal: the ring of the peer that refuses.
pub const RING_METADATA: &str = "chord-ring";
/// Metadata of a refusal: the protocol version of the peer that refuses.
pub const VERSION_METADATA: &str = "chord-version";
/// Largest message that is taken in, in bytes.
pub const MAX_MESSAGE: usize = 4 << 20;
/// Largest event that is taken in: a path and a few addresses, in bytes.
const MAX_EVENT: usize = 64 << 10;

/// Addresses that are kept connected; the one used longest ago makes room.
pub const POOL: usize = 512;
/// How long a connection may take to be made; the call's own deadline is mostly shorter.
const CONNECT: Duration = Duration::from_secs(3);
/// Calls in a row without an answer after which the next one dials anew: the address of a name may have
/// changed, and nothing else would tell while the connection is idle.
const SILENCES: u32 = 2;

/// Which of an address's two channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Short messages: membership and routing.
    Control,
    /// Entries, digests, listings.
    Bulk,
}

/// Calls other peers. Cheap to share behind an `Arc`; holds the pool of channels.
#[derive(Debug)]
pub struct Calls {
    pool: Mutex<Pool>,
    metrics: RingMetrics,
}

impl Default for Calls {
    fn default() -> Calls {
        Calls::counted(RingMetrics::new(&Metrics::new()))
    }
}

#[derive(Debug, Default)]
struct Pool {
    links: HashMap<(Arc<str>, Lane), Link>,
    clock: u64,
}

#[derive(Clone, Debug)]
struct Link {
    channel: Channel,
    /// Distinguishes this channel from one that has replaced it.
    number: u64,
    used: u64,
    silences: Arc<AtomicU32>,
}

/// How one attempt ended that brought no answer.
enum Failure {
    /// The other side said so itself.
    Status(Status),
    /// Nobody listens there.
    Refused,
    /// The connection broke, or could not be made.
    Broken(String),
    /// What came is no answer that a peer would give.
    Malformed(String),
    /// The deadline passed.
    Deadline,
}

impl Failure {
    fn end(&self) -> End {
        match self {
            Failure::Status(status) => End::Code(status.code()),
            Failure::Refused => End::Refused,
            Failure::Broken(_) => End::Broken,
            Failure::Malformed(_) => End::Malformed,
            Failure::Deadline => End::Silent,
        }
    }
}

impl Calls {
    /// An empty pool, whose calls nobody sees counted.
    pub fn new() -> Calls {
        Calls::default()
    }

    /// An empty pool.
    pub fn counted(metrics: RingMetrics) -> Calls {
        Calls { pool: Mutex::default(), metrics }
    }

    /// Where calls are counted, and what else the chord service does.
    pub fn metrics(&self) -> &RingMetrics {
        &self.metrics
    }

    /// Puts `request` to `to`, and waits for the answer until `within` has passed. Returns who answered (a
    /// stranger says who it is; else `to`), and how it ended.
    pub async fn call(
        &self,
        to: &Peer,
        envelope: Envelope,
        request: Request,
        within: Duration,
    ) -> (Peer, Outcome) {
        let (lane, method) = (lane(&request), method(&request));
        // Made anew for a second attempt: entries are shared in a request, and copied in a message.
        let attempt = |channel| send(channel, Outgoing::new(envelope.clone(), request.clone()));
        match self.attempt(&to.address, lane, method, within, attempt).await {
            Ok((response, responder)) => {
                let from = responder.filter(|_| to.incarnation == 0).unwrap_or_else(|| to.clone());
                (from, Outcome::Answer(response))
            }
            Err(failure) => (to.clone(), outcome(to, failure)),
        }
    }

    /// Asks the peer at `address` (host:port) for its state, within the deadline.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub async fn node(&self, address: &str, within: Duration) -> Result<wire::NodeInfo, String> {
        let ask = async |channel| {
            let mut client = NodeServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
            client.get_node(wire::GetNodeRequest::default()).await.map(Response::into_inner).map_err(failure)
        };
        let answer =
            self.attempt(&address.into(), Lane::Control, "chord.v1.NodeService/GetNode", within, ask).await;
        let response = answer.map_err(|failure| words(failure, within))?;
        response.node.ok_or_else(|| "its answer is empty".into())
    }

    /// Puts a query to `to`, which passes it on; its first answer has to come `within` a time.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub async fn scan(
        &self,
        to: &Peer,
        request: wire::ScanRequest,
        within: Duration,
    ) -> Result<Streaming<wire::ScanResponse>, String> {
        let ask = async |channel| {
            let mut client = IndexServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
            client.scan(request.clone()).await.map(Response::into_inner).map_err(failure)
        };
        let answer = self.attempt(&to.address, Lane::Bulk, "chord.v1.IndexService/Scan", within, ask).await;
        answer.map_err(|failure| words(failure, within))
    }

    /// What happens to the files that `to` shares itself, from `after` on, as events.proto has it; the first message
    /// has to begin `within` a time.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub async fn own_files(
        &self,
        to: &Peer,
        after: &str,
        within: Duration,
    ) -> Result<Streaming<wire::WatchEventsResponse>, String> {
        let scope = wire::EventScope::OwnFiles.into();
        let request = wire::WatchEventsRequest { after: after.to_owned(), scope };
        let ask = async |channel| {
            let mut client = NodeServiceClient::new(channel).max_decoding_message_size(MAX_EVENT);
            client.watch_events(request.clone()).await.map(Response::into_inner).map_err(failure)
        };
        let method = "chord.v1.NodeService/WatchEvents";
        let answer = self.attempt(&to.address, Lane::Bulk, method, within, ask).await;
        answer.map_err(|failure| words(failure, within))
    }

    /// Asks the peer at `address` (host:port) what it keeps in these arcs, within the deadline. The digests
    /// come in the order of the arcs.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub async fn kept(
        &self,
        address: &str,
        arcs: &[(Id, Id)],
        within: Duration,
    ) -> Result<Vec<Digest>, String> {
        let unread = |&(from, to): &(Id, Id)| ArcDigest { from, to, digest: Digest::default() }.into();
        let request = wire::GetKeptRequest { arcs: arcs.iter().map(unread).collect() };
        let ask = async |channel| {
            let mut client = NodeServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
            client.get_kept(request.clone()).await.map(Response::into_inner).map_err(failure)
        };
        let answer =
            self.attempt(&address.into(), Lane::Bulk, "chord.v1.NodeService/GetKept", within, ask).await;
        let response = answer.map_err(|failure| words(failure, within))?;
        let kept = response.arcs.into_iter().map(ArcDigest::try_from).collect::<Result<Vec<_>, _>>();
        let kept = kept.map_err(|malformed| malformed.to_string())?;
        match kept.iter().map(|arc| (arc.from, arc.to)).eq(arcs.iter().copied()) {
            true => Ok(kept.into_iter().map(|arc| arc.digest).collect()),
            false => Err("it tells of other arcs".into()),
        }
    }

    /// One call of `method`, counted: one attempt, and another one where a pooled connection turns out to be
    /// broken: only a fresh dial tells whether anybody listens there now.
    async fn attempt<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        address: &Arc<str>,
        lane: Lane,
        method: &'static str,
        within: Duration,
        ask: impl Fn(Channel) -> F,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        let answer = self.try_twice(address, lane, began + within, ask).await;
        let end = answer.as_ref().err().map_or(End::Code(Code::Ok), Failure::end);
        self.metrics.made.ended(method, end, began.elapsed());
        answer
    }

    async fn try_twice<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        address: &Arc<str>,
        lane: Lane,
        deadline: Instant,
        ask: impl Fn(Channel) -> F,
    ) -> Result<T, Failure> {
        loop {
            let (link, fresh) = self.link(address, lane).map_err(|e| Failure::Broken(e.to_string()))?;
            let answer = tokio::time::timeout_at(deadline, ask(link.channel.clone())).await;
            match answer.unwrap_or(Err(Failure::Deadline)) {
                Err(Failure::Broken(_)) if !fresh && Instant::now() < deadline => {
                    self.drop_link(address, lane, link.number);
                }
                Err(failure) => {
                    let silent = matches!(failure, Failure::Deadline)
                        && link.silences.fetch_add(1, Ordering::Relaxed) + 1 >= SILENCES;
                    if silent || matches!(failure, Failure::Refused | Failure::Broken(_)) {
                        self.drop_link(address, lane, link.number);
                    }
                    return Err(failure);
                }
                Ok(answer) => {
                    link.silences.store(0, Ordering::Relaxed);
                    return Ok(answer);
                }
            }
        }
    }

    /// A channel to `address` (host:port), from the pool where there is one.
    ///
    /// # Errors
    /// The address cannot be part of a URL.
    pub fn channel(&self, address: &str, lane: Lane) -> Result<Channel, tonic::transport::Error> {
        self.link(&address.into(), lane).map(|(link, _)| link.channel)
    }

    /// Tells, too, whether the channel is new.
    fn link(&self, address: &Arc<str>, lane: Lane) -> Result<(Link, bool), tonic::transport::Error> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.clock += 1;
        let now = pool.clock;
        if let Some(link) = pool.links.get_mut(&(address.clone(), lane)) {
            link.used = now;
            return Ok((link.clone(), false));
        }
        let channel = lazy_channel(&format!("http://{address}"))?;
        if pool.links.len() >= POOL * 2 {
            let oldest = pool.links.iter().min_by_key(|(_, link)| link.used).map(|(key, _)| key.clone());
            oldest.map(|key| pool.links.remove(&key));
        }
        let link = Link { channel, number: now, used: now, silences: Arc::default() };
        pool.links.insert((address.clone(), lane), link.clone());
        Ok((link, true))
    }

    fn drop_link(&self, address: &Arc<str>, lane: Lane, number: u64) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (address.clone(), lane);
        if pool.links.get(&key).is_some_and(|link| link.number == number) {
            pool.links.remove(&key);
        }
    }
}

/// A channel that connects when it is used first, and again after its connection broke; names are resolved
/// anew each time. An idle connection is not pinged: hundreds of them would keep the machine busy.
///
/// # Errors
/// `url` is not an http URL.
pub fn lazy_channel(url: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url.to_string())?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(false);
    Ok(endpoint.connect_lazy())
}

fn words(failure: Failure, within: Duration) -> String {
    match failure {
        Failure::Status(status) => status.message().to_string(),
        Failure::Refused => "nobody listens there".into(),
        Failure::Broken(why) | Failure::Malformed(why) => why,
        Failure::Deadline => format!("no answer within {} ms", within.as_millis()),
    }
}

pub(crate) fn lane(request: &Request) -> Lane {
    if request.is_long() { Lane::Bulk } else { Lane::Control }
}

/// By which method it is asked.
fn method(request: &Request) -> &'static str {
    match request {
        Request::Join => "chord.v1.ChordService/Join",
        Request::Stabilize { .. } => "chord.v1.ChordService/Stabilize",
        Request::Notify => "chord.v1.ChordService/Notify",
        Request::Poke => "chord.v1.ChordService/Poke",
        Request::Reunite { .. } => "chord.v1.ChordService/Reunite",
        Request::Gossip { .. } => "chord.v1.ChordService/Gossip",
        Request::Contacts { .. } => "chord.v1.ChordService/Contacts",
        Request::Ping => "chord.v1.ChordService/Ping",
        Request::Relay { .. } => "chord.v1.ChordService/Relay",
        Request::Relayed { .. } => "chord.v1.ChordService/Relayed",
        Request::NotifyFor { .. } => "chord.v1.ChordService/NotifyFor",
        Request::Leave => "chord.v1.ChordService/Leave",
        Request::NextHop { .. } => "chord.v1.ChordService/NextHop",
        Request::Renew { .. } => "chord.v1.IndexService/Renew",
        Request::Publish { .. } => "chord.v1.IndexService/Publish",
        Request::Moved { .. } => "chord.v1.IndexService/Moved",
        Request::Withdraw => "chord.v1.IndexService/Withdraw",
        Request::HandOver { .. } => "chord.v1.IndexService/HandOver",
        Request::Compare { .. } => "chord.v1.IndexService/Compare",
    }
}

async fn send(channel: Channel, outgoing: Outgoing) -> Result<(chord::Response, Option<Peer>), Failure> {
    let ring = || ChordServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
    let index = || IndexServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
    match outgoing {
        Outgoing::Join(message) => read(ring().join(message).await),
        Outgoing::Stabilize(message) => read(ring().stabilize(message).await),
        Outgoing::Notify(message) => read(ring().notify(message).await),
        Outgoing::Poke(message) => read(ring().poke(message).await),
        Outgoing::Reunite(message) => read(ring().reunite(message).await),
        Outgoing::Gossip(message) => read(ring().gossip(message).await),
        Outgoing::Contacts(message) => read(ring().contacts(message).await),
        Outgoing::Ping(message) => read(ring().ping(message).await),
        Outgoing::Relay(message) => read(ring().relay(message).await),
        Outgoing::Relayed(message) => read(ring().relayed(message).await),
        Outgoing::NotifyFor(message) => read(ring().notify_for(message).await),
        Outgoing::Leave(message) => read(ring().leave(message).await),
        Outgoing::NextHop(message) => read(ring().next_hop(message).await),
        Outgoing::Renew(message) => read(index().renew(message).await),
        Outgoing::Publish(message) => read(index().publish(message).await),
        Outgoing::Moved(message) => read(index().moved(message).await),
        Outgoing::Withdraw(message) => read(index().withdraw(message).await),
        Outgoing::HandOver(message) => read(index().hand_over(message).await),
        Outgoing::Compare(message) => read(index().compare(message).await),
    }
}

fn read<A: Answer>(answer: Result<Response<A>, Status>) -> Result<(chord::Response, Option<Peer>), Failure> {
    let message = answer.map_err(failure)?.into_inner();
    message.into_core().map_err(|malformed| Failure::Malformed(malformed.to_string()))
}

/// Tells what the other side said from what became of the connection: only the latter has a source.
fn failure(status: Status) -> Failure {
    let mut cause = status.source();
    let broken = cause.is_some() || status.code() == Code::Unknown;
    let mut innermost = status.message().to_string();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return Failure::Refused;
        }
        innermost = error.to_string();
        cause = error.source();
    }
    if broken { Failure::Broken(innermost) } else { Failure::Status(status) }
}

fn outcome(to: &Peer, failure: Failure) -> Outcome {
    let status = match failure {
        Failure::Status(status) => status,
        Failure::Refused => return Outcome::Refused(Refusal::Connection),
        Failure::Deadline => return Outcome::Silent,
        Failure::Broken(why) | Failure::Malformed(why) => {
            tracing::debug!("no answer from {to}: {why}");
            return Outcome::Silent;
        }
    };
    let metadata = |key| status.metadata().get(key).and_then(|value| value.to_str().ok());
    match status.code() {
        Code::Aborted | Code::ResourceExhausted => Outcome::Busy,
        Code::FailedPrecondition => Outcome::NotMember,
        // Something else has moved in at this address.
        Code::Unimplemented => Outcome::Refused(Refusal::Connection),
        Code::PermissionDenied => match (metadata(RING_METADATA), metadata(VERSION_METADATA)) {
            (Some(ring), _) => Outcome::Refused(Refusal::WrongRing(ring.into())),
            (_, Some(version)) => match version.parse() {
                Ok(version) => Outcome::Refused(Refusal::WrongVersion(version)),
                Err(_) => Outcome::Refused(Refusal::Connection),
            },
            _ => Outcome::Refused(Refusal::Connection),
        },
        code => {
            tracing::debug!("no answer from {to}: {code:?}: {}", status.message());
            Outcome::Silent
        }
    }
}

#[cfg(test)]
mod tests {
    use chord::{Response, VERSION};
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;
    use tonic::service::Routes;
    use tonic_health::server::HealthReporter;

    use super::*;
    use crate::driver::testing::{TestPeer, quick, until_ring};

    const SECOND: Duration = Duration::from_secs(1);

    async fn ping(calls: &Calls, to: &Peer, spoil: impl Fn(&mut Envelope)) -> Outcome {
        let sender = Peer { incarnation: 1, ..Peer::stranger("127.0.0.1:1") };
        let (version, ring) = (VERSION, "chordial".into());
        let mut envelope =
            Envelope { version, ring, sender, addressee: Some(to.id), incarnation: to.incarnation };
        spoil(&mut envelope);
        calls.call(to, envelope, Request::Ping, SECOND * 5).await.1
    }

    #[tokio::test]
    async fn a_peer_answers_or_says_why_not() {
        let peer = TestPeer::start("p1", &[], quick(), None).await;
        until_ring(&[&peer]).await;
        let (calls, to) = (Calls::new(), peer.me());
        assert_eq!(ping(&calls, &to, |_| {}).await, Outcome::Answer(Response::Done));
        let other_ring = ping(&calls, &to, |envelope| envelope.ring = "other".into()).await;
        assert_eq!(other_ring, Outcome::Refused(Refusal::WrongRing("chordial".into())));
        let other_version = ping(&calls, &to, |envelope| envelope.version = 99).await;
        assert_eq!(other_version, Outcome::Refused(Refusal::WrongVersion(VERSION)));
        assert_eq!(ping(&calls, &to, |envelope| envelope.incarnation = 9).await, Outcome::NotMember);
        let malformed = ping(&calls, &to, |envelope| envelope.sender.incarnation = 0).await;
        assert_eq!(malformed, Outcome::Silent);
    }

    #[tokio::test]
    async fn a_stranger_says_who_it_is() {
        let peer = TestPeer::start("p1", &[], quick(), None).await;
        until_ring(&[&peer]).await;
        let stranger = Peer::stranger(&peer.me().address);
        let sender = Peer { incarnation: 1, ..Peer::stranger("127.0.0.1:1") };
        let (version, ring) = (VERSION, "chordial".into());
        let envelope = Envelope { version, ring, sender, addressee: None, incarnation: 0 };
        let (from, outcome) = Calls::new().call(&stranger, envelope, Request::Ping, SECOND * 5).await;
        assert_eq!((from, outcome), (peer.me(), Outcome::Answer(Response::Done)));
    }

    #[tokio::test]
    async fn nobody_there_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = Peer::stranger(&listener.local_addr().unwrap().to_string());
        drop(listener);
        let refused = Outcome::Refused(Refusal::Connection);
        let calls = Calls::new();
        for _ in 0..3 {
            assert_eq!(ping(&calls, &to, |_| {}).await, refused);
        }
    }

    #[tokio::test]
    async fn a_killed_peer_is_refused_at_once_and_its_successor_at_the_address_is_reached() {
        let mut peer = TestPeer::start("p1", &[], quick(), None).await;
        until_ring(&[&peer]).await;
        let (calls, to) = (Calls::new(), peer.me());
        assert_eq!(ping(&calls, &to, |_| {}).await, Outcome::Answer(Response::Done));
        peer.kill();
        assert_eq!(ping(&calls, &to, |_| {}).await, Outcome::Refused(Refusal::Connection));

        let listener = TcpListener::bind(&*to.address).await.unwrap();
        let cancel = CancellationToken::new();
        let server = tokio::spawn(crate::grpc::serve(
            listener,
            Routes::default(),
            &[],
            HealthReporter::new(),
            crate::grpc::Limits::default(),
            Metrics::new().served(crate::config::Service::Chord),
            cancel.clone(),
        ));
        let other = calls.node(&to.address, SECOND * 5).await.unwrap_err();
        assert!(!other.contains("nobody listens"), "{other}");
        let moved_in = ping(&calls, &to, |_| {}).await;
        assert_eq!(moved_in, Outcome::Refused(Refusal::Connection), "another program lives there now");
        cancel.cancel();
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn silence_ends_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = Peer::stranger(&listener.local_addr().unwrap().to_string());
        let sender = Peer { incarnation: 1, ..Peer::stranger("127.0.0.1:1") };
        let envelope =
            Envelope { version: VERSION, ring: "r".into(), sender, addressee: None, incarnation: 0 };
        let start = Instant::now();
        let within = Duration::from_millis(200);
        let (from, outcome) = Calls::new().call(&to, envelope, Request::Ping, within).await;
        assert_eq!((from, outcome), (to, Outcome::Silent));
        assert!(start.elapsed() >= within && start.elapsed() < SECOND * 3);
    }

    #[test]
    fn what_a_server_says_has_a_meaning() {
        let to = Peer::stranger("127.0.0.1:1");
        let told = |status| outcome(&to, failure(status));
        assert_eq!(told(Status::aborted("")), Outcome::Busy);
        assert_eq!(told(Status::resource_exhausted("")), Outcome::Busy);
        assert_eq!(told(Status::failed_precondition("")), Outcome::NotMember);
        assert_eq!(told(Status::unimplemented("")), Outcome::Refused(Refusal::Connection));
        assert_eq!(told(Status::internal("")), Outcome::Silent);
        assert_eq!(told(Status::unavailable("")), Outcome::Silent);
    }

    #[tokio::test]
    async fn the_pool_is_bounded_and_lets_go_of_the_one_used_longest_ago() {
        let calls = Calls::new();
        let address = |number: usize| format!("127.0.0.1:{}", 1000 + number);
        for number in 0..POOL * 2 {
            calls.channel(&address(number), Lane::Control).unwrap();
        }
        calls.channel(&address(0), Lane::Control).unwrap();
        calls.channel(&address(POOL * 2), Lane::Control).unwrap();
        let pool = calls.pool.lock().unwrap();
        let has = |number| pool.links.contains_key(&(address(number).into(), Lane::Control));
        assert_eq!(pool.links.len(), POOL * 2);
        assert!(has(0) && !has(1) && has(POOL * 2));
    }
}
