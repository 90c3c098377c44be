//! The only place where the wire's vocabulary and the core's meet.
//!
//! What the core says always fits the wire (`From`); what comes in is checked field by field (`TryFrom`,
//! [`Question::into_core`], [`Answer::into_core`]): every list and text has a bound, identifiers have 20 bytes, a peer's
//! identifier is the SHA-1 of its address, and the key of a name is the SHA-1 of that name.

mod entries;
mod messages;
mod peers;
mod query;
mod requests;
mod responses;
mod sizes;

#[cfg(test)]
mod tests;

use chord::Id;

pub use entries::{file_of, named_entry};
pub use messages::{MAX_SOURCES, found, found_successor, group_by_content, publishing, receipt};
pub use requests::{Outgoing, Question, envelope};
pub use responses::{Answer, Mismatch};
pub use sizes::{Kind, request_len};

/// Peers in one list.
pub const MAX_PEERS: usize = 64;
/// Identifiers to avoid in one question.
pub const MAX_AVOID: usize = 32;
/// Keys in one message of entries.
pub const MAX_KEYS: usize = 1024;
/// Entries or sources in one message. Many files of one publisher may have one name, and all entries of a key
/// travel together.
pub const MAX_ENTRIES: usize = 16_384;
/// Arcs or digests in one message.
pub const MAX_DIGESTS: usize = 4096;
/// News of peers in one message.
pub const MAX_NEWS: usize = 256;
/// Parts of the ring of which there are digests.
pub const MAX_PARTS: usize = 256;
/// Entries that one question may ask for.
pub const MAX_READ: usize = 1000;
/// Bytes of a file's name.
pub const MAX_NAME: usize = 255;
/// Bytes of a name as search sees it, and of a word of it: some single characters stand for whole words.
pub const MAX_TEXT: usize = 12 * MAX_NAME;
/// Bytes of a file's path.
pub const MAX_PATH: usize = 4096;
/// Bytes of `host:port`: a name of 253 bytes, or an address in brackets, and the port.
pub const MAX_ADDRESS: usize = 261;
/// Bytes of a service's URL.
pub const MAX_URL: usize = 512;
/// Characters of a peer's name.
pub const MAX_PEER_NAME: usize = 64;
/// Bytes of a ring's name.
pub const MAX_RING: usize = 64;

/// Terms of a query.
pub const MAX_TERMS: usize = 32;
/// Words of a phrase: as many as a name can have.
pub const MAX_PHRASE: usize = 256;
/// Bytes of a pattern.
pub const MAX_PATTERN: usize = 512;

/// A message that no peer of this program would send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is malformed: {why}")]
pub struct Malformed {
    /// The field, as the .proto files name it.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

fn malformed(field: &'static str, why: impl Into<String>) -> Malformed {
    Malformed { field, why: why.into() }
}

/// An identifier: 20 bytes.
pub fn id(bytes: &[u8], field: &'static str) -> Result<Id, Malformed> {
    let bytes: [u8; 20] =
        bytes.try_into().map_err(|_| malformed(field, format!("it has {} bytes, not 20", bytes.len())))?;
    Ok(Id::from_bytes(bytes))
}

fn optional_id(bytes: &[u8], field: &'static str) -> Result<Option<Id>, Malformed> {
    if bytes.is_empty() { Ok(None) } else { id(bytes, field).map(Some) }
}

fn bytes(id: Id) -> Vec<u8> {
    id.to_bytes().to_vec()
}

/// A message-valued field that has to be there.
fn required<T>(value: Option<T>, field: &'static str) -> Result<T, Malformed> {
    value.ok_or_else(|| malformed(field, "it is missing"))
}

fn at_most(count: usize, most: usize, field: &'static str) -> Result<(), Malformed> {
    if count > most {
        return Err(malformed(field, format!("{count} elements, at most {most} are allowed")));
    }
    Ok(())
}

/// Every element of a bounded list.
fn list<W, C>(wire: Vec<W>, most: usize, field: &'static str) -> Result<Vec<C>, Malformed>
where
    C: TryFrom<W, Error = Malformed>,
{
    at_most(wire.len(), most, field)?;
    wire.into_iter().map(C::try_from).collect()
}

/// A bounded text.
fn text(value: String, most: usize, field: &'static str) -> Result<std::sync::Arc<str>, Malformed> {
    if value.len() > most {
        return Err(malformed(field, format!("{} bytes, at most {most} are allowed", value.len())));
    }
    Ok(value.into())
}
