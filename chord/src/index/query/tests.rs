//! Matching against a reference straight from the definitions, the order of ranks, and what lists promise.

use proptest::prelude::*;

use super::super::{File, Text, is_word_char};
use super::*;
use crate::Peer;

fn file(size: u64) -> File {
    let text = Text::default();
    File { name: "f".into(), path: "f".into(), size, modified_ms: 1000, digest: None, text }
}

fn query(terms: impl IntoIterator<Item = What>) -> Query {
    let terms = terms.into_iter().map(|what| Term { exclude: false, what }).collect();
    Query { terms, typos: false }
}

fn excluded(what: What) -> Query {
    Query { terms: vec![Term { exclude: true, what }], typos: false }
}

fn rank(query: &Query, text: &str) -> Option<u32> {
    query.rank(&Text(text.into()), &file(7), &Peer::stranger("h:1"))
}

fn word(word: &str) -> What {
    What::Word(word.into())
}

fn prefix(word: &str) -> What {
    What::Prefix(word.into())
}

fn phrase(words: &[&str]) -> What {
    What::Phrase(words.iter().map(|word| (*word).into()).collect())
}

fn pattern(pattern: &str) -> What {
    What::Pattern(pattern.into())
}

fn listed(query: &Query) -> Vec<String> {
    let show = |list: List| format!("{}{}", list.word, if list.prefix { "*" } else { "" });
    query.lists().into_iter().map(show).collect()
}

#[test]
fn better_fits_come_first() {
    let asked = query([word("annual"), prefix("report")]);
    let forgiving = Query { typos: true, ..asked.clone() };
    let ranked = [
        (&asked, "annual_report"),
        (&asked, "annual report.pdf"),
        (&asked, "the annual report.pdf"),
        (&asked, "report, annual.pdf"),
        (&asked, "annual reporting"),
        (&asked, "annual reporting.pdf"),
        (&query([word("annual"), pattern("*r*t")]), "annual report"),
        (&forgiving, "anual report"),
        (&forgiving, "anual report 2"),
        (&forgiving, "anual reprot"),
    ];
    let ranks: Vec<u32> = ranked.iter().map(|(query, text)| rank(query, text).expect(text)).collect();
    assert!(ranks.is_sorted_by(|one, other| one < other), "{ranks:x?}");
    assert_eq!(rank(&forgiving, "annual report"), rank(&asked, "annual report"));
    assert_eq!(rank(&asked, "anual report"), None);
    assert_eq!(rank(&query([word("iphone")]), "i\u{1f}phone"), rank(&query([word("iphone")]), "iphone"));
}

#[test]
fn each_term_says_what_it_says() {
    for (what, text, holds) in [
        (word("phone"), "my i\u{1f}phone.jpg", true),
        (word("iphone"), "my i\u{1f}phone.jpg", true),
        (word("phon"), "my i\u{1f}phone.jpg", false),
        (prefix("phon"), "my i\u{1f}phone.jpg", true),
        (phrase(&["iphone", "jpg"]), "my i\u{1f}phone.jpg", true),
        (phrase(&["my", "i", "phone"]), "my i\u{1f}phone.jpg", true),
        (phrase(&["my", "phone"]), "my i\u{1f}phone.jpg", false),
        (phrase(&["phone", "my"]), "my i\u{1f}phone.jpg", false),
        (phrase(&["a", "b"]), "a c a-b", true),
        (phrase(&["the", "the"]), "the", false),
        (phrase(&["東京", "京都"]), "in東京都", true),
        (phrase(&["東京", "京都"]), "東京 京都", true),
        (phrase(&["東京", "都庁"]), "東京の都庁", false),
        (phrase(&[]), "a", false),
        (pattern("i*ne"), "my i\u{1f}phone.jpg", true),
        (pattern("ph?ne"), "my i\u{1f}phone.jpg", true),
        (pattern("img00*"), "x-img0042.jpg", true),
        (pattern("*.jpg"), "x-img0042.jpg", true),
        (pattern("img*.jpg"), "x-img0042.jpg", false),
        (What::Extension("tar.gz".into()), "a.tar\u{1f}.gz", true),
        (What::Extension("gz".into()), "a.tar.gz", true),
        (What::Extension("gz".into()), "agz", false),
        (What::Extension("gz".into()), "gz", false),
        (What::AtLeast(7), "a", true),
        (What::AtLeast(8), "a", false),
        (What::AtMost(7), "a", true),
        (What::AtMost(6), "a", false),
        (What::Since(1000), "a", true),
        (What::Since(1001), "a", false),
        (What::Before(1001), "a", true),
        (What::Before(1000), "a", false),
    ] {
        assert_eq!(rank(&query([what.clone()]), text).is_some(), holds, "{what:?} {text}");
        assert_eq!(rank(&excluded(what.clone()), text).is_none(), holds, "no {what:?} {text}");
    }
}

