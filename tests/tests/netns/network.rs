//! Real peers, one at each host of a laboratory, with the default configuration.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chordial_tests::history::{Answer, Source};
use chordial_tests::programs::{Program, TestPeer, encode, ensure, exact, get, program};
use serde_json::Value;

use crate::lab::Lab;

/// How many peers: of 16, any 8 may die at once and each of the others still has a living successor in its list of
/// eight, or its way back.
pub const PEERS: usize = 16;
/// The default ports; each host has its own.
const PORTS: [u16; 4] = [7300, 7301, 7302, 8000];
/// From all processes started to an exact ring.
const STARTED: Duration = Duration::from_secs(15);

/// Peer p1 is at host 1, and so on.
pub struct Network {
    /// The peers, p1 first.
    pub peers: Vec<TestPeer>,
    /// Their hosts.
    pub lab: Lab,
}

impl Network {
    /// [`PEERS`] peers, started at once, as one exact ring; their folders and logs stay below the target folder
    /// in one that is named after the test.
    pub fn start(test: &str) -> Network {
        program(Program::ChordPeer);
        let folder = empty_folder(test);
        let lab = Lab::up(PEERS);
        let friend = |host: usize| format!("http://{}:{}", lab.ip(host), PORTS[0]);
        let peer = |host: usize| {
            let settings = [
                ("friend", friend(if host == 1 { 2 } else { 1 })),
                ("backup_friend", friend(if host == 3 { 2 } else { 3 })),
                ("log.level", "info,chord_peer=debug".into()),
            ];
            let settings = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
            TestPeer::at(&folder, &format!("p{host}"), lab.ip(host), PORTS, &settings)
        };
        let peers = lab.hosts().map(peer).collect();
        let mut network = Network { peers, lab };
        let all: Vec<usize> = network.lab.hosts().collect();
        all.iter().for_each(|&host| network.spawn(host));
        network.exact(&all, STARTED);
        network
    }

    /// The peer at a host.
    pub fn peer(&mut self, host: usize) -> &mut TestPeer {
        &mut self.peers[host - 1]
    }

    /// Starts the peer at a host, without waiting.
    pub fn spawn(&mut self, host: usize) {
        let peer = &mut self.peers[host - 1];
        self.lab.inside(host, || peer.spawn("all"));
    }

    /// Waits until these peers are one exact ring, as each of them says; returns after how long that was so.
    ///
    /// # Panics
    /// After `within`.
    pub fn exact(&self, hosts: &[usize], within: Duration) -> Duration {
        let started = Instant::now();
        loop {
            let nodes: Result<Vec<Value>, String> =
                self.each(hosts, |_, peer| node(peer)).into_iter().collect();
            let why = match nodes.and_then(|nodes| exact(&nodes)) {
                Ok(()) => return started.elapsed(),
                Err(why) => why,
            };
            assert!(
                started.elapsed() < within,
                "{} peers are no exact ring after {within:?}: {why}",
                hosts.len()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks each of these peers for each of these names, all peers at the same time; one list of answers for each
    /// peer.
    pub fn ask(&self, hosts: &[usize], names: &[String]) -> Vec<Vec<Answer>> {
        self.each(hosts, |_, peer| names.iter().map(|name| ask(&peer.gateway(), name)).collect())
    }

    /// Does something inside each of these hosts, at the same time.
    pub fn each<T: Send>(&self, hosts: &[usize], work: impl Fn(usize, &TestPeer) -> T + Sync) -> Vec<T> {
        std::thread::scope(|scope| {
            let work = &work;
            let start = |&host: &usize| {
                scope.spawn(move || self.lab.inside(host, || work(host, &self.peers[host - 1])))
            };
            let all: Vec<_> = hosts.iter().map(start).collect();
            all.into_iter()
                .map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }
}

fn node(peer: &TestPeer) -> Result<Value, String> {
    let answer = get(&peer.gateway(), "/api/v1/node")?;
    ensure(answer.status == 200, || format!("{}: {}", peer.name(), answer.status))?;
    Ok(answer.json())
}

/// What a gateway says of a name; from inside its host.
pub fn ask(gateway: &str, name: &str) -> Answer {
    let answer = match get(gateway, &format!("/api/v1/files/{}", encode(name))) {
        Ok(answer) => answer,
        Err(why) => return Answer::NoAnswer(why),
    };
    let text = || format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    match answer.status {
        200 => read(&answer.body).unwrap_or_else(|| Answer::Strange(text())),
        404 if text().contains("file-not-found") => Answer::Nobody,
        503 | 504 => Answer::NoAnswer(text()),
        _ => Answer::Strange(text()),
    }
}

fn read(body: &[u8]) -> Option<Answer> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let source = |source: &Value| {
        Some(Source {
            peer: source["peer"].as_str()?.into(),
            path: source["path"].as_str()?.into(),
            size: source["size"].as_u64()?,
        })
    };
    let sources: Option<Vec<Source>> = body["sources"].as_array()?.iter().map(source).collect();
    Some(Answer::Found { sources: sources?, complete: body["complete"].as_bool()? })
}

/// The test's folder, empty.
fn empty_folder(test: &str) -> PathBuf {
    let folder = folder(test);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", folder.display()),
        _ => {}
    }
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// Where a test leaves configurations, files and logs of its peers.
pub fn folder(test: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("netns").join(test)
}
