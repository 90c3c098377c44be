//! The only place that prints. Results go to standard output, everything else to standard error. What came
//! from a peer may hold any character: each such text is [`safe`] before it is part of a line, and nothing that
//! could move a terminal's cursor or turn its text around leaves this module.

pub mod paint;
pub mod screen;
mod table;
pub mod width;
mod wrap;

use std::io::{self, Write};

use chord_client::ClientError;
use chord_client::text::{json, lines, shown};
use serde::Serialize;

use crate::args::Format;
use paint::escaped;
use screen::screen;
pub use table::{Column, table};

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
            Format::Table => {
                let text = escaped(&people(view), lines);
                screen().width.map_or_else(|| text.clone(), |most| wrap::wrap(&text, most))
            }
            Format::Json => json(&serde_json::to_string_pretty(view).map_err(no_form)?).into_owned(),
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        print(text.as_bytes())
    }

    /// Prints a part of a result that programs get as a whole later.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub fn for_people(&self, text: &str) -> Result<(), ClientError> {
        match self.format {
            Format::Table => print(lines(text).as_bytes()),
            Format::Json => Ok(()),
        }
    }

    /// Prints the view on a line of its own, as JSON or as what `people` makes of it. False: the reader has gone away.
    ///
    /// # Errors
    /// Where standard output takes no more.
    pub fn line<T: Serialize>(
        &self,
        view: &T,
        people: impl FnOnce(&T) -> String,
    ) -> Result<bool, ClientError> {
        let mut text = match self.format {
            Format::Table => escaped(&people(view), shown),
            Format::Json => json(&serde_json::to_string(view).map_err(no_form)?).into_owned(),
        };
        text.push('\n');
        write(text.as_bytes())
    }

    /// Prints the view on a line of its own where programs read, and nothing for people. False: the reader has gone
    /// away.
    ///
    /// # Errors
    /// Where standard output takes no more.
    pub fn json_line<T: Serialize>(&self, view: &T) -> Result<bool, ClientError> {
        match self.format {
            Format::Table => Ok(true),
            Format::Json => self.line(view, |_| String::new()),
        }
    }
}

fn no_form(error: serde_json::Error) -> ClientError {
    ClientError::Failed(format!("the answer has no JSON form: {error}"))
}

/// Writes a result to standard output.
///
/// # Errors
/// Where that takes no more. A reader that has gone away is no error.
pub fn print(bytes: &[u8]) -> Result<(), ClientError> {
    write(bytes).map(drop)
}

/// As [`print()`]; false: the reader has gone away.
fn write(bytes: &[u8]) -> Result<bool, ClientError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(ClientError::Failed(format!("cannot write to standard output: {error}"))),
    }
}

/// Says something on standard error; lines stay lines.
pub fn note(text: &str) {
    // Nobody is left to be told that standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{}", lines(text.trim_end_matches('\n')));
}

/// An error, on standard error.
pub fn complain(text: &str) {
    note(&format!("chord-cli: {text}"));
}

/// What came from outside, as a part of a line (see [`chord_client::text`]).
pub fn safe(text: &str) -> String {
    shown(text).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let shown = [0, 1023, 1024, 1_048_575, 48_213, u64::MAX].map(size);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "47.1 KiB", "16.0 EiB"]);
    }
}
