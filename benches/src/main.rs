//! How long a question takes over real gRPC and REST on loopback, beside a bare call of the same kind to the
//! same process: `cargo run --release --manifest-path benches/Cargo.toml [PEERS]...`

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chord::Id;
use chord_client::{Address, Client, rest};
use chord_peer::config::{PeerConfig, Service};
use chord_peer::peer::Peer;
use chordial_proto::chord_v1::find_successor_request::Target;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const PATIENCE: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(5);
/// Questions of each kind, one after another.
const QUESTIONS: usize = 2000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let sizes = std::env::args().skip(1).map(|size| size.parse().context("the number of peers"));
    let mut sizes = sizes.collect::<anyhow::Result<Vec<usize>>>()?;
    if sizes.is_empty() {
        sizes = vec![8, 32];
    }
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    println!("{QUESTIONS} questions one after another, all peers in this process, {cores} cores\n");
    println!("{:>5}  {:<44} {:>9} {:>9} {:>7}", "peers", "what", "p50 µs", "p99 µs", "ratio");
    for size in sizes {
        measure(size).await?;
    }
    Ok(())
}

async fn measure(size: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut peers: Vec<Peer> = Vec::new();
    for number in 0..size {
        let path = |kind: &str| folder.path().join(format!("{kind}{number}")).display().to_string();
        let friend = peers.first().map(Peer::chord_url).unwrap_or_default();
        let config = PeerConfig::from_settings(&[
            ("name", &format!("p{number}")),
            ("ip", "127.0.0.1"),
            ("advertise", "127.0.0.1"),
            ("directory", &path("share")),
            ("state", &path("state")),
            ("friend", &friend),
            ("ports.chord", "0"),
            ("ports.catalog", "0"),
            ("ports.transfer", "0"),
            ("ports.gateway", "0"),
        ])?;
        peers.push(Peer::start(config, &Service::ALL).await?);
    }
    std::fs::write(peers[size - 1].config().directory.join("wanted.txt"), "found")?;

    let chord: Address = peers[0].chord_url().parse()?;
    let client = Client::connect(&chord, TIMEOUT).await?;
    settled(&client, size).await?;

    let channel = chord.connect(TIMEOUT).await?;
    let mut health = HealthClient::new(channel);
    let bare = sample(async |_| {
        health.check(HealthCheckRequest::default()).await?;
        Ok(())
    })
    .await?;
    report(size, "gRPC, bare unary call (health)", &bare, &bare);
    let lookup = sample(async |number| {
        let key = Id::of(&number.to_be_bytes()).to_bytes().to_vec();
        client.find_successor(Target::Key(key)).await?;
        Ok(())
    })
    .await?;
    report(size, "gRPC, FindSuccessor of a random key", &lookup, &bare);
    let find = sample(async |_| {
        ensure!(client.find("wanted.txt").await?.total == 1, "the file was not found");
        Ok(())
    })
    .await?;
    report(size, "gRPC, Find of one file", &find, &bare);

    let gateway: Address = peers[0].gateway_url().parse()?;
    let bare = sample(async |_| get(&gateway, "/livez").await).await?;
    report(size, "REST, bare GET /livez, a connection each", &bare, &bare);
    let find = sample(async |_| get(&gateway, "/api/v1/files/wanted.txt").await).await?;
    report(size, "REST, GET of one file, a connection each", &find, &bare);
    println!();

    for peer in peers {
        peer.stop().await;
    }
    Ok(())
}

async fn get(gateway: &Address, path: &str) -> anyhow::Result<()> {
    let answer = rest::get(gateway, path, TIMEOUT).await?;
    ensure!(answer.status == 200, "{path}: status {}", answer.status);
    Ok(())
}

/// Waits until all agree on the ring and the file is found.
async fn settled(client: &Client, size: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ring = client.ring().await?;
        if ring.agreed && ring.peers.len() == size && client.find("wanted.txt").await?.total == 1 {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{} of {size} peers form a ring after {PATIENCE:?}",
            ring.peers.len()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How long each question took, sorted.
async fn sample(mut ask: impl AsyncFnMut(usize) -> anyhow::Result<()>) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(QUESTIONS);
    for number in 0..QUESTIONS {
        let started = Instant::now();
        ask(number).await?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times)
}

fn report(size: usize, what: &str, times: &[Duration], reference: &[Duration]) {
    let micros =
        |times: &[Duration], part: f64| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1e6;
    let ratio = micros(times, 0.5) / micros(reference, 0.5);
    println!("{size:>5}  {what:<44} {:>9.0} {:>9.0} {ratio:>7.2}", micros(times, 0.5), micros(times, 0.99));
}
