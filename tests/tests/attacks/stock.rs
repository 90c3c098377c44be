//! The same attacks on servers as their libraries make them: `warp::serve` and a tonic server with nothing set. This
//! is where the column "before" of the table in docs/operations.md comes from: `make attacks`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use chordial_tests::programs::{Process, eventually, free_port};
use tonic_health::ServingStatus;
use warp::Filter as _;

use crate::measure::{Honest, Port, trial};
use crate::{grpc, http};

const ADDRESS: &str = "CHORDIAL_STOCK_SERVER";

/// Serves in a process of its own, as `begin` has started it: HTTP, and gRPC's health service at the next port.
#[test]
#[ignore = "the server of the other test here"]
fn server() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let address: SocketAddr = address.parse().expect("an address");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status("", ServingStatus::Serving).await;
        let mut next = address;
        next.set_port(address.port() + 1);
        let grpc = tonic::transport::Server::builder().add_service(health).serve(next);
        let folder = std::env::temp_dir().join(format!("chordial-stock-{}", address.port()));
        let routes = warp::path("livez").map(|| "ok\n").or(warp::path("files").and(warp::fs::dir(folder)));
        tokio::select! {
            () = warp::serve(routes).run(address) => {}
            ended = grpc => ended.expect("it serves"),
        }
    });
}

/// A stock server; a new one for each attack, since not each outlives its attack.
fn begin() -> (Process, [Port; 2], tempfile::TempDir) {
    let port = std::iter::repeat_with(free_port).find(|port| free_port() == port + 1).expect("two ports");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let folder = tempfile::Builder::new().prefix("x").tempdir().expect("a folder");
    let files = std::env::temp_dir().join(format!("chordial-stock-{port}"));
    std::fs::create_dir_all(&files).expect("a folder");
    std::fs::write(files.join("large.bin"), vec![7; 64 << 20]).expect("a file");
    let log = folder.path().join("log");
    let mut command = Command::new(std::env::current_exe().expect("this test is a file"));
    command.args(["--exact", "stock::server", "--ignored", "--nocapture"]).env(ADDRESS, address.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(std::fs::File::create(&log).expect("a log"));
    let process = Process::spawn(command, "the stock server", log);
    let url = format!("http://{address}");
    eventually(Duration::from_secs(20), "the stock server answers", || {
        chordial_tests::programs::get(&url, "/livez").map(drop)
    });
    let grpc = format!("http://{}:{}", Ipv4Addr::LOCALHOST, port + 1);
    let ports = [
        Port::new("warp", &url, process.id(), Honest::Http("/livez")),
        Port::new("tonic", &grpc, process.id(), Honest::Grpc("/grpc.health.v1.Health/Check")),
    ];
    (process, ports, folder)
}

/// Judges nobody, and prints what it finds.
#[test]
#[ignore = "what others' servers do is measured, not demanded; run by `make attacks`"]
fn stock_servers_under_attack() {
    macro_rules! measure {
        ($at:literal, $name:literal, $attack:path) => {
            let (_process, ports, _folder) = begin();
            trial(&ports[$at], $name, $attack);
        };
    }
    measure!(0, "10,000 idle connections", http::idle);
    measure!(0, "4,000 connections idle after a request", http::idle_after_a_request);
    measure!(0, "1,000 slow headers", http::slow_headers);
    measure!(0, "1,000 slow bodies", http::slow_bodies);
    measure!(0, "500 slow readers of a large file", http::slow_readers);
    measure!(0, "requests on 64 connections", http::flood);
    measure!(0, "a connection for each request", http::flood_of_connections);
    measure!(1, "10,000 idle connections", http::idle);
    measure!(1, "4,000 idle connections that speak HTTP/2", grpc::idle_but_greeted);
    measure!(1, "20,000 streams on one connection", grpc::many_streams);
    measure!(1, "rapid reset", grpc::rapid_reset);
    measure!(1, "CONTINUATION flood", grpc::continuation_flood);
    measure!(1, "gzip bomb", grpc::gzip_bomb);
    measure!(1, "header lists of 1 MiB", grpc::large_headers);
    measure!(1, "PING flood", grpc::ping_flood);
    measure!(1, "SETTINGS flood", grpc::settings_flood);
    measure!(1, "600 half-sent frames, headers, messages", grpc::half_sent);
    measure!(1, "unread answers on 50 connections", grpc::zero_window);
    measure!(1, "requests on 8 connections of 128 streams", grpc::flood);
}
