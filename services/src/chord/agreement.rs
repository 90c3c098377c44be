//! Whether the views of all members fit together, and what is wrong in words where they do not.

use std::collections::{BTreeMap, BTreeSet};

use chord::{Id, Peer};
use chordial_proto::chord_v1::Problem;

/// What one peer says of itself.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) peer: Peer,
    pub(super) condition: Condition,
    pub(super) predecessor: Option<Peer>,
    pub(super) successors: Vec<Peer>,
}

/// What is known of a peer that somebody names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Member,
    Leaving,
    Joining,
    /// A later life of it answers.
    Restarted,
    Silent,
    /// There was no time to ask it.
    Unasked,
}

impl View {
    pub(super) fn neighbors(&self) -> impl Iterator<Item = &Peer> {
        self.successors.iter().chain(&self.predecessor)
    }
}

impl Condition {
    /// Why nobody should name such a peer.
    fn fault(self) -> Option<&'static str> {
        match self {
            Condition::Member | Condition::Unasked => None,
            Condition::Leaving => Some("is leaving"),
            Condition::Joining => Some("is still joining"),
            Condition::Restarted => Some("has restarted since"),
            Condition::Silent => Some("does not answer"),
        }
    }
}

const STABILIZE: &str = "stabilize will mend it within a few seconds";
const NOTIFY: &str = "the peer before it will notify it within a few seconds";

/// Where the views of the members, given in ring order, do not fit together.
pub(super) fn problems(members: &[&View], condition: impl Fn(&Peer) -> Condition) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, view) in members.iter().enumerate() {
        // Those that follow it, in order, itself left out.
        let following: Vec<&Peer> =
            members[at + 1..].iter().chain(&members[..at]).map(|view| &view.peer).collect();
        let found = [
            successor(view, &following, &condition),
            predecessor(view, &following, &condition),
            rest(view, &following, &condition),
        ];
        let told = |(what, remedy)| problem(&view.peer, what, remedy);
        problems.extend(found.into_iter().flatten().map(told));
    }
    problems.extend(parted(members));
    problems
}

pub(super) fn problem(peer: &Peer, what: String, remedy: &str) -> Problem {
    Problem { peer: Some(peer.clone().into()), what, remedy: remedy.into() }
}

