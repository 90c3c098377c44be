//! A share of something scarce: at most so much of it at the same time for one address, so that others find some.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Source;

/// What may be held at the same time by one address. Clones share the count.
#[derive(Debug, Clone)]
pub struct Fair(Arc<Shares>);

#[derive(Debug)]
struct Shares {
    most: usize,
    /// Of those that hold or want something at the moment.
    sources: Mutex<HashMap<Source, Arc<Semaphore>>>,
}

/// One of an address's shares; free again when this is dropped.
#[derive(Debug)]
pub struct Share {
    permit: Option<OwnedSemaphorePermit>,
    source: Source,
    shares: Arc<Shares>,
}

impl Fair {
    /// At most `most` for one address.
    pub fn new(most: usize) -> Fair {
        Fair(Arc::new(Shares { most: most.min(Semaphore::MAX_PERMITS), sources: Mutex::default() }))
    }

    /// Three quarters of `all` for one address: the rest is for others.
    pub fn part_of(all: usize) -> Fair {
        Fair::new(all - all / 4)
    }

    /// One for `source`, if it may have another one.
    pub fn try_take(&self, source: Source) -> Option<Share> {
        let mut share = self.wanted(source);
        share.permit = self.semaphore(source).try_acquire_owned().ok();
        share.permit.is_some().then_some(share)
    }

    /// One for `source`, as soon as it may have another one.
    pub async fn take(&self, source: Source) -> Share {
        let mut share = self.wanted(source);
        // Nobody closes the semaphore.
        share.permit = self.semaphore(source).acquire_owned().await.ok();
        share
    }

    /// Cleans up behind itself, whether or not it gets a permit.
    fn wanted(&self, source: Source) -> Share {
        Share { permit: None, source, shares: self.0.clone() }
    }

    fn semaphore(&self, source: Source) -> Arc<Semaphore> {
        let mut sources = self.0.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.entry(source).or_insert_with(|| Arc::new(Semaphore::new(self.0.most))).clone()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut sources = self.shares.sources.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.permit.take());
        // Whoever holds or waits for a permit has the semaphore, too.
        if sources.get(&self.source).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            sources.remove(&self.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn source(last: u8) -> Source {
        IpAddr::from([10, 0, 0, last]).into()
    }

    #[tokio::test]
    async fn one_address_leaves_some_for_others() {
        let fair = Fair::part_of(4);
        let held: Vec<Share> = (0..3).map(|_| fair.try_take(source(1)).unwrap()).collect();
        assert!(fair.try_take(source(1)).is_none() && fair.try_take(source(2)).is_some());
        assert!(timeout(Duration::from_millis(20), fair.take(source(1))).await.is_err());
        let waiting = tokio::spawn({
            let fair = fair.clone();
            async move { fair.take(source(1)).await }
        });
        tokio::task::yield_now().await;
        drop(held);
        let last = timeout(Duration::from_secs(20), waiting).await.expect("it gets one").unwrap();
        drop(last);
        assert!(fair.0.sources.lock().unwrap().is_empty());
    }

    #[test]
    fn a_single_one_can_be_had() {
        assert!(Fair::part_of(1).try_take(source(1)).is_some());
    }
}
