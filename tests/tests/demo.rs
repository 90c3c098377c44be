//! `chord-peer demo`, as a stranger meets it.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chordial_tests::programs::{PATIENCE, Process, Program, command, ensure, eventually, get, run_with};

/// One demo at a time: each takes the same ports where they are free, and two at once may both find them so.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn once(peers: &[&str]) {
    let _turn = turn();
    let temporary = tempfile::tempdir().expect("a folder");
    let environment = [("TMPDIR", temporary.path().to_str().expect("UTF-8"))];
    let arguments = [&["demo", "--once"], peers].concat();
    let output = run_with(Program::ChordPeer, temporary.path(), &arguments, &environment).ok();
    for step in 1..=6 {
        let heading = format!("{step}. ");
        assert!(
            output.out.lines().any(|line| line.starts_with(&heading)),
            "no step {step} in\n{}",
            output.out
        );
    }
    for word in ["curl 'http://127.0.0.1:", "has it: http://127.0.0.1:", "blake3:", "All of it worked"] {
        assert!(output.out.contains(word), "{word:?} is not in\n{}", output.out);
    }
    assert_eq!(output.err, "", "the logs are in a file");
    assert!(is_empty(temporary.path()), "it leaves nothing behind");
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("the folder").next().is_none()
}

#[test]
fn it_works_with_five_peers() {
    once(&[]);
}

#[test]
fn it_works_with_one_peer_and_with_eight() {
    once(&["--peers", "1"]);
    once(&["--peers", "8"]);
}

#[test]
fn it_stays_until_ctrl_c_and_cleans_up() {
    let _turn = turn();
    let temporary = tempfile::tempdir().expect("a folder");
    let outputs = tempfile::tempdir().expect("a folder");
    let (out, err) = (outputs.path().join("out"), outputs.path().join("err"));
    let mut demo = command(Program::ChordPeer, outputs.path());
    demo.args(["demo", "--peers", "3"]).env("TMPDIR", temporary.path());
    demo.stdout(std::fs::File::create(&out).expect("a file"));
    demo.stderr(std::fs::File::create(&err).expect("a file"));
    let mut process = Process::spawn(demo, "chord-peer demo", out.clone());
    let text = || std::fs::read_to_string(&out).expect("its output");
    eventually(PATIENCE, "the demo invites", || {
        assert_eq!(process.ended(), None, "{}", text());
        ensure(text().contains("peers.log"), text)?;
        ensure(text().contains("Now it is yours, until Ctrl-C"), text)?;
        ensure(text().contains("read the log"), text)
    });
    let text = text();
    assert_eq!(text.matches("in the browser").count(), 3, "{text}");
    let gateways: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("in the browser"))
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with("http://")))
        .map(|url| url.trim_end_matches('/'))
        .collect();
    // A file dropped into the folder that it names is found through the others.
    let line = text.lines().find(|line| line.contains("drop it into")).expect("a folder to use");
    let folder = line.split("drop it into ").nth(1).expect("a folder").trim();
    std::fs::write(Path::new(folder).join("dropped in.txt"), b"by a person").expect("written");
    for gateway in gateways {
        eventually(PATIENCE, &format!("{gateway} finds the file dropped in"), || {
            let answer = get(gateway, "/api/v1/files/dropped%20in.txt")?;
            ensure(answer.status == 200, || format!("{answer:?}"))
        });
        assert_eq!(get(gateway, "/").map(|page| page.status), Ok(200));
    }
    process.signal("INT");
    let status = process.wait(PATIENCE);
    assert!(
        status.success(),
        "{status}\n{}\n{}",
        std::fs::read_to_string(&err).unwrap_or_default(),
        process.log()
    );
    assert!(is_empty(temporary.path()), "it leaves nothing behind");
    assert_eq!(std::fs::read_to_string(&err).expect("its errors"), "");
}
