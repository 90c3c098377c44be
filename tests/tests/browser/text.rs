//! Without JavaScript.

use serde_json::json;

use super::browser::Browser;
use super::page::list;
use super::stage::{PEERS, eight, name_elsewhere, owner, ring};
use chordial_tests::programs::{PATIENCE, ensure, eventually};

#[test]
fn without_javascript_there_is_text() {
    let cluster = eight();
    let peer = &cluster.peers[0];
    let browser = Browser::start();
    // The driver's own questions still run; what a page brings does not.
    browser.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&format!("{}/", peer.gateway()));
    eventually(PATIENCE, "the page leads to /text", || {
        if !browser.address().contains("/text") {
            // A link that people see, or one that is followed by itself.
            let found = browser
                .js("return document.querySelector('noscript a[href*=text], a[href$=\"/text\"]') !== null");
            ensure(found == true, || browser.text("body"))?;
            browser.click("a[href$='/text']");
        }
        ensure(browser.address().contains("/text"), || browser.address())
    });
    let text = browser.text("body");
    for number in 1..=PEERS {
        assert!(text.contains(&format!("p{number}")), "{text}");
    }

    browser.fill("input[name=q]", "measurements");
    browser.js("document.querySelector('input[name=q]').form.requestSubmit()");
    browser.wait("the search has found it", "return document.body.innerText.includes('measurements.bin')");
    let links = list(&browser.js("return [...document.links].map(link => link.href)"));
    let holder = cluster.peers[7].gateway();
    assert!(
        links.iter().any(|link| link.starts_with(&holder) && link.contains("measurements.bin")),
        "no link to its holder: {links:#?}"
    );

    let name = name_elsewhere(&ring(peer), "p1");
    let expected = owner(&ring(peer), &name);
    browser.fill("input[name=lookup]", &name);
    browser.js("document.querySelector('input[name=lookup]').form.requestSubmit()");
    let key = chord::Id::of(name.as_bytes()).to_string();
    browser.wait("the key", &format!("return document.body.innerText.includes('{}')", &key[..8]));
    assert!(browser.text("body").contains(&expected), "{expected} in {}", browser.text("body"));
    assert_eq!(browser.complaints(), [""; 0]);
}
