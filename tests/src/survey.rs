//! Many questions to many gateways, compared with the reference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::programs::{Answer, encode, get};
use crate::reference::{Held, Known, Question};

/// Questions asked at the same time.
const IN_FLIGHT: usize = 6;
/// Names on a page: few, so that pages are turned.
const PAGE: usize = 200;
/// Pages that a query may have.
const MOST_PAGES: usize = 200;
/// Wrong answers that are shown.
const SHOWN: usize = 8;

/// Names and queries with all that may be said of them.
#[derive(Debug, Clone)]
pub struct Survey {
    checks: Vec<Check>,
}

/// Where to look.
#[derive(Debug, Clone)]
enum Ask {
    Name(String),
    Query(String),
}

/// A thing to ask for, what has to be in the answer, and what may be.
#[derive(Debug, Clone)]
struct Check {
    ask: Ask,
    must: BTreeSet<Held>,
    may: BTreeSet<Held>,
}

/// How strict to be.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// While peers come and go: an answer may say that it is incomplete, or that there is none at present, and is asked
    /// for again until this long after the first time. Not set: the first answer counts, and is complete.
    pub trouble: Option<Duration>,
    /// These peers are dead and, from this instant on, known to be so.
    pub dead: Option<(BTreeSet<String>, Instant)>,
}

/// What came of a survey that found no fault.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Questions, each to one gateway.
    pub asked: usize,
    /// Those answered for the first time with what is incomplete, or with a problem.
    pub incomplete: usize,
    took: Duration,
    exact: Vec<Duration>,
    words: Vec<Duration>,
}

/// An answer, all pages together.
struct Found {
    /// With whether the holder is said to live.
    held: BTreeMap<Held, bool>,
    complete: bool,
}

impl Survey {
    /// Asks for these names and queries; files of `living` have to be in the answers, those of `doubtful` may be. Not
    /// for queries that no file of `living` answers: where nothing matches exactly, typing errors are forgiven.
    pub fn new<'a>(
        names: impl IntoIterator<Item = &'a str>,
        questions: &[Question],
        living: &[Known],
        doubtful: &[Known],
    ) -> Survey {
        let by_name = |files: &[Known]| {
            let mut by_name: BTreeMap<String, BTreeSet<Held>> = BTreeMap::new();
            for file in files {
                let held = (file.name.clone(), file.holder.clone());
                by_name.entry(file.name.clone()).or_default().insert(held);
            }
            by_name
        };
        let (must, may) = (by_name(living), by_name(doubtful));
        let held = |map: &BTreeMap<String, BTreeSet<Held>>, name| map.get(name).cloned().unwrap_or_default();
        let names = names.into_iter().map(|name| Check {
            ask: Ask::Name(name.into()),
            must: held(&must, name),
            may: held(&may, name),
        });
        let queries = questions.iter().map(|question| Check {
            ask: Ask::Query(question.text.clone()),
            must: question.among(living),
            may: question.among(doubtful),
        });
        let queries = queries.filter(|check| !check.must.is_empty());
        Survey { checks: names.chain(queries).collect() }
    }

    /// Puts every question to each of these gateways (name, URL).
    ///
    /// # Panics
    /// Where an answer is wrong, with some of the wrong ones.
    pub fn ask_all(&self, gateways: &[(String, String)], rules: &Rules) -> Report {
        self.run(self.checks.len() * gateways.len(), rules, |at| {
            (&self.checks[at / gateways.len()], &gateways[at % gateways.len()])
        })
    }

    /// Puts every question to one of these gateways, to each as many.
    ///
    /// # Panics
    /// As [`Survey::ask_all`].
    pub fn ask_in_turn(&self, gateways: &[(String, String)], rules: &Rules) -> Report {
        self.run(self.checks.len(), rules, |at| (&self.checks[at], &gateways[at % gateways.len()]))
    }

    fn run<'a>(
        &'a self,
        count: usize,
        rules: &Rules,
        which: impl Fn(usize) -> (&'a Check, &'a (String, String)) + Sync,
    ) -> Report {
        let began = Instant::now();
        let (next, report, wrong) =
            (AtomicUsize::new(0), Mutex::new(Report::default()), Mutex::new(Vec::new()));
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= count || wrong.lock().expect("no panic").len() >= SHOWN {
                    return;
                }
                let (check, (name, gateway)) = which(at);
                let asked = Instant::now();
                let (outcome, at_once) = check.put(gateway, rules);
                let mut report = report.lock().expect("no panic");
                report.asked += 1;
                report.incomplete += usize::from(!at_once);
                match check.ask {
                    Ask::Name(_) => report.exact.push(asked.elapsed()),
                    Ask::Query(_) => report.words.push(asked.elapsed()),
                }
                if let Err(why) = outcome {
                    wrong.lock().expect("no panic").push(format!("{name}, {:?}: {why}", check.ask));
                }
            }
        };
        std::thread::scope(|scope| (0..IN_FLIGHT).for_each(|_| drop(scope.spawn(work))));
        let wrong = wrong.into_inner().expect("no panic");
        let mut report = report.into_inner().expect("no panic");
        assert!(wrong.is_empty(), "wrong answers ({rules:?}), {} asked:\n{}", report.asked, wrong.join("\n"));
        report.took = began.elapsed();
        report.exact.sort_unstable();
        report.words.sort_unstable();
        report
    }
}

