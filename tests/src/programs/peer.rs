//! One peer as a real `chord-peer`: its configuration file, folders, ports and processes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::{Output, PATIENCE, Process, Program, command, ensure, eventually, get, run};

/// Keys of a configuration and what is typed for them.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

/// The services of a peer, each with a port.
const SERVICES: [&str; 4] = ["chord", "catalog", "transfer", "gateway"];

/// Intervals that let a test see in seconds what takes a LAN a minute; patient with a busy machine.
const QUICK: Settings<'static> = &[
    ("chord.stabilize", "200ms"),
    ("chord.stabilize_quiet", "500ms"),
    ("chord.fix_fingers", "200ms"),
    ("index.lease", "6s"),
];

/// A free port of this machine, none twice in one process. It lies below the ports that systems choose for
/// outgoing connections, so that a peer which was killed finds its own free when it comes back.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 100) as u16 * 180;
    for _ in 0..18_000 {
        let port = 12_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 18_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free")
}

/// A peer with a configuration file of its own. Its processes end with it.
#[derive(Debug)]
pub struct TestPeer {
    name: String,
    folder: PathBuf,
    settings: BTreeMap<String, String>,
    ip: Ipv4Addr,
    ports: [u16; 4],
    /// By what runs in them: all services, or the one of `--only`.
    processes: BTreeMap<String, Process>,
}

impl TestPeer {
    /// A peer below `folder`, on loopback, at free ports, with quick intervals; `settings` win over those.
    /// It does not run yet.
    ///
    /// # Panics
    /// Where its folders cannot be made.
    pub fn new(folder: &Path, name: &str, settings: Settings<'_>) -> TestPeer {
        let ports = SERVICES.map(|_| free_port());
        let settings = [QUICK, settings].concat();
        TestPeer::at(folder, name, Ipv4Addr::LOCALHOST, ports, &settings)
    }

    /// A peer below `folder` that listens at this address and these ports (chord, catalog, transfer, gateway),
    /// with the default configuration but for `settings`. It does not run yet.
    ///
    /// # Panics
    /// Where its folders cannot be made.
    pub fn at(folder: &Path, name: &str, ip: Ipv4Addr, ports: [u16; 4], settings: Settings<'_>) -> TestPeer {
        let below = |kind: &str| folder.join(kind).join(name).display().to_string();
        let own = [
            ("name", name.to_owned()),
            ("ip", ip.to_string()),
            ("directory", below("share")),
            ("state", below("state")),
        ];
        let mut keys: BTreeMap<String, String> =
            own.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        keys.extend(
            SERVICES.iter().zip(ports).map(|(name, port)| (format!("ports.{name}"), port.to_string())),
        );
        let typed = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        keys.extend(settings.iter().map(typed));
        let peer = TestPeer {
            name: name.into(),
            folder: folder.into(),
            settings: keys,
            ip,
            ports,
            processes: BTreeMap::new(),
        };
        std::fs::create_dir_all(peer.directory()).expect("the shared directory");
        peer
    }

    /// Changes a key; it counts from the next start on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its shared directory.
    pub fn directory(&self) -> PathBuf {
        self.settings["directory"].clone().into()
    }

    /// Its state folder.
    pub fn state(&self) -> PathBuf {
        self.settings["state"].clone().into()
    }

    /// `http://IP:PORT` of its chord service.
    pub fn chord(&self) -> String {
        self.url(0)
    }

    /// `http://IP:PORT` of its catalog service.
    pub fn catalog(&self) -> String {
        self.url(1)
    }

    /// `http://IP:PORT` of its transfer service.
    pub fn transfer(&self) -> String {
        self.url(2)
    }

    /// `http://IP:PORT` of its gateway.
    pub fn gateway(&self) -> String {
        self.url(3)
    }

    fn url(&self, service: usize) -> String {
        format!("http://{}:{}", self.ip, self.ports[service])
    }

    /// Writes a file into its shared directory, whole from the first moment on.
    ///
    /// # Panics
    /// Where that fails.
    pub fn share(&self, path: &str, bytes: &[u8]) {
        let target = self.directory().join(path);
        let temporary = self.folder.join(format!("new-{}", self.name));
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        std::fs::write(&temporary, bytes).expect("a file");
        std::fs::rename(temporary, target).expect("a file renamed");
    }

    /// Starts all its services in one process; returns once they listen.
    ///
    /// # Panics
    /// Where it ends instead, or is not there in time.
    pub fn start(&mut self) {
        self.spawn("all");
        self.wait_listening("all");
    }

    /// Starts one service in a process of its own; returns once it listens.
    ///
    /// # Panics
    /// As [`TestPeer::start`].
    pub fn start_only(&mut self, service: &str) {
        self.spawn(service);
        self.wait_listening(service);
    }

    /// Starts without waiting: all services, or one by its name.
    pub fn spawn(&mut self, which: &str) {
        assert!(!self.processes.contains_key(which), "{} runs {which} already", self.name);
        let log = self.log_path(which);
        let mut command = command(Program::ChordPeer, &self.folder);
        command.arg("run").arg("--config").arg(self.write_config());
        if which != "all" {
            command.args(["--only", which]);
        }
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        command.stdout(file.try_clone().expect("a file")).stderr(file);
        let process = Process::spawn(command, &format!("{} ({which})", self.name), log);
        self.processes.insert(which.to_owned(), process);
    }

