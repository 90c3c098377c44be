//! Errors of the core. None of them changes a node's state.

/// A configuration that no node can run with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The successor list would be empty.
    #[error("the successor list needs at least one entry")]
    NoSuccessors,
    /// More copies than the peers that a node knows to follow it, or none.
    #[error("replicas is {replicas}, but must be from 1 to {most} (successors + 1)")]
    Replicas {
        /// As set.
        replicas: usize,
        /// The largest that works.
        most: usize,
    },
    /// A message could carry no entry.
    #[error("a batch needs at least one key")]
    EmptyBatch,
}
