//! What `chord-cli doctor` says of real peers: well in a ring that is well; each thing wrong by its name, with what to
//! do.

use chordial_tests::programs::{
    Cluster, Output, PATIENCE, Program, TestPeer, ensure, eventually, free_port, run,
};
use serde_json::Value;

/// The check of this name.
#[track_caller]
fn check<'a>(diagnosis: &'a Value, name: &str) -> &'a Value {
    let checks = diagnosis["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name:?} in {diagnosis:#}"))
}

/// The check came out so, and its finding and remedy have these words.
#[track_caller]
fn assert_check(diagnosis: &Value, name: &str, outcome: &str, found: &str, remedy: &str) {
    let check = check(diagnosis, name);
    let has = |field: &str, words: &str| check[field].as_str().unwrap_or_default().contains(words);
    assert!(check["outcome"] == outcome && has("found", found) && has("remedy", remedy), "{check:#}");
}

fn doctor(peer: &TestPeer) -> Output {
    peer.cli(&["--output", "json", "doctor"])
}

#[test]
fn a_ring_is_well_and_what_is_not_is_named() {
    let mut cluster = Cluster::new(3, &[]);
    let nobody = free_port();
    cluster.peers[2].set("backup_friend", &format!("http://127.0.0.1:{nobody}"));
    cluster.start();
    cluster.wait_ring(PATIENCE);
    let [p1, p2, p3] = &cluster.peers[..] else { panic!("three peers") };

    let well = doctor(p2);
    let diagnosis = well.json();
    assert_eq!(well.code, 0, "{diagnosis:#}");
    assert_eq!(diagnosis["peer"], "p2");
    for name in ["advertised", "candidates", "chord", "catalog", "transfer", "gateway"] {
        assert_check(&diagnosis, name, "ok", "127.0.0.1", "");
    }
    assert_check(&diagnosis, "friend", "ok", "answers as p1", "");
    for name in ["dialled by p1", "dialled by p3"] {
        assert_check(&diagnosis, name, "ok", "reaches this peer at 127.0.0.1", "");
    }
    for name in
        ["chord from here", "transfer from here", "clock here", "clocks of peers", "state", "versions"]
    {
        assert_check(&diagnosis, name, "ok", "", "");
    }
    assert_check(&diagnosis, "uploads", "ok", "not allowed", "");

    // For people: the same, without colours where no terminal is.
    eventually(PATIENCE, "people see it, too", || {
        let text = p1.cli(&["doctor"]).ok().out;
        ensure(text.contains("✓ ok") && text.contains("none is configured"), || text.clone())?;
        ensure(!text.contains('\u{1b}'), || text.clone())
    });

    let friend = doctor(p3);
    let diagnosis = friend.json();
    assert_eq!(friend.code, 0, "the ring goes on without it: {diagnosis:#}");
    let address = format!("127.0.0.1:{nobody}");
    assert_check(&diagnosis, "backup_friend", "warning", &address, "correct `backup_friend`");
    assert_eq!(p3.cli(&["doctor", "--strict"]).code, 1);

    #[cfg(target_os = "linux")]
    {
        lower_open_files(p2.id(), 256);
        let few = doctor(p2);
        assert_eq!(few.code, 0, "{few:?}");
        assert_check(&few.json(), "open files", "warning", "of 256 (hard limit 256)", "LimitNOFILE=");
    }

    for (url, service) in [(p1.gateway(), "the gateway of a peer"), (p1.transfer(), "another")] {
        let wrong = run(Program::ChordCli, cluster.folder(), &["--peer", &url, "--output", "json", "doctor"]);
        assert_eq!(wrong.code, 3, "{wrong:?}");
        assert_check(&wrong.json(), "port", "ok", "takes connections", "");
        assert_check(&wrong.json(), "peer", "problem", service, "--peer");
    }
}

/// What a process may have open from now on.
#[cfg(target_os = "linux")]
fn lower_open_files(process: u32, limit: u64) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    prlimit(process, Resource::Nofile, limit).expect("a lower limit");
}

#[test]
fn an_address_that_nobody_reaches_is_a_problem() {
    let mut cluster = Cluster::new(2, &[]);
    // Reserved for documentation (RFC 5737): no machine has it.
    cluster.peers[1].set("advertise", "192.0.2.1");
    cluster.start();
    let outside = &cluster.peers[1];
    eventually(PATIENCE, "doctor knows why it has not joined", || {
        let said = doctor(outside);
        let diagnosis = said.json();
        ensure(said.code == 1, || format!("{diagnosis:#}"))?;
        let state = check(&diagnosis, "state");
        let trouble = state["found"].as_str().is_some_and(|found| found.contains("can't reach this peer"));
        ensure(trouble, || format!("{state}"))?;
        assert_check(&diagnosis, "advertised", "problem", "reserved for documentation", "`advertise`");
        assert_check(&diagnosis, "chord", "problem", "http://192.0.2.1", "`ports.chord`");
        assert_check(&diagnosis, "friend", "ok", "answers as p1", "");
        assert_check(&diagnosis, "dialled by p1", "unknown", "not known as a member", "");
        Ok(())
    });
}

#[test]
fn where_nobody_answers_the_reason_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let ask = |url: &str| {
        let said = run(
            Program::ChordCli,
            folder.path(),
            &["--peer", url, "--timeout", "2s", "--output", "json", "doctor"],
        );
        assert_eq!(said.code, 3, "{said:?}");
        said.json()
    };
    let closed = ask(&format!("http://127.0.0.1:{}", free_port()));
    assert_eq!(closed["peer"], Value::Null);
    assert_check(&closed, "name", "ok", "127.0.0.1", "");
    assert_check(&closed, "port", "problem", "connection refused", "start chord-peer");

    let nowhere = ask("http://no-such-peer.invalid:7300");
    assert_check(&nowhere, "name", "problem", "no-such-peer.invalid", "--peer");
    assert_check(&nowhere, "port", "unknown", "", "");

    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = ask(&format!("http://{}", silent.local_addr().expect("an address")));
    assert_check(&silent, "port", "ok", "takes connections", "");
    assert_check(&silent, "peer", "problem", "", "look at its log");
}
