//! Questions to one peer's chord port, which puts them to the others.

use std::future::Future;
use std::time::Duration;

use chordial_proto::chord_v1::chord_service_client::ChordServiceClient;
use chordial_proto::chord_v1::find_successor_request::Target;
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;
use chordial_proto::chord_v1::node_service_client::NodeServiceClient;
use chordial_proto::chord_v1::{
    FindRequest, FindResponse, FindSuccessorRequest, FindSuccessorResponse, GetNodeRequest, GetRingRequest,
    GetRingResponse, ListFilesRequest, ListFilesResponse, ListNamesRequest, ListNamesResponse, NodeInfo,
};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::address::Address;
use crate::error::ClientError;

/// The largest message taken: a page of 1,000 names with their holders.
const MESSAGE_BYTES: usize = 32 * 1024 * 1024;

/// One peer, asked through its chord port. Every answer comes within the time-out or not at all. Cloning is
/// cheap and shares the connection.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    address: String,
    timeout: Duration,
}

impl Client {
    /// Connects to a peer's chord port. `timeout` bounds that, and then each answer.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] where nothing answers.
    pub async fn connect(address: &Address, timeout: Duration) -> Result<Self, ClientError> {
        let channel = address.connect(timeout).await?;
        Ok(Self::new(channel, address.to_string(), timeout))
    }

    /// Over a channel that the caller keeps; `address` is what errors call the peer.
    pub fn new(channel: Channel, address: impl Into<String>, timeout: Duration) -> Self {
        Self { channel, address: address.into(), timeout }
    }

    /// The URL of the peer asked.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The peer's state.
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn node(&self) -> Result<NodeInfo, ClientError> {
        let mut service =
            NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let answer = self.ask(service.get_node(self.request(GetNodeRequest {}))).await?;
        answer.node.ok_or_else(|| ClientError::Failed(format!("{} says nothing about itself", self.address)))
    }

    /// All peers in ring order, each asked for its view, and where the views disagree. Not atomic: a ring
    /// that is just changing shows problems that a second look does not.
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn ring(&self) -> Result<GetRingResponse, ClientError> {
        let mut service =
            NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        self.ask(service.get_ring(self.request(GetRingRequest::default()))).await
    }

    /// Who has the file of exactly this name. Nobody is an answer, too: no sources.
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn find(&self, name: &str) -> Result<FindResponse, ClientError> {
        let mut service =
            IndexServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        self.ask(service.find(self.request(FindRequest { name: name.to_owned() }))).await
    }

    /// A page of all names in the network. `limit` 0 leaves it to the peer, at most 1,000; `cursor` comes from
    /// the page before, empty for the first.
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn list_names(&self, limit: u32, cursor: &str) -> Result<ListNamesResponse, ClientError> {
        let mut service =
            IndexServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let request = ListNamesRequest { limit, cursor: cursor.to_owned() };
        self.ask(service.list_names(self.request(request))).await
    }

    /// A page of the files that a peer (name or hexadecimal identifier; empty: the one asked) shares. `limit`
    /// and `cursor` as in [`Client::list_names`].
    ///
    /// # Errors
    /// As every question: see [`ClientError`]; [`ClientError::NotFound`] where there is no such peer.
    pub async fn list_files(
        &self,
        peer: &str,
        limit: u32,
        cursor: &str,
    ) -> Result<ListFilesResponse, ClientError> {
        let mut service =
            NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let request = ListFilesRequest { peer: peer.to_owned(), limit, cursor: cursor.to_owned() };
        self.ask(service.list_files(self.request(request))).await
    }

    /// Which peer is responsible for a key, or for a file name, and the route that led to it.
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn find_successor(&self, target: Target) -> Result<FindSuccessorResponse, ClientError> {
        let mut service =
            ChordServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let request = FindSuccessorRequest { target: Some(target) };
        self.ask(service.find_successor(self.request(request))).await
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        // So that the peer does not work on for somebody who has gone.
        request.set_timeout(self.timeout);
        request
    }

    async fn ask<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, ClientError> {
        answered(call, &self.address, self.timeout).await
    }
}

/// The answer of `call` to `address`, if it comes in time.
pub(crate) async fn answered<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
    address: &str,
    within: Duration,
) -> Result<T, ClientError> {
    match tokio::time::timeout(within, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(ClientError::from_status(&status, address, within)),
        Err(_) => Err(ClientError::TimedOut { address: address.to_owned(), within }),
    }
}
