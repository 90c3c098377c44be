//! Names and queries in the one form in which they are compared: Unicode's NFKC, case-folded.

use chord::index::{SEAM, Text};
use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// A file's name as search sees it, with a [`SEAM`] before each upper-case letter behind a lower-case one, and before
/// the last of several upper-case letters where a lower-case one follows: `myHTMLParser` is `my␟html␟parser`.
///
/// Of a name of n bytes, it has at most 12 n.
pub fn text_of(name: &str) -> Text {
    Text(case_folded(&with_seams(&composed(name))).into())
}

/// A text in NFKC, without what no reader sees: joiners, marks of direction, soft hyphens, variants of emoji.
/// Seams in it become spaces, as they mean something here.
pub(super) fn composed(text: &str) -> String {
    let visible = |c: &char| !is_ignorable(*c);
    text.nfkc().filter(visible).map(|c| if c == SEAM { ' ' } else { c }).nfkc().collect()
}

/// A composed text with Unicode's full case folding.
pub(super) fn case_folded(composed: &str) -> String {
    const CASES: CaseMapperBorrowed<'static> = CaseMapper::new();
    CASES.fold_string(composed).nfkc().collect()
}

/// The code points that Unicode calls default ignorable, the assigned ones.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The marks of a letter go with it.
fn with_seams(text: &str) -> String {
    let mut seamed = String::with_capacity(text.len() + 8);
    // The last two letters, as far as none but marks came between.
    let (mut before, mut last): (Option<char>, Option<char>) = (None, None);
    // Where the last one begins in `seamed`.
    let mut last_at = 0;
    for c in text.chars() {
        if is_combining_mark(c) {
            seamed.push(c);
            continue;
        }
        let is = |letter: Option<char>, test: fn(char) -> bool| letter.is_some_and(test);
        if c.is_uppercase() && is(last, char::is_lowercase) {
            seamed.push(SEAM);
        } else if c.is_lowercase() && is(last, char::is_uppercase) && is(before, char::is_uppercase) {
            seamed.insert(last_at, SEAM);
        }
        (before, last, last_at) = (last, Some(c), seamed.len());
        seamed.push(c);
    }
    seamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seams_stand_where_the_case_changes() {
        for (name, text) in [
            ("myFile.pdf", "my|file.pdf"),
            ("HTMLParser", "html|parser"),
            ("myHTMLParser2XML", "my|html|parser2xml"),
            ("iPhone", "i|phone"),
            ("Report", "report"),
            ("REPORT", "report"),
            ("PDFs", "pd|fs"),
            ("A-Team", "a-team"),
            ("übungÜbersicht", "übung|übersicht"),
            // The same in decomposed form, and with marks that have no composed one.
            ("u\u{308}bungU\u{308}bersicht", "übung|übersicht"),
            ("q\u{308}\u{301}Q\u{308}", "q\u{308}\u{301}|q\u{308}"),
            ("приветМир", "привет|мир"),
            // What grows when folded moves no seam.
            ("ßßGroß", "ssss|gross"),
            ("iİstanbul", "i|i\u{307}stanbul"),
            ("ABC\u{1f}d", "abc d"),
        ] {
            assert_eq!(text_of(name).0.replace(SEAM, "|"), text, "{name}");
        }
    }

    #[test]
    fn what_reads_alike_is_alike() {
        for (one, other) in [
            ("Straße", "STRASSE"),
            ("ΟΔΟΣ", "οδος"),
            ("ΟΔΟΣ", "οδοσ"),
            ("ＲＥＰＯＲＴ　１", "report 1"),
            ("cafe\u{301}", "CAFÉ"),
            ("ﬁle", "FILE"),
            ("㌔", "キロ"),
            ("ｶﾞ", "ガ"),
            ("❤\u{fe0f}", "❤"),
            ("\u{200f}שלום", "שלום"),
            ("²", "2"),
        ] {
            assert_eq!(text_of(one).folded(), text_of(other).folded(), "{one} {other}");
        }
    }

    #[test]
    fn all_characters_are_folded_once_and_for_all() {
        // No character beyond has a case.
        for c in '\0'..='\u{1ffff}' {
            let name = format!("aB{c}Cd");
            let text = text_of(&name);
            let folded = text.folded();
            assert_eq!(case_folded(&composed(&name)), folded, "seams change {c:?}");
            assert_eq!(text_of(&folded).folded(), folded, "{c:?}");
            assert!(text.0.len() <= 12 * name.len(), "{c:?}");
        }
    }
}
