//! The four services of a peer, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of a peer's services. Each has a port; they run in one process or apart.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// gRPC: ring and index.
    Chord,
    /// gRPC: this peer's own listing.
    Catalog,
    /// gRPC: download and upload.
    Transfer,
    /// REST, dashboard, metrics.
    Gateway,
}

impl Service {
    /// All services, in the order in which they start.
    pub const ALL: [Service; 4] = [Service::Chord, Service::Catalog, Service::Transfer, Service::Gateway];

    /// The name as it stands in configuration and flags.
    pub fn name(self) -> &'static str {
        match self {
            Service::Chord => "chord",
            Service::Catalog => "catalog",
            Service::Transfer => "transfer",
            Service::Gateway => "gateway",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
