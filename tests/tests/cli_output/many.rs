//! `get` of several files, of a search's results, and from a holder that dies in the middle.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use chordial_tests::programs::{Cluster, PATIENCE, Process, Program, command, ensure, eventually, run};
use chordial_tests::pty::Terminal;
use serde_json::{Value, json};

/// Large enough that a holder can be stopped while it gives it.
const LARGE: usize = 48 * 1024 * 1024;

pub fn fetches() {
    let mut cluster = Cluster::new(3, &[]);
    let large: Vec<u8> = (0..LARGE).map(|at| (at.wrapping_mul(2_654_435_761) >> 16) as u8).collect();
    for number in 0..12 {
        let text = format!("the text of {number}\n");
        cluster.peers[number % 2].share(&format!("notes/note {number}.txt"), text.as_bytes());
    }
    cluster.peers[0].share("large.bin", &large);
    cluster.peers[1].share("copy/large.bin", &large);
    cluster.start();
    super::settled(&cluster);
    what_fails_does_not_stop_the_others(&cluster);
    a_search_is_fetched_whole_or_not_at_all(&cluster);
    bars_are_shown_on_a_terminal(&mut cluster);
    another_holder_goes_on_in_the_middle(&mut cluster, &large);
}

fn what_fails_does_not_stop_the_others(cluster: &Cluster) {
    let folder = folder(cluster, "several");
    let peer = cluster.peers[2].chord();
    let get = |arguments: &[&str]| {
        run(Program::ChordCli, &folder, &[&["--peer", &peer, "--output", "json", "get"], arguments].concat())
    };
    let names = ["note 1.txt", "nobody.txt", "note 2.txt", "note 1.txt", "a/b", "note 3.txt"];
    let output = get(&[&names[..], &["-o", "new/deep/"]].concat());
    let printed = output.json();
    let list = |key: &str, member: &str| -> Vec<Value> {
        printed[key].as_array().expect("a list").iter().map(|one| one[member].clone()).collect()
    };
    assert_eq!(list("files", "name"), ["note 1.txt", "note 2.txt", "note 3.txt"], "{printed}");
    assert_eq!(list("failed", "name"), ["nobody.txt", "a/b"], "{printed}");
    assert_eq!(list("failed", "code"), [4, 2], "{printed}");
    assert_eq!(output.code, 4, "{output:?}");
    for number in 1..=3 {
        let file = folder.join(format!("new/deep/note {number}.txt"));
        assert_eq!(std::fs::read_to_string(file).expect("it"), format!("the text of {number}\n"));
    }
    for (arguments, word) in [
        (&["note 1.txt", "note 2.txt", "-o", "-"][..], "standard output"),
        (&["note 1.txt", "note 2.txt", "-o", "none"], "none/"),
        (&["--search", "note", "-o", "-"], "standard output"),
        (&["note 1.txt", "--search", "note"], "cannot be used with"),
    ] {
        let output = get(arguments);
        assert!(output.code == 2 && output.err.contains(word), "{arguments:?}: {output:?}");
    }
    // One name is printed as ever.
    let one = get(&["note 4.txt"]).ok().json();
    assert_eq!((&one["file"], &one["bytes"]), (&json!("note 4.txt"), &json!(14)), "{one}");
}

fn a_search_is_fetched_whole_or_not_at_all(cluster: &Cluster) {
    let folder = folder(cluster, "search");
    let peer = cluster.peers[2].chord();
    let get = |arguments: &[&str]| {
        run(Program::ChordCli, &folder, &[&["--peer", &peer, "get", "--search"], arguments].concat())
    };
    let refused = get(&["note ext:txt", "--limit", "11"]);
    assert!(refused.code == 2 && refused.err.contains("more than 11 names"), "{refused:?}");
    let near = get(&["nite"]);
    assert!(near.code == 4 && near.err.contains("exactly"), "{near:?}");
    assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 0);
    let output = get(&["note ext:txt", "--limit", "12"]).ok();
    assert!(output.err.contains("fetching 12 files") && output.out.contains("12 of 12 files"), "{output:?}");
    assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 12);
    let again = get(&["note ext:txt"]).ok();
    assert!(
        again.out.matches("already there").count() == 12 && again.out.contains("0 B received now"),
        "{again:?}"
    );
}

