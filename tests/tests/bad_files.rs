//! Files and queries that nobody expects, and directories that come and go, at real peers.

use std::os::unix::fs::symlink;
use std::time::Duration;

use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, encode, ensure, eventually, get};
use chordial_tests::scale::{same_name_is_counted, share_same_name, wait_published};
use serde_json::Value;

fn cluster(count: usize, settings: &[(&str, &str)]) -> Cluster {
    let mut cluster = Cluster::new(count, settings);
    cluster.start();
    cluster.wait_ring(PATIENCE);
    cluster
}

/// The names of a query's first hits.
fn hits(peer: &TestPeer, query: &str) -> Result<Vec<String>, String> {
    let answer = get(&peer.gateway(), &format!("/api/v1/search?limit=1000&q={}", encode(query)))?;
    ensure(answer.status == 200, || format!("{query:?}: {}", String::from_utf8_lossy(&answer.body)))?;
    let hits = answer.json()["hits"].as_array().cloned().unwrap_or_default();
    Ok(hits.iter().filter_map(|hit| hit["name"].as_str()).map(str::to_owned).collect())
}

#[test]
fn names_of_all_kinds_are_found_or_refused_with_a_reason() {
    let cluster = cluster(3, &[("catalog.rescan", "1s")]);
    let longest = format!("{}.txt", "ä".repeat(125) + "z");
    assert_eq!(longest.len(), 255);
    // Each with a word by which it is found; `None` where it has none.
    let names: [(&str, Option<&str>); 14] = [
        ("x", Some("x")),
        ("7", Some("7")),
        ("字", Some("字")),
        (&longest, Some(&longest[..251])),
        ("!#$%&'()+,;=@[]^`{}~", None),
        ("---", None),
        ("תמונה של המשפחה.png", Some("תמונה")),
        ("\u{202e}gnp.exe", Some("gnp")),
        ("صورة ١٢٣.jpg", Some("صورة")),
        ("party 🎉 night.mp4", Some("🎉")),
        ("🦀", Some("🦀")),
        ("two\nlines.txt", Some("lines")),
        ("red\u{1b}[31m alert.txt", Some("alert")),
        ("tab\tand\u{7f}delete.txt", Some("delete")),
    ];
    for (number, (name, _)) in names.iter().enumerate() {
        cluster.peers[number % 3].share(name, b"x");
    }
    for (number, (name, word)) in names.iter().enumerate() {
        let holder = cluster.peers[number % 3].name();
        for asked in &cluster.peers {
            eventually(PATIENCE, &format!("{} finds {name:?}", asked.name()), || {
                let sources = asked.sources(name)?;
                ensure(sources.len() == 1 && sources[0]["peer"] == holder, || format!("{sources:?}"))?;
                let Some(word) = word else { return Ok(()) };
                let found = hits(asked, &format!("{word} "))?;
                ensure(found.iter().any(|hit| hit == name), || format!("{word:?} finds {found:?}"))
            });
            let shown = asked.cli(&["find", "--", name]).ok();
            assert!(
                !shown.out.contains(['\u{1b}', '\u{202e}']),
                "a name does nothing to a terminal: {shown:?}"
            );
        }
    }

    // What can't be named, and links that lead nowhere or in circles.
    let peer = &cluster.peers[0];
    let directory = peer.directory();
    std::fs::write(directory.join("back\\slash.txt"), b"x").expect("a file");
    symlink("loop", directory.join("loop")).expect("a link");
    symlink(".", directory.join("here")).expect("a link");
    symlink("b", directory.join("a")).expect("a link");
    symlink("a", directory.join("b")).expect("a link");
    eventually(PATIENCE, "the log says what is not shared", || {
        let log = peer.log("all");
        ensure(log.contains("names=1") && log.contains("links=4"), || log)
    });
    for name in ["back\\slash.txt", "loop", "here", "a", "b"] {
        assert_eq!(peer.sources(name), Ok(Vec::new()), "{name}");
    }
    for peer in &cluster.peers {
        assert!(!peer.log("all").contains("panicked"), "{}", peer.log("all"));
    }
}

