//! The vocabulary between peers. A new message starts here.

use std::sync::Arc;

use crate::contacts::News;
use crate::index::{ArcAnswer, ArcDigest, Batch, KeptArc, KeptBatch, PublisherDigest, Reading};
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
    /// Where is my place? Answered by `Neighbors`, `Closer` or `Joining`.
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

/// The end of a hand-over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandedOver {
    /// The arc (from, to] has been handed over whole.
    pub arc: (Id, Id),
    /// Whether the sender knew all entries of it.
    pub complete: bool,
}

/// What a lookup reads at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Read {
    /// Nothing: who is responsible?
    Nothing,
    /// At most so many entries of this very key.
    Key(usize),
    /// At most so many entries from the key on to the end of the arc.
    Range(usize),
    /// What the addressee itself publishes under this key.
    Own(usize),
    /// The addressee's copies of this very key, responsible or not.
    Copies(usize),
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
    /// The one asked holds itself responsible.
    Owner(Box<Ownership>),
    /// What was read without a question of responsibility.
    Reading(Reading),
    /// One answer for each arc asked about.
    Renewed(Vec<ArcAnswer>),
    /// It is kept. With the arc that the one asked is responsible for: the publisher may not know yet that
    /// it has changed hands.
    Published(KeptArc),
    /// Publishers whose entries the one asked would like to have.
    Wanted(Vec<Id>),
    /// What is new to the one asked.
    Gossip {
        /// The latest.
        news: Vec<News>,
        /// Digests of what it knows in equal parts of the ring; empty: not wanted, or nothing differs.
        digests: Vec<u32>,
    },
    /// Peers that the one asked knows besides.
    Contacts(Vec<News>),
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
