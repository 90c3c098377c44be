//! No peer answers: what can be seen of it from here.

use chordial_proto::chord_v1::{Reach, ReachState};

use super::{CheckView, DiagnosisView, Judged, check, host, is_reached, ok, port, problem, unknown, words};

const AREA: &str = "reach";

/// What was tried in vain.
#[derive(Debug, Clone)]
pub struct Unreached {
    /// The addresses of its host, or why there are none.
    pub addresses: Result<Vec<String>, Reach>,
    /// What became of a plain connection.
    pub connection: Reach,
    /// The error of the question who is there, with what stands there instead where that is known.
    pub error: String,
}

impl DiagnosisView {
    /// Of an address at which no peer answers.
    pub fn unreachable(address: String, unreached: &Unreached) -> Self {
        let checks: Vec<CheckView> = vec![
            check(AREA, "name", "A name has to lead to an address.", name(&address, &unreached.addresses)),
            check(AREA, "port", "The peer's chord service listens there.", connection(&address, unreached)),
            check(AREA, "peer", "Only a chord port can be asked.", peer(unreached)),
        ];
        Self { address, peer: None, checks }
    }
}

fn name(address: &str, addresses: &Result<Vec<String>, Reach>) -> Judged {
    let host = host(address);
    match addresses {
        Ok(addresses) if addresses.iter().any(|address| address == host) => {
            ok(format!("{host} is an address"))
        }
        Ok(addresses) => ok(format!("{host} is {}", addresses.join(", "))),
        Err(reach) => problem(
            format!("{host}: {}", words(reach)),
            "correct the host in --peer, or make the name known (DNS, /etc/hosts)",
        ),
    }
}

fn connection(address: &str, unreached: &Unreached) -> Judged {
    if unreached.addresses.is_err() {
        return unknown("it was not dialled, as its host has no address", "mend the name first");
    }
    let (host, port) = (host(address), port(address));
    let found = format!("port {port} of {host}: {}", words(&unreached.connection));
    match unreached.connection.state() {
        ReachState::Reached => ok(format!("port {port} of {host} takes connections")),
        ReachState::Refused => problem(
            found,
            "start chord-peer there; if it runs, its log says where chord listens: name that with --peer, and see that \
             `ip` is not 127.0.0.1 where you ask from another machine",
        ),
        ReachState::NoRoute => {
            problem(found, "see whether this machine is in that network at all (`ip route`)")
        }
        _ => problem(
            found,
            format!("see whether the machine is up, and whether a firewall drops TCP port {port} on the way"),
        ),
    }
}

fn peer(unreached: &Unreached) -> Judged {
    match is_reached(Some(&unreached.connection)) {
        true => problem(
            unreached.error.clone(),
            "name the chord port of a peer with --peer (by default 7300). If that is one already, its process may be \
             stopped or have too much to do: look at its log",
        ),
        false => unknown("there is no connection to ask through", "mend the port first"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;
    use crate::reach::of;

    #[test]
    fn each_step_that_fails_says_what_to_do() {
        let outcomes = |addresses: Result<Vec<String>, Reach>, state| {
            let connection = of(state, "");
            let unreached = Unreached { addresses, connection, error: "a web server".to_owned() };
            let view = DiagnosisView::unreachable("http://10.0.0.4:7300".to_owned(), &unreached);
            assert!(view.checks.iter().all(|check| check.remedy.is_some() || check.outcome == Outcome::Ok));
            view.checks.iter().map(|check| check.outcome).collect::<Vec<_>>()
        };
        use Outcome::{Ok as Well, Problem, Unknown};
        let known = || Ok(vec!["10.0.0.4".to_owned()]);
        for state in [ReachState::Refused, ReachState::Silent, ReachState::NoRoute] {
            assert_eq!(outcomes(known(), state), [Well, Problem, Unknown]);
        }
        assert_eq!(outcomes(known(), ReachState::Reached), [Well, Well, Problem]);
        let nowhere = Err(of(ReachState::UnknownName, ""));
        assert_eq!(outcomes(nowhere, ReachState::Unspecified), [Problem, Unknown, Unknown]);
    }
}