fn bars_are_shown_on_a_terminal(cluster: &mut Cluster) {
    let folder = folder(cluster, "bars");
    let asked = cluster.peers[2].chord();
    for arguments in [&["large.bin"][..], &["large.bin", "note 5.txt"]] {
        let mut download = command(Program::ChordCli, &folder);
        download.args(["--peer", &asked, "--timeout", "30s", "get", "--from", "p1"]).args(arguments);
        let written = eventually(PATIENCE, "a download that was stopped in the middle", || {
            clean(&folder);
            let started = Instant::now();
            let mut terminal = Terminal::spawn(&download, 20, 100);
            let stopped = stop_in_the_middle(cluster, 0, &folder);
            // Shorter downloads show no bar.
            let shown = Duration::from_millis(250);
            eventually(PATIENCE, "time for a bar", || {
                ensure(started.elapsed() > shown, || "too early".into())
            });
            cluster.peers[0].signal("CONT");
            let status = terminal.wait();
            assert_eq!(status.success(), arguments.len() == 1, "{}", terminal.text());
            stopped.map(|()| String::from_utf8_lossy(&terminal.written()).into_owned())
        });
        assert!(written.contains(" % [=") && written.contains("of 48.00 MiB"), "{written}");
        assert_eq!(written.contains("total, "), arguments.len() > 1, "{written}");
        assert!(!written.contains("\u{1b}[3") && !written.contains("\u{1b}[1m"), "colours: {written}");
    }
}

fn another_holder_goes_on_in_the_middle(cluster: &mut Cluster, large: &[u8]) {
    let folder = folder(cluster, "dies");
    let first = cluster.peers[2].sources("large.bin").expect("sources")[0]["peer"].clone();
    let (dies, lives) = if first == "p1" { (0, "p2") } else { (1, "p1") };
    let (out, err) = (cluster.folder().join("dies.out"), cluster.folder().join("dies.err"));
    let asked = cluster.peers[2].chord();
    eventually(PATIENCE, "a download whose holder died in the middle", || {
        clean(&folder);
        let mut download = command(Program::ChordCli, &folder);
        download.args(["--peer", &asked, "--output", "json", "--timeout", "10s", "get", "large.bin"]);
        let create = |path| std::fs::File::create(path).expect("a file for output");
        download.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err));
        let mut process = Process::spawn(download, "chord-cli get", err.clone());
        let stopped = stop_in_the_middle(cluster, dies, &folder);
        match &stopped {
            Ok(()) => cluster.peers[dies].kill(),
            Err(_) => cluster.peers[dies].signal("CONT"),
        }
        assert!(process.wait(PATIENCE).success(), "{}", process.log());
        stopped
    });
    let said = std::fs::read_to_string(&err).expect("standard error");
    let got: Value = serde_json::from_slice(&std::fs::read(&out).expect("standard output")).expect("JSON");
    assert!(said.contains(&format!("trying {lives}")), "{said}");
    // No byte came twice, and all were verified.
    assert_eq!(
        (&got["peer"], &got["received"], &got["bytes"]),
        (&json!(lives), &json!(LARGE), &json!(LARGE)),
        "{got}"
    );
    assert_eq!(got["digest"], format!("blake3:{}", blake3::hash(large).to_hex()), "{got}");
    assert!(std::fs::read(folder.join("large.bin")).expect("the file") == large);
}

/// Stops a holder once a part of `large.bin` is in `folder`; an error where it has given all of it by then.
fn stop_in_the_middle(cluster: &mut Cluster, holder: usize, folder: &Path) -> Result<(), String> {
    let gathered = || -> u64 {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let large = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("large.bin"));
        large.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).max().unwrap_or(0)
    };
    eventually(PATIENCE, "the first bytes", || ensure(gathered() > 0, || "nothing yet".to_owned()));
    cluster.peers[holder].signal("STOP");
    let at = gathered();
    // Some is on its way.
    ensure(at < LARGE as u64 / 2, || format!("{at} bytes are there already"))
}

fn clean(folder: &Path) {
    std::fs::remove_dir_all(folder).expect("the folder is removed");
    std::fs::create_dir_all(folder).expect("the folder is made");
}

fn folder(cluster: &Cluster, name: &str) -> std::path::PathBuf {
    let folder = cluster.folder().join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}
