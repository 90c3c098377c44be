//! `GET /api/v1/events`: what happens in the network, as server-sent events.

use bytes::Bytes;
use chord_client::views::{
    EndView, EventView, FileEventView, FilesEventView, PeerEventView, ReadyView, WatchedView,
};
use chordial_proto::chord_v1::WatchEventsResponse;
use chordial_proto::chord_v1::watch_events_response::Event;
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, Method};
use tonic::{Status, Streaming};
use utoipa::ToSchema;
use warp::reply::Response;

use super::Gateway;
use super::event_stream::{self, event};
use super::problem::Problem;
use super::request::Query;

/// What a browser that comes back says of the last event that it has seen.
const LAST_EVENT_ID: &str = "last-event-id";

/// An event of the network: its name, and its data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what an EventView is written as")]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
pub enum NetworkEvent {
    /// The stream stands, and misses nothing from its id on.
    Ready(ReadyView),
    /// The same, but the id to go on from is not known: everything shown before may be old.
    Reset(ReadyView),
    /// A peer has joined the ring.
    PeerJoined(PeerEventView),
    /// A peer has left the ring.
    PeerLeft(PeerEventView),
    /// A peer does not answer.
    PeerSuspected(PeerEventView),
    /// A peer was given up.
    PeerFailed(PeerEventView),
    /// A suspected peer answers again.
    PeerBack(PeerEventView),
    /// A file is shared that was not.
    FileAppeared(FileEventView),
    /// A file has other bytes.
    FileChanged(FileEventView),
    /// A file is no longer shared.
    FileVanished(FileEventView),
    /// More has happened to one peer's files than is told one by one.
    FilesChanged(FilesEventView),
    /// The number of peers whose files are watched has changed.
    FilesWatched(WatchedView),
    /// The last event for a reader that was too slow.
    Dropped(EndView),
    /// The last event: the peer stops.
    Bye(EndView),
}

/// What happens in the network
///
/// Peers that come and go, files that appear, change and vanish, as server-sent events, each with its id. Every 15 s
/// without an event brings a comment.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "getEvents", tag = "ring",
    params(
        ("after" = Option<String>, Query, description = "The id of the event seen last; the stream goes on behind it."),
        ("Last-Event-ID" = Option<String>, Header, description = "The same, as browsers say it; goes before `after`."),
    ),
    responses((status = 200, content_type = "text/event-stream", body = NetworkEvent,
        description = "The stream has no end. The schema is that of one event: the name in its `event` field, \
            and the JSON in its `data` field.")))]
pub async fn get(
    gateway: &Gateway,
    method: &Method,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Response, Problem> {
    // It comes with the second request of a browser, whose address is the one of the first.
    let after = match headers.get(LAST_EVENT_ID) {
        Some(id) => String::from_utf8_lossy(id.as_bytes()).into_owned(),
        None => query.get("after").unwrap_or_default().to_owned(),
    };
    let place = event_stream::place(gateway)?;
    let (first, rest) = gateway.upstream.watch_events(after).await?;
    let events = messages(first, rest).filter_map(|message| async { message.map(written).transpose() });
    Ok(event_stream::open(gateway, method, place, events))
}

/// All messages, and nothing behind one that says that it is the last.
fn messages(
    first: WatchEventsResponse,
    rest: Streaming<WatchEventsResponse>,
) -> impl Stream<Item = Result<WatchEventsResponse, Status>> {
    stream::unfold(Some((Some(first), rest)), |state| async {
        let (first, mut rest) = state?;
        let next = match first {
            Some(first) => Ok(first),
            None => rest.message().await.transpose()?,
        };
        let last = !matches!(&next, Ok(message) if !matches!(message.event, Some(Event::End(_))));
        Some((next, (!last).then_some((None, rest))))
    })
}

/// None: an event that only a later version knows.
fn written(message: WatchEventsResponse) -> Option<Bytes> {
    let EventView { id, event: name, data } = EventView::of(message)?;
    Some(event(&id, &name, &data))
}
