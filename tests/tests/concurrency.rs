//! Many callers at the same time, held there: a peer that answered one after the other would answer nobody.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chord_peer::descriptors;
use chordial_proto::catalog_v1::catalog_service_client::CatalogServiceClient;
use chordial_proto::catalog_v1::{ListRequest, WatchRequest, WatchResponse};
use chordial_proto::chord_v1::chord_service_client::ChordServiceClient;
use chordial_proto::chord_v1::find_successor_request::Target;
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;
use chordial_proto::chord_v1::{FindRequest, FindSuccessorRequest};
use chordial_proto::transfer_v1::transfer_service_client::TransferServiceClient;
use chordial_proto::transfer_v1::transfer_service_download_response::Part;
use chordial_proto::transfer_v1::{TransferServiceDownloadRequest, TransferServiceDownloadResponse};
use chordial_tests::programs::raw_grpc::channel;
use chordial_tests::programs::{Cluster, PATIENCE, TestPeer, ensure, eventually, get};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::transport::Endpoint;
use tonic::{Code, Streaming};

/// Callers of each service at the same time.
const CALLERS: usize = 64;
/// Watchers of the catalog that a peer has room for besides its own chord service.
const WATCHERS: usize = CALLERS - 1;
/// How long a peer waits for another one here: so long are the lookups held that need a peer that is stopped.
const CALL: Duration = Duration::from_secs(20);
/// The default of `chord.lookup_timeout`, and what a lookup that nothing holds up may take on a busy machine.
const LOOKUP: Duration = Duration::from_secs(4);
/// Files of each peer.
const FILES: usize = 20;
/// Larger than what may be on its way to a caller who reads nothing.
const BIG: usize = 3 << 20;

/// One test at a time: each keeps this machine busy, and measures.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn file_name(peer: usize, number: usize) -> String {
    format!("file {number} of p{peer}.txt")
}

fn content(peer: usize, number: usize) -> Vec<u8> {
    format!("this is file {number} of peer {peer}").into_bytes()
}

/// The big file's bytes, no two regions the same.
fn big() -> Vec<u8> {
    (0..BIG).map(|byte| (byte * 31 + byte / 251 + byte / 65_521) as u8).collect()
}

/// A file that is in the index: whose it is, and which peer answers for its key.
#[derive(Debug, Clone)]
struct Known {
    name: String,
    holder: String,
    size: u64,
    owner: String,
}

/// Three peers with files that are found through the first one.
fn network(settings: &[(&str, &str)]) -> Cluster {
    let mut cluster = Cluster::new(3, settings);
    for (index, peer) in cluster.peers.iter().enumerate() {
        for number in 0..FILES {
            peer.share(&file_name(index + 1, number), &content(index + 1, number));
        }
    }
    cluster.start();
    cluster.wait_ring(PATIENCE);
    for peer in 1..=3 {
        for number in 0..FILES {
            let name = file_name(peer, number);
            eventually(PATIENCE, &format!("{name:?} is found"), || {
                let sources = cluster.peers[0].sources(&name)?;
                ensure(sources.len() == 1, || format!("{sources:?}"))
            });
        }
    }
    cluster
}

async fn known(peer: &TestPeer) -> Vec<Known> {
    let mut chord = ChordServiceClient::new(channel(&peer.chord()));
    let mut files = Vec::new();
    for holder in 1..=3 {
        for number in 0..FILES {
            let name = file_name(holder, number);
            let request = FindSuccessorRequest { target: Some(Target::Name(name.clone())) };
            let owner = chord.find_successor(request).await.expect("an owner").into_inner();
            let owner = owner.successor.expect("an owner").name;
            let size = content(holder, number).len() as u64;
            files.push(Known { name, holder: format!("p{holder}"), size, owner });
        }
    }
    files
}

/// Asks who has the file over gRPC, on a connection of its own; fails where the answer is not right.
async fn find(chord: String, file: Known) {
    let mut index = IndexServiceClient::new(channel(&chord));
    let answer = index.find(FindRequest { name: file.name.clone() }).await;
    let answer = answer.unwrap_or_else(|why| panic!("{file:?}: {why}")).into_inner();
    let [source] = &answer.sources[..] else { panic!("{file:?}: {answer:?}") };
    let (publisher, entry) =
        (source.publisher.as_ref().expect("a peer"), source.entry.as_ref().expect("a file"));
    assert_eq!((&publisher.name, &entry.name, entry.size), (&file.holder, &file.name, file.size));
}

