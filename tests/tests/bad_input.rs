//! What makes no sense, given to the real programs: refused with a reason, by name, and nothing else happens.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chordial_proto::transfer_v1::transfer_service_client::TransferServiceClient;
use chordial_proto::transfer_v1::{StatRequest, TransferServiceDownloadRequest};
use chordial_tests::programs::{
    Cluster, Output, PATIENCE, Process, Program, TestPeer, encode, ensure, eventually, get_url, program, raw,
    request, run, run_with,
};

/// What lies beside the shared directory, and must stay there.
const SECRET: &[u8] = b"the-secret-outside";

fn chord_peer(folder: &Path, config: &str, arguments: &[&str]) -> Output {
    std::fs::write(folder.join("p.toml"), config).expect("a configuration");
    run(Program::ChordPeer, folder, &[arguments, &["--config", "p.toml"]].concat())
}

#[test]
fn configurations_that_make_no_sense_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "not a folder").expect("a file");
    let ports = "[ports]\nchord = 0\ncatalog = 0\ntransfer = 0\ngateway = 0\n";
    for (config, words) in [
        ("nmae = 'p1'\n", &["p.toml", "unknown key `nmae`", "`name`"][..]),
        ("[ports]\ngatway = 1\n", &["p.toml", "unknown key `ports.gatway`", "`ports.gateway`"]),
        ("friend = 'not a url'\n", &["p.toml", "friend", "http://"]),
        ("friend = 'https://10.0.0.4:7300'\n", &["p.toml", "friend", "http://"]),
        ("friend = 'http://10.0.0.4'\n", &["p.toml", "friend"]),
        ("backup_friend = 'http://h:99999'\n", &["p.toml", "backup_friend"]),
        ("ip = 'somewhere'\n", &["p.toml", "ip", "127.0.0.1"]),
        ("[ports]\nchord = 70000\n", &["p.toml", "ports.chord"]),
        ("[ports]\nchord = 7000\ncatalog = 7000\n", &["ports.catalog", "ports.chord"]),
        ("[index]\nlease = '1s'\n", &["p.toml", "index.lease"]),
        ("state = './share/state'\ndirectory = './share'\n", &["state", "inside the shared directory"]),
        ("name = \n", &["p.toml", "TOML"]),
    ] {
        let output = chord_peer(folder.path(), config, &["run"]);
        assert!(output.code == 1 && output.out.is_empty(), "{config:?}: {output:?}");
        for word in words {
            assert!(output.err.contains(word), "{word:?} is not in the answer to {config:?}: {output:?}");
        }
        let check = run(Program::ChordPeer, folder.path(), &["config", "check", "p.toml"]);
        assert_eq!((check.code, &check.err), (1, &output.err), "check says the same as run");
    }
    // What only starting can show.
    for (config, words) in [
        ("ip = '127.0.0.1'\ndirectory = './file/share'\n", &["file/share"][..]),
        ("ip = '127.0.0.1'\ndirectory = './file'\n", &["file"]),
        ("ip = '127.0.0.1'\nstate = './file/state'\n", &["state folder", "file/state", "cannot be created"]),
        ("ip = '192.0.2.1'\n", &["192.0.2.1", "`ip`"]),
    ] {
        let output = chord_peer(folder.path(), &format!("{config}{ports}"), &["run"]);
        assert!(output.code == 1 && output.out.is_empty(), "{config:?}: {output:?}");
        for word in words {
            assert!(output.err.contains(word), "{word:?} is not in the answer to {config:?}: {output:?}");
        }
        assert!(!output.err.contains("panicked"), "{output:?}");
    }
    let missing = run(Program::ChordPeer, folder.path(), &["run", "--config", "none.toml"]);
    assert!(missing.code == 1 && missing.err.contains("none.toml: there is no such file"), "{missing:?}");
    let flag = run(Program::ChordPeer, folder.path(), &["run", "--frend", "http://h:1"]);
    assert!(flag.code == 2 && flag.err.contains("--friend"), "{flag:?}");
    let set = run(Program::ChordPeer, folder.path(), &["run", "--set", "chord.replica=2"]);
    assert!(set.code == 2 && set.err.contains("`chord.replicas`"), "{set:?}");
    // An unknown variable is somebody else's, perhaps: a warning.
    let arguments = ["config", "show"];
    let shown = run_with(Program::ChordPeer, folder.path(), &arguments, &[("CHORD_NMAE", "p1")]).ok();
    assert!(shown.err.starts_with("warning:") && shown.err.contains("CHORD_NAME"), "{shown:?}");
}

