//! How a lookup ends, for the one that asked for it.

use std::fmt;
use std::time::Duration;

use crate::index::Reading;
use crate::message::Outcome;
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
            LostReason::NoWay => f.write_str("the lookup gave up")?,
        }
        let hops = self.route.steps.len();
        write!(f, " after {hops} hop{}", if hops == 1 { "" } else { "s" })?;
        let failed: Vec<String> = self.route.failed.iter().map(NoAnswer::to_string).collect();
        match (failed.is_empty(), self.reason) {
            (false, _) => write!(f, ": {}", failed.join(", ")),
            (true, LostReason::NoWay) => f.write_str(": nobody was left to ask"),
            (true, _) => Ok(()),
        }
    }
}

/// How a lookup went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Route {
    /// The calls that were answered, in order.
    pub steps: Vec<Step>,
    /// Peers that did not answer the question.
    pub failed: Vec<NoAnswer>,
}

/// A call of a lookup that brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NoAnswer {
    /// Who was asked.
    pub peer: Peer,
    /// What came instead.
    pub what: Missed,
}

/// What came instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missed {
    /// Nothing, within the deadline.
    Silent,
    /// The address refused.
    Refused,
    /// It is not the member that was meant.
    NotMember,
    /// It was busy.
    Busy,
}

impl Missed {
    /// What an outcome is in place of an answer.
    pub(crate) fn from(outcome: &Outcome) -> Missed {
        match outcome {
            Outcome::Refused(_) => Missed::Refused,
            Outcome::NotMember => Missed::NotMember,
            Outcome::Busy => Missed::Busy,
            Outcome::Silent | Outcome::Answer(_) => Missed::Silent,
        }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Missed::Silent => "did not answer",
            Missed::Refused => "refused",
            Missed::NotMember => "is not a member of the ring",
            Missed::Busy => "was busy",
        };
        write!(f, "{} {what}", self.peer)
    }
}

/// One answered call of a lookup.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Who answered.
    pub peer: Peer,
    /// Round-trip time.
    pub took: Duration,
    /// Why it was asked.
    pub rule: Rule,
    /// Who named it, or why else it was asked: 0 the asker itself, n the n-th step.
    pub named_by: usize,
    /// How many of the route's calls had failed before.
    pub failed: usize,
}

/// Why a lookup asks a peer. "Whoever named it" is [`Step::named_by`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Of the peers that whoever named it knows and can count on, it comes closest before the key: Chord's
    /// `closest_preceding_node`.
    ClosestPreceding,
    /// It is the first at or behind the key that whoever named it knows, or follows that one: it should be responsible.
    Successor,
    /// Whoever named it should have been responsible, and says that the key lies before its own arc.
    Predecessor,
    /// Of all peers that the asker knows, it is the first at or behind the key: most often the responsible one.
    Contact,
    /// Whom it named as step `named_by` did not answer: knowing that, it may name others.
    Again,
    /// It should be responsible, was silent, and step `named_by` answered in its place: it gets more time.
    Retry,
    /// It keeps copies, and the responsible peer, step `named_by`, does not know all entries.
    Copies,
    /// It may have published what no keeper knows for sure.
    Publisher,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookup_that_failed_says_who_did_not_answer() {
        let miss = |number: u64, what| {
            let name = format!("p{number}").into();
            NoAnswer { peer: Peer { name, ..Peer::stranger(&format!("10.0.0.{number}:7300")) }, what }
        };
        let (peer, rule) = (Peer::stranger("10.0.0.1:7300"), Rule::Successor);
        let step = Step { peer, took: Duration::ZERO, rule, named_by: 0, failed: 0 };
        let mut lost = Lost { key: Id::default(), reason: LostReason::NoWay, route: Route::default() };
        assert_eq!(lost.to_string(), "the lookup gave up after 0 hops: nobody was left to ask");
        lost.route =
            Route { steps: vec![step], failed: vec![miss(4, Missed::Silent), miss(7, Missed::Refused)] };
        assert_eq!(
            lost.to_string(),
            "the lookup gave up after 1 hop: p4 (10.0.0.4:7300) did not answer, p7 (10.0.0.7:7300) refused"
        );
    }
}
