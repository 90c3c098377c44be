//! What `top` knows and what is looked at: changed by answers, events and keys, and drawn by [`super::draw`].

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chord_client::views::{RingPeerView, RingView, TopView, TrafficView};

use crate::output::safe;

/// Lines of the feed that are kept.
const LINES: usize = 500;

/// Rates that are kept for the small diagrams.
const HISTORY: usize = 240;

/// Something that has happened, as the feed shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, RFC 3339.
    pub at: String,
    /// The event's name.
    pub kind: String,
    /// What has happened.
    pub what: String,
}

/// What comes from outside.
#[derive(Debug)]
pub enum Message {
    /// An answer, or why there is none.
    Look(Result<Box<TopView>, String>),
    /// Something has happened.
    Happened(Line),
    /// How the stream of events stands; none: as it should.
    Feed(Option<String>),
    /// A key, or another size of the terminal.
    Terminal(ratatui::crossterm::event::Event),
    /// The terminal can't be read any more.
    NoTerminal(String),
    /// A signal that ends the program, with its exit code.
    End(u8),
}

/// What the table of peers is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The order of the ring.
    Ring,
    Name,
    State,
    Share,
    Entries,
    Files,
}

impl Sort {
    /// In the order of the columns.
    pub const ALL: [Sort; 6] = [Sort::Ring, Sort::Name, Sort::State, Sort::Share, Sort::Entries, Sort::Files];

    /// The one so many columns further.
    pub fn step(self, by: isize) -> Self {
        let place = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0) as isize;
        Self::ALL[(place + by).rem_euclid(Self::ALL.len() as isize) as usize]
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring order",
            Self::Name => "name",
            Self::State => "state",
            Self::Share => "share",
            Self::Entries => "entries",
            Self::Files => "files",
        }
    }

    /// Numbers have the greatest first.
    fn compare(self, a: &RingPeerView, b: &RingPeerView) -> Ordering {
        let entries = |peer: &RingPeerView| peer.entries.as_ref().map(|kept| kept.owned + kept.replicas);
        match self {
            Self::Ring => Ordering::Equal,
            Self::Name => a.name.cmp(&b.name),
            // Whoever is no member first.
            Self::State => (a.state == "member", &a.state).cmp(&(b.state == "member", &b.state)),
            Self::Share => b.share.total_cmp(&a.share),
            Self::Entries => entries(b).cmp(&entries(a)),
            Self::Files => b.shared_files.cmp(&a.shared_files),
        }
    }
}

/// What the arrows move in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    Peers,
    Events,
}

/// What lies over the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    Nothing,
    /// The keys.
    Help,
    /// The peer with this identifier.
    Peer(String),
}

/// What is known, and what is looked at.
#[derive(Debug)]
pub struct Model {
    /// The peer asked, as it was named.
    pub address: String,
    /// Between two looks.
    pub every: Duration,
    /// The last answer, and when it came.
    pub look: Option<(Box<TopView>, Instant)>,
    /// Why there is no newer one, and since when.
    pub lost: Option<(String, Instant)>,
    /// Rates, the oldest first.
    pub history: VecDeque<TrafficView>,
    /// What has happened, the oldest first.
    pub events: VecDeque<Line>,
    /// Why events may be missing.
    pub feed: Option<String>,
    /// The order of the peers.
    pub sort: Sort,
    /// Whether that is turned round.
    pub reversed: bool,
    /// Only peers with this in their names.
    pub filter: String,
    /// Whether keys go into the filter.
    pub typing: bool,
    /// Whether what comes is held back.
    pub paused: bool,
    /// Where the arrows are.
    pub panel: Panel,
    /// What lies over the whole.
    pub over: Over,
    /// Events between the newest one and the last one shown.
    pub back: usize,
    /// The identifier of the peer that is chosen: it stays so wherever its row goes.
    chosen: Option<String>,
    held: VecDeque<Line>,
}

impl Model {
    /// Nothing is known yet.
    pub fn new(address: &str, every: Duration) -> Self {
        Self {
            address: address.to_owned(),
            every,
            look: None,
            lost: None,
            history: VecDeque::new(),
            events: VecDeque::new(),
            feed: None,
            sort: Sort::Ring,
            reversed: false,
            filter: String::new(),
            typing: false,
            paused: false,
            panel: Panel::Peers,
            over: Over::Nothing,
            back: 0,
            chosen: None,
            held: VecDeque::new(),
        }
    }

    /// Takes an answer that came `now`, or the reason why none did.
    pub fn looked(&mut self, look: Result<Box<TopView>, String>, now: Instant) {
        if self.paused {
            return;
        }
        match look {
            Ok(look) => {
                self.lost = None;
                // Without rates, which is after a restart, too, the diagrams begin anew.
                match look.traffic {
                    Some(traffic) => push(&mut self.history, traffic, HISTORY),
                    None => self.history.clear(),
                }
                self.look = Some((look, now));
            }
            Err(why) => {
                let since = self.lost.take().map_or(now, |(_, since)| since);
                self.lost = Some((why, since));
            }
        }
    }

    /// Takes what has happened.
    pub fn happened(&mut self, line: Line) {
        if self.paused {
            return push(&mut self.held, line, LINES);
        }
        push(&mut self.events, line, LINES);
        if self.back > 0 {
            // Whoever reads what is past goes on reading it.
            self.back = (self.back + 1).min(self.events.len().saturating_sub(1));
        }
    }

