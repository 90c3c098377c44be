//! Long requests, of which a port takes in only some at a time, and each within a time: a half-sent message is
//! kept whole until its end comes, and one of many small elements takes a hundred times its size for the moment
//! of its decoding.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::PollSemaphore;
use tonic::Status;
use tonic::body::Body;

/// Requests of up to so many bytes are short, and wait for nobody.
const SHORT: usize = 64 << 10;

/// A request's body that waits for a place before it is read beyond [`SHORT`] bytes. The place is free again
/// when the body is dropped, which is when its message is decoded.
pub struct Measured {
    body: Body,
    read: usize,
    within: Duration,
    places: PollSemaphore,
    place: Option<Place>,
}

struct Place {
    deadline: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Measured {
    /// `body`, the rest of which has to arrive `within` a time once it has one of the `places`.
    pub fn new(body: Body, places: PollSemaphore, within: Duration) -> Measured {
        Measured { body, read: 0, within, places, place: None }
    }
}

impl hyper::body::Body for Measured {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.read > SHORT && this.place.is_none() {
            let Some(permit) = ready!(this.places.poll_acquire(cx)) else { return Poll::Ready(None) };
            this.place = Some(Place { deadline: Box::pin(sleep(this.within)), _permit: permit });
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.read += frame.data_ref().map_or(0, Bytes::len);
        }
        if let Some(Place { deadline, .. }) = &mut this.place {
            // One byte now and then must not outlast the deadline either.
            let late = Instant::now() >= deadline.deadline();
            if late || (polled.is_pending() && deadline.as_mut().poll(cx).is_ready()) {
                let why = format!("the request did not arrive within {} s", this.within.as_secs_f64());
                return Poll::Ready(Some(Err(Status::deadline_exceeded(why))));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use futures::channel::mpsc;
    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    use super::*;

    /// A body whose frames come through the channel.
    struct Fed(mpsc::UnboundedReceiver<Bytes>);

    impl hyper::body::Body for Fed {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let next = futures::Stream::poll_next(Pin::new(&mut self.0), cx);
            next.map(|frame| frame.map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    fn body(places: &Arc<Semaphore>, within: Duration) -> (mpsc::UnboundedSender<Bytes>, Measured) {
        let (feed, fed) = mpsc::unbounded();
        (feed, Measured::new(Body::new(Fed(fed)), PollSemaphore::new(places.clone()), within))
    }

    async fn next(body: &mut Measured) -> Option<Result<usize, tonic::Code>> {
        let frame = std::future::poll_fn(|cx| hyper::body::Body::poll_frame(Pin::new(&mut *body), cx));
        let frame = timeout(PATIENCE, frame).await.expect("it waits for ever");
        frame.map(|frame| frame.map(|frame| frame.data_ref().map_or(0, Bytes::len)).map_err(|s| s.code()))
    }

    #[tokio::test]
    async fn only_long_requests_wait_for_a_place() {
        let places = Arc::new(Semaphore::new(1));
        let long = Bytes::from(vec![0; SHORT + 1]);
        let (feed, mut first) = body(&places, PATIENCE);
        feed.unbounded_send(long.clone()).unwrap();
        feed.unbounded_send(long.clone()).unwrap();
        assert_eq!(next(&mut first).await, Some(Ok(SHORT + 1)));
        assert_eq!(places.available_permits(), 1, "it is not known to be long before that is read");
        assert_eq!(next(&mut first).await, Some(Ok(SHORT + 1)));
        assert_eq!(places.available_permits(), 0);

        let (feed, mut short) = body(&places, PATIENCE);
        feed.unbounded_send(Bytes::from(vec![0; SHORT])).unwrap();
        drop(feed);
        assert_eq!((next(&mut short).await, next(&mut short).await), (Some(Ok(SHORT)), None));

        let (feed, mut second) = body(&places, PATIENCE);
        feed.unbounded_send(long.clone()).unwrap();
        feed.unbounded_send(long).unwrap();
        assert_eq!(next(&mut second).await, Some(Ok(SHORT + 1)));
        assert!(timeout(Duration::from_millis(50), next(&mut second)).await.is_err(), "two have a place");
        drop(first);
        assert_eq!(next(&mut second).await, Some(Ok(SHORT + 1)));
    }

    #[tokio::test]
    async fn a_long_request_that_does_not_end_loses_its_place() {
        let places = Arc::new(Semaphore::new(1));
        let (feed, mut held) = body(&places, Duration::from_millis(50));
        feed.unbounded_send(Bytes::from(vec![0; SHORT + 1])).unwrap();
        assert_eq!(next(&mut held).await, Some(Ok(SHORT + 1)));
        assert_eq!(next(&mut held).await, Some(Err(tonic::Code::DeadlineExceeded)));
        drop(held);
        assert_eq!(places.available_permits(), 1);
    }
}
