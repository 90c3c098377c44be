//! Publishing: until every keeper has acknowledged every name.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{bail, ensure};
use chord::index::File;
use chordial_benches::network::{Network, share_out};
use chordial_benches::table::{bytes, header, number, row};
use chordial_benches::traffic::Passed;
use chordial_benches::{machine, names};
use chordial_proto::chord_v1::FindRequest;
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;

use crate::{NAMES, PEERS, SEED};

/// What files are published by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Their exact names only.
    Names,
    /// Their words, too.
    Words,
}

impl Kind {
    pub fn named(name: &str) -> anyhow::Result<Kind> {
        match name {
            "names" => Ok(Kind::Names),
            "words" => Ok(Kind::Words),
            _ => bail!("{name:?} is neither names nor words"),
        }
    }

    /// Files of these names, shared out among so many publishers.
    pub fn files(self, names: &[String], publishers: usize) -> Vec<Vec<File>> {
        share_out(names, publishers, self == Kind::Words)
    }
}

pub async fn run(kind: Kind, publishers: usize) -> anyhow::Result<()> {
    let names = names::generate(NAMES, SEED);
    let files = kind.files(&names, publishers);
    let network = Network::start(PEERS).await?;
    let (traffic, memory, processor) =
        (network.traffic.passed(), machine::resident(), machine::processor_time());
    let started = Instant::now();
    network.publish(files).await?;
    let took = started.elapsed().as_secs_f64();
    let processor = (machine::processor_time() - processor).as_secs_f64();
    let memory = machine::resident().saturating_sub(memory);
    let traffic = network.traffic.since(&traffic);

    let mut entries = 0;
    for handle in &network.handles {
        entries += handle.snapshot().await.map_or(0, |node| node.owned + node.replicas);
    }
    let all = format!("{} names by {publishers} of {PEERS} peers", number(NAMES as f64));
    let (what, target) = match kind {
        Kind::Names => ("exact names", "20,000"),
        Kind::Words => ("all words", "5,000"),
    };
    println!("**Publishing, {what}**: {all}, {} entries with their copies\n", number(entries as f64));
    header(&["what", "measured", "target"]);
    let line = |what: &str, measured: String, target: &str| row(&[what.into(), measured, target.into()]);
    line("until every keeper has acknowledged", format!("{took:.2} s"), "");
    line("names per second", number(NAMES as f64 / took), &format!("≥ {target}"));
    line("names per second of one processor", number(NAMES as f64 / processor), "");
    line("memory per name, publisher and copies", bytes(memory / NAMES as u64), "");
    line("memory per entry, publisher's share included", bytes(memory / entries.max(1)), "");
    line("memory per peer", bytes(memory / PEERS as u64), "");
    println!();
    print(&traffic);
    find_some(&network, &names).await?;
    network.stop();
    Ok(())
}

/// Calls by method.
pub fn print(traffic: &BTreeMap<String, Passed>) {
    header(&["method", "calls", "bytes"]);
    for (method, passed) in traffic {
        row(&[method.clone(), number(passed.calls as f64), bytes(passed.bytes)]);
    }
}

/// Calls of publishing and renewing, and of keepers among themselves, together.
pub fn of_index(traffic: &BTreeMap<String, Passed>) -> Passed {
    let methods = ["Renew", "Publish", "Moved", "Withdraw", "HandOver", "Compare"];
    let of_index = methods.iter().filter_map(|method| traffic.get(*method));
    of_index.fold(Passed::default(), |all, one| Passed {
        calls: all.calls + one.calls,
        bytes: all.bytes + one.bytes,
    })
}

/// What was acknowledged is found from everywhere.
async fn find_some(network: &Network, names: &[String]) -> anyhow::Result<()> {
    for at in 0..500 {
        let name = &names[at * 7919 % names.len()];
        let mut index = IndexServiceClient::new(network.channel(at)?);
        let found = index.find(FindRequest { name: name.clone() }).await?.into_inner();
        ensure!(
            found.total == 1 && found.complete,
            "{name:?} was published and is found {} times",
            found.total
        );
    }
    Ok(())
}
