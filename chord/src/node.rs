//! The node: everything a peer is, as one value. Requests, replies and timers go in; calls, timers and
//! results come out. `serve` and `handle` only dispatch.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::contacts::{Contacts, Departure};
use crate::detector::{Detector, Verdict};
use crate::dial_back::Door;
use crate::fingers::FingerTable;
use crate::gossip::Gossip;
use crate::index::{HandOver, Keeper, Publisher};
use crate::interface::{Event, Input, Output, Status, Timer, Why, set_timer};
use crate::joining::Joining;
use crate::leaving::Leaving;
use crate::membership::Operation;
use crate::message::{Envelope, Neighbors, Outcome, Rejection, Request, Response, VERSION};
use crate::reunion::Reunion;
use crate::round_trips::RoundTrips;
use crate::successors::SuccessorList;
use crate::waking::Waking;
use crate::{Config, Id, Peer, Services};

/// One peer of a Chord ring.
///
/// `Clone + Eq + Hash`: a state that a model checker can branch on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub(crate) me: Peer,
    pub(crate) services: Services,
    pub(crate) config: Config,
    pub(crate) status: Status,
    /// None: alone, or nobody has notified yet.
    pub(crate) predecessor: Option<Peer>,
    pub(crate) successors: SuccessorList,
    pub(crate) fingers: FingerTable,
    pub(crate) contacts: Contacts,
    pub(crate) gossip: Gossip,
    pub(crate) detector: Detector,
    pub(crate) round_trips: RoundTrips,
    /// Calls under way for others.
    pub(crate) relays: usize,
    /// Since the predecessor was heard last.
    pub(crate) unheard: Duration,
    /// Back from a long pause, and its place not checked yet.
    pub(crate) waking: Option<Waking>,
    /// At most one membership operation at a time.
    pub(crate) operation: Option<Operation>,
    /// Notified while an operation was open.
    pub(crate) notifier: Option<Peer>,
    /// What the successor's neighbours were last time.
    pub(crate) last_seen: Option<(Peer, Neighbors)>,
    /// A successor has told its neighbours since this peer became a member. Until then its list may be one short: in a
    /// small ring the member that let it in is its successor, too.
    pub(crate) followed: bool,
    /// Time between stabilize rounds now.
    pub(crate) pace: Duration,
    /// Rounds of fixing fingers without a change.
    pub(crate) finger_rounds: u32,
    pub(crate) joining: Joining,
    pub(crate) door: Door,
    pub(crate) reunion: Reunion,
    pub(crate) leaving: Option<Leaving>,
    pub(crate) keeper: Keeper,
    /// All entries of (`complete`, me] are known here.
    pub(crate) complete: Option<Id>,
    /// Where the arcs start that this peer keeps, nearest first: its own, then those it copies, as far as told.
    pub(crate) kept_from: Vec<Id>,
    /// Where they all started at the last repair, if that was known.
    pub(crate) kept_lately: Option<Id>,
    /// Since it became one.
    pub(crate) member_for: Duration,
    /// Publishers that were held to be gone and live, and for how long it has been known that they do.
    pub(crate) doubts: BTreeMap<Id, Duration>,
    /// Poked since the last regular round.
    pub(crate) poked: bool,
    /// A predecessor that was handed its arc before this peer knew all of it.
    pub(crate) owes: Option<Peer>,
    /// How long the own arc has not grown.
    pub(crate) steady: Duration,
    pub(crate) publisher: Publisher,
    pub(crate) watching: bool,
    pub(crate) placing: bool,
    pub(crate) hand_overs: Vec<HandOver>,
}

impl Node {
    /// A node that has not started.
    pub fn new(me: Peer, services: Services, config: Config) -> Node {
        Node {
            successors: SuccessorList::new(me.id, config.successors),
            fingers: FingerTable::new(me.id),
            contacts: Contacts::new(config.contacts, &me),
            gossip: Gossip::default(),
            pace: config.stabilize,
            me,
            services,
            config,
            status: Status::Joining,
            predecessor: None,
            detector: Detector::default(),
            round_trips: RoundTrips::default(),
            relays: 0,
            unheard: Duration::ZERO,
            waking: None,
            operation: None,
            notifier: None,
            last_seen: None,
            followed: false,
            finger_rounds: 0,
            joining: Joining::default(),
            door: Door::default(),
            reunion: Reunion::default(),
            leaving: None,
            keeper: Keeper::default(),
            complete: None,
            kept_from: Vec::new(),
            kept_lately: None,
            doubts: BTreeMap::new(),
            member_for: Duration::ZERO,
            poked: false,
            owes: None,
            steady: Duration::ZERO,
            publisher: Publisher::default(),
            watching: false,
            placing: false,
            hand_overs: Vec::new(),
        }
    }

