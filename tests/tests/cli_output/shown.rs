//! What people see, compared with the files in `snapshots/`.

use std::fmt::Write as _;
use std::path::Path;

use chordial_tests::programs::{Program, command};
use chordial_tests::pty::Terminal;

use crate::ring::{Ring, write};

/// Each command with the name of its snapshot, in the order in which they run; all in one folder.
const COMMANDS: [(&str, &[&str]); 27] = [
    ("ring", &["ring"]),
    ("ring_check", &["ring", "check", "--verbose"]),
    ("node", &["node"]),
    ("fingers", &["fingers"]),
    ("lookup", &["lookup", "hello.txt"]),
    ("lookup_trace", &["lookup", "hello.txt", "--trace"]),
    ("find", &["find", "hello.txt"]),
    ("find_several", &["find", "plan.txt"]),
    ("search", &["search", "annual"]),
    ("search_corrected", &["search", "anual"]),
    ("ls", &["ls"]),
    ("ls_of", &["ls", "--of", "p2"]),
    ("ls_all", &["ls", "--all"]),
    ("publish", &["publish", "hello.txt"]),
    ("get", &["get", "hello.txt"]),
    ("get_again", &["get", "hello.txt"]),
    ("get_several", &["get", "hello.txt", "plan.txt", "annual_notes.md", "-o", "several/", "--at-once", "1"]),
    ("get_search", &["get", "--search", "annual", "-o", "found/", "--at-once", "1"]),
    ("get_search_limit", &["get", "--search", "annual", "--limit", "1"]),
    ("echo_download", &["echo", "download", "hello.txt"]),
    ("echo_upload", &["echo", "upload", "hello.txt"]),
    ("error_choice", &["get", "plan.txt"]),
    ("error_nobody", &["find", "nobody.txt"]),
    ("error_no_match", &["search", "zzzzzzzz"]),
    ("error_key", &["lookup", "--key", "123"]),
    ("error_command", &["rong"]),
    ("error_folder", &["get", "a", "b", "-o", "hello.txt"]),
];

pub fn off_a_terminal(ring: &Ring) {
    let folder = ring.folder("shown");
    for (name, arguments) in COMMANDS {
        compare(name, &printed(ring, &folder, arguments));
    }
    let gateway = ring.p1().gateway();
    compare("error_port", &printed(ring, &folder, &["--peer", &gateway, "ring"]));
    compare("error_peer", &printed(ring, &folder, &["--peer", "http://127.0.0.1:1", "ring"]));
    write(&folder.join("upload.txt"), "uploaded\n");
    let put = printed(ring, &folder, &["put", "upload.txt", "--as", "in/upload.txt"]);
    compare("put", &put);
    crate::settled(&ring.cluster);
}

/// The command, what it printed where, and its exit code.
fn printed(ring: &Ring, folder: &Path, arguments: &[&str]) -> String {
    let output = ring.cli(folder, arguments);
    let mut text = format!("$ chord-cli {}\n{}", arguments.join(" "), output.out);
    for line in output.err.lines() {
        let _ = writeln!(text, "[stderr] {line}");
    }
    let _ = writeln!(text, "[exit code {}]", output.code);
    ring.redacted(&text)
}

pub fn on_a_terminal(ring: &Ring) {
    let folder = ring.folder("terminal");
    for (name, arguments) in [
        ("terminal_ring", &["ring"][..]),
        ("terminal_search", &["search", "annual"]),
        ("terminal_get", &["get", "hello.txt"]),
        ("terminal_get_search", &["get", "--search", "annual", "-o", "found/", "--at-once", "1"]),
    ] {
        let (screen, written) = on_terminal(ring, &folder, arguments, &[]);
        compare(name, &ring.redacted(&screen));
        let plain = !written.contains(&0x1b);
        assert!(plain || name != "terminal_ring", "a short table needs no escapes: {screen}");
    }
    let (coloured, _) = on_terminal(ring, &folder, &["ring"], &[]);
    let (plain, written) = on_terminal(ring, &folder, &["ring"], &[("NO_COLOR", "1")]);
    assert!(!written.windows(2).any(|pair| pair == b"\x1b["), "colours despite of NO_COLOR: {written:?}");
    assert_eq!(ring.redacted(&coloured), ring.redacted(&plain));
}

/// What stands on a terminal of 100 columns in the end, and all that was written to it.
fn on_terminal(
    ring: &Ring,
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> (String, Vec<u8>) {
    let mut command = command(Program::ChordCli, folder);
    command.args(arguments).env("CHORD_PEER", ring.p1().chord()).envs(variables.iter().copied());
    let mut terminal = Terminal::spawn(&command, 40, 100);
    let status = terminal.wait();
    assert!(status.success(), "{arguments:?}: {status}\n{}", terminal.text());
    (terminal.text(), terminal.written())
}

#[track_caller]
fn compare(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}
