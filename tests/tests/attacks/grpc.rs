//! Attacks on the gRPC ports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chordial_tests::programs::garbage::{bomb, frame};
use chordial_tests::programs::raw_grpc::framed;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::http::{LASTS, idle};
use crate::measure::{Port, Row, judge, ports, trial, victim};
use crate::wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RESET, SETTINGS, closed, dial, dial_many,
    hello, pour, request,
};

/// What every gRPC server answers.
const CHECK: &str = "/grpc.health.v1.Health/Check";
/// Streams that one connection opens.
const STREAMS: u32 = 20_000;

#[test]
fn the_chord_port_under_attack() {
    let cluster = victim();
    let [_, chord, ..] = ports(&cluster.peers[0]);
    judge(&[
        trial(&chord, "10,000 idle connections", idle),
        trial(&chord, "4,000 idle connections that speak HTTP/2", idle_but_greeted),
    ]);
    judge(&quick(&chord));
    judge(&[
        trial(&chord, "600 half-sent frames, headers, messages", half_sent),
        trial(&chord, "unread answers on 50 connections", zero_window),
        trial(&chord, "requests on 8 connections of 128 streams", flood),
    ]);
    cluster.wait_ring(chordial_tests::programs::PATIENCE);
}

#[test]
fn the_catalog_and_transfer_ports_under_attack() {
    let cluster = victim();
    let [_, _, catalog, transfer] = ports(&cluster.peers[0]);
    judge(&quick(&catalog));
    judge(&quick(&transfer));
    cluster.wait_ring(chordial_tests::programs::PATIENCE);
}

/// The attacks that need few connections.
fn quick(port: &Port) -> [Row; 7] {
    [
        trial(port, "20,000 streams on one connection", many_streams),
        trial(port, "rapid reset", rapid_reset),
        trial(port, "CONTINUATION flood", continuation_flood),
        trial(port, "gzip bomb", gzip_bomb),
        trial(port, "header lists of 1 MiB", large_headers),
        trial(port, "PING flood", ping_flood),
        trial(port, "SETTINGS flood", settings_flood),
    ]
}

/// Pings as fast as they are taken.
pub async fn ping_flood(to: SocketAddr) -> Option<Duration> {
    repeat(to, frame(PING, 0, 0, b"12345678").repeat(10_000)).await
}

/// Settings as fast as they are taken.
pub async fn settings_flood(to: SocketAddr) -> Option<Duration> {
    repeat(to, frame(SETTINGS, 0, 0, &[]).repeat(10_000)).await
}

/// Sends the same to one connection after another.
async fn repeat(to: SocketAddr, bytes: Vec<u8>) -> Option<Duration> {
    let (since, bytes) = (Instant::now(), [hello(&[]), bytes].concat());
    while since.elapsed() < LASTS {
        let Some(stream) = dial(to).await else { continue };
        pour(stream, &bytes, LASTS.saturating_sub(since.elapsed())).await;
    }
    None
}

/// Connections that have begun to speak HTTP/2, and say no more.
pub async fn idle_but_greeted(to: SocketAddr) -> Option<Duration> {
    let open = dial_many(to, 4_000, &hello(&[])).await;
    sleep(LASTS / 2).await;
    drop(open);
    None
}

/// Requests without an end on one connection, whatever the server says of its limits; held open.
pub async fn many_streams(to: SocketAddr) -> Option<Duration> {
    let head = request(CHECK, &[]);
    let mut bytes = hello(&[]);
    for stream in 0..STREAMS {
        bytes.extend(frame(HEADERS, END_HEADERS, stream * 2 + 1, &head));
    }
    let stream = dial(to).await.expect("a connection");
    let (mut from, mut out) = stream.into_split();
    let read = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(1..) = from.read(&mut buffer).await {}
    };
    let write = async {
        let _ = out.write_all(&bytes).await;
        sleep(LASTS).await;
    };
    tokio::select! { () = write => {}, () = read => sleep(LASTS).await }
    None
}

/// Requests that are taken back as soon as they are made.
pub async fn rapid_reset(to: SocketAddr) -> Option<Duration> {
    let head = request(CHECK, &[]);
    let mut bytes = Vec::new();
    for stream in 0..STREAMS {
        bytes.extend(frame(HEADERS, END_HEADERS, stream * 2 + 1, &head));
        bytes.extend(frame(RESET, 0, stream * 2 + 1, &8_u32.to_be_bytes()));
    }
    repeat(to, bytes).await
}

/// Headers that have no end.
pub async fn continuation_flood(to: SocketAddr) -> Option<Duration> {
    let more = frame(CONTINUATION, 0, 1, &vec![0x82; 10_000]);
    repeat(to, [frame(HEADERS, 0, 1, &request(CHECK, &[])), more.repeat(1_000)].concat()).await
}