#[test]
fn a_peer_has_a_name_and_an_identifier() {
    let peer = Peer { name: "Jürgens Laptop".into(), ..Peer::stranger("h:1") };
    let digits = peer.id.to_string();
    let is =
        |named: &str| query([What::Peer(named.into())]).rank(&Text("a".into()), &file(0), &peer).is_some();
    assert!(is("JÜRGENS laptop") && is(&digits) && is(&digits[..4]) && is(&digits[..5].to_uppercase()));
    assert!(!is("jürgen") && !is(&digits[..3]) && !is(&format!("{digits}0")) && !is(""));
}

#[test]
fn typing_errors_are_forgiven_in_words_that_are_looked_for() {
    let forgiving = |terms: Vec<Term>| Query { terms, typos: true };
    let term = |what, exclude| Term { exclude, what };
    assert!(rank(&forgiving(vec![term(word("phoen"), false)]), "i\u{1f}phone").is_some());
    assert!(rank(&forgiving(vec![term(prefix("iphoen"), false)]), "i\u{1f}phones").is_some());
    assert!(rank(&forgiving(vec![term(word("at"), false)]), "it").is_none());
    assert!(rank(&forgiving(vec![term(phrase(&["two", "wrods"]), false)]), "two words").is_none());
    assert!(rank(&forgiving(vec![term(word("phoen"), true)]), "i\u{1f}phone").is_some());
}

#[test]
fn lists_are_what_every_match_has() {
    for (what, expected) in [
        (word("a"), &["a"][..]),
        (prefix("rep"), &["rep*"]),
        (prefix("re"), &[]),
        (phrase(&["annual", "report"]), &["annual", "report"]),
        (What::Extension("tar.gz".into()), &["tar", "gz"]),
        (What::AtLeast(5), &[]),
        (pattern("*.pdf"), &["pdf"]),
        (pattern("*pdf"), &[]),
        (pattern("*.pdf*"), &["pdf*"]),
        (pattern("report-*.p?f"), &["report"]),
        (pattern("rep*"), &["rep*"]),
        (pattern("re*"), &[]),
        (pattern("img0042*"), &["0042*", "img"]),
        (pattern("*img0042"), &["0042"]),
        (pattern("*東京都*"), &["東京", "京都"]),
        (pattern("東*"), &[]),
        (pattern("***"), &[]),
    ] {
        let mut lists = listed(&query([what.clone()]));
        let mut expected = expected.to_vec();
        lists.sort();
        expected.sort();
        assert_eq!(lists, expected, "{what:?}");
        assert!(listed(&excluded(what)).is_empty());
    }
    let long = query(["ab", "abcd", "abc", "abc"].map(word).into_iter().chain([prefix("abcd")]));
    assert_eq!(listed(&long), ["abcd", "abcd*", "abc", "ab"]);
    assert_eq!(query((0..20).map(|number| word(&format!("w{number}")))).lists().len(), 8);
    assert!(Query { typos: true, ..query([word("report")]) }.lists().is_empty());
}

