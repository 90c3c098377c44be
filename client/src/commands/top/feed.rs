//! What happens in the network, for the feed of `top`.

use std::time::Duration;

use chord_client::views::{EventData, EventView};
use chord_client::{Client, ClientError};
use chordial_proto::chord_v1::EventScope;
use tokio::sync::mpsc::Sender;

use super::state::{Line, Message};
use crate::commands::watch::told;

/// Before the stream is opened again.
const PAUSE: Duration = Duration::from_secs(2);

/// Hands over what happens, until nobody takes it. A stream that breaks is opened again, and goes on where it was.
pub async fn follow(client: Client, to: Sender<Message>) {
    let mut after = String::new();
    while !to.is_closed() {
        let why = match stream(&client, &mut after, &to).await {
            Ok(()) => "the peer has ended the stream".to_owned(),
            Err(error) => error.to_string(),
        };
        if to.send(Message::Feed(Some(why))).await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One stream, from the event behind `after` to its end.
async fn stream(client: &Client, after: &mut String, to: &Sender<Message>) -> Result<(), ClientError> {
    let mut events = client.watch_events(after, EventScope::Unspecified).await?;
    while let Some(message) = events.next().await? {
        let Some(event) = EventView::of(message) else { continue };
        let message = match (&event.data, told(&event)) {
            (EventData::Ready(_), _) => Some(Message::Feed(None)),
            (_, Some((at, what))) => Some(Message::Happened(Line { at, kind: event.event.clone(), what })),
            _ => None,
        };
        after.clone_from(&event.id);
        if let Some(message) = message
            && to.send(message).await.is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}
