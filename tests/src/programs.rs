//! The real programs, for tests of the whole: built, started, asked, killed.
//!
//! Everything here blocks, and panics with a reason where a test cannot go on.

mod binaries;
mod cluster;
mod event_stream;
pub mod garbage;
mod http;
mod peer;
mod process;
pub mod raw_grpc;
mod ring;
mod usage;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use binaries::{Program, program};
pub use cluster::Cluster;
pub use event_stream::{Event, EventStream};
pub use http::{Answer, encode, get, get_url, raw, request};
pub use peer::{Settings, TestPeer, free_port};
pub use process::Process;
pub use ring::exact;
pub use usage::{Usage, usage};

/// How long anything may take that has no bound of its own: long, since the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until `look` succeeds.
///
/// # Panics
/// After `within`, with the reason that `look` gave last.
pub fn eventually<T>(within: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        let why = match look() {
            Ok(value) => return value,
            Err(why) => why,
        };
        assert!(started.elapsed() < within, "waited {within:?} in vain for: {what}\nlast: {why}");
        std::thread::sleep(LOOK);
    }
}

/// `Ok` where `holds`, else the reason: for [`eventually`].
///
/// # Errors
/// What `why` says, where it does not hold.
pub fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Output {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// Where it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Itself, if the program succeeded.
    ///
    /// # Panics
    /// Where it did not.
    #[track_caller]
    pub fn ok(self) -> Output {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// Runs one of our programs to its end in `folder`, without any of this process's `CHORD_` variables.
///
/// # Panics
/// Where it cannot be started or does not end within [`PATIENCE`].
pub fn run(which: Program, folder: &Path, arguments: &[&str]) -> Output {
    run_with(which, folder, arguments, &[])
}

/// [`run`] with further environment variables.
///
/// # Panics
/// As [`run`].
pub fn run_with(which: Program, folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let outputs = tempfile::tempdir().expect("a folder");
    let (out, err) = (outputs.path().join("out"), outputs.path().join("err"));
    let create = |path: &Path| std::fs::File::create(path).expect("a file for output");
    let mut command = command(which, folder);
    command.args(arguments).envs(environment.iter().copied());
    command.stdout(create(&out)).stderr(create(&err));
    let mut process = Process::spawn(command, &format!("{which:?} {arguments:?}"), err.clone());
    let status = process.wait(PATIENCE);
    let text = |path: &Path| String::from_utf8(std::fs::read(path).expect("output")).expect("UTF-8");
    Output { code: status.code().unwrap_or(-1), out: text(&out), err: text(&err) }
}

/// A command of one of our programs, in `folder`, that inherits no configuration from this process.
pub fn command(which: Program, folder: &Path) -> Command {
    let mut command = Command::new(program(which));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHORD_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}
