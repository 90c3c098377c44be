//! Plays a scenario by a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use chord::{Found, Read, Status};

use super::edits::edit;
use super::steps::{Step, shuffled, steps};
use super::{Friends, Kind, Mode, Report, Scenario};
use crate::network::{Network, Said, said};

/// The first peers' ring has to settle within this time.
const GATHER: Duration = Duration::from_secs(300);
/// Then fingers and copies get so long before the first fault.
const REST: Duration = Duration::from_secs(20);
/// What a change may take to become known to all: the longest of docs/guarantees.md, twice.
const PATIENCE: Duration = Duration::from_secs(30);
/// In larger rings no answer is judged.
const LARGE: usize = 2000;
/// Names looked for at the end, at most.
const SAMPLE: usize = 200;
/// One lookup, its deadline included.
const LOOKUP: Duration = Duration::from_secs(12);
/// What peers keep is looked at so often, where files are judged.
const INSPECTED: Duration = Duration::from_secs(1);
/// Time passes in pieces of at most this length.
const PIECE: Duration = Duration::from_millis(250);

/// Plays a scenario.
pub fn play(scenario: &Scenario, seed: u64) -> Report {
    let mut player = Player::new(scenario, seed, None);
    player.play();
    player.report
}

/// Plays a scenario and writes its trace.
///
/// # Errors
/// Where the trace can't be written; the scenario is played all the same.
pub fn play_traced(scenario: &Scenario, seed: u64, to: &mut dyn Write) -> (Report, io::Result<()>) {
    let mut player = Player::new(scenario, seed, Some(to));
    player.play();
    let written = std::mem::replace(&mut player.written, Ok(()));
    (player.report, written)
}

struct Player<'a> {
    scenario: &'a Scenario,
    network: Network,
    report: Report,
    schedule: BTreeMap<(Duration, u64), Step>,
    scheduled: u64,
    inspected: Duration,
    trace: Option<&'a mut dyn Write>,
    written: io::Result<()>,
}

