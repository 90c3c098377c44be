//! How long it takes until a peer that has died is given up, and one that has only paused.

use std::time::Duration;

use chord::{Config, Event};

use super::table::{Row, Sample, Table};
use super::{Run, Scale};
use crate::network::{Crash, Network, Told, Weather};

/// What happens to a peer.
#[derive(Clone, Copy)]
enum Fate {
    Killed,
    Silent,
    Paused,
}

/// Time until the peer before it gives it up.
pub fn table(run: &Run) -> Vec<Table> {
    let (peers, seeds) = match run.scale {
        Scale::Quick => (16, 10),
        Scale::Default | Scale::Full => (64, 200),
    };
    let fates = [
        (Fate::Killed, "killed process", "≤ 2 s", (2.0, 2.0)),
        (Fate::Silent, "silent host", "6 to 12 s, median ≤ 8 s", (8.0, 12.0)),
        (Fate::Paused, "paused for 5 s", "never", (0.0, 0.0)),
    ];
    let rows = run.each("detection", &fates, |(fate, name, target, (median, most))| {
        let times: Vec<Times> = (0..seeds).filter_map(|seed| given_up(seed, peers, *fate)).collect();
        let seen: Sample = times.iter().map(|times| times.since_end.as_secs_f64()).collect();
        let doubt: Sample = times.iter().map(|times| times.since_doubt.as_secs_f64()).collect();
        let count = times.len();
        let figures = |of: &Sample, percent: usize| match count {
            0 => "–".into(),
            _ => format!("{:.1} s", of.percentile(percent)),
        };
        let row = Row::new(vec![
            (*name).into(),
            format!("{count} of {seeds}"),
            figures(&seen, 50),
            figures(&seen, 100),
            figures(&doubt, 50),
            figures(&doubt, 100),
            (*target).into(),
        ]);
        match fate {
            Fate::Paused => row.target(count == 0, "given up"),
            Fate::Killed | Fate::Silent => row
                .target(count == seeds as usize, "not always given up")
                .target(seen.percentile(50) <= *median, format!("median above {median} s"))
                .target(seen.percentile(100) <= *most, format!("later than {most} s")),
        }
    });
    vec![Table {
        title: format!("Until a peer is given up by the one before it ({seeds} rings of {peers}, quiet)"),
        notes: vec![
            "Median and longest time from its end, which nobody can know of before calling it, and from the first \
             call that it did not answer. The paused one is watched for 30 s, by all peers."
                .into(),
        ],
        columns: vec!["peer", "given up", "median", "longest", "of doubt: median", "longest", "target"],
        rows,
    }]
}

struct Times {
    since_end: Duration,
    since_doubt: Duration,
}

/// When the peer before it, or any where it was only paused, gave a peer up.
fn given_up(seed: u64, peers: usize, fate: Fate) -> Option<Times> {
    let mut network = Network::new(seed, Config::default(), Weather::default());
    network.place_ring(peers);
    // At any time within a stabilize round.
    let wait = network.draw(4000) as u64;
    network.run(Duration::from_secs(60) + Duration::from_millis(wait));
    network.keep_events();
    let host = network.draw(peers);
    let (id, before) = network.node(host).and_then(|node| Some((node.me().id, node.predecessor()?.id)))?;
    let began = network.now();
    match fate {
        Fate::Killed => network.crash(host, Crash::Process),
        Fate::Silent => network.crash(host, Crash::Host),
        Fate::Paused => {
            network.pause(host);
            network.run(Duration::from_secs(5));
            network.resume(host);
        }
    }
    network.run(Duration::from_secs(30));
    let mut doubted = None;
    for Told { at, host, event } in network.take_events() {
        let by = network.node(host).map(|node| node.me().id);
        if !matches!(fate, Fate::Paused) && by != Some(before) {
            continue;
        }
        match event {
            Event::Suspected(peer) if peer.id == id => doubted = Some(at),
            Event::GivenUp(peer) if peer.id == id => {
                return Some(Times { since_end: at - began, since_doubt: at - doubted.unwrap_or(at) });
            }
            _ => {}
        }
    }
    None
}
