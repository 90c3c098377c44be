//! The Big List of Naughty Strings (tests/data/blns.json) at two real peers: as names of files, each makes the round
//! trip or is refused with a reason; as anything else that a caller may send, it breaks nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use chord_client::text::is_treacherous;
use chordial_tests::programs::{
    Answer, Cluster, PATIENCE, Program, TestPeer, encode, ensure, eventually, get, get_url, raw, request, run,
};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

/// Strings that are worked on at the same time.
const AT_ONCE: usize = 8;

/// Where each name lies: made in p1's folder, sent to p2's gateway, sent to p2 by chord-cli.
const PLACES: [&str; 3] = ["", "by rest/", "by cli/"];

fn strings() -> Vec<String> {
    let json = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/data/blns.json")).expect("the list");
    let strings: Vec<String> = serde_json::from_slice(&json).expect("a list of strings");
    assert_eq!(strings.len(), 485);
    strings
}

/// Why no file can have this name; `None` where one can.
fn refused(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("empty"),
        "." | ".." => Some("a folder"),
        _ if name.contains('/') => Some("slash"),
        _ if name.contains('\0') => Some("NUL"),
        _ if name.contains('\\') => Some("backslash"),
        _ if name.len() > 255 => Some("255 bytes"),
        _ if name.starts_with('.') || name.ends_with(".part") => Some("hidden"),
        _ => None,
    }
}

/// A word of the gateway's answer to such a name.
fn reason(refused: &str) -> &'static str {
    match refused {
        "a folder" => "not the name of a file",
        "slash" => "has no slash",
        "NUL" => "has no NUL",
        "backslash" => "has no backslash",
        "255 bytes" => "at most 255 bytes",
        other => panic!("no name of the list is refused as {other}"),
    }
}

/// Does something to each, several at once; a panic says to which.
fn each<T: Sync>(all: &[T], what: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    what(one);
                }
            });
        }
    });
}

fn nfc(name: &str) -> String {
    name.nfc().collect()
}

fn content(name: &str) -> Vec<u8> {
    format!("This is {name:?}.\n").into_bytes()
}

/// Two peers that take uploads and log all requests.
fn two() -> Cluster {
    let mut cluster = Cluster::new(
        2,
        &[("transfer.uploads", "true"), ("log.level", "info,chord_peer=debug"), ("index.lease", "60s")],
    );
    cluster.start();
    cluster.wait_ring(PATIENCE);
    cluster
}

