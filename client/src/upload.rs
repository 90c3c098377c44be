//! Bytes to a peer that takes uploads.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use chordial_proto::transfer_v1::transfer_service_client::TransferServiceClient;
use chordial_proto::transfer_v1::transfer_service_upload_request::Part;
use chordial_proto::transfer_v1::{
    TransferServiceUploadRequest, TransferServiceUploadResponse, UploadHeader,
};
use futures::channel::mpsc;
use futures::{SinkExt as _, Stream, StreamExt as _};
use tonic::Request;

use crate::client::answered;
use crate::error::ClientError;
use crate::holder::Holder;

/// Chunks that wait to be sent.
const QUEUE: usize = 2;

/// At least so many bytes a second reach the peer's disk: it may be silent, and take nothing, for that long while
/// it syncs what it has of the file.
const SYNCED_PER_SECOND: u64 = 10 * 1024 * 1024;

impl Holder {
    /// Stores what `bytes` gives below the peer's shared directory, as the header says. A `bytes` that fails
    /// ends the upload, and the peer keeps nothing.
    ///
    /// # Errors
    /// [`ClientError::Denied`] where the peer takes no uploads, [`ClientError::Exists`] where there is such a
    /// file and `replace` is not set, [`ClientError::Integrity`] where other bytes arrived than the header
    /// announced, [`ClientError::Usage`] for a path that may not be shared, [`ClientError::TimedOut`] where the
    /// peer takes nothing for as long as the time-out and its disk need.
    pub async fn upload(
        &self,
        header: UploadHeader,
        bytes: impl Stream<Item = io::Result<Bytes>>,
    ) -> Result<TransferServiceUploadResponse, ClientError> {
        let syncing = Duration::from_secs(header.size.unwrap_or(0) / SYNCED_PER_SECOND);
        let within = self.timeout + syncing;
        let (parts, sent) = mpsc::channel(QUEUE);
        let mut service = TransferServiceClient::new(self.channel.clone());
        // Its own deadlines are those of `feed`, and of the wait for the answer.
        let mut call = pin!(service.upload(Request::new(sent)));
        let feed = pin!(self.feed(parts, header, bytes, within));
        tokio::select! {
            // An answer before the end is a refusal.
            answer = &mut call => return answered(async { answer }, &self.address, self.timeout).await,
            fed = feed => fed?,
        }
        answered(call, &self.address, within).await
    }

    async fn feed(
        &self,
        mut parts: mpsc::Sender<TransferServiceUploadRequest>,
        header: UploadHeader,
        bytes: impl Stream<Item = io::Result<Bytes>>,
        within: Duration,
    ) -> Result<(), ClientError> {
        let mut bytes = pin!(bytes);
        let mut part = Part::Header(header);
        loop {
            let sending = parts.send(TransferServiceUploadRequest { part: Some(part) });
            match tokio::time::timeout(within, sending).await {
                Ok(Ok(())) => {}
                // The peer takes no more; its answer says why.
                Ok(Err(_)) => return Ok(()),
                Err(_) => {
                    return Err(ClientError::TimedOut { address: self.address.clone(), within });
                }
            }
            part = match bytes.next().await {
                Some(Ok(chunk)) => Part::Chunk(chunk),
                Some(Err(error)) => {
                    return Err(ClientError::Failed(format!("the file can't be read: {error}")));
                }
                None => return Ok(()),
            };
        }
    }
}
