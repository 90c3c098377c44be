//! What the dashboard shows, by the attributes that it has for tests.

use std::collections::BTreeMap;

use chordial_tests::programs::{PATIENCE, TestPeer, ensure, eventually};
use serde_json::Value;

use super::browser::Browser;

/// A peer as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Its identifier.
    pub id: String,
    /// `member`, `suspected`, ….
    pub state: String,
}

/// Opens a view of a peer's dashboard, such as `#/peers`; returns once it shows the ring, and is told of changes.
#[track_caller]
pub fn open(browser: &Browser, peer: &TestPeer, view: &str) {
    // From elsewhere: between two views of one page nothing would be loaded, and the focus stay where it was.
    browser.open("about:blank");
    browser.open(&format!("{}/{view}", peer.gateway()));
    wait_connection(browser, "live");
    browser
        .wait("the ring is drawn", "return document.querySelectorAll('svg [data-testid=peer]').length > 0");
}

/// Waits until the page is `live`, or has `lost` its peer.
#[track_caller]
pub fn wait_connection(browser: &Browser, state: &str) {
    let script =
        format!("return document.querySelector('[data-testid=connection][data-state={state}]') !== null");
    browser.wait(&format!("the page says: {state}"), &script);
}

/// The peers that are drawn, by name.
pub fn drawn(browser: &Browser) -> BTreeMap<String, Drawn> {
    let script = "return [...document.querySelectorAll('svg[data-testid=ring] [data-testid=peer]')]
        .map(({dataset}) => [dataset.peer, dataset.id, dataset.state])";
    let all = rows(&browser.js(script));
    let count = all.len();
    let peers: BTreeMap<String, Drawn> = all
        .into_iter()
        .map(|row| (row[0].clone(), Drawn { id: row[1].clone(), state: row[2].clone() }))
        .collect();
    assert_eq!(peers.len(), count, "each peer is drawn once");
    peers
}

/// Waits until what is drawn is as it should be; returns it.
#[track_caller]
pub fn wait_drawn(
    browser: &Browser,
    what: &str,
    is: impl Fn(&BTreeMap<String, Drawn>) -> bool,
) -> BTreeMap<String, Drawn> {
    eventually(PATIENCE, what, || {
        let peers = drawn(browser);
        ensure(is(&peers), || format!("{peers:?}"))?;
        Ok(peers)
    })
}

/// Waits until this many peers are drawn, all of them members.
#[track_caller]
pub fn wait_members(browser: &Browser, count: usize) -> BTreeMap<String, Drawn> {
    wait_drawn(browser, &format!("{count} members are drawn"), |peers| {
        peers.len() == count && peers.values().all(|peer| peer.state == "member")
    })
}

/// Arrays of texts.
pub fn rows(value: &Value) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
    value.as_array().into_iter().flatten().map(row).collect()
}

/// A list of texts.
pub fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}
