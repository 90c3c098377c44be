//! Validators of a file and what a conditional request makes of them: `ETag`, `Last-Modified`, `If-Match`,
//! `If-Unmodified-Since`, `If-None-Match`, `If-Modified-Since`, `Range` and `If-Range`, in the order of RFC 9110
//! §13.2.2.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chord_client::views::hex;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use http::{HeaderMap, HeaderName, Method};

use super::range::{Wanted, wanted};

/// The last second of the year 9999, behind which HTTP dates have no form.
const LAST_SECOND: u64 = 253_402_300_799;

/// What identifies one state of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Bytes.
    pub size: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub modified_ms: i64,
    /// BLAKE3, 32 bytes; empty until it is computed.
    pub digest: Vec<u8>,
}

/// What to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// 412: the caller wants a state that is gone.
    PreconditionFailed,
    /// 304: the caller has it.
    NotModified,
    /// 200, 206 or 416.
    Send(Wanted),
}

/// The condition of a request that stores a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// None: only a new file is stored.
    None,
    /// One of these states is there, and is to be replaced; `*`: any.
    IfMatch(String),
    /// None of these states is there; `*`: no file at all.
    IfNoneMatch(String),
}

impl Condition {
    /// What the headers say; `If-Match` comes first.
    pub fn of(headers: &HeaderMap) -> Self {
        let if_match = field(headers, &IF_MATCH).map(Self::IfMatch);
        if_match.or_else(|| field(headers, &IF_NONE_MATCH).map(Self::IfNoneMatch)).unwrap_or(Self::None)
    }

    /// Whether it is about any file, whatever its state: `*`.
    pub fn is_any(&self) -> bool {
        matches!(self, Self::IfMatch(tags) | Self::IfNoneMatch(tags) if tags.trim() == "*")
    }

    /// Whether it holds of what is there.
    pub fn holds(&self, state: Option<&State>) -> bool {
        match (self, state) {
            (Self::IfMatch(tags), Some(state)) => state.is_among(tags),
            (Self::IfMatch(_), None) => false,
            (Self::IfNoneMatch(tags), Some(state)) => !state.matches(tags),
            (Self::None, _) | (Self::IfNoneMatch(_), None) => true,
        }
    }
}

impl State {
    /// Strong, the digest itself, or weak as long as that is not known.
    pub fn etag(&self) -> String {
        match self.digest.as_slice() {
            [] => format!("W/\"{:x}-{:x}\"", self.size, self.modified_ms),
            digest => format!("\"{}\"", hex(digest)),
        }
    }

    /// The time of the last change as HTTP writes it, in whole seconds. `None` as long as that second lasts: who
    /// got it now could not tell this state from the next one.
    pub fn last_modified(&self) -> Option<String> {
        let modified = self.modified();
        (modified + Duration::from_secs(1) <= SystemTime::now()).then(|| httpdate::fmt_http_date(modified))
    }

    fn modified(&self) -> SystemTime {
        let seconds = u64::try_from(self.modified_ms).unwrap_or(0) / 1000;
        UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND))
    }

    /// What a request with these headers gets.
    pub fn plan(&self, method: &Method, headers: &HeaderMap) -> Plan {
        let date = |name| field(headers, name).and_then(|date| httpdate::parse_http_date(&date).ok());
        let meant = match field(headers, &IF_MATCH) {
            Some(tags) => self.is_among(&tags),
            None => date(&IF_UNMODIFIED_SINCE).is_none_or(|date| self.modified() <= date),
        };
        if !meant {
            return Plan::PreconditionFailed;
        }
        let not_modified = match field(headers, &IF_NONE_MATCH) {
            Some(tags) => self.matches(&tags),
            None => date(&IF_MODIFIED_SINCE).is_some_and(|date| self.modified() <= date),
        };
        if not_modified {
            return Plan::NotModified;
        }
        if method != Method::GET || !field(headers, &IF_RANGE).is_none_or(|of| self.is_the_one(&of)) {
            return Plan::Send(Wanted::Whole);
        }
        let range = match headers.get_all(RANGE).iter().count() {
            1 => field(headers, &RANGE),
            _ => None,
        };
        Plan::Send(range.map_or(Wanted::Whole, |range| wanted(&range, self.size)))
    }

    /// Whether one of `tags` is this state's, by the weak comparison.
    fn matches(&self, tags: &str) -> bool {
        lists_weakly(tags, &self.etag())
    }

    /// The same by the strong comparison: a weak validator never is.
    fn is_among(&self, tags: &str) -> bool {
        tags.trim() == "*" || !self.digest.is_empty() && lists(tags, &self.etag())
    }

    /// Whether the validator of an `If-Range` is this very state's, by the strong comparison.
    fn is_the_one(&self, validator: &str) -> bool {
        let validator = validator.trim();
        match validator.starts_with('"') {
            true => !self.digest.is_empty() && validator == self.etag(),
            false => self.last_modified().is_some_and(|date| date == validator),
        }
    }
}

