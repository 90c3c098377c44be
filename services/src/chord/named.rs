//! Another peer by its name or identifier: asked straight away where this peer knows it, else looked for round the
//! ring.

use std::collections::BTreeMap;
use std::time::Duration;

use chord::{Id, Peer};
use chordial_proto::chord_v1::NodeInfo;
use tonic::Status;

use super::node::info;
use super::walk;
use crate::driver::{Handle, Snapshot};

/// Deadline of the answer of a peer that is known.
const WITHIN: Duration = Duration::from_secs(1);

/// The state of the peer of this name or hexadecimal identifier, asked at its own address.
///
/// # Errors
/// NOT_FOUND where no such peer answers, INVALID_ARGUMENT where several have the name.
pub(super) async fn node(
    handle: &Handle,
    own: Snapshot,
    version: &str,
    wanted: &str,
) -> Result<NodeInfo, Status> {
    match known(&own, wanted) {
        Some(peer) if peer.id == own.me.id => return Ok(info(own, version)),
        Some(peer) => {
            let answer = handle.calls().node(&peer.address, WITHIN).await;
            let is_it = |node: &NodeInfo| {
                let id = node.peer.as_ref().map(|peer| peer.id.as_slice());
                id == Some(&peer.id.to_bytes()[..]) && node.ring == **handle.ring()
            };
            if let Some(node) = answer.ok().filter(is_it) {
                return Ok(node);
            }
        }
        None => {}
    }
    walk::around(handle, own, version).await.named(wanted)
}

/// Whether a peer is meant by its name or hexadecimal identifier.
pub(super) fn meant(wanted: &str) -> impl Fn(&&Peer) -> bool {
    let id: Option<Id> = wanted.parse().ok();
    move |peer| &*peer.name == wanted || Some(peer.id) == id
}

/// The one peer that is meant, where this peer knows it and no other one of the name.
fn known(own: &Snapshot, wanted: &str) -> Option<Peer> {
    let neighbors = own.predecessor.iter().chain(&own.successors).chain(&own.contacts);
    let all = neighbors.chain(own.fingers.iter().map(|(_, peer)| peer)).chain([&own.me]);
    let fitting = all.filter(meant(wanted));
    let mut fitting: BTreeMap<Id, &Peer> = fitting.map(|peer| (peer.id, peer)).collect();
    let (_, only) = fitting.pop_first()?;
    fitting.is_empty().then(|| only.clone())
}
