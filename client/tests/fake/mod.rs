//! A peer that says what it is told to: the services that chord-cli speaks to, over fixed data.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chordial_proto::catalog_v1::File;
use chordial_proto::chord_v1::chord_service_server::{ChordService, ChordServiceServer};
use chordial_proto::chord_v1::find_successor_request::Target;
use chordial_proto::chord_v1::index_service_server::{IndexService, IndexServiceServer};
use chordial_proto::chord_v1::node_service_server::{NodeService, NodeServiceServer};
use chordial_proto::chord_v1::*;
use chordial_proto::transfer_v1::dummy_service_server::{DummyService, DummyServiceServer};
use chordial_proto::transfer_v1::transfer_service_download_response::Part;
use chordial_proto::transfer_v1::transfer_service_server::{TransferService, TransferServiceServer};
use chordial_proto::transfer_v1::transfer_service_upload_request::Part as Sent;
use chordial_proto::transfer_v1::{
    DummyServiceDownloadRequest, DummyServiceDownloadResponse, DummyServiceUploadRequest,
    DummyServiceUploadResponse, FileHeader, StatRequest, StatResponse, TransferServiceDownloadRequest,
    TransferServiceDownloadResponse, TransferServiceUploadRequest, TransferServiceUploadResponse,
    UploadHeader,
};
use futures::{Stream, StreamExt as _, stream};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

/// The query that only matches if typing errors are forgiven.
pub const MISTYPED: &str = "reprot";

/// A file as the index knows it, and as its holder sends it.
#[derive(Clone)]
pub struct Shared {
    pub name: &'static str,
    pub peer: &'static str,
    pub path: &'static str,
    /// What the index says of it.
    pub size: u64,
    pub digest: Vec<u8>,
    pub alive: bool,
    /// What the holder sends.
    pub content: Vec<u8>,
    /// The transfer port published; empty: the fake's own.
    pub transfer: String,
    /// The holder breaks off after so many bytes.
    pub breaks_after: Option<usize>,
    /// What the holder answers to Stat: it has computed that by then.
    pub computed: Vec<u8>,
}

/// What becomes of uploads.
#[derive(Clone, Copy, PartialEq)]
pub enum Takes {
    Nothing,
    Everything,
    /// Everything, but some of it otherwise than it came.
    Mangled,
    /// The header, and then it falls silent.
    OnlyTheHeader,
}

impl Shared {
    /// A file of p1 with the right digest in the index.
    pub fn new(name: &'static str, content: &[u8]) -> Self {
        Self {
            name,
            peer: "p1",
            path: name,
            size: content.len() as u64,
            digest: blake3::hash(content).as_bytes().to_vec(),
            alive: true,
            content: content.to_vec(),
            transfer: String::new(),
            breaks_after: None,
            computed: Vec::new(),
        }
    }
}

/// A file that was uploaded.
pub type Uploaded = (UploadHeader, Vec<u8>);

/// The peer. Its clones are one.
#[derive(Clone)]
pub struct Fake {
    pub files: Arc<Vec<Shared>>,
    /// Answers of GetRing, the last one for ever.
    pub rings: Arc<Vec<GetRingResponse>>,
    pub complete: bool,
    /// Offsets at which downloads began.
    pub offsets: Arc<Mutex<Vec<u64>>>,
    pub takes: Arc<Mutex<Takes>>,
    /// What was uploaded.
    pub uploads: Arc<Mutex<Vec<Uploaded>>>,
    /// Answers of GetPublished, the last one for ever.
    pub published: Arc<Mutex<Vec<Result<GetPublishedResponse, Status>>>>,
    /// What was searched for: query, limit, cursor.
    pub searches: Arc<Mutex<Vec<(String, u32, String)>>>,
    /// Who watched what.
    pub watched: Arc<Mutex<Vec<WatchEventsRequest>>>,
    looks: Arc<AtomicUsize>,
    chord: SocketAddr,
    transfer: SocketAddr,
}

