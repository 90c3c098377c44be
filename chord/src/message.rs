//! The vocabulary between peers. A new message starts here.

use std::sync::Arc;

use crate::contacts::News;
use crate::index::{ArcAnswer, ArcDigest, Batch, KeptArc, KeptBatch, PublisherDigest, Reading, Search};
use crate::{Id, Peer, Services};

/// The protocol's version. Peers of different versions refuse each other.
pub const VERSION: u32 = 1;

/// Travels with every message between peers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// The sender's protocol version.
    pub version: u32,
    /// The sender's ring.
    pub ring: Arc<str>,
    /// Who asks.
    pub sender: Peer,
    /// Who is asked; none = whoever is there.
    pub addressee: Option<Id>,
    /// Which life of the addressee; 0 = whichever.
    pub incarnation: u64,
}

/// What one peer asks of another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Where is my place? Answered by `Neighbors`, `Closer`, `Joining` or `NotAdmitted`.
    Join,
    /// Who are your neighbours? Answered by `Neighbors`, or `Unchanged` where their digest is `seen`.
    Stabilize {
        /// Digest of what the sender got last time; 0 = nothing.
        seen: u64,
    },
    /// I believe that I am your predecessor. Answered by `Done`, as the following three.
    Notify,
    /// Stabilize now: your place has changed.
    Poke,
    /// This peer may be of a part of the ring that you do not know: look there for your successor. Answered
    /// by `Done`.
    Reunite(Peer),
    /// What is new among the peers? Answered by `Gossip`.
    Gossip {
        /// Digest of the peers that the sender knows.
        digest: u64,
        /// What is new to the sender.
        news: Vec<News>,
        /// Whether digests of parts are wanted where the tables differ.
        compare: bool,
    },
    /// Which peers do you know in these parts of the ring besides these? Answered by `Contacts`.
    Contacts {
        /// Which parts, from 0.
        wanted: Vec<u32>,
        /// Of so many equal ones, a power of two of at most 256.
        parts: u32,
        /// Marks of what the sender knows there.
        marks: Vec<u32>,
    },
    /// Do you live?
    Ping,
    /// I can't reach this peer: ask it this for me. Answered by `Done`; if it answers, `Relayed` follows.
    Relay {
        /// Whom to ask.
        to: Peer,
        /// What.
        errand: Errand,
    },
    /// This peer has answered what you asked it through me. Answered by `Done`.
    Relayed {
        /// Who answered.
        by: Peer,
        /// Its neighbours, where it was asked for them and was not busy.
        neighbors: Option<Neighbors>,
    },
    /// This peer believes that it is your predecessor, and can't reach you itself. Answered by `Done`.
    NotifyFor(Peer),
    /// I leave the ring now.
    Leave,
    /// One step of a lookup. Answered by `Closer`, `Owner` or `Reading`.
    NextHop {
        /// What is looked for.
        key: Id,
        /// Peers that the asker found not to answer.
        avoid: Vec<Id>,
        /// The addressee was named as the responsible one.
        last: bool,
        /// What the responsible peer reads in the same call.
        read: Read,
    },
    /// I, a publisher, live; do we agree on these arcs? Answered by `Renewed`.
    Renew {
        /// Where the publisher is reached.
        services: Services,
        /// Its changes so far.
        sequence: u64,
        /// Arcs in which the addressee keeps entries for it.
        arcs: Vec<ArcDigest>,
        /// Whether these are all such arcs.
        all: bool,
    },
    /// This is what I publish under these keys. Answered by `Published`.
    Publish(Box<Batch>),
    /// This is what I am responsible for now: a part of what you publish with me has gone to another peer.
    /// Answered by `Done`.
    Moved(KeptArc),
    /// I publish nothing any more. Answered by `Done`.
    Withdraw,
    /// Keep these entries of others. Answered by `Done`.
    HandOver {
        /// Entries by publisher.
        publishers: Vec<KeptBatch>,
        /// On the last batch.
        done: Option<HandedOver>,
    },
    /// Have you got the same copies of my arc? Answered by `Wanted`.
    Compare {
        /// The arc (from, to] that is compared.
        arc: (Id, Id),
        /// Whether the sender knows all entries of it.
        complete: bool,
        /// What the sender has.
        publishers: Vec<PublisherDigest>,
    },
}

impl Request {
    /// Whether it may be long: it carries entries or digests, and how long it takes says little about the way.
    pub fn is_long(&self) -> bool {
        matches!(
            self,
            Request::Renew { .. }
                | Request::Publish(_)
                | Request::Moved(_)
                | Request::Withdraw
                | Request::HandOver { .. }
                | Request::Compare { .. }
                | Request::NextHop { read: Read::Search(_) | Read::SearchCopies(_), .. }
        )
    }
}

/// What one peer asks another one through a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Errand {
    /// Does it live?
    Ping,
    /// Who are its neighbours?
    Stabilize,
    /// The one that asks believes that it is its predecessor.
    Notify,
}

/// The end of a hand-over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandedOver {
    /// The arc (from, to] has been handed over whole.
    pub arc: (Id, Id),
    /// Whether the sender knew all entries of it.
    pub complete: bool,
}