    /// A member with these neighbours, right or wrong, and these contacts: where tests of the repair layer
    /// begin. [`wake`](Self::wake) sets it going.
    pub fn standing(
        me: Peer,
        config: Config,
        predecessor: Option<Peer>,
        successors: &[Peer],
        contacts: &[Peer],
    ) -> Node {
        let mut node = Node::new(me, Services::default(), config);
        node.predecessor = predecessor;
        if let Some((head, tail)) = successors.split_first() {
            node.successors.adopt(head, tail);
        }
        node.followed = true;
        contacts.iter().for_each(|peer| node.contacts.note(peer));
        node
    }

    /// Makes a member of a node that stands in the ring already.
    pub fn wake(&mut self, out: &mut Vec<Output>) {
        self.be_member(out);
    }

    /// Answers another peer from local state; never waits.
    ///
    /// # Errors
    /// Why the request was turned down; then nothing has changed (but that a peer which was taken for a later
    /// life of itself looks into that).
    pub fn serve(
        &mut self,
        envelope: &Envelope,
        request: Request,
        out: &mut Vec<Output>,
    ) -> Result<Response, Rejection> {
        let from = &envelope.sender;
        self.admit(envelope).inspect_err(|_| {
            if envelope.ring == self.config.ring && envelope.addressee == Some(self.me.id) {
                self.hear_of_self(envelope.incarnation, from, out);
            }
        })?;
        if self.status == Status::Joining {
            self.joining.reached |= from.id != self.me.id;
        }
        // Whoever wants to join is met once it was dialled back.
        if request != Request::Join {
            self.meet(from);
            // A name that leads to many peers may lead to this one, which then asks itself.
            if from.id != self.me.id {
                self.hear(from);
                if self.status != Status::Joining {
                    self.contacts.hear(from);
                }
            }
        }
        match request {
            Request::Join => self.serve_join(from, out),
            Request::Stabilize { seen } => self.serve_stabilize(seen),
            Request::NextHop { key, avoid, last, read } => self.serve_next_hop(key, &avoid, last, read),
            Request::Ping if self.status == Status::Leaving => Err(Rejection::NotMember),
            Request::Ping => Ok(Response::Done),
            _ if self.status == Status::Joining => Err(Rejection::NotMember),
            Request::Notify => self.serve_notify(from, out),
            Request::NotifyFor(peer) => {
                self.meet(&peer);
                self.serve_notify(&peer, out)
            }
            Request::Relay { to, errand } => self.serve_relay(from, to, errand, out),
            Request::Relayed { by, neighbors } => Ok(self.serve_relayed(from, by, neighbors, out)),
            Request::Poke => self.serve_poke(out),
            Request::Reunite(peer) => Ok(self.serve_reunite(peer, out)),
            Request::Gossip { digest, news, compare } => Ok(self.serve_gossip(digest, news, compare)),
            Request::Contacts { wanted, parts, marks } => Ok(self.serve_contacts(&wanted, parts, &marks)),
            Request::Leave => self.serve_leave(from, out),
            // The answer would tell which arc is its own.
            Request::Renew { .. } | Request::Publish(_) if self.is_waking() => Err(Rejection::Busy),
            Request::Renew { services, sequence, arcs, all } => {
                Ok(self.serve_renew(from, &services, sequence, &arcs, all))
            }
            Request::Publish(batch) => Ok(self.serve_publish(from, &batch)),
            Request::Moved(arc) => {
                self.publisher.confirm(from.id, from.id, &arc);
                self.drive_publisher(out);
                Ok(Response::Done)
            }
            Request::Withdraw => {
                self.keeper.withdraw_life(from);
                Ok(Response::Done)
            }
            Request::HandOver { .. } | Request::Compare { .. } if self.status == Status::Leaving => {
                Err(Rejection::NotMember)
            }
            Request::HandOver { publishers, done } => Ok(self.serve_hand_over(&publishers, done, out)),
            Request::Compare { arc, complete, publishers } => {
                Ok(self.serve_compare(from, arc, complete, &publishers, out))
            }
        }
    }

