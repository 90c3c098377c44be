//! From the catalog's stream of changes to what the node publishes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chord::index::File;
use chordial_proto::catalog_v1::catalog_service_client::CatalogServiceClient;
use chordial_proto::catalog_v1::{WatchRequest, WatchResponse};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use unicode_normalization::UnicodeNormalization;

use super::events::{Events, OwnFiles};
use crate::calls::MAX_MESSAGE;
use crate::driver::Handle;
use crate::search::text_of;

/// How long the stream may be broken before this peer stops renewing its leases.
const LAPSE: Duration = Duration::from_secs(3);
/// Pause between two tries to connect, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long opening the stream, and each silence before it has settled, may take.
const OPEN: Duration = Duration::from_secs(30);
/// Files told to the node at a time: it splits their names into words before it does anything else.
const BATCH: usize = 128;

/// Keeps the node told of what the catalog service at `catalog` has, and `events` of what changes there, until
/// `cancel` is cancelled. Leases are renewed only while the stream is there.
pub async fn feed(catalog: Channel, handle: Handle, events: Events, cancel: CancellationToken) {
    let mut feed = Feed { catalog, handle, events, known: OwnFiles::default(), missing: HashSet::new() };
    tokio::select! {
        () = cancel.cancelled() => {}
        () = feed.run() => {}
    }
}

struct Feed {
    catalog: Channel,
    handle: Handle,
    events: Events,
    /// Files that the node has been told of.
    known: OwnFiles,
    /// The paths of those of them that the present stream has not stated so far.
    missing: HashSet<Arc<str>>,
}

impl Feed {
    async fn run(&mut self) {
        let handle = self.handle.clone();
        loop {
            let stream = {
                let lapse = Instant::now() + LAPSE;
                let settle = self.settle();
                tokio::pin!(settle);
                match tokio::time::timeout_at(lapse, &mut settle).await {
                    Ok(stream) => stream,
                    Err(_) => {
                        handle.watching(false).await;
                        settle.await
                    }
                }
            };
            handle.watching(true).await;
            let why = self.follow(stream).await;
            tracing::warn!("the catalog's stream broke ({}); connecting again", why.message());
        }
    }

    /// A stream that has stated all files; tries until there is one.
    async fn settle(&mut self) -> Streaming<WatchResponse> {
        let mut pause = PAUSE.0;
        let mut complained = false;
        loop {
            match self.try_settle().await {
                Ok(stream) => return stream,
                Err(status) if complained => tracing::debug!("the catalog cannot be watched: {status}"),
                Err(status) => {
                    // At start the catalog may come up a moment after this service.
                    if pause > PAUSE.0 * 8 {
                        complained = true;
                        tracing::warn!("the catalog cannot be watched: {}; trying on", status.message());
                    }
                }
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    async fn try_settle(&mut self) -> Result<Streaming<WatchResponse>, Status> {
        let late = |_| Status::deadline_exceeded(format!("nothing came within {} s", OPEN.as_secs()));
        self.missing = self.known.paths().cloned().collect();
        let mut client =
            CatalogServiceClient::new(self.catalog.clone()).max_decoding_message_size(MAX_MESSAGE);
        let open = tokio::time::timeout(OPEN, client.watch(WatchRequest {})).await;
        let mut stream = open.map_err(late)??.into_inner();
        loop {
            let next = tokio::time::timeout(OPEN, stream.message()).await.map_err(late)??;
            let change = next.ok_or_else(|| Status::unavailable("the catalog ended the stream"))?;
            let settled = change.settled;
            self.take(change).await;
            if settled {
                let gone = std::mem::take(&mut self.missing).into_iter().collect();
                self.tell(Vec::new(), gone).await;
                return Ok(stream);
            }
        }
    }

    /// Passes on every change until the stream breaks.
    async fn follow(&mut self, mut stream: Streaming<WatchResponse>) -> Status {
        loop {
            match stream.message().await {
                Ok(Some(change)) => self.take(change).await,
                Ok(None) => return Status::unavailable("the catalog ended it"),
                Err(status) => return status,
            }
        }
    }

    async fn take(&mut self, change: WatchResponse) {
        let mut present = Vec::with_capacity(change.present.len());
        for mut file in change.present {
            file.name = file.name.nfc().collect();
            let path = file.path.clone();
            match File::try_from(file) {
                Ok(file) => {
                    self.missing.remove(&file.path);
                    let text = text_of(&file.name);
                    present.push(File { text, ..file });
                }
                Err(malformed) => tracing::warn!("{path:?} is not published: {malformed}"),
            }
        }
        let gone: Vec<Arc<str>> = change.gone.into_iter().map(Arc::from).collect();
        self.tell(present, gone).await;
    }

    async fn tell(&mut self, present: Vec<File>, gone: Vec<Arc<str>>) {
        for path in &gone {
            self.missing.remove(path);
        }
        let changes = gone.iter().filter_map(|path| self.known.gone(path)).collect();
        self.events.own(changes).await;
        for present in present.chunks(BATCH) {
            let changes = present.iter().filter_map(|file| self.known.present(file)).collect();
            self.events.own(changes).await;
        }
        for gone in gone.chunks(BATCH) {
            self.handle.shared(Vec::new(), gone.to_vec()).await;
        }
        for present in present.chunks(BATCH) {
            self.handle.shared(present.to_vec(), Vec::new()).await;
        }
    }
}
