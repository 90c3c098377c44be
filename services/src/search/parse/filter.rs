//! Filters: `name:value`.

use std::time::{SystemTime, UNIX_EPOCH};

use chord::index::{What, is_word_char};

use super::{QueryError, case_folded};
use crate::config::parse_size;

/// What a filter is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Extension,
    Size,
    Newer,
    Older,
    Peer,
}

impl Filter {
    const ALL: [Filter; 5] = [Filter::Extension, Filter::Size, Filter::Newer, Filter::Older, Filter::Peer];

    fn name(self) -> &'static str {
        match self {
            Filter::Extension => "ext",
            Filter::Size => "size",
            Filter::Newer => "newer",
            Filter::Older => "older",
            Filter::Peer => "peer",
        }
    }

    fn accepted(self) -> &'static str {
        match self {
            Filter::Extension => "give one ending of names, such as ext:pdf or ext:tar.gz",
            Filter::Size => {
                "give a size such as size:>10MB, size:<=1GiB, size:500kB..2MB or size:0; units are B, kB, MB, GB, TB, \
                 KiB, MiB, GiB and TiB"
            }
            Filter::Newer => {
                "give a time such as newer:7d (units are s, min, h, d, w, month and y), or a day such as \
                 newer:2026-11-22"
            }
            Filter::Older => {
                "give a time such as older:2w (units are s, min, h, d, w, month and y), or a day such as \
                 older:2026-11-22"
            }
            Filter::Peer => "give a peer's name, or the first digits of its identifier",
        }
    }

    /// The filter that a term begins with, and all that follows its colon.
    pub(super) fn strip(term: &str) -> Option<(Filter, &str)> {
        let (name, value) = term.split_once(':')?;
        let filter = Filter::ALL.into_iter().find(|filter| name.eq_ignore_ascii_case(filter.name()))?;
        Some((filter, value))
    }
}

/// The conditions that a filter sets.
///
/// # Errors
/// A value that means nothing.
pub(super) fn conditions(
    filter: Filter,
    value: &str,
    exclude: bool,
    now: SystemTime,
) -> Result<Vec<What>, QueryError> {
    let bad = |accepted| QueryError::BadFilter { filter: filter.name(), value: value.to_owned(), accepted };
    let what = match filter {
        Filter::Extension => extension(value).map(|what| vec![what]),
        Filter::Size => size(value),
        Filter::Newer => instant(value, now).map(|instant| vec![What::Since(instant)]),
        Filter::Older => instant(value, now).map(|instant| vec![What::Before(instant)]),
        Filter::Peer => Some(vec![What::Peer(value.into())]).filter(|_| !value.is_empty()),
    };
    let what = what.ok_or_else(|| bad(filter.accepted()))?;
    // To exclude both conditions one by one would exclude all that is larger and all that is smaller.
    if exclude && what.len() > 1 {
        return Err(bad("only one bound can be excluded, such as -size:>10MB"));
    }
    Ok(what)
}

fn extension(value: &str) -> Option<What> {
    let value = value.strip_prefix('.').unwrap_or(value);
    let odd = |c: char| matches!(c, '*' | '?' | ',' | '/') || c.is_whitespace();
    if value.contains(odd) || !value.contains(is_word_char) {
        return None;
    }
    Some(What::Extension(case_folded(value).into()))
}

fn size(value: &str) -> Option<Vec<What>> {
    let size = |text: &str| parse_size(text).ok();
    Some(if let Some((from, to)) = value.split_once("..") {
        let (from, to) = (size(from)?, size(to)?);
        if from > to {
            return None;
        }
        vec![What::AtLeast(from), What::AtMost(to)]
    } else if let Some(least) = value.strip_prefix(">=") {
        vec![What::AtLeast(size(least)?)]
    } else if let Some(most) = value.strip_prefix("<=") {
        vec![What::AtMost(size(most)?)]
    } else if let Some(less) = value.strip_prefix('>') {
        vec![What::AtLeast(size(less)?.checked_add(1)?)]
    } else if let Some(more) = value.strip_prefix('<') {
        vec![What::AtMost(size(more)?.checked_sub(1)?)]
    } else {
        let exactly = size(value)?;
        vec![What::AtLeast(exactly), What::AtMost(exactly)]
    })
}

/// So long before now, or the beginning of a day, in milliseconds since 1970-01-01 UTC.
fn instant(value: &str, now: SystemTime) -> Option<i64> {
    let instant = if value.len() == 10 && value.as_bytes()[4] == b'-' {
        humantime::parse_rfc3339(&format!("{value}T00:00:00Z")).ok()?
    } else {
        // A time before 1970 is as good as 1970.
        now.checked_sub(humantime::parse_duration(value).ok()?).unwrap_or(UNIX_EPOCH)
    };
    let since = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).ok()
}
