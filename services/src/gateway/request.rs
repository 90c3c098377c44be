//! A request, taken apart once: decoded path segments and query parameters.

use std::borrow::Cow;

use http::{HeaderMap, Method, Uri, Version};
use percent_encoding::percent_decode_str;

use super::problem::{Kind, Problem};

/// The most that one page of a listing holds.
const MAX_LIMIT: u32 = 1_000;

/// The first line of a request, as it came: warp does not hand on all of it, and panics where its target has no path.
#[derive(Debug, Clone)]
pub struct Line {
    /// The version of HTTP.
    pub version: Version,
    /// The path and query; the whole URL where that was sent.
    pub target: Uri,
}

impl Line {
    /// Of this request.
    pub fn of<B>(request: &http::Request<B>) -> Self {
        Self { version: request.version(), target: request.uri().clone() }
    }
}

/// A request as it came, without its body.
#[derive(Debug)]
pub struct Request {
    /// Its first line.
    pub line: Line,
    /// The method.
    pub method: Method,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query, still encoded; empty where there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
}

impl Request {
    /// The segments of the path, each decoded once. A `%2F` stays within its segment.
    ///
    /// # Errors
    /// [`Kind::BadPath`] where an escape is malformed or the bytes are not UTF-8.
    pub fn segments(&self) -> Result<Vec<String>, Problem> {
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        path.split('/')
            .map(|segment| {
                decode(segment)
                    .map(Cow::into_owned)
                    .map_err(|why| Problem::new(Kind::BadPath, format!("The path of this request {why}.")))
            })
            .collect()
    }
}

/// Strictly: each `%` starts an escape, and the bytes are UTF-8.
fn decode(text: &str) -> Result<Cow<'_, str>, &'static str> {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => {
                return Err(
                    "has a % that is not followed by two hexadecimal digits; write %25 for a percent sign",
                );
            }
        }
    }
    percent_decode_str(text).decode_utf8().map_err(|_| "is not UTF-8 once it is decoded")
}

/// The parameters of a query, each key once.
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads `raw`, where `+` is a space.
    ///
    /// # Errors
    /// [`Kind::BadQuery`] for a malformed escape, bytes that are not UTF-8, and a repeated key.
    pub fn parse(raw: &str) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (text(key)?, text(value)?);
            if pairs.iter().any(|(other, _)| *other == key) {
                return Err(bad(format!("The query has {key:?} more than once; give it once.")));
            }
            pairs.push((key, value));
        }
        Ok(Self { pairs })
    }

    /// # Errors
    /// [`Kind::BadQuery`] where there is a key that is not among `known`; it names those.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.pairs.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, _)) if known.is_empty() => {
                Err(bad(format!("The query key {key:?} is unknown; this resource has none.")))
            }
            Some((key, _)) => Err(bad(format!(
                "The query key {key:?} is unknown; this resource has: {}.",
                known.join(", ")
            ))),
        }
    }

    /// The value of `key`; `None` where it is missing or empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().find(|(other, value)| other == key && !value.is_empty())?;
        Some(value)
    }

    /// Whether there is such a key, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.pairs.iter().any(|(other, _)| other == key)
    }

    /// All keys and their values, as they came.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How long a page the caller wants; 0 where it does not say.
    ///
    /// # Errors
    /// [`Kind::BadQuery`] where it is not a number from 1 to 1,000.
    pub fn limit(&self) -> Result<u32, Problem> {
        let Some((_, value)) = self.pairs.iter().find(|(key, _)| key == "limit") else { return Ok(0) };
        match value.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            _ => Err(bad(format!("limit is {value:?}; give a number from 1 to {MAX_LIMIT}."))),
        }
    }
}

fn text(raw: &str) -> Result<String, Problem> {
    let spaced = raw.replace('+', " ");
    decode(&spaced).map(Cow::into_owned).map_err(|why| bad(format!("The query of this request {why}.")))
}

fn bad(detail: String) -> Problem {
    Problem::new(Kind::BadQuery, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(path: &str) -> Result<Vec<String>, Problem> {
        let (path, query, headers) = (path.to_owned(), String::new(), HeaderMap::new());
        let line = Line { version: Version::HTTP_11, target: Uri::default() };
        Request { line, method: Method::GET, path, query, headers }.segments()
    }

    #[test]
    fn segments_are_decoded_once_and_strictly() {
        assert_eq!(segments("/a%20b/%2525/x%2Fy/é").unwrap(), ["a b", "%25", "x/y", "é"]);
        assert_eq!(segments("/").unwrap(), [""]);
        for path in ["/%", "/%4", "/%zz", "/a%2", "/%ff", "/%c3%28", "/%+1"] {
            assert_eq!(segments(path).unwrap_err().kind(), Kind::BadPath, "{path}");
        }
    }

    #[test]
    fn a_query_has_each_key_once() {
        let query = Query::parse("q=a+b%2B&peer=&limit=7").unwrap();
        assert_eq!((query.get("q"), query.get("peer"), query.limit().unwrap()), (Some("a b+"), None, 7));
        for raw in ["a=1&a=2", "a&a", "%61=1&a=2", "a=%", "%zz=1", "a=%ff"] {
            assert_eq!(Query::parse(raw).unwrap_err().kind(), Kind::BadQuery, "{raw}");
        }
        assert!(query.only(&["q", "peer"]).unwrap_err().detail().contains("q, peer"));
    }

    #[test]
    fn a_limit_is_a_number_from_1_to_1000() {
        for raw in
            ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=99999999999"]
        {
            assert!(Query::parse(raw).unwrap().limit().is_err(), "{raw}");
        }
        assert_eq!(Query::parse("limit=1000").unwrap().limit().unwrap(), 1000);
        assert_eq!(Query::parse("").unwrap().limit().unwrap(), 0);
    }
}
