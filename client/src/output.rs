//! The only place that prints. Results go to standard output, everything else to standard error. What came
//! from a peer may hold any character: nothing reaches a terminal that could move its cursor or turn its
//! text around.

use std::io::{self, Write};

use chord_client::ClientError;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::args::Format;

/// Where results go.
pub struct Output {
    format: Format,
}

impl Output {
    /// In this format, on standard output.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints the view as JSON, or what `people` makes of it.
    ///
    /// # Errors
    /// Where standard output takes no more. A reader that has gone away is no error.
    pub fn show<T: Serialize>(&self, view: &T, people: impl FnOnce(&T) -> String) -> Result<(), ClientError> {
        let mut text = match self.format {
            Format::Table => people(view),
            Format::Json => serde_json::to_string_pretty(view)
                .map_err(|error| ClientError::Failed(format!("the answer has no JSON form: {error}")))?,
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        print(text.as_bytes())
    }
}

/// Writes a result to standard output.
///
/// # Errors
/// Where that takes no more. A reader that has gone away is no error.
pub fn print(bytes: &[u8]) -> Result<(), ClientError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(ClientError::Failed(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says something on standard error; lines stay lines.
pub fn note(text: &str) {
    let lines: Vec<String> = text.lines().map(safe).collect();
    // Nobody is left to be told that standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{}", lines.join("\n"));
}

/// An error, on standard error.
pub fn complain(text: &str) {
    note(&format!("chord-cli: {text}"));
}

/// The text with every character escaped that controls a terminal or the direction of text.
pub fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let treacherous = character.is_control()
            || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(character, '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
        match treacherous {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

/// At most `most` characters; what is cut off leaves an ellipsis.
pub fn shorten(text: &str, most: usize) -> String {
    let text = safe(text);
    if text.chars().count() <= most {
        return text;
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A size in the unit that suits it.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// So many of a thing, in the singular where there is one.
pub fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Microseconds as milliseconds.
pub fn milliseconds(micros: u64) -> String {
    format!("{:.2} ms", micros as f64 / 1000.0)
}

/// The first digits of an identifier, enough to tell peers apart.
pub fn short_id(id: &str) -> String {
    id.chars().take(10).collect()
}

/// A column's title, and whether it holds numbers.
pub type Column<'a> = (&'a str, bool);

/// A table without borders, so that its columns can be cut by programs, too.
pub fn table(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(columns.iter().map(|(title, _)| safe(title)).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.iter().map(|cell| safe(cell)).collect::<Vec<_>>());
    }
    let last = columns.len().saturating_sub(1);
    for (index, (_, number)) in columns.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, if index == last { 0 } else { 2 }));
            if *number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_play_tricks_on_a_terminal() {
        assert_eq!(safe("a b 🦀 é"), "a b 🦀 é");
        assert_eq!(safe("\u{1b}[2J\n\u{9b}"), "\\u{1b}[2J\\n\\u{9b}");
        assert_eq!(safe("cod\u{202e}fdp.exe"), "cod\\u{202e}fdp.exe");
    }

    #[test]
    fn sizes_read_well() {
        let shown = [0, 1023, 1024, 1_048_575, 48_213, u64::MAX].map(size);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "47.1 KiB", "16.0 EiB"]);
    }

    #[test]
    fn tables_are_aligned_and_safe() {
        let rows = [vec!["a".to_owned(), "12".to_owned()], vec!["b\u{7}".to_owned(), "3".to_owned()]];
        let text = table(&[("name", false), ("files", true)], rows);
        assert_eq!(text, "name    files\na          12\nb\\u{7}      3");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 6), "abcde…");
    }
}
