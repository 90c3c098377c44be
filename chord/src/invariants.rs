//! What must hold of a whole ring: the invariants of Zave's proof, computed from what each member says of
//! itself.
//!
//! The names are hers ("Reasoning about identifier spaces: how to make Chord correct", IEEE TSE 2017, arXiv
//! 1610.01140). *Best successor* of a member is the first living member in its list; a member whose list
//! is empty stands alone and is its own. A ring is a circle of best successors; members outside of circles
//! are appendages. The simulator, the model checker and `chord-cli ring check` all use this one definition.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Id, Node};

/// What one member says of its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its identifier.
    pub id: Id,
    /// The peer before it, if it knows one.
    pub predecessor: Option<Id>,
    /// Its successor list, nearest first.
    pub successors: Vec<Id>,
}

impl From<&Node> for Place {
    fn from(node: &Node) -> Place {
        Place {
            id: node.me().id,
            predecessor: node.predecessor().map(|peer| peer.id),
            successors: node.successors().iter().map(|peer| peer.id).collect(),
        }
    }
}

/// The invariants, by the names that Zave gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Every member has a living successor in its list.
    OneLiveSuccessor,
    /// At least one more member than a list is long is skipped by nobody's extended list.
    SufficientPrincipals,
    /// Nobody stands twice in an extended successor list.
    NoDuplicates,
    /// Every extended successor list is in ring order.
    OrderedSuccessorLists,
    /// There is a ring.
    AtLeastOneRing,
    /// There are no two.
    AtMostOneRing,
    /// The ring goes round once, in the order of identifiers.
    OrderedRing,
    /// Every member outside of the ring reaches it over its best successors.
    ConnectedAppendages,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Invariant; 8] = [
        Invariant::OneLiveSuccessor,
        Invariant::SufficientPrincipals,
        Invariant::NoDuplicates,
        Invariant::OrderedSuccessorLists,
        Invariant::AtLeastOneRing,
        Invariant::AtMostOneRing,
        Invariant::OrderedRing,
        Invariant::ConnectedAppendages,
    ];

    /// Its name, as in the paper.
    pub fn name(self) -> &'static str {
        match self {
            Invariant::OneLiveSuccessor => "OneLiveSuccessor",
            Invariant::SufficientPrincipals => "SufficientPrincipals",
            Invariant::NoDuplicates => "NoDuplicates",
            Invariant::OrderedSuccessorLists => "OrderedSuccessorLists",
            Invariant::AtLeastOneRing => "AtLeastOneRing",
            Invariant::AtMostOneRing => "AtMostOneRing",
            Invariant::OrderedRing => "OrderedRing",
            Invariant::ConnectedAppendages => "ConnectedAppendages",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An invariant that does not hold, and at whom that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// The members concerned, in ring order; of several rings, one member each.
    pub members: Vec<Id>,
}

/// What does not hold of these members, whose lists have at most `length` entries; empty: all does.
///
/// A ring of at most `length` members cannot have `length` + 1 principals: there all members have to be.
pub fn violations(places: &[Place], length: usize) -> Vec<Violation> {
    let ring = Ring::new(places);
    let whose = |holds: &dyn Fn(&Place) -> bool| -> Vec<Id> {
        ring.places.values().filter(|place| !holds(place)).map(|place| place.id).collect()
    };
    let circles = ring.circles();
    let skipped = ring.skipped();
    let enough = ring.places.len() - skipped.len() > length.min(ring.places.len().saturating_sub(1));
    let none = |bad: bool| if bad { Some(Vec::new()) } else { None };
    let some = |members: Vec<Id>| (!members.is_empty()).then_some(members);
    let heads = || circles.iter().filter_map(|circle| circle.first().copied()).collect::<Vec<_>>();
    let found = [
        (Invariant::OneLiveSuccessor, some(whose(&|place| ring.best(place).is_some()))),
        (Invariant::SufficientPrincipals, some(skipped).filter(|_| !enough)),
        (Invariant::NoDuplicates, some(whose(&no_duplicates))),
        (Invariant::OrderedSuccessorLists, some(whose(&is_ordered))),
        (Invariant::AtLeastOneRing, none(!places.is_empty() && circles.is_empty())),
        (Invariant::AtMostOneRing, none(circles.len() > 1).map(|_| heads())),
        (Invariant::OrderedRing, some(circles.iter().flat_map(|circle| disordered(circle)).collect())),
        (Invariant::ConnectedAppendages, some(whose(&|place| ring.reaches_a_circle(place)))),
    ];
    let violation = |(invariant, members): (_, Option<_>)| Some(Violation { invariant, members: members? });
    found.into_iter().filter_map(violation).collect()
}

struct Ring<'a> {
    places: BTreeMap<Id, &'a Place>,
}

