//! The words of a command line as a POSIX shell takes them apart, without expanding anything.

/// What a word or a piece of one stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// Nothing.
    None,
    /// `'`.
    Single,
    /// `"`.
    Double,
}

/// A command line up to the cursor.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// The words without their quotes; the last one is being typed, and may be empty.
    pub words: Vec<String>,
    /// What the cursor stands in.
    pub quote: Quote,
    /// The part of the last word that the shell leaves as it is: up to the quote that is open, or to the last
    /// character where it breaks words.
    pub kept: String,
}

/// Takes the last command of `line` apart. `breaks` are the characters behind which the shell replaces only the rest
/// of a word.
pub fn split(line: &str, breaks: &str) -> Words {
    take_apart(line, breaks, true)
}

/// One word without its quotes.
pub fn value(word: &str) -> String {
    take_apart(word, "", false).words.pop().unwrap_or_default()
}

fn take_apart(line: &str, breaks: &str, parted: bool) -> Words {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut kept = 0;
    let mut quote = Quote::None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let so_far = word.as_ref().map_or(0, String::len);
        match (quote, character) {
            (Quote::Single, '\'') | (Quote::Double, '"') => quote = Quote::None,
            (Quote::Single, _) => word.get_or_insert_default().push(character),
            (Quote::Double, '\\') => {
                let next = characters.next().unwrap_or('\\');
                let word = word.get_or_insert_default();
                if !matches!(next, '\\' | '"' | '$' | '`') {
                    word.push('\\');
                }
                word.push(next);
            }
            (Quote::Double, _) => word.get_or_insert_default().push(character),
            (Quote::None, '\'' | '"') => {
                quote = if character == '"' { Quote::Double } else { Quote::Single };
                word.get_or_insert_default();
                kept = so_far;
            }
            (Quote::None, '\\') => word.get_or_insert_default().extend(characters.next()),
            (Quote::None, ';' | '|' | '&' | '(' | '\n') if parted => {
                words.clear();
                (word, kept) = (None, 0);
            }
            (Quote::None, ' ' | '\t') if parted => {
                words.extend(word.take());
                kept = 0;
            }
            (Quote::None, _) => {
                let word = word.get_or_insert_default();
                word.push(character);
                if breaks.contains(character) {
                    kept = word.len();
                }
            }
        }
    }
    let last = word.unwrap_or_default();
    let kept = last.get(..kept).unwrap_or("").to_owned();
    words.push(last);
    Words { words, quote, kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKS: &str = " \t\n\"'@><=;|&(:";

    #[test]
    fn lines_are_taken_apart_as_a_shell_does() {
        for (line, words, quote, kept) in [
            ("chord-cli get ", &["chord-cli", "get", ""][..], Quote::None, ""),
            ("chord-cli get re", &["chord-cli", "get", "re"], Quote::None, ""),
            (r"chord-cli get annual\ re", &["chord-cli", "get", "annual re"], Quote::None, ""),
            ("chord-cli get \"annual re", &["chord-cli", "get", "annual re"], Quote::Double, ""),
            ("chord-cli get an'nual re", &["chord-cli", "get", "annual re"], Quote::Single, "an"),
            (
                "x; chord-cli --peer http://h:1 get a",
                &["chord-cli", "--peer", "http://h:1", "get", "a"],
                Quote::None,
                "",
            ),
            ("chord-cli ls --of=p", &["chord-cli", "ls", "--of=p"], Quote::None, "--of="),
            (r"get a\:b:c", &["get", "a:b:c"], Quote::None, "a:b:"),
            ("get \"a\\\"b\\c\" '$(x)'", &["get", "a\"b\\c", "$(x)"], Quote::None, ""),
        ] {
            let taken = split(line, BREAKS);
            assert_eq!(
                (taken.words.as_slice(), taken.quote, taken.kept.as_str()),
                (words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>().as_slice(), quote, kept),
                "{line}"
            );
        }
    }

    #[test]
    fn one_word_keeps_what_parts_words() {
        assert_eq!(value(r"annual\ re;port"), "annual re;port");
        assert_eq!(value("'it is' \"so\""), "it is so");
    }
}
