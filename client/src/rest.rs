//! The smallest REST client: one GET of a gateway's JSON.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::address::Address;

/// The most that is read of an answer, in bytes.
const ANSWER_BYTES: u64 = 1024 * 1024;

/// An HTTP answer: its status, and its body where that is JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body; none where it is not JSON.
    pub body: Option<Value>,
}

/// Asks `path`, which must be percent-encoded already, of the server at `address`.
///
/// # Errors
/// Where nothing that speaks HTTP/1 answers within the given time.
pub async fn get(address: &Address, path: &str, within: Duration) -> io::Result<Answer> {
    let answer = tokio::time::timeout(within, exchange(address, path)).await.map_err(io::Error::other)??;
    let no_http = || io::Error::new(io::ErrorKind::InvalidData, format!("{address} does not speak HTTP/1"));
    let head = answer.strip_prefix(b"HTTP/1.").ok_or_else(no_http)?;
    let status = head.get(2..5).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let blank_line = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let body = blank_line.map_or(&[][..], |at| &answer[at + 4..]);
    Ok(Answer { status: status.ok_or_else(no_http)?, body: serde_json::from_slice(body).ok() })
}

async fn exchange(address: &Address, path: &str) -> io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(address.authority()).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
        address.authority()
    );
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    socket.take(ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(answer)
}