    /// Holds everything back, or shows what was held back.
    pub fn pause(&mut self) {
        self.paused = !self.paused;
        if !self.paused {
            for line in std::mem::take(&mut self.held) {
                self.happened(line);
            }
        }
    }

    /// The ring as last seen.
    pub fn ring(&self) -> Option<&RingView> {
        self.look.as_ref().map(|(look, _)| &look.ring)
    }

    /// The peers to show, in the order chosen.
    pub fn peers(&self) -> Vec<&RingPeerView> {
        let wanted = self.filter.to_lowercase();
        let all = self.ring().map_or(&[][..], |ring| &ring.peers);
        let mut peers: Vec<_> =
            all.iter().filter(|peer| safe(&peer.name).to_lowercase().contains(&wanted)).collect();
        peers.sort_by(|a, b| self.sort.compare(a, b));
        if self.reversed {
            peers.reverse();
        }
        peers
    }

    /// The row of the peer that is chosen; the first one where that is gone. None: there are no rows.
    pub fn row(&self) -> Option<usize> {
        let peers = self.peers();
        let row = self.chosen.as_ref().and_then(|id| peers.iter().position(|peer| peer.id == *id));
        row.or((!peers.is_empty()).then_some(0))
    }

    /// Goes so many rows down, or up.
    pub fn go(&mut self, by: isize) {
        match self.panel {
            Panel::Events => {
                self.back = self.back.saturating_add_signed(-by).min(self.events.len().saturating_sub(1));
            }
            Panel::Peers => {
                let peers = self.peers();
                let row =
                    self.row().unwrap_or(0).saturating_add_signed(by).min(peers.len().saturating_sub(1));
                self.chosen = peers.get(row).map(|peer| peer.id.clone());
            }
        }
    }

    /// Shows all of the peer that is chosen.
    pub fn open(&mut self) {
        if let Some(row) = self.row() {
            self.over = Over::Peer(self.peers()[row].id.clone());
        }
    }

    /// What is said to be wrong with the peer of this name.
    pub fn problems<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let problems = self.ring().map_or(&[][..], |ring| &ring.problems);
        problems.iter().filter(move |problem| problem.peer == name).map(|problem| &*problem.what)
    }
}

fn push<T>(queue: &mut VecDeque<T>, value: T, most: usize) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::top::samples::{look, model, peer};

    fn line(number: usize) -> Line {
        Line {
            at: "2026-01-01T00:00:00Z".to_owned(),
            kind: "peer-joined".to_owned(),
            what: number.to_string(),
        }
    }

    fn names(model: &Model) -> Vec<&str> {
        model.peers().iter().map(|peer| &*peer.name).collect()
    }

    #[test]
    fn peers_are_sorted_filtered_and_stay_chosen() {
        let mut model = model(3);
        assert_eq!(names(&model), ["p1", "p2", "p3"]);
        model.go(2);
        assert_eq!(model.row(), Some(2));
        model.reversed = true;
        assert_eq!((names(&model), model.row()), (vec!["p3", "p2", "p1"], Some(0)));
        model.go(-5);
        assert_eq!(model.row(), Some(0));
        model.go(50);
        assert_eq!(model.row(), Some(2));
        model.filter = "P2".to_owned();
        assert_eq!((names(&model), model.row()), (vec!["p2"], Some(0)), "what is chosen isn't there");
        model.filter = "nobody".to_owned();
        model.go(1);
        model.open();
        assert_eq!((model.row(), &model.over), (None, &Over::Nothing));
    }

    #[test]
    fn those_that_are_no_members_sort_first_by_state() {
        let mut model = model(0);
        let mut view = look(0);
        view.ring.peers = vec![peer(1, "member"), peer(2, "suspected"), peer(3, "joining")];
        model.looked(Ok(Box::new(view)), Instant::now());
        model.sort = Sort::State;
        assert_eq!(names(&model), ["p3", "p2", "p1"]);
        assert_eq!(Sort::Ring.step(-1), Sort::Files);
        assert_eq!(Sort::Files.step(1), Sort::Ring);
    }

    #[test]
    fn a_lost_peer_leaves_what_was_known() {
        let mut model = model(3);
        let now = Instant::now();
        model.looked(Err("silence".to_owned()), now);
        model.looked(Err("refused".to_owned()), now + Duration::from_secs(5));
        assert_eq!(model.lost, Some(("refused".to_owned(), now)), "since the first failure");
        assert_eq!(model.peers().len(), 3);
        model.looked(Ok(Box::new(look(2))), now);
        assert!(model.lost.is_none() && model.peers().len() == 2);
    }

    #[test]
    fn a_pause_holds_everything_back() {
        let mut model = model(3);
        model.pause();
        model.looked(Ok(Box::new(look(2))), Instant::now());
        model.happened(line(1));
        assert_eq!((model.peers().len(), model.events.len()), (3, 0));
        model.pause();
        assert_eq!((model.paused, model.events.len()), (false, 1));
    }

    #[test]
    fn the_feed_is_bounded_and_stands_still_for_its_reader() {
        let mut model = model(1);
        (0..LINES + 10).for_each(|number| model.happened(line(number)));
        assert_eq!(model.events.len(), LINES);
        model.panel = Panel::Events;
        model.go(-3);
        model.happened(line(0));
        assert_eq!(model.back, 4);
        model.go(100);
        assert_eq!(model.back, 0);
    }
}
