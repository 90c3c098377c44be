//! Sixteen peers under random faults, all that happens recorded, every answer judged by docs/guarantees.md.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chordial_tests::history::{File, History, Read, judge};
use chordial_tests::programs::TestPeer;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::faults::{Faults, links, processes};
use crate::network::{Network, PEERS, ask, folder};

/// How long faults happen, in seconds: `make soak` asks for an hour.
const SECONDS: &str = "CHORDIAL_HISTORY_SECONDS";
/// Which faults.
const SEED: &str = "CHORDIAL_SEED";
/// Files of each peer at the beginning, and on average the fewest.
const FILES: usize = 4;
/// After the last fault: every promise holds again after a minute, and is looked at for some seconds more.
const CALM: Duration = Duration::from_secs(75);
/// In the end, each peer is asked for each file, which has to be found.
const END: Duration = Duration::from_secs(30);
/// Between two questions to one peer.
const QUESTION: Duration = Duration::from_millis(80);
/// Between two files that are created, or deleted.
const CHANGE: Duration = Duration::from_millis(400);

#[test]
fn no_answer_breaks_a_promise_whatever_happens() {
    let seconds = number(SECONDS).unwrap_or(120);
    let seed = number(SEED).unwrap_or(1);
    println!("{SEED}={seed} {SECONDS}={seconds}");
    let mut network = Network::start("history");
    let record = Record::new(&network);
    let faults = Faults::new(record.clock);
    for file in 0..PEERS * FILES {
        record.create(file % PEERS + 1, file);
    }
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (record, faults, ended) = (&record, &faults, &ended);
        let (peers, lab) = (&mut network.peers, &network.lab);
        for host in lab.hosts() {
            scope.spawn(move || {
                lab.enter(host);
                record.ask_until(host, seed, ended);
            });
        }
        scope.spawn(move || record.change_until(seed, ended));
        let until = Duration::from_secs(seconds);
        let links = scope.spawn(move || links(faults, lab, seed, until));
        let processes = scope.spawn(move || processes(faults, lab, peers, seed, until));
        let both = [links.join(), processes.join()];
        // Whatever happened, the others have to end.
        if both.iter().all(Result::is_ok) {
            std::thread::sleep(CALM);
        }
        ended.store(true, Ordering::Relaxed);
        both.into_iter().for_each(|one| one.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    });
    let one = network.exact(&network.lab.hosts().collect::<Vec<_>>(), END);
    let unknown = record.ask_all(&network);
    let history = record.into_history(faults);
    let kept = write(&history);
    let verdict = judge(&history);
    println!("{seconds} s of faults by seed {seed}: {}", history.faults);
    println!("{verdict}; in the end an exact ring within {one:.1?}");
    println!("all that happened is in {}", kept.display());
    assert!(
        verdict.promised * 10 > verdict.reads,
        "too few answers were bound by a promise for this to show anything"
    );
    let first: Vec<String> = verdict.violations.iter().take(20).map(ToString::to_string).collect();
    assert!(first.is_empty(), "{} violations; the first ones: {first:#?}", verdict.violations.len());
    assert!(unknown.is_empty(), "in the end not all were found: {unknown:#?}");
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

/// All that happens, while it does.
struct Record {
    clock: Instant,
    /// Where each peer's files are, p1 first; and each gateway.
    directories: Vec<PathBuf>,
    gateways: Vec<String>,
    files: Mutex<Vec<File>>,
    reads: Mutex<Vec<Read>>,
}

