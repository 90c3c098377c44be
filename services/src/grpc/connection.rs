//! One connection of a gRPC port: begun in time, with nothing half-sent for long and no answer left unread for long,
//! and closed where its place is lost.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tonic::transport::server::Connected;

use super::frames::{Frames, PREFACE};
use crate::accept::{Accepted, Place, Visit};

/// A connection that has sent the preface of HTTP/2. What it owes for too long is an error of the kind `TimedOut`.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    place: Place,
    /// Bytes of the preface that were not read from here yet.
    preface: &'static [u8],
    frames: Frames,
    half_sent: Duration,
    half_sent_since: Option<Instant>,
    unread: Arc<Unread>,
    stall: Duration,
    /// For the next of both deadlines.
    timer: Option<Pin<Box<Sleep>>>,
}

/// Whose connection a request came by.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The connection's place.
    pub visit: Visit,
    /// Its answers that are not read yet.
    pub unread: Arc<Unread>,
}

impl Connection {
    /// Waits `half_sent` long for the preface, so that only who begins costs more than a socket. None: it did not
    /// come, or another one got the place. An answer may stay unread for `stall`.
    pub async fn begin(accepted: Accepted, half_sent: Duration, stall: Duration) -> Option<Connection> {
        let Accepted { mut stream, remote, place } = accepted;
        let mut begin = [0; PREFACE.len()];
        let begun = tokio::select! {
            () = place.lost() => return None,
            begun = timeout(half_sent, read_preface(&mut stream, &mut begin)) => begun,
        };
        begun.ok()?.then_some(Connection {
            stream,
            remote,
            place,
            preface: PREFACE,
            frames: Frames::default(),
            half_sent,
            half_sent_since: None,
            unread: Arc::default(),
            stall,
            timer: None,
        })
    }

    /// Ready with the reason for which this connection has to close.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let half_sent = self.half_sent_since.map(|since| since + self.half_sent);
        let unread = self.unread.since().map(|since| since + self.stall);
        let Some(due) = half_sent.into_iter().chain(unread).min() else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        let why = match half_sent == Some(due) {
            true => "a frame or headers did not arrive in time",
            false => "the client does not read its answers",
        };
        timer.as_mut().poll(cx).map(|()| io::Error::new(io::ErrorKind::TimedOut, why))
    }

    /// An error once another connection has this one's place.
    fn check_place(&self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.place.poll_lost(cx) {
            Poll::Ready(()) => {
                let why = format!("closed to make room for another connection: {}", self.remote);
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, why))
            }
            Poll::Pending => Ok(()),
        }
    }
}

/// Whether the preface came. What is none is known by its first wrong byte.
async fn read_preface(stream: &mut TcpStream, begin: &mut [u8]) -> bool {
    let mut read = 0;
    while read < begin.len() {
        match stream.read(&mut begin[read..]).await {
            Ok(more @ 1..) => read += more,
            _ => return false,
        }
        if begin[..read] != PREFACE[..read] {
            return false;
        }
    }
    true
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        Caller { visit: self.place.visit(), unread: self.unread.clone() }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.check_place(cx)?;
        if !this.preface.is_empty() {
            let (now, later) = this.preface.split_at(this.preface.len().min(buf.remaining()));
            buf.put_slice(now);
            this.preface = later;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if polled.is_ready() {
            this.frames.read(&buf.filled()[before..]);
            return polled;
        }
        // Looked at only where nothing more is there: how late we are with reading is not the client's doing.
        match this.frames.half_sent() {
            true => _ = this.half_sent_since.get_or_insert_with(Instant::now),
            false => this.half_sent_since = None,
        }
        this.poll_overdue(cx).map(Err)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check_place(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_place(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
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

/// Answers of one connection that are complete, and not read by the client yet.
#[derive(Debug, Default)]
pub struct Unread {
    count: AtomicUsize,
    /// When the last one was read, or the first one was there: milliseconds since [`START`].
    moved: AtomicU64,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// An answer that is not read yet.
#[derive(Debug)]
pub struct Answer(Arc<Unread>);

impl Unread {
    /// One more answer is there; it is read when the guard goes.
    pub fn begin(self: &Arc<Unread>) -> Answer {
        if self.count.fetch_add(1, Relaxed) == 0 {
            self.touch();
        }
        Answer(self.clone())
    }

    fn touch(&self) {
        self.moved.store(START.elapsed().as_millis() as u64, Relaxed);
    }

    /// Since when the client has read none of them.
    fn since(&self) -> Option<Instant> {
        let moved = Duration::from_millis(self.moved.load(Relaxed));
        (self.count.load(Relaxed) > 0).then(|| *START + moved)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Relaxed);
        self.0.touch();
    }
}
