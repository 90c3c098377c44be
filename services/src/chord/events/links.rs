//! What happens to other peers' files, from these peers themselves: one stream from each, for as long as somebody
//! here watches.
//!
//! Nobody else is dialled than members of the ring, at their chord ports. What a peer says is taken to be of its own
//! files, whatever it names.

use std::collections::BTreeMap;
use std::time::Duration;

use chord::index::File;
use chord::{Id, Peer};
use chordial_proto::chord_v1::watch_events_response::Event;
use chordial_proto::chord_v1::{EventsBegin, FileChange, WatchEventsResponse};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::Streaming;

use super::files::uncounted;
use super::journal::BIRTH;
use crate::driver::Handle;

/// Peers whose files are watched at most: each is one open stream.
pub(super) const PEERS: usize = 64;
/// How long opening a stream may take, its first message included.
const OPEN: Duration = Duration::from_secs(5);
/// Pause between two tries, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// Messages of all peers together that wait.
const WAITING: usize = 64;
/// The longest id of an event that is taken, in bytes.
const MAX_ID: usize = 128;
/// The longest URL of a gateway that is passed on, in bytes.
const MAX_URL: usize = 1024;

/// What a peer's stream says.
#[derive(Debug)]
pub(super) enum Said {
    /// It stands; true: again, and something was missed in between.
    Up { missed: bool },
    /// It broke; another one is tried.
    Down,
    /// Something has happened; with the id to go on from.
    Event(String, Box<Event>),
}

/// A message of the link to this life of this peer.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) from: Peer,
    pub(super) said: Said,
}

/// The streams.
pub(super) struct Links {
    handle: Handle,
    said: mpsc::Sender<Heard>,
    links: BTreeMap<Id, Link>,
    /// Where the streams of peers that went have stopped, by their lives: they may come back.
    stopped: BTreeMap<Id, (u64, String)>,
}

