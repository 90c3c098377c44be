//! Which host a peer tells others to dial.
//!
//! A machine has several addresses, and an interface's order says nothing. So `auto` asks the system's
//! routing table, which knows which of them leads to the friend: connecting a UDP socket sends nothing, and
//! gives the socket the source address that packets to that place would carry.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::config::{Advertise, HostPort, PeerConfig};

/// How long looking up a friend's name may take.
const LOOKUP: Duration = Duration::from_secs(2);
/// Addresses of this machine that are told of.
const CANDIDATES: usize = 32;
/// Reserved for documentation (RFC 5737): no machine has it, so its route is the default route.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// No host to advertise was found.
#[derive(Debug, thiserror::Error)]
#[error("advertise = {wanted:?}: {why}; this machine has {candidates}: choose one of them in `advertise`")]
pub struct AdvertiseError {
    wanted: String,
    why: String,
    candidates: String,
}

/// The host that is advertised, and why it is this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advertised {
    /// An address (IPv6 without brackets) or a host name, without a port.
    pub host: String,
    /// Which rule chose it, in words.
    pub rule: String,
    /// The addresses of this machine, 32 of them at most.
    pub candidates: Vec<Candidate>,
}

/// An address of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Of which interface.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Why it was not chosen, in words; none: it was.
    pub skipped: Option<String>,
}

/// The host that `config` advertises.
///
/// For `auto`, the first of these that exists: the address listened on, if it is a specific one; the address
/// from which this machine reaches the friend, then the backup friend (loopback, if they are); the one of its
/// default route; its first IPv4 address that is neither loopback nor of a bridge for containers; 127.0.0.1.
///
/// # Errors
/// There is no such address.
pub async fn resolve(config: &PeerConfig) -> Result<Advertised, AdvertiseError> {
    let own = interfaces();
    let (host, rule) = match &config.advertise {
        Advertise::Host(host) => (host.clone(), "`advertise` names it".to_owned()),
        Advertise::Auto => automatic(config, &own).await?,
        Advertise::Interface(name) => {
            let on_it = own.iter().filter(|(interface, _)| interface == name).map(|(_, address)| *address);
            let address = best(on_it).ok_or_else(|| {
                refused(&format!("iface:{name}"), "there is no such interface with an address", &own)
            })?;
            (address.to_string(), format!("the best address of the interface that `advertise` names, {name}"))
        }
        Advertise::Network(network) => {
            let inside = own.iter().map(|(_, address)| *address).filter(|address| network.contains(address));
            let address = best(inside).ok_or_else(|| {
                refused(&format!("cidr:{network}"), "no address of this machine lies in that network", &own)
            })?;
            (
                address.to_string(),
                format!("the best address in the network that `advertise` names, {network}"),
            )
        }
    };
    let candidate = |(interface, address): &(String, IpAddr)| Candidate {
        skipped: (address.to_string() != host).then(|| skipped(config, interface, address)),
        interface: interface.clone(),
        address: *address,
    };
    let candidates = own.iter().take(CANDIDATES).map(candidate).collect();
    Ok(Advertised { host, rule, candidates })
}

/// Why an address was not chosen, in words.
fn skipped(config: &PeerConfig, interface: &str, address: &IpAddr) -> String {
    let why = match &config.advertise {
        Advertise::Host(_) => "`advertise` names another one",
        Advertise::Interface(name) if name != interface => "of another interface than `advertise` names",
        Advertise::Network(network) if !network.contains(address) => {
            "outside of the network that `advertise` names"
        }
        _ if config.ip.is_unspecified() && config.ip.is_ipv4() && address.is_ipv6() => {
            "IPv6, and `ip` listens on IPv4 only"
        }
        _ if !config.ip.is_unspecified() => return format!("the peer listens on {} only", config.ip),
        _ if address.is_loopback() => "loopback: only this machine reaches it",
        _ if is_link_local(address) => "link-local: good on its own link only",
        _ if is_bridge(interface) => "a bridge for containers or virtual machines of this machine",
        _ => "the rule chose another one",
    };
    why.to_owned()
}

/// Whether a host can be reached from the whole Internet, as far as its address tells; false for names.
pub fn is_public(host: &str) -> bool {
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let [a, b, ..] = address.octets();
            let carrier_grade_nat = a == 100 && (64..128).contains(&b);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_documentation()
                || address.is_multicast()
                || carrier_grade_nat
                || a == 0
                || a >= 240)
        }
        // 2000::/3 is all that is routed so far; 2001:db8::/32 of it is for documentation.
        Ok(IpAddr::V6(address)) => {
            let [first, second, ..] = address.segments();
            first & 0xe000 == 0x2000 && (first, second) != (0x2001, 0x0db8)
        }
        Err(_) => false,
    }
}

async fn automatic(
    config: &PeerConfig,
    own: &[(String, IpAddr)],
) -> Result<(String, String), AdvertiseError> {
    if !config.ip.is_unspecified() {
        return Ok((config.ip.to_string(), "the address that `ip` listens on".to_owned()));
    }
    for friend in config.friends() {
        if let Some(address) = towards(friend, config.ip).await {
            return Ok((address.to_string(), format!("from it this machine reaches the friend {friend}")));
        }
    }
    let addresses = || own.iter().filter(|(_, address)| address.is_ipv4() && !is_local(address));
    let first = || addresses().find(|(name, _)| !is_bridge(name)).or_else(|| addresses().next());
    let lonely = || own.iter().find(|(_, address)| address.is_loopback());
    let routed = source(ANYWHERE).filter(|address| !is_local(address));
    routed
        .map(|address| (address, "the address of the default route"))
        .or_else(|| first().map(|(_, address)| (*address, "there is no default route: the first address")))
        .or_else(|| lonely().map(|(_, address)| (*address, "this machine has no other address")))
        .map(|(address, rule)| (address.to_string(), rule.to_owned()))
        .ok_or_else(|| refused("auto", "no address of this machine was found", own))
}