impl<'a> Ring<'a> {
    fn new(places: &'a [Place]) -> Ring<'a> {
        Ring { places: places.iter().map(|place| (place.id, place)).collect() }
    }

    fn best(&self, place: &Place) -> Option<Id> {
        match place.successors.as_slice() {
            [] => Some(place.id),
            listed => listed.iter().copied().find(|id| self.places.contains_key(id)),
        }
    }

    fn next(&self, id: Id) -> Option<Id> {
        self.best(self.places.get(&id)?)
    }

    /// After as many steps as there are members, one is on a circle, if there is a way at all.
    fn end(&self, from: Id) -> Option<Id> {
        (0..self.places.len()).try_fold(from, |at, _| self.next(at))
    }

    fn reaches_a_circle(&self, place: &Place) -> bool {
        self.best(place).is_none() || self.end(place.id).is_some()
    }

    /// Each circle of best successors, from its smallest member on.
    fn circles(&self) -> Vec<Vec<Id>> {
        let mut color: BTreeMap<Id, Id> = BTreeMap::new();
        let mut circles = Vec::new();
        for start in self.places.keys().copied() {
            let mut at = start;
            while !color.contains_key(&at) {
                color.insert(at, start);
                let Some(next) = self.next(at) else { break };
                at = next;
            }
            // Met again in this very walk: a circle that is new.
            if color.get(&at) == Some(&start) && self.next(at).is_some() {
                let mut circle = vec![at];
                let mut on = at;
                while let Some(next) = self.next(on).filter(|next| *next != at) {
                    circle.push(next);
                    on = next;
                }
                let smallest = circle.iter().enumerate().min_by_key(|(_, id)| **id).map_or(0, |(n, _)| n);
                circle.rotate_left(smallest);
                circles.push(circle);
            }
        }
        circles
    }

    /// Members that some extended successor list passes over.
    fn skipped(&self) -> Vec<Id> {
        let mut skipped: BTreeMap<Id, ()> = BTreeMap::new();
        for place in self.places.values() {
            let mut from = place.id;
            for to in place.successors.iter().copied() {
                for id in self.between(from, to) {
                    skipped.insert(id, ());
                }
                from = to;
            }
        }
        skipped.into_keys().collect()
    }

    fn between(&self, from: Id, to: Id) -> impl Iterator<Item = Id> + '_ {
        let behind = self.places.range(from.next()..).chain(self.places.range(..=from)).map(|(id, _)| *id);
        behind.take_while(move |id| id.is_between(from, to))
    }
}

fn no_duplicates(place: &Place) -> bool {
    let mut extended = place.successors.clone();
    extended.push(place.id);
    extended.sort();
    extended.windows(2).all(|pair| pair[0] != pair[1])
}

fn is_ordered(place: &Place) -> bool {
    let distances: Vec<Id> = place.successors.iter().map(|id| place.id.distance_to(*id)).collect();
    distances.windows(2).all(|pair| pair[0] < pair[1])
}

/// Members of a circle that has another of its members between them and the next.
fn disordered(circle: &[Id]) -> Vec<Id> {
    let next = |at: usize| circle[(at + 1) % circle.len()];
    let skips = |at: &usize| circle.iter().any(|id| id.is_between(circle[*at], next(*at)));
    // A circle that is in order passes zero once, which is cheaper to see.
    let turns = (0..circle.len()).filter(|at| next(*at) <= circle[*at]).count();
    if turns <= 1 { Vec::new() } else { (0..circle.len()).filter(skips).map(|at| circle[at]).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(id: u64, successors: &[u64]) -> Place {
        let successors = successors.iter().map(|id| Id::from(*id)).collect();
        Place { id: Id::from(id), predecessor: None, successors }
    }

    fn broken(places: &[Place], length: usize) -> Vec<(&'static str, Vec<u64>)> {
        let number = |id: &Id| (0..100).find(|n| Id::from(*n) == *id).unwrap_or(999);
        let told = |v: Violation| (v.invariant.name(), v.members.iter().map(number).collect());
        violations(places, length).into_iter().map(told).collect()
    }

    #[test]
    fn rings_of_any_size_hold() {
        for count in 0..9u64 {
            let list = |at: u64| (1..count).take(3).map(|step| (at + step) % count * 10).collect::<Vec<_>>();
            let places: Vec<Place> = (0..count).map(|at| place(at * 10, &list(at))).collect();
            assert_eq!(broken(&places, 3), [], "{count}");
        }
    }

    #[test]
    fn a_member_without_a_living_successor_is_named_and_those_that_hang_on_it() {
        let places = [place(10, &[20]), place(20, &[90])];
        let expected =
            [("OneLiveSuccessor", vec![20]), ("AtLeastOneRing", vec![]), ("ConnectedAppendages", vec![10])];
        let told = broken(&places, 2);
        assert!(expected.iter().all(|one| told.contains(one)), "{told:?}");
    }

    #[test]
    fn two_rings_are_two() {
        let places = [place(10, &[20]), place(20, &[10]), place(30, &[40]), place(40, &[30])];
        assert!(broken(&places, 1).contains(&("AtMostOneRing", vec![10, 30])));
    }

    #[test]
    fn a_ring_that_goes_round_twice_is_out_of_order() {
        let next = [(10, 30), (30, 50), (50, 20), (20, 40), (40, 10)];
        let places: Vec<Place> = next.iter().map(|(id, next)| place(*id, &[*next])).collect();
        let told = broken(&places, 1);
        assert!(told.iter().any(|(name, _)| *name == "OrderedRing"), "{told:?}");
        assert!(!told.iter().any(|(name, _)| *name == "AtMostOneRing"), "{told:?}");
    }

    #[test]
    fn lists_out_of_order_or_with_somebody_twice_are_named() {
        let places = [place(10, &[30, 20]), place(20, &[30, 30]), place(30, &[10, 30])];
        let told = broken(&places, 2);
        assert!(told.contains(&("NoDuplicates", vec![20, 30])), "{told:?}");
        assert!(told.contains(&("OrderedSuccessorLists", vec![10, 20, 30])), "{told:?}");
    }

    #[test]
    fn too_few_principals_are_told() {
        // 20 has just joined, and only 10 knows of it.
        let places = [place(10, &[20, 30]), place(20, &[30, 10]), place(30, &[10, 20])];
        assert_eq!(broken(&places, 2), []);
        let places = [place(10, &[30]), place(20, &[30, 10]), place(30, &[10])];
        assert_eq!(broken(&places, 2), [("SufficientPrincipals", vec![20])]);
    }
}
