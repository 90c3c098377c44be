//! How far a peer's own files are published.

use chordial_proto::chord_v1;
use serde::{Deserialize, Serialize};

use super::names;

/// How far all of a peer's files are published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublishingView {
    /// Its files.
    pub files: u64,
    /// The keys of their names and words.
    pub keys: u64,
    /// Those of them that all of their keepers have acknowledged.
    pub acknowledged: u64,
    /// Names of keepers that take no more, as this peer's share there is used up.
    pub refusing: Vec<String>,
    /// For how long the oldest renewal has been due, in seconds, rounded up; 0: none is late.
    pub late_seconds: u64,
}

impl From<chord_v1::Publishing> for PublishingView {
    fn from(publishing: chord_v1::Publishing) -> Self {
        Self {
            files: publishing.files,
            keys: publishing.keys,
            acknowledged: publishing.acknowledged,
            refusing: names(publishing.refusing),
            late_seconds: publishing.late_ms.div_ceil(1000),
        }
    }
}

/// Who keeps the entry of one name, as far as its publisher knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiptView {
    /// The file's base name.
    pub name: String,
    /// Names of the keepers that have acknowledged it.
    pub keepers: Vec<String>,
    /// Names of those that have not yet; with no keepers either: nobody knows yet who keeps it.
    pub pending: Vec<String>,
}

impl ReceiptView {
    /// Whether all that should keep it do.
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty() && !self.keepers.is_empty()
    }
}

/// `GET /api/v1/published` and `/api/v1/published/{name}`: how far this peer's files are published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublishedView {
    /// All of them.
    #[serde(flatten)]
    pub publishing: PublishingView,
    /// The one asked about; none where no name was given.
    pub receipts: Vec<ReceiptView>,
}

impl From<chord_v1::GetPublishedResponse> for PublishedView {
    fn from(published: chord_v1::GetPublishedResponse) -> Self {
        let receipt = |receipt: chord_v1::Receipt| ReceiptView {
            name: receipt.name,
            keepers: names(receipt.keepers),
            pending: names(receipt.pending),
        };
        Self {
            publishing: published.publishing.unwrap_or_default().into(),
            receipts: published.receipts.into_iter().map(receipt).collect(),
        }
    }
}
