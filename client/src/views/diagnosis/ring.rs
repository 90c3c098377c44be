//! How the peer stands in its ring.

use std::collections::BTreeMap;

use chordial_proto::chord_v1::{AskedPeer, DiagnoseResponse, NodeInfo, NodeState, Problem};

use super::{CheckView, Findings, Judged, check, ok, problem, unknown, warning};

const AREA: &str = "ring";
/// Disagreements that are told one by one.
const TOLD: usize = 3;

pub(super) fn checks(findings: &Findings, facts: Option<&DiagnoseResponse>) -> Vec<CheckView> {
    let node = &findings.node;
    let peers = facts.map_or(&[][..], |facts| &facts.peers);
    let mut checks = vec![
        check(AREA, "state", "Only a member finds files, and is found.", state(node, peers)),
        check(
            AREA,
            "neighbours",
            "Lookups go by what neighbours know of each other.",
            neighbours(&findings.neighbors),
        ),
        check(AREA, "versions", "Newer programs may say what older ones do not know.", versions(node, peers)),
        check(
            AREA,
            "publishing",
            "Others find the files whose entries are renewed in time.",
            publishing(node),
        ),
    ];
    if let Some(facts) = facts {
        checks.push(check(AREA, "uploads", "`put` works where uploads are allowed.", uploads(facts.uploads)));
    }
    checks
}

fn state(node: &NodeInfo, peers: &[AskedPeer]) -> Judged {
    let own = node.peer.as_ref().map(|peer| &peer.id);
    let friend = peers
        .iter()
        .find(|asked| !asked.keys.is_empty() && asked.peer.as_ref().is_none_or(|peer| Some(&peer.id) != own));
    match (node.state(), &*node.trouble, friend) {
        (NodeState::Joining, "", _) => warning("it is joining its ring", "wait some seconds, and ask again"),
        (NodeState::Joining, trouble, _) => problem(
            format!("it has not joined its ring: {trouble}"),
            "do what the reason says; the checks above tell whether its addresses and friends are right",
        ),
        (NodeState::Leaving, ..) => warning("it is leaving its ring", "nothing, if it is being stopped"),
        (NodeState::Unspecified, ..) => unknown("it does not say", "bring its chord-peer up to date"),
        (NodeState::Member, _, Some(friend)) if node.successors.is_empty() => warning(
            format!("alone in ring {:?}, though it has a friend, {}", node.ring, friend.address),
            "start the friend, or correct `friend`; once it answers, the rings become one by themselves",
        ),
        (NodeState::Member, ..) if node.successors.is_empty() => {
            ok(format!("member of ring {:?}, alone", node.ring))
        }
        (NodeState::Member, ..) => {
            let others = node.successors.len();
            ok(format!("member of ring {:?}, {others} successors", node.ring))
        }
    }
}

fn neighbours(told: &Result<Vec<Problem>, String>) -> Judged {
    let problems = match told {
        Err(why) => return unknown(why.clone(), "ask again once the peer is a member"),
        Ok(problems) if problems.is_empty() => return ok("its view and its neighbours' agree"),
        Ok(problems) => problems,
    };
    let mut found: Vec<&str> = problems.iter().take(TOLD).map(|problem| &*problem.what).collect();
    let more = format!("and {} more", problems.len().saturating_sub(TOLD));
    if problems.len() > TOLD {
        found.push(&more);
    }
    let remedy = problems.iter().map(|problem| &*problem.remedy).find(|remedy| !remedy.is_empty());
    warning(
        found.join("; "),
        format!(
            "{}; what lasts is shown by `chord-cli ring check`",
            remedy.unwrap_or("wait, a ring that changes mends itself")
        ),
    )
}

fn versions(node: &NodeInfo, peers: &[AskedPeer]) -> Judged {
    let mut by_version: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for asked in peers.iter().filter(|asked| !asked.version.is_empty()) {
        let name = asked.peer.as_ref().map_or("", |peer| &*peer.name);
        by_version.entry(&asked.version).or_default().push(name);
    }
    let own = &*node.version;
    let same = by_version.remove(own).is_some();
    if by_version.is_empty() && !same {
        return ok(format!("{own}; no other peer told its version"));
    }
    if by_version.is_empty() {
        return ok(format!("{own}, as all peers that were asked"));
    }
    let others: Vec<String> =
        by_version.iter().map(|(version, names)| format!("{version} at {}", names.join(", "))).collect();
    warning(format!("{own}; {}", others.join("; ")), "bring all peers to the same version, one after another")
}

