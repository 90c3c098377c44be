//! Which bytes of a file a request wants: RFC 9110's `Range`, one range of bytes.

/// What a `Range` header means for a file of a known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it. Also where the header is malformed, has another unit, or asks for several ranges: a
    /// server may ignore those, and the whole file is right for everybody.
    Whole,
    /// `length` bytes (at least 1) from `offset` on, all within the file.
    Part {
        /// The first byte.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// No byte of the range lies within the file.
    Unsatisfiable,
}

/// Reads the value of a `Range` header for a file of `size` bytes.
pub fn wanted(header: &str, size: u64) -> Wanted {
    match parse(header) {
        None => Wanted::Whole,
        Some(Spec::Last(0)) => Wanted::Unsatisfiable,
        // Satisfiable, but no `Content-Range` can say it.
        Some(Spec::Last(_)) if size == 0 => Wanted::Whole,
        Some(Spec::Last(count)) => {
            let length = count.min(size);
            Wanted::Part { offset: size - length, length }
        }
        Some(Spec::From(first, _)) if first >= size => Wanted::Unsatisfiable,
        Some(Spec::From(first, last)) => {
            let last = last.unwrap_or(u64::MAX).min(size - 1);
            Wanted::Part { offset: first, length: last - first + 1 }
        }
    }
}

enum Spec {
    /// `first-last`, `first-`.
    From(u64, Option<u64>),
    /// `-count`.
    Last(u64),
}

fn parse(header: &str) -> Option<Spec> {
    let (unit, set) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    match (first, last) {
        ("", count) => Some(Spec::Last(number(count)?)),
        (first, "") => Some(Spec::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
    }
}

/// Digits only; a number beyond 64 bits is as good as the largest, as no file has so many bytes.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(offset: u64, length: u64) -> Wanted {
        Wanted::Part { offset, length }
    }

    #[test]
    fn one_range_of_bytes_is_cut_to_the_file() {
        assert_eq!(wanted("bytes=0-0", 10), part(0, 1));
        assert_eq!(wanted("bytes=2-5", 10), part(2, 4));
        assert_eq!(wanted("bytes=2-", 10), part(2, 8));
        assert_eq!(wanted("bytes=2-99", 10), part(2, 8));
        assert_eq!(wanted("bytes=-3", 10), part(7, 3));
        assert_eq!(wanted("bytes=-99", 10), part(0, 10));
        assert_eq!(wanted("BYTES = 9-9 ", 10), part(9, 1));
        assert_eq!(wanted("bytes=1-99999999999999999999999", 10), part(1, 9));
    }

    #[test]
    fn a_range_outside_of_the_file_cannot_be_satisfied() {
        for header in ["bytes=10-", "bytes=10-20", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(wanted(header, 10), Wanted::Unsatisfiable, "{header}");
        }
        for header in ["bytes=0-", "bytes=0-0", "bytes=-0"] {
            assert_eq!(wanted(header, 0), Wanted::Unsatisfiable, "{header} of an empty file");
        }
        assert_eq!(wanted("bytes=-1", 0), Wanted::Whole);
    }

    #[test]
    fn what_makes_no_sense_means_the_whole_file() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=1-2,4-5",
            "lines=1-2",
            "bytes=--1",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1 - 2",
            "=1-2",
        ] {
            assert_eq!(wanted(header, 10), Wanted::Whole, "{header:?}");
        }
    }
}
