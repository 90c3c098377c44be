//! DialBack: another peer wants to know whether it is reached from here. Only members of the ring are dialled, each at
//! its own address and seldom: whoever asks cannot have this peer look for open ports.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use chord::{Id, Peer};
use chordial_proto::chord_v1::{DialBackRequest, DialBackResponse};
use tokio::time::Instant;
use tonic::Status;

use super::super::{exhausted, invalid, stopped};
use super::{ONE, PAUSE, dial};
use crate::driver::Handle;

/// Peers dialled within [`PAUSE`].
const DIALS: usize = 16;
/// The same peer within [`PAUSE`].
const SAME: usize = 2;

/// Who was dialled lately.
#[derive(Debug, Default)]
pub(in super::super) struct DialBacks(Mutex<VecDeque<(Id, Instant)>>);

impl DialBacks {
    /// Dials whoever asks.
    pub(in super::super) async fn dial(
        &self,
        handle: &Handle,
        request: DialBackRequest,
    ) -> Result<DialBackResponse, Status> {
        let peer = request.peer.ok_or_else(|| Status::invalid_argument("DialBackRequest.peer is missing"))?;
        let peer = Peer::try_from(peer).map_err(invalid)?;
        let known = handle.peers().await.ok_or_else(stopped)?;
        if !known.alive.iter().any(|other| other.id == peer.id) {
            return Err(Status::failed_precondition(format!(
                "{} is not known as a member of the ring at {}, and only members are dialled back",
                peer.address,
                handle.me().name
            )));
        }
        if !self.allows(peer.id, Instant::now()) {
            return Err(exhausted("peers were dialled back too often within the last second"));
        }
        Ok(DialBackResponse { reach: Some(dial::is(&peer, &peer.address, ONE).await) })
    }

    fn allows(&self, peer: Id, now: Instant) -> bool {
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while lately.front().is_some_and(|(_, at)| now.duration_since(*at) >= PAUSE) {
            lately.pop_front();
        }
        let allowed = lately.len() < DIALS && lately.iter().filter(|(id, _)| *id == peer).count() < SAME;
        if allowed {
            lately.push_back((peer, now));
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_and_all_together_are_dialled_only_so_often() {
        let (dials, now) = (DialBacks::default(), Instant::now());
        let allowed = |number: u64| dials.allows(Id::from(number), now);
        assert_eq!([allowed(1), allowed(1), allowed(1)], [true, true, false]);
        let others = (2..100).filter(|number| allowed(*number)).count();
        assert_eq!(others, DIALS - SAME);
        assert!(dials.allows(Id::from(1), now + PAUSE), "a second later");
    }
}
