//! `ring check`: do the peers' views fit together, do Zave's invariants hold, are the entries copied?

use std::time::Duration;

use chord_client::views::{InvariantView, ProblemView, ReplicasView, RingView};
use chord_client::{Client, ClientError};

use crate::commands::ring;
use crate::output::{Output, count, safe};

/// Between the two looks at a ring that shows problems: longer than a healthy ring takes to settle one change.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Shows what is wrong and what mends it; exit code 1 if anything is.
pub async fn run(client: &Client, output: &Output, verbose: bool) -> Result<u8, ClientError> {
    let mut view = look(client).await?;
    if !is_right(&view) {
        // A snapshot of many peers is not atomic: a change in the middle of it looks like a disagreement. Only
        // what is there a second later, too, is one.
        tokio::time::sleep(BETWEEN_LOOKS).await;
        view = lasting(&view, look(client).await?);
    }
    output.show(&view, |view| show(view, verbose))?;
    Ok(u8::from(!is_right(&view)))
}

async fn look(client: &Client) -> Result<RingView, ClientError> {
    let mut view = RingView::from(client.ring().await?);
    view.agreed &= view.problems.is_empty() && view.invariants.iter().all(|invariant| invariant.holds);
    Ok(view)
}

fn is_right(view: &RingView) -> bool {
    view.agreed && view.replicas.as_ref().is_none_or(|replicas| replicas.short == 0)
}

/// The second look, without what the first one did not show.
fn lasting(before: &RingView, mut now: RingView) -> RingView {
    let explained = !now.problems.is_empty() || now.invariants.iter().any(|invariant| !invariant.holds);
    let same = |a: &ProblemView, b: &ProblemView| a.peer == b.peer && a.what == b.what;
    now.problems.retain(|problem| before.problems.iter().any(|earlier| same(earlier, problem)));
    for invariant in now.invariants.iter_mut().filter(|invariant| !invariant.holds) {
        let broken = |earlier: &&InvariantView| earlier.name == invariant.name && !earlier.holds;
        let earlier = before.invariants.iter().find(broken);
        let peers = earlier.map(|earlier| &earlier.peers[..]).unwrap_or_default();
        let nobody = invariant.peers.is_empty();
        invariant.peers.retain(|peer| peers.contains(peer));
        if earlier.is_none() || (invariant.peers.is_empty() && !nobody) {
            (invariant.holds, invariant.remedy, invariant.peers) = (true, None, Vec::new());
        }
    }
    if let Some(replicas) = &mut now.replicas {
        let short = before.replicas.iter().flat_map(|replicas| &replicas.short_arcs);
        let short: Vec<&str> = short.map(|arc| &*arc.peer).collect();
        let (lasting, passing) = replicas.short_arcs.drain(..).partition(|arc| short.contains(&&*arc.peer));
        replicas.short_arcs = lasting;
        let passing: Vec<_> = passing;
        replicas.short -= passing.iter().map(|arc| arc.entries).sum::<u64>().min(replicas.short);
    }
    // A ring that does not agree without saying why is believed, too.
    if explained {
        now.agreed = now.problems.is_empty() && now.invariants.iter().all(|invariant| invariant.holds);
    }
    now
}

fn show(view: &RingView, verbose: bool) -> String {
    let mut text = ring::problems(&view.problems);
    text.push_str(&view.replicas.as_ref().map(short).unwrap_or_default());
    text.push_str(&ring::summary(view));
    text.push('\n');
    text.push_str(&invariants(&view.invariants, &view.mode, verbose));
    text.push_str(&view.replicas.as_ref().map(replicas).unwrap_or_default());
    text.trim_end().to_owned()
}

fn invariants(invariants: &[InvariantView], mode: &str, verbose: bool) -> String {
    let hold = invariants.iter().filter(|invariant| invariant.holds).count();
    let small = if mode == "small" { "; small ring: every list names everybody" } else { "" };
    let mut text = match invariants.len() {
        0 => return "invariants: unknown, since not every peer could be asked\n".to_owned(),
        all if all == hold => format!("invariants: all {all} hold{small}\n"),
        all => format!("invariants: {hold} of {all} hold{small}\n"),
    };
    for invariant in invariants.iter().filter(|invariant| verbose || !invariant.holds) {
        let (name, meaning) = (safe(&invariant.name), safe(&invariant.meaning));
        let holds = if invariant.holds { "holds" } else { "does not hold" };
        text.push_str(&format!("  {name} {holds}: {meaning}\n"));
        if !invariant.peers.is_empty() {
            text.push_str(&format!("    not at {}\n", safe(&invariant.peers.join(", "))));
        }
        text.push_str(
            &invariant.remedy.iter().map(|text| format!("    {}\n", safe(text))).collect::<String>(),
        );
    }
    text
}

