//! Downloads from holders that do not keep to what they announced, or fall silent; an upload to one with a slow
//! disk.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chord_client::{Address, ClientError, Holder};
use chordial_proto::transfer_v1::transfer_service_download_response::Part;
use chordial_proto::transfer_v1::transfer_service_server::{TransferService, TransferServiceServer};
use chordial_proto::transfer_v1::{
    FileHeader, StatRequest, StatResponse, TransferServiceDownloadRequest, TransferServiceDownloadResponse,
    TransferServiceUploadRequest, TransferServiceUploadResponse, UploadHeader,
};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

const PATIENCE: Duration = Duration::from_millis(500);

/// Sends these parts whatever it is asked, and then ends or says nothing more. Takes an upload only after it was
/// silent for three times [`PATIENCE`].
struct Script {
    parts: Arc<Vec<Part>>,
    ends: bool,
}

#[tonic::async_trait]
impl TransferService for Script {
    type DownloadStream = Pin<Box<dyn Stream<Item = Result<TransferServiceDownloadResponse, Status>> + Send>>;

    async fn download(
        &self,
        _: Request<TransferServiceDownloadRequest>,
    ) -> Result<Response<Self::DownloadStream>, Status> {
        let parts = Vec::clone(&self.parts).into_iter();
        let sent = stream::iter(parts.map(|part| Ok(TransferServiceDownloadResponse { part: Some(part) })));
        Ok(Response::new(match self.ends {
            true => sent.boxed(),
            false => sent.chain(stream::pending()).boxed(),
        }))
    }

    async fn stat(&self, _: Request<StatRequest>) -> Result<Response<StatResponse>, Status> {
        Err(Status::not_found("no such file"))
    }

    async fn upload(
        &self,
        request: Request<tonic::Streaming<TransferServiceUploadRequest>>,
    ) -> Result<Response<TransferServiceUploadResponse>, Status> {
        tokio::time::sleep(3 * PATIENCE).await;
        let mut parts = request.into_inner();
        while parts.message().await?.is_some() {}
        Ok(Response::new(TransferServiceUploadResponse::default()))
    }
}

fn header(offset: u64, length: u64) -> Part {
    Part::Header(FileHeader { size: 10, offset, length, ..FileHeader::default() })
}

fn chunk(bytes: &'static [u8]) -> Part {
    Part::Chunk(bytes.into())
}

/// A holder that does as the script says.
async fn connect(script: Script) -> Result<Holder, ClientError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: Address =
        listener.local_addr().expect("bound").to_string().parse().expect("an address of loopback");
    let server = Server::builder().add_service(TransferServiceServer::new(script));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Holder::connect(&address, PATIENCE).await
}

/// All bytes that come from `offset` on, `length` of them, or why not.
async fn fetch(parts: Vec<Part>, ends: bool, offset: u64, length: u64) -> Result<Vec<u8>, ClientError> {
    let holder = connect(Script { parts: Arc::new(parts), ends }).await?;
    let (_, stream) = holder.open("a", offset, length).await?;
    let chunks: Vec<_> = stream.try_collect().await?;
    Ok(chunks.concat())
}

#[tokio::test]
async fn what_was_announced_arrives() {
    let whole = fetch(vec![header(0, 10), chunk(b"01234"), chunk(b"56789")], true, 0, 0).await;
    assert_eq!(whole.expect("whole"), b"0123456789");
    let piece = fetch(vec![header(3, 4), chunk(b"3456")], true, 3, 4).await;
    assert_eq!(piece.expect("a piece"), b"3456");
    let tail = fetch(vec![header(8, 2), chunk(b"89")], true, 8, 50).await;
    assert_eq!(tail.expect("the tail"), b"89");
}

#[tokio::test]
async fn what_was_not_announced_does_not_pass() {
    for (why, parts) in [
        ("too few bytes", vec![header(0, 10), chunk(b"01234")]),
        ("too many bytes", vec![header(0, 10), chunk(b"0123456789"), chunk(b"x")]),
        ("another offset", vec![header(1, 9), chunk(b"123456789")]),
        ("another length", vec![header(0, 9), chunk(b"012345678")]),
        ("two headers", vec![header(0, 10), header(0, 10)]),
        ("no header", vec![chunk(b"0123456789")]),
        ("nothing", vec![]),
    ] {
        let outcome = fetch(parts, true, 0, 0).await;
        assert!(matches!(outcome, Err(ClientError::Integrity(_))), "{why}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_silence_ends_the_download_in_time() {
    for parts in [vec![], vec![header(0, 10)], vec![header(0, 10), chunk(b"01234")]] {
        let outcome = tokio::time::timeout(20 * PATIENCE, fetch(parts, false, 0, 0)).await;
        let outcome = outcome.expect("it does not wait for ever");
        assert!(matches!(outcome, Err(ClientError::TimedOut { .. })), "{outcome:?}");
    }
}

/// More than the transport takes in while nobody reads.
const MIB: usize = 1 << 20;

async fn upload(size: Option<u64>) -> Result<(), ClientError> {
    let holder = connect(Script { parts: Arc::default(), ends: true }).await?;
    let header = UploadHeader { path: "a".to_owned(), size, ..UploadHeader::default() };
    let chunks = (0..8).map(|_| Ok(bytes::Bytes::from(vec![0; MIB])));
    holder.upload(header, stream::iter(chunks)).await.map(|_| ())
}

#[tokio::test]
async fn an_upload_waits_for_the_disk_as_long_as_a_large_file_needs() {
    upload(Some(100 * MIB as u64)).await.expect("it was taken, late");
    let outcome = upload(None).await;
    assert!(matches!(outcome, Err(ClientError::TimedOut { .. })), "{outcome:?}");
}
