//! How a lookup ends, for the one that asked for it.

use std::fmt;
use std::time::Duration;

use crate::index::Reading;
use crate::{Id, Peer};

/// Names a lookup of this node's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A lookup that has ended well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// What was looked for.
    pub key: Id,
    /// Who is responsible.
    pub owner: Peer,
    /// The owner's own arc starts here, exclusive.
    pub arc_from: Id,
    /// The owner, then those that keep copies.
    pub keepers: Vec<Peer>,
    /// What was read.
    pub reading: Reading,
    /// How it was reached.
    pub route: Route,
}

/// A lookup that has failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lost {
    /// What was looked for.
    pub key: Id,
    /// Why.
    pub reason: LostReason,
    /// How far it came.
    pub route: Route,
}

/// Why a lookup failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LostReason {
    /// This peer is not a member.
    NotMember,
    /// Its time ran out.
    TimedOut,
    /// Nobody was left to ask.
    NoWay,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            LostReason::NotMember => return f.write_str("this peer is not a member of the ring yet"),
            LostReason::TimedOut => f.write_str("the lookup ran out of time")?,
            LostReason::NoWay => f.write_str("no way to the responsible peer was found")?,
        }
        write!(f, " after {} hops", self.route.steps.len())?;
        let failed: Vec<String> = self.route.failed.iter().map(Peer::to_string).collect();
        if failed.is_empty() { Ok(()) } else { write!(f, "; no answer from {}", failed.join(", ")) }
    }
}

/// How a lookup went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Route {
    /// The calls that were answered, in order.
    pub steps: Vec<Step>,
    /// Peers that did not answer.
    pub failed: Vec<Peer>,
}

/// One answered call of a lookup.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Who answered.
    pub peer: Peer,
    /// Round-trip time.
    pub took: Duration,
}
