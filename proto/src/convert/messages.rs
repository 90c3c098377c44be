//! What people are told of a lookup.

use chord::index::{Kind, Source};
use chord::{Found, Peer, Route, Step};

use super::bytes;
use super::peers::wire_peers;
use crate::chord_v1 as wire;

/// Sources that one answer lists.
pub const MAX_SOURCES: usize = 100;

/// The whole way of a lookup, `me` first, in `elapsed_us` microseconds.
fn route(me: Peer, route: Route, elapsed_us: u64) -> wire::Route {
    let start = Step { peer: me, took: std::time::Duration::ZERO };
    let hop = |step: Step| wire::Hop {
        peer: Some(step.peer.into()),
        elapsed_us: u64::try_from(step.took.as_micros()).unwrap_or(u64::MAX),
    };
    wire::Route {
        hops: u32::try_from(route.steps.len()).unwrap_or(u32::MAX),
        path: std::iter::once(start).chain(route.steps).map(hop).collect(),
        elapsed_us,
        failed: wire_peers(route.failed),
    }
}

/// The answer to "who is responsible?".
pub fn found_successor(me: Peer, found: Found, elapsed_us: u64) -> wire::FindSuccessorResponse {
    wire::FindSuccessorResponse {
        key: bytes(found.key),
        successor: Some(found.owner.into()),
        arc_from: bytes(found.arc_from),
        keepers: wire_peers(found.keepers),
        route: Some(route(me, found.route, elapsed_us)),
    }
}

/// The answer to "who has the file of this name?": living sources first, then by the publisher's name.
pub fn found(me: Peer, name: String, found: Found, elapsed_us: u64) -> wire::FindResponse {
    let asked = |source: &Source| source.entry.kind == Kind::Name;
    let mut sources: Vec<Source> = found.reading.sources.into_iter().filter(asked).collect();
    sources.sort_by(|a, b| {
        let rank =
            |s: &Source| (!s.alive, s.publisher.name.clone(), s.publisher.id, s.entry.file.path.clone());
        rank(a).cmp(&rank(b))
    });
    sources.truncate(MAX_SOURCES);
    wire::FindResponse {
        name,
        key: bytes(found.key),
        sources: sources.into_iter().map(Into::into).collect(),
        total: found.reading.total,
        complete: found.reading.complete,
        route: Some(route(me, found.route, elapsed_us)),
    }
}