/// One peer that has founded its ring, with a secret beside what it shares.
/// Root may read everything, so that a peer started by root has to run as somebody else here.
#[test]
fn a_directory_that_cannot_be_read_is_named() {
    const NOBODY: u32 = 65534;
    let folder = tempfile::tempdir().expect("a folder");
    let is_root = std::fs::metadata(folder.path()).expect("its owner").uid() == 0;
    let set =
        |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    set(folder.path(), 0o755);
    for (name, mode) in [("share", if is_root { 0o700 } else { 0o000 }), ("state", 0o777)] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
        set(&folder.path().join(name), mode);
    }
    let copy = folder.path().join("chord-peer");
    std::fs::copy(program(Program::ChordPeer), &copy).expect("a copy that anybody may run");
    let ports = "[ports]\nchord = 0\ncatalog = 0\ntransfer = 0\ngateway = 0\n";
    let config = format!("ip = '127.0.0.1'\ndirectory = './share'\nstate = './state'\n{ports}");
    std::fs::write(folder.path().join("p.toml"), config).expect("a configuration");

    let mut command = Command::new(copy);
    command.args(["run", "--config", "p.toml"]).current_dir(folder.path());
    if is_root {
        command.uid(NOBODY).gid(NOBODY);
    }
    let log = folder.path().join("log");
    command.stderr(std::fs::File::create(&log).expect("a log"));
    let mut process = Process::spawn(command, "a peer with an unreadable directory", log);
    let status = process.wait(PATIENCE);
    let log = process.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("share") && log.contains("ermission"), "{log}");
    set(&folder.path().join("share"), 0o755);
}

fn one_peer() -> Cluster {
    let mut cluster =
        Cluster::new(1, &[("gateway.header_timeout", "700ms"), ("gateway.hosts", "files.example.org")]);
    std::fs::write(cluster.folder().join("secret"), SECRET).expect("a secret");
    std::fs::write(cluster.folder().join("share/secret"), SECRET).expect("a secret");
    cluster.start();
    cluster.peers[0].wait_member();
    cluster
}

