//! Eight real peers on loopback: every file is found from everywhere, whoever dies, leaves or comes back.

use std::path::Path;
use std::time::{Duration, Instant};

use chordial_tests::programs::{
    Cluster, PATIENCE, Program, TestPeer, encode, ensure, eventually, free_port, get, get_url, run,
};
use serde_json::{Value, json};

/// How many peers.
const PEERS: usize = 8;
/// Their lease, and what a busy machine may add to it.
const LEASE: Duration = Duration::from_secs(6);
const MARGIN: Duration = Duration::from_secs(3);
/// Shared by all of them, with the same bytes.
const COMMON: &str = "shared by all.txt";

/// A file of one peer.
struct Shared {
    holder: usize,
    path: String,
    bytes: Vec<u8>,
}

impl Shared {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// The files of peer `number`: several kinds and sizes, in folders, with names of all letters.
fn files_of(number: usize) -> Vec<Shared> {
    let text = format!("These are the notes of peer {number}.\n").into_bytes();
    let large: Vec<u8> = (0..300_000 + number).map(|byte| (byte * 7 + byte / 251 + number) as u8).collect();
    [
        (format!("notes {number}.txt"), text),
        (format!("pictures/summer/día de playa {number} 🏖.jpg"), large),
        (format!("deep/er/and/deeper/e\u{301}tude {number} & \"more\".mid"), vec![number as u8; 17]),
        (format!("empty {number}"), Vec::new()),
    ]
    .into_iter()
    .map(|(path, bytes)| Shared { holder: number - 1, path, bytes })
    .collect()
}

#[test]
fn eight_peers_find_every_file_whoever_dies_leaves_or_returns() {
    let mut cluster = Cluster::new(PEERS, &[("index.lease", "6s")]);
    cluster.start();
    cluster.wait_ring(PATIENCE);

    let files: Vec<Shared> = (1..=PEERS).flat_map(files_of).collect();
    for file in &files {
        cluster.peers[file.holder].share(&file.path, &file.bytes);
    }
    for peer in &cluster.peers {
        peer.share(COMMON, b"Everybody has this.\n");
    }
    every_gateway_finds(&cluster, &files, PATIENCE);
    every_url_gives_the_bytes(&cluster, &files);
    a_common_file_has(&cluster, PEERS, PATIENCE);
    // A file is found as soon as one peer keeps its entry; the check wants all its copies.
    cluster.wait_ring(PATIENCE);

    chord_cli_says_what_rest_says(&cluster);
    chord_cli_fetches(&cluster, &files);
    chord_cli_ends_with_the_codes_of_the_contract(&cluster);
    a_deleted_file_is_gone(&cluster);

    // Two neighbours in the list of friends die at the same moment.
    let dead = [2, 5];
    let killed = Instant::now();
    dead.iter().for_each(|&index| cluster.peers[index].kill());
    let (lost, left): (Vec<&Shared>, Vec<&Shared>) =
        files.iter().partition(|file| dead.contains(&file.holder));
    every_gateway_finds(&cluster, left.iter().copied(), Duration::from_secs(10));
    let lease = (LEASE + MARGIN).saturating_sub(killed.elapsed());
    no_gateway_offers(&cluster, &lost, lease);
    a_common_file_has(&cluster, PEERS - dead.len(), MARGIN);
    every_gateway_finds(&cluster, left.iter().copied(), MARGIN);

    // They come back where they were.
    dead.iter().for_each(|&index| cluster.peers[index].start());
    every_gateway_finds(&cluster, &files, PATIENCE);
    every_url_gives_the_bytes(&cluster, &files);
    cluster.wait_ring(PATIENCE);
    a_common_file_has(&cluster, PEERS, PATIENCE);

    // One leaves with a goodbye.
    let leaver = 3;
    let status = cluster.peers[leaver].terminate(Duration::from_secs(8));
    assert_eq!(status.code(), Some(0), "{}", cluster.peers[leaver].log("all"));
    let (gone, left): (Vec<&Shared>, Vec<&Shared>) = files.iter().partition(|file| file.holder == leaver);
    no_gateway_offers(&cluster, &gone, Duration::from_secs(1));
    every_gateway_finds(&cluster, left.iter().copied(), MARGIN);
    cluster.wait_ring(PATIENCE);
}

/// Every living gateway names exactly the holder of each file, alive.
fn every_gateway_finds<'a>(cluster: &Cluster, files: impl IntoIterator<Item = &'a Shared>, within: Duration) {
    let started = Instant::now();
    for file in files {
        for asked in cluster.living() {
            let what = format!("{} finds {:?}", asked.name(), file.path);
            eventually(within.saturating_sub(started.elapsed()), &what, || {
                let holder = &cluster.peers[file.holder];
                let sources = asked.sources(file.name())?;
                let [source] = sources.as_slice() else { return Err(format!("sources: {sources:?}")) };
                let expected = json!({ "peer": holder.name(), "path": file.path, "alive": true });
                let same = ["peer", "path", "alive"].iter().all(|key| source[*key] == expected[*key]);
                ensure(same && source["size"] == file.bytes.len(), || format!("{source} is not {expected}"))
            });
        }
    }
}

