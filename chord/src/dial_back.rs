//! The door of the ring: a joiner is dialled back at the address that it advertises before it is told its place.
//!
//! A peer's identifier is the hash of that address, so whoever answers there is the one that may stand at this
//! place. Nobody answers: others could not reach the joiner either. Another life answers: two peers have one
//! identity, and the one that is reached keeps it. A joiner is asked as a stranger, so that the answer says who
//! gave it; until then nothing here changes, lest a second peer harm the first one's pointers by only asking.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::interface::{Output, Why};
use crate::message::{Miss, NotAdmitted, Outcome, Refusal, Request};
use crate::{Id, Node, Peer};

/// Joiners that are being dialled, or were lately, at most.
const JOINERS: usize = 256;
/// A verdict counts for so long; whoever asks later is dialled anew.
const FRESH: Duration = Duration::from_secs(3);

/// Whether a joiner may enter.
pub(crate) type Verdict = Result<(), NotAdmitted>;

/// Who asked to enter lately, and what became of dialling them back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Door {
    /// By life. No verdict: the call is under way.
    joiners: BTreeMap<(Id, u64), (Option<Verdict>, Duration)>,
}

impl Door {
    /// Notes a verdict, or that there is none yet. False: no room, all others are being dialled.
    fn note(&mut self, joiner: &Peer, verdict: Option<Verdict>) -> bool {
        let life = (joiner.id, joiner.incarnation);
        if self.joiners.len() == JOINERS && !self.joiners.contains_key(&life) {
            let known = self.joiners.iter().filter(|(_, (verdict, _))| verdict.is_some());
            let Some(oldest) = known.max_by_key(|(_, (_, age))| *age).map(|(life, _)| *life) else {
                return false;
            };
            self.joiners.remove(&oldest);
        }
        self.joiners.insert(life, (verdict, Duration::ZERO));
        true
    }

    /// Time has passed.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.joiners.values_mut().for_each(|(_, age)| *age += time);
        self.joiners.retain(|_, (verdict, age)| verdict.is_none() || *age < FRESH);
    }

    /// Why this life was turned away lately; none: it was not.
    pub(crate) fn turned_away(&self, joiner: &Peer) -> Option<&NotAdmitted> {
        let (verdict, _) = self.joiners.get(&(joiner.id, joiner.incarnation))?;
        verdict.as_ref()?.as_ref().err()
    }

    /// Notes that this life is not to be let in.
    pub(crate) fn turn_away(&mut self, joiner: &Peer, why: NotAdmitted) {
        self.note(joiner, Some(Err(why)));
    }
}

impl Node {
    /// Whether a joiner may enter; none: it is being dialled.
    pub(crate) fn dial_back(&mut self, joiner: &Peer, out: &mut Vec<Output>) -> Option<Verdict> {
        match self.door.joiners.get(&(joiner.id, joiner.incarnation)) {
            Some((verdict, _)) => verdict.clone(),
            None => {
                if self.door.note(joiner, None) {
                    self.dial(joiner, false, out);
                }
                None
            }
        }
    }

    fn dial(&self, joiner: &Peer, again: bool, out: &mut Vec<Output>) {
        let whoever = Peer { incarnation: 0, ..joiner.clone() };
        self.call(whoever, Request::Ping, Why::DialBack { joiner: joiner.clone(), again }, out);
    }

    /// The call to a joiner's address has ended.
    pub(crate) fn on_dialled_back(
        &mut self,
        from: Peer,
        (joiner, again): (Peer, bool),
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        let verdict = match outcome {
            Outcome::Answer(_) if from.is_same_life(&joiner) => Ok(()),
            Outcome::Answer(_) => Err(NotAdmitted::Taken(from)),
            // One message may have been lost.
            Outcome::Silent if !again => return self.dial(&joiner, true, out),
            Outcome::Silent => Err(NotAdmitted::Unreachable(Miss::Silent)),
            Outcome::Refused(Refusal::Connection) => Err(NotAdmitted::Unreachable(Miss::Refused)),
            Outcome::Refused(_) => Err(NotAdmitted::Unreachable(Miss::Foreign)),
            // Somebody who is overloaded, or leaves: the next question of the joiner dials anew.
            Outcome::Busy | Outcome::NotMember => {
                self.door.joiners.remove(&(joiner.id, joiner.incarnation));
                return;
            }
        };
        if verdict.is_ok() {
            self.meet(&joiner);
        }
        self.door.note(&joiner, Some(verdict));
    }

