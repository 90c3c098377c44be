//! The unit of systemd: systemd finds nothing wrong with it, rates it, and chord-peer takes the line that it starts.

use std::fs;
use std::path::Path;
use std::process::Command;

use chordial_tests::programs::{self, Program};
use chordial_tests::sources;

/// Where the unit expects the program.
const INSTALLED: &str = "usr/local/bin/chord-peer";
/// The most that `systemd-analyze security` may say, in tenths; from 50 on it calls a unit MEDIUM.
const EXPOSURE: u32 = 20;

/// Runs systemd's own judge; what it said.
fn analyze(arguments: &[&str]) -> String {
    let output = Command::new("systemd-analyze").args(arguments).output().unwrap_or_else(|error| {
        panic!("systemd-analyze cannot be run ({error}): .ci/docker-tools installs it")
    });
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "systemd-analyze {arguments:?}: {}\n{said}", output.status);
    said
}

/// A root folder in which all lies that docs/systemd.md installs, beside systemd's own units.
fn installed() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let copy = |from: &Path, to: &str| {
        let to = root.path().join(to);
        fs::create_dir_all(to.parent().expect("a file lies in a folder")).expect("a folder");
        fs::copy(from, &to).unwrap_or_else(|error| panic!("{} to {}: {error}", from.display(), to.display()));
    };
    copy(&programs::program(Program::ChordPeer), INSTALLED);
    copy(&sources().join("deploy/systemd/peer.toml"), "etc/chordial/peer.toml");
    copy(&sources().join("deploy/systemd/chord-peer.service"), "etc/systemd/system/chord-peer.service");
    for unit in fs::read_dir("/usr/lib/systemd/system").expect("systemd's own units").flatten() {
        if unit.path().is_file() {
            copy(&unit.path(), &format!("usr/lib/systemd/system/{}", unit.file_name().to_string_lossy()));
        }
    }
    root
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let root = installed();
    let root = root.path().to_str().expect("a path in UTF-8");
    let said = analyze(&["verify", "--root", root, "--man=no", "chord-peer.service"]);
    assert_eq!(said, "");
}

#[test]
fn systemd_rates_the_unit_as_ok() {
    let unit = sources().join("deploy/systemd/chord-peer.service");
    let unit = unit.to_str().expect("a path in UTF-8");
    let threshold = format!("--threshold={EXPOSURE}");
    let said = analyze(&["security", "--offline=true", "--no-pager", &threshold, unit]);
    let verdict = said.lines().last().unwrap_or_default();
    assert!(verdict.contains(" OK ") || verdict.contains(" SAFE "), "{verdict}");
}

#[test]
fn chord_peer_takes_the_line_that_the_unit_starts() {
    let unit = fs::read_to_string(sources().join("deploy/systemd/chord-peer.service")).expect("the unit");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("an ExecStart");
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[0], format!("/{INSTALLED}"));

    let root = installed();
    let config = root.path().join(words.last().expect("a configuration").trim_start_matches('/'));
    let config = config.to_str().expect("a path in UTF-8");
    programs::run(Program::ChordPeer, root.path(), &["config", "check", config]).ok();

    // As written there, but with the folders and ports of this test; it then leaves as systemd would have it leave.
    let mut arguments: Vec<&str> = words[1..words.len() - 1].to_vec();
    let folder = |name: &str| root.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let (state, share) = (folder("state"), folder("share"));
    arguments.extend([config, "--ip", "127.0.0.1", "--state", &state, "--directory", &share]);
    for port in ["--chord-port", "--catalog-port", "--transfer-port", "--gateway-port"] {
        arguments.extend([port, "0"]);
    }
    let log = root.path().join("log");
    let mut command = programs::command(Program::ChordPeer, root.path());
    command.args(&arguments).stderr(fs::File::create(&log).expect("a log"));
    let mut peer = programs::Process::spawn(command, "the peer of the unit", log);
    programs::eventually(programs::PATIENCE, "a peer that is a member", || {
        programs::ensure(
            programs::run(
                Program::ChordPeer,
                root.path(),
                &["health", "--config", config, "--state", &state],
            )
            .code
                == 0,
            || peer.log(),
        )
    });
    peer.signal("TERM");
    assert_eq!(peer.wait(std::time::Duration::from_secs(15)).code(), Some(0), "{}", peer.log());
}
