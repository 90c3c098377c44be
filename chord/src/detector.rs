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
/// a row, or an answer as "not a member" make a peer count as dead. The first two do not while another peer
/// vouches for it, who has just heard from it.
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
    /// How often others were asked.
    rounds: usize,
    /// Since others were asked last.
    asked: Option<Duration>,
    /// Who heard from it last, and how long ago.
    voucher: Option<(Peer, Duration)>,
}

impl Suspicion {
    fn voucher(&self, give_up: Duration) -> Option<&Peer> {
        self.voucher.as_ref().filter(|(_, age)| *age <= give_up * 2 / 3).map(|(peer, _)| peer)
    }

    fn is_death(&self, give_up: Duration) -> bool {
        (self.refused >= REFUSALS || self.silent >= give_up) && self.voucher(give_up).is_none()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct GivenUp {
    incarnation: u64,
    age: Duration,
}

impl Detector {
    /// Takes note of how a call to `peer` ended.
    pub fn observe(&mut self, peer: &Peer, outcome: &Outcome, give_up: Duration) -> Verdict {
        let refused = match outcome {
            Outcome::Answer(_) | Outcome::Busy => {
                self.given_up.remove(&peer.id);
                return match self.suspects.remove(&peer.id) {
                    Some(_) => Verdict::Recovered,
                    None => Verdict::Lives,
                };
            }
            Outcome::NotMember => return self.give_up(peer),
            Outcome::Refused(_) => true,
            Outcome::Silent => false,
        };
        // Calls that were under way when it was given up end later, and say nothing new.
        if self.is_lately_given_up(peer, give_up * 2) {
            return Verdict::Suspected { first: false };
        }
        let (suspicion, first) = self.suspect(peer);
        suspicion.refused = if refused { suspicion.refused.saturating_add(1) } else { 0 };
        if suspicion.is_death(give_up) { self.give_up(peer) } else { Verdict::Suspected { first } }
    }

    fn suspect(&mut self, peer: &Peer) -> (&mut Suspicion, bool) {
        let first = self.suspects.get(&peer.id).is_none_or(|s| s.peer.incarnation != peer.incarnation);
        let fresh = || Suspicion {
            peer: peer.clone(),
            refused: 0,
            silent: Duration::ZERO,
            rounds: 0,
            asked: None,
            voucher: None,
        };
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

    /// Suspicion has lasted so much longer. Returns who counts as dead now; it is to be
    /// [given up](Self::give_up).
    pub fn pass_suspicion(&mut self, time: Duration, give_up: Duration) -> Vec<Peer> {
        for suspicion in self.suspects.values_mut() {
            suspicion.silent += time;
            suspicion.asked = suspicion.asked.map(|ago| ago + time);
            suspicion.voucher = suspicion.voucher.take().map(|(peer, age)| (peer, age + time));
        }
        let dead = self.suspects.values().filter(|suspicion| suspicion.is_death(give_up));
        dead.map(|suspicion| suspicion.peer.clone()).collect()
    }

    /// All that are suspected.
    pub fn suspects(&self) -> impl Iterator<Item = &Peer> {
        self.suspects.values().map(|suspicion| &suspicion.peer)
    }

    /// Of whom others should be asked now, and how often they were before: those that refused, or have been
    /// silent for half of the time; again after each third of it, unless somebody has vouched for them since.
    /// They count as asked.
    pub fn in_doubt(&mut self, give_up: Duration, asks: impl Fn(&Peer) -> bool) -> Vec<(Peer, usize)> {
        let lately = |ago: Duration| ago < give_up / 3;
        let due = self.suspects.values_mut().filter(|suspicion| {
            (suspicion.refused > 0 || suspicion.silent >= give_up / 2)
                && !suspicion.asked.is_some_and(lately)
                && !suspicion.voucher.as_ref().is_some_and(|(_, age)| lately(*age))
                && asks(&suspicion.peer)
        });
        due.map(|suspicion| {
            suspicion.asked = Some(Duration::ZERO);
            suspicion.rounds += 1;
            (suspicion.peer.clone(), suspicion.rounds - 1)
        })
        .collect()
    }

    /// Another peer has just heard from this one. Tells whether that was asked: this life of it is suspected.
    pub fn vouch(&mut self, peer: &Peer, voucher: &Peer) -> bool {
        let suspicion = self.suspects.get_mut(&peer.id).filter(|known| known.peer.is_same_life(peer));
        let Some(suspicion) = suspicion.filter(|known| known.asked.is_some()) else { return false };
        suspicion.voucher = Some((voucher.clone(), Duration::ZERO));
        self.revive(peer);
        true
    }

    /// Who vouches for a suspect, if anybody does.
    pub fn voucher(&self, peer: &Peer, give_up: Duration) -> Option<&Peer> {
        let suspicion = self.suspects.get(&peer.id).filter(|known| known.peer.is_same_life(peer));
        suspicion.and_then(|known| known.voucher(give_up))
    }

    /// This peer itself was away: what it did not hear meanwhile counts against nobody.
    pub fn begin_anew(&mut self) {
        for suspicion in self.suspects.values_mut() {
            (suspicion.refused, suspicion.silent) = (0, Duration::ZERO);
        }
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

    /// Which life of a peer was given up; none: none, or it spoke again.
    pub fn given_up_life(&self, id: Id) -> Option<u64> {
        self.given_up.get(&id).map(|gone| gone.incarnation)
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
            assert!(detector.pass_suspicion(Duration::from_secs(1), SIX).is_empty());
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
        assert_eq!(detector.pass_suspicion(SIX, SIX), [peer(1)]);
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

    fn doubted(detector: &mut Detector) -> Vec<usize> {
        detector.in_doubt(SIX, |_| true).into_iter().map(|(_, round)| round).collect()
    }

    #[test]
    fn others_are_asked_at_half_time_and_again_and_at_once_after_a_refusal() {
        let mut detector = Detector::default();
        detector.observe(&peer(1), &Outcome::Silent, SIX);
        let mut asked = Vec::new();
        for second in 1..=5 {
            detector.pass_suspicion(Duration::from_secs(1), SIX);
            asked.extend(doubted(&mut detector).into_iter().map(|round| (second, round)));
        }
        assert_eq!(asked, [(3, 0), (5, 1)]);
        detector.begin_anew();
        detector.observe(&peer(1), &Outcome::Refused(Refusal::Connection), SIX);
        assert_eq!(doubted(&mut detector), [] as [usize; 0], "asked a moment ago");
        let mut detector = Detector::default();
        detector.observe(&peer(1), &Outcome::Refused(Refusal::Connection), SIX);
        assert_eq!(doubted(&mut detector), [0]);
    }

    #[test]
    fn who_is_vouched_for_stays_a_suspect_until_that_is_long_ago() {
        let mut detector = Detector::default();
        let refused = Outcome::Refused(Refusal::Connection);
        detector.observe(&peer(1), &refused, SIX);
        assert!(!detector.vouch(&peer(1), &peer(7)), "nobody was asked");
        doubted(&mut detector);
        assert!(!detector.vouch(&peer(2), &peer(7)), "another life");
        assert!(detector.vouch(&peer(1), &peer(7)));
        assert_eq!(detector.voucher(&peer(1), SIX), Some(&peer(7)));
        assert_eq!(detector.observe(&peer(1), &refused, SIX), Verdict::Suspected { first: false });
        assert!(detector.pass_suspicion(SIX * 2 / 3, SIX).is_empty());
        assert_eq!(detector.pass_suspicion(Duration::from_secs(1), SIX), [peer(1)]);
        assert_eq!(detector.voucher(&peer(1), SIX), None);
    }

    #[test]
    fn who_was_given_up_and_is_vouched_for_is_not_dead() {
        let mut detector = Detector::default();
        detector.give_up(&peer(1));
        detector.observe(&peer(1), &Outcome::Silent, SIX);
        assert!(!detector.has_suspects(), "a call from before");
        detector.pass(SIX * 2 + Duration::from_secs(1));
        detector.observe(&peer(1), &Outcome::Silent, SIX);
        detector.pass_suspicion(SIX / 2, SIX);
        doubted(&mut detector);
        assert!(detector.vouch(&peer(1), &peer(7)) && !detector.is_given_up(&peer(1)));
    }
}
