//! curl at the whole REST part: every resource, with what people and scripts use curl for.

use std::path::Path;

use chordial_tests::programs::{Answer, Cluster, Output, PATIENCE, encode, ensure, eventually};
use serde_json::{Value, json};

use crate::setting::{File, TAKER, settled};
use crate::tools::Tool;

const JSON: &str = "application/json";

/// Runs curl in `folder`: silent but for errors, the path left as it is written.
fn curl(folder: &Path, arguments: &[&str]) -> Output {
    let always = ["-sS", "--path-as-is", "--globoff", "--max-time", "30"];
    Tool::Curl.run(folder, &[&always[..], arguments].concat())
}

/// One request; the answer as curl has stored it.
#[track_caller]
fn ask(url: &str, arguments: &[&str]) -> Answer {
    let folder = tempfile::tempdir().expect("a folder");
    let stored = ["-D", "head", "-o", "body", "-w", "%{response_code}", url];
    let output = curl(folder.path(), &[&stored[..], arguments].concat()).ok();
    let head = std::fs::read_to_string(folder.path().join("head")).expect("the head of an answer");
    // The last block: a 100 or 101 may come before it.
    let lines = head.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default().lines().skip(1);
    let field = |line: &str| {
        let (name, value) = line.split_once(':').expect("a header field");
        (name.to_lowercase(), value.trim().to_owned())
    };
    Answer {
        status: output.out.parse().expect("a status"),
        headers: lines.map(field).collect(),
        body: std::fs::read(folder.path().join("body")).unwrap_or_default(),
    }
}

/// One request that must succeed with a body of this media type.
#[track_caller]
fn good(url: &str, arguments: &[&str], media_type: &str) -> Answer {
    let answer = ask(url, arguments);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)), "{url}");
    answer
}

/// Whether `value` has all members that the contract promises.
#[track_caller]
fn has(value: &Value, members: &[&str]) {
    for member in members {
        assert!(value.get(member).is_some(), "no {member:?} in {value}");
    }
}

#[test]
fn every_file_is_found_and_fetched() {
    let (cluster, files) = settled();
    for peer in &cluster.peers {
        for file in &files {
            let url = format!("{}/api/v1/files/{}", peer.gateway(), encode(file.name()));
            let found = good(&url, &[], JSON).json();
            has(&found, &["name", "key", "sources", "total", "complete", "route"]);
            has(&found["route"], &["hops", "peers", "elapsed_us"]);
            let source = &found["sources"][0];
            has(source, &["peer", "id", "url", "path", "size", "modified", "digest", "alive"]);
            let holder = &cluster.peers[file.holder];
            let expected = format!("{}{}", holder.gateway(), file.encoded_path());
            assert_eq!(
                (&source["peer"], &source["url"]),
                (&json!(holder.name()), &json!(expected)),
                "{found}"
            );
            let digest = blake3::hash(&file.bytes).to_hex();
            assert_eq!(source["digest"], format!("blake3:{digest}"), "{found}");

            let direct = ask(&expected, &[]);
            assert!(direct.status == 200 && direct.body == file.bytes, "{expected}: {:?}", direct.headers);
            assert_eq!(direct.header("etag"), Some(&*format!("\"{digest}\"")));
            let through = ask(&format!("{url}/content"), &[]);
            assert!(through.status == 200 && through.body == file.bytes, "{url}: {:?}", through.headers);
            assert!(
                through.header("content-disposition").is_some_and(|value| value.starts_with("attachment;"))
            );
        }
        let nobody = ask(&format!("{}/api/v1/files/nobody%20has%20this", peer.gateway()), &[]).problem(404);
        assert_eq!(nobody["type"], "/problems/file-not-found", "{nobody}");
        ask(&format!("{}/api/v1/files/nobody/content", peer.gateway()), &[]).problem(404);
        ask(&format!("{}/files/nobody", peer.gateway()), &[]).problem(404);
    }
    // Letters that were not encoded, as people type them.
    let typed = format!("{}/api/v1/files/día%20de%20playa%20🏖.mp3", cluster.peers[0].gateway());
    assert_eq!(good(&typed, &[], JSON).json()["name"], "día de playa 🏖.mp3");
    // What a browser could run comes as an attachment, whoever serves it.
    let page = files.iter().find(|file| file.path.ends_with(".html")).expect("a page");
    let answer = ask(&format!("{}{}", cluster.peers[page.holder].gateway(), page.encoded_path()), &[]);
    assert!(answer.header("content-disposition").is_some_and(|value| value.starts_with("attachment;")));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

/// All items of a listing, page by page as a script would: with `next` until there is none.
fn pages(url: &str, query: &[&str], limit: usize) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    let limit_field = format!("limit={limit}");
    for _ in 0..100 {
        let cursor_field = format!("cursor={cursor}");
        let mut arguments = vec!["-G", "--data-urlencode", &limit_field];
        query.iter().for_each(|field| arguments.extend(["--data-urlencode", field]));
        if !cursor.is_empty() {
            arguments.extend(["--data-urlencode", &cursor_field]);
        }
        let page = good(url, &arguments, JSON).json();
        let of_page = page["files"].as_array().expect("files");
        assert!(of_page.len() <= limit, "{page}");
        items.extend(of_page.iter().cloned());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return items,
        }
    }
    panic!("{url} has no last page")
}

