//! What should be true of the entries of a settled ring.

use std::collections::BTreeMap;

use chord::{Id, Status};

use crate::network::Network;

/// What is wrong with the entries of these files, shared by the hosts in their order: every one of a living
/// peer is with all its keepers, none of a dead one is there.
pub(super) fn flaw(network: &Network, shared: &[Vec<String>]) -> Option<String> {
    let members = network.members();
    let by_id: BTreeMap<Id, usize> =
        network.living().into_iter().filter_map(|host| Some((network.node(host)?.me().id, host))).collect();
    for (host, names) in shared.iter().enumerate() {
        let publisher = network.node(host).filter(|node| node.status() == Status::Member);
        for name in names {
            let key = Id::of(name.as_bytes());
            let at = members.partition_point(|id| *id < key);
            let replicas = publisher.map_or(1, |node| node.config().replicas).min(members.len());
            for step in 0..replicas {
                let keeper = by_id[&members[(at + step) % members.len()]];
                let Some(node) = network.node(keeper) else { continue };
                let reading = node.keeper().read(key, 9, |_| true);
                let expected = usize::from(publisher.is_some());
                let listed = publisher.map_or(reading.sources.len(), |node| {
                    reading.sources.iter().filter(|source| source.publisher.is_same_life(node.me())).count()
                });
                if listed != expected {
                    return Some(format!("p{keeper} keeps {listed} entries of {name:?}, should {expected}"));
                }
            }
        }
    }
    None
}
