//! A peer's services are at its own host. A peer that says otherwise could have others dial any address for it.

use std::net::IpAddr;
use std::str::FromStr;

use chordial_proto::chord_v1::Peer;
use ipnet::IpNet;

use crate::address::Address;
use crate::error::ClientError;
use crate::text::shown;

/// The hosts at which a peer's services are dialled: its own, which is that of its chord address, and those that
/// were allowed besides, for peers whose services run apart on several hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceHosts(Vec<ServiceHost>);

/// Where services of others may be dialled, whoever's they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceHost {
    /// One host, by name or address.
    Name(String),
    /// All addresses of a network.
    Network(IpNet),
}

impl ServiceHosts {
    /// The address of a `service` of `peer`, which is said to be at `url`.
    ///
    /// # Errors
    /// [`ClientError::Elsewhere`] where it is at a host that is neither the peer's own nor allowed;
    /// [`ClientError::Failed`] where that is no address.
    pub fn address(&self, peer: &Peer, service: &'static str, url: &str) -> Result<Address, ClientError> {
        let name = shown(if peer.name.is_empty() { &peer.address } else { &peer.name });
        let address: Address = url.parse().map_err(|_| {
            ClientError::Failed(format!(
                "{name} publishes {url:?} as its {service} port, which is not an address"
            ))
        })?;
        let own: Option<Address> = peer.address.parse().ok();
        if own.as_ref().is_some_and(|own| same(own.host(), address.host())) || self.allows(address.host()) {
            return Ok(address);
        }
        let (peer, own) = (name.into_owned(), own.map_or_else(String::new, |own| own.host().to_owned()));
        Err(ClientError::Elsewhere { peer, service, address: address.to_string(), own })
    }

    fn allows(&self, host: &str) -> bool {
        self.0.iter().any(|allowed| match allowed {
            ServiceHost::Name(name) => same(name, host),
            ServiceHost::Network(network) => ip(host).is_some_and(|address| network.contains(&address)),
        })
    }
}

impl FromIterator<ServiceHost> for ServiceHosts {
    fn from_iter<T: IntoIterator<Item = ServiceHost>>(hosts: T) -> Self {
        Self(hosts.into_iter().collect())
    }
}

impl FromStr for ServiceHosts {
    type Err = String;

    /// Reads hosts and networks, separated by commas. None at all is fine.
    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|each| !each.is_empty()).map(str::parse).collect()
    }
}

impl FromStr for ServiceHost {
    type Err = String;

    /// Reads a host or a network: `files.lan`, `10.0.0.7`, `10.0.0.0/8`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        let is_name = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        match is_name || ip(text).is_some() {
            true => Ok(Self::Name(text.to_owned())),
            false => Err(format!(
                "{text:?} is neither a host nor a network: write names and addresses without a port, such as \"files.lan\" or \
                 \"10.0.0.0/8\""
            )),
        }
    }
}

/// The same name, or the same address in whichever way it is written.
fn same(a: &str, b: &str) -> bool {
    match (ip(a), ip(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

/// An address, with or without brackets.
fn ip(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialled(own: &str, url: &str, allowed: &str) -> Result<String, ClientError> {
        let peer = Peer { name: "p3".into(), address: own.into(), ..Peer::default() };
        let hosts: ServiceHosts = allowed.parse().expect("hosts");
        hosts.address(&peer, "transfer", url).map(|address| address.to_string())
    }

    #[test]
    fn services_are_at_their_peers_own_host() {
        for (own, url) in [
            ("10.0.0.3:7300", "http://10.0.0.3:7302"),
            ("peer.lan:7300", "http://PEER.lan:7302"),
            ("[fd00::1]:7300", "http://[fd00:0::1]:7302"),
            ("[::ffff:10.0.0.3]:7300", "http://10.0.0.3:7302"),
        ] {
            assert!(dialled(own, url, "").is_ok(), "{own} {url}");
        }
    }

    #[test]
    fn no_other_host_is_dialled_however_it_is_written() {
        for url in [
            "http://169.254.169.254:80",
            "http://127.0.0.1:7302",
            "http://localhost:7302",
            "http://[::ffff:127.0.0.1]:7302",
            "http://[::1]:7302",
            "http://0x7f000001:7302",
            "http://2130706433:7302",
            "http://127.1:7302",
            "http://10.0.0.3.evil.example:7302",
            "http://10.0.0.33:7302",
        ] {
            let error = dialled("10.0.0.3:7300", url, "").expect_err(url);
            assert!(
                matches!(&error, ClientError::Elsewhere { own, .. } if own == "10.0.0.3"),
                "{url}: {error}"
            );
            assert!(error.to_string().contains("p3"), "{error}");
        }
        for url in [
            "http://10.0.0.3@169.254.169.254:80",
            "http://10.0.0.3:7302@169.254.169.254:80",
            "http://10.0.0.3:80\\@169.254.169.254",
            "https://10.0.0.3:7302",
            "file:///etc/passwd",
            "gopher://10.0.0.3:70",
            "http://10.0.0.3:7302/latest/meta-data",
            "",
        ] {
            assert!(matches!(dialled("10.0.0.3:7300", url, ""), Err(ClientError::Failed(_))), "{url:?}");
        }
        // Nobody's own.
        assert!(dialled("", "http://10.0.0.3:7302", "").is_err());
    }

    #[test]
    fn hosts_can_be_allowed_by_name_address_and_network() {
        let allowed = "files.lan, 10.1.0.0/16,192.0.2.7";
        for url in
            ["http://files.lan:1", "http://10.1.255.9:1", "http://[::ffff:10.1.2.3]:1", "http://192.0.2.7:1"]
        {
            assert!(dialled("p:7300", url, allowed).is_ok(), "{url}");
        }
        for url in ["http://x.files.lan:1", "http://10.2.0.1:1", "http://192.0.2.8:1"] {
            assert!(dialled("p:7300", url, allowed).is_err(), "{url}");
        }
        for wrong in ["http://files.lan", "files.lan:7302", "10.0.0.0/33", "a b", "*"] {
            assert!(wrong.parse::<ServiceHosts>().is_err(), "{wrong} was taken");
        }
    }
}
