//! Pages of other origins: what a browser lets them read (CORS, off unless it is configured), and that they write
//! nothing.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri};

use super::problem::{Kind, Problem};

/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE: &str = "600";
/// The request headers, beyond the harmless ones, that a page may send.
const ALLOWED: &str = "Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, \
                       Last-Event-ID, Range, traceparent, tracestate, X-Request-Id";
/// The response headers, beyond the harmless ones, that a page may read.
const EXPOSED: &str = "Accept-Ranges, Content-Disposition, Content-Encoding, Content-Range, ETag, Link, Location, \
                       Retry-After, X-Request-Id";

/// Which origins may do what.
#[derive(Debug)]
pub struct Origins {
    /// Of the URL that callers are told.
    own: Option<String>,
    /// Every origin may read; `named` ones may write, too.
    any: bool,
    named: Vec<String>,
}

impl Origins {
    /// `url` is this gateway's own; `configured` are origins as browsers write them, and `*` for any.
    pub fn new(url: &str, configured: Vec<String>) -> Self {
        let any = configured.iter().any(|origin| origin == "*");
        let own =
            url.parse::<Uri>().ok().and_then(|uri| Some(format!("{}://{}", uri.scheme()?, uri.authority()?)));
        Self { own: own.map(|own| normal(&own)), any, named: configured }
    }

    /// Whether any other origin may read.
    pub fn is_open(&self) -> bool {
        !self.named.is_empty()
    }

    /// Whether a page that a browser shows may have something stored. Programs that are no browser send neither of
    /// the headers that are looked at.
    ///
    /// # Errors
    /// [`Kind::CrossOrigin`].
    pub fn check_write(&self, asked: Option<&Authority>, headers: &HeaderMap) -> Result<(), Problem> {
        let refused = |who: &str| {
            let detail = format!(
                "A page of {who} may not store files here. Whoever runs this peer can allow its origin by the key \
                 gateway.cors_origins."
            );
            Err(Problem::new(Kind::CrossOrigin, detail))
        };
        match headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("null")) {
            Some(origin) if self.named.iter().any(|named| named == origin) => Ok(()),
            Some(origin) if !self.is_own(origin, asked) => refused(origin),
            _ if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") => {
                refused("another site")
            }
            _ => Ok(()),
        }
    }

    /// The one under which this gateway was asked, or its own URL's. Whoever lies between may speak TLS.
    fn is_own(&self, origin: &str, asked: Option<&Authority>) -> bool {
        let origin = normal(origin);
        let by = |scheme| asked.map(|asked| normal(&format!("{scheme}://{asked}")));
        Some(&origin) == self.own.as_ref()
            || [by("http"), by("https")].into_iter().flatten().any(|own| own == origin)
    }

    /// Says on any answer who may read it.
    pub fn stamp(&self, asker: Option<&HeaderValue>, answer: &mut HeaderMap) {
        let allowed = match asker {
            _ if self.any => Some(HeaderValue::from_static("*")),
            Some(origin) if self.named.iter().any(|named| origin == named) => Some(origin.clone()),
            _ => None,
        };
        if self.is_open() && !self.any {
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(allowed) = allowed {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }

    /// Answers the question before a request (a preflight) for a resource with these methods: where `OPTIONS` is
    /// one, and comes from an origin that may ask.
    pub fn preflight(&self, request: &HeaderMap, methods: &'static str, answer: &mut HeaderMap) {
        let Some(origin) = request.get(ORIGIN) else { return };
        let named = self.named.iter().any(|named| origin == named);
        if !request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) || !(named || self.any) {
            return;
        }
        let methods = if named { methods } else { "GET, HEAD, OPTIONS" };
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED));
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    }
}

/// In lower case, without the port that the scheme has anyway.
fn normal(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let port = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(port).map(str::to_owned).unwrap_or(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_page_writes_nothing() {
        let asked = "p1:8000".parse().unwrap();
        let of = |configured: &[&str], headers: &[(&'static str, &str)]| {
            let configured = configured.iter().map(|&origin| origin.to_owned()).collect();
            let origins = Origins::new("https://files.example.org/base", configured);
            let header = |(name, value): &(&'static str, &str)| {
                (http::HeaderName::from_static(name), value.parse().unwrap())
            };
            origins.check_write(Some(&asked), &headers.iter().map(header).collect()).is_ok()
        };
        for origin in [
            "http://p1:8000",
            "https://p1:8000",
            "http://P1:8000",
            "https://files.example.org",
            "https://files.example.org:443",
        ] {
            assert!(of(&[], &[("origin", origin)]), "{origin}");
        }
        for origin in [
            "http://p1",
            "http://p1:80001",
            "https://evil.example",
            "null",
            "http://files.example.org",
            "\u{e9}",
        ] {
            assert!(!of(&[], &[("origin", origin)]), "{origin}");
            assert!(!of(&["*"], &[("origin", origin)]), "{origin}: any may read, none may write");
        }
        assert!(of(&["*", "https://a.example"], &[("origin", "https://a.example")]));
        assert!(of(
            &["https://a.example"],
            &[("origin", "https://a.example"), ("sec-fetch-site", "cross-site")]
        ));
        assert!(of(&[], &[]) && of(&[], &[("sec-fetch-site", "same-origin")]));
        assert!(!of(&["*"], &[("sec-fetch-site", "cross-site")]));
    }
}
