//! Real peers on loopback, each with a runtime of its own, so that one can be killed as a process is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chord::index::File;
use chord::{Config, Node, Peer, Services};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

use super::Handle;
use crate::calls::{Calls, lazy_channel};
use crate::chord::{Options, feed, report_health, services};

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// One peer; killed when it is dropped.
pub(crate) struct TestPeer {
    pub(crate) handle: Handle,
    pub(crate) cancel: CancellationToken,
    pub(crate) server: tokio::task::JoinHandle<anyhow::Result<()>>,
    runtime: Option<Runtime>,
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
    /// A peer that joins through `friends`, or founds where there are none. With `catalog` (a URL), it
    /// publishes what the catalog service there has.
    pub(crate) async fn start(
        name: &'static str,
        friends: &[&TestPeer],
        config: Config,
        catalog: Option<String>,
    ) -> TestPeer {
        let friends: Vec<Peer> =
            friends.iter().map(|friend| Peer::stranger(&friend.handle.me().address)).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let cancel = CancellationToken::new();
        let token = cancel.clone();
        let started = runtime.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let me = Peer { incarnation: 1, name: name.into(), ..Peer::stranger(&address) };
            let url = catalog.clone().unwrap_or_default();
            let known = Services { catalog: url.as_str().into(), ..Services::default() };
            let node = Node::new(me, known, config);
            let handle = super::spawn(node, Arc::new(Calls::new()), friends, vec![], token.clone());
            let channel = lazy_channel(&catalog.clone().unwrap_or("http://127.0.0.1:9".into())).unwrap();
            if catalog.is_some() {
                tokio::spawn(feed(channel.clone(), handle.clone(), token.clone()));
            } else {
                handle.watching(true).await;
            }
            let lookup_timeout = Duration::from_secs(3);
            let options = Options { catalog: channel, lookup_timeout, version: "test".into() };
            let health = HealthReporter::new();
            tokio::spawn(report_health(handle.clone(), health.clone(), token.clone()));
            let routes = services(handle.clone(), options);
            let server = tokio::spawn(crate::grpc::serve(listener, routes, health, token));
            (handle, server)
        });
        let (handle, server) = started.await.unwrap();
        TestPeer { handle, cancel, server, runtime: Some(runtime) }
    }

    /// Ends it as SIGKILL would: its sockets close, and it says nothing any more.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(crate) fn me(&self) -> Peer {
        self.handle.me().clone()
    }
}

impl Drop for TestPeer {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn file(name: &str) -> File {
    File { name: name.into(), path: format!("docs/{name}").into(), size: 5, modified_ms: 1, digest: None }
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
