//! Questions to one peer's chord port, which puts them to the others.

use std::future::Future;
use std::time::Duration;

use chordial_proto::chord_v1::chord_service_client::ChordServiceClient;
use chordial_proto::chord_v1::find_successor_request::Target;
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;
use chordial_proto::chord_v1::node_service_client::NodeServiceClient;
use chordial_proto::chord_v1::{
    DiagnoseRequest, DiagnoseResponse, EventScope, FindRequest, FindResponse, FindSuccessorRequest,
    FindSuccessorResponse, GetNodeRequest, GetPublishedRequest, GetPublishedResponse, GetRingRequest,
    GetRingResponse, ListFilesRequest, ListFilesResponse, ListNamesRequest, ListNamesResponse, NodeInfo,
    RingScope, SearchRequest, SearchResponse, WatchEventsRequest, WatchEventsResponse, WatchSearchRequest,
    WatchSearchResponse,
};
use chordial_proto::metrics_v1::GetMetricsRequest;
use chordial_proto::metrics_v1::metrics_service_client::MetricsServiceClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

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
        self.node_of("").await
    }

    /// The state of another peer, by name or identifier, which the peer asks; empty: its own.
    ///
    /// # Errors
    /// As all questions; [`ClientError::NotFound`] where it finds no such peer.
    pub async fn node_of(&self, peer: &str) -> Result<NodeInfo, ClientError> {
        self.get_node(peer).await.map(|(node, _)| node)
    }

    /// The peer's state, and its clock as it answered: milliseconds since 1970, 0 where it does not tell.
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn node_and_clock(&self) -> Result<(NodeInfo, u64), ClientError> {
        self.get_node("").await
    }

    async fn get_node(&self, peer: &str) -> Result<(NodeInfo, u64), ClientError> {
        let mut service =
            NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let request = self.request(GetNodeRequest { peer: peer.to_owned() });
        let answer = self.ask(service.get_node(request)).await?;
        let silent = || ClientError::Failed(format!("{} says nothing about itself", self.address));
        Ok((answer.node.ok_or_else(silent)?, answer.clock_ms))
    }

    /// What the peer finds of its addresses, its machine and those that should reach it. It takes some seconds.
    ///
    /// # Errors
    /// As every question: see [`ClientError`]; [`ClientError::Busy`] where it was asked within the last second.
    pub async fn diagnose(&self) -> Result<DiagnoseResponse, ClientError> {
        let mut service =
            NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        self.ask(service.diagnose(self.request(DiagnoseRequest {}))).await
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

    /// As [`Client::ring`], of the peer asked and its neighbours only: how its own view differs from theirs.
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn neighbors(&self) -> Result<GetRingResponse, ClientError> {
        let mut service =
            NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let request = GetRingRequest { scope: RingScope::Neighbors.into() };
        self.ask(service.get_ring(self.request(request))).await
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

    /// A page of the names that match `query` (docs/search.md), the best first. `limit` and `cursor` as in
    /// [`Client::list_names`].
    ///
    /// # Errors
    /// As every question: see [`ClientError`]; [`ClientError::Usage`] where the query makes no sense.
    pub async fn search(&self, query: &str, limit: u32, cursor: &str) -> Result<SearchResponse, ClientError> {
        let mut service =
            IndexServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let request = SearchRequest { query: query.to_owned(), limit, cursor: cursor.to_owned() };
        self.ask(service.search(self.request(request))).await
    }

    /// Files that begin to match `query` from now on, wherever they appear. The search stands when this returns.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn watch_search(&self, query: &str) -> Result<Matches, ClientError> {
        let mut service =
            IndexServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        // No deadline goes with it: it lasts as long as the caller wants.
        let request = WatchSearchRequest { query: query.to_owned() };
        let stream = self.ask(service.watch_search(request)).await?;
        let mut matches =
            Matches { stream, first: None, address: self.address.clone(), timeout: self.timeout };
        let first = tokio::time::timeout(self.timeout, matches.next())
            .await
            .map_err(|_| ClientError::TimedOut { address: self.address.clone(), within: self.timeout })??;
        matches.first = Some(first);
        Ok(matches)
    }

    /// What happens in the network from now on, or behind the event with the id `after`, where that is not empty.
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn watch_events(&self, after: &str, scope: EventScope) -> Result<Events, ClientError> {
        let mut service =
            NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        // No deadline goes with it: it lasts as long as the caller wants.
        let request = WatchEventsRequest { after: after.to_owned(), scope: scope.into() };
        let stream = self.ask(service.watch_events(request)).await?;
        Ok(Events { stream, address: self.address.clone(), timeout: self.timeout })
    }

    /// How far the peer's own files are published; with a name, the receipts of its files of that name, too.
    ///
    /// # Errors
    /// As every question: see [`ClientError`]; [`ClientError::NotFound`] where it shares no file of the name.
    pub async fn published(&self, name: &str) -> Result<GetPublishedResponse, ClientError> {
        let mut service =
            NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        self.ask(service.get_published(self.request(GetPublishedRequest { name: name.to_owned() }))).await
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

    /// What the process of the peer's chord service counts, as OpenMetrics text (docs/metrics.md).
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let mut service =
            MetricsServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        Ok(self.ask(service.get_metrics(self.request(GetMetricsRequest {}))).await?.text)
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

/// A search that stands.
#[derive(Debug)]
pub struct Matches {
    stream: Streaming<WatchSearchResponse>,
    first: Option<WatchSearchResponse>,
    address: String,
    timeout: Duration,
}

impl Matches {
    /// What is new; the first one comes at once and says how the search stands. Between two of them any time may
    /// pass. Dropping the search ends it.
    ///
    /// # Errors
    /// As every question: see [`ClientError`]; [`ClientError::Failed`] where the peer ends the search.
    pub async fn next(&mut self) -> Result<WatchSearchResponse, ClientError> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        match self.stream.message().await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(ClientError::Failed(format!("{} has ended the search", self.address))),
            Err(status) => Err(ClientError::from_status(&status, &self.address, self.timeout)),
        }
    }
}

/// Events as they happen.
#[derive(Debug)]
pub struct Events {
    stream: Streaming<WatchEventsResponse>,
    address: String,
    timeout: Duration,
}

impl Events {
    /// The next one; the first one comes at once and says how the stream stands. Between two of them any time may
    /// pass. None: the peer has ended the stream, as the event before said. Dropping the stream ends it.
    ///
    /// # Errors
    /// As every question: see [`ClientError`].
    pub async fn next(&mut self) -> Result<Option<WatchEventsResponse>, ClientError> {
        let next = self.stream.message().await;
        next.map_err(|status| ClientError::from_status(&status, &self.address, self.timeout))
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
