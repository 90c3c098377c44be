//! One step of the network: what it makes of a state, with all calls that are answered within the step.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chord::{Envelope, Input, Node, Outcome, Output, Peer, Refusal, Request, Status, Timer, Why};

use super::state::{Call, Hashed, State, seat_of};

/// Probes that one step follows at most.
const PROBES: usize = 32;
/// Calls that one step follows at most; more would be a loop in the rules.
const CALLS: usize = 10_000;

/// Which calls stay under way at the end of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// None: all that a timer leads to is one step.
    Whole,
    /// A timer or a message, one query and its answer, and the local change, as Zave's events are: the next
    /// query is a further step. A notify is served in the step that sends it.
    Query,
    /// As `Query`, and a notify arrives in a step of its own.
    QueryThenNotify,
    /// Each request and each reply arrives in a step of its own.
    Message,
}

impl Grain {
    fn keeps(self, request: &Request, why: &Why, queries: &mut u32) -> bool {
        let query = matches!(why, Why::Stabilize);
        *queries += u32::from(query);
        match self {
            Grain::Whole => false,
            Grain::Query => query && *queries > 1,
            Grain::QueryThenNotify => (query && *queries > 1) || *request == Request::Notify,
            Grain::Message => {
                query || matches!(why, Why::Rectify | Why::Join(_)) || *request == Request::Notify
            }
        }
    }
}

/// A step being made.
pub(super) struct Step {
    pub(super) state: State,
    grain: Grain,
    /// Notifies are lost.
    mute: bool,
    nodes: Vec<Option<Arc<Node>>>,
    queue: VecDeque<(usize, Output)>,
    probing: BTreeSet<usize>,
    queries: u32,
    keep_turns: bool,
    keep_last_seen: bool,
}

impl Step {
    pub(super) fn new(state: &State, grain: Grain) -> Step {
        let state = state.branch();
        Step {
            nodes: vec![None; state.seats.len()],
            state,
            grain,
            mute: false,
            queue: VecDeque::new(),
            probing: BTreeSet::new(),
            queries: 0,
            keep_turns: false,
            keep_last_seen: false,
        }
    }

    /// Notifies are lost in this step.
    pub(super) fn mute(mut self) -> Step {
        self.mute = true;
        self
    }

    /// Keeps digests and turns, which rounds without faults go on with.
    pub(super) fn keep_turns(mut self) -> Step {
        self.keep_turns = true;
        self
    }

    /// Keeps digests of the successor's neighbours, so that answers may be digests, too.
    pub(super) fn keep_last_seen(mut self) -> Step {
        self.keep_last_seen = true;
        self
    }

    pub(super) fn insert(&mut self, seat: usize, node: Node) {
        self.nodes[seat] = Some(Arc::new(node));
    }

    /// A peer is gone; what only it waits for goes with it.
    pub(super) fn remove(&mut self, seat: usize) {
        self.nodes[seat] = None;
        self.state.seats[seat].node = None;
        self.state.calls.retain(|call| {
            let call = call.get();
            seat_of(&call.envelope.sender.address) != seat || call.request == Request::Notify
        });
    }

    /// The node at a seat, to be changed.
    pub(super) fn node(&mut self, seat: usize) -> Option<&mut Node> {
        if self.nodes[seat].is_none() {
            self.nodes[seat] = self.state.seats[seat].node.take().map(Hashed::into_inner);
        }
        self.nodes[seat].as_mut().map(Arc::make_mut)
    }

    pub(super) fn handle(&mut self, seat: usize, input: Input) {
        self.act(seat, |node, out| node.handle(input, out));
    }

    pub(super) fn timer(&mut self, seat: usize, timer: Timer, after: Duration) {
        self.handle(seat, Input::Timer { timer, after });
    }

    pub(super) fn act<T>(
        &mut self,
        seat: usize,
        act: impl FnOnce(&mut Node, &mut Vec<Output>) -> T,
    ) -> Option<T> {
        let mut out = Vec::new();
        let result = self.node(seat).map(|node| act(node, &mut out));
        self.queue.extend(out.into_iter().map(|output| (seat, output)));
        result
    }

    /// Follows all calls that are answered within the step.
    pub(super) fn settle(&mut self) {
        let mut calls = 0;
        let mut probes = 0;
        loop {
            while let Some((seat, output)) = self.queue.pop_front() {
                match output {
                    Output::Call { to, request, why, .. } => {
                        calls += 1;
                        assert!(
                            calls < CALLS,
                            "a step without end: {:?} asks {to:?} {request:?}",
                            self.nodes[seat]
                        );
                        self.call(seat, to, request, why);
                    }
                    Output::SetTimer { timer: Timer::Probe, .. } => {
                        self.probing.insert(seat);
                    }
                    Output::Left => self.remove(seat),
                    Output::SetTimer { .. } | Output::Event(_) | Output::Found(..) | Output::Lost(..) => {}
                }
            }
            // Whoever refused a call is asked again at once, and given up.
            let Some(seat) = self.probing.pop_first().filter(|_| probes < PROBES) else { break };
            probes += 1;
            let give_up = self.node(seat).map_or(Duration::ZERO, |node| node.config().give_up);
            self.timer(seat, Timer::Probe, give_up);
        }
    }

