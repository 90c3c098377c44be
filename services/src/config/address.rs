//! Addresses as typed in a configuration: `http://host:port`, `host:port`, and what to advertise.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use url::{Host, Url};

/// A host (address or name) and a port. Displayed as `host:port`, IPv6 addresses in brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// An address (IPv6 without brackets) or a host name.
    pub host: String,
    /// The port, never 0.
    pub port: u16,
}

impl HostPort {
    /// The address as a URL, `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{self}")
    }

    /// Reads `http://host:port` as written for a friend or a service.
    pub fn from_url(text: &str) -> Result<HostPort, String> {
        let example = "such as \"http://10.0.0.4:7300\"";
        let url = parse_url(text, &["http"], example)?;
        if url.path() != "/" {
            return Err(format!("a path (`{}`) has no meaning here: end it after the port", url.path()));
        }
        // The URL parser drops the port 80, as it is http's own.
        let authority = text.trim_end_matches('/');
        let port = match url.port() {
            Some(port) => port,
            None if authority.ends_with(":80") => 80,
            None => return Err(format!("it names no port: write one, {example}")),
        };
        if port == 0 {
            return Err("port 0 cannot be dialled: write the port that is listened on".into());
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_string(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(format!("it names no host: write an address or a host name, {example}")),
        };
        if host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()) {
            return Err("an unspecified address cannot be dialled: write the address of that machine".into());
        }
        Ok(HostPort { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.parse::<Ipv6Addr>().is_ok() {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for HostPort {
    type Err = String;

    /// Reads `host:port`.
    fn from_str(text: &str) -> Result<HostPort, String> {
        HostPort::from_url(&format!("http://{text}"))
    }
}

/// Where callers outside of the peers' own network are told what this gateway's base URL is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicUrl {
    /// In the configuration.
    Url(String),
    /// In a file of the machine, which may change.
    File(PathBuf),
}

impl FromStr for PublicUrl {
    type Err = String;

    /// Reads a URL, or `file:PATH`.
    fn from_str(text: &str) -> Result<PublicUrl, String> {
        match text.strip_prefix("file:").map(PathBuf::from) {
            Some(path) if path.is_absolute() => Ok(PublicUrl::File(path)),
            Some(_) => {
                Err("the path of a file must begin with a slash, such as \"file:/srv/chordial/public_url\""
                    .into())
            }
            None => base_url(text).map(PublicUrl::Url),
        }
    }
}

/// A base URL for callers outside: http or https, without its last slash.
pub(crate) fn base_url(text: &str) -> Result<String, String> {
    parse_url(text, &["http", "https"], "such as \"https://files.example.org\"")?;
    Ok(text.trim_end_matches('/').to_string())
}

/// A name under which a gateway may be asked, in lower case; or `*`.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match text == "*" || (text.len() <= 253 && text.chars().all(valid)) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!(
            "{text:?} is not a host name: write names without scheme and port, such as \"files.example.org\", or \"*\" for any"
        )),
    }
}

/// An origin as browsers write it, without the port that its scheme has anyway; or `*`.
pub(super) fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_string());
    }
    let example = "such as \"https://portal.example.org\", or \"*\" for any";
    let url = parse_url(text, &["http", "https"], example)?;
    match url.path() {
        "/" => Ok(url.origin().ascii_serialization()),
        path => Err(format!("a path (`{path}`) has no meaning in an origin: end it after the host or port")),
    }
}

fn parse_url(text: &str, schemes: &[&str], example: &str) -> Result<Url, String> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Err(format!("it must begin with http://, {example}"));
    };
    if !schemes.contains(&scheme) {
        return Err(match scheme {
            "https" => "https is not spoken between peers: write http:// (and keep them on a network that \
                        you trust)"
                .to_string(),
            _ => format!("`{scheme}://` is not understood: write http://, {example}"),
        });
    }
    let url = Url::parse(text).map_err(|error| format!("it is not a URL ({error}): write one, {example}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user name or password has no meaning here: leave it out".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a `?` or `#` part has no meaning here: leave it out".into());
    }
    Ok(url)
}

/// How a peer finds the host that it advertises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advertise {
    /// Worked out from the routes of this machine.
    Auto,
    /// This address or host name.
    Host(String),
    /// The address of this network interface.
    Interface(String),
    /// The address of this machine that lies in this network.
    Network(IpNet),
}

