//! Ours beside rust-libp2p's Kademlia: the same names, published one by one by any of the peers and found by another.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chord::{Id, Read};
use chord_peer::driver::Handle;
use chordial_benches::measure::{IN_FLIGHT, Latencies};
use chordial_benches::names;
use chordial_benches::network::{Network, file};
use chordial_benches::table::{header, number, row};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::SEED;
use crate::kademlia::Nodes;

/// Names of each measurement.
const NAMES: usize = 1_000;
/// Names published beforehand, so that connections are there.
const WARM_UP: usize = 100;
/// Deadline of a lookup.
const LOOKUP: Duration = Duration::from_secs(4);
/// Between two looks at whether something is published, where many are under way.
const LOOK: Duration = Duration::from_millis(1);

/// What came out: one by one, and with [`IN_FLIGHT`] under way.
struct Measured {
    publish: Latencies,
    find: Latencies,
    find_all: Latencies,
    /// Names per second of [`NAMES`] that one peer publishes at once.
    folder: f64,
}

pub async fn run(peers: usize) -> anyhow::Result<()> {
    let names = names::generate(WARM_UP + 3 * NAMES, SEED);
    let theirs = theirs(peers, &names).await?;
    let ours = ours(peers, &names).await?;
    println!("**Beside rust-libp2p's Kademlia**: {} names, {peers} peers\n", number(NAMES as f64));
    header(&[
        "what",
        "Chordial p50 · p95 ms",
        "per s",
        "libp2p p50 · p95 ms",
        "per s",
        "times as many per s",
        "target",
    ]);
    line("publish, one after another", &ours.publish, &theirs.publish, |sample| per_second(sample), "");
    line("publish, 64 in flight", &ours.publish, &theirs.publish, |sample| sample.per_second, "");
    row(&[
        "publish a folder at once".to_owned(),
        String::new(),
        number(ours.folder),
        String::new(),
        number(theirs.folder),
        format!("{:.1}", ours.folder / theirs.folder),
        "≥ 50".to_owned(),
    ]);
    line("find, one after another", &ours.find, &theirs.find, per_second, "");
    line("find, 64 in flight", &ours.find, &theirs.find, |sample| sample.per_second, "");
    line("find, to the query's end", &ours.find_all, &theirs.find_all, per_second, "");
    println!(
        "\nlibp2p keeps each name at all other nodes of a network of this size (20 at most), so that whoever looks for it has it."
    );
    Ok(())
}

/// Of questions one after another.
fn per_second(sample: &Latencies) -> f64 {
    1.0 / sample.mean().as_secs_f64()
}

fn line(what: &str, ours: &Latencies, theirs: &Latencies, rate: impl Fn(&Latencies) -> f64, target: &str) {
    let ms = |sample: &Latencies| {
        let [half, most] = [0.5, 0.95].map(|part| sample.at(part).as_secs_f64() * 1e3);
        format!("{half:.2} · {most:.2}")
    };
    row(&[
        what.to_owned(),
        ms(ours),
        number(rate(ours)),
        ms(theirs),
        number(rate(theirs)),
        format!("{:.1}", rate(ours) / rate(theirs)),
        target.to_owned(),
    ]);
}

/// The peer that publishes, and another one that finds.
fn places(at: usize, peers: usize) -> (usize, usize) {
    let publisher = at * 7 % peers;
    (publisher, (publisher + 1 + at * 5 % (peers - 1)) % peers)
}

async fn theirs(peers: usize, names: &[String]) -> anyhow::Result<Measured> {
    let nodes = Nodes::start(peers).await?;
    for (at, name) in names.iter().enumerate().take(WARM_UP) {
        nodes.provide(places(at, peers).0, name).await?;
    }
    let provide = async |at: usize| nodes.provide(places(at, peers).0, &names[at]).await;
    let publish =
        measure(async |at| provide(WARM_UP + at).await, async |at| provide(WARM_UP + NAMES + at).await);
    let publish = publish.await?;
    let find = Latencies::take(NAMES, async |at| {
        nodes.find(places(WARM_UP + at, peers).1, &names[WARM_UP + at]).await
    });
    let find = find.await?;
    let find_all = Latencies::take(NAMES, async |at| {
        nodes.find_all(places(WARM_UP + at, peers).1, &names[WARM_UP + at]).await
    });
    let find_all = find_all.await?;
    let started = Instant::now();
    let folder = stream::iter(&names[WARM_UP + 2 * NAMES..]).map(|name| nodes.provide(0, name));
    folder.buffer_unordered(IN_FLIGHT).try_for_each(async |()| Ok(())).await?;
    let folder = NAMES as f64 / started.elapsed().as_secs_f64();
    Ok(Measured { publish, find, find_all, folder })
}

async fn ours(peers: usize, names: &[String]) -> anyhow::Result<Measured> {
    let network = Network::start(peers).await?;
    let publish_now = async |at: usize, look: Option<Duration>| {
        publish_one(&network.handles[places(at, peers).0], &names[at], look).await
    };
    for at in 0..WARM_UP {
        publish_now(at, None).await?;
    }
    let one_by_one = async |at: usize| publish_now(WARM_UP + at, None).await;
    let together = async |at: usize| publish_now(WARM_UP + NAMES + at, Some(LOOK)).await;
    let publish = measure(one_by_one, together).await?;
    let find = async || {
        Latencies::take(NAMES, async |at| {
            let (name, peer) = (&names[WARM_UP + at], places(WARM_UP + at, peers).1);
            let found =
                network.handles[peer].look_up(Id::of(name.as_bytes()), Read::Key(100), LOOKUP).await?;
            ensure!(found.reading.sources.len() == 1, "{name:?} was not found");
            Ok(())
        })
        .await
    };
    let (find, find_all) = (find().await?, find().await?);
    let files = names[WARM_UP + 2 * NAMES..].iter().map(|name| file(name, 1, false));
    let started = Instant::now();
    network.publish(vec![files.collect()]).await?;
    let folder = NAMES as f64 / started.elapsed().as_secs_f64();
    network.stop();
    Ok(Measured { publish, find, find_all, folder })
}

/// Until every keeper has acknowledged it.
async fn publish_one(handle: &Handle, name: &str, look: Option<Duration>) -> anyhow::Result<()> {
    handle.shared(vec![file(name, 1, false)], Vec::new()).await;
    let key = Id::of(name.as_bytes());
    loop {
        let published = handle.published(Some(key)).await.context("a peer has stopped")?;
        if published.receipt.is_some_and(|receipt| receipt.is_whole()) {
            return Ok(());
        }
        match look {
            Some(look) => tokio::time::sleep(look).await,
            None => tokio::task::yield_now().await,
        }
    }
}

/// One after another, then others with [`IN_FLIGHT`] under way.
async fn measure(
    one: impl AsyncFn(usize) -> anyhow::Result<()>,
    other: impl AsyncFn(usize) -> anyhow::Result<()>,
) -> anyhow::Result<Latencies> {
    let mut times = Vec::with_capacity(NAMES);
    for at in 0..NAMES {
        let started = Instant::now();
        one(at).await?;
        times.push(started.elapsed());
    }
    let started = Instant::now();
    let all = stream::iter(0..NAMES).map(|at| other(at)).buffer_unordered(IN_FLIGHT);
    all.try_for_each(async |()| Ok(())).await?;
    Ok(Latencies::of(times, NAMES as f64 / started.elapsed().as_secs_f64()))
}
