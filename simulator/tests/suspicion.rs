//! Failure detection that may be wrong: peers that stand still, are slow, or are reached by some only. None of
//! them may cost the ring its order, or make anybody say that a file which is there is not.

use std::time::Duration;

use chord::{Config, Id, Input, Output, Read, Request, Response, Timer};
use chordial_simulator::ideal;
use chordial_simulator::network::{Blocked, Crash, Network, Weather};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A settled ring of peers that share one file each; with the files' names by host.
fn ring(seed: u64, peers: usize) -> (Network, Vec<String>) {
    let mut network = Network::new(seed, Config::default(), Weather::default());
    let names: Vec<String> = (0..peers).map(|host| format!("file {host}")).collect();
    for (host, name) in names.iter().enumerate() {
        let friends = if host == 0 { vec![] } else { vec![network.draw(host)] };
        network.start(&friends);
        network.share(host, &[name], &[]);
        network.run(SECOND / 10);
    }
    network.settle(MINUTE);
    network.run(20 * SECOND);
    (network, names)
}

/// The host that stands behind another one.
fn successor_of(network: &Network, host: usize) -> usize {
    let next = network.node(host).unwrap().successors()[0].id;
    network.living().into_iter().find(|other| network.node(*other).unwrap().me().id == next).unwrap()
}

/// Nobody, asked as the responsible peer, says that all is known and there is no such file.
fn assert_nobody_denies(network: &Network, names: &[String], when: &str) {
    for node in network.nodes() {
        let mut node = node.clone();
        let envelope = node.envelope(&node.me().clone());
        for name in names {
            let key = Id::of(name.as_bytes());
            let request = Request::NextHop { key, avoid: vec![], last: true, read: Read::Key(9) };
            if let Ok(Response::Owner(owner)) = node.serve(&envelope, request, &mut Vec::new()) {
                let denied = owner.reading.complete && owner.reading.total == 0;
                assert!(!denied, "{when}, {:?}: {:?} says that nobody has {name}", network.now(), node.me());
            }
        }
    }
}

/// Every file is found from every peer.
fn assert_found(network: &mut Network, names: &[String], when: &str) {
    for host in network.living() {
        for name in names {
            let reading = network.find(host, name).unwrap_or_else(|lost| panic!("{when}: {name}: {lost}"));
            assert_eq!(
                reading.sources.len(),
                1,
                "{when}: {name} from p{host}, complete: {}",
                reading.complete
            );
        }
    }
}

/// Whoever is asked for the peer that is responsible for a file's key names the right one.
fn assert_owners_are_right(network: &mut Network, names: &[String], when: &str) {
    let members = network.members();
    for host in network.living() {
        for key in names.iter().map(|name| Id::of(name.as_bytes())) {
            let ticket = network.look_up(host, key, Read::Nothing);
            network.until("the lookup's end", MINUTE, |network| network.result(ticket).is_some());
            let found =
                network.result(ticket).unwrap().as_ref().unwrap_or_else(|lost| panic!("{when}: {lost}"));
            assert_eq!(found.owner.id, ideal::owner(&members, key), "{when}: {key:?} from p{host}");
        }
    }
}

/// The ring is exact, all this time.
fn assert_stays_exact(network: &mut Network, time: Duration, when: &str) {
    let end = network.now() + time;
    while network.now() < end {
        network.run(SECOND / 4);
        assert_eq!(network.flaw(), None, "{when}, {:?}", network.now());
    }
}

#[test]
fn a_pause_of_five_seconds_is_never_death() {
    for seed in 0..20 {
        let (mut network, names) = ring(seed, 8);
        let start = SECOND.mul_f64(network.draw(4000) as f64 / 1000.0);
        network.run(start);
        network.pause(3);
        assert_stays_exact(&mut network, 5 * SECOND, &format!("seed {seed}, in the pause"));
        network.resume(3);
        assert_stays_exact(&mut network, 15 * SECOND, &format!("seed {seed}, after it"));
        assert_found(&mut network, &names, &format!("seed {seed}"));
    }
}

#[test]
fn peers_that_stood_still_for_a_minute_come_back_by_themselves() {
    for (seed, paused) in (0..10).flat_map(|seed| [(seed, 1), (seed, 4)]) {
        let when = format!("seed {seed}, {paused} of 16 paused");
        let (mut network, names) = ring(seed, 16);
        let victims: Vec<usize> = (0..paused).map(|n| (n * 5 + seed as usize) % 16).collect();
        victims.iter().for_each(|host| network.pause(*host));
        network.run(MINUTE);
        // Whoever does not stand still shares something new, for which others are responsible now.
        let awake: Vec<usize> = network.living().into_iter().filter(|h| !victims.contains(h)).collect();
        let late: Vec<String> = awake.iter().map(|host| format!("late {host}")).collect();
        awake.iter().zip(&late).for_each(|(host, name)| network.share(*host, &[name], &[]));
        network.run(5 * SECOND);
        let awake_names: Vec<String> = awake.iter().map(|host| names[*host].clone()).collect();
        for name in awake_names.iter().chain(&late) {
            let reading =
                network.find(awake[0], name).unwrap_or_else(|lost| panic!("{when}: {name}: {lost}"));
            assert_eq!(reading.sources.len(), 1, "{when}: {name}");
        }
        let known: Vec<String> = awake_names.into_iter().chain(late).collect();
        victims.iter().for_each(|host| network.resume(*host));
        for _ in 0..200 {
            network.run(SECOND / 20);
            assert_nobody_denies(&network, &known, &when);
        }
        let took = network.settle(20 * SECOND);
        println!("{when}: exact {:?} after", took + 10 * SECOND);
        network.run(20 * SECOND);
        assert_found(&mut network, &names, &when);
        assert_found(&mut network, &known, &when);
        assert_owners_are_right(&mut network, &names, &when);
    }
}