/// Whether a condition on words holds, from the list of words.
fn naive(what: &What, text: &Text) -> bool {
    let words = text.words();
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    match what {
        What::Word(word) => has(word),
        What::Prefix(prefix) => words.iter().any(|word| word.starts_with(&**prefix)),
        What::Pattern(pattern) => {
            let folded = text.folded();
            if pattern.chars().all(|c| matches!(c, '*' | '?') || is_word_char(c)) {
                let mut runs = folded.split(|c| !is_word_char(c)).filter(|run| !run.is_empty());
                words.iter().any(|word| glob::matches(pattern, word))
                    || runs.any(|run| glob::matches(pattern, run))
            } else {
                glob::matches(pattern, &folded)
            }
        }
        What::Extension(extension) => text.folded().ends_with(&format!(".{extension}")),
        _ => unreachable!("no condition on words"),
    }
}

fn condition() -> impl Strategy<Value = What> {
    let text = |pattern: &'static str| pattern.prop_map(|text: String| text.into());
    prop_oneof![
        text("[ab]{1,3}|[12]{1,2}|[東京]{1,2}").prop_map(What::Word),
        text("[ab]{1,4}|[12]{1,3}|[東京]{1,2}").prop_map(What::Prefix),
        text("[ab12.東京*?]{1,7}").prop_map(What::Pattern),
        text("[ab12.東\u{307}]{1,4}").prop_map(What::Extension),
        prop::collection::vec(text("[ab]{1,2}|[12]|[東京]{1,2}"), 1..3).prop_map(What::Phrase),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn every_list_holds_every_match(text in "[ab12. \u{1f}東京\u{307}]{1,12}", what in condition()) {
        let text = Text(text.into());
        let query = query([what.clone()]);
        let holds = query.rank(&text, &file(0), &Peer::stranger("h:1")).is_some();
        if !matches!(what, What::Phrase(_)) {
            prop_assert_eq!(holds, naive(&what, &text));
        }
        prop_assert_eq!(excluded(what).rank(&text, &file(0), &Peer::stranger("h:1")).is_none(), holds);
        for list in query.lists().iter().filter(|_| holds) {
            let within = |word: &str| if list.prefix { word.starts_with(&*list.word) } else { word == &*list.word };
            let words = text.words();
            prop_assert!(words.iter().any(|word| within(word)), "{:?} {:?}", list, words);
            let (first, last) = list.arc();
            let key = |word: &str| text::word_key(word);
            let near = |word: &str| first.distance_to(key(word)) <= first.distance_to(last);
            prop_assert!(words.iter().any(|word| within(word) && near(word)));
        }
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,40}", words in prop::collection::vec("\\PC{0,12}", 0..4), typos: bool) {
        for what in [
            |text: &str| What::Word(text.into()),
            |text: &str| What::Prefix(text.into()),
            |text: &str| What::Pattern(text.into()),
            |text: &str| What::Extension(text.into()),
            |text: &str| What::Peer(text.into()),
            |text: &str| What::Phrase(vec![text.into(), "".into()]),
        ] {
            let query = Query { typos, ..query(words.iter().map(|word| what(word))) };
            rank(&query, &text);
            query.lists();
        }
    }

    #[test]
    fn all_words_of_a_name_find_it_best(text in "[ab12. \u{1f}東京🎉-]{1,20}") {
        let text = Text(text.into());
        let all = text.sequence();
        prop_assume!(!all.is_empty());
        let terms = query(all.iter().map(|one| word(one)));
        prop_assert!(terms.rank(&text, &file(0), &Peer::stranger("h:1")).is_some());
        // As typed: without case changes.
        let typed = Text(text.folded().into());
        let typed = query([What::Phrase(typed.sequence().iter().map(|word| word.as_ref().into()).collect())]);
        let rank = typed.rank(&text, &file(0), &Peer::stranger("h:1"));
        prop_assert_eq!(rank, Some(0));
    }
}