impl Check {
    /// Asks until there is an answer to judge; also whether the first one was.
    fn put(&self, gateway: &str, rules: &Rules) -> (Result<(), String>, bool) {
        let began = Instant::now();
        let mut at_once = true;
        loop {
            let (wrong, final_) = match self.ask.put(gateway) {
                Ok(found) => match self.judge(&found, rules) {
                    Ok(()) => return (Ok(()), at_once && found.complete),
                    // Said to be incomplete, it may lack something for a while; nothing excuses what is too much.
                    Err(why) => (why, found.complete || self.has_more(&found)),
                },
                Err(why) => (why, false),
            };
            let patience = rules.trouble.unwrap_or_default();
            if final_ || began.elapsed() >= patience {
                return (Err(wrong), at_once);
            }
            at_once = false;
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn has_more(&self, found: &Found) -> bool {
        found.held.keys().any(|held| !self.must.contains(held) && !self.may.contains(held))
    }

    fn judge(&self, found: &Found, rules: &Rules) -> Result<(), String> {
        let missing: Vec<&Held> = self.must.iter().filter(|held| !found.held.contains_key(*held)).collect();
        let known = |held: &&Held| self.must.contains(*held) || self.may.contains(*held);
        let more: Vec<&Held> = found.held.keys().filter(|held| !known(held)).collect();
        if !missing.is_empty() || !more.is_empty() {
            let some = |held: &[&Held]| format!("{} {:?}", held.len(), &held[..held.len().min(3)]);
            return Err(format!(
                "complete {}, {} found, missing {}, too much {}",
                found.complete,
                found.held.len(),
                some(&missing),
                some(&more)
            ));
        }
        if rules.trouble.is_none() {
            if !found.complete {
                return Err("incomplete, though it lacks nothing".into());
            }
            if let Some((held, _)) = found.held.iter().find(|(_, alive)| !**alive) {
                return Err(format!("{held:?} is said to be dead"));
            }
        }
        if let Some((dead, known)) = &rules.dead
            && known.elapsed() > Duration::ZERO
            && let Some((held, _)) =
                found.held.iter().find(|((_, holder), alive)| **alive && dead.contains(holder))
        {
            return Err(format!("{held:?} is said to be alive"));
        }
        Ok(())
    }
}

impl Ask {
    /// All pages; an error where one is no answer.
    fn put(&self, gateway: &str) -> Result<Found, String> {
        let mut found = Found { held: BTreeMap::new(), complete: true };
        match self {
            Ask::Name(name) => {
                let answer = get(gateway, &format!("/api/v1/files/{}", encode(name)))?;
                match answer.status {
                    404 => return Ok(found),
                    200 => found.add(name, &answer.json()["sources"]),
                    _ => return Err(said(&answer)),
                }
                found.complete = answer.json()["complete"] == true;
            }
            Ask::Query(text) => {
                let first = format!("/api/v1/search?limit={PAGE}&q={}", encode(text));
                let (mut path, mut names) = (first.clone(), BTreeSet::new());
                for page in 1.. {
                    let answer = get(gateway, &path)?;
                    if answer.status != 200 {
                        return Err(said(&answer));
                    }
                    let body = answer.json();
                    found.complete &= body["complete"] == true;
                    for hit in body["hits"].as_array().ok_or("no hits")? {
                        let name = hit["name"].as_str().ok_or("a hit without a name")?;
                        if !names.insert(name.to_owned()) {
                            return Err(format!("{name:?} is on two pages"));
                        }
                        found.add(name, &hit["sources"]);
                    }
                    let Some(next) = body["next"].as_str() else { break };
                    if page == MOST_PAGES {
                        return Err(format!("more than {MOST_PAGES} pages"));
                    }
                    path = format!("{first}&cursor={}", encode(next));
                }
            }
        }
        Ok(found)
    }
}

impl Found {
    fn add(&mut self, name: &str, sources: &Value) {
        for source in sources.as_array().into_iter().flatten() {
            let holder = source["peer"].as_str().unwrap_or_default();
            let alive = self.held.entry((name.to_owned(), holder.to_owned())).or_insert(true);
            *alive &= source["alive"] == true;
        }
    }
}

fn said(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |sorted: &[Duration], percent: usize| {
            sorted
                .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
                .copied()
                .unwrap_or_default()
        };
        write!(f, "{} questions in {:.1?}, {} not whole at first", self.asked, self.took, self.incomplete)?;
        for (kind, took) in [("names", &self.exact), ("words", &self.words)] {
            write!(f, "; {kind} p50 {:.1?} p95 {:.1?}", at(took, 50), at(took, 95))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(holders: &[&str]) -> BTreeSet<Held> {
        holders.iter().map(|holder| ("a".to_owned(), (*holder).to_owned())).collect()
    }

    fn check(answer: &[(&str, bool)], complete: bool, rules: &Rules) -> Result<(), String> {
        let check = Check { ask: Ask::Name("a".into()), must: held(&["p1"]), may: held(&["p2"]) };
        let held =
            answer.iter().map(|(holder, alive)| (("a".to_owned(), (*holder).to_owned()), *alive)).collect();
        check.judge(&Found { held, complete }, rules)
    }

    #[test]
    fn what_is_wrong_is_seen() {
        let quiet = Rules::default();
        let trouble = Rules { trouble: Some(Duration::ZERO), ..Rules::default() };
        assert_eq!(check(&[("p1", true)], true, &quiet), Ok(()));
        assert_eq!(check(&[("p1", true), ("p2", false)], false, &trouble), Ok(()));
        for rules in [&quiet, &trouble] {
            check(&[], true, rules).unwrap_err();
            check(&[], false, rules).unwrap_err();
            check(&[("p1", true), ("p3", true)], true, rules).unwrap_err();
        }
        check(&[("p1", true)], false, &quiet).unwrap_err();
        check(&[("p1", false)], true, &quiet).unwrap_err();
        let dead = |known| Rules { dead: Some((["p2".to_owned()].into(), known)), ..trouble.clone() };
        check(&[("p1", true), ("p2", true)], true, &dead(Instant::now())).unwrap_err();
        let later = Instant::now() + Duration::from_secs(60);
        assert_eq!(check(&[("p1", true), ("p2", true)], true, &dead(later)), Ok(()));
    }
}
