//! The index: who publishes which files, kept under leases by the peers responsible for their keys.
//!
//! One writer per entry: only the publisher of a file states its entries, numbering its changes in one
//! sequence per incarnation, so copies never conflict. A keeper holds a publisher's entries as long as
//! that publisher renews its lease there.

mod arc;
mod entry;
mod keeper;
mod listing;
mod maintenance;
mod publisher;
mod publishing;
mod query;
mod reading;
mod text;

pub use arc::{ArcAnswer, ArcDigest, Digest, KeptArc, Verdict};
pub use entry::{File, Reading, Source, Statement};
pub use keeper::{Batch, Keeper, KeptBatch, KeptKey, PublisherDigest, Room};
pub use listing::Listing;
pub(crate) use maintenance::HandOver;
pub use publisher::{Progress, Publisher, Receipt, Sent};
pub use query::{List, Place, Query, Search, Term, What};
pub use text::{GROUP, SEAM, Text, group_arc, is_ideographic, is_word_char, word_key};
