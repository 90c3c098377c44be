//! How often the entries of each arc are there: at the peer responsible, and at those that should copy them.
//! Every peer says itself what it keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chord::index::Digest;
use chord::{Config, Id, Peer};
use chordial_proto::chord_v1::{Replicas, ShortArc};
use futures::StreamExt;
use futures::stream;
use tokio::time::Instant;

use super::agreement::{View, seconds};
use crate::driver::Handle;

/// Peers asked at the same time.
const AT_ONCE: usize = 16;
/// Deadline of one answer, and of all.
const WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));
/// Arcs that are told at most.
const TOLD: usize = 64;

/// Asks the members, given in ring order with this peer first, what they keep: of all arcs, or of this peer's
/// `only`.
pub(super) async fn count(handle: &Handle, members: &[&View], only: bool) -> Replicas {
    let members: Vec<&Peer> = members.iter().map(|view| &view.peer).collect();
    let owners = if only { members.len().min(1) } else { members.len() };
    let wanted = handle.config().replicas;
    // What each keeper is asked: of whom the arcs are.
    let mut asked: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for owner in 0..owners {
        for keeper in keepers(owner, members.len(), wanted) {
            asked.entry(keeper).or_default().insert(owner);
        }
    }
    let ask = |(keeper, owners): (usize, BTreeSet<usize>)| {
        let arcs: Vec<(Id, Id)> = owners.iter().map(|owner| arc(&members, *owner)).collect();
        let peer = members[keeper];
        async move {
            let kept = match peer.id == handle.me().id {
                true => handle.kept(arcs).await,
                false => handle.calls().kept(&peer.address, &arcs, WITHIN.0).await.ok(),
            };
            owners
                .into_iter()
                .zip(kept.unwrap_or_default())
                .map(move |(owner, digest)| ((owner, keeper), digest))
        }
    };
    let mut kept: BTreeMap<(usize, usize), Digest> = BTreeMap::new();
    let mut answers = stream::iter(asked).map(ask).buffer_unordered(AT_ONCE);
    let deadline = Instant::now() + WITHIN.1;
    while let Ok(Some(answer)) = tokio::time::timeout_at(deadline, answers.next()).await {
        kept.extend(answer);
    }
    let mut replicas = tally(&members, owners, wanted, &kept);
    if replicas.short_entries > 0 {
        replicas.remedy = remedy(handle.config());
    }
    replicas
}

fn remedy(config: &Config) -> String {
    format!(
        "those that keep an arc compare it within {}, and publishers compare theirs with all of them within {}",
        seconds(config.renewal() / 2),
        seconds(config.renewal())
    )
}

/// Where the arc of a member lies: from the member before it on.
fn arc(members: &[&Peer], owner: usize) -> (Id, Id) {
    let before = (owner + members.len() - 1) % members.len();
    (members[before].id, members[owner].id)
}

/// A member and those that follow it and keep copies of its arc.
fn keepers(owner: usize, members: usize, wanted: usize) -> impl Iterator<Item = usize> {
    (0..wanted.min(members)).map(move |step| (owner + step) % members)
}

/// `kept`: by owner and keeper, what the keeper has of the owner's arc; missing where it did not say.
fn tally(
    members: &[&Peer],
    owners: usize,
    wanted: usize,
    kept: &BTreeMap<(usize, usize), Digest>,
) -> Replicas {
    let wanted_here = wanted.min(members.len());
    let mut replicas = Replicas { wanted: wanted_here as u32, ..Replicas::default() };
    for owner in 0..owners {
        let own = kept.get(&(owner, owner));
        let differs = |keeper: &usize| own.is_none() || kept.get(&(owner, *keeper)) != own;
        let behind: Vec<usize> = keepers(owner, members.len(), wanted).filter(differs).collect();
        let all = kept.range((owner, 0)..=(owner, usize::MAX)).map(|(_, digest)| digest.count);
        let entries = all.max().unwrap_or_default();
        replicas.entries += entries;
        if behind.is_empty() || entries == 0 {
            continue;
        }
        replicas.short_entries += entries;
        if replicas.short_arcs.len() < TOLD {
            replicas.short_arcs.push(ShortArc {
                peer: Some(members[owner].clone().into()),
                entries,
                copies: (wanted_here - behind.len()) as u32,
                behind: behind.into_iter().map(|keeper| members[keeper].clone().into()).collect(),
            });
        }
    }
    replicas
}

#[cfg(test)]
mod tests {
    use super::super::agreement::tests::peer;
    use super::*;

    /// A ring of so many; each peer has one entry in its arc, kept by three but for these (owner, keeper).
    fn counted(members: u64, missing: &[(usize, usize)]) -> Replicas {
        let peers: Vec<Peer> = (0..members).map(peer).collect();
        let peers: Vec<&Peer> = peers.iter().collect();
        let all = (0..peers.len()).flat_map(|owner| keepers(owner, peers.len(), 3).map(move |k| (owner, k)));
        let digest = |pair: (usize, usize)| match missing.contains(&pair) {
            true => Digest::default(),
            false => Digest { count: 1, sum: pair.0 as u128 },
        };
        let kept = all.map(|pair| (pair, digest(pair))).collect();
        tally(&peers, peers.len(), 3, &kept)
    }

    #[test]
    fn a_ring_of_any_size_wants_as_many_copies_as_it_can_have() {
        for (members, wanted) in [(0, 0), (1, 1), (2, 2), (3, 3), (9, 3)] {
            let expected = Replicas { wanted, entries: members, ..Replicas::default() };
            assert_eq!(counted(members, &[]), expected);
        }
    }

    #[test]
    fn whoever_lacks_an_entry_is_named() {
        let replicas = counted(5, &[(3, 0)]);
        assert_eq!((replicas.entries, replicas.short_entries), (5, 1));
        let [short] = &replicas.short_arcs[..] else { panic!("{replicas:?}") };
        assert_eq!((short.peer.clone(), short.entries, short.copies), (Some(peer(3).into()), 1, 2));
        assert_eq!(short.behind, [peer(0).into()]);
    }

    #[test]
    fn an_owner_that_knows_less_than_its_copies_is_short_of_all() {
        let replicas = counted(5, &[(3, 3)]);
        let [short] = &replicas.short_arcs[..] else { panic!("{replicas:?}") };
        assert_eq!((short.entries, short.copies, short.behind.len()), (1, 1, 2));
    }

    #[test]
    fn arcs_without_entries_lack_nothing() {
        let none = counted(4, &[(1, 1), (1, 2), (1, 3)]);
        assert_eq!((none.entries, none.short_entries, none.short_arcs.len()), (3, 0, 0));
    }
}
