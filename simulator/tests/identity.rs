//! Who may stand at a place of the ring: whoever is reached at the address that the place is the hash of.

use std::time::Duration;

use chord::{Config, Node, Peer, Status};
use chordial_simulator::ideal;
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
        assert!(
            trouble.contains("the identity 10.0.0.") && trouble.contains(&name),
            "seed {seed}: {trouble}"
        );
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

#[test]
fn a_peer_whose_clock_was_set_back_takes_a_higher_number_and_its_place() {
    for (seed, pause) in (0..20).flat_map(|seed| [(seed, 0), (seed, 4), (seed, 40)]) {
        let peers = 2 + seed as usize % 8;
        let mut network = ring(seed, peers);
        let host = 1 + network.draw(peers - 1);
        let before = network.node(host).unwrap().me().incarnation;
        network.crash(host, Crash::Process);
        network.run(pause * SECOND);
        network.restart_in_the_past(host, &[0]);
        network.share(host, &[&format!("file {host}")], &[]);
        network.settle(20 * SECOND);
        assert_eq!(network.members().len(), peers, "seed {seed} after {pause} s");
        let now = network.node(host).unwrap().me().incarnation;
        assert!(now > before, "seed {seed} after {pause} s: {now} after {before}");
        network.run(5 * SECOND);
        for asker in 0..peers {
            let found = network.find(asker, &format!("file {host}")).unwrap();
            assert_eq!(found.sources.len(), 1, "seed {seed} after {pause} s: from p{asker}");
        }
    }
}

/// A member of which others know a higher number, in the pointers that they hold.
#[test]
fn a_member_that_hears_a_higher_number_for_itself_gets_its_place_back() {
    let mut risen = 0;
    for seed in 0..60 {
        let mut network = Network::new(seed, Config::default(), Weather::default());
        let count = 2 + network.draw(7);
        let peer = |number: usize, incarnation: u64| Peer {
            incarnation,
            name: format!("p{number}").into(),
            ..Peer::stranger(&format!("10.1.0.{number}:7300"))
        };
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|number| peer(*number, 0).id);
        let (outdated, deceived) = (network.draw(count), network.draw(3));
        let nodes = order.iter().enumerate().map(|(at, number)| {
            let known = |step: usize| {
                let other = order[(at + step) % count];
                // Some of the others know the higher number, or all.
                let high = other == outdated && (deceived == 0 || number % (deceived + 1) == 0);
                peer(other, if high { 900 } else { 5 })
            };
            let successors: Vec<Peer> = (1..count).map(known).collect();
            Node::standing(
                peer(*number, 5),
                Config::default(),
                Some(known(count - 1)),
                &successors,
                &successors,
            )
        });
        network.stand(nodes.collect());
        let id = peer(outdated, 0).id;
        network.run(MINUTE);
        network.settle(MINUTE);
        assert_eq!(network.members().len(), count, "seed {seed}");
        let lives: Vec<u64> = network
            .nodes()
            .flat_map(|node| node.successors().iter().chain(node.predecessor()).chain([node.me()]))
            .filter(|peer| peer.id == id)
            .map(|peer| peer.incarnation)
            .collect();
        assert!(lives.iter().all(|life| *life == lives[0]), "seed {seed}: {lives:?}");
        // Its neighbours may learn of its number before anybody has used the higher one.
        assert!(lives[0] > 900 || lives[0] == 5, "seed {seed}: {lives:?}");
        risen += usize::from(lives[0] > 900);
    }
    assert!(risen > 20, "{risen}");
}

/// A second process that the address does lead to, in the part of the network where it started.
#[test]
fn a_member_whose_address_leads_to_another_life_stands_down() {
    for seed in 0..20 {
        let peers = 3 + seed as usize % 6;
        let mut network = ring(seed, peers);
        let second = network.start_copy(1, &[0]);
        network.run(2 * SECOND);
        assert_eq!(network.node(second).unwrap().status(), Status::Joining);
        network.lead_to(second);
        network.until("the second is in and the first is out", MINUTE, |network| {
            let members = network.members();
            let mut standing = network.nodes().filter(|node| node.status() == Status::Member);
            members.len() == peers && standing.all(|node| ideal::flaw(&members, node).is_none())
        });
        network.run(MINUTE);
        assert_eq!(network.node(second).unwrap().status(), Status::Member, "seed {seed}");
        let first = network.node(1).unwrap();
        assert_eq!(first.status(), Status::Joining, "seed {seed}");
        assert!(first.trouble().contains("is in use by"), "seed {seed}: {}", first.trouble());
    }
}
