//! The core's surface: what goes into a node and what comes out.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::found::{Found, Lost, Ticket};
use crate::index::{File, Sent};
use crate::joining::JoinRound;
use crate::lookup::Lookup;
use crate::message::{Errand, Outcome, Read, Request};
use crate::{Id, Peer};

/// Where a node stands between start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Not started, or looking for its place: refuses questions, or it would claim every key.
    Joining,
    /// Part of the ring.
    Member,
    /// Handing over; then gone.
    Leaving,
}

/// The timers of a node. Setting one replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Try to join again.
    Join,
    /// A stabilize round is due.
    Stabilize,
    /// One finger is to be refreshed.
    FixFinger,
    /// Suspects are to be asked again.
    Probe,
    /// Compare the own arc with those that keep copies of it.
    Repair,
    /// Another part of the ring is to be looked for.
    Reunite,
    /// News of other peers are due.
    Gossip,
    /// The next message to this peer itself, as a keeper of its own entries, is due.
    Publish,
    /// A second has passed: leases, ages and renewals.
    Tick,
}

/// What happens to a node, besides requests of other peers.
// Inputs are handled one by one and never stored, so a box would only cost.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Input {
    /// It starts: join through these friends, or through peers remembered, or found a ring.
    Start {
        /// As configured, by address, first one first. A node that has friends never founds alone,
        /// unless for some time all of them turn out to be itself.
        friends: Vec<Peer>,
        /// From an earlier life.
        remembered: Vec<Peer>,
    },
    /// Who its friends are now: their names lead elsewhere than before.
    Friends(Vec<Peer>),
    /// Leave gracefully; [`Output::Left`] follows.
    Leave,
    /// Find the peer responsible for a key and read there. [`Output::Found`] or [`Output::Lost`] follows.
    Lookup {
        /// Names the lookup.
        ticket: Ticket,
        /// What for.
        key: Id,
        /// What to read at the end.
        read: Read,
        /// Time until it is lost.
        within: Duration,
    },
    /// Files of this peer that are new or changed, and paths that are gone.
    Shared {
        /// New or changed.
        present: Vec<File>,
        /// Gone.
        gone: Vec<Arc<str>>,
    },
    /// Whether the catalog can be watched: a publisher renews only while it is.
    Watching(bool),
    /// Callers are told another URL of its gateway from now on; keepers hear of it with what they hear next.
    Gateway(Arc<str>),
    /// How a call ended; exactly one per [`Output::Call`].
    Reply {
        /// Who was called; for a stranger that answered, who it really is.
        from: Peer,
        /// From the call.
        why: Why,
        /// From call to reply.
        took: Duration,
        /// How it ended.
        outcome: Outcome,
    },
    /// A timer has run out.
    Timer {
        /// Which.
        timer: Timer,
        /// After so long since it was set, lateness included.
        after: Duration,
    },
}

/// What a node wants done.
// Outputs are performed at once, one by one; nearly all are calls.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Output {
    /// Ask another peer; [`Input::Reply`] must follow.
    Call {
        /// Whom.
        to: Peer,
        /// What.
        request: Request,
        /// Comes back with the reply.
        why: Why,
        /// The deadline; past it the outcome is [`Outcome::Silent`].
        within: Duration,
    },
    /// Wake me within this span; replaces the same timer. The span is jitter to be drawn from.
    SetTimer {
        /// Which.
        timer: Timer,
        /// From, to.
        after: Range<Duration>,
    },
    /// A lookup has ended well.
    Found(Ticket, Box<Found>),
    /// A lookup has failed.
    Lost(Ticket, Box<Lost>),
    /// Something worth telling people.
    Event(Event),
    /// The node has left; nothing more will come of it.
    Left,
}

/// Why a call was made. It travels out with the call and back with its reply, so there is no table of
/// pending calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// To find the own place; with what is left to try.
    Join(Box<JoinRound>),
    /// The open operation asks for somebody's neighbours.
    Stabilize,
    /// The open operation asks whether the predecessor lives.
    Rectify,
    /// To tell somebody something; the reply says only that it lives.
    Tell,
    /// To see whether a suspect lives.
    Probe,
    /// To exchange news of other peers.
    Gossip {
        /// The tables are being compared, too.
        compare: bool,
    },
    /// For another peer, which can't reach the one that is called.
    Relay {
        /// For whom.
        asker: Peer,
        /// What it wants to know.
        errand: Errand,
    },
    /// To see who is at the address of a peer that wants to join.
    DialBack {
        /// Who wants to join.
        joiner: Peer,
        /// The first call was not answered.
        again: bool,
    },
    /// A lookup; with all that is known of it.
    Lookup(Box<Lookup>),
    /// Own entries, for a keeper.
    Publish(Sent),
    /// All own entries are withdrawn, on leaving.
    Withdraw,
    /// Has another peer got the same of this arc?
    Compare {
        /// From, exclusive, to.
        arc: (Id, Id),
        /// Whether all entries of it are known here.
        complete: bool,
    },
    /// Entries of others, for a new keeper.
    HandOver {
        /// From, exclusive, to.
        arc: (Id, Id),
        /// Where the message ended, as (publisher, key); none: it was the last.
        reached: Option<(Id, Id)>,
    },
    /// The farewell to a neighbour.
    Farewell,
}

impl Why {
    /// Whether the call carried a [long](Request::is_long) request.
    pub(crate) fn is_long(&self) -> bool {
        matches!(self, Why::Publish(_) | Why::Withdraw | Why::Compare { .. } | Why::HandOver { .. })
    }
}

/// What a person who watches a node would like to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// It founded a ring.
    Founded,
    /// It joined behind this peer.
    Joined(Peer),
    /// It can't join, in words for people. Said once for each new reason.
    CannotJoin(String),
    /// It goes on as a later life of itself: others know a higher number for it than it had.
    Renumbered(Peer),
    /// Its immediate successor is now this peer; none: it stands alone.
    Successor(Option<Peer>),
    /// Its predecessor is now this peer.
    Predecessor(Peer),
    /// A peer does not answer.
    Suspected(Peer),
    /// A suspected peer answers again.
    Recovered(Peer),
    /// A peer counts as dead.
    GivenUp(Peer),
    /// A peer said goodbye.
    HasLeft(Peer),
    /// A publisher's lease ran out.
    LeaseExpired(Peer),
    /// A keeper takes no more of this peer's entries: so many are the most there.
    Full(Peer, u64),
}

pub(crate) fn set_timer(out: &mut Vec<Output>, timer: Timer, millis: Range<u64>) {
    let after = Duration::from_millis(millis.start)..Duration::from_millis(millis.end);
    out.push(Output::SetTimer { timer, after });
}

/// A span of a tenth around a duration.
pub(crate) fn about(time: Duration) -> Range<Duration> {
    time * 9 / 10..time * 11 / 10
}