/// What a lookup reads at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// Nothing: who is responsible?
    Nothing,
    /// At most so many entries of this very key.
    Key(usize),
    /// At most so many files of the names from the key on to the end of the arc.
    Range(usize),
    /// What the addressee itself publishes under this key.
    Own(usize),
    /// The addressee's copies of this very key, responsible or not.
    Copies(usize),
    /// What of a word's entries, from the key on to the end of the arc, matches a search.
    Search(Arc<Search>),
    /// The same among the addressee's copies, responsible or not.
    SearchCopies(Arc<Search>),
}

/// A peer's answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Response {
    /// It is done.
    Done,
    /// The neighbours of the one asked.
    Neighbors(Neighbors),
    /// The neighbours are as the asker saw them last.
    Unchanged,
    /// Ask these, best first.
    Closer {
        /// At most a few.
        peers: Vec<Peer>,
        /// They should be responsible themselves; else each comes before the key.
        last: bool,
    },
    /// The one asked is joining, too; the joining peers that it knows of, itself included.
    Joining(Vec<Peer>),
    /// The asker can't be let in.
    NotAdmitted(NotAdmitted),
    /// The one asked holds itself responsible.
    Owner(Box<Ownership>),
    /// What was read without a question of responsibility.
    Reading(Reading),
    /// One answer for each arc asked about.
    Renewed(Vec<ArcAnswer>),
    /// It is kept. With the arc that the one asked is responsible for: the publisher may not know yet that
    /// it has changed hands.
    Published(KeptArc),
    /// It is not kept: more entries than there is room for, so many at most.
    Full(u64),
    /// Publishers whose entries the one asked would like to have.
    Wanted(Vec<Id>),
    /// What is new to the one asked.
    Gossip {
        /// Digest of the peers that it knows.
        digest: u64,
        /// The latest.
        news: Vec<News>,
        /// Digests of what it knows in equal parts of the ring; empty: not wanted, nothing differs, or too much
        /// was sent lately.
        digests: Vec<u32>,
    },
    /// Peers that the one asked knows besides.
    Contacts(Vec<News>),
}

/// Why a joining peer is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NotAdmitted {
    /// The address that it advertises was dialled, in vain.
    Unreachable(Miss),
    /// This other peer, or other life of it, answers at that address.
    Taken(Peer),
    /// The address leads to it, but a later life of it was here, with this number: it has to take a higher one.
    Outdated(u64),
}

/// What was found at an address that does not lead to the peer that advertises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Miss {
    /// Nobody listens.
    Refused,
    /// Nothing came within the deadline, twice.
    Silent,
    /// Something else than a peer of this ring and protocol version.
    Foreign,
}

/// Who stands next to a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Neighbors {
    /// None: it stands alone.
    pub predecessor: Option<Peer>,
    /// In ring order.
    pub successors: Vec<Peer>,
}

impl Neighbors {
    /// A digest to tell by whether they have changed; never 0. FNV-1a, which is enough where nobody gains
    /// by a collision.
    pub fn digest(&self) -> u64 {
        let peers = self.predecessor.iter().map(|peer| (b'p', peer));
        let peers = peers.chain(self.successors.iter().map(|peer| (b's', peer)));
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for (role, peer) in peers {
            let bytes = peer.id.to_bytes().into_iter().chain(peer.incarnation.to_be_bytes());
            for byte in std::iter::once(role).chain(bytes) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        hash.max(1)
    }
}

/// The claim of a responsible peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ownership {
    /// Who claims.
    pub owner: Peer,
    /// Its own arc is (`arc_from`, `owner.id`].
    pub arc_from: Id,
    /// The owner first, then the successors that keep copies.
    pub keepers: Vec<Peer>,
    /// What it read.
    pub reading: Reading,
}

/// Why a peer did not do what it was asked. Nothing has changed there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// An own operation is open: ask again in a moment.
    Busy,
    /// Joining, leaving, or another life than the one that was meant.
    NotMember,
    /// It is of another ring.
    WrongRing(Arc<str>),
    /// It speaks another version of the protocol.
    WrongVersion(u32),
}

/// How a call ended: five different things, never one "unreachable".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was answered.
    Answer(Response),
    /// The peer lives and is busy.
    Busy,
    /// Whoever is there is not the member that was meant.
    NotMember,
    /// The address answers, and not with this peer.
    Refused(Refusal),
    /// Nothing came within the deadline.
    Silent,
}

/// Why an address turned a call down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Nobody listens there.
    Connection,
    /// A peer of this other ring is there.
    WrongRing(Arc<str>),
    /// A peer of this other protocol version is there.
    WrongVersion(u32),
}

impl From<Result<Response, Rejection>> for Outcome {
    fn from(result: Result<Response, Rejection>) -> Outcome {
        match result {
            Ok(response) => Outcome::Answer(response),
            Err(Rejection::Busy) => Outcome::Busy,
            Err(Rejection::NotMember) => Outcome::NotMember,
            Err(Rejection::WrongRing(ring)) => Outcome::Refused(Refusal::WrongRing(ring)),
            Err(Rejection::WrongVersion(version)) => Outcome::Refused(Refusal::WrongVersion(version)),
        }
    }
}
