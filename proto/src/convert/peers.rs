//! Peers, their services, and the envelope.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use chord::{Envelope, Id, Neighbors, News, Peer, Services};

use super::{
    MAX_ADDRESS, MAX_PEER_NAME, MAX_PEERS, MAX_RING, MAX_URL, Malformed, bytes, id, list, malformed,
    optional_id, required, text,
};
use crate::chord_v1 as wire;

impl From<Peer> for wire::Peer {
    fn from(peer: Peer) -> wire::Peer {
        wire::Peer {
            id: bytes(peer.id),
            address: peer.address.to_string(),
            incarnation: peer.incarnation,
            name: peer.name.to_string(),
        }
    }
}

impl TryFrom<wire::Peer> for Peer {
    type Error = Malformed;

    fn try_from(peer: wire::Peer) -> Result<Peer, Malformed> {
        let address = text(peer.address, MAX_ADDRESS, "Peer.address")?;
        if !is_dialled(&address) {
            return Err(malformed("Peer.address", format!("{address:?} is not the host:port of one peer")));
        }
        let id = id(&peer.id, "Peer.id")?;
        if id != Id::of(address.as_bytes()) {
            return Err(malformed("Peer.id", format!("{id} is not the SHA-1 of the address {address}")));
        }
        if peer.name.chars().count() > MAX_PEER_NAME.max(address.len()) {
            return Err(malformed("Peer.name", format!("at most {MAX_PEER_NAME} characters are allowed")));
        }
        // A name ends up on terminals and in log lines.
        if peer.name.chars().any(char::is_control) {
            return Err(malformed("Peer.name", "it has control characters"));
        }
        Ok(Peer { id, incarnation: peer.incarnation, address, name: peer.name.into() })
    }
}

impl From<News> for wire::News {
    fn from(news: News) -> wire::News {
        let News { peer, version } = news;
        let (address, name) = (peer.address.to_string(), peer.name.to_string());
        wire::News { address, incarnation: peer.incarnation, name, version }
    }
}

impl TryFrom<wire::News> for News {
    type Error = Malformed;

    fn try_from(news: wire::News) -> Result<News, Malformed> {
        let wire::News { address, incarnation, name, version } = news;
        let id = bytes(Id::of(address.as_bytes()));
        Ok(News { peer: wire::Peer { id, address, incarnation, name }.try_into()?, version })
    }
}

impl From<Services> for wire::Services {
    fn from(services: Services) -> wire::Services {
        wire::Services {
            catalog: services.catalog.to_string(),
            transfer: services.transfer.to_string(),
            gateway: services.gateway.to_string(),
        }
    }
}

impl TryFrom<wire::Services> for Services {
    type Error = Malformed;

    fn try_from(services: wire::Services) -> Result<Services, Malformed> {
        Ok(Services {
            catalog: service(services.catalog, "Services.catalog")?,
            transfer: service(services.transfer, "Services.transfer")?,
            gateway: link(services.gateway, "Services.gateway")?,
        })
    }
}

/// Whether this is `host:port` of one machine, the host being an address, or a name that no resolver takes for one
/// (`2130706433`, `0x7f.1`).
fn is_dialled(authority: &str) -> bool {
    let Some((host, port)) = authority.rsplit_once(':') else { return false };
    let number = port.bytes().all(|digit| digit.is_ascii_digit());
    if !number || !port.parse::<u16>().is_ok_and(|port| port != 0) {
        return false;
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address = match bracketed {
        Some(host) => host.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::from),
    };
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => {
            !(address.is_unspecified() || address.is_multicast() || address.is_broadcast())
        }
        Some(IpAddr::V6(address)) => !(address.is_unspecified() || address.is_multicast()),
        None => bracketed.is_none() && is_name(host),
    }
}

fn is_name(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    let number = last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    !number && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// The URL of a service that other peers dial, or nothing: `http://host:port` and nothing around it.
fn service(value: String, field: &'static str) -> Result<Arc<str>, Malformed> {
    if !value.is_empty() && !value.strip_prefix("http://").is_some_and(is_dialled) {
        return Err(malformed(field, "it is not http://host:port"));
    }
    text(value, MAX_URL, field)
}

/// The URL of a gateway, or nothing. No peer dials it: it ends up as a link on people's pages, so nothing but http(s)
/// may pass, and no user that looks like the host.
fn link(value: String, field: &'static str) -> Result<Arc<str>, Malformed> {
    let rest = value.strip_prefix("http://").or(value.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split('/').next()).filter(|host| !host.is_empty());
    let plain = host.is_some_and(|host| !host.contains(['@', '\\', '?', '#']));
    if !value.is_empty() && (!plain || value.chars().any(|c| !c.is_ascii_graphic())) {
        return Err(malformed(field, "it is not an http URL"));
    }
    text(value, MAX_URL, field)
}

impl From<Envelope> for wire::Envelope {
    fn from(envelope: Envelope) -> wire::Envelope {
        wire::Envelope {
            version: envelope.version,
            ring: envelope.ring.to_string(),
            sender: Some(envelope.sender.into()),
            addressee_id: envelope.addressee.map(bytes).unwrap_or_default(),
            addressee_incarnation: envelope.incarnation,
        }
    }
}

impl TryFrom<wire::Envelope> for Envelope {
    type Error = Malformed;

    fn try_from(envelope: wire::Envelope) -> Result<Envelope, Malformed> {
        let sender: Peer = required(envelope.sender, "Envelope.sender")?.try_into()?;
        if sender.incarnation == 0 {
            return Err(malformed("Envelope.sender", "its incarnation is 0"));
        }
        Ok(Envelope {
            version: envelope.version,
            ring: text(envelope.ring, MAX_RING, "Envelope.ring")?,
            sender,
            addressee: optional_id(&envelope.addressee_id, "Envelope.addressee_id")?,
            incarnation: envelope.addressee_incarnation,
        })
    }
}

impl From<Neighbors> for wire::Neighbors {
    fn from(neighbors: Neighbors) -> wire::Neighbors {
        wire::Neighbors {
            predecessor: neighbors.predecessor.map(Into::into),
            successors: wire_peers(neighbors.successors),
        }
    }
}

impl TryFrom<wire::Neighbors> for Neighbors {
    type Error = Malformed;

    fn try_from(neighbors: wire::Neighbors) -> Result<Neighbors, Malformed> {
        Ok(Neighbors {
            predecessor: neighbors.predecessor.map(Peer::try_from).transpose()?,
            successors: list(neighbors.successors, MAX_PEERS, "Neighbors.successors")?,
        })
    }
}

pub(super) fn wire_news(news: Vec<News>) -> Vec<wire::News> {
    news.into_iter().map(Into::into).collect()
}

pub(super) fn wire_peers(peers: Vec<Peer>) -> Vec<wire::Peer> {
    peers.into_iter().map(Into::into).collect()
}
