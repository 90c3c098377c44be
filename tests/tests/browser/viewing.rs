//! Files opened at their holder's address in a browser: looked at where that is safe, saved where it is not.

use chordial_tests::programs::{PATIENCE, ensure, eventually};

use super::browser::Browser;
use super::stage::{eight, url};

#[test]
fn files_can_be_looked_at() {
    let cluster = eight();
    let browser = Browser::start();
    browser.open(&url(&cluster.peers[4], "photos/spiral.png"));
    let width = browser.wait("the picture", "return document.images[0]?.naturalWidth ?? null");
    assert_eq!(width, 240);

    browser.open(&url(&cluster.peers[0], "docs/ring of eight.txt"));
    assert!(browser.text("body").starts_with("Eight peers stand in a ring."), "{}", browser.text("body"));

    let address = url(&cluster.peers[1], "docs/annual report 2026.pdf");
    browser.open(&address);
    assert_eq!(browser.js("return document.contentType"), "application/pdf");
    // The viewer shows the document in a frame of its own.
    eventually(PATIENCE, "the document", || {
        let targets = browser.cdp("Target.getTargets", serde_json::json!({}));
        let list = targets["targetInfos"].as_array().cloned().unwrap_or_default();
        let shown = list.iter().any(|target| target["type"] == "iframe" && target["url"] == *address);
        ensure(shown, || format!("{list:#?}"))
    });
    assert_eq!(std::fs::read_dir(browser.downloads()).map(Iterator::count).ok(), Some(0), "nothing is saved");
}

#[test]
fn what_could_run_is_saved() {
    let cluster = eight();
    let page = b"<!doctype html><title>ran</title><script>document.title = 'ran'; alert(1)</script>";
    let holder = &cluster.peers[3];
    for name in ["page.html", "drawing.svg"] {
        holder.share(name, page);
        eventually(PATIENCE, &format!("{name} is served"), || {
            let answer = chordial_tests::programs::get_url(&url(holder, name))?;
            ensure(answer.status == 200, || format!("{answer:?}"))
        });
    }
    let browser = Browser::start();
    for name in ["page.html", "drawing.svg"] {
        // As by a link of the dashboard: an address that is only saved has no page to wait for.
        browser.open(&cluster.peers[0].gateway());
        browser.js_with("location.href = arguments[0]", &[url(holder, name).into()]);
        let saved = browser.downloads().join(name);
        eventually(PATIENCE, &format!("{name} is saved"), || {
            let bytes = std::fs::read(&saved).map_err(|error| error.to_string())?;
            ensure(bytes == page, || format!("{} bytes", bytes.len()))
        });
        assert_ne!(browser.js("return document.title"), "ran", "{name}");
    }
}
