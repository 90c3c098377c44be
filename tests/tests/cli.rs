//! chord-cli and the gateways over real peers: downloads that are killed, files that change, one name with
//! different bytes, uploads.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use chordial_tests::programs::{
    Answer, Cluster, Output, PATIENCE, Process, Program, TestPeer, command, encode, ensure, eventually,
    get_url,
};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Large enough that a download takes longer than a look at its part.
const LARGE: usize = 16 * 1024 * 1024;
/// How often a download is killed.
const KILLS: usize = 20;

/// Bytes that differ with `salt` and repeat nowhere near.
fn bytes(length: usize, salt: u64) -> Vec<u8> {
    let mut content = vec![0; length];
    ChaCha8Rng::seed_from_u64(salt).fill_bytes(&mut content);
    content
}

fn digest(content: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(content).to_hex())
}

/// The ring of so many peers, whole.
fn ring(peers: usize, settings: &[(&str, &str)]) -> Cluster {
    let mut cluster = Cluster::new(peers, settings);
    cluster.start();
    cluster.wait_ring(PATIENCE);
    cluster
}

/// Waits until `asked` finds so many sources of `name`, all with a digest.
fn wait_sources(asked: &TestPeer, name: &str, count: usize) {
    eventually(PATIENCE, &format!("{} finds {count} hashed sources of {name}", asked.name()), || {
        let sources = asked.sources(name)?;
        let hashed = sources.iter().all(|source| source["digest"].is_string());
        ensure(sources.len() == count && hashed, || format!("{sources:?}"))
    });
}

/// Where a download of `content` to `target` gathers its bytes.
fn part_of(target: &Path, content: &[u8]) -> PathBuf {
    let name = target.file_name().expect("a name").to_string_lossy();
    target.with_file_name(format!("{name}.{}.part", &blake3::hash(content).to_hex()[..16]))
}

