//! Memory that a keeper needs, counted by the allocator: part of `make bench-index`.

use std::alloc::System;
use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use chord::index::{ArcAnswer, File, Keeper, KeptArc, Publisher};
use chord::{Config, Envelope, Id, Peer, Request, Response, Services, VERSION};
use chordial_benches::network::share_out;
use chordial_benches::table::{bytes, header, number, row};
use chordial_benches::{machine, names};
use chordial_proto::chord_v1::PublishRequest;
use chordial_proto::convert::{Outgoing, Question as _};
use prost::Message as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Names that are published, by so many publishers.
const NAMES: usize = 100_000;
const PUBLISHERS: usize = 16;
/// What the names are made from.
const SEED: u64 = 5;

fn main() -> anyhow::Result<()> {
    println!("{}\n{}\n", machine::description(), machine::circumstances());
    println!(
        "**Memory of one keeper** of {} names by {PUBLISHERS} publishers, as it asks the allocator for it (which adds \
         8 to 16 bytes to each piece). A posting is one file under one key; every copy of it takes as much\n",
        number(NAMES as f64)
    );
    header(&["published", "kept", "files", "postings", "memory", "per file", "bytes per posting", "target"]);
    for (what, words) in [("exact names", false), ("all words", true)] {
        for (part, sixteenths) in [("its part of 16 peers", 3), ("everything", 16)] {
            let kept = keep(words, sixteenths)?;
            let per = |count: u64| number(kept.bytes as f64 / count as f64);
            row(&[
                what.into(),
                part.into(),
                number(kept.files as f64),
                number(kept.postings as f64),
                bytes(kept.bytes),
                per(kept.files),
                per(kept.postings),
                "< 400".into(),
            ]);
        }
    }
    Ok(())
}

/// What a keeper has, and how much memory that takes.
struct Kept {
    files: u64,
    postings: u64,
    bytes: u64,
}

/// A keeper of so many sixteenths of the ring, filled by all publishers.
fn keep(words: bool, sixteenths: u8) -> anyhow::Result<Kept> {
    let names = names::generate(NAMES, SEED);
    let mut end = [0; 20];
    end[0] = sixteenths % 16 * 16;
    let me = Peer { id: Id::from_bytes(end), ..Peer::stranger("127.0.0.1:1") };
    let arc = KeptArc { from: Id::default(), keepers: vec![me] };
    let mut files = 0;
    let mut keeper = Keeper::default();
    let before = Region::new(ALLOCATOR);
    for (number, part) in share_out(&names, PUBLISHERS, words).into_iter().enumerate() {
        files += publish(number, part, &arc, &mut keeper)?;
    }
    // What the publishers needed has been given back by now.
    let change = before.change();
    let bytes = change.bytes_allocated.saturating_sub(change.bytes_deallocated) as u64;
    let postings = keeper.digest(Id::default(), Id::default()).count;
    ensure!(files > 0 && postings > 0, "nothing is kept");
    Ok(Kept { files, postings, bytes })
}

/// A publisher and the keeper talk until the keeper has all of the arc; what is stated is encoded and decoded, as between
/// real peers. Returns how many files came.
fn publish(number: usize, files: Vec<File>, arc: &KeptArc, keeper: &mut Keeper) -> anyhow::Result<u64> {
    let config = Config::default();
    let me = Peer { incarnation: 1, ..Peer::stranger(&format!("127.0.0.1:{}", 1000 + number)) };
    let keeper_id = arc.keepers.first().context("no keeper")?.id;
    let mut seen: HashSet<Arc<str>> = HashSet::new();
    let mut publisher = Publisher::default();
    publisher.update(files, &[]);
    publisher.place(arc);
    let services = Services::default();
    while let Some((_, request, sent)) =
        publisher.next_message(&services, config.renewal(), config.batch, None)
    {
        let response = match over_the_wire(&me, request)? {
            Request::Renew { services, sequence, arcs, .. } => {
                let verdicts = keeper.renew(&me, &services, sequence, &arcs);
                let owner = |to| (to == keeper_id).then(|| arc.clone());
                let answers = arcs.iter().zip(verdicts);
                let answers = answers.map(|(arc, verdict)| ArcAnswer { verdict, owner: owner(arc.to) });
                Response::Renewed(answers.collect())
            }
            Request::Publish(batch) => {
                for file in batch.keys.iter().flat_map(|statement| &statement.files) {
                    seen.insert(file.path.clone());
                }
                if let Err(most) = keeper.publish(&me, &batch, config.room) {
                    bail!("the keeper takes {most} entries only");
                }
                Response::Published(arc.clone())
            }
            request => bail!("a publisher sends no {request:?}"),
        };
        publisher.acknowledge(keeper_id, sent, response, config.batch);
    }
    Ok(seen.len() as u64)
}

fn over_the_wire(sender: &Peer, request: Request) -> anyhow::Result<Request> {
    let ring = Config::default().ring;
    let envelope =
        Envelope { version: VERSION, ring, sender: sender.clone(), addressee: None, incarnation: 0 };
    match Outgoing::new(envelope, request.clone()) {
        Outgoing::Publish(message) => {
            let message = PublishRequest::decode(&message.encode_to_vec()[..])?;
            Ok(message.into_core()?.1)
        }
        _ => Ok(request),
    }
}
