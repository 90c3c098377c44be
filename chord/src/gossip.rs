//! How contacts learn of joins and deaths: each peer now and then asks another one, any, and both pass on
//! their latest news; where their tables differ, the asker fetches what it lacks (rumours and anti-entropy,
//! Demers et al., PODC 1987).
//!
//! Only hints travel here, so they are what is left out first: a budget bounds what a peer sends.

use std::time::Duration;

use crate::contacts::News;
use crate::interface::{Output, Status, Timer, Why, about};
use crate::message::{Outcome, Request, Response};
use crate::{Id, Node, Peer};

/// News in one message at most.
const AT_ONCE: usize = 8;
/// News that a peer may send per second in the long run, some 50 bytes each, and at once after a rest.
const BUDGET: (u32, u32) = (4, 256);
/// While less may be sent, tables that differ much are not compared more often.
const RESERVE: usize = 64;
/// Marks in one question at most, and of marks and digests take as much room as one piece of news.
const MARKS: (usize, usize) = (128, 12);
/// Between two rounds: while tables differ much, when there was news, and at rest.
const PACE: (Duration, Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5));
/// At rest tables are compared in every so many rounds.
const COMPARE: u32 = 4;
/// The table is trusted to name the responsible peer from here on, and the most that trust grows to.
const TRUSTED: (u8, u8) = (2, 16);

/// How far a peer's gossip has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gossip {
    /// In thousandths of a piece of news.
    allowance: u32,
    rounds: u32,
    /// There was news since the last round.
    news: bool,
    /// The last comparison found differences in many parts.
    behind: bool,
    /// Whether the table seems to name nearly everybody: grows when comparisons find little, and when it was right.
    trust: u8,
}

impl Default for Gossip {
    fn default() -> Gossip {
        Gossip { allowance: BUDGET.1 * 1000, rounds: 0, news: false, behind: false, trust: 0 }
    }
}

impl Gossip {
    pub(crate) fn pass(&mut self, time: Duration) {
        let earned = u32::try_from(time.as_millis()).unwrap_or(u32::MAX).saturating_mul(BUDGET.0);
        self.allowance = self.allowance.saturating_add(earned).min(BUDGET.1 * 1000);
    }

    fn is_hurrying(&self) -> bool {
        self.behind && self.may_send() >= RESERVE
    }

    /// How much news may be sent now.
    fn may_send(&self) -> usize {
        (self.allowance / 1000) as usize
    }

    fn sent(&mut self, news: usize) {
        self.allowance =
            self.allowance.saturating_sub(u32::try_from(news).unwrap_or(u32::MAX).saturating_mul(1000));
    }

    fn pace(&self) -> Duration {
        match (self.is_hurrying(), self.news) {
            (true, _) => PACE.0,
            (_, true) => PACE.1,
            _ => PACE.2,
        }
    }

    /// Whether the contact next to a key is likely to be responsible for it.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trust >= TRUSTED.0
    }

    /// Another table has hardly more.
    fn agree(&mut self) {
        self.trust = self.trust.saturating_add(TRUSTED.0).min(TRUSTED.1);
    }

    /// The table was taken at its word.
    pub(crate) fn judge(&mut self, right: bool) {
        self.trust =
            if right { self.trust.saturating_add(1).min(TRUSTED.1) } else { self.trust.saturating_sub(3) };
    }
}

impl Node {
    /// A round of gossip with any one contact.
    pub(crate) fn gossip(&mut self, out: &mut Vec<Output>) {
        if self.status != Status::Member {
            return;
        }
        out.push(Output::SetTimer { timer: Timer::Gossip, after: about(self.gossip.pace()) });
        self.gossip.rounds = self.gossip.rounds.wrapping_add(1);
        let rounds = self.gossip.rounds;
        // Any place will do, if it is another one each time.
        let place = Id::of(&[&self.me.id.to_bytes()[..], &rounds.to_be_bytes()].concat());
        let usable = |peer: &&Peer| !self.detector.is_suspect(peer.id) && !self.detector.is_given_up(peer);
        let Some(to) = self.contacts.from(place).find(usable).cloned() else { return };
        let news = self.latest_news();
        let compare = self.gossip.is_hurrying() || rounds % COMPARE == 1;
        self.gossip.news = false;
        let digest = self.contacts.digest();
        self.call(to, Request::Gossip { digest, news, compare }, Why::Gossip { compare }, out);
    }

    fn latest_news(&mut self) -> Vec<News> {
        let news = self.contacts.rumors(AT_ONCE.min(self.gossip.may_send()));
        self.gossip.sent(news.len());
        news
    }

    pub(crate) fn serve_gossip(&mut self, digest: u64, news: Vec<News>, compare: bool) -> Response {
        self.learn(news);
        let news = self.latest_news();
        let differs = compare && digest != self.contacts.digest();
        let digests = if differs { self.contacts.digests() } else { Vec::new() };
        self.gossip.sent(digests.len() / MARKS.1);
        Response::Gossip { news, digests }
    }

    fn learn(&mut self, news: Vec<News>) {
        for news in news {
            self.gossip.news |= self.contacts.merge(news);
        }
    }

    /// The answer to a round of gossip: asks for what is lacking in parts of the ring, if anything is.
    pub(crate) fn on_gossip(&mut self, from: Peer, compare: bool, outcome: Outcome, out: &mut Vec<Output>) {
        match outcome {
            Outcome::Answer(Response::Gossip { news, digests }) => {
                self.learn(news);
                if compare {
                    self.fetch_contacts(from, &digests, out);
                }
            }
            Outcome::Answer(Response::Contacts(news)) => {
                news.into_iter().for_each(|news| {
                    self.contacts.fill(news);
                });
            }
            _ => {}
        }
    }

    fn fetch_contacts(&mut self, from: Peer, digests: &[u32], out: &mut Vec<Output>) {
        let parts = digests.len();
        let own = self.contacts.digests_of(parts);
        let start = self.gossip.rounds as usize;
        let turned = (0..parts).map(|step| (start + step) % parts);
        let differing: Vec<usize> = turned.filter(|part| own.get(*part) != digests.get(*part)).collect();
        self.gossip.behind = differing.len() * 4 > parts;
        // A part that differs may lack one peer of about eight.
        if differing.len() * 16 <= parts {
            self.gossip.agree();
        }
        if differing.is_empty() {
            return;
        }
        let (mut wanted, mut marks) = (Vec::new(), Vec::new());
        for part in differing {
            if marks.len() >= MARKS.0 {
                break;
            }
            marks.extend(self.contacts.marks(part, parts));
            wanted.push(part as u32);
        }
        self.gossip.sent(marks.len() / MARKS.1);
        let request = Request::Contacts { wanted, parts: parts as u32, marks };
        self.call(from, request, Why::Gossip { compare: true }, out);
    }

    pub(crate) fn serve_contacts(&mut self, wanted: &[u32], parts: u32, marks: &[u32]) -> Response {
        let most = self.gossip.may_send();
        let news = self.contacts.besides(wanted, parts as usize, marks, most);
        self.gossip.sent(news.len());
        Response::Contacts(news)
    }
}
