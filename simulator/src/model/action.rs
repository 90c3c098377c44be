//! What can happen next.

use std::time::Duration;

use chord::{Id, Input, Request, Status, Timer};

use super::state::{State, address_of, id_of};
use super::step::{Grain, Step};
use super::{Assumption, Setup};

/// One thing that happens. Peers and calls are numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A peer starts with all others as its friends, of whom none need be a member.
    Start(usize),
    /// A peer that is not there joins through a member, in a new life if it was there before.
    Join {
        /// Who.
        joiner: usize,
        /// Whom it asks.
        member: usize,
    },
    /// The stabilize timer runs out.
    Stabilize(usize),
    /// The stabilize timer runs out, and the notify that follows is lost.
    StabilizeUnheard(usize),
    /// A predecessor that is gone has not been heard for long.
    Listen(usize),
    /// A joiner's timer runs out.
    JoinAgain(usize),
    /// A message under way arrives.
    Arrive(usize),
    /// A message under way is lost.
    Lose(usize),
    /// A peer stops without a word; its port refuses from then on.
    Crash(usize),
    /// A peer leaves and says so.
    Leave(usize),
    /// A peer gives another up, which lives.
    Suspect {
        /// Who is wrong.
        by: usize,
        /// Who lives.
        who: usize,
    },
    /// A peer looks for another part of the ring through another peer.
    Reunite {
        /// Who looks.
        who: usize,
        /// Whom it asks first.
        through: usize,
    },
    /// Time passes: that somebody was given up is no longer news.
    Wait,
}

