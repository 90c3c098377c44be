//! `lookup`: which peer is responsible for a name or a key.

use chord::Id;
use chord_client::views::LookupView;
use chord_client::{Client, ClientError};
use chordial_proto::chord_v1::find_successor_request::Target;

use crate::args::Lookup;
use crate::output::{Column, Output, count, milliseconds, safe, short_id, table};

const HOPS: [Column<'_>; 5] =
    [("HOP", true), ("PEER", false), ("ID", false), ("ROUND TRIP", true), ("RULE", false)];

/// Shows the responsible peer, and the way to it where that was asked for.
pub async fn run(client: &Client, output: &Output, lookup: &Lookup) -> Result<u8, ClientError> {
    let target = match lookup.key {
        false => Target::Name(lookup.name.clone()),
        true => Target::Key(key(&lookup.name)?),
    };
    let view = LookupView::from(client.find_successor(target).await?);
    output.show(&view, |view| show(view, lookup.trace))?;
    Ok(0)
}

fn key(digits: &str) -> Result<Vec<u8>, ClientError> {
    let wrong = |_| ClientError::Usage(format!("{digits:?} is not a key: write 40 hexadecimal digits"));
    digits.parse().map(|key: Id| key.to_bytes().into()).map_err(wrong)
}

fn show(view: &LookupView, trace: bool) -> String {
    let keepers: Vec<&str> = view.keepers.iter().map(|keeper| keeper.name.as_str()).collect();
    let rows = [
        ("key", view.key.clone()),
        ("responsible", format!("{} ({})", view.successor.name, view.successor.chord)),
        ("its arc", format!("({}, {}]", view.arc.from, view.arc.to)),
        ("kept by", keepers.join(", ")),
        (
            "found in",
            format!(
                "{}, {}",
                count(view.route.route.hops.into(), "hop"),
                milliseconds(view.route.route.elapsed_us)
            ),
        ),
    ];
    let rows = rows.map(|(title, value)| format!("{title:<13}{}\n", safe(&value)));
    let mut text = rows.concat();
    if trace {
        let hops = view.route.path.iter().enumerate().map(|(index, hop)| {
            let took = if index == 0 { String::new() } else { milliseconds(hop.elapsed_us) };
            vec![index.to_string(), hop.peer.clone(), short_id(&hop.id), took, hop.rule.clone()]
        });
        text.push_str(&format!("\n{}\n\n", table(&HOPS, hops)));
        for (index, hop) in view.route.path.iter().enumerate() {
            text.push_str(&format!("{index}  {}\n", safe(&hop.reason)));
        }
    }
    for peer in &view.route.failed {
        text.push_str(&format!("{} ({}) did not answer on the way\n", safe(&peer.name), safe(&peer.chord)));
    }
    text
}

#[cfg(test)]
mod tests {
    use chord_client::views::{ArcView, HopView, PeerView, RouteView, TraceView};

    use super::*;

    #[test]
    fn a_trace_shows_every_hop_with_its_round_trip_and_reason() {
        let peer = |name: &str| PeerView {
            id: "ab".repeat(20),
            name: name.to_owned(),
            chord: format!("http://{name}:7300"),
        };
        let hop = |name: &str, elapsed_us, rule: &str| HopView {
            peer: name.to_owned(),
            id: "ab".repeat(20),
            elapsed_us,
            rule: rule.to_owned(),
            reason: format!("{name} is asked.\u{1b}"),
        };
        let view = LookupView {
            name: None,
            key: "9f".repeat(20),
            successor: peer("p2"),
            arc: ArcView { from: "01".repeat(20), to: "ab".repeat(20) },
            keepers: vec![peer("p2"), peer("p3")],
            route: TraceView {
                route: RouteView { hops: 1, peers: vec!["p1".to_owned(), "p2".to_owned()], elapsed_us: 840 },
                path: vec![hop("p1", 0, "asked"), hop("p2", 310, "owner")],
                failed: vec![peer("p9")],
            },
        };
        let text = show(&view, true);
        assert!(text.contains("responsible  p2 (http://p2:7300)"), "{text}");
        assert!(text.contains("kept by      p2, p3") && text.contains("1 hop, 0.84 ms"), "{text}");
        assert!(text.contains("0.31 ms") && text.contains("p9 (http://p9:7300) did not answer"), "{text}");
        assert!(text.contains("0.31 ms  owner\n") && text.contains("1  p2 is asked.\\u{1b}\n"), "{text}");
        assert!(!show(&view, false).contains("0.31 ms"));
    }
}
