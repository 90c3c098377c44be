//! IndexService: entries, leases, copies, and what people ask about files.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chord::{Id, Read};
use chordial_proto::chord_v1::index_service_server::IndexService;
use chordial_proto::chord_v1::*;
use chordial_proto::convert::{self, MAX_NAME, MAX_SOURCES};
use futures::{Stream, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use unicode_normalization::UnicodeNormalization;

use super::scan::Scans;
use super::search::{self, Searches};
use super::{answer, exhausted, invalid, names, refusal, ring, standing};
use crate::driver::Handle;

/// Handlers of IndexService.
pub(super) struct Index {
    pub(super) handle: Handle,
    pub(super) lookup_timeout: Duration,
    pub(super) scans: Arc<Scans>,
    pub(super) searches: Arc<Searches>,
    /// Places of standing searches.
    pub(super) standing: Arc<Semaphore>,
}

/// Standing searches at a time.
pub(super) const STANDING: usize = 64;

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl IndexService for Index {
    async fn search(&self, request: Request<SearchRequest>) -> Answered<SearchResponse> {
        Ok(Response::new(self.searches.answer(request.into_inner()).await?))
    }

    type WatchSearchStream = ReceiverStream<Result<WatchSearchResponse, Status>>;

    async fn watch_search(&self, request: Request<WatchSearchRequest>) -> Answered<Self::WatchSearchStream> {
        let query = search::understand(&request.into_inner().query)?;
        let place = self.standing.clone().try_acquire_owned();
        let place = place
            .map_err(|_| exhausted(&format!("{STANDING} searches stand here already: end one first")))?;
        let (answers, stream) = mpsc::channel(1);
        tokio::spawn(standing::watch(self.searches.clone(), query, answers, place));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    type ScanStream = Pin<Box<dyn Stream<Item = Result<ScanResponse, Status>> + Send>>;

    async fn scan(&self, request: Request<ScanRequest>) -> Answered<Self::ScanStream> {
        let request = request.into_inner();
        let envelope = convert::envelope(request.envelope.clone()).map_err(invalid)?;
        // Whether it is meant for this life of this peer, in its ring.
        self.handle.serve(envelope, chord::Request::Ping).await.map_err(refusal)?;
        let answers = self.scans.serve(request).await?;
        Ok(Response::new(Box::pin(ReceiverStream::new(answers).map(Ok))))
    }

    async fn find(&self, request: Request<FindRequest>) -> Answered<FindResponse> {
        let (name, key) = key_of(&request.into_inner().name)?;
        let (found, elapsed) =
            ring::find(&self.handle, key, Read::Key(MAX_SOURCES), self.lookup_timeout).await?;
        Ok(Response::new(convert::found(self.handle.me(), name, found, elapsed)))
    }

    async fn list_names(&self, request: Request<ListNamesRequest>) -> Answered<ListNamesResponse> {
        let page = names::page(&self.handle, &request.into_inner(), self.lookup_timeout).await?;
        Ok(Response::new(page))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Answered<RenewResponse> {
        answer(&self.handle, request).await
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Answered<PublishResponse> {
        answer(&self.handle, request).await
    }

    async fn moved(&self, request: Request<MovedRequest>) -> Answered<MovedResponse> {
        answer(&self.handle, request).await
    }

    async fn withdraw(&self, request: Request<WithdrawRequest>) -> Answered<WithdrawResponse> {
        answer(&self.handle, request).await
    }

    async fn hand_over(&self, request: Request<HandOverRequest>) -> Answered<HandOverResponse> {
        answer(&self.handle, request).await
    }

    async fn compare(&self, request: Request<CompareRequest>) -> Answered<CompareResponse> {
        answer(&self.handle, request).await
    }
}

/// A file name as the index has it, composed (NFC), and its key.
pub(super) fn key_of(name: &str) -> Result<(String, Id), Status> {
    if name.is_empty() {
        return Err(Status::invalid_argument("the name is empty: give a file's base name"));
    }
    if name.len() > 2 * MAX_NAME {
        return Err(too_long(name.len()));
    }
    let name: String = name.nfc().collect();
    if name.len() > MAX_NAME {
        return Err(too_long(name.len()));
    }
    let key = Id::of(name.as_bytes());
    Ok((name, key))
}

fn too_long(bytes: usize) -> Status {
    Status::invalid_argument(format!("the name has {bytes} bytes: no file's name has more than {MAX_NAME}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_key_however_it_is_composed() {
        let (composed, decomposed) = (key_of("\u{f1}.pdf").unwrap(), key_of("n\u{303}.pdf").unwrap());
        assert_eq!(composed, decomposed);
        assert_eq!(composed.1, Id::of("ñ.pdf".as_bytes()));
    }

    #[test]
    fn names_that_no_file_has_are_refused() {
        for name in [String::new(), "n".repeat(256), "n".repeat(100_000)] {
            assert_eq!(key_of(&name).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
        assert!(key_of(&"n".repeat(255)).is_ok());
    }
}
