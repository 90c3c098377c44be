//! The validated configuration of a peer: ready types, within bounds, consistent with each other.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::address::{Advertise, HostPort};
use super::service::Service;

/// The configuration of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// Shown to people; at most 64 characters.
    pub name: String,
    /// The address to listen on.
    pub ip: IpAddr,
    /// How the host that others dial is found (see [`crate::advertise`]).
    pub advertise: Advertise,
    /// What this peer shares; relative to the working directory; created if missing.
    pub directory: PathBuf,
    /// Identity and remembered peers; relative to the working directory; never inside `directory`.
    pub state: PathBuf,
    /// The chord port of a friend peer.
    pub friend: Option<HostPort>,
    /// Asked when the friend does not answer.
    pub backup_friend: Option<HostPort>,
    /// A peer of another ring is refused; 1 to 64 of `a-z 0-9 - _ .`.
    pub ring: String,
    /// The ports to listen on; 0 lets the system choose.
    pub ports: Ports,
    /// Where services that run apart are found, and what is advertised for them.
    pub services: Services,
    /// Ring maintenance.
    pub chord: ChordConfig,
    /// The index.
    pub index: IndexConfig,
    /// The listing of `directory`.
    pub catalog: CatalogConfig,
    /// Downloads and uploads.
    pub transfer: TransferConfig,
    /// REST, dashboard, metrics.
    pub gateway: GatewayConfig,
    /// Logs.
    pub log: LogConfig,
}

/// The port of each service; 0 lets the system choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// gRPC: ring and index.
    pub chord: u16,
    /// gRPC: this peer's own listing.
    pub catalog: u16,
    /// gRPC: download and upload.
    pub transfer: u16,
    /// REST, dashboard, metrics.
    pub gateway: u16,
}

/// Where each service of this peer runs, if not on this machine at its port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    /// The chord service.
    pub chord: Option<HostPort>,
    /// The catalog service.
    pub catalog: Option<HostPort>,
    /// The transfer service.
    pub transfer: Option<HostPort>,
    /// The gateway.
    pub gateway: Option<HostPort>,
}

/// Ring maintenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChordConfig {
    /// Length of the successor list.
    pub successors: usize,
    /// Keepers of each entry, the responsible peer included; at most `successors + 1`.
    pub replicas: usize,
    /// Between two stabilizations while the ring changes.
    pub stabilize: Duration,
    /// Between two stabilizations while nothing changes; at least `stabilize`.
    pub stabilize_quiet: Duration,
    /// Between two refreshed fingers.
    pub fix_fingers: Duration,
    /// Deadline of one call to another peer.
    pub call_timeout: Duration,
    /// Deadline of a whole lookup; at least `call_timeout`.
    pub lookup_timeout: Duration,
    /// How long a peer may be silent before it is given up; at least `call_timeout`.
    pub give_up: Duration,
    /// Peers remembered as short cuts for lookups.
    pub contacts: usize,
}

/// The index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexConfig {
    /// How long entries outlive a publisher that is not heard from any more.
    pub lease: Duration,
}

/// The listing of the shared directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogConfig {
    /// Between two full scans, which find what the system's notifications missed.
    pub rescan: Duration,
    /// Files whose digests are computed at the same time.
    pub hashers: usize,
}

/// Downloads and uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferConfig {
    /// Whether others may upload to this peer.
    pub uploads: bool,
    /// Uploads taken at the same time.
    pub max_uploads: usize,
    /// Bytes of one upload; 0: no limit.
    pub max_upload_size: u64,
    /// Bytes of all files below `directory`, above which no upload is taken; 0: no limit.
    pub upload_quota: u64,
    /// Bytes in one message of a download.
    pub chunk: usize,
    /// Downloads served at the same time.
    pub max_downloads: usize,
}

/// Limits of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The base URL that callers outside of the peers' own network are given; without a last slash.
    pub public_url: Option<String>,
    /// Connections open at the same time.
    pub max_connections: usize,
    /// How long a client may take to send its request's headers.
    pub header_timeout: Duration,
    /// How long an answer may take to begin.
    pub request_timeout: Duration,
    /// Bytes of a request's body.
    pub max_body: usize,
}

/// Logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A filter as tracing understands it: `info`, `warn,chord_peer=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
    /// Appended to; none: standard error. Relative to the working directory.
    pub file: Option<PathBuf>,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl PeerConfig {
    /// The configured port of a service; 0 lets the system choose.
    pub fn port(&self, service: Service) -> u16 {
        match service {
            Service::Chord => self.ports.chord,
            Service::Catalog => self.ports.catalog,
            Service::Transfer => self.ports.transfer,
            Service::Gateway => self.ports.gateway,
        }
    }

    /// Where `[services]` says that a service runs, if it does.
    pub fn service(&self, service: Service) -> Option<&HostPort> {
        match service {
            Service::Chord => self.services.chord.as_ref(),
            Service::Catalog => self.services.catalog.as_ref(),
            Service::Transfer => self.services.transfer.as_ref(),
            Service::Gateway => self.services.gateway.as_ref(),
        }
    }

    /// The friend and the backup friend, as far as they are set.
    pub fn friends(&self) -> impl Iterator<Item = &HostPort> {
        self.friend.iter().chain(&self.backup_friend)
    }

    /// One line for people: who this peer is, where it listens, what it shares, whom it asks first.
    pub fn summary(&self) -> String {
        let friends: Vec<String> = self.friends().map(HostPort::to_string).collect();
        let friends = match friends.is_empty() {
            true => "no friend: founds the ring".to_string(),
            false => format!("friends {}", friends.join(" and ")),
        };
        format!(
            "peer {} of ring {} on {} (chord {}, catalog {}, transfer {}, gateway {}), shares {}, {friends}",
            self.name,
            self.ring,
            self.ip,
            self.ports.chord,
            self.ports.catalog,
            self.ports.transfer,
            self.ports.gateway,
            self.directory.display(),
        )
    }
}
