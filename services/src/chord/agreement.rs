//! Whether the views of all members fit together, and what is wrong in words where they do not.

use std::time::Duration;

use chord::{Config, Peer};
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
    /// Why nobody should name such a peer, and what mends a successor list that does.
    fn fault(self) -> Option<(&'static str, Mends)> {
        match self {
            Condition::Member | Condition::Unasked => None,
            Condition::Leaving => Some(("is leaving", Mends::Stabilize)),
            Condition::Joining => Some(("is still joining", Mends::Stabilize)),
            Condition::Restarted => Some(("has restarted since", Mends::Stabilize)),
            Condition::Silent => Some(("does not answer", Mends::GivingUp)),
        }
    }
}

/// Where the views of the members, given in ring order, do not fit together.
pub(super) fn problems(
    members: &[&View],
    condition: impl Fn(&Peer) -> Condition,
    config: &Config,
) -> Vec<Problem> {
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
        let told = |(what, mends): (String, Mends)| problem(&view.peer, what, &mends.words(config));
        problems.extend(found.into_iter().flatten().map(told));
    }
    problems
}

pub(super) fn problem(peer: &Peer, what: String, remedy: &str) -> Problem {
    Problem { peer: Some(peer.clone().into()), what, remedy: remedy.into() }
}

/// For people: whole seconds, rounded up.
pub(super) fn seconds(time: Duration) -> String {
    format!("{} s", time.as_millis().div_ceil(1000))
}

/// What will mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mends {
    /// Silence makes the failure detector give the peer up.
    GivingUp,
    Stabilize,
    Notify,
}

impl Mends {
    fn words(self, config: &Config) -> String {
        let round = seconds(config.stabilize_quiet);
        match self {
            Mends::GivingUp => format!(
                "after {} of silence it is given up, and the next one takes its place within {round}",
                seconds(config.give_up)
            ),
            Mends::Stabilize => {
                format!("stabilize mends it, one list after another, at most {round} apart")
            }
            Mends::Notify => {
                format!("the peer before it notifies it with its next stabilize round, within {round}")
            }
        }
    }
}

type Found = Option<(String, Mends)>;

fn successor(view: &View, following: &[&Peer], condition: &impl Fn(&Peer) -> Condition) -> Found {
    match (view.successors.first(), following.first()) {
        (Some(named), next) => match (condition(named).fault(), next) {
            (Some((fault, mends)), _) => Some((format!("its successor {} {fault}", named.name), mends)),
            (None, Some(next)) if next.id != named.id => {
                let what = format!("its successor is {}, but {} stands before it", named.name, next.name);
                Some((what, Mends::Stabilize))
            }
            _ => None,
        },
        (None, Some(next)) => {
            Some((format!("it knows no successor, but {} follows it", next.name), Mends::Stabilize))
        }
        (None, None) => None,
    }
}

fn predecessor(view: &View, following: &[&Peer], condition: &impl Fn(&Peer) -> Condition) -> Found {
    match (&view.predecessor, following.last()) {
        (Some(named), before) => match (condition(named).fault(), before) {
            (Some((fault, Mends::GivingUp)), _) => {
                Some((format!("its predecessor {} {fault}", named.name), Mends::GivingUp))
            }
            (Some((fault, _)), _) => Some((format!("its predecessor {} {fault}", named.name), Mends::Notify)),
            (None, Some(before)) if before.id != named.id => {
                let what = format!("its predecessor is {}, but {} stands before it", named.name, before.name);
                Some((what, Mends::Notify))
            }
            _ => None,
        },
        (None, Some(before)) => {
            Some((format!("it knows no predecessor, but {} stands before it", before.name), Mends::Notify))
        }
        (None, None) => None,
    }
}

/// The successor list behind its head; where the head is wrong, no more is said.
fn rest(view: &View, following: &[&Peer], condition: &impl Fn(&Peer) -> Condition) -> Found {
    if successor(view, following, condition).is_some() {
        return None;
    }
    for (at, named) in view.successors.iter().enumerate().skip(1) {
        match (condition(named).fault(), following.get(at)) {
            (Some((fault, mends)), _) => {
                return Some((format!("its successor list names {}, which {fault}", named.name), mends));
            }
            (None, Some(next)) if next.id != named.id => {
                let what = format!("its successor list has {} where {} should stand", named.name, next.name);
                return Some((what, Mends::Stabilize));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use chord::Id;

    use super::*;

    pub(in super::super) fn peer(number: u64) -> Peer {
        let (id, name) = (Id::from(number * 10), format!("p{number}").into());
        Peer { id, incarnation: 1, address: "a:1".into(), name }
    }

    /// A ring of peers 0..count that all agree.
    pub(in super::super) fn ring(count: u64) -> Vec<View> {
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
        problems(&views, condition, &Config::default()).into_iter().map(told).collect()
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
}