#[test]
fn listings_are_read_to_their_end() {
    let (cluster, files) = settled();
    let of = |items: &[Value], member: &str| {
        let mut all: Vec<String> =
            items.iter().filter_map(|item| item[member].as_str().map(str::to_owned)).collect();
        all.sort();
        all
    };
    let sorted = |files: &mut dyn Iterator<Item = &str>| {
        let mut all: Vec<String> = files.map(str::to_owned).collect();
        all.sort();
        all
    };
    for asked in &cluster.peers {
        let all = pages(&format!("{}/api/v1/files", asked.gateway()), &[], 2);
        // Names are composed (NFC), as keys are made.
        let names = sorted(&mut files.iter().map(|file| match file.name() {
            "combining e\u{301}.html" => "combining \u{e9}.html",
            name => name,
        }));
        assert_eq!(of(&all, "name"), names);
        all.iter().for_each(|file| has(file, &["key", "sources", "total"]));

        let url = format!("{}/api/v1/catalog", asked.gateway());
        for (index, other) in cluster.peers.iter().enumerate() {
            let peer = format!("peer={}", other.name());
            let paths = sorted(&mut files.iter().filter(|file| file.holder == index).map(|file| file.path));
            let listed = pages(&url, &[&peer], 1);
            assert_eq!(of(&listed, "path"), paths, "{} of {}", asked.name(), other.name());
            listed.iter().for_each(|file| has(file, &["name", "size", "modified", "digest", "url"]));
        }
        let own = good(&url, &[], JSON).json();
        assert_eq!((&own["peer"], &own["total"]), (&json!(asked.name()), &json!(2)), "{own}");
        let nobody = ask(&format!("{url}?peer=nobody"), &[]).problem(404);
        assert_eq!(nobody["type"], "/problems/peer-not-found", "{nobody}");
        for query in ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "cursor=zz", "nonsense=1"] {
            ask(&format!("{url}?{query}"), &[]).problem(400);
            ask(&format!("{}/api/v1/files?{query}", asked.gateway()), &[]).problem(400);
        }
    }
}

