//! Numbers of bytes as people write them: `10GiB`, `500MB`, `0`.

/// Units in lower case, with their bytes.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
];

/// The bytes that `text` means: a whole number and a unit, in letters of any case, with a space between them
/// or without.
///
/// # Errors
/// What it must look like.
pub(crate) fn parse(text: &str) -> Result<u64, &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let bytes = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes);
    match (number.parse::<u64>(), bytes) {
        (Ok(number), Some(bytes)) => number.checked_mul(bytes).ok_or("is more than 64 bits of bytes"),
        _ => Err(
            "must be a whole number of bytes with its unit, such as \"10GiB\" or \"500MB\"; \"0\": no limit",
        ),
    }
}

/// `bytes` for people, in the largest binary unit in which they are a whole number.
pub fn show(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let whole = units.into_iter().find(|(_, shift)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    whole.map_or_else(|| format!("{bytes} bytes"), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_mean_what_they_say() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("1KiB", 1024),
            ("1kB", 1000),
            ("10 GiB", 10 << 30),
            ("500mb", 500_000_000),
            ("2TiB", 2 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "B", "-1", "1.5GiB", "1G", "1 2", "10 elephants", "GiB10", "99999999999999999999"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("99999999TiB"), Err("is more than 64 bits of bytes"));
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for (bytes, text) in [(10 << 30, "10GiB"), (1536, "1536 bytes"), (0, "0 bytes"), (3 << 20, "3MiB")] {
            assert_eq!(show(bytes), text);
            assert_eq!(parse(&text.replace("bytes", "B")), Ok(bytes));
        }
    }
}
