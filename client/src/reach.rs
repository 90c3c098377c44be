//! Whether an address can be dialled, and if not, what became of it: a name without an address, a port where nobody
//! listens, and silence each have another cause.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use chordial_proto::chord_v1::{Reach, ReachState};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;

/// The addresses of `host:port`, some of them where there are many, found within the time.
///
/// # Errors
/// There are none: [`ReachState::UnknownName`], or silence.
pub async fn addresses(authority: &str, within: Duration) -> Result<Vec<SocketAddr>, Reach> {
    let found = tokio::time::timeout(within, lookup_host(authority)).await;
    let found = found.map_err(|_| of(ReachState::Silent, "the host's name was not looked up in time"))?;
    let found = found.map_err(|error| of(ReachState::UnknownName, error.to_string()))?;
    let found: Vec<SocketAddr> = found.take(ADDRESSES).collect();
    match found.is_empty() {
        true => Err(of(ReachState::UnknownName, "")),
        false => Ok(found),
    }
}

/// A connection to `host:port`, made within the time.
///
/// # Errors
/// What became of it instead.
pub async fn open(authority: &str, within: Duration) -> Result<TcpStream, Reach> {
    let deadline = Instant::now() + within;
    let addresses = addresses(authority, within).await?;
    let mut refused = None;
    for address in addresses {
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => refused = refused.or(Some(error)),
            Err(_) => break,
        }
    }
    Err(refused.map_or_else(|| silent(within), |error| failed(&error, within)))
}

/// Nothing came within the time.
pub fn silent(within: Duration) -> Reach {
    of(ReachState::Silent, format!("nothing within {}", humantime::format_duration(within)))
}

/// What became of it, and what is to be added.
pub fn of(state: ReachState, detail: impl Into<String>) -> Reach {
    Reach { state: state.into(), detail: detail.into() }
}

fn failed(error: &io::Error, within: Duration) -> Reach {
    match error.kind() {
        ErrorKind::ConnectionRefused => of(ReachState::Refused, ""),
        ErrorKind::TimedOut => silent(within),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown => {
            of(ReachState::NoRoute, "")
        }
        _ => of(ReachState::Other, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_port_and_an_unknown_name_are_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let within = Duration::from_secs(5);
        assert!(open(&address, within).await.is_ok());
        drop(listener);
        let closed = open(&address, within).await.expect_err("it is closed");
        assert_eq!(closed.state(), ReachState::Refused);
        let unknown = open("no-such-peer.invalid:7300", within).await.expect_err("there is no such name");
        assert!(matches!(unknown.state(), ReachState::UnknownName | ReachState::Silent), "{unknown:?}");
    }

    #[test]
    fn what_the_system_says_has_a_name() {
        let state = |kind| failed(&io::Error::from(kind), Duration::from_secs(1)).state();
        assert_eq!(state(ErrorKind::NetworkUnreachable), ReachState::NoRoute);
        assert_eq!(state(ErrorKind::TimedOut), ReachState::Silent);
        assert_eq!(state(ErrorKind::PermissionDenied), ReachState::Other);
    }
}
