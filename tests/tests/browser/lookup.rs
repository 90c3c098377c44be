//! A lookup, shown: to the right owner, at once and step by step.

use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, encode, ensure, eventually};

use super::browser::Browser;
use super::page::{list, open, wait_members};
use super::stage::{PEERS, eight, name_elsewhere, owner, ring};

/// Whom the peers drawn, the client and the interface name for a key.
fn agreed(peer: &TestPeer, name: &str) -> String {
    let expected = owner(&ring(peer), name);
    let told = peer.cli(&["--output", "json", "lookup", name]).ok().json();
    assert_eq!(told["successor"]["name"], *expected, "{told}");
    let told = peer.get(&format!("/api/v1/lookup?name={}", encode(name))).json();
    assert_eq!(told["successor"]["name"], *expected, "{told}");
    expected
}

/// The hops that are listed: whom, and what is said of each.
fn hops(browser: &Browser) -> Vec<(String, String)> {
    let list = |script: &str| list(&browser.js(script));
    let peers =
        list("return [...document.querySelectorAll('[data-testid=hop]')].map(hop => hop.dataset.peer)");
    let words = list("return [...document.querySelectorAll('[data-testid=hop]')].map(hop => hop.innerText)");
    peers.into_iter().zip(words).collect()
}

/// Whom the page names as responsible; null as long as it names nobody.
const OWNER: &str = "return document.querySelector('[data-testid=lookup-owner]')?.dataset.peer ?? null";

/// The page for lookups of p1, in a ring of eight.
fn at_lookups() -> (Cluster, Browser) {
    let cluster = eight();
    let browser = Browser::start();
    open(&browser, &cluster.peers[0], "#/lookup");
    wait_members(&browser, PEERS);
    (cluster, browser)
}

/// Waits until the page names who is responsible; returns whom.
fn arrived(browser: &Browser) -> String {
    let owner = browser.wait("the lookup arrives", OWNER);
    owner.as_str().expect("a name").to_owned()
}

#[test]
fn a_lookup_is_shown_to_the_right_owner() {
    let (cluster, browser) = at_lookups();
    let peer = &cluster.peers[0];

    let name = name_elsewhere(&ring(peer), "p1");
    let expected = agreed(peer, &name);
    browser.fill("#lookup-name", &name);
    browser.click("#lookup-go");
    assert_eq!(arrived(&browser), expected);
    let key = chord::Id::of(name.as_bytes()).to_string();
    assert!(browser.text("body").contains(&key[..8]), "the hash is shown");
    browser.wait(
        "the key has its place on the ring",
        "return document.querySelector('svg [data-testid=key-mark]')",
    );
    let shown = hops(&browser);
    let lines = browser.js("return document.querySelectorAll('svg [data-testid=hop-line]').length");
    assert_eq!(lines.as_u64(), Some(shown.len() as u64 - 1), "{shown:?}");
    assert_eq!(shown.first().map(|(peer, _)| &**peer), Some("p1"), "{shown:?}");
    assert_eq!(shown.last().map(|(peer, _)| &**peer), Some(&*expected), "{shown:?}");

    // Any name, its owner p1 itself included.
    for name in ["ring of eight.txt", "Überblick 😀.txt", "a", "b", "c", "d"] {
        let expected = agreed(peer, name);
        browser.fill("#lookup-name", name);
        browser.click("#lookup-go");
        eventually(PATIENCE, &format!("{name:?} belongs to {expected}"), || {
            let (owner, key) = (arrived(&browser), chord::Id::of(name.as_bytes()).to_string());
            let shown = browser.text("body").contains(&key[..8]);
            ensure(owner == expected && shown, || format!("{owner}, {shown}"))
        });
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_lookup_goes_step_by_step() {
    let (cluster, browser) = at_lookups();
    let peer = &cluster.peers[0];
    let name = name_elsewhere(&ring(peer), "p1");
    browser.fill("#lookup-name", &name);
    browser.click("#lookup-step");

    browser.wait("the first step", "return document.querySelectorAll('[data-testid=hop]').length === 1");
    assert_eq!(browser.js(OWNER), serde_json::Value::Null, "the answer is not told before its steps");
    let mut steps = 1;
    while browser.js(OWNER).is_null() {
        assert!(steps < 2 * PEERS, "{:?}", hops(&browser));
        let before = hops(&browser).len();
        browser.click("#lookup-next");
        browser.wait(
            "the next step",
            &format!(
                "return document.querySelectorAll('[data-testid=hop]').length > {before}
                    || document.querySelector('[data-testid=lookup-owner]') !== null"
            ),
        );
        let now = hops(&browser).len();
        assert!(now <= before + 1, "one step at a time: {:?}", hops(&browser));
        steps += 1;
    }
    let shown = hops(&browser);
    assert!(shown.len() >= 2, "{shown:?}");
    for (peer, words) in &shown {
        assert!(words.split_whitespace().count() > 5, "{peer}: no rule in words: {words:?}");
    }
    assert_eq!(arrived(&browser), owner(&ring(peer), &name));
    assert_eq!(browser.complaints(), [""; 0]);
}
