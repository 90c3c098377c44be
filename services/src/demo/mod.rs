//! A whole network in one process: peers on loopback that share real files, asked and fetched from over
//! the same interfaces that a person would use.

mod files;
mod picture;

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chord_client::{Address, Client, Holder, rest, views};
use chordial_proto::chord_v1::GetRingResponse;
use chordial_proto::chord_v1::find_successor_request::Target;
use futures::TryStreamExt;
use serde_json::Value;

use crate::args::DemoArgs;
use crate::config::{PeerConfig, Service};
use crate::peer::{Peer, stop_signal};

/// How long any step of the demo may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Where the first peer listens, if nobody else does: chord-cli's default, and the gateway beside it.
const FIRST: (u16, u16) = (chord_client::CHORD_PORT, 8001);

/// Runs the demo: until the queries are done with `--once`, else until Ctrl-C.
///
/// # Errors
/// The first step that did not work.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let folder = Folder::create()?;
    let mut log = PeerConfig::from_settings(&[])?.log;
    log.file = Some(folder.path.join("peers.log"));
    crate::logging::init(&log)?;
    println!(
        "Chordial: a file index with no server. {} peers on this machine, each with files of its own.",
        args.peers
    );
    println!("Everything is below {}; the peers' logs are in peers.log there.\n", folder.path.display());

    let network = Network::start(&folder.path, usize::from(args.peers)).await?;
    let outcome = tokio::select! {
        outcome = network.show() => outcome,
        () = stop_signal() => bail!("interrupted"),
    };
    if outcome.is_ok() && !args.once {
        network.invite();
        stop_signal().await;
        println!("\nThe peers leave the ring.");
    }
    network.stop().await;
    outcome.with_context(|| format!("the demo failed; the log is {}", folder.keep().display()))?;
    if args.once {
        println!("\nAll of it worked, in {:.1} s.", started.elapsed().as_secs_f64());
    }
    Ok(())
}

/// The demo's folder, removed at the end unless it is kept for a look at the log.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> anyhow::Result<Folder> {
        let path = std::env::temp_dir().join(format!("chordial-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("{} can't be created", path.display()))?;
        Ok(Folder { path })
    }

    fn keep(&self) -> PathBuf {
        let kept = self.path.with_extension("log");
        match std::fs::copy(self.path.join("peers.log"), &kept) {
            Ok(_) => kept,
            Err(_) => self.path.clone(),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("{} can't be removed: {error}", self.path.display());
        }
    }
}

/// The demo's peers.
struct Network {
    peers: Vec<Peer>,
    folder: PathBuf,
}

impl Network {
    async fn start(folder: &Path, count: usize) -> anyhow::Result<Network> {
        heading(1, "Each peer gets a folder with files, and starts its four services.");
        let mut peers: Vec<Peer> = Vec::new();
        for number in 0..count {
            let name = format!("p{}", number + 1);
            let share = folder.join("share").join(&name);
            std::fs::create_dir_all(&share)
                .with_context(|| format!("{} can't be created", share.display()))?;
            let shared =
                files::make(&share, number).with_context(|| format!("files in {}", share.display()))?;
            // Each through the one before it: any peer is an entry point.
            let friend = peers.last().map(Peer::chord_url).unwrap_or_default();
            let chord = free_port(if number == 0 { FIRST.0 } else { 0 });
            let gateway = free_port(FIRST.1 + number as u16);
            let (share, state) =
                (share.display().to_string(), folder.join("state").join(&name).display().to_string());
            let config = |chord: u16, gateway: u16| {
                PeerConfig::from_settings(&[
                    ("name", &name),
                    ("ip", "127.0.0.1"),
                    ("advertise", "127.0.0.1"),
                    ("directory", &share),
                    ("state", &state),
                    ("friend", &friend),
                    ("ring", "chordial-demo"),
                    ("ports.chord", &chord.to_string()),
                    ("ports.catalog", "0"),
                    ("ports.transfer", "0"),
                    ("ports.gateway", &gateway.to_string()),
                ])
            };
            let peer = match Peer::start(config(chord, gateway)?, &Service::ALL).await {
                // Somebody else may have taken a port that was free a moment ago.
                Err(_) => Peer::start(config(0, 0)?, &Service::ALL).await,
                started => started,
            };
            let peer = peer.with_context(|| format!("peer {name}"))?;
            println!(
                "   {name:<4} chord {:<22} REST {:<24} {} files",
                peer.chord_url(),
                peer.gateway_url(),
                shared.len()
            );
            peers.push(peer);
        }
        println!();
        Ok(Network { peers, folder: folder.to_owned() })
    }

