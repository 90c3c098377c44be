//! For everybody: axe finds nothing, a telephone is wide enough, a keyboard suffices.

use std::collections::BTreeSet;

use serde_json::Value;
use thirtyfour::Key;

use super::axe::clean;
use super::browser::{Browser, DESK, PHONE};
use super::page::{drawn, open, wait_members};
use super::stage::{PEERS, eight};

/// Presses of Tab that reach anything on a page.
const TABS: usize = 80;

/// The views, and what stands there once one has all that it shows.
fn views(id: &str) -> [(String, &'static str); 5] {
    [
        ("#/".into(), "#search"),
        ("#/lookup".into(), "#lookup-name"),
        ("#/peers".into(), "table[data-testid=peers] tr[data-peer]"),
        (format!("#/peer/{id}"), "[data-testid=peer-page] [data-testid=catalog] tr"),
        ("#/events".into(), "[data-testid=events]"),
    ]
}

#[test]
fn axe_finds_nothing_and_nothing_is_too_wide() {
    let cluster = eight();
    let gateway = cluster.peers[0].gateway();
    let browser = Browser::start();
    open(&browser, &cluster.peers[0], "#/");
    wait_members(&browser, PEERS);
    let id = drawn(&browser)["p1"].id.clone();
    for (scheme, size) in [("light", DESK), ("dark", DESK), ("light", PHONE), ("dark", PHONE)] {
        browser.prefer(scheme, true);
        browser.resize(size);
        let what = |view: &str| format!("{view}, {scheme}, {} wide", size.0);
        for (view, sign) in views(&id) {
            open(&browser, &cluster.peers[0], &view);
            wait_members(&browser, PEERS);
            browser.wait(&what(&view), &format!("return document.querySelector('{sign}') !== null"));
            match &*view {
                "#/" => {
                    browser.fill("#search", "report");
                    browser
                        .wait("hits", "return document.querySelectorAll('[data-testid=hit]').length === 3");
                }
                "#/lookup" => {
                    browser.fill("#lookup-name", "ring of eight.txt");
                    browser.click("#lookup-go");
                    browser.wait("the answer", "return document.querySelector('[data-testid=lookup-owner]')");
                }
                _ => {}
            }
            fits(&browser, &what(&view));
            clean(&browser, &what(&view));
        }
        for query in ["", "?q=report", "?name=report%20(draft).txt", "?lookup=report.pdf"] {
            browser.open(&format!("{gateway}/text{query}"));
            fits(&browser, &what(&format!("/text{query}")));
            clean(&browser, &what(&format!("/text{query}")));
        }
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Nobody has to move the page sideways to read it.
fn fits(browser: &Browser, what: &str) {
    let script = "const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
        if (wide <= 0) return null;
        return [...document.querySelectorAll('body *')].filter(element => {
            const at = element.getBoundingClientRect();
            return at.right > document.documentElement.clientWidth + 1 && at.width > 0 && !element.closest('.scroll');
        }).slice(0, 8).map(element => element.outerHTML.slice(0, 120))";
    assert_eq!(browser.js(script), Value::Null, "{what}: too wide");
}

/// What has the focus, as a selector-like text; panics where nothing has, or where one does not see it.
#[track_caller]
fn focused(browser: &Browser) -> String {
    let script = "const element = document.activeElement;
        if (!element || element === document.body) return { seen: false, what: 'body' };
        const style = getComputedStyle(element);
        const drawn = (s) => (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== 'none';
        // In a drawing it is a shape of the element that shows the focus.
        const inside = [...element.querySelectorAll('.halo')].some(halo => {
            const style = getComputedStyle(halo);
            return style.stroke !== 'none' && parseFloat(style.strokeWidth) > 0 && style.opacity !== '0'
                && style.visibility !== 'hidden' && style.display !== 'none';
        });
        const at = element.getBoundingClientRect();
        const here = at.width > 0 && at.height > 0 && at.bottom > 0 && at.top < innerHeight && at.right > 0
            && at.left < innerWidth;
        return { seen: (drawn(style) || inside) && here, what: element.outerHTML.slice(0, 160) }";
    // A page that scrolls to it smoothly is given the time.
    let found =
        browser.wait("the focus is seen", &format!("const f = (() => {{ {script} }})(); return f.seen && f"));
    found["what"].as_str().unwrap_or_default().to_owned()
}

/// Presses Tab until something that the selector matches has the focus, which is seen all the way.
#[track_caller]
fn tab_to(browser: &Browser, css: &str) {
    let mut way = Vec::new();
    for _ in 0..TABS {
        browser.press(Key::Tab + "");
        way.push(focused(browser));
        if browser.js_with("return document.activeElement.matches(arguments[0])", &[css.into()]) == true {
            return;
        }
    }
    panic!("{TABS} presses of Tab do not lead to {css}: {way:#?}");
}

#[test]
fn a_keyboard_suffices() {
    let cluster = eight();
    let browser = Browser::start();
    browser.prefer("light", true);
    open(&browser, &cluster.peers[0], "#/");
    wait_members(&browser, PEERS);

    // First of all, a way past what is the same in every view.
    browser.press(Key::Tab + "");
    let first = focused(&browser);
    assert!(first.to_lowercase().contains("skip"), "{first}");
    browser.press(Key::Enter + "");
    browser.wait(
        "the focus is in the main part",
        "return document.activeElement.closest('main') !== null || document.activeElement.querySelector('main') !== null
            && document.activeElement !== document.body",
    );
    wait_members(&browser, PEERS);

    // Round the ring, and to a peer's page.
    open(&browser, &cluster.peers[0], "#/");
    wait_members(&browser, PEERS);
    tab_to(&browser, "[data-testid=peer]");
    let on = "return document.activeElement.dataset.peer ?? null";
    let start = browser.js(on);
    let mut seen = BTreeSet::new();
    for _ in 0..PEERS {
        browser.press(Key::Right + "");
        focused(&browser);
        let name = browser.js(on);
        seen.insert(name.as_str().expect("a peer").to_owned());
    }
    assert_eq!(seen.len(), PEERS, "{seen:?}");
    assert_eq!(browser.js(on), start, "once round");
    browser.press(Key::Left + "");
    let last = browser.js(on);
    assert_ne!(last, start);
    browser.wait("its fingers and neighbours", "return document.querySelector('svg [data-testid=chord]')");
    browser.press(Key::Enter + "");
    let id = drawn(&browser)[last.as_str().expect("a peer")].id.clone();
    browser.wait(
        "its page",
        &format!(
            "return location.hash === '#/peer/{id}' && document.querySelector('[data-testid=peer-page]')"
        ),
    );

    // By the navigation to the table, which can be sorted.
    open(&browser, &cluster.peers[0], "#/");
    tab_to(&browser, "nav a[href$='#/peers']");
    browser.press(Key::Enter + "");
    browser.wait(
        "the table",
        "return document.querySelectorAll('table[data-testid=peers] tr[data-peer]').length === 8",
    );
    tab_to(&browser, "table[data-testid=peers] th button");
    let sorted = "return [...document.querySelectorAll('table[data-testid=peers] th')].map(th => th.getAttribute('aria-sort') ?? '').join()";
    let before = browser.js(sorted);
    browser.press(Key::Tab + "");
    browser.press(Key::Space + "");
    browser.wait("it is sorted", &format!("return (() => {{ {sorted} }})() !== {before}"));
    focused(&browser);

    // A lookup.
    open(&browser, &cluster.peers[0], "#/");
    tab_to(&browser, "nav a[href$='#/lookup']");
    browser.press(Key::Enter + "");
    browser.wait("the view", "return document.querySelector('#lookup-name')");
    tab_to(&browser, "#lookup-name");
    browser.press("report.pdf" + Key::Enter);
    browser.wait("the lookup arrives", "return document.querySelector('[data-testid=lookup-owner]')");

    // A search, and the link to a file.
    open(&browser, &cluster.peers[0], "#/");
    tab_to(&browser, "#search");
    browser.press("measurements");
    browser.wait(
        "the hit",
        "return document.querySelector('[data-testid=hit][data-name=\"measurements.bin\"]')",
    );
    tab_to(&browser, "a[data-testid=download]");
    browser.press(Key::Enter + "");
    let saved = browser.downloads().join("measurements.bin");
    chordial_tests::programs::eventually(chordial_tests::programs::PATIENCE, "the file is saved", || {
        saved.metadata().map(drop).map_err(|error| error.to_string())
    });
    assert_eq!(browser.complaints(), [""; 0]);
}
