//! How the ring stands, for the metrics: asked seldom, however often they are collected.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chordial_proto::chord_v1::GetRingResponse;
use tokio::sync::Mutex;
use tokio::time::Instant;

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
    /// not say.
    pub(super) async fn look(&self, upstream: &Upstream) -> [Option<Arc<GetRingResponse>>; 2] {
        let lasting = |ring: &GetRingResponse| NEAR.max(FOR_EACH * ring.peers.len() as u32);
        let near = self.near.get(upstream.neighborhood(), |_| NEAR);
        let whole = self.whole.get(upstream.ring(), lasting);
        let (near, whole) = tokio::join!(near, whole);
        [near, whole]
    }
}

/// An answer, and until when it is shown.
#[derive(Debug, Default)]
struct Latest(Mutex<Option<(Arc<GetRingResponse>, Instant)>>);

impl Latest {
    /// The latest answer, or what `ask` brings now. Those who come meanwhile wait for the same.
    async fn get(
        &self,
        ask: impl Future<Output = Result<GetRingResponse, Problem>>,
        lasting: impl FnOnce(&GetRingResponse) -> Duration,
    ) -> Option<Arc<GetRingResponse>> {
        let mut latest = self.0.lock().await;
        if let Some((answer, until)) = &*latest
            && Instant::now() < *until
        {
            return Some(answer.clone());
        }
        *latest = None;
        let answer = Arc::new(ask.await.ok()?);
        *latest = Some((answer.clone(), Instant::now() + lasting(&answer)));
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_shown_until_it_is_too_old_and_a_failure_not_at_all() {
        let latest = Latest::default();
        let answer = async |length, lasting| {
            let ring = GetRingResponse { list_length: length, ..GetRingResponse::default() };
            latest.get(async { Ok(ring) }, |_| lasting).await.map(|ring| ring.list_length)
        };
        assert_eq!(answer(1, Duration::ZERO).await, Some(1));
        assert_eq!(answer(2, Duration::ZERO).await, Some(2), "the first one is too old");
        let problem = Problem::new(super::super::problem::Kind::Unavailable, "away");
        assert_eq!(latest.get(async { Err(problem) }, |_| NEAR).await, None);
        assert_eq!(answer(3, NEAR).await, Some(3));
        assert_eq!(answer(4, NEAR).await, Some(3));
    }
}
