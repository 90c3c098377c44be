use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chord::Peer;
use chord::index::{File, Text};

use super::*;
use crate::search::text_of;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

/// A query's terms, short: words plain, `p*` a prefix, `"…"` a phrase, `/…/` a pattern.
fn terms(query: &str) -> Vec<String> {
    let query = parse(query, now()).unwrap_or_else(|error| panic!("{query}: {error}"));
    assert!(!query.typos);
    let show = |term: &Term| {
        let what = match &term.what {
            What::Word(word) => word.to_string(),
            What::Prefix(word) => format!("{word}*"),
            What::Phrase(words) => format!("{:?}", words.join(" ")),
            What::Pattern(pattern) => format!("/{pattern}/"),
            What::Extension(extension) => format!(".{extension}"),
            What::AtLeast(size) => format!(">={size}"),
            What::AtMost(size) => format!("<={size}"),
            What::Since(instant) => format!("since {instant}"),
            What::Before(instant) => format!("before {instant}"),
            What::Peer(peer) => format!("@{peer}"),
        };
        if term.exclude { format!("-{what}") } else { what }
    };
    query.terms.iter().map(show).collect()
}

#[test]
fn words_prefixes_and_phrases() {
    for (query, expected) in [
        ("annual rep", &["annual", "rep*"][..]),
        ("annual report ", &["annual", "report"]),
        ("annual \"report\"", &["annual", "report"]),
        ("\"Annual Report\"", &["\"annual report\""]),
        ("„Annual Report“ x", &["\"annual report\"", "x*"]),
        ("\"\u{1f}the the\"", &["\"the the\""]),
        ("foo\"bar baz\"", &["foo", "\"bar baz\""]),
        ("IMG_0042.JPG", &["img", "0042", "jpg*"]),
        // A case change splits names only, not what is typed.
        ("myFile", &["myfile*"]),
        ("report.", &["report"]),
        ("report -draft", &["report", "-draft"]),
        ("report -draft-2", &["report", "-\"draft 2\""]),
        ("report -\"first draft\"", &["report", "-\"first draft\""]),
        ("a - b & c", &["a", "b", "c*"]),
        ("c++", &["c"]),
        ("foo:bar", &["foo", "bar*"]),
        ("http://x", &["http", "x*"]),
        ("a1b2c3d4e5", &["\"a 1 b 2 c 3 d 4 e 5\""]),
    ] {
        assert_eq!(terms(query), expected, "{query}");
    }
}

#[test]
fn texts_of_all_scripts() {
    for (query, expected) in [
        ("STRASSE", &["strasse*"][..]),
        ("Straße", &["strasse*"]),
        ("ΟΔΟΣ", &["οδοσ*"]),
        ("οδος", &["οδοσ*"]),
        ("İstanbul ", &["i\u{307}stanbul"]),
        ("ＲＥＰＯＲＴ　＊．ｐｄｆ", &["report", "/*.pdf/"]),
        ("cafe\u{301}", &["café*"]),
        ("caf\u{e9}", &["café*"]),
        ("שלום עולם", &["שלום", "עולם*"]),
        ("🎉 party ", &["🎉", "party"]),
        ("東京都", &["東京", "京都"]),
        ("京", &["/*京*/"]),
    ] {
        assert_eq!(terms(query), expected, "{query}");
    }
}

#[test]
fn patterns() {
    for (query, expected) in [
        ("*.PDF", &["/*.pdf/"][..]),
        ("rep***rt", &["/rep*rt/"]),
        ("annual * ", &["annual"]),
        ("annual *.*", &["annual", "/*.*/"]),
        ("x -*.tmp", &["x", "-/*.tmp/"]),
        ("\"a*b\"", &["\"a b\""]),
    ] {
        assert_eq!(terms(query), expected, "{query}");
    }
}

