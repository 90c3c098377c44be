//! The published tables, ours beside theirs: `cargo run --release -p chordial-simulator --bin tables`.

mod bamboo;
mod churn;
mod detection;
mod failures;
pub mod history;
mod partitions;
mod settled;
pub mod table;
mod three;
pub mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use table::{Row, Table};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// About a hundred peers: seconds, for tests.
    Quick,
    /// The papers' sizes: minutes.
    Default,
    /// All that takes long, too: ten thousand peers, and lookups as slow as in the papers.
    Full,
}

/// How the tables are to be made.
pub struct Run {
    /// How much is measured.
    pub scale: Scale,
    /// Rows that are measured at the same time.
    pub threads: usize,
    /// Called with what has been done.
    pub progress: fn(&str),
}

impl Run {
    /// Measures every row, several at a time; each has a network of its own.
    fn each<T: Sync>(&self, name: &str, rows: &[T], measure: impl Fn(&T) -> Row + Sync) -> Vec<Row> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..self.threads.clamp(1, rows.len()) {
                scope.spawn(|| {
                    while let Some((at, row)) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, rows.get(at)?)))
                    {
                        let row = measure(row);
                        let mut done = done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                        let count = done.len() + 1;
                        (self.progress)(&format!("{name} {count}/{}: {}", rows.len(), row.cells.join(" · ")));
                        done.push((at, row));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, row)| row).collect()
    }
}

/// One thing to measure; some need several tables.
pub struct Measurement {
    /// What it is asked for by.
    pub name: &'static str,
    /// Measures.
    pub tables: fn(&Run) -> Vec<Table>,
}

/// All there are.
pub const ALL: [Measurement; 9] = [
    Measurement { name: "path", tables: settled::path },
    Measurement { name: "failures", tables: failures::table },
    Measurement { name: "three", tables: three::table },
    Measurement { name: "churn", tables: churn::table },
    Measurement { name: "bamboo", tables: bamboo::table },
    Measurement { name: "one-hop", tables: settled::one_hop },
    Measurement { name: "quiet", tables: settled::quiet },
    Measurement { name: "detection", tables: detection::table },
    Measurement { name: "partitions", tables: partitions::table },
];
