//! Texts on their way out: compressed for those who want that, and not sent again to those who have them.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use warp::Reply;
use warp::reply::Response;

use super::conditional::{field, lists, lists_weakly};
use super::negotiate::Codings;
use super::problem::{Kind, Problem};

/// Below so many bytes a text is about as large when it is compressed: it fits into one packet either way.
const WORTHWHILE: usize = 1024;
/// From so many bytes on, compressing takes longer than other requests should wait for.
const LONG: usize = 256 << 10;

/// What a response is made of as long as it can still be compressed. Kept among its extensions; bytes of files and
/// streams of events have none.
#[derive(Debug, Clone)]
struct Text {
    body: Bytes,
    /// It changes so seldom that it is worth an `ETag`.
    lasting: bool,
}

/// 200 with this text. `lasting`: it has an `ETag`, and who has it is told so.
pub fn response(body: String, lasting: bool) -> Response {
    let body = Bytes::from(body);
    let mut response = http::Response::new(Vec::new()).into_response();
    *response.body_mut() = body.clone().into();
    response.extensions_mut().insert(Text { body, lasting });
    response
}

/// `response` as a request with these headers gets it.
///
/// # Errors
/// [`Kind::PreconditionFailed`] where the request has an `If-Match` that does not hold.
pub async fn settled(response: Response, request: &HeaderMap) -> Result<Response, Problem> {
    let (mut parts, body) = response.into_parts();
    let Some(text) = parts.extensions.remove::<Text>() else { return Ok(Response::from_parts(parts, body)) };
    let codings = Codings::of(request);
    let compressed = codings.gzip && (text.body.len() >= WORTHWHILE || !codings.identity);
    parts.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if text.lasting {
        let digest = blake3::hash(&text.body).to_hex();
        let etag = format!("\"{}{}\"", &digest[..32], if compressed { "-gzip" } else { "" });
        if field(request, &IF_MATCH).is_some_and(|tags| !lists(&tags, &etag)) {
            let detail =
                "This resource is not what the request's condition says. Ask for it without If-Match.";
            return Err(Problem::new(Kind::PreconditionFailed, detail));
        }
        let known = field(request, &IF_NONE_MATCH).is_some_and(|tags| lists_weakly(&tags, &etag));
        if let Ok(etag) = HeaderValue::try_from(etag) {
            parts.headers.insert(ETAG, etag);
        }
        if known {
            parts.status = StatusCode::NOT_MODIFIED;
            parts.headers.remove(CONTENT_TYPE);
            return Ok(Response::from_parts(parts, Bytes::new().into()));
        }
    }
    if !compressed {
        return Ok(Response::from_parts(parts, body));
    }
    let body = match text.body.len() {
        LONG.. => tokio::task::spawn_blocking(move || gzip(&text.body)).await.map_err(|_| failed())?,
        _ => gzip(&text.body),
    };
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(Response::from_parts(parts, body.map_err(|_| failed())?.into()))
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn failed() -> Problem {
    Problem::new(Kind::Internal, "The answer could not be compressed. Ask for it without Accept-Encoding.")
}
