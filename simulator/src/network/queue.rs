//! What is going to happen, in order of time; at one time, in the order in which it was scheduled.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use chord::{Envelope, Input, Outcome, Peer, Request, Timer};

use super::traffic::Measured;

/// A request on its way.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) call: u64,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) envelope: Envelope,
    pub(super) request: Request,
    pub(super) measured: Measured,
}

/// Something that happens at a host.
pub(super) enum Happening {
    Timer {
        host: usize,
        life: u64,
        timer: Timer,
        generation: u64,
    },
    /// Received: it has come through the network already, and only waits for a host that is paused.
    Arrive {
        message: Box<Message>,
        received: bool,
    },
    Answer {
        call: u64,
        responder: Option<Peer>,
        outcome: Box<Outcome>,
        measured: Measured,
    },
    Deadline {
        call: u64,
    },
    Local {
        host: usize,
        life: u64,
        input: Box<Input>,
    },
}

struct Scheduled {
    at: Duration,
    number: u64,
    what: Happening,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Scheduled) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Scheduled) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Scheduled) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[derive(Default)]
pub(super) struct Queue {
    scheduled: BinaryHeap<Reverse<Scheduled>>,
    number: u64,
}

impl Queue {
    /// A number that nothing scheduled before has.
    pub(super) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    pub(super) fn push(&mut self, at: Duration, what: Happening) {
        let number = self.next_number();
        self.scheduled.push(Reverse(Scheduled { at, number, what }));
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.scheduled.peek().map(|Reverse(next)| next.at)
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, Happening)> {
        self.scheduled.pop().map(|Reverse(next)| (next.at, next.what))
    }
}
