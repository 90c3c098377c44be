//! Arcs of sorted maps, and digests of what lies in them.

use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::Bound::{Excluded, Included, Unbounded};

use super::Entry;
use crate::{Id, Peer};

/// The entries of a map that lie in the arc (`from`, `to`], clockwise; (a, a] is the whole ring.
pub(crate) fn within<V>(map: &BTreeMap<Id, V>, from: Id, to: Id) -> impl Iterator<Item = (&Id, &V)> {
    let (first, second) = if from < to {
        ((Excluded(from), Included(to)), None)
    } else {
        ((Excluded(from), Unbounded), Some((Unbounded, Included(to))))
    };
    map.range(first).chain(second.into_iter().flat_map(|range| map.range(range)))
}

/// What lies in an arc, comparable without sending it: how many entries, and the sum of their hashes.
///
/// Leaves out incarnation and sequence, so that a restarted publisher with unchanged files agrees with
/// its keepers at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest {
    /// Entries.
    pub count: u64,
    /// The wrapping sum of their hashes; the order does not matter.
    pub sum: u128,
}

impl Digest {
    /// Adds one entry.
    pub fn add(&mut self, entry: &Entry) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(entry.hash());
    }
}

/// Of several publishers in one arc, or of several arcs side by side.
impl Sum for Digest {
    fn sum<I: Iterator<Item = Digest>>(digests: I) -> Digest {
        digests.fold(Digest::default(), |all, one| Digest {
            count: all.count.saturating_add(one.count),
            sum: all.sum.wrapping_add(one.sum),
        })
    }
}

impl<'a> FromIterator<&'a Entry> for Digest {
    fn from_iter<I: IntoIterator<Item = &'a Entry>>(entries: I) -> Digest {
        let mut digest = Digest::default();
        entries.into_iter().for_each(|entry| digest.add(entry));
        digest
    }
}

/// What a publisher has in the arc (`from`, `to`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArcDigest {
    /// Where the arc starts, exclusive.
    pub from: Id,
    /// Where it ends, inclusive.
    pub to: Id,
    /// What is in it.
    pub digest: Digest,
}

/// A keeper's answer about one arc of a publisher.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArcAnswer {
    /// Whether both have the same.
    pub same: bool,
    /// The keeper's own arc, where the arc asked about ends there.
    pub owner: Option<KeptArc>,
}

/// The arc that a peer is responsible for, up to its own identifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeptArc {
    /// Where it starts, exclusive.
    pub from: Id,
    /// The peer itself, then the successors that keep copies.
    pub keepers: Vec<Peer>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn within_is_what_lies_in_the_arc(keys: Vec<u8>, from: u8, to: u8) {
            let map: BTreeMap<Id, ()> = keys.iter().map(|k| (Id::from(u64::from(*k)), ())).collect();
            let (from, to) = (Id::from(u64::from(from)), Id::from(u64::from(to)));
            let mut expected: Vec<Id> = map.keys().copied().filter(|k| k.is_within(from, to)).collect();
            // The end of (a, a] is a full turn away, not none.
            expected.sort_by_key(|k| (*k == to, from.distance_to(*k)));
            let found: Vec<Id> = within(&map, from, to).map(|(k, _)| *k).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
