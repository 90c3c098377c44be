//! The failure detector: from unanswered calls to peers that are given up.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::message::Outcome;
use crate::{Id, Peer};

/// Peers given up that are remembered at most.
const REMEMBERED: usize = 256;
/// Refused so often in a row, a peer is dead: one refusal may meet a restart.
const REFUSALS: u8 = 2;

/// What the outcome of a call says about the peer that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It lives.
    Lives,
    /// It lives, after it had been suspected.
    Recovered,
    /// It did not answer; `first`: for the first time.
    Suspected {
        /// It was not suspected before.
        first: bool,
    },
    /// It counts as dead from now on.
    GivenUp,
}

/// Suspicion is not death: silence makes a suspect, which is probed; only lasting silence, two refusals in
/// a row, or an answer as "not a member" make a peer count as dead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Detector {
    suspects: BTreeMap<Id, Suspicion>,
    given_up: BTreeMap<Id, GivenUp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Suspicion {
    peer: Peer,
    refused: u8,
    silent: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct GivenUp {
    incarnation: u64,
    age: Duration,
}

impl Detector {
    /// Takes note of how a call to `peer` ended.
    pub fn observe(&mut self, peer: &Peer, outcome: &Outcome, give_up: Duration) -> Verdict {
        match outcome {
            Outcome::Answer(_) | Outcome::Busy => {
                self.given_up.remove(&peer.id);
                match self.suspects.remove(&peer.id) {
                    Some(_) => Verdict::Recovered,
                    None => Verdict::Lives,
                }
            }
            Outcome::NotMember => self.give_up(peer),
            Outcome::Refused(_) => {
                let (suspicion, first) = self.suspect(peer);
                suspicion.refused += 1;
                if suspicion.refused >= REFUSALS { self.give_up(peer) } else { Verdict::Suspected { first } }
            }
            Outcome::Silent => {
                let (suspicion, first) = self.suspect(peer);
                suspicion.refused = 0;
                if suspicion.silent >= give_up { self.give_up(peer) } else { Verdict::Suspected { first } }
            }
        }
    }

    fn suspect(&mut self, peer: &Peer) -> (&mut Suspicion, bool) {
        let first = self.suspects.get(&peer.id).is_none_or(|s| s.peer.incarnation != peer.incarnation);
        let fresh = || Suspicion { peer: peer.clone(), refused: 0, silent: Duration::ZERO };
        if first {
            self.suspects.insert(peer.id, fresh());
        }
        (self.suspects.entry(peer.id).or_insert_with(fresh), first)
    }

    /// Counts a peer as dead, whatever was known of it.
    pub fn give_up(&mut self, peer: &Peer) -> Verdict {
        self.suspects.remove(&peer.id);
        if self.given_up.len() == REMEMBERED && !self.given_up.contains_key(&peer.id) {
            let oldest = self.given_up.iter().max_by_key(|(_, gone)| gone.age).map(|(id, _)| *id);
            oldest.map(|id| self.given_up.remove(&id));
        }
        self.given_up.insert(peer.id, GivenUp { incarnation: peer.incarnation, age: Duration::ZERO });
        Verdict::GivenUp
    }

    /// Time has passed.
    pub fn pass(&mut self, time: Duration) {
        self.given_up.values_mut().for_each(|gone| gone.age += time);
    }

    /// Suspicion has lasted so much longer. Returns whom to probe now.
    pub fn pass_suspicion(&mut self, time: Duration) -> Vec<Peer> {
        self.suspects.values_mut().for_each(|suspicion| suspicion.silent += time);
        self.suspects.values().map(|suspicion| suspicion.peer.clone()).collect()
    }

    /// Forgets that an earlier life was suspected or given up: a later one was heard.
    pub fn meet(&mut self, peer: &Peer) {
        self.suspects
            .retain(|id, suspicion| *id != peer.id || suspicion.peer.incarnation >= peer.incarnation);
        self.given_up.retain(|id, gone| *id != peer.id || gone.incarnation >= peer.incarnation);
    }

    /// Takes back that this very life was given up: it spoke.
    pub fn revive(&mut self, peer: &Peer) {
        self.given_up.retain(|id, gone| *id != peer.id || gone.incarnation > peer.incarnation);
    }

    /// For the model checker: nobody is merely suspected, and ages are either zero or beyond `lately`.
    pub(crate) fn forget_times(&mut self, lately: Duration) {
        self.suspects.clear();
        for gone in self.given_up.values_mut() {
            gone.age = if gone.age <= lately { Duration::ZERO } else { lately + Duration::from_millis(1) };
        }
    }

    /// Whether this life of the peer counts as dead.
    pub fn is_given_up(&self, peer: &Peer) -> bool {
        self.given_up.get(&peer.id).is_some_and(|gone| gone.incarnation >= peer.incarnation)
    }

    /// Whether this life was given up so lately that others may not know yet. Later, one that others still
    /// name is asked again: it may have been given up wrongly.
    pub fn is_lately_given_up(&self, peer: &Peer, within: Duration) -> bool {
        self.given_up
            .get(&peer.id)
            .is_some_and(|gone| gone.incarnation >= peer.incarnation && gone.age <= within)
    }

    /// Whether the peer failed to answer lately.
    pub fn is_suspect(&self, id: Id) -> bool {
        self.suspects.contains_key(&id)
    }

    /// Whether anybody is suspected.
    pub fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Refusal, Response};

    const SIX: Duration = Duration::from_secs(6);

    fn peer(incarnation: u64) -> Peer {
        Peer { id: Id::from(1), incarnation, address: "a".into(), name: "a".into() }
    }

    #[test]
    fn a_pause_of_five_seconds_is_never_death() {
        let mut detector = Detector::default();
        assert_eq!(detector.observe(&peer(1), &Outcome::Silent, SIX), Verdict::Suspected { first: true });
        for _ in 0..5 {
            detector.pass_suspicion(Duration::from_secs(1));
            assert_eq!(
                detector.observe(&peer(1), &Outcome::Silent, SIX),
                Verdict::Suspected { first: false }
            );
        }
        assert_eq!(detector.observe(&peer(1), &Outcome::Answer(Response::Done), SIX), Verdict::Recovered);
        assert!(!detector.has_suspects());
    }

    #[test]
    fn lasting_silence_is() {
        let mut detector = Detector::default();
        detector.observe(&peer(1), &Outcome::Silent, SIX);
        detector.pass_suspicion(SIX);
        assert_eq!(detector.observe(&peer(1), &Outcome::Silent, SIX), Verdict::GivenUp);
        assert!(detector.is_given_up(&peer(1)) && !detector.is_given_up(&peer(2)));
    }

    #[test]
    fn two_refusals_are_death_and_one_is_not() {
        let mut detector = Detector::default();
        let refused = Outcome::Refused(Refusal::Connection);
        assert_eq!(detector.observe(&peer(1), &refused, SIX), Verdict::Suspected { first: true });
        assert_eq!(detector.observe(&peer(1), &refused, SIX), Verdict::GivenUp);
    }

    #[test]
    fn a_later_life_is_not_suspected_for_the_earlier_one() {
        let mut detector = Detector::default();
        detector.observe(&peer(1), &Outcome::NotMember, SIX);
        detector.meet(&peer(2));
        assert!(!detector.is_given_up(&peer(1)) && !detector.is_given_up(&peer(2)));
    }
}
