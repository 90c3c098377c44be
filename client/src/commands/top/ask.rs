//! Questions to the peer, one after another.

use std::time::{Duration, Instant, SystemTime};

use chord_client::views::{NodeView, RingView, TopView};
use chord_client::{Client, ClientError};
use tokio::sync::mpsc::Sender;

use super::state::Message;
use super::traffic::Counters;

/// A ring takes this many times as long to be left alone as to be asked.
const REST: u32 = 10;

/// Looks through one peer.
pub struct Looker {
    client: Client,
    before: Option<(Counters, Instant)>,
}

impl Looker {
    /// Has not looked yet.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), before: None }
    }

    /// How it looks now; with rates from the second time on.
    ///
    /// # Errors
    /// Where the peer says nothing of itself or of its ring.
    pub async fn look(&mut self) -> Result<TopView, ClientError> {
        let began = Instant::now();
        let (node, ring, counted) =
            tokio::join!(self.client.node(), self.client.ring(), self.client.metrics());
        let (node, ring) = (NodeView::from(node?), RingView::from(ring?));
        let elapsed = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let mut view = TopView::new(at, elapsed, node, ring);
        // A peer that does not count is shown all the same.
        let counted = counted.ok().map(|text| (Counters::read(&text), began));
        if let (Some((now, at)), Some((before, earlier))) = (&counted, &self.before) {
            view.traffic = now.since(before, at.duration_since(*earlier));
        }
        self.before = counted;
        Ok(view)
    }

    /// Looks again and again, and hands over what comes, until nobody takes it.
    pub async fn keep_looking(mut self, every: Duration, to: Sender<Message>) {
        loop {
            let began = Instant::now();
            let look = self.look().await.map(Box::new).map_err(|error| error.to_string());
            let next = next(began, began.elapsed(), every);
            if to.send(Message::Look(look)).await.is_err() {
                return;
            }
            tokio::time::sleep_until(next.into()).await;
        }
    }
}

/// When to look again after a look that began then and took so long.
pub fn next(began: Instant, took: Duration, every: Duration) -> Instant {
    began + every.max(took.saturating_mul(REST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_answers_slowly_is_asked_seldom() {
        let (began, every) = (Instant::now(), Duration::from_secs(2));
        assert_eq!(next(began, Duration::from_millis(200), every), began + every);
        assert_eq!(next(began, Duration::from_millis(900), every), began + Duration::from_secs(9));
    }
}
