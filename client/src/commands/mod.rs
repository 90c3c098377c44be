//! One file per command. Each returns the exit code of a program that did what was asked.

pub mod doctor;
pub mod echo;
pub mod find;
pub mod fingers;
pub mod get;
pub mod get_many;
pub mod lookup;
pub mod ls;
pub mod node;
pub mod packaging;
pub mod publish;
pub mod put;
pub mod ring;
pub mod ring_check;
pub mod schema;
pub mod search;
pub mod search_watch;
pub mod top;
pub mod watch;

use chord_client::ClientError;
use chordial_proto::chord_v1::{FindResponse, Source};

/// What goes on until Ctrl-C, which is no failure.
///
/// # Errors
/// As `endless`; where Ctrl-C can't be waited for.
async fn until_interrupted(
    endless: impl Future<Output = Result<u8, ClientError>>,
) -> Result<u8, ClientError> {
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => Ok(0),
            Err(error) => Err(ClientError::Failed(format!("cannot wait for Ctrl-C: {error}"))),
        },
        ended = endless => ended,
    }
}

/// The sources found, or why there are none.
///
/// # Errors
/// [`ClientError::NotFound`] where nobody has the file; [`ClientError::Failed`] where that is not certain.
fn somebody(found: &FindResponse, name: &str) -> Result<Vec<Source>, ClientError> {
    match (found.sources.is_empty(), found.complete) {
        (false, _) => Ok(found.sources.clone()),
        (true, true) => Err(ClientError::NotFound(format!("nobody shares a file named {name:?}"))),
        (true, false) => Err(ClientError::Failed(format!(
            "no peer that answered shares a file named {name:?}, but some did not answer; ask again in a moment"
        ))),
    }
}
