//! The forms that answers have: JSON, short texts, and files.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderName, LAST_MODIFIED,
};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use warp::Reply;
use warp::reply::Response;

use super::conditional::State;
use super::media::{attachment, is_active, media_type};
use super::problem::{Kind, Problem};
use super::range::Wanted;
use super::text;

/// The media type of all answers but texts, files and events.
pub const JSON: &str = "application/json";
/// That of events.
pub const EVENTS: &str = "text/event-stream";

/// 200 with `value`.
///
/// # Errors
/// [`Kind::Internal`] where `value` has no JSON form.
pub fn json<T: Serialize>(value: &T) -> Result<Response, Problem> {
    Ok(text(JSON, written(value)?))
}

/// The same of one that changes so seldom that it is worth an `ETag`.
///
/// # Errors
/// As [`json`].
pub fn lasting_json<T: Serialize>(value: &T) -> Result<Response, Problem> {
    Ok(lasting(JSON, written(value)?))
}

fn written<T: Serialize>(value: &T) -> Result<String, Problem> {
    serde_json::to_string(value)
        .map_err(|error| Problem::new(Kind::Internal, format!("The answer could not be written: {error}.")))
}

/// 200 with a text of this media type, which nobody keeps.
pub fn text(media_type: &'static str, body: String) -> Response {
    let mut response = text::response(body, false);
    set(&mut response, CONTENT_TYPE, media_type);
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// 200 with a text that rarely changes: it has an `ETag`, and who has it already gets 304.
pub fn lasting(media_type: &'static str, body: String) -> Response {
    let mut response = text::response(body, true);
    set(&mut response, CONTENT_TYPE, media_type);
    set(&mut response, CACHE_CONTROL, "no-cache");
    response
}

/// The head of a stream of server-sent events.
pub fn events() -> Response {
    let mut response = http::Response::new(String::new()).into_response();
    set(&mut response, CONTENT_TYPE, EVENTS);
    set(&mut response, CACHE_CONTROL, "no-store");
    // nginx would gather them until its buffer is full.
    set(&mut response, HeaderName::from_static("x-accel-buffering"), "no");
    response
}

/// The head of the answer that gives `wanted` of a file, and which bytes its body must have: the first one
/// and how many. `save`: in any case as something to be saved.
///
/// # Errors
/// [`Kind::RangeNotSatisfiable`].
pub fn file(state: &State, name: &str, wanted: Wanted, save: bool) -> Result<(Response, u64, u64), Problem> {
    let (status, offset, length) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, state.size),
        Wanted::Part { offset, length } => (StatusCode::PARTIAL_CONTENT, offset, length),
        Wanted::Unsatisfiable => {
            let detail = format!("The file has {} bytes, none of which lies in the range.", state.size);
            return Err(Problem::new(Kind::RangeNotSatisfiable, detail).file_size(state.size));
        }
    };
    let mut response = http::Response::new(String::new()).into_response();
    *response.status_mut() = status;
    validators(&mut response, state);
    let media_type = media_type(name);
    set(&mut response, CONTENT_TYPE, media_type);
    set(&mut response, CONTENT_LENGTH, length.to_string());
    set(&mut response, ACCEPT_RANGES, "bytes");
    if save || is_active(media_type) {
        set(&mut response, CONTENT_DISPOSITION, attachment(name));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let last = offset + length - 1;
        set(&mut response, CONTENT_RANGE, format!("bytes {offset}-{last}/{}", state.size));
    }
    Ok((response, offset, length))
}

/// 412 for one who wants another state of a file than is there.
pub fn changed_since() -> Problem {
    let detail =
        "The file is not in the state that the request's condition names. Ask for it without the condition.";
    Problem::new(Kind::PreconditionFailed, detail)
}

/// 304.
pub fn not_modified(state: &State) -> Response {
    let mut response = http::Response::new(String::new()).into_response();
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    validators(&mut response, state);
    response
}

/// Says which state of a file a response is about.
pub fn validators(response: &mut Response, state: &State) {
    set(response, ETAG, state.etag());
    if let Some(date) = state.last_modified() {
        set(response, LAST_MODIFIED, date);
    }
    // It may be kept, and must be asked about: the file can change at any time.
    set(response, CACHE_CONTROL, "no-cache");
}

fn set(response: &mut Response, name: HeaderName, value: impl TryInto<HeaderValue>) {
    if let Ok(value) = value.try_into() {
        response.headers_mut().insert(name, value);
    }
}
