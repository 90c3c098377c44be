//! Metric families as text: taken apart, put together from several processes, and written in either of the forms
//! that Prometheus reads. No family and no series is there twice, which both forms forbid.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use http::HeaderValue;

/// Families of one process at most: what is beyond is left out.
const FAMILIES: usize = 512;

/// A form in which families are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus' own text, 0.0.4.
    Plain,
}

impl Form {
    /// Both.
    pub const ALL: [Form; 2] = [Form::OpenMetrics, Form::Plain];

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The one that a request with these `Accept` headers prefers. Without a wish for OpenMetrics it is the plain
    /// text, which every collector and every person can read.
    pub fn preferred<'a>(accept: impl IntoIterator<Item = &'a HeaderValue>) -> Form {
        let (mut open, mut plain) = (0.0, 0.0);
        let ranges = accept.into_iter().filter_map(|value| value.to_str().ok());
        for range in ranges.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0_f32, "");
            for (key, value) in parts.filter_map(|part| part.split_once('=')) {
                match key.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => version = value.trim().trim_matches('"'),
                    _ => {}
                }
            }
            match (media.as_str(), version) {
                ("application/openmetrics-text", "" | "1.0.0" | "0.0.1") => open = quality.max(open),
                ("text/plain", "" | "0.0.4") | ("text/*" | "*/*", _) => plain = quality.max(plain),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain { Form::OpenMetrics } else { Form::Plain }
    }
}

/// Metric families by name.
#[derive(Debug, Default)]
pub struct Families(BTreeMap<String, Family>);

#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    unit: String,
    samples: Vec<String>,
    /// Names and labels of the samples.
    series: HashSet<String>,
}

impl Families {
    /// Adds what stands in an OpenMetrics text. Of a series that is here already the first stays, and so does what a
    /// family is. Lines of no family are passed over.
    pub fn add(&mut self, text: &str) {
        // Of this text: lines of a family that is known already are another process's, and belong to it, too.
        let mut name = String::new();
        for line in text.lines() {
            let mut words = line.splitn(4, ' ');
            let field = match (words.next(), words.next()) {
                (Some("#"), field @ Some("HELP" | "TYPE" | "UNIT")) => field,
                (Some("#"), _) => continue,
                _ => None,
            };
            let Some(field) = field else {
                if let Some(family) = self.0.get_mut(&name) {
                    family.sample(&name, line);
                }
                continue;
            };
            let Some(of) = words.next() else { continue };
            let value = words.next().unwrap_or_default();
            name = of.to_owned();
            if self.0.len() >= FAMILIES && !self.0.contains_key(of) {
                continue;
            }
            let family = self.0.entry(of.to_owned()).or_default();
            let place = match field {
                "HELP" => &mut family.help,
                "TYPE" => &mut family.kind,
                _ => &mut family.unit,
            };
            if place.is_empty() {
                *place = value.to_owned();
            }
        }
    }

    /// The whole as text.
    pub fn write(&self, form: Form) -> String {
        let mut text = String::new();
        for (name, family) in self.0.iter().filter(|(_, family)| !family.samples.is_empty()) {
            let Family { kind, help, unit, samples, .. } = family;
            let (name, kind) = match form {
                Form::OpenMetrics => (name.clone(), kind.as_str()),
                Form::Plain => plain(name, kind),
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "# HELP {name} {help}");
            let _ = writeln!(text, "# TYPE {name} {kind}");
            if form == Form::OpenMetrics && !unit.is_empty() {
                let _ = writeln!(text, "# UNIT {name} {unit}");
            }
            for sample in samples {
                text.push_str(sample);
                text.push('\n');
            }
        }
        if form == Form::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }
}

impl Family {
    fn sample(&mut self, name: &str, line: &str) {
        // A label's value may hold blanks; what follows it, a number, may not.
        let series = match line.rfind('}') {
            Some(end) => &line[..=end],
            None => line.split(' ').next().unwrap_or_default(),
        };
        if series.starts_with(name) && self.series.insert(series.to_owned()) {
            self.samples.push(line.to_owned());
        }
    }
}

