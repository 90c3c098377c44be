//! What people are told of a lookup.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use chord::index::{Progress, Receipt, Source};
use chord::{Found, Peer, Route, Rule, Step};

use super::bytes;
use super::entries::millis;
use super::peers::wire_peers;
use crate::chord_v1 as wire;

/// Sources that one answer lists.
pub const MAX_SOURCES: usize = 100;

/// The whole way of a lookup, `me` first, in `elapsed_us` microseconds.
fn route(me: Peer, route: Route, elapsed_us: u64) -> wire::Route {
    let start = wire::Hop { peer: Some(me.into()), rule: wire::HopRule::Asker.into(), ..Default::default() };
    let hop = |step: Step| wire::Hop {
        peer: Some(step.peer.into()),
        elapsed_us: u64::try_from(step.took.as_micros()).unwrap_or(u64::MAX),
        rule: rule(step.rule).into(),
        named_by: number(step.named_by),
        failed: number(step.failed),
    };
    wire::Route {
        hops: number(route.steps.len()),
        path: std::iter::once(start).chain(route.steps.into_iter().map(hop)).collect(),
        elapsed_us,
        failed: route.failed.into_iter().map(|miss| miss.peer.into()).collect(),
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn rule(rule: Rule) -> wire::HopRule {
    match rule {
        Rule::ClosestPreceding => wire::HopRule::ClosestPreceding,
        Rule::Successor => wire::HopRule::Successor,
        Rule::Predecessor => wire::HopRule::Predecessor,
        Rule::Contact => wire::HopRule::Contact,
        Rule::Again => wire::HopRule::Again,
        Rule::Retry => wire::HopRule::Retry,
        Rule::Copies => wire::HopRule::Copies,
        Rule::Publisher => wire::HopRule::Publisher,
    }
}

/// The answer to "who is responsible?"; `name`: what was asked about, empty where it was the key.
pub fn found_successor(me: Peer, name: String, found: Found, elapsed_us: u64) -> wire::FindSuccessorResponse {
    let asker_owns = me.id == found.owner.id && !found.route.steps.is_empty();
    let failed = number(found.route.failed.len());
    let mut route = route(me, found.route, elapsed_us);
    if asker_owns {
        let back = route.path.first().cloned().unwrap_or_default();
        route.path.push(wire::Hop { named_by: route.hops, failed, ..back });
    }
    wire::FindSuccessorResponse {
        name,
        key: bytes(found.key),
        successor: Some(found.owner.into()),
        arc_from: bytes(found.arc_from),
        keepers: wire_peers(found.keepers),
        route: Some(route),
    }
}

/// Puts sources of the same bytes together: first what most living peers have, last what has no digest yet.
/// Within one content living sources come first, then it goes by the publisher's name.
pub fn group_by_content(sources: &mut [Source]) {
    // Without a digest the size is all there is to tell bytes apart.
    let content = |source: &Source| {
        let file = &source.file;
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
        let within = (!source.alive, publisher.name.clone(), publisher.id, source.file.path.clone());
        (content.0, Reverse(held), content, within)
    });
}

/// The answer to "who has the file of this name?", the sources as [`group_by_content`] orders them.
pub fn found(me: Peer, name: String, found: Found, elapsed_us: u64) -> wire::FindResponse {
    let mut sources = found.reading.sources;
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

/// How far a peer's own files are published; `renewal` is the time between two renewals of its leases.
pub fn publishing(progress: Progress, renewal: Duration) -> wire::Publishing {
    let late_ms = millis(progress.late_by(renewal));
    wire::Publishing {
        files: progress.files,
        keys: progress.keys,
        acknowledged: progress.keys.saturating_sub(progress.pending),
        refusing: wire_peers(progress.refusing.into_iter().map(|(peer, _)| peer).collect()),
        late_ms,
    }
}

/// By whom the entries of one name are kept.
pub fn receipt(name: String, receipt: Receipt) -> wire::Receipt {
    wire::Receipt { name, keepers: wire_peers(receipt.keepers), pending: wire_peers(receipt.pending) }
}

#[cfg(test)]
mod tests {
    use chord::Services;
    use chord::index::{File, Text};

    use super::*;

    fn source(name: &str, digest: Option<u8>, size: u64, alive: bool) -> Source {
        let digest = digest.map(|byte| [byte; 32]);
        let file =
            File { name: "a".into(), path: "a".into(), size, modified_ms: 0, digest, text: Text::default() };
        let publisher = Peer { name: name.into(), ..Peer::stranger("127.0.0.1:1") };
        Source { publisher, services: Services::default(), file: file.into(), alive }
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
