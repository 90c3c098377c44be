//! Text measured in cells of a terminal, of which a Chinese character and most emoji take two.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Cells that the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `most` cells: what is in the middle gives way to an ellipsis, since names differ at their
/// beginnings and paths at their ends.
pub fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    if most == 0 {
        return String::new();
    }
    let (head, tail) = (most / 2, (most - 1) / 2);
    let head = taken(text.chars(), head);
    let tail: Vec<char> = taken(text.chars().rev(), tail).chars().rev().collect();
    // A mark that belongs to a character which is cut off would sit on the ellipsis.
    let tail: String = tail.into_iter().skip_while(|character| character.width() == Some(0)).collect();
    format!("{head}…{tail}")
}

/// A sentence in at most `most` cells: its end gives way.
pub fn clip(text: &str, most: usize) -> String {
    match width(text) <= most {
        true => text.to_owned(),
        false => taken(text.chars(), most.saturating_sub(1)) + if most == 0 { "" } else { "…" },
    }
}

/// As many of the characters as fit into so many cells.
fn taken(characters: impl Iterator<Item = char>, cells: usize) -> String {
    let mut text = String::new();
    for character in characters {
        text.push(character);
        // Of the whole, as characters that join take less than the sum.
        if width(&text) > cells {
            text.pop();
            break;
        }
    }
    text
}

/// The text with spaces behind it, or before it if `right`, so that it takes so many cells.
pub fn pad(text: &str, cells: usize, right: bool) -> String {
    let spaces = " ".repeat(cells.saturating_sub(width(text)));
    if right { spaces + text } else { text.to_owned() + &spaces }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_cut() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abc…fg");
        assert_eq!(cut("abcdefg", 1), "…");
        assert_eq!(cut("abcdefg", 0), "");
    }

    #[test]
    fn cells_count_and_not_characters() {
        let names = [
            "年度报告二〇二六.pdf",
            "🦀🦀🦀🦀🦀🦀🦀🦀",
            "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}",
            "ab👨‍👩‍👧‍👦cd❤️ef👍🏽gh",
        ];
        for name in names {
            for most in 0..30 {
                let short = cut(name, most);
                assert!(width(&short) <= most, "{name:?} in {most}: {short:?} takes {}", width(&short));
                assert_eq!(short == name, width(name) <= most);
                let clipped = clip(name, most);
                assert!(width(&clipped) <= most && (clipped == name) == (short == name), "{clipped:?}");
                assert!(width(&pad(&short, most, most % 2 == 0)) == most);
            }
        }
        assert_eq!(cut("年度报告", 7), "年…告", "half a character is none");
    }
}
