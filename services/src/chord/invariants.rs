//! Zave's invariants of the ring as its members see it: which hold, and what mends those that do not.

use std::collections::BTreeMap;

use chord::invariants::{Invariant, Place, Violation, violations};
use chord::{Config, Id, Peer};
use chordial_proto::chord_v1 as wire;

use super::agreement::{View, seconds};

/// Peers named at one invariant.
const NAMED: usize = 64;

/// All of them, computed from the views of all members. A pointer counts for whatever life of a peer answers.
pub(super) fn invariants(members: &[&View], config: &Config) -> Vec<wire::Invariant> {
    let places: Vec<Place> = members.iter().map(|view| place(view)).collect();
    let broken = violations(&places, config.successors);
    let peers: BTreeMap<Id, &Peer> = members.iter().map(|view| (view.peer.id, &view.peer)).collect();
    let told = |invariant| {
        let violation = broken.iter().find(|violation| violation.invariant == invariant);
        let named = violation.into_iter().flat_map(|Violation { members, .. }| members).take(NAMED);
        wire::Invariant {
            name: invariant.name().into(),
            meaning: meaning(invariant).into(),
            holds: violation.is_none(),
            peers: named.filter_map(|id| peers.get(id)).map(|peer| (*peer).clone().into()).collect(),
            remedy: violation.map(|_| remedy(invariant, config)).unwrap_or_default(),
        }
    };
    Invariant::ALL.into_iter().map(told).collect()
}

fn place(view: &View) -> Place {
    Place {
        id: view.peer.id,
        predecessor: view.predecessor.as_ref().map(|peer| peer.id),
        successors: view.successors.iter().map(|peer| peer.id).collect(),
    }
}

fn meaning(invariant: Invariant) -> &'static str {
    match invariant {
        Invariant::OneLiveSuccessor => "every peer has a living one in its successor list",
        Invariant::SufficientPrincipals => "enough peers are skipped by no successor list",
        Invariant::NoDuplicates => "no successor list names a peer twice",
        Invariant::OrderedSuccessorLists => "every successor list is in ring order",
        Invariant::AtLeastOneRing => "there is a ring",
        Invariant::AtMostOneRing => "there is only one ring",
        Invariant::OrderedRing => "the ring goes round once, in order",
        Invariant::ConnectedAppendages => "every peer outside of the ring leads into it",
    }
}

fn remedy(invariant: Invariant, config: &Config) -> String {
    match invariant {
        Invariant::OneLiveSuccessor | Invariant::AtLeastOneRing | Invariant::ConnectedAppendages => format!(
            "once those in its list have been silent for {} it goes back through its predecessor, a peer seen \
             lately or a friend",
            seconds(config.give_up)
        ),
        Invariant::SufficientPrincipals | Invariant::NoDuplicates | Invariant::OrderedSuccessorLists => {
            format!(
                "stabilize brings each list in order, one after another, at most {} apart",
                seconds(config.stabilize_quiet)
            )
        }
        Invariant::AtMostOneRing | Invariant::OrderedRing => {
            "the repair layer makes one ring of them, within a minute of their reaching each other".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::agreement::tests::{peer, ring};
    use super::*;

    /// Those that do not hold, and at whom.
    fn broken(views: &[View]) -> Vec<(String, Vec<String>)> {
        let views: Vec<&View> = views.iter().collect();
        let all = invariants(&views, &Config { successors: 3, ..Config::default() });
        assert_eq!(all.len(), 8);
        assert!(all.iter().all(|one| one.holds == one.remedy.is_empty() && !one.meaning.is_empty()));
        let broken = all.into_iter().filter(|invariant| !invariant.holds);
        broken.map(|one| (one.name, one.peers.into_iter().map(|peer| peer.name).collect())).collect()
    }

    #[test]
    fn in_rings_of_any_size_all_hold() {
        for count in [0, 1, 2, 3, 4, 9] {
            assert_eq!(broken(&ring(count)), [], "{count}");
        }
    }

    #[test]
    fn a_peer_whose_successors_are_all_gone_is_named() {
        let mut views = ring(5);
        views[1].successors = vec![peer(7), peer(8)];
        assert_eq!(broken(&views)[0], ("OneLiveSuccessor".to_string(), vec!["p1".to_string()]));
    }

    #[test]
    fn of_two_rings_a_peer_of_each_is_named() {
        let mut views = ring(4);
        for (at, view) in views.iter_mut().enumerate() {
            view.successors = vec![peer((at as u64 + 2) % 4)];
        }
        let expected = ("AtMostOneRing".to_string(), vec!["p0".to_string(), "p1".to_string()]);
        assert!(broken(&views).contains(&expected), "{:?}", broken(&views));
    }
}
