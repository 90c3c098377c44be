//! Fresh connections, each for one question: a channel of the pool could live on where no new one gets through.

use std::io;
use std::time::{Duration, SystemTime};

use chord_client::{clock, reach};
use chordial_proto::chord_v1::node_service_client::NodeServiceClient;
use chordial_proto::chord_v1::{
    AskedPeer, Clock, DialBackRequest, GetNodeRequest, NodeInfo, Peer, Reach, ReachState,
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::service_fn;

use super::{ONE, unreached};
use crate::driver::Handle;

/// How long another peer may take to dial back: its own deadline, and the way there and back.
const DIAL_BACK: Duration = Duration::from_millis(1_800);

/// Asks the peer at `address` who it is and what time it has, and to dial this peer back.
pub(super) async fn ask(handle: &Handle, keys: Vec<&'static str>, address: String) -> AskedPeer {
    let (channel, node, clock) = match node(&address, ONE).await {
        Ok(answer) => answer,
        Err(reach) => return unreached(keys, address, reach),
    };
    let mut asked = AskedPeer {
        peer: node.peer,
        ring: node.ring,
        version: node.version,
        clock,
        ..unreached(keys, address, reach::of(ReachState::Reached, ""))
    };
    let me: Peer = handle.me().into();
    // A friend that is this peer itself.
    if asked.peer.as_ref().is_some_and(|peer| peer.id == me.id) {
        return asked;
    }
    let mut client = NodeServiceClient::new(channel);
    match timeout(DIAL_BACK, client.dial_back(DialBackRequest { peer: Some(me) })).await {
        Ok(Ok(answer)) => asked.dial_back = answer.into_inner().reach,
        Ok(Err(status)) if status.code() == Code::Unimplemented => {
            asked.dial_back_refused = "its program is older and cannot be asked that".into();
        }
        Ok(Err(status)) => asked.dial_back_refused = status.message().into(),
        Err(_) => asked.dial_back_refused = "it did not say in time".into(),
    }
    asked
}

/// Whether the peer that is meant, in whichever life, is at `address`.
pub(super) async fn is(meant: &chord::Peer, address: &str, within: Duration) -> Reach {
    let found = match node(address, within).await {
        Ok((_, node, _)) => node.peer.unwrap_or_default(),
        Err(reach) => return reach,
    };
    match found.id == meant.id.to_bytes() {
        true => reach::of(ReachState::Reached, ""),
        false => {
            reach::of(ReachState::Other, format!("another peer is there: {} ({})", found.name, found.address))
        }
    }
}

/// Whether a gRPC service that says it is well is at `address`.
pub(super) async fn healthy(address: &str, within: Duration) -> Reach {
    let ask = async {
        let channel = connect(address, within).await?;
        let answer = HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await;
        answer.map_err(|status| foreign(&status))
    };
    match timeout(within, ask).await {
        Ok(Ok(_)) => reach::of(ReachState::Reached, ""),
        Ok(Err(reach)) => reach,
        Err(_) => reach::silent(within),
    }
}

/// Who is at `address`, with the connection, and its clock where it tells the time.
async fn node(address: &str, within: Duration) -> Result<(Channel, NodeInfo, Option<Clock>), Reach> {
    let deadline = Instant::now() + within;
    let channel = connect(address, within).await?;
    let mut client = NodeServiceClient::new(channel.clone());
    let (began, here) = (Instant::now(), SystemTime::now());
    let answer = timeout_at(deadline, client.get_node(GetNodeRequest::default())).await;
    let answer = answer.map_err(|_| reach::silent(within))?.map_err(|status| foreign(&status))?;
    let clock = clock::compared(answer.get_ref().clock_ms, here, began.elapsed());
    let node = answer.into_inner().node;
    node.map(|node| (channel, node, clock))
        .ok_or_else(|| reach::of(ReachState::Other, "it says nothing about itself"))
}

async fn connect(address: &str, within: Duration) -> Result<Channel, Reach> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = endpoint.map_err(|error| reach::of(ReachState::Other, error.to_string()))?;
    let mut stream = Some(TokioIo::new(reach::open(address, within).await?));
    let once = service_fn(move |_: Uri| {
        let stream = stream.take().ok_or_else(|| io::Error::other("it ended the connection"));
        async move { stream }
    });
    match timeout(within, endpoint.connect_with_connector(once)).await {
        Ok(connected) => connected.map_err(|error| reach::of(ReachState::Other, error.to_string())),
        Err(_) => Err(reach::silent(within)),
    }
}

/// What listens there is not what was looked for.
fn foreign(status: &Status) -> Reach {
    let why = match (status.code(), status.message()) {
        (Code::Unimplemented, _) => "another service answers there",
        (_, "") => "what listens there gives no answer",
        (_, message) => message,
    };
    reach::of(ReachState::Other, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_peer_is_told_from_silence() {
        let within = Duration::from_millis(300);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let reach = node(&address, within).await.unwrap_err();
        assert_eq!(reach.state(), ReachState::Silent, "{reach:?}");
        drop(listener);
        assert_eq!(healthy(&address, within).await.state(), ReachState::Refused);
    }
}
