//! A graceful leave that is interrupted: a failure, no worse.

use std::time::Duration;

use chord::{Config, Id, Status};
use chordial_simulator::network::{Crash, Network, Weather};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const PEERS: usize = 8;

fn name(host: usize, number: usize) -> String {
    format!("{host}/{number}")
}

/// A settled ring in which every file has its three keepers.
fn ring(seed: u64) -> Network {
    let weather = Weather { loss: if seed.is_multiple_of(4) { 0.02 } else { 0.0 }, ..Weather::default() };
    // Messages of a few keys, so that a hand-over takes many.
    let mut network = Network::new(seed, Config { batch: 3, ..Config::default() }, weather);
    for host in 0..PEERS {
        network.start(&if host == 0 { vec![] } else { vec![0] });
        let names: Vec<String> = (0..12).map(|number| name(host, number)).collect();
        network.share(host, &names.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    }
    network.settle(MINUTE);
    let copied = |network: &Network| {
        let keys =
            (0..PEERS).flat_map(|host| (0..12).map(move |number| Id::of(name(host, number).as_bytes())));
        let kept =
            |key| network.nodes().filter(|node| node.keeper().read(key, 9, |_| true).total == 1).count();
        keys.map(kept).all(|copies| copies == 3)
    };
    network.until("everything has its copies", MINUTE, copied);
    network
}

/// Every file of these peers is found at once, from all that live; of an answer that says that it is not
/// complete, a second is asked.
fn assert_nothing_lost(network: &mut Network, publishers: &[usize], what: &str) {
    for host in publishers {
        for number in 0..12 {
            // Whoever is leaving answers no questions.
            let mut members = network.living();
            members.retain(|host| network.node(*host).is_some_and(|node| node.status() == Status::Member));
            let asker = members[network.draw(members.len())];
            let name = name(*host, number);
            let mut found = network.find(asker, &name);
            for _ in 0..3 {
                if found.as_ref().map_or(true, |reading| reading.sources.is_empty() && !reading.complete) {
                    found = network.find(asker, &name);
                }
            }
            let found = found.unwrap_or_else(|lost| panic!("{what}: {name} from p{asker}: {lost}"));
            assert_eq!(found.sources.len(), 1, "{what}: {name} from p{asker}, complete: {}", found.complete);
        }
    }
}

/// The host that stands next behind another.
fn heir(network: &Network, host: usize) -> usize {
    let first = network.node(host).unwrap().successors()[0].id;
    let is = |other: &usize| network.node(*other).unwrap().me().id == first;
    network.living().into_iter().find(is).unwrap()
}

#[test]
fn a_leave_that_is_interrupted_anywhere_loses_no_entry() {
    let mut left = 0;
    for seed in 0..120 {
        let mut network = ring(seed);
        let leaver = 1 + network.draw(PEERS - 1);
        let heir = heir(&network, leaver);
        network.leave(leaver);
        let instant = Duration::from_micros(network.draw(500_000) as u64);
        network.run(instant);
        let done = network.node(leaver).is_none();
        left += usize::from(done);
        // One of both vanishes, or both do: a name has three keepers.
        let dead = &[vec![leaver], vec![heir], vec![leaver, heir]][seed as usize % 3];
        let how = if seed % 2 == 0 { Crash::Process } else { Crash::Host };
        dead.iter().filter(|host| !(done && **host == leaver)).for_each(|host| network.crash(*host, how));
        let what = format!("seed {seed}: p{leaver} left for p{heir}, {dead:?} ended after {instant:?}");
        let publishers: Vec<usize> =
            (0..PEERS).filter(|host| !dead.contains(host) && *host != leaver).collect();
        assert_nothing_lost(&mut network, &publishers, &what);
        network.until("the leaver is gone", 15 * SECOND, |network| network.node(leaver).is_none());
        network.settle(MINUTE);
        assert_eq!(network.members().len(), publishers.len(), "{what}");
        network.run(30 * SECOND);
        assert_nothing_lost(&mut network, &publishers, &what);
        let of = |host: usize| (0..12).map(move |number| Id::of(name(host, number).as_bytes()));
        for key in publishers.iter().flat_map(|host| of(*host)) {
            let copies =
                network.nodes().filter(|node| node.keeper().read(key, 9, |_| true).total == 1).count();
            assert_eq!(copies, 3, "{what}: as many copies as before");
        }
    }
    println!("{left} of 120 had left before");
    assert!((10..110).contains(&left), "{left}: the instants lie in the midst of leaving");
}

/// Those that stand next to each other, all at once: each hands over to the next, which leaves, too.
#[test]
fn neighbours_that_leave_at_the_same_moment_lose_nothing() {
    for seed in 0..40 {
        let mut network = ring(seed);
        let first = network.draw(PEERS);
        let mut leavers = vec![first];
        for _ in 1..2 + seed as usize % 4 {
            leavers.push(heir(&network, leavers[leavers.len() - 1]));
        }
        for leaver in &leavers {
            network.leave(*leaver);
            let pause = Duration::from_micros(network.draw(30_000) as u64);
            network.run(pause);
        }
        network.until("they are gone", 15 * SECOND, |network| {
            leavers.iter().all(|leaver| network.node(*leaver).is_none())
        });
        let stay = network.living();
        network.settle(MINUTE);
        network.run(5 * SECOND);
        assert_nothing_lost(&mut network, &stay, &format!("seed {seed}: {leavers:?} left"));
        assert_eq!(network.members().len(), PEERS - leavers.len());
    }
}