/// What the plain form calls a family, where each is named as its samples are, and knows fewer kinds.
fn plain<'a>(name: &str, kind: &'a str) -> (String, &'a str) {
    match kind {
        "counter" => (format!("{name}_total"), kind),
        "info" => (format!("{name}_info"), "gauge"),
        "unknown" => (name.to_owned(), "untyped"),
        _ => (name.to_owned(), kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHORD: &str = "\
# HELP chord_calls Calls.
# TYPE chord_calls counter
chord_calls_total{service=\"chord\",method=\"a b}\"} 3
# HELP chord_build What runs.
# TYPE chord_build info
chord_build_info{version=\"1\"} 1
# HELP chord_took_seconds Time.
# TYPE chord_took_seconds histogram
# UNIT chord_took_seconds seconds
chord_took_seconds_sum 0.5
chord_took_seconds_bucket{le=\"+Inf\"} 1
";
    const CATALOG: &str = "\
# HELP chord_calls Calls.
# TYPE chord_calls counter
chord_calls_total{service=\"catalog\",method=\"a b}\"} 4
chord_calls_total{service=\"chord\",method=\"a b}\"} 9
# HELP chord_build What runs.
# TYPE chord_build info
chord_build_info{version=\"1\"} 1
# HELP chord_none Nothing.
# TYPE chord_none gauge
";

    #[test]
    fn families_of_several_processes_become_one_text() {
        let mut families = Families::default();
        families.add(CHORD);
        families.add(CATALOG);
        families.add("free text\n# EOF\n\n#\n# TYPE\nchord_calls_total 5\n");
        let open = "\
# HELP chord_build What runs.
# TYPE chord_build info
chord_build_info{version=\"1\"} 1
# HELP chord_calls Calls.
# TYPE chord_calls counter
chord_calls_total{service=\"chord\",method=\"a b}\"} 3
chord_calls_total{service=\"catalog\",method=\"a b}\"} 4
# HELP chord_took_seconds Time.
# TYPE chord_took_seconds histogram
# UNIT chord_took_seconds seconds
chord_took_seconds_sum 0.5
chord_took_seconds_bucket{le=\"+Inf\"} 1
# EOF
";
        assert_eq!(families.write(Form::OpenMetrics), open);
        let plain = families.write(Form::Plain);
        for line in [
            "# HELP chord_calls_total Calls.",
            "# TYPE chord_calls_total counter",
            "# TYPE chord_build_info gauge",
            "# TYPE chord_took_seconds histogram",
            "chord_took_seconds_sum 0.5",
        ] {
            assert!(plain.lines().any(|other| other == line), "{line} is missing in:\n{plain}");
        }
        assert!(!plain.contains("EOF") && !plain.contains("UNIT"), "{plain}");
    }

    #[test]
    fn no_text_is_too_long_for_it() {
        let mut families = Families::default();
        for number in 0..FAMILIES * 2 {
            families.add(&format!("# TYPE f{number} gauge\nf{number} 1\n"));
        }
        assert_eq!(families.write(Form::Plain).matches("# TYPE").count(), FAMILIES);
    }

    #[test]
    fn a_collector_gets_the_form_that_it_prefers() {
        let form = |accept: &'static str| Form::preferred([&HeaderValue::from_static(accept)]);
        assert_eq!(Form::preferred([]), Form::Plain);
        for plain in
            ["*/*", "text/plain", "application/json", "text/plain;version=0.0.4, */*;q=0.1", "garbage;;"]
        {
            assert_eq!(form(plain), Form::Plain, "{plain}");
        }
        // Prometheus 2.42 and 3.5.
        let older = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                     text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let newer = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                     application/openmetrics-text;version=0.0.1;q=0.5,\
                     text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for open in
            [older, newer, "application/openmetrics-text", "Application/OpenMetrics-Text; Version=\"1.0.0\""]
        {
            assert_eq!(form(open), Form::OpenMetrics, "{open}");
        }
        assert_eq!(form("application/openmetrics-text;q=0"), Form::Plain);
        assert_eq!(form("application/openmetrics-text;version=9.0.0"), Form::Plain);
        assert_eq!(form("application/openmetrics-text;q=0.1, text/plain"), Form::Plain);
    }
}