#[test]
fn requests_that_make_no_sense_are_problems() {
    let cluster = one_peer();
    let peer = &cluster.peers[0];
    for path in ["/nothing", "/api", "/api/v1/", "/api/v2/node", "//", "/livez/", "/api/v1/node/x"] {
        peer.get(path).problem(404);
    }
    // An empty name.
    for path in ["/api/v1/files/", "/api/v1/files//content", "/files/", "/files"] {
        peer.get(path).problem(404);
    }
    let ask = |method: &str, path: &str, headers: &[(&str, &str)]| {
        request(method, &peer.gateway(), path, headers).unwrap_or_else(|why| panic!("{why}"))
    };
    for path in ["/api/v1/files", "/api/v1/files/x", "/api/v1/node", "/livez", "/"] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let answer = ask(method, path, &[]);
            answer.problem(405);
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"), "{method} {path}");
        }
    }
    let answer = ask("DELETE", "/files/x", &[]);
    answer.problem(405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, PUT, OPTIONS"));
    ask("PUT", "/files/x", &[("content-length", "0")]).problem(403);
    // Asked under a name that is not its own.
    for (host, status) in [("files.example.org", "200"), ("localhost", "200"), ("rebound.example", "421")] {
        let text = format!("GET /livez HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = raw(&peer.gateway(), text.as_bytes()).unwrap_or_else(|why| panic!("{why}"));
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{host}");
    }

    for path in ["/api/v1/files/%", "/api/v1/files/%4", "/api/v1/files/%zz", "/files/%ff", "/%c3%28"] {
        peer.get(path).problem(400);
    }
    for query in
        ["limit=1&limit=2", "limit=0", "limit=x", "limit=-1", "cursor=%ff", "nonsense=1", "cursor=zz"]
    {
        peer.get(&format!("/api/v1/files?{query}")).problem(400);
    }
    peer.get("/api/v1/catalog?cursor=zz%00").problem(400);
    peer.get("/api/v1/catalog?peer=nobody").problem(404);

    peer.get(&format!("/api/v1/files/{}", "n".repeat(10_000))).problem(414);
    peer.get(&format!("/files/{}", "n".repeat(10_000))).problem(414);
    peer.get(&format!("/api/v1/files/{}", "n".repeat(256))).problem(404);
    peer.get(&format!("/api/v1/files/{}", "n".repeat(255))).problem(404);
    ask("GET", "/livez", &[("x-large", &"h".repeat(17 << 10))]).problem(431);
    ask("GET", "/livez", &[("content-length", "999999999")]).problem(413);

    // A slash that is part of a name belongs to no file.
    for path in ["/api/v1/files/a%2Fb", "/api/v1/files/..", "/api/v1/files/%2e%2e", "/api/v1/files/a%00b"] {
        peer.get(path).problem(404);
    }
    // What is no HTTP at all.
    for bytes in [&b"nonsense\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00\x00"] {
        let answer = raw(&peer.gateway(), bytes).unwrap_or_default();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    }
    assert_eq!(peer.get("/livez").status, 200, "it lives on");
    let log = peer.log("all");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn names_of_all_letters_are_found_and_fetched() {
    let cluster = one_peer();
    let peer = &cluster.peers[0];
    let longest = "ü".repeat(127);
    let names = [
        "with spaces  and more.txt",
        "100% %2F %41.txt",
        "emoji 🦀👩‍👩‍👧.txt",
        "combining e\u{301} a\u{308}.txt",
        "quotes \" ' ` « ».txt",
        "two\nlines.txt",
        "tab\tand\u{1b}[31mcolour.txt",
        "a+b&c=d?e#f;g.txt",
        "<b onclick=alert(1)>.txt",
        "-rf",
        &longest,
    ];
    for (number, name) in names.iter().enumerate() {
        peer.share(&format!("sub folder/{name}"), format!("content {number}").as_bytes());
    }
    for (number, name) in names.iter().enumerate() {
        let path = format!("/api/v1/files/{}", encode(name));
        let found = eventually(PATIENCE, &format!("{name:?} is found"), || {
            let answer = peer.get(&path);
            ensure(answer.status == 200, || format!("{answer:?}"))?;
            Ok(answer.json())
        });
        let content = format!("content {number}").into_bytes();
        let url = found["sources"][0]["url"].as_str().expect("a URL");
        assert!(url.is_ascii() && !url.contains(char::is_whitespace), "{url:?}");
        let answer = get_url(url).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!((answer.status, &answer.body), (200, &content), "{name:?} at {url}");
        let through = peer.get(&format!("{path}/content"));
        assert_eq!((through.status, &through.body), (200, &content), "{name:?}");
        let to = cluster.folder().join("got").display().to_string();
        // A name that looks like a flag comes after `--`, as everywhere.
        let got = peer.cli(&["--output", "json", "get", "-o", &to, "--", name]).ok();
        assert_eq!(std::fs::read(&to).expect("the file"), content, "{got:?}");
        std::fs::remove_file(&to).expect("removed");
        let shown = peer.cli(&["find", "--", name]).ok();
        assert!(!shown.out.contains('\u{1b}'), "a name cannot colour a terminal: {shown:?}");
    }
    // What is asked for in composed letters is found, too: keys are made from NFC.
    let composed = peer.get(&format!("/api/v1/files/{}", encode("combining \u{e9} \u{e4}.txt")));
    assert_eq!(composed.status, 200, "{composed:?}");
}

#[test]
fn ranges_are_served_or_refused() {
    let cluster = one_peer();
    let peer = &cluster.peers[0];
    peer.share("ten.txt", b"0123456789");
    peer.share("none.txt", b"");
    // An ETag changes once, when the digest is known.
    eventually(PATIENCE, "both are found, with their digests", || {
        let sources = [peer.sources("ten.txt")?, peer.sources("none.txt")?].concat();
        let hashed = sources.iter().filter(|source| source["digest"].is_string()).count();
        ensure(hashed == 2, || format!("{sources:?}"))
    });
    let ask = |path: &str, range: &str| {
        request("GET", &peer.gateway(), path, &[("range", range)]).unwrap_or_else(|why| panic!("{why}"))
    };
    for path in ["/files/ten.txt", "/api/v1/files/ten.txt/content"] {
        for (range, bytes, says) in [
            ("bytes=2-4", "234", "bytes 2-4/10"),
            ("bytes=7-", "789", "bytes 7-9/10"),
            ("bytes=-3", "789", "bytes 7-9/10"),
            ("bytes=8-99", "89", "bytes 8-9/10"),
        ] {
            let answer = ask(path, range);
            assert_eq!((answer.status, &*answer.body), (206, bytes.as_bytes()), "{path} {range}");
            assert_eq!(answer.header("content-range"), Some(says));
        }
        for range in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
            let answer = ask(path, range);
            answer.problem(416);
            assert_eq!(answer.header("content-range"), Some("bytes */10"), "{path} {range}");
        }
        for range in
            ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=", "bytes=1-2,4-5", "nonsense", "bytes=--1"]
        {
            let answer = ask(path, range);
            assert_eq!((answer.status, &answer.body[..]), (200, &b"0123456789"[..]), "{path} {range}");
        }
    }
    ask("/files/none.txt", "bytes=0-").problem(416);
    assert_eq!(peer.get("/files/none.txt").body, b"");

    let whole = peer.get("/files/ten.txt");
    let tag = whole.header("etag").expect("an ETag").to_owned();
    let head = request("HEAD", &peer.gateway(), "/files/ten.txt", &[]).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some("10")));
    assert_eq!(head.header("etag"), Some(&*tag));
    let same = request("GET", &peer.gateway(), "/files/ten.txt", &[("if-none-match", &tag)]);
    assert_eq!(same.map(|answer| answer.status), Ok(304));
}

