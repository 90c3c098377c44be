//! A query put to all peers, each of which searches the files that it shares itself: over a tree, in as many steps as
//! the number of peers has digits to the base of [`FAN`].

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chord::index::{File, Place, Query};
use chord::{Id, Peer};
use chordial_proto::chord_v1 as wire;
use chordial_proto::convert;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tonic::Status;

use crate::driver::Handle;

/// Peers to which one peer passes a query on.
const FAN: usize = 8;
/// Files looked at before others get their turn.
const SLICE: usize = 1000;
/// Queries of this kind that a peer works on at a time, and how long a further one waits.
const AT_ONCE: (usize, Duration) = (8, Duration::from_millis(500));
/// Queries of this kind that this peer starts: so many at once, and so many a second after that.
const STARTS: (f64, f64) = (40.0, 20.0);
/// Each step of the tree leaves its asker so much of the time.
const MARGIN: Duration = Duration::from_millis(100);
/// Files of one name that one peer tells, and all files.
const FILES: (usize, usize) = (100, 4000);
/// Answers that wait to be passed on.
const WAITING: usize = 16;

/// What all peers are asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) query: Query,
    /// Names that each tells.
    pub(super) limit: usize,
    pub(super) after: Option<Place>,
}

/// What this peer starts, and works on for others.
pub(super) struct Scans {
    handle: Handle,
    places: Semaphore,
    starts: Mutex<Starts>,
}

struct Starts {
    left: f64,
    at: Instant,
}

impl Scans {
    pub(super) fn new(handle: Handle) -> Arc<Scans> {
        let starts = Mutex::new(Starts { left: STARTS.0, at: Instant::now() });
        Arc::new(Scans { handle, places: Semaphore::new(AT_ONCE.0), starts })
    }

