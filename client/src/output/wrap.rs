//! Long lines of prose on a terminal: broken between words, and what follows stands below what it belongs to.

use super::width::width;

/// The text with each line that is longer than `most` cells broken at spaces. Words are never broken, and lines with
/// colours, which were made to fit, are left as they are.
pub fn wrap(text: &str, most: usize) -> String {
    let lines = text.split('\n').map(|line| match width(line) > most && !line.contains('\u{1b}') {
        true => broken(line, most),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn broken(line: &str, most: usize) -> String {
    let indent = indent(line).filter(|indent| *indent < most / 2).unwrap_or(4);
    let (mut text, mut used) = (String::new(), 0);
    for word in line.split_inclusive(' ') {
        let cells = width(word.trim_end());
        if used + cells > most && used > indent {
            text.truncate(text.trim_end().len());
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            used = indent;
        }
        text.push_str(word);
        used += width(word);
    }
    text
}

/// Where the text behind a title and two spaces begins; else where the line does.
fn indent(line: &str) -> Option<usize> {
    let begins = line.len() - line.trim_start().len();
    let rest = &line[begins..];
    match rest.find("  ") {
        Some(end) => Some(width(line) - width(rest[end..].trim_start())),
        None => (begins > 0).then_some(begins),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("one two\nthree four five six", 14), "one two\nthree four\n    five six");
        assert_eq!(wrap("key  one two three four", 14), "key  one two\n     three\n     four");
        assert_eq!(wrap("  one two three", 10), "  one two\n  three");
        assert_eq!(wrap("http://a-long-word.example.net/ it", 10), "http://a-long-word.example.net/\n    it");
        assert_eq!(wrap("报告 报告 报告", 9), "报告 报告\n    报告");
    }
}
