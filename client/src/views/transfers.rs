//! What chord-cli says of files that it moved, or would move.

use serde::{Deserialize, Serialize};

/// `chord-cli get NAME`: what was downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GotView {
    /// The name asked for.
    pub name: String,
    /// Where it is now; `-` is standard output.
    pub file: String,
    /// Of the whole file.
    pub bytes: u64,
    /// Received by this run: less where an earlier one was continued, 0 where the file was there already.
    pub received: u64,
    /// What was verified; null where the holder has not computed it yet.
    #[cfg_attr(feature = "openapi", schema(pattern = "^blake3:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// Who gave it; null where the file was there already.
    pub peer: Option<String>,
    /// Relative to the directory of that peer.
    pub path: Option<String>,
}

/// `chord-cli get` of several names, or of a search's results.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GotManyView {
    /// What is here now, in the order asked for.
    pub files: Vec<GotView>,
    /// What is not, in the order asked for.
    pub failed: Vec<NotGotView>,
}

/// A file that was not downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotGotView {
    /// The name asked for.
    pub name: String,
    /// The exit code of `chord-cli get` of this name alone.
    pub code: u8,
    /// What went wrong, for people.
    pub why: String,
}

/// `chord-cli echo`: what a transfer would move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EchoView {
    /// The answer, for people.
    pub message: String,
    /// The file's name or path.
    pub name: String,
    /// Who answered.
    pub peer: String,
    /// What would be moved.
    pub bytes: u64,
}