impl Record {
    fn new(network: &Network) -> Record {
        Record {
            clock: Instant::now(),
            directories: network.peers.iter().map(TestPeer::directory).collect(),
            gateways: network.peers.iter().map(TestPeer::gateway).collect(),
            files: Mutex::default(),
            reads: Mutex::default(),
        }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Vec<File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Peer `holder` gets the file of this number.
    fn create(&self, holder: usize, number: usize) {
        let name = format!("file {number}");
        let bytes = vec![b'x'; number];
        // Whole from the first moment on: a part of it is never seen.
        let directory = &self.directories[holder - 1];
        let new = directory.with_extension("new");
        std::fs::write(&new, &bytes).expect("a new file");
        let created = self.clock.elapsed();
        self.files().push(File { name: name.clone(), holder, size: number as u64, created, deleted: None });
        std::fs::rename(new, directory.join(name)).expect("a file renamed");
    }

    /// One of the files that are there is deleted.
    fn delete(&self, dice: &mut ChaCha8Rng) {
        let mut files = self.files();
        let mut there: Vec<&mut File> = files.iter_mut().filter(|file| file.deleted.is_none()).collect();
        let one = dice.random_range(0..there.len());
        let file = &mut there[one];
        file.deleted = Some(self.clock.elapsed());
        let path = self.directories[file.holder - 1].join(&file.name);
        drop(files);
        std::fs::remove_file(path).expect("a file deleted");
    }

    /// Creates and deletes files anywhere, at peers that do not run as well.
    fn change_until(&self, seed: u64, ended: &AtomicBool) {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        while !ended.load(Ordering::Relaxed) {
            let (all, there) = {
                let files = self.files();
                (files.len(), files.iter().filter(|file| file.deleted.is_none()).count())
            };
            if there < PEERS * FILES || (there < 2 * PEERS * FILES && dice.random_bool(0.5)) {
                self.create(dice.random_range(1..=PEERS), all);
            } else {
                self.delete(&mut dice);
            }
            std::thread::sleep(CHANGE);
        }
    }

    /// Asks one peer, from inside its host, for one file after the other: half of them are among the newest, a quarter
    /// are deleted.
    fn ask_until(&self, host: usize, seed: u64, ended: &AtomicBool) {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        dice.set_stream(host as u64);
        while !ended.load(Ordering::Relaxed) {
            let name = {
                let files = self.files();
                let newest = &files[files.len().saturating_sub(40)..];
                let among = if dice.random_bool(0.5) { newest } else { &files[..] };
                let gone = dice.random_bool(0.25);
                let some: Vec<&File> = among.iter().filter(|file| file.deleted.is_some() == gone).collect();
                some.choose(&mut dice).map(|file| file.name.clone())
            };
            if let Some(name) = name {
                // What it said is recorded.
                let _ = self.question(host, &name);
            }
            std::thread::sleep(QUESTION);
        }
    }

    /// Asks and records; returns whether this was the whole answer.
    fn question(&self, asked: usize, name: &str) -> Result<(), String> {
        let began = self.clock.elapsed();
        let answer = ask(&self.gateways[asked - 1], name);
        let told = if answer.is_whole() { Ok(()) } else { Err(format!("p{asked}, {name:?}: {answer}")) };
        let read = Read { asked, name: name.into(), began, ended: self.clock.elapsed(), answer };
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).push(read);
        told
    }

    /// Asks every peer for every file that is there; returns the answers that are not whole.
    fn ask_all(&self, network: &Network) -> Vec<String> {
        let there = |file: &&File| file.deleted.is_none();
        let names: Vec<String> = self.files().iter().filter(there).map(|file| file.name.clone()).collect();
        let hosts: Vec<usize> = network.lab.hosts().collect();
        let ask =
            |host, _: &TestPeer| names.iter().filter_map(|name| self.question(host, name).err()).collect();
        let told: Vec<Vec<String>> = network.each(&hosts, ask);
        told.into_iter().flatten().collect()
    }

    fn into_history(self, faults: Faults) -> History {
        let mut reads = self.reads.into_inner().unwrap_or_else(PoisonError::into_inner);
        reads.sort_by_key(|read| read.began);
        History {
            files: self.files.into_inner().unwrap_or_else(PoisonError::into_inner),
            faults: faults.into_inner(),
            reads,
        }
    }
}

/// Writes all that happened into the test's folder, in order of time.
fn write(history: &History) -> PathBuf {
    let path = folder("history").join("history.txt");
    let files = history.files.iter().map(|file| (file.created, format!("{file:?}")));
    let faults = history.faults.0.iter().map(|fault| (fault.from, format!("{fault:?}")));
    let reads = history.reads.iter().map(|read| {
        let Read { asked, name, began, ended, answer } = read;
        (*began, format!("p{asked} {name:?} until {ended:.3?}: {answer}"))
    });
    let mut lines: Vec<(Duration, String)> = files.chain(faults).chain(reads).collect();
    lines.sort();
    let text: String = lines.iter().map(|(at, what)| format!("{at:>10.3?} {what}\n")).collect();
    std::fs::write(&path, text).expect("the history");
    path
}
