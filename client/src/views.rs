//! What people and programs are shown: the JSON bodies of the REST interface, which `chord-cli --output
//! json` prints as well, so both are made here, from the messages of the wire.
//!
//! Identifiers and keys are 40 lower-case hexadecimal digits, digests `blake3:` and 64 of them, times RFC
//! 3339 in UTC with seconds, addresses URLs.

use std::time::{Duration, UNIX_EPOCH};

use chordial_proto::{catalog_v1, chord_v1};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// All but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The last millisecond of the year 9999, behind which RFC 3339 has no form.
const LAST_MS: u64 = 253_402_300_799_999;

/// The address of the file at `path` (relative, with `/`) behind the gateway at `gateway`, each segment
/// percent-encoded.
pub fn file_url(gateway: &str, path: &str) -> String {
    let mut url = format!("{}/files", gateway.trim_end_matches('/'));
    for segment in path.split('/') {
        url.push('/');
        url.extend(utf8_percent_encode(segment, SEGMENT));
    }
    url
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `blake3:` and the digits; `None` where there is no digest yet.
pub fn digest_text(digest: &[u8]) -> Option<String> {
    (!digest.is_empty()).then(|| format!("blake3:{}", hex(digest)))
}

/// Milliseconds since 1970-01-01 UTC as RFC 3339 with seconds; what lies outside of the years 1970 to 9999
/// becomes the nearest moment within.
pub fn rfc3339(ms: i64) -> String {
    let ms = u64::try_from(ms).unwrap_or(0).min(LAST_MS);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

fn present(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A peer, as others are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Its identifier.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// Its chord port, as URL.
    pub chord: String,
}

impl From<chord_v1::Peer> for PeerView {
    fn from(peer: chord_v1::Peer) -> Self {
        Self { id: hex(&peer.id), name: peer.name, chord: format!("http://{}", peer.address) }
    }
}

fn peers(peers: Vec<chord_v1::Peer>) -> Vec<PeerView> {
    peers.into_iter().map(PeerView::from).collect()
}

/// One file of one peer that has the name asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    /// The holder's name.
    pub peer: String,
    /// The holder's identifier.
    pub id: String,
    /// Where its gateway gives the bytes.
    pub url: String,
    /// Relative to the holder's directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last changed.
    pub modified: String,
    /// `None` until it is computed.
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

/// How a question went through the ring, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// Calls to other peers that were answered.
    pub hops: u32,
    /// Names of the peers on the way, the asker first.
    pub peers: Vec<String>,
    /// Microseconds from the question to the answer.
    pub elapsed_us: u64,
}

impl From<chord_v1::Route> for RouteView {
    fn from(route: chord_v1::Route) -> Self {
        Self {
            hops: route.hops,
            peers: route.path.into_iter().map(|hop| hop.peer.unwrap_or_default().name).collect(),
            elapsed_us: route.elapsed_us,
        }
    }
}

/// `GET /api/v1/files/{name}`: who holds the file of exactly this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// The base name.
    pub name: String,
    /// Its key.
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

/// One name of the network's listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedFile {
    /// The base name.
    pub name: String,
    /// Its key.
    pub key: String,
    /// At most 100 of its holders.
    pub sources: Vec<SourceView>,
    /// All of them, listed or not.
    pub total: u64,
}

/// `GET /api/v1/files`: a page of the network's listing, in ring order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesPage {
    /// The names of this page.
    pub files: Vec<NamedFile>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
    /// False: some peer that should have been asked did not answer.
    pub complete: bool,
}

impl From<chord_v1::ListNamesResponse> for FilesPage {
    fn from(page: chord_v1::ListNamesResponse) -> Self {
        let file = |named: chord_v1::NamedSources| NamedFile {
            name: named.name,
            key: hex(&named.key),
            sources: sources(named.sources),
            total: named.total,
        };
        Self {
            files: page.files.into_iter().map(file).collect(),
            next: present(page.next),
            complete: page.complete,
        }
    }
}

/// Where a peer's services are reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressesView {
    /// Ring and index.
    pub chord: String,
    /// Its own listing.
    pub catalog: String,
    /// Downloads.
    pub transfer: String,
    /// REST.
    pub gateway: String,
}

