//! The ring, drawn: who is in it, where, and that it follows what happens.

use chordial_tests::programs::PATIENCE;
use serde_json::{Value, json};

use super::browser::Browser;
use super::page::{list, open, rows, wait_drawn, wait_members};
use super::stage::{PEERS, eight, ring};

/// Notes in `ringDrawn` when the peers stand in the page: milliseconds since it was asked for.
const STOPWATCH: &str = "const watch = new MutationObserver(() => {
    if (document.querySelectorAll('svg [data-testid=peer]').length >= 8) {
        window.ringDrawn = performance.now();
        watch.disconnect();
    }
});
watch.observe(document, { childList: true, subtree: true });";

/// A peer may stand this many degrees from where its identifier belongs.
const DEGREES: f64 = 1.5;

#[test]
fn eight_peers_are_drawn_where_their_identifiers_are() {
    let cluster = eight();
    let peer = &cluster.peers[0];
    let browser = Browser::start();
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": STOPWATCH }));
    open(&browser, peer, "#/peers");

    let drawn = wait_members(&browser, PEERS);
    let told = ring(peer);
    assert_eq!(drawn.iter().map(|(name, peer)| (name.clone(), peer.id.clone())).collect::<Vec<_>>(), {
        told.clone().into_iter().collect::<Vec<_>>()
    });
    let shown = "return [...document.querySelectorAll('table[data-testid=peers] tr[data-peer]')].map(row => row.dataset.peer)";
    let mut table = list(&browser.js(shown));
    table.sort();
    assert_eq!(table, told.keys().cloned().collect::<Vec<_>>());

    let first =
        browser.js("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null");
    let ready = browser.wait("the ring was timed", "return window.ringDrawn ?? null");
    println!(
        "time to first view: {:.0} ms to the first text, {:.0} ms to the ring",
        first.as_f64().unwrap_or(f64::NAN),
        ready.as_f64().unwrap_or(f64::NAN)
    );
    places(&browser);
    labels(&browser);
    own_addresses_only(&browser, &peer.gateway());
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Going round the drawing clockwise, from peer to peer, the angles are those between the identifiers.
fn places(browser: &Browser) {
    // The middle of the ring, and the shape that stands for each peer.
    let script = "const svg = document.querySelector('svg[data-testid=ring]');
        const middle = element => { const at = element.getBoundingClientRect();
            return [at.x + at.width / 2, at.y + at.height / 2]; };
        const shapes = [...svg.querySelectorAll('[data-testid=peer]')].map(peer =>
            [peer.dataset.id, ...middle(peer.querySelector('.shape') ?? peer)]);
        return { middle: middle(svg), shapes };";
    let found = browser.js(script);
    let number = |value: &Value| value.as_f64().expect("a number");
    let (x, y) = (number(&found["middle"][0]), number(&found["middle"][1]));
    let mut peers: Vec<(f64, f64)> = found["shapes"]
        .as_array()
        .expect("shapes")
        .iter()
        .map(|shape| {
            let id: chord::Id = shape[0].as_str().expect("an identifier").parse().expect("an identifier");
            let angle = (number(&shape[1]) - x).atan2(y - number(&shape[2])).to_degrees();
            (id.fraction() * 360.0, angle.rem_euclid(360.0))
        })
        .collect();
    peers.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (expected, angle) in &peers {
        let apart = (expected - angle).rem_euclid(360.0);
        assert!(apart.min(360.0 - apart) < DEGREES, "{expected} is drawn at {angle}: {peers:?}");
    }
}

/// Nobody's name covers another's.
fn labels(browser: &Browser) {
    let script =
        "const texts = [...document.querySelectorAll('svg[data-testid=ring] [data-testid=peer] text')]
            .map(text => [text.textContent, text.getBoundingClientRect()]).filter(([, at]) => at.width > 0);
        return texts.flatMap(([one, a], index) => texts.slice(index + 1).filter(([, b]) =>
            Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
            Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4).map(([other]) => [one, other]))";
    assert_eq!(rows(&browser.js(script)), Vec::<Vec<String>>::new(), "names that cover each other");
}

/// The page has loaded nothing from elsewhere, and little.
fn own_addresses_only(browser: &Browser, gateway: &str) {
    let script = "return performance.getEntriesByType('resource').map(({name}) => name)";
    let loaded = list(&browser.js(script));
    assert!(!loaded.is_empty());
    assert!(loaded.iter().all(|address| address.starts_with(gateway)), "{loaded:#?}");
    let script = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .filter(({name}) => !name.includes('/api/')).map(entry => entry.transferSize).reduce((a, b) => a + b, 0)";
    println!("{} addresses, of which the page itself is {} bytes", loaded.len(), browser.js(script));
}

#[test]
fn the_drawing_follows_the_dead_and_those_who_come_back() {
    let mut cluster = eight();
    let browser = Browser::start();
    open(&browser, &cluster.peers[0], "#/");
    wait_members(&browser, PEERS);
    browser.js("window.untouched = true");

    cluster.peers[4].kill();
    wait_drawn(&browser, "p5 is shown as one that does not answer", |peers| {
        peers.get("p5").is_some_and(|peer| ["suspected", "failed"].contains(&&*peer.state))
    });
    let rest = wait_drawn(&browser, "p5 is gone from the drawing", |peers| !peers.contains_key("p5"));
    assert_eq!(rest.len(), PEERS - 1, "{rest:?}");
    open_event(&browser, "peer-failed", "p5");

    cluster.peers[4].start();
    wait_members(&browser, PEERS);
    open_event(&browser, "peer-back", "p5");
    assert_eq!(browser.js("return window.untouched"), true, "without loading the page anew");
    cluster.wait_ring(PATIENCE);
    assert_eq!(browser.complaints(), [""; 0]);
}

/// The feed of events has told this of that peer.
fn open_event(browser: &Browser, kind: &str, peer: &str) {
    browser.js("location.hash = '#/events'");
    let script = format!(
        "return [...document.querySelectorAll('[data-testid=events] [data-testid=event]')].some(event =>
            (event.dataset.kind === '{kind}' || event.dataset.kind === 'peer-joined') && event.textContent.includes('{peer}'))"
    );
    browser.wait(&format!("the feed tells {kind} of {peer}"), &script);
}
