//! `watch`: what happens in the network, as it happens.

use std::time::Duration;

use chord_client::views::{EventData, EventView, FileEventView, FilesEventView, PeerEventView};
use chord_client::{Client, ClientError};
use chordial_proto::chord_v1::EventScope;

use crate::args::Watch;
use crate::commands::until_interrupted;
use crate::output::paint::{Colour, paint};
use crate::output::screen::{rest_of_line, screen};
use crate::output::width::width;
use crate::output::{Output, note, safe, short_id, size};

/// Between two tries to connect again, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Prints each event until Ctrl-C, or until the reader of standard output goes away. A stream that breaks is opened
/// again, and goes on where it was if the peer still knows.
///
/// # Errors
/// Where the first stream can't be opened, and where the peer refuses a later one as something that it does not have.
pub async fn run(client: &Client, output: &Output, watch: &Watch) -> Result<u8, ClientError> {
    until_interrupted(follow(client, output, watch)).await
}

async fn follow(client: &Client, output: &Output, watch: &Watch) -> Result<u8, ClientError> {
    let scope = match (watch.files, watch.peers) {
        (true, _) => EventScope::Files,
        (_, true) => EventScope::Peers,
        _ => EventScope::Unspecified,
    };
    let mut follower = Follower { output, after: String::new(), pause: PAUSE.0 };
    loop {
        let why = match client.watch_events(&follower.after, scope).await {
            Ok(mut events) => loop {
                match events.next().await {
                    Ok(Some(message)) => {
                        let Some(event) = EventView::of(message) else { continue };
                        if !follower.take(&event)? {
                            return Ok(0);
                        }
                    }
                    Ok(None) => break format!("{} has ended the stream", client.address()),
                    Err(error) => break error.to_string(),
                }
            },
            // The first one says whether this makes sense at all.
            Err(error) if follower.after.is_empty() => return Err(error),
            Err(error @ ClientError::WrongService { .. }) => return Err(error),
            Err(error) => error.to_string(),
        };
        note(&format!("{why}; connecting again."));
        tokio::time::sleep(follower.pause).await;
        follower.pause = (follower.pause * 2).min(PAUSE.1);
    }
}

struct Follower<'a> {
    output: &'a Output,
    /// The id of the last event.
    after: String,
    pause: Duration,
}

impl Follower<'_> {
    /// Prints the event, or says what it means for the stream. False: nobody reads any more.
    fn take(&mut self, event: &EventView) -> Result<bool, ClientError> {
        match (&event.data, event.event.as_str()) {
            (EventData::Ready(ready), name) => {
                let again = !self.after.is_empty();
                self.pause = PAUSE.0;
                note(&match (name, again) {
                    ("reset", _) => {
                        "Something was missed: the peer does not know any more what came next.".into()
                    }
                    (_, true) => "Connected again; nothing was missed.".to_owned(),
                    _ => format!("{} knows {} peers. Ctrl-C ends this.", ready.peer.name, ready.peers),
                });
            }
            (EventData::Watched(watched), _) => {
                note(&format!("The files of {} of {} peers are watched.", watched.watched, watched.peers));
            }
            (EventData::End(end), _) => note(&format!("The peer ends the stream: {}.", end.detail)),
            _ => {
                self.after.clone_from(&event.id);
                return self.output.line(event, line);
            }
        }
        self.after.clone_from(&event.id);
        // Programs are told everything on standard output.
        self.output.json_line(event)
    }
}

/// Columns of fixed width, since the next line is not known yet. On a terminal it is one line there, too.
fn line(event: &EventView) -> String {
    let Some((at, what)) = told(event) else { return event.event.clone() };
    let kind = format!("{:<14}", event.event);
    // A terminal is looked at today.
    let is_screen = screen().width.is_some();
    let clock = at.split_once('T').filter(|_| is_screen).map_or(&*at, |(_, clock)| clock);
    let what = rest_of_line(&what, width(clock) + width(&kind) + 4);
    let colour = Colour::of_event(&event.event);
    format!("{}  {}  {what}", paint(clock, Some(Colour::Dim)), paint(&kind, colour))
}

/// When it happened, and what, on one line. None: it is about the stream itself.
pub fn told(event: &EventView) -> Option<(String, String)> {
    match &event.data {
        EventData::Peer(PeerEventView { peer, peers, at }) => {
            let address = peer.chord.trim_start_matches("http://");
            let (name, id) = (safe(&peer.name), short_id(&peer.id));
            Some((at.clone(), format!("{name} ({id}, {}); {peers} now", safe(address))))
        }
        EventData::File(file) => Some((file.at.clone(), of_file(file))),
        EventData::Files(files) => Some((files.at.clone(), of_files(files))),
        EventData::Ready(_) | EventData::Watched(_) | EventData::End(_) => None,
    }
}

fn of_file(file: &FileEventView) -> String {
    let size = file.size.map_or_else(String::new, |bytes| format!(" ({})", size(bytes)));
    format!("{}: {}{size}", safe(&file.peer), safe(&file.path))
}

fn of_files(files: &FilesEventView) -> String {
    let FilesEventView { appeared, changed, vanished, .. } = files;
    let more = if files.complete { "" } else { ", and perhaps more" };
    format!("{}: {appeared} appeared, {changed} changed, {vanished} vanished{more}", safe(&files.peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_one_line_whatever_a_file_is_called() {
        let file = FileEventView {
            name: "b\n".to_owned(),
            path: "a/\u{202e}b\n".to_owned(),
            peer: "p\u{1b}".to_owned(),
            peer_id: "01".to_owned(),
            url: "http://h:1/files/a".to_owned(),
            size: Some(2048),
            modified: None,
            digest: None,
            at: "2026-01-01T00:00:00Z".to_owned(),
        };
        let event = |name: &str, data| EventView { id: "1".to_owned(), event: name.to_owned(), data };
        assert_eq!(
            line(&event("file-appeared", EventData::File(file.clone()))),
            "2026-01-01T00:00:00Z  file-appeared   p\\u{1b}: a/\\u{202e}b\\n (2.0 KiB)"
        );
        let vanished = FileEventView { size: None, ..file };
        assert!(line(&event("file-vanished", EventData::File(vanished))).ends_with("b\\n"));
        let files = FilesEventView {
            peer: "p1".to_owned(),
            peer_id: "01".to_owned(),
            appeared: 300,
            changed: 0,
            vanished: 2,
            complete: false,
            at: "2026-01-01T00:00:00Z".to_owned(),
        };
        assert_eq!(
            line(&event("files-changed", EventData::Files(files))),
            "2026-01-01T00:00:00Z  files-changed   p1: 300 appeared, 0 changed, 2 vanished, and perhaps more"
        );
    }
}
