//! Bamboo's churn: peers stay for minutes only, and each that goes is replaced by a new one at once.

use std::time::Duration;

use chord::Config;

use super::table::{Row, Table};
use super::world::World;
use super::{Run, Scale};
use crate::network::Weather;

/// Median sessions, in minutes; the shortest is Bamboo's hardest.
const SESSIONS: [f64; 3] = [47.0, 6.2, 1.4];
/// What Bamboo sends at most at its hardest, in bytes per second and node.
const BYTES: f64 = 900.0;
/// Each peer looks up a key so often, on average.
const EACH: Duration = Duration::from_secs(100);

/// The churn of Rhea et al., USENIX 2004.
pub fn table(run: &Run) -> Vec<Table> {
    let (peers, lookups) = match run.scale {
        Scale::Quick => (100, 300),
        Scale::Default => (1000, 3000),
        Scale::Full => (1000, 10_000),
    };
    let few = Config { contacts: 0, ..Config::default() };
    let rows: Vec<_> = [("all", Config::default()), ("none", few)]
        .into_iter()
        .flat_map(|(contacts, config)| SESSIONS.map(|minutes| (contacts, config.clone(), minutes)))
        .filter(|(_, _, minutes)| run.scale != Scale::Quick || *minutes < 2.0)
        .collect();
    let rows = run.each("bamboo", &rows, |(contacts, config, minutes)| {
        let mut world = World::settled(
            (minutes * 10.0) as u64,
            peers,
            config.clone(),
            Weather::default(),
            Duration::from_secs(60),
        );
        let rate = peers as f64 * std::f64::consts::LN_2 / (minutes * 60.0);
        // What it was before the churn began should not matter.
        live(&mut world, rate, None, Duration::from_secs(60));
        world.network.count_traffic();
        let began = world.network.now();
        let every = EACH / peers as u32;
        live(&mut world, rate, Some(every), every * lookups);
        let bytes = world.bytes_per_peer(began);
        let measured = world.judge();
        let right = 100.0 * measured.share_right();
        Row::new(vec![
            format!("{minutes} min"),
            (*contacts).into(),
            format!("{right:.2} % of {}", measured.asked),
            measured.hops.as_in_papers(),
            measured.timeouts.as_in_papers(),
            format!("{:.0} B/s", bytes.messages),
            format!("{:.0} B/s", bytes.with_framing),
            bytes.mostly,
        ])
        .target(right >= 99.9, format!("99.9 % right at the first call: {:?}", measured.faults.first()))
        .target(bytes.messages <= BYTES, format!("{BYTES} B/s per peer"))
    });
    vec![Table {
        title: format!("Churn without end, {peers} peers (beside Bamboo, USENIX 2004: < {BYTES} B/s at 1.4 min)"),
        notes: vec![
            "Sessions are exponential with this median; each peer vanishes without goodbye, and a new one that has \
             three friends starts at that instant. Every peer looks up a key every 100 s, and each lookup is judged \
             by its first and only call. Bytes are what a peer sends, lookups included: protobuf, and with about 40 \
             bytes of HTTP/2 and gRPC framing for each message."
                .into(),
        ],
        columns: vec!["median session", "contacts", "right", "path", "time-outs", "sent", "with framing", "mostly"],
        rows,
    }]
}

/// Lets peers come and go for a while; where a pause is given, keys are looked up with such pauses.
fn live(world: &mut World, rate: f64, pause: Option<Duration>, time: Duration) {
    let end = world.network.now() + time;
    let mut change = world.network.now() + world.interval(rate);
    let mut lookup = world.network.now();
    while world.network.now() < end {
        let due = pause.map_or(end, |_| lookup);
        let next = change.min(due).min(end);
        world.network.run(next - world.network.now());
        if next == change {
            world.fail_any();
            world.join();
            change += world.interval(rate);
        } else if let Some(pause) = pause {
            world.look_up_any();
            lookup += pause;
        }
    }
}
