//! Publishing and search, measured: `make bench-index`, `make bench-libp2p`.
//!
//! Each measurement runs in a process of its own, so that memory that one has used is not counted to the next.

#[cfg(feature = "libp2p")]
mod kademlia;
mod publish;
mod renewal;
mod search;
#[cfg(feature = "libp2p")]
mod side_by_side;

use std::process::Command;

use anyhow::{bail, ensure};
use chordial_benches::machine;

/// Peers of each network.
const PEERS: usize = 16;
/// Names that are published.
const NAMES: usize = 100_000;
/// What the names are made from.
const SEED: u64 = 5;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if args.is_empty() {
        return all();
    }
    let runtime = tokio::runtime::Runtime::new()?;
    match args[..] {
        ["publish", kind, publishers] => {
            runtime.block_on(publish::run(publish::Kind::named(kind)?, publishers.parse()?))
        }
        ["renewal"] => runtime.block_on(renewal::run()),
        ["search"] => runtime.block_on(search::run()),
        #[cfg(feature = "libp2p")]
        ["libp2p"] => runtime.block_on(side_by_side::run(PEERS)),
        _ => bail!(
            "publish names|words PUBLISHERS, renewal, search, libp2p (with the feature of that name), or nothing for all"
        ),
    }
}

fn all() -> anyhow::Result<()> {
    println!("{}\n{}\n", machine::description(), machine::circumstances());
    println!("{PEERS} peers and all callers in one process, gRPC over loopback, 3 copies.\n");
    let mut measurements: Vec<&[&str]> = Vec::new();
    let publishers = PEERS.to_string();
    let parts: [[&str; 3]; 4] = [
        ["publish", "names", &publishers],
        ["publish", "names", "1"],
        ["publish", "words", &publishers],
        ["publish", "words", "1"],
    ];
    measurements.extend(parts.iter().map(|part| &part[..]));
    measurements.extend([&["renewal"][..], &["search"]]);
    if cfg!(feature = "libp2p") {
        measurements.push(&["libp2p"]);
    }
    let program = std::env::current_exe()?;
    for measurement in measurements {
        let status = Command::new(&program).args(measurement).status()?;
        ensure!(status.success(), "{measurement:?} failed: {status}");
        println!();
    }
    Ok(())
}
