//! Results as a table of Markdown.

/// Prints what the columns are.
pub fn header(columns: &[&str]) {
    println!("| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
}

/// Prints one line.
pub fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

/// A number with its thousands set apart.
pub fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let lead = digits.len() % 3;
    let groups = (0..digits.len()).map(|at| if at > 0 && at % 3 == lead { "," } else { "" });
    groups.zip(digits.chars()).map(|(comma, digit)| format!("{comma}{digit}")).collect()
}

/// Bytes as people read them.
pub fn bytes(value: u64) -> String {
    match value {
        0..10_000 => format!("{value} B"),
        10_000..10_000_000 => format!("{:.1} kB", value as f64 / 1e3),
        _ => format!("{:.1} MB", value as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([1.0, 12.0, 123.0, 1234.0, 123456.0].map(number), ["1", "12", "123", "1,234", "123,456"]);
    }
}
