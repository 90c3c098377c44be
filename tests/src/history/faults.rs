//! What was done to peers and links, and whom it concerns.

use std::fmt;
use std::time::Duration;

use super::Peer;

/// The kind of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The peer was killed, until it was started again.
    Down(Peer),
    /// The peer's process was stopped, until it was continued.
    Paused(Peer),
    /// No packet of the first ones reached the second ones.
    Cut(Vec<Peer>, Vec<Peer>),
    /// What the peer sent was late, and partly lost. It may take longer; no answer may be wrong because of it.
    Slow(Peer),
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub trouble: Trouble,
    /// From before it was made …
    pub from: Duration,
    /// … until after it was undone.
    pub until: Duration,
}

/// All faults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Those in effect at some moment from `from` to `until`, counting each as longer by what `after` says.
    pub fn during(
        &self,
        from: Duration,
        until: Duration,
        after: impl Fn(&Fault) -> Duration,
    ) -> impl Iterator<Item = &Fault> {
        self.0.iter().filter(move |fault| fault.from <= until && fault.until + after(fault) >= from)
    }
}

impl Fault {
    /// Whether one of these two could not reach the other because of it, a peer that did not run included.
    pub fn parts(&self, one: Peer, other: Peer) -> bool {
        match &self.trouble {
            Trouble::Down(peer) | Trouble::Paused(peer) => *peer == one || *peer == other,
            Trouble::Cut(from, to) => {
                let cut = |a, b| from.contains(&a) && to.contains(&b);
                cut(one, other) || cut(other, one)
            }
            Trouble::Slow(_) => false,
        }
    }

    /// Whether this peer was not running, or could not reach all others.
    pub fn concerns(&self, peer: Peer) -> bool {
        match &self.trouble {
            Trouble::Down(it) | Trouble::Paused(it) => *it == peer,
            Trouble::Cut(from, to) => from.contains(&peer) || to.contains(&peer),
            Trouble::Slow(_) => false,
        }
    }

    /// How long it lasted.
    pub fn lasted(&self) -> Duration {
        self.until.saturating_sub(self.from)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |kind: fn(&Trouble) -> bool| self.0.iter().filter(|fault| kind(&fault.trouble)).count();
        write!(
            f,
            "{} peers killed and started again, {} paused, {} slow and lossy, {} cuts",
            count(|trouble| matches!(trouble, Trouble::Down(_))),
            count(|trouble| matches!(trouble, Trouble::Paused(_))),
            count(|trouble| matches!(trouble, Trouble::Slow(_))),
            count(|trouble| matches!(trouble, Trouble::Cut(..))),
        )
    }
}
