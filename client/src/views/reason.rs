//! Why a lookup asked which peer, in words for those who learn how Chord finds its way.

use chord::Id;
use chordial_proto::chord_v1::{self, FindSuccessorResponse, Hop, HopRule, Route};

use super::hex;
use crate::text::shown;

/// Digits of an identifier that stands for a peer whose name is not known.
const DIGITS: usize = 10;

/// A lookup that has ended, whose hops are to be explained.
pub(super) struct Explained<'a> {
    found: &'a FindSuccessorResponse,
    route: &'a Route,
    key: Option<Id>,
}

impl<'a> Explained<'a> {
    pub(super) fn new(found: &'a FindSuccessorResponse, route: &'a Route) -> Self {
        Self { found, route, key: id(&found.key) }
    }

    /// The rule that chose this hop, for programs, and why, for people.
    pub(super) fn hop(&self, index: usize) -> (&'static str, String) {
        let Some(hop) = self.route.path.get(index) else { return ("unknown", String::new()) };
        let owner = self.found.successor.as_ref().map(|owner| &owner.id);
        let is_last = index + 1 == self.route.path.len();
        if is_last && hop.peer.as_ref().map(|peer| &peer.id) == owner {
            return ("owner", format!("{} {}", self.why(index, hop), self.owner()));
        }
        let rule = match hop.rule() {
            HopRule::Unspecified => "unknown",
            HopRule::Asker => "asked",
            HopRule::ClosestPreceding => "closest-preceding",
            HopRule::Successor => "successor",
            HopRule::Predecessor => "predecessor",
            HopRule::Contact => "contact",
            HopRule::Again => "again",
            HopRule::Retry => "retry",
            HopRule::Copies => "copies",
            HopRule::Publisher => "publisher",
        };
        let why = self.why(index, hop);
        (
            rule,
            if index == 0 {
                format!("{why} The key is not in its own arc, as far as it knows.")
            } else {
                why
            },
        )
    }

    /// Why this hop's peer was asked.
    fn why(&self, index: usize, hop: &Hop) -> String {
        let peer = name(hop.peer.as_ref());
        let by_hop = self.route.path.get(hop.named_by as usize);
        let by = name(by_hop.and_then(|by| by.peer.as_ref()));
        let silent = self.silent(index, hop);
        let of_all = if hop.failed == 0 { "Of all the peers" } else { "Of the other peers" };
        let why = match hop.rule() {
            HopRule::Unspecified => format!("{peer} was asked; why is not told."),
            HopRule::Asker if index == 0 => format!("{peer} was asked."),
            HopRule::Asker => format!("That leads back to {peer}, which was asked first."),
            HopRule::ClosestPreceding => format!(
                "{by} does not hold the key. {of_all} that {by} knows and can count on, {peer} comes closest before \
                 it, so {peer} is asked next{}.",
                self.leap(by_hop, hop)
            ),
            HopRule::Successor if silent.is_empty() => format!(
                "{peer} is the first peer at or behind the key that {by} knows and can count on, so {peer} should \
                 be responsible and is asked."
            ),
            HopRule::Successor => {
                format!("{peer} follows behind, as {by} says, and would take the place, so {peer} is asked.")
            }
            HopRule::Predecessor => format!(
                "{by} is not responsible: the key lies before its arc, so {by}'s predecessor {peer} is asked."
            ),
            HopRule::Contact => format!(
                "In {by}'s table of all the peers that it has heard of, {peer} is the first at or behind the key and so most \
                 likely responsible: it is asked at once, without a detour over fingers."
            ),
            HopRule::Again => {
                format!("{peer} is asked once more: told who does not answer, it may name others.")
            }
            HopRule::Retry => format!(
                "{peer} was silent, and {by} answered in its place. As it may only be slow, {peer} is asked again \
                 and given more time."
            ),
            HopRule::Copies => {
                format!("{by} may not know all entries of the key, so {peer}, which keeps copies, is asked.")
            }
            HopRule::Publisher => {
                format!("No keeper knows all entries of the key for sure, so {peer} is asked for its own.")
            }
        };
        format!("{silent}{why}")
    }

    /// Who was asked between the hop before and this one, and did not answer; with a space behind.
    fn silent(&self, index: usize, hop: &Hop) -> String {
        let before = index.checked_sub(1).and_then(|before| self.route.path.get(before));
        let from = before.map_or(0, |before| before.failed as usize);
        let failed = self.route.failed.get(from..hop.failed as usize).unwrap_or_default();
        let names: Vec<String> = failed.iter().map(|peer| name(Some(peer))).collect();
        match names.as_slice() {
            [] => String::new(),
            names => format!("{} did not answer. ", names.join(", ")),
        }
    }