fn publishing(node: &NodeInfo) -> Judged {
    let Some(publishing) = &node.publishing else {
        return unknown("it does not say", "bring its chord-peer up to date");
    };
    let found = format!(
        "{} of {} keys of {} files are acknowledged",
        publishing.acknowledged, publishing.keys, publishing.files
    );
    let refusing: Vec<&str> = publishing.refusing.iter().map(|peer| &*peer.name).collect();
    if !refusing.is_empty() {
        return warning(
            format!("{found}; this peer's share is used up at {}", refusing.join(", ")),
            "raise `index.quota` at these peers, or share fewer files here",
        );
    }
    match publishing.late_ms / 1000 {
        0 => ok(found),
        late => warning(
            format!("{found}; renewals are {late} s behind"),
            "raise `index.lease` at all peers, or see whether this machine or its network has too much to do",
        ),
    }
}

fn uploads(allowed: bool) -> Judged {
    match allowed {
        true => ok("allowed"),
        false => ok("not allowed: `uploads = true` below `[transfer]` allows them"),
    }
}

#[cfg(test)]
mod tests {
    use chordial_proto::chord_v1::{Peer, Publishing};

    use super::super::Outcome;
    use super::*;

    fn peer(name: &str) -> Peer {
        Peer { id: name.as_bytes().to_vec(), name: name.to_owned(), ..Peer::default() }
    }

    fn node(state: NodeState) -> NodeInfo {
        NodeInfo {
            peer: Some(peer("p1")),
            state: state.into(),
            successors: vec![peer("p2")],
            version: "1.0.0".to_owned(),
            ..NodeInfo::default()
        }
    }

    fn asked(name: &str, key: Option<&str>) -> AskedPeer {
        AskedPeer {
            keys: key.into_iter().map(str::to_owned).collect(),
            peer: Some(peer(name)),
            version: "1.0.0".to_owned(),
            ..AskedPeer::default()
        }
    }

    #[test]
    fn a_member_is_well_and_a_joiner_says_why_not() {
        assert_eq!(state(&node(NodeState::Member), &[]).outcome, Outcome::Ok);
        let alone = NodeInfo { successors: Vec::new(), ..node(NodeState::Member) };
        assert_eq!(state(&alone, &[]).outcome, Outcome::Ok);
        assert_eq!(state(&alone, &[asked("p1", Some("friend"))]).outcome, Outcome::Ok, "that is itself");
        assert_eq!(state(&alone, &[asked("p2", Some("friend"))]).outcome, Outcome::Warning);
        assert_eq!(state(&node(NodeState::Joining), &[]).outcome, Outcome::Warning);
        let troubled = NodeInfo { trouble: "no friend answers".to_owned(), ..node(NodeState::Joining) };
        let judged = state(&troubled, &[]);
        assert_eq!(judged.outcome, Outcome::Problem);
        assert!(judged.found.contains("no friend answers"), "{judged:?}");
        assert_eq!(state(&node(NodeState::Leaving), &[]).outcome, Outcome::Warning);
        assert_eq!(state(&node(NodeState::Unspecified), &[]).outcome, Outcome::Unknown);
    }

    #[test]
    fn disagreements_are_told_some_at_a_time() {
        assert_eq!(neighbours(&Ok(Vec::new())).outcome, Outcome::Ok);
        assert_eq!(neighbours(&Err("it is joining".to_owned())).outcome, Outcome::Unknown);
        let problem = |number: u32| Problem {
            peer: None,
            what: format!("what {number}"),
            remedy: "It is given up.".to_owned(),
        };
        let judged = neighbours(&Ok((1..=5).map(problem).collect()));
        assert_eq!(judged.outcome, Outcome::Warning);
        assert_eq!(judged.found, "what 1; what 2; what 3; and 2 more");
    }

    #[test]
    fn other_versions_are_named_with_their_peers() {
        let own = node(NodeState::Member);
        assert_eq!(versions(&own, &[asked("p2", None)]).outcome, Outcome::Ok);
        assert_eq!(versions(&own, &[]), ok("1.0.0; no other peer told its version"));
        let older = AskedPeer { version: "0.9.0".to_owned(), ..asked("p3", None) };
        let judged = versions(&own, &[asked("p2", None), older]);
        assert_eq!((judged.outcome, &*judged.found), (Outcome::Warning, "1.0.0; 0.9.0 at p3"));
    }

    #[test]
    fn renewals_that_are_late_and_quotas_that_are_used_up_are_warned_of() {
        let judged = |late_ms, refusing| {
            let told = Some(Publishing { late_ms, refusing, ..Publishing::default() });
            publishing(&NodeInfo { publishing: told, ..NodeInfo::default() })
        };
        assert_eq!(judged(500, Vec::new()).outcome, Outcome::Ok);
        assert!(judged(9_000, Vec::new()).found.contains("9 s behind"));
        let full = judged(0, vec![peer("p3")]);
        assert_eq!(full.outcome, Outcome::Warning);
        assert!(full.found.contains("p3"), "{full:?}");
        assert_eq!(publishing(&NodeInfo::default()).outcome, Outcome::Unknown);
        assert!(uploads(false).found.contains("uploads = true"));
        assert_eq!(uploads(true), ok("allowed"));
    }
}
