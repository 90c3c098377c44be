//! Plays a scenario by a seed.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use chord::{Id, Read, Status};

use super::steps::{Step, shuffled, steps};
use super::{Friends, Mode, Report, Scenario, entries};
use crate::network::Network;

/// The first peers' ring has to settle within this time.
const GATHER: Duration = Duration::from_secs(300);
/// Then fingers and copies get so long before the first fault.
const REST: Duration = Duration::from_secs(20);
/// What a change may take to become known to all: the longest of docs/guarantees.md, twice.
const PATIENCE: Duration = Duration::from_secs(30);
/// In larger rings no answer is judged.
const LARGE: usize = 2000;
/// Files looked for at the end, at most.
const SAMPLE: usize = 200;
/// One lookup, its deadline included.
const LOOKUP: Duration = Duration::from_secs(12);
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
    /// By host.
    shared: Vec<Vec<String>>,
    schedule: BTreeMap<(Duration, u64), Step>,
    scheduled: u64,
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
            shared: Vec::new(),
            schedule: BTreeMap::new(),
            scheduled: 0,
            trace,
            written: Ok(()),
        }
    }

    fn play(&mut self) {
        // In a ring this large each newcomer would make another state of all members to remember.
        if self.scenario.start.peers <= LARGE {
            self.network.judge_answers(PATIENCE);
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
        self.shared.push((0..self.scenario.files).map(|file| format!("{host}/{file}")).collect());
        self.share(host);
    }

    fn share(&mut self, host: usize) {
        let names: Vec<&str> = self.shared[host].iter().map(String::as_str).collect();
        if !names.is_empty() {
            self.network.share(host, &names, &[]);
        }
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
            Step::Fault(_) | Step::Ask => {}
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
                self.share(host);
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
        let names = &self.shared[self.network.draw(self.shared.len())];
        let (key, read) = match names.first() {
            Some(name) => (Id::of(name.as_bytes()), Read::Key(100)),
            None => (self.network.draw_id(), Read::Nothing),
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
        let limit = (calm + limit).saturating_sub(self.network.now());
        if self.until(limit, |player| entries::flaw(&player.network, &player.shared)).is_none() {
            return;
        }
        self.report.found_after = Some(self.network.now() - calm);
        self.say("all entries are with their keepers");
        self.find_all();
    }

    /// Every file of the living, and none of the dead, is found from drawn peers.
    fn find_all(&mut self) {
        let names: Vec<(usize, String)> = (self.shared.iter().enumerate())
            .flat_map(|(host, names)| names.iter().map(move |name| (host, name.clone())))
            .collect();
        let chosen = shuffled(&mut self.network, (0..names.len()).collect());
        for number in chosen.into_iter().take(SAMPLE) {
            let (host, name) = &names[number];
            let living = self.network.living();
            let asker = living[self.network.draw(living.len())];
            let mut said = String::new();
            // Messages may be lost still: what does not claim to be complete is asked for again.
            let right = (0..4).any(|_| {
                let key = Id::of(name.as_bytes());
                let ticket = self.network.look_up(asker, key, Read::Key(100));
                let deadline = self.network.now() + LOOKUP;
                while self.network.result(ticket).is_none() && self.network.now() < deadline {
                    self.pass(PIECE / 10);
                }
                let outcome = self.network.result(ticket).cloned();
                said = match outcome {
                    Some(Ok(found)) => {
                        let lives = self.network.node(*host).map(chord::Node::me);
                        let listed = |peer: &chord::Peer| {
                            found.reading.sources.len() == 1
                                && found.reading.sources[0].publisher.is_same_life(peer)
                        };
                        if lives.map_or(found.reading.sources.is_empty(), listed) {
                            return true;
                        }
                        format!("{:?}", found.reading)
                    }
                    Some(Err(lost)) => lost.to_string(),
                    None => "no end".into(),
                };
                false
            });
            if !right {
                self.fail(format!("{name:?} of p{host}, asked from p{asker}: {said}"));
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
