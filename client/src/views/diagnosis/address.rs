//! Which address is advertised, and where the services are.

use std::net::IpAddr;

use chordial_proto::chord_v1::{
    Advertisement, Candidate, DiagnoseResponse, Reach, ReachState, ServiceAddress,
};

use super::{CheckView, Findings, Judged, check, host, is_reached, ok, port, problem, warning, words};

const AREA: &str = "address";

pub(super) fn checks(findings: &Findings, facts: &DiagnoseResponse) -> Vec<CheckView> {
    let advertisement = facts.advertisement.clone().unwrap_or_default();
    let mut checks = vec![
        check(
            AREA,
            "advertised",
            "Other peers dial this host; with the port it is also the peer's identity.",
            advertised(&advertisement, &elsewhere(facts)),
        ),
        check(
            AREA,
            "candidates",
            "A machine has several addresses, and only some of them are good for others.",
            candidates(&advertisement),
        ),
    ];
    for service in &facts.services {
        let why = match &*service.name {
            "chord" => "Peers meet here.",
            "catalog" => "Others read the list of this peer's files here.",
            "transfer" => "Others fetch this peer's files here.",
            _ => "People and programs find REST, files and the dashboard here.",
        };
        let others = match &*service.name {
            "chord" => {
                facts.peers.iter().any(|peer| is_reached(peer.dial_back.as_ref()))
                    || is_reached(Some(&findings.here.chord))
            }
            "transfer" => findings.here.transfer.as_ref().is_ok_and(|reach| is_reached(Some(reach))),
            _ => false,
        };
        let judged = self::service(service, &advertisement.candidates, others);
        checks.push(check(AREA, service.name.clone(), why, judged));
    }
    checks
}

/// The first other peer that is not on this machine, as far as its address tells.
fn elsewhere(facts: &DiagnoseResponse) -> Option<String> {
    let own = |host: &str| {
        let candidates = facts.advertisement.iter().flat_map(|advertisement| &advertisement.candidates);
        is_loopback(host) || candidates.into_iter().any(|candidate| candidate.address == host)
    };
    let others = facts.peers.iter().filter_map(|peer| peer.peer.as_ref());
    others.map(|peer| peer.address.clone()).find(|address| !own(host(address)))
}

/// The host that others dial; `elsewhere` is a peer on another machine, where there is one.
fn advertised(advertisement: &Advertisement, elsewhere: &Option<String>) -> Judged {
    let Advertisement { setting, host, rule, .. } = advertisement;
    let found = format!("{host}: {rule} (advertise = {setting:?})");
    let remedy = "set `advertise` to an address of this machine that others reach: \"iface:NAME\", \"cidr:NETWORK\", \
                  an address or a host name";
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    match (address, elsewhere) {
        (Some(address), _) if is_documentation(&address) => {
            problem(format!("{found}; it is reserved for documentation, no machine has it"), remedy)
        }
        (_, Some(other)) if is_loopback(host) => {
            problem(format!("{found}; it is loopback, and {other} is another machine"), remedy)
        }
        (_, None) if is_loopback(host) => ok(format!("{found}; peers of this machine only")),
        (Some(address), _) if is_link_local(&address) => {
            warning(format!("{found}; it is link-local, good on its own link only"), remedy)
        }
        _ => ok(found),
    }
}

fn candidates(advertisement: &Advertisement) -> Judged {
    let all = &advertisement.candidates;
    let one = |candidate: &Candidate| match &*candidate.skipped {
        "" => format!("{} on {}: chosen", candidate.address, candidate.interface),
        why => format!("{} on {}: {why}", candidate.address, candidate.interface),
    };
    let list: Vec<String> = all.iter().map(one).collect();
    let list = if list.is_empty() { "none was found".to_owned() } else { list.join("; ") };
    ok(list)
}

/// Where one service is; `others` reach it.
fn service(service: &ServiceAddress, own: &[Candidate], others: bool) -> Judged {
    let ServiceAddress { name, listens, advertised, reach, public_url } = service;
    let mut found = match &**listens {
        "" => format!("{advertised}, runs in another process"),
        listens if is_same(listens, advertised, own) => format!("{advertised}, where it listens"),
        listens => format!("{advertised}, listens on {listens}"),
    };
    if !public_url.is_empty() {
        found = format!("{found}; callers are told {public_url}");
    }
    let reach = reach.clone().unwrap_or_default();
    if is_reached(Some(&reach)) {
        return ok(format!("{found}; answers"));
    }
    let found = format!("{found}; dialled by the peer itself: {}", words(&reach));
    match others {
        true => warning(
            format!("{found}; others reach it"),
            "nothing, if a router or firewall keeps the peer from its own outer address",
        ),
        false => problem(found, service_remedy(name, listens, advertised, &reach)),
    }
}

fn service_remedy(name: &str, listens: &str, advertised: &str, reach: &Reach) -> String {
    let start = match listens {
        "" => format!(
            "start the process of the service (`chord-peer run --only {name}`), or correct `services.{name}`; "
        ),
        _ => String::new(),
    };
    let open = match reach.state() {
        ReachState::UnknownName => {
            format!("make the name {} known (DNS, /etc/hosts), ", host(advertised))
        }
        ReachState::Other => {
            format!("see what else listens on TCP port {}, and stop it, ", port(advertised))
        }
        _ => format!("open TCP port {} (firewall, port forwarding), ", port(advertised)),
    };
    format!("{start}{open}or set `advertise` and `ports.{name}` to what other machines can dial")
}

