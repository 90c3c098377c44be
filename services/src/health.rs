//! `chord-peer health`: asks the services that run here whether they live.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::config::Service;
use crate::state::{Running, StateFolder};

/// Deadline for each service.
const WITHIN: Duration = Duration::from_secs(2);

/// What a service said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It lives.
    Live,
    /// It answers, but not that it lives.
    Sick(String),
    /// It does not answer.
    Unreachable(String),
}

/// One service and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The service.
    pub service: Service,
    /// Where it was asked.
    pub address: SocketAddr,
    /// What it said.
    pub verdict: Verdict,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {} ", self.service, self.address)?;
        match &self.verdict {
            Verdict::Live => f.write_str("live"),
            Verdict::Sick(why) => write!(f, "not live: {why}"),
            Verdict::Unreachable(why) => write!(f, "unreachable: {why}"),
        }
    }
}

/// Asks all services that run here, as the state folder knows them, at the same time.
pub async fn ask(state: &StateFolder) -> Vec<Report> {
    futures::future::join_all(state.running().into_iter().map(ask_one)).await
}

/// The exit code that sums `reports` up: 0 all live, 3 one is unreachable, 1 one is sick or nothing runs.
pub fn exit_code(reports: &[Report]) -> u8 {
    let any = |test: fn(&Verdict) -> bool| reports.iter().any(|report| test(&report.verdict));
    if any(|verdict| matches!(verdict, Verdict::Unreachable(_))) {
        3
    } else if reports.is_empty() || any(|verdict| matches!(verdict, Verdict::Sick(_))) {
        1
    } else {
        0
    }
}

async fn ask_one(running: Running) -> Report {
    let address = dialled(running.address);
    let verdict = match running.service {
        Service::Gateway => tokio::time::timeout(WITHIN, livez(address)).await,
        _ => tokio::time::timeout(WITHIN, grpc(address)).await,
    };
    let verdict =
        verdict.unwrap_or_else(|_| Verdict::Unreachable(format!("no answer within {} s", WITHIN.as_secs())));
    Report { service: running.service, address, verdict }
}

/// A service that listens on all addresses is asked on loopback.
fn dialled(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn grpc(address: SocketAddr) -> Verdict {
    let endpoint = match Endpoint::from_shared(format!("http://{address}")) {
        Ok(endpoint) => endpoint,
        Err(error) => return Verdict::Unreachable(error.to_string()),
    };
    let channel = match endpoint.connect().await {
        Ok(channel) => channel,
        Err(error) => return Verdict::Unreachable(root_cause(&error)),
    };
    let answer = HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await;
    match answer.map(|answer| answer.into_inner().status()) {
        Ok(ServingStatus::Serving) => Verdict::Live,
        Ok(status) => Verdict::Sick(status.as_str_name().to_string()),
        Err(status) => Verdict::Sick(format!("{:?}: {}", status.code(), status.message())),
    }
}

async fn livez(address: SocketAddr) -> Verdict {
    match first_line(address).await {
        Ok(line) => match line.split_whitespace().nth(1) {
            Some(status) if line.starts_with("HTTP/1.") && status.starts_with('2') => Verdict::Live,
            Some(status) if line.starts_with("HTTP/1.") => Verdict::Sick(format!("/livez answers {status}")),
            _ => Verdict::Sick("what listens there does not speak HTTP".into()),
        },
        Err(error) => Verdict::Unreachable(error.to_string()),
    }
}

async fn first_line(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let mut buffer = [0; 256];
    while head.len() < 1024 && !head.contains(&b'\n') {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim().to_string())
}

/// The innermost error: tonic's own says only "transport error".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    fn running(service: Service, address: SocketAddr) -> Running {
        Running { service, address, host: String::new() }
    }

    async fn http(answer: &'static str) -> SocketAddr {
        let (listener, address) = listener().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn a_grpc_service_is_live_or_not_serving() {
        for (status, live) in
            [(tonic_health::ServingStatus::Serving, true), (tonic_health::ServingStatus::NotServing, false)]
        {
            let (listener, address) = listener().await;
            let (reporter, service) = tonic_health::server::health_reporter();
            reporter.set_service_status("", status).await;
            let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
            tokio::spawn(
                tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming),
            );
            let report = ask_one(running(Service::Chord, address)).await;
            assert_eq!(report.verdict == Verdict::Live, live, "{report}");
            assert_eq!(exit_code(&[report]), u8::from(!live));
        }
    }

    #[tokio::test]
    async fn a_gateway_is_live_sick_or_no_gateway() {
        let report = ask_one(running(Service::Gateway, http("HTTP/1.1 200 OK\r\n\r\n").await)).await;
        assert_eq!(report.verdict, Verdict::Live);
        let report = ask_one(running(Service::Gateway, http("HTTP/1.1 500 No\r\n\r\n").await)).await;
        assert_eq!(report.verdict, Verdict::Sick("/livez answers 500".into()));
        let report = ask_one(running(Service::Gateway, http("SSH-2.0\n").await)).await;
        assert!(matches!(report.verdict, Verdict::Sick(_)), "{report}");
    }

    #[tokio::test]
    async fn silence_and_closed_ports_are_unreachable() {
        let (silent, address) = listener().await;
        for service in [Service::Catalog, Service::Gateway] {
            let report = ask_one(running(service, address)).await;
            assert!(report.to_string().contains("no answer within 2 s"), "{report}");
        }
        drop(silent);
        for service in [Service::Catalog, Service::Gateway] {
            let report = ask_one(running(service, address)).await;
            assert!(report.to_string().to_lowercase().contains("refused"), "{report}");
            assert_eq!(exit_code(&[report]), 3);
        }
    }

    #[tokio::test]
    async fn nothing_runs_in_an_empty_folder() {
        let root = tempfile::tempdir().unwrap();
        let reports = ask(&StateFolder::existing(&root.path().join("none"))).await;
        assert_eq!((reports.len(), exit_code(&reports)), (0, 1));
    }
}
