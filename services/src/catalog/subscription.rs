//! One `Watch` stream: all files, `settled`, then every change.
//!
//! Nothing is buffered for a single subscriber: it draws from its snapshot, then from the broadcast that all
//! share. One that falls behind what the broadcast keeps has missed changes, and its stream ends with
//! RESOURCE_EXHAUSTED: it has to subscribe again.
use std::pin::Pin;
use std::sync::Arc;

use chordial_proto::catalog_v1::{File, WatchResponse};
use futures::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::listing::{BATCH, Listing};

/// The messages of one subscriber.
pub type Subscription = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

enum Stage {
    Waiting,
    Listing { rest: std::vec::IntoIter<Arc<File>>, changes: Receiver<Arc<WatchResponse>> },
    Following(Receiver<Arc<WatchResponse>>),
    Ended,
}

/// Begins a stream; `_permit` is given back where it is dropped.
pub(super) fn open(
    listing: Arc<Listing>,
    permit: OwnedSemaphorePermit,
    cancel: CancellationToken,
) -> Subscription {
    let state = (Stage::Waiting, listing, cancel, permit);
    Box::pin(stream::unfold(state, |(stage, listing, cancel, permit)| async move {
        if matches!(stage, Stage::Ended) {
            return None;
        }
        let (item, stage) = tokio::select! {
            () = cancel.cancelled() => (
                Err(Status::unavailable("this peer's catalog is shutting down; subscribe again later")),
                Stage::Ended,
            ),
            next = next(stage, &listing) => next,
        };
        Some((item, (stage, listing, cancel, permit)))
    }))
}

async fn next(stage: Stage, listing: &Listing) -> (Result<WatchResponse, Status>, Stage) {
    let (mut rest, changes) = match stage {
        Stage::Waiting => {
            listing.ready().await;
            let (files, changes) = listing.subscribe();
            (files.into_iter(), changes)
        }
        Stage::Listing { rest, changes } => (rest, changes),
        Stage::Following(changes) => return follow(changes).await,
        Stage::Ended => return (Err(Status::internal("an ended stream was read on")), Stage::Ended),
    };
    let present: Vec<File> = rest.by_ref().take(BATCH).map(|file| File::clone(&file)).collect();
    if present.is_empty() {
        return (Ok(WatchResponse { settled: true, ..Default::default() }), Stage::Following(changes));
    }
    (Ok(WatchResponse { present, ..Default::default() }), Stage::Listing { rest, changes })
}

async fn follow(mut changes: Receiver<Arc<WatchResponse>>) -> (Result<WatchResponse, Status>, Stage) {
    match changes.recv().await {
        Ok(change) => (Ok(WatchResponse::clone(&change)), Stage::Following(changes)),
        Err(RecvError::Lagged(missed)) => (
            Err(Status::resource_exhausted(format!(
                "this subscriber reads too slowly and missed {missed} messages; subscribe again to get all files"
            ))),
            Stage::Ended,
        ),
        Err(RecvError::Closed) => (Err(Status::unavailable("this peer's catalog has ended")), Stage::Ended),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared_dir::{SharedPath, Stamp};
    use futures::StreamExt as _;
    use std::collections::HashMap;
    use std::time::Duration;
    use tokio::sync::Semaphore;

    fn fill(listing: &Listing, count: usize, size: u64) {
        let stamp = Stamp { size, modified: 0, changed: 0, inode: None };
        let files = (0..count).map(|i| (SharedPath::parse(&format!("f{i:05}")).unwrap(), stamp));
        listing.apply(files.collect(), &HashMap::new());
    }

    async fn subscribe(listing: &Arc<Listing>, cancel: &CancellationToken) -> Subscription {
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        open(Arc::clone(listing), permit, cancel.clone())
    }

    #[tokio::test]
    async fn all_files_in_batches_then_settled_then_changes() {
        let listing = Arc::new(Listing::new());
        let cancel = CancellationToken::new();
        let mut stream = subscribe(&listing, &cancel).await;
        let early = tokio::time::timeout(Duration::from_millis(20), stream.next()).await;
        assert!(early.is_err(), "it spoke before the first scan: {early:?}");
        let mut stream = subscribe(&listing, &cancel).await;
        fill(&listing, BATCH + 1, 1);
        let sizes = [BATCH, 1, 0];
        for size in sizes {
            let batch = stream.next().await.unwrap().unwrap();
            assert_eq!((batch.present.len(), batch.settled), (size, size == 0));
        }
        fill(&listing, BATCH, 1);
        assert_eq!(stream.next().await.unwrap().unwrap().gone, ["f00500"]);
        cancel.cancel();
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn who_lags_is_told_to_subscribe_again() {
        let listing = Arc::new(Listing::new());
        fill(&listing, 1, 0);
        let mut stream = subscribe(&listing, &CancellationToken::new()).await;
        stream.next().await.unwrap().unwrap();
        for size in 1..3000 {
            fill(&listing, 1, size);
        }
        assert!(stream.next().await.unwrap().unwrap().settled);
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), tonic::Code::ResourceExhausted);
        assert!(stream.next().await.is_none());
    }
}