/// A compressed message of 100 MiB in 680 KB, in frames as the protocol wants them.
pub async fn gzip_bomb(to: SocketAddr) -> Option<Duration> {
    let mut message = framed(&bomb(100 << 20)).to_vec();
    message[0] = 1;
    let head = request(CHECK, &[("grpc-encoding", "gzip")]);
    let mut bytes = frame(HEADERS, END_HEADERS, 1, &head);
    message.chunks(16_000).for_each(|piece| bytes.extend(frame(DATA, 0, 1, piece)));
    repeat(to, bytes).await
}

/// Headers of a thousand fields of a kilobyte.
pub async fn large_headers(to: SocketAddr) -> Option<Duration> {
    let field = [&[0x00, 1, b'x', 0x7f, 0xe9, 0x06][..], &vec![b'v'; 1_000]].concat();
    let mut bytes = Vec::new();
    for stream in 0..10 {
        bytes.extend(frame(HEADERS, 0, stream * 2 + 1, &request(CHECK, &[])));
        for _ in 0..99 {
            bytes.extend(frame(CONTINUATION, 0, stream * 2 + 1, &field.repeat(10)));
        }
        bytes.extend(frame(CONTINUATION, END_HEADERS, stream * 2 + 1, &field.repeat(10)));
    }
    repeat(to, bytes).await
}

/// What has begun and does not end: prefaces, frames, headers, and messages; those are answered, the others closed.
pub async fn half_sent(to: SocketAddr) -> Option<Duration> {
    let begun = |more: &[u8]| [&hello(&[]), more].concat();
    let head = request(CHECK, &[]);
    let mut open = Vec::new();
    for begin in [
        hello(&[])[..12].to_vec(),
        begun(b"\0\0"),
        begun(&frame(PING, 0, 0, b"12345678")[..14]),
        begun(&frame(HEADERS, 0, 1, &head)),
        begun(&frame(HEADERS, END_HEADERS, 1, &head)[..20]),
    ] {
        open.extend(dial_many(to, 100, &begin).await);
    }
    let message = [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, 0, 1, b"\0\0\0\0\x09half")].concat();
    let mut messages = dial_many(to, 100, &begun(&message)).await;
    let since = Instant::now();
    let frames = closed(open, since).await;
    // An answer to the half-sent message: headers that end the stream.
    for stream in &mut messages {
        let mut said = Vec::new();
        let answered = async {
            while !ends_stream_1(&said) {
                if !matches!(stream.read_buf(&mut said).await, Ok(1..)) {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(20), answered).await;
    }
    Some(frames.max(since.elapsed()))
}

/// Whether these frames say that stream 1 is over.
fn ends_stream_1(mut frames: &[u8]) -> bool {
    while let [a, b, c, kind, flags, rest @ ..] = frames {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let Some((stream, payload)) = rest.split_at_checked(4) else { return false };
        let over = *kind == RESET || (*kind == HEADERS && flags & END_STREAM != 0);
        if over && stream == [0, 0, 0, 1] {
            return true;
        }
        let Some(next) = payload.get(length..) else { return false };
        frames = next;
    }
    false
}

/// Who asks for answers and leaves no room for them.
pub async fn zero_window(to: SocketAddr) -> Option<Duration> {
    let mut bytes = hello(&[(4, 0)]);
    for stream in 0..128 {
        bytes.extend(frame(HEADERS, END_HEADERS, stream * 2 + 1, &request(CHECK, &[])));
        bytes.extend(frame(DATA, END_STREAM, stream * 2 + 1, &framed(&[])));
    }
    let open = dial_many(to, 50, &bytes).await;
    sleep(LASTS).await;
    drop(open);
    None
}

/// As many requests as go through some connections, dialled again when they are closed.
pub async fn flood(to: SocketAddr) -> Option<Duration> {
    let mut floods = JoinSet::new();
    for _ in 0..8 {
        floods.spawn(async move {
            loop {
                let Some(stream) = dial(to).await else { continue };
                requests(stream).await;
            }
        });
    }
    sleep(LASTS).await;
    floods.shutdown().await;
    None
}

/// Requests without a pause, until the connection is closed.
async fn requests(stream: TcpStream) {
    let (mut from, mut out) = stream.into_split();
    let head = request(CHECK, &[]);
    let read = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(1..) = from.read(&mut buffer).await {}
    };
    let write = async {
        // Room for all answers of this connection.
        let room = frame(8, 0, 0, &(1_u32 << 30).to_be_bytes());
        if out.write_all(&[hello(&[]), room].concat()).await.is_err() {
            return;
        }
        for stream in 0.. {
            let one = [
                frame(HEADERS, END_HEADERS, stream * 2 + 1, &head),
                frame(DATA, END_STREAM, stream * 2 + 1, &framed(&[])),
            ];
            if out.write_all(&one.concat()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = read => {}, () = write => {} }
}
