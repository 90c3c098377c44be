//! Search and fetch: results as one types, bytes from their holder, names that are nothing but text.

use chordial_tests::programs::{PATIENCE, ensure, eventually, get};

use super::browser::Browser;
use super::page::{list, open, wait_members};
use super::stage::{PEERS, REVERSED, SCRIPT, content, eight};

/// Waits until these names are the hits, in any order.
#[track_caller]
fn wait_hits(browser: &Browser, names: &[&str]) {
    let script = "return [...document.querySelectorAll('[data-testid=hit]')].map(hit => hit.dataset.name)";
    let mut expected: Vec<&str> = names.to_vec();
    expected.sort_unstable();
    eventually(PATIENCE, &format!("the hits are {names:?}"), || {
        let mut hits = list(&browser.js(script));
        hits.sort();
        ensure(hits == expected, || format!("{hits:?}\n{}", browser.text("main")))
    });
}

#[test]
fn a_search_is_typed_and_its_file_downloaded() {
    let cluster = eight();
    let browser = Browser::start();
    open(&browser, &cluster.peers[0], "#/");
    browser.fill("#search", "measu");
    wait_hits(&browser, &["measurements.bin"]);
    // On one goes, without a button.
    browser.fill("#search", "repo");
    wait_hits(&browser, &["annual report 2026.pdf", "report (draft).txt", "report of the summer.txt"]);
    assert!(browser.text("main").contains("p2"), "its holder is named");
    browser.fill("#search", "nobody has this");
    wait_hits(&browser, &[]);

    browser.fill("#search", "measurements");
    wait_hits(&browser, &["measurements.bin"]);
    let link = "[data-testid=hit][data-name='measurements.bin'] a[data-testid=download]";
    let address = browser.js(&format!("return document.querySelector(\"{link}\").href"));
    let holder = &cluster.peers[7];
    assert!(address.as_str().is_some_and(|url| url.starts_with(&holder.gateway())), "{address}");
    let copied = browser.js(
        "return [...document.querySelectorAll('[data-testid=hit] button[data-testid=copy]')].map(({dataset}) => dataset.copy)",
    );
    let copied = list(&copied);
    assert!(copied.iter().any(|line| line.contains("curl") || line.contains("chord-cli")), "{copied:?}");

    browser.click(link);
    let saved = browser.downloads().join("measurements.bin");
    let bytes = eventually(PATIENCE, "the file is saved", || {
        let bytes = std::fs::read(&saved).map_err(|error| error.to_string())?;
        ensure(bytes.len() == content("measurements.bin").len(), || format!("{} bytes", bytes.len()))?;
        Ok(bytes)
    });
    assert!(bytes == content("measurements.bin"), "its bytes are others");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_file_is_uploaded() {
    let cluster = eight();
    let browser = Browser::start();
    open(&browser, &cluster.peers[0], "#/");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("from the browser.txt");
    std::fs::write(&file, "sent by a person").expect("a file");
    browser.choose("#upload", &file);
    eventually(PATIENCE, "the file has arrived", || {
        let answer = get(&cluster.peers[0].gateway(), "/files/from%20the%20browser.txt")?;
        ensure(answer.body == b"sent by a person", || format!("{answer:?}\n{}", browser.text("main")))
    });
    browser.fill("#search", "from the browser");
    wait_hits(&browser, &["from the browser.txt"]);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn names_are_nothing_but_text() {
    let cluster = eight();
    let browser = Browser::start();
    let holder = &cluster.peers[6];
    open(&browser, &cluster.peers[0], "#/events");
    wait_members(&browser, PEERS);
    let harmless = |place: &str, name: &str| {
        let shown = name.replace('\u{202e}', "");
        let script = "return document.body.innerText.includes(arguments[0])";
        eventually(PATIENCE, &format!("{name:?} is shown: {place}"), || {
            // What acts on a line is left out, or stands there as a sign that people see.
            let half = shown.split("exe").next().unwrap_or_default();
            let seen = browser.js_with(script, &[half.into()]);
            ensure(seen == true, || browser.text("body"))
        });
        let text = browser.text("body");
        assert!(!text.contains('\u{202e}'), "{place}: the direction of a line can be turned: {text:?}");
        // An element that a name has made would be there, whether or not its script ran.
        let made = browser.js("return document.querySelectorAll('img[src=x], [onerror]').length");
        assert_eq!(made, 0, "{place}: {:?}", browser.js("return document.body.innerHTML"));
    };

    // New files, so that events tell of them.
    holder.share(&format!("again/{SCRIPT}"), b"Only text.");
    harmless("events", SCRIPT);
    holder.share(&format!("again/{REVERSED}"), b"Only text.");
    harmless("events", REVERSED);
    for (query, name) in [("onerror", SCRIPT), ("invoice", REVERSED)] {
        browser.js("location.hash = '#/'");
        browser.fill("#search", query);
        wait_hits(&browser, &[name]);
        harmless("search", name);
        browser.js("location.hash = '#/lookup'");
        browser.fill("#lookup-name", name);
        browser.click("#lookup-go");
        browser.wait("the lookup arrives", "return document.querySelector('[data-testid=lookup-owner]')");
        assert_eq!(browser.js("return document.querySelectorAll('img[src=x], [onerror]').length"), 0);
    }
    let id = super::page::drawn(&browser)["p7"].id.clone();
    browser.js(&format!("location.hash = '#/peer/{id}'"));
    browser.wait(
        "the catalogue of p7",
        "return document.querySelectorAll('[data-testid=peer-page] [data-testid=catalog] tr').length >= 4",
    );
    harmless("peer", SCRIPT);
    harmless("peer", REVERSED);

    let gateway = cluster.peers[0].gateway();
    for (query, name) in [("onerror", SCRIPT), ("invoice", REVERSED)] {
        browser.open(&format!("{gateway}/text?q={query}"));
        harmless("text", name);
        browser.open(&format!("{gateway}/text?name={}", chordial_tests::programs::encode(name)));
        harmless("text", name);
        browser.open(&format!("{gateway}/text?lookup={}", chordial_tests::programs::encode(name)));
        harmless("text", name);
    }
    assert_eq!(browser.complaints(), [""; 0]);
}