#[test]
fn parts_conditions_and_resumed_downloads() {
    let (cluster, files) = settled();
    let large: &File = files.iter().max_by_key(|file| file.bytes.len()).expect("a large one");
    let (bytes, size) = (&large.bytes, large.bytes.len());
    let direct = format!("{}{}", cluster.peers[large.holder].gateway(), large.encoded_path());
    let through = format!("{}/api/v1/files/{}/content", cluster.peers[0].gateway(), encode(large.name()));
    for url in [&direct, &through] {
        let last = size - 1;
        for (range, part, says) in [
            ("0-0", 0..1, format!("bytes 0-0/{size}")),
            ("100000-299999", 100_000..300_000, format!("bytes 100000-299999/{size}")),
            ("-5", size - 5..size, format!("bytes {}-{last}/{size}", size - 5)),
            ("2999990-", 2_999_990..size, format!("bytes 2999990-{last}/{size}")),
        ] {
            let answer = ask(url, &["-r", range]);
            assert_eq!((answer.status, answer.header("content-range")), (206, Some(&*says)), "{url} {range}");
            assert!(answer.body == bytes[part], "{url} {range}");
        }
        let none = ask(url, &["-r", "9000000-"]);
        none.problem(416);
        assert_eq!(none.header("content-range"), Some(&*format!("bytes */{size}")));

        let head = ask(url, &["-I"]);
        assert_eq!((head.status, head.header("accept-ranges")), (200, Some("bytes")), "{url}");
        assert_eq!(head.header("content-length"), Some(&*size.to_string()), "{url}");
        let (tag, time) =
            (head.header("etag").expect("a tag"), head.header("last-modified").expect("a time"));
        for condition in [&["-H", &*format!("If-None-Match: {tag}")], &["-z", time]] {
            let same = ask(url, condition);
            assert!(same.status == 304 && same.body.is_empty(), "{url} {condition:?}: {}", same.status);
            assert_eq!(same.header("etag"), Some(tag));
        }
        assert_eq!(ask(url, &["-H", "If-None-Match: \"another\""]).status, 200);
        let changed = ask(url, &["-r", "0-9", "-H", "If-Range: \"another\""]);
        assert!(changed.status == 200 && changed.body == *bytes, "all of it, since it is another state");
        assert_eq!(ask(url, &["-r", "0-9", "-H", &format!("If-Range: {tag}")]).status, 206);

        // As scripts do it: go on where a download ended, and fetch only what has changed.
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("got"), &bytes[..1_234_567]).expect("a part");
        curl(folder.path(), &["-f", "-C", "-", "-o", "got", url]).ok();
        assert!(std::fs::read(folder.path().join("got")).expect("the file") == *bytes, "{url}");
        curl(folder.path(), &["-f", "--etag-save", "tag", "-o", "first", url]).ok();
        let second =
            curl(folder.path(), &["--etag-compare", "tag", "-o", "second", "-w", "%{http_code}", url]);
        assert_eq!(second.ok().out, "304", "{url}");
        // Saved under the name in the URL.
        curl(folder.path(), &["-f", "-O", &direct]).ok();
        assert_eq!(std::fs::read_dir(folder.path()).expect("files").count(), 4);
    }
    let empty = format!("{}/files/empty", cluster.peers[1].gateway());
    assert_eq!((ask(&empty, &[]).status, ask(&empty, &[]).body), (200, Vec::new()));
    ask(&empty, &["-r", "0-"]).problem(416);
}

#[test]
fn one_name_with_two_contents_is_a_choice() {
    let (cluster, _) = settled();
    for (index, text) in ["one", "two", "one"].iter().enumerate() {
        cluster.peers[index].share("same name.txt", text.as_bytes());
    }
    let at = cluster.peers[0].gateway();
    let url = format!("{at}/api/v1/files/same%20name.txt");
    eventually(PATIENCE, "all three are known with their digests", || {
        let found = ask(&url, &[]).json();
        let sources = found["sources"].as_array().cloned().unwrap_or_default();
        let known = sources.iter().filter(|source| source["digest"].is_string()).count();
        ensure(known == 3, || found.to_string())
    });
    let choice = ask(&format!("{url}/content"), &[]).problem(300);
    let choices = choice["choices"].as_array().expect("choices");
    assert_eq!(choices.len(), 2, "{choice}");
    let content = |field: &str| ask(&format!("{url}/content"), &["-G", "--data-urlencode", field]);
    assert_eq!((content("peer=p2").status, content("peer=p2").body), (200, b"two".to_vec()));
    for text in ["one", "two"] {
        let digest = format!("digest=blake3:{}", blake3::hash(text.as_bytes()).to_hex());
        assert_eq!(content(&digest).body, text.as_bytes());
    }
    content("peer=nobody").problem(404);
    content("digest=nonsense").problem(400);
}

