//! A chord and a transfer service with fixed contents, on loopback.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chordial_proto::catalog_v1::File;
use chordial_proto::chord_v1::chord_service_server::{ChordService, ChordServiceServer};
use chordial_proto::chord_v1::find_successor_request::Target;
use chordial_proto::chord_v1::index_service_server::{IndexService, IndexServiceServer};
use chordial_proto::chord_v1::node_service_server::{NodeService, NodeServiceServer};
use chordial_proto::chord_v1::*;
use chordial_proto::transfer_v1::transfer_service_download_response::Part;
use chordial_proto::transfer_v1::transfer_service_server::{TransferService, TransferServiceServer};
use chordial_proto::transfer_v1::transfer_service_upload_request::Part as Up;
use chordial_proto::transfer_v1::{
    FileHeader, StatRequest, StatResponse, TransferServiceDownloadRequest, TransferServiceDownloadResponse,
    TransferServiceUploadRequest, TransferServiceUploadResponse,
};
use futures::{Stream, StreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

/// 2026-11-22T09:30:00Z.
pub const MODIFIED_MS: i64 = 1_795_339_800_000;
/// What `docs/report.pdf` holds.
pub const REPORT: &[u8] = b"0123456789";
/// So many bytes are in `big.bin`, which is made while it is sent.
pub const BIG: u64 = 256 << 20;

/// What the tests may look at and turn.
#[derive(Debug, Default)]
pub struct Knobs {
    /// The node's state.
    pub state: AtomicI32,
    /// Names that were looked for.
    pub asked: Mutex<Vec<String>>,
    /// Pages that were asked for: limit, cursor, peer.
    pub pages: Mutex<Vec<(u32, String, String)>>,
    /// What was searched for: query, limit, cursor.
    pub searches: Mutex<Vec<(String, u32, String)>>,
    /// The standing searches, to which tests send; closed where the gateway has let go of one.
    pub watchers: Mutex<Vec<UnboundedSender<WatchSearchResponse>>>,
    /// What each call to the chord or transfer service had for `traceparent` and `tracestate`.
    pub traces: Mutex<Vec<(String, String)>>,
    /// The readers of events, with the id that each had seen last; as `watchers`.
    pub readers: Mutex<Vec<(String, UnboundedSender<WatchEventsResponse>)>>,
    /// Times that the ring was asked for.
    pub walks: AtomicU64,
    /// Bytes of `big.bin` that were sent.
    pub big_sent: AtomicU64,
    /// Its transfer was given up.
    pub big_dropped: AtomicBool,
    /// The port at which the holders of some names say, or seem to say, that their bytes are.
    pub victim: AtomicU16,
}

/// The running fakes.
pub struct Fakes {
    pub knobs: Arc<Knobs>,
    chord: String,
    transfer: String,
}

impl Fakes {
    pub async fn start() -> Self {
        let knobs = Arc::new(Knobs::default());
        knobs.state.store(NodeState::Member.into(), Ordering::Relaxed);
        let transfer = Transfer { knobs: knobs.clone() };
        let note = {
            let knobs = knobs.clone();
            move |request: Request<()>| {
                let text = |name| {
                    request.metadata().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
                };
                knobs.traces.lock().unwrap().push((text("traceparent"), text("tracestate")));
                Ok(request)
            }
        };
        let (listener, transfer_url) = bind().await;
        let transfer = TransferServiceServer::with_interceptor(transfer, note.clone());
        serve(listener, Server::builder().add_service(transfer));
        let (listener, chord_url) = bind().await;
        let chord = Chord {
            knobs: knobs.clone(),
            transfer: transfer_url.clone(),
            address: chord_url.trim_start_matches("http://").to_owned(),
        };
        let services = Server::builder()
            .add_service(ChordServiceServer::with_interceptor(chord.clone(), note.clone()))
            .add_service(NodeServiceServer::with_interceptor(chord.clone(), note.clone()))
            .add_service(IndexServiceServer::with_interceptor(chord, note));
        serve(listener, services);
        Self { knobs, chord: chord_url, transfer: transfer_url }
    }

    pub fn chord(&self) -> Endpoint {
        Endpoint::from_shared(self.chord.clone()).unwrap()
    }

    pub fn transfer(&self) -> Endpoint {
        Endpoint::from_shared(self.transfer.clone()).unwrap()
    }
}

async fn bind() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn serve(listener: TcpListener, router: tonic::transport::server::Router) {
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
}

pub fn peer(name: &str) -> Peer {
    let id = vec![name.as_bytes()[1]; 20];
    Peer { id, address: format!("{name}.test:7300"), incarnation: 1, name: name.to_owned() }
}

fn digest(of: &[u8]) -> Vec<u8> {
    blake3::hash(of).as_bytes().to_vec()
}

#[derive(Clone)]
struct Chord {
    knobs: Arc<Knobs>,
    transfer: String,
    /// All holders' chord service: the fake answers for each of them.
    address: String,
}

impl Chord {
    fn services(&self, name: &str) -> Services {
        let (catalog, gateway) = (format!("http://{name}.test:7301"), format!("http://{name}.test:8000"));
        Services { catalog, transfer: self.transfer.clone(), gateway }
    }

    fn source(&self, holder: &str, name: &str, path: &str, content: &[u8]) -> Source {
        let entry = Entry {
            name: name.to_owned(),
            path: path.to_owned(),
            size: content.len() as u64,
            modified_ms: MODIFIED_MS,
            digest: digest(content),
            ..Entry::default()
        };
        let publisher = Some(Peer { address: self.address.clone(), ..peer(holder) });
        let services = Some(self.services(holder));
        Source { publisher, services, entry: Some(entry), alive: true }
    }

    /// As `source`, of a peer whose ports refuse.
    fn unreachable(&self, holder: &str, name: &str) -> Source {
        let mut source = self.source(holder, name, "docs/report.pdf", REPORT);
        source.publisher.as_mut().unwrap().address = "127.0.0.1:1".to_owned();
        source.services.as_mut().unwrap().transfer = "http://127.0.0.1:1".to_owned();
        source
    }

    fn hit(&self, name: &str) -> NamedSources {
        let sources = vec![self.source("p2", name, "docs/report.pdf", REPORT)];
        NamedSources { name: name.to_owned(), key: vec![0x9f; 20], sources, total: 1 }
    }

    fn member(&self) -> Result<(), Status> {
        match self.knobs.state.load(Ordering::Relaxed) == i32::from(NodeState::Member) {
            true => Ok(()),
            false => Err(Status::failed_precondition("it is still joining")),
        }
    }

    fn node(&self, name: &str) -> NodeInfo {
        NodeInfo {
            peer: Some(peer(name)),
            ring: "chordial".to_owned(),
            state: self.knobs.state.load(Ordering::Relaxed),
            services: Some(self.services(name)),
            successors: vec![peer("p2"), peer("p3")],
            owned: 10,
            replicas: 20,
            shared_files: 12,
            trouble: "its friend does not answer".to_owned(),
            ..NodeInfo::default()
        }
    }
}

#[tonic::async_trait]
impl NodeService for Chord {
    async fn get_published(
        &self,
        request: Request<GetPublishedRequest>,
    ) -> Result<Response<GetPublishedResponse>, Status> {
        let name = request.into_inner().name;
        let receipts = match name.as_str() {
            "" => Vec::new(),
            "report.pdf" => {
                vec![Receipt { name, keepers: vec![peer("p1"), peer("p2")], pending: vec![peer("p3")] }]
            }
            _ => return Err(Status::not_found(format!("this peer shares no file named {name:?}"))),
        };
        let publishing =
            Publishing { files: 12, keys: 57, acknowledged: 55, refusing: vec![peer("p3")], late_ms: 1_500 };
        Ok(Response::new(GetPublishedResponse { publishing: Some(publishing), receipts }))
    }

    async fn get_node(&self, request: Request<GetNodeRequest>) -> Result<Response<GetNodeResponse>, Status> {
        let name = match request.get_ref().peer.as_str() {
            "" => "p1",
            "p2" => "p2",
            other => return Err(Status::not_found(format!("no peer {other:?} answers in this ring"))),
        };
        Ok(Response::new(GetNodeResponse { node: Some(self.node(name)), clock_ms: 0 }))
    }

    async fn get_ring(&self, _: Request<GetRingRequest>) -> Result<Response<GetRingResponse>, Status> {
        let one = RingPeer {
            node: Some(self.node("p1")),
            peer: Some(peer("p1")),
            share: 0.25,
            state: PeerState::Member.into(),
        };
        let what = "its successor p5 does not answer".to_owned();
        let problem = Problem { peer: Some(peer("p3")), what, remedy: "Wait.".to_owned() };
        let replicas = Replicas { wanted: 3, entries: 12, short_entries: 5, ..Replicas::default() };
        let invariant =
            |(name, holds): (&str, bool)| Invariant { name: name.to_owned(), holds, ..Invariant::default() };
        let invariants = [("OneLiveSuccessor", true), ("AtMostOneRing", false)].map(invariant).to_vec();
        self.knobs.walks.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(GetRingResponse {
            peers: vec![one],
            agreed: false,
            problems: vec![problem],
            invariants,
            replicas: Some(replicas),
            list_length: 8,
        }))
    }

    async fn diagnose(&self, _: Request<DiagnoseRequest>) -> Result<Response<DiagnoseResponse>, Status> {
        Err(Status::unimplemented("no gateway asks for that"))
    }

    async fn dial_back(&self, _: Request<DialBackRequest>) -> Result<Response<DialBackResponse>, Status> {
        Err(Status::unimplemented("no gateway asks for that"))
    }

    async fn get_kept(&self, _: Request<GetKeptRequest>) -> Result<Response<GetKeptResponse>, Status> {
        Err(Status::unimplemented("no gateway asks for that"))
    }

    async fn list_files(
        &self,
        request: Request<ListFilesRequest>,
    ) -> Result<Response<ListFilesResponse>, Status> {
        let ListFilesRequest { peer: of, limit, cursor } = request.into_inner();
        self.knobs.pages.lock().unwrap().push((limit, cursor, of.clone()));
        let of = match of.as_str() {
            "" => "p1",
            "p2" => "p2",
            other => return Err(Status::not_found(format!("no peer is called {other:?}"))),
        };
        let file = File {
            name: "report.pdf".to_owned(),
            path: "docs/report.pdf".to_owned(),
            size: 10,
            modified_ms: MODIFIED_MS,
            digest: digest(REPORT),
        };
        Ok(Response::new(ListFilesResponse {
            problem: String::new(),
            peer: Some(peer(of)),
            services: Some(self.services(of)),
            total: 12,
            files: vec![file],
            next: String::new(),
        }))
    }

    type WatchEventsStream = Pin<Box<dyn Stream<Item = Result<WatchEventsResponse, Status>> + Send>>;

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let after = request.into_inner().after;
        if after == "full" {
            return Err(Status::resource_exhausted("128 follow the events of this peer already"));
        }
        let (sender, receiver) = unbounded_channel();
        let begin = EventsBegin { peer: Some(peer("p1")), peers: 3, watched: 1, reset: after == "old" };
        let event = Some(watch_events_response::Event::Begin(begin));
        let begun = WatchEventsResponse { id: "7-1".to_owned(), at_ms: 0, event };
        sender.send(begun).map_err(|_| Status::internal("nobody listens"))?;
        self.knobs.readers.lock().unwrap().push((after, sender));
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(receiver).map(Ok))))
    }
}

