//! The gateway over real sockets, its peers' services played by fakes.

mod api;
mod bad_input;
mod connections;
mod events;
mod fakes;
mod file_bytes;
mod http;
mod metrics;
mod openapi;
mod origins;
mod reader;
mod search;
mod uploads;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use super::{Limits, Metrics, Options, serve};
use crate::config::{Setting, Shown};
use fakes::Fakes;

/// No step of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway and the fakes behind it; both end with it.
struct Harness {
    address: SocketAddr,
    fakes: Fakes,
    cancel: CancellationToken,
    served: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Harness {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let fakes = Fakes::start().await;
        let (chord, transfer) = (fakes.chord(), fakes.transfer());
        Self::over(fakes, chord, transfer, limits).await
    }

    /// Nothing answers at its services' ports.
    async fn without_services() -> Self {
        let nobody = Endpoint::from_static("http://127.0.0.1:1");
        Self::over(Fakes::start().await, nobody.clone(), nobody, Limits::default()).await
    }

    async fn over(fakes: Fakes, chord: Endpoint, transfer: Endpoint, limits: Limits) -> Self {
        Self::start(fakes, chord, transfer, limits, &[], &[]).await
    }

    /// It answers for these names, and pages of these origins.
    async fn open_to(hosts: &[&str], origins: &[&str]) -> Self {
        let fakes = Fakes::start().await;
        let (chord, transfer) = (fakes.chord(), fakes.transfer());
        Self::start(fakes, chord, transfer, Limits::default(), hosts, origins).await
    }

    async fn start(
        fakes: Fakes,
        chord: Endpoint,
        transfer: Endpoint,
        limits: Limits,
        hosts: &[&str],
        origins: &[&str],
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let (peer_name, metrics) = ("p1".to_owned(), Metrics::new());
        let url = watch::channel("http://p1.test:8000".to_owned()).1;
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let (hosts, cors_origins) = (texts(hosts), texts(origins));
        let catalog = Endpoint::from_static("http://127.0.0.1:1");
        let service_hosts = chord_client::ServiceHosts::default();
        let setting =
            |key, value: &str, origin: &str| Setting { key, value: value.into(), origin: origin.into() };
        let settings = vec![setting("name", "p1", "p1.toml"), setting("ring", "chordial", "default")];
        let config = Shown { file: Some("p1.toml".into()), settings };
        let options = Options {
            chord,
            catalog,
            transfer,
            peer_name,
            url,
            hosts,
            cors_origins,
            limits,
            metrics,
            service_hosts,
            config,
        };
        let served = tokio::spawn(serve(listener, options, cancel.clone()));
        Self { address, fakes, cancel, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[]).await
    }

    /// One request on a connection of its own.
    async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        self.raw(&format!("{request}\r\n")).await
    }

    async fn raw(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        Answer::read(&mut stream).await
    }
}

/// A response, read to the end of its connection.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        let read = async {
            // A reset behind the response is as good as an end.
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                bytes.extend_from_slice(&buffer[..count]);
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the response did not end in time");
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("no head of a response");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes.split_off(end + 4) }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body, once it is sure that it is a problem of this status and type.
    #[track_caller]
    fn problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body["type"], format!("/problems/{slug}"), "{body}");
        assert_eq!(body["status"], status);
        for member in ["title", "detail", "instance"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "no {member} in {body}");
        }
        body
    }
}
