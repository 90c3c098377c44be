//! The peer's other services, as the gateway knows them: gRPC calls with a deadline each, whose failures
//! become problems.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use chord_client::Holder;
use chordial_proto::chord_v1::chord_service_client::ChordServiceClient;
use chordial_proto::chord_v1::find_successor_request::Target;
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;
use chordial_proto::chord_v1::node_service_client::NodeServiceClient;
use chordial_proto::chord_v1::{
    FindRequest, FindResponse, FindSuccessorRequest, FindSuccessorResponse, GetNodeRequest,
    GetPublishedRequest, GetPublishedResponse, GetRingRequest, GetRingResponse, ListFilesRequest,
    ListFilesResponse, ListNamesRequest, ListNamesResponse, NodeInfo, RingScope, SearchRequest,
    SearchResponse, WatchEventsRequest, WatchEventsResponse, WatchSearchRequest, WatchSearchResponse,
};
use chordial_proto::transfer_v1::transfer_service_client::TransferServiceClient;
use chordial_proto::transfer_v1::transfer_service_upload_request::Part;
use chordial_proto::transfer_v1::{
    FileHeader, StatRequest, TransferServiceUploadRequest, TransferServiceUploadResponse, UploadHeader,
};
use futures::{Stream, stream};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};

use super::problem::{Kind, Problem};
use super::trace_context;
use crate::transfer::refusal;

/// The largest message taken from a service of one's own peer: a page of 1,000 names with many sources.
const MAX_MESSAGE: usize = 32 << 20;

/// What is said of a service that did not answer at all before the deadline.
const NO_ANSWER: &str = "no answer in time";

/// The metadata by which a service that sheds load says when to come again, in milliseconds (gRFC A6).
const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The longest wait that a caller is told, in seconds.
const LONGEST_RETRY: u32 = 60;

/// A channel whose calls say to which trace they belong.
type Traced = InterceptedService<Channel, fn(Request<()>) -> Result<Request<()>, Status>>;

fn traced(channel: Channel) -> Traced {
    InterceptedService::new(channel, trace_context::pass_on)
}

/// Clients of the peer's services.
#[derive(Debug, Clone)]
pub struct Upstream {
    chord: ChordServiceClient<Traced>,
    node: NodeServiceClient<Traced>,
    index: IndexServiceClient<Traced>,
    searches: IndexServiceClient<Traced>,
    events: NodeServiceClient<Traced>,
    transfer: TransferServiceClient<Traced>,
    files: Channel,
    uploads: TransferServiceClient<Traced>,
    deadline: Duration,
}

impl Upstream {
    /// Each call may take up to `deadline`. Streams of events (`events`, to the chord service) and uploads go over
    /// channels of their own: where their bytes are not taken, they fill the window of the connection, and nothing
    /// else gets through.
    pub fn new(
        chord: Channel,
        events: Channel,
        transfer: Channel,
        uploads: Channel,
        deadline: Duration,
    ) -> Self {
        Self {
            chord: ChordServiceClient::new(traced(chord.clone())),
            node: NodeServiceClient::new(traced(chord.clone())).max_decoding_message_size(MAX_MESSAGE),
            index: IndexServiceClient::new(traced(chord)).max_decoding_message_size(MAX_MESSAGE),
            searches: IndexServiceClient::new(traced(events.clone())).max_decoding_message_size(MAX_MESSAGE),
            events: NodeServiceClient::new(traced(events)).max_decoding_message_size(MAX_MESSAGE),
            transfer: TransferServiceClient::new(traced(transfer.clone())),
            files: transfer,
            uploads: TransferServiceClient::new(traced(uploads)),
            deadline,
        }
    }

    /// This peer's state.
    pub async fn node(&self) -> Result<NodeInfo, Problem> {
        self.node_of(String::new()).await
    }

