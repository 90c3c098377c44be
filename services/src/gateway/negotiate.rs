//! What a caller takes: media types by `Accept` and codings by `Accept-Encoding` (RFC 9110 §12.5).

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderName};

use super::problem::{Kind, Problem};
use super::request::Request;
use super::routes::Route;

/// A weight of 1, in thousandths.
const FULL: u16 = 1000;

/// Whether the request takes what the resource has.
///
/// # Errors
/// [`Kind::NotAcceptable`].
pub fn check(route: &Route, request: &Request) -> Result<(), Problem> {
    let media_types = route.media_types(&request.method);
    if !media_types.iter().any(|media_type| accepts(&request.headers, media_type)) {
        let detail = format!("This resource is {}, which Accept excludes.", media_types.join(" or "));
        return Err(Problem::new(Kind::NotAcceptable, detail));
    }
    let (codings, is_text) = (Codings::of(&request.headers), route.is_text(&request.method));
    if !(codings.identity || codings.gzip && is_text) {
        let has = if is_text { "as it is or in gzip" } else { "as it is" };
        let detail = format!("This resource comes {has}, which Accept-Encoding excludes.");
        return Err(Problem::new(Kind::NotAcceptable, detail));
    }
    Ok(())
}

/// Whether `Accept` lets an answer of this media type through: the most specific of its ranges decides. Parameters
/// are not compared, so `application/json;charset=utf-8` takes JSON.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let ranges = weights(headers, &ACCEPT).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let family = essence.split('/').next().unwrap_or_default();
    let weight = |wanted: &str| ranges.iter().find(|(range, _)| range == wanted).map(|(_, weight)| *weight);
    let decisive = weight(essence).or_else(|| weight(&format!("{family}/*"))).or_else(|| weight("*/*"));
    ranges.is_empty() || decisive.is_some_and(|weight| weight > 0)
}

/// The codings that a caller takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codings {
    /// gzip, and not less gladly than the bytes as they are.
    pub gzip: bool,
    /// The bytes as they are.
    pub identity: bool,
}

impl Codings {
    /// What `Accept-Encoding` says; without it, the bytes as they are.
    pub fn of(headers: &HeaderMap) -> Self {
        let codings = weights(headers, &ACCEPT_ENCODING).unwrap_or_default();
        let stated = |names: &[&str]| codings.iter().find(|(name, _)| names.contains(&name.as_str()));
        let rest = stated(&["*"]).map(|(_, weight)| *weight);
        let gzip = stated(&["gzip", "x-gzip"]).map(|(_, weight)| *weight).or(rest).unwrap_or(0);
        let identity = stated(&["identity"]).map(|(_, weight)| *weight);
        Self {
            gzip: gzip > 0 && gzip >= identity.unwrap_or(0),
            // Always taken, unless it is excluded.
            identity: identity.unwrap_or(if rest == Some(0) { 0 } else { FULL }) > 0,
        }
    }
}

/// The members of such a header, in lower case and without parameters, with their weights in thousandths. Members
/// whose weight makes no sense are left out. `None`: there is no such header, or it is no text.
fn weights(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<(String, u16)>> {
    let fields: Result<Vec<&str>, _> = headers.get_all(name).iter().map(|field| field.to_str()).collect();
    let members = fields.ok()?.into_iter().flat_map(|field| field.split(',')).filter_map(|member| {
        let mut parts = member.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((name, weight.map_or(Some(FULL), thousandths)?))
    });
    Some(members.collect())
}

/// `0`, `0.5`, `1.000`: at most three digits behind the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let part: u16 = format!("{part:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(FULL),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, fields: &[&str]) -> HeaderMap {
        fields.iter().map(|field| (name.clone(), field.parse().unwrap())).collect()
    }

    #[test]
    fn the_most_specific_range_decides() {
        let json = |fields: &[&str]| accepts(&headers(ACCEPT, fields), "application/json");
        for fields in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/*"],
            &["Application/JSON"],
            &["application/json;charset=utf-8"],
            &["text/html, */*;q=0.1"],
            &["text/html", "application/json;q=0.001"],
            &["*/*;q=0, application/*"],
            &["application/*;q=0, application/json"],
            &["nonsense;q=2"],
        ] {
            assert!(json(fields), "{fields:?}");
        }
        for fields in [
            &["text/html"][..],
            &["application/json;q=0"],
            &["*/*, application/json;q=0.000"],
            &["*/*, application/*; q=0"],
            &["application/xml", "text/*"],
            &["*/*;q=0"],
            &["application/jsonx"],
        ] {
            assert!(!json(fields), "{fields:?}");
        }
        assert!(accepts(&headers(ACCEPT, &["text/html"]), "text/html; charset=utf-8"));
    }

    #[test]
    fn codings_follow_their_weights() {
        for (field, gzip, identity) in [
            (None, false, true),
            (Some(""), false, true),
            (Some("gzip"), true, true),
            (Some("GZIP;q=0.1"), true, true),
            (Some("br, x-gzip"), true, true),
            (Some("gzip;q=0"), false, true),
            (Some("br"), false, true),
            (Some("*"), true, true),
            (Some("*;q=0"), false, false),
            (Some("gzip, *;q=0"), true, false),
            (Some("gzip;q=0, *"), false, true),
            (Some("gzip, identity;q=0"), true, false),
            (Some("identity;q=0"), false, false),
            (Some("identity, *;q=0"), false, true),
            (Some("gzip;q=0.5, identity"), false, true),
            (Some("gzip;q=1.0, identity;q=0.5"), true, true),
            (Some("gzip;q=1.5"), false, true),
            (Some("gzip;q=0.1234"), false, true),
        ] {
            let fields: Vec<&str> = field.into_iter().collect();
            let codings = Codings::of(&headers(ACCEPT_ENCODING, &fields));
            assert_eq!(codings, Codings { gzip, identity }, "{field:?}");
        }
    }
}
