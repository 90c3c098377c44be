//! Each answer against docs/guarantees.md.

use std::collections::HashMap;
use std::time::Duration;

use super::{Answer, Class, Fault, File, History, Peer, Read, Trouble, Verdict, Violation, is_of};

/// From a change in a directory until all keepers know of it, in a whole ring: 2 s and 1 s, and what a busy machine
/// adds.
const PUBLISHED: Duration = Duration::from_secs(3 + 4);
/// How long entries outlive a peer that is gone (`index.lease`), and what a busy machine adds.
const LEASE: Duration = Duration::from_secs(60 + 10);
/// Between two renewals of a publisher at a keeper, and what a busy machine adds.
const RENEWAL: Duration = Duration::from_secs(20 + 5);
/// What lasts shorter gives no peer up.
const PAUSE: Duration = Duration::from_secs(5);
/// Until a silent peer is given up, and until parted rings are one: so long after a change the ring is whole.
const WHOLE: Duration = Duration::from_secs(16);
/// Until every file is found again from every peer, once those that were parted reach each other.
const AGAIN: Duration = Duration::from_secs(60);
/// Until a peer that starts is a member and has published what it holds.
const STARTED: Duration = Duration::from_secs(15);

/// What of a history breaks a promise.
pub fn judge(history: &History) -> Verdict {
    let mut files: HashMap<&str, Vec<Life<'_>>> = HashMap::new();
    for file in &history.files {
        files.entry(&file.name).or_default().push(Life { file, seen: None, missed: None });
    }
    for read in &history.reads {
        for life in files.get_mut(read.name.as_str()).into_iter().flatten() {
            life.learn(read);
        }
    }
    let mut verdict = Verdict { reads: history.reads.len(), ..Verdict::default() };
    for read in &history.reads {
        count(history, read, &mut verdict);
        let lives = files.get(read.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        if let Some(violation) = wrong(read, lives) {
            verdict.violations.push(violation);
        }
        for life in lives {
            let class = match read.answer.names(life.file) {
                true => too_long(history, read, life, &mut verdict),
                false => None,
            };
            let class = class.or_else(|| left_out(history, read, life, &mut verdict));
            if let Some(class) = class {
                let file = Some(life.file.clone());
                verdict.violations.push(Violation { class, read: read.clone(), file });
            }
        }
    }
    verdict
}

/// A file, and what answers said of it.
struct Life<'a> {
    file: &'a File,
    /// When a complete answer first named it: its publisher itself is asked where no keeper knows all, so another answer
    /// does not say that it is published.
    seen: Option<Duration>,
    /// When a complete answer first did not, after it was deleted.
    missed: Option<Duration>,
}

impl Life<'_> {
    fn learn(&mut self, read: &Read) {
        let earliest = |known: &mut Option<Duration>| {
            *known = Some(known.map_or(read.ended, |known| known.min(read.ended)));
        };
        if read.answer.names(self.file) {
            if read.answer.is_whole() {
                earliest(&mut self.seen);
            }
        } else if read.answer.is_whole() && self.file.deleted.is_some_and(|deleted| read.began > deleted) {
            earliest(&mut self.missed);
        }
    }
}

fn count(history: &History, read: &Read, verdict: &mut Verdict) {
    let down = |fault: &Fault| matches!(fault.trouble, Trouble::Down(peer) | Trouble::Paused(peer) if peer == read.asked);
    match &read.answer {
        Answer::NoAnswer(_) if history.faults.during(read.began, read.ended, |_| STARTED).any(down) => {
            verdict.to_the_dead += 1;
        }
        Answer::NoAnswer(_) => verdict.unanswered += 1,
        Answer::Found { complete: false, .. } => verdict.incomplete += 1,
        _ => verdict.whole += 1,
    }
}

