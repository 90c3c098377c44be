//! What happens in the network: the events of `GET /api/v1/events` and of `chord-cli watch`.

use chordial_proto::chord_v1::watch_events_response::Event;
use chordial_proto::chord_v1::{
    EventsBegin, EventsEnd, FileChange, FileChanged, FilesChanged, FilesWatched, PeerChange, PeerChanged,
    WatchEventsResponse,
};
use serde::{Deserialize, Serialize};

use super::{PeerView, digest_text, file_url, hex, rfc3339};

/// One event, as `chord-cli watch` prints it. A stream of server-sent events has `id` and `event` as lines of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventView {
    /// Names the event, to go on behind it.
    pub id: String,
    /// What has happened: the event's name.
    pub event: String,
    /// The event itself.
    pub data: EventData,
}

/// What an event says; which of these it is follows from its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum EventData {
    /// Of `file-appeared`, `file-changed`, `file-vanished`.
    File(FileEventView),
    /// Of `files-changed`.
    Files(FilesEventView),
    /// Of `peer-joined`, `peer-left`, `peer-suspected`, `peer-failed`, `peer-back`.
    Peer(PeerEventView),
    /// Of `ready` and `reset`.
    Ready(ReadyView),
    /// Of `files-watched`.
    Watched(WatchedView),
    /// Of `dropped` and `bye`.
    End(EndView),
}

/// `ready`: the stream stands, and misses nothing from its id on. `reset`: the same, but the id that it was to go on
/// from is not known, so that everything shown before may be old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadyView {
    /// The peer asked.
    pub peer: PeerView,
    /// Peers that it knows to be in the ring, itself included.
    pub peers: u32,
    /// Those of them whose files are watched so far.
    pub watched: u32,
}

/// `peer-joined`, `peer-left`, `peer-suspected`, `peer-failed`, `peer-back`: a peer has come, gone, or come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PeerEventView {
    /// Which one.
    pub peer: PeerView,
    /// Peers that are known to be in the ring now, the one asked included.
    pub peers: u32,
    /// When the peer asked took note of it.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub at: String,
}

/// `file-appeared`, `file-changed`, `file-vanished`: something has happened to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileEventView {
    /// The base name.
    pub name: String,
    /// Relative to the holder's directory.
    pub path: String,
    /// The holder's name.
    pub peer: String,
    /// The holder's identifier.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub peer_id: String,
    /// Where its gateway gives the bytes.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub url: String,
    /// Bytes; null where the file has vanished.
    pub size: Option<u64>,
    /// When it was last changed; null where it has vanished.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub modified: Option<String>,
    /// Null until it is computed, and where the file has vanished.
    #[cfg_attr(feature = "openapi", schema(pattern = "^blake3:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// When the peer asked took note of it.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub at: String,
}

/// `files-changed`: more has happened to one peer's files than is told one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FilesEventView {
    /// The holder's name.
    pub peer: String,
    /// The holder's identifier.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub peer_id: String,
    /// Files that appeared.
    pub appeared: u64,
    /// Files that changed.
    pub changed: u64,
    /// Files that vanished.
    pub vanished: u64,
    /// False: more may have happened than is counted here.
    pub complete: bool,
    /// When the peer asked took note of it.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub at: String,
}

/// `files-watched`: the number of peers whose files are watched has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchedView {
    /// Peers whose files are watched, the one asked included.
    pub watched: u32,
    /// Peers that are known to be in the ring, the one asked included.
    pub peers: u32,
}

/// `dropped`, `bye`: the last event of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndView {
    /// Why it ends, for people.
    pub detail: String,
}

impl EventView {
    /// The last event of a stream that ends with its peer.
    pub fn bye(detail: &str) -> Self {
        let data = EventData::End(EndView { detail: detail.to_owned() });
        Self { id: String::new(), event: "bye".to_owned(), data }
    }

    /// None: an event that only a later version knows.
    pub fn of(message: WatchEventsResponse) -> Option<Self> {
        let at = rfc3339(message.at_ms);
        let (event, data) = match message.event? {
            Event::Begin(begin) => ready(begin),
            Event::Peer(peer) => self::peer(peer, at)?,
            Event::File(changed) => file(changed, at)?,
            Event::Files(changed) => ("files-changed", EventData::Files(files(changed, at))),
            Event::Watched(FilesWatched { watched, peers }) => {
                ("files-watched", EventData::Watched(WatchedView { watched, peers }))
            }
            Event::End(EventsEnd { slow, why }) => {
                (if slow { "dropped" } else { "bye" }, EventData::End(EndView { detail: why }))
            }
        };
        Some(Self { id: message.id, event: event.to_owned(), data })
    }
}

fn ready(begin: EventsBegin) -> (&'static str, EventData) {
    let EventsBegin { peer, peers, watched, reset } = begin;
    let view = ReadyView { peer: peer.unwrap_or_default().into(), peers, watched };
    (if reset { "reset" } else { "ready" }, EventData::Ready(view))
}

fn peer(changed: PeerChanged, at: String) -> Option<(&'static str, EventData)> {
    let event = match changed.change() {
        PeerChange::Joined => "peer-joined",
        PeerChange::Left => "peer-left",
        PeerChange::Suspected => "peer-suspected",
        PeerChange::Failed => "peer-failed",
        PeerChange::Back => "peer-back",
        PeerChange::Unspecified => return None,
    };
    let PeerChanged { peer, peers, .. } = changed;
    Some((event, EventData::Peer(PeerEventView { peer: peer.unwrap_or_default().into(), peers, at })))
}

