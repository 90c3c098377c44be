//! What happens to the node, in words for the log.

use chord::Event;

pub(super) fn log(event: &Event) {
    match event {
        Event::Founded => tracing::info!("founded a ring"),
        Event::Joined(peer) => tracing::info!("joined the ring behind {peer}"),
        Event::CannotJoin(why) => tracing::warn!("cannot join: {why}"),
        Event::Renumbered(peer) => {
            tracing::warn!(
                "goes on with incarnation {}: others knew a higher one than its own",
                peer.incarnation
            )
        }
        Event::Successor(Some(peer)) => tracing::debug!("{peer} follows now"),
        Event::Successor(None) => tracing::info!("stands alone: no other peer is known"),
        Event::Predecessor(peer) => tracing::debug!("{peer} stands before this peer now"),
        Event::Suspected(peer) => tracing::info!("{peer} does not answer"),
        Event::Recovered(peer) => tracing::info!("{peer} answers again"),
        Event::GivenUp(peer) => tracing::info!("gave up {peer}"),
        Event::HasLeft(peer) => tracing::info!("{peer} has left the ring"),
        Event::Full(peer, most) => tracing::warn!(
            "{peer} keeps no more of this peer's entries ({most} are the most there): some files are not found by name \
             or word; share fewer, or raise index.quota there"
        ),
        Event::LeaseExpired(peer) => tracing::info!("the lease of {peer} ran out: its entries are gone"),
    }
}
