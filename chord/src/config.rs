//! What can be set about a node, each default with its reason.

use std::sync::Arc;
use std::time::Duration;

use crate::error::ConfigError;
use crate::index::Room;

/// The settings of one node. All peers of a ring should have the same `replicas` and `lease`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Peers of another ring are refused.
    pub ring: Arc<str>,
    /// Length of the successor list. 8: with lists of 3, killing 8 of 16 peers leaves somebody without a
    /// living successor in 83 % of runs, with 8 in 0.08 %; in general at least 2·log2 of the ring's size.
    pub successors: usize,
    /// Peers that keep each entry, the responsible one included.
    pub replicas: usize,
    /// Time between stabilize rounds while the neighbourhood changes.
    pub stabilize: Duration,
    /// What that grows to while nothing changes.
    pub stabilize_quiet: Duration,
    /// Time between refreshes of one finger; grows tenfold while no finger changes.
    pub fix_fingers: Duration,
    /// Deadline of one call to a peer whose round trips are not known, and of any long message.
    pub call_timeout: Duration,
    /// Shortest deadline of a call to a peer whose round trips are known. From `call_timeout` on, nothing is
    /// measured, and `call_timeout` is the deadline of every call.
    pub shortest_timeout: Duration,
    /// A peer that stays silent for so long is given up.
    pub give_up: Duration,
    /// Peers remembered as hints; 0 = lookups use fingers and successors only.
    pub contacts: usize,
    /// A publisher that is not heard for so long loses its entries.
    pub lease: Duration,
    /// Keys in one message of entries.
    pub batch: usize,
    /// How much is kept for others. An entry takes a few hundred bytes; a folder of 100,000 files has about a million
    /// entries and copies, spread over the ring.
    pub room: Room,
    /// Errors put back, to show that the model checker finds them; none outside of its tests.
    pub slips: Slips,
}

/// Errors of the original Chord that can be put back, to show that the model checker finds them. Never set
/// outside of its tests, and not to be set in a peer's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slips {
    /// A joiner takes one successor only, which it has not heard from.
    pub join_unchecked: bool,
    /// Stabilize adopts its successor's predecessor without asking it; the rest of the list follows later.
    pub stabilize_unchecked: bool,
    /// A copied list is taken as it is, with peers that stand in it twice and its new owner.
    pub duplicates: bool,
    /// A copied list is taken beyond where it wraps past its new owner.
    pub wrapping: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            ring: "chordial".into(),
            successors: 8,
            replicas: 3,
            stabilize: Duration::from_secs(1),
            stabilize_quiet: Duration::from_millis(1500),
            fix_fingers: Duration::from_secs(1),
            call_timeout: Duration::from_secs(1),
            shortest_timeout: Duration::from_millis(200),
            give_up: Duration::from_secs(6),
            contacts: 16_384,
            lease: Duration::from_secs(60),
            batch: 256,
            room: Room { quota: 2_000_000, capacity: 8_000_000 },
            slips: Slips::default(),
        }
    }
}

impl Config {
    /// Checks that the settings make sense together.
    ///
    /// # Errors
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.successors == 0 {
            return Err(ConfigError::NoSuccessors);
        }
        if self.replicas == 0 || self.replicas > self.successors + 1 {
            return Err(ConfigError::Replicas { replicas: self.replicas, most: self.successors + 1 });
        }
        if self.batch == 0 {
            return Err(ConfigError::EmptyBatch);
        }
        Ok(())
    }

    /// Deadline of a probe, and the longest of a call: a peer that is only slow is heard in time.
    pub(crate) fn longest_timeout(&self) -> Duration {
        self.call_timeout.max(self.give_up / 2)
    }

    /// A predecessor that is not heard for longer may have given this peer up: it stabilizes more often.
    pub(crate) fn unheard(&self) -> Duration {
        (self.give_up / 2).max(self.stabilize_quiet * 2)
    }

    /// Time between two renewals of a lease: a lease is three rounds.
    pub fn renewal(&self) -> Duration {
        self.lease / 3
    }
}
