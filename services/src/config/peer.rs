//! The validated configuration of a peer: ready types, within bounds, consistent with each other.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use chord_client::ServiceHosts;

use super::address::{Advertise, HostPort, PublicUrl};
use super::service::Service;
use super::show::Shown;

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
    /// What one gRPC port takes in.
    pub grpc: GrpcConfig,
    /// Whom this peer trusts with what.
    pub security: SecurityConfig,
    /// Logs.
    pub log: LogConfig,
    /// All of it, as people are shown it.
    pub shown: Shown,
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
    /// Entries that this peer keeps for one publisher.
    pub quota: u64,
    /// Entries that this peer keeps for all publishers together; at least `quota`.
    pub capacity: u64,
}

/// The listing of the shared directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogConfig {
    /// Between two full scans, which find what the system's notifications missed.
    pub rescan: Duration,
    /// How long files stay listed that can't be read; zero: not at all.
    pub keep: Duration,
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
    /// The base URL that callers outside of the peers' own network are given; none: the advertised address.
    pub public_url: Option<PublicUrl>,
    /// Further names under which it may be asked; `*`: any.
    pub hosts: Vec<String>,
    /// Origins whose pages may use it, as browsers write them; `*`: all may read.
    pub cors_origins: Vec<String>,
    /// Connections open at the same time.
    pub max_connections: usize,
    /// How long a client may take to begin, and to send its request's headers.
    pub header_timeout: Duration,
    /// How long a body may take to arrive that is no upload.
    pub body_timeout: Duration,
    /// How long an answer may take to begin.
    pub request_timeout: Duration,
    /// Between two requests of a connection.
    pub idle_timeout: Duration,
    /// How long a transfer may stand still.
    pub stall_timeout: Duration,
    /// Of one address; 0: no limit.
    pub requests_per_second: u32,
    /// Requests of one address at once, after a rest.
    pub requests_burst: u32,
    /// Bytes of a request's headers.
    pub max_headers: usize,
    /// Bytes of a request's URI.
    pub max_uri: usize,
    /// Bytes of a request's body.
    pub max_body: usize,
    /// Streams of events open at the same time.
    pub max_event_streams: usize,
}

/// Limits of each gRPC port ([`crate::grpc::Limits`] says more).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcConfig {
    /// Connections open at the same time.
    pub max_connections: usize,
    /// Requests of one connection at the same time.
    pub max_streams: u32,
    /// Requests of one address that are served at the same time.
    pub max_requests: usize,
    /// Bytes of a request's headers.
    pub max_headers: u32,
    /// Requests that a connection may take back unserved.
    pub max_resets: usize,
    /// Messages of more than 64 KiB taken in at the same time.
    pub max_long_requests: usize,
    /// How long what has begun may take to arrive.
    pub half_sent_timeout: Duration,
    /// How long a message of more than 64 KiB may take.
    pub long_timeout: Duration,
    /// How long answers may stay unread.
    pub stall_timeout: Duration,
    /// How long a connection may be silent before it is pinged.
    pub ping: Duration,
    /// How long the answer to a ping may take.
    pub ping_timeout: Duration,
}

/// Whom this peer trusts with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityConfig {
    /// Hosts besides another peer's own at which that peer's services may be dialled.
    pub service_hosts: ServiceHosts,
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
