//! Why an upload was not taken, as gRPC says it. Where several reasons share a code, [`REASON`] tells them apart.
//! What to do about it is said here only where it is the same for every kind of caller.
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use super::room::NoRoom;
use crate::config::size_text;
use crate::shared_dir::{SharedPath, StoreError, shorten};

/// The metadata key under which a RESOURCE_EXHAUSTED names its reason: one of the constants below.
pub const REASON: &str = "chordial-reason";
/// Too many uploads at once.
pub const BUSY: &str = "busy";
/// Larger than one upload may be.
pub const TOO_LARGE: &str = "too-large";
/// Over the quota, or the disk is full.
pub const NO_ROOM: &str = "no-room";

fn exhausted(reason: &'static str, message: String) -> Status {
    let mut status = Status::new(Code::ResourceExhausted, message);
    status.metadata_mut().insert(REASON, MetadataValue::from_static(reason));
    status
}

pub(super) fn off(peer: &str) -> Status {
    Status::permission_denied(format!(
        "{peer} takes no uploads: its configuration has transfer.uploads = false"
    ))
}

pub(super) fn busy(peer: &str, most: usize) -> Status {
    let message = format!(
        "{peer} already takes {most} uploads, as many as it may (transfer.max_uploads); try again in a few seconds"
    );
    exhausted(BUSY, message)
}

pub(super) fn too_large(peer: &str, most: u64) -> Status {
    let message = format!(
        "the file is larger than {peer} takes: at most {} (transfer.max_upload_size)",
        size_text(most)
    );
    exhausted(TOO_LARGE, message)
}

pub(super) fn no_room(peer: &str, why: &NoRoom) -> Status {
    let message = format!(
        "the file does not fit into the shared directory of {peer}: it holds {} of at most {} \
         (transfer.upload_quota)",
        size_text(why.used),
        size_text(why.quota)
    );
    exhausted(NO_ROOM, message)
}

pub(super) fn not_the_bytes(path: &SharedPath, why: &str) -> Status {
    Status::data_loss(format!("{:?} was not stored: {why}", shorten(path.as_str())))
}

/// What is there is not what was to be replaced.
pub(super) fn other(peer: &str, path: &SharedPath) -> Status {
    let shown = shorten(path.as_str());
    Status::aborted(format!("what {peer} has at {shown:?} is not the file that was to be replaced"))
}

pub(super) fn stalled(path: &SharedPath) -> Status {
    Status::deadline_exceeded(format!(
        "the upload of {:?} was ended because its bytes did not come in time; send it again",
        shorten(path.as_str())
    ))
}

pub(super) fn of_store(peer: &str, path: &SharedPath, error: &StoreError) -> Status {
    let shown = shorten(path.as_str());
    match error {
        StoreError::Exists => Status::already_exists(format!("{peer} has a file at {shown:?}")),
        StoreError::Other => other(peer, path),
        StoreError::Taken(what) => Status::failed_precondition(format!(
            "{shown:?} can't be stored at {peer}: {what}; choose another path"
        )),
        StoreError::Full => exhausted(NO_ROOM, format!("the disk of {peer} is full")),
        StoreError::NotWritable(e) => {
            tracing::warn!(path = %path, error = %e, "an upload can't be written; check the directory's permissions");
            Status::permission_denied(format!("{peer} may not write to its shared directory"))
        }
        StoreError::Io(e) if e.kind() == std::io::ErrorKind::InvalidFilename => Status::invalid_argument(
            format!("{shown:?} is no name for the file system of {peer}; shorten it"),
        ),
        StoreError::Directory(e) | StoreError::Io(e) => {
            tracing::warn!(path = %path, error = %e, "an upload could not be stored");
            Status::internal(format!("{shown:?} could not be stored at {peer} ({e}); try again"))
        }
    }
}
