//! That what watches the simulated network bites: wrong rings, wrong answers, bytes that are counted.

use std::time::Duration;

use chord::{Config, Id, Read};
use chordial_proto::convert::Kind;
use chordial_simulator::network::{Crash, Network, Weather};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn ring(seed: u64, peers: usize) -> Network {
    let mut network = Network::new(seed, Config::default(), Weather::default());
    for host in 0..peers {
        let friends = if host == 0 { vec![] } else { vec![network.draw(host)] };
        network.start(&friends);
        network.run(Duration::from_millis(100));
    }
    network.settle(MINUTE);
    network.run(MINUTE);
    network
}

#[test]
fn a_second_ring_violates_her_invariants() {
    let mut network = ring(1, 12);
    network.collect_wrongs();
    network.start(&[]);
    network.run(2 * SECOND);
    let wrongs = network.wrongs();
    assert!(wrongs.iter().any(|wrong| wrong.what.contains("AtMostOneRing")), "{wrongs:?}");
}

#[test]
fn without_her_assumption_nothing_is_claimed() {
    let mut network = ring(1, 12);
    // Fewer than a list is long and one more stay of those that were there.
    (0..4).for_each(|host| network.crash(host, Crash::Process));
    network.run(SECOND);
    network.start(&[]);
    network.run(2 * SECOND);
    assert!(network.wrongs().is_empty());
}

/// Two rings of four that do not know of each other, although all could reach all.
fn two_rings() -> Network {
    let mut network = Network::new(5, Config::default(), Weather::default());
    for host in 0..8 {
        let friends = if host < 2 { vec![] } else { vec![host % 2] };
        network.start(&friends);
        network.run(SECOND);
    }
    network.collect_wrongs();
    network.judge_answers(SECOND);
    for host in 0..8 {
        network.share(host, &[&format!("file {host}")], &[]);
    }
    network.run(3 * MINUTE);
    network
}

#[test]
fn an_answer_of_a_peer_that_is_not_responsible_is_wrong() {
    let mut network = two_rings();
    for _ in 0..50 {
        let (host, key) = (network.draw(8), network.draw_id());
        network.look_up(host, key, Read::Nothing);
        network.run(SECOND);
    }
    let verdicts = network.verdicts();
    assert!(verdicts.right >= 10 && verdicts.wrong >= 10, "{verdicts:?}");
    assert!(network.wrongs().iter().all(|wrong| wrong.what.contains("is said to be responsible")));
}

#[test]
fn a_file_that_is_denied_although_all_can_be_reached_is_missed() {
    let mut network = two_rings();
    for host in 0..8 {
        for asker in 0..8 {
            network.look_up(asker, Id::of(format!("file {host}").as_bytes()), Read::Key(9));
            network.run(SECOND);
        }
    }
    let wrongs = network.wrongs();
    assert!(wrongs.iter().any(|wrong| wrong.what.contains("has none, which it has")), "{wrongs:?}");
}

#[test]
fn a_settled_ring_answers_right_at_once() {
    let mut network = ring(2, 12);
    network.judge_answers(Duration::ZERO);
    for _ in 0..200 {
        let (host, key) = (network.draw(12), network.draw_id());
        network.look_up(host, key, Read::Nothing);
    }
    network.run(10 * SECOND);
    assert_eq!(network.verdicts().right, 200, "{:?}", network.verdicts());
}