    /// The state of another peer, by name or identifier; empty: this one's.
    pub async fn node_of(&self, peer: String) -> Result<NodeInfo, Problem> {
        let mut client = self.node.clone();
        let answer = self.chord(client.get_node(self.request(GetNodeRequest { peer }))).await?;
        answer.node.ok_or_else(|| {
            Problem::new(
                Kind::ServiceFailed,
                "The chord service of this peer answered without the peer's state.",
            )
        })
    }

    /// Which peer is responsible for a name or key, and how it is found.
    pub async fn find_successor(&self, target: Target) -> Result<FindSuccessorResponse, Problem> {
        let mut client = self.chord.clone();
        let request = self.request(FindSuccessorRequest { target: Some(target) });
        self.within(client.find_successor(request), search_problem).await
    }

    /// All peers.
    pub async fn ring(&self) -> Result<GetRingResponse, Problem> {
        self.ring_in(RingScope::Unspecified).await
    }

    /// How this peer stands among its neighbours.
    pub async fn neighborhood(&self) -> Result<GetRingResponse, Problem> {
        self.ring_in(RingScope::Neighbors).await
    }

    async fn ring_in(&self, scope: RingScope) -> Result<GetRingResponse, Problem> {
        let mut client = self.node.clone();
        self.chord(client.get_ring(self.request(GetRingRequest { scope: scope.into() }))).await
    }

    /// A page of what one peer shares.
    pub async fn list_files(&self, request: ListFilesRequest) -> Result<ListFilesResponse, Problem> {
        let mut client = self.node.clone();
        self.chord(client.list_files(self.request(request))).await
    }

    /// Who has the file of this name.
    pub async fn find(&self, name: String) -> Result<FindResponse, Problem> {
        let mut client = self.index.clone();
        self.chord(client.find(self.request(FindRequest { name }))).await
    }

    /// A page of all names.
    pub async fn list_names(&self, request: ListNamesRequest) -> Result<ListNamesResponse, Problem> {
        let mut client = self.index.clone();
        self.chord(client.list_names(self.request(request))).await
    }

    /// A page of the names that match a query.
    pub async fn search(&self, request: SearchRequest) -> Result<SearchResponse, Problem> {
        let mut client = self.index.clone();
        self.within(client.search(self.request(request)), search_problem).await
    }

    /// A standing search: its first message, which says how it stands, and what follows.
    pub async fn watch_search(
        &self,
        query: String,
    ) -> Result<(WatchSearchResponse, Streaming<WatchSearchResponse>), Problem> {
        let mut client = self.searches.clone();
        let begin = async {
            // Without a deadline: it lasts as long as the caller wants.
            let mut matches = client.watch_search(WatchSearchRequest { query }).await?.into_inner();
            let first = matches.message().await?;
            Ok(Response::new(first.map(|first| (first, matches))))
        };
        self.within(begin, search_problem).await?.ok_or_else(|| {
            Problem::new(Kind::ServiceFailed, "The chord service of this peer ended the search at once.")
        })
    }

    /// What happens in the network behind the event with the id `after`: the first message, which says how the stream
    /// stands, and what follows.
    pub async fn watch_events(
        &self,
        after: String,
    ) -> Result<(WatchEventsResponse, Streaming<WatchEventsResponse>), Problem> {
        let mut client = self.events.clone();
        let begin = async {
            // Without a deadline: it lasts as long as the caller wants.
            let request = WatchEventsRequest { after, ..WatchEventsRequest::default() };
            let mut events = client.watch_events(request).await?.into_inner();
            let first = events.message().await?;
            Ok(Response::new(first.map(|first| (first, events))))
        };
        self.within(begin, events_problem).await?.ok_or_else(|| {
            Problem::new(Kind::ServiceFailed, "The chord service of this peer ended the stream at once.")
        })
    }

    /// How far this peer's files are published; with a name, those of this name in particular.
    pub async fn published(&self, name: String) -> Result<GetPublishedResponse, Problem> {
        let mut client = self.node.clone();
        self.within(client.get_published(self.request(GetPublishedRequest { name })), published_problem).await
    }