/// Starts a download of `name` to `target`, and kills it as soon as it has gathered `at` bytes, or has ended.
fn kill_download(asked: &TestPeer, name: &str, target: &Path, part: &Path, at: u64) {
    let folder = target.parent().expect("a folder");
    let log = folder.join("log");
    let errors = std::fs::File::create(&log).expect("a log");
    let mut command = command(Program::ChordCli, folder);
    command.args(["--peer", &asked.chord(), "--timeout", "10s", "get", name, "-o"]).arg(target);
    command.stdout(Stdio::null()).stderr(errors);
    let mut download = Process::spawn(command, "chord-cli get", log);
    let started = Instant::now();
    let gathered = || part.metadata().map_or(0, |metadata| metadata.len());
    while gathered() < at && download.ended().is_none() {
        assert!(
            started.elapsed() < PATIENCE,
            "{} of {at} bytes in {PATIENCE:?}: {}",
            gathered(),
            download.log()
        );
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    download.kill();
}

/// Has half of `content` at least in the part of `target`: kills downloads of `name` until one has not ended before.
fn gather_half(asked: &TestPeer, name: &str, target: &Path, content: &[u8]) {
    let part = part_of(target, content);
    let started = Instant::now();
    loop {
        kill_download(asked, name, target, &part, content.len() as u64 / 2);
        if part.exists() {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "no download of {name} was killed in time for {PATIENCE:?}");
        // It ended before anybody looked, or before it began.
        let _ = std::fs::remove_file(target);
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "log")
        .collect();
    names.sort();
    names
}

#[test]
fn a_download_killed_at_any_point_is_resumed_to_the_right_file() {
    let seed = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos() as u64;
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let cluster = ring(2, &[]);
    let (holder, asked) = (&cluster.peers[0], &cluster.peers[1]);
    let content = bytes(LARGE, 1);
    holder.share("large.bin", &content);
    wait_sources(asked, "large.bin", 1);
    let mut resumed = 0;
    for kill in 0..KILLS {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("large.bin");
        let at = random.random_range(0..=LARGE as u64);
        kill_download(asked, "large.bin", &target, &part_of(&target, &content), at);
        // A kill may also come too late.
        assert!(
            !target.exists() || std::fs::read(&target).expect("it") == content,
            "seed {seed}, kill {kill}"
        );
        let got =
            asked.cli(&["--output", "json", "get", "large.bin", "-o", &target.display().to_string()]).ok();
        assert!(
            std::fs::read(&target).expect("the file") == content,
            "seed {seed}, kill {kill} at {at}: {got:?}"
        );
        assert_eq!(names_in(folder.path()), ["large.bin"], "seed {seed}, kill {kill}");
        let received = got.json()["received"].as_u64().expect("a number");
        assert_eq!(got.json()["digest"], digest(&content));
        assert!(received <= LARGE as u64 - at, "fetched again what was here, seed {seed}: {got:?}");
        resumed += usize::from(got.err.contains("resuming"));
    }
    assert!(resumed >= KILLS / 4, "only {resumed} of {KILLS} downloads were resumed; seed {seed}");
}

#[test]
fn a_file_that_changed_since_the_kill_is_fetched_whole_and_a_second_holder_goes_on() {
    let mut cluster = ring(3, &[]);
    let (before, after) = (bytes(LARGE, 2), bytes(LARGE, 3));
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("moving.bin");
    let to = target.display().to_string();
    let asked = &cluster.peers[2];
    cluster.peers[0].share("moving.bin", &before);
    wait_sources(asked, "moving.bin", 1);
    gather_half(asked, "moving.bin", &target, &before);
    cluster.peers[0].share("moving.bin", &after);
    // At once: the index may still promise the old one.
    let got = asked.cli(&["--output", "json", "get", "moving.bin", "-o", &to]).ok();
    assert!(std::fs::read(&target).expect("the file") == after, "{got:?}");
    assert_eq!(
        (&got.json()["digest"], names_in(folder.path())),
        (&json!(digest(&after)), vec!["moving.bin".into()])
    );

    // Half of it from p1, which dies; the rest from p2, under another path.
    std::fs::remove_file(&target).expect("removed");
    gather_half(asked, "moving.bin", &target, &after);
    cluster.peers[1].share("deep/moving.bin", &after);
    wait_sources(&cluster.peers[2], "moving.bin", 2);
    cluster.peers[0].kill();
    let got = cluster.peers[2].cli(&["--output", "json", "get", "moving.bin", "-o", &to]).ok();
    assert!(got.err.contains("resuming") && std::fs::read(&target).expect("the file") == after, "{got:?}");
    let got = got.json();
    assert_eq!((&got["peer"], &got["path"]), (&json!("p2"), &json!("deep/moving.bin")), "{got}");
    assert!(got["received"].as_u64() <= Some(LARGE as u64 / 2), "{got}");
}

/// p1 and p3 share the same bytes, p2 others of the same size, all as `plan.txt`.
#[test]
fn one_name_with_different_bytes_is_a_choice_everywhere() {
    let mut cluster = ring(3, &[]);
    let (ours, theirs) = (&b"the plan of p1, p3\n"[..], &b"another one, by p2\n"[..]);
    for (peer, path, content) in [(0, "plan.txt", ours), (1, "plan.txt", theirs), (2, "in/plan.txt", ours)] {
        cluster.peers[peer].share(path, content);
    }
    for asked in &cluster.peers {
        wait_sources(asked, "plan.txt", 3);
        let sources = asked.sources("plan.txt").expect("sources");
        let order: Vec<&str> = sources.iter().filter_map(|source| source["peer"].as_str()).collect();
        assert_eq!(order, ["p1", "p3", "p2"], "not grouped, as seen from {}", asked.name());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (ours_digest, theirs_digest) = (digest(ours), digest(theirs));
    find_shows_groups(&cluster.peers[2]);
    get_wants_a_choice(&cluster.peers[2], folder.path(), &ours_digest, &theirs_digest);
    content_wants_a_choice(&cluster.peers[2], ours, theirs);
    fingers_are_a_part_of_the_node(&cluster.peers[2]);
    a_peer_that_takes_no_uploads_says_how_to_allow_them(&cluster.peers[2], folder.path());

    // All holders of one content die: it stays a choice, and cannot be had, until its lease ends.
    cluster.peers[1].kill();
    let asked = &cluster.peers[2];
    let path = format!("/api/v1/files/plan.txt/content?digest={theirs_digest}");
    let to = folder.path().join("dead").display().to_string();
    let got = asked.cli(&["get", "plan.txt", "--digest", &theirs_digest, "-o", &to]);
    assert!(got.code == 3 && got.err.contains(&cluster.peers[1].transfer()), "{got:?}");
    problem(&asked.get(&path), 502, "holder-failed");
    assert!(!Path::new(&to).exists());
    // Each keeper counts the lease by itself: one that heard the dead peer last may still tell of it.
    eventually(PATIENCE, "the dead peer's content is gone", || {
        let sources = asked.sources("plan.txt")?;
        ensure(sources.len() == 2, || format!("{sources:?}"))?;
        let answer = asked.get(&path);
        ensure(answer.status == 404, || format!("{} instead of 404", answer.status))?;
        let got = asked.cli(&["get", "plan.txt", "--digest", &theirs_digest, "-o", &to]);
        ensure(got.code == 4, || format!("{got:?}"))?;
        let got = asked.cli(&["get", "plan.txt", "-o", &to]);
        ensure(got.code == 0, || format!("{got:?}"))
    });
    assert_eq!(std::fs::read(&to).expect("the file"), ours);
}

fn find_shows_groups(asked: &TestPeer) {
    let shown = asked.cli(&["find", "plan.txt"]).ok().out;
    let peers: Vec<&str> =
        shown.lines().skip(1).take(4).map(|row| row.split_whitespace().next().unwrap_or("")).collect();
    assert!(peers == ["p1", "p3", "", "p2"] && shown.contains("2 different contents"), "{shown}");
    let listed = asked.cli(&["--output", "json", "ls", "--all"]).ok().json();
    let order: Vec<&Value> = listed["files"][0]["sources"]
        .as_array()
        .expect("sources")
        .iter()
        .map(|source| &source["peer"])
        .collect();
    assert_eq!(order, ["p1", "p3", "p2"], "{listed}");
}

fn get_wants_a_choice(asked: &TestPeer, folder: &Path, ours: &str, theirs: &str) {
    let to = folder.join("got").display().to_string();
    let get =
        |arguments: &[&str]| -> Output { asked.cli(&[&["get", "plan.txt", "-o", &to], arguments].concat()) };
    let choice = get(&[]);
    assert!(choice.code == 1 && choice.out.is_empty(), "{choice:?}");
    for word in [ours, theirs, "2 holders", "1 holder", "p1", "p2", "p3", "--digest", "--from"] {
        assert!(choice.err.contains(word), "no {word}: {choice:?}");
    }
    let id = asked.sources("plan.txt").expect("sources")[2]["id"].as_str().expect("an id").to_owned();
    for (arguments, expected) in [
        (&["--from", "p2"][..], theirs),
        (&["--from", &id], theirs),
        (&["--from", "p3"], ours),
        (&["--digest", theirs], theirs),
        (&["--digest", &theirs.trim_start_matches("blake3:")[..12]], theirs),
        (&["--digest", &ours[..15].to_uppercase().replace("BLAKE3", "blake3")], ours),
        (&["--from", "p1", "--digest", ours], ours),
    ] {
        get(arguments).ok();
        assert_eq!(digest(&std::fs::read(&to).expect("the file")), expected, "{arguments:?}");
        std::fs::remove_file(&to).expect("removed");
    }
    let unknown = digest(b"unknown");
    for (arguments, code) in [
        (&["--from", "p9"][..], 4),
        (&["--digest", &unknown], 4),
        (&["--from", "p2", "--digest", ours], 4),
        (&["--digest", "12"], 2),
        (&["--digest", "md5:1234"], 2),
    ] {
        let output = get(arguments);
        assert!(output.code == code && !Path::new(&to).exists(), "{arguments:?}: {output:?}");
    }
}

fn content_wants_a_choice(asked: &TestPeer, ours: &[u8], theirs: &[u8]) {
    let path = "/api/v1/files/plan.txt/content";
    let body = problem(&asked.get(path), 300, "several-contents");
    let choices = body["choices"].as_array().expect("choices");
    let shown: Vec<(&Value, usize)> = choices
        .iter()
        .map(|choice| (&choice["digest"], choice["sources"].as_array().map_or(0, Vec::len)))
        .collect();
    let (ours_digest, theirs_digest) = (json!(digest(ours)), json!(digest(theirs)));
    assert_eq!(shown, [(&ours_digest, 2), (&theirs_digest, 1)], "{body}");
    // The addresses in the list lead to those bytes.
    let url = choices[1]["sources"][0]["url"].as_str().expect("a URL");
    assert_eq!(get_url(url).expect("it answers").body, theirs);
    for (query, expected) in [
        ("peer=p2".to_owned(), theirs),
        ("peer=p3".to_owned(), ours),
        (format!("digest={}", encode(&digest(theirs))), theirs),
        (format!("digest={}", &digest(ours)[7..19]), ours),
        (format!("peer=p1&digest={}", digest(ours)), ours),
    ] {
        let answer = asked.get(&format!("{path}?{query}"));
        assert!(answer.status == 200 && answer.body == expected, "{query}: {}", answer.status);
    }
    for (query, status, kind) in [
        ("peer=p9".to_owned(), 404, "file-not-found"),
        (format!("digest={}", digest(b"unknown")), 404, "file-not-found"),
        (format!("peer=p2&digest={}", digest(ours)), 404, "file-not-found"),
        ("digest=12".to_owned(), 400, "bad-query"),
        ("digest=md5:1234".to_owned(), 400, "bad-query"),
    ] {
        problem(&asked.get(&format!("{path}?{query}")), status, kind);
    }
}

#[track_caller]
fn problem(answer: &Answer, status: u16, kind: &str) -> Value {
    let body = answer.json();
    assert_eq!((answer.status, &body["type"]), (status, &json!(format!("/problems/{kind}"))), "{body}");
    body
}

fn fingers_are_a_part_of_the_node(asked: &TestPeer) {
    eventually(PATIENCE, "chord-cli fingers is a part of GET /api/v1/node", || {
        let fingers = asked.cli(&["--output", "json", "fingers"]).ok().json();
        let node = asked.get("/api/v1/node").json();
        for key in ["id", "name", "successors", "fingers"] {
            ensure(fingers[key] == node[key], || format!("{key}: {fingers}\n{node}"))?;
        }
        Ok(())
    });
    let shown = asked.cli(&["fingers"]).ok().out;
    let named = format!("fingers of {}", asked.name());
    assert!(shown.contains(&named) && shown.lines().nth(1).is_some_and(|row| row.contains("1-")), "{shown}");
}

#[test]
fn put_shares_a_file_that_all_find() {
    let cluster = ring(2, &[("transfer.uploads", "true")]);
    let (taker, asked) = (&cluster.peers[0], &cluster.peers[1]);
    let content = bytes(3_000_000, 4);
    let file = cluster.folder().join("up.bin");
    std::fs::write(&file, &content).expect("a file");
    let arguments =
        ["--output", "json", "put", &file.display().to_string(), "--as", "in/new.bin"].map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let put = taker.cli(&arguments).ok().json();
    let url = format!("{}/files/in/new.bin", taker.gateway());
    let expected = json!({ "name": "new.bin", "path": "in/new.bin", "size": 3_000_000, "digest": digest(&content),
        "url": url, "replaced": false, "modified": put["modified"] });
    assert_eq!(put, expected);
    assert!(std::fs::read(taker.directory().join("in/new.bin")).expect("the file") == content);
    wait_sources(asked, "new.bin", 1);
    let to = cluster.folder().join("back.bin");
    asked.cli(&["get", "new.bin", "-o", &to.display().to_string()]).ok();
    assert!(std::fs::read(&to).expect("the file") == content);
    let again = taker.cli(&arguments);
    assert!(again.code == 1 && again.err.contains("--replace"), "{again:?}");
    let replaced = taker.cli(&[&arguments[..], &["--replace"]].concat()).ok().json();
    assert_eq!(replaced["replaced"], true, "{replaced}");
    let outside = taker.cli(&["put", &file.display().to_string(), "--as", "../out.bin"]);
    assert!(outside.code != 0 && !taker.directory().join("../out.bin").exists(), "{outside:?}");
}

fn a_peer_that_takes_no_uploads_says_how_to_allow_them(asked: &TestPeer, folder: &Path) {
    let file = folder.join("up.bin");
    std::fs::write(&file, vec![7; 3_000_000]).expect("a file");
    let put = asked.cli(&["put", &file.display().to_string()]);
    assert!(put.code == 1 && put.out.is_empty(), "{put:?}");
    assert!(put.err.contains("takes no uploads") && put.err.contains("uploads = true"), "{put:?}");
    assert_eq!(names_in(&asked.directory()), ["in"]);
}
