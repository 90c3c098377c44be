//! Arcs of sorted maps, and digests of what lies in them.

use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::Bound::{Excluded, Included, Unbounded};

use super::Statement;
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

/// Does something to each entry that lies in the arc (`from`, `to`].
pub(crate) fn each_within<V>(map: &mut BTreeMap<Id, V>, from: Id, to: Id, mut each: impl FnMut(&mut V)) {
    if from < to {
        map.range_mut((Excluded(from), Included(to))).for_each(|(_, value)| each(value));
    } else {
        map.range_mut((Excluded(from), Unbounded)).for_each(|(_, value)| each(value));
        map.range_mut((Unbounded, Included(to))).for_each(|(_, value)| each(value));
    }
}

/// Whether the arc (from, to] of the second lies in that of the first; (a, a] is the whole ring.
pub(crate) fn covers((from, to): (Id, Id), (first, last): (Id, Id)) -> bool {
    let at = |point: Id| from.distance_to(point);
    from == to || (first != last && at(first) < at(last) && at(last) <= at(to))
}

/// The hash of a file that was not stated.
const UNSTATED: u128 = 0x6a09_e667_f3bc_c908_bb67_ae85_84ca_a73b;

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
    /// Of one key: so many files stated, so many there are, and the sum of the hashes of the stated ones.
    pub(crate) fn stated(files: usize, total: u64, sum: u128) -> Digest {
        let unstated = u128::from(total).wrapping_sub(files as u128);
        Digest { count: files as u64, sum: sum.wrapping_add(unstated.wrapping_mul(UNSTATED)) }
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

impl<'a> FromIterator<&'a Statement> for Digest {
    fn from_iter<I: IntoIterator<Item = &'a Statement>>(statements: I) -> Digest {
        statements.into_iter().map(Statement::digest).sum()
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
    /// How both compare.
    pub verdict: Verdict,
    /// The keeper's own arc, where the arc asked about ends there.
    pub owner: Option<KeptArc>,
}

/// How what a publisher has in an arc compares with what a keeper has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The same.
    Same,
    /// The keeper has nothing.
    Empty,
    /// Something else.
    Differs,
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
