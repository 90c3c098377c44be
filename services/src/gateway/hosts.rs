//! To whom a request is addressed. A page of a foreign name that its owner lets point to this machine (DNS rebinding)
//! would be of this gateway's own origin for a browser; so a request for a name that is not this peer's is refused.

use std::net::IpAddr;

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Version};

use super::problem::{Kind, Problem};
use super::request::Line;

/// The names under which this gateway may be asked.
#[derive(Debug)]
pub struct Hosts {
    any: bool,
    names: Vec<String>,
}

impl Hosts {
    /// Beside those that cannot be foreign, these names; `*` is any.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<String> = names.into_iter().map(|name| normal(&name)).collect();
        Self { any: names.iter().any(|name| name == "*"), names }
    }

    /// Whom the request names: in its target, else in `Host`. None: HTTP/1.0 does without.
    ///
    /// # Errors
    /// [`Kind::BadRequest`] where it names none, several, or no host at all; [`Kind::Misdirected`] where that is not
    /// this peer.
    pub fn check(&self, line: &Line, headers: &HeaderMap) -> Result<Option<Authority>, Problem> {
        let bad = |detail| Err(Problem::new(Kind::BadRequest, detail));
        let mut fields = headers.get_all(HOST).iter();
        let authority = match (line.target.authority(), fields.next(), fields.next()) {
            (_, _, Some(_)) => return bad("The request has more than one Host header; send one."),
            (Some(authority), Some(_), None) => authority.clone(),
            (None, Some(host), None) => match Authority::try_from(host.as_bytes()) {
                Ok(authority) if !authority.as_str().contains('@') => authority,
                _ => return bad("The Host header of this request is no host with an optional port."),
            },
            (_, None, None) if line.version > Version::HTTP_10 => {
                return bad("The request has no Host header; send the one of this gateway's address.");
            }
            (authority, None, None) => match authority {
                Some(authority) => authority.clone(),
                None => return Ok(None),
            },
        };
        if self.knows(authority.host()) {
            return Ok(Some(authority));
        }
        let detail = format!(
            "This gateway is not {:?}. Ask for it by its address or its own name; whoever runs it can let it \
             answer for this name, too, by the key gateway.hosts.",
            authority.host()
        );
        Err(Problem::new(Kind::Misdirected, detail))
    }

    /// Addresses cannot be rebound, `localhost` is this machine, and names without a dot are not public: those of
    /// containers, and of machines of one's own network.
    fn knows(&self, host: &str) -> bool {
        let name = normal(host);
        let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
        let private = !name.contains('.') && !name.contains(':') && !name.is_empty();
        self.any
            || private
            || literal.parse::<IpAddr>().is_ok()
            || name.ends_with(".localhost")
            || self.names.contains(&name)
    }
}

/// As names are compared: in lower case, without the dot of the root.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Uri;

    fn asked(hosts: &Hosts, version: Version, target: Option<&str>, fields: &[&str]) -> Result<(), Kind> {
        let target = target.map_or("/".to_owned(), |target| format!("http://{target}/"));
        let line = Line { version, target: target.parse::<Uri>().unwrap() };
        let headers = fields.iter().map(|field| (HOST, field.parse().unwrap())).collect();
        hosts.check(&line, &headers).map(|_| ()).map_err(|problem| problem.kind())
    }

    #[test]
    fn only_own_names_are_answered_for() {
        let hosts = Hosts::new(["Files.example.org".to_owned(), "p1.lan.".to_owned()]);
        let of = |host: &str| asked(&hosts, Version::HTTP_11, None, &[host]);
        for host in [
            "127.0.0.1:8000",
            "10.0.0.4",
            "[::1]:8000",
            "[fe80::1]",
            "localhost",
            "LOCALHOST:80",
            "localhost.",
            "p1.localhost",
            "p1-gateway:8000",
            "files.EXAMPLE.org",
            "files.example.org.:8000",
            "p1.lan",
        ] {
            assert_eq!(of(host), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "example.org",
            "x.files.example.org",
            "127.0.0.1.evil.example:8000",
            "localhost.evil",
            "127.1",
            "notlocalhost.org",
            "p1.lan..",
            "2130706433.x",
        ] {
            assert_eq!(of(host), Err(Kind::Misdirected), "{host}");
        }
        for host in ["", " ", "me@localhost", "a b", "localhost/x", "http://localhost"] {
            assert_eq!(of(host), Err(Kind::BadRequest), "{host:?}");
        }
        let any = Hosts::new(["*".to_owned()]);
        assert_eq!(asked(&any, Version::HTTP_11, None, &["evil.example"]), Ok(()));
    }

    #[test]
    fn the_target_counts_before_the_header_and_one_of_them_must_be_there() {
        let hosts = Hosts::new([]);
        let new = Version::HTTP_11;
        assert_eq!(asked(&hosts, new, Some("localhost:1"), &["evil.example"]), Ok(()));
        assert_eq!(asked(&hosts, new, Some("evil.example"), &["localhost"]), Err(Kind::Misdirected));
        assert_eq!(asked(&hosts, new, None, &["localhost", "localhost"]), Err(Kind::BadRequest));
        assert_eq!(asked(&hosts, new, None, &[]), Err(Kind::BadRequest));
        assert_eq!(asked(&hosts, new, Some("localhost"), &[]), Err(Kind::BadRequest));
        assert_eq!(asked(&hosts, Version::HTTP_10, None, &[]), Ok(()));
    }
}