/// The URL that each gateway gives for each file leads straight to its holder and to its bytes.
fn every_url_gives_the_bytes(cluster: &Cluster, files: &[Shared]) {
    for file in files {
        for asked in cluster.living() {
            let sources = asked.sources(file.name()).unwrap_or_else(|why| panic!("{why}"));
            let url = sources.first().and_then(|source| source["url"].as_str()).unwrap_or_default();
            let holder = cluster.peers[file.holder].gateway();
            assert!(url.starts_with(&format!("{holder}/files/")), "{url} is not of {holder}");
            let answer = get_url(url).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(answer.status, 200, "{url}");
            assert!(answer.body == file.bytes, "{url} gives other bytes than {:?}", file.path);
        }
    }
}

/// All living gateways know exactly so many holders of the file that everybody has.
fn a_common_file_has(cluster: &Cluster, holders: usize, within: Duration) {
    for asked in cluster.living() {
        eventually(within, &format!("{} finds {holders} holders", asked.name()), || {
            let sources = asked.sources(COMMON)?;
            let alive = sources.iter().filter(|source| source["alive"] == true).count();
            ensure(sources.len() == holders && alive == holders, || format!("{sources:?}"))
        });
    }
}

/// No living gateway knows a holder of any of these.
fn no_gateway_offers(cluster: &Cluster, files: &[&Shared], within: Duration) {
    let started = Instant::now();
    for asked in cluster.living() {
        for file in files {
            let what = format!("{} offers {:?} no more", asked.name(), file.path);
            eventually(within.saturating_sub(started.elapsed()), &what, || {
                let sources = asked.sources(file.name())?;
                ensure(sources.is_empty(), || format!("{sources:?}"))
            });
        }
    }
}

fn a_deleted_file_is_gone(cluster: &Cluster) {
    let holder = &cluster.peers[4];
    holder.share("soon gone.txt", b"short-lived");
    for asked in &cluster.peers {
        eventually(PATIENCE, "a new file is found", || {
            ensure(asked.sources("soon gone.txt")?.len() == 1, || "not found".into())
        });
    }
    std::fs::remove_file(holder.directory().join("soon gone.txt")).expect("removed");
    let removed = Instant::now();
    for asked in &cluster.peers {
        let left = Duration::from_secs(3).saturating_sub(removed.elapsed());
        eventually(left, &format!("a deleted file is gone from {}", asked.name()), || {
            let sources = asked.sources("soon gone.txt")?;
            ensure(sources.is_empty(), || format!("{sources:?}"))
        });
    }
}

