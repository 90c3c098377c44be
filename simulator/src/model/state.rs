//! A state of the whole network, as the model checker branches on it.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use chord::invariants::{Invariant, Place, violations};
use chord::{Envelope, Id, Node, Outcome, Peer, Request, Status, Why};

/// What is kept with its hash: states share most of their parts, and each is hashed once.
#[derive(Clone)]
pub(super) struct Hashed<T> {
    hash: u64,
    value: Arc<T>,
}

impl<T: Hash> Hashed<T> {
    pub(super) fn new(value: Arc<T>) -> Hashed<T> {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Hashed { hash: hasher.finish(), value }
    }

    pub(super) fn get(&self) -> &T {
        &self.value
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn into_inner(self) -> Arc<T> {
        self.value
    }
}

/// A call under way.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) envelope: Envelope,
    pub(super) to: Peer,
    pub(super) request: Request,
    pub(super) why: Why,
    /// The reply under way, and who sent it.
    pub(super) answer: Option<(Peer, Outcome)>,
}

/// One of the peers that there may be.
#[derive(Clone, Default)]
pub(super) struct Seat {
    /// Its lives so far.
    pub(super) lives: u64,
    pub(super) node: Option<Hashed<Node>>,
}

/// How many faults of each kind may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Peers that stop without a word.
    pub crashes: u8,
    /// Peers that leave and say so.
    pub leaves: u8,
    /// Peers that come back under their address, in a new life.
    pub restarts: u8,
    /// Living peers that are given up by one other.
    pub suspicions: u8,
    /// Messages that are lost.
    pub losses: u8,
}

/// The whole network.
#[derive(Clone)]
pub struct State {
    pub(super) seats: Vec<Seat>,
    /// Sorted by hash, each once.
    pub(super) calls: Vec<Hashed<Call>>,
    pub(super) left: Budget,
    broken: OnceLock<Vec<Invariant>>,
}

impl State {
    pub(super) fn new(seats: Vec<Seat>, left: Budget) -> State {
        State { seats, calls: Vec::new(), left, broken: OnceLock::new() }
    }

    /// A copy to be changed.
    pub(super) fn branch(&self) -> State {
        State { broken: OnceLock::new(), ..self.clone() }
    }

    pub(super) fn node(&self, at: usize) -> Option<&Node> {
        self.seats[at].node.as_ref().map(Hashed::get)
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.seats.iter().enumerate().filter_map(|(at, seat)| Some((at, seat.node.as_ref()?.get())))
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes().filter(|(_, node)| node.status() == Status::Member)
    }

    pub(super) fn predecessor_of(&self, at: usize) -> Option<&Peer> {
        self.node(at)?.predecessor()
    }

    pub(super) fn is_asking_for_its_place(&self, seat: usize) -> bool {
        let asks =
            |call: &Call| matches!(call.why, Why::Join(_)) && seat_of(&call.envelope.sender.address) == seat;
        self.calls.iter().any(|call| asks(call.get()))
    }

    /// Whether a joiner's question would be answered "busy": it would be asked again at once, to no effect.
    pub(super) fn only_hears_busy(&self, call: usize) -> bool {
        let call = self.calls[call].get();
        let asked = self.seats.get(seat_of(&call.to.address)).and_then(|seat| seat.node.as_ref());
        call.request == Request::Join
            && call.answer.is_none()
            && asked.is_some_and(|node| node.get().is_busy())
    }

    /// Whether this very life of a peer is a member now.
    pub(super) fn is_living(&self, peer: &Peer) -> bool {
        let node = self.seats.get(seat_of(&peer.address)).and_then(|seat| seat.node.as_ref());
        node.is_some_and(|node| node.get().status() == Status::Member && node.get().me().is_same_life(peer))
    }

    /// Every member has a living successor in its list; an empty one says that it stands alone.
    pub(super) fn has_live_successors(&self) -> bool {
        self.members().all(|(_, node)| {
            node.successors().is_empty() || node.successors().iter().any(|peer| self.is_living(peer))
        })
    }

