//! Attacks on the gateway.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::measure::{judge, ports, trial, victim};
use crate::wire::{closed, dial, dial_many, dial_with};

/// How long what has no end of its own goes on.
pub const LASTS: Duration = Duration::from_secs(4);
/// Connections that say nothing.
pub const IDLE: usize = 10_000;

const GET: &[u8] = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";

#[test]
fn the_gateway_under_attack() {
    let cluster = victim();
    let [gateway, ..] = ports(&cluster.peers[0]);
    judge(&[
        trial(&gateway, "10,000 idle connections", idle),
        trial(&gateway, "4,000 connections idle after a request", idle_after_a_request),
        trial(&gateway, "1,000 slow headers", slow_headers),
        trial(&gateway, "1,000 slow bodies", slow_bodies),
        trial(&gateway, "500 slow readers of a large file", slow_readers),
        trial(&gateway, "requests on 64 connections", flood),
        trial(&gateway, "a connection for each request", flood_of_connections),
    ]);
    cluster.wait_ring(chordial_tests::programs::PATIENCE);
}

/// Connections that send nothing.
pub async fn idle(to: SocketAddr) -> Option<Duration> {
    let open = dial_many(to, IDLE, b"").await;
    sleep(LASTS / 2).await;
    drop(open);
    None
}

/// Connections that could be used again.
pub async fn idle_after_a_request(to: SocketAddr) -> Option<Duration> {
    let open = dial_many(to, 4_000, GET).await;
    sleep(LASTS / 2).await;
    drop(open);
    None
}

/// Headers that have no end, a byte now and then.
pub async fn slow_headers(to: SocketAddr) -> Option<Duration> {
    let open = dial_many(to, 1_000, b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ").await;
    Some(trickle(open, Instant::now()).await)
}

/// Bodies that have no end, a byte now and then.
pub async fn slow_bodies(to: SocketAddr) -> Option<Duration> {
    let begin = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\nx";
    let open = dial_many(to, 1_000, begin).await;
    Some(trickle(open, Instant::now()).await)
}

/// A byte each second, until the other side closes; returns how long that took since `since`, for the slowest.
async fn trickle(open: Vec<tokio::net::TcpStream>, since: Instant) -> Duration {
    let mut ends = JoinSet::new();
    for mut stream in open {
        ends.spawn(async move {
            let (mut from, mut to) = stream.split();
            let write = async {
                let mut tick = tokio::time::interval(Duration::from_secs(1));
                while to.write_all(b"x").await.is_ok() {
                    tick.tick().await;
                }
            };
            let read = async { while let Ok(1..) = from.read(&mut [0; 1024]).await {} };
            let end = async {
                tokio::select! { () = write => {}, () = read => {} }
            };
            let _ = timeout(Duration::from_secs(20), end).await;
            since.elapsed()
        });
    }
    ends.join_all().await.into_iter().max().unwrap_or_default()
}

/// Who asks for a large file and reads none of it.
pub async fn slow_readers(to: SocketAddr) -> Option<Duration> {
    let mut open = Vec::new();
    for _ in 0..500 {
        let Some(mut stream) = dial_with(to, Some(4096)).await else { continue };
        let _ = stream.write_all(b"GET /files/large.bin HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await;
        open.push(stream);
    }
    sleep(LASTS).await;
    drop(open);
    None
}

/// As many requests as go through some connections that stay.
pub async fn flood(to: SocketAddr) -> Option<Duration> {
    let mut floods = JoinSet::new();
    for _ in 0..64 {
        floods.spawn(async move {
            let Some(mut stream) = dial(to).await else { return };
            let mut answer = vec![0; 4096];
            while stream.write_all(GET).await.is_ok() && matches!(stream.read(&mut answer).await, Ok(1..)) {}
        });
    }
    sleep(LASTS).await;
    floods.shutdown().await;
    None
}

/// As many requests as can be made on a connection each.
pub async fn flood_of_connections(to: SocketAddr) -> Option<Duration> {
    let mut floods = JoinSet::new();
    for _ in 0..64 {
        floods.spawn(async move {
            loop {
                let Some(mut stream) = dial(to).await else { continue };
                if stream.write_all(GET).await.is_ok() {
                    let _ = timeout(Duration::from_millis(50), stream.read(&mut [0; 512])).await;
                }
            }
        });
    }
    sleep(LASTS).await;
    floods.shutdown().await;
    // Who is left over is closed in time as well.
    let since = Instant::now();
    let half = dial_many(to, 10, &GET[..20]).await;
    Some(closed(half, since).await)
}
