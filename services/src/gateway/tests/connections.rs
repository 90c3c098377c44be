//! Connections: slow ones, idle ones, stalled ones, too many, and those open at the end.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::fakes::BIG;
use super::{Harness, PATIENCE};
use crate::gateway::Limits;

const REQUEST: &[u8] = b"GET /livez HTTP/1.1\r\nhost: t\r\n\r\n";

/// How long it takes until the other side closes, or fails where that is beyond patience.
async fn closed(stream: &mut TcpStream) -> Duration {
    let since = Instant::now();
    let mut buffer = [0; 4096];
    let end = async { while let Ok(1..) = stream.read(&mut buffer).await {} };
    timeout(PATIENCE, end).await.expect("the connection stays open");
    since.elapsed()
}

/// Reads one response with a short body, leaving the connection open.
async fn one_response(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = async {
        while !text.ends_with(b"ok\n") {
            text.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(PATIENCE, read).await.expect("no response");
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_half_sent_request_is_closed_in_time() {
    let header_timeout = Duration::from_millis(200);
    let peer = Harness::with(Limits { header_timeout, ..Limits::default() }).await;
    for start in ["", "GET /liv", "GET /livez HTTP/1.1\r\nhost: t\r\nx-slow: "] {
        let mut stream = peer.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        let took = closed(&mut stream).await;
        assert!(took >= Duration::from_millis(150), "{start:?} was closed after {took:?}");
        assert!(took < Duration::from_secs(3), "{start:?} was closed after {took:?}");
    }
}

#[tokio::test]
async fn a_request_that_trickles_in_is_closed_in_time() {
    let header_timeout = Duration::from_millis(200);
    let peer = Harness::with(Limits { header_timeout, ..Limits::default() }).await;
    let mut stream = peer.connect().await;
    let since = Instant::now();
    let trickle = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while stream.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    };
    timeout(PATIENCE, trickle).await.expect("the connection stays open");
    assert!(since.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn between_requests_a_connection_may_idle_longer() {
    let limits = Limits {
        header_timeout: Duration::from_millis(150),
        idle: Duration::from_secs(3),
        ..Limits::default()
    };
    let peer = Harness::with(limits).await;
    let mut stream = peer.connect().await;
    for _ in 0..2 {
        stream.write_all(REQUEST).await.unwrap();
        assert!(one_response(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    let idle = closed(&mut stream).await;
    assert!(idle >= Duration::from_secs(2) && idle < Duration::from_secs(8), "{idle:?}");
    // Once the next request has begun, its head has no longer than a first one's.
    let mut stream = peer.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    one_response(&mut stream).await;
    stream.write_all(b"GET /").await.unwrap();
    let half = closed(&mut stream).await;
    assert!(half < Duration::from_secs(2), "{half:?}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off_and_the_holder_freed() {
    let limits = Limits { stall: Duration::from_millis(300), ..Limits::default() };
    let peer = Harness::with(limits).await;
    let mut stream = peer.connect().await;
    stream.write_all(b"GET /files/big.bin HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    let freed = async {
        while !peer.fakes.knobs.big_dropped.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, freed).await.expect("the transfer is still held");
    let sent = peer.fakes.knobs.big_sent.load(Ordering::Relaxed);
    assert!(sent > 0 && sent < BIG / 4, "{sent} bytes were fetched for a client that reads none");
}

#[tokio::test]
async fn clients_that_read_nothing_hold_up_nobody() {
    // A quarter of them is for one address.
    let peer = Harness::with(Limits { max_downloads: 96, ..Limits::default() }).await;
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut stream = peer.connect().await;
        stream.write_all(b"GET /files/big.bin HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
        timeout(PATIENCE, stream.read_u8()).await.expect("no response").unwrap();
        stalled.push(stream);
    }
    // Until nothing moves for them any more.
    let sent = || peer.fakes.knobs.big_sent.load(Ordering::Relaxed);
    let still = async {
        let mut before = 0;
        while before != sent() {
            before = sent();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, still).await.expect("their transfers go on");
    let other = timeout(Duration::from_secs(3), peer.get("/files/docs/report.pdf")).await;
    assert_eq!(other.expect("it waits for those that stand still").status, 200);
}

#[tokio::test]
async fn a_slow_reader_gets_everything() {
    let limits = Limits {
        request_timeout: Duration::from_secs(1),
        stall: Duration::from_secs(2),
        ..Limits::default()
    };
    let peer = Harness::with(limits).await;
    let mut stream = peer.connect().await;
    let request =
        b"GET /files/big.bin HTTP/1.1\r\nhost: t\r\nrange: bytes=0-33554431\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let (mut buffer, mut read, mut tick) =
        (vec![0; 1 << 20], 0, tokio::time::interval(Duration::from_millis(50)));
    let since = Instant::now();
    let all = async {
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            read += count;
            tick.tick().await;
        }
    };
    timeout(Duration::from_secs(60), all).await.expect("the body did not end");
    assert!(since.elapsed() > Duration::from_secs(1), "it was not slow: {:?}", since.elapsed());
    assert!(read > 32 << 20, "only {read} bytes came, head included");
}

#[tokio::test]
async fn a_newcomer_takes_the_place_of_the_one_that_is_idle_for_longest() {
    // A quarter of them is for one address.
    let peer = Harness::with(Limits { max_connections: 12, ..Limits::default() }).await;
    let mut waiting = peer.connect().await;
    waiting.write_all(b"GET /files/big.bin HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    timeout(PATIENCE, waiting.read_u8()).await.expect("no response").unwrap();
    let mut silent = peer.connect().await;
    let mut idle = peer.connect().await;
    for stream in [&mut idle, &mut peer.connect().await] {
        stream.write_all(REQUEST).await.unwrap();
        assert!(one_response(stream).await.starts_with("HTTP/1.1 200"));
    }
    assert!(closed(&mut silent).await < Duration::from_secs(3), "the silent one has kept its place");
    idle.write_all(REQUEST).await.unwrap();
    one_response(&mut idle).await;
    assert!(timeout(PATIENCE, waiting.read_u8()).await.expect("no bytes").is_ok(), "it was busy");
}

#[tokio::test]
async fn who_asks_too_often_is_slowed_down_then_refused() {
    let limits = Limits { requests_per_second: 10, requests_burst: 5, ..Limits::default() };
    let peer = Harness::with(limits).await;
    let since = Instant::now();
    for _ in 0..8 {
        assert_eq!(peer.get("/livez").await.status, 200);
    }
    assert!(since.elapsed() >= Duration::from_millis(250), "{:?}", since.elapsed());
    let many = futures::future::join_all((0..40).map(|_| peer.get("/livez"))).await;
    let refused: Vec<_> = many.iter().filter(|answer| answer.status != 200).collect();
    assert!((10..=35).contains(&refused.len()), "{} were refused", refused.len());
    refused[0].problem(429, "too-many-requests");
    assert_eq!(refused[0].header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_body_that_nobody_wants_has_to_arrive_in_time() {
    let body_timeout = Duration::from_millis(200);
    let peer = Harness::with(Limits { body_timeout, ..Limits::default() }).await;
    let since = Instant::now();
    let answer = peer.raw("GET /livez HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\nhalf").await;
    answer.problem(408, "body-timeout");
    assert!(since.elapsed() >= body_timeout && since.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn one_address_leaves_some_downloads_for_others() {
    let peer = Harness::with(Limits { max_downloads: 12, ..Limits::default() }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = peer.connect().await;
        stream.write_all(b"GET /files/big.bin HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
        timeout(PATIENCE, stream.read_u8()).await.expect("no response").unwrap();
        held.push(stream);
    }
    peer.get("/files/docs/report.pdf").await.problem(429, "too-many-requests");
    assert_eq!(peer.get("/livez").await.status, 200);
    held.pop();
    let free = async {
        while peer.get("/files/docs/report.pdf").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, free).await.expect("a download that was ended still counts");
}

#[tokio::test]
async fn it_ends_within_the_drain_time() {
    let mut peer = Harness::with(Limits { drain: Duration::from_secs(1), ..Limits::default() }).await;
    let mut idle = peer.connect().await;
    idle.write_all(REQUEST).await.unwrap();
    one_response(&mut idle).await;
    let mut waiting = peer.connect().await;
    waiting.write_all(b"GET /api/v1/files/slow.txt HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    let asked = async {
        while peer.fakes.knobs.asked.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asked).await.expect("the request did not arrive");
    let since = Instant::now();
    peer.cancel.cancel();
    assert!(closed(&mut idle).await < Duration::from_millis(900), "an idle connection held on");
    timeout(PATIENCE, &mut peer.served).await.expect("it does not end").unwrap().unwrap();
    assert!(since.elapsed() < Duration::from_secs(3));
    assert!(TcpStream::connect(peer.address).await.is_err(), "it still listens");
}