    /// How far a hop goes round the ring, and what is left to the key.
    fn leap(&self, by: Option<&Hop>, hop: &Hop) -> String {
        let (Some(from), Some(to), Some(key)) = (by.and_then(place), place(hop), self.key) else {
            return String::new();
        };
        let distance = from.distance_to(to);
        let Some(finger) = finger(distance) else { return String::new() };
        format!(
            " (in the range of finger {finger}: {} of the ring further on, {} before the key)",
            share(distance),
            share(to.distance_to(key))
        )
    }

    /// Why the responsible peer is responsible.
    fn owner(&self) -> String {
        let owner = name(self.found.successor.as_ref());
        let ends =
            (self.key, id(&self.found.arc_from), self.found.successor.as_ref().and_then(|at| id(&at.id)));
        match ends {
            (Some(_), Some(from), Some(to)) if from == to => {
                format!("{owner} is alone: all keys are in its arc, so {owner} is responsible.")
            }
            (Some(key), Some(from), Some(to)) if key.is_within(from, to) => format!(
                "The key lies in {owner}'s arc, behind {} and up to {owner} itself, so {owner} is responsible.",
                self.peer_at(&self.found.arc_from)
            ),
            _ => format!(
                "{owner} answers for the key although its arc does not hold it yet: the ring is just changing."
            ),
        }
    }

    /// A peer by its identifier, as the answer names it.
    fn peer_at(&self, at: &[u8]) -> String {
        let path = self.route.path.iter().filter_map(|hop| hop.peer.as_ref());
        let mut known = path.chain(&self.route.failed).chain(&self.found.keepers);
        match known.find(|peer| peer.id == at) {
            Some(peer) => name(Some(peer)),
            None => format!("{}…", hex(at).chars().take(DIGITS).collect::<String>()),
        }
    }
}

/// In which finger's range a peer at this distance stands: that of finger i begins at 2^(i-1).
fn finger(distance: Id) -> Option<u32> {
    let mut bits = Id::BITS;
    for byte in distance.to_bytes() {
        if byte != 0 {
            return Some(bits - byte.leading_zeros());
        }
        bits -= u8::BITS;
    }
    None
}