/// The address from which this machine reaches a friend, of a kind that `ip` listens on.
async fn towards(friend: &HostPort, ip: IpAddr) -> Option<IpAddr> {
    let lookup = tokio::net::lookup_host((friend.host.as_str(), friend.port));
    let found = tokio::time::timeout(LOOKUP, lookup).await.ok()?.ok()?;
    // 0.0.0.0 hears no IPv6; [::] mostly hears both.
    let heard = found.filter(|address| ip.is_ipv6() || address.is_ipv4());
    heard.take(16).find_map(source)
}

fn source(target: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match target {
        SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0u16; 8], 0)),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(target).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}

/// Whether an interface joins containers or virtual machines of this machine, by the names that such have.
fn is_bridge(interface: &str) -> bool {
    let known = ["docker", "br-", "veth", "virbr", "podman", "cni", "lxcbr", "lxdbr", "vmnet"];
    known.iter().any(|prefix| interface.starts_with(prefix))
}

fn is_local(address: &IpAddr) -> bool {
    address.is_loopback() || is_link_local(address)
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// IPv4 before IPv6, an address that is good beyond its link before one that is not.
fn best(addresses: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
    addresses.filter(|address| !address.is_unspecified()).min_by_key(|a| (is_link_local(a), a.is_ipv6()))
}

/// This machine's interfaces and their addresses.
fn interfaces() -> Vec<(String, IpAddr)> {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    all.into_iter().map(|interface| (interface.name.clone(), interface.ip())).collect()
}

fn refused(wanted: &str, why: &str, own: &[(String, IpAddr)]) -> AdvertiseError {
    let mut candidates: Vec<String> =
        own.iter().take(CANDIDATES).map(|(name, address)| format!("{address} on {name}")).collect();
    if candidates.is_empty() {
        candidates.push("no address at all".into());
    }
    AdvertiseError { wanted: wanted.into(), why: why.into(), candidates: candidates.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn advertised(settings: &[(&str, &str)]) -> Result<String, String> {
        let config = PeerConfig::from_settings(settings).unwrap();
        resolve(&config).await.map(|chosen| chosen.host).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn auto_follows_the_address_listened_on_and_the_friend() {
        assert_eq!(advertised(&[("ip", "127.0.0.1")]).await.unwrap(), "127.0.0.1");
        assert_eq!(advertised(&[("ip", "10.9.8.7")]).await.unwrap(), "10.9.8.7");
        assert_eq!(advertised(&[("friend", "http://127.0.0.1:7300")]).await.unwrap(), "127.0.0.1");
        let alone: IpAddr = advertised(&[]).await.unwrap().parse().unwrap();
        assert!(!alone.is_unspecified());
    }

    #[tokio::test]
    async fn interfaces_and_networks_are_found_or_the_candidates_named() {
        let (name, address) =
            interfaces().into_iter().find(|(_, a)| *a == IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        assert_eq!(
            advertised(&[("advertise", &format!("iface:{name}"))]).await.unwrap(),
            address.to_string()
        );
        assert_eq!(advertised(&[("advertise", "cidr:127.0.0.0/8")]).await.unwrap(), "127.0.0.1");
        for wanted in ["iface:none0", "cidr:198.51.100.0/24"] {
            let error = advertised(&[("advertise", wanted)]).await.unwrap_err();
            assert!(error.contains(wanted) && error.contains("127.0.0.1 on"), "{error}");
        }
        assert_eq!(advertised(&[("advertise", "peer.example")]).await.unwrap(), "peer.example");
    }

    #[tokio::test]
    async fn what_was_not_chosen_has_a_reason() {
        let reasons = async |settings: &[(&str, &str)]| {
            let chosen = resolve(&PeerConfig::from_settings(settings).unwrap()).await.unwrap();
            let loopback =
                chosen.candidates.iter().find(|candidate| candidate.address.is_loopback()).unwrap();
            (chosen.rule.clone(), loopback.skipped.clone().unwrap_or_default())
        };
        let (rule, why) = reasons(&[("advertise", "192.0.2.1")]).await;
        assert_eq!((&*rule, &*why), ("`advertise` names it", "`advertise` names another one"));
        let (rule, why) = reasons(&[("ip", "127.0.0.1")]).await;
        assert_eq!((&*rule, &*why), ("the address that `ip` listens on", ""));
        let (_, why) = reasons(&[("ip", "10.9.8.7")]).await;
        assert_eq!(why, "the peer listens on 10.9.8.7 only");
        let (rule, _) = reasons(&[("friend", "http://127.0.0.1:7300")]).await;
        assert_eq!(rule, "from it this machine reaches the friend 127.0.0.1:7300");

        let auto = PeerConfig::from_settings(&[]).unwrap();
        for (interface, address, why) in [
            ("lo", "127.0.0.1", "loopback"),
            ("eth0", "169.254.1.1", "link-local"),
            ("eth0", "2001:db8::1", "IPv6"),
            ("docker0", "172.17.0.1", "bridge"),
            ("wlan0", "10.1.1.1", "another"),
        ] {
            let said = skipped(&auto, interface, &address.parse().unwrap());
            assert!(said.contains(why), "{interface} {address}: {said}");
        }
    }

    #[test]
    fn public_addresses_are_told_from_private_ones() {
        for public in ["8.8.8.8", "100.63.0.1", "2606:4700::1", "::ffff:8.8.8.8"] {
            assert!(is_public(public), "{public}");
        }
        for private in [
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.0.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "0.0.0.0",
            "peer.example",
        ] {
            assert!(!is_public(private), "{private}");
        }
    }
}