    /// The state after the step.
    pub(super) fn finish(mut self) -> State {
        self.settle();
        for (seat, node) in self.nodes.iter_mut().enumerate() {
            if let Some(mut node) = node.take() {
                let changed = Arc::make_mut(&mut node);
                changed.forget_times_and_entries();
                if !self.keep_turns {
                    changed.forget_turns();
                }
                if !self.keep_turns && !self.keep_last_seen {
                    changed.forget_last_seen();
                }
                self.state.seats[seat].node = Some(Hashed::new(node));
            }
        }
        self.state.calls.sort_by_key(Hashed::hash);
        self.state.calls.dedup_by_key(|call| call.hash());
        self.state
    }

    fn call(&mut self, seat: usize, to: Peer, request: Request, why: Why) {
        // A poke changes only when something happens, and of entries there are none.
        let dropped = matches!(request, Request::Poke | Request::HandOver { .. } | Request::Moved(_));
        if dropped || (self.mute && request == Request::Notify) {
            return;
        }
        let keeps = self.grain.keeps(&request, &why, &mut self.queries);
        let Some(envelope) = self.node(seat).map(|node| node.envelope(&to)) else { return };
        if keeps {
            self.state.calls.push(Hashed::new(Arc::new(Call { envelope, to, request, why, answer: None })));
            return;
        }
        let (from, outcome) = self.ask(&envelope, &to, request);
        self.reply(seat, from, why, outcome);
    }

    /// A request arrives. Returns who answers, and what.
    fn ask(&mut self, envelope: &Envelope, to: &Peer, request: Request) -> (Peer, Outcome) {
        let mut outcome = self.serve(envelope, to, request.clone());
        // A joiner is dialled back, and asks again.
        if request == Request::Join && matches!(outcome, Some((_, Outcome::Busy))) {
            self.settle();
            outcome = self.serve(envelope, to, request);
        }
        match outcome {
            None => (to.clone(), Outcome::Refused(Refusal::Connection)),
            Some((me, outcome @ Outcome::Answer(_))) => (me, outcome),
            Some((_, outcome)) => (to.clone(), outcome),
        }
    }

    fn serve(&mut self, envelope: &Envelope, to: &Peer, request: Request) -> Option<(Peer, Outcome)> {
        self.act(seat_of(&to.address), |node, out| {
            let outcome = Outcome::from(node.serve(envelope, request, out));
            (node.me().clone(), outcome)
        })
    }

    fn reply(&mut self, seat: usize, from: Peer, why: Why, outcome: Outcome) {
        self.handle(seat, Input::Reply { from, why, took: Duration::ZERO, outcome });
    }

    /// The caller of a call, if this very life of it is still there.
    fn caller(&mut self, call: &Call) -> Option<usize> {
        let seat = seat_of(&call.envelope.sender.address);
        let sender = &call.envelope.sender;
        self.node(seat).is_some_and(|node| node.me().is_same_life(sender)).then_some(seat)
    }

    fn take(&mut self, call: usize) -> Call {
        Arc::unwrap_or_clone(self.state.calls.remove(call).into_inner())
    }

    /// A request arrives, or a reply.
    pub(super) fn deliver(&mut self, call: usize) {
        let mut call = self.take(call);
        // Its answer is the query of this step.
        self.queries = 1;
        let answer = call.answer.take();
        let arrives = answer.is_none();
        let (from, outcome) = match answer {
            Some(answer) => answer,
            None => self.ask(&call.envelope, &call.to, call.request.clone()),
        };
        let Some(seat) = self.caller(&call) else { return };
        // The reply to a notify says nothing but that its taker lives.
        let at_once = self.grain != Grain::Message
            || call.request == Request::Notify
            || matches!(outcome, Outcome::Refused(_));
        if arrives && !at_once {
            call.answer = Some((from, outcome));
            self.state.calls.push(Hashed::new(Arc::new(call)));
        } else {
            self.reply(seat, from, call.why, outcome);
        }
    }

    /// A request is lost, or a reply: its caller waits in vain.
    pub(super) fn lose(&mut self, call: usize) {
        let call = self.take(call);
        self.queries = 1;
        if let Some(seat) = self.caller(&call) {
            self.reply(seat, call.to, call.why, Outcome::Silent);
        }
    }

    /// One peer gives another up, which lives.
    pub(super) fn give_up(&mut self, seat: usize, peer: &Peer) {
        self.reply(seat, peer.clone(), Why::Probe, Outcome::NotMember);
    }

    pub(super) fn status(&mut self, seat: usize) -> Option<Status> {
        self.node(seat).map(|node| node.status())
    }
}