/// One row of a finger table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerView {
    /// The identifier whose successor the finger is.
    pub start: String,
    /// That successor, as known; `None` where it is not.
    pub peer: Option<PeerView>,
}

/// How many index entries a peer keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntriesView {
    /// Of its own arc.
    pub owned: u64,
    /// Copies of others'.
    pub replicas: u64,
}

/// `GET /api/v1/node`: one peer's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its identifier.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// The ring's name.
    pub ring: String,
    /// `joining`, `member` or `leaving`.
    pub state: String,
    /// Its services.
    pub addresses: AddressesView,
    /// `None` where it has none.
    pub predecessor: Option<PeerView>,
    /// In ring order.
    pub successors: Vec<PeerView>,
    /// In order of their starts.
    pub fingers: Vec<FingerView>,
    /// What it keeps of the index.
    pub entries: EntriesView,
    /// Files in its own directory.
    pub shared_files: u64,
    /// Grows with every restart.
    pub incarnation: u64,
    /// The program's version.
    pub version: String,
    /// Files not yet acknowledged by any keeper.
    pub unpublished: u64,
    /// Why a peer that is joining has not joined yet.
    pub trouble: Option<String>,
}

impl From<chord_v1::NodeInfo> for NodeView {
    fn from(node: chord_v1::NodeInfo) -> Self {
        let state = node_state(node.state()).to_owned();
        let peer = node.peer.unwrap_or_default();
        let services = node.services.unwrap_or_default();
        let incarnation = peer.incarnation;
        let PeerView { id, name, chord } = peer.into();
        Self {
            id,
            name,
            ring: node.ring,
            state,
            addresses: AddressesView {
                chord,
                catalog: services.catalog,
                transfer: services.transfer,
                gateway: services.gateway,
            },
            predecessor: node.predecessor.map(PeerView::from),
            successors: peers(node.successors),
            fingers: node
                .fingers
                .into_iter()
                .map(|finger| FingerView { start: hex(&finger.start), peer: finger.peer.map(PeerView::from) })
                .collect(),
            entries: EntriesView { owned: node.owned, replicas: node.replicas },
            shared_files: node.shared_files,
            incarnation,
            version: node.version,
            unpublished: node.unpublished,
            trouble: present(node.trouble),
        }
    }
}

fn node_state(state: chord_v1::NodeState) -> &'static str {
    match state {
        chord_v1::NodeState::Unspecified => "unknown",
        chord_v1::NodeState::Joining => "joining",
        chord_v1::NodeState::Member => "member",
        chord_v1::NodeState::Leaving => "leaving",
    }
}

/// One peer of the ring. What only the peer itself can say is `None` where it did not answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RingPeerView {
    /// Its identifier.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// Its chord port, as URL.
    pub chord: String,
    /// Its REST port, as URL.
    pub gateway: Option<String>,
    /// Of the whole ring, 0 to 1.
    pub share: f64,
    /// Grows with every restart.
    pub incarnation: u64,
    /// The program's version.
    pub version: Option<String>,
    /// What it keeps of the index.
    pub entries: Option<EntriesView>,
    /// Files in its own directory.
    pub shared_files: Option<u64>,
    /// `member`, `suspected` (does not answer), `leaving` or `joining`.
    pub state: String,
}

impl From<chord_v1::RingPeer> for RingPeerView {
    fn from(ring: chord_v1::RingPeer) -> Self {
        let state = match (ring.state(), ring.node.as_ref().map(chord_v1::NodeInfo::state)) {
            (chord_v1::PeerState::Suspected, _) => "suspected",
            (chord_v1::PeerState::Leaving, _) => "leaving",
            (_, Some(chord_v1::NodeState::Joining)) => "joining",
            (chord_v1::PeerState::Member, _) => "member",
            (chord_v1::PeerState::Unspecified, _) => "unknown",
        };
        let answered = ring.node.as_ref().and_then(|node| node.peer.clone());
        let peer = ring.peer.or(answered).unwrap_or_default();
        let incarnation = peer.incarnation;
        let PeerView { id, name, chord } = peer.into();
        let (mut gateway, mut version, mut entries, mut shared_files) = (None, None, None, None);
        if let Some(node) = ring.node {
            gateway = node.services.and_then(|services| present(services.gateway));
            version = present(node.version);
            entries = Some(EntriesView { owned: node.owned, replicas: node.replicas });
            shared_files = Some(node.shared_files);
        }
        Self {
            id,
            name,
            chord,
            gateway,
            share: ring.share,
            incarnation,
            version,
            entries,
            shared_files,
            state: state.to_owned(),
        }
    }
}

