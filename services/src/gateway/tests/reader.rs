//! A stream of server-sent events, as its reader sees it.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Harness, PATIENCE};

/// The reader's end of a stream.
pub struct Reader {
    pub stream: TcpStream,
    /// What has come so far, chunk sizes and all.
    pub text: String,
}

impl Reader {
    /// Asks for `target`; `headers` are whole lines.
    pub async fn open(peer: &Harness, target: &str, headers: &str) -> Self {
        let mut stream = peer.connect().await;
        let request = format!("GET {target} HTTP/1.1\r\nhost: t\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// Reads until `text` has come; false: the stream ended before.
    pub async fn until(&mut self, text: &str) -> bool {
        let mut buffer = [0; 4096];
        let read = async {
            while !self.text.contains(text) {
                match self.stream.read(&mut buffer).await {
                    Ok(count @ 1..) => self.text.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
                    _ => return false,
                }
            }
            true
        };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{text:?} does not come"))
    }

    /// The events so far, each with its data.
    pub fn events(&self) -> Vec<(String, Value)> {
        let events = self.text.split("event: ").skip(1);
        let parts = events.map(|event| event.split_once("\ndata: ").expect("data"));
        let data = |text: &str| serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        parts.map(|(name, text)| (name.to_owned(), data(text))).collect()
    }
}
