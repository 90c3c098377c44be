//! How the ring stands, for the metrics: asked seldom, however often they are collected, and never waited for
//! longer than the collector may be.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chordial_proto::chord_v1::GetRingResponse;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;
use super::upstream::Upstream;

/// How long an answer about the neighbours is shown.
const NEAR: Duration = Duration::from_secs(15);
/// An answer about the whole ring is shown for as long, and longer by this for each peer: so a peer asks one
/// other a second at most, however large the ring is.
const FOR_EACH: Duration = Duration::from_secs(1);

/// The latest answers.
#[derive(Debug, Default)]
pub(super) struct Standing {
    near: Latest,
    whole: Latest,
}

impl Standing {
    /// How this peer stands among its neighbours, and how the whole ring does; none: the chord service does
    /// not say, or not yet. What comes after `until` is kept for the next one who asks.
    pub(super) async fn look(
        &self,
        upstream: &Upstream,
        until: Instant,
    ) -> [Option<Arc<GetRingResponse>>; 2] {
        let lasting = |ring: &GetRingResponse| NEAR.max(FOR_EACH * ring.peers.len() as u32);
        let (one, other) = (upstream.clone(), upstream.clone());
        let near = self.near.get(async move { one.neighborhood().await }, |_| NEAR, until);
        let whole = self.whole.get(async move { other.ring().await }, lasting, until);
        let (near, whole) = tokio::join!(near, whole);
        [near, whole]
    }
}

/// An answer, and who brings the next one.
#[derive(Clone, Debug, Default)]
struct Latest(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Until when it is shown.
    answer: Option<(Arc<GetRingResponse>, Instant)>,
    asking: Option<Shared<BoxFuture<'static, ()>>>,
}

impl Latest {
    /// The latest answer, or what `ask` brings now, if that is before `until`. Those who come meanwhile wait for the
    /// same.
    async fn get(
        &self,
        ask: impl Future<Output = Result<GetRingResponse, Problem>> + Send + 'static,
        lasting: fn(&GetRingResponse) -> Duration,
        until: Instant,
    ) -> Option<Arc<GetRingResponse>> {
        if let Some(answer) = self.shown() {
            return Some(answer);
        }
        let asking = {
            let mut state = self.state();
            let under_way = state.asking.clone().filter(|asking| asking.peek().is_none());
            let asking = under_way.unwrap_or_else(|| self.begin(ask, lasting));
            state.asking = Some(asking.clone());
            asking
        };
        let _ = timeout_at(until, asking).await;
        self.shown()
    }

    /// Asks in the background, since whoever waits may give up.
    fn begin(
        &self,
        ask: impl Future<Output = Result<GetRingResponse, Problem>> + Send + 'static,
        lasting: fn(&GetRingResponse) -> Duration,
    ) -> Shared<BoxFuture<'static, ()>> {
        let latest = self.clone();
        let asking = tokio::spawn(async move {
            let answer = ask.await.ok().map(Arc::new);
            let mut state = latest.state();
            state.answer = answer.map(|answer| (answer.clone(), Instant::now() + lasting(&answer)));
            state.asking = None;
        });
        asking.map(drop).boxed().shared()
    }

    fn shown(&self) -> Option<Arc<GetRingResponse>> {
        let state = self.state();
        let (answer, until) = state.answer.as_ref()?;
        (Instant::now() < *until).then(|| answer.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::problem::Kind;
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn ring(length: u32) -> GetRingResponse {
        GetRingResponse { list_length: length, ..GetRingResponse::default() }
    }

    #[tokio::test]
    async fn an_answer_is_shown_until_it_is_too_old_and_a_failure_not_at_all() {
        let latest = Latest::default();
        let answer = async |length, lasting| {
            let until = Instant::now() + LONG;
            latest.get(async move { Ok(ring(length)) }, lasting, until).await.map(|ring| ring.list_length)
        };
        assert_eq!(answer(1, |_| Duration::from_micros(1)).await, None, "it was too old at once");
        let problem = Problem::new(Kind::Unavailable, "away");
        assert_eq!(latest.get(async { Err(problem) }, |_| NEAR, Instant::now() + LONG).await, None);
        assert_eq!(answer(3, |_| NEAR).await, Some(3));
        assert_eq!(answer(4, |_| NEAR).await, Some(3));
    }

    #[tokio::test]
    async fn nobody_waits_for_what_takes_long_and_it_is_asked_once() {
        let latest = Latest::default();
        let (asked, go) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Notify::new()));
        let ask = || {
            let (asked, go) = (asked.clone(), go.clone());
            async move {
                asked.fetch_add(1, Ordering::Relaxed);
                go.notified().await;
                Ok(ring(7))
            }
        };
        let soon = || Instant::now() + Duration::from_millis(50);
        for _ in 0..3 {
            assert_eq!(latest.get(ask(), |_| NEAR, soon()).await, None);
        }
        go.notify_one();
        let late = latest.get(ask(), |_| NEAR, Instant::now() + LONG).await;
        assert_eq!(late.map(|ring| ring.list_length), Some(7));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