/// Where one peer's view is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemView {
    /// Its name.
    pub peer: String,
    /// What is wrong.
    pub what: String,
    /// What will mend it.
    pub remedy: String,
}

/// `GET /api/v1/ring`: all peers in ring order, and whether their views agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RingView {
    /// In ring order.
    pub peers: Vec<RingPeerView>,
    /// Whether there is no problem.
    pub agreed: bool,
    /// Every disagreement found.
    pub problems: Vec<ProblemView>,
}

impl From<chord_v1::GetRingResponse> for RingView {
    fn from(ring: chord_v1::GetRingResponse) -> Self {
        let problem = |problem: chord_v1::Problem| ProblemView {
            peer: problem.peer.unwrap_or_default().name,
            what: problem.what,
            remedy: problem.remedy,
        };
        Self {
            peers: ring.peers.into_iter().map(RingPeerView::from).collect(),
            agreed: ring.agreed,
            problems: ring.problems.into_iter().map(problem).collect(),
        }
    }
}

/// One file of a peer's own listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogFile {
    /// The base name.
    pub name: String,
    /// Relative to the peer's directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last changed.
    pub modified: String,
    /// `None` until it is computed.
    pub digest: Option<String>,
    /// Where the peer's gateway gives the bytes.
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
pub struct CatalogView {
    /// The peer's name.
    pub peer: String,
    /// All its files, listed or not.
    pub total: u64,
    /// Those of this page, in order of their paths.
    pub files: Vec<CatalogFile>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
}

impl CatalogView {
    /// From the peer's own catalog service; `gateway` is the URL of that peer's gateway.
    pub fn new(page: catalog_v1::ListResponse, gateway: &str) -> Self {
        Self {
            peer: page.peer,
            total: page.total,
            files: page.files.into_iter().map(|file| CatalogFile::new(file, gateway)).collect(),
            next: present(page.next),
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
            },
            &gateway,
        )
    }
}

/// The keys behind `from` up to `to`, clockwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArcView {
    /// Itself not within.
    pub from: String,
    /// The last one within.
    pub to: String,
}

/// One peer on the way of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopView {
    /// Its name.
    pub peer: String,
    /// Its identifier.
    pub id: String,
    /// Microseconds of the call to it, there and back; 0 for the asker.
    pub elapsed_us: u64,
}

/// A route with what each step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceView {
    /// The route in short.
    #[serde(flatten)]
    pub route: RouteView,
    /// Each peer on the way, the asker first.
    pub path: Vec<HopView>,
    /// Peers that did not answer on the way.
    pub failed: Vec<PeerView>,
}

/// Which peer is responsible for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupView {
    /// The key asked about.
    pub key: String,
    /// The responsible peer.
    pub successor: PeerView,
    /// Its arc.
    pub arc: ArcView,
    /// It and the successors that keep copies.
    pub keepers: Vec<PeerView>,
    /// How it was found.
    pub route: TraceView,
}

impl From<chord_v1::FindSuccessorResponse> for LookupView {
    fn from(found: chord_v1::FindSuccessorResponse) -> Self {
        let mut route = found.route.unwrap_or_default();
        let failed = peers(std::mem::take(&mut route.failed));
        let hop = |hop: &chord_v1::Hop| {
            let peer = hop.peer.clone().unwrap_or_default();
            HopView { id: hex(&peer.id), peer: peer.name, elapsed_us: hop.elapsed_us }
        };
        let path = route.path.iter().map(hop).collect();
        let successor = PeerView::from(found.successor.unwrap_or_default());
        Self {
            key: hex(&found.key),
            arc: ArcView { from: hex(&found.arc_from), to: successor.id.clone() },
            successor,
            keepers: peers(found.keepers),
            route: TraceView { route: route.into(), path, failed },
        }
    }
}

#[cfg(test)]
#[path = "views_tests.rs"]
mod tests;
