//! Server-sent events: from a stream of a peer's service to a reader who may be slow. Between the two lie at most
//! [`WAITING`] events; whoever takes nothing for long is cut off with the connection.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use chord_client::views::EventView;
use futures::{Stream, StreamExt};
use http::Method;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use warp::Reply;
use warp::reply::Response;

use super::problem::{Kind, Problem};
use super::{Gateway, reply};

/// Events that wait to be written.
const WAITING: usize = 2;
/// How long a reader that waits for others' events may take for the last one.
const LAST: Duration = Duration::from_millis(300);
/// A comment, which readers skip.
const HEARTBEAT: &[u8] = b": still here\n\n";
/// After how many milliseconds a browser comes back.
const RETRY: &[u8] = b"retry: 2000\n\n";

/// A place for one more stream.
///
/// # Errors
/// [`Kind::Unavailable`] where there are too many of them already.
pub fn place(gateway: &Gateway) -> Result<OwnedSemaphorePermit, Problem> {
    gateway.event_streams.clone().try_acquire_owned().map_err(|_| {
        let most = gateway.limits.max_event_streams;
        let detail =
            format!("This peer serves {most} streams of events already; ask again later, or another peer.");
        Problem::new(Kind::Unavailable, detail).retry_after(10)
    })
}

/// The answer that passes `events` on, until they or the gateway end. Each is as [`event`] makes it; to `HEAD` none
/// is sent.
pub fn open(
    gateway: &Gateway,
    method: &Method,
    place: OwnedSemaphorePermit,
    events: impl Stream<Item = Result<Bytes, Status>> + Send + 'static,
) -> Response {
    let (sender, receiver) = mpsc::channel(WAITING);
    if method != Method::HEAD {
        let (heartbeat, cancel) = (gateway.limits.heartbeat, gateway.cancel.clone());
        let (open, reader) = (gateway.metrics.event_stream(), Reader { sender, cancel });
        tokio::spawn(async move {
            reader.pass_on(events, heartbeat).await;
            drop((place, open));
        });
    }
    let (parts, _) = reply::events().into_parts();
    let (_, body) = warp::reply::stream(ReceiverStream::new(receiver)).into_response().into_parts();
    Response::from_parts(parts, body)
}

/// An event as it is written; an empty `id` names none. JSON has no line ends, so all data is one line.
pub fn event(id: &str, name: &str, data: &impl Serialize) -> Bytes {
    let id = match id.is_empty() || id.contains(['\n', '\r', '\0']) {
        true => String::new(),
        false => format!("id: {id}\n"),
    };
    match serde_json::to_string(data) {
        Ok(data) => Bytes::from(format!("{id}event: {name}\ndata: {data}\n\n")),
        Err(error) => {
            tracing::error!(%error, "an event has no JSON form");
            Bytes::from_static(HEARTBEAT)
        }
    }
}

/// The way to the reader.
struct Reader {
    sender: mpsc::Sender<Result<Bytes, Infallible>>,
    cancel: CancellationToken,
}

impl Reader {
    async fn pass_on(&self, events: impl Stream<Item = Result<Bytes, Status>>, heartbeat: Duration) {
        let mut events = std::pin::pin!(events);
        let mut next = Some(Bytes::from_static(RETRY));
        loop {
            if let Some(event) = next.take()
                && !self.send(event).await
            {
                break;
            }
            let silent_since = Instant::now();
            next = tokio::select! {
                biased;
                // First, so that a stream which has ended by itself gets no second last word.
                event = events.next() => match event {
                    Some(Ok(event)) => Some(event),
                    Some(Err(status)) => return tracing::warn!(%status, "a stream of events broke off"),
                    None => return,
                },
                () = self.cancel.cancelled() => break,
                () = self.sender.closed() => return,
                () = tokio::time::sleep_until(silent_since + heartbeat) => Some(Bytes::from_static(HEARTBEAT)),
            };
        }
        if self.cancel.is_cancelled() {
            let EventView { id, event: name, data } = EventView::bye("this peer is stopping");
            let _ = self.sender.send_timeout(Ok(event(&id, &name, &data)), LAST).await;
        }
    }

    /// False: there is nobody to send it to any more, or the gateway ends.
    async fn send(&self, event: Bytes) -> bool {
        tokio::select! {
            () = self.cancel.cancelled() => false,
            sent = self.sender.send(Ok(event)) => sent.is_ok(),
        }
    }
}
