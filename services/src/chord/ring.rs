//! ChordService: membership and routing.

use std::time::{Duration, Instant};

use chord::{Id, Read};
use chordial_proto::chord_v1::chord_service_server::ChordService;
use chordial_proto::chord_v1::find_successor_request::Target;
use chordial_proto::chord_v1::*;
use chordial_proto::convert;
use tonic::{Request, Response, Status};

use super::{answer, invalid, lost};
use crate::chord::index::key_of;
use crate::driver::Handle;

/// Handlers of ChordService.
pub(super) struct Ring {
    pub(super) handle: Handle,
    pub(super) lookup_timeout: Duration,
}

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ChordService for Ring {
    async fn join(&self, request: Request<JoinRequest>) -> Answered<JoinResponse> {
        answer(&self.handle, request).await
    }

    async fn stabilize(&self, request: Request<StabilizeRequest>) -> Answered<StabilizeResponse> {
        answer(&self.handle, request).await
    }

    async fn notify(&self, request: Request<NotifyRequest>) -> Answered<NotifyResponse> {
        answer(&self.handle, request).await
    }

    async fn poke(&self, request: Request<PokeRequest>) -> Answered<PokeResponse> {
        answer(&self.handle, request).await
    }

    async fn reunite(&self, request: Request<ReuniteRequest>) -> Answered<ReuniteResponse> {
        answer(&self.handle, request).await
    }

    async fn gossip(&self, request: Request<GossipRequest>) -> Answered<GossipResponse> {
        answer(&self.handle, request).await
    }

    async fn contacts(&self, request: Request<ContactsRequest>) -> Answered<ContactsResponse> {
        answer(&self.handle, request).await
    }

    async fn ping(&self, request: Request<PingRequest>) -> Answered<PingResponse> {
        answer(&self.handle, request).await
    }

    async fn relay(&self, request: Request<RelayRequest>) -> Answered<RelayResponse> {
        answer(&self.handle, request).await
    }

    async fn relayed(&self, request: Request<RelayedRequest>) -> Answered<RelayedResponse> {
        answer(&self.handle, request).await
    }

    async fn notify_for(&self, request: Request<NotifyForRequest>) -> Answered<NotifyForResponse> {
        answer(&self.handle, request).await
    }

    async fn leave(&self, request: Request<LeaveRequest>) -> Answered<LeaveResponse> {
        answer(&self.handle, request).await
    }

    async fn next_hop(&self, request: Request<NextHopRequest>) -> Answered<NextHopResponse> {
        answer(&self.handle, request).await
    }

    async fn find_successor(
        &self,
        request: Request<FindSuccessorRequest>,
    ) -> Answered<FindSuccessorResponse> {
        let (name, key) = match request.into_inner().target {
            Some(Target::Key(bytes)) => (String::new(), convert::id(&bytes, "key").map_err(invalid)?),
            Some(Target::Name(name)) => key_of(&name)?,
            None => return Err(Status::invalid_argument("target is missing: give a key or a name")),
        };
        let found = find(&self.handle, key, Read::Nothing, self.lookup_timeout).await?;
        Ok(Response::new(convert::found_successor(self.handle.me(), name, found.0, found.1)))
    }
}

/// A lookup, and how many microseconds it took.
pub(super) async fn find(
    handle: &Handle,
    key: Id,
    read: Read,
    within: Duration,
) -> Result<(chord::Found, u64), Status> {
    let start = Instant::now();
    match handle.look_up(key, read, within).await {
        Ok(found) => Ok((found, u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX))),
        Err(error) => Err(lost(handle, error).await),
    }
}
