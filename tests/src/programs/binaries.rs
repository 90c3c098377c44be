//! The programs of this very source, built as this test was built; never one that happens to lie around.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One of our programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The daemon.
    ChordPeer,
    /// The client.
    ChordCli,
}

/// Where the program is; the first call of a process has cargo bring both up to date.
///
/// # Panics
/// Where they do not compile.
pub fn program(which: Program) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let name = match which {
        Program::ChordPeer => "chord-peer",
        Program::ChordCli => "chord-cli",
    };
    FOLDER.get_or_init(build).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Builds both with the profile, the target and the target folder of this test; returns their folder.
fn build() -> PathBuf {
    // …/target[/TRIPLE]/PROFILE/deps/test-0123456789abcdef
    let test = std::env::current_exe().expect("this test is a file");
    let folder = test.parent().and_then(Path::parent).expect("a test lies in a folder of its profile");
    let above = folder.parent().expect("which lies in the target folder");
    // Cargo keeps this in the target folder itself.
    let (target, triple) = match above.join(".rustc_info.json").exists() {
        true => (above, None),
        false => (above.parent().expect("a triple's folder lies in the target folder"), above.file_name()),
    };
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // A build for a test of the whole workspace has the features of `cargo test --workspace`: nothing is built twice.
    command.args(["build", "-q", "--workspace", "--bins", "--test", "pty"]);
    command.current_dir(crate::sources());
    command.arg("--target-dir").arg(target);
    if let Some(triple) = triple {
        command.arg("--target").arg(triple);
    }
    match folder.file_name().and_then(|name| name.to_str()).expect("a profile's name") {
        "debug" => {}
        profile => drop(command.args(["--profile", profile])),
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "{command:?} failed: {status}");
    folder.to_path_buf()
}