    /// The number of a later life of this peer that is known here; none: there is no later one.
    pub(crate) fn later_life(&self, peer: &Peer) -> Option<u64> {
        let fingers = self.fingers.iter().map(|(_, known)| known);
        let contact = self.contacts.from(peer.id).next();
        let known = self.successors.as_slice().iter().chain(&self.predecessor).chain(fingers).chain(contact);
        let lives = known.filter(|known| known.id == peer.id).map(|known| known.incarnation);
        let given_up = self.detector.given_up_life(peer.id);
        lives.chain(given_up).max().filter(|latest| *latest > peer.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::Status;
    use crate::message::Response;
    use crate::{Config, Services};

    fn peer(number: u64, incarnation: u64) -> Peer {
        let name = format!("p{number}");
        Peer { id: Id::from(number), incarnation, address: name.as_str().into(), name: name.as_str().into() }
    }

    fn member() -> Node {
        let mut node = Node::new(peer(10, 1), Services::default(), Config::default());
        node.status = Status::Member;
        node.successors.adopt(&peer(20, 5), &[peer(30, 1)]);
        node
    }

    fn join(node: &mut Node, joiner: &Peer) -> (Outcome, usize) {
        let sender = Node::new(joiner.clone(), Services::default(), Config::default());
        let mut out = Vec::new();
        let outcome = node.serve(&sender.envelope(&Peer::stranger("p10")), Request::Join, &mut out).into();
        let dialled = |output: &&Output| matches!(output, Output::Call { why: Why::DialBack { .. }, .. });
        (outcome, out.iter().filter(dialled).count())
    }

    fn dialled(node: &mut Node, joiner: &Peer, from: &Peer, outcome: Outcome) -> usize {
        let mut out = Vec::new();
        node.on_dialled_back(from.clone(), (joiner.clone(), false), outcome, &mut out);
        out.len()
    }

    const HERE: Outcome = Outcome::Answer(Response::Done);

    #[test]
    fn a_joiner_waits_until_it_was_reached_and_is_dialled_once() {
        let (mut node, joiner) = (member(), peer(15, 1));
        assert_eq!(join(&mut node, &joiner), (Outcome::Busy, 1));
        assert_eq!(join(&mut node, &joiner), (Outcome::Busy, 0));
        dialled(&mut node, &joiner, &joiner, HERE);
        assert!(matches!(join(&mut node, &joiner), (Outcome::Answer(Response::Neighbors(_)), 0)));
        node.door.pass(FRESH);
        assert_eq!(join(&mut node, &joiner), (Outcome::Busy, 1));
    }

    #[test]
    fn silence_is_asked_again_once_and_refusal_is_believed() {
        let (mut node, joiner) = (member(), peer(15, 1));
        join(&mut node, &joiner);
        assert_eq!(dialled(&mut node, &joiner, &joiner, Outcome::Silent), 1);
        assert_eq!(join(&mut node, &joiner).0, Outcome::Busy);
        dialled(&mut node, &joiner, &joiner, Outcome::Refused(Refusal::Connection));
        let refused = NotAdmitted::Unreachable(Miss::Refused);
        assert_eq!(join(&mut node, &joiner).0, Outcome::Answer(Response::NotAdmitted(refused)));
    }

    #[test]
    fn who_asks_with_anothers_identity_harms_nobody_until_it_was_reached() {
        let (mut node, first, second) = (member(), peer(20, 5), peer(20, 6));
        let before = node.clone();
        assert_eq!(join(&mut node, &second).0, Outcome::Busy);
        dialled(&mut node, &second, &first, HERE);
        let taken = Outcome::Answer(Response::NotAdmitted(NotAdmitted::Taken(first)));
        assert_eq!(join(&mut node, &second).0, taken);
        node.door = Door::default();
        assert!(node == before, "but for the verdict nothing has changed");
        join(&mut node, &second);
        dialled(&mut node, &second, &second, HERE);
        assert_eq!(node.successors.first(), Some(&peer(30, 1)), "the first one is gone for good");
        assert!(matches!(join(&mut node, &second).0, Outcome::Answer(Response::Neighbors(_))));
    }

    #[test]
    fn a_living_peer_with_a_lower_number_is_told_the_higher_one() {
        let (mut node, joiner) = (member(), peer(20, 4));
        join(&mut node, &joiner);
        dialled(&mut node, &joiner, &joiner, HERE);
        let outdated = Outcome::Answer(Response::NotAdmitted(NotAdmitted::Outdated(5)));
        assert_eq!(join(&mut node, &joiner).0, outdated);
    }

    #[test]
    fn the_door_is_bounded_and_never_forgets_whom_it_is_dialling() {
        let mut door = Door::default();
        for number in 0..JOINERS as u64 {
            assert!(door.note(&peer(number, 1), None));
        }
        assert!(!door.note(&peer(9999, 1), None));
        door.turn_away(&peer(7, 1), NotAdmitted::Unreachable(Miss::Silent));
        assert!(door.note(&peer(9999, 1), None) && door.turned_away(&peer(7, 1)).is_none());
        assert_eq!(door.joiners.len(), JOINERS);
    }
}
