//! The smallest HTTP/1.1 client that leaves a request exactly as it was written: a test of bad input needs
//! paths and headers that a proper client would mend.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::Value;

/// The longest silence of a server.
const SILENCE: Duration = Duration::from_secs(20);

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer to a request, all of it; `None` where it is not HTTP, or cut off.
    pub fn parse(bytes: &[u8]) -> Option<Answer> {
        parse(bytes, "GET")
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
    }

    /// The body of a problem with this status.
    ///
    /// # Panics
    /// Where it is not one.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{text}");
        let body = self.json();
        assert_eq!(body["status"], status, "{text}");
        for member in ["type", "title", "detail", "instance"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {text}");
        }
        body
    }
}

/// Asks for `path`, sent as it is, of the server at `base` (`http://HOST:PORT`).
///
/// # Errors
/// Where nothing answers, or what does speaks no HTTP.
pub fn get(base: &str, path: &str) -> Result<Answer, String> {
    request("GET", base, path, &[])
}

/// Asks for a whole URL, as an index entry carries it.
///
/// # Errors
/// As [`get`].
pub fn get_url(url: &str) -> Result<Answer, String> {
    let host = url.strip_prefix("http://").ok_or_else(|| format!("{url} does not begin with http://"))?;
    let path = host.find('/').ok_or_else(|| format!("{url} has no path"))?;
    get(&url[..url.len() - host.len() + path], &host[path..])
}

/// Any request without a body.
///
/// # Errors
/// As [`get`].
pub fn request(method: &str, base: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", authority(base));
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    let answer = raw(base, text.as_bytes()).map_err(|error| format!("{method} {base}{path}: {error}"))?;
    parse(&answer, method).ok_or_else(|| {
        format!("{method} {base}{path}: not a whole HTTP answer: {:?}", String::from_utf8_lossy(&answer))
    })
}

/// Sends bytes and reads all that comes until the server closes.
///
/// # Errors
/// Where there is no connection, or the server is silent for too long.
pub fn raw(base: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let exchange = || {
        let address =
            authority(base).to_socket_addrs()?.next().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
        let mut stream = TcpStream::connect_timeout(&address, SILENCE)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        stream.write_all(bytes)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    exchange().map_err(|error: std::io::Error| error.to_string())
}

/// One path segment or query value, percent-encoded wherever that is allowed to be.
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
        encoded
    })
}

fn authority(base: &str) -> &str {
    base.trim_start_matches("http://")
}

fn parse(answer: &[u8], method: &str) -> Option<Answer> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut lines = std::str::from_utf8(&answer[..head]).ok()?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let headers = lines
        .map(|line| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())))
        .collect::<Option<Vec<_>>>()?;
    let mut answer = Answer { status, headers, body: answer[head + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = unchunked(&answer.body)?;
    }
    let announced = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
    // A body that was cut off is no answer.
    let whole = method == "HEAD" || announced.is_none_or(|length| length == answer.body.len());
    whole.then_some(answer)
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = &rest[line + 2..];
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_whole_or_not_at_all() {
        let whole = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nhi", "GET").unwrap();
        assert_eq!((whole.status, whole.header("a"), &whole.body[..]), (200, Some("b"), &b"hi"[..]));
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "GET").is_none());
        let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n";
        assert_eq!(parse(chunks, "GET").unwrap().body, b"hi!");
        assert!(parse(&chunks[..chunks.len() - 7], "GET").is_none());
    }

    #[test]
    fn names_are_encoded() {
        assert_eq!(encode("a b/é\n.txt"), "a%20b%2F%C3%A9%0A.txt");
    }
}