impl fmt::Display for Advertise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Advertise::Auto => f.write_str("auto"),
            Advertise::Host(host) => f.write_str(host),
            Advertise::Interface(name) => write!(f, "iface:{name}"),
            Advertise::Network(network) => write!(f, "cidr:{network}"),
        }
    }
}

impl FromStr for Advertise {
    type Err = String;

    fn from_str(text: &str) -> Result<Advertise, String> {
        if text == "auto" {
            return Ok(Advertise::Auto);
        }
        if let Some(name) = text.strip_prefix("iface:") {
            if name.is_empty() {
                return Err("it names no interface: write one, such as \"iface:eth0\"".into());
            }
            return Ok(Advertise::Interface(name.into()));
        }
        if let Some(network) = text.strip_prefix("cidr:") {
            return network.parse().map(Advertise::Network).map_err(|_| {
                format!("`{network}` is not a network: write one, such as \"cidr:10.77.0.0/24\"")
            });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            if address.is_unspecified() {
                return Err("nobody can dial an unspecified address: write \"auto\" or an address of this \
                            machine"
                    .into());
            }
            return Ok(Advertise::Host(address.to_string()));
        }
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if text.is_empty() || text.len() > 253 || !text.chars().all(valid) {
            return Err("it must be \"auto\", an address or a host name (without a port, which is in \
                        [ports]), \"iface:NAME\" or \"cidr:NETWORK\""
                .into());
        }
        Ok(Advertise::Host(text.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_hosts_and_ports() {
        for (text, shown) in [
            ("http://10.0.0.4:7300", "10.0.0.4:7300"),
            ("http://tasks.peer:7300/", "tasks.peer:7300"),
            ("http://[::1]:7300", "[::1]:7300"),
            ("http://host:80", "host:80"),
        ] {
            assert_eq!(HostPort::from_url(text).unwrap().to_string(), shown);
        }
        assert_eq!("[fe80::1]:7".parse::<HostPort>().unwrap().url(), "http://[fe80::1]:7");
    }

    #[test]
    fn bad_urls_say_what_is_wrong() {
        for (text, word) in [
            ("10.0.0.4:7300", "http://"),
            ("https://10.0.0.4:7300", "https is not spoken"),
            ("ftp://10.0.0.4:7300", "ftp"),
            ("http://10.0.0.4:7300/api", "/api"),
            ("http://10.0.0.4", "no port"),
            ("http://10.0.0.4:0", "port 0"),
            ("http://10.0.0.4:99999", "port number"),
            ("http://0.0.0.0:7300", "unspecified"),
            ("http://a b:7300", "not a URL"),
            ("http://me:pw@host:7300", "password"),
            ("http://host:7300?x=1", "`?`"),
            ("http://", "not a URL"),
        ] {
            let error = HostPort::from_url(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn hosts_are_names_and_origins_are_as_browsers_write_them() {
        assert_eq!(host_name("Files.Example.org"), Ok("files.example.org".into()));
        assert_eq!((host_name("*"), origin("*")), (Ok("*".into()), Ok("*".into())));
        for bad in ["http://x", "x:8000", "a b", "*.example.org", "x/"] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
        for (text, shown) in [
            ("https://Portal.example.org/", "https://portal.example.org"),
            ("https://portal.example.org:443", "https://portal.example.org"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(origin(text).unwrap(), shown);
        }
        for bad in ["portal.example.org", "https://x/path", "https://x?q", "ftp://x", "https://me@x", "null"]
        {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn advertise_is_auto_a_host_an_interface_or_a_network() {
        assert_eq!("auto".parse(), Ok(Advertise::Auto));
        assert_eq!("Peer-1.example".parse(), Ok(Advertise::Host("peer-1.example".into())));
        assert_eq!("::1".parse(), Ok(Advertise::Host("::1".into())));
        assert_eq!("iface:eth0".parse(), Ok(Advertise::Interface("eth0".into())));
        assert!(matches!("cidr:10.0.0.0/8".parse(), Ok(Advertise::Network(_))));
        for bad in ["0.0.0.0", "::", "10.0.0.4:7300", "http://x", "iface:", "cidr:ten", ""] {
            assert!(bad.parse::<Advertise>().is_err(), "{bad}");
        }
    }
}
