//! `catalog.v1.CatalogService` over the listing.
use std::sync::Arc;
use std::time::Duration;

use chordial_proto::catalog_v1::catalog_service_server::CatalogService;
use chordial_proto::catalog_v1::{
    ListRequest, ListResponse, LookupRequest, LookupResponse, StatRequest, StatResponse, WatchRequest,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::shared_dir::{PathError, SharedPath, name_problem, nfc, shorten};

use super::listing::{Condition, Listing};
use super::subscription::{self, Subscription};

/// Files of one page where the caller does not say.
const PAGE: usize = 100;
/// Files of one page at most.
const PAGE_MAX: usize = 1000;
/// Files of one name that are returned at most.
const SAME_NAME_MAX: usize = 100;
/// How long a question waits for the first scan.
const FIRST_SCAN: Duration = Duration::from_secs(5);
/// How long one about a single file does: downloads ask it for the digest, and go on without.
const STAT: Duration = Duration::from_millis(100);
/// Watch streams open at one time.
const SUBSCRIBERS: usize = 64;

/// Answers from the listing; see [`super::Catalog::service`].
#[derive(Debug, Clone)]
pub struct Service {
    listing: Arc<Listing>,
    peer: Arc<str>,
    subscribers: Arc<Semaphore>,
    cancel: CancellationToken,
}

impl Service {
    pub(super) fn new(listing: Arc<Listing>, peer: &str, cancel: CancellationToken) -> Self {
        Self { listing, peer: peer.into(), subscribers: Arc::new(Semaphore::new(SUBSCRIBERS)), cancel }
    }

    async fn ready(&self, within: Duration) -> Result<(), Status> {
        tokio::time::timeout(within, self.listing.ready()).await.map_err(|_| {
            Status::unavailable(match self.listing.condition().problem {
                reading if reading.is_empty() => format!(
                    "{} is still reading its shared directory for the first time; try again in a few seconds",
                    self.peer
                ),
                problem => format!("{} shares nothing now: {problem}", self.peer),
            })
        })
    }
}

#[tonic::async_trait]
impl CatalogService for Service {
    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let ListRequest { limit, cursor } = request.into_inner();
        let after = if cursor.is_empty() { None } else { Some(read_cursor(&cursor)?) };
        let limit = match usize::try_from(limit).unwrap_or(PAGE_MAX) {
            0 => PAGE,
            limit => limit.min(PAGE_MAX),
        };
        self.ready(FIRST_SCAN).await?;
        let (files, total, more) = self.listing.page(after.as_ref().map(SharedPath::as_str), limit);
        let next = match files.last() {
            Some(last) if more => write_cursor(&last.path),
            _ => String::new(),
        };
        let Condition { problem, skipped } = self.listing.condition();
        let (peer, total) = (self.peer.to_string(), total as u64);
        Ok(Response::new(ListResponse { peer, total, files, next, problem, skipped: Some(skipped) }))
    }

    async fn lookup(&self, request: Request<LookupRequest>) -> Result<Response<LookupResponse>, Status> {
        let name = request.into_inner().name;
        if let Some(problem) = name_problem(&name) {
            return Err(Status::invalid_argument(problem));
        }
        self.ready(FIRST_SCAN).await?;
        let files = self.listing.named(&nfc(&name), SAME_NAME_MAX);
        Ok(Response::new(LookupResponse { files }))
    }

    async fn stat(&self, request: Request<StatRequest>) -> Result<Response<StatResponse>, Status> {
        let path = SharedPath::parse(&request.into_inner().path).map_err(|e| match e {
            PathError::Invalid { .. } => Status::invalid_argument(e.to_string()),
            PathError::NeverShared(_) => Status::not_found(e.to_string()),
        })?;
        self.ready(STAT).await?;
        match self.listing.get(path.as_str()) {
            Some(entry) => Ok(Response::new(StatResponse { file: Some(entry.file.as_ref().clone()) })),
            None => Err(Status::not_found(format!(
                "{} shares no file at {:?}; its listing says what it shares",
                self.peer,
                shorten(path.as_str())
            ))),
        }
    }

    type WatchStream = Subscription;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let permit = Arc::clone(&self.subscribers).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "{} already has {SUBSCRIBERS} watchers of its catalog; end one, or list from time to time instead",
                self.peer
            ))
        })?;
        Ok(Response::new(subscription::open(Arc::clone(&self.listing), permit, self.cancel.clone())))
    }
}

/// A cursor is the hexadecimal of the last path of its page, so that it passes unchanged through a URL.
fn write_cursor(path: &str) -> String {
    path.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read_cursor(cursor: &str) -> Result<SharedPath, Status> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = cursor
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect();
    let path = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    path.and_then(|path| SharedPath::parse(&path).ok()).ok_or_else(|| {
        Status::invalid_argument(format!(
            "{:?} is not a cursor of this listing; give `next` of the page before, or none to start",
            shorten(cursor)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_of_a_directory_that_is_still_being_read_is_not_waited_for() {
        let service = Service::new(Arc::new(Listing::new()), "p1", CancellationToken::new());
        let start = tokio::time::Instant::now();
        let status = service.stat(Request::new(StatRequest { path: "a".to_owned() })).await.unwrap_err();
        assert!(status.message().contains("still reading"), "{status}");
        assert!(start.elapsed() < FIRST_SCAN, "downloads wait for {:?}", start.elapsed());
    }

    #[test]
    fn cursors_come_back_and_others_are_refused() {
        for path in ["a", "docs/ü 🦀.txt", "two\nlines"] {
            assert_eq!(read_cursor(&write_cursor(path)).unwrap().as_str(), path);
        }
        for bad in ["a", "zz", "616", "ff", "é", "+1", "2f", "2e2e", "00", "1 "] {
            assert_eq!(read_cursor(bad).unwrap_err().code(), tonic::Code::InvalidArgument, "{bad}");
        }
    }
}
