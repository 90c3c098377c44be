//! Tables without borders, so that their columns can be cut by programs, too; on a terminal as wide as that at most.

use super::paint::{Colour, paint};
use super::screen::screen;
use super::width::{cut, pad, width};
use super::{note, safe};

/// A column's title, and whether it holds numbers.
pub type Column<'a> = (&'a str, bool);

/// Between two columns.
const GAP: usize = 2;

/// A part of what these hold says nothing, or something else.
const WHOLE: [&str; 5] = ["BLAKE3", "ID", "MODIFIED", "START", "STATE"];

/// What may be left out where cutting is not enough, the first one first.
const SPARE: [&str; 6] = ["MODIFIED", "ADDRESS", "BLAKE3", "ID", "INTERVAL", "FILES"];

/// Cells that are left of a name before columns are left out, and after that.
const LEAST: [usize; 2] = [12, 4];

/// The rows below their titles. Where a terminal is narrower, long names are shortened in the middle, and if that is
/// not enough columns are left out, which is noted.
pub fn table(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let (text, left_out) = fitted(columns, rows, screen().width);
    if !left_out.is_empty() {
        let left_out = left_out.join(", ");
        note(&format!("Left out: {left_out} (--wide shows all)."));
    }
    text
}

/// The table in so many cells, if it can be, and the titles of what is left out.
fn fitted(
    columns: &[Column],
    rows: impl IntoIterator<Item = Vec<String>>,
    most: Option<usize>,
) -> (String, Vec<String>) {
    let titles: Vec<String> = columns.iter().map(|(title, _)| safe(title)).collect();
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.iter().map(|cell| safe(cell)).collect()).collect();
    let mut cells: Vec<usize> = titles.iter().map(|title| width(title)).collect();
    for row in &rows {
        for (cells, cell) in cells.iter_mut().zip(row) {
            *cells = (*cells).max(width(cell));
        }
    }
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    if let Some(most) = most {
        fit(columns, &mut cells, &mut shown, most);
    }
    let line = |row: &[String], is_title: bool| {
        let mut line = String::new();
        for (place, &column) in shown.iter().enumerate() {
            let Some(cell) = row.get(column) else { continue };
            let (title, number) = columns[column];
            // Sentences, which have no title, wrap instead.
            let text = if title.is_empty() { cell.clone() } else { cut(cell, cells[column]) };
            let spaces = pad("", cells[column].saturating_sub(width(&text)), false);
            let colour = (title == "STATE" && !is_title).then(|| Colour::of_state(&text)).flatten();
            let text = paint(&text, colour);
            line += &" ".repeat(if place == 0 { 0 } else { GAP });
            line += &if number { spaces + &text } else { text + &spaces };
        }
        line.truncate(line.trim_end().len());
        line
    };
    let lines: Vec<String> =
        std::iter::once(line(&titles, true)).chain(rows.iter().map(|row| line(row, false))).collect();
    let left_out = (0..columns.len()).filter(|column| !shown.contains(column));
    let left_out = left_out.map(|column| titles[column].clone()).collect();
    (lines.join("\n"), left_out)
}

/// Cuts the widest of the columns that may be cut, and leaves out what may be, until all fit into `most` cells.
fn fit(columns: &[Column], cells: &mut [usize], shown: &mut Vec<usize>, most: usize) {
    let cuttable = |column: usize| {
        let (title, number) = columns[column];
        !number && !WHOLE.contains(&title)
    };
    let over = |cells: &[usize], shown: &[usize], least: usize| {
        let least = |column: usize| if cuttable(column) { cells[column].min(least) } else { cells[column] };
        let cells: usize = shown.iter().map(|&column| least(column)).sum();
        (cells + GAP * shown.len().saturating_sub(1)).saturating_sub(most)
    };
    // A column of sentences is as wide as the terminal lets it be.
    for column in shown.iter().filter(|&&column| columns[column].0.is_empty()) {
        cells[*column] = 0;
    }
    for title in SPARE {
        if over(cells, shown, LEAST[0]) == 0 {
            break;
        }
        shown.retain(|&column| columns[column].0 != title);
    }
    let least = LEAST[usize::from(over(cells, shown, LEAST[0]) > 0)];
    while over(cells, shown, usize::MAX) > 0 {
        let widest =
            shown.iter().copied().filter(|&column| cuttable(column)).max_by_key(|&column| cells[column]);
        match widest {
            Some(column) if cells[column] > least => cells[column] -= 1,
            _ => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::ring::COLUMNS as RING;

    fn ring(name: &str) -> Vec<String> {
        [name, "0123456789", "host.example.net:7300", "21.3 %", "100000+200000", "12345", "suspected"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn tables_are_aligned_and_safe() {
        let rows = [vec!["a".to_owned(), "12".to_owned()], vec!["b\u{7}".to_owned(), "3".to_owned()]];
        let (text, _) = fitted(&[("name", false), ("files", true)], rows, None);
        assert_eq!(text, "name    files\na          12\nb\\u{7}      3");
    }

    #[test]
    fn nothing_is_cut_where_there_is_room_or_no_terminal() {
        let name = "a name ".repeat(40);
        for most in [None, Some(400)] {
            let (text, left_out) = fitted(&RING, [ring(&name)], most);
            assert!(text.contains(&name) && left_out.is_empty(), "{text}");
        }
    }

    #[test]
    fn every_line_fits_and_numbers_and_ids_stay_whole() {
        let names = [
            "p1",
            "年度报告二〇二六年度报告二〇二六",
            "🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀",
            "a\u{202e}b\u{1b}[2Jc\n\td",
            "e\u{301}",
        ];
        let rows = || names.iter().map(|name| ring(name)).chain([ring(&"long".repeat(60))]);
        for most in [40, 60, 80, 200] {
            let (text, left_out) = fitted(&RING, rows(), Some(most));
            let widest = text.lines().map(width).max();
            assert!(widest <= Some(most), "{most}, {widest:?}:\n{text}");
            assert!(
                text.lines().skip(1).all(|line| line.contains("21.3 %") && line.contains("100000+200000")),
                "{text}"
            );
            assert!(left_out.contains(&"ID".to_owned()) || text.matches("0123456789").count() == 6, "{text}");
            assert_eq!(left_out.is_empty(), most >= 80, "{most}: {left_out:?}");
            assert!(
                text.contains('…') && text.lines().skip(1).all(|line| line.ends_with("suspected")),
                "{text}"
            );
        }
    }

    #[test]
    fn sentences_are_left_to_wrap() {
        let rows = [vec!["trouble".to_owned(), "a long story ".repeat(20).trim().to_owned()]];
        let (text, _) = fitted(&[("p1", false), ("", false)], rows, Some(40));
        assert!(!text.contains('…') && text.contains("trouble  a long story"), "{text}");
    }
}
