//! Real peers on loopback, each with a runtime of its own, so that one can be killed as a process is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chord::index::{File, Text};
use chord::{Config, Node, Peer, Services};
use chordial_proto::catalog_v1;
use chordial_proto::catalog_v1::catalog_service_server::{CatalogService, CatalogServiceServer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::server::HealthReporter;

use super::Handle;
use crate::calls::{Calls, lazy_channel};
use crate::chord::{Events, Facts, Options, feed, report_health, services};
use crate::config::Service;
use crate::metrics::{Metrics, RingMetrics};

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// One peer; killed when it is dropped.
pub(crate) struct TestPeer {
    pub(crate) handle: Handle,
    runtime: Option<Runtime>,
}

/// A catalog that has whatever the test says at the start of a stream, which breaks when `breaks` is
/// cancelled.
#[derive(Clone)]
pub(crate) struct FakeCatalog {
    pub(crate) changes: watch::Receiver<Vec<&'static str>>,
    pub(crate) breaks: CancellationToken,
}

#[tonic::async_trait]
impl CatalogService for FakeCatalog {
    type WatchStream = ReceiverStream<Result<catalog_v1::WatchResponse, Status>>;

    async fn list(
        &self,
        request: Request<catalog_v1::ListRequest>,
    ) -> Result<Response<catalog_v1::ListResponse>, Status> {
        if request.into_inner().cursor == "bad" {
            return Err(Status::invalid_argument("not a cursor"));
        }
        let files: Vec<catalog_v1::File> =
            self.changes.borrow().iter().map(|name| file(name).into()).collect();
        Ok(Response::new(catalog_v1::ListResponse {
            peer: "x".into(),
            total: files.len() as u64,
            files,
            next: "n".into(),
            ..Default::default()
        }))
    }

    async fn lookup(
        &self,
        _: Request<catalog_v1::LookupRequest>,
    ) -> Result<Response<catalog_v1::LookupResponse>, Status> {
        Err(Status::unimplemented("not asked in this test"))
    }

    async fn stat(
        &self,
        _: Request<catalog_v1::StatRequest>,
    ) -> Result<Response<catalog_v1::StatResponse>, Status> {
        Err(Status::unimplemented("not asked in this test"))
    }

    async fn watch(
        &self,
        _: Request<catalog_v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (sender, receiver) = mpsc::channel(8);
        let present = self.changes.borrow().iter().map(|name| file(name).into()).collect();
        let all = catalog_v1::WatchResponse { present, gone: vec![], settled: true };
        sender.send(Ok(all)).await.map_err(|_| Status::cancelled(""))?;
        let breaks = self.breaks.clone();
        tokio::spawn(async move {
            breaks.cancelled().await;
            drop(sender);
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Times that suit a test.
pub(crate) fn quick() -> Config {
    Config {
        stabilize: Duration::from_millis(50),
        stabilize_quiet: Duration::from_millis(200),
        fix_fingers: Duration::from_millis(50),
        give_up: Duration::from_secs(3),
        lease: Duration::from_secs(3),
        ..Config::default()
    }
}

impl TestPeer {
    /// A peer that joins through `friends`, or founds where there are none. It publishes what
    /// the catalog service at the URL `catalog` has; else it has an empty one of its own.
    pub(crate) async fn start(
        name: &'static str,
        friends: &[&TestPeer],
        config: Config,
        catalog: Option<String>,
    ) -> TestPeer {
        let friends = friends.iter().map(|friend| Peer::stranger(&friend.handle.me().address)).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let token = CancellationToken::new();
        let started = runtime.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let me = Peer { incarnation: 1, name: name.into(), ..Peer::stranger(&address) };
            let url = catalog.clone().unwrap_or_default();
            let known = Services { catalog: url.as_str().into(), ..Services::default() };
            let node = Node::new(me, known, config);
            let metrics = Metrics::of(&[Service::Chord]);
            let calls = Calls::counted(RingMetrics::new(&metrics));
            let handle = super::spawn(node, Arc::new(calls), friends, vec![], token.clone());
            let channel = lazy_channel(&catalog.unwrap_or(format!("http://{address}"))).unwrap();
            let health = HealthReporter::new();
            tokio::spawn(report_health(handle.clone(), health.clone(), token.clone()));
            let events = Events::start(handle.clone(), token.clone());
            tokio::spawn(feed(channel.clone(), handle.clone(), events.clone(), token.clone()));
            let (catalog, version) = (channel, "test".to_string());
            let service_hosts = chord_client::ServiceHosts::default();
            let lookup_timeout = Duration::from_secs(3);
            let facts = Facts::default();
            let options = Options { catalog, lookup_timeout, version, service_hosts, events, facts };
            let none = FakeCatalog { changes: watch::channel(Vec::new()).1, breaks: token.clone() };
            let routes = services(handle.clone(), options).add_service(CatalogServiceServer::new(none));
            let (limits, served) = (crate::grpc::Limits::default(), metrics.served(Service::Chord));
            tokio::spawn(crate::grpc::serve(listener, routes, &[], health, limits, served, token));
            handle
        });
        TestPeer { handle: started.await.unwrap(), runtime: Some(runtime) }
    }

    /// Ends it as SIGKILL would: its sockets close, and it says nothing any more.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // In a thread of its own, where waiting until all is dropped is allowed.
            let end = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(5)));
            end.join().unwrap();
        }
    }

    pub(crate) fn me(&self) -> Peer {
        self.handle.me()
    }
}

impl Drop for TestPeer {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn file(name: &str) -> File {
    let (path, text) = (format!("docs/{name}").into(), Text(name.into()));
    File { name: name.into(), path, size: 5, modified_ms: 1, digest: None, text }
}

/// Waits until `what` is so; panics, with the last reason against it, when it takes too long.
pub(crate) async fn until<F: Future<Output = Result<(), String>>>(what: &str, condition: impl Fn() -> F) {
    let start = Instant::now();
    loop {
        match condition().await {
            Ok(()) => return,
            Err(why) if start.elapsed() > PATIENCE => panic!("{what}: not within {PATIENCE:?}: {why}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Waits until every peer's successors and predecessor are exactly those of the ring of them all.
pub(crate) async fn until_ring(peers: &[&TestPeer]) {
    let mut order: Vec<Peer> = peers.iter().map(|peer| peer.me()).collect();
    order.sort_by_key(|peer| peer.id);
    until("the ring is exact", async || {
        for peer in peers {
            let at = order.iter().position(|other| other.id == peer.me().id).unwrap();
            let expected: Vec<Peer> = order[at + 1..].iter().chain(&order[..at]).cloned().collect();
            let now = peer.handle.snapshot().await.ok_or("a peer has stopped")?;
            if now.successors != expected || now.predecessor.as_ref() != expected.last() {
                return Err(format!("{} has {:?} and {:?}", now.me, now.predecessor, now.successors));
            }
        }
        Ok(())
    })
    .await;
}
