//! The foreign programs: where they are, and how each is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chordial_tests::programs::{Output, Process};
use chordial_tests::sources;

/// Where `.ci/http-tools` installs them: in the target folder of this test.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("http")
}

/// Runs `program`, a path below [`folder`], to its end.
///
/// # Panics
/// Where it is not installed, or runs for longer than `within`.
#[track_caller]
pub fn run(program: &str, arguments: &[&str], input: Option<&Path>, within: Duration) -> Output {
    let path = folder().join(program);
    assert!(path.exists(), "{} is missing: install it with .ci/http-tools", path.display());
    let outputs = tempfile::tempdir().expect("a folder");
    let (out, err) = (outputs.path().join("out"), outputs.path().join("err"));
    let create = |path: &Path| std::fs::File::create(path).expect("a file for output");
    let stdin = input.map_or_else(Stdio::null, |path| std::fs::File::open(path).expect("the input").into());
    let mut command = Command::new(&path);
    command.args(arguments).current_dir(sources()).stdin(stdin);
    // Nothing of this machine may stand between a client and a peer on loopback, or change its words.
    command.envs([("NO_PROXY", "*"), ("no_proxy", "*"), ("LC_ALL", "C.UTF-8"), ("PYTHONUTF8", "1")]);
    command.env("HYPOTHESIS_STORAGE_DIRECTORY", outputs.path().join("hypothesis"));
    command.env("HOME", outputs.path()).stdout(create(&out)).stderr(create(&err));
    let status = Process::spawn(command, program, err.clone()).wait(within);
    let text = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).expect("output")).into_owned();
    Output { code: status.code().unwrap_or(-1), out: text(&out), err: text(&err) }
}
