//! A settled ring of peers in this process that share no folders: each is told its files directly. What passes
//! between them over loopback is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chord::index::{File, Text};
use chord::{Config, Node, Peer, Services};
use chord_peer::calls::{Calls, lazy_channel};
use chord_peer::chord::{Events, Facts, NAMES, Options, services};
use chord_peer::config::Service;
use chord_peer::driver::{self, Handle};
use chord_peer::grpc;
use chord_peer::metrics::{Metrics, RingMetrics};
use chord_peer::search::text_of;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic_health::server::HealthReporter;

use crate::traffic::Traffic;

/// How long the ring may take to settle, or all files to be published.
const PATIENCE: Duration = Duration::from_secs(900);
/// Between two looks at the ring as it settles.
const LOOK: Duration = Duration::from_millis(20);
/// Files told to a node at a time: as many as the chord service tells it.
const BATCH: usize = 1024;
/// Deadline of a lookup.
const LOOKUP: Duration = Duration::from_secs(4);

/// The peers.
pub struct Network {
    /// Each peer's node.
    pub handles: Vec<Handle>,
    /// All calls between peers, and those from outside.
    pub traffic: Traffic,
    cancel: CancellationToken,
}

impl Network {
    /// Starts `size` peers, and waits until they form one ring.
    ///
    /// # Errors
    /// No port was free, or the ring did not settle.
    pub async fn start(size: usize) -> anyhow::Result<Network> {
        let mut network =
            Network { handles: Vec::new(), traffic: Traffic::default(), cancel: CancellationToken::new() };
        for number in 0..size {
            network.add(number).await?;
        }
        network.settle().await?;
        Ok(network)
    }

    async fn add(&mut self, number: usize) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let stranger = Peer::stranger(&address);
        let me = Peer { incarnation: 1, name: format!("p{number}").into(), ..stranger };
        let url: Arc<str> = format!("http://{address}").into();
        let own = Services { catalog: url.clone(), transfer: url.clone(), gateway: url.clone() };
        let node = Node::new(me, own, Config::default());
        let friends = self.handles.first().map(Handle::me).into_iter().collect();
        let metrics = Metrics::of(&[Service::Chord]);
        let calls = Calls::counted(RingMetrics::new(&metrics));
        let handle = driver::spawn(node, Arc::new(calls), friends, Vec::new(), self.cancel.clone());
        let events = Events::start(handle.clone(), self.cancel.clone());
        let (catalog, version) = (lazy_channel(&url)?, "bench".to_owned());
        let service_hosts = chord_client::ServiceHosts::default();
        let facts = Facts::default();
        let options = Options { catalog, lookup_timeout: LOOKUP, version, service_hosts, events, facts };
        let routes = services(handle.clone(), options).into_axum_router().layer(self.traffic.clone());
        let (health, cancel) = (HealthReporter::new(), self.cancel.clone());
        let (limits, served) = (grpc::Limits::default(), metrics.served(Service::Chord));
        tokio::spawn(grpc::serve(listener, Routes::from(routes), &NAMES, health, limits, served, cancel));
        // There is no catalog: the files told are all there are.
        handle.watching(true).await;
        self.handles.push(handle);
        Ok(())
    }

    async fn settle(&self) -> anyhow::Result<()> {
        let mut ids: Vec<_> = self.handles.iter().map(|handle| handle.me().id).collect();
        ids.sort_unstable();
        let deadline = Instant::now() + PATIENCE;
        for handle in &self.handles {
            let at = ids.binary_search(&handle.me().id).unwrap_or_default();
            let before = ids[(at + ids.len() - 1) % ids.len()];
            let copies = (ids.len() - 1).min(handle.config().successors);
            let behind: Vec<_> = ids.iter().cycle().skip(at + 1).take(copies).collect();
            loop {
                let node = handle.snapshot().await.context("a peer has stopped")?;
                let successors = node.successors.iter().map(|peer| &peer.id);
                if node.predecessor.is_some_and(|peer| peer.id == before)
                    && successors.eq(behind.iter().copied())
                {
                    break;
                }
                ensure!(Instant::now() < deadline, "the ring has not settled after {PATIENCE:?}");
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Tells each of the first peers its part of the files, all at the same time, and returns once every keeper has
    /// acknowledged everything.
    ///
    /// # Errors
    /// It took too long.
    pub async fn publish(&self, parts: Vec<Vec<File>>) -> anyhow::Result<()> {
        let publishing = self.handles.iter().zip(parts).map(async |(handle, files)| {
            let before = handle.snapshot().await.context("a peer has stopped")?.shared_files;
            let all = before + files.len() as u64;
            for batch in files.chunks(BATCH) {
                handle.shared(batch.to_vec(), Vec::new()).await;
            }
            acknowledged(handle, all).await
        });
        futures::future::try_join_all(publishing).await?;
        Ok(())
    }

    /// To the chord service of one of the peers.
    ///
    /// # Errors
    /// None of the peer's addresses can be a URL.
    pub fn channel(&self, number: usize) -> anyhow::Result<Channel> {
        let peer = self.handles[number % self.handles.len()].me();
        Ok(lazy_channel(&format!("http://{}", peer.address))?)
    }

    /// Ends all peers at once.
    pub fn stop(self) {
        self.cancel.cancel();
    }
}

/// Waits until the peer shares so many files and every keeper has acknowledged them.
async fn acknowledged(handle: &Handle, files: u64) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        // None: the node is so busy that it has not answered within seconds.
        let progress = handle.published(None).await.unwrap_or_default().progress;
        ensure!(progress.refusing.is_empty(), "{:?} take no more", progress.refusing);
        if progress.files == files && progress.pending == 0 {
            return Ok(());
        }
        let (shared, left) = (progress.files, progress.pending);
        ensure!(
            started.elapsed() < PATIENCE,
            "{left} keys of {shared} files are unpublished after {PATIENCE:?}"
        );
        // To look costs the node time, and not to look makes the result that much later: a fiftieth at most.
        tokio::time::sleep(started.elapsed() / 50).await;
    }
}

/// A file of this name, to be found by its words, too, or by its whole name only.
pub fn file(name: &str, size: u64, words: bool) -> File {
    let text = if words { text_of(name) } else { Text::default() };
    File {
        name: name.into(),
        path: name.into(),
        size,
        modified_ms: 1_700_000_000_000,
        digest: Some([7; 32]),
        text,
    }
}

/// The names as files, shared out evenly among so many publishers.
pub fn share_out(names: &[String], publishers: usize, words: bool) -> Vec<Vec<File>> {
    let mut parts: Vec<Vec<File>> = vec![Vec::new(); publishers];
    for (number, name) in names.iter().enumerate() {
        parts[number % publishers].push(file(name, number as u64, words));
    }
    parts
}
