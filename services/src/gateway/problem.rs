//! Errors, as RFC 9457 `application/problem+json`: a fixed list of types, each with its status and title.

use http::header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use warp::reply::Response;

use super::text;

/// What can go wrong. The `type` of the body is `/problems/` and the slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
// So that a test can count the variants.
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub enum Kind {
    /// The name has different contents in different places, and the request chose none.
    SeveralContents,
    /// The path of the request is not valid percent-encoded UTF-8.
    BadPath,
    /// A query key is unknown or repeated, or its value makes no sense.
    BadQuery,
    /// A service of the peer refused the request as malformed.
    BadRequest,
    /// A page of another origin wants to write.
    CrossOrigin,
    /// This peer's configuration, or its rights on its disk, allow no uploads.
    UploadsNotAllowed,
    /// There is no such resource.
    UnknownPath,
    /// No peer has a file of this name, or this peer shares no file at this path.
    FileNotFound,
    /// No peer of this name is known.
    PeerNotFound,
    /// The resource does not have this method; `Allow` lists those that it has.
    MethodNotAllowed,
    /// The request takes nothing of what the resource has.
    NotAcceptable,
    /// The request's body did not arrive in time.
    BodyTimeout,
    /// There is a file at the path, and the request did not ask for it to be replaced.
    FileExists,
    /// Something that is no file, or no folder, is in the path's way.
    PathTaken,
    /// The request's condition does not hold.
    PreconditionFailed,
    /// The request's body is too large.
    BodyTooLarge,
    /// The request's body has a coding that is not undone here.
    UnsupportedMediaType,
    /// The request's URI is too long.
    UriTooLong,
    /// The range lies outside of the file; `Content-Range` has its size.
    RangeNotSatisfiable,
    /// The request expects something other than `100-continue`.
    ExpectationFailed,
    /// The request is for a host that this gateway does not answer for.
    Misdirected,
    /// Too many requests at once.
    TooManyRequests,
    /// The request's headers are too large.
    HeadersTooLarge,
    /// A defect of this program.
    Internal,
    /// No resource has a method of this name.
    NotImplemented,
    /// No holder of the file gave it.
    HolderFailed,
    /// Another service of this peer failed.
    ServiceFailed,
    /// This peer is not a member of its ring.
    NotMember,
    /// Another service of this peer is not reachable, or too busy.
    Unavailable,
    /// The answer did not come in time.
    Timeout,
    /// There is no room for the file: its quota or the disk is full.
    InsufficientStorage,
}

impl Kind {
    /// Each of them, in order of their statuses.
    pub const ALL: &[Self] = &[
        Self::SeveralContents,
        Self::BadPath,
        Self::BadQuery,
        Self::BadRequest,
        Self::CrossOrigin,
        Self::UploadsNotAllowed,
        Self::UnknownPath,
        Self::FileNotFound,
        Self::PeerNotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::BodyTimeout,
        Self::FileExists,
        Self::PathTaken,
        Self::PreconditionFailed,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::RangeNotSatisfiable,
        Self::ExpectationFailed,
        Self::Misdirected,
        Self::TooManyRequests,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::NotImplemented,
        Self::HolderFailed,
        Self::ServiceFailed,
        Self::NotMember,
        Self::Unavailable,
        Self::Timeout,
        Self::InsufficientStorage,
    ];

    /// The status of its answers.
    pub fn status(self) -> StatusCode {
        self.facts().0
    }