#[test]
fn the_peer_tells_of_itself() {
    let (cluster, _) = settled();
    for peer in &cluster.peers {
        let at = peer.gateway();
        let node = good(&format!("{at}/api/v1/node"), &[], JSON).json();
        has(&node, &["id", "ring", "addresses", "predecessor", "successors", "fingers", "entries"]);
        assert_eq!((&node["name"], &node["state"]), (&json!(peer.name()), &json!("member")), "{node}");
        assert_eq!((&node["addresses"]["gateway"], &node["shared_files"]), (&json!(at), &json!(2)), "{node}");
        // On a busy machine a peer may be suspected for a moment.
        let ring = eventually(PATIENCE, "all views agree", || {
            let ring = good(&format!("{at}/api/v1/ring"), &[], JSON).json();
            ensure(ring["agreed"] == true && ring["problems"] == json!([]), || ring.to_string())?;
            Ok(ring)
        });
        let ids: Vec<&str> =
            ring["peers"].as_array().into_iter().flatten().filter_map(|peer| peer["id"].as_str()).collect();
        assert_eq!(ids.len(), 3, "{ring}");
        assert!(ids.windows(2).filter(|pair| pair[0] > pair[1]).count() <= 1, "ring order: {ring}");
        for member in ring["peers"].as_array().into_iter().flatten() {
            has(member, &["name", "chord", "gateway", "share", "incarnation", "version", "entries", "state"]);
        }

        let plain = "text/plain; charset=utf-8";
        assert_eq!(good(&format!("{at}/livez"), &[], plain).body, b"ok\n");
        assert_eq!(good(&format!("{at}/readyz"), &[], plain).body, b"ready\n");
        let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let metrics =
            good(&format!("{at}/metrics"), &["-H", "accept: application/openmetrics-text"], open).body;
        let metrics = String::from_utf8(metrics).expect("UTF-8");
        assert!(metrics.contains("chord_ring_member 1\n") && metrics.ends_with("# EOF\n"), "{metrics}");
        has(&good(&format!("{at}/version"), &[], JSON).json(), &["name", "version", "os", "arch"]);
        good(&format!("{at}/"), &[], "text/html; charset=utf-8");
    }
}