#[tonic::async_trait]
impl IndexService for Chord {
    async fn search(&self, request: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        let SearchRequest { query, limit, cursor } = request.into_inner();
        self.knobs.searches.lock().unwrap().push((query.clone(), limit, cursor.clone()));
        self.member()?;
        understood(&query)?;
        if cursor == "nonsense" {
            return Err(Status::invalid_argument("the cursor is none of ours"));
        }
        let hits = match query.as_str() {
            "nothing" => Vec::new(),
            _ => vec![self.hit("report.pdf")],
        };
        let whole = query != "unsure";
        Ok(Response::new(SearchResponse {
            total: hits.len() as u64,
            hits,
            next: if limit == 1 { "more".to_owned() } else { String::new() },
            complete: whole,
            asked: 3,
            answered: if whole { 3 } else { 2 },
            silent: if whole { Vec::new() } else { vec![peer("p5")] },
            corrected: query == "reprot",
            elapsed_us: 310,
        }))
    }

    type WatchSearchStream = Pin<Box<dyn Stream<Item = Result<WatchSearchResponse, Status>> + Send>>;

    async fn watch_search(
        &self,
        request: Request<WatchSearchRequest>,
    ) -> Result<Response<Self::WatchSearchStream>, Status> {
        self.member()?;
        understood(&request.into_inner().query)?;
        let (sender, receiver) = unbounded_channel();
        let stands = WatchSearchResponse { hits: Vec::new(), complete: true };
        sender.send(stands).map_err(|_| Status::internal("nobody listens"))?;
        self.knobs.watchers.lock().unwrap().push(sender);
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(receiver).map(Ok))))
    }

    type ScanStream = futures::stream::Empty<Result<ScanResponse, Status>>;

    async fn scan(&self, _: Request<ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        Err(Status::unimplemented("search"))
    }

    async fn find(&self, request: Request<FindRequest>) -> Result<Response<FindResponse>, Status> {
        let name = request.into_inner().name;
        self.knobs.asked.lock().unwrap().push(name.clone());
        self.member()?;
        let here = |holder: &str| self.source(holder, &name, "docs/report.pdf", REPORT);
        let sources = match name.as_str() {
            "nobody.txt" | "unsure.txt" => Vec::new(),
            "slow.txt" => std::future::pending().await,
            "late.txt" => {
                return Err(Status::deadline_exceeded("the lookup ran out of time: p4 did not answer"));
            }
            "cut-off.txt" => return Err(Status::unavailable("the lookup gave up after 2 hops: p4 refused")),
            "busy.txt" => return Err(Status::resource_exhausted("too many questions")),
            "two.txt" => vec![here("p2"), self.source("p3", &name, "other.txt", b"other")],
            "moved.txt" => {
                vec![self.unreachable("p2", &name), self.source("p3", &name, "gone", REPORT), here("p4")]
            }
            // Somebody else's host; and a port of its own that the peer itself does not name.
            "elsewhere.txt" | "misnamed.txt" => {
                let mut source = here("p2");
                let host = if name == "elsewhere.txt" { "localhost" } else { "127.0.0.1" };
                let port = self.knobs.victim.load(Ordering::Relaxed);
                source.services.as_mut().unwrap().transfer = format!("http://{host}:{port}");
                vec![source]
            }
            // A peer that nobody is: its own word at its own address is missing.
            "made-up.txt" => {
                let mut source = here("p2");
                source.publisher.as_mut().unwrap().address = "localhost:1".to_owned();
                let port = self.knobs.victim.load(Ordering::Relaxed);
                source.services.as_mut().unwrap().transfer = format!("http://localhost:{port}");
                vec![source]
            }
            "lost.txt" => vec![self.unreachable("p2", &name)],
            "stale.txt" => vec![self.source("p2", &name, "docs/report.pdf", b"0123456789, once")],
            _ => vec![here("p2")],
        };
        let hop = |name| Hop { peer: Some(peer(name)), elapsed_us: 5, ..Hop::default() };
        let failed = if name == "unsure.txt" { vec![peer("p5")] } else { Vec::new() };
        Ok(Response::new(FindResponse {
            key: vec![0x9f; 20],
            total: sources.len() as u64,
            sources,
            complete: name != "unsure.txt",
            route: Some(Route { hops: 1, path: vec![hop("p1"), hop("p2")], elapsed_us: 840, failed }),
            name,
        }))
    }

    async fn list_names(
        &self,
        request: Request<ListNamesRequest>,
    ) -> Result<Response<ListNamesResponse>, Status> {
        let ListNamesRequest { limit, cursor } = request.into_inner();
        self.knobs.pages.lock().unwrap().push((limit, cursor.clone(), String::new()));
        if cursor == "nonsense" {
            return Err(Status::invalid_argument("the cursor is none of ours"));
        }
        let files = vec![self.hit("report.pdf")];
        Ok(Response::new(ListNamesResponse { files, next: "more".to_owned(), complete: true }))
    }

    async fn renew(&self, _: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        Err(between_peers())
    }

    async fn publish(&self, _: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        Err(between_peers())
    }

    async fn moved(&self, _: Request<MovedRequest>) -> Result<Response<MovedResponse>, Status> {
        Err(between_peers())
    }

    async fn withdraw(&self, _: Request<WithdrawRequest>) -> Result<Response<WithdrawResponse>, Status> {
        Err(between_peers())
    }

    async fn hand_over(&self, _: Request<HandOverRequest>) -> Result<Response<HandOverResponse>, Status> {
        Err(between_peers())
    }

    async fn compare(&self, _: Request<CompareRequest>) -> Result<Response<CompareResponse>, Status> {
        Err(between_peers())
    }
}

