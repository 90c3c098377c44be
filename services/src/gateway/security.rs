//! The headers that keep a browser from more than this peer meant: put on every answer, here and nowhere else.

use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

/// What the gateway's own pages may do: use scripts, styles, images and answers of the gateway itself.
pub const PAGE: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// What all else may do, the bytes of files above all: nothing, in an origin of its own.
const CLOSED: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// `open`: pages of other origins may read. A policy that is there stays.
pub fn stamp(answer: &mut HeaderMap, open: bool) {
    answer.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CLOSED));
    let readers = if open { "cross-origin" } else { "same-origin" };
    answer.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static(readers));
    answer.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
}
