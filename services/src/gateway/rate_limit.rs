//! How many requests one address may make: a bucket of tokens for each, filled at a steady rate. A request that finds
//! none waits for its own, so that a program that asks a lot is only slowed down; one that would wait for too long is
//! refused, after the same wait, so that who floods crawls.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, sleep};

use super::Limits;
use super::problem::{Kind, Problem};
use crate::accept::Source;

/// The longest wait for a token.
const WAIT: Duration = Duration::from_secs(1);
/// Addresses whose buckets are kept: those that asked last. Some 50 bytes each.
const SOURCES: usize = 16_384;

/// The buckets of all addresses.
#[derive(Debug)]
pub struct RateLimit {
    /// Between two tokens; none: there is no limit.
    every: Option<Duration>,
    burst: Duration,
    /// When each address's bucket will be full again: a full one need not be known.
    full_at: Mutex<HashMap<Source, Instant>>,
    limited: Counter,
}

/// What a request is told.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Go,
    Wait(Duration),
    /// With the time after which there would be a token.
    Refuse(Duration),
}

impl RateLimit {
    /// As the limits say.
    pub fn new(limits: &Limits) -> RateLimit {
        let every =
            (limits.requests_per_second > 0).then(|| Duration::from_secs(1) / limits.requests_per_second);
        RateLimit {
            every,
            burst: every.unwrap_or_default() * limits.requests_burst.max(1),
            full_at: Mutex::default(),
            limited: limits.counts.limited.clone(),
        }
    }

    /// Waits until a request from `source` may be served.
    ///
    /// # Errors
    /// The address has made too many.
    pub async fn admit(&self, source: Option<Source>) -> Result<(), Problem> {
        let (Some(every), Some(source)) = (self.every, source) else { return Ok(()) };
        match self.judge(source, every, Instant::now()) {
            Verdict::Go => Ok(()),
            Verdict::Wait(wait) => {
                sleep(wait).await;
                Ok(())
            }
            Verdict::Refuse(wait) => {
                self.limited.inc();
                sleep(WAIT).await;
                let detail = format!(
                    "Your address makes more than {} requests each second; ask again later.",
                    (1.0 / every.as_secs_f64()).round()
                );
                let after = u32::try_from(wait.saturating_sub(WAIT).as_secs()).unwrap_or(u32::MAX);
                Err(Problem::new(Kind::TooManyRequests, detail).retry_after(after.saturating_add(1)))
            }
        }
    }

    fn judge(&self, source: Source, every: Duration, now: Instant) -> Verdict {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= SOURCES && !full_at.contains_key(&source) {
            full_at.retain(|_, at| *at > now);
            if full_at.len() >= SOURCES {
                // So many ask at once that none of them alone is the flood: whoever is known may stay so.
                return Verdict::Go;
            }
        }
        let at = full_at.entry(source).or_insert(now);
        let next = (*at).max(now) + every;
        let wait = (next - now).saturating_sub(self.burst);
        if wait > WAIT {
            return Verdict::Refuse(wait);
        }
        *at = next;
        if wait.is_zero() { Verdict::Go } else { Verdict::Wait(wait) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const EVERY: Duration = Duration::from_millis(10);

    fn limit() -> RateLimit {
        RateLimit::new(&Limits { requests_per_second: 100, requests_burst: 50, ..Limits::default() })
    }

    fn source(number: u32) -> Source {
        IpAddr::from(number.to_be_bytes()).into()
    }

    #[test]
    fn a_burst_is_served_then_slowed_down_then_refused() {
        let (limit, now) = (limit(), Instant::now());
        let verdicts: Vec<Verdict> = (0..200).map(|_| limit.judge(source(1), EVERY, now)).collect();
        assert!(verdicts[..50].iter().all(|verdict| *verdict == Verdict::Go));
        assert_eq!(verdicts[50], Verdict::Wait(EVERY));
        assert_eq!(verdicts[149], Verdict::Wait(WAIT));
        assert!(verdicts[150..].iter().all(|verdict| *verdict == Verdict::Refuse(WAIT + EVERY)));
        assert_eq!(limit.judge(source(2), EVERY, now), Verdict::Go, "others are not concerned");
        // What was refused has cost no token.
        assert_eq!(limit.judge(source(1), EVERY, now + EVERY), Verdict::Wait(WAIT));
        assert_eq!(limit.judge(source(1), EVERY, now + 3 * WAIT), Verdict::Go);
    }

    #[test]
    fn buckets_that_are_full_are_forgotten() {
        let (limit, now) = (limit(), Instant::now());
        for number in 0..SOURCES as u32 {
            limit.judge(source(number), EVERY, now);
        }
        assert_eq!(limit.judge(source(u32::MAX), EVERY, now), Verdict::Go);
        assert_eq!(limit.full_at.lock().unwrap().len(), SOURCES);
        limit.judge(source(u32::MAX), EVERY, now + EVERY);
        assert_eq!(limit.full_at.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn who_is_refused_waits_for_it_and_is_told_when_to_come_back() {
        let limit = limit();
        let before = Instant::now();
        while !matches!(limit.judge(source(1), EVERY, Instant::now()), Verdict::Refuse(_)) {}
        let problem = limit.admit(Some(source(1))).await.unwrap_err();
        assert_eq!(problem.kind(), Kind::TooManyRequests);
        assert!(before.elapsed() >= WAIT);
        let response = problem.into_response("/");
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(limit.limited.get(), 1);
        let off = RateLimit::new(&Limits { requests_per_second: 0, ..Limits::default() });
        for _ in 0..10_000 {
            off.admit(Some(source(1))).await.unwrap();
        }
    }
}
