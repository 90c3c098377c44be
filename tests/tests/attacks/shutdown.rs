//! Stopping while everything that can be open is.

use std::time::{Duration, Instant};

use chordial_tests::programs::garbage::frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::measure::{ports, victim};
use crate::wire::{END_HEADERS, HEADERS, dial, dial_many, dial_with, hello, request};

/// Until the process has ended, whatever is open.
const STOPPED: Duration = Duration::from_secs(8);

#[test]
fn a_peer_stops_in_time_whatever_is_open() {
    let mut cluster = victim();
    let [gateway, chord, catalog, transfer] = ports(&cluster.peers[0]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (open, mut events) = runtime.block_on(async {
        let mut open = Vec::new();
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").into_bytes();
        for begin in [
            b"".to_vec(),
            b"GET /".to_vec(),
            get("/livez"),
            b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\n\r\nx".to_vec(),
        ] {
            open.extend(dial_many(gateway.address, 50, &begin).await);
        }
        for _ in 0..20 {
            let mut reader = dial_with(gateway.address, Some(4096)).await.expect("a connection");
            reader.write_all(&get("/files/large.bin")).await.expect("sent");
            open.push(reader);
        }
        for port in [&chord, &catalog, &transfer] {
            let unread = frame(HEADERS, END_HEADERS | 1, 1, &request("/grpc.health.v1.Health/Watch", &[]));
            for more in [&b""[..], b"\0\0", &unread] {
                open.extend(dial_many(port.address, 20, &[&hello(&[(4, 0)]), more].concat()).await);
            }
            open.extend(dial_many(port.address, 20, b"").await);
        }
        let mut events = dial(gateway.address).await.expect("a connection");
        events.write_all(&get("/api/v1/search/events?q=small")).await.expect("sent");
        let begun = tokio::time::timeout(STOPPED, events.read_u8()).await;
        assert!(matches!(begun, Ok(Ok(_))), "{begun:?}");
        (open, events)
    });
    let since = Instant::now();
    let ended = runtime.spawn(async move {
        let mut said = Vec::new();
        let _ = tokio::time::timeout(STOPPED * 2, events.read_to_end(&mut said)).await;
        (since.elapsed(), String::from_utf8_lossy(&said).into_owned())
    });
    let status = cluster.peers[0].terminate(STOPPED);
    let took = since.elapsed();
    assert!(status.success(), "{status}");
    let (after, said) = runtime.block_on(ended).expect("the events' end");
    eprintln!(
        "stopped after {took:.1?} with {} connections open; its event stream after {after:.1?}",
        open.len()
    );
    assert!(after < STOPPED && said.contains("200 OK") || said.contains("event"), "{said}");
}
