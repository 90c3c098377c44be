//! Whether friends and others answer, and whether they reach the peer.

use std::net::IpAddr;

use chordial_proto::chord_v1::{AskedPeer, DiagnoseResponse, NodeInfo, NodeState, Reach, ReachState};

use super::{
    CheckView, Findings, FromHere, Judged, check, host, is_reached, ok, port, problem, unknown, warning,
    words,
};

const AREA: &str = "dial back";

pub(super) fn checks(findings: &Findings, facts: &DiagnoseResponse) -> Vec<CheckView> {
    let node = &findings.node;
    let mut checks = Vec::new();
    for asked in &facts.peers {
        for key in &asked.keys {
            let why = "A peer finds its ring through its friends.";
            checks.push(check(AREA, key.clone(), why, friend(asked, key, node)));
        }
        if asked.keys.is_empty() && !is_reached(asked.reach.as_ref()) {
            let why = "Peers that do not reach each other pass messages on through others.";
            checks.push(check(AREA, asked.address.clone(), why, other(asked)));
        }
        if let Some(peer) = asked.peer.as_ref().filter(|_| !is_itself(asked, node)) {
            let why =
                "A peer that others cannot dial gets no place in the ring, and nobody fetches its files.";
            checks.push(check(AREA, format!("dialled by {}", peer.name), why, dialled_by(asked, node)));
        }
    }
    if !facts.peers.iter().any(|asked| !asked.keys.is_empty()) {
        let why = "A peer finds its ring through its friends.";
        let none = "none is configured: it founds its ring, and others name it as their friend";
        checks.insert(0, check(AREA, "friend", why, ok(none)));
    }
    let why = "What is not reached from here may be reached by others, and the other way round.";
    checks.push(check(AREA, "chord from here", why, chord(&findings.here, &own_address(node))));
    checks.push(check(AREA, "transfer from here", "`get` and `put` dial it from here.", transfer(findings)));
    checks
}

fn own_address(node: &NodeInfo) -> String {
    node.peer.as_ref().map(|peer| peer.address.clone()).unwrap_or_default()
}

fn is_itself(asked: &AskedPeer, node: &NodeInfo) -> bool {
    matches!((&asked.peer, &node.peer), (Some(peer), Some(own)) if peer.id == own.id)
}

/// Whether a configured friend answers.
fn friend(asked: &AskedPeer, key: &str, node: &NodeInfo) -> Judged {
    let address = &asked.address;
    let Some(peer) = asked.peer.as_ref().filter(|_| is_reached(asked.reach.as_ref())) else {
        let reach = asked.reach.clone().unwrap_or_default();
        let (found, remedy) = (format!("{address}: {}", words(&reach)), friend_remedy(key, address, &reach));
        return match node.state() == NodeState::Member && !node.successors.is_empty() {
            true => warning(format!("{found}; the ring goes on without it"), remedy),
            false => problem(found, remedy),
        };
    };
    if is_itself(asked, node) {
        return match host(address).parse::<IpAddr>() {
            Err(_) => {
                ok(format!("{address} leads to this peer itself at the moment; a name may mean several"))
            }
            Ok(_) => warning(
                format!("{address} is this peer itself"),
                format!("set `{key}` to the chord port of another peer"),
            ),
        };
    }
    if asked.ring != node.ring {
        return problem(
            format!("{address} is of ring {:?}, this peer of {:?}", asked.ring, node.ring),
            format!("set the same `ring` at both, or `{key}` to a peer of ring {:?}", node.ring),
        );
    }
    ok(format!("{address} answers as {}", peer.name))
}

fn friend_remedy(key: &str, address: &str, reach: &Reach) -> String {
    match reach.state() {
        ReachState::UnknownName => {
            format!("correct the name in `{key}`, or make it known (DNS, /etc/hosts)")
        }
        ReachState::Refused => format!("start chord-peer there, or correct `{key}`"),
        ReachState::Other => {
            format!("`{key}` must be the chord port of a peer (by default 7300): correct it")
        }
        _ => format!(
            "see whether that machine is up and lets TCP port {} through; else correct `{key}`",
            port(address)
        ),
    }
}

