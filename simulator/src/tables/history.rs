//! Who was responsible for a key, and when: what an answer is judged by.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::time::Duration;

use chord::Id;

/// When each peer was a living part of the ring.
#[derive(Clone, Debug, Default)]
pub struct History {
    lives: BTreeMap<Id, (Duration, Option<Duration>)>,
}

impl History {
    /// A peer has become a part of the ring, unless it was already.
    pub fn joined(&mut self, id: Id, at: Duration) {
        self.lives.entry(id).or_insert((at, None));
    }

    /// A peer has died, member or not.
    pub fn died(&mut self, id: Id, at: Duration) {
        if let Some((_, to)) = self.lives.get_mut(&id) {
            to.get_or_insert(at);
        }
    }

    /// Whether at some instant of a call, from its beginning to its end, `owner` was a living member and no
    /// other one stood between the key and it.
    pub fn was_responsible(&self, owner: Id, key: Id, call: (Duration, Duration)) -> bool {
        let Some((from, to)) = self.overlap(owner, call) else { return false };
        // Who lives on beyond the call leaves no instant of it free.
        let outlives = |id: &Id| self.lives[id].1.is_none_or(|end| end > call.1);
        let in_the_way = |id: Id| self.overlap(id, call).map(|(begin, end)| (begin, end, outlives(&id)));
        let mut between: Vec<_> = self.arc(key, owner).filter_map(in_the_way).collect();
        between.sort();
        let mut free_from = from;
        for (begin, end, outlives) in between {
            if begin > free_from {
                break;
            }
            if outlives {
                return false;
            }
            free_from = free_from.max(end);
        }
        // Who dies at an instant, or begins at it, may have answered in it.
        free_from <= to
    }

    /// Who is or was in [key, owner).
    fn arc(&self, key: Id, owner: Id) -> impl Iterator<Item = Id> {
        let (first, second) = if key <= owner {
            ((Included(key), Excluded(owner)), None)
        } else {
            ((Included(key), Unbounded), Some((Unbounded, Excluded(owner))))
        };
        let second = second.map(|range| self.lives.range(range)).into_iter().flatten();
        self.lives.range(first).chain(second).map(|(id, _)| *id)
    }

    fn overlap(&self, id: Id, call: (Duration, Duration)) -> Option<(Duration, Duration)> {
        let (from, to) = self.lives.get(&id)?;
        let (from, to) = ((*from).max(call.0), to.unwrap_or(call.1).min(call.1));
        (from <= to).then_some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn the_responsible_peer_is_the_next_living_member_at_some_instant_of_the_call() {
        let mut history = History::default();
        for (id, from, to) in [(10, 0, None), (20, 0, Some(5)), (30, 8, None)] {
            history.joined(Id::from(id), at(from));
            to.into_iter().for_each(|to| history.died(Id::from(id), at(to)));
        }
        let right = |owner: u64, key: u64, from: u64, to: u64| {
            history.was_responsible(Id::from(owner), Id::from(key), (at(from), at(to)))
        };
        assert!(right(20, 15, 0, 1) && !right(30, 15, 0, 1) && !right(10, 15, 0, 1));
        assert!(!right(20, 15, 6, 7), "dead");
        assert!(right(10, 15, 6, 7), "through zero, while nobody else stands in between");
        assert!(right(20, 15, 4, 9) && right(10, 15, 4, 9) && right(30, 15, 4, 9));
        assert!(!right(10, 15, 9, 10) && right(30, 15, 9, 10));
        assert!(right(10, 10, 9, 10) && !right(30, 10, 9, 10), "a key is its own peer's");
        assert!(!right(99, 15, 0, 9), "nobody");
    }
}
