//! A connection that cannot be held for nothing: deadlines on what hyper leaves open. The head of a request
//! must arrive in time once it has begun, a connection between requests may idle longer, and a client that
//! stops reading its response is cut off.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::accept::{Busy, Visit};

/// How long a connection may take for each of its phases.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the first byte of a request to the end of its headers.
    pub head: Duration,
    /// Between one response and the next request.
    pub idle: Duration,
    /// Without the client taking a single byte of its response.
    pub stall: Duration,
}

/// Counts the begins and ends of requests: odd while one is being answered.
#[derive(Debug, Clone)]
pub struct Turns {
    state: Arc<State>,
    place: Visit,
}

#[derive(Debug, Default)]
struct State {
    count: AtomicU64,
    /// The connection, where it has stopped reading: nobody else tells it that it is idle now.
    reader: AtomicWaker,
}

impl Turns {
    /// Of the connection that has this place.
    pub fn new(place: Visit) -> Turns {
        Turns { state: Arc::default(), place }
    }

    /// A request has arrived; it is answered when the guard goes.
    pub fn begin(&self) -> Turn {
        self.state.count.fetch_add(1, Ordering::Relaxed);
        Turn { state: self.state.clone(), _busy: self.place.begin() }
    }

    fn count(&self) -> u64 {
        self.state.count.load(Ordering::Relaxed)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Turn {
    state: Arc<State>,
    _busy: Busy,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.state.count.fetch_add(1, Ordering::Relaxed);
        self.state.reader.wake();
    }
}

/// A stream with [`Deadlines`]; a passed one is an error of the kind `TimedOut`.
#[derive(Debug)]
pub struct Guarded<S> {
    stream: S,
    deadlines: Deadlines,
    turns: Turns,
    /// The number of turns at which the reading deadline was set.
    waiting_since: Option<u64>,
    /// Bytes of the next request have arrived.
    begun: bool,
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
    stalled: bool,
}

impl<S> Guarded<S> {
    /// `turns` is told by the service which requests are being answered.
    pub fn new(stream: S, deadlines: Deadlines, turns: Turns) -> Self {
        Self {
            stream,
            deadlines,
            turns,
            waiting_since: None,
            begun: false,
            reading: Box::pin(sleep(deadlines.head)),
            writing: Box::pin(sleep(deadlines.stall)),
            stalled: false,
        }
    }

    /// The outcome of a write: progress, or one more moment of a stall that has its end.
    fn progress<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = false;
            return polled;
        }
        if !self.stalled {
            self.stalled = true;
            self.writing.as_mut().reset(Instant::now() + self.deadlines.stall);
        }
        self.writing.as_mut().poll(cx).map(|()| Err(timed_out("the client does not read its response")))
    }
}

fn timed_out(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let turns = this.turns.count();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if turns % 2 == 1 {
            if polled.is_pending() {
                this.turns.state.reader.register(cx.waker());
            }
            return polled;
        }
        if this.waiting_since != Some(turns) {
            this.waiting_since = Some(turns);
            this.begun = false;
            let patience = if turns == 0 { this.deadlines.head } else { this.deadlines.idle };
            this.reading.as_mut().reset(Instant::now() + patience);
        }
        match polled {
            Poll::Ready(outcome) => {
                if !this.begun && buf.filled().len() > before {
                    this.begun = true;
                    if turns > 0 {
                        this.reading.as_mut().reset(Instant::now() + this.deadlines.head);
                    }
                }
                // One byte now and then must not outlast the deadline either.
                if this.begun && Instant::now() >= this.reading.deadline() {
                    return Poll::Ready(Err(timed_out("the request's headers did not arrive in time")));
                }
                Poll::Ready(outcome)
            }
            Poll::Pending => {
                this.reading.as_mut().poll(cx).map(|()| Err(timed_out("no request arrived in time")))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.progress(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.progress(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