/// `--output json` prints the body of the REST resource.
fn chord_cli_says_what_rest_says(cluster: &Cluster) {
    let asked = &cluster.peers[6];
    let same = |arguments: &[&str], path: &str, keys: &[&str]| {
        eventually(PATIENCE, &format!("chord-cli {arguments:?} is GET {path}"), || {
            let cli = asked.cli(&[&["--output", "json"], arguments].concat()).ok().json();
            let rest = get(&asked.gateway(), path)?;
            ensure(rest.status == 200, || format!("{path}: {}", rest.status))?;
            let rest = rest.json();
            let known = |body: &Value| body.as_object().map(|body| body.keys().cloned().collect::<Vec<_>>());
            ensure(known(&cli) == known(&rest), || format!("other keys:\n{cli}\n{rest}"))?;
            for key in keys {
                ensure(cli[*key] == rest[*key], || format!("{key}:\n{}\n{}", cli[*key], rest[*key]))?;
            }
            Ok(())
        });
    };
    same(&["ring"], "/api/v1/ring", &["peers", "agreed", "problems"]);
    same(&["ring", "check"], "/api/v1/ring", &["peers", "agreed", "problems"]);
    let node = ["id", "name", "ring", "state", "addresses", "predecessor", "successors", "shared_files"];
    same(&["node"], "/api/v1/node", &node);
    // How long it took and who was asked first is another matter each time.
    let file = ["name", "key", "sources", "total", "complete"];
    same(&["find", "notes 3.txt"], "/api/v1/files/notes%203.txt", &file);
    let catalog = ["peer", "total", "files", "next"];
    same(&["ls"], "/api/v1/catalog?limit=1000", &catalog);
    same(&["ls", "--of", "p3"], "/api/v1/catalog?peer=p3&limit=1000", &catalog);
    same(&["ls", "--all"], "/api/v1/files?limit=1000", &["files", "complete"]);

    // Where arcs have just changed hands, a keeper vouches for the whole again after a lease.
    let all = eventually(PATIENCE, "the network's listing is complete", || {
        let all = asked.cli(&["--output", "json", "ls", "--all"]).ok().json();
        ensure(all["complete"] == true, || all.to_string())?;
        Ok(all)
    });
    assert_eq!(all["files"].as_array().map(Vec::len), Some(4 * PEERS + 1), "{all}");
    let keys: Vec<&str> =
        all["files"].as_array().into_iter().flatten().filter_map(|file| file["key"].as_str()).collect();
    assert!(keys.windows(2).filter(|pair| pair[0] >= pair[1]).count() <= 1, "not in ring order: {keys:?}");

    let lookup = asked.cli(&["--output", "json", "lookup", "notes 3.txt", "--trace"]).ok().json();
    let found = asked.get("/api/v1/files/notes%203.txt").json();
    assert_eq!(lookup["key"], found["key"], "{lookup}");
    let path = lookup["route"]["path"].as_array().cloned().unwrap_or_default();
    assert!(path.first().is_some_and(|hop| hop["peer"] == "p7"), "it begins at the peer asked: {lookup}");
    assert_eq!(path.last().map(|hop| &hop["id"]), Some(&lookup["successor"]["id"]), "{lookup}");
    responsible(cluster, &lookup);

    // For people.
    for (arguments, words) in [
        (&["ring"][..], &["p1", "p8", "all views agree"][..]),
        (&["ring", "check"], &["8 peers, all views agree"]),
        (&["node"], &["p7", "member"]),
        (&["lookup", "notes 3.txt", "--trace"], &["responsible", "hop", "ms"]),
        (&["find", "notes 3.txt"], &["p3", "alive", "/files/notes%203.txt"]),
        (&["ls"], &["notes 7.txt", "p7 shares 5 files"]),
        (&["ls", "--all"], &["notes 1.txt", "notes 8.txt", "33 names"]),
        (&["ls", "--of", "p2"], &["notes 2.txt", "p2 shares 5 files"]),
    ] {
        let output = asked.cli(arguments).ok();
        for word in words {
            assert!(output.out.contains(word), "{word:?} is not in {arguments:?}:\n{}", output.out);
        }
    }
}

/// The peer that a lookup names is the first one at or behind the key.
fn responsible(cluster: &Cluster, lookup: &Value) {
    let mut ids: Vec<String> = cluster
        .peers
        .iter()
        .map(|peer| peer.get("/api/v1/node").json()["id"].as_str().expect("an id").to_owned())
        .collect();
    ids.sort();
    let key = lookup["key"].as_str().expect("a key");
    let expected = ids.iter().find(|id| id.as_str() >= key).unwrap_or(&ids[0]);
    assert_eq!(lookup["successor"]["id"], **expected, "{lookup}");
}