#[test]
fn what_is_wrong_is_a_problem_with_words() {
    let (cluster, _) = settled();
    let at = cluster.peers[0].gateway();
    let url = |path: &str| format!("{at}{path}");
    for path in
        ["/", "/livez", "/version", "/metrics", "/api/v1/files", "/api/v1/files/ten.txt", "/api/v1/node"]
    {
        // HEAD says what GET says, without the body.
        let (head, get) = (ask(&url(path), &["-I"]), ask(&url(path), &[]));
        assert_eq!((head.status, head.header("content-type")), (200, get.header("content-type")), "{path}");
        for method in ["DELETE", "PATCH"] {
            let refused = ask(&url(path), &["-X", method]);
            refused.problem(405);
            assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"), "{method} {path}");
        }
        let posted = ask(&url(path), &["-d", "a=b"]);
        posted.problem(405);
    }
    let refused = ask(&url("/files/ten.txt"), &["-X", "DELETE"]);
    refused.problem(405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, PUT, OPTIONS"));
    for path in ["/nothing", "/api/v2/node", "/api/v1/files/", "/files/../secret", "/files/..%2fsecret"] {
        ask(&url(path), &[]).problem(404);
    }
    for path in ["/api/v1/files/%zz", "/api/v1/files/%", "/files/%ff", "/api/v1/node?x=1"] {
        ask(&url(path), &[]).problem(400);
    }
    ask(&url(&format!("/api/v1/files/{}", "n".repeat(9000))), &[]).problem(414);
    ask(&url("/livez"), &["-H", &format!("X-Large: {}", "h".repeat(17 << 10))]).problem(431);

    // Where uploads are off, small or large, announced or not.
    let upload = cluster.folder().join("upload");
    for size in [3, 2 << 20] {
        std::fs::write(&upload, vec![7u8; size]).expect("a file");
        let file = upload.display().to_string();
        for more in [&[][..], &["-H", "Expect:"], &["-H", "Transfer-Encoding: chunked"]] {
            let refused = ask(&url("/files/new.bin"), &[&["-T", &file], more].concat()).problem(403);
            assert_eq!(refused["type"], "/problems/uploads-not-allowed", "{refused}");
        }
        ask(&url("/files/new.bin"), &[]).problem(404);
    }
    ask(&url("/livez"), &["-X", "GET", "--data-binary", &format!("@{}", upload.display())]).problem(413);

    // Scripts see a failure with -f, whatever is wrong.
    assert_eq!(curl(cluster.folder(), &["-f", &url("/files/nobody")]).code, 22);
    // A request keeps its identifier; several go over one connection.
    let answer = ask(&url("/api/v1/files/nobody"), &["-H", "X-Request-Id: mine-1"]);
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    assert_eq!(connections(&cluster, &[&url("/livez"), &url("/nothing"), &url("/version")]), ["1", "0", "0"]);
    for version in ["--http1.0", "--http1.1", "--http2"] {
        good(&url("/livez"), &[version], "text/plain; charset=utf-8");
    }
}

#[test]
fn what_is_uploaded_is_there_and_replaced_only_by_those_who_ask_for_it() {
    let (cluster, _) = settled();
    let url = format!("{}/files/up/new%20%C3%A9.bin", cluster.peers[TAKER].gateway());
    let put = |content: &[u8], more: &[&str]| {
        let file = cluster.folder().join("upload");
        std::fs::write(&file, content).expect("a file");
        ask(&url, &[&["-T", &file.display().to_string()], more].concat())
    };
    let stored = || std::fs::read(cluster.peers[TAKER].directory().join("up/new é.bin")).expect("the file");
    let large: Vec<u8> = (0..3_000_000u32).map(|byte| (byte % 251) as u8).collect();
    let etag = |content: &[u8]| format!("\"{}\"", blake3::hash(content).to_hex());
    let created = put(&large, &[]);
    assert_eq!((created.status, created.header("location")), (201, Some(&*url)));
    assert_eq!((&created.json()["url"], created.header("etag")), (&json!(url), Some(&*etag(&large))));
    assert!(stored() == large);

    for (more, status) in [
        (&[][..], 409),
        (&["-H", "If-None-Match: *"], 412),
        (&["-H", &format!("If-Match: {}", etag(b"another"))], 412),
    ] {
        put(b"new", more).problem(status);
        assert!(stored() == large, "{more:?}");
    }
    // Of a length that is not announced.
    let chunked = ["-H", "Transfer-Encoding: chunked", "-H", &format!("If-Match: {}", etag(&large))];
    let replaced = put(b"new", &chunked);
    assert_eq!((replaced.status, replaced.header("etag")), (200, Some(&*etag(b"new"))), "{replaced:?}");
    assert_eq!(stored(), b"new");
    assert_eq!(put(b"newer", &["-H", "If-Match: *"]).status, 200);
    assert_eq!(good(&url, &[], "application/octet-stream").body, b"newer");

    let name = encode("new é.bin");
    eventually(PATIENCE, "another peer finds it", || {
        let found = ask(&format!("{}/api/v1/files/{name}", cluster.peers[0].gateway()), &[]);
        ensure(found.status == 200 && found.json()["sources"][0]["size"] == 5, || format!("{found:?}"))
    });
    let elsewhere = format!("{}/files/new.bin", cluster.peers[0].gateway());
    let refused =
        ask(&elsewhere, &["-T", &cluster.folder().join("upload").display().to_string()]).problem(403);
    assert_eq!(refused["type"], "/problems/uploads-not-allowed", "{refused}");
}

/// How many connections curl opened for each of these, one after the other.
fn connections(cluster: &Cluster, urls: &[&str]) -> Vec<String> {
    let mut arguments = vec!["-w", "\\n=%{num_connects}\\n"];
    arguments.extend(urls);
    let output = curl(cluster.folder(), &arguments).ok();
    output.out.lines().filter_map(|line| line.strip_prefix('=')).map(str::to_owned).collect()
}
