//! Rings of few peers: growing from one, shrinking to one, switched on all at once.

use std::time::Duration;

use chord::invariants::{Place, violations};
use chord::{Config, Status};
use chordial_simulator::network::{Crash, Network, Weather};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Lists of these lengths, so that rings smaller than a list, as large, and larger are met.
const LISTS: [usize; 3] = [2, 3, 8];

fn network(seed: u64, successors: usize) -> Network {
    let config = Config { successors, replicas: 2, ..Config::default() };
    Network::new(seed, config, Weather::default())
}

/// One exact ring of so many, in which every invariant holds and everybody's file is found.
fn assert_whole(network: &mut Network, peers: usize, what: &str) {
    network.settle(MINUTE);
    // The last one keeps its dead predecessor until its next round.
    network.until("predecessors are right", 10 * SECOND, |network| {
        network.nodes().all(|node| node.predecessor().is_none() == (peers == 1))
    });
    let places: Vec<Place> = network.nodes().map(Place::from).collect();
    assert_eq!(places.len(), peers, "{what}");
    let length = network.nodes().next().unwrap().config().successors;
    assert_eq!(violations(&places, length), [], "{what}");
    for node in network.nodes() {
        assert_eq!(node.successors().len(), length.min(peers - 1), "{what}: a list of all, up to its length");
    }
    let living = network.living();
    for host in &living {
        let asker = living[network.draw(living.len())];
        let name = format!("file {host}");
        let deadline = network.now() + 20 * SECOND;
        while network.find(asker, &name).map(|reading| reading.sources.len()) != Ok(1) {
            assert!(network.now() < deadline, "{what}: {name} from p{asker}");
            network.run(SECOND);
        }
    }
}

fn start(network: &mut Network, friends: &[usize]) -> usize {
    let host = network.start(friends);
    network.share(host, &[&format!("file {host}")], &[]);
    host
}

fn restart(network: &mut Network, host: usize, friends: &[usize], remembered: &[usize]) {
    network.restart(host, friends, remembered);
    network.share(host, &[&format!("file {host}")], &[]);
}

#[test]
fn a_ring_grows_from_one_past_its_lists_and_shrinks_to_one_step_by_step() {
    for seed in 0..24 {
        let list = LISTS[seed as usize % 3];
        let most = list + 3;
        let mut network = network(seed, list);
        start(&mut network, &[]);
        for peers in 2..=most {
            let friend = network.draw(peers - 1);
            start(&mut network, &[friend]);
            assert_whole(&mut network, peers, &format!("seed {seed}: grown to {peers}"));
        }
        for peers in (1..most).rev() {
            let living = network.living();
            let host = living[network.draw(living.len())];
            match network.draw(3) {
                0 => network.crash(host, Crash::Process),
                1 => network.crash(host, Crash::Host),
                _ => network.leave(host),
            }
            network.until("it is gone", 10 * SECOND, |network| network.node(host).is_none());
            assert_whole(&mut network, peers, &format!("seed {seed}: shrunk to {peers}"));
        }
    }
}

#[test]
fn all_but_one_leave_or_die_at_once_and_the_last_is_a_whole_ring() {
    for seed in 0..24 {
        let peers = 2 + seed as usize % 9;
        let mut network = network(seed, LISTS[seed as usize % 3]);
        for host in 0..peers {
            start(&mut network, &if host == 0 { vec![] } else { vec![0] });
        }
        assert_whole(&mut network, peers, &format!("seed {seed}"));
        let last = network.draw(peers);
        for host in (0..peers).filter(|host| *host != last) {
            match seed / 3 % 3 {
                0 => network.crash(host, Crash::Process),
                1 => network.crash(host, Crash::Host),
                _ => network.leave(host),
            }
        }
        network.until("they are gone", 10 * SECOND, |network| network.living().len() == 1);
        assert_whole(&mut network, 1, &format!("seed {seed}: the last of {peers}"));
        // And back again.
        for host in (0..peers).filter(|host| *host != last) {
            restart(&mut network, host, &[last], &[]);
        }
        assert_whole(&mut network, peers, &format!("seed {seed}: {peers} again"));
    }
}

#[test]
fn eight_that_start_in_the_same_second_with_each_other_as_friends_form_one_ring() {
    let mut longest = Duration::ZERO;
    for seed in 0..200 {
        let peers = 2 + seed as usize % 7;
        let mut network = network(seed, LISTS[seed as usize % 3]);
        for host in 0..peers {
            // A friend that has not started yet is befriended below.
            start(&mut network, &if host == 0 { vec![] } else { vec![host - 1] });
            network.crash(host, Crash::Process);
        }
        let mut order: Vec<usize> = (0..peers).collect();
        for last in (1..peers).rev() {
            order.swap(last, network.draw(last + 1));
        }
        for host in order {
            // One or two of the others: always the next, so that all are connected.
            let (next, other) = ((host + 1) % peers, network.draw(peers));
            restart(&mut network, host, &[next, other], &[]);
            let pause = network.draw(1000 / peers) as u64;
            network.run(Duration::from_millis(pause));
        }
        let began = network.now();
        assert_whole(&mut network, peers, &format!("seed {seed}"));
        longest = longest.max(network.now() - began);
    }
    println!("one ring after {longest:?} at the latest");
}

#[test]
fn a_whole_ring_that_comes_back_in_the_same_second_is_one_ring_again() {
    for seed in 0..60 {
        let peers = 2 + seed as usize % 9;
        let mut network = network(seed, LISTS[seed as usize % 3]);
        for host in 0..peers {
            start(&mut network, &if host == 0 { vec![] } else { vec![0] });
        }
        assert_whole(&mut network, peers, &format!("seed {seed}"));
        let all = network.living();
        all.iter().for_each(|host| network.crash(*host, Crash::Process));
        network.run(SECOND);
        for host in &all {
            // Only what they remember, each something else; or their friends, too; the founder never has any.
            let remembered: Vec<usize> = match seed % 3 {
                0 => all.clone(),
                1 => vec![(host + 1) % peers],
                _ => vec![],
            };
            let friends: &[usize] = if *host == 0 || seed % 3 == 0 { &[] } else { &[0] };
            restart(&mut network, *host, friends, &remembered);
            let pause = network.draw(1000 / peers) as u64;
            network.run(Duration::from_millis(pause));
        }
        assert_whole(&mut network, peers, &format!("seed {seed}: again"));
    }
}

/// Every morning in a cloud class: all machines come back with new addresses, and only the friends' names lead
/// anywhere.
#[test]
fn a_whole_ring_that_comes_back_under_new_addresses_forms_through_its_friends() {
    for seed in 0..40 {
        let peers = 2 + seed as usize % 7;
        let mut network = network(seed, LISTS[seed as usize % 3]);
        let old: Vec<usize> = (0..peers).map(|_| start(&mut network, &[])).collect();
        old.iter().for_each(|host| network.crash(*host, Crash::Host));
        for host in 0..peers {
            // What it remembers is gone; the first has no friends and founds, before or after the others start.
            let friend = if host == 0 { vec![] } else { vec![peers] };
            let new = start(&mut network, &friend);
            restart(&mut network, new, &friend, &old);
        }
        assert_whole(&mut network, peers, &format!("seed {seed}"));
        assert!(network.nodes().all(|node| node.status() == Status::Member));
    }
}