#[test]
fn a_slow_peer_keeps_its_place() {
    for (seed, way) in (0..5).flat_map(|seed| [(seed, 250..550), (seed, 500..1100)]) {
        let when = format!("seed {seed}, {way:?} ms each way");
        let (mut network, names) = ring(seed, 10);
        network.slow(4, Some(Duration::from_millis(way.start)..Duration::from_millis(way.end)));
        assert_stays_exact(&mut network, 2 * MINUTE, &when);
        assert_found(&mut network, &names, &when);
        assert_owners_are_right(&mut network, &names, &when);
    }
}

#[test]
fn a_slow_peer_can_join() {
    for seed in 0..5 {
        let (mut network, _) = ring(seed, 6);
        let slow = network.start(&[0]);
        network.slow(slow, Some(Duration::from_millis(200)..Duration::from_millis(400)));
        network.settle(MINUTE);
        assert_stays_exact(&mut network, MINUTE, &format!("seed {seed}"));
    }
}

/// The ways that are blocked between a peer and its successor: which, and how.
const BLOCKS: [(&str, bool, bool, Blocked); 4] = [
    ("neither reaches the other", true, true, Blocked::Lost),
    ("both refuse each other", true, true, Blocked::Refused),
    ("nothing comes through to the successor", true, false, Blocked::Lost),
    ("nothing comes back from the successor", false, true, Blocked::Lost),
];

fn block(network: &mut Network, (_, there, back, how): (&str, bool, bool, Blocked), a: usize, b: usize) {
    if there {
        network.block(a, b, how);
    }
    if back {
        network.block(b, a, how);
    }
}

#[test]
fn neighbours_that_do_not_reach_each_other_stay_neighbours() {
    for (seed, blocks) in (0..5).flat_map(|seed| BLOCKS.map(|blocks| (seed, blocks))) {
        let when = format!("seed {seed}, {}", blocks.0);
        let (mut network, names) = ring(seed, 8);
        let next = successor_of(&network, 2);
        block(&mut network, blocks, 2, next);
        for _ in 0..120 {
            assert_stays_exact(&mut network, SECOND, &when);
            assert_nobody_denies(&network, &names, &when);
        }
        assert_found(&mut network, &names, &when);
        // One that joins elsewhere, or between the two, and one that dies are noticed as ever.
        for _ in 0..6 {
            network.start(&[0]);
        }
        network.settle(MINUTE);
        network.crash(5, Crash::Host);
        network.settle(MINUTE);
        network.crash(next, Crash::Host);
        network.settle(MINUTE);
    }
}

#[test]
fn a_ring_forms_around_a_pair_that_never_reached_each_other() {
    for (seed, blocks) in (0..5).flat_map(|seed| BLOCKS.map(|blocks| (seed, blocks))) {
        let when = format!("seed {seed}, {}", blocks.0);
        let mut network = Network::new(seed, Config::default(), Weather::default());
        (0..6).for_each(|host| block(&mut network, blocks, host, (host + 3) % 6));
        network.start(&[]);
        for host in 1..6 {
            network.start(&[host - 1]);
            network.run(SECOND);
        }
        let took = network.settle(2 * MINUTE);
        println!("{when}: exact after {took:?}");
        assert_stays_exact(&mut network, MINUTE, &when);
    }
}

#[test]
fn what_a_peer_has_shared_outlives_that_it_does_not_reach_the_responsible_one() {
    for (seed, blocks) in (0..5).flat_map(|seed| BLOCKS.map(|blocks| (seed, blocks))) {
        let when = format!("seed {seed}, {}", blocks.0);
        let (mut network, _) = ring(seed, 8);
        let names: Vec<String> = (0..20).map(|n| format!("more {n}")).collect();
        network.share(2, &names.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        network.run(30 * SECOND);
        let next = successor_of(&network, 2);
        block(&mut network, blocks, 2, next);
        for _ in 0..180 {
            network.run(SECOND);
            assert_nobody_denies(&network, &names, &when);
        }
        assert_found(&mut network, &names, &when);
    }
}

#[test]
fn who_wakes_does_not_claim_anything_until_it_has_asked() {
    let (network, _) = ring(1, 6);
    let mut node = network.node(3).unwrap().clone();
    let mut out = Vec::new();
    let (key, envelope) = (node.me().id, node.envelope(&node.me().clone()));
    let request = Request::NextHop { key, avoid: vec![], last: true, read: Read::Key(9) };
    assert!(matches!(node.serve(&envelope, request.clone(), &mut out), Ok(Response::Owner(_))));
    node.handle(Input::Timer { timer: Timer::Tick, after: MINUTE }, &mut out);
    assert!(node.serve(&envelope, request.clone(), &mut out).is_err());
    let asked = |predecessor: &chord::Peer| {
        out.iter().any(|output| matches!(output, Output::Call { to, .. } if to == predecessor))
    };
    assert!(asked(node.predecessor().unwrap()), "the predecessor is asked at once");
    // With nobody to ask, that ends nevertheless.
    for _ in 0..13 {
        node.handle(Input::Timer { timer: Timer::Tick, after: SECOND }, &mut Vec::new());
    }
    assert!(matches!(node.serve(&envelope, request, &mut Vec::new()), Ok(Response::Owner(_))));
}