/// The three keepers of a name, one of them its publisher, hear a peer that asks, and it does not hear them (seed 4939
/// of the first mix of faults).
#[test]
fn who_hears_none_of_the_keepers_does_not_say_that_nobody_has_it() {
    let mut tried = 0;
    for seed in 0..40 {
        let mut network = ring(seed, 9);
        let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        network.share(0, &names.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        network.run(5 * SECOND);
        let keepers = |network: &Network, name: &str| -> Vec<usize> {
            let key = Id::of(name.as_bytes());
            let keeps =
                |host: &usize| network.node(*host).unwrap().keeper().read(key, 9, |_| true).total == 1;
            network.living().into_iter().filter(keeps).collect()
        };
        let Some(name) = names.iter().find(|name| keepers(&network, name).contains(&0)) else { continue };
        let away = keepers(&network, name);
        let asker = (0..9).find(|host| !away.contains(host)).unwrap();
        away.iter().for_each(|host| network.cut_link(*host, asker));
        tried += 1;
        if let Ok(reading) = network.find(asker, name) {
            assert!(!reading.complete, "seed {seed}: p{asker} says that nobody has {name:?}");
        }
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn a_pause_makes_timers_late_and_loses_nothing() {
    let mut network = ring(3, 4);
    network.pause(2);
    network.share(2, &["later"], &[]);
    network.run(3 * SECOND);
    assert_eq!(network.find(1, "later").map(|reading| reading.sources.len()), Ok(0));
    network.resume(2);
    network.run(2 * SECOND);
    assert_eq!(network.find(1, "later").map(|reading| reading.sources.len()), Ok(1));
}

#[test]
fn a_host_that_ends_amid_an_event_ends() {
    for seed in 0..20 {
        let mut network = ring(seed, 3);
        network.crash_amid(1, Crash::Host);
        network.until("it has ended", 10 * SECOND, |network| network.node(1).is_none());
        network.settle(MINUTE);
    }
}

#[test]
fn one_way_is_one_way() {
    let mut network = ring(4, 2);
    network.cut_link(0, 1);
    assert!(network.reaches(1, 0) && !network.reaches(0, 1));
    network.count_traffic();
    network.run(3 * SECOND);
    let traffic = network.traffic().unwrap();
    assert!(traffic.received_by(0).total().messages > 0, "requests arrive");
    assert_eq!(traffic.received_by(1).total().messages, 0, "and nothing comes back");
}

#[test]
fn a_quiet_pair_costs_what_its_messages_are_long() {
    let mut network = ring(4, 2);
    network.count_traffic();
    network.run(MINUTE);
    let traffic = network.traffic().unwrap();
    let total = traffic.sent.total();
    assert_eq!(total, {
        let mut sum = traffic.sent_by(0).total();
        sum += traffic.sent_by(1).total();
        sum
    });
    assert_eq!(traffic.received_by(0).total(), traffic.sent_by(1).total());
    let stabilize = traffic.sent.of(Kind::Stabilize);
    assert!(stabilize.messages >= 40, "{stabilize:?}");
    assert!((30..150).contains(&(stabilize.bytes / stabilize.messages)), "{stabilize:?}");
}

/// A ring that shares one file, "x" at its first peer, since long enough; its files are judged.
fn ring_with_a_file() -> Network {
    let mut network = ring(3, 8);
    network.collect_wrongs();
    network.judge_files();
    network.edit(0, &[("x", "x")], &[]);
    network.run(5 * SECOND);
    assert_eq!(network.files_flaw(false), None);
    network
}

fn told(network: &mut Network, asker: usize, name: &str) -> String {
    network.find(asker, name).expect("an answer");
    network.inspect_files();
    network.wrongs().iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_withdrawn_and_comes_back_is_noticed() {
    let mut network = ring_with_a_file();
    network.edit(0, &[], &["x"]);
    network.run(2 * SECOND);
    network.inspect_files();
    assert_eq!(told(&mut network, 1, "x"), "");
    // The same as the withdrawn one, down to its size.
    network.share(0, &["x"], &[]);
    network.run(5 * SECOND);
    let told = told(&mut network, 1, "x");
    assert!(told.contains("gone everywhere") && told.contains("again"), "{told}");
}

#[test]
fn what_nobody_has_is_noticed() {
    let mut network = ring_with_a_file();
    network.share(1, &["yy"], &[]);
    network.run(5 * SECOND);
    let told = told(&mut network, 2, "yy");
    assert!(told.contains("never was"), "{told}");
}

#[test]
fn what_is_missing_is_noticed() {
    let mut network = ring_with_a_file();
    network.share(0, &[], &["x"]);
    network.run(5 * SECOND);
    let flaw = network.files_flaw(false).expect("a keeper lacks it");
    assert!(flaw.contains("keeps {}"), "{flaw}");
}

#[test]
fn an_answer_that_withholds_what_a_living_keeper_has_acknowledged_is_noticed() {
    let mut network = two_rings();
    network.judge_files();
    network.edit(0, &[("x", "x")], &[]);
    network.run(5 * SECOND);
    // Those of the other ring are the odd ones.
    assert!(!told(&mut network, 2, "x").contains("has its entry"));
    let told = told(&mut network, 1, "x");
    assert!(told.contains("has its entry"), "{told}");
}
