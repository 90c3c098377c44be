//! What it costs to keep unchanged files published.

use chordial_benches::names;
use chordial_benches::network::Network;
use chordial_benches::table::{bytes, header, number, row};

use crate::publish::{Kind, of_index, print};
use crate::{NAMES, PEERS, SEED};

/// Rounds that are measured.
const ROUNDS: u32 = 3;

pub async fn run() -> anyhow::Result<()> {
    let names = names::generate(NAMES, SEED);
    println!("**{ROUNDS} renewals** of {} unchanged files by {PEERS} peers\n", number(NAMES as f64));
    for kind in [Kind::Names, Kind::Words] {
        let network = Network::start(PEERS).await?;
        let before = network.traffic.passed();
        network.publish(kind.files(&names, PEERS)).await?;
        let published = of_index(&network.traffic.since(&before));
        let round = network.handles[0].config().renewal();
        // What follows publishing at once is not of the rounds.
        tokio::time::sleep(round).await;
        let before = network.traffic.passed();
        tokio::time::sleep(round * ROUNDS).await;
        let traffic = network.traffic.since(&before);
        let renewed = of_index(&traffic);
        println!("{kind:?}:\n");
        header(&["what", "calls", "bytes", "target"]);
        let line = |what: &str, calls: String, bytes: String, target: &str| {
            row(&[what.into(), calls, bytes, target.into()]);
        };
        line("publishing", number(published.calls as f64), bytes(published.bytes), "");
        line("renewing, and keepers comparing", number(renewed.calls as f64), bytes(renewed.bytes), "");
        let share =
            |renewed: u64, published: u64| format!("{:.2} %", 100.0 * renewed as f64 / published as f64);
        let calls = share(renewed.calls, published.calls);
        line("share of publishing", calls, share(renewed.bytes, published.bytes), "≤ 1 % of the bytes");
        println!("\nAll that passed in these {:?}:\n", round * ROUNDS);
        print(&traffic);
        println!();
        network.stop();
    }
    Ok(())
}
