//! Clocks, against each other.

use chordial_proto::chord_v1::{AskedPeer, Clock};

use super::{CheckView, Findings, Judged, check, ok, unknown, warning};

const AREA: &str = "clock";
const WHY: &str = "Times that are shown are off by that; nothing in the index depends on clocks.";
const REMEDY: &str = "set the clocks by NTP: `timedatectl set-ntp true`, chrony or the like";

/// Milliseconds by which clocks may differ.
const APART: u64 = 2_000;

pub(super) fn checks(findings: &Findings, peers: &[AskedPeer]) -> Vec<CheckView> {
    vec![
        check(AREA, "clock here", WHY, here(findings.here.clock.as_ref())),
        check(AREA, "clocks of peers", WHY, others(peers)),
    ]
}

fn here(clock: Option<&Clock>) -> Judged {
    let Some(clock) = clock else {
        return unknown("the peer does not tell the time", "bring its chord-peer up to date");
    };
    let found = format!("the peer's clock is {} of the one here", apart(clock));
    if is_apart(clock) { warning(found, REMEDY) } else { ok(found) }
}

fn others(peers: &[AskedPeer]) -> Judged {
    let told = peers.iter().filter_map(|asked| Some((&*asked.peer.as_ref()?.name, asked.clock.as_ref()?)));
    let (off, well): (Vec<_>, Vec<_>) = told.partition(|(_, clock)| is_apart(clock));
    if off.is_empty() && well.is_empty() {
        return unknown("no other peer told its time", "nothing, if there is no other peer");
    }
    if off.is_empty() {
        return ok(format!(
            "the clocks of the {} peers that were asked are within 2 s of the peer's",
            well.len()
        ));
    }
    let list: Vec<String> =
        off.iter().map(|(name, clock)| format!("{name} is {} of the peer's clock", apart(clock))).collect();
    warning(list.join("; "), REMEDY)
}

fn is_apart(clock: &Clock) -> bool {
    clock.ahead_ms.unsigned_abs().saturating_sub(clock.within_ms) > APART
}

fn apart(clock: &Clock) -> String {
    let seconds = |ms: u64| format!("{:.3} s", ms as f64 / 1000.0);
    let side = if clock.ahead_ms < 0 { "behind" } else { "ahead" };
    format!("{} (±{}) {side}", seconds(clock.ahead_ms.unsigned_abs()), seconds(clock.within_ms))
}

#[cfg(test)]
mod tests {
    use chordial_proto::chord_v1::Peer;

    use super::super::Outcome;
    use super::*;

    fn clock(ahead_ms: i64, within_ms: u64) -> Clock {
        Clock { ahead_ms, within_ms }
    }

    #[test]
    fn clocks_that_differ_for_certain_are_warned_of() {
        assert_eq!(here(Some(&clock(1_999, 1))).outcome, Outcome::Ok);
        assert_eq!(here(Some(&clock(2_400, 500))).outcome, Outcome::Ok, "that may be the way");
        let behind = here(Some(&clock(-60_000, 1)));
        assert_eq!(behind.outcome, Outcome::Warning);
        assert!(behind.found.contains("60.000 s (±0.001 s) behind"), "{behind:?}");
        assert_eq!(here(Some(&clock(i64::MIN, 1))).outcome, Outcome::Warning);
        assert_eq!(here(None).outcome, Outcome::Unknown);
    }

    #[test]
    fn peers_whose_clocks_differ_are_named() {
        let peer = |name: &str, clock: Option<Clock>| AskedPeer {
            peer: Some(Peer { name: name.to_owned(), ..Peer::default() }),
            clock,
            ..AskedPeer::default()
        };
        let well = peer("p2", Some(clock(5, 1)));
        assert_eq!(others(std::slice::from_ref(&well)).outcome, Outcome::Ok);
        let off = others(&[well, peer("p3", Some(clock(9_000, 1)))]);
        assert_eq!(off.outcome, Outcome::Warning);
        assert!(off.found.contains("p3") && !off.found.contains("p2"), "{off:?}");
        assert_eq!(others(&[peer("p4", None)]).outcome, Outcome::Unknown);
    }
}
