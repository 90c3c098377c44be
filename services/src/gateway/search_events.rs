//! `GET /api/v1/search/events`: a standing search, as server-sent events.

use bytes::Bytes;
use chord_client::views::{EndView, NamedFile};
use chordial_proto::chord_v1::WatchSearchResponse;
use futures::{StreamExt, stream};
use http::Method;
use serde::Serialize;
use tonic::Status;
use utoipa::ToSchema;
use warp::reply::Response;

use super::event_stream::{self, event};
use super::problem::Problem;
use super::request::Query;
use super::{Gateway, search};

/// What a standing search tells: the name of an event, and its data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what is written event by event")]
#[serde(tag = "event", content = "data", rename_all = "lowercase")]
pub enum SearchEvent {
    /// The search stands; from now on nothing is missed.
    Ready(Ready),
    /// A file begins to match.
    Match(NamedFile),
    /// Whether all is watched has changed.
    Incomplete(Incomplete),
    /// The stream ends, as its peer does.
    Bye(EndView),
}

/// Of a search that stands.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    /// The query, as it was put.
    query: String,
    /// False: more match than are watched, or some peer that should have been asked did not answer.
    complete: bool,
}

/// Whether all that matches is watched.
#[derive(Serialize, ToSchema)]
pub struct Incomplete {
    /// False: more match than are watched, or some peer did not answer this time; true: that is over.
    complete: bool,
}

/// New matches as they appear
///
/// The search stands, and tells files that begin to match from then on, as server-sent events. Every 15 s without
/// an event brings a comment. The stream ends when the peer does, with a `bye`; what appeared until the reader is back is not
/// told later: search once after each `ready`.
#[utoipa::path(get, path = "/api/v1/search/events", operation_id = "getSearchEvents", tag = "search",
    params(("q" = String, Query, min_length = 1, description = search::QUERY, example = "report")),
    responses((status = 200, content_type = "text/event-stream", body = SearchEvent,
        description = "The stream has no end. The schema is that of one event: the name in its `event` field, \
            and the JSON in its `data` field.")))]
pub async fn get(gateway: &Gateway, method: &Method, query: &Query) -> Result<Response, Problem> {
    let text = search::wanted(query)?;
    let place = event_stream::place(gateway)?;
    let (first, matches) = gateway.upstream.watch_search(text.to_owned()).await?;
    let mut complete = first.complete;
    let ready = event("", "ready", &Ready { query: text.to_owned(), complete });
    let found = stream::iter([Ok(first)]).chain(matches).flat_map(move |found| {
        stream::iter(match found {
            Ok(found) => events(found, &mut complete),
            Err(status) => vec![Err(status)],
        })
    });
    Ok(event_stream::open(gateway, method, place, stream::iter([Ok(ready)]).chain(found)))
}

/// What was found, as events; `complete` is what was said of that last.
fn events(found: WatchSearchResponse, complete: &mut bool) -> Vec<Result<Bytes, Status>> {
    let changed = std::mem::replace(complete, found.complete) != found.complete;
    let incomplete = changed.then(|| event("", "incomplete", &Incomplete { complete: found.complete }));
    let hits = found.hits.into_iter().map(|hit| event("", "match", &NamedFile::from(hit)));
    incomplete.into_iter().chain(hits).map(Ok).collect()
}