    /// Waits until what was spawned listens, and learns ports that the system has chosen.
    ///
    /// # Panics
    /// Where it ends instead, or is not there in time.
    pub fn wait_listening(&mut self, which: &str) {
        let services = SERVICES.iter().enumerate().filter(|(_, name)| which == "all" || **name == which);
        for (index, service) in services {
            let port = eventually(PATIENCE, &format!("{} of {} listens", service, self.name), || {
                let process = self.processes.get_mut(which).expect("it was spawned");
                if let Some(status) = process.ended() {
                    panic!("{} ({which}) has ended: {status}\n{}", self.name, process.log());
                }
                listening(&self.state().join(format!("{service}.lock")))
            });
            self.ports[index] = port;
            // The same one at a restart: a peer is its address.
            self.settings.insert(format!("ports.{service}"), port.to_string());
        }
    }

    /// Waits until it says that it is a member of a ring.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub fn wait_member(&self) {
        eventually(PATIENCE, &format!("{} is a member", self.name), || {
            let answer = get(&self.gateway(), "/readyz")?;
            ensure(answer.status == 200, || String::from_utf8_lossy(&answer.body).into_owned())
        });
    }

    /// Whether any of its processes was started and not ended from here.
    pub fn runs(&self) -> bool {
        !self.processes.is_empty()
    }

    /// The number of its one process.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn id(&self) -> u32 {
        self.processes.get("all").expect("it runs").id()
    }

    /// Sends its one process a signal: `STOP`, `CONT`, ….
    ///
    /// # Panics
    /// Where it does not run, or the system refuses.
    pub fn signal(&mut self, name: &str) {
        self.processes.get_mut("all").expect("it runs").signal(name);
    }

    /// Kills all its processes: SIGKILL.
    pub fn kill(&mut self) {
        self.processes.values_mut().for_each(Process::kill);
        self.processes.clear();
    }

    /// Kills the process of one service: SIGKILL.
    ///
    /// # Panics
    /// Where there is none.
    pub fn kill_only(&mut self, service: &str) {
        self.processes.remove(service).unwrap_or_else(|| panic!("{service} does not run apart")).kill();
    }

    /// SIGTERM to its one process; returns how it ended.
    ///
    /// # Panics
    /// Where it does not run, or not end within `within`.
    pub fn terminate(&mut self, within: Duration) -> ExitStatus {
        let mut process = self.processes.remove("all").expect("it runs");
        process.signal("TERM");
        process.wait(within)
    }

    /// Waits until what was spawned ends by itself; returns its exit code.
    ///
    /// # Panics
    /// Where it does not.
    pub fn wait_end(&mut self, which: &str) -> Option<i32> {
        let status = self.processes.get_mut(which).expect("it was spawned").wait(PATIENCE);
        self.processes.remove(which);
        status.code()
    }

    /// All that its process has logged, former lives included.
    pub fn log(&self, which: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_path(which)).unwrap_or_default()).into_owned()
    }

    /// Runs chord-cli against it.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let chord = self.chord();
        run(Program::ChordCli, &self.folder, &[&["--peer", &chord, "--timeout", "10s"], arguments].concat())
    }

    /// A GET of its gateway; the path is sent as it is.
    ///
    /// # Panics
    /// Where it does not answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> super::Answer {
        get(&self.gateway(), path).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// What its gateway says of a name.
    ///
    /// # Errors
    /// Where it does not answer with 200 or 404.
    pub fn sources(&self, name: &str) -> Result<Vec<Value>, String> {
        let answer = get(&self.gateway(), &format!("/api/v1/files/{}", super::encode(name)))?;
        match answer.status {
            200 => Ok(answer.json()["sources"].as_array().cloned().unwrap_or_default()),
            404 => Ok(Vec::new()),
            status => Err(format!("{}: {status} {}", self.name, String::from_utf8_lossy(&answer.body))),
        }
    }

    /// Writes its configuration file, and returns where it is.
    ///
    /// # Panics
    /// Where that fails.
    pub fn write_config(&self) -> PathBuf {
        let path = self.folder.join(format!("{}.toml", self.name));
        let mut text = String::new();
        for (key, value) in &self.settings {
            // A JSON string is a TOML string, too; number keys take text.
            let _ = writeln!(text, "{key} = {}", Value::from(value.as_str()));
        }
        std::fs::write(&path, text).expect("a configuration file");
        path
    }

    fn log_path(&self, which: &str) -> PathBuf {
        self.folder.join(format!("{}-{which}.log", self.name))
    }
}

/// The port that a lock file of a state folder announces.
fn listening(lock: &Path) -> Result<u16, String> {
    let text = std::fs::read_to_string(lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let running: Value = serde_json::from_str(&text).map_err(|error| format!("{text:?}: {error}"))?;
    let address = running["address"].as_str().and_then(|address| address.rsplit(':').next()?.parse().ok());
    address.ok_or_else(|| format!("no address in {text:?}"))
}
