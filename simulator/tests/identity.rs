//! Who may stand at a place of the ring: whoever is reached at the address that the place is the hash of.

use std::time::Duration;

use chord::{Config, Status};
use chordial_simulator::network::{Crash, Network, Weather};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn ring(seed: u64, peers: usize) -> Network {
    let mut network = Network::new(seed, Config::default(), Weather::default());
    for host in 0..peers {
        let friends = if host == 0 { vec![] } else { vec![network.draw(host)] };
        network.start(&friends);
        network.share(host, &[&format!("file {host}")], &[]);
        network.run(SECOND / 10);
    }
    network.settle(MINUTE);
    network.run(5 * SECOND);
    network
}

/// For a minute, every file is found from every member, and `host` is none.
fn goes_on_without(network: &mut Network, peers: usize, host: usize) {
    for _ in 0..12 {
        network.run(5 * SECOND);
        assert_eq!(network.node(host).unwrap().status(), Status::Joining);
        assert_eq!(network.members().len(), peers);
        let file = network.draw(peers);
        for asker in 0..peers {
            let found = network.find(asker, &format!("file {file}")).unwrap();
            assert_eq!(found.sources.len(), 1, "file {file} from p{asker}");
        }
    }
}

#[test]
fn the_second_peer_of_one_identity_is_refused_by_name_and_the_first_goes_on() {
    for seed in 0..20 {
        let peers = 2 + seed as usize % 10;
        let mut network = ring(seed, peers);
        let first = network.draw(peers);
        // Its friend may be the very peer that it takes itself for.
        let friend = network.draw(peers);
        let calls = network.calls();
        let second = network.start_copy(first, &[friend]);
        goes_on_without(&mut network, peers, second);
        let trouble = network.node(second).unwrap().trouble();
        let name = format!("is in use by p{first},");
        assert!(trouble.contains("the identity 10.0.0.") && trouble.contains(&name), "seed {seed}: {trouble}");
        println!("seed {seed}: {} calls", network.calls() - calls);
    }
}

#[test]
fn once_the_first_is_gone_the_address_decides_who_takes_its_place() {
    let mut network = ring(1, 6);
    let second = network.start_copy(3, &[0]);
    network.run(10 * SECOND);
    network.crash(3, Crash::Process);
    network.run(30 * SECOND);
    let trouble = network.node(second).unwrap().trouble();
    assert!(trouble.contains("nobody listens there"), "{trouble}");
    network.restart(3, &[0], &[]);
    network.until("the first is back", 10 * SECOND, |network| network.members().len() == 6);
    assert_eq!(network.node(second).unwrap().status(), Status::Joining);
}

#[test]
fn who_is_not_reached_at_its_address_never_enters_and_hears_what_was_tried() {
    for (how, word) in [(Crash::Process, "nobody listens there"), (Crash::Host, "nothing answers")] {
        let mut network = ring(2, 5);
        let nobody = network.start(&[]);
        network.crash(nobody, how);
        let host = network.start_copy(nobody, &[0, 1]);
        goes_on_without(&mut network, 5, host);
        let trouble = network.node(host).unwrap().trouble();
        assert!(trouble.contains(word) && trouble.contains("10.0.0.5:7300"), "{trouble}");
        assert!(trouble.contains("`advertise`"), "{trouble}");
    }
}

#[test]
fn who_is_not_reached_founds_no_ring_and_keeps_nobody_from_founding_one() {
    for seed in 0..40 {
        let mut network = Network::new(seed, Config::default(), Weather::default());
        let nobody = network.start(&[]);
        network.crash(nobody, if seed % 2 == 0 { Crash::Process } else { Crash::Host });
        let peers = 2 + seed as usize % 4;
        let first = nobody + 1;
        for host in 0..peers {
            // Each has one friend that starts with it; the last knows the first.
            let friend = first + (host + 1) % peers;
            network.start(&[friend.min(first + host)]);
        }
        for host in 0..peers {
            let others: Vec<usize> = (first..first + peers).filter(|other| *other != first + host).collect();
            network.befriend(first + host, &others);
        }
        let host = network.start_copy(nobody, &[first, first + 1]);
        let took = network.until("they form a ring", 30 * SECOND, |network| network.members().len() >= peers);
        network.run(MINUTE);
        assert_eq!(network.members().len(), peers, "seed {seed}");
        let node = network.node(host).unwrap();
        assert_eq!(node.status(), Status::Joining, "seed {seed}");
        assert!(node.trouble().contains("can't reach"), "seed {seed}: {}", node.trouble());
        if seed < 4 {
            println!("seed {seed}: {peers} peers after {took:?}");
        }
    }
}