/// The same over REST.
async fn find_by_rest(gateway: String, file: Known) {
    let mut connection = Connection::open(&gateway).await;
    connection.ask(&format!("/api/v1/files/{}", chordial_tests::programs::encode(&file.name))).await;
    right(&connection.answer().await.expect("an answer"), &file);
}

fn right(answer: &Value, file: &Known) {
    let source = &answer["sources"][0];
    assert_eq!((&answer["name"], &answer["total"]), (&Value::from(&*file.name), &Value::from(1)), "{answer}");
    assert_eq!((&source["peer"], &source["size"]), (&Value::from(&*file.holder), &Value::from(file.size)));
}

/// A keep-alive connection to a gateway.
struct Connection(TcpStream);

impl Connection {
    async fn open(gateway: &str) -> Connection {
        let address: SocketAddr = gateway.trim_start_matches("http://").parse().expect("an address");
        Connection(
            timeout(PATIENCE, TcpStream::connect(address)).await.expect("in time").expect("a connection"),
        )
    }

    async fn ask(&mut self, path: &str) {
        let text = format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n");
        self.0.write_all(text.as_bytes()).await.expect("sent");
    }

    /// The body of one answer, which has to be a 200; an error where the connection ends.
    async fn answer(&mut self) -> std::io::Result<Value> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8(head).expect("a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        self.0.read_exact(&mut body).await?;
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }
}

/// A download on a connection of its own, on which little may be on its way. Returns it with its first chunk.
async fn download(
    transfer: String,
) -> Result<(Streaming<TransferServiceDownloadResponse>, Vec<u8>), tonic::Status> {
    let endpoint = Endpoint::from_shared(transfer).expect("a URL").initial_stream_window_size(64 << 10);
    let mut client = TransferServiceClient::new(endpoint.connect_lazy());
    let wanted = TransferServiceDownloadRequest { path: "big.bin".into(), offset: 0, length: 0 };
    let mut stream = client.download(wanted).await?.into_inner();
    let mut bytes = Vec::new();
    while bytes.is_empty() {
        take(stream.message().await?, &mut bytes);
    }
    Ok((stream, bytes))
}

fn take(message: Option<TransferServiceDownloadResponse>, bytes: &mut Vec<u8>) {
    if let Some(Part::Chunk(chunk)) = message.expect("the download goes on").part {
        bytes.extend_from_slice(&chunk);
    }
}

/// A watcher that has seen all files.
async fn watch(catalog: String) -> Result<Streaming<WatchResponse>, tonic::Status> {
    let mut stream = CatalogServiceClient::new(channel(&catalog)).watch(WatchRequest {}).await?.into_inner();
    while !stream.message().await?.expect("all files").settled {}
    Ok(stream)
}

/// All of them at the same time; each has to come to its end.
async fn all<T: Send + 'static>(
    calls: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let calls: JoinSet<T> = calls.collect();
    timeout(PATIENCE, calls.join_all()).await.expect("all come to their end")
}