#[tonic::async_trait]
impl ChordService for Chord {
    async fn find_successor(
        &self,
        request: Request<FindSuccessorRequest>,
    ) -> Result<Response<FindSuccessorResponse>, Status> {
        self.member()?;
        let (name, key) = match request.into_inner().target.unwrap() {
            Target::Key(key) => (String::new(), key),
            Target::Name(name) if name == "busy.txt" => {
                return Err(Status::resource_exhausted("too many lookups"));
            }
            Target::Name(name) if name.len() > 255 => {
                return Err(Status::invalid_argument("the name has 300 bytes"));
            }
            Target::Name(name) => (name, vec![0x32; 20]),
        };
        let hop = |name, rule: HopRule| Hop { peer: Some(peer(name)), rule: rule.into(), ..Hop::default() };
        let path = vec![
            hop("p1", HopRule::Asker),
            Hop { elapsed_us: 310, ..hop("p9", HopRule::ClosestPreceding) },
            Hop { elapsed_us: 290, named_by: 1, failed: 1, ..hop("p2", HopRule::Successor) },
        ];
        Ok(Response::new(FindSuccessorResponse {
            key,
            name,
            successor: Some(peer("p2")),
            arc_from: peer("p1").id,
            keepers: vec![peer("p2"), peer("p3")],
            route: Some(Route { hops: 2, path, elapsed_us: 840, failed: vec![peer("p5")] }),
        }))
    }