pub fn peer(name: &str, number: u8, address: &str) -> Peer {
    Peer { id: vec![number; 20], address: address.to_owned(), incarnation: 1, name: name.to_owned() }
}

impl Fake {
    /// Starts it on two ports of loopback, two apart as the defaults are; it ends with the test's runtime.
    pub async fn start(files: Vec<Shared>, rings: Vec<GetRingResponse>, complete: bool) -> Self {
        let (chord, transfer) = two_ports().await;
        let fake = Self {
            files: Arc::new(files),
            rings: Arc::new(rings),
            complete,
            offsets: Arc::default(),
            takes: Arc::new(Mutex::new(Takes::Nothing)),
            uploads: Arc::default(),
            published: Arc::default(),
            searches: Arc::default(),
            watched: Arc::default(),
            looks: Arc::default(),
            chord: chord.local_addr().expect("bound"),
            transfer: transfer.local_addr().expect("bound"),
        };
        let ring = Server::builder()
            .add_service(ChordServiceServer::new(fake.clone()))
            .add_service(IndexServiceServer::new(fake.clone()))
            .add_service(NodeServiceServer::new(fake.clone()));
        tokio::spawn(ring.serve_with_incoming(TcpIncoming::from(chord)));
        let bytes = Server::builder()
            .add_service(DummyServiceServer::new(fake.clone()))
            .add_service(TransferServiceServer::new(fake.clone()));
        tokio::spawn(bytes.serve_with_incoming(TcpIncoming::from(transfer)));
        fake
    }

    pub fn chord_url(&self) -> String {
        format!("http://{}", self.chord)
    }

    pub fn transfer_url(&self) -> String {
        format!("http://{}", self.transfer)
    }

    fn me(&self) -> Peer {
        peer("p1", 1, &self.chord.to_string())
    }

    fn services(&self) -> Services {
        Services {
            catalog: "http://127.0.0.1:1".to_owned(),
            transfer: self.transfer_url(),
            gateway: "http://127.0.0.1:8000".to_owned(),
        }
    }

    fn source(&self, file: &Shared) -> Source {
        let mut services = self.services();
        if !file.transfer.is_empty() {
            services.transfer.clone_from(&file.transfer);
        }
        Source {
            publisher: Some(peer(file.peer, 1, "127.0.0.1:7300")),
            services: Some(services),
            entry: Some(Entry {
                kind: EntryKind::Name.into(),
                key: vec![9; 20],
                name: file.name.to_owned(),
                path: file.path.to_owned(),
                size: file.size,
                modified_ms: 0,
                digest: file.digest.clone(),
                text: String::new(),
            }),
            alive: file.alive,
        }
    }

    fn named(&self, file: &Shared) -> NamedSources {
        NamedSources {
            name: file.name.to_owned(),
            key: vec![9; 20],
            sources: vec![self.source(file)],
            total: 1,
        }
    }

    /// The files whose names have all words of `query` somewhere.
    fn matching(&self, query: &str) -> Result<Vec<NamedSources>, Status> {
        if query.matches('"').count() % 2 == 1 {
            return Err(Status::invalid_argument("a quote of the query is never closed"));
        }
        let query = if query == MISTYPED { "report" } else { query };
        let has =
            |file: &&Shared| query.replace('"', "").split_whitespace().all(|word| file.name.contains(word));
        Ok(self.files.iter().filter(has).map(|file| self.named(file)).collect())
    }

    fn route(&self) -> Route {
        let hop = |elapsed_us, rule: HopRule| Hop {
            peer: Some(self.me()),
            elapsed_us,
            rule: rule.into(),
            ..Hop::default()
        };
        let path = vec![hop(0, HopRule::Asker), hop(310, HopRule::Successor)];
        Route { hops: 1, path, elapsed_us: 400, failed: Vec::new() }
    }