/// A source that never was, or not yet; an answer of no documented kind.
fn wrong(read: &Read, lives: &[Life<'_>]) -> Option<Violation> {
    let violation = |file| Some(Violation { class: Class::Wrong, read: read.clone(), file });
    match &read.answer {
        Answer::Strange(_) => violation(None),
        Answer::Found { sources, .. } => {
            let known =
                |source| lives.iter().any(|life| is_of(source, life.file) && life.file.created <= read.ended);
            if sources.iter().all(known) { None } else { violation(None) }
        }
        Answer::Nobody | Answer::NoAnswer(_) => None,
    }
}

/// The answer names this file: is it gone for too long?
fn too_long(history: &History, read: &Read, life: &Life<'_>, verdict: &mut Verdict) -> Option<Class> {
    let File { holder, deleted, .. } = life.file;
    let class = match life.missed {
        Some(missed) if missed < read.began => Class::Resurrected,
        _ => Class::Stale,
    };
    // A holder that was away until the answer, for longer than its lease.
    let away = |fault: &Fault| {
        matches!(fault.trouble, Trouble::Down(peer) if peer == *holder)
            && fault.from + LEASE < read.began
            && fault.until >= read.ended
    };
    if history.faults.during(read.began, read.ended, |_| Duration::ZERO).any(away) {
        return Some(class);
    }
    let gone = (*deleted)?;
    if read.began <= gone + PUBLISHED {
        return None;
    }
    if unheard_until(history, *holder, gone).is_some_and(|heard| read.began <= heard + LEASE) {
        verdict.lingering += 1;
        return None;
    }
    Some(class)
}

/// Until when some keeper may not have heard what this holder withdrew then, because one of the two stood still or was
/// cut off; `None`: all heard it at once. A keeper that was killed says nothing, and comes back empty.
fn unheard_until(history: &History, holder: Peer, gone: Duration) -> Option<Duration> {
    let keeps = |fault: &&Fault| match fault.trouble {
        Trouble::Down(peer) => peer == holder,
        _ => true,
    };
    let mut faults: Vec<&Fault> =
        history.faults.during(gone, Duration::MAX, settling).filter(keeps).collect();
    faults.sort_by_key(|fault| fault.from);
    // What comes before the holder's next renewal there may keep it from being heard once more.
    faults.into_iter().fold(None, |until, fault| match until {
        None if fault.from > gone + PUBLISHED => None,
        Some(until) if fault.from > until + RENEWAL => Some(until),
        until => Some(fault.until.max(until.unwrap_or(gone))),
    })
}

/// The answer claims to be whole: had it to name this file, and does not?
fn left_out(history: &History, read: &Read, life: &Life<'_>, verdict: &mut Verdict) -> Option<Class> {
    let File { holder, created, deleted, .. } = life.file;
    let published = *created + PUBLISHED;
    let undisturbed = || {
        let from = created.saturating_sub(WHOLE);
        !history
            .faults
            .during(from, published, |_| WHOLE)
            .any(|fault| !matches!(fault.trouble, Trouble::Slow(_)))
    };
    let visible =
        life.seen.is_some_and(|seen| seen < read.began) || (published < read.began && undisturbed());
    let deleted = deleted.is_some_and(|deleted| deleted <= read.ended);
    if !read.answer.is_whole() || !visible || deleted {
        return None;
    }
    let parted = |fault: &Fault| match fault.trouble {
        // A peer that is a member again answers as well as any other; what it holds has to be published first.
        Trouble::Down(peer) if peer != *holder => false,
        // Once rings meet again, the responsible peer may be one of the other part, which has yet to hear of it.
        Trouble::Cut(..) if fault.until <= read.ended => fault.concerns(*holder),
        _ => fault.parts(read.asked, *holder),
    };
    let named = read.answer.names(life.file);
    if history.faults.during(read.began, read.ended, settling).any(parted) {
        verdict.excused += usize::from(!named);
        return None;
    }
    verdict.promised += 1;
    (!named).then_some(Class::Lost)
}

/// How long a fault is felt after its end.
fn settling(fault: &Fault) -> Duration {
    match fault.trouble {
        Trouble::Down(_) => STARTED,
        Trouble::Slow(_) => Duration::ZERO,
        _ if fault.lasted() < PAUSE => Duration::ZERO,
        _ => AGAIN,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Faults, Source};
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn source(peer: &str) -> Source {
        Source { peer: peer.into(), path: "a".into(), size: 7 }
    }

    fn found(peers: &[&str], complete: bool) -> Answer {
        Answer::Found { sources: peers.iter().copied().map(source).collect(), complete }
    }

    fn fault(trouble: Trouble, from: u64, until: u64) -> Fault {
        Fault { trouble, from: at(from), until: at(until) }
    }

    /// What is found where peer 1 has the file "a" from second 10 on, these faults happen, and each read is of peer 2,
    /// takes a second, and begins at this one.
    fn judged(deleted: Option<u64>, faults: &[Fault], reads: &[(u64, Answer)]) -> Verdict {
        let file = |holder: Peer| File {
            name: "a".into(),
            holder,
            size: 7,
            created: at(10),
            deleted: deleted.map(at),
        };
        let read = |(began, answer): &(u64, Answer)| Read {
            asked: 2,
            name: "a".into(),
            began: at(*began),
            ended: at(began + 1),
            answer: answer.clone(),
        };
        judge(&History {
            files: vec![file(1)],
            faults: Faults(faults.to_vec()),
            reads: reads.iter().map(read).collect(),
        })
    }

    fn classes(verdict: &Verdict) -> Vec<Class> {
        verdict.violations.iter().map(|violation| violation.class).collect()
    }

    #[test]
    fn a_network_without_faults_that_answers_rightly_keeps_its_promises() {
        let reads = [
            (9, Answer::Nobody),
            (11, Answer::Nobody),
            (13, found(&["p1"], true)),
            (20, found(&["p1"], false)),
            (30, Answer::NoAnswer("504".into())),
            (50, found(&["p1"], true)),
            (51, Answer::Nobody),
            (90, Answer::Nobody),
        ];
        let verdict = judged(Some(50), &[], &reads);
        assert!(verdict.violations.is_empty(), "{verdict}");
        assert_eq!((verdict.reads, verdict.incomplete, verdict.unanswered), (8, 1, 1));
        assert_eq!(
            verdict.promised, 0,
            "the first answer that names it makes no promise before it has ended"
        );
    }

    #[test]
    fn lost() {
        for answer in [Answer::Nobody, found(&[], true)] {
            assert_eq!(classes(&judged(None, &[], &[(30, answer.clone())])), [Class::Lost]);
            let seen = [(11, found(&["p1"], true)), (13, answer)];
            assert_eq!(classes(&judged(None, &[], &seen)), [Class::Lost], "seen by another, it is published");
        }
        let verdict = judged(None, &[], &[(30, found(&["p1"], true)), (31, found(&[], false))]);
        assert_eq!(
            (verdict.promised, verdict.violations.len()),
            (1, 0),
            "what is not complete claims nothing"
        );
    }

    #[test]
    fn who_is_parted_from_the_holder_may_not_know_of_it() {
        let read = [(15, found(&["p1"], true)), (50, Answer::Nobody)];
        let cut = |from: &[Peer], to: &[Peer]| Trouble::Cut(from.to_vec(), to.to_vec());
        for trouble in [cut(&[1, 3], &[2]), cut(&[2], &[1]), Trouble::Paused(1), Trouble::Paused(2)] {
            for (from, until) in [(40, 60), (20, 45), (20, 30)] {
                let verdict = judged(None, &[fault(trouble.clone(), from, until)], &read);
                assert_eq!((verdict.excused, verdict.violations.len()), (1, 0), "{trouble:?} {verdict}");
            }
            let long_ago =
                judged(None, &[fault(trouble.clone(), 20, 30)], &[read[0].clone(), (91, Answer::Nobody)]);
            assert_eq!(classes(&long_ago), [Class::Lost], "{trouble:?}");
            let short = judged(None, &[fault(trouble.clone(), 40, 44)], &read);
            assert_eq!(classes(&short), [Class::Lost], "nobody is given up for {trouble:?} of 4 s");
        }
        let healed = fault(cut(&[3], &[1, 2]), 20, 45);
        assert!(judged(None, &[healed], &read).violations.is_empty(), "the rings are only just one again");
        // What happens to others, and what is only slow, is no excuse.
        for trouble in [cut(&[3], &[1, 2]), Trouble::Paused(3), Trouble::Down(3), Trouble::Slow(1)] {
            let verdict = judged(None, &[fault(trouble, 40, 60)], &read);
            assert_eq!(classes(&verdict), [Class::Lost]);
        }
        // A holder that was killed has to come back first; whoever else was, knows as much as any other.
        assert!(judged(None, &[fault(Trouble::Down(1), 30, 40)], &read).violations.is_empty());
        assert_eq!(classes(&judged(None, &[fault(Trouble::Down(1), 20, 30)], &read)), [Class::Lost]);
        assert_eq!(classes(&judged(None, &[fault(Trouble::Down(2), 30, 45)], &read)), [Class::Lost]);
    }

    #[test]
    fn what_is_published_while_the_ring_changes_is_promised_once_it_was_seen() {
        let down = [fault(Trouble::Down(3), 5, 12)];
        assert!(judged(None, &down, &[(30, Answer::Nobody)]).violations.is_empty());
        let seen = [(30, found(&["p1"], true)), (32, Answer::Nobody)];
        assert_eq!(classes(&judged(None, &down, &seen)), [Class::Lost]);
    }

    #[test]
    fn stale_and_resurrected() {
        let names = || found(&["p1"], true);
        assert_eq!(classes(&judged(Some(20), &[], &[(26, names())])), []);
        assert_eq!(classes(&judged(Some(20), &[], &[(28, names())])), [Class::Stale]);
        let flickers = [(22, Answer::Nobody), (25, names()), (28, names())];
        assert_eq!(classes(&judged(Some(20), &[], &flickers)), [Class::Resurrected]);
        // A keeper that was cut off may not have heard of it, but hears it within a lease once it is back.
        let cut = |from, until| fault(Trouble::Cut(vec![3], vec![1]), from, until);
        let reads = [(28, names()), (94, names()), (96, names())];
        let verdict = judged(Some(20), &[cut(15, 25)], &reads);
        assert_eq!((verdict.lingering, classes(&verdict)), (2, vec![Class::Stale]));
        assert!(classes(&judged(Some(20), &[cut(15, 25), cut(40, 50)], &reads)).is_empty(), "cut off again");
        assert_eq!(
            classes(&judged(Some(20), &[cut(28, 60)], &[(29, names())])),
            [Class::Stale],
            "cut off too late"
        );
        let keeper = [fault(Trouble::Down(3), 15, 25)];
        assert_eq!(classes(&judged(Some(20), &keeper, &[(28, names())])), [Class::Stale]);
        // A holder that does not come back.
        let away = [fault(Trouble::Down(1), 20, 400)];
        let verdict = judged(None, &away, &[(89, names()), (91, names())]);
        assert_eq!(classes(&verdict), [Class::Stale]);
    }

    #[test]
    fn wrong() {
        assert_eq!(classes(&judged(None, &[], &[(30, Answer::Strange("500".into()))])), [Class::Wrong]);
        assert_eq!(
            classes(&judged(None, &[], &[(5, found(&["p1"], true))])),
            [Class::Wrong],
            "before it was"
        );
        assert_eq!(classes(&judged(None, &[], &[(30, found(&["p1", "p3"], true))])), [Class::Wrong]);
        let mut other = source("p1");
        other.size = 8;
        let answer = Answer::Found { sources: vec![source("p1"), other], complete: true };
        assert_eq!(classes(&judged(None, &[], &[(30, answer)])), [Class::Wrong]);
    }

    #[test]
    fn a_violation_is_told_with_times_and_names() {
        let verdict = judged(None, &[], &[(30, Answer::Nobody)]);
        let text = verdict.violations[0].to_string();
        for word in ["Lost", "p2", "\"a\"", "30.00s", "31.00s", "nobody has it", "p1 has it since 10.00s"] {
            assert!(text.contains(word), "{word} is not in {text}");
        }
        assert!(verdict.to_string().contains("lost 1, stale 0, resurrected 0, wrong 0"), "{verdict}");
    }
}