fn file(changed: FileChanged, at: String) -> Option<(&'static str, EventData)> {
    let (event, there) = match changed.change() {
        FileChange::Appeared => ("file-appeared", true),
        FileChange::Changed => ("file-changed", true),
        FileChange::Vanished => ("file-vanished", false),
        FileChange::Unspecified => return None,
    };
    let (peer, file) = (changed.peer.unwrap_or_default(), changed.file.unwrap_or_default());
    let view = FileEventView {
        peer: peer.name,
        peer_id: hex(&peer.id),
        url: file_url(&changed.gateway, &file.path),
        size: there.then_some(file.size),
        modified: there.then(|| rfc3339(file.modified_ms)),
        digest: digest_text(&file.digest).filter(|_| there),
        name: file.name,
        path: file.path,
        at,
    };
    Some((event, EventData::File(view)))
}

fn files(changed: FilesChanged, at: String) -> FilesEventView {
    let peer = changed.peer.unwrap_or_default();
    FilesEventView {
        peer: peer.name,
        peer_id: hex(&peer.id),
        appeared: changed.appeared,
        changed: changed.changed,
        vanished: changed.vanished,
        complete: !changed.uncounted,
        at,
    }
}

#[cfg(test)]
mod tests {
    use chordial_proto::{catalog_v1, chord_v1};
    use serde_json::{Value, json};

    use super::*;

    fn json(event: Event) -> (String, Value) {
        let message = WatchEventsResponse { id: "7-1".to_owned(), at_ms: 0, event: Some(event) };
        let view = EventView::of(message).expect("a known event");
        let value = serde_json::to_value(&view).expect("JSON");
        assert_eq!(serde_json::from_value::<EventView>(value.clone()).expect("read back"), view);
        assert_eq!(value["id"], "7-1");
        (view.event, value["data"].clone())
    }

    fn someone() -> Option<chord_v1::Peer> {
        Some(chord_v1::Peer { id: vec![1; 20], address: "h:1".into(), incarnation: 1, name: "p1".into() })
    }

    #[test]
    fn every_event_has_a_name_and_reads_back() {
        let (at, id) = ("1970-01-01T00:00:00Z", "01".repeat(20));
        let whom = json!({ "id": id, "name": "p1", "chord": "http://h:1" });
        for (reset, name) in [(false, "ready"), (true, "reset")] {
            let begin = EventsBegin { peer: someone(), peers: 3, watched: 2, reset };
            let data = json!({ "peer": whom, "peers": 3, "watched": 2 });
            assert_eq!(json(Event::Begin(begin)), (name.to_owned(), data));
        }
        for (change, name) in [
            (PeerChange::Joined, "peer-joined"),
            (PeerChange::Left, "peer-left"),
            (PeerChange::Suspected, "peer-suspected"),
            (PeerChange::Failed, "peer-failed"),
            (PeerChange::Back, "peer-back"),
        ] {
            let changed = PeerChanged { change: change.into(), peer: someone(), peers: 3 };
            let data = json!({ "peer": whom, "peers": 3, "at": at });
            assert_eq!(json(Event::Peer(changed)), (name.to_owned(), data));
        }
        for (change, name, there) in [
            (FileChange::Appeared, "file-appeared", true),
            (FileChange::Changed, "file-changed", true),
            (FileChange::Vanished, "file-vanished", false),
        ] {
            let file = catalog_v1::File {
                name: "a b".into(),
                path: "d/a b".into(),
                size: if there { 5 } else { 0 },
                ..Default::default()
            };
            let gateway = "http://h:2".to_owned();
            let changed = FileChanged { change: change.into(), peer: someone(), gateway, file: Some(file) };
            let (size, modified) = if there { (json!(5), json!(at)) } else { (json!(null), json!(null)) };
            let data = json!({
                "name": "a b", "path": "d/a b", "peer": "p1", "peer_id": id, "url": "http://h:2/files/d/a%20b",
                "size": size, "modified": modified, "digest": null, "at": at,
            });
            assert_eq!(json(Event::File(changed)), (name.to_owned(), data));
        }
        let many = FilesChanged { peer: someone(), appeared: 300, uncounted: true, ..Default::default() };
        let data = json!({
            "peer": "p1", "peer_id": id, "appeared": 300, "changed": 0, "vanished": 0, "complete": false, "at": at,
        });
        assert_eq!(json(Event::Files(many)), ("files-changed".to_owned(), data));
        let watched = json!({ "watched": 2, "peers": 3 });
        assert_eq!(
            json(Event::Watched(FilesWatched { watched: 2, peers: 3 })),
            ("files-watched".to_owned(), watched)
        );
        for (slow, name) in [(true, "dropped"), (false, "bye")] {
            let end = EventsEnd { slow, why: "so".to_owned() };
            assert_eq!(json(Event::End(end)), (name.to_owned(), json!({ "detail": "so" })));
        }
    }

    #[test]
    fn events_of_later_versions_are_passed_over() {
        assert_eq!(EventView::of(WatchEventsResponse::default()), None);
        let unknown = PeerChanged { change: 99, peer: someone(), peers: 1 };
        assert_eq!(
            EventView::of(WatchEventsResponse { event: Some(Event::Peer(unknown)), ..Default::default() }),
            None
        );
    }
}
