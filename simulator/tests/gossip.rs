//! Contacts: who hears of whom, and what that does for lookups.

use std::time::Duration;

use chord::{Config, Read};
use chordial_simulator::ideal;
use chordial_simulator::network::{Crash, Network, Weather};

const SECOND: Duration = Duration::from_secs(1);

/// A ring whose tables have had time to become equal.
fn settled(seed: u64, peers: usize, time: Duration) -> Network {
    let mut network = Network::new(seed, Config::default(), Weather::default());
    let first = network.start(&[]);
    network.settle(SECOND * 30);
    (1..peers).for_each(|_| {
        network.start(&[first]);
    });
    network.settle(SECOND * 120);
    network.run(time);
    network
}

/// The part of so many lookups that took one call or none, and how many were wrong.
fn in_one_call(network: &mut Network, lookups: usize) -> (f64, usize) {
    let (living, members) = (network.living(), network.members());
    let asked: Vec<_> = (0..lookups)
        .map(|_| {
            let (host, key) = (living[network.draw(living.len())], network.draw_id());
            let ticket = network.look_up(host, key, Read::Nothing);
            network.run(Duration::from_millis(20));
            (key, ticket)
        })
        .collect();
    network.run(SECOND * 12);
    let (mut short, mut wrong) = (0, 0);
    for (key, ticket) in asked {
        match network.result(ticket) {
            Some(Ok(found)) if found.owner.id == ideal::owner(&members, key) => {
                short += usize::from(found.route.steps.len() <= 1 && found.route.failed.is_empty());
            }
            _ => wrong += 1,
        }
    }
    (short as f64 / lookups as f64, wrong)
}

#[test]
fn in_a_settled_ring_nearly_every_lookup_takes_one_call() {
    for peers in [8, 64, 300] {
        let mut network = settled(1, peers, SECOND * 240);
        let known: Vec<usize> = network.nodes().map(|node| node.contacts().len()).collect();
        let (short, wrong) = in_one_call(&mut network, 1000);
        println!(
            "{peers} peers: {:.1} % in one call; contacts {:?}",
            short * 100.0,
            (known.iter().min(), known.iter().max())
        );
        assert_eq!(wrong, 0);
        assert!(short >= 0.99, "{peers} peers: {short}");
    }
}

#[test]
fn news_of_deaths_and_joins_reach_all() {
    let mut network = settled(2, 100, SECOND * 120);
    for host in 0..10 {
        network.crash(host * 7, Crash::Host);
    }
    let living = network.living();
    (0..10).for_each(|n| {
        network.start(&[living[n]]);
    });
    network.settle(SECOND * 120);
    network.run(SECOND * 120);
    let members = network.members();
    for node in network.nodes() {
        let known: Vec<_> = node.contacts().from(Default::default()).map(|peer| peer.id).collect();
        let expected: Vec<_> = members.iter().copied().filter(|id| *id != node.me().id).collect();
        assert_eq!(known, expected, "{:?}", node.me());
    }
}