#[test]
fn sixty_four_callers_at_once_on_each_service_and_a_lookup_answers() {
    let _one = alone();
    let call = format!("{}s", CALL.as_secs());
    let mut cluster = network(&[
        ("chord.call_timeout", &call),
        ("chord.give_up", "40s"),
        ("chord.lookup_timeout", "30s"),
        ("gateway.request_timeout", "40s"),
        ("index.lease", "120s"),
    ]);
    cluster.peers[0].share("big.bin", &big());
    eventually(PATIENCE, "the big file is shared", || {
        let answer = get(&cluster.peers[0].gateway(), "/api/v1/files/big.bin")?;
        ensure(answer.status == 200, || format!("{answer:?}"))
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(callers_on_all_services(&mut cluster));
    assert!(!cluster.peers[0].log("all").contains("panicked"), "{}", cluster.peers[0].log("all"));
}

async fn callers_on_all_services(cluster: &mut Cluster) {
    let (chord, catalog) = (cluster.peers[0].chord(), cluster.peers[0].catalog());
    let (transfer, gateway) = (cluster.peers[0].transfer(), cluster.peers[0].gateway());
    let files = known(&cluster.peers[0]).await;
    let of = |owner: &str| files.iter().filter(|file| file.owner == owner).cloned().collect::<Vec<_>>();
    // The way to what the first peer and its successor answer for does not lead over the third one.
    let node = get(&gateway, "/api/v1/node").expect("its state").json();
    let (next, last) = if node["successors"][0]["name"] == "p2" { ("p2", 2) } else { ("p3", 1) };
    let (held, free) = (of(cluster.peers[last].name()), [of("p1"), of(next)].concat());
    assert!(!held.is_empty() && !free.is_empty(), "{files:?}");

    // transfer: 64 downloads have begun, none has ended, and there is no place for one more.
    let mut downloads: Vec<_> = all((0..CALLERS).map(|_| download(transfer.clone()))).await;
    let refused = download(transfer.clone()).await.expect_err("a 65th download has no place");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("p1 already sends 64 files"), "{refused}");
    let by_rest = get(&gateway, "/files/big.bin").expect("an answer");
    by_rest.problem(429);
    assert_eq!(by_rest.header("retry-after"), Some("1"), "{by_rest:?}");

    // catalog: all watchers are open at the same time, since all are told of what happens now.
    let watchers = all((0..WATCHERS).map(|_| watch(catalog.clone()))).await;
    let refused = watch(catalog.clone()).await.expect_err("one more watcher has no place");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    cluster.peers[0].share("news.txt", b"news");
    let mut watchers: Vec<_> = watchers.into_iter().map(|watcher| watcher.expect("it watches")).collect();
    for watcher in &mut watchers {
        let news = async {
            while let Some(change) = watcher.message().await.expect("the stream is open") {
                if change.present.iter().any(|file| file.path == "news.txt" && file.size == 4) {
                    break;
                }
            }
        };
        timeout(PATIENCE, news).await.expect("every watcher hears of the new file");
    }

    // A download may stand still for 30 s: from here on, until the lookups have ended.
    for download in &mut downloads {
        let (stream, got) = download.as_mut().expect("it has begun");
        take(stream.message().await.expect("the download goes on"), got);
    }

    // chord and gateway: each holds 64 lookups that wait for a peer which is stopped.
    cluster.peers[last].signal("STOP");
    let stopped = Instant::now();
    let some_held = || held.iter().cycle().take(CALLERS).cloned();
    let mut over_grpc: JoinSet<()> = some_held().map(|file| find(chord.clone(), file)).collect();
    let mut over_rest: JoinSet<()> = some_held().map(|file| find_by_rest(gateway.clone(), file)).collect();
    let mut slowest = Duration::ZERO;
    let in_time = |asked: Instant, what: &str| {
        assert!(asked.elapsed() < LOOKUP, "{what} took {:?}", asked.elapsed());
        asked.elapsed()
    };
    for file in free.iter().cycle().take(20) {
        let asked = Instant::now();
        find(chord.clone(), file.clone()).await;
        slowest = slowest.max(in_time(asked, "a lookup over gRPC"));
        let asked = Instant::now();
        find_by_rest(gateway.clone(), file.clone()).await;
        slowest = slowest.max(in_time(asked, "a lookup over REST"));
    }
    let list = |catalog: String| async move {
        let request = ListRequest { limit: 1000, cursor: String::new() };
        CatalogServiceClient::new(channel(&catalog)).list(request).await.expect("a listing").into_inner()
    };
    for listing in all((0..CALLERS).map(|_| list(catalog.clone()))).await {
        // Its own files, the big one and the news.
        assert_eq!((listing.total as usize, listing.files.len()), (FILES + 2, FILES + 2));
    }
    let ended = over_grpc.try_join_next().is_some() || over_rest.try_join_next().is_some();
    assert!(!ended, "a lookup that waits for a stopped peer has ended after {:?}", stopped.elapsed());
    assert!(stopped.elapsed() < CALL, "this machine is too slow to tell: {:?}", stopped.elapsed());
    eprintln!("the slowest of 40 lookups among {} callers took {slowest:?}", 4 * CALLERS);

    // All that was held comes to its right end.
    cluster.peers[last].signal("CONT");
    let (mut stalled, mut got) = downloads.pop().expect("64 of them").expect("it has begun");
    take(stalled.message().await.expect("the download goes on"), &mut got);
    let bytes = Arc::new(big());
    let rest = downloads.into_iter().map(|download| {
        let (mut stream, mut got) = download.expect("it has begun");
        let bytes = bytes.clone();
        async move {
            assert!(got.len() < bytes.len(), "it has ended before it was read");
            while let Some(message) = stream.message().await.expect("the download goes on") {
                take(Some(message), &mut got);
            }
            assert!(got == *bytes, "{} other bytes", got.len());
        }
    });
    assert_eq!(all(rest).await.len(), CALLERS - 1);
    timeout(PATIENCE, over_grpc.join_all()).await.expect("all lookups over gRPC end");
    timeout(PATIENCE, over_rest.join_all()).await.expect("all lookups over REST end");
    // The stalled one held its place all the time, and gives it back when it goes.
    take(stalled.message().await.expect("the download goes on"), &mut got);
    let again = all((1..CALLERS).map(|_| download(transfer.clone()))).await;
    assert!(again.iter().all(Result::is_ok), "the places of those that have ended are free");
    assert!(download(transfer.clone()).await.is_err(), "the stalled one's is not");
    drop(stalled);
    let place = async { while download(transfer.clone()).await.is_err() {} };
    timeout(PATIENCE, place).await.expect("its place is free when it has gone");
}

#[test]
fn a_thousand_connections_at_once_on_the_gateway_are_all_answered() {
    /// Connections of one address that this gateway serves at the same time.
    const MOST: usize = 1024;
    const CONNECTIONS: usize = 1000;
    let _one = alone();
    // As many systems start programs: a peer has to make room by itself.
    let limit = getrlimit(Resource::Nofile);
    let few = Rlimit { current: Some(1024.min(limit.maximum.unwrap_or(1024))), ..limit };
    setrlimit(Resource::Nofile, few).expect("a limit");
    // Its callers are one address here, which gets a quarter of the places.
    let most = (4 * MOST).to_string();
    let cluster = network(&[("gateway.requests_per_second", "0"), ("gateway.max_connections", &most)]);
    descriptors::raise();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let gateway = cluster.peers[0].gateway();
        let files = Arc::new(known(&cluster.peers[0]).await);
        // All are open, and stay so: each is answered once.
        let opened = all((0..CONNECTIONS).map(|_| {
            let gateway = gateway.clone();
            async move {
                let mut connection = Connection::open(&gateway).await;
                connection.ask("/livez").await;
                connection.answer().await.expect("an answer");
                connection
            }
        }))
        .await;
        let metrics = get(&gateway, "/metrics").expect("metrics");
        let open = String::from_utf8(metrics.body).expect("text");
        let open =
            open.lines().find_map(|line| line.strip_prefix("chord_http_connections ")).expect("a number");
        assert!(open.parse::<f64>().expect("a number") > CONNECTIONS as f64, "{open} connections are open");
        // Now all ask at the same time, for different files.
        let barrier = Arc::new(tokio::sync::Barrier::new(CONNECTIONS));
        let began = Instant::now();
        let mut connections = all(opened.into_iter().enumerate().map(|(number, mut connection)| {
            let (barrier, files) = (barrier.clone(), files.clone());
            async move {
                let file = &files[number % files.len()];
                barrier.wait().await;
                connection
                    .ask(&format!("/api/v1/files/{}", chordial_tests::programs::encode(&file.name)))
                    .await;
                right(&connection.answer().await.expect("an answer"), file);
                connection
            }
        }))
        .await;
        eprintln!("{CONNECTIONS} lookups over as many connections took {:?}", began.elapsed());

        // One more than there may be takes the place of the one that is idle for longest.
        while connections.len() < MOST {
            let mut connection = Connection::open(&gateway).await;
            connection.ask("/livez").await;
            connection.answer().await.expect("an answer");
            connections.push(connection);
        }
        let mut newcomer = Connection::open(&gateway).await;
        newcomer.ask("/livez").await;
        timeout(PATIENCE, newcomer.answer()).await.expect("it gets a place").expect("an answer");
        let mut ended = 0;
        for connection in &mut connections {
            let end = timeout(Duration::from_millis(1), connection.answer()).await;
            ended += usize::from(matches!(end, Ok(Err(_))));
        }
        assert!(ended > 0, "more than {MOST} connections are open");
    });
    assert!(!cluster.peers[0].log("all").contains("panicked"), "{}", cluster.peers[0].log("all"));
}
