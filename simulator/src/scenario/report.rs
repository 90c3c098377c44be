//! What came of a scenario, for people.

use std::fmt;
use std::time::Duration;

use crate::network::{Count, Verdicts};

/// What came of one run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was done and seen, with the virtual time.
    pub timeline: Vec<(Duration, String)>,
    /// From the last fault until the ring was exact.
    pub exact_after: Option<Duration>,
    /// From the last fault until every entry was with all its keepers.
    pub found_after: Option<Duration>,
    /// What all peers sent from the last fault (without faults: from the start of those that were not the first)
    /// until the ring was exact.
    pub cost: Count,
    /// Living peers at the end.
    pub peers: usize,
    /// How the lookups ended.
    pub verdicts: Verdicts,
    /// How often all of Zave's invariants were checked on the whole ring.
    pub rings_checked: u64,
    /// What failed; empty: nothing.
    pub failures: Vec<String>,
}

impl Report {
    pub(super) fn say(&mut self, at: Duration, what: impl Into<String>) {
        self.timeline.push((at, what.into()));
    }

    /// Whether all that the scenario expects has come.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, what) in &self.timeline {
            writeln!(f, "{:>10.3} s  {what}", at.as_secs_f64())?;
        }
        writeln!(f, "peers at the end    {}", self.peers)?;
        if let Some(after) = self.exact_after {
            writeln!(f, "ring exact after    {:.1} s", after.as_secs_f64())?;
            let Count { messages, bytes, framing } = self.cost;
            writeln!(
                f,
                "which cost          {messages} messages, {bytes} bytes (and about {framing} of HTTP/2 and gRPC)"
            )?;
        }
        if let Some(after) = self.found_after {
            writeln!(f, "files found after   {:.1} s", after.as_secs_f64())?;
        }
        let Verdicts { right, outdated, unvouched, wrong, lost } = self.verdicts;
        writeln!(
            f,
            "lookups             {right} right, {outdated} right shortly before, {unvouched} by a stand-in, {wrong} wrong, {lost} without an answer"
        )?;
        writeln!(f, "whole rings checked {}", self.rings_checked)?;
        self.failures.iter().try_for_each(|failure| writeln!(f, "FAILED: {failure}"))
    }
}
