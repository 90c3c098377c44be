//! What can be set about a node, each default with its reason.

use std::sync::Arc;
use std::time::Duration;

use crate::error::ConfigError;

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
    /// Deadline of one call to another peer.
    pub call_timeout: Duration,
    /// A peer that stays silent for so long is given up.
    pub give_up: Duration,
    /// Peers remembered as hints; 0 = lookups use fingers and successors only.
    pub contacts: usize,
    /// A publisher that is not heard for so long loses its entries.
    pub lease: Duration,
    /// Keys in one message of entries.
    pub batch: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            ring: "chordial".into(),
            successors: 8,
            replicas: 3,
            stabilize: Duration::from_secs(1),
            stabilize_quiet: Duration::from_secs(4),
            fix_fingers: Duration::from_secs(1),
            call_timeout: Duration::from_secs(1),
            give_up: Duration::from_secs(6),
            contacts: 16_384,
            lease: Duration::from_secs(60),
            batch: 256,
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

    /// Time between two renewals of a lease: a lease is three rounds.
    pub fn renewal(&self) -> Duration {
        self.lease / 3
    }
}
