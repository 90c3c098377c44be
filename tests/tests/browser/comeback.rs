//! A page whose peer is lost says so, and recovers by itself.

use super::browser::Browser;
use super::page::{open, wait_connection, wait_drawn, wait_members};
use super::stage::{PEERS, eight};

#[test]
fn a_page_survives_its_peer() {
    let mut cluster = eight();
    let browser = Browser::start();
    open(&browser, &cluster.peers[0], "#/");
    wait_members(&browser, PEERS);
    browser.js("window.untouched = true");
    assert_eq!(browser.complaints(), [""; 0]);

    cluster.peers[0].kill();
    wait_connection(&browser, "lost");
    let age =
        "return /\\d+ ?s/.exec(document.querySelector('[data-testid=connection]').innerText)?.[0] ?? null";
    let first = browser.wait("how old it is what is shown", age);
    browser
        .wait("it grows older", &format!("const age = (() => {{ {age} }})(); return age !== {first} && age"));
    wait_drawn(&browser, "what was known is shown on", |peers| peers.len() == PEERS);

    cluster.peers[0].start();
    wait_connection(&browser, "live");
    wait_members(&browser, PEERS);
    assert_eq!(browser.js("return window.untouched"), true, "without loading the page anew");
    // While there was nobody to ask, the console says so.
    let others: Vec<String> =
        browser.complaints().into_iter().filter(|line| !line.contains("net::ERR_")).collect();
    let silent: Vec<&String> = others.iter().filter(|line| !line.contains("status of 503")).collect();
    assert!(silent.is_empty(), "{silent:#?}");
    // It is not only drawn: it can be asked.
    browser.fill("#search", "measurements");
    browser.wait("a hit", "return document.querySelector('[data-testid=hit]')");
}
