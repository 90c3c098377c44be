//! `search`, `search --watch` and `publish`: the program itself against a peer over fixed data.

#[expect(dead_code, reason = "the tests of uploads use the rest")]
mod fake;

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use chordial_proto::chord_v1::{GetPublishedResponse, Peer, Publishing, Receipt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tonic::Status;

use fake::{Fake, MISTYPED, Shared, peer};

/// No command here has a reason to take longer.
const LIMIT: Duration = Duration::from_secs(30);

fn command(peer: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chord-cli"));
    command.env_remove("CHORD_PEER").args(["--peer", peer]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// How it ended: exit code, standard output, standard error.
async fn run(peer: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    ended(command(peer, arguments).spawn().expect("chord-cli runs")).await
}

async fn ended(child: Child) -> (Option<i32>, String, String) {
    let output: Output = tokio::time::timeout(LIMIT, child.wait_with_output())
        .await
        .expect("it ends in time")
        .expect("it ran");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn reports(complete: bool) -> Fake {
    let mut late = Shared::new("report late.pdf", b"12345");
    late.alive = false;
    let files = vec![Shared::new("annual report.pdf", b"123"), Shared::new("plan.txt", b"1"), late];
    Fake::start(files, vec![], complete).await
}

#[tokio::test]
async fn a_page_of_hits_or_all_of_them() {
    let fake = reports(true).await;
    let (code, out, err) = run(&fake.chord_url(), &["search", "report"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("annual report.pdf") && out.contains("alive") && !out.contains("late"), "{out}");
    assert!(out.ends_with("1 of 2 names, page 1; more with --all\n"), "{out}");
    let (code, out, err) = run(&fake.chord_url(), &["search", "report", "--all"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("report late.pdf") && out.contains("given up"), "{out}");
    assert!(out.ends_with("\n2 names\n"), "{out}");
    let (_, out, _) = run(&fake.chord_url(), &["search", "report", "--all", "--output", "json"]).await;
    let body: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&body["hits"][1]["name"], &body["next"]), (&json!("report late.pdf"), &json!(null)));
    assert_eq!((&body["total"], &body["asked"], &body["elapsed_us"]), (&json!(2), &json!(3), &json!(600)));
}

#[tokio::test]
async fn a_query_is_one_however_the_shell_parts_it() {
    let fake = reports(true).await;
    for arguments in [
        &["search", "--limit", "7", "annual", "report"][..],
        &["search", "annual report", "--limit", "7"],
        &["search", "--limit", "7", "--", "-plan", "\"annual report\""],
    ] {
        run(&fake.chord_url(), arguments).await;
    }
    let asked = ["annual report", "annual report", "-plan \"annual report\""];
    let asked = asked.map(|query| (query.to_owned(), 7, String::new()));
    assert_eq!(*fake.searches.lock().expect("not poisoned"), asked);
}

#[tokio::test]
async fn what_an_answer_lacks_is_said_beside_it() {
    let fake = reports(false).await;
    for arguments in [&["search", "plan"][..], &["search", "--all", "report"]] {
        let (code, out, err) = run(&fake.chord_url(), arguments).await;
        assert!(code == Some(0) && !out.contains("p5"), "{out}");
        assert_eq!(err, "There may be more: of 3 peers asked, these did not answer: p5.\n");
    }
    let (code, out, err) = run(&fake.chord_url(), &["search", "nothing"]).await;
    assert!(
        (code, out.as_str()) == (Some(1), "") && err.contains("may be more") && err.contains("p5"),
        "{err}"
    );
    let fake = reports(true).await;
    let (code, out, err) = run(&fake.chord_url(), &["search", MISTYPED, "--output", "json"]).await;
    assert!(code == Some(0) && err.contains("two typing errors"), "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON")["corrected"], true);
}

#[tokio::test]
async fn nothing_found_and_nothing_asked_are_told_apart() {
    let fake = reports(true).await;
    let (code, out, err) = run(&fake.chord_url(), &["search", "nothing", "at all"]).await;
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert_eq!(err, "chord-cli: no file's name matches \"nothing at all\"\n");
    let (code, _, err) = run(&fake.chord_url(), &["search", "\"open"]).await;
    assert_eq!((code, err.as_str()), (Some(2), "chord-cli: a quote of the query is never closed\n"));
    // Not even a peer is needed to see that.
    for arguments in [&["search", ""][..], &["search", " ", "  "], &["search", "--watch", ""]] {
        let (code, _, err) = run("http://127.0.0.1:1", arguments).await;
        assert!(code == Some(2) && err.contains("the query is empty"), "{arguments:?}: {err}");
    }
    for arguments in [
        &["search", "a", "--limit", "0"][..],
        &["search", "a", "--limit", "1001"],
        &["search", "a", "--all", "--watch"],
        &["publish", "--within", "1s"],
    ] {
        assert_eq!(run("http://127.0.0.1:1", arguments).await.0, Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_standing_search_prints_what_appears() {
    let fake = reports(true).await;
    let arguments = ["search", "--watch", "report", "--output", "json"];
    let mut child = command(&fake.chord_url(), &arguments).spawn().expect("chord-cli runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for name in ["annual report.pdf", "report late.pdf"] {
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("it is printed at once");
        let hit: Value = serde_json::from_str(&line.expect("readable").expect("a line")).expect("JSON");
        assert_eq!((&hit["name"], &hit["sources"][0]["peer"]), (&json!(name), &json!("p1")));
    }
    assert!(child.try_wait().expect("a child").is_none(), "it goes on");
    drop(child);
    // It ends where the peer ends it.
    let mut named = Shared::new("the end.txt", b"1");
    named.peer = "p\u{7}3";
    let fake = Fake::start(vec![named], vec![], false).await;
    let (code, out, err) = run(&fake.chord_url(), &["search", "end", "--watch"]).await;
    let cells: Vec<&str> = out.split_whitespace().collect();
    assert_eq!((code, cells.join(" ").as_str()), (Some(1), "1 B p\\u{7}3 alive the end.txt"));
    for words in ["Watching for new files that match \"end\"", "Not complete", "has ended the search"] {
        assert!(err.contains(words), "{err}");
    }
    let (code, _, err) = run(&fake.chord_url(), &["search", "\"open", "--watch"]).await;
    assert!(code == Some(2) && err.contains("never closed"), "{err}");
}

#[tokio::test]
async fn a_standing_search_ends_with_its_reader() {
    let files = (0..2_000).map(|_| Shared::new("report", b"1")).collect();
    let fake = Fake::start(files, vec![], true).await;
    let mut child =
        command(&fake.chord_url(), &["search", "--watch", "report"]).spawn().expect("chord-cli runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let first = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("in time").expect("readable");
    assert!(first.is_some_and(|line| line.ends_with("report")));
    drop(lines);
    let (code, _, err) = ended(child).await;
    assert!(code == Some(0) && !err.contains("chord-cli:"), "{err}");
}

fn published(acknowledged: u64, receipts: &[(&[&str], &[&str])]) -> GetPublishedResponse {
    let peers =
        |names: &[&str]| -> Vec<Peer> { names.iter().map(|name| peer(name, 1, "127.0.0.1:1")).collect() };
    let receipt = |(keepers, pending): &(&[&str], &[&str])| Receipt {
        name: "a.txt".to_owned(),
        keepers: peers(keepers),
        pending: peers(pending),
    };
    GetPublishedResponse {
        publishing: Some(Publishing { files: 3, keys: 7, acknowledged, ..Publishing::default() }),
        receipts: receipts.iter().map(receipt).collect(),
    }
}

impl Fake {
    fn publishes(&self, answers: Vec<Result<GetPublishedResponse, Status>>) {
        *self.published.lock().expect("not poisoned") = answers;
    }
}

#[tokio::test]
async fn receipts_name_who_has_taken_a_file() {
    let fake = reports(true).await;
    fake.publishes(vec![Ok(published(5, &[]))]);
    let (code, out, _) = run(&fake.chord_url(), &["publish"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "5 of 7 keys of 3 files acknowledged by all keepers\n"));
    let (_, node, _) = run(&fake.chord_url(), &["node"]).await;
    assert!(node.contains("published    40 of 40 keys of 3 files acknowledged"), "{node}");
    fake.publishes(vec![Ok(published(5, &[(&["p1", "p2"], &["p3"])]))]);
    let (code, out, _) = run(&fake.chord_url(), &["publish", "a.txt"]).await;
    assert!(code == Some(0) && out.contains("a.txt  p1, p2   p3"), "{out}");
    let (_, out, _) = run(&fake.chord_url(), &["publish", "a.txt", "--output", "json"]).await;
    let body: Value = serde_json::from_str(&out).expect("JSON");
    let receipt = json!([{ "name": "a.txt", "keepers": ["p1", "p2"], "pending": ["p3"] }]);
    assert_eq!((&body["receipts"], &body["acknowledged"]), (&receipt, &json!(5)));
    fake.publishes(vec![Err(Status::not_found("this peer shares no file named \"b\""))]);
    let (code, _, err) = run(&fake.chord_url(), &["publish", "b"]).await;
    assert!(code == Some(4) && err.contains("shares no file named"), "{err}");
}

#[tokio::test]
async fn waiting_ends_when_all_keepers_have_it() {
    let fake = reports(true).await;
    let steps = || {
        vec![
            // The peer has not noticed the file yet; it is busy with it; nobody knows its keepers; one is slow.
            Err(Status::not_found("no such file")),
            Err(Status::resource_exhausted("busy")),
            Ok(published(5, &[(&[], &[])])),
            Ok(published(6, &[(&["p1"], &["p2"])])),
            Ok(published(6, &[(&["p1", "p2"], &[])])),
        ]
    };
    fake.publishes(steps());
    let (code, out, err) = run(&fake.chord_url(), &["publish", "a.txt", "--wait"]).await;
    assert!((code, err.as_str()) == (Some(0), "") && out.contains("a.txt  p1, p2   -"), "{out}{err}");
    assert_eq!(fake.published.lock().expect("not poisoned").len(), 1);
    fake.publishes(vec![Ok(published(5, &[])), Ok(published(7, &[]))]);
    let (code, out, _) = run(&fake.chord_url(), &["publish", "--wait"]).await;
    assert!(code == Some(0) && out.starts_with("7 of 7"), "{out}");
}

#[tokio::test]
async fn waiting_has_an_end() {
    let fake = reports(true).await;
    let mut short = published(6, &[(&["p1"], &["p2"])]);
    short.publishing.as_mut().expect("set").refusing = vec![peer("p2", 2, "127.0.0.1:1")];
    fake.publishes(vec![Ok(short)]);
    let since = Instant::now();
    let (code, out, err) = run(&fake.chord_url(), &["publish", "a.txt", "--wait", "--within", "300ms"]).await;
    assert!(code == Some(5) && out.contains("p2"), "{out}");
    assert!(err.contains("within 300ms") && err.contains("used up at p2"), "{err}");
    assert!(since.elapsed() >= Duration::from_millis(300));
    fake.publishes(vec![Err(Status::not_found("no such file"))]);
    let (code, _, _) = run(&fake.chord_url(), &["publish", "b", "--wait", "--within", "200ms"]).await;
    assert_eq!(code, Some(4));
    // Nobody answers: no reason to wait.
    let (code, _, _) = run("http://127.0.0.1:1", &["publish", "--wait"]).await;
    assert_eq!(code, Some(3));
}
