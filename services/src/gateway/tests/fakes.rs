//! A chord and a transfer service with fixed contents, on loopback.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chordial_proto::catalog_v1::File;
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
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
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
    /// Times that the ring was asked for.
    pub walks: AtomicU64,
    /// Bytes of `big.bin` that were sent.
    pub big_sent: AtomicU64,
    /// Its transfer was given up.
    pub big_dropped: AtomicBool,
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
        let transfer = listen(Server::builder().add_service(TransferServiceServer::new(transfer))).await;
        let chord = Chord { knobs: knobs.clone(), transfer: transfer.clone() };
        let services = Server::builder()
            .add_service(NodeServiceServer::new(chord.clone()))
            .add_service(IndexServiceServer::new(chord));
        Self { knobs, chord: listen(services).await, transfer }
    }

    pub fn chord(&self) -> Channel {
        Endpoint::from_shared(self.chord.clone()).unwrap().connect_lazy()
    }

    pub fn transfer(&self) -> Endpoint {
        Endpoint::from_shared(self.transfer.clone()).unwrap()
    }
}

async fn listen(router: tonic::transport::server::Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    url
}

fn peer(name: &str) -> Peer {
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
        let (publisher, services) = (Some(peer(holder)), Some(self.services(holder)));
        Source { publisher, services, entry: Some(entry), alive: true }
    }

    /// As `source`, of a peer whose transfer port refuses.
    fn unreachable(&self, holder: &str, name: &str) -> Source {
        let mut source = self.source(holder, name, "docs/report.pdf", REPORT);
        source.services.as_mut().unwrap().transfer = "http://127.0.0.1:1".to_owned();
        source
    }

    fn member(&self) -> Result<(), Status> {
        match self.knobs.state.load(Ordering::Relaxed) == i32::from(NodeState::Member) {
            true => Ok(()),
            false => Err(Status::failed_precondition("it is still joining")),
        }
    }

    fn node(&self) -> NodeInfo {
        NodeInfo {
            peer: Some(peer("p1")),
            ring: "chordial".to_owned(),
            state: self.knobs.state.load(Ordering::Relaxed),
            services: Some(self.services("p1")),
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
    async fn get_node(&self, _: Request<GetNodeRequest>) -> Result<Response<GetNodeResponse>, Status> {
        Ok(Response::new(GetNodeResponse { node: Some(self.node()) }))
    }

    async fn get_ring(&self, _: Request<GetRingRequest>) -> Result<Response<GetRingResponse>, Status> {
        let one = RingPeer {
            node: Some(self.node()),
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
}

#[tonic::async_trait]
impl IndexService for Chord {
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
            "lost.txt" => vec![self.unreachable("p2", &name)],
            "stale.txt" => vec![self.source("p2", &name, "docs/report.pdf", b"0123456789, once")],
            _ => vec![here("p2")],
        };
        let hop = |name| Hop { peer: Some(peer(name)), elapsed_us: 5 };
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
        let sources = vec![self.source("p2", "report.pdf", "docs/report.pdf", REPORT)];
        let named = NamedSources { name: "report.pdf".to_owned(), key: vec![0x9f; 20], sources, total: 1 };
        Ok(Response::new(ListNamesResponse { files: vec![named], next: "more".to_owned(), complete: true }))
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
