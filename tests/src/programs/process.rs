//! A running program that never outlives its test.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::LOOK;

/// Lines of a log that a failed test shows.
const TAIL: usize = 60;

/// A running program. Dropped, it is killed; where the test is failing, the end of its log is shown.
#[derive(Debug)]
pub struct Process {
    child: Child,
    what: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, whose standard error goes to `log`; `what` names it to people.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn spawn(mut command: Command, what: &str, log: PathBuf) -> Process {
        let child = command.spawn().unwrap_or_else(|error| panic!("{what} cannot be started: {error}"));
        Process { child, what: what.to_owned(), log }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child")
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// Where it runs longer than `within`.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(started.elapsed() < within, "{} still runs after {within:?}", self.what);
            std::thread::sleep(LOOK / 4);
        }
    }

    /// Ends it at once, without goodbye (SIGKILL).
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal: `TERM`, `INT`, ….
    ///
    /// # Panics
    /// Where the system refuses.
    pub fn signal(&mut self, name: &str) {
        assert_eq!(self.ended(), None, "{} has ended before SIG{name}", self.what);
        // The shell has `kill` built in; a program of this name is not everywhere.
        let line = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &line]).status().expect("a shell");
        assert!(status.success(), "{line}: {status}");
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            eprintln!("--- end of the log of {} ---\n{tail}\n---", self.what);
        }
    }
}