    /// What stands behind `/problems/` in the `type` of its bodies.
    pub fn slug(self) -> &'static str {
        self.facts().1
    }

    /// Its status, slug and title.
    fn facts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::SeveralContents => {
                (S::MULTIPLE_CHOICES, "several-contents", "Several contents of one name")
            }
            Self::BadPath => (S::BAD_REQUEST, "bad-path", "Path not understood"),
            Self::BadQuery => (S::BAD_REQUEST, "bad-query", "Query not understood"),
            Self::BadRequest => (S::BAD_REQUEST, "bad-request", "Request not understood"),
            Self::CrossOrigin => (S::FORBIDDEN, "cross-origin", "Not for pages of other origins"),
            Self::UploadsNotAllowed => (S::FORBIDDEN, "uploads-not-allowed", "Uploads are not allowed"),
            Self::UnknownPath => (S::NOT_FOUND, "unknown-path", "Unknown path"),
            Self::FileNotFound => (S::NOT_FOUND, "file-not-found", "File not found"),
            Self::PeerNotFound => (S::NOT_FOUND, "peer-not-found", "Peer not found"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::NotAcceptable => (S::NOT_ACCEPTABLE, "not-acceptable", "Not acceptable"),
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, "body-timeout", "Body not in time"),
            Self::FileExists => (S::CONFLICT, "file-exists", "File exists"),
            Self::PathTaken => (S::CONFLICT, "path-taken", "Path taken"),
            Self::PreconditionFailed => (S::PRECONDITION_FAILED, "precondition-failed", "Condition not met"),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large"),
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Coding not supported")
            }
            Self::UriTooLong => (S::URI_TOO_LONG, "uri-too-long", "URI too long"),
            Self::RangeNotSatisfiable => {
                (S::RANGE_NOT_SATISFIABLE, "range-not-satisfiable", "Range outside of the file")
            }
            Self::ExpectationFailed => (S::EXPECTATION_FAILED, "expectation-failed", "Expectation not met"),
            Self::Misdirected => (S::MISDIRECTED_REQUEST, "misdirected", "Not this host"),
            Self::TooManyRequests => (S::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests"),
            Self::HeadersTooLarge => {
                (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", "Headers too large")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Self::NotImplemented => (S::NOT_IMPLEMENTED, "not-implemented", "Unknown method"),
            Self::HolderFailed => (S::BAD_GATEWAY, "holder-failed", "No holder gave the file"),
            Self::ServiceFailed => (S::BAD_GATEWAY, "service-failed", "A service of this peer failed"),
            Self::NotMember => (S::SERVICE_UNAVAILABLE, "not-member", "Not a member of the ring"),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", "Service unavailable"),
            Self::Timeout => (S::GATEWAY_TIMEOUT, "timeout", "No answer in time"),
            Self::InsufficientStorage => {
                (S::INSUFFICIENT_STORAGE, "insufficient-storage", "No room for the file")
            }
        }
    }
}

/// One error, on its way to the caller.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    members: Map<String, Value>,
}

impl Problem {
    /// `detail` says to a person what happened, to which thing, and what to do.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), headers: Vec::new(), members: Map::new() }
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What a person is told.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// When asking again makes sense, in seconds.
    pub fn retry_after(self, seconds: u32) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The methods of the resource, as `Allow` lists them.
    pub fn allow(self, methods: &'static str) -> Self {
        self.header(ALLOW, HeaderValue::from_static(methods))
    }

    /// The codings that a body may have.
    pub fn accept_encoding(self, codings: &'static str) -> Self {
        self.header(ACCEPT_ENCODING, HeaderValue::from_static(codings))
    }

    /// How large the file is, of which the range asked for has no byte.
    pub fn file_size(self, bytes: u64) -> Self {
        match HeaderValue::try_from(format!("bytes */{bytes}")) {
            Ok(value) => self.header(CONTENT_RANGE, value),
            Err(_) => self,
        }
    }

    /// A further member of the body.
    pub fn member(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The response; `instance` is the path of the request, as it came.
    pub fn into_response(self, instance: &str) -> Response {
        let (status, slug, title) = self.kind.facts();
        let mut body = json!({
            "type": format!("/problems/{slug}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail,
            "instance": instance,
        });
        if let Value::Object(object) = &mut body {
            object.extend(self.members);
        }
        let mut response = text::response(body.to_string(), false);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;
    use utoipa::openapi::{RefOr, Schema};

    use super::*;

    #[test]
    fn all_kinds_are_listed() {
        let RefOr::T(Schema::Object(variants)) = Kind::schema() else { panic!("no list of variants") };
        assert_eq!(Some(Kind::ALL.len()), variants.enum_values.map(|variants| variants.len()));
        let mut slugs: Vec<&str> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len(), "two kinds of one type, or one listed twice");
    }
}
