//! `fingers`: the finger table of one peer.

use chord::Id;
use chord_client::views::{FingersView, NodeView, PeerView};
use chord_client::{Client, ClientError};

use crate::args::Of;
use crate::output::{Column, Output, safe, short_id, table};

const COLUMNS: [Column<'_>; 5] =
    [("FINGER", true), ("START", false), ("INTERVAL", true), ("PEER", false), ("ADDRESS", false)];

/// Shows the table.
pub async fn run(client: &Client, output: &Output, of: &Of) -> Result<u8, ClientError> {
    let node = client.node_of(of.of.as_deref().unwrap_or_default()).await?;
    let fingers = FingersView::from(NodeView::from(node));
    output.show(&fingers, show)?;
    Ok(0)
}

/// Consecutive fingers that are the same peer.
struct Run<'a> {
    first: u32,
    last: u32,
    peer: Option<&'a PeerView>,
}

fn show(view: &FingersView) -> String {
    let Some(me) = id(&view.id) else {
        return format!("{} says that its identifier is {:?}", safe(&view.name), view.id);
    };
    let text = table(&COLUMNS, runs(view, me).iter().map(|run| row(run, me)));
    format!(
        "{text}\n\nfingers of {} ({}): finger i is the first peer at or behind its identifier + 2^(i-1)\nSTART: of the \
         row's first finger; INTERVAL: the part of the ring that the row covers\n",
        safe(&view.name),
        short_id(&view.id)
    )
}

fn runs(view: &FingersView, me: Id) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for finger in 1..=Id::BITS {
        let peer = peer(view, me, finger);
        match runs.last_mut().filter(|run| run.peer.map(|p| &p.id) == peer.map(|p| &p.id)) {
            Some(run) => run.last = finger,
            None => runs.push(Run { first: finger, last: finger, peer }),
        }
    }
    runs
}

/// The one listed for the finger's start; else the successor, if that is the first peer behind it.
fn peer(view: &FingersView, me: Id, finger: u32) -> Option<&PeerView> {
    let start = start(me, finger);
    if let Some(listed) = view.fingers.iter().find(|listed| id(&listed.start) == Some(start)) {
        return listed.peer.as_ref();
    }
    let successor = view.successors.first()?;
    let reach = me.distance_to(id(&successor.id)?);
    (me.distance_to(start) <= reach).then_some(successor)
}

fn row(run: &Run<'_>, me: Id) -> Vec<String> {
    let number = match run.first == run.last {
        true => run.first.to_string(),
        false => format!("{}-{}", run.first, run.last),
    };
    let start = start(me, run.first).to_string();
    let (name, address) = run.peer.map_or_else(
        || ("-".to_owned(), "the peer itself, or not known yet".to_owned()),
        |peer| (peer.name.clone(), peer.chord.trim_start_matches("http://").to_owned()),
    );
    vec![number, short_id(&start), share(run.first, run.last), name, address]
}

/// Of the ring, from the start of `first` up to the start of the finger behind `last`.
fn share(first: u32, last: u32) -> String {
    let power = |finger: u32| 2f64.powi(finger as i32 - 1 - Id::BITS as i32);
    let percent = (power(last + 1) - power(first)) * 100.0;
    if percent < 0.1 { "< 0.1 %".to_owned() } else { format!("{percent:.1} %") }
}

/// The identifier that a finger starts at.
fn start(me: Id, finger: u32) -> Id {
    me.plus_power_of_two(finger - 1)
}

fn id(digits: &str) -> Option<Id> {
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use chord_client::views::FingerView;

    use super::*;

    fn peer_at(first_byte: u8) -> PeerView {
        PeerView {
            id: format!("{first_byte:02x}{}", "00".repeat(19)),
            name: format!("p{first_byte:02x}"),
            chord: "http://10.0.0.4:7300".to_owned(),
        }
    }

    #[test]
    fn starts_and_distances_go_round_the_ring() {
        let (zero, seven, last) =
            (Id::from_bytes([0; 20]), Id::from_bytes([7; 20]), Id::from_bytes([0xff; 20]));
        let mut half = [0; 20];
        half[0] = 0x80;
        assert_eq!(start(last, 1), zero);
        assert_eq!(start(zero, 160), Id::from_bytes(half));
        assert_eq!(last.distance_to(zero).to_bytes()[19], 1);
        assert_eq!(seven.distance_to(start(seven, 90)), start(zero, 90));
    }

    #[test]
    fn fingers_of_the_same_peer_are_one_row() {
        let finger = |first_byte: u8, peer: u8| FingerView {
            start: format!("{first_byte:02x}{}", "00".repeat(19)),
            peer: Some(peer_at(peer)),
        };
        let me = peer_at(0);
        let mut view = FingersView {
            id: me.id,
            name: me.name,
            successors: vec![peer_at(0x10)],
            fingers: vec![finger(0x20, 0x50), finger(0x40, 0x50), finger(0x80, 0x90)],
        };
        let text = show(&view);
        let rows: Vec<Vec<&str>> =
            text.lines().skip(1).take(3).map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["1-157", "0000000000", "12.5", "%", "p10", "10.0.0.4:7300"], "{text}");
        assert_eq!(rows[1], ["158-159", "2000000000", "37.5", "%", "p50", "10.0.0.4:7300"], "{text}");
        assert_eq!(rows[2], ["160", "8000000000", "50.0", "%", "p90", "10.0.0.4:7300"], "{text}");
        view.fingers.pop();
        assert!(show(&view).contains("itself, or not known yet"), "{}", show(&view));
        view.id = "nonsense".to_owned();
        assert!(show(&view).contains("nonsense"));
    }
}
