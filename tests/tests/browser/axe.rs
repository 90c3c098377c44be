//! axe-core: what keeps people from using a page.

use std::path::Path;

use serde_json::{Value, json};

use super::browser::Browser;

/// The rules that count: WCAG 2.2 at its levels A and AA, and good practice.
const TAGS: [&str; 7] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];

/// Judges what the browser shows.
///
/// # Panics
/// With all that was found, if anything was.
#[track_caller]
pub fn clean(browser: &Browser, what: &str) {
    // Where .ci/browser-tools puts it.
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .with_file_name("browser-tools")
        .join("node_modules/axe-core/axe.min.js");
    let source = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: install it with .ci/browser-tools", path.display()));
    browser.js(&source);
    let script = "const done = arguments[1];
        axe.run(document, { runOnly: { type: 'tag', values: arguments[0] }, resultTypes: ['violations'] })
            .then(found => done(found), error => done({ error: String(error) }))";
    let found = browser.js_later(script, &[json!(TAGS)]);
    let passed = found["passes"].as_array().map_or(0, Vec::len);
    assert!(passed > 5, "{what}: axe has judged nothing: {found}");
    let violations = found["violations"].as_array().expect("violations");
    let list: Vec<String> = violations.iter().map(words).collect();
    assert!(list.is_empty(), "{what}:\n{}", list.join("\n"));
    println!("axe: {what}: {passed} rules hold");
}

/// A violation and where it is, for people.
fn words(violation: &Value) -> String {
    let places: Vec<String> = violation["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|node| format!("    {} {}\n    {}", node["target"], node["html"], node["failureSummary"]))
        .collect();
    format!("{} ({}): {}\n{}", violation["id"], violation["impact"], violation["help"], places.join("\n"))
}
