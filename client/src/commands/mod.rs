//! One file per command. Each returns the exit code of a program that did what was asked.

pub mod echo;
pub mod find;
pub mod fingers;
pub mod get;
pub mod lookup;
pub mod ls;
pub mod node;
pub mod packaging;
pub mod put;
pub mod ring;
pub mod ring_check;

use chord_client::{Address, ClientError};
use chordial_proto::chord_v1::{FindResponse, Source};

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

/// The transfer port that `peer` has published.
///
/// # Errors
/// [`ClientError::Failed`] where that is not an address.
pub fn transfer_port(published: &str, peer: &str) -> Result<Address, ClientError> {
    published.parse().map_err(|_| {
        ClientError::Failed(format!(
            "{peer} publishes {published:?} as its transfer port, which is not an address"
        ))
    })
}