    /// What each member says. A pointer to an earlier life of a peer leads nowhere, like Zave's placeholders:
    /// it becomes the identifier behind, at which nobody ever stands.
    pub(super) fn places(&self) -> Vec<Place> {
        let stale = |peer: &Peer| {
            let node = self.seats.get(seat_of(&peer.address)).and_then(|seat| seat.node.as_ref());
            node.is_some_and(|node| node.get().me().incarnation != peer.incarnation)
        };
        let place = |node: &Node| {
            let mut place = Place::from(node);
            for (id, peer) in place.successors.iter_mut().zip(node.successors()) {
                if stale(peer) {
                    *id = peer.id.next();
                }
            }
            place
        };
        self.members().map(|(_, node)| place(node)).collect()
    }

    /// The invariants that do not hold.
    pub fn broken(&self, length: usize) -> &[Invariant] {
        self.broken.get_or_init(|| {
            violations(&self.places(), length).into_iter().map(|violation| violation.invariant).collect()
        })
    }

    /// A hash of all that is so.
    pub(super) fn hash_all(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for seat in &self.seats {
            (seat.lives, seat.node.as_ref().map_or(0, Hashed::hash)).hash(state);
        }
        self.calls.iter().for_each(|call| call.hash().hash(state));
        self.left.hash(state);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.hash_all() == other.hash_all()
    }
}

/// Peers sit at 10, 20, 30, … and are reached under those numbers.
pub(super) fn id_of(seat: usize) -> Id {
    Id::from((seat as u64 + 1) * 10)
}

pub(super) fn address_of(seat: usize) -> Arc<str> {
    ((seat + 1) * 10).to_string().into()
}

pub(super) fn seat_of(address: &str) -> usize {
    address.parse::<usize>().map_or(usize::MAX, |number| number / 10 - 1)
}

pub(super) fn peer_of(seat: usize, life: u64) -> Peer {
    Peer { id: id_of(seat), incarnation: life, address: address_of(seat), name: "".into() }
}

/// A peer as a trace shows it; later lives are marked.
pub(super) fn shown(peer: &Peer) -> String {
    let marks = "'".repeat(peer.incarnation.saturating_sub(1) as usize);
    format!("{}{marks}", peer.address)
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (_, node) in self.nodes() {
            let before = node.predecessor().map_or("-".into(), shown);
            let list: Vec<String> = node.successors().iter().map(shown).collect();
            let status = match node.status() {
                Status::Joining => " joining",
                Status::Leaving => " leaving",
                Status::Member if node.is_busy() => " busy",
                Status::Member => "",
            };
            writeln!(
                f,
                "        {:>4}: before {before:<4} then [{}]{status}",
                shown(node.me()),
                list.join(" ")
            )?;
        }
        for call in &self.calls {
            writeln!(f, "        under way: {}", call.get())?;
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = match &self.request {
            Request::Stabilize { .. } => "neighbours?",
            Request::Notify => "I am before you",
            Request::Ping => "do you live?",
            Request::Join => "where is my place?",
            _ => "…",
        };
        let (from, to) = (shown(&self.envelope.sender), shown(&self.to));
        match &self.answer {
            None => write!(f, "{from} → {to} \"{asked}\""),
            Some((_, outcome)) => {
                let answered = match outcome {
                    Outcome::Answer(chord::Response::Neighbors(neighbors)) => {
                        let list: Vec<String> = neighbors.successors.iter().map(shown).collect();
                        let before = neighbors.predecessor.as_ref().map_or("-".into(), shown);
                        format!("before {before}, then [{}]", list.join(" "))
                    }
                    Outcome::Answer(chord::Response::Unchanged) => "as last time".into(),
                    Outcome::Answer(_) => "yes".into(),
                    Outcome::Busy => "busy".into(),
                    Outcome::NotMember => "not a member".into(),
                    Outcome::Refused(_) => "refused".into(),
                    Outcome::Silent => "silent".into(),
                };
                write!(f, "{from} ← {to} \"{answered}\"")
            }
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
