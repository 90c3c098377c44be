//! A table of figures: text for people, and whether each row reached its target.

use std::fmt::Write as _;

/// One table of figures, ours beside published ones.
#[derive(Clone, Debug)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// How it was measured: what is counted, with which settings.
    pub notes: Vec<String>,
    /// The heads of the columns.
    pub columns: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// One row of a table.
#[derive(Clone, Debug)]
pub struct Row {
    /// One cell for each column.
    pub cells: Vec<String>,
    /// What keeps the row from its target; empty: it reached it, or has none.
    pub missed: Vec<String>,
}

impl Row {
    /// A row without a target.
    pub fn new(cells: Vec<String>) -> Row {
        Row { cells, missed: Vec::new() }
    }

    /// Adds a target; `what` names it where it is not met.
    #[must_use]
    pub fn target(mut self, met: bool, what: impl Into<String>) -> Row {
        if !met {
            self.missed.push(what.into());
        }
        self
    }
}

impl Table {
    /// All that is not as it should be, one line each.
    pub fn missed(&self) -> Vec<String> {
        let of_row = |row: &Row| {
            let first = row.cells.first().cloned().unwrap_or_default();
            row.missed.iter().map(move |what| format!("{first}: {what}")).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(of_row).collect()
    }

    /// Aligned text.
    pub fn text(&self) -> String {
        let heads: Vec<String> = self.columns.iter().map(|head| (*head).to_owned()).collect();
        let lines: Vec<&[String]> =
            std::iter::once(&heads[..]).chain(self.rows.iter().map(|row| &row.cells[..])).collect();
        let width =
            |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|c| c.chars().count()).max();
        let widths: Vec<usize> = (0..heads.len()).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = format!("{}\n", self.title);
        for (number, line) in lines.iter().enumerate() {
            let cells: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
            if number == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                let _ = writeln!(text, "  {}", rule.join("  "));
            }
        }
        self.close(text, "  ")
    }

    /// A table of Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n| {} |\n", self.title, self.columns.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(self.columns.len()));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.cells.join(" | "));
        }
        text.push('\n');
        self.close(text, "")
    }

    fn close(&self, mut text: String, indent: &str) -> String {
        for note in &self.notes {
            let _ = writeln!(text, "{indent}{note}");
        }
        for missed in self.missed() {
            let _ = writeln!(text, "{indent}**Missed**: {missed}");
        }
        text
    }
}

/// What was measured of many lookups: mean, and percentiles.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    sorted: Vec<f64>,
}

impl Sample {
    /// The mean; 0 of nothing.
    pub fn mean(&self) -> f64 {
        // The sum of nothing is -0.
        (self.sorted.iter().sum::<f64>() + 0.0) / self.sorted.len().max(1) as f64
    }

    /// The value that so many percent do not exceed; 0 of nothing.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.sorted.len() * percent).div_ceil(100).max(1) - 1;
        self.sorted.get(at).copied().unwrap_or(0.0)
    }

    /// The mean, and the 1st and 99th percentile in brackets, as the papers print it.
    pub fn as_in_papers(&self) -> String {
        format!("{:.2} ({}, {})", self.mean(), self.percentile(1), self.percentile(99))
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Sample {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Sample { sorted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occur() {
        let sample: Sample = (1..=200).map(f64::from).collect();
        assert_eq!(sample.as_in_papers(), "100.50 (2, 198)");
        assert_eq!(Sample::default().as_in_papers(), "0.00 (0, 0)");
    }

    #[test]
    fn a_missed_target_is_named_with_its_row() {
        let row = Row::new(vec!["10 %".into(), "9".into()]).target(true, "a").target(false, "one is wrong");
        let table = Table { title: "T".into(), notes: vec![], columns: vec!["failed", "n"], rows: vec![row] };
        assert_eq!(table.missed(), ["10 %: one is wrong"]);
        assert!(table.text().contains("  failed  n\n  ------  -\n  10 %    9\n"));
        assert!(table.markdown().contains("| failed | n |\n|---|---|\n| 10 % | 9 |\n"));
    }
}
