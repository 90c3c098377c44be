//! Bytes straight from the peer that holds a file.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use chordial_proto::transfer_v1::dummy_service_client::DummyServiceClient;
use chordial_proto::transfer_v1::transfer_service_client::TransferServiceClient;
use chordial_proto::transfer_v1::transfer_service_download_response::Part;
use chordial_proto::transfer_v1::{
    DummyServiceDownloadRequest, DummyServiceDownloadResponse, DummyServiceUploadRequest,
    DummyServiceUploadResponse, FileHeader, StatRequest, TransferServiceDownloadRequest,
    TransferServiceDownloadResponse,
};
use futures::{Stream, stream};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Extensions, Request, Status, Streaming};

use crate::address::Address;
use crate::client::answered;
use crate::error::ClientError;

/// What follows a header, in order. Ends after an error; ends without one only when all announced bytes have
/// come.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, ClientError>> + Send>>;

/// A peer's transfer port. Cloning is cheap and shares the connection.
#[derive(Debug, Clone)]
pub struct Holder {
    pub(crate) channel: Channel,
    pub(crate) address: String,
    pub(crate) timeout: Duration,
    metadata: MetadataMap,
}

impl Holder {
    /// Connects to a holder's transfer port. `timeout` bounds that, and then each silence.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] where nothing answers.
    pub async fn connect(address: &Address, timeout: Duration) -> Result<Self, ClientError> {
        let channel = address.connect(timeout).await?;
        Ok(Self::new(channel, address.to_string(), timeout))
    }

    /// Over a channel that the caller keeps; `address` is what errors call the holder.
    pub fn new(channel: Channel, address: impl Into<String>, timeout: Duration) -> Self {
        Self { channel, address: address.into(), timeout, metadata: MetadataMap::new() }
    }

    /// Every download carries this metadata, such as a trace's.
    pub fn carrying(self, metadata: MetadataMap) -> Self {
        Self { metadata, ..self }
    }

    /// Bytes of the file at `path` from `offset` on, `length` of them, 0 for all. The header says what
    /// follows. The stream gives exactly that, or an error; whether the bytes are the right ones is for the
    /// caller to check against the header's digest.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where the holder does not share that file, [`ClientError::Usage`] where the
    /// offset lies behind its end, [`ClientError::Changed`] where the file changes while it is read,
    /// [`ClientError::Integrity`] where the header contradicts the question.
    pub async fn open(
        &self,
        path: &str,
        offset: u64,
        length: u64,
    ) -> Result<(FileHeader, ByteStream), ClientError> {
        let mut service = TransferServiceClient::new(self.channel.clone());
        let request = TransferServiceDownloadRequest { path: path.to_owned(), offset, length };
        let request = Request::from_parts(self.metadata.clone(), Extensions::default(), request);
        let mut parts = match tokio::time::timeout(self.timeout, service.download(request)).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return Err(failure(&status, &self.address, self.timeout)),
            Err(_) => {
                return Err(ClientError::TimedOut { address: self.address.clone(), within: self.timeout });
            }
        };
        let header = match next(&mut parts, &self.address, self.timeout).await? {
            Some(Part::Header(header)) => header,
            _ => return Err(ClientError::Integrity(format!("{} began without a header", self.address))),
        };
        let left = header.size.saturating_sub(offset);
        let expected = if length == 0 { left } else { length.min(left) };
        if header.offset != offset || header.length != expected {
            return Err(ClientError::Integrity(format!(
                "{} announced {} bytes from byte {} on, asked for {expected} from byte {offset} on",
                self.address, header.length, header.offset
            )));
        }
        let body = Body { parts, left: expected, address: self.address.clone(), timeout: self.timeout };
        Ok((header, Box::pin(body.into_stream())))
    }

    /// What a download of the file at `path` would start with.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where the holder does not share that file.
    pub async fn stat(&self, path: &str) -> Result<FileHeader, ClientError> {
        let mut service = TransferServiceClient::new(self.channel.clone());
        let mut request = Request::new(StatRequest { path: path.to_owned() });
        request.set_timeout(self.timeout);
        let answer = answered(service.stat(request), &self.address, self.timeout).await?;
        answer.header.ok_or_else(|| ClientError::Failed(format!("{} sent no header", self.address)))
    }

    /// The echo service: what a download of the file of this base name would move.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where the peer does not share a file of this name.
    pub async fn echo_download(&self, name: &str) -> Result<DummyServiceDownloadResponse, ClientError> {
        let mut service = DummyServiceClient::new(self.channel.clone());
        let mut request = Request::new(DummyServiceDownloadRequest { name: name.to_owned() });
        request.set_timeout(self.timeout);
        answered(service.download(request), &self.address, self.timeout).await
    }

    /// The echo service: what an upload of `size` bytes under this base name would store.
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn echo_upload(
        &self,
        name: &str,
        size: u64,
    ) -> Result<DummyServiceUploadResponse, ClientError> {
        let mut service = DummyServiceClient::new(self.channel.clone());
        let mut request = Request::new(DummyServiceUploadRequest { name: name.to_owned(), size });
        request.set_timeout(self.timeout);
        answered(service.upload(request), &self.address, self.timeout).await
    }
}

/// What is still to come of a download.
struct Body {
    parts: Streaming<TransferServiceDownloadResponse>,
    left: u64,
    address: String,
    timeout: Duration,
}

impl Body {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, ClientError>> + Send {
        stream::unfold(Some(self), |body| async move {
            let mut body = body?;
            match body.chunk().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(body))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        let broken = |why: &str| Err(ClientError::Integrity(format!("{} {why}", self.address)));
        match next(&mut self.parts, &self.address, self.timeout).await? {
            Some(Part::Chunk(chunk)) => match self.left.checked_sub(chunk.len() as u64) {
                Some(left) => {
                    self.left = left;
                    Ok(Some(chunk))
                }
                None => broken("sent more bytes than it had announced"),
            },
            Some(Part::Header(_)) => broken("sent a second header"),
            None if self.left > 0 => broken(&format!("ended {} bytes early", self.left)),
            None => Ok(None),
        }
    }
}

/// What ended a download.
fn failure(status: &Status, address: &str, within: Duration) -> ClientError {
    match status.code() {
        Code::Aborted => ClientError::Changed(format!("{address}: {}", status.message())),
        _ => ClientError::from_status(status, address, within),
    }
}

/// The next part, if it comes in time; `None` at the end. A part of a kind unknown here is passed over.
async fn next(
    parts: &mut Streaming<TransferServiceDownloadResponse>,
    address: &str,
    within: Duration,
) -> Result<Option<Part>, ClientError> {
    loop {
        match tokio::time::timeout(within, parts.message()).await {
            Ok(Ok(Some(message))) if message.part.is_none() => continue,
            Ok(Ok(message)) => return Ok(message.and_then(|message| message.part)),
            Ok(Err(status)) => return Err(failure(&status, address, within)),
            Err(_) => return Err(ClientError::TimedOut { address: address.to_owned(), within }),
        }
    }
}
