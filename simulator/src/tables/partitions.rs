//! Rings that part and meet again: time until one exact ring, and what that costs.

use std::time::Duration;

use chord::Config;

use super::table::{Row, Sample, Table};
use super::{Run, Scale};
use crate::network::{Network, Weather};

const LIMIT: Duration = Duration::from_secs(300);

/// Parts in percent.
const PARTS: [&[usize]; 3] = [&[50, 50], &[90, 10], &[34, 33, 33]];

/// Rings cut in parts for some time, then healed.
pub fn table(run: &Run) -> Vec<Table> {
    let (sizes, seeds): (&[usize], u64) = match run.scale {
        Scale::Quick => (&[30], 2),
        Scale::Default => (&[100, 400], 10),
        Scale::Full => (&[100, 1000], 20),
    };
    let apart = [Duration::from_secs(60), Duration::from_secs(3600)];
    let rows: Vec<_> = sizes
        .iter()
        .flat_map(|peers| PARTS.iter().map(move |parts| (*peers, *parts)))
        .flat_map(|(peers, parts)| apart.map(|apart| (peers, parts, apart)))
        .filter(|(_, _, apart)| run.scale != Scale::Quick || apart.as_secs() == 60)
        .collect();
    let rows = run.each("partitions", &rows, |(peers, parts, apart)| {
        let merges: Vec<Merge> = (0..seeds).map(|seed| merge(seed, *peers, parts, *apart)).collect();
        let exact = merges.iter().filter(|merge| merge.took < LIMIT).count();
        let took: Sample = merges.iter().map(|merge| merge.took.as_secs_f64()).collect();
        let calls: Sample = merges.iter().map(|merge| merge.calls).collect();
        let idle: Sample = merges.iter().map(|merge| merge.idle).collect();
        let parts: Vec<String> = parts.iter().map(usize::to_string).collect();
        Row::new(vec![
            peers.to_string(),
            parts.join("/"),
            format!("{} min", apart.as_secs() / 60),
            format!("{exact} of {seeds}"),
            format!("{:.1} s", took.percentile(50)),
            format!("{:.1} s", took.percentile(100)),
            format!("{:.0}", calls.mean()),
            format!("{:.0}", idle.mean()),
        ])
        .target(exact == seeds as usize, "one exact ring")
    });
    vec![Table {
        title: "Rings that part and meet again".into(),
        notes: vec![
            "Who is in which part is drawn. Time from the end of the cut to one exact ring: median and longest of \
             all seeds. Calls: by each peer from the end of the cut to 30 s after the ring is exact; beside it, what \
             it calls in as much time when the ring has long been quiet."
                .into(),
        ],
        columns: vec!["peers", "parts, %", "apart", "one ring", "median", "longest", "calls", "quiet"],
        rows,
    }]
}

struct Merge {
    took: Duration,
    calls: f64,
    idle: f64,
}

fn merge(seed: u64, peers: usize, percents: &[usize], apart: Duration) -> Merge {
    let mut network = Network::new(seed, Config::default(), Weather::default());
    network.place_ring(peers);
    network.run(Duration::from_secs(120));
    let pace = network.calls();
    network.run(Duration::from_secs(60));
    let pace = (network.calls() - pace) as f64 / 60.0;

    let mut hosts: Vec<usize> = (0..peers).collect();
    for last in (1..peers).rev() {
        hosts.swap(last, network.draw(last + 1));
    }
    let mut rest = &hosts[..];
    let mut parts: Vec<&[usize]> = Vec::new();
    for percent in &percents[1..] {
        let (part, others) = rest.split_at(peers * percent / 100);
        parts.push(part);
        rest = others;
    }
    parts.push(rest);
    network.cut(&parts);
    network.run(apart);
    network.heal();
    let (healed, calls) = (network.now(), network.calls());
    while network.flaw().is_some() && network.now() - healed < LIMIT {
        network.run(Duration::from_millis(100));
    }
    let took = network.now() - healed;
    network.run(Duration::from_secs(30));
    let time = (network.now() - healed).as_secs_f64();
    let calls = (network.calls() - calls) as f64 / peers as f64;
    Merge { took, calls, idle: pace * time / peers as f64 }
}