fn chord_cli_fetches(cluster: &Cluster, files: &[Shared]) {
    let asked = &cluster.peers[0];
    let folder = tempfile::tempdir().expect("a folder");
    let target = |name: &str| folder.path().join(name).display().to_string();
    for file in files.iter().filter(|file| file.holder == 6) {
        let to = target("got");
        let got = asked.cli(&["--output", "json", "get", file.name(), "-o", &to]).ok().json();
        let digest = format!("blake3:{}", blake3::hash(&file.bytes).to_hex());
        assert_eq!(got["digest"], digest, "{got}");
        assert_eq!((&got["bytes"], &got["peer"]), (&json!(file.bytes.len()), &json!("p7")), "{got}");
        assert!(std::fs::read(&to).expect("the file") == file.bytes, "other bytes of {:?}", file.path);
        std::fs::remove_file(&to).expect("removed");
    }
    let from = asked.cli(&["--output", "json", "get", COMMON, "--from", "p5", "-o", &target("from")]).ok();
    assert_eq!(from.json()["peer"], "p5", "{from:?}");

    let echo = asked.cli(&["--output", "json", "echo", "download", "notes 5.txt"]).ok().json();
    let notes = files.iter().find(|file| file.path == "notes 5.txt").expect("it is there");
    assert_eq!((&echo["peer"], &echo["name"]), (&json!("p5"), &json!("notes 5.txt")), "{echo}");
    assert_eq!(echo["bytes"], notes.bytes.len(), "{echo}");
    std::fs::write(folder.path().join("mine.bin"), vec![1; 12_345]).expect("a file");
    let echo = asked.cli(&["--output", "json", "echo", "upload", &target("mine.bin")]).ok().json();
    assert_eq!((&echo["peer"], &echo["name"]), (&json!("p1"), &json!("mine.bin")), "{echo}");
    assert_eq!(echo["bytes"], 12_345, "{echo}");
    for peer in &cluster.peers {
        let sources = peer.sources("mine.bin").unwrap_or_else(|why| panic!("{why}"));
        assert!(sources.is_empty(), "an echo moves nothing: {sources:?}");
    }
}

fn chord_cli_ends_with_the_codes_of_the_contract(cluster: &Cluster) {
    let asked = &cluster.peers[1];
    for arguments in [
        &["find", "nobody has this"][..],
        &["get", "nobody has this"],
        &["echo", "download", "nobody has this"],
        &["ls", "--of", "nobody"],
    ] {
        let output = asked.cli(arguments);
        assert!(
            output.code == 4 && output.out.is_empty() && !output.err.is_empty(),
            "{arguments:?}: {output:?}"
        );
    }
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let output = chord_cli(cluster.folder(), &nobody, &["ring"]);
    assert!(output.code == 3 && output.err.contains(&nobody), "{output:?}");
    // The gateway's port is not the chord port; the right one is named.
    let output = chord_cli(cluster.folder(), &asked.gateway(), &["ring"]);
    assert!(output.code == 3 && output.err.contains(&asked.chord()), "{output:?}");
    assert_eq!(chord_cli(cluster.folder(), &asked.chord(), &["ring", "chek"]).code, 2);
    // At the one peer, by environment.
    let chord = [("CHORD_PEER", &*asked.chord())];
    let arguments = ["--output", "json", "node"];
    let output = chordial_tests::programs::run_with(Program::ChordCli, cluster.folder(), &arguments, &chord);
    assert_eq!(output.ok().json()["name"], asked.name());
    only_a_person_at_a_peer_needs_content(asked);
}

/// `/content` is the file itself, through the peer's own client.
fn only_a_person_at_a_peer_needs_content(asked: &TestPeer) {
    let path = format!("/api/v1/files/{}/content", encode("notes 8.txt"));
    assert_eq!(asked.get(&path).body, b"These are the notes of peer 8.\n");
}

fn chord_cli(folder: &Path, peer: &str, arguments: &[&str]) -> chordial_tests::programs::Output {
    run(Program::ChordCli, folder, &[&["--peer", peer], arguments].concat())
}
