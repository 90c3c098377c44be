//! `ring`: every peer in ring order.

use chord_client::views::{ProblemView, RingPeerView, RingView};
use chord_client::{Client, ClientError};

use crate::output::{Column, Output, count, safe, short_id, table};

/// The titles, which tests of tables use, too.
pub const COLUMNS: [Column<'_>; 7] = [
    ("NAME", false),
    ("ID", false),
    ("ADDRESS", false),
    ("SHARE", true),
    ("ENTRIES", true),
    ("FILES", true),
    ("STATE", false),
];

/// Shows the ring.
pub async fn run(client: &Client, output: &Output) -> Result<u8, ClientError> {
    output.show(&RingView::from(client.ring().await?), show)?;
    Ok(0)
}

fn show(ring: &RingView) -> String {
    let mut text = table(&COLUMNS, ring.peers.iter().map(|peer| row(peer, &ring.problems)));
    text.push_str(&format!("\n\n{}; ENTRIES: own + copies\n", summary(ring)));
    if ring.peers.iter().any(|peer| peer.state == "suspected") {
        text.push_str("suspected: it does not answer\n");
    }
    if !ring.problems.is_empty() {
        text.push_str("!: its view is not what it should be (`ring check` looks twice):\n");
    }
    text + &problems(&ring.problems)
}

/// How many peers there are, and whether they agree.
pub fn summary(ring: &RingView) -> String {
    let peers = count(ring.peers.len() as u64, "peer");
    match (ring.agreed, ring.problems.len()) {
        (true, 0) => format!("{peers}, all views agree"),
        (false, 0) => format!("{peers}, their views disagree"),
        (_, problems) => format!("{peers}, {}", count(problems as u64, "disagreement")),
    }
}

fn row(peer: &RingPeerView, problems: &[ProblemView]) -> Vec<String> {
    let unknown = || "-".to_owned();
    let troubled = problems.iter().any(|problem| problem.peer == peer.name);
    vec![
        peer.name.clone(),
        short_id(&peer.id),
        peer.chord.trim_start_matches("http://").to_owned(),
        format!("{:.1} %", peer.share * 100.0),
        peer.entries.as_ref().map_or_else(unknown, |kept| format!("{}+{}", kept.owned, kept.replicas)),
        peer.shared_files.map_or_else(unknown, |files| files.to_string()),
        format!("{}{}", peer.state, if troubled { " !" } else { "" }),
    ]
}

/// Each problem; after those that the same thing mends, what that is.
pub fn problems(problems: &[ProblemView]) -> String {
    let mut text = String::new();
    for (at, problem) in problems.iter().enumerate() {
        text.push_str(&format!("{}: {}\n", safe(&problem.peer), safe(&problem.what)));
        let again = problems.get(at + 1).is_some_and(|next| next.remedy == problem.remedy);
        if !problem.remedy.is_empty() && !again {
            text.push_str(&format!("    {}\n", safe(&problem.remedy)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use chord_client::views::EntriesView;

    use super::*;

    fn peer(name: &str, state: &str) -> RingPeerView {
        RingPeerView {
            id: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            name: name.to_owned(),
            chord: "http://10.20.30.40:7300".to_owned(),
            gateway: None,
            share: 0.213,
            incarnation: 1,
            version: None,
            entries: (state == "member").then_some(EntriesView { owned: 100_000, replicas: 200_000 }),
            shared_files: (state == "member").then_some(12),
            state: state.to_owned(),
        }
    }

    #[test]
    fn a_ring_explains_itself() {
        let mut ring = RingView {
            peers: vec![peer("p1", "member"), peer("a-name-much-longer-than-needed", "suspected")],
            agreed: true,
            problems: Vec::new(),
            invariants: Vec::new(),
            mode: "small".to_owned(),
            replicas: None,
        };
        let text = show(&ring);
        assert!(text.contains("p1") && text.contains("0123456789 ") && text.contains("21.3 %"), "{text}");
        assert!(text.contains("100000+200000") && text.contains("all views agree"), "{text}");
        ring.agreed = false;
        ring.problems = vec![ProblemView {
            peer: "p1".to_owned(),
            what: "its successor p5 does not answer".to_owned(),
            remedy: "it is given up within seconds".to_owned(),
        }];
        let text = show(&ring);
        assert!(text.contains("member !") && text.contains("p1: its successor p5 does not answer"), "{text}");
        assert!(text.contains("suspected: it does not answer") && text.contains("given up within"), "{text}");
    }
}
