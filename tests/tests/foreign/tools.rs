//! The foreign programs: where they are, and how each is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chordial_tests::programs::{Output, Process};

/// How long one of them may take: the whole of the Python checks take some seconds.
const WITHIN: Duration = Duration::from_secs(120);

/// A foreign program.
#[derive(Debug, Clone, Copy)]
pub enum Tool {
    /// Python with grpcio and what belongs to it.
    Python,
    /// grpcurl.
    Grpcurl,
    /// buf.
    Buf,
    /// curl, the system's.
    Curl,
    /// A shell, in which the others are found by their names.
    Shell,
}

impl Tool {
    fn path(self) -> PathBuf {
        match self {
            Tool::Python => folder().join("grpcio/bin/python"),
            Tool::Grpcurl => folder().join("grpcurl/bin/grpcurl"),
            Tool::Buf => folder().join("buf/node_modules/.bin/buf"),
            Tool::Curl => "curl".into(),
            Tool::Shell => "bash".into(),
        }
    }

    /// Runs it to its end in `within`.
    ///
    /// # Panics
    /// Where it is not installed, or runs for too long.
    #[track_caller]
    pub fn run<S: AsRef<str>>(self, within: &Path, arguments: &[S]) -> Output {
        let path = self.path();
        let mut command = Command::new(&path);
        command.args(arguments.iter().map(AsRef::as_ref)).current_dir(within).stdin(Stdio::null());
        // Nothing of this machine may stand between a client and a peer on loopback, or change its words.
        command.envs([("NO_PROXY", "*"), ("no_proxy", "*"), ("LC_ALL", "C.UTF-8"), ("PYTHONUTF8", "1")]);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let own = ["grpcio/bin", "grpcurl/bin"].map(|name| folder().join(name));
        let system = std::env::var_os("PATH").unwrap_or_default();
        let all = own.into_iter().chain(std::env::split_paths(&system));
        command.env("PATH", std::env::join_paths(all).expect("folders of programs"));
        let outputs = tempfile::tempdir().expect("a folder");
        // Settings of a person, such as ~/.curlrc, stay out of it; caches go with the folder.
        command.env("HOME", outputs.path());
        let (out, err) = (outputs.path().join("out"), outputs.path().join("err"));
        let create = |path: &Path| std::fs::File::create(path).expect("a file for output");
        if let Err(error) = Command::new(&path).arg("--version").output() {
            panic!("{} does not run ({error}): install it with .ci/foreign-tools", path.display());
        }
        command.stdout(create(&out)).stderr(create(&err));
        let status = Process::spawn(command, &format!("{self:?}"), err.clone()).wait(WITHIN);
        let text = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).expect("output")).into_owned();
        Output { code: status.code().unwrap_or(-1), out: text(&out), err: text(&err) }
    }
}

/// Where `.ci/foreign-tools` installs them: in the target folder of this test.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("foreign")
}
