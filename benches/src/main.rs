//! How long a lookup takes over real gRPC on loopback, and how many fit into a second, beside a bare tonic
//! unary call and a bare warp GET measured in the same run:
//! `cargo run --release --manifest-path benches/Cargo.toml [PEERS]...`

use anyhow::{Context, ensure};
use chord::{Id, Read};
use chordial_proto::chord_v1::FindRequest;
use chordial_proto::chord_v1::FindSuccessorRequest;
use chordial_proto::chord_v1::chord_service_client::ChordServiceClient;
use chordial_proto::chord_v1::find_successor_request::Target;
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;

use chordial_benches::measure::{self, IN_FLIGHT, ONE_BY_ONE, Sample};
use chordial_benches::ring::{LOOKUP, Ring};
use chordial_benches::web::{self, Connection};
use chordial_benches::{bare, machine};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let sizes = std::env::args().skip(1).map(|size| size.parse().context("the number of peers"));
    let mut sizes = sizes.collect::<anyhow::Result<Vec<usize>>>()?;
    if sizes.is_empty() {
        sizes = vec![8, 32, 64];
    }
    println!("{}", machine::description());
    println!(
        "{ONE_BY_ONE} questions one after another, then {} with {IN_FLIGHT} in flight; all peers and callers in \
         this process\n",
        measure::TOGETHER
    );
    measure::header();
    for size in sizes {
        one_size(size).await?;
        println!();
    }
    Ok(())
}

async fn one_size(size: usize) -> anyhow::Result<()> {
    // First, while no ring shares the machine, then within its process: what both stand beside.
    let tonic = bare::unary().await?;
    let warp = bare::get().await?;
    tonic.print(size, "bare tonic unary call", &tonic);
    warp.print(size, "bare warp GET", &warp);

    let ring = Ring::start(size).await?;
    let names = &ring.names;
    let name = |number: usize| names[number * 7919 % names.len()].as_str();
    let handles = ring.handles();
    let handle = |number: usize| handles[number % handles.len()].clone();

    let owner = Sample::take(async |number| {
        let key = Id::of(&number.to_be_bytes());
        let found = handle(number).look_up(key, Read::Nothing, LOOKUP).await?;
        Ok(Some(found.route.steps.len()))
    })
    .await?;
    owner.print(size, "who is responsible, in process", &tonic);
    let found = Sample::take(async |number| {
        let found = handle(number).look_up(Id::of(name(number).as_bytes()), Read::Key(100), LOOKUP).await?;
        ensure!(!found.reading.sources.is_empty(), "{} was not found", name(number));
        Ok(Some(found.route.steps.len()))
    })
    .await?;
    found.print(size, "who has this file, in process", &tonic);

    let channel = ring.channel().await?;
    let chord = ChordServiceClient::new(channel.clone());
    let owner = Sample::take(async |number| {
        let key = Id::of(&number.to_be_bytes()).to_bytes().to_vec();
        let request = FindSuccessorRequest { target: Some(Target::Key(key)) };
        let answer = chord.clone().find_successor(request).await?.into_inner();
        Ok(answer.route.map(|route| route.hops as usize))
    })
    .await?;
    owner.print(size, "who is responsible, gRPC to one peer", &tonic);
    let index = IndexServiceClient::new(channel);
    let found = Sample::take(async |number| {
        let answer = index.clone().find(FindRequest { name: name(number).to_owned() }).await?;
        ensure!(answer.get_ref().total == 1, "{} was not found", name(number));
        Ok(answer.into_inner().route.map(|route| route.hops as usize))
    })
    .await?;
    found.print(size, "who has this file, gRPC to one peer", &tonic);

    let connections = web::open(ring.gateway()?, IN_FLIGHT).await?;
    let get = async |number: usize, path: &str| {
        let mut connection: tokio::sync::MutexGuard<'_, Connection> =
            connections[number % IN_FLIGHT].lock().await;
        connection.get(path).await?;
        Ok(None)
    };
    let live = Sample::take(async |number| get(number, "/livez").await).await?;
    live.print(size, "GET /livez, REST of one peer", &warp);
    let found =
        Sample::take(async |number| get(number, &format!("/api/v1/files/{}", name(number))).await).await?;
    found.print(size, "who has this file, REST of one peer", &warp);
    ring.stop().await;
    Ok(())
}