    fn held(&self, path: &str) -> Result<&Shared, Status> {
        self.files.iter().find(|file| file.path == path).ok_or_else(|| Status::not_found("no such file"))
    }
}

async fn two_ports() -> (TcpListener, TcpListener) {
    for _ in 0..1000 {
        let first = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = first.local_addr().expect("bound").port();
        if let Ok(second) = TcpListener::bind(("127.0.0.1", port.saturating_add(2))).await {
            return (first, second);
        }
    }
    panic!("no two free ports");
}

fn header(file: &Shared, offset: u64) -> FileHeader {
    FileHeader {
        name: file.name.to_owned(),
        path: file.path.to_owned(),
        size: file.content.len() as u64,
        modified_ms: 0,
        digest: Vec::new().into(),
        offset,
        length: file.content.len() as u64 - offset,
    }
}

/// The part of `all` behind `cursor`, one at a time, and the next cursor.
fn page<T: Clone>(all: &[T], cursor: &str) -> Result<(Vec<T>, String), Status> {
    let at: usize = match cursor {
        "" => 0,
        cursor => cursor.parse().map_err(|_| Status::invalid_argument("not a cursor"))?,
    };
    let next = if at + 1 < all.len() { (at + 1).to_string() } else { String::new() };
    Ok((all.iter().skip(at).take(1).cloned().collect(), next))
}

type Answer<T> = Result<Response<T>, Status>;

fn never<T>() -> Answer<T> {
    Err(Status::internal("chord-cli never asks this"))
}

#[tonic::async_trait]
impl NodeService for Fake {
    type WatchEventsStream = Pin<Box<dyn Stream<Item = Result<WatchEventsResponse, Status>> + Send>>;

    /// One event, and the stream ends; whoever comes back is told of another one, which never ends.
    async fn watch_events(&self, request: Request<WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        let request = request.into_inner();
        let again = !request.after.is_empty();
        self.watched.lock().expect("not poisoned").push(request);
        let message =
            |id: &str, event| Ok(WatchEventsResponse { id: id.to_owned(), at_ms: 0, event: Some(event) });
        let begin = EventsBegin { peer: Some(peer("p1", 1, "h:1")), peers: 2, watched: 1, reset: false };
        let whom = |name, number| Some(peer(name, number, "h:2"));
        let changed = PeerChanged {
            change: if again { PeerChange::Left } else { PeerChange::Joined }.into(),
            peer: whom("p\u{1b}2", 2),
            peers: 2,
        };
        let id = if again { "7-2" } else { "7-1" };
        let told = [
            message("7-0", watch_events_response::Event::Begin(begin)),
            message(id, watch_events_response::Event::Peer(changed)),
        ];
        match again {
            true => Ok(Response::new(Box::pin(stream::iter(told).chain(stream::pending())))),
            false => Ok(Response::new(Box::pin(stream::iter(told)))),
        }
    }

    async fn get_published(&self, _: Request<GetPublishedRequest>) -> Answer<GetPublishedResponse> {
        let mut answers = self.published.lock().expect("not poisoned");
        let answer = match answers.len() {
            0 => Err(Status::internal("the test gives no answer")),
            1 => answers[0].clone(),
            _ => answers.remove(0),
        };
        answer.map(Response::new)
    }

    async fn get_node(&self, request: Request<GetNodeRequest>) -> Answer<GetNodeResponse> {
        let wanted = request.into_inner().peer;
        if !["", &self.me().name].contains(&wanted.as_str()) {
            return Err(Status::not_found(format!("no peer {wanted:?} answers in this ring")));
        }
        let node = NodeInfo {
            peer: Some(self.me()),
            ring: "chordial".to_owned(),
            state: NodeState::Member.into(),
            services: Some(self.services()),
            successors: vec![peer("p2", 0x41, "127.0.0.1:7310")],
            fingers: vec![Finger {
                start: [&[0x81][..], &[1; 19]].concat(),
                peer: Some(peer("p3", 0x91, "127.0.0.1:7320")),
            }],
            version: "0.1.0".to_owned(),
            publishing: Some(Publishing { files: 3, keys: 40, acknowledged: 40, ..Publishing::default() }),
            ..NodeInfo::default()
        };
        Ok(Response::new(GetNodeResponse { node: Some(node), clock_ms: 0 }))
    }

