//! The chord microservice: ring, index and node over gRPC. A handler decides nothing: it converts, asks the
//! node through its [`Handle`], and converts back.

mod agreement;
mod copies;
mod diagnose;
mod events;
mod feed;
mod files;
mod index;
mod invariants;
mod named;
mod names;
mod node;
mod progress;
mod ring;
mod scan;
mod search;
mod standing;
mod walk;

#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use chord::{LostReason, Rejection, Status as Standing};
use chord_client::ServiceHosts;
use chordial_proto::chord_v1::chord_service_server::{self, ChordServiceServer};
use chordial_proto::chord_v1::index_service_server::{self, IndexServiceServer};
use chordial_proto::chord_v1::node_service_server::{self, NodeServiceServer};
use chordial_proto::convert::{Answer, Malformed, Question};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::calls::{MAX_MESSAGE, RING_METADATA, VERSION_METADATA};
use crate::driver::{Handle, LookUpError, ServeError};
pub use diagnose::Facts;
pub use events::Events;
pub use feed::feed;
pub use progress::tell_progress;

/// The service name under which health checking says whether this peer is a member of the ring.
pub const HEALTH: &str = chord_service_server::SERVICE_NAME;

/// The full names of the services of the chord port.
pub const NAMES: [&str; 3] = [HEALTH, index_service_server::SERVICE_NAME, node_service_server::SERVICE_NAME];

/// Largest message that is taken in where no entries travel, in bytes. A message of many empty elements takes a
/// hundred times its size once it is decoded.
const MAX_SHORT_MESSAGE: usize = 64 << 10;

/// What the chord service needs besides the node.
#[derive(Clone, Debug)]
pub struct Options {
    /// This peer's own catalog service; connected when it is used.
    pub catalog: Channel,
    /// Deadline of a whole lookup.
    pub lookup_timeout: Duration,
    /// The program's version, as shown to people.
    pub version: String,
    /// Where another peer's catalog service may be dialled besides its own host.
    pub service_hosts: ServiceHosts,
    /// What happens in the network.
    pub events: Events,
    /// How this peer was set up.
    pub facts: Facts,
}

/// The services of the chord port, ready to be served. [`feed`], [`report_health`] and [`tell_progress`] belong to
/// them.
pub fn services(handle: Handle, options: Options) -> Routes {
    let Options { catalog, lookup_timeout, version, service_hosts, events, facts } = options;
    let ring = ring::Ring { handle: handle.clone(), lookup_timeout };
    let scans = scan::Scans::new(handle.clone());
    let searches = search::Searches::new(handle.clone(), scans.clone(), lookup_timeout);
    let standing = Arc::new(Semaphore::new(index::STANDING));
    let index = index::Index { handle: handle.clone(), lookup_timeout, scans, searches, standing };
    let diagnosis = diagnose::Diagnosis::new(handle.clone(), facts);
    let dial_backs = diagnose::DialBacks::default();
    let node = node::NodeApi { handle, catalog, version, service_hosts, events, diagnosis, dial_backs };
    Routes::new(ChordServiceServer::new(ring).max_decoding_message_size(MAX_SHORT_MESSAGE))
        .add_service(IndexServiceServer::new(index).max_decoding_message_size(MAX_MESSAGE))
        .add_service(NodeServiceServer::new(node).max_decoding_message_size(MAX_SHORT_MESSAGE))
}

/// Keeps health checking true until `cancel` is cancelled: ring and index serve while this peer is a member,
/// the node always.
pub async fn report_health(handle: Handle, health: HealthReporter, cancel: CancellationToken) {
    let [ring, index, node] = NAMES;
    health.set_service_status(node, ServingStatus::Serving).await;
    let mut status = handle.status();
    loop {
        let serving = match *status.borrow_and_update() {
            Standing::Member => ServingStatus::Serving,
            Standing::Joining | Standing::Leaving => ServingStatus::NotServing,
        };
        health.set_service_status(ring, serving).await;
        health.set_service_status(index, serving).await;
        tokio::select! {
            () = cancel.cancelled() => break,
            changed = status.changed() => if changed.is_err() { break },
        }
    }
    for name in NAMES {
        health.set_service_status(name, ServingStatus::NotServing).await;
    }
}

/// Answers one request of another peer.
async fn answer<Q: Question, A: Answer>(handle: &Handle, request: Request<Q>) -> Result<Response<A>, Status> {
    let (envelope, request) = request.into_inner().into_core().map_err(invalid)?;
    let response = handle.serve(envelope, request).await.map_err(refusal)?;
    let message = A::of(response, &handle.me()).map_err(|mismatch| Status::internal(mismatch.to_string()))?;
    Ok(Response::new(message))
}

fn invalid(malformed: Malformed) -> Status {
    Status::invalid_argument(malformed.to_string())
}

/// As ring.proto says.
fn refusal(error: ServeError) -> Status {
    let rejection = match error {
        ServeError::Rejected(rejection) => rejection,
        ServeError::Overloaded => return exhausted("too many requests wait already"),
        ServeError::Stopped => return stopped(),
    };
    match rejection {
        Rejection::Busy => Status::aborted("busy with an operation of its own: ask again in a moment"),
        Rejection::NotMember => Status::failed_precondition("not the member of the ring that was meant"),
        Rejection::WrongRing(ring) => {
            let mut status = Status::permission_denied(format!("this peer is of ring {ring:?}"));
            if let Ok(value) = MetadataValue::try_from(&*ring) {
                status.metadata_mut().insert(RING_METADATA, value);
            }
            status
        }
        Rejection::WrongVersion(version) => {
            let mut status =
                Status::permission_denied(format!("this peer speaks version {version} of the protocol"));
            status.metadata_mut().insert(VERSION_METADATA, version.into());
            status
        }
    }
}

/// This peer has too much to do; with gRPC's own hint when to ask again.
fn exhausted(why: &str) -> Status {
    let mut status = Status::resource_exhausted(why);
    status.metadata_mut().insert("grpc-retry-pushback-ms", MetadataValue::from_static("1000"));
    status
}

fn stopped() -> Status {
    Status::unavailable("this peer is stopping")
}

/// What a person hears of a lookup without a result.
async fn lost(handle: &Handle, error: LookUpError) -> Status {
    let words = error.to_string();
    match error {
        LookUpError::Overloaded => exhausted(&words),
        LookUpError::Stopped => Status::unavailable(words),
        LookUpError::Lost(lost) => match lost.reason {
            LostReason::TimedOut => Status::deadline_exceeded(words),
            LostReason::NoWay => Status::unavailable(words),
            LostReason::NotMember => {
                let trouble = handle.snapshot().await.map(|node| node.trouble).unwrap_or_default();
                let words = if trouble.is_empty() { words } else { format!("{words}: {trouble}") };
                Status::failed_precondition(words)
            }
        },
    }
}
