//! chord-cli as people and scripts meet it: the program itself against a peer over fixed data.

mod fake;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use chordial_proto::chord_v1::{GetRingResponse, PeerState, Problem, RingPeer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

use fake::{Fake, Shared, Takes, peer};

/// No command here has a reason to take longer.
const LIMIT: Duration = Duration::from_secs(30);

async fn run(peer: &str, folder: &Path, arguments: &[&str]) -> Output {
    let child = Command::new(env!("CARGO_BIN_EXE_chord-cli"))
        .current_dir(folder)
        .env_remove("CHORD_PEER")
        .args(["--peer", peer])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(LIMIT, child).await.expect("chord-cli ends in time").expect("chord-cli runs")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn here() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn find_prints_the_rest_body_or_a_table() {
    let fake = Fake::start(vec![Shared::new("a b.txt", b"hello")], vec![], true).await;
    let folder = here();
    let table = run(&fake.chord_url(), folder.path(), &["find", "a b.txt"]).await;
    assert_eq!(code(&table), Some(0), "{}", err(&table));
    assert!(out(&table).contains("http://127.0.0.1:8000/files/a%20b.txt"), "{}", out(&table));
    let json = run(&fake.chord_url(), folder.path(), &["find", "a b.txt", "--output", "json"]).await;
    let body: Value = serde_json::from_str(&out(&json)).expect("JSON");
    assert_eq!(body["sources"][0]["peer"], json!("p1"));
    assert_eq!(body["route"], json!({ "hops": 1, "peers": ["p1", "p1"], "elapsed_us": 400 }));
    let bare = fake.chord_url().replace("http://", "");
    assert_eq!(code(&run(&bare, folder.path(), &["find", "a b.txt"]).await), Some(0));
}

#[tokio::test]
async fn a_file_that_nobody_has_is_not_found_unless_somebody_was_not_heard() {
    let folder = here();
    for (complete, expected, text) in [(true, 4, "nobody shares"), (false, 1, "some did not answer")] {
        let fake = Fake::start(vec![], vec![], complete).await;
        for arguments in [&["find", "x"][..], &["--output", "json", "find", "x"], &["get", "x"]] {
            let output = run(&fake.chord_url(), folder.path(), arguments).await;
            assert_eq!(code(&output), Some(expected), "{}", err(&output));
            assert!(output.stdout.is_empty() && err(&output).contains(text), "{}", err(&output));
        }
    }
    assert!(files_in(folder.path()).is_empty());
}

#[tokio::test]
async fn get_downloads_verifies_and_never_overwrites() {
    let content: Vec<u8> = (0..100_000u32).map(|byte| (byte % 251) as u8).collect();
    let fake = Fake::start(vec![Shared::new("a.bin", &content)], vec![], true).await;
    let folder = here();
    let got = run(&fake.chord_url(), folder.path(), &["--output", "json", "get", "a.bin"]).await;
    assert_eq!(code(&got), Some(0), "{}", err(&got));
    let digest = format!("blake3:{}", blake3::hash(&content));
    let body: Value = serde_json::from_str(&out(&got)).expect("JSON");
    assert_eq!((&body["digest"], &body["bytes"]), (&json!(digest), &json!(100_000)));
    assert_eq!(std::fs::read(folder.path().join("a.bin")).expect("the file"), content);
    assert_eq!(files_in(folder.path()), ["a.bin"]);

    std::fs::write(folder.path().join("a.bin"), b"mine").expect("written");
    let again = run(&fake.chord_url(), folder.path(), &["get", "a.bin"]).await;
    assert_eq!(code(&again), Some(1));
    assert!(err(&again).contains("-o"), "{}", err(&again));
    assert_eq!(std::fs::read(folder.path().join("a.bin")).expect("the file"), b"mine");

    std::fs::write(folder.path().join("a.bin"), &content).expect("written");
    fake.offsets.lock().expect("not poisoned").clear();
    let there = run(&fake.chord_url(), folder.path(), &["get", "a.bin"]).await;
    assert!(code(&there) == Some(0) && out(&there).contains("already there"), "{}", err(&there));
    assert!(fake.offsets.lock().expect("not poisoned").is_empty(), "it was fetched again");

    let stdout = run(&fake.chord_url(), folder.path(), &["get", "a.bin", "-o", "-"]).await;
    assert_eq!((code(&stdout), stdout.stdout == content), (Some(0), true), "{}", err(&stdout));
    let other =
        run(&fake.chord_url(), folder.path(), &["get", "a.bin", "-o", "b", "--digest", &digest]).await;
    assert_eq!(code(&other), Some(0), "{}", err(&other));
    assert_eq!(std::fs::read(folder.path().join("b")).expect("the file"), content);
}

#[tokio::test]
async fn an_empty_file_arrives_too() {
    let fake = Fake::start(vec![Shared::new("empty", b"")], vec![], true).await;
    let folder = here();
    let got = run(&fake.chord_url(), folder.path(), &["get", "empty"]).await;
    assert_eq!(code(&got), Some(0), "{}", err(&got));
    assert_eq!(std::fs::read(folder.path().join("empty")).expect("the file"), b"");
}

#[tokio::test]
async fn wrong_bytes_are_an_integrity_failure_and_leave_nothing() {
    let mut wrong = Shared::new("a.bin", b"promised");
    wrong.content = b"swapped!".to_vec();
    let fake = Fake::start(vec![wrong], vec![], true).await;
    let folder = here();
    let got = run(&fake.chord_url(), folder.path(), &["get", "a.bin"]).await;
    assert_eq!(code(&got), Some(6), "{}", err(&got));
    assert!(err(&got).contains("not the promised ones"), "{}", err(&got));
    assert!(files_in(folder.path()).is_empty());
}

#[tokio::test]
async fn a_file_that_changed_at_its_holder_is_not_taken_for_the_promised_one() {
    let mut changed = Shared::new("a", b"promised");
    changed.content = b"longer than it was".to_vec();
    let fake = Fake::start(vec![changed], vec![], true).await;
    let folder = here();
    // The index never hears of it.
    let got = run(&fake.chord_url(), folder.path(), &["--timeout", "500ms", "get", "a"]).await;
    assert_eq!(code(&got), Some(6), "{}", err(&got));
    assert!(err(&got).contains("no longer the file"), "{}", err(&got));
    assert!(files_in(folder.path()).is_empty());
}

#[tokio::test]
async fn without_a_digest_the_holder_is_asked_again_and_the_rest_is_said() {
    let mut young = Shared::new("a", b"just written");
    young.digest.clear();
    let (mut computed, mut other) = (young.clone(), young.clone());
    (computed.name, computed.path) = ("computed", "computed");
    computed.computed = blake3::hash(b"just written").as_bytes().to_vec();
    (other.name, other.path, other.computed) = ("other", "other", vec![1; 32]);
    let fake = Fake::start(vec![young, computed, other], vec![], true).await;
    let folder = here();
    std::fs::write(folder.path().join("a.part"), b"just").expect("written");
    for (name, words) in [("a", "not verified: p1 has not computed"), ("computed", "verified, blake3:")] {
        let got = run(&fake.chord_url(), folder.path(), &["get", name]).await;
        assert!(code(&got) == Some(0) && out(&got).contains(words), "{}{}", out(&got), err(&got));
        assert_eq!(std::fs::read(folder.path().join(name)).expect("the file"), b"just written");
    }
    let wrong = run(&fake.chord_url(), folder.path(), &["get", "other"]).await;
    assert_eq!(code(&wrong), Some(6), "{}", err(&wrong));
    assert_eq!(files_in(folder.path()), ["a", "computed"]);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let fake = Fake::start(vec![Shared::new("a", &vec![7; 1_000_000])], vec![], true).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_chord-cli"))
        .args(["--peer", &fake.chord_url(), "get", "a", "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("chord-cli runs");
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_exact(&mut [0; 10]).await.expect("the first bytes");
    drop(stdout);
    let output =
        tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("it ends").expect("it ran");
    assert_eq!((code(&output), err(&output)), (Some(0), String::new()));
}

#[tokio::test]
async fn another_holder_of_the_same_bytes_goes_on_where_one_broke_off() {
    let content = vec![7; 5000];
    let (mut breaks, mut gone, mut whole) =
        (Shared::new("a", &content), Shared::new("a", &content), Shared::new("a", &content));
    (breaks.path, breaks.breaks_after) = ("broken/a", Some(2000));
    (gone.path, gone.peer, gone.transfer) = ("gone/a", "p2", "http://127.0.0.1:1".to_owned());
    (whole.path, whole.peer) = ("whole/a", "p3");
    let fake = Fake::start(vec![breaks, gone, whole], vec![], true).await;
    let folder = here();
    let got = run(&fake.chord_url(), folder.path(), &["get", "a"]).await;
    assert_eq!(code(&got), Some(0), "{}", err(&got));
    assert!(err(&got).contains("trying p2") && err(&got).contains("trying p3"), "{}", err(&got));
    assert_eq!(std::fs::read(folder.path().join("a")).expect("the file"), content);
    assert_eq!(*fake.offsets.lock().expect("not poisoned"), [0, 2000]);
}

#[tokio::test]
async fn an_interrupted_download_is_resumed_and_a_wrong_beginning_is_replaced() {
    let content = vec![7; 5000];
    let fake = Fake::start(vec![Shared::new("a", &content)], vec![], true).await;
    for (left, offsets) in [
        (&content[..1500], &[1500][..]),
        (&[1; 1500][..], &[1500, 0]),
        (&content[..], &[]),
        (&[1; 5000][..], &[0]),
        (&[1; 6000][..], &[0]),
    ] {
        let folder = here();
        let digest = blake3::hash(&content).to_hex();
        std::fs::write(folder.path().join(format!("a.{}.part", &digest[..16])), left).expect("written");
        // Of another content: of no use, and gone once the file is there.
        std::fs::write(folder.path().join("a.0123456789abcdef.part"), [7; 99]).expect("written");
        fake.offsets.lock().expect("not poisoned").clear();
        let got = run(&fake.chord_url(), folder.path(), &["get", "a"]).await;
        assert_eq!(code(&got), Some(0), "{}", err(&got));
        assert_eq!(std::fs::read(folder.path().join("a")).expect("the file"), content);
        assert_eq!(*fake.offsets.lock().expect("not poisoned"), offsets);
        assert_eq!(files_in(folder.path()), ["a"]);
        let said = format!("resuming a at {} %", left.len() / 50);
        assert_eq!(err(&got).contains(&said), left.len() <= content.len(), "{}", err(&got));
    }
}

#[tokio::test]
async fn different_bytes_under_one_name_must_be_chosen_from() {
    let mut other = Shared::new("a", b"two");
    (other.path, other.peer) = ("other/a", "p2");
    let fake = Fake::start(vec![Shared::new("a", b"one"), other], vec![], true).await;
    let folder = here();
    let got = run(&fake.chord_url(), folder.path(), &["get", "a"]).await;
    assert_eq!(code(&got), Some(1));
    assert!(err(&got).contains(&format!("blake3:{}", blake3::hash(b"two"))), "{}", err(&got));
    let got = run(&fake.chord_url(), folder.path(), &["get", "a", "--from", "p2"]).await;
    assert_eq!(code(&got), Some(0), "{}", err(&got));
    assert_eq!(std::fs::read(folder.path().join("a")).expect("the file"), b"two");
    let digits = &blake3::hash(b"one").to_hex()[..8];
    let got = run(&fake.chord_url(), folder.path(), &["get", "a", "--digest", digits, "-o", "b"]).await;
    assert_eq!(code(&got), Some(0), "{}", err(&got));
    assert_eq!(std::fs::read(folder.path().join("b")).expect("the file"), b"one");
    for (arguments, expected) in
        [(["--digest", "0000"], 4), (["--digest", "xyz"], 2), (["--digest", "abc"], 2), (["--from", "p9"], 4)]
    {
        let got =
            run(&fake.chord_url(), folder.path(), &[&["get", "a", "-o", "c"], &arguments[..]].concat()).await;
        assert_eq!(code(&got), Some(expected), "{arguments:?}: {}", err(&got));
    }
    assert_eq!(files_in(folder.path()), ["a", "b"]);
}

#[tokio::test]
async fn an_unreachable_holder_is_named() {
    let mut gone = Shared::new("a", b"one");
    gone.transfer = "http://127.0.0.1:1".to_owned();
    let fake = Fake::start(vec![gone], vec![], true).await;
    let folder = here();
    let got = run(&fake.chord_url(), folder.path(), &["get", "a"]).await;
    assert_eq!(code(&got), Some(3));
    assert!(err(&got).contains("http://127.0.0.1:1 (connection refused)"), "{}", err(&got));
    assert!(files_in(folder.path()).is_empty());
}

#[tokio::test]
async fn ls_reads_all_pages() {
    let files = vec![Shared::new("a", b"1"), Shared::new("b", b"2"), Shared::new("c\u{202e}", b"3")];
    let fake = Fake::start(files, vec![], true).await;
    let folder = here();
    for arguments in [&["ls"][..], &["ls", "--of", "p1"], &["ls", "--all"]] {
        let text = out(&run(&fake.chord_url(), folder.path(), arguments).await);
        assert!(text.contains("\\u{202e}") && !text.contains('\u{202e}'), "{text}");
        let json = run(&fake.chord_url(), folder.path(), &[arguments, &["--output", "json"]].concat()).await;
        let body: Value = serde_json::from_str(&out(&json)).expect("JSON");
        assert_eq!(body["files"].as_array().map(Vec::len), Some(3), "{body}");
        assert_eq!(body["next"], Value::Null);
    }
    let unknown = run(&fake.chord_url(), folder.path(), &["ls", "--of", "p9"]).await;
    assert_eq!(code(&unknown), Some(4), "{}", err(&unknown));
}

#[tokio::test]
async fn put_uploads_and_tells_what_is_there_now() {
    let fake = Fake::start(vec![], vec![], true).await;
    let folder = here();
    let content: Vec<u8> = (0..700_000u32).map(|byte| (byte % 253) as u8).collect();
    std::fs::write(folder.path().join("up.bin"), &content).expect("written");
    let denied = run(&fake.chord_url(), folder.path(), &["put", "up.bin"]).await;
    assert_eq!(code(&denied), Some(1), "{}", err(&denied));
    assert!(
        err(&denied).contains("p1 takes no uploads") && err(&denied).contains("uploads = true"),
        "{}",
        err(&denied)
    );

    *fake.takes.lock().expect("not poisoned") = Takes::Everything;
    let arguments = ["--output", "json", "put", "up.bin", "--as", "in/a b.bin"];
    let put = run(&fake.chord_url(), folder.path(), &arguments).await;
    assert_eq!((code(&put), err(&put)), (Some(0), String::new()));
    let body: Value = serde_json::from_str(&out(&put)).expect("JSON");
    let expected = json!({
        "name": "a b.bin", "path": "in/a b.bin", "size": 700_000, "modified": "1970-01-01T00:00:00Z",
        "digest": format!("blake3:{}", blake3::hash(&content)),
        "url": "http://127.0.0.1:8000/files/in/a%20b.bin", "replaced": false,
    });
    assert_eq!(body, expected);
    let again = run(&fake.chord_url(), folder.path(), &arguments).await;
    assert!(code(&again) == Some(1) && err(&again).contains("--replace"), "{}", err(&again));
    let replaced = run(&fake.chord_url(), folder.path(), &[&arguments[2..], &["--replace"]].concat()).await;
    assert!(code(&replaced) == Some(0) && out(&replaced).contains("in place of"), "{}", err(&replaced));
    let empty = folder.path().join("empty");
    std::fs::write(&empty, b"").expect("written");
    assert_eq!(code(&run(&fake.chord_url(), folder.path(), &["put", "empty"]).await), Some(0));
    let uploads = fake.uploads.lock().expect("not poisoned").clone();
    assert_eq!(uploads.len(), 2);
    let (header, bytes) = &uploads[0];
    assert!(
        *bytes == content
            && header.size == Some(700_000)
            && *header.digest == *blake3::hash(&content).as_bytes()
    );
    assert_eq!((uploads[1].0.path.as_str(), uploads[1].1.len()), ("empty", 0));
}

#[tokio::test]
async fn put_fails_with_the_reason() {
    let fake = Fake::start(vec![], vec![], true).await;
    let folder = here();
    std::fs::write(folder.path().join("up"), vec![7; 5_000_000]).expect("written");
    let arguments = ["--timeout", "500ms", "put", "up"];
    *fake.takes.lock().expect("not poisoned") = Takes::OnlyTheHeader;
    let silent = run(&fake.chord_url(), folder.path(), &arguments).await;
    assert!(code(&silent) == Some(5) && err(&silent).contains(&fake.transfer_url()), "{}", err(&silent));
    *fake.takes.lock().expect("not poisoned") = Takes::Mangled;
    let mangled = run(&fake.chord_url(), folder.path(), &["put", "up"]).await;
    assert!(code(&mangled) == Some(6) && err(&mangled).contains("other bytes"), "{}", err(&mangled));
    assert_eq!(code(&run(&fake.chord_url(), folder.path(), &["put", "nothing"]).await), Some(1));
    assert_eq!(code(&run(&fake.chord_url(), folder.path(), &["put", "."]).await), Some(2));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn names_that_are_not_utf_8_are_refused_or_can_be_given_another() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let fake = Fake::start(vec![Shared::new("a", b"1")], vec![], true).await;
    *fake.takes.lock().expect("not poisoned") = Takes::Everything;
    let folder = here();
    let odd = OsStr::from_bytes(b"\xff\xfe");
    std::fs::write(folder.path().join(odd), b"odd").expect("written");
    let (url, as_a) = (fake.chord_url(), OsStr::new("--as"));
    for (arguments, expected) in [
        (&[OsStr::new("find"), odd][..], 2),
        (&[OsStr::new("put"), odd], 2),
        (&[OsStr::new("put"), odd, as_a, OsStr::new("even")], 0),
        (&[OsStr::new("echo"), OsStr::new("upload"), odd], 2),
        (&[OsStr::new("get"), OsStr::new("a"), OsStr::new("-o"), OsStr::from_bytes(b"to\xff")], 0),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chord-cli"));
        command.current_dir(folder.path()).args(["--peer", &url]).args(arguments).stdin(Stdio::null());
        let output = tokio::time::timeout(LIMIT, command.output()).await.expect("in time").expect("it runs");
        assert_eq!(code(&output), Some(expected), "{arguments:?}: {}", err(&output));
    }
    assert!(folder.path().join(OsStr::from_bytes(b"to\xff")).exists());
}

#[tokio::test]
async fn packagers_get_completions_and_pages_without_a_peer() {
    let folder = here();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run("http://127.0.0.1:1", folder.path(), &["completions", shell]).await;
        let asks = out(&script).contains("COMPLETE") && out(&script).contains("chord-cli");
        assert!(code(&script) == Some(0) && asks, "{shell}: {}", err(&script));
    }
    assert_eq!(code(&run("http://127.0.0.1:1", folder.path(), &["completions", "cmd"]).await), Some(2));
    let page = run("http://127.0.0.1:1", folder.path(), &["man"]).await;
    assert!(code(&page) == Some(0) && out(&page).contains(".TH chord-cli 1"), "{}", out(&page));
    let pages = run("http://127.0.0.1:1", folder.path(), &["man", "--dir", "."]).await;
    assert_eq!((code(&pages), out(&pages)), (Some(0), String::new()), "{}", err(&pages));
    let names = files_in(folder.path());
    for page in ["chord-cli.1", "chord-cli-get.1", "chord-cli-ring-check.1"] {
        assert!(names.iter().any(|name| name == page), "no {page}: {names:?}");
    }
    assert_eq!(code(&run("http://127.0.0.1:1", folder.path(), &["man", "--dir", "none"]).await), Some(1));
    let unknown = run("http://127.0.0.1:1", folder.path(), &["schema", "man"]).await;
    assert!(code(&unknown) == Some(2) && err(&unknown).contains("ring, node"), "{}", err(&unknown));
}

#[tokio::test]
async fn every_result_may_be_cut_off_by_its_reader() {
    let files = (0..3).map(|_| Shared::new("a", b"1")).collect();
    let fake = Fake::start(files, vec![ring(&[])], true).await;
    let folder = here();
    for arguments in [
        &["ls", "--all"][..],
        &["ls"],
        &["find", "a"],
        &["ring"],
        &["fingers"],
        &["man"],
        &["completions", "zsh"],
        &["schema", "get"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chord-cli"))
            .current_dir(folder.path())
            .args(["--peer", &fake.chord_url()])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chord-cli runs");
        // Closed before the first byte: like `head`, but surely in time.
        drop(child.stdout.take());
        let output =
            tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("it ends").expect("it ran");
        assert_eq!((code(&output), err(&output)), (Some(0), String::new()), "{arguments:?}");
    }
}

fn ring(problems: &[&str]) -> GetRingResponse {
    let problem = |what: &&str| Problem {
        peer: Some(peer("p1", 1, "127.0.0.1:7300")),
        what: (*what).to_owned(),
        remedy: "it mends itself".to_owned(),
    };
    GetRingResponse {
        peers: vec![RingPeer {
            node: None,
            peer: Some(peer("p1", 1, "127.0.0.1:7300")),
            share: 1.0,
            state: PeerState::Member.into(),
        }],
        agreed: problems.is_empty(),
        problems: problems.iter().map(problem).collect(),
        ..GetRingResponse::default()
    }
}

#[tokio::test]
async fn ring_check_reports_what_is_there_twice() {
    let folder = here();
    let fake =
        Fake::start(vec![], vec![ring(&["passing", "lasting"]), ring(&["lasting", "new"])], true).await;
    let check = run(&fake.chord_url(), folder.path(), &["ring", "check"]).await;
    assert_eq!(code(&check), Some(1), "{}", err(&check));
    let text = out(&check);
    assert!(text.contains("p1: lasting") && text.contains("it mends itself"), "{text}");
    assert!(!text.contains("passing") && !text.contains("new"), "{text}");

    let fake = Fake::start(vec![], vec![ring(&["passing"]), ring(&["new"])], true).await;
    let check = run(&fake.chord_url(), folder.path(), &["ring", "check", "--output", "json"]).await;
    let body: Value = serde_json::from_str(&out(&check)).expect("JSON");
    assert_eq!((code(&check), &body["agreed"], &body["problems"]), (Some(0), &json!(true), &json!([])));

    let fake = Fake::start(vec![], vec![ring(&[])], true).await;
    assert_eq!(code(&run(&fake.chord_url(), folder.path(), &["ring", "check"]).await), Some(0));
    let shown = out(&run(&fake.chord_url(), folder.path(), &["ring"]).await);
    assert!(shown.contains("0101010101") && shown.contains("100.0 %"), "{shown}");
}

#[tokio::test]
async fn node_lookup_and_echo_answer() {
    let fake = Fake::start(vec![Shared::new("a", b"12345")], vec![], true).await;
    let folder = here();
    let node = out(&run(&fake.chord_url(), folder.path(), &["node"]).await);
    assert!(node.contains(&fake.transfer_url()) && node.contains("member"), "{node}");
    let fingers = out(&run(&fake.chord_url(), folder.path(), &["fingers"]).await);
    assert!(fingers.contains("1-159") && fingers.contains("127.0.0.1:7310"), "{fingers}");
    let json = out(&run(&fake.chord_url(), folder.path(), &["fingers", "--output", "json"]).await);
    let body: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(body["fingers"][0]["peer"]["name"], json!("p3"), "{body}");
    let whole = out(&run(&fake.chord_url(), folder.path(), &["node", "--output", "json"]).await);
    let whole: Value = serde_json::from_str(&whole).expect("JSON");
    for key in ["id", "name", "successors", "fingers"] {
        assert_eq!(body[key], whole[key], "{key}");
    }
    let trace = out(&run(&fake.chord_url(), folder.path(), &["lookup", "a", "--trace"]).await);
    assert!(trace.contains("0.31 ms  owner") && trace.contains("is the first peer at or behind"), "{trace}");
    for command in ["node", "fingers"] {
        let own = body["name"].as_str().expect("a name");
        let of_itself = out(&run(&fake.chord_url(), folder.path(), &[command, "--of", own]).await);
        assert!(of_itself.contains(own), "{of_itself}");
        let nobody = run(&fake.chord_url(), folder.path(), &[command, "--of", "p9"]).await;
        assert_eq!(code(&nobody), Some(4), "{nobody:?}");
    }
    let key = "ab".repeat(20);
    let lookup = run(&fake.chord_url(), folder.path(), &["lookup", "--key", &key, "--output", "json"]).await;
    let body: Value = serde_json::from_str(&out(&lookup)).expect("JSON");
    assert_eq!(body["key"], json!(key));
    assert_eq!(code(&run(&fake.chord_url(), folder.path(), &["lookup", "--key", "abc"]).await), Some(2));
    let echo = out(&run(&fake.chord_url(), folder.path(), &["echo", "download", "a"]).await);
    assert!(echo.contains("would send a") && echo.contains("5 B"), "{echo}");
    std::fs::write(folder.path().join("up.txt"), b"123").expect("written");
    let echo = out(&run(&fake.chord_url(), folder.path(), &["echo", "upload", "up.txt"]).await);
    assert!(echo.contains("would store up.txt") && echo.contains("3 B"), "{echo}");
}

#[tokio::test]
async fn a_peer_that_is_not_there_or_silent_is_told_apart() {
    let folder = here();
    let nobody = run("http://127.0.0.1:1", folder.path(), &["node"]).await;
    assert_eq!(code(&nobody), Some(3));
    assert_eq!(
        err(&nobody),
        "chord-cli: no peer answers at http://127.0.0.1:1 (connection refused). Is chord-peer running there? \
         Name another with --peer.\n"
    );
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("bound"));
    let waited = run(&url, folder.path(), &["--timeout", "300ms", "node"]).await;
    assert_eq!(code(&waited), Some(5), "{}", err(&waited));
    assert!(err(&waited).contains("300ms"), "{}", err(&waited));
}

#[tokio::test]
async fn wrong_usage_has_its_own_code() {
    let folder = here();
    for arguments in [
        &["nonsense"][..],
        &["search"],
        &["watch", "--files", "--peers"],
        &["find"],
        &["--timeout", "5", "node"],
        &["ls", "--all", "--of", "p"],
    ] {
        assert_eq!(
            code(&run("http://127.0.0.1:1", folder.path(), arguments).await),
            Some(2),
            "{arguments:?}"
        );
    }
    assert_eq!(code(&run("https://127.0.0.1:1", folder.path(), &["node"]).await), Some(2));
}

#[tokio::test]
async fn another_services_port_is_recognised() {
    let fake = Fake::start(vec![], vec![], true).await;
    let folder = here();
    let transfer = run(&fake.transfer_url(), folder.path(), &["node"]).await;
    assert_eq!(code(&transfer), Some(3));
    let expected = format!("--peer {}", fake.chord_url());
    assert!(err(&transfer).contains(&expected), "{}", err(&transfer));

    let gateway = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", gateway.local_addr().expect("bound"));
    tokio::spawn(http_server(gateway, r#"{"addresses":{"chord":"http://10.9.8.7:7311"}}"#));
    let rest = run(&url, folder.path(), &["find", "a"]).await;
    assert_eq!(code(&rest), Some(3), "{}", err(&rest));
    assert!(err(&rest).contains("--peer http://10.9.8.7:7311"), "{}", err(&rest));

    let website = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", website.local_addr().expect("bound"));
    tokio::spawn(http_server(website, "<html>"));
    let other = run(&url, folder.path(), &["node"]).await;
    assert!(err(&other).contains("an HTTP server") && err(&other).contains("7300"), "{}", err(&other));
}

/// HTTP/1 as a gateway speaks it: anything else is a bad request.
async fn http_server(listener: TcpListener, body: &'static str) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let mut request = vec![0; 4096];
        let length = socket.read(&mut request).await.unwrap_or(0);
        let answer = match request[..length].starts_with(b"GET /api/v1/node HTTP/1.1\r\n") {
            true => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
            false => "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_owned(),
        };
        // A client that hangs up early has been answered as far as this test cares.
        let _ = socket.write_all(answer.as_bytes()).await;
        let _ = socket.shutdown().await;
    }
}
