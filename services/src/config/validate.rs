//! From merged layers to a [`PeerConfig`]: every bound of every key, and what they mean to each other.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use chord_client::text::is_treacherous;

use super::address::{self, Advertise, HostPort};
use super::peer::*;
use super::read::Reader;
use super::service::Service;
use super::show::Shown;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads and checks everything; problems stay in `reader`, wrong values are replaced by harmless ones.
pub(super) fn peer(reader: &mut Reader<'_>) -> PeerConfig {
    let name = name(reader);
    let state = match reader.text("state") {
        text if text.is_empty() => Path::new("./.chordial").join(&name),
        text => PathBuf::from(text),
    };
    let config = PeerConfig {
        ip: reader.parsed("ip", ip, IpAddr::V4(Ipv4Addr::LOCALHOST)),
        advertise: reader.parsed("advertise", str::parse, Advertise::Auto),
        directory: reader.parsed("directory", path, PathBuf::from(".")),
        state,
        friend: reader.optional("friend", HostPort::from_url),
        backup_friend: reader.optional("backup_friend", HostPort::from_url),
        ring: reader.parsed("ring", ring, String::new()),
        ports: Ports {
            chord: reader.integer("ports.chord", 0..=u16::MAX),
            catalog: reader.integer("ports.catalog", 0..=u16::MAX),
            transfer: reader.integer("ports.transfer", 0..=u16::MAX),
            gateway: reader.integer("ports.gateway", 0..=u16::MAX),
        },
        services: Services {
            chord: reader.optional("services.chord", HostPort::from_url),
            catalog: reader.optional("services.catalog", HostPort::from_url),
            transfer: reader.optional("services.transfer", HostPort::from_url),
            gateway: reader.optional("services.gateway", HostPort::from_url),
        },
        chord: chord(reader),
        index: IndexConfig {
            lease: reader.duration("index.lease", 3 * SECOND..=DAY),
            quota: reader.integer("index.quota", 1000..=1_000_000_000u32).into(),
            capacity: reader.integer("index.capacity", 1000..=1_000_000_000u32).into(),
        },
        catalog: CatalogConfig {
            rescan: reader.duration("catalog.rescan", SECOND..=DAY),
            keep: reader.duration("catalog.keep", Duration::ZERO..=DAY),
            hashers: reader.integer("catalog.hashers", 1..=64u32) as usize,
        },
        transfer: TransferConfig {
            uploads: reader.boolean("transfer.uploads"),
            max_uploads: reader.integer("transfer.max_uploads", 1..=256u32) as usize,
            max_upload_size: reader.size("transfer.max_upload_size"),
            upload_quota: reader.size("transfer.upload_quota"),
            chunk: reader.integer("transfer.chunk", 4096..=1_048_576u32) as usize,
            max_downloads: reader.integer("transfer.max_downloads", 1..=4096u32) as usize,
        },
        gateway: GatewayConfig {
            public_url: reader.optional("gateway.public_url", str::parse),
            hosts: reader.list("gateway.hosts", address::host_name),
            cors_origins: reader.list("gateway.cors_origins", address::origin),
            max_connections: reader.integer("gateway.max_connections", 1..=65_536u32) as usize,
            header_timeout: reader.duration("gateway.header_timeout", 100 * MILLISECOND..=MINUTE),
            body_timeout: reader.duration("gateway.body_timeout", 100 * MILLISECOND..=MINUTE),
            request_timeout: reader.duration("gateway.request_timeout", 100 * MILLISECOND..=5 * MINUTE),
            idle_timeout: reader.duration("gateway.idle_timeout", SECOND..=10 * MINUTE),
            stall_timeout: reader.duration("gateway.stall_timeout", SECOND..=10 * MINUTE),
            requests_per_second: reader.integer("gateway.requests_per_second", 0..=1_000_000u32),
            requests_burst: reader.integer("gateway.requests_burst", 1..=1_000_000u32),
            max_headers: reader.integer("gateway.max_headers", 1024..=1_048_576u32) as usize,
            max_uri: reader.integer("gateway.max_uri", 1024..=65_536u32) as usize,
            max_body: reader.integer("gateway.max_body", 1024..=16_777_216u32) as usize,
            // They share one connection to the chord service, which serves 128 requests on it at once.
            max_event_streams: reader.integer("gateway.max_event_streams", 1..=120u32) as usize,
        },
        grpc: grpc(reader),
        security: SecurityConfig {
            service_hosts: reader.list("security.service_hosts", str::parse).into_iter().collect(),
        },
        log: LogConfig {
            level: reader.parsed("log.level", log_level, String::new()),
            format: reader.parsed("log.format", log_format, LogFormat::Text),
            file: reader.optional("log.file", path),
        },
        shown: Shown::default(),
        name,
    };
    check_together(&config, reader);
    config
}

fn chord(reader: &mut Reader<'_>) -> ChordConfig {
    let interval = 50 * MILLISECOND..=MINUTE;
    ChordConfig {
        successors: reader.integer("chord.successors", 1..=32u32) as usize,
        replicas: reader.integer("chord.replicas", 1..=33u32) as usize,
        stabilize: reader.duration("chord.stabilize", interval.clone()),
        stabilize_quiet: reader.duration("chord.stabilize_quiet", interval.clone()),
        fix_fingers: reader.duration("chord.fix_fingers", interval.clone()),
        call_timeout: reader.duration("chord.call_timeout", 50 * MILLISECOND..=30 * SECOND),
        lookup_timeout: reader.duration("chord.lookup_timeout", interval),
        give_up: reader.duration("chord.give_up", 100 * MILLISECOND..=10 * MINUTE),
        contacts: reader.integer("chord.contacts", 16..=65_536u32) as usize,
    }
}