/// Whether the strong validator `own` is one of `tags`, or these are `*`, by the strong comparison.
pub fn lists(tags: &str, own: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|tag| tag.trim() == own)
}

/// The same by the weak comparison, which does not look at `W/`.
pub fn lists_weakly(tags: &str, own: &str) -> bool {
    let bare = |tag: &str| tag.trim().strip_prefix("W/").unwrap_or(tag.trim()).to_owned();
    tags.trim() == "*" || tags.split(',').any(|tag| bare(tag) == bare(own))
}

/// All fields of that name as one list; `None` where there is none, or one is no text.
pub fn field(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Result<Vec<&str>, _> = headers.get_all(name).iter().map(|value| value.to_str()).collect();
    values.ok().filter(|values| !values.is_empty()).map(|values| values.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State { size: 10, modified_ms: 784_111_777_500, digest: vec![0xab; 32] }
    }

    fn plan(headers: &[(HeaderName, &'static str)]) -> Plan {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        state().plan(&Method::GET, &headers)
    }

    const TAG: &str = r#""abababababababababababababababababababababababababababababababab""#;
    const WHOLE: Plan = Plan::Send(Wanted::Whole);
    const PART: Plan = Plan::Send(Wanted::Part { offset: 1, length: 2 });

    #[test]
    fn validators_say_what_is_known() {
        assert_eq!(state().etag(), TAG);
        assert_eq!(state().last_modified().unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        let unknown = State { digest: Vec::new(), ..state() };
        assert!(unknown.etag().starts_with("W/\"a-"));
        for modified_ms in [i64::MIN, -1] {
            assert!(State { modified_ms, ..state() }.last_modified().unwrap().ends_with(" GMT"));
        }
        let now = UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
        for modified_ms in [now, i64::MAX] {
            assert_eq!(State { modified_ms, ..state() }.last_modified(), None);
        }
    }

    #[test]
    fn conditions_of_an_upload_look_at_what_is_there() {
        let of = |name: HeaderName, value: &str| {
            Condition::of(&HeaderMap::from_iter([(name, value.parse().unwrap())]))
        };
        let (there, unknown) = (state(), State { digest: Vec::new(), ..state() });
        let weak = unknown.etag();
        for (condition, holds_there, holds_unknown, holds_of_nothing) in [
            (Condition::of(&HeaderMap::new()), true, true, true),
            (of(IF_MATCH, "*"), true, true, false),
            (of(IF_MATCH, TAG), true, false, false),
            (of(IF_MATCH, &format!("\"x\", {TAG}")), true, false, false),
            (of(IF_MATCH, "\"x\""), false, false, false),
            (of(IF_MATCH, &weak), false, false, false),
            (of(IF_NONE_MATCH, "*"), false, false, true),
            (of(IF_NONE_MATCH, TAG), false, true, true),
            (of(IF_NONE_MATCH, &weak), true, false, true),
        ] {
            let holds = [Some(&there), Some(&unknown), None].map(|state| condition.holds(state));
            assert_eq!(holds, [holds_there, holds_unknown, holds_of_nothing], "{condition:?}");
        }
    }

    #[test]
    fn who_has_it_is_told_so() {
        assert_eq!(plan(&[(IF_NONE_MATCH, TAG)]), Plan::NotModified);
        assert_eq!(plan(&[(IF_NONE_MATCH, "\"x\"")]), WHOLE);
        assert_eq!(plan(&[(IF_NONE_MATCH, "*")]), Plan::NotModified);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(plan(&[(IF_MODIFIED_SINCE, date)]), Plan::NotModified);
        assert_eq!(plan(&[(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT")]), WHOLE);
        assert_eq!(plan(&[(IF_MODIFIED_SINCE, "yesterday")]), WHOLE);
        assert_eq!(plan(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, date)]), WHOLE);
    }

    #[test]
    fn a_part_is_only_given_of_the_state_that_was_meant() {
        assert_eq!(plan(&[(RANGE, "bytes=1-2")]), PART);
        assert_eq!(plan(&[(RANGE, "bytes=1-2"), (IF_RANGE, TAG)]), PART);
        assert_eq!(plan(&[(RANGE, "bytes=1-2"), (IF_RANGE, "Sun, 06 Nov 1994 08:49:37 GMT")]), PART);
        for other in ["\"x\"", "W/\"x\"", "Sun, 06 Nov 1994 08:49:38 GMT", "nonsense"] {
            assert_eq!(plan(&[(RANGE, "bytes=1-2"), (IF_RANGE, other)]), WHOLE, "{other}");
        }
        let headers = HeaderMap::from_iter([(RANGE, "bytes=1-2".parse().unwrap())]);
        assert_eq!(state().plan(&Method::HEAD, &headers), WHOLE);
    }
}