/// Each arc that too few peers keep alike, and what mends that.
fn short(replicas: &ReplicasView) -> String {
    let mut text = String::new();
    for arc in &replicas.short_arcs {
        let (copies, wanted, entries) = (arc.copies, replicas.wanted, entries(arc.entries));
        let (peer, behind) = (safe(&arc.peer), safe(&arc.behind.join(", ")));
        text.push_str(&format!(
            "{peer}: {copies} of {wanted} peers agree on the {entries} of its arc; not {behind}\n"
        ));
    }
    let remedy = replicas.remedy.iter().filter(|_| !replicas.short_arcs.is_empty());
    text.extend(remedy.map(|text| format!("    {}\n", safe(text))));
    text
}

/// Whether every entry is kept by as many peers as it should be.
pub fn replicas(replicas: &ReplicasView) -> String {
    let ReplicasView { wanted, entries, short, .. } = replicas;
    let places = count(u64::from(*wanted), "peer");
    match (entries, short) {
        (0, 0) => "replicas: no entries\n".to_owned(),
        (_, 0) => format!("replicas: all {} at {places} each\n", self::entries(*entries)),
        _ => format!("replicas: {short} of {} not at {places} each\n", self::entries(*entries)),
    }
}

fn entries(number: u64) -> String {
    format!("{number} {}", if number == 1 { "entry" } else { "entries" })
}

#[cfg(test)]
mod tests {
    use chord_client::views::ShortArcView;

    use super::*;

    fn invariant(name: &str, peers: &[&str]) -> InvariantView {
        let holds = peers.is_empty();
        InvariantView {
            name: name.to_owned(),
            meaning: "as it should be".to_owned(),
            holds,
            peers: peers.iter().map(|peer| (*peer).to_owned()).collect(),
            remedy: (!holds).then(|| "it mends itself".to_owned()),
        }
    }

    /// Of 33 entries, those of these peers' arcs are short.
    fn ring(invariants: Vec<InvariantView>, short: &[(&str, u64)]) -> RingView {
        let arc = |(peer, entries): &(&str, u64)| ShortArcView {
            peer: (*peer).to_owned(),
            entries: *entries,
            copies: 2,
            behind: vec!["p9".to_owned()],
        };
        RingView {
            peers: Vec::new(),
            agreed: invariants.iter().all(|invariant| invariant.holds),
            problems: Vec::new(),
            invariants,
            mode: "small".to_owned(),
            replicas: Some(ReplicasView {
                wanted: 3,
                entries: 33,
                short: short.iter().map(|(_, entries)| entries).sum(),
                short_arcs: short.iter().map(arc).collect(),
                remedy: (!short.is_empty()).then(|| "they compare".to_owned()),
            }),
        }
    }

    #[test]
    fn a_right_ring_is_told_in_a_line_each() {
        let view = ring(vec![invariant("OneLiveSuccessor", &[])], &[]);
        assert!(is_right(&view));
        let text = show(&view, false);
        assert_eq!(
            text,
            "0 peers, all views agree\n\
             invariants: all 1 hold; small ring: every list names everybody\n\
             replicas: all 33 entries at 3 peers each"
        );
        assert!(show(&view, true).contains("\n  OneLiveSuccessor holds: as it should be\n"));
    }

    #[test]
    fn what_is_broken_is_named_with_what_mends_it() {
        let view =
            ring(vec![invariant("OneLiveSuccessor", &["p3"]), invariant("NoDuplicates", &[])], &[("p4", 5)]);
        assert!(!is_right(&view));
        let text = show(&view, false);
        for line in [
            "p4: 2 of 3 peers agree on the 5 entries of its arc; not p9",
            "    they compare",
            "invariants: 1 of 2 hold; small ring: every list names everybody",
            "  OneLiveSuccessor does not hold: as it should be",
            "    not at p3",
            "    it mends itself",
            "replicas: 5 of 33 entries not at 3 peers each",
        ] {
            assert!(text.lines().any(|other| other == line), "{line:?} is missing in\n{text}");
        }
        assert!(!text.contains("NoDuplicates"), "{text}");
    }

    #[test]
    fn only_what_both_looks_show_counts() {
        let broken = |peers: &[&str]| vec![invariant("OneLiveSuccessor", peers)];
        let view = lasting(
            &ring(broken(&["p3", "p4"]), &[("p4", 5)]),
            ring(broken(&["p4", "p5"]), &[("p4", 6), ("p5", 1)]),
        );
        assert_eq!(view.invariants[0].peers, ["p4"]);
        assert_eq!(view.replicas.as_ref().map(|replicas| replicas.short), Some(6));
        assert!(!is_right(&view));
        let view = lasting(&ring(broken(&["p3"]), &[("p4", 5)]), ring(broken(&["p5"]), &[("p5", 1)]));
        assert!(is_right(&view), "{view:?}");
        // There is no ring, or there are two: that shows at nobody, or now at one and then at another.
        let nowhere = || vec![InvariantView { holds: false, ..invariant("AtLeastOneRing", &[]) }];
        assert!(!is_right(&lasting(&ring(nowhere(), &[]), ring(nowhere(), &[]))));
    }
}
