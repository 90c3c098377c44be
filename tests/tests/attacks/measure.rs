//! What an attack does to a process and to its honest callers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use chordial_tests::programs::raw_grpc::{call, channel, framed};
use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, get, usage};
use futures::stream;
use tonic::Code;

/// How much more memory an attack may take, in bytes.
const GROWTH: u64 = 16 << 20;
/// What is half-sent is closed by then: five seconds, and what a busy machine needs to notice.
pub const CLOSED: Duration = Duration::from_millis(6_500);
/// Up to here honest calls may take longer than twice as long as before: attacker, victim and honest callers share two
/// cores, which an attack by requests keeps busy. The table shows what they took.
const FLOOR: Duration = Duration::from_millis(100);
/// How long honest callers are measured before an attack.
const BEFORE: Duration = Duration::from_millis(1_500);
/// Between two honest calls.
const PAUSE: Duration = Duration::from_millis(4);
/// An honest call that takes longer has failed.
const CALL: Duration = Duration::from_secs(5);

/// How honest callers call.
#[derive(Debug, Clone)]
pub enum Honest {
    /// GET of this path, each on a connection of its own.
    Http(&'static str),
    /// This RPC with an empty message, on a connection that stays; every eighth on one of its own.
    Grpc(&'static str),
}

/// A port that is attacked.
#[derive(Debug, Clone)]
pub struct Port {
    pub name: &'static str,
    pub address: SocketAddr,
    pub process: u32,
    pub honest: Honest,
}

impl Port {
    pub fn new(name: &'static str, url: &str, process: u32, honest: Honest) -> Port {
        let address = url.trim_start_matches("http://").parse().expect("an address");
        Port { name, address, process, honest }
    }
}

/// What was measured of one attack.
#[derive(Debug)]
pub struct Row {
    /// Bytes of memory, before and at most during the attack.
    pub memory: (u64, u64),
    /// Median and 99th percentile of honest calls, before and during the attack.
    pub before: (Duration, Duration),
    pub during: (Duration, Duration),
    pub calls: usize,
    pub failures: Vec<String>,
    /// When the last half-sent thing was closed.
    pub closed: Option<Duration>,
}

impl Row {
    /// Whether the process and its callers have hardly noticed.
    fn holds(&self) -> bool {
        self.failures.is_empty()
            && self.memory.1 < self.memory.0 + GROWTH
            && self.during.1 <= (self.before.1 * 2).max(FLOOR)
            && self.closed.is_none_or(|after| after <= CLOSED)
    }
}

/// Every row holds: looked at once all are measured, since each tells of the others.
#[track_caller]
pub fn judge(rows: &[Row]) {
    let wrong: Vec<&Row> = rows.iter().filter(|row| !row.holds()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Two peers, of which the first is attacked; it shares a small file and a large one.
pub fn victim() -> Cluster {
    let mut cluster = Cluster::new(2, &[]);
    cluster.start();
    cluster.wait_ring(PATIENCE);
    let peer = &cluster.peers[0];
    peer.share("small.txt", b"honest");
    peer.share("large.bin", &vec![7; 64 << 20]);
    for name in ["small.txt", "large.bin"] {
        chordial_tests::programs::eventually(PATIENCE, name, || {
            let sources = peer.sources(name)?;
            chordial_tests::programs::ensure(sources.len() == 1, || format!("{sources:?}"))
        });
    }
    cluster
}

/// The ports of a peer, and what is asked of them.
pub fn ports(peer: &TestPeer) -> [Port; 4] {
    let check = Honest::Grpc("/grpc.health.v1.Health/Check");
    [
        Port::new("gateway", &peer.gateway(), peer.id(), Honest::Http("/api/v1/files/small.txt")),
        Port::new("chord", &peer.chord(), peer.id(), Honest::Grpc("/chord.v1.NodeService/GetNode")),
        Port::new("catalog", &peer.catalog(), peer.id(), check.clone()),
        Port::new("transfer", &peer.transfer(), peer.id(), check),
    ]
}

/// Honest callers before and during `attack`, which returns when what it left half-sent was closed.
pub fn trial<F>(port: &Port, name: &str, attack: impl FnOnce(SocketAddr) -> F + Send) -> Row
where
    F: Future<Output = Option<Duration>>,
{
    let stop = AtomicBool::new(false);
    let (quiet, mut failures) = std::thread::scope(|scope| {
        let calls = scope.spawn(|| calls(port, &stop));
        std::thread::sleep(BEFORE);
        stop.store(true, Relaxed);
        calls.join().expect("honest calls")
    });
    assert!(failures.is_empty(), "before {name}: {failures:?}");
    stop.store(false, Relaxed);
    let resident = || usage(port.process).map_or(0, |usage| usage.resident);
    let memory = resident();
    let mut most = memory;
    let (busy, closed) = std::thread::scope(|scope| {
        let calls = scope.spawn(|| calls(port, &stop));
        let attack = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(attack(port.address))
        });
        while !attack.is_finished() {
            most = most.max(resident());
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Relaxed);
        let (busy, failed) = calls.join().expect("honest calls");
        failures = failed;
        (busy, attack.join().expect("the attack"))
    });
    let row = Row {
        memory: (memory, most),
        before: percentiles(quiet),
        calls: busy.len(),
        during: percentiles(busy),
        failures,
        closed,
    };
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let ms = |(median, last): (Duration, Duration)| {
        format!("{:.1} / {:.1} ms", median.as_secs_f64() * 1e3, last.as_secs_f64() * 1e3)
    };
    eprintln!(
        "| {} | {name} | {:.1} → {:.1} MiB | {} → {} | {} | {} of {} failed |",
        port.name,
        mib(row.memory.0),
        mib(row.memory.1),
        ms(row.before),
        ms(row.during),
        row.closed.map_or("–".into(), |after| format!("{:.1} s", after.as_secs_f64())),
        row.failures.len(),
        row.calls,
    );
    row
}

/// Calls until told to stop; returns how long each took, and why some failed.
fn calls(port: &Port, stop: &AtomicBool) -> (Vec<Duration>, Vec<String>) {
    let url = format!("http://{}", port.address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let kept = runtime.block_on(async { channel(&url) });
    let (mut took, mut failures) = (Vec::new(), Vec::new());
    while !stop.load(Relaxed) {
        let since = Instant::now();
        let outcome = match port.honest {
            Honest::Http(path) => get(&url, path).and_then(|answer| match answer.status {
                200 => Ok(()),
                other => Err(format!("{path}: {other}")),
            }),
            Honest::Grpc(path) => runtime.block_on(async {
                let fresh = took.len() % 8 == 0;
                let channel = if fresh { channel(&url) } else { kept.clone() };
                let ended = call(&channel, path, stream::iter([framed(&[])]), CALL).await?;
                if ended.code == Code::Ok { Ok(()) } else { Err(format!("{ended:?}")) }
            }),
        };
        took.push(since.elapsed());
        failures.extend(outcome.err());
        std::thread::sleep(PAUSE);
    }
    (took, failures)
}

fn percentiles(mut took: Vec<Duration>) -> (Duration, Duration) {
    took.sort_unstable();
    let at = |part: usize| took.get((took.len() * part / 100).min(took.len() - 1)).copied();
    (at(50).expect("calls"), at(99).expect("calls"))
}