    /// One of the files that this peer shares.
    pub async fn stat(&self, path: String) -> Result<FileHeader, Problem> {
        let mut client = self.transfer.clone();
        let answer = self.within(client.stat(self.request(StatRequest { path })), transfer_problem).await?;
        answer
            .header
            .ok_or_else(|| Problem::new(Kind::ServiceFailed, "The transfer service answered without a file."))
    }

    /// The same service, to open such a file: silences are bounded by `stall`.
    pub fn own_files(&self, stall: Duration) -> Holder {
        let holder = Holder::new(self.files.clone(), "this peer's transfer service", stall);
        holder.carrying(trace_context::metadata())
    }

    /// Whether an upload of at least one byte that begins so would be taken: it is begun, and ended without a
    /// byte, which the service can only refuse for the bytes that are missing.
    pub async fn may_upload(&self, header: &UploadHeader) -> Result<(), Problem> {
        let header = UploadHeader { size: header.size.or(Some(1)), ..header.clone() };
        let message = TransferServiceUploadRequest { part: Some(Part::Header(header)) };
        let mut client = self.transfer.clone();
        let call = client.upload(self.request(stream::iter([message])));
        match tokio::time::timeout(self.deadline, call).await {
            Ok(Err(status)) if status.code() == Code::DataLoss => Ok(()),
            Ok(Err(status)) => Err(upload_problem(&status)),
            Ok(Ok(_)) => Err(Problem::new(
                Kind::ServiceFailed,
                "The transfer service of this peer stored a file without its bytes.",
            )),
            Err(_) => Err(upload_problem(&Status::unavailable("no answer in time"))),
        }
    }

    /// Uploads a file: a header, then its bytes. How long that may take is the caller's to say.
    pub async fn upload(
        &self,
        messages: impl Stream<Item = TransferServiceUploadRequest> + Send + 'static,
    ) -> Result<TransferServiceUploadResponse, Problem> {
        let mut client = self.uploads.clone();
        let answer = client.upload(Request::new(messages)).await;
        answer.map(Response::into_inner).map_err(|status| upload_problem(&status))
    }

    /// The service learns the deadline, too, and does not work on for nobody.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        request
    }

    async fn chord<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Problem> {
        self.within(call, chord_problem).await
    }

    async fn within<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
        problem: fn(&Status) -> Problem,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(problem(&status)),
            Err(_) => Err(problem(&Status::deadline_exceeded(NO_ANSWER))),
        }
    }
}

fn chord_problem(status: &Status) -> Problem {
    let message = reason(status);
    match status.code() {
        Code::FailedPrecondition => {
            Problem::new(Kind::NotMember, format!("This peer is not a member of its ring: {message}."))
                .retry_after(2)
        }
        Code::NotFound => Problem::new(Kind::PeerNotFound, sentence(&message)),
        // The service did answer: it is others that did not answer it, and it says who.
        Code::DeadlineExceeded if status.message() != NO_ANSWER => {
            Problem::new(Kind::Timeout, format!("{} Ask again.", sentence(&message)))
        }
        Code::Unavailable if status.source().is_none() => {
            Problem::new(Kind::Unavailable, sentence(&message)).retry_after(2)
        }
        _ => service_problem("chord", status),
    }
}

/// Where the caller chose what is asked.
fn search_problem(status: &Status) -> Problem {
    match status.code() {
        Code::InvalidArgument => Problem::new(Kind::BadQuery, sentence(&reason(status))),
        _ => chord_problem(status),
    }
}

fn events_problem(status: &Status) -> Problem {
    match status.code() {
        Code::ResourceExhausted => Problem::new(Kind::Unavailable, sentence(&reason(status))).retry_after(10),
        _ => chord_problem(status),
    }
}

fn published_problem(status: &Status) -> Problem {
    match status.code() {
        Code::NotFound => Problem::new(Kind::FileNotFound, sentence(&reason(status))),
        _ => chord_problem(status),
    }
}