/// A part of the ring.
fn share(distance: Id) -> String {
    match distance.fraction() * 100.0 {
        percent if percent < 0.1 => "less than 0.1 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

fn place(hop: &Hop) -> Option<Id> {
    id(&hop.peer.as_ref()?.id)
}

fn id(bytes: &[u8]) -> Option<Id> {
    bytes.try_into().ok().map(Id::from_bytes)
}

/// What a peer is called, fit to be shown; by its address where it has no name.
fn name(peer: Option<&chord_v1::Peer>) -> String {
    match peer {
        Some(peer) if peer.name.is_empty() => shown(&peer.address).into_owned(),
        Some(peer) => shown(&peer.name).into_owned(),
        None => "an unknown peer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer at this byte of the ring, called after it.
    fn peer(at: u8) -> chord_v1::Peer {
        let id = [&[at][..], &[0; 19]].concat();
        chord_v1::Peer { id, name: format!("p{at:02x}"), ..Default::default() }
    }

    fn hop(at: u8, rule: HopRule, named_by: u32, failed: u32) -> Hop {
        Hop { peer: Some(peer(at)), rule: rule.into(), named_by, failed, elapsed_us: 0 }
    }

    /// The rule and reason of each hop on the way to p90 with the key 8f…, past peers that did not answer.
    fn told(path: Vec<Hop>, failed: &[u8]) -> Vec<(&'static str, String)> {
        let failed = failed.iter().map(|at| peer(*at)).collect();
        let route = Route { path, failed, ..Default::default() };
        let found = FindSuccessorResponse {
            key: [&[0x8f][..], &[0; 19]].concat(),
            successor: Some(peer(0x90)),
            arc_from: peer(0x80).id,
            ..Default::default()
        };
        let explained = Explained::new(&found, &route);
        (0..route.path.len()).map(|index| explained.hop(index)).collect()
    }

    /// What is said of p88, asked for by this rule of hop 1, p70.
    fn said(rule: HopRule) -> (&'static str, String) {
        let path =
            vec![hop(0x10, HopRule::Asker, 0, 0), hop(0x70, HopRule::Contact, 0, 0), hop(0x88, rule, 1, 0)];
        told(path, &[]).remove(2)
    }

    #[test]
    fn a_walk_over_fingers_is_told() {
        let told = told(
            vec![
                hop(0x10, HopRule::Asker, 0, 0),
                hop(0x70, HopRule::ClosestPreceding, 0, 0),
                hop(0x80, HopRule::ClosestPreceding, 1, 0),
                hop(0x90, HopRule::Successor, 2, 0),
            ],
            &[],
        );
        let (rules, reasons): (Vec<_>, Vec<_>) = told.into_iter().unzip();
        assert_eq!(rules, ["asked", "closest-preceding", "closest-preceding", "owner"]);
        assert_eq!(reasons[0], "p10 was asked. The key is not in its own arc, as far as it knows.");
        assert_eq!(
            reasons[1],
            "p10 does not hold the key. Of all the peers that p10 knows and can count on, p70 comes closest before it, so \
             p70 is asked next (in the range of finger 159: 37.5 % of the ring further on, 12.1 % before the key)."
        );
        assert!(
            reasons[2].contains("p70 knows") && reasons[2].contains("finger 157: 6.2 %"),
            "{}",
            reasons[2]
        );
        assert_eq!(
            reasons[3],
            "p90 is the first peer at or behind the key that p80 knows and can count on, so p90 should be responsible \
             and is asked. The key lies in p90's arc, behind p80 and up to p90 itself, so p90 is responsible."
        );
    }

    #[test]
    fn who_did_not_answer_is_told_where_it_mattered() {
        let told = told(
            vec![
                hop(0x10, HopRule::Asker, 0, 0),
                hop(0x70, HopRule::ClosestPreceding, 0, 1),
                hop(0x90, HopRule::Successor, 1, 3),
            ],
            &[0x80, 0x8f, 0x90],
        );
        assert!(told[1].1.starts_with("p80 did not answer. p10 does not hold"), "{}", told[1].1);
        assert!(told[1].1.contains("Of the other peers that p10"), "{}", told[1].1);
        let last = "p8f, p90 did not answer. p90 follows behind, as p70 says, and would take the place, so p90 is asked.";
        assert!(told[2].1.starts_with(last), "{}", told[2].1);
    }

    #[test]
    fn each_rule_is_told() {
        for (rule, short, long) in [
            (HopRule::Successor, "successor", "p88 is the first peer at or behind the key that p70 knows"),
            (
                HopRule::Predecessor,
                "predecessor",
                "p70 is not responsible: the key lies before its arc, so p70's pre",
            ),
            (
                HopRule::Contact,
                "contact",
                "In p70's table of all the peers that it has heard of, p88 is the first",
            ),
            (HopRule::Again, "again", "p88 is asked once more: told who does not answer"),
            (HopRule::Retry, "retry", "p88 was silent, and p70 answered in its place."),
            (
                HopRule::Copies,
                "copies",
                "p70 may not know all entries of the key, so p88, which keeps copies,",
            ),
            (HopRule::Publisher, "publisher", "No keeper knows all entries of the key for sure, so p88"),
            (HopRule::Unspecified, "unknown", "p88 was asked; why is not told."),
        ] {
            let (rule, reason) = said(rule);
            assert!(rule == short && reason.starts_with(long), "{rule}: {reason}");
        }
    }

    #[test]
    fn the_asker_may_be_responsible_itself() {
        let at_once = told(vec![hop(0x90, HopRule::Asker, 0, 0)], &[]);
        let why = "p90 was asked. The key lies in p90's arc, behind 8000000000… and up to p90 itself, so p90 is responsible.";
        assert_eq!(at_once, [("owner", why.to_owned())]);
        let path = vec![
            hop(0x90, HopRule::Asker, 0, 0),
            hop(0x80, HopRule::Contact, 0, 0),
            hop(0x90, HopRule::Asker, 1, 0),
        ];
        let (rule, reason) = told(path, &[]).remove(2);
        assert!(rule == "owner" && reason.starts_with("That leads back to p90"), "{rule}: {reason}");
    }

    #[test]
    fn an_arc_may_be_the_whole_ring_or_not_hold_the_key_yet() {
        let route = Route { path: vec![hop(0x90, HopRule::Asker, 0, 0)], ..Default::default() };
        let reason = |key: u8, arc_from: u8| {
            let found = FindSuccessorResponse {
                key: peer(key).id,
                successor: Some(peer(0x90)),
                arc_from: peer(arc_from).id,
                ..Default::default()
            };
            Explained::new(&found, &route).hop(0).1
        };
        assert!(
            reason(0x20, 0x90).ends_with("p90 is alone: all keys are in its arc, so p90 is responsible.")
        );
        assert!(reason(0x20, 0x80).ends_with("the ring is just changing."));
    }

    #[test]
    fn names_are_shown_safely_and_malformed_answers_are_borne() {
        let mut last = hop(0x88, HopRule::ClosestPreceding, 900, 900);
        last.peer = Some(chord_v1::Peer { name: "a\u{1b}[2J".to_owned(), id: vec![1], ..Default::default() });
        let (_, reason) = told(vec![Hop::default(), last], &[]).remove(1);
        assert!(reason.contains("a\\u{1b}[2J") && reason.contains("an unknown peer"), "{reason}");
        assert!(!reason.contains('\u{1b}'), "{reason}");
    }
}