    /// Takes in anything else that happens.
    pub fn handle(&mut self, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Start { friends, remembered } => self.start(friends, remembered, out),
            Input::Friends(friends) => self.set_friends(friends),
            Input::Leave => self.leave(out),
            Input::Lookup { ticket, key, read, within } => self.look_up(ticket, key, read, within, out),
            Input::Shared { present, gone } => {
                self.publisher.update(present, &gone);
                self.drive_publisher(out);
            }
            Input::Watching(watching) => {
                self.watching = watching;
                self.drive_publisher(out);
            }
            Input::Gateway(url) => self.services.gateway = url,
            Input::Reply { from, why, took, outcome } => self.on_reply(from, why, took, outcome, out),
            Input::Timer { timer, after } => match timer {
                Timer::Join => self.on_join_timer(after, out),
                Timer::Stabilize => self.stabilize(after, out),
                Timer::FixFinger => self.fix_finger(out),
                Timer::Probe => self.probe(after, out),
                Timer::Repair => self.repair(out),
                Timer::Reunite => self.reunite(out),
                Timer::Gossip => self.gossip(out),
                Timer::Publish => self.drive_publisher(out),
                Timer::Tick => self.tick(after, out),
            },
        }
    }

    fn on_reply(&mut self, from: Peer, why: Why, took: Duration, outcome: Outcome, out: &mut Vec<Output>) {
        let tells = match why {
            // A peer that is joining is no member to be remembered.
            Why::Join(_) | Why::DialBack { .. } => false,
            // Who asks for another peer concludes nothing from silence, or suspicion would spread like a rumour.
            Why::Relay { .. } => !matches!(outcome, Outcome::Silent | Outcome::Refused(_)),
            _ => true,
        };
        if tells {
            self.observe(&from, &outcome, out);
        }
        if matches!(outcome, Outcome::Answer(_)) && from.incarnation != 0 {
            if !why.is_long() {
                self.round_trips.observe(from.id, took, &self.config);
            }
            self.hear(&from);
            self.check_predecessor(&from);
        }
        match why {
            Why::Relay { asker, errand } => self.on_errand(from, asker, errand, outcome, out),
            Why::Join(round) => self.on_join_reply(from, *round, outcome, out),
            Why::Stabilize => self.on_neighbors(from, outcome, out),
            Why::Rectify => self.on_predecessor(from, outcome, out),
            Why::Lookup(lookup) => self.on_hop(from, *lookup, took, outcome, out),
            Why::Publish(sent) => self.on_published(from, sent, outcome, out),
            Why::Compare { arc, complete } => self.on_compared(from, (arc, complete), outcome, out),
            Why::HandOver { arc, reached } => self.on_handed_over(from, (arc, reached), outcome, out),
            Why::Withdraw | Why::Farewell => self.on_farewell(&why, out),
            Why::Gossip { compare } => self.on_gossip(from, compare, outcome, out),
            Why::DialBack { joiner, again } => self.on_dialled_back(from, (joiner, again), outcome, out),
            Why::Tell | Why::Probe => {}
        }
    }

    /// Refuses what is not meant for this life of this peer in this ring.
    fn admit(&self, envelope: &Envelope) -> Result<(), Rejection> {
        if envelope.version != VERSION {
            return Err(Rejection::WrongVersion(VERSION));
        }
        if envelope.ring != self.config.ring {
            return Err(Rejection::WrongRing(self.config.ring.clone()));
        }
        let other = envelope.addressee.is_some_and(|id| id != self.me.id);
        if other || (envelope.incarnation != 0 && envelope.incarnation != self.me.incarnation) {
            return Err(Rejection::NotMember);
        }
        Ok(())
    }

    /// What travels with every message to `to`.
    pub fn envelope(&self, to: &Peer) -> Envelope {
        Envelope {
            version: VERSION,
            ring: self.config.ring.clone(),
            sender: self.me.clone(),
            addressee: (to.incarnation != 0).then_some(to.id),
            incarnation: to.incarnation,
        }
    }

    /// A peer spoke: pointers to its earlier lives count as dead at once.
    pub(crate) fn meet(&mut self, peer: &Peer) {
        if peer.id == self.me.id {
            return;
        }
        self.doubt(peer);
        self.detector.meet(peer);
        self.detector.revive(peer);
        self.reunion.forget(peer.id);
        if self.successors.get(peer.id).is_some_and(|known| peer.supersedes(known)) {
            self.successors.remove(peer.id);
        }
        if self.fingers.iter().any(|(_, known)| peer.supersedes(known)) {
            self.fingers.remove(peer.id);
        }
    }

    /// Draws the failure detector's conclusions from the outcome of a call.
    fn observe(&mut self, peer: &Peer, outcome: &Outcome, out: &mut Vec<Output>) {
        if peer.incarnation == 0 || peer.id == self.me.id || self.status == Status::Joining {
            return;
        }
        if matches!(outcome, Outcome::Answer(_) | Outcome::Busy) {
            self.doubt(peer);
        }
        match self.detector.observe(peer, outcome, self.config.give_up) {
            Verdict::Lives => {
                self.contacts.hear(peer);
                self.reunion.forget(peer.id);
            }
            Verdict::Recovered => out.push(Output::Event(Event::Recovered(peer.clone()))),
            Verdict::GivenUp => self.give_up(peer, out),
            Verdict::Suspected { first } => {
                if first {
                    out.push(Output::Event(Event::Suspected(peer.clone())));
                }
                let vouched = self.detector.voucher(peer, self.config.give_up).is_some();
                if matches!(outcome, Outcome::Refused(_)) && !vouched {
                    set_timer(out, Timer::Probe, 100..200);
                    self.ask_others(out);
                } else if first && self.detector.suspects().count() == 1 {
                    set_timer(out, Timer::Probe, 800..1200);
                }
            }
        }
    }

    fn give_up(&mut self, peer: &Peer, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::GivenUp(peer.clone())));
        self.reunion.remember(peer);
        self.bury(peer, Departure::Failed, out);
    }

    /// A peer counts as dead from now on: every pointer to this life of it goes, but for the predecessor,
    /// which rectify replaces once its own predecessor notifies.
    pub(crate) fn bury(&mut self, peer: &Peer, departure: Departure, out: &mut Vec<Output>) {
        self.detector.give_up(peer);
        let stands = |known: &Peer| known.id == peer.id && known.incarnation <= peer.incarnation;
        self.contacts.bury(peer, departure);
        self.fingers.remove(peer.id);
        self.publisher.lose(peer.id);
        let head = self.successors.first().is_some_and(stands);
        if self.successors.get(peer.id).is_some_and(stands) {
            self.successors.remove(peer.id);
        }
        if head {
            self.last_seen = None;
            out.push(Output::Event(Event::Successor(self.successors.first().cloned())));
            self.stabilize_soon(out);
        }
        self.drive_publisher(out);
    }

    fn probe(&mut self, after: Duration, out: &mut Vec<Output>) {
        // Our own pause says nothing about theirs.
        let counted = after.min(Duration::from_millis(1200));
        for dead in self.detector.pass_suspicion(counted, self.config.give_up) {
            self.give_up(&dead, out);
        }
        self.ask_others(out);
        for suspect in self.detector.suspects() {
            self.call(suspect.clone(), Request::Ping, Why::Probe, out);
        }
        if self.detector.has_suspects() {
            set_timer(out, Timer::Probe, 800..1200);
        }
    }

    fn tick(&mut self, after: Duration, out: &mut Vec<Output>) {
        set_timer(out, Timer::Tick, 950..1050);
        self.notice_pause(after, out);
        self.listen_for_predecessor(after, out);
        self.detector.pass(after);
        self.door.pass(after);
        self.reunion.pass(after);
        self.contacts.pass(after);
        self.gossip.pass(after);
        for publisher in self.keeper.pass(after, self.config.lease) {
            self.doubt_expired(&publisher);
            out.push(Output::Event(Event::LeaseExpired(publisher)));
        }
        self.publisher.pass(after, self.config.lease);
        self.member_for = self.member_for.saturating_add(after);
        self.pass_doubts(after);
        self.grow_steady(after);
        self.drive_publisher(out);
    }

    pub(crate) fn call(&self, to: Peer, request: Request, why: Why, out: &mut Vec<Output>) {
        let within = match why {
            Why::Probe => self.config.longest_timeout(),
            _ => self.timeout(&to, &request),
        };
        out.push(Output::Call { to, request, why, within });
    }

    /// Deadline of a call.
    pub(crate) fn timeout(&self, to: &Peer, request: &Request) -> Duration {
        let timeout = self.round_trips.timeout(to.id, &self.config);
        match request.is_long() {
            _ if to.incarnation == 0 => self.config.call_timeout,
            // A long message takes its time beside the way there and back.
            true => (timeout * 2).max(self.config.call_timeout),
            false => timeout,
        }
    }

    /// This peer.
    pub fn me(&self) -> &Peer {
        &self.me
    }

    /// Where this peer's other services are reached.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it stands between start and end.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The peer before it; none where it stands alone.
    pub fn predecessor(&self) -> Option<&Peer> {
        self.predecessor.as_ref()
    }

    /// The peers that follow it, nearest first.
    pub fn successors(&self) -> &[Peer] {
        self.successors.as_slice()
    }

    /// Its fingers.
    pub fn fingers(&self) -> &FingerTable {
        &self.fingers
    }

    /// Peers seen lately.
    pub fn contacts(&self) -> &Contacts {
        &self.contacts
    }

    /// Peers that did not answer it lately and are not given up.
    pub fn suspects(&self) -> impl Iterator<Item = &Peer> {
        self.detector.suspects()
    }

    /// Why it has not joined, in words; empty where there is no trouble.
    pub fn trouble(&self) -> &str {
        &self.joining.trouble
    }

    /// What it keeps.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// What it publishes.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Whether a membership operation is open.
    pub fn is_busy(&self) -> bool {
        self.operation.is_some()
    }
}
