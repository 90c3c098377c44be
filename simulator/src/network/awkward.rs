//! Faults that are no crash: hosts that stand still for a while, ways that lead in one direction only, slow hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use rand::RngExt as _;

use super::{Happening, Network};

/// What befalls a message on a way that is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// It is lost.
    Lost,
    /// It is refused, as by a firewall that says so.
    Refused,
}

/// The awkward faults of a network; none to begin with.
#[derive(Default)]
pub(super) struct Awkward {
    /// What paused hosts have not taken in, in order.
    paused: BTreeMap<usize, Vec<Happening>>,
    /// From, to.
    blocked: BTreeMap<(usize, usize), Blocked>,
    slow: BTreeMap<usize, Range<Duration>>,
}

impl Network {
    /// Stops a host as SIGSTOP does: it takes in nothing, messages and timers wait for it.
    pub fn pause(&mut self, host: usize) {
        self.note(host, "pause", &"");
        self.awkward.paused.entry(host).or_default();
    }

    /// Continues a host that was paused. As in the daemon, it takes in the ends of its own calls first, then
    /// timers, which are late, then requests; an answer that came in time and was not seen in time is none.
    pub fn resume(&mut self, host: usize) {
        self.note(host, "resume", &"");
        let Some(held) = self.awkward.paused.remove(&host) else { return };
        let missed = |what: &Happening| match what {
            Happening::Deadline { call } => Some(*call),
            _ => None,
        };
        let missed: BTreeSet<u64> = held.iter().filter_map(missed).collect();
        let rank = |what: &Happening| match what {
            Happening::Answer { .. } | Happening::Deadline { .. } => 0,
            Happening::Timer { .. } => 1,
            Happening::Arrive { .. } => 2,
        };
        let stale =
            |what: &Happening| matches!(what, Happening::Answer { call, .. } if missed.contains(call));
        let mut due: Vec<Happening> = held.into_iter().filter(|what| !stale(what)).collect();
        due.sort_by_key(rank);
        due.into_iter().for_each(|what| self.schedule(Duration::ZERO, what));
    }

    /// Blocks the way from one host to another, for requests and answers; not the way back.
    pub fn block(&mut self, from: usize, to: usize, how: Blocked) {
        self.awkward.blocked.insert((from, to), how);
    }

    /// Opens all ways that were blocked.
    pub fn unblock(&mut self) {
        self.awkward.blocked.clear();
    }

    /// Every message from or to this host takes so much longer, drawn anew for each.
    pub fn slow_down(&mut self, host: usize, by: Range<Duration>) {
        self.awkward.slow.insert(host, by);
    }

    pub(super) fn blocked(&self, from: usize, to: usize) -> Option<Blocked> {
        self.awkward.blocked.get(&(from, to)).copied()
    }

    /// What happens, unless the host that it happens to is paused: then it waits.
    pub(super) fn unless_paused(&mut self, what: Happening) -> Option<Happening> {
        let host = match &what {
            Happening::Timer { host, .. } => Some(*host),
            Happening::Arrive { to, .. } => Some(*to),
            Happening::Answer { call, .. } | Happening::Deadline { call } => {
                self.pending.get(call).map(|pending| pending.caller)
            }
        };
        match host.and_then(|host| self.awkward.paused.get_mut(&host)) {
            Some(held) => {
                held.push(what);
                None
            }
            None => Some(what),
        }
    }

    /// How long a message between two hosts takes.
    pub(super) fn way(&mut self, from: usize, to: usize) -> Duration {
        let mut time = self.latency();
        for host in [from, to] {
            if let Some(by) = self.awkward.slow.get(&host).cloned() {
                time += self.rng.random_range(by);
            }
        }
        time
    }
}