fn grpc(reader: &mut Reader<'_>) -> GrpcConfig {
    GrpcConfig {
        max_connections: reader.integer("grpc.max_connections", 1..=65_536u32) as usize,
        max_streams: reader.integer("grpc.max_streams", 1..=65_536u32),
        max_requests: reader.integer("grpc.max_requests", 1..=65_536u32) as usize,
        max_headers: reader.integer("grpc.max_headers", 1024..=1_048_576u32),
        max_resets: reader.integer("grpc.max_resets", 1..=65_536u32) as usize,
        max_long_requests: reader.integer("grpc.max_long_requests", 1..=1024u32) as usize,
        half_sent_timeout: reader.duration("grpc.half_sent_timeout", 100 * MILLISECOND..=MINUTE),
        long_timeout: reader.duration("grpc.long_timeout", 100 * MILLISECOND..=5 * MINUTE),
        stall_timeout: reader.duration("grpc.stall_timeout", SECOND..=10 * MINUTE),
        ping: reader.duration("grpc.ping", SECOND..=10 * MINUTE),
        ping_timeout: reader.duration("grpc.ping_timeout", SECOND..=MINUTE),
    }
}

/// What single values cannot show. Said only where the single values are right.
fn check_together(config: &PeerConfig, reader: &mut Reader<'_>) {
    if !reader.problems.is_empty() {
        return;
    }
    let chord = &config.chord;
    if chord.replicas > chord.successors + 1 {
        reader.refuse(
            "chord.replicas",
            format!("must be at most {} (chord.successors + 1)", chord.successors + 1),
        );
    }
    let at_least = [
        ("chord.stabilize_quiet", chord.stabilize_quiet, "chord.stabilize", chord.stabilize),
        ("chord.lookup_timeout", chord.lookup_timeout, "chord.call_timeout", chord.call_timeout),
        ("chord.give_up", chord.give_up, "chord.call_timeout", chord.call_timeout),
    ];
    for (path, value, other, bound) in at_least {
        if value < bound {
            let bound = humantime::format_duration(bound);
            reader.refuse(path, format!("must be at least {other}, which is {bound}"));
        }
    }
    if config.index.capacity < config.index.quota {
        let why = format!("must be at least index.quota, which is {}", config.index.quota);
        reader.refuse("index.capacity", why);
    }
    for (index, service) in Service::ALL.iter().enumerate() {
        let port = config.port(*service);
        let twin = Service::ALL[..index].iter().find(|other| port != 0 && config.port(**other) == port);
        if let Some(twin) = twin {
            let path = format!("ports.{service}");
            reader.refuse(&path, format!("ports.{twin} is the same: give each service a port of its own"));
        }
    }
    if real(&config.state).starts_with(real(&config.directory)) {
        let why = format!(
            "the state folder {} lies inside the shared directory {}, where everybody could read it: move \
             one of them",
            config.state.display(),
            config.directory.display()
        );
        reader.refuse("state", why);
    }
}

fn name(reader: &mut Reader<'_>) -> String {
    let check = |text: &str| {
        let fits = (1..=64).contains(&text.chars().count());
        let plain = !text.contains(|c| is_treacherous(c) || matches!(c, '/' | '\\'));
        match fits && plain && text != "." && text != ".." && text.trim() == text {
            true => Ok(text.to_string()),
            false => Err(
                "must be 1 to 64 characters, without `/`, `\\`, control or invisible characters, or outer spaces",
            ),
        }
    };
    if reader.text("name").is_empty() {
        // A host name is nobody's typing mistake: what does not fit is left out.
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let host: String = host.chars().filter(|c| !is_treacherous(*c) && *c != '/').take(64).collect();
        return check(host.trim()).unwrap_or_else(|_| "peer".into());
    }
    reader.parsed("name", check, "peer".into())
}

fn ip(text: &str) -> Result<IpAddr, &'static str> {
    text.parse()
        .map_err(|_| "must be an IP address of this machine, such as \"0.0.0.0\" (all) or \"127.0.0.1\"")
}

fn path(text: &str) -> Result<PathBuf, &'static str> {
    match text.is_empty() || text.contains('\0') {
        true => Err("must be a path"),
        false => Ok(PathBuf::from(text)),
    }
}

fn ring(text: &str) -> Result<String, &'static str> {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    match (1..=64).contains(&text.len()) && text.chars().all(valid) {
        true => Ok(text.to_string()),
        false => Err("must be 1 to 64 characters of a-z, 0-9, `-`, `_` and `.`"),
    }
}

fn log_level(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_string()),
        Ok(_) => Err("must be a level, such as \"info\" or \"warn,chord_peer=debug\"".into()),
        Err(error) => {
            Err(format!("must be a level, such as \"info\" or \"warn,chord_peer=debug\" ({error})"))
        }
    }
}

fn log_format(text: &str) -> Result<LogFormat, &'static str> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be \"text\" or \"json\""),
    }
}

/// The absolute path without `.`, `..` and symbolic links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let mut real = PathBuf::new();
    for part in std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).components() {
        match part {
            Component::ParentDir => {
                real.pop();
            }
            Component::CurDir => {}
            part => real.push(part),
        }
        if let Ok(resolved) = real.canonicalize() {
            real = resolved;
        }
    }
    real
}