/// What a failure of the transfer service means for the one who wants a file of this peer.
fn transfer_problem(status: &Status) -> Problem {
    match status.code() {
        // What is not a path below the directory is, for the caller, a file that is not there.
        Code::NotFound | Code::InvalidArgument | Code::PermissionDenied => {
            Problem::new(Kind::FileNotFound, "This peer shares no file at this path.")
        }
        Code::Aborted | Code::OutOfRange => {
            Problem::new(Kind::Unavailable, "The file changed while it was read; ask again.").retry_after(1)
        }
        _ => service_problem("transfer", status),
    }
}

/// What a refusal of the transfer service means for the one who uploads a file.
fn upload_problem(status: &Status) -> Problem {
    let why = status.metadata().get(refusal::REASON).and_then(|why| why.to_str().ok());
    let kind = match (status.code(), why) {
        (Code::PermissionDenied, _) => Kind::UploadsNotAllowed,
        (Code::AlreadyExists, _) => {
            let detail = format!(
                "Not stored: {}. To replace it send If-Match with its ETag, or with *.",
                reason(status)
            );
            return Problem::new(Kind::FileExists, detail);
        }
        (Code::FailedPrecondition, _) => Kind::PathTaken,
        (Code::Aborted, _) => Kind::PreconditionFailed,
        (Code::InvalidArgument, _) => Kind::BadPath,
        (Code::DeadlineExceeded, _) => Kind::BodyTimeout,
        (Code::ResourceExhausted, Some(refusal::TOO_LARGE)) => Kind::BodyTooLarge,
        (Code::ResourceExhausted, Some(refusal::NO_ROOM)) => Kind::InsufficientStorage,
        _ => return service_problem("transfer", status),
    };
    // A peer's name may come first, and stays as it is written.
    Problem::new(kind, format!("Not stored: {}.", reason(status)))
}

fn service_problem(service: &str, status: &Status) -> Problem {
    let message = reason(status);
    let (kind, after) = match status.code() {
        Code::InvalidArgument | Code::OutOfRange => (Kind::BadRequest, None),
        Code::ResourceExhausted => (Kind::TooManyRequests, Some(retry_seconds(status))),
        // A timeout that the client side of gRPC noticed comes as CANCELLED; so does a connection that closed
        // while it was asked, which is no timeout.
        Code::Cancelled if status.message() != "Timeout expired" => (Kind::Unavailable, Some(2)),
        Code::Unavailable => (Kind::Unavailable, Some(2)),
        Code::Aborted => (Kind::Unavailable, Some(1)),
        Code::DeadlineExceeded | Code::Cancelled => (Kind::Timeout, None),
        _ => (Kind::ServiceFailed, None),
    };
    let detail = match kind {
        Kind::BadRequest => sentence(&message),
        Kind::Timeout => format!("The {service} service of this peer did not answer in time; ask again."),
        Kind::TooManyRequests => format!("The {service} service of this peer is too busy: {message}."),
        Kind::Unavailable => format!("The {service} service of this peer does not answer: {message}."),
        _ => format!("The {service} service of this peer failed: {message}."),
    };
    let problem = Problem::new(kind, detail);
    match after {
        Some(seconds) => problem.retry_after(seconds),
        None => problem,
    }
}

/// When a service that is too busy wants to be asked again; where it does not say, in a second.
fn retry_seconds(status: &Status) -> u32 {
    let hint = status.metadata().get(RETRY_PUSHBACK).and_then(|hint| hint.to_str().ok()?.parse::<u32>().ok());
    hint.map_or(1, |millis| millis.div_ceil(1000).clamp(1, LONGEST_RETRY))
}

/// Why, without a full stop.
fn reason(status: &Status) -> String {
    match status.message().trim_end_matches('.') {
        "" => "it gave no reason".to_owned(),
        message => message.to_owned(),
    }
}

/// `reason` as a sentence of its own.
fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).chain(['.']).collect()
}
