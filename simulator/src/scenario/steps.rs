//! Faults as single steps, each at its time, with the hosts drawn.

use std::ops::Range;
use std::time::Duration;

use chord::Status;

use crate::network::{Crash, Network, Weather};

use super::edits::edits;
use super::{Fault, Kind, Scenario};

/// Hosts that a mix spares from ending: the friends of those that come back.
pub(super) const SPARED: usize = 2;

/// One thing done to the network.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Fault(usize),
    Crash(usize, Crash),
    CrashAmid(usize, Crash),
    Leave(usize),
    /// With these friends, and whether it remembers all others.
    Restart(usize, Vec<usize>, bool),
    Pause(usize),
    Resume(usize),
    Slow(usize, Option<Range<Duration>>),
    Cut(Vec<Vec<usize>>),
    CutLinks(Vec<(usize, usize)>),
    Flap(Vec<usize>, Duration, Duration),
    Heal,
    Weather(Weather),
    /// Of a name out of so many.
    Edit(usize),
    Ask,
}

/// Some of these, in drawn order.
pub(super) fn shuffled<T>(network: &mut Network, mut hosts: Vec<T>) -> Vec<T> {
    for last in (1..hosts.len()).rev() {
        hosts.swap(last, network.draw(last + 1));
    }
    hosts
}

fn some_of(network: &mut Network, share: f64) -> Vec<usize> {
    let living = network.living();
    let count = (living.len() as f64 * share).round() as usize;
    let mut hosts = shuffled(network, living);
    hosts.truncate(count);
    hosts
}

/// The members' hosts in the ring's order.
fn ring(network: &Network) -> Vec<usize> {
    let id = |host: &usize| network.node(*host).map(|node| node.me().id);
    let is_member = |host: &usize| network.node(*host).is_some_and(|node| node.status() == Status::Member);
    let mut ring: Vec<usize> = network.living().into_iter().filter(is_member).collect();
    ring.sort_by_key(id);
    ring
}

fn alternately(turn: usize) -> Crash {
    if turn.is_multiple_of(2) { Crash::Process } else { Crash::Host }
}

/// The steps of a fault that begins now, each with the time from now.
pub(super) fn steps(network: &mut Network, scenario: &Scenario, fault: &Fault) -> Vec<(Duration, Step)> {
    let now = Duration::ZERO;
    let mut steps = Vec::new();
    let mut ends = Vec::new();
    match &fault.kind {
        Kind::Cut { parts } => {
            let living = network.living();
            let hosts = shuffled(network, living);
            let whole: usize = parts.iter().sum();
            let (mut from, mut sum, mut islands) = (0, 0, Vec::new());
            for part in parts {
                sum += part;
                let to = hosts.len() * sum / whole;
                islands.push(hosts[from..to].to_vec());
                from = to;
            }
            steps.push((now, Step::Cut(islands)));
            ends.push(Step::Heal);
        }
        Kind::OneWay { share } => {
            let mute = some_of(network, *share);
            let others = network.living().into_iter().filter(|host| !mute.contains(host));
            let others: Vec<usize> = others.collect();
            let links = mute.iter().flat_map(|from| others.iter().map(move |to| (*from, *to)));
            steps.push((now, Step::CutLinks(links.collect())));
            ends.push(Step::Heal);
        }
        Kind::Pairs { count, one_way } => {
            let mut links = Vec::new();
            for _ in 0..*count {
                let pair = some_of(network, 1.0);
                if let [a, b, ..] = pair[..] {
                    links.push((a, b));
                    links.extend((!one_way).then_some((b, a)));
                }
            }
            steps.push((now, Step::CutLinks(links)));
            ends.push(Step::Heal);
        }
        Kind::Flap { share, open, cut } => {
            steps.push((now, Step::Flap(some_of(network, *share), *open, *cut)));
            ends.push(Step::Heal);
        }
        Kind::Crash { share } => {
            for (turn, host) in some_of(network, *share).into_iter().enumerate() {
                steps.push((now, Step::Crash(host, alternately(turn))));
                ends.push(Step::Restart(host, friends_of(host), true));
            }
        }
        Kind::Leave { count } => {
            let leavers = some_of(network, 1.0);
            steps.extend(leavers.into_iter().take(*count).map(|host| (now, Step::Leave(host))));
        }
        Kind::Pause { share } => {
            for host in some_of(network, *share) {
                steps.push((now, Step::Pause(host)));
                ends.push(Step::Resume(host));
            }
        }
        Kind::Slow { count, by } => {
            for host in some_of(network, 1.0).into_iter().take(*count) {
                steps.push((now, Step::Slow(host, Some(by.clone()))));
                ends.push(Step::Slow(host, None));
            }
        }
        Kind::Weather(sky) => {
            let usual = scenario.sky_of(&scenario.weather).unwrap_or_default();
            steps.push((now, Step::Weather(scenario.sky_of(sky).unwrap_or_default())));
            ends.push(Step::Weather(usual));
        }
        Kind::Morning => {
            for host in network.living() {
                steps.push((now, Step::Crash(host, Crash::Process)));
                ends.push(Step::Restart(host, friends_of(host), true));
            }
        }
        Kind::Neighbors { count } => {
            let ring = ring(network);
            let first = network.draw(ring.len().max(1));
            for host in ring.iter().cycle().skip(first).take((*count).min(ring.len())) {
                steps.push((now, Step::Crash(*host, Crash::Process)));
                ends.push(Step::Restart(*host, friends_of(*host), true));
            }
        }
        Kind::Edit { each_second, names } => {
            return edits(network, *each_second, *names, fault.lasts.unwrap_or_default());
        }
        Kind::Mix { count } => return mix(network, *count, fault.lasts.unwrap_or_default()),
    }
    steps.extend(fault.lasts.into_iter().flat_map(|after| ends.iter().cloned().map(move |end| (after, end))));
    steps
}

