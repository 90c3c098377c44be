//! The attacker's side: connections from an address of its own, and HTTP/2 made by hand.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use chordial_tests::programs::garbage::frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Where all attacks come from; honest callers have another address.
const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// Longest wait of the attacker for anything: it must not take part in the measuring.
const WAIT: Duration = Duration::from_secs(20);

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A connection, unless the other side refuses it.
pub async fn dial(to: SocketAddr) -> Option<TcpStream> {
    dial_with(to, None).await
}

/// [`dial`] with so many bytes of room for what the other side says.
pub async fn dial_with(to: SocketAddr, room: Option<u32>) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((SOURCE, 0).into()).expect("an address");
    if let Some(room) = room {
        socket.set_recv_buffer_size(room).expect("a size");
    }
    // Ports of the machine are not used up by connections that have ended.
    socket.set_zero_linger().expect("no lingering");
    tokio::time::timeout(WAIT, socket.connect(to)).await.ok()?.ok()
}

/// Many connections, each after `begin` was sent.
pub async fn dial_many(to: SocketAddr, count: usize, begin: &[u8]) -> Vec<TcpStream> {
    const AT_ONCE: usize = 64;
    let mut dials = JoinSet::new();
    let (mut open, mut begun) = (Vec::with_capacity(count), 0);
    while open.len() < count {
        while begun < count && dials.len() < AT_ONCE {
            let begin = begin.to_vec();
            begun += 1;
            dials.spawn(async move {
                let mut stream = dial(to).await?;
                stream.write_all(&begin).await.ok()?;
                Some(stream)
            });
        }
        match dials.join_next().await {
            Some(stream) => open.extend(stream.expect("a dial")),
            None => break,
        }
    }
    open
}

/// Waits until the other side has closed all; returns how long the slowest took since `since`.
pub async fn closed(streams: Vec<TcpStream>, since: Instant) -> Duration {
    let mut ends = JoinSet::new();
    for mut stream in streams {
        ends.spawn(async move {
            let mut buffer = [0; 4096];
            let read = async { while let Ok(1..) = stream.read(&mut buffer).await {} };
            tokio::time::timeout(WAIT, read).await.map(|()| since.elapsed()).unwrap_or(WAIT)
        });
    }
    ends.join_all().await.into_iter().max().unwrap_or_default()
}

/// Sends as much as the other side takes, reading what it says meanwhile, until one of both is over or the time is.
pub async fn pour(stream: TcpStream, bytes: &[u8], within: Duration) {
    let (mut from, mut to) = stream.into_split();
    let read = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(1..) = from.read(&mut buffer).await {}
    };
    let write = async {
        if to.write_all(bytes).await.is_ok() {
            // What it says to the last of it counts as well.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let _ = tokio::time::timeout(within, async {
        tokio::select! { () = read => {}, () = write => {} }
    })
    .await;
}

/// The headers of a request for an RPC, as HPACK.
pub fn request(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        assert!(text.len() < 127, "{text} needs another length");
        [&[text.len() as u8], text.as_bytes()].concat()
    };
    let mut block = [&[0x83, 0x86, 0x04][..], &text(path), &[0x01], &text("honest")].concat();
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")].iter().chain(more) {
        block.extend([&[0x00][..], &text(name), &text(value)].concat());
    }
    block
}

/// The beginning of a connection, with these settings.
pub fn hello(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    [PREFACE, &frame(SETTINGS, 0, 0, &payload)].concat()
}
