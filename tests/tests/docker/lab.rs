//! Hosts with a docker daemon each, joined to a swarm, by the laboratory `swarm-lab`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use chordial_tests::{laboratory, sources};
use serde_json::Value;

/// Hosts 1, 2, …; host 1 is the swarm's manager. They have processes, mounts and networks of their own, so that several
/// laboratories get on together, and nothing outlives them.
#[derive(Debug)]
pub struct Lab {
    script: PathBuf,
    // The first process in there; all others end with it.
    inside: Child,
    init: String,
    folder: tempfile::TempDir,
    hosts: usize,
}

impl Lab {
    /// A swarm of so many hosts, with the image `chordial` on each.
    ///
    /// # Panics
    /// Where it cannot be made: not root, no script, no image, a tool that is missing.
    pub fn up(hosts: usize) -> Lab {
        let script = laboratory("swarm-lab");
        let image = image();
        // A bash that waits takes in whatever processes are left behind. The namespaces' names go where only they are.
        let first = "mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up && echo up && \
                     while :; do sleep 3600 & wait $!; done";
        let mut inside = Command::new("unshare")
            .args([
                "--fork",
                "--kill-child",
                "--pid",
                "--mount-proc",
                "--mount",
                "--net",
                "bash",
                "-c",
                first,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux runs");
        let mut said = String::new();
        let output = inside.stdout.take().expect("its output");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut said).expect("what it says");
        let found = Command::new("pgrep").args(["--parent", &inside.id().to_string()]).output();
        let init = text(&found.expect("pgrep of procps runs")).unwrap_or_default();
        assert!(said.trim() == "up" && !init.is_empty(), "no namespaces of its own for the laboratory");
        let folder = tempfile::tempdir().expect("a folder for the laboratory");
        let lab = Lab { script, inside, init, folder, hosts };
        lab.script(&["up", &hosts.to_string()]);
        for host in lab.hosts() {
            lab.docker(host, &["load", "--quiet", "--input", &image]);
        }
        lab
    }

    /// The numbers of its hosts.
    pub fn hosts(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.hosts
    }

    /// A folder that all hosts see.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What `docker` says on a host.
    ///
    /// # Panics
    /// Where it fails.
    pub fn docker(&self, host: usize, arguments: &[&str]) -> String {
        self.try_docker(host, arguments)
            .unwrap_or_else(|error| panic!("docker {arguments:?} on host {host}: {error}"))
    }

    /// As [`Lab::docker`], or what it complained of.
    pub fn try_docker(&self, host: usize, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.with_docker(host, "docker");
        command.args(arguments);
        text(&command.output().expect("docker runs"))
    }

    /// A program that finds a host's daemon in `DOCKER_HOST`.
    pub fn with_docker(&self, host: usize, program: &str) -> Command {
        let mut command = self.command(program);
        let socket = self.folder.path().join(format!("lab/h{host}/sock"));
        command.env("DOCKER_HOST", format!("unix://{}", socket.display())).env("DOCKER_BUILDKIT", "0");
        command
    }

    /// Status and body of a GET on a host, of its own port; none where nobody answers.
    pub fn get(&self, host: usize, port: u16, path: &str) -> Option<(u16, String)> {
        self.fetch(host, &format!("http://127.0.0.1:{port}{path}"))
    }

    /// As [`Lab::get`], of any URL.
    pub fn fetch(&self, host: usize, url: &str) -> Option<(u16, String)> {
        let curl = ["curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", url];
        let output = self
            .command("nsenter")
            .arg(format!("--net=/run/netns/chl-{host}"))
            .args(curl)
            .output()
            .expect("curl runs");
        let all = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = all.rsplit_once('\n').filter(|_| output.status.success())?;
        Some((status.parse().ok()?, body.to_owned()))
    }

    /// What a gateway answers with 200, as JSON.
    pub fn json(&self, host: usize, port: u16, path: &str) -> Option<Value> {
        let (status, body) = self.get(host, port, path)?;
        (status == 200).then(|| serde_json::from_str(&body).expect("JSON"))
    }

    /// Unplugs a host from the wire.
    pub fn cut(&self, host: usize) {
        self.script(&["cut", &host.to_string()]);
    }

    /// Plugs it in again.
    pub fn join(&self, host: usize) {
        self.script(&["join", &host.to_string()]);
    }

    /// Ends a host's daemon and containers at once.
    pub fn kill(&self, host: usize) {
        self.script(&["kill", &host.to_string()]);
    }

    /// Starts it again.
    pub fn start(&self, host: usize) {
        self.script(&["start", &host.to_string()]);
    }

    /// What a machine does before its daemon starts (docs/deploy.md).
    pub fn await_manager(&self, host: usize) {
        let mut command = self.command("nsenter");
        command
            .arg(format!("--net=/run/netns/chl-{host}"))
            .arg(sources().join("deploy/systemd/await-manager"));
        command.arg(self.folder.path().join(format!("lab/h{host}/data")));
        assert!(command.status().expect("bash runs").success(), "host {host} has waited in vain");
    }

    fn script(&self, arguments: &[&str]) {
        let mut command = self.command("bash");
        // Not piped: the daemons keep it open.
        let log = std::fs::File::create(self.folder.path().join(format!("{}.log", arguments.join("-"))));
        let log = log.expect("a log");
        command.arg(&self.script).args(arguments).stderr(log.try_clone().expect("a log")).stdout(log);
        let status = command.status().expect("the laboratory runs");
        assert!(status.success(), "swarm-lab {arguments:?}: {}", self.told(arguments));
    }

    fn told(&self, arguments: &[&str]) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{}.log", arguments.join("-"))))
            .unwrap_or_default()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init, "--pid", "--mount", "--net", "--", program]);
        command.env("SWARM_LAB", self.folder.path().join("lab")).current_dir(sources());
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The namespaces, and what is mounted there, go with their first process.
        let ended = Command::new("kill").args(["-KILL", &self.init]).status();
        if let Err(error) = ended.and_then(|_| self.inside.wait()) {
            eprintln!("the laboratory in {} is left behind: {error}", self.folder.path().display());
        }
    }
}

/// The folder where `.ci/docker-image` and `.ci/docker-tools` leave what they make.
pub fn made() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("docker")
}

/// The saved image.
pub fn image() -> String {
    let image = made().join("chordial.tar");
    assert!(image.is_file(), "{} is missing: run .ci/docker-image", image.display());
    image.display().to_string()
}

/// What a command said, or what it complained of.
pub fn text(output: &Output) -> Result<String, String> {
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Waits until `is` says something; tells how long that took.
///
/// # Panics
/// After so many seconds.
#[track_caller]
pub fn eventually<T>(what: &str, seconds: u64, mut is: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = is() {
            println!("{what}: after {:.1} s", started.elapsed().as_secs_f64());
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(seconds), "in vain for {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Whether a host's gateway knows exactly these many peers, all of one view.
pub fn whole(lab: &Lab, host: usize, port: u16, peers: usize) -> bool {
    lab.json(host, port, "/api/v1/ring").is_some_and(|ring| {
        let all = ring["peers"].as_array().expect("peers");
        ring["agreed"] == true && all.len() == peers && all.iter().all(|peer| peer["state"] == "member")
    })
}
