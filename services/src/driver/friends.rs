//! From configured friends to addresses: a name with several addresses (`tasks.peer`) means all of them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chord::Peer;

use crate::config::HostPort;

/// How long looking up one name may take.
const LOOKUP: Duration = Duration::from_secs(2);
/// Addresses of one name at most.
const ADDRESSES: usize = 64;

/// The friends to ask. A name with one address stays a name, which is resolved anew at each dial; one with
/// several becomes a friend for each, `me` left out; one that means nobody but `me` stays, and is found to be `me`
/// when it is dialled.
pub(super) async fn resolve(me: &Peer, friends: Vec<Peer>) -> Vec<Peer> {
    let own = if any_name(&friends) { addresses(&me.address).await } else { Vec::new() };
    let mut resolved = Vec::new();
    for friend in friends {
        let several = match name(&friend.address) {
            Some(_) => addresses(&friend.address).await,
            None => Vec::new(),
        };
        if several.len() < 2 {
            resolved.push(friend);
            continue;
        }
        resolved.extend(others(friend, &several, &own));
    }
    resolved
}

/// A friend for each of its addresses that is not `own`; without any, the friend itself.
fn others(friend: Peer, several: &[SocketAddr], own: &[SocketAddr]) -> Vec<Peer> {
    let others = several.iter().filter(|address| !own.contains(address));
    let others: Vec<Peer> = others.map(|address| Peer::stranger(&address.to_string())).collect();
    if others.is_empty() { vec![friend] } else { others }
}

/// Whether any of the friends is given by name, and may thus become another one.
pub(super) fn any_name(friends: &[Peer]) -> bool {
    friends.iter().any(|friend| name(&friend.address).is_some())
}

/// The host of `host:port` where it is a name.
fn name(address: &str) -> Option<String> {
    let host = address.parse::<HostPort>().ok()?.host;
    host.parse::<IpAddr>().is_err().then_some(host)
}

async fn addresses(address: &str) -> Vec<SocketAddr> {
    let Ok(Ok(found)) = tokio::time::timeout(LOOKUP, tokio::net::lookup_host(address)).await else {
        return Vec::new();
    };
    let mut found: Vec<SocketAddr> = found.take(ADDRESSES).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_and_unknown_names_stay_as_they_are() {
        let me = Peer::stranger("127.0.0.1:7300");
        let friends = vec![Peer::stranger("127.0.0.1:7310"), Peer::stranger("no-such-peer.invalid:7300")];
        assert_eq!(resolve(&me, friends.clone()).await, friends);
    }

    #[test]
    fn a_name_that_means_nobody_else_stays_a_friend() {
        let [v4, v6, other] =
            ["10.0.0.1:7300", "[fd00::1]:7300", "10.0.0.2:7300"].map(|address| address.parse().unwrap());
        let friend = || Peer::stranger("p1:7300");
        assert_eq!(others(friend(), &[v4, v6], &[v4, v6]), [friend()]);
        assert_eq!(others(friend(), &[v4, v6, other], &[v4, v6]), [Peer::stranger("10.0.0.2:7300")]);
    }

    #[tokio::test]
    async fn a_name_never_becomes_this_peer_itself() {
        let me = Peer::stranger("127.0.0.1:7300");
        let resolved = resolve(&me, vec![Peer::stranger("localhost:7300")]).await;
        assert!(resolved.iter().all(|friend| friend.address != me.address), "{resolved:?}");
    }
}
