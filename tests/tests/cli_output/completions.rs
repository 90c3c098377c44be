//! Completions, asked for as the shells' scripts do.

use std::time::{Duration, Instant};

use chordial_tests::programs::{Output, Program, run_with};

use crate::ring::Ring;

/// Where bash breaks words.
const BREAKS: &str = " \t\n\"'@><=;|&(:";

fn ask(ring: &Ring, shell: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let variables = [&[("COMPLETE", shell)], variables].concat();
    run_with(Program::ChordCli, ring.cluster.folder(), &[&["--"], arguments].concat(), &variables)
}

/// The candidates that bash is told for this line, without options.
fn in_bash(ring: &Ring, line: &str) -> Vec<String> {
    let peer = ring.p1().chord();
    let output = ask(ring, "bash", &[line, BREAKS], &[("CHORD_PEER", &peer)]).ok();
    assert_eq!(output.err, "", "{line}");
    output.out.lines().filter(|line| !line.starts_with("--")).map(str::to_owned).collect()
}

pub fn names_of_files_and_peers(ring: &Ring) {
    for (line, expected) in [
        ("chord-cli get hel", &["hello.txt"][..]),
        ("chord-cli get ann", &[r"annual\ report.pdf", "annual_notes.md"]),
        (r"chord-cli get annual\ ", &[r"annual\ report.pdf"]),
        ("chord-cli get 'annual r", &["annual report.pdf"]),
        ("chord-cli get hello.txt pl", &["plan.txt"]),
        ("x=1; chord-cli find pl", &["plan.txt"]),
        ("chord-cli lookup h", &["hello.txt"]),
        ("chord-cli echo download he", &["hello.txt"]),
        ("chord-cli publish ", &["hello.txt", "plan.txt"]),
        ("chord-cli publish annual", &[]),
        ("chord-cli ls --of ", &["p1", "p2", "p3"]),
        ("chord-cli ls --of=p", &["p1", "p2", "p3"]),
        ("chord-cli get hello.txt --from p2", &["p2"]),
        ("chord-cli get nobody", &[]),
        ("chord-cli rin", &["ring"]),
    ] {
        assert_eq!(in_bash(ring, line), expected, "{line}");
    }
    let all = in_bash(ring, "chord-cli get ");
    assert!(all.contains(&"hello.txt".to_owned()) && all.len() >= 4, "{all:?}");
    the_peer_on_the_line_is_asked(ring);
    without_a_peer_there_is_silence(ring);
}

fn the_peer_on_the_line_is_asked(ring: &Ring) {
    let nobody = [("CHORD_PEER", "http://127.0.0.1:1")];
    let peer = ring.p1().chord();
    let line = format!("chord-cli --peer {peer} get hel");
    assert_eq!(ask(ring, "bash", &[&line, BREAKS], &nobody).ok().out, "hello.txt\n");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let words = ["chord-cli", "--peer", &peer, "get", "hel"];
        let variables = [nobody[0], ("_CLAP_COMPLETE_INDEX", "4")];
        let output = ask(ring, shell, &words, &variables).ok();
        assert_eq!(output.out.trim_end(), "hello.txt", "{shell}: {output:?}");
    }
}

fn without_a_peer_there_is_silence(ring: &Ring) {
    // A peer that accepts and says nothing, too.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", silent.local_addr().expect("its address"));
    for peer in ["http://127.0.0.1:1", &address, "no address"] {
        let started = Instant::now();
        let output = ask(ring, "bash", &["chord-cli get hel", BREAKS], &[("CHORD_PEER", peer)]).ok();
        assert!(output.out.is_empty() && output.err.is_empty(), "{peer}: {output:?}");
        // A second, and what a busy machine takes to start a program.
        assert!(started.elapsed() < Duration::from_secs(4), "{peer}: {:?}", started.elapsed());
    }
}
