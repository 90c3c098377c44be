//! Text from outside, made fit to be shown: file names, paths, names of peers, other programs' error messages.
//!
//! Such text may hold any character, and some of them act instead of being seen: a line feed begins a line that
//! looks like somebody else's, ESC and U+009B command a terminal, U+202E turns round what follows it, U+200B
//! makes two names look alike. [`shown`] writes these as Rust does in a string: `\n`, `\u{202e}`. A backslash
//! stays as it is: no name in the network has one, error messages hold texts that are escaped already, and what
//! has to be exact is JSON ([`json`]).

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character, shown, would act or hide instead of being seen. Variation selectors may pass: they only
/// choose between two looks of the character before them.
pub fn is_treacherous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Soft hyphen, grapheme joiner, directions, fillers.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
            // Without a width, directions, separators of lines and paragraphs.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            // Shorthand and musical controls, tags.
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text on one line, with every treacherous character escaped.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_treacherous) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    text.chars().for_each(|character| push(&mut escaped, character));
    Cow::Owned(escaped)
}

/// [`shown`], but lines stay lines: for text that was put together here and has lines of its own.
pub fn lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|character| character != '\n' && is_treacherous(character)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => escaped.push('\n'),
            character => push(&mut escaped, character),
        }
    }
    Cow::Owned(escaped)
}

/// JSON of the same value, in which no string has a treacherous character: they are written as `\u202e`. What
/// parts the strings (line feeds) stays.
pub fn json(json: &str) -> Cow<'_, str> {
    let inside = |character: char| !matches!(character, '\n' | '\r' | '\t') && is_treacherous(character);
    if !json.contains(inside) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if inside(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // A String takes everything.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn push(escaped: &mut String, character: char) {
    match is_treacherous(character) {
        true => escaped.extend(character.escape_default()),
        false => escaped.push(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_escaped_and_the_rest_is_not() {
        for harmless in ["", "a b 🦀 é", "C:\\new", "\u{2764}\u{fe0f}", "תמונה", "\"'`$(x)%s", "字\u{a0}"]
        {
            assert!(matches!(shown(harmless), Cow::Borrowed(same) if same == harmless), "{harmless:?}");
        }
        assert_eq!(shown("\u{1b}[2J\r\n\t\u{9b}\u{7f}\0"), "\\u{1b}[2J\\r\\n\\t\\u{9b}\\u{7f}\\u{0}");
        assert_eq!(shown("cod\u{202e}fdp.exe"), "cod\\u{202e}fdp.exe");
        let directions =
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{2066}\u{2067}\u{2068}\u{2069}";
        for acts in
            directions.chars().chain("\u{2028}\u{2029}\u{feff}\u{200b}\u{2060}\u{ad}\u{e0041}".chars())
        {
            assert_eq!(shown(&acts.to_string()), acts.escape_default().to_string());
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(lines("one\ntwo\r\u{1b}\n"), "one\ntwo\\r\\u{1b}\n");
        assert!(matches!(lines("one\ntwo\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({ "name\u{2028}": "a\u{9b}\u{7f}\u{202e}\u{e0041}\n\u{1b}é🦀" });
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        let safe = json(&text);
        assert!(!safe.contains(|c| c != '\n' && is_treacherous(c)), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).expect("JSON"), value);
    }
}