struct Link {
    peer: Peer,
    /// The id of the last event.
    after: String,
    up: bool,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Links {
    /// None yet, and where all that they say comes out.
    pub(super) fn new(handle: Handle) -> (Links, mpsc::Receiver<Heard>) {
        let (said, heard) = mpsc::channel(WAITING);
        (Links { handle, said, links: BTreeMap::new(), stopped: BTreeMap::new() }, heard)
    }

    /// Opens and ends links, so that there is one to each of `alive`, up to [`PEERS`]. Of the lives named in `new`
    /// all is told from their start, of others what happens from now on.
    pub(super) fn set(&mut self, alive: &[Peer], new: &[Id]) {
        let lives: BTreeMap<Id, u64> = alive.iter().map(|peer| (peer.id, peer.incarnation)).collect();
        let over = |link: &Link| lives.get(&link.peer.id) != Some(&link.peer.incarnation);
        self.links.retain(|id, link| {
            if over(link) {
                self.stopped.insert(*id, (link.peer.incarnation, link.after.clone()));
            }
            !over(link)
        });
        while self.stopped.len() > PEERS {
            self.stopped.pop_first();
        }
        for peer in alive {
            if self.links.len() == PEERS {
                return;
            }
            if self.links.contains_key(&peer.id) {
                continue;
            }
            let after = match self.stopped.remove(&peer.id) {
                Some((life, after)) if life == peer.incarnation => after,
                _ if new.contains(&peer.id) => BIRTH.to_owned(),
                _ => String::new(),
            };
            let task = follow(self.handle.clone(), peer.clone(), after.clone(), self.said.clone());
            let link = Link { peer: peer.clone(), after, up: false, task: tokio::spawn(task) };
            self.links.insert(peer.id, link);
        }
    }

    /// Ends all.
    pub(super) fn clear(&mut self) {
        self.links.clear();
        self.stopped.clear();
    }

    /// Peers whose files are watched now.
    pub(super) fn up(&self) -> usize {
        self.links.values().filter(|link| link.up).count()
    }

    /// Takes note of a message; the event to be told, if there is one.
    pub(super) fn hear(&mut self, Heard { from, said }: Heard) -> Option<Event> {
        // It may have waited here while its link was ended.
        let link = self.links.get_mut(&from.id).filter(|link| link.peer.is_same_life(&from))?;
        match said {
            Said::Up { missed } => {
                link.up = true;
                missed.then(|| uncounted(from.into()))
            }
            Said::Down => {
                link.up = false;
                None
            }
            Said::Event(id, event) => {
                link.after = id;
                Some(*event)
            }
        }
    }
}

/// Keeps a stream of `peer` open until this is aborted.
async fn follow(handle: Handle, peer: Peer, mut after: String, said: mpsc::Sender<Heard>) {
    let mut pause = PAUSE.0;
    let say = async |what| said.send(Heard { from: peer.clone(), said: what }).await.is_ok();
    loop {
        match open(&handle, &peer, &after).await {
            Ok((begin, id, mut stream)) => {
                pause = PAUSE.0;
                after = id;
                if !say(Said::Up { missed: begin.reset }).await {
                    return;
                }
                while let Some((id, event)) = next(&mut stream, &peer).await {
                    after.clone_from(&id);
                    if let Some(event) = event
                        && !say(Said::Event(id, Box::new(event))).await
                    {
                        return;
                    }
                }
                if !say(Said::Down).await {
                    return;
                }
            }
            Err(why) => tracing::debug!("the files of {peer} cannot be watched: {why}"),
        }
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// A stream that has begun, and the id that it begins behind.
async fn open(
    handle: &Handle,
    peer: &Peer,
    after: &str,
) -> Result<(EventsBegin, String, Streaming<WatchEventsResponse>), String> {
    let open = async {
        let mut stream = handle.calls().own_files(peer, after, OPEN).await?;
        let first = stream.message().await.map_err(|status| status.message().to_owned())?;
        match first {
            Some(WatchEventsResponse { event: Some(Event::Begin(begin)), id, .. }) if id.len() <= MAX_ID => {
                Ok((begin, id, stream))
            }
            _ => Err("its stream has no beginning".to_owned()),
        }
    };
    let (begin, id, stream) =
        tokio::time::timeout(OPEN, open).await.map_err(|_| "no answer".to_owned())??;
    let who = begin.peer.clone().unwrap_or_default();
    match who.id == peer.id.to_bytes() && who.incarnation == peer.incarnation {
        true => Ok((begin, id, stream)),
        false => Err("somebody else answers, or another life of it".to_owned()),
    }
}

/// The next event and its id; no event: one that means nothing here. None: the stream is over.
async fn next(stream: &mut Streaming<WatchEventsResponse>, peer: &Peer) -> Option<(String, Option<Event>)> {
    let message = stream.message().await.ok()??;
    match message.event {
        Some(Event::End(_)) => None,
        _ if message.id.len() > MAX_ID => None,
        event => Some((message.id, event.and_then(|event| own(event, peer)))),
    }
}

/// What `peer` says of its files, if it makes sense.
fn own(event: Event, peer: &Peer) -> Option<Event> {
    match event {
        Event::File(mut file) => {
            let known = file.file.take()?;
            File::try_from(known.clone()).ok()?;
            if file.change() == FileChange::Unspecified || file.gateway.len() > MAX_URL {
                return None;
            }
            (file.file, file.peer) = (Some(known), Some(peer.clone().into()));
            Some(Event::File(file))
        }
        Event::Files(mut files) => {
            files.peer = Some(peer.clone().into());
            Some(Event::Files(files))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use chordial_proto::catalog_v1;
    use chordial_proto::chord_v1::{FileChanged, FilesChanged, FilesWatched};

    use super::*;

    #[test]
    fn a_peer_speaks_only_of_its_own_files() {
        let (peer, other) = (Peer::stranger("a:1"), Peer::stranger("b:1"));
        let file = |path: &str, gateway: &str| {
            let name = path.rsplit('/').next().unwrap().to_owned();
            let file = catalog_v1::File { name, path: path.to_owned(), ..Default::default() };
            Event::File(FileChanged {
                change: FileChange::Appeared.into(),
                peer: Some(other.clone().into()),
                gateway: gateway.to_owned(),
                file: Some(file),
            })
        };
        let Some(Event::File(taken)) = own(file("d/a", "http://h:1"), &peer) else { panic!("not taken") };
        assert_eq!((taken.peer, taken.file.unwrap().path), (Some(peer.clone().into()), "d/a".to_owned()));
        let many = FilesChanged { peer: Some(other.clone().into()), appeared: 3, ..FilesChanged::default() };
        let Some(Event::Files(taken)) = own(Event::Files(many), &peer) else { panic!("not taken") };
        assert_eq!((taken.peer, taken.appeared), (Some(peer.clone().into()), 3));
        let long = format!("http://{}", "h".repeat(MAX_URL));
        for senseless in [file("", "http://h:1"), file("../a", "http://h:1"), file("a", &long)] {
            assert_eq!(own(senseless.clone(), &peer), None, "{senseless:?}");
        }
        assert_eq!(own(Event::Watched(FilesWatched::default()), &peer), None);
    }
}
