//! What people are told of a lookup.

use std::cmp::Reverse;
use std::collections::BTreeMap;

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
        failed: route.failed.into_iter().map(|miss| miss.peer.into()).collect(),
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

/// Puts sources of the same bytes together: first what most living peers have, last what has no digest yet.
/// Within one content living sources come first, then it goes by the publisher's name.
pub fn group_by_content(sources: &mut [Source]) {
    // Without a digest the size is all there is to tell bytes apart.
    let content = |source: &Source| {
        let file = &source.entry.file;
        (file.digest.is_none(), file.digest, if file.digest.is_none() { file.size } else { 0 })
    };
    let mut holders: BTreeMap<_, (usize, usize)> = BTreeMap::new();
    for source in &*sources {
        let (alive, all) = holders.entry(content(source)).or_default();
        *alive += usize::from(source.alive);
        *all += 1;
    }
    sources.sort_by_cached_key(|source| {
        let content = content(source);
        let held = holders.get(&content).copied();
        let publisher = &source.publisher;
        let within = (!source.alive, publisher.name.clone(), publisher.id, source.entry.file.path.clone());
        (content.0, Reverse(held), content, within)
    });
}

/// The answer to "who has the file of this name?", the sources as [`group_by_content`] orders them.
pub fn found(me: Peer, name: String, found: Found, elapsed_us: u64) -> wire::FindResponse {
    let asked = |source: &Source| source.entry.kind == Kind::Name;
    let mut sources: Vec<Source> = found.reading.sources.into_iter().filter(asked).collect();
    group_by_content(&mut sources);
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

#[cfg(test)]
mod tests {
    use chord::Services;
    use chord::index::{Entry, File};

    use super::*;

    fn source(name: &str, digest: Option<u8>, size: u64, alive: bool) -> Source {
        let digest = digest.map(|byte| [byte; 32]);
        let file = File { name: "a".into(), path: "a".into(), size, modified_ms: 0, digest };
        let publisher = Peer { name: name.into(), ..Peer::stranger("127.0.0.1:1") };
        Source { publisher, services: Services::default(), entry: Entry::of_name(file), alive }
    }

    #[test]
    fn sources_of_the_same_bytes_stand_together() {
        let mut sources = vec![
            source("p1", None, 5, true),
            source("p2", Some(1), 5, true),
            source("p3", Some(2), 5, true),
            source("p4", Some(3), 5, false),
            source("p5", None, 6, true),
            source("p6", Some(2), 5, false),
            source("p7", Some(3), 5, false),
            source("p8", None, 5, true),
            source("p0", Some(2), 5, true),
        ];
        group_by_content(&mut sources);
        let names: Vec<&str> = sources.iter().map(|source| &*source.publisher.name).collect();
        assert_eq!(names, ["p0", "p3", "p6", "p2", "p4", "p7", "p1", "p8", "p5"]);
    }
}
