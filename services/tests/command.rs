//! chord-peer's command line from outside: what it prints where, and its exit codes.

use std::path::Path;
use std::process::Command;

/// Exit code, standard output, standard error of chord-peer in a directory of its own.
fn chord_peer(directory: &Path, line: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chord-peer"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHORD_")) {
        command.env_remove(name);
    }
    let output =
        command.current_dir(directory).args(line).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn directory(file: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("p.toml"), file).unwrap();
    root
}

#[test]
fn config_check_says_ok_or_every_error() {
    let root = directory("name = 'p1'\nfriend = 'http://10.0.0.4:7300'\n");
    // The environment does not count: the file is judged by itself.
    let (code, out, err) = chord_peer(root.path(), &["config", "check", "p.toml"], &[("CHORD_RING", "Ö")]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.starts_with("p.toml: ok\npeer p1 of ring chordial") && out.contains("10.0.0.4:7300"),
        "{out}"
    );

    let root = directory("nmae = 'p1'\nfriend = 'https://10.0.0.4:7300'\n");
    let (code, out, err) = chord_peer(root.path(), &["config", "check", "p.toml"], &[]);
    assert_eq!((code, out.as_str(), err.lines().count()), (1, "", 2), "{err}");
    assert!(err.contains("p.toml: unknown key `nmae`; the nearest known key is `name`"), "{err}");

    let (code, _, err) = chord_peer(root.path(), &["config", "check", "none.toml"], &[]);
    assert!(code == 1 && err.contains("none.toml: there is no such file"), "{err}");
}

#[test]
fn config_show_names_origins_and_warns_of_unknown_variables() {
    let root = directory("ring = 'lab'\n");
    let line = ["config", "show", "--config", "p.toml", "--name", "p9", "--set", "chord.replicas=2"];
    let environment = [("CHORD_PORTS__GATEWAY", "8001"), ("CHORD_NAM", "x"), ("CHORD_PEER", "http://x:1")];
    let (code, out, err) = chord_peer(root.path(), &line, &environment);
    assert_eq!((code, err.lines().count()), (0, 1), "{err}");
    assert!(err.starts_with("warning: environment CHORD_NAM:"), "{err}");
    for (value, origin) in [
        ("name = \"p9\"", "flag --name"),
        ("ring = \"lab\"", "p.toml"),
        ("gateway = 8001", "environment CHORD_PORTS__GATEWAY"),
        ("replicas = 2", "flag --set"),
        ("state = \"./.chordial/p9\"", "default"),
    ] {
        let found = out.lines().any(|line| line.starts_with(value) && line.ends_with(&format!("# {origin}")));
        assert!(found, "{value} # {origin} in\n{out}");
    }
    std::fs::write(root.path().join("shown.toml"), out).unwrap();
    assert_eq!(chord_peer(root.path(), &["config", "check", "shown.toml"], &[]).0, 0);
}

#[test]
fn what_is_wrong_with_the_command_line_is_2() {
    let root = directory("");
    for line in
        [&["run", "--only", "ring"][..], &["run", "--set", "x"], &["nonsense"], &["demo", "--peers", "65"]]
    {
        let (code, out, err) = chord_peer(root.path(), line, &[]);
        assert!(code == 2 && out.is_empty() && !err.is_empty(), "{line:?}: {code} {err}");
    }
    let (code, _, err) = chord_peer(root.path(), &["run", "--set", "chord.replica=2"], &[]);
    assert!(code == 2 && err.contains("nearest known key is `chord.replicas`"), "{code} {err}");
    let (code, _, err) = chord_peer(root.path(), &["run", "--chord-port", "x"], &[]);
    assert!(code == 2 && err.contains("flag --chord-port: `ports.chord = \"x\"`"), "{code} {err}");
    // The same in the environment is no mistake of whoever typed the command.
    let (code, _, err) = chord_peer(root.path(), &["run"], &[("CHORD_PORTS__CHORD", "x")]);
    assert!(code == 1 && err.contains("environment CHORD_PORTS__CHORD"), "{code} {err}");
}

#[test]
fn health_is_1_where_nothing_runs() {
    let root = directory("name = 'p1'");
    let (code, out, err) = chord_peer(root.path(), &["health", "--config", "p.toml"], &[]);
    assert!(code == 1 && out.is_empty() && err.contains("nothing runs here"), "{code} {err}");
    assert!(!root.path().join(".chordial").exists(), "health only looks");
}
