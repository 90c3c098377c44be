//! `doctor`: what was found of one peer, and what that means. Here alone is judged what is well, what is not, why it
//! matters and what to do; the peer itself only tells facts.

mod address;
mod clock;
mod dial_back;
mod limits;
mod ring;
mod unreachable;

use chordial_proto::chord_v1::{Clock, DiagnoseResponse, NodeInfo, Problem, Reach, ReachState};
use serde::{Deserialize, Serialize};

use super::present;
pub use unreachable::Unreached;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It works, and may not for long, or not for all.
    Warning,
    /// Something does not work.
    Problem,
    /// It could not be found out.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckView {
    /// What was looked at.
    pub name: String,
    /// `address`, `dial back`, `clock`, `limits`, `ring`; `reach` where no peer answered.
    pub area: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// Why it matters.
    pub why: String,
    /// What to do; null where there is nothing to do.
    pub remedy: Option<String>,
}

/// What was found of one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiagnosisView {
    /// The address that was asked, as a URL.
    pub address: String,
    /// The peer's name; null where none answered.
    pub peer: Option<String>,
    /// All checks, by area.
    pub checks: Vec<CheckView>,
}

/// What was asked of a peer that answers.
#[derive(Debug, Clone)]
pub struct Findings {
    /// Its state.
    pub node: NodeInfo,
    /// What it says of itself, its machine and those that it asked; or why it does not say.
    pub facts: Result<DiagnoseResponse, String>,
    /// Where its view and its neighbours' differ; or why that is not known.
    pub neighbors: Result<Vec<Problem>, String>,
    /// What was seen from where the question was asked.
    pub here: FromHere,
}

/// What was seen from where the question was asked.
#[derive(Debug, Clone)]
pub struct FromHere {
    /// The peer's clock against the one here; none: it does not tell the time.
    pub clock: Option<Clock>,
    /// Whether the peer is reached at its advertised chord address.
    pub chord: Reach,
    /// The same of its transfer service; or why that was not dialled.
    pub transfer: Result<Reach, String>,
}

impl DiagnosisView {
    /// Of a peer that answers at `address`.
    pub fn new(address: String, findings: &Findings) -> Self {
        let name = findings.node.peer.as_ref().map(|peer| peer.name.clone()).unwrap_or_default();
        let checks = match &findings.facts {
            Ok(facts) => [
                address::checks(findings, facts),
                dial_back::checks(findings, facts),
                clock::checks(findings, &facts.peers),
                limits::checks(facts),
                ring::checks(findings, Some(facts)),
            ]
            .concat(),
            Err(why) => {
                let silent = unknown(
                    format!("the peer does not tell: {why}"),
                    "ask again; allow more time with --timeout, or bring its chord-peer up to date",
                );
                let why = "Its addresses, limits and those who dial it back are seen from the peer only.";
                let addresses = vec![check("address", "addresses", why, silent)];
                [addresses, clock::checks(findings, &[]), ring::checks(findings, None)].concat()
            }
        };
        Self { address, peer: present(name), checks }
    }

    /// How many checks came out so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }
}

/// How something is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Judged {
    outcome: Outcome,
    found: String,
    remedy: Option<String>,
}

fn ok(found: impl Into<String>) -> Judged {
    Judged { outcome: Outcome::Ok, found: found.into(), remedy: None }
}

fn warning(found: impl Into<String>, remedy: impl Into<String>) -> Judged {
    Judged { outcome: Outcome::Warning, found: found.into(), remedy: Some(remedy.into()) }
}

fn problem(found: impl Into<String>, remedy: impl Into<String>) -> Judged {
    Judged { outcome: Outcome::Problem, found: found.into(), remedy: Some(remedy.into()) }
}

fn unknown(found: impl Into<String>, remedy: impl Into<String>) -> Judged {
    Judged { outcome: Outcome::Unknown, found: found.into(), remedy: Some(remedy.into()) }
}

fn check(area: &str, name: impl Into<String>, why: &str, judged: Judged) -> CheckView {
    let Judged { outcome, found, remedy } = judged;
    CheckView { name: name.into(), area: area.to_owned(), outcome, found, why: why.to_owned(), remedy }
}

fn is_reached(reach: Option<&Reach>) -> bool {
    reach.is_some_and(|reach| reach.state() == ReachState::Reached)
}

/// What became of dialling, as the end of a sentence about the address.
fn words(reach: &Reach) -> String {
    let detail = match &*reach.detail {
        "" => String::new(),
        detail => format!(" ({detail})"),
    };
    match reach.state() {
        ReachState::Reached => "answers".to_owned(),
        ReachState::UnknownName => format!("its name has no address{detail}"),
        ReachState::Refused => "connection refused: nobody listens there".to_owned(),
        ReachState::Silent => format!("no answer{detail}"),
        ReachState::NoRoute => "there is no route to it".to_owned(),
        ReachState::Other if reach.detail.is_empty() => "something else answers there".to_owned(),
        ReachState::Other => reach.detail.clone(),
        ReachState::Unspecified => format!("not known{detail}"),
    }
}

/// The host of `host:port` or a URL, without brackets.
fn host(address: &str) -> &str {
    let authority = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The port of `host:port` or a URL; empty where there is none.
fn port(address: &str) -> &str {
    let port = address.trim_end_matches('/').rsplit_once(':').map_or("", |(_, port)| port);
    if port.bytes().all(|byte| byte.is_ascii_digit()) { port } else { "" }
}

#[cfg(test)]
impl Default for Findings {
    fn default() -> Self {
        let unasked = || "not asked".to_owned();
        let (node, here) = (NodeInfo::default(), FromHere::default());
        Self { node, facts: Err(unasked()), neighbors: Err(unasked()), here }
    }
}

#[cfg(test)]
impl Default for FromHere {
    fn default() -> Self {
        Self { clock: None, chord: Reach::default(), transfer: Err("not asked".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::of;

    #[test]
    fn hosts_and_ports_are_taken_from_addresses() {
        for (address, parts) in [
            ("http://10.0.0.4:7300", ("10.0.0.4", "7300")),
            ("http://[fd00::1]:7300/", ("fd00::1", "7300")),
            ("p1:80", ("p1", "80")),
            ("p1", ("p1", "")),
        ] {
            assert_eq!((host(address), port(address)), parts);
        }
    }

    #[test]
    fn every_end_of_a_dial_has_words() {
        let said = |state| words(&of(state, "why"));
        assert_eq!(said(ReachState::UnknownName), "its name has no address (why)");
        assert_eq!(said(ReachState::Silent), "no answer (why)");
        assert_eq!(said(ReachState::Other), "why");
        for state in [ReachState::Reached, ReachState::Refused, ReachState::NoRoute, ReachState::Unspecified]
        {
            assert!(!words(&of(state, "")).is_empty());
        }
    }

    #[test]
    fn a_peer_that_cannot_tell_is_judged_by_what_is_left() {
        let findings = Findings { facts: Err("it is older".to_owned()), ..Findings::default() };
        let view = DiagnosisView::new("http://p1:7300".to_owned(), &findings);
        let addresses = &view.checks[0];
        assert_eq!((addresses.area.as_str(), addresses.outcome), ("address", Outcome::Unknown));
        assert!(addresses.found.contains("it is older"), "{addresses:?}");
        assert!(view.checks.iter().any(|check| check.area == "ring"), "{view:?}");
        assert_eq!(view.peer, None);
    }
}
