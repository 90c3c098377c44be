//! A settled ring of real peers on loopback, in this process, with a thousand files among them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chord_client::{Address, Client};
use chord_peer::config::{PeerConfig, Service};
use chord_peer::driver::Handle;
use chord_peer::peer::Peer;
use tonic::transport::Channel;

/// How long the ring may take to settle.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one question to a peer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Deadline of a lookup.
pub const LOOKUP: Duration = Duration::from_secs(4);
/// Files, spread evenly over the peers.
const FILES: usize = 1_000;

pub struct Ring {
    peers: Vec<Peer>,
    /// Of all files.
    pub names: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Ring {
    /// Starts `size` peers, and waits until all agree on the ring and every file is found.
    pub async fn start(size: usize) -> anyhow::Result<Ring> {
        let folder = tempfile::tempdir()?;
        let names: Vec<String> = (0..FILES).map(|number| format!("file{number}.txt")).collect();
        let mut peers: Vec<Peer> = Vec::new();
        for number in 0..size {
            let path = |kind: &str| folder.path().join(format!("{kind}{number}"));
            std::fs::create_dir_all(path("share"))?;
            for name in names.iter().skip(number).step_by(size) {
                std::fs::write(path("share").join(name), name)?;
            }
            let friend = peers.first().map(Peer::chord_url).unwrap_or_default();
            let config = PeerConfig::from_settings(&[
                ("name", &format!("p{number}")),
                ("ip", "127.0.0.1"),
                ("advertise", "127.0.0.1"),
                ("directory", &path("share").display().to_string()),
                ("state", &path("state").display().to_string()),
                ("friend", &friend),
                ("ports.chord", "0"),
                ("ports.catalog", "0"),
                ("ports.transfer", "0"),
                ("ports.gateway", "0"),
            ])?;
            peers.push(Peer::start(config, &Service::ALL).await?);
        }
        let ring = Ring { peers, names, _folder: folder };
        ring.settle().await?;
        Ok(ring)
    }

    async fn settle(&self) -> anyhow::Result<()> {
        let address: Address = self.peers[0].chord_url().parse()?;
        let client = Client::connect(&address, TIMEOUT).await?;
        let deadline = Instant::now() + PATIENCE;
        let mut missing = self.names.iter().peekable();
        loop {
            // A peer that has not joined yet says so instead.
            let ring = client.ring().await.unwrap_or_default();
            let whole = ring.agreed && ring.peers.len() == self.peers.len();
            while whole
                && let Some(name) = missing.peek()
                && client.find(name).await?.total == 1
            {
                missing.next();
            }
            if missing.peek().is_none() {
                return Ok(());
            }
            let (seen, size) = (ring.peers.len(), self.peers.len());
            ensure!(Instant::now() < deadline, "{seen} of {size} peers form a ring after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// To ask each peer's node directly.
    pub fn handles(&self) -> Vec<Handle> {
        self.peers.iter().filter_map(Peer::handle).cloned().collect()
    }

    /// To the chord service of the first peer.
    pub async fn channel(&self) -> anyhow::Result<Channel> {
        let address: Address = self.peers[0].chord_url().parse()?;
        Ok(address.connect(TIMEOUT).await?)
    }

    /// The gateway of the first peer.
    pub fn gateway(&self) -> anyhow::Result<SocketAddr> {
        let url = self.peers[0].gateway_url();
        url.trim_start_matches("http://").parse().context("the gateway's address")
    }

    pub async fn stop(self) {
        futures::future::join_all(self.peers.into_iter().map(Peer::stop)).await;
    }
}