/// A peer of the ring that does not answer.
fn other(asked: &AskedPeer) -> Judged {
    warning(
        format!("{}: {}", asked.address, words(&asked.reach.clone().unwrap_or_default())),
        format!(
            "nothing, if that peer has just ended; else let TCP port {} of that machine through from here",
            port(&asked.address)
        ),
    )
}

/// Whether another peer reaches this one.
fn dialled_by(asked: &AskedPeer, node: &NodeInfo) -> Judged {
    let (own, name) = (own_address(node), asked.peer.as_ref().map_or("", |peer| &*peer.name));
    match &asked.dial_back {
        Some(reach) if is_reached(Some(reach)) => ok(format!("{name} reaches this peer at {own}")),
        Some(reach) => problem(
            format!("{name} does not reach this peer at {own}: {}", words(reach)),
            format!(
                "set `advertise` and `ports.chord` to what {name} can dial, or let TCP port {} through to this machine",
                port(&own)
            ),
        ),
        None => unknown(
            format!("{name} does not say: {}", asked.dial_back_refused),
            "ask again once the peer is a member of the ring, and all run the same version",
        ),
    }
}

/// Whether the peer is reached at its advertised chord address from where the question was asked.
fn chord(here: &FromHere, own: &str) -> Judged {
    match here.chord.state() {
        ReachState::Reached => ok(format!("{own} answers")),
        _ => warning(
            format!("{own}, which it advertises: {}", words(&here.chord)),
            format!(
                "nothing, if no peer runs here; else set `advertise` to what this machine can dial, or let TCP port {} \
                 through",
                port(own)
            ),
        ),
    }
}

