//! `watch`: the program itself against a peer that breaks off.

#[expect(dead_code, reason = "the tests of other commands use the rest")]
mod fake;

use std::process::Stdio;
use std::time::Duration;

use chordial_proto::chord_v1::EventScope;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use fake::Fake;

/// No command here has a reason to take longer.
const LIMIT: Duration = Duration::from_secs(30);

fn watch(peer: &str, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chord-cli"));
    command.env_remove("CHORD_PEER").args(["--peer", peer, "watch"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("chord-cli runs");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    (child, lines)
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("in time");
    line.expect("readable").expect("a line")
}

/// Ctrl-C; its exit code and standard error.
async fn interrupt(mut child: Child) -> (Option<i32>, String) {
    let kill = format!("kill -INT {}", child.id().expect("it runs"));
    let killed = Command::new("sh").args(["-c", &kill]).status().await.expect("a shell");
    assert!(killed.success());
    let status = tokio::time::timeout(LIMIT, child.wait()).await.expect("it ends").expect("a child");
    let mut err = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut err).await.expect("UTF-8");
    (status.code(), err)
}

#[tokio::test]
async fn it_goes_on_where_a_stream_broke_until_it_is_interrupted() {
    let fake = Fake::start(vec![], vec![], true).await;
    let (child, mut lines) = watch(&fake.chord_url(), &["--peers"]);
    for (name, event) in [("p\\u{1b}2", "peer-joined"), ("p\\u{1b}2", "peer-left")] {
        let line = line(&mut lines).await;
        assert!(line.contains(name) && line.contains(event), "{line}");
    }
    let (code, err) = interrupt(child).await;
    assert_eq!(code, Some(0), "{err}");
    for words in ["p1 knows 2 peers", "has ended the stream; connecting again", "nothing was missed"] {
        assert!(err.contains(words), "{words:?} in {err}");
    }
    let watched = fake.watched.lock().expect("not poisoned").clone();
    let asked: Vec<_> = watched.iter().map(|request| (request.after.as_str(), request.scope())).collect();
    assert_eq!(asked, [("", EventScope::Peers), ("7-1", EventScope::Peers)]);
}

#[tokio::test]
async fn programs_get_an_object_a_line() {
    let fake = Fake::start(vec![], vec![], true).await;
    let (child, mut lines) = watch(&fake.chord_url(), &["--output", "json"]);
    for (id, event) in [("7-0", "ready"), ("7-1", "peer-joined"), ("7-0", "ready"), ("7-2", "peer-left")] {
        let line: Value = serde_json::from_str(&line(&mut lines).await).expect("JSON");
        assert_eq!((&line["id"], &line["event"]), (&id.into(), &event.into()), "{line}");
        assert_eq!(line["data"]["peers"], 2);
    }
    assert_eq!(interrupt(child).await.0, Some(0));
    // Nobody there: that is said at once.
    let (mut child, _) = watch("http://127.0.0.1:1", &[]);
    let ended = tokio::time::timeout(LIMIT, child.wait()).await.expect("it ends").expect("a child");
    assert_eq!(ended.code(), Some(3));
}
