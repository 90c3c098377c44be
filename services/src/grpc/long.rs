//! Requests on their way in. Each has to arrive in time; of long ones a port takes in only some at a time, for a
//! half-sent message is kept whole until its end comes, and one of many small elements takes a hundred times its size
//! for the moment of its decoding.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;

use crate::accept::{Fair, Share, Source};

/// Requests of up to so many bytes are short, and wait for nobody.
const SHORT: usize = 64 << 10;

/// What one port takes in. Clones share it.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// How long a request may take to arrive.
    short_within: Duration,
    /// How long a long one may take, once it has its place.
    long_within: Duration,
    places: Arc<Semaphore>,
    /// One address must not have all places.
    shares: Fair,
}

impl Bounds {
    /// `places` for long requests, three quarters of them for one address.
    pub fn new(short_within: Duration, long_within: Duration, places: usize) -> Bounds {
        let shares = Fair::part_of(places);
        Bounds { short_within, long_within, places: Arc::new(Semaphore::new(places)), shares }
    }

    /// A place for a long request.
    async fn place(self, source: Source) -> Option<Place> {
        let share = self.shares.take(source).await;
        // Nobody closes the semaphore.
        let permit = self.places.acquire_owned().await.ok()?;
        Some(Place { _share: share, _permit: permit })
    }
}

/// A request's body that has a deadline, and waits for a place before it is read beyond [`SHORT`] bytes. The place is
/// free again when the body is dropped, which is when its message is decoded.
pub struct Measured {
    body: Body,
    read: usize,
    source: Source,
    bounds: Bounds,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    long: Long,
}

/// Whether a request is known to be long.
enum Long {
    No,
    Waits(Pin<Box<dyn Future<Output = Option<Place>> + Send>>),
    Has(#[expect(dead_code, reason = "held, not read")] Place),
}

struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Share,
}

impl Measured {
    /// `body` of a request from `source`.
    pub fn new(body: Body, source: Source, bounds: Bounds) -> Measured {
        let deadline = Instant::now() + bounds.short_within;
        Measured { body, read: 0, source, bounds, deadline, timer: None, long: Long::No }
    }

    /// Ready once what is missing has been missing for too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(self.deadline)));
        if timer.deadline() != self.deadline {
            timer.as_mut().reset(self.deadline);
        }
        timer.as_mut().poll(cx)
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
        if this.read > SHORT && matches!(this.long, Long::No) {
            this.long = Long::Waits(Box::pin(this.bounds.clone().place(this.source)));
        }
        if let Long::Waits(place) = &mut this.long {
            let Some(place) = ready!(place.as_mut().poll(cx)) else { return Poll::Ready(None) };
            this.long = Long::Has(place);
            this.deadline = Instant::now() + this.bounds.long_within;
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.read += frame.data_ref().map_or(0, Bytes::len);
        }
        if polled.is_pending() && this.poll_late(cx).is_ready() {
            return Poll::Ready(Some(Err(Status::deadline_exceeded("the request did not arrive in time"))));
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
    use std::net::IpAddr;

    use futures::channel::mpsc;
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

    fn bounds(within: Duration, places: usize) -> Bounds {
        Bounds::new(within, within, places)
    }

    fn body(bounds: &Bounds) -> (mpsc::UnboundedSender<Bytes>, Measured) {
        body_from(1, bounds)
    }

    fn body_from(host: u8, bounds: &Bounds) -> (mpsc::UnboundedSender<Bytes>, Measured) {
        let (feed, fed) = mpsc::unbounded();
        let source = IpAddr::from([10, 0, 0, host]).into();
        (feed, Measured::new(Body::new(Fed(fed)), source, bounds.clone()))
    }

    async fn next(body: &mut Measured) -> Option<Result<usize, tonic::Code>> {
        let frame = std::future::poll_fn(|cx| hyper::body::Body::poll_frame(Pin::new(&mut *body), cx));
        let frame = timeout(PATIENCE, frame).await.expect("it waits for ever");
        frame.map(|frame| frame.map(|frame| frame.data_ref().map_or(0, Bytes::len)).map_err(|s| s.code()))
    }

    #[tokio::test]
    async fn only_long_requests_wait_for_a_place() {
        let bounds = bounds(PATIENCE, 1);
        let long = Bytes::from(vec![0; SHORT + 1]);
        let (feed, mut first) = body(&bounds);
        feed.unbounded_send(long.clone()).unwrap();
        feed.unbounded_send(long.clone()).unwrap();
        assert_eq!(next(&mut first).await, Some(Ok(SHORT + 1)));
        assert_eq!(bounds.places.available_permits(), 1, "it is not known to be long before that is read");
        assert_eq!(next(&mut first).await, Some(Ok(SHORT + 1)));
        assert_eq!(bounds.places.available_permits(), 0);

        let (feed, mut short) = body(&bounds);
        feed.unbounded_send(Bytes::from(vec![0; SHORT])).unwrap();
        drop(feed);
        assert_eq!((next(&mut short).await, next(&mut short).await), (Some(Ok(SHORT)), None));

        let (feed, mut second) = body(&bounds);
        feed.unbounded_send(long.clone()).unwrap();
        feed.unbounded_send(long).unwrap();
        assert_eq!(next(&mut second).await, Some(Ok(SHORT + 1)));
        assert!(timeout(Duration::from_millis(50), next(&mut second)).await.is_err(), "two have a place");
        drop(first);
        assert_eq!(next(&mut second).await, Some(Ok(SHORT + 1)));
    }

    #[tokio::test]
    async fn one_address_leaves_a_place_for_others() {
        let bounds = bounds(PATIENCE, 4);
        let mut held = Vec::new();
        for (host, gets_one) in [(1, true), (1, true), (1, true), (1, false), (2, true)] {
            let (feed, mut body) = body_from(host, &bounds);
            feed.unbounded_send(Bytes::from(vec![0; SHORT + 1])).unwrap();
            feed.unbounded_send(Bytes::from_static(b"x")).unwrap();
            assert_eq!(next(&mut body).await, Some(Ok(SHORT + 1)));
            let more = timeout(Duration::from_millis(50), next(&mut body)).await;
            assert_eq!(more.is_ok(), gets_one, "a request of host {host}");
            held.push((feed, body));
        }
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_is_given_up() {
        let bounds = bounds(Duration::from_millis(50), 1);
        for length in [0, 5, SHORT + 1] {
            let (feed, mut held) = body(&bounds);
            feed.unbounded_send(Bytes::from(vec![0; length])).unwrap();
            assert_eq!(next(&mut held).await, Some(Ok(length)));
            assert_eq!(next(&mut held).await, Some(Err(tonic::Code::DeadlineExceeded)));
            drop(held);
            assert_eq!(bounds.places.available_permits(), 1);
        }
    }
}