    async fn join(&self, _: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        Err(between_peers())
    }

    async fn stabilize(&self, _: Request<StabilizeRequest>) -> Result<Response<StabilizeResponse>, Status> {
        Err(between_peers())
    }

    async fn notify(&self, _: Request<NotifyRequest>) -> Result<Response<NotifyResponse>, Status> {
        Err(between_peers())
    }

    async fn poke(&self, _: Request<PokeRequest>) -> Result<Response<PokeResponse>, Status> {
        Err(between_peers())
    }

    async fn reunite(&self, _: Request<ReuniteRequest>) -> Result<Response<ReuniteResponse>, Status> {
        Err(between_peers())
    }

    async fn gossip(&self, _: Request<GossipRequest>) -> Result<Response<GossipResponse>, Status> {
        Err(between_peers())
    }

    async fn contacts(&self, _: Request<ContactsRequest>) -> Result<Response<ContactsResponse>, Status> {
        Err(between_peers())
    }

    async fn ping(&self, _: Request<PingRequest>) -> Result<Response<PingResponse>, Status> {
        Err(between_peers())
    }

    async fn relay(&self, _: Request<RelayRequest>) -> Result<Response<RelayResponse>, Status> {
        Err(between_peers())
    }

    async fn relayed(&self, _: Request<RelayedRequest>) -> Result<Response<RelayedResponse>, Status> {
        Err(between_peers())
    }