#[test]
fn a_request_that_never_ends_is_closed() {
    let cluster = one_peer();
    let authority = cluster.peers[0].gateway().trim_start_matches("http://").to_owned();
    for begin in ["GET /livez HT", "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: "] {
        let mut stream = TcpStream::connect(&authority).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.write_all(begin.as_bytes()).expect("sent");
        let started = Instant::now();
        // A byte now and then does not keep it open, either.
        let mut dripping = stream.try_clone().expect("a socket");
        let drip = std::thread::spawn(move || {
            let within_a_value = begin.ends_with(' ');
            while within_a_value && started.elapsed() < PATIENCE && dripping.write_all(b"a").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let mut answer = Vec::new();
        // Closed, or reset since it still sends: both are the server's doing.
        let _ = stream.read_to_end(&mut answer);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(20), "still open after {took:?}");
        assert!(took > Duration::from_millis(500), "a request has time to arrive: {took:?}");
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
        drip.join().expect("the dripping ends");
    }
    // Many of them keep nobody out.
    let half: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(&authority).expect("a connection");
            stream.write_all(b"GET / HTTP/1.1\r\n").expect("sent");
            stream
        })
        .collect();
    assert_eq!(cluster.peers[0].get("/livez").status, 200);
    drop(half);
}

#[cfg(unix)]
#[test]
fn nothing_outside_of_the_shared_directory_is_ever_given() {
    use std::os::unix::fs::symlink;
    let cluster = one_peer();
    let peer = &cluster.peers[0];
    let outside = cluster.folder().canonicalize().expect("a folder");
    symlink(outside.join("secret"), peer.directory().join("link")).expect("a link");
    symlink("../secret", peer.directory().join("relative")).expect("a link");
    symlink(&outside, peer.directory().join("folder")).expect("a link");
    peer.share("inside/own.txt", b"own");
    eventually(PATIENCE, "the own file is found", || {
        ensure(peer.sources("own.txt")?.len() == 1, || "not yet".into())
    });
    assert_eq!(peer.get("/files/inside/own.txt").body, b"own");

    let absolute = outside.join("secret").display().to_string();
    let mut paths: Vec<String> = [
        "../secret",
        "../../secret",
        "inside/../../secret",
        "%2e%2e/secret",
        "%2e%2e%2fsecret",
        "%2E%2E%5Csecret",
        "..%2fsecret",
        "..%5csecret",
        "%252e%252e%252fsecret",
        "inside/%2e%2e/%2e%2e/secret",
        "./../secret",
        "..;/secret",
        "....//secret",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "file:///etc/passwd",
        "link",
        "relative",
        "folder/secret",
        "folder/share/secret",
        "inside/../link",
        "%c0%ae%c0%ae/secret",
        "inside/own.txt%00.jpg",
        "%00",
        "inside",
        "inside/",
        "",
        ".",
        "..",
    ]
    .map(str::to_owned)
    .into();
    paths.push(absolute.clone());
    paths.push(encode(&absolute));
    for path in &paths {
        let answer = peer.get(&format!("/files/{path}"));
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        answer.problem(answer.status);
        assert!(!contains(&answer.body, SECRET) && !contains(&answer.body, b"root:"), "{path}: {answer:?}");
    }
    for name in ["secret", "link", "relative", "passwd"] {
        let answer = peer.get(&format!("/api/v1/files/{name}/content"));
        answer.problem(404);
    }
    let catalog = peer.get("/api/v1/catalog").json();
    assert_eq!(catalog["total"], 1, "links that lead out are not shared: {catalog}");

    // The same over gRPC, where paths are not even encoded.
    let own = ["../secret", "inside/../../secret", "/etc/passwd", &absolute, "link", "relative"];
    let more = ["folder/secret", "..", ".", "", "inside", "a\0b", "inside/own.txt\0", "..\\secret"];
    block_on(nothing_over_grpc(peer, &[&own[..], &more].concat()));
    assert!(!peer.log("all").contains("panicked"), "{}", peer.log("all"));
}

async fn nothing_over_grpc(peer: &TestPeer, paths: &[&str]) {
    let mut transfer = TransferServiceClient::connect(peer.transfer()).await.expect("a connection");
    for path in paths {
        let path = (*path).to_owned();
        let stat = transfer.stat(StatRequest { path: path.clone() }).await;
        assert!(stat.is_err(), "{path:?}: {stat:?}");
        let wanted = TransferServiceDownloadRequest { path: path.clone(), offset: 0, length: 0 };
        if let Ok(stream) = transfer.download(wanted).await {
            let first = stream.into_inner().message().await;
            assert!(first.is_err(), "{path:?}: {first:?}");
        }
    }
    let path = "inside/own.txt".to_owned();
    assert!(transfer.stat(StatRequest { path }).await.is_ok(), "what is inside is given");
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it ends in time") });
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