#[test]
fn filters() {
    let millis = |seconds: i64| (1_795_000_000 - seconds) * 1000;
    for (query, expected) in [
        ("ext:PDF", vec![".pdf".to_owned()]),
        ("EXT:.tar.gz x ", vec![".tar.gz".to_owned(), "x".to_owned()]),
        ("x -ext:pdf", vec!["x".to_owned(), "-.pdf".to_owned()]),
        ("size:>10MB", vec![">=10000001".to_owned()]),
        ("size:>=10MiB", vec![">=10485760".to_owned()]),
        ("size:<1KB", vec!["<=999".to_owned()]),
        ("size:<=5", vec!["<=5".to_owned()]),
        ("size:0", vec![">=0".to_owned(), "<=0".to_owned()]),
        ("size:1kB..2GiB", vec![">=1000".to_owned(), "<=2147483648".to_owned()]),
        ("x -size:>1TB", vec!["x".to_owned(), "->=1000000000001".to_owned()]),
        ("newer:7d", vec![format!("since {}", millis(7 * 86400))]),
        ("newer:90min", vec![format!("since {}", millis(5400))]),
        ("older:2w", vec![format!("before {}", millis(14 * 86400))]),
        ("older:1month", vec![format!("before {}", millis(2_630_016))]),
        ("newer:100y", vec!["since 0".to_owned()]),
        ("newer:2026-11-22", vec!["since 1795305600000".to_owned()]),
        ("peer:P3", vec!["@P3".to_owned()]),
        ("peer:\"my laptop\" x ", vec!["@my laptop".to_owned(), "x".to_owned()]),
    ] {
        assert_eq!(terms(query), expected, "{query}");
    }
}

#[test]
fn problems_are_told() {
    let wrong = |query: &str| parse(query, now()).expect_err(query);
    assert_eq!(wrong(""), QueryError::Empty);
    assert_eq!(wrong(" \t\u{3000}"), QueryError::Empty);
    assert_eq!(wrong(&"x".repeat(10_000)), QueryError::TooLong(10_000));
    assert_eq!(wrong(&"x ".repeat(17)), QueryError::TooManyTerms(17));
    assert_eq!(wrong(&"a-b-c ".repeat(11)), QueryError::TooManyWords);
    assert_eq!(wrong(&"x".repeat(300)), QueryError::LongWord(300));
    assert_eq!(wrong(&("*.".to_owned() + &"x".repeat(600))), QueryError::LongWord(602));
    for query in ["\"annual report", "annual\"", "a \"b\" \"", "peer:\"x", "-\""] {
        assert_eq!(wrong(query), QueryError::Unbalanced, "{query}");
    }
    for query in ["***", "*", "? *", "＊"] {
        assert_eq!(wrong(query), QueryError::OnlyWildcards, "{query}");
    }
    for query in ["-draft", "-draft -ext:pdf", "-*.tmp *"] {
        assert_eq!(wrong(query), QueryError::OnlyExclusions, "{query}");
    }
    for query in ["---", "- & !", "\"...\"", "*.*", "\u{7}\u{1f}!"] {
        assert_eq!(wrong(query), QueryError::OnlySymbols, "{query}");
    }
    for query in [
        "size:abc",
        "size:",
        "size:10elephants",
        "size:<0",
        "size:5..2",
        "-size:5",
        "-size:1..2",
        "newer:soon",
        "newer:",
        "older:2026-13-01",
        "older:7",
        "ext:",
        "ext:*",
        "ext:pdf,doc",
        "peer:",
    ] {
        let error = wrong(&format!("x {query}"));
        let QueryError::BadFilter { filter, .. } = &error else { panic!("{query}: {error}") };
        assert!(
            error.to_string().contains(&format!("such as {filter}:"))
                || *filter == "peer"
                || query.starts_with('-')
        );
        assert!(error.to_string().starts_with(query.trim_start_matches('-')), "{error}");
    }
}

#[test]
fn what_is_typed_finds_what_it_should() {
    let file = |name: &str| File {
        name: name.into(),
        path: name.into(),
        size: 7,
        modified_ms: 0,
        digest: None,
        text: Text::default(),
    };
    for (query, name, found) in [
        ("rep", "Annual_Report.pdf", true),
        ("rep ", "Annual_Report.pdf", false),
        ("ANNUAL report.pdf", "Annual_Report.pdf", true),
        ("\"report annual\"", "Annual_Report.pdf", false),
        ("phone", "myiPhone5.jpg", true),
        ("iphone", "iPhone5.jpg", true),
        ("strasse", "Hauptstraße Straße.txt", true),
        ("京", "東京都.txt", true),
        ("東京都", "東京都庁.txt", true),
        ("ｒｅｐｏｒｔ", "report", true),
        ("*.pdf -draft", "Report (Draft).pdf", false),
        ("*.pdf -draft", "Report.PDF", true),
        ("size:<10B ext:pdf", "a.b.pdf", true),
        ("size:>10B ext:pdf", "a.b.pdf", false),
    ] {
        let query_ = parse(query, now()).expect(query);
        let rank = query_.rank(&text_of(name), &file(name), &Peer::stranger("h:1"));
        assert_eq!(rank.is_some(), found, "{query} {name}");
    }
}
