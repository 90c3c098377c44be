//! What happened to a network, and whether its answers kept the promises of docs/guarantees.md: after Jepsen's
//! set-full, which asks of each element that was added when every reader sees it, and of each that was removed when
//! nobody does.
//!
//! All times are of one clock, since the beginning: those of a file from just before it was created or deleted; a fault's
//! from before it was made until after it was undone; a question's from before it was sent until its answer was read.

mod faults;
mod judge;
mod verdict;

use std::fmt;
use std::time::Duration;

pub use faults::{Fault, Faults, Trouble};
pub use judge::judge;
pub use verdict::{Class, Verdict, Violation};

/// A peer's number.
pub type Peer = usize;

/// One file of one peer: its name is its path, and is never used again there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, which other peers may use as well.
    pub name: String,
    /// Who has it.
    pub holder: Peer,
    /// Its size in bytes.
    pub size: u64,
    /// From when on it may be seen.
    pub created: Duration,
    /// From when on it may be gone; `None`: it is still there.
    pub deleted: Option<Duration>,
}

/// A source, as an answer names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The holder's name, `p3`.
    pub peer: String,
    /// The path there.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
}

/// What a peer answered to "who has this?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200.
    Found {
        /// The sources.
        sources: Vec<Source>,
        /// Whether these are said to be all.
        complete: bool,
    },
    /// 404: nobody.
    Nobody,
    /// 503, 504, or no connection: nothing is claimed. With the reason.
    NoAnswer(String),
    /// What no document tells of: another status, a body that is no JSON. With what it was.
    Strange(String),
}

impl Answer {
    /// Whether it claims that a source which it does not name is none.
    pub fn is_whole(&self) -> bool {
        matches!(self, Answer::Nobody | Answer::Found { complete: true, .. })
    }

    /// Whether it names this file's holder.
    pub fn names(&self, file: &File) -> bool {
        match self {
            Answer::Found { sources, .. } => sources.iter().any(|source| is_of(source, file)),
            _ => false,
        }
    }
}

/// Whether a source is this very file.
fn is_of(source: &Source, file: &File) -> bool {
    source.peer == format!("p{}", file.holder) && source.path == file.name && source.size == file.size
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Found { sources, complete } => {
                let peers: Vec<&str> = sources.iter().map(|source| source.peer.as_str()).collect();
                write!(f, "found at {peers:?}, {}", if *complete { "complete" } else { "not complete" })
            }
            Answer::Nobody => write!(f, "nobody has it"),
            Answer::NoAnswer(why) => write!(f, "no answer ({why})"),
            Answer::Strange(what) => write!(f, "{what}"),
        }
    }
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Who was asked.
    pub asked: Peer,
    /// For which name.
    pub name: String,
    /// When the question was sent.
    pub began: Duration,
    /// When the answer was read.
    pub ended: Duration,
    /// The answer.
    pub answer: Answer,
}

/// All that happened.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// All files that ever were.
    pub files: Vec<File>,
    /// All that was done to peers and links.
    pub faults: Faults,
    /// All questions.
    pub reads: Vec<Read>,
}
