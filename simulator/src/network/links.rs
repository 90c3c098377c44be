//! Who reaches whom, and how messages travel.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use rand::RngExt as _;

use super::Network;

/// How messages travel.
#[derive(Clone, Debug)]
pub struct Weather {
    /// One way, drawn anew for each message. Messages that overtake each other follow from it.
    pub latency: Range<Duration>,
    /// The part of all messages that is lost, 0 to 1.
    pub loss: f64,
    /// The part of all requests that arrive twice, 0 to 1.
    pub repeated: f64,
    /// The part of all messages that come late, 0 to 1.
    pub late: f64,
    /// How late, on top of the latency; past a call's deadline an answer is void, a request is not.
    pub lateness: Range<Duration>,
}

impl Default for Weather {
    fn default() -> Weather {
        Weather {
            latency: Duration::from_millis(1)..Duration::from_millis(20),
            loss: 0.0,
            repeated: 0.0,
            late: 0.0,
            lateness: Duration::from_millis(20)..Duration::from_secs(3),
        }
    }
}

/// Links between some hosts and all others that are open and cut in turns.
#[derive(Clone)]
struct Flapping {
    hosts: BTreeSet<usize>,
    open: Duration,
    cut: Duration,
    since: Duration,
}

/// What befalls a message on a way that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// It is lost.
    Lost,
    /// It is refused, as by a firewall that says so.
    Refused,
}

/// Which hosts reach each other.
#[derive(Clone, Default)]
pub(super) struct Links {
    /// By host; those beyond its end are of island 0.
    islands: Vec<u32>,
    /// From, to.
    cut: BTreeMap<(usize, usize), Blocked>,
    flapping: Vec<Flapping>,
}

impl Links {
    fn island(&self, host: usize) -> u32 {
        self.islands.get(host).copied().unwrap_or(0)
    }

    /// Whether a message from one host to another comes through. To itself, it always does.
    pub(super) fn is_open(&self, from: usize, to: usize, now: Duration) -> bool {
        if from == to {
            return true;
        }
        let flaps = |flapping: &Flapping| {
            let turn = (now - flapping.since).as_nanos() % (flapping.open + flapping.cut).as_nanos();
            flapping.hosts.contains(&from) != flapping.hosts.contains(&to) && turn >= flapping.open.as_nanos()
        };
        self.island(from) == self.island(to)
            && !self.cut.contains_key(&(from, to))
            && !self.flapping.iter().any(flaps)
    }

    /// Whether the link between two hosts is cut now and then.
    pub(super) fn is_flapping(&self, a: usize, b: usize) -> bool {
        self.flapping.iter().any(|flapping| flapping.hosts.contains(&a) != flapping.hosts.contains(&b))
    }

    /// Whether any link is cut now and then.
    pub(super) fn flaps(&self) -> bool {
        !self.flapping.is_empty()
    }

    /// Whether no link is cut, now or in turns.
    pub(super) fn is_whole(&self) -> bool {
        self.islands.iter().all(|island| *island == 0) && self.cut.is_empty() && self.flapping.is_empty()
    }
}

impl Network {
    /// Cuts the network: only hosts of one island reach each other. Hosts not named are of island 0.
    pub fn cut(&mut self, islands: &[&[usize]]) {
        self.remark("cut", &islands);
        self.links.islands.resize(self.hosts.len(), 0);
        for (number, hosts) in islands.iter().enumerate() {
            hosts.iter().for_each(|host| self.links.islands[*host] = number as u32 + 1);
        }
        self.links_changed();
    }

    /// Cuts one way between two hosts: what `from` sends does not reach `to`. Over a TCP connection that
    /// stands, requests of the other direction still arrive, but nobody gets an answer of the other.
    pub fn cut_link(&mut self, from: usize, to: usize) {
        self.block(from, to, Blocked::Lost);
    }

    /// Cuts one way between two hosts; calls may end at once.
    pub fn block(&mut self, from: usize, to: usize, how: Blocked) {
        self.remark("cut link", &(from, to, how));
        self.links.cut.insert((from, to), how);
        self.links_changed();
    }

    /// Whether the way is cut so that calls are refused.
    pub(super) fn refuses_way(&self, from: usize, to: usize) -> bool {
        self.links.cut.get(&(from, to)) == Some(&Blocked::Refused)
    }

    /// Cuts both ways between two hosts; others may reach both.
    pub fn cut_pair(&mut self, a: usize, b: usize) {
        self.cut_link(a, b);
        self.cut_link(b, a);
    }

    /// From now on all links between these hosts and all others are open and cut in turns.
    ///
    /// # Panics
    /// Where both spans are zero.
    pub fn flap(&mut self, hosts: &[usize], open: Duration, cut: Duration) {
        assert!(open + cut > Duration::ZERO, "a flapping link needs time");
        self.remark("flap", &(hosts, open, cut));
        let (hosts, since) = (hosts.iter().copied().collect(), self.now);
        self.links.flapping.push(Flapping { hosts, open, cut, since });
        self.links_changed();
    }

    /// Heals all cuts.
    pub fn heal(&mut self) {
        self.remark("heal", &"");
        self.links = Links::default();
        self.links_changed();
    }

    fn links_changed(&mut self) {
        self.note_links();
        self.disturb();
        self.membership_changed();
    }

    /// How messages travel from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.remark("weather", &weather);
        self.weather = weather;
    }

    /// Whether a message from one host to another would come through now.
    pub fn reaches(&self, from: usize, to: usize) -> bool {
        self.links.is_open(from, to, self.now)
    }

    /// How long a message takes.
    pub(super) fn travel(&mut self, from: usize, to: usize) -> Duration {
        let mut time = self.rng.random_range(self.weather.latency.clone());
        if self.weather.late > 0.0 && self.rng.random_bool(self.weather.late) {
            time += self.rng.random_range(self.weather.lateness.clone());
        }
        for host in [from, to] {
            if let Some(slow) = self.hosts[host].slow.clone() {
                time += self.rng.random_range(slow);
            }
        }
        time
    }

    pub(super) fn is_lost(&mut self) -> bool {
        self.weather.loss > 0.0 && self.rng.random_bool(self.weather.loss)
    }

    pub(super) fn is_repeated(&mut self) -> bool {
        self.weather.repeated > 0.0 && self.rng.random_bool(self.weather.repeated)
    }
}
