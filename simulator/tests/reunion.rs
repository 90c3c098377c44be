//! Rings that part and meet again, and wrong states of every kind: one exact ring must result.

use std::time::Duration;

use chord::{Config, Peer};
use chordial_simulator::network::{Crash, Network, Weather};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A settled ring; every peer shares one file.
fn ring(seed: u64, peers: usize) -> Network {
    let mut network = Network::new(seed, Config::default(), Weather::default());
    for host in 0..peers {
        let friends = if host == 0 { vec![] } else { vec![network.draw(host)] };
        network.start(&friends);
        network.share(host, &[&format!("file {host}")], &[]);
        network.run(Duration::from_millis(100));
    }
    network.settle(2 * MINUTE);
    network.run(20 * SECOND);
    network
}

/// Cuts a ring into parts of these sizes for a while, heals it, and tells how long it took to become one.
fn part_and_meet(seed: u64, sizes: &[usize], apart: Duration) -> (Duration, u64) {
    let peers = sizes.iter().sum();
    let mut network = ring(seed, peers);
    // Which peers are together does not follow from their places.
    let mut hosts: Vec<usize> = (0..peers).collect();
    for last in (1..peers).rev() {
        hosts.swap(last, network.draw(last + 1));
    }
    let mut rest = hosts.as_slice();
    let mut parts: Vec<&[usize]> = Vec::new();
    for size in sizes {
        let (part, others) = rest.split_at(*size);
        parts.push(part);
        rest = others;
    }
    network.cut(&parts);
    network.run(apart);
    network.heal();
    let (healed, calls) = (network.now(), network.calls());
    network.settle(2 * MINUTE);
    let took = network.now() - healed;
    let calls = network.calls() - calls;
    assert_eq!(network.members().len(), peers, "seed {seed}");
    for host in 0..peers {
        let asker = network.draw(peers);
        let name = format!("file {host}");
        let mut found = network.find(asker, &name).map(|reading| reading.sources.len());
        let deadline = network.now() + MINUTE;
        while found != Ok(1) {
            assert!(network.now() < deadline, "seed {seed}: {name} from p{asker}: {found:?}");
            network.run(SECOND);
            found = network.find(asker, &name).map(|reading| reading.sources.len());
        }
    }
    (took, calls)
}

#[test]
fn halves_that_were_apart_become_one_ring_again() {
    for (sizes, apart) in [
        (&[8, 8][..], MINUTE),
        (&[14, 2], MINUTE),
        (&[15, 1], MINUTE),
        (&[50, 50], 2 * MINUTE),
        (&[90, 10], 2 * MINUTE),
        (&[20, 20, 20], 2 * MINUTE),
        (&[8, 8], 3 * 24 * 60 * MINUTE),
    ] {
        let mut longest = Duration::ZERO;
        let seeds = if apart > 60 * MINUTE { 0..1 } else { 0..5 };
        for seed in seeds {
            let (took, calls) = part_and_meet(seed, sizes, apart);
            println!("{sizes:?} apart for {apart:?}, seed {seed}: one ring after {took:?}, {calls} calls");
            longest = longest.max(took);
        }
        assert!(longest <= 30 * SECOND, "{sizes:?} apart for {apart:?}: {longest:?}");
    }
}

/// Members that know of each other in a random, connected way, with random neighbours: loops that go round
/// several times, several rings, wrong order, lists full of the dead.
fn wrong_state(seed: u64) {
    let mut network = Network::new(seed, Config::default(), Weather::default());
    let peers = 2 + network.draw(19);
    let id = |host: usize| Peer::stranger(&format!("10.0.{}.{}:7300", host / 256, host % 256)).id;
    // A permutation whose cycles are the rings that they believe in.
    let mut next: Vec<usize> = (0..peers).collect();
    for last in (1..peers).rev() {
        next.swap(last, network.draw(last + 1));
    }
    let kind = network.draw(3);
    let mut members = Vec::new();
    for host in 0..peers {
        let mut successors: Vec<usize> = match kind {
            // Cycles of the permutation, in no order at all.
            0 => std::iter::successors(Some(next[host]), |at| Some(next[*at])).take(8).collect(),
            // Whoever.
            1 => (0..8).map(|_| network.draw(peers)).collect(),
            // Nobody, or one.
            _ => (0..network.draw(2)).map(|_| network.draw(peers)).collect(),
        };
        successors.retain(|peer| *peer != host);
        successors.sort_by_key(|peer| id(host).distance_to(id(*peer)));
        successors.truncate(1 + network.draw(8));
        let predecessor = Some(network.draw(peers)).filter(|peer| *peer != host && network.draw(4) > 0);
        // What connects them: each has heard of one that was there before it.
        let contacts = if host == 0 { vec![] } else { vec![network.draw(host)] };
        members.push((predecessor, successors, contacts));
    }
    network.place(&members);
    // Some of those in the lists are dead.
    let dead = network.draw(1 + peers / 4);
    for host in (0..dead).map(|n| peers - 1 - n) {
        let how = if network.draw(2) == 0 { Crash::Process } else { Crash::Host };
        network.crash(host, how);
    }
    network.settle(4 * MINUTE);
    assert_eq!(network.members().len(), peers - dead, "seed {seed}");
}

#[test]
fn from_any_wrong_state_one_exact_ring_results() {
    for seed in 0..1000 {
        wrong_state(seed);
    }
}

#[test]
fn a_ring_that_goes_round_twice_is_made_one() {
    for peers in [5, 9, 21] {
        let mut network = Network::new(1, Config::default(), Weather::default());
        let id = |host: usize| Peer::stranger(&format!("10.0.{}.{}:7300", host / 256, host % 256)).id;
        let mut order: Vec<usize> = (0..peers).collect();
        order.sort_by_key(|host| id(*host));
        // Each believes the next but one to follow: with an odd number, one loop that goes round twice.
        let at = |place: usize| order[place % peers];
        let mut members = vec![(None, vec![], vec![]); peers];
        for place in 0..peers {
            let successors = (1..=2).map(|step| at(place + 2 * step)).collect();
            members[at(place)] = (Some(at(place + peers - 2)), successors, vec![]);
        }
        network.place(&members);
        let took = network.settle(2 * MINUTE);
        println!("{peers} peers in a double loop: {took:?}");
    }
}
