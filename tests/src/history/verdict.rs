//! What the checker found.

use std::fmt;

use super::{File, Read};

/// In which way an answer breaks a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It claims that nobody has a file, or leaves out a source and claims to be complete, though the source was
    /// published, and its peer was there and reachable.
    Lost,
    /// It names a source that is gone for longer than a withdrawal, or the lease, takes.
    Stale,
    /// The same, after a complete answer had known that the source is gone.
    Resurrected,
    /// It names a source that never was, or is nothing that the documents tell of.
    Wrong,
}

/// An answer that breaks a promise.
#[derive(Debug, Clone)]
pub struct Violation {
    /// In which way.
    pub class: Class,
    /// The answer.
    pub read: Read,
    /// The file that it is wrong about, where there is one.
    pub file: Option<File>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Read { asked, name, began, ended, answer } = &self.read;
        write!(
            f,
            "{:?}: p{asked} was asked for {name:?} at {began:.2?}, and said at {ended:.2?}: {answer}",
            self.class
        )?;
        if let Some(File { holder, created, deleted, .. }) = &self.file {
            write!(f, "; p{holder} has it since {created:.2?}")?;
            if let Some(deleted) = deleted {
                write!(f, " and deleted it at {deleted:.2?}")?;
            }
        }
        Ok(())
    }
}

/// What the checker found in a history.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Questions that were asked.
    pub reads: usize,
    /// Those that were answered with all sources, or with 404 where there is none.
    pub whole: usize,
    /// Those whose answer does not claim to be complete.
    pub incomplete: usize,
    /// Those that were not answered while the peer asked was running.
    pub unanswered: usize,
    /// Those that were asked of a peer that did not run.
    pub to_the_dead: usize,
    /// Sources that an answer had to name, because the promise held.
    pub promised: usize,
    /// Sources that a complete answer did not name, where it need not, since asked and holder were parted.
    pub excused: usize,
    /// Sources that were named after they were gone, in the time that a lease allows.
    pub lingering: usize,
    /// Answers that break a promise.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// How many violations are of this class.
    pub fn count(&self, class: Class) -> usize {
        self.violations.iter().filter(|violation| violation.class == class).count()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} questions: {} answered as whole, {} as incomplete, {} not answered, {} to peers that did not run",
            self.reads, self.whole, self.incomplete, self.unanswered, self.to_the_dead
        )?;
        writeln!(
            f,
            "{} sources had to be named; {} were left out by peers parted from them, {} named within their lease",
            self.promised, self.excused, self.lingering
        )?;
        write!(
            f,
            "lost {}, stale {}, resurrected {}, wrong {}",
            self.count(Class::Lost),
            self.count(Class::Stale),
            self.count(Class::Resurrected),
            self.count(Class::Wrong)
        )
    }
}