    async fn diagnose(&self, _: Request<DiagnoseRequest>) -> Answer<DiagnoseResponse> {
        Err(Status::unimplemented("no test asks for that"))
    }

    async fn dial_back(&self, _: Request<DialBackRequest>) -> Answer<DialBackResponse> {
        Err(Status::unimplemented("no test asks for that"))
    }

    async fn get_kept(&self, _: Request<GetKeptRequest>) -> Answer<GetKeptResponse> {
        Err(Status::unimplemented("no client asks for that"))
    }

    async fn get_ring(&self, _: Request<GetRingRequest>) -> Answer<GetRingResponse> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst).min(self.rings.len().saturating_sub(1));
        self.rings
            .get(look)
            .cloned()
            .map(Response::new)
            .ok_or_else(|| Status::unavailable("not a member yet"))
    }

    async fn list_files(&self, request: Request<ListFilesRequest>) -> Answer<ListFilesResponse> {
        let request = request.into_inner();
        if !matches!(request.peer.as_str(), "" | "p1") {
            return Err(Status::not_found(format!("no peer is called {:?}", request.peer)));
        }
        let file = |file: &Shared| File {
            name: file.name.to_owned(),
            path: file.path.to_owned(),
            size: file.size,
            modified_ms: 0,
            digest: file.digest.clone(),
        };
        let all: Vec<File> = self.files.iter().map(file).collect();
        let (files, next) = page(&all, &request.cursor)?;
        let (peer, services) = (Some(self.me()), Some(self.services()));
        let (total, problem) = (all.len() as u64, String::new());
        Ok(Response::new(ListFilesResponse { peer, services, total, files, next, problem }))
    }
}

#[tonic::async_trait]
impl IndexService for Fake {
    async fn search(&self, request: Request<SearchRequest>) -> Answer<SearchResponse> {
        let SearchRequest { query, limit, cursor } = request.into_inner();
        self.searches.lock().expect("not poisoned").push((query.clone(), limit, cursor.clone()));
        let all = self.matching(&query)?;
        let (hits, next) = page(&all, &cursor)?;
        Ok(Response::new(SearchResponse {
            hits,
            next,
            complete: self.complete,
            asked: 3,
            answered: if self.complete { 3 } else { 2 },
            silent: if self.complete { Vec::new() } else { vec![peer("p5", 5, "127.0.0.1:7340")] },
            total: all.len() as u64,
            corrected: query == MISTYPED,
            elapsed_us: 300,
        }))
    }

    type WatchSearchStream = Pin<Box<dyn Stream<Item = Result<WatchSearchResponse, Status>> + Send>>;

    /// Every file appears just now. The search for `end` ends then.
    async fn watch_search(&self, request: Request<WatchSearchRequest>) -> Answer<Self::WatchSearchStream> {
        let query = request.into_inner().query;
        let message = |hits| Ok(WatchSearchResponse { hits, complete: self.complete });
        let news = self.matching(&query)?.into_iter().map(|hit| message(vec![hit]));
        let told: Vec<_> = std::iter::once(message(Vec::new())).chain(news).collect();
        match query.as_str() {
            "end" => Ok(Response::new(Box::pin(stream::iter(told)))),
            _ => Ok(Response::new(Box::pin(stream::iter(told).chain(stream::pending())))),
        }
    }

    type ScanStream = futures::stream::Empty<Result<ScanResponse, Status>>;

    async fn scan(&self, _: Request<ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        Err(Status::unimplemented("search"))
    }