impl<'a> Player<'a> {
    fn new(scenario: &'a Scenario, seed: u64, trace: Option<&'a mut dyn Write>) -> Player<'a> {
        let weather = scenario.sky_of(&scenario.weather).unwrap_or_default();
        let mut network = Network::new(seed, scenario.config(), weather);
        network.collect_wrongs();
        if trace.is_some() {
            network.keep_trace();
        }
        Player {
            scenario,
            network,
            report: Report::default(),
            schedule: BTreeMap::new(),
            scheduled: 0,
            inspected: Duration::ZERO,
            trace,
            written: Ok(()),
        }
    }

    fn play(&mut self) {
        // In a ring this large each newcomer would make another state of all members to remember.
        if self.scenario.start.peers <= LARGE {
            self.network.judge_answers(PATIENCE);
        }
        if self.scenario.faults.iter().any(|fault| matches!(fault.kind, Kind::Edit { .. })) {
            self.network.judge_files();
        }
        if self.gather() && self.befall() && self.scenario.mode == Mode::Liveness {
            self.calm_down();
        }
        self.pass(Duration::ZERO);
        self.report.peers = self.network.members().len();
        self.report.verdicts = self.network.verdicts();
        self.report.rings_checked = self.network.rings_checked();
        let wrongs: Vec<String> = self.network.wrongs().iter().map(ToString::to_string).collect();
        self.report.failures.splice(0..0, wrongs);
        self.expect_few_lost();
    }

    /// Starts all peers; whether all is well.
    fn gather(&mut self) -> bool {
        let start = &self.scenario.start;
        if start.friends == Friends::All {
            (0..start.peers).for_each(|_| {
                self.network.add_host();
            });
        }
        for host in 0..start.first {
            self.start(host);
            self.pass(Duration::from_millis(100));
        }
        self.network.count_traffic();
        if start.first > 0 && self.until(GATHER, |player| player.network.flaw()).is_none() {
            return false;
        }
        self.say(format!("{} peers are one exact ring", start.first));
        self.network.count_traffic();
        let others = start.peers - start.first;
        let pause = start.over / u32::try_from(others.max(1)).unwrap_or(u32::MAX);
        for host in start.first..start.peers {
            self.start(host);
            self.pass(pause);
        }
        if others > 0 {
            self.say(format!("{others} more have started within {:?}", start.over));
        }
        if self.scenario.faults.is_empty() {
            return true;
        }
        let settled = self.until(GATHER, |player| player.network.flaw()).is_some();
        self.pass(REST);
        settled
    }

    fn start(&mut self, host: usize) {
        let friends = match self.scenario.start.friends {
            Friends::All => (0..self.scenario.start.peers).filter(|friend| *friend != host).collect(),
            _ if host == 0 => Vec::new(),
            Friends::First if host >= self.scenario.start.first => {
                vec![self.network.draw(self.scenario.start.first)]
            }
            Friends::First | Friends::Any => vec![self.network.draw(host)],
        };
        if host == self.network.hosts() {
            self.network.start(&friends);
        } else {
            self.network.restart(host, &friends, &[]);
        }
        let names: Vec<String> = (0..self.scenario.files).map(|file| format!("{host}/{file}")).collect();
        let written: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &**name)).collect();
        self.network.edit(host, &written, &[]);
    }

    fn say(&mut self, what: impl Into<String>) {
        self.report.say(self.network.now(), what);
    }

    fn fail(&mut self, what: String) {
        self.say(&what);
        self.report.failures.push(what);
    }

    fn at(&mut self, at: Duration, step: Step) {
        self.scheduled += 1;
        self.schedule.insert((at, self.scheduled), step);
    }

    /// Plays the faults; whether nothing wrong was done meanwhile.
    fn befall(&mut self) -> bool {
        let begin = self.network.now();
        for (number, fault) in self.scenario.faults.iter().enumerate() {
            self.at(begin + fault.at, Step::Fault(number));
        }
        if let Some(every) = self.scenario.lookup_every {
            self.at(begin + every, Step::Ask);
        }
        while let Some(((at, _), step)) = self.schedule.pop_first() {
            if matches!(step, Step::Ask) && self.schedule.is_empty() {
                break;
            }
            self.pass(at.saturating_sub(self.network.now()));
            if !self.network.wrongs().is_empty() {
                return false;
            }
            self.take(step);
        }
        if !self.scenario.faults.is_empty() {
            self.network.count_traffic();
        }
        true
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Fault(_) | Step::Ask | Step::Edit(_) => {}
            Step::CutLinks(ref links) if links.len() > 8 => {
                self.say(format!("{} links are cut", links.len()))
            }
            ref step => self.say(format!("{step:?}")),
        }
        let lives = |player: &Player, host: usize| player.network.node(host).is_some();
        match step {
            Step::Fault(number) => {
                let fault = &self.scenario.faults[number];
                self.say(format!("{fault:?}"));
                let now = self.network.now();
                for (after, step) in steps(&mut self.network, self.scenario, fault) {
                    self.at(now + after, step);
                }
            }
            Step::Crash(host, how) if lives(self, host) => self.network.crash(host, how),
            Step::CrashAmid(host, how) if lives(self, host) => self.network.crash_amid(host, how),
            Step::Leave(host) if lives(self, host) => self.network.leave(host),
            Step::Restart(host, friends, remembers) if !lives(self, host) => {
                let others = (0..self.network.hosts()).filter(|other| remembers && *other != host);
                let others: Vec<usize> = others.collect();
                self.network.restart(host, &friends, &others);
                self.network.read_disk(host);
            }
            Step::Pause(host) if lives(self, host) => self.network.pause(host),
            Step::Crash(..) | Step::CrashAmid(..) | Step::Leave(_) | Step::Restart(..) | Step::Pause(_) => {}
            Step::Resume(host) => self.network.resume(host),
            Step::Slow(host, by) => self.network.slow(host, by),
            Step::Cut(islands) => {
                self.network.cut(&islands.iter().map(Vec::as_slice).collect::<Vec<_>>());
            }
            Step::CutLinks(links) => links.iter().for_each(|(from, to)| self.network.cut_link(*from, *to)),
            Step::Flap(hosts, open, cut) => self.network.flap(&hosts, open, cut),
            Step::Heal => self.network.heal(),
            Step::Weather(weather) => self.network.set_weather(weather),
            Step::Edit(names) => edit(&mut self.network, names),
            Step::Ask => {
                self.ask();
                let next = self.network.now() + self.scenario.lookup_every.unwrap_or(LOOKUP);
                self.at(next, Step::Ask);
            }
        }
    }

    fn ask(&mut self) {
        let members = self.network.living();
        let is_member = |host: &usize| {
            let node = self.network.node(*host);
            node.is_some_and(|node| node.status() == Status::Member) && !self.network.is_paused(*host)
        };
        let members: Vec<usize> = members.into_iter().filter(is_member).collect();
        if members.is_empty() {
            return;
        }
        let asker = members[self.network.draw(members.len())];
        let keys = self.network.keys();
        let (key, read) = match keys.len() {
            0 => (self.network.draw_id(), Read::Nothing),
            count => (keys[self.network.draw(count)], Read::Key(100)),
        };
        self.network.look_up(asker, key, read);
    }

    /// The faults have ended: all that is expected has to come.
    fn calm_down(&mut self) {
        let expect = &self.scenario.expect;
        let (calm, limit) = (self.network.now(), expect.exact_within.unwrap_or_default());
        let leaving = |player: &Player| {
            let leaves = |node: &chord::Node| node.status() == Status::Leaving;
            player.network.nodes().find(|node| leaves(node)).map(|node| format!("{:?} is leaving", node.me()))
        };
        let Some(after) = self.until(limit, |player| player.network.flaw().or_else(|| leaving(player)))
        else {
            return;
        };
        self.report.exact_after = Some(after);
        self.report.cost = self.network.traffic().map(|traffic| traffic.sent.total()).unwrap_or_default();
        self.say("the ring is exact");
        let (messages, peers) = (self.report.cost.messages, self.network.members().len() as u64);
        if let Some(most) = expect.messages_per_peer.filter(|most| messages > most * peers) {
            self.fail(format!("{messages} messages of {peers} peers: at most {most} for each were expected"));
        }
        let Some(limit) = expect.found_within else { return };
        let left = (calm + limit).saturating_sub(self.network.now());
        if self.until(left, |player| player.network.files_flaw(false)).is_none() {
            return;
        }
        self.report.found_after = Some(self.network.now() - calm);
        self.say("all entries are with their keepers");
        self.find_all(calm + limit);
        let lease = self.scenario.config().lease;
        self.until(lease + lease / 3, |player| player.network.files_flaw(true));
    }

    /// Under every name and word, exactly the files of the living are found from drawn peers. That this is all may be
    /// vouched for a lease later: after parts of a ring have met, completeness is in doubt for a while.
    fn find_all(&mut self, limit: Duration) {
        let vouched_by = limit + self.scenario.config().lease;
        let expected = self.network.expected();
        for (key, read, expected) in shuffled(&mut self.network, expected).into_iter().take(SAMPLE) {
            let living = self.network.living();
            let asker = living[self.network.draw(living.len())];
            let mut right = false;
            // Messages may be lost still, and arcs have to be known to be complete.
            loop {
                let ticket = self.network.look_up(asker, key, read.clone());
                let deadline = self.network.now() + LOOKUP;
                while self.network.result(ticket).is_none() && self.network.now() < deadline {
                    self.pass(PIECE / 10);
                }
                let told = match self.network.result(ticket) {
                    Some(Ok(Found { reading, .. })) => {
                        let sources: BTreeSet<Said> = reading.sources.iter().map(said).collect();
                        // Where keepers can't vouch for all of a word, whoever searches asks everybody.
                        let vouched = reading.complete || matches!(read, Read::Search(_));
                        right = sources == expected;
                        if vouched && right {
                            break;
                        }
                        format!("{reading:?}")
                    }
                    Some(Err(lost)) => lost.to_string(),
                    None => "no end".into(),
                };
                self.pass(PIECE);
                if self.network.now() >= if right { vouched_by } else { limit } {
                    return self.fail(format!("{key:?}, asked from p{asker}: {told}, expected {expected:?}"));
                }
            }
        }
    }

    fn expect_few_lost(&mut self) {
        let verdicts = self.report.verdicts;
        let answered = verdicts.right + verdicts.outdated + verdicts.unvouched + verdicts.wrong;
        let all = answered + verdicts.lost;
        let percent = verdicts.lost as f64 * 100.0 / all.max(1) as f64;
        if let Some(most) = self.scenario.expect.lost_percent.filter(|most| percent > *most) {
            self.fail(format!("{percent:.1} % of the lookups had no answer: at most {most} % were expected"));
        }
    }

    /// Lets time pass until nothing is wrong any more. Returns how long that took, or none after the limit.
    fn until(&mut self, limit: Duration, flaw: impl Fn(&Player) -> Option<String>) -> Option<Duration> {
        let start = self.network.now();
        while let Some(flaw) = flaw(self) {
            if self.network.now() >= start + limit || !self.network.wrongs().is_empty() {
                self.fail(format!("after {:?}: {flaw}", self.network.now() - start));
                return None;
            }
            self.pass(PIECE);
        }
        Some(self.network.now() - start)
    }

    fn pass(&mut self, time: Duration) {
        let end = self.network.now() + time;
        loop {
            self.network.run(end.saturating_sub(self.network.now()).min(PIECE));
            if self.network.now() >= self.inspected + INSPECTED {
                self.inspected = self.network.now();
                self.network.inspect_files();
            }
            if let Some(trace) = &mut self.trace
                && self.written.is_ok()
            {
                self.written = trace.write_all(self.network.take_trace().as_bytes());
            }
            if self.network.now() >= end {
                return;
            }
        }
    }
}
