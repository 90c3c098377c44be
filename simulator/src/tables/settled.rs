//! Settled rings: one hop to any owner, what a quiet ring sends, and the path with fingers only.

use std::time::Duration;

use chord::Config;

use super::table::{Row, Table};
use super::world::World;
use super::{Run, Scale};
use crate::network::Weather;

const MINUTE: Duration = Duration::from_secs(60);

/// Lookups that need one call at most, with contacts.
pub fn one_hop(run: &Run) -> Vec<Table> {
    let (sizes, lookups): (&[usize], _) = match run.scale {
        Scale::Quick => (&[100], 500),
        Scale::Default => (&[1000, 2000], 10_000),
        Scale::Full => (&[1000, 2000, 10_000], 10_000),
    };
    let rows = run.each("one-hop", sizes, |peers| {
        let settled = 10 * MINUTE;
        let mut world = World::settled(*peers as u64, *peers, Config::default(), Weather::default(), settled);
        let known: usize = world.network.nodes().map(|node| node.contacts().len()).sum();
        world.network.count_traffic();
        let began = world.network.now();
        world.network.run(2 * MINUTE);
        let bytes = world.bytes_per_peer(began);
        world.look_up_many(lookups);
        let measured = world.judge();
        let direct = 100.0 * measured.share_direct();
        let kilobits = bytes.messages * 8.0 / 1000.0;
        Row::new(vec![
            peers.to_string(),
            format!("{}", known / peers),
            format!("{} of {}", measured.right, measured.asked),
            format!("{direct:.2} %"),
            measured.hops.as_in_papers(),
            format!("{kilobits:.2} kbit/s"),
            format!("{:.2} kbit/s", bytes.with_framing * 8.0 / 1000.0),
            bytes.mostly,
        ])
        .target(measured.failed() == 0, "all right")
        .target(direct >= 99.0, "99 % in one call")
        .target(kilobits <= 4.0, "4 kbit/s per peer")
    });
    vec![Table {
        title: "Settled rings, contacts on (one-hop overlays, Gupta et al., NSDI 2004: ≥ 99 % in one hop)".into(),
        notes: vec![
            "One hop: the first call is answered by the owner, or the asker is the owner. The ring was ideal 10 \
             minutes before. Sent, per peer, during two minutes without lookups: protobuf, and with about 40 bytes \
             of HTTP/2 and gRPC framing for each message."
                .into(),
        ],
        columns: vec!["peers", "contacts", "right", "one hop", "path", "sent", "with framing", "mostly"],
        rows,
    }]
}

/// What a quiet ring without files sends.
pub fn quiet(run: &Run) -> Vec<Table> {
    let peers = if run.scale == Scale::Quick { 100 } else { 1000 };
    let rows: Vec<_> = [("none", 0), ("all", Config::default().contacts)].into();
    let rows = run.each("quiet", &rows, |(name, contacts)| {
        let config = Config { contacts: *contacts, ..Config::default() };
        let mut world = World::settled(1, peers, config, Weather::default(), 5 * MINUTE);
        world.network.count_traffic();
        let (began, calls) = (world.network.now(), world.network.calls());
        world.network.run(5 * MINUTE);
        let bytes = world.bytes_per_peer(began);
        let calls = (world.network.calls() - calls) as f64 / peers as f64 / 300.0;
        let kilobits = bytes.messages * 8.0 / 1000.0;
        let most = if *contacts == 0 { 2.0 } else { 4.0 };
        Row::new(vec![
            (*name).into(),
            format!("{calls:.2}"),
            format!("{kilobits:.2} kbit/s"),
            format!("{:.2} kbit/s", bytes.with_framing * 8.0 / 1000.0),
            format!("{most} kbit/s"),
            bytes.mostly,
        ])
        .target(kilobits <= most, format!("{most} kbit/s"))
    });
    vec![Table {
        title: format!("What a quiet ring of {peers} without files sends, per peer"),
        notes: vec![
            "Protobuf bytes of requests and answers; with framing: about 40 bytes of HTTP/2 and gRPC for each \
             message. Measured over five minutes."
                .into(),
        ],
        columns: vec!["contacts", "calls per s", "sent", "with framing", "target", "mostly"],
        rows,
    }]
}

/// The path with fingers only, from eight peers to ten thousand.
pub fn path(run: &Run) -> Vec<Table> {
    let (most, lookups) = match run.scale {
        Scale::Quick => (128, 1000),
        Scale::Default | Scale::Full => (10_000, 10_000),
    };
    let sizes: Vec<usize> = (3..14).map(|power| 1 << power).chain([10_000]).filter(|n| *n <= most).collect();
    let rows = run.each("path", &sizes, |peers| {
        // A list of one: nothing but fingers shortens the way.
        let measured = |successors: usize| {
            let replicas = (successors + 1).min(3);
            let config = Config { contacts: 0, successors, replicas, ..Config::default() };
            let mut world = World::settled(*peers as u64, *peers, config, Weather::default(), MINUTE);
            world.look_up_many(lookups);
            world.judge()
        };
        let half = (*peers as f64).log2() / 2.0;
        let (one, eight) = (measured(1), measured(8));
        Row::new(vec![
            peers.to_string(),
            format!("{} of {}", one.right + eight.right, one.asked + eight.asked),
            one.hops.as_in_papers(),
            eight.hops.as_in_papers(),
            format!("{half:.2}"),
        ])
        .target(one.failed() + eight.failed() == 0, "all right")
        .target(one.hops.mean() <= half, "the mean path is longer with a list of 1")
        .target(eight.hops.mean() <= half, "the mean path is longer with a list of 8")
    });
    vec![Table {
        title: "Mean path with fingers only (SIGCOMM 2001: ½·log2 N)".into(),
        notes: vec![
            "Forwarding hops, so the call in which the owner answers for itself is not counted. A longer list \
             shortens the path; 8 is the default."
                .into(),
        ],
        columns: vec!["peers", "right", "path, list of 1", "path, list of 8", "½·log2 N"],
        rows,
    }]
}