    async fn find(&self, request: Request<FindRequest>) -> Answer<FindResponse> {
        let name = request.into_inner().name;
        let sources: Vec<Source> =
            self.files.iter().filter(|file| file.name == name).map(|file| self.source(file)).collect();
        Ok(Response::new(FindResponse {
            name,
            key: vec![9; 20],
            total: sources.len() as u64,
            sources,
            complete: self.complete,
            route: Some(self.route()),
        }))
    }

    async fn list_names(&self, request: Request<ListNamesRequest>) -> Answer<ListNamesResponse> {
        let all: Vec<NamedSources> = self.files.iter().map(|file| self.named(file)).collect();
        let (files, next) = page(&all, &request.into_inner().cursor)?;
        Ok(Response::new(ListNamesResponse { files, next, complete: self.complete }))
    }

    async fn renew(&self, _: Request<RenewRequest>) -> Answer<RenewResponse> {
        never()
    }

    async fn publish(&self, _: Request<PublishRequest>) -> Answer<PublishResponse> {
        never()
    }

    async fn moved(&self, _: Request<MovedRequest>) -> Answer<MovedResponse> {
        never()
    }

    async fn withdraw(&self, _: Request<WithdrawRequest>) -> Answer<WithdrawResponse> {
        never()
    }

    async fn hand_over(&self, _: Request<HandOverRequest>) -> Answer<HandOverResponse> {
        never()
    }

    async fn compare(&self, _: Request<CompareRequest>) -> Answer<CompareResponse> {
        never()
    }
}

#[tonic::async_trait]
impl ChordService for Fake {
    async fn find_successor(&self, request: Request<FindSuccessorRequest>) -> Answer<FindSuccessorResponse> {
        let (name, key) = match request.into_inner().target {
            Some(Target::Name(name)) => (name, vec![9; 20]),
            Some(Target::Key(key)) => (String::new(), key),
            None => return Err(Status::invalid_argument("target is missing")),
        };
        Ok(Response::new(FindSuccessorResponse {
            name,
            key,
            successor: Some(self.me()),
            arc_from: vec![0; 20],
            keepers: vec![self.me()],
            route: Some(self.route()),
        }))
    }

    async fn join(&self, _: Request<JoinRequest>) -> Answer<JoinResponse> {
        never()
    }

    async fn stabilize(&self, _: Request<StabilizeRequest>) -> Answer<StabilizeResponse> {
        never()
    }

    async fn notify(&self, _: Request<NotifyRequest>) -> Answer<NotifyResponse> {
        never()
    }

    async fn poke(&self, _: Request<PokeRequest>) -> Answer<PokeResponse> {
        never()
    }

    async fn reunite(&self, _: Request<ReuniteRequest>) -> Answer<ReuniteResponse> {
        never()
    }

    async fn gossip(&self, _: Request<GossipRequest>) -> Answer<GossipResponse> {
        never()
    }

    async fn contacts(&self, _: Request<ContactsRequest>) -> Answer<ContactsResponse> {
        never()
    }

    async fn relay(&self, _: Request<RelayRequest>) -> Answer<RelayResponse> {
        never()
    }

    async fn relayed(&self, _: Request<RelayedRequest>) -> Answer<RelayedResponse> {
        never()
    }

    async fn notify_for(&self, _: Request<NotifyForRequest>) -> Answer<NotifyForResponse> {
        never()
    }

    async fn ping(&self, _: Request<PingRequest>) -> Answer<PingResponse> {
        never()
    }

    async fn leave(&self, _: Request<LeaveRequest>) -> Answer<LeaveResponse> {
        never()
    }

    async fn next_hop(&self, _: Request<NextHopRequest>) -> Answer<NextHopResponse> {
        never()
    }
}

#[tonic::async_trait]
impl DummyService for Fake {
    async fn download(
        &self,
        request: Request<DummyServiceDownloadRequest>,
    ) -> Answer<DummyServiceDownloadResponse> {
        let name = request.into_inner().name;
        let bytes = self.held(&name)?.content.len() as u64;
        let message = format!("would send {name}");
        Ok(Response::new(DummyServiceDownloadResponse { message, name, peer: "p1".to_owned(), bytes }))
    }

