//! One kind of question, asked many times: one after another, then many at once.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

/// Questions one after another.
pub const ONE_BY_ONE: usize = 5_000;
/// Questions with [`IN_FLIGHT`] of them under way at any moment.
pub const TOGETHER: usize = 20_000;
/// Questions under way at the same time.
pub const IN_FLIGHT: usize = 64;
/// Asked before anything is measured: connections are made, caches filled.
const WARM_UP: usize = 500;

/// What came out.
pub struct Sample {
    /// How long each question took by itself, sorted.
    times: Vec<Duration>,
    /// Calls to other peers that a question took in the mean, where that is known.
    calls: Option<f64>,
    /// Questions per second with [`IN_FLIGHT`] under way.
    per_second: f64,
}

impl Sample {
    /// Asks; the question gets a number that differs each time, and returns how many calls to other peers it
    /// took, if it knows.
    pub async fn take(ask: impl AsyncFn(usize) -> anyhow::Result<Option<usize>>) -> anyhow::Result<Sample> {
        for number in 0..WARM_UP {
            ask(number).await?;
        }
        let mut times = Vec::with_capacity(ONE_BY_ONE);
        let mut calls = Some(0);
        for number in 0..ONE_BY_ONE {
            let started = Instant::now();
            let took = ask(number).await?;
            times.push(started.elapsed());
            calls = calls.zip(took).map(|(sum, calls)| sum + calls);
        }
        times.sort();
        let started = Instant::now();
        stream::iter(0..TOGETHER)
            .map(|number| ask(number))
            .buffer_unordered(IN_FLIGHT)
            .try_for_each(async |_| Ok(()))
            .await?;
        let calls = calls.map(|calls| calls as f64 / ONE_BY_ONE as f64);
        Ok(Sample { times, calls, per_second: TOGETHER as f64 / started.elapsed().as_secs_f64() })
    }

    fn micros(&self, part: f64) -> f64 {
        self.times[(self.times.len() as f64 * part) as usize].as_secs_f64() * 1e6
    }

    /// One line of the table, beside the reference.
    pub fn print(&self, peers: usize, what: &str, bare: &Sample) {
        println!(
            "{peers:>5}  {what:<38} {:>5} {:>7.0} {:>7.0} {:>6.2} {:>9.0} {:>6.2}",
            self.calls.map_or("".to_owned(), |calls| format!("{calls:.2}")),
            self.micros(0.5),
            self.micros(0.99),
            self.micros(0.5) / bare.micros(0.5),
            self.per_second,
            self.per_second / bare.per_second
        );
    }
}

/// What the columns are.
pub fn header() {
    println!(
        "peers  {:<38} {:>7} {:>7} {:>6} {:>9} {:>6}",
        "what", "p50 µs", "p99 µs", "ratio", "per s", "ratio"
    );
}

/// How long questions took, one after another; and how many are answered with [`IN_FLIGHT`] under way.
pub struct Latencies {
    sorted: Vec<Duration>,
    /// With [`IN_FLIGHT`] under way.
    pub per_second: f64,
}

impl Latencies {
    /// Asks `count` times, then as often again at once; the question gets a number that differs each time.
    ///
    /// # Errors
    /// The first question that failed.
    pub async fn take(
        count: usize,
        ask: impl AsyncFn(usize) -> anyhow::Result<()>,
    ) -> anyhow::Result<Latencies> {
        let mut sorted = Vec::with_capacity(count);
        for number in 0..count {
            let started = Instant::now();
            ask(number).await?;
            sorted.push(started.elapsed());
        }
        let started = Instant::now();
        let all = stream::iter(0..count).map(|number| ask(number)).buffer_unordered(IN_FLIGHT);
        all.try_for_each(async |()| Ok(())).await?;
        Ok(Latencies::of(sorted, count as f64 / started.elapsed().as_secs_f64()))
    }

    /// Times that were taken elsewhere.
    pub fn of(mut times: Vec<Duration>, per_second: f64) -> Latencies {
        times.sort_unstable();
        Latencies { sorted: times, per_second }
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        self.sorted.iter().sum::<Duration>() / self.sorted.len().max(1) as u32
    }

    /// The time that this part of the questions did not exceed.
    pub fn at(&self, part: f64) -> Duration {
        let at = (self.sorted.len() as f64 * part) as usize;
        self.sorted.get(at.min(self.sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}