fn transfer(findings: &Findings) -> Judged {
    let url = findings.node.services.as_ref().map_or("", |services| &*services.transfer);
    match &findings.here.transfer {
        Ok(reach) if is_reached(Some(reach)) => ok(format!("{url} takes connections")),
        Ok(reach) => warning(
            format!("{url}: {}", words(reach)),
            format!("let TCP port {} through, or set `ports.transfer` to one that is open", port(url)),
        ),
        Err(why) => unknown(
            why.clone(),
            "if the service is meant to run on another host, name that with --service-hosts (others: \
             `security.service_hosts`)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use chordial_proto::chord_v1::Peer;

    use super::super::Outcome;
    use super::*;
    use crate::reach::of;

    fn node() -> NodeInfo {
        let peer = Peer { id: vec![1], address: "10.0.0.4:7300".to_owned(), ..Peer::default() };
        let (state, ring) = (NodeState::Member.into(), "chordial".to_owned());
        NodeInfo { peer: Some(peer.clone()), state, ring, successors: vec![peer], ..NodeInfo::default() }
    }

    fn asked(id: u8, address: &str) -> AskedPeer {
        AskedPeer {
            keys: vec!["friend".to_owned()],
            address: address.to_owned(),
            reach: Some(of(ReachState::Reached, "")),
            peer: Some(Peer { id: vec![id], name: "p2".to_owned(), ..Peer::default() }),
            ring: "chordial".to_owned(),
            ..AskedPeer::default()
        }
    }

    fn silent(state: ReachState) -> AskedPeer {
        AskedPeer { reach: Some(of(state, "")), peer: None, ..asked(2, "10.0.0.5:7300") }
    }

    fn remedy(judged: &Judged) -> &str {
        judged.remedy.as_deref().unwrap_or_default()
    }

    #[test]
    fn a_friend_answers_or_the_key_to_mend_is_named() {
        assert_eq!(friend(&asked(2, "10.0.0.5:7300"), "friend", &node()), ok("10.0.0.5:7300 answers as p2"));
        let itself = friend(&asked(1, "10.0.0.4:7300"), "friend", &node());
        assert_eq!(itself.outcome, Outcome::Warning);
        assert_eq!(friend(&asked(1, "tasks.peer:7300"), "friend", &node()).outcome, Outcome::Ok);
        let other = AskedPeer { ring: "other".to_owned(), ..asked(2, "10.0.0.5:7300") };
        let other = friend(&other, "backup_friend", &node());
        assert_eq!(other.outcome, Outcome::Problem);
        assert!(remedy(&other).contains("`ring`") && remedy(&other).contains("`backup_friend`"), "{other:?}");

        let alone = NodeInfo { successors: Vec::new(), ..node() };
        for (state, words) in [
            (ReachState::Refused, "start chord-peer there"),
            (ReachState::Silent, "TCP port 7300"),
            (ReachState::NoRoute, "TCP port 7300"),
            (ReachState::UnknownName, "DNS"),
            (ReachState::Other, "must be the chord port"),
        ] {
            let judged = friend(&silent(state), "friend", &node());
            assert_eq!(judged.outcome, Outcome::Warning, "{judged:?}");
            assert!(judged.found.contains("10.0.0.5:7300") && remedy(&judged).contains(words), "{judged:?}");
            assert!(remedy(&judged).contains("`friend`"), "{judged:?}");
            assert_eq!(friend(&silent(state), "friend", &alone).outcome, Outcome::Problem);
        }
    }

    #[test]
    fn who_is_not_reached_by_others_is_told_what_to_set() {
        let dialled = |dial_back, refused: &str| {
            let asked =
                AskedPeer { dial_back, dial_back_refused: refused.to_owned(), ..asked(2, "10.0.0.5:7300") };
            dialled_by(&asked, &node())
        };
        let reached = dialled(Some(of(ReachState::Reached, "")), "");
        assert_eq!(reached, ok("p2 reaches this peer at 10.0.0.4:7300"));
        let refused = dialled(Some(of(ReachState::Refused, "")), "");
        assert_eq!(refused.outcome, Outcome::Problem);
        assert!(remedy(&refused).contains("`advertise`") && remedy(&refused).contains("7300"), "{refused:?}");
        let unsaid = dialled(None, "its program is older");
        assert_eq!(unsaid.outcome, Outcome::Unknown);
        assert!(unsaid.found.contains("its program is older"), "{unsaid:?}");
        assert_eq!(other(&silent(ReachState::Silent)).outcome, Outcome::Warning);
    }

    #[test]
    fn what_is_seen_from_here_is_a_warning_at_most() {
        let here = |state| FromHere { chord: of(state, ""), ..FromHere::default() };
        assert_eq!(chord(&here(ReachState::Reached), "p1:7300").outcome, Outcome::Ok);
        assert_eq!(chord(&here(ReachState::Silent), "p1:7300").outcome, Outcome::Warning);
        let moved = |dialled| Findings {
            here: FromHere { transfer: dialled, ..FromHere::default() },
            ..Findings::default()
        };
        assert_eq!(transfer(&moved(Ok(of(ReachState::Reached, "")))).outcome, Outcome::Ok);
        assert_eq!(transfer(&moved(Ok(of(ReachState::Refused, "")))).outcome, Outcome::Warning);
        assert_eq!(transfer(&moved(Err("not its own host".to_owned()))).outcome, Outcome::Unknown);
    }

    #[test]
    fn each_friend_and_each_peer_has_its_line() {
        let facts = DiagnoseResponse {
            peers: vec![
                asked(2, "10.0.0.5:7300"),
                AskedPeer { keys: Vec::new(), ..silent(ReachState::Silent) },
                AskedPeer { keys: vec!["backup_friend".to_owned()], ..asked(1, "10.0.0.4:7300") },
            ],
            ..DiagnoseResponse::default()
        };
        let names = |facts: &DiagnoseResponse| -> Vec<String> {
            let findings = Findings { node: node(), ..Findings::default() };
            checks(&findings, facts).into_iter().map(|check| check.name).collect()
        };
        let here = ["chord from here", "transfer from here"];
        assert_eq!(
            names(&facts),
            [&["friend", "dialled by p2", "10.0.0.5:7300", "backup_friend"][..], &here].concat()
        );
        assert_eq!(names(&DiagnoseResponse::default()), [&["friend"][..], &here].concat());
    }
}
