//! `/metrics` of a peer whose services run apart, and the forms that it has.

use std::collections::HashSet;
use std::time::Instant;

use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use super::*;
use crate::config::Service;
use crate::metrics::MetricsApi;

/// Where a process of these services tells what it counts.
async fn process(metrics: Metrics) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let server = Server::builder().add_service(MetricsApi::service(metrics));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    endpoint
}

/// A gateway alone in its process.
async fn alone(chord: Endpoint, catalog: Endpoint, transfer: Endpoint) -> Harness {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, cancel) = (listener.local_addr().unwrap(), CancellationToken::new());
    let options = Options {
        chord,
        catalog,
        transfer,
        peer_name: "p1".to_owned(),
        hosts: Vec::new(),
        service_hosts: chord_client::ServiceHosts::default(),
        config: crate::config::Shown::default(),
        cors_origins: Vec::new(),
        url: watch::channel("http://p1.test:8000".to_owned()).1,
        limits: Limits::default(),
        metrics: Metrics::of(&[Service::Gateway]),
    };
    let served = tokio::spawn(serve(listener, options, cancel.clone()));
    Harness { address, fakes: Fakes::start().await, cancel, served }
}

async fn text(peer: &Harness) -> String {
    String::from_utf8(peer.get("/metrics").await.body).unwrap()
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|other| other == line), "{line} is missing in\n{text}");
}

#[tokio::test]
async fn what_other_processes_count_is_shown_once() {
    // Chord and catalog share a process, which is asked at both of their ports.
    let both = Metrics::of(&[Service::Chord, Service::Catalog]);
    both.counter("of_both", "Of both").inc();
    let transfer = Metrics::of(&[Service::Transfer]);
    transfer.counter("of_transfer", "Of transfer").inc_by(2);
    let peer = alone(process(both.clone()).await, process(both).await, process(transfer).await).await;
    let text = text(&peer).await;
    has(&text, "chord_of_both_total 1");
    has(&text, "chord_of_transfer_total 2");
    has(&text, concat!("chord_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"));
    for service in Service::ALL {
        has(&text, &format!("chord_service_up{{service=\"{service}\"}} 1"));
    }
    for process in ["gateway", "chord+catalog", "transfer"] {
        let cpu = format!("process_cpu_seconds_total{{process=\"{process}\"}} ");
        assert_eq!(text.matches(&cpu).count(), 1, "{cpu} in\n{text}");
    }
    let mut lines = HashSet::new();
    for line in text.lines() {
        let series = line.rsplit_once(' ').map_or(line, |(series, _)| series);
        assert!(lines.insert(series.to_owned()), "{series} is there twice in\n{text}");
    }
}

#[tokio::test]
async fn whoever_does_not_answer_is_left_out_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Endpoint::from_shared(format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let nobody = Endpoint::from_static("http://127.0.0.1:1");
    let transfer = Metrics::of(&[Service::Transfer]);
    transfer.counter("of_transfer", "Of transfer").inc();
    let peer = alone(silent, nobody, process(transfer).await).await;
    let start = Instant::now();
    let text = text(&peer).await;
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    for (service, up) in [("chord", 0), ("catalog", 0), ("transfer", 1), ("gateway", 1)] {
        has(&text, &format!("chord_service_up{{service=\"{service}\"}} {up}"));
    }
    has(&text, "chord_of_transfer_total 1");
    has(&text, "chord_ring_member 0");
}

#[tokio::test]
async fn a_service_whose_text_is_no_metrics_spoils_nothing() {
    let odd = Metrics::of(&[Service::Transfer]);
    odd.counter("chord_odd", "Its help\nhas # TYPE chord_ring_member counter\nand an end\n# EOF");
    let peer = alone(
        Endpoint::from_static("http://127.0.0.1:1"),
        process(odd).await,
        Endpoint::from_static("http://127.0.0.1:1"),
    )
    .await;
    let text = text(&peer).await;
    has(&text, "# TYPE chord_ring_member gauge");
    assert!(!text.contains("EOF"), "{text}");
}

#[tokio::test]
async fn both_forms_are_what_they_say() {
    let peer = Harness::new().await;
    peer.get("/livez").await;
    let open = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let answer = peer.ask("GET", "/metrics", &[("accept", open)]).await;
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(media));
    let text = String::from_utf8(answer.body).unwrap();
    has(&text, "# TYPE chord_http_requests counter");
    has(&text, "# TYPE chord_build info");
    has(&text, "# UNIT chord_http_request_duration_seconds seconds");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    for accept in [&[][..], &[("accept", "*/*")], &[("accept", "text/plain;version=0.0.4")]] {
        let answer = peer.ask("GET", "/metrics", accept).await;
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let text = String::from_utf8(answer.body).unwrap();
        has(&text, "# TYPE chord_http_requests_total counter");
        has(&text, "# TYPE chord_build_info gauge");
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
    }
}

#[tokio::test]
async fn a_thousand_names_make_no_new_series() {
    let peer = Harness::new().await;
    let series = |text: String| text.lines().filter(|line| !line.starts_with('#')).count();
    let ask = async |number: usize| {
        let path = match number % 4 {
            0 => format!("/api/v1/files/never-named-{number}.txt"),
            1 => format!("/files/folder-{number}/file-{number}"),
            2 => format!("/nothing-{number}"),
            _ => format!("/api/v1/search?q=word{number}"),
        };
        peer.get(&path).await;
    };
    for number in 0..4 {
        ask(number).await;
        text(&peer).await;
    }
    let before = series(text(&peer).await);
    for number in 4..1000 {
        ask(number).await;
    }
    let after = text(&peer).await;
    for secret in ["never-named", "folder-", "nothing-", "word1", "127.0.0.1", "p1"] {
        assert!(!after.contains(secret), "{secret} in\n{after}");
    }
    assert_eq!(series(after), before);
}
