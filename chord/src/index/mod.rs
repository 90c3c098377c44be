//! The index: who publishes which files, kept under leases by the peers responsible for their keys.
//!
//! One writer per entry: only the publisher of a file states its entries, numbering its changes in one
//! sequence per incarnation, so copies never conflict. A keeper holds a publisher's entries as long as
//! that publisher renews its lease there.

mod arc;
mod entry;
mod keeper;
mod maintenance;
mod publisher;
mod publishing;

pub use arc::{ArcAnswer, ArcDigest, Digest, KeptArc};
pub use entry::{Entry, File, Kind, Reading, Source};
pub use keeper::{Batch, Keeper, KeptBatch, KeptKey, PublisherDigest};
pub(crate) use maintenance::HandOver;
pub use publisher::{Publisher, Sent};