    async fn notify_for(&self, _: Request<NotifyForRequest>) -> Result<Response<NotifyForResponse>, Status> {
        Err(between_peers())
    }

    async fn leave(&self, _: Request<LeaveRequest>) -> Result<Response<LeaveResponse>, Status> {
        Err(between_peers())
    }

    async fn next_hop(&self, _: Request<NextHopRequest>) -> Result<Response<NextHopResponse>, Status> {
        Err(between_peers())
    }
}

/// Refuses what is no query, and those that come when there is too much to do.
fn understood(query: &str) -> Result<(), Status> {
    let mut busy = Status::resource_exhausted("too many searches");
    match query {
        "\"open" => return Err(Status::invalid_argument("the quote before \"open\" is never closed")),
        "busy" => {}
        "very busy" => drop(busy.metadata_mut().insert("grpc-retry-pushback-ms", "2500".parse().unwrap())),
        _ => return Ok(()),
    }
    Err(busy)
}

fn between_peers() -> Status {
    Status::unimplemented("a gateway does not ask this")
}

struct Transfer {
    knobs: Arc<Knobs>,
}

type Parts = Pin<Box<dyn Stream<Item = Result<TransferServiceDownloadResponse, Status>> + Send>>;

fn header(path: &str, offset: u64, length: u64) -> Result<FileHeader, Status> {
    let (size, digest) = match path {
        "docs/report.pdf" => (REPORT.len() as u64, digest(REPORT)),
        "rotten.bin" => (REPORT.len() as u64, Vec::new()),
        "empty.txt" => (0, digest(b"")),
        "new.html" | "changing.txt" => (REPORT.len() as u64, Vec::new()),
        "big.bin" => (BIG, Vec::new()),
        _ => return Err(Status::not_found("no such file")),
    };
    let left = size.saturating_sub(offset);
    let length = if length == 0 { left } else { length.min(left) };
    let name = path.rsplit('/').next().unwrap().to_owned();
    let (path, digest) = (path.to_owned(), digest.into());
    Ok(FileHeader { name, path, size, modified_ms: MODIFIED_MS, digest, offset, length })
}

