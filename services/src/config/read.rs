//! Reads single values out of the merged layers, collecting every problem instead of stopping at the first.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::layers::Layers;
use super::size;

/// Reads typed values and keeps what is wrong with them.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    pub(super) problems: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a Layers) -> Reader<'a> {
        Reader { layers, problems: layers.problems.clone() }
    }

    /// The value as typed; empty where it is not set.
    pub(super) fn text(&self, path: &str) -> String {
        self.layers.value(path).0
    }

    /// Says that the value at `path` is wrong, with its origin.
    pub(super) fn refuse(&mut self, path: &str, why: impl Display) {
        let (text, origin) = self.layers.value(path);
        // What is typed may be anything: quoted, so that it cannot garble a terminal, and cut.
        let shown: String = text.chars().take(200).collect();
        self.problems.push(format!("{origin}: `{path} = {shown:?}`: {why}"));
    }

    /// A value by a parser of its own, `fallback` standing in for a wrong one.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        path: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        fallback: T,
    ) -> T {
        match parse(&self.text(path)) {
            Ok(value) => value,
            Err(why) => {
                self.refuse(path, why);
                fallback
            }
        }
    }

    /// As [`Reader::parsed`]; none where the value is not set.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        path: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.text(path).is_empty() {
            return None;
        }
        self.parsed(path, |text| parse(text).map(Some), None)
    }

    /// Several values, separated by commas; wrong ones are left out.
    pub(super) fn list<T, E: Display>(&mut self, path: &str, parse: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        let text = self.text(path);
        let (mut values, mut wrong) = (Vec::new(), Vec::new());
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match parse(item) {
                Ok(value) => values.push(value),
                Err(why) => wrong.push(why),
            }
        }
        wrong.iter().for_each(|why| self.refuse(path, why));
        values
    }

    /// A whole number within bounds; the lower bound stands in for a wrong one.
    pub(super) fn integer<T>(&mut self, path: &str, bounds: RangeInclusive<T>) -> T
    where
        T: TryFrom<i128> + Into<i128> + Copy + PartialOrd + Display,
    {
        let (low, high) = (*bounds.start(), *bounds.end());
        let parse = |text: &str| {
            let number: i128 =
                text.parse().map_err(|_| format!("must be a whole number, {low} to {high}"))?;
            let fits = T::try_from(number).ok().filter(|number| bounds.contains(number));
            fits.ok_or_else(|| format!("must be {low} to {high}"))
        };
        self.parsed(path, parse, low)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, path: &str) -> bool {
        let parse = |text: &str| text.parse::<bool>().map_err(|_| "must be true or false");
        self.parsed(path, parse, false)
    }

    /// A duration with its unit, within bounds; the lower bound stands in for a wrong one.
    pub(super) fn duration(&mut self, path: &str, bounds: RangeInclusive<Duration>) -> Duration {
        let range = format!(
            "{} to {}",
            humantime::format_duration(*bounds.start()),
            humantime::format_duration(*bounds.end())
        );
        let parse = |text: &str| {
            let duration = humantime::parse_duration(text).map_err(|error| {
                format!("must be a duration with its unit, such as \"1s\" or \"250ms\" ({error})")
            })?;
            if bounds.contains(&duration) { Ok(duration) } else { Err(format!("must be {range}")) }
        };
        self.parsed(path, parse, *bounds.start())
    }

    /// A number of bytes with its unit; 0 stands in for a wrong one.
    pub(super) fn size(&mut self, path: &str) -> u64 {
        self.parsed(path, size::parse, 0)
    }
}
