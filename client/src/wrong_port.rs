//! What stands at an address that is not a chord port, and where the chord port of that peer is.

use std::time::Duration;

use serde_json::Value;

use crate::address::{Address, CHORD_PORT};
use crate::client::Client;
use crate::error::ClientError;
use crate::rest;

/// The most that each attempt to find the right port may take, however patient the caller is.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same error, or where it looks as if `address` were not a chord port, one that says what is there and
/// names the right address if it can be found.
pub async fn explain(error: ClientError, address: &Address, timeout: Duration) -> ClientError {
    let within = timeout.min(PATIENCE);
    let grpc = match &error {
        ClientError::WrongService { .. } => true,
        ClientError::Unreachable { .. } => false,
        _ => return error,
    };
    let what = match gateway(address, within).await {
        Some(Some(chord)) => {
            format!("the gateway of a peer (REST). Its chord port is {chord}: --peer {chord}")
        }
        Some(None) => format!(
            "an HTTP server, not the chord port of a peer. --peer wants the chord port (by default {CHORD_PORT})"
        ),
        None if grpc => match sibling(address, within).await {
            Some(chord) => format!("another service of a peer. Its chord port is {chord}: --peer {chord}"),
            None => format!(
                "another gRPC service, such as a peer's catalog or transfer. --peer wants the chord port (by \
                 default {CHORD_PORT})"
            ),
        },
        None => return error,
    };
    ClientError::WrongService { address: address.to_string(), what }
}

/// Whether HTTP/1 is spoken there; and, if it is a gateway, the chord address that it gives.
async fn gateway(address: &Address, within: Duration) -> Option<Option<Address>> {
    let node = rest::get(address, "/api/v1/node", within).await.ok()?.body;
    let chord = node.as_ref().and_then(|node| node.pointer("/addresses/chord")).and_then(Value::as_str);
    Some(chord.and_then(|chord| chord.parse().ok()))
}

/// The chord address of the peer that has a service at `address`, looked for where configurations put it:
/// one or two ports below, or at the default. Only a peer that claims that service counts.
async fn sibling(address: &Address, within: Duration) -> Option<Address> {
    for port in [address.port().checked_sub(1), address.port().checked_sub(2), Some(CHORD_PORT)] {
        let Some(port) = port.filter(|port| *port != 0 && *port != address.port()) else { continue };
        let candidate = address.at_port(port);
        let Ok(client) = Client::connect(&candidate, within).await else { continue };
        let services = client.node().await.ok().and_then(|node| node.services).unwrap_or_default();
        let claimed = |url: &str| url.parse::<Address>().is_ok_and(|url| url.port() == address.port());
        if claimed(&services.catalog) || claimed(&services.transfer) {
            return Some(candidate);
        }
    }
    None
}
