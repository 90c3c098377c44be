//! The files of configs/ are what they say: valid, complete, and five peers of one ring.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chordial_tests::programs::{
    PATIENCE, Process, Program, command, ensure, eventually, free_port, get, run, run_with,
};

const FIVE: [&str; 5] = ["p1.toml", "p2.toml", "p3.toml", "p4.toml", "p5.toml"];

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("configs")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(configs().join(name)).expect(name)
}

#[test]
fn all_pass_config_check() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in FIVE.into_iter().chain(["peer.toml"]) {
        let file = configs().join(name).display().to_string();
        let output = run(Program::ChordPeer, folder.path(), &["config", "check", &file]).ok();
        assert!(output.out.contains(&format!("{file}: ok")) && output.err.is_empty(), "{output:?}");
    }
    assert!(std::fs::read_dir(folder.path()).expect("the folder").next().is_none(), "a check only looks");
}

#[test]
fn what_config_show_prints_loads_again_and_says_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in FIVE.into_iter().chain(["peer.toml"]) {
        let file = configs().join(name).display().to_string();
        let shown = run(Program::ChordPeer, folder.path(), &["config", "show", "--config", &file]).ok().out;
        std::fs::write(folder.path().join("shown.toml"), &shown).expect("written");
        let again =
            run(Program::ChordPeer, folder.path(), &["config", "show", "--config", "shown.toml"]).ok().out;
        let values = |text: &str| text.parse::<toml::Table>().expect("TOML");
        assert_eq!(values(&shown), values(&again), "{name}");
        assert!(values(&shown)["chord"].as_table().is_some_and(|chord| chord.len() > 5), "{shown}");
    }
}

#[test]
fn environment_and_flags_win_over_the_file_and_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configs().join("p2.toml").display().to_string();
    let arguments = ["config", "show", "--config", &file, "--ring", "lab"];
    let environment = [("CHORD_PORTS__GATEWAY", "8765"), ("CHORD_RING", "other"), ("CHORD_PEER", "x")];
    let output = run_with(Program::ChordPeer, folder.path(), &arguments, &environment).ok();
    let origin = |key: &str| {
        let line = output.out.lines().find(|line| line.starts_with(key)).expect(key);
        line.split_once('#').map(|(value, origin)| (value.trim().to_owned(), origin.trim().to_owned()))
    };
    let pair = |value: &str, origin: &str| Some((value.to_owned(), origin.to_owned()));
    assert_eq!(origin("ring"), pair("ring = \"lab\"", "flag --ring"));
    assert_eq!(origin("gateway"), pair("gateway = 8765", "environment CHORD_PORTS__GATEWAY"));
    assert_eq!(origin("name"), pair("name = \"p2\"", &file));
    assert_eq!(origin("backup_friend"), pair("backup_friend = \"\"", "default"));
    assert_eq!(output.err, "");
}

/// The five files as they are, but for other port numbers: theirs may be in use on this machine.
fn at_free_ports() -> (Vec<String>, BTreeMap<u16, u16>) {
    let mut free = BTreeMap::new();
    let texts = FIVE.map(read);
    for text in &texts {
        let table: toml::Table = text.parse().expect("TOML");
        for port in table["ports"].as_table().expect("ports").values() {
            let port = port.as_integer().and_then(|port| u16::try_from(port).ok()).expect("a port");
            assert!(free.insert(port, free_port()).is_none(), "{port} is used twice");
        }
    }
    let moved = |text: &String| {
        // Longest names first is not needed: all have four digits, none of the new ones has.
        free.iter().fold(text.clone(), |text, (old, new)| text.replace(&old.to_string(), &new.to_string()))
    };
    (texts.iter().map(moved).collect(), free)
}

#[test]
fn the_five_peers_form_a_ring() {
    let folder = tempfile::tempdir().expect("a folder");
    let (texts, ports) = at_free_ports();
    // In the worst order: everybody's friend comes last.
    let mut processes: Vec<Process> = Vec::new();
    for (name, text) in FIVE.iter().zip(&texts).rev() {
        std::fs::write(folder.path().join(name), text).expect("written");
        let log = folder.path().join(format!("{name}.log"));
        let file = std::fs::File::create(&log).expect("a log");
        let mut peer = command(Program::ChordPeer, folder.path());
        peer.args(["run", "--config", name]).stdout(file.try_clone().expect("a file")).stderr(file);
        processes.push(Process::spawn(peer, name, log));
    }
    let chord = format!("http://127.0.0.1:{}", ports[&7300]);
    eventually(PATIENCE, "the five agree on one ring", || {
        if let Some(ended) = processes.iter_mut().find_map(|peer| peer.ended().map(|_| peer.log())) {
            panic!("a peer has ended: {ended}");
        }
        let arguments = ["--peer", &chord, "--output", "json", "ring", "check"];
        let check = run(Program::ChordCli, folder.path(), &arguments);
        ensure(check.code == 0, || format!("{check:?}"))?;
        let mut names: Vec<String> = check.json()["peers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|peer| peer["name"].as_str().map(str::to_owned))
            .collect();
        names.sort();
        ensure(names == ["p1", "p2", "p3", "p4", "p5"], || format!("{names:?}"))
    });
    // The README's next step: a file in one peer's folder, asked for at another one's gateway.
    std::fs::write(folder.path().join("share/p4/hello.txt"), "hello\n").expect("written");
    let asked = format!("http://127.0.0.1:{}", ports[&8001]);
    eventually(PATIENCE, "p1 finds p4's file", || {
        let answer = get(&asked, "/api/v1/files/hello.txt")?;
        ensure(answer.status == 200 && answer.json()["sources"][0]["peer"] == "p4", || format!("{answer:?}"))
    });
    for peer in &mut processes {
        peer.signal("TERM");
    }
    for peer in &mut processes {
        assert_eq!(peer.wait(PATIENCE).code(), Some(0), "{}", peer.log());
    }
}