/// Notes that the stream which owns it is gone.
struct Dropped(Arc<Knobs>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.big_dropped.store(true, Ordering::Relaxed);
    }
}

#[tonic::async_trait]
impl TransferService for Transfer {
    type DownloadStream = Parts;

    async fn download(
        &self,
        request: Request<TransferServiceDownloadRequest>,
    ) -> Result<Response<Parts>, Status> {
        let TransferServiceDownloadRequest { path, offset, length } = request.into_inner();
        let header = header(&path, offset, length)?;
        if path == "changing.txt" {
            return Err(Status::aborted("it is just being changed"));
        }
        let (from, length) = (header.offset, header.length);
        let first = part(Part::Header(header));
        if path == "big.bin" {
            let guard = Dropped(self.knobs.clone());
            let chunks = stream::iter(0..length / (64 << 10)).map(move |_| {
                guard.0.big_sent.fetch_add(64 << 10, Ordering::Relaxed);
                part(Part::Chunk(Bytes::from(vec![7; 64 << 10])))
            });
            return Ok(Response::new(Box::pin(stream::iter([first]).chain(chunks))));
        }
        if path == "rotten.bin" {
            let chunk = part(Part::Chunk(Bytes::from_static(&REPORT[..4])));
            let parts = [first, chunk, Err(Status::data_loss("the disk is rotten"))];
            return Ok(Response::new(Box::pin(stream::iter(parts))));
        }
        let wanted = &REPORT[from as usize..(from + length) as usize];
        let chunks: Vec<_> = wanted.chunks(3).map(|chunk| part(Part::Chunk(Bytes::from(chunk)))).collect();
        Ok(Response::new(Box::pin(stream::iter([first]).chain(stream::iter(chunks)))))
    }

    async fn stat(&self, request: Request<StatRequest>) -> Result<Response<StatResponse>, Status> {
        Ok(Response::new(StatResponse { header: Some(header(&request.into_inner().path, 0, 0)?) }))
    }

    async fn upload(
        &self,
        request: Request<tonic::Streaming<TransferServiceUploadRequest>>,
    ) -> Result<Response<TransferServiceUploadResponse>, Status> {
        let mut parts = request.into_inner();
        match parts.message().await?.and_then(|message| message.part) {
            Some(Up::Header(header)) if header.path == "stuck" => {}
            _ => return Err(Status::permission_denied("no uploads here")),
        }
        match parts.message().await? {
            // A disk that takes nothing.
            Some(_) => std::future::pending().await,
            None => Err(Status::data_loss("no bytes")),
        }
    }
}

fn part(part: Part) -> Result<TransferServiceDownloadResponse, Status> {
    Ok(TransferServiceDownloadResponse { part: Some(part) })
}