/// Whether both mean the same socket of this machine.
fn is_same(listens: &str, advertised: &str, own: &[Candidate]) -> bool {
    let (bound, told) = (host(listens), host(advertised));
    let any = bound.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    let here = is_loopback(told) || own.iter().any(|candidate| candidate.address == told);
    port(listens) == port(advertised) && (bound == told || (any && here))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// RFC 5737, RFC 3849.
fn is_documentation(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_documentation(),
        IpAddr::V6(address) => address.segments()[..2] == [0x2001, 0x0db8],
    }
}

#[cfg(test)]
mod tests {
    use chordial_proto::chord_v1::{AskedPeer, Peer};

    use super::super::Outcome;
    use super::*;
    use crate::reach::of;

    fn own() -> Vec<Candidate> {
        let candidate = |interface: &str, address: &str, skipped: &str| Candidate {
            interface: interface.to_owned(),
            address: address.to_owned(),
            skipped: skipped.to_owned(),
        };
        vec![candidate("lo", "127.0.0.1", "loopback"), candidate("eth0", "10.0.0.4", "")]
    }

    #[test]
    fn the_advertised_host_is_judged_by_what_it_is_good_for() {
        let judged = |host: &str, elsewhere: Option<&str>| {
            let advertisement = Advertisement { host: host.to_owned(), ..Advertisement::default() };
            advertised(&advertisement, &elsewhere.map(str::to_owned)).outcome
        };
        assert_eq!(judged("10.0.0.4", Some("10.0.0.5:7300")), Outcome::Ok);
        assert_eq!(judged("p1.lan", None), Outcome::Ok);
        assert_eq!(judged("127.0.0.1", None), Outcome::Ok);
        assert_eq!(judged("127.0.0.1", Some("10.0.0.5:7300")), Outcome::Problem);
        assert_eq!(judged("169.254.1.1", None), Outcome::Warning);
        assert_eq!(judged("fe80::1", None), Outcome::Warning);
        assert_eq!(judged("192.0.2.1", None), Outcome::Problem);
        assert_eq!(judged("2001:db8::1", None), Outcome::Problem);
    }

    #[test]
    fn peers_of_this_machine_are_not_elsewhere() {
        let facts = |address: &str| DiagnoseResponse {
            advertisement: Some(Advertisement { candidates: own(), ..Advertisement::default() }),
            peers: vec![AskedPeer {
                peer: Some(Peer { address: address.to_owned(), ..Peer::default() }),
                ..AskedPeer::default()
            }],
            ..DiagnoseResponse::default()
        };
        for here in ["127.0.0.1:7310", "10.0.0.4:7310"] {
            assert_eq!(elsewhere(&facts(here)), None);
        }
        assert_eq!(elsewhere(&facts("10.0.0.5:7300")).as_deref(), Some("10.0.0.5:7300"));
    }

    #[test]
    fn all_addresses_are_told_with_the_reason() {
        let advertisement = Advertisement { candidates: own(), ..Advertisement::default() };
        assert_eq!(candidates(&advertisement).found, "127.0.0.1 on lo: loopback; 10.0.0.4 on eth0: chosen");
        assert_eq!(candidates(&Advertisement::default()).found, "none was found");
    }

    #[test]
    fn a_service_answers_or_what_to_do_is_said() {
        let address = |listens: &str, state| ServiceAddress {
            name: "chord".to_owned(),
            listens: listens.to_owned(),
            advertised: "http://10.0.0.4:7300".to_owned(),
            reach: Some(of(state, "")),
            public_url: String::new(),
        };
        let judged = |listens: &str, state, others| service(&address(listens, state), &own(), others);
        let well = judged("0.0.0.0:7300", ReachState::Reached, false);
        assert_eq!(well, ok("http://10.0.0.4:7300, where it listens; answers"));
        let forwarded = judged("10.0.0.9:7305", ReachState::Reached, false);
        assert_eq!(forwarded, ok("http://10.0.0.4:7300, listens on 10.0.0.9:7305; answers"));

        let hairpin = judged("0.0.0.0:7300", ReachState::Silent, true);
        assert_eq!(hairpin.outcome, Outcome::Warning);
        let silent = judged("0.0.0.0:7300", ReachState::Silent, false);
        assert_eq!(silent.outcome, Outcome::Problem);
        assert!(silent.remedy.as_ref().is_some_and(|remedy| remedy.contains("port 7300")), "{silent:?}");
        let apart = judged("", ReachState::Refused, false);
        assert!(apart.remedy.as_ref().is_some_and(|remedy| remedy.contains("--only chord")), "{apart:?}");
        let other = judged("0.0.0.0:7300", ReachState::Other, false);
        assert!(other.remedy.as_ref().is_some_and(|remedy| remedy.contains("stop it")), "{other:?}");
        let unknown = judged("0.0.0.0:7300", ReachState::UnknownName, false);
        assert!(unknown.remedy.as_ref().is_some_and(|remedy| remedy.contains("DNS")), "{unknown:?}");

        let told =
            ServiceAddress { public_url: "https://files".to_owned(), ..address("", ReachState::Reached) };
        assert!(service(&told, &own(), false).found.contains("https://files"));
    }
}