    /// Puts a question to all peers, this one included. The answers end by the deadline; dropping the receiver ends
    /// them before.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED: this peer has started too many of them lately.
    pub(super) fn start(
        self: &Arc<Self>,
        question: Question,
        within: Duration,
    ) -> Result<mpsc::Receiver<wire::ScanResponse>, Status> {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, before) = (Instant::now(), starts.at);
        starts.left = (starts.left + (now - before).as_secs_f64() * STARTS.1).min(STARTS.0);
        starts.at = now;
        if starts.left < 1.0 {
            return Err(super::exhausted(
                "too many searches of the whole network at once: try again in a second",
            ));
        }
        starts.left -= 1.0;
        drop(starts);
        let me = self.handle.me().id;
        Ok(self.run(question, (me, me), now + within))
    }

    /// Works on another peer's question, and passes it on to those between this peer and `until`.
    pub(super) async fn serve(
        self: &Arc<Self>,
        request: wire::ScanRequest,
    ) -> Result<mpsc::Receiver<wire::ScanResponse>, Status> {
        let malformed = |error: convert::Malformed| Status::invalid_argument(error.to_string());
        let question = Question {
            query: request.query.unwrap_or_default().try_into().map_err(malformed)?,
            limit: (request.limit as usize).min(convert::MAX_READ),
            after: request.after.map(Place::try_from).transpose().map_err(malformed)?,
        };
        let until = convert::id(&request.until, "ScanRequest.until").map_err(malformed)?;
        let deadline = Instant::now() + Duration::from_millis(request.within_ms.into());
        Ok(self.run(question, (self.handle.me().id, until), deadline))
    }

    /// `between`: whom it is passed on to; (me, me) is everybody.
    fn run(
        self: &Arc<Self>,
        question: Question,
        between: (Id, Id),
        deadline: Instant,
    ) -> mpsc::Receiver<wire::ScanResponse> {
        let (answers, receiver) = mpsc::channel(WAITING);
        let scans = self.clone();
        tokio::spawn(async move {
            let own = async {
                let answer = scans.own(&question).await;
                let _ = answers.send(answer).await;
            };
            let others = scans.pass_on(&question, between, Vec::new(), deadline, &answers);
            tokio::select! {
                _ = tokio::time::timeout_at(deadline, async { tokio::join!(own, others) }) => {}
                // Whoever asked has gone.
                () = answers.closed() => {}
            }
        });
        receiver
    }

    /// What this peer shares that matches.
    async fn own(&self, question: &Question) -> wire::ScanResponse {
        let me = self.handle.me();
        let silent = wire::ScanResponse { peer: Some(me.clone().into()), silent: true, ..Default::default() };
        let Ok(Ok(_place)) = tokio::time::timeout(AT_ONCE.1, self.places.acquire()).await else {
            return silent;
        };
        let mut best: BTreeMap<Place, Vec<Arc<File>>> = BTreeMap::new();
        let (mut total, mut after) = (0, None);
        loop {
            let Some(files) = self.handle.files(after, SLICE).await else { return silent };
            let Some(last) = files.last() else { break };
            after = Some(last.path.clone());
            for file in files {
                let Some(rank) = question.query.rank(&file.text, &file, &me) else { continue };
                total += 1;
                let place = Place { rank, name: file.name.clone() };
                if question.after.as_ref().is_some_and(|after| place <= *after) {
                    continue;
                }
                let same = best.entry(place).or_default();
                if same.len() < FILES.0 {
                    same.push(file);
                }
                // One more than are told, so that the asker learns of it.
                if best.len() > question.limit + 1 {
                    best.pop_last();
                }
            }
            tokio::task::yield_now().await;
        }
        let entries = best.into_values().flatten().take(FILES.1);
        wire::ScanResponse {
            peer: Some(me.into()),
            silent: false,
            entries: entries.map(|file| convert::named_entry(&file)).collect(),
            services: Some(self.handle.services().into()),
            total,
        }
    }

    /// Passes the question on to everybody between two points. Who does not answer is told of, and whoever is known
    /// behind it is asked in its place.
    fn pass_on<'a>(
        &'a self,
        question: &'a Question,
        (from, until): (Id, Id),
        avoid: Vec<Id>,
        deadline: Instant,
        answers: &'a mpsc::Sender<wire::ScanResponse>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let Some(delegates) = self.handle.delegates((from, until), avoid.clone(), FAN).await else {
                return;
            };
            let ends = delegates.iter().skip(1).map(|peer| peer.id).chain([until]).collect::<Vec<_>>();
            let mut under_way = FuturesUnordered::new();
            for (peer, end) in delegates.into_iter().zip(ends) {
                let mut avoid = avoid.clone();
                under_way.push(async move {
                    if self.forward(question, &peer, end, deadline, answers).await {
                        return;
                    }
                    let silent = wire::ScanResponse {
                        peer: Some(peer.clone().into()),
                        silent: true,
                        ..Default::default()
                    };
                    let _ = answers.send(silent).await;
                    avoid.push(peer.id);
                    self.pass_on(question, (peer.id, end), avoid, deadline, answers).await;
                });
            }
            while under_way.next().await.is_some() {}
        })
    }

    /// Tells whether the peer has answered to the end.
    async fn forward(
        &self,
        question: &Question,
        peer: &Peer,
        until: Id,
        deadline: Instant,
        answers: &mpsc::Sender<wire::ScanResponse>,
    ) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(within) = left.checked_sub(MARGIN) else { return false };
        let request = wire::ScanRequest {
            envelope: Some(self.handle.envelope(peer).into()),
            query: Some(question.query.clone().into()),
            limit: u32::try_from(question.limit).unwrap_or(u32::MAX),
            after: question.after.clone().map(Into::into),
            until: until.to_bytes().to_vec(),
            within_ms: u32::try_from(within.as_millis()).unwrap_or(u32::MAX),
        };
        // Half of the time is for those behind it, should it not answer.
        let patience = Instant::now() + within / 2;
        let mut stream = match self.handle.calls().scan(peer, request, within / 2).await {
            Ok(stream) => stream,
            Err(why) => {
                tracing::debug!("{peer} does not search: {why}");
                return false;
            }
        };
        let mut heard = false;
        loop {
            let wait = if heard { deadline } else { patience };
            match tokio::time::timeout_at(wait, stream.message()).await {
                Ok(Ok(Some(answer))) => {
                    heard |= answer.peer.as_ref().is_some_and(|other| other.address == *peer.address);
                    if answers.send(answer).await.is_err() {
                        return true;
                    }
                }
                Ok(Ok(None)) => return heard,
                Ok(Err(_)) | Err(_) => return false,
            }
        }
    }
}
