//! Files: who holds one, what the network lists, what one peer shares.

use chordial_proto::{catalog_v1, chord_v1, transfer_v1};
use serde::{Deserialize, Serialize};

use super::{RouteView, digest_text, file_url, hex, present, rfc3339};

/// One file of one peer that has the name asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceView {
    /// The holder's name.
    pub peer: String,
    /// The holder's identifier.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub id: String,
    /// Where its gateway gives the bytes.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub url: String,
    /// Relative to the holder's directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last changed.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub modified: String,
    /// Null until it is computed.
    #[cfg_attr(feature = "openapi", schema(pattern = "^blake3:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// False: the holder was given up, its lease still runs.
    pub alive: bool,
}

impl From<chord_v1::Source> for SourceView {
    fn from(source: chord_v1::Source) -> Self {
        let publisher = source.publisher.unwrap_or_default();
        let gateway = source.services.unwrap_or_default().gateway;
        let entry = source.entry.unwrap_or_default();
        Self {
            peer: publisher.name,
            id: hex(&publisher.id),
            url: file_url(&gateway, &entry.path),
            size: entry.size,
            modified: rfc3339(entry.modified_ms),
            digest: digest_text(&entry.digest),
            path: entry.path,
            alive: source.alive,
        }
    }
}

fn sources(sources: Vec<chord_v1::Source>) -> Vec<SourceView> {
    sources.into_iter().map(SourceView::from).collect()
}

/// `GET /api/v1/files/{name}`: who holds the file of exactly this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileView {
    /// The base name.
    pub name: String,
    /// Its key.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub key: String,
    /// At most 100 of its holders.
    pub sources: Vec<SourceView>,
    /// All of them, listed or not.
    pub total: u64,
    /// False: some peer that should have been asked did not answer.
    pub complete: bool,
    /// How the answer was found.
    pub route: RouteView,
}

impl From<chord_v1::FindResponse> for FileView {
    fn from(found: chord_v1::FindResponse) -> Self {
        Self {
            name: found.name,
            key: hex(&found.key),
            sources: sources(found.sources),
            total: found.total,
            complete: found.complete,
            route: found.route.unwrap_or_default().into(),
        }
    }
}

/// One name, in a listing or among the hits of a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NamedFile {
    /// The base name.
    pub name: String,
    /// Its key.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub key: String,
    /// At most 100 of its holders.
    pub sources: Vec<SourceView>,
    /// All of them, listed or not.
    pub total: u64,
}

impl From<chord_v1::NamedSources> for NamedFile {
    fn from(named: chord_v1::NamedSources) -> Self {
        Self { name: named.name, key: hex(&named.key), sources: sources(named.sources), total: named.total }
    }
}

/// `GET /api/v1/files`: a page of the network's listing, in ring order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FilesPage {
    /// The names of this page.
    pub files: Vec<NamedFile>,
    /// The cursor of the next page; null on the last one.
    pub next: Option<String>,
    /// False: some peer that should have been asked did not answer.
    pub complete: bool,
}

impl From<chord_v1::ListNamesResponse> for FilesPage {
    fn from(page: chord_v1::ListNamesResponse) -> Self {
        Self {
            files: page.files.into_iter().map(NamedFile::from).collect(),
            next: present(page.next),
            complete: page.complete,
        }
    }
}

/// One file of a peer's own listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogFile {
    /// The base name.
    pub name: String,
    /// Relative to the peer's directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last changed.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub modified: String,
    /// Null until it is computed.
    #[cfg_attr(feature = "openapi", schema(pattern = "^blake3:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// Where the peer's gateway gives the bytes.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub url: String,
}

impl CatalogFile {
    /// `gateway` is the URL of the gateway of the peer that shares the file.
    pub fn new(file: catalog_v1::File, gateway: &str) -> Self {
        Self {
            url: file_url(gateway, &file.path),
            name: file.name,
            path: file.path,
            size: file.size,
            modified: rfc3339(file.modified_ms),
            digest: digest_text(&file.digest),
        }
    }
}

/// `GET /api/v1/catalog`: a page of the files that one peer shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogView {
    /// The peer's name.
    pub peer: String,
    /// All its files, listed or not.
    pub total: u64,
    /// Those of this page, in order of their paths.
    pub files: Vec<CatalogFile>,
    /// The cursor of the next page; null on the last one.
    pub next: Option<String>,
    /// Why the peer's directory can't be read now: the files are those known from before.
    pub problem: Option<String>,
}

impl CatalogView {
    /// From the peer's own catalog service; `gateway` is the URL of that peer's gateway.
    pub fn new(page: catalog_v1::ListResponse, gateway: &str) -> Self {
        Self {
            peer: page.peer,
            total: page.total,
            files: page.files.into_iter().map(|file| CatalogFile::new(file, gateway)).collect(),
            next: present(page.next),
            problem: present(page.problem),
        }
    }
}

impl From<chord_v1::ListFilesResponse> for CatalogView {
    fn from(page: chord_v1::ListFilesResponse) -> Self {
        let gateway = page.services.unwrap_or_default().gateway;
        Self::new(
            catalog_v1::ListResponse {
                peer: page.peer.unwrap_or_default().name,
                total: page.total,
                files: page.files,
                next: page.next,
                problem: page.problem,
                ..Default::default()
            },
            &gateway,
        )
    }
}

/// `chord-cli put`: a file that was uploaded, as `PUT /files/{path}` states it, and whether it replaced one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UploadView {
    /// The file, as the peer shares it now.
    #[serde(flatten)]
    pub file: CatalogFile,
    /// Whether there was a file at that path before.
    pub replaced: bool,
}

impl UploadView {
    /// `gateway` is the URL of the gateway of the peer that took the file.
    pub fn new(uploaded: transfer_v1::TransferServiceUploadResponse, gateway: &str) -> Self {
        let header = uploaded.header.unwrap_or_default();
        let file = catalog_v1::File {
            name: header.name,
            path: header.path,
            size: header.size,
            modified_ms: header.modified_ms,
            digest: header.digest.into(),
        };
        Self { file: CatalogFile::new(file, gateway), replaced: uploaded.replaced }
    }
}