#[test]
fn many_files_of_one_name_are_counted_and_crowd_nobody_out() {
    const EACH: usize = 1500;
    let mut cluster = Cluster::new(3, &[]);
    share_same_name(&cluster, EACH);
    cluster.start();
    cluster.wait_ring(PATIENCE);
    wait_published(&cluster, PATIENCE);
    same_name_is_counted(&cluster, 3 * EACH, PATIENCE);
}

#[test]
fn a_directory_that_goes_is_withdrawn_and_back_when_it_is_back() {
    // As it is by default: how soon it is withdrawn is a promise.
    let cluster = cluster(3, &[]);
    let (holder, asked) = (&cluster.peers[1], &cluster.peers[2]);
    holder.share("held by p2.txt", b"x");
    let found = |sources: usize, within: Duration| {
        eventually(within, &format!("{sources} sources"), || {
            let found = asked.sources("held by p2.txt")?;
            ensure(found.len() == sources, || format!("{found:?}"))
        });
    };
    found(1, PATIENCE);
    let away = cluster.folder().join("away");
    std::fs::rename(holder.directory(), &away).expect("renamed");
    found(0, PATIENCE);
    let said = |what: &str| holder.log("all").matches(what).count();
    eventually(PATIENCE, "the log says so", || {
        ensure(said("this peer shares nothing:") == 1, || "not once".into())
    });
    // Some more looks later it has not been said again.
    let problem = holder.get("/api/v1/catalog").json();
    assert!(problem["problem"].as_str().is_some_and(|why| why.contains("No such file")), "{problem}");
    std::fs::rename(&away, holder.directory()).expect("renamed");
    found(1, PATIENCE);
    eventually(PATIENCE, "that is said", || ensure(said("can be read again") == 1, || "not once".into()));
    assert_eq!(said("this peer shares nothing:"), 1, "{}", holder.log("all"));
    assert_eq!(said("No such file"), 2, "once that it can't be read, once that nothing is shared");
}

#[test]
fn queries_that_make_no_sense_are_problems_and_odd_ones_are_answered() {
    let cluster = cluster(2, &[]);
    let peer = &cluster.peers[0];
    cluster.peers[1].share("the end of the story and more.txt", b"x");
    eventually(PATIENCE, "a file is found by words that every text has", || {
        let found = hits(peer, "the of and ")?;
        ensure(found.len() == 1, || format!("{found:?}"))
    });
    for query in
        ["", " ", "*", "**", "? *", "\"", "\"the end", "the \"end", "-the", "size:>many", "newer:soon", "-"]
    {
        let path = format!("/api/v1/search?q={}", encode(query));
        let problem = peer.get(&path).problem(400);
        let cli = peer.cli(&["search", "--", query]);
        assert!(matches!(cli.code, 1 | 2), "{query:?}: {cli:?}");
        assert!(!cli.err.trim().is_empty() && cli.out.is_empty(), "{query:?}: {cli:?}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.len() > 10, "{query:?}: {problem}");
    }
    let long = "word ".repeat(2000);
    let status = |query: &str| peer.get(&format!("/api/v1/search?q={}", encode(query))).status;
    assert!(matches!(status(&long), 400 | 413 | 414), "{}", status(&long));
    assert!(matches!(peer.cli(&["search", &long]).code, 1 | 2));
    peer.get("/api/v1/search").problem(400);
    peer.get("/api/v1/search?q=%ff").problem(400);
    peer.get("/api/v1/search?q=the&q=end").problem(400);
    peer.get("/api/v1/search?q=the&limit=0").problem(400);
    peer.get("/api/v1/search?q=the&cursor=%00nonsense").problem(400);
    // Nothing was lost.
    assert_eq!(hits(peer, "the of and "), Ok(vec!["the end of the story and more.txt".to_owned()]));
    let answer: Value = peer.get("/api/v1/search?q=the%20end").json();
    assert_eq!(answer["complete"], true, "{answer}");
    let cli = peer.cli(&["search", "the", "end"]).ok();
    assert!(cli.out.contains("the end of the story and more.txt"), "{cli:?}");
}
