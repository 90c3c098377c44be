//! Unit tests of the keeper.

use super::*;
use crate::index::File;

const LEASE: Duration = Duration::from_secs(60);

fn publisher(incarnation: u64) -> Peer {
    Peer { id: Id::from(7), incarnation, address: "a".into(), name: "a".into() }
}

fn entry(key: u64) -> Entry {
    let file =
        File { name: "f".into(), path: key.to_string().into(), size: key, modified_ms: 0, digest: None };
    Entry { key: Id::from(key), ..Entry::of_name(file) }
}

fn batch(sequence: u64, keys: &[(u64, bool)]) -> Batch {
    let keys =
        keys.iter().map(|(key, there)| (Id::from(*key), there.then(|| entry(*key)).into_iter().collect()));
    let arc = (Id::from(0), Id::from(100));
    Batch { services: Services::default(), sequence, arc, replace: false, keys: keys.collect() }
}

fn has(keeper: &Keeper, key: u64) -> bool {
    keeper.read(Id::from(key), 9, |_| true).total > 0
}

fn renew(keeper: &mut Keeper, publisher: &Peer, sequence: u64, entries: &[Entry]) -> bool {
    let (from, to) = (Id::from(0), Id::from(100));
    let arcs = [ArcDigest { from, to, digest: entries.iter().collect() }];
    keeper.renew(publisher, &Services::default(), sequence, &arcs)[0]
}

#[test]
fn an_earlier_statement_never_undoes_a_later_one() {
    let mut keeper = Keeper::default();
    keeper.publish(&publisher(1), &batch(5, &[(10, true)]));
    keeper.publish(&publisher(1), &batch(7, &[(10, false)]));
    keeper.publish(&publisher(1), &batch(6, &[(10, true)]));
    assert!(!has(&keeper, 10), "withdrawn at 7, a late message of 6 must not bring it back");
    assert!(renew(&mut keeper, &publisher(1), 7, &[]));
    keeper.publish(&publisher(1), &batch(6, &[(10, true)]));
    assert!(!has(&keeper, 10), "nor after the tombstone is gone");
}

#[test]
fn a_new_life_with_the_same_files_agrees_at_once_and_an_older_life_is_ignored() {
    let mut keeper = Keeper::default();
    keeper.publish(&publisher(1), &batch(5, &[(10, true)]));
    assert!(renew(&mut keeper, &publisher(2), 1, &[entry(10)]));
    keeper.publish(&publisher(1), &batch(9, &[(10, false)]));
    assert!(has(&keeper, 10));
    keeper.publish(&publisher(2), &batch(2, &[(10, false)]));
    assert!(!has(&keeper, 10));
}

#[test]
fn replacing_an_arc_removes_what_is_not_listed() {
    let mut keeper = Keeper::default();
    keeper.publish(&publisher(1), &batch(5, &[(10, true), (20, true)]));
    keeper.publish(&publisher(1), &Batch { replace: true, ..batch(6, &[(20, true)]) });
    assert!(!has(&keeper, 10) && has(&keeper, 20));
}

#[test]
fn a_lease_runs_out_and_a_hand_over_does_not_renew_it() {
    let (mut keeper, mut other) = (Keeper::default(), Keeper::default());
    keeper.publish(&publisher(1), &batch(5, &[(10, true)]));
    assert!(keeper.pass(Duration::from_secs(50), LEASE).is_empty());
    let (batches, _) = keeper.portion((Id::from(0), Id::from(100)), None, None, 9);
    batches.iter().for_each(|batch| other.accept(batch, LEASE));
    assert!(has(&other, 10));
    assert_eq!(other.pass(Duration::from_secs(10), LEASE).len(), 1);
    assert!(!has(&other, 10) && other.is_empty());
}

#[test]
fn a_portion_goes_on_where_the_one_before_ended() {
    let mut keeper = Keeper::default();
    let keys: Vec<(u64, bool)> = (1..=10).map(|key| (key, true)).collect();
    keeper.publish(&publisher(1), &batch(5, &keys));
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let (batches, next) = keeper.portion((Id::from(3), Id::from(2)), None, cursor, 4);
        seen.extend(batches.into_iter().flat_map(|b| b.keys).map(|k| k.key));
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<Id> = [4, 5, 6, 7, 8, 9, 10, 1, 2].map(Id::from).to_vec();
    assert_eq!(seen, expected);
}

#[test]
fn a_range_is_read_in_pages_of_whole_keys() {
    let mut keeper = Keeper::default();
    keeper.publish(&publisher(1), &batch(5, &[(10, true), (20, true), (30, true)]));
    let page = keeper.read_range(Id::from(10), Id::from(100), 2, |_| true);
    assert_eq!((page.sources.len(), page.next), (2, Some(Id::from(30))));
    let page = keeper.read_range(Id::from(30), Id::from(100), 2, |_| true);
    assert_eq!((page.sources.len(), page.next), (1, None));
}

#[test]
fn what_no_renewal_covers_is_kept_by_others_or_goes_with_the_second_one() {
    let half = |from: u64, to: u64| {
        [ArcDigest { from: Id::from(from), to: Id::from(to), digest: [].iter().collect() }]
    };
    let (own, keys) = ((Id::from(20), Id::from(40)), [(10, true), (30, true), (35, true), (50, true)]);
    let mut keeper = Keeper::default();
    keeper.publish(&publisher(1), &batch(5, &keys));
    let confine = |keeper: &mut Keeper, arcs: &[ArcDigest]| {
        keeper.renew(&publisher(1), &Services::default(), 5, arcs);
        keeper.confine(&publisher(1), arcs, own, LEASE)
    };
    assert_eq!(confine(&mut keeper, &half(40, 60)), [Id::from(10)]);
    assert!(!has(&keeper, 10) && has(&keeper, 30) && has(&keeper, 50));
    assert!(keeper.confine(&publisher(0), &[], own, LEASE).is_empty(), "an earlier life has no say");
    confine(&mut keeper, &half(40, 60));
    assert!(has(&keeper, 30), "asked again at once, it is no second renewal");
    // One of the two is covered by then: the publisher knows who is responsible.
    keeper.pass(LEASE / 3, LEASE);
    confine(&mut keeper, &[half(32, 38), half(40, 60)].concat());
    assert!(!has(&keeper, 30), "the publisher lives, and has not said twice that it still has this");
    assert!(has(&keeper, 35) && has(&keeper, 50));
}

#[test]
fn what_a_life_has_withdrawn_does_not_come_back_and_a_later_life_may_publish() {
    let mut keeper = Keeper::default();
    keeper.publish(&publisher(1), &batch(5, &[(10, true)]));
    let (batches, _) = keeper.portion((Id::from(0), Id::from(100)), None, None, 9);
    let digests = keeper.digests(Id::from(0), Id::from(100));
    keeper.withdraw_life(&publisher(1));
    assert_eq!(keeper.compare(Id::from(0), Id::from(100), &digests), []);
    batches.iter().for_each(|batch| keeper.accept(batch, LEASE));
    keeper.publish(&publisher(1), &batch(6, &[(10, true)]));
    assert!(!has(&keeper, 10), "another keeper missed the withdrawal, a message came late");
    keeper.publish(&publisher(2), &batch(1, &[(10, true)]));
    assert!(has(&keeper, 10));
    keeper.pass(LEASE + Duration::from_secs(1), LEASE);
    assert!(keeper.withdrawn.is_empty());
}