impl Setup {
    pub(super) fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let members: Vec<usize> = state.members().map(|(seat, _)| seat).collect();
        actions
            .extend((0..state.calls.len()).filter(|call| !state.only_hears_busy(*call)).map(Action::Arrive));
        if state.left.losses > 0 {
            actions.extend((0..state.calls.len()).map(Action::Lose));
        }
        if state.calls.len() < self.under_way {
            for (seat, node) in state.nodes() {
                match node.status() {
                    Status::Joining if !state.is_asking_for_its_place(seat) => {
                        actions.push(Action::JoinAgain(seat));
                    }
                    Status::Member if !node.is_busy() => {
                        actions.push(Action::Stabilize(seat));
                        if state.left.losses > 0 && self.grain == Grain::Query {
                            actions.push(Action::StabilizeUnheard(seat));
                        }
                    }
                    _ => {}
                }
            }
            for joiner in (0..self.peers).filter(|seat| state.node(*seat).is_none()) {
                if self.initial.is_empty() {
                    actions.push(Action::Start(joiner));
                    continue;
                }
                if state.seats[joiner].lives == 0 || state.left.restarts > 0 {
                    let takes_in = |member: &&usize| self.takes_in(state, **member, id_of(joiner));
                    actions.extend(
                        members
                            .iter()
                            .filter(takes_in)
                            .map(|member| Action::Join { joiner, member: *member }),
                    );
                }
            }
        }
        for seat in members.iter().copied() {
            if state.left.crashes > 0 && self.may_fail(state, seat) {
                actions.push(Action::Crash(seat));
            }
            if state.left.leaves > 0 && self.may_fail(state, seat) {
                actions.push(Action::Leave(seat));
            }
            if state.predecessor_of(seat).is_some_and(|peer| !state.is_living(peer)) {
                actions.push(Action::Listen(seat));
            }
            if state.left.suspicions > 0 {
                let suspect = |who: &usize| *who != seat && self.points_to(state, seat, *who);
                let others = members.iter().copied().filter(suspect);
                actions.extend(others.map(|who| Action::Suspect { by: seat, who }));
            }
            if self.repair {
                let others = (0..self.peers).filter(|other| *other != seat && state.node(*other).is_some());
                actions.extend(others.map(|through| Action::Reunite { who: seat, through }));
            }
        }
        if self.may_wait() {
            actions.push(Action::Wait);
        }
    }

    /// A member that stands right before the joiner, or before an earlier life of it, answers it; any other
    /// only names one that does.
    fn takes_in(&self, state: &State, member: usize, joiner: Id) -> bool {
        state.node(member).is_some_and(|node| {
            let me = node.me().id;
            let next = node.successors().first().map_or(me, |peer| peer.id);
            joiner.is_within(me, next) && !node.is_busy()
        })
    }

    fn points_to(&self, state: &State, seat: usize, who: usize) -> bool {
        let id = id_of(who);
        state
            .node(seat)
            .is_some_and(|node| node.successors().iter().chain(node.predecessor()).any(|peer| peer.id == id))
    }

    fn may_fail(&self, state: &State, seat: usize) -> bool {
        if self.assumption == Assumption::Base && self.initial.contains(&seat) {
            return false;
        }
        let mut without = state.branch();
        without.seats[seat].node = None;
        without.members().next().is_some()
            && (self.assumption == Assumption::Any || without.has_live_successors())
    }

    pub(super) fn take(&self, state: &State, action: &Action) -> Option<State> {
        let mut step = Step::new(state, self.grain);
        // With the repair layer there would be too many states.
        if self.grain == Grain::Message && !self.repair {
            step = step.keep_last_seen();
        }
        let second = Duration::from_secs(1);
        match *action {
            Action::Start(seat) => {
                step.state.seats[seat].lives += 1;
                step.insert(seat, self.joiner(seat, 1));
                step.handle(seat, Input::Start { friends: self.friends(seat), remembered: Vec::new() });
            }
            Action::Join { joiner, member } => {
                let seat = &mut step.state.seats[joiner];
                seat.lives += 1;
                let life = seat.lives;
                if life > 1 {
                    spend(&mut step.state.left.restarts);
                }
                step.insert(joiner, self.joiner(joiner, life));
                let friends = vec![self.stranger(member)];
                step.handle(joiner, Input::Start { friends, remembered: Vec::new() });
                step.settle();
                if self.grain != Grain::Message {
                    if step.status(joiner) != Some(Status::Member) {
                        return None;
                    }
                    step.handle(joiner, Input::Friends(self.friends(joiner)));
                }
            }
            Action::Stabilize(seat) => step.timer(seat, Timer::Stabilize, second),
            Action::StabilizeUnheard(seat) => {
                spend(&mut step.state.left.losses);
                step = step.mute();
                step.timer(seat, Timer::Stabilize, second);
            }
            Action::Listen(seat) => step.timer(seat, Timer::Tick, self.config().give_up / 2),
            Action::JoinAgain(seat) => step.timer(seat, Timer::Join, second),
            Action::Arrive(call) => step.deliver(call),
            Action::Lose(call) => {
                spend(&mut step.state.left.losses);
                step.lose(call);
            }
            Action::Crash(seat) => {
                spend(&mut step.state.left.crashes);
                step.remove(seat);
            }
            Action::Leave(seat) => {
                spend(&mut step.state.left.leaves);
                step.handle(seat, Input::Leave);
                step.settle();
                // Whatever it still waits for, it is gone.
                step.remove(seat);
            }
            Action::Suspect { by, who } => {
                spend(&mut step.state.left.suspicions);
                let peer = step.node(who)?.me().clone();
                step.give_up(by, &peer);
            }
            Action::Reunite { who, through } => {
                let peer = self.stranger(through);
                let envelope = step.node(through)?.envelope(&peer);
                step.act(who, |node, out| {
                    let mut envelope = envelope;
                    envelope.addressee = None;
                    envelope.incarnation = 0;
                    node.serve(&envelope, Request::Reunite(peer), out)
                });
                step.settle();
                step.timer(who, Timer::Reunite, second);
            }
            Action::Wait => return Some(self.wait(state)),
        }
        Some(step.finish())
    }

    /// In words.
    pub(super) fn told(&self, state: &State, action: &Action) -> String {
        let call = |at: &usize| state.calls[*at].get();
        let name = |seat: &usize| address_of(*seat);
        match action {
            Action::Start(seat) => format!("{} starts", name(seat)),
            Action::Join { joiner, member } => {
                let again = if state.seats[*joiner].lives > 0 { " comes back and" } else { "" };
                format!("{}{again} joins through {}", name(joiner), name(member))
            }
            Action::Stabilize(seat) => format!("{} stabilizes", name(seat)),
            Action::StabilizeUnheard(seat) => format!("{} stabilizes, and its notify is lost", name(seat)),
            Action::Listen(seat) => {
                format!("{} has not heard its predecessor for long, and asks it", name(seat))
            }
            Action::JoinAgain(seat) => format!("{} tries to join again", name(seat)),
            Action::Arrive(at) => format!("arrives: {}", call(at)),
            Action::Lose(at) => format!("is lost: {}", call(at)),
            Action::Crash(seat) => format!("{} crashes", name(seat)),
            Action::Leave(seat) => format!("{} leaves", name(seat)),
            Action::Suspect { by, who } => format!("{} gives {} up, which lives", name(by), name(who)),
            Action::Reunite { who, through } => {
                format!("{} looks for its successor through {}", name(who), name(through))
            }
            Action::Wait => "time passes".into(),
        }
    }
}

fn spend(count: &mut u8) {
    if *count < u8::MAX {
        *count = count.saturating_sub(1);
    }
}
