//! Patterns with `*` and `?`.

use super::super::text::SEAM;

/// Whether `text`, seams left out, is what `pattern` describes. It goes back to the last `*` only, as earlier ones can
/// stay as they matched: at worst the product of both lengths.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut place) = (0, 0);
    // Behind the last `*`, and the first character that it has not swallowed yet.
    let mut back: Option<(usize, usize)> = None;
    loop {
        while text.get(place) == Some(&(SEAM as u8)) {
            place += 1;
        }
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                back = Some((at, place));
            }
            Some(b'?') if place < text.len() => (at, place) = (at + 1, next(text, place)),
            Some(byte) if text.get(place) == Some(byte) => (at, place) = (at + 1, place + 1),
            None if place == text.len() => return true,
            _ => match back {
                Some((behind, from)) if from < text.len() => {
                    (at, place) = (behind, next(text, from));
                    back = Some((at, place));
                }
                _ => return false,
            },
        }
    }
}

/// Where the character behind the one at `place` begins.
fn next(text: &[u8], place: usize) -> usize {
    let continued = |byte: &&u8| **byte & 0xc0 == 0x80;
    place + 1 + text[place + 1..].iter().take_while(continued).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Straight from the definition.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            Some((wanted, rest)) => text
                .split_first()
                .is_some_and(|(c, text)| (*wanted == '?' || wanted == c) && naive(rest, text)),
        }
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("*.pdf", "report.pdf", true),
            ("*.pdf", "report.pdf.gz", false),
            ("re*t", "report", true),
            ("r?port", "report", true),
            ("r?port", "rport", false),
            ("?", "é", true),
            ("", "", true),
            ("*", "", true),
            ("", "a", false),
            ("my*le", "my\u{1f}fi\u{1f}le", true),
            ("myfile", "my\u{1f}file\u{1f}", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hard_pattern_ends() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!matches(&pattern, &"a".repeat(4000)));
    }

    proptest! {
        #[test]
        fn as_defined(pattern in "[ab?*é]{0,8}", text in "[abé\u{1f}]{0,10}") {
            let chars = |text: &str| text.chars().filter(|c| *c != SEAM).collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), naive(&chars(&pattern), &chars(&text)));
        }
    }
}