    async fn upload(
        &self,
        request: Request<DummyServiceUploadRequest>,
    ) -> Answer<DummyServiceUploadResponse> {
        let DummyServiceUploadRequest { name, size } = request.into_inner();
        let message = format!("would store {name}");
        Ok(Response::new(DummyServiceUploadResponse { message, name, peer: "p1".to_owned(), bytes: size }))
    }
}

#[tonic::async_trait]
impl TransferService for Fake {
    type DownloadStream = Pin<Box<dyn Stream<Item = Result<TransferServiceDownloadResponse, Status>> + Send>>;

    async fn download(
        &self,
        request: Request<TransferServiceDownloadRequest>,
    ) -> Answer<Self::DownloadStream> {
        let request = request.into_inner();
        let file = self.held(&request.path)?;
        let offset = usize::try_from(request.offset).unwrap_or(usize::MAX);
        if offset > file.content.len() {
            return Err(Status::out_of_range("behind the end"));
        }
        self.offsets.lock().expect("not poisoned").push(request.offset);
        let end = file.breaks_after.unwrap_or(file.content.len()).max(offset);
        let mut parts = vec![Part::Header(header(file, request.offset))];
        parts.extend(file.content[offset..end].chunks(1000).map(|chunk| Part::Chunk(chunk.to_vec().into())));
        let mut sent: Vec<Result<_, Status>> =
            parts.into_iter().map(|part| Ok(TransferServiceDownloadResponse { part: Some(part) })).collect();
        if file.breaks_after.is_some() {
            sent.push(Err(Status::aborted("it changed while it was read")));
        }
        Ok(Response::new(stream::iter(sent).boxed()))
    }

    async fn stat(&self, request: Request<StatRequest>) -> Answer<StatResponse> {
        let file = self.held(&request.into_inner().path)?;
        let header = FileHeader { digest: file.computed.clone().into(), ..header(file, 0) };
        Ok(Response::new(StatResponse { header: Some(header) }))
    }

    async fn upload(
        &self,
        request: Request<Streaming<TransferServiceUploadRequest>>,
    ) -> Answer<TransferServiceUploadResponse> {
        let takes = *self.takes.lock().expect("not poisoned");
        if takes == Takes::Nothing {
            return Err(Status::permission_denied("p1 takes no uploads"));
        }
        let mut parts = request.into_inner();
        let Some(Sent::Header(header)) = parts.message().await?.and_then(|message| message.part) else {
            return Err(Status::invalid_argument("no header first"));
        };
        if takes == Takes::OnlyTheHeader {
            std::future::pending::<()>().await;
        }
        let mut uploads = self.uploads.lock().expect("not poisoned").clone();
        let known = uploads.iter().position(|(known, _)| known.path == header.path);
        if known.is_some() && !header.replace {
            return Err(Status::already_exists(format!("p1 has a file at {:?}", header.path)));
        }
        let mut content = Vec::new();
        while let Some(message) = parts.message().await? {
            match message.part {
                Some(Sent::Chunk(chunk)) => content.extend_from_slice(&chunk),
                _ => return Err(Status::invalid_argument("a second header")),
            }
        }
        if takes == Takes::Mangled {
            content.push(0);
        }
        let stored = FileHeader {
            name: header.path.rsplit('/').next().unwrap_or_default().to_owned(),
            path: header.path.clone(),
            size: content.len() as u64,
            digest: blake3::hash(&content).as_bytes().to_vec().into(),
            ..FileHeader::default()
        };
        known.map(|known| uploads.remove(known));
        uploads.push((header, content));
        *self.uploads.lock().expect("not poisoned") = uploads;
        Ok(Response::new(TransferServiceUploadResponse { header: Some(stored), replaced: known.is_some() }))
    }
}