/// A peer that comes back has the first two for friends.
pub(super) fn friends_of(host: usize) -> Vec<usize> {
    (0..SPARED).filter(|friend| *friend != host).collect()
}

/// Drawn faults of every kind; all of them end within `over`.
fn mix(network: &mut Network, count: usize, over: Duration) -> Vec<(Duration, Step)> {
    let hosts = network.hosts();
    let millis = |time: Duration| time.as_millis() as usize;
    let mut steps = Vec::new();
    for _ in 0..count {
        let at = Duration::from_millis(network.draw(millis(over).max(1)) as u64);
        let lasts = Duration::from_millis(network.draw(8000) as u64);
        let end = (at + lasts).min(over);
        let any = network.draw(hosts);
        let mortal = SPARED + network.draw(hosts.saturating_sub(SPARED).max(1));
        let how = alternately(network.draw(2));
        let others = |network: &mut Network, most: usize| -> Vec<usize> {
            let count = 1 + network.draw(most);
            shuffled(network, (0..hosts).collect()).into_iter().take(count).collect()
        };
        let (begin, ends) = match network.draw(13) {
            0..=2 => (Step::Crash(mortal, how), Some(Step::Restart(mortal, friends_of(mortal), false))),
            3 | 4 => (Step::CrashAmid(mortal, how), Some(Step::Restart(mortal, friends_of(mortal), true))),
            5 | 6 => (Step::Leave(mortal), Some(Step::Restart(mortal, friends_of(mortal), false))),
            7 => (Step::Pause(any), Some(Step::Resume(any))),
            8 => {
                let most = Duration::from_millis(100 + network.draw(900) as u64);
                (Step::Slow(any, Some(Duration::from_millis(20)..most)), Some(Step::Slow(any, None)))
            }
            9 => (Step::Cut(vec![others(network, hosts / 2)]), Some(Step::Heal)),
            10 => {
                let group = others(network, 3);
                let links = group.iter().flat_map(|from| (0..hosts).map(move |to| (*from, to)));
                let turned = network.draw(2) == 0;
                let links = links.filter(|(from, to)| from != to);
                let links = links.map(|(from, to)| if turned { (to, from) } else { (from, to) });
                (Step::CutLinks(links.collect()), Some(Step::Heal))
            }
            11 => {
                let other = network.draw(hosts);
                (Step::CutLinks(vec![(any, other), (other, any)]), Some(Step::Heal))
            }
            _ => {
                let part = || Duration::from_millis(500);
                (Step::Flap(others(network, hosts / 2), part(), part() * 3), Some(Step::Heal))
            }
        };
        steps.push((at, begin));
        steps.extend(ends.map(|step| (end, step)));
    }
    steps
}
