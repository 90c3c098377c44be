use std::time::Duration;
use chord::Config;
use chordial_simulator::network::{Network, Weather};
const MINUTE: Duration = Duration::from_secs(60);
fn burst(seed: u64, first: usize, more: usize, lan: bool) -> (Duration, u64) {
    let weather = if lan { Weather { latency: Duration::from_micros(50)..Duration::from_micros(800), loss: 0.0 } } else { Weather::default() };
    let mut network = Network::new(seed, Config::default(), weather);
    network.start(&[]);
    for host in 1..first { let f = network.draw(host); network.start(&[f]); }
    if first > 1 { network.settle(2 * MINUTE); }
    let calls = network.calls();
    for _ in 0..more { let f = network.draw(first); network.start(&[f]); }
    let took = network.settle(5 * MINUTE);
    (took, network.calls() - calls)
}
#[test]
fn times() {
    for lan in [false, true] {
        for (first, more) in [(1, 4), (1, 15), (1, 63), (10, 1000)] {
            let mut all: Vec<_> = (0..if more > 500 { 3 } else { 10 }).map(|s| burst(s, first, more, lan)).collect();
            all.sort();
            println!("lan {lan}: {first}+{more}: median {:?} max {:?}", all[all.len()/2], all[all.len()-1]);
        }
    }
}
