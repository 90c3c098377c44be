//! A peer as others know it.

use std::fmt;
use std::sync::Arc;

use crate::Id;

/// One life of one peer: where it stands, how it is reached, and which of its lives is meant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Its place on the ring.
    pub id: Id,
    /// Grows with every start; 0 means whichever life is there.
    pub incarnation: u64,
    /// What others dial, as `host:port`.
    pub address: Arc<str>,
    /// Shown to people.
    pub name: Arc<str>,
}

impl Peer {
    /// A peer that is known by its address only; its identifier is the address's SHA-1.
    pub fn stranger(address: &str) -> Peer {
        Peer { id: Id::of(address.as_bytes()), incarnation: 0, address: address.into(), name: address.into() }
    }

    /// Whether this is a later life of the same peer.
    pub fn supersedes(&self, other: &Peer) -> bool {
        self.id == other.id && self.incarnation > other.incarnation
    }

    /// Whether both are the same life of the same peer.
    pub fn is_same_life(&self, other: &Peer) -> bool {
        self.id == other.id && self.incarnation == other.incarnation
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?}.{})", self.name, self.id, self.incarnation)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name == self.address {
            f.write_str(&self.address)
        } else {
            write!(f, "{} ({})", self.name, self.address)
        }
    }
}

/// Where a peer's other services are reached, as URLs; empty where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Services {
    /// gRPC: its own listing.
    pub catalog: Arc<str>,
    /// gRPC: downloads and uploads.
    pub transfer: Arc<str>,
    /// REST.
    pub gateway: Arc<str>,
}