    async fn show(&self) -> anyhow::Result<()> {
        self.form_ring().await?;
        let holder = files::WANTED.1.min(self.peers.len() - 1);
        let wanted = if holder == files::WANTED.1 {
            files::WANTED.0.to_owned()
        } else {
            format!("notes of p{}.txt", holder + 1)
        };
        let source = self.ask(&wanted, holder).await?;
        self.download(&source, holder).await?;
        self.echo(&source, &wanted).await?;
        self.appear(holder).await
    }

    async fn form_ring(&self) -> anyhow::Result<()> {
        heading(2, "They find their places on the ring: a peer's is the SHA-1 of its address.");
        let started = Instant::now();
        let client = Client::connect(&self.peers[0].chord_url().parse()?, TIMEOUT).await?;
        let ring = until("all peers agree on one ring", || async {
            let ring = client.ring().await?;
            ensure!(ring.agreed && ring.peers.len() == self.peers.len(), "{}", disagreement(&ring));
            Ok(ring)
        })
        .await?;
        let places: Vec<(String, f64)> =
            ring.peers.iter().filter_map(|peer| place(peer.peer.as_ref()?)).collect();
        println!("{}", picture::ring(&places));
        println!(
            "   All {} agree on it, {:.1} s after the last one started.\n",
            places.len(),
            started.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// Asks one peer over REST for a file that another one holds.
    async fn ask(&self, name: &str, holder: usize) -> anyhow::Result<Value> {
        let (asked, responsible) = self.somebody_else(name, holder).await?;
        heading(3, &format!("{} is asked who has \"{name}\".", asked.name()));
        let url = views::file_url(&format!("{}/api/v1", asked.gateway_url()), name);
        println!("   curl '{url}'");
        let (address, path) = split(&url)?;
        let found = until("the file is found, with its digest", || async {
            let answer = rest::get(&address, &path, TIMEOUT).await?;
            let body = answer.body.with_context(|| format!("status {} without JSON", answer.status))?;
            ensure!(answer.status == 200, "status {}: {}", answer.status, body["detail"]);
            ensure!(body["sources"][0]["digest"].is_string(), "its digest is still being computed");
            Ok(body)
        })
        .await?;
        let route: Vec<&str> =
            found["route"]["peers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        println!("   key {} lies in {responsible}'s part of the ring", text(&found["key"]));
        let hops = found["route"]["hops"].as_u64().unwrap_or_default();
        let plural = if hops == 1 { "" } else { "s" };
        println!("   route {}: {hops} hop{plural}, {} µs", route.join(" → "), found["route"]["elapsed_us"]);
        let source = found["sources"][0].clone();
        println!(
            "   {} has it: {} ({} bytes)\n",
            text(&source["peer"]),
            text(&source["url"]),
            source["size"]
        );
        Ok(source)
    }

    /// A peer that neither has the file nor is responsible for its name, if there are enough; and the name of
    /// the one that is responsible.
    async fn somebody_else(&self, name: &str, holder: usize) -> anyhow::Result<(&Peer, String)> {
        let client = Client::connect(&self.peers[0].chord_url().parse()?, TIMEOUT).await?;
        let found = client.find_successor(Target::Name(name.to_owned())).await?;
        let responsible = found.successor.context("somebody is responsible for every name")?.name;
        let others =
            self.peers.iter().enumerate().filter(|(number, _)| *number != holder).map(|(_, peer)| peer);
        let asked = others.clone().find(|peer| peer.name() != responsible).or(others.clone().next());
        Ok((asked.unwrap_or(&self.peers[holder]), responsible))
    }

    /// Fetches the file straight from its holder and checks it against the index and the disk.
    async fn download(&self, source: &Value, holder: usize) -> anyhow::Result<()> {
        heading(
            4,
            &format!(
                "It is downloaded straight from {}, not through the peer that was asked.",
                text(&source["peer"])
            ),
        );
        let peer = &self.peers[holder];
        ensure!(
            source["peer"] == *peer.name(),
            "the index names {}, but {} has it",
            source["peer"],
            peer.name()
        );
        let started = Instant::now();
        let address: Address = peer.transfer_url().parse()?;
        let holder = Holder::connect(&address, TIMEOUT).await?;
        let (_, stream) = holder.open(text(&source["path"]), 0, 0).await?;
        let bytes: Vec<u8> = stream
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await?;
        let took = started.elapsed();
        let digest = format!("blake3:{}", blake3::hash(&bytes).to_hex());
        ensure!(
            source["digest"] == *digest,
            "the bytes have digest {digest}, the index says {}",
            source["digest"]
        );
        let path = peer.config().directory.join(text(&source["path"]));
        let on_disk = std::fs::read(&path).with_context(|| format!("{} can't be read", path.display()))?;
        ensure!(bytes == on_disk, "the bytes differ from {}", path.display());
        println!("   {} bytes from {address} in {:.1} ms", bytes.len(), took.as_secs_f64() * 1e3);
        println!("   {digest}\n   as the index says: it is the right file.\n");
        Ok(())
    }

    /// The assignment's echo services.
    async fn echo(&self, source: &Value, name: &str) -> anyhow::Result<()> {
        heading(5, "The echo services answer as a transfer would, and move nothing.");
        let peer =
            self.peers.iter().find(|peer| source["peer"] == *peer.name()).context("the holder runs here")?;
        let holder = Holder::connect(&peer.transfer_url().parse()?, TIMEOUT).await?;
        let download = holder.echo_download(name).await?;
        println!("   download: {}", download.message);
        let upload = holder.echo_upload("holiday.jpg", 2_500_000).await?;
        println!("   upload:   {}\n", upload.message);
        ensure!(source["size"] == download.bytes && upload.bytes == 2_500_000, "an echo named a wrong size");
        Ok(())
    }

    /// A file that appears while the network runs is found through every peer.
    async fn appear(&self, holder: usize) -> anyhow::Result<()> {
        let peer = &self.peers[holder];
        heading(6, &format!("A new file appears in {}'s folder; every peer is asked for it.", peer.name()));
        let name = "just written.txt";
        let path = peer.config().directory.join(name);
        std::fs::write(&path, "It was not there a moment ago.\n")
            .with_context(|| path.display().to_string())?;
        let started = Instant::now();
        for asked in &self.peers {
            let (address, path) = split(&views::file_url(&format!("{}/api/v1", asked.gateway_url()), name))?;
            until("the new file is found", || async {
                let answer = rest::get(&address, &path, TIMEOUT).await?;
                ensure!(answer.status == 200, "{} answers with status {}", asked.name(), answer.status);
                Ok(())
            })
            .await?;
        }
        println!(
            "   All {} find it, {:.1} s after it was written.",
            self.peers.len(),
            started.elapsed().as_secs_f64()
        );
        Ok(())
    }

    fn invite(&self) {
        println!("\nNow it is yours, until Ctrl-C:");
        for peer in &self.peers {
            println!("   {:<4} in the browser    {}/", peer.name(), peer.gateway_url());
        }
        let first = &self.peers[0];
        let chord = first.chord_url();
        println!("   ask the ring          cargo run --release -p chord-cli -- --peer {chord} ring");
        println!("   share a file          drop it into {}", first.config().directory.display());
        println!("   find it               cargo run --release -p chord-cli -- --peer {chord} find NAME");
        println!("   read the log          {}", self.folder.join("peers.log").display());
    }

    async fn stop(self) {
        let leaving = self.peers.into_iter().map(|peer| peer.stop());
        futures::future::join_all(leaving).await;
    }
}

fn heading(number: usize, text: &str) {
    println!("{number}. {text}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A URL as the address to dial and the path to ask for.
fn split(url: &str) -> anyhow::Result<(Address, String)> {
    let (_, rest) = url.split_once("://").context("a URL has a scheme")?;
    let (authority, path) = rest.split_once('/').context("a URL has a path")?;
    Ok((authority.parse()?, format!("/{path}")))
}

/// The port, if nobody listens there; else 0, and the system chooses.
fn free_port(wanted: u16) -> u16 {
    TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), wanted)).map_or(0, |_| wanted)
}

fn place(peer: &chordial_proto::chord_v1::Peer) -> Option<(String, f64)> {
    let id: [u8; 20] = peer.id.as_slice().try_into().ok()?;
    Some((peer.name.clone(), chord::Id::from_bytes(id).fraction()))
}

fn disagreement(ring: &GetRingResponse) -> String {
    match ring.problems.first() {
        Some(problem) => problem.what.clone(),
        None => format!("{} peers are in the ring so far", ring.peers.len()),
    }
}

/// Tries until it works, or says why it does not.
async fn until<T, F: Future<Output = anyhow::Result<T>>>(
    what: &str,
    attempt: impl Fn() -> F,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!("waited for: {what}")));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