type Found = Option<(String, &'static str)>;

fn successor(view: &View, following: &[&Peer], condition: &impl Fn(&Peer) -> Condition) -> Found {
    let what = match (view.successors.first(), following.first()) {
        (Some(named), next) => match (condition(named).fault(), next) {
            (Some(fault), _) => format!("its successor {} {fault}", named.name),
            (None, Some(next)) if next.id != named.id => {
                format!("its successor is {}, but {} stands before it", named.name, next.name)
            }
            _ => return None,
        },
        (None, Some(next)) => format!("it knows no successor, but {} follows it", next.name),
        (None, None) => return None,
    };
    Some((what, STABILIZE))
}

fn predecessor(view: &View, following: &[&Peer], condition: &impl Fn(&Peer) -> Condition) -> Found {
    let what = match (&view.predecessor, following.last()) {
        (Some(named), before) => match (condition(named).fault(), before) {
            (Some(fault), _) => format!("its predecessor {} {fault}", named.name),
            (None, Some(before)) if before.id != named.id => {
                format!("its predecessor is {}, but {} stands before it", named.name, before.name)
            }
            _ => return None,
        },
        (None, Some(before)) => format!("it knows no predecessor, but {} stands before it", before.name),
        (None, None) => return None,
    };
    Some((what, NOTIFY))
}

/// The successor list behind its head; where the head is wrong, no more is said.
fn rest(view: &View, following: &[&Peer], condition: &impl Fn(&Peer) -> Condition) -> Found {
    if successor(view, following, condition).is_some() {
        return None;
    }
    for (at, named) in view.successors.iter().enumerate().skip(1) {
        let what = match (condition(named).fault(), following.get(at)) {
            (Some(fault), _) => format!("its successor list names {}, which {fault}", named.name),
            (None, Some(next)) if next.id != named.id => {
                format!("its successor list has {} where {} should stand", named.name, next.name)
            }
            _ => continue,
        };
        return Some((what, STABILIZE));
    }
    None
}

/// More than one ring: following the successors leads around in several circles.
fn parted(members: &[&View]) -> Option<Problem> {
    let next: BTreeMap<Id, Id> =
        members.iter().filter_map(|view| Some((view.peer.id, view.successors.first()?.id))).collect();
    let names: BTreeMap<Id, &str> = members.iter().map(|view| (view.peer.id, &*view.peer.name)).collect();
    let mut circles: BTreeSet<BTreeSet<Id>> = BTreeSet::new();
    for view in members {
        let mut at = view.peer.id;
        // After as many steps as there are members, one is on a circle or out of it.
        let step =
            |at: &mut Id| next.get(at).filter(|id| names.contains_key(id)).map(|id| *at = *id).is_some();
        if !members.iter().all(|_| step(&mut at)) {
            continue;
        }
        let (start, mut circle) = (at, BTreeSet::from([at]));
        while step(&mut at) && at != start {
            circle.insert(at);
        }
        circles.insert(circle);
    }
    if circles.len() < 2 {
        return None;
    }
    let circle = |ids: &BTreeSet<Id>| ids.iter().map(|id| names[id]).collect::<Vec<_>>().join(", ");
    let rings: Vec<String> = circles.iter().map(circle).collect();
    let what = format!("there are {} rings: {}", rings.len(), rings.join(" | "));
    Some(problem(&members.first()?.peer, what, "restart the peers of one ring with a friend in the other"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u64) -> Peer {
        let (id, name) = (Id::from(number * 10), format!("p{number}").into());
        Peer { id, incarnation: 1, address: "a:1".into(), name }
    }

    /// A ring of peers 0..count that all agree.
    fn ring(count: u64) -> Vec<View> {
        let view = |at: u64| View {
            peer: peer(at),
            condition: Condition::Member,
            predecessor: (count > 1).then(|| peer((at + count - 1) % count)),
            successors: (1..count).take(3).map(|step| peer((at + step) % count)).collect(),
        };
        (0..count).map(view).collect()
    }

    /// As `peer: what`.
    fn told(views: &[View], gone: &[(u64, Condition)]) -> Vec<String> {
        let condition = |peer: &Peer| {
            let known = gone.iter().find(|(number, _)| Id::from(number * 10) == peer.id);
            known.map_or(Condition::Member, |(_, condition)| *condition)
        };
        let views: Vec<&View> = views.iter().collect();
        let told = |p: Problem| format!("{}: {}", p.peer.unwrap().name, p.what);
        problems(&views, condition).into_iter().map(told).collect()
    }

    #[test]
    fn rings_of_any_size_agree() {
        for count in [0, 1, 2, 3, 9] {
            assert_eq!(told(&ring(count), &[]), Vec::<String>::new(), "{count}");
        }
    }

    #[test]
    fn dead_peers_are_named_where_somebody_counts_on_them() {
        let mut views = ring(5);
        views.remove(3);
        let told = told(&views, &[(3, Condition::Silent)]);
        assert_eq!(
            told,
            [
                "p0: its successor list names p3, which does not answer",
                "p1: its successor list names p3, which does not answer",
                "p2: its successor p3 does not answer",
                "p4: its predecessor p3 does not answer",
            ]
        );
    }

    #[test]
    fn peers_that_are_skipped_are_named() {
        let mut views = ring(4);
        views[0].successors = vec![peer(2), peer(3)];
        views[3].successors = vec![peer(0), peer(2)];
        views[2].predecessor = Some(peer(0));
        views[1].predecessor = None;
        let told = told(&views, &[]);
        assert_eq!(
            told,
            [
                "p0: its successor is p2, but p1 stands before it",
                "p1: it knows no predecessor, but p0 stands before it",
                "p2: its predecessor is p0, but p1 stands before it",
                "p3: its successor list has p2 where p1 should stand",
            ]
        );
    }

    #[test]
    fn a_peer_alone_that_still_names_another_is_told() {
        let mut views = ring(1);
        views[0].successors = vec![peer(7)];
        assert_eq!(told(&views, &[(7, Condition::Restarted)]), ["p0: its successor p7 has restarted since"]);
    }

    #[test]
    fn two_circles_are_two_rings() {
        let mut views = ring(4);
        for (at, view) in views.iter_mut().enumerate() {
            view.successors = vec![peer((at as u64 + 2) % 4)];
        }
        assert!(told(&views, &[]).contains(&"p0: there are 2 rings: p0, p2 | p1, p3".to_string()));
    }
}