fn put(peer: &TestPeer, path: &str, body: &[u8]) -> Answer {
    let mut head = format!("PUT {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    let _ = write!(head, "content-length: {}\r\n\r\n", body.len());
    let answer = raw(&peer.gateway(), &[head.as_bytes(), body].concat());
    let answer = answer.unwrap_or_else(|error| panic!("PUT {path}: {error}"));
    Answer::parse(&answer).unwrap_or_else(|| panic!("PUT {path}: no HTTP answer"))
}

/// That an answer is whole, no failure of the server, and has only plain text in its head.
#[track_caller]
fn sound(answer: &Answer, what: &str) {
    assert!(answer.status < 500, "{what}: {answer:?}");
    for (name, value) in &answer.headers {
        let plain = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        assert!(plain(name) && plain(value), "{what}: {name:?}: {value:?}");
    }
}

/// That nothing in a program's output acts on a terminal.
#[track_caller]
fn calm(output: &chordial_tests::programs::Output, what: &str) {
    let shown = format!("{}{}", output.out, output.err);
    assert!(!shown.contains(|c| c != '\n' && is_treacherous(c)), "{what}: {shown:?}");
    assert!(!shown.contains("panicked"), "{what}: {shown}");
}

/// Every event of a log is one line, with nothing in it that acts.
fn logs_are_calm(cluster: &Cluster) {
    for peer in &cluster.peers {
        let log = peer.log("all");
        for line in log.lines() {
            assert!(!line.contains(is_treacherous), "{line:?}");
            assert!(line.starts_with("20") && line.contains("Z "), "not an event: {line:?}");
        }
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[test]
fn every_naughty_name_makes_the_round_trip_or_is_refused_with_a_reason() {
    let cluster = two();
    let [p1, p2] = &cluster.peers[..] else { panic!("two peers") };
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut impossible: Vec<(String, &str)> = Vec::new();
    let mut accepted = 0;
    for string in strings() {
        match refused(&string) {
            Some(why) => {
                *reasons.entry(why).or_default() += 1;
                impossible.push((string, why));
            }
            None => {
                accepted += 1;
                names.insert(string);
            }
        }
    }
    // No two of them are one name: some stand in the list twice.
    assert_eq!(names.iter().map(|name| nfc(name)).collect::<BTreeSet<_>>().len(), names.len());
    println!("{accepted} can be names of files; refused: {reasons:?}");
    assert_eq!(accepted, 236);
    let counted = [("255 bytes", 5), ("a folder", 1), ("backslash", 73), ("empty", 1), ("slash", 169)];
    assert_eq!(reasons, BTreeMap::from(counted));

    let names: Vec<String> = names.into_iter().collect();
    upload(&cluster, &names);
    each(&names, |name| round_trip(&cluster, name));
    for peer in [p1, p2] {
        listed(peer, &names);
    }
    for arguments in [&["ls", "--all"][..], &["ls"], &["ls", "--of", "p1"], &["search", "--all", "test"]] {
        calm(&p2.cli(arguments).ok(), &format!("{arguments:?}"));
    }
    each(&impossible, |(name, why)| is_refused(p2, name, why));
    logs_are_calm(&cluster);
}

/// Brings each name to all of its places.
fn upload(cluster: &Cluster, names: &[String]) {
    let [p1, p2] = &cluster.peers[..] else { panic!("two peers") };
    let local = cluster.folder().join("local");
    std::fs::create_dir(&local).expect("a folder");
    for name in names {
        std::fs::write(p1.directory().join(name), content(name))
            .unwrap_or_else(|error| panic!("{name:?}: {error}"));
    }
    each(names, |name| {
        let sent = put(p2, &format!("/files/by%20rest/{}", encode(name)), &content(name));
        sound(&sent, name);
        assert_eq!(sent.status, 201, "{name:?}: {sent:?}");
        let location = sent.header("location").expect("a location");
        assert_eq!(location, format!("{}/files/by%20rest/{}", p2.gateway(), encode(name)), "{name:?}");
        assert_eq!(get_url(location).expect("the file").body, content(name), "{name:?}");

        let file = local.join(name);
        std::fs::write(&file, content(name)).expect("a file");
        let (file, to) = (file.display().to_string(), format!("by cli/{name}"));
        calm(&p2.cli(&["put", "--as", &to, "--", &file]).ok(), name);
    });
}

/// The name is found, fetched in every way, searched for, and shown.
fn round_trip(cluster: &Cluster, name: &str) {
    let exact = nfc(name);
    for asked in &cluster.peers {
        let found = eventually(PATIENCE, &format!("{} finds {name:?}", asked.name()), || {
            let answer = get(&asked.gateway(), &format!("/api/v1/files/{}", encode(name)))?;
            ensure(answer.status == 200, || format!("{answer:?}"))?;
            sound(&answer, name);
            let found = answer.json();
            ensure(found["total"] == PLACES.len(), || found.to_string())?;
            Ok(found)
        });
        assert_eq!(found["name"], *exact, "{name:?}");
        let sources = found["sources"].as_array().expect("sources");
        let paths: BTreeSet<&str> = sources.iter().filter_map(|source| source["path"].as_str()).collect();
        let places = PLACES.map(|place| format!("{place}{name}"));
        assert_eq!(paths, places.iter().map(String::as_str).collect(), "{name:?}");
        for source in sources {
            let file = get_url(source["url"].as_str().expect("a URL")).expect("the file");
            sound(&file, name);
            assert_eq!(file.body, content(name), "{name:?} at {source}");
        }
        let bytes = asked.get(&format!("/api/v1/files/{}/content", encode(name)));
        sound(&bytes, name);
        assert_eq!((bytes.status, &bytes.body), (200, &content(name)), "{name:?}");
        saved_as(&bytes, &exact);

        // By the longest of its words, if it has one.
        let text = chord_peer::search::text_of(&exact);
        if let Some(word) = text.words().into_iter().max_by_key(|word| word.len()) {
            let query = format!("/api/v1/search?limit=1000&q={}", encode(&format!("\"{word}\"")));
            eventually(PATIENCE, &format!("{} finds {name:?} by {word:?}", asked.name()), || {
                let answer = get(&asked.gateway(), &query)?;
                ensure(answer.status == 200, || format!("{answer:?}"))?;
                let hits = answer.json()["hits"].as_array().cloned().unwrap_or_default();
                ensure(hits.iter().any(|hit| hit["name"] == *exact), || format!("{hits:?}"))
            });
        }
    }
    let asked = &cluster.peers[0];
    calm(&asked.cli(&["find", "--", name]).ok(), name);
    let json = asked.cli(&["--output", "json", "find", "--", name]).ok();
    calm(&json, name);
    assert_eq!(json.json()["name"], *exact);
    let target =
        cluster.folder().join(format!("got-{}", encode(&exact)).chars().take(200).collect::<String>());
    let got = asked.cli(&["get", "-o", &target.display().to_string(), "--", name]).ok();
    calm(&got, name);
    assert_eq!(std::fs::read(&target).expect("the file"), content(name), "{name:?}");
}

/// What a browser would call the file: exactly the name (RFC 8187), in a header that cannot be broken out of.
fn saved_as(answer: &Answer, name: &str) {
    let value = answer.header("content-disposition").expect("a disposition");
    let (plain, full) = value.split_once("; filename*=UTF-8''").expect("both forms");
    let quoted = plain.strip_prefix("attachment; filename=\"").and_then(|rest| rest.strip_suffix('"'));
    assert!(quoted.is_some_and(|quoted| !quoted.contains(['"', '\\', '%', '/'])), "{value}");
    assert_eq!(full, encode(name));
}

/// All names are in the network's listing, each once.
fn listed(peer: &TestPeer, names: &[String]) {
    let expected: BTreeSet<String> = names.iter().map(|name| nfc(name)).collect();
    eventually(PATIENCE, &format!("{} lists all names", peer.name()), || {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&peer.gateway(), &format!("/api/v1/files?limit=100&cursor={cursor}"))?;
            ensure(page.status == 200, || format!("{page:?}"))?;
            let page = page.json();
            let files = page["files"].as_array().cloned().unwrap_or_default();
            seen.extend(files.iter().filter_map(|file| file["name"].as_str()).map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => cursor = encode(next),
                None => break,
            }
        }
        let once: BTreeSet<String> = seen.iter().cloned().collect();
        let missing: Vec<_> = expected.difference(&once).collect();
        ensure(once == expected && seen.len() == once.len(), || {
            format!("{} seen, missing {missing:?}", seen.len())
        })
    });
}

/// Whoever asks for the name, or wants to store a file under it, is told why that can't be.
fn is_refused(peer: &TestPeer, name: &str, why: &str) {
    let shown = peer.cli(&["find", "--", name]);
    assert!(matches!(shown.code, 2 | 4), "{name:?}: {shown:?}");
    calm(&shown, name);
    if name.is_empty() {
        // There is no such path.
        peer.get("/api/v1/files/").problem(404);
        put(peer, "/files/", b"x").problem(404);
        return;
    }
    let asked = peer.get(&format!("/api/v1/files/{}", encode(name)));
    sound(&asked, name);
    let stored = put(peer, &format!("/files/{}", encode(name)), b"x");
    sound(&stored, name);
    for answer in [asked, stored] {
        let detail = answer.problem(404)["detail"].to_string();
        assert!(detail.contains(reason(why)), "{name:?}: {detail}");
    }
}

#[test]
fn naughty_strings_break_nothing_wherever_a_caller_puts_them() {
    let cluster = two();
    let peer = &cluster.peers[0];
    peer.share("a.txt", b"0123456789");
    eventually(PATIENCE, "the file is found", || {
        ensure(peer.sources("a.txt")?.len() == 1, || "not yet".into())
    });
    let file = "/api/v1/files/a.txt";
    each(&strings(), |string| {
        let encoded = encode(string);
        for path in [
            format!("/api/v1/search?q={encoded}"),
            format!("/api/v1/search?q=a&cursor={encoded}"),
            format!("/api/v1/files?cursor={encoded}"),
            format!("/api/v1/files?limit={encoded}"),
            format!("/api/v1/catalog?cursor={encoded}"),
            format!("/api/v1/catalog?peer={encoded}"),
            format!("/api/v1/files?{encoded}={encoded}"),
            format!("{file}/content?peer={encoded}"),
            format!("{file}/content?digest={encoded}"),
            format!("/api/v1/published/{encoded}"),
            format!("/files/{encoded}"),
            format!("/{encoded}"),
        ] {
            sound(&peer.get(&path), &path);
        }
        for header in
            ["if-none-match", "if-match", "range", "if-range", "x-request-id", "accept", "user-agent"]
        {
            // A line feed in it would end the header: that is another request.
            let value: String = string.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            let answer = request("GET", &peer.gateway(), "/files/a.txt", &[(header, &value)]);
            sound(&answer.unwrap_or_else(|error| panic!("{header}: {string:?}: {error}")), string);
        }
    });
    let options = ["--peer=", "--output=", "--timeout=", "--service-hosts=", "no such command "];
    let arguments: Vec<String> = strings()
        .into_iter()
        .enumerate()
        .map(|(number, string)| format!("{}{string}", options[number % 5]))
        .collect();
    each(&arguments, |argument| {
        let output = run(Program::ChordCli, cluster.folder(), &[argument, "man", "--dir", "/dev/null"]);
        assert!(matches!(output.code, 1 | 2), "{argument:?}: {output:?}");
        calm(&output, argument);
    });
    logs_are_calm(&cluster);
    assert_eq!(peer.get("/readyz").status, 200);
    assert!(Path::new(&peer.directory()).join("a.txt").exists());
    let _: Value = peer.get(file).json();
}
