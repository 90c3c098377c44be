//! Bytes from a holder into a response, no faster than the caller reads: between the two lie at most
//! [`WAITING`] chunks.

use std::io;

use bytes::Bytes;
use chord_client::ByteStream;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use warp::Reply;
use warp::reply::Response;

use super::metrics::HttpMetrics;

/// Chunks that wait to be written.
const WAITING: usize = 2;

/// `head` with the bytes of `first` and then of `rest` as its body. A holder that fails on the way breaks the
/// connection, so that nobody takes a part for the whole.
pub fn fill(head: Response, first: Option<Bytes>, mut rest: ByteStream, metrics: HttpMetrics) -> Response {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        if let Some(first) = first {
            metrics.file_bytes(first.len());
            if sender.send(Ok(first)).await.is_err() {
                return;
            }
        }
        loop {
            let next = tokio::select! {
                next = rest.next() => next,
                () = sender.closed() => return,
            };
            let next = match next {
                None => return,
                Some(Ok(bytes)) => {
                    metrics.file_bytes(bytes.len());
                    Ok(bytes)
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "a transfer broke off");
                    Err(io::Error::other(error.to_string()))
                }
            };
            let failed = next.is_err();
            if sender.send(next).await.is_err() || failed {
                return;
            }
        }
    });
    let (parts, _) = head.into_parts();
    let (_, body) = warp::reply::stream(ReceiverStream::new(receiver)).into_response().into_parts();
    Response::from_parts(parts, body)
}
