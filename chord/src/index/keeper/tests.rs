//! Unit tests of the keeper.

use super::*;
use crate::index::Text;

const LEASE: Duration = Duration::from_secs(60);

fn publisher(incarnation: u64) -> Peer {
    Peer { id: Id::from(7), incarnation, address: "a".into(), name: "a".into() }
}

const ROOM: Room = Room { quota: 1000, capacity: 1000 };

fn statement(key: u64) -> Statement {
    let path = key.to_string().into();
    let file =
        File { name: "f".into(), path, size: key, modified_ms: 0, digest: None, text: Text::default() };
    Statement { key: Id::from(key), ..Statement::of_name(file) }
}

fn batch(sequence: u64, keys: &[(u64, bool)]) -> Batch {
    let keys = keys.iter().map(|(key, there)| match there {
        true => statement(*key),
        false => Statement::nothing(Id::from(*key)),
    });
    let arc = (Id::from(0), Id::from(100));
    Batch { services: Services::default(), sequence, arc, replace: false, keys: keys.collect() }
}

fn publish(keeper: &mut Keeper, publisher: &Peer, batch: &Batch) {
    keeper.publish(publisher, batch, ROOM).expect("there is room");
}

fn has(keeper: &Keeper, key: u64) -> bool {
    keeper.read(Id::from(key), 9, |_| true).total > 0
}

fn renew(keeper: &mut Keeper, publisher: &Peer, sequence: u64, statements: &[Statement]) -> bool {
    let (from, to) = (Id::from(0), Id::from(100));
    let arcs = [ArcDigest { from, to, digest: statements.iter().collect() }];
    keeper.renew(publisher, &Services::default(), sequence, &arcs) == [Verdict::Same]
}

#[test]
fn an_earlier_statement_never_undoes_a_later_one() {
    let mut keeper = Keeper::default();
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true)]));
    publish(&mut keeper, &publisher(1), &batch(7, &[(10, false)]));
    publish(&mut keeper, &publisher(1), &batch(6, &[(10, true)]));
    assert!(!has(&keeper, 10), "withdrawn at 7, a late message of 6 must not bring it back");
    assert!(renew(&mut keeper, &publisher(1), 7, &[]));
    publish(&mut keeper, &publisher(1), &batch(6, &[(10, true)]));
    assert!(!has(&keeper, 10), "nor after the tombstone is gone");
}

#[test]
fn a_new_life_with_the_same_files_agrees_at_once_and_an_older_life_is_ignored() {
    let mut keeper = Keeper::default();
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true)]));
    assert!(renew(&mut keeper, &publisher(2), 1, &[statement(10)]));
    publish(&mut keeper, &publisher(1), &batch(9, &[(10, false)]));
    assert!(has(&keeper, 10));
    publish(&mut keeper, &publisher(2), &batch(2, &[(10, false)]));
    assert!(!has(&keeper, 10));
}

#[test]
fn replacing_an_arc_removes_what_is_not_listed() {
    let mut keeper = Keeper::default();
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true), (20, true)]));
    publish(&mut keeper, &publisher(1), &Batch { replace: true, ..batch(6, &[(20, true)]) });
    assert!(!has(&keeper, 10) && has(&keeper, 20));
}

#[test]
fn a_lease_runs_out_and_a_hand_over_does_not_renew_it() {
    let (mut keeper, mut other) = (Keeper::default(), Keeper::default());
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true)]));
    assert!(keeper.pass(Duration::from_secs(50), LEASE).is_empty());
    let (batches, ..) = keeper.portion((Id::from(0), Id::from(100)), None, None, 9, false);
    batches.iter().for_each(|batch| other.accept(batch, LEASE));
    assert!(has(&other, 10));
    assert_eq!(other.pass(Duration::from_secs(10), LEASE).len(), 1);
    assert!(!has(&other, 10) && other.is_empty());
}

#[test]
fn a_portion_goes_on_where_the_one_before_ended() {
    let mut keeper = Keeper::default();
    let keys: Vec<(u64, bool)> = (1..=10).map(|key| (key, true)).collect();
    publish(&mut keeper, &publisher(1), &batch(5, &keys));
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let (batches, next, _) = keeper.portion((Id::from(3), Id::from(2)), None, cursor, 4, false);
        seen.extend(batches.into_iter().flat_map(|b| b.keys).map(|k| k.statement.key));
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
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true), (20, true), (30, true)]));
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
    publish(&mut keeper, &publisher(1), &batch(5, &keys));
    let confine = |keeper: &mut Keeper, arcs: &[ArcDigest]| {
        keeper.renew(&publisher(1), &Services::default(), 5, arcs);
        keeper.confine(&publisher(1), 5, arcs, own, LEASE)
    };
    assert_eq!(confine(&mut keeper, &half(40, 60)), [Id::from(10)]);
    assert!(!has(&keeper, 10) && has(&keeper, 30) && has(&keeper, 50));
    assert!(keeper.confine(&publisher(0), 5, &[], own, LEASE).is_empty(), "an earlier life has no say");
    confine(&mut keeper, &half(40, 60));
    assert!(has(&keeper, 30), "asked again at once, it is no second renewal");
    // One of the two is covered by then: the publisher knows who is responsible.
    keeper.pass(LEASE / 3, LEASE);
    confine(&mut keeper, &[half(32, 38), half(40, 60)].concat());
    assert!(!has(&keeper, 30), "the publisher lives, and has not said twice that it still has this");
    assert!(has(&keeper, 35) && has(&keeper, 50));
    keeper.renew(&publisher(2), &Services::default(), 1, &half(40, 60));
    keeper.confine(&publisher(2), 5, &half(40, 60), own, LEASE);
    assert!(!has(&keeper, 35) && has(&keeper, 50), "nobody has said in this life that it still has it");
}

#[test]
fn what_a_life_has_withdrawn_does_not_come_back_and_a_later_life_may_publish() {
    let mut keeper = Keeper::default();
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true)]));
    let (batches, ..) = keeper.portion((Id::from(0), Id::from(100)), None, None, 9, false);
    let digests = keeper.digests(Id::from(0), Id::from(100));
    keeper.withdraw_life(&publisher(1));
    assert_eq!(keeper.compare(Id::from(0), Id::from(100), &digests), []);
    batches.iter().for_each(|batch| keeper.accept(batch, LEASE));
    publish(&mut keeper, &publisher(1), &batch(6, &[(10, true)]));
    assert!(!has(&keeper, 10), "another keeper missed the withdrawal, a message came late");
    publish(&mut keeper, &publisher(2), &batch(1, &[(10, true)]));
    assert!(has(&keeper, 10));
    keeper.pass(LEASE + Duration::from_secs(1), LEASE);
    assert!(keeper.withdrawn.is_empty());
}

#[test]
fn a_file_is_held_once_and_goes_with_its_last_key() {
    let mut keeper = Keeper::default();
    let file = statement(1).files[0].clone();
    let under = |key: u64, size| {
        let file = Arc::new(File { size, ..(*file).clone() });
        Statement { key: Id::from(key), files: vec![file], ..statement(key) }
    };
    let states = |keeper: &mut Keeper, sequence, keys: Vec<Statement>| {
        publish(keeper, &publisher(1), &Batch { keys, ..batch(sequence, &[]) });
    };
    let held = |keeper: &Keeper| keeper.publishers[&publisher(1).id].files.len();
    states(&mut keeper, 1, vec![under(1, 5), under(2, 5), under(3, 5)]);
    assert_eq!((held(&keeper), keeper.counts(Id::from(0), Id::from(2))), (1, (2, 1)));
    states(&mut keeper, 2, vec![under(1, 6), under(2, 6), under(3, 6)]);
    assert_eq!(held(&keeper), 1);
    states(&mut keeper, 3, [1, 2].map(|key| Statement::nothing(Id::from(key))).to_vec());
    assert_eq!(held(&keeper), 1);
    states(&mut keeper, 4, vec![Statement::nothing(Id::from(3))]);
    assert_eq!((held(&keeper), keeper.counts(Id::from(0), Id::from(0))), (0, (0, 0)));
    assert!(keeper.names.is_empty() && keeper.words.is_empty());
}

#[test]
fn a_publisher_over_its_quota_is_refused_whole_and_may_still_withdraw() {
    let mut keeper = Keeper::default();
    let room = Room { quota: 2, capacity: 3 };
    let keys = |numbers: &[u64]| numbers.iter().map(|number| (*number, true)).collect::<Vec<_>>();
    assert_eq!(keeper.publish(&publisher(1), &batch(1, &keys(&[1, 2])), room), Ok(()));
    assert_eq!(keeper.publish(&publisher(1), &batch(2, &keys(&[3, 4])), room), Err(2));
    assert!(has(&keeper, 1) && !has(&keeper, 3));
    let other = Peer { id: Id::from(8), ..publisher(1) };
    assert_eq!(keeper.publish(&other, &batch(1, &keys(&[5, 6])), room), Err(3));
    assert_eq!(keeper.publish(&publisher(1), &batch(3, &[(1, false), (3, true)]), room), Ok(()));
    assert!(!has(&keeper, 1) && has(&keeper, 3));
}

#[test]
fn what_an_earlier_life_said_is_not_passed_on_before_the_present_one_has_confirmed_it() {
    let (mut keeper, whole) = (Keeper::default(), (Id::from(0), Id::from(100)));
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true), (20, true)]));
    publish(&mut keeper, &publisher(2), &batch(1, &[(20, true)]));
    let (batches, _, all) = keeper.portion(whole, None, None, 9, false);
    let keys: Vec<Id> = batches.iter().flat_map(|batch| &batch.keys).map(|key| key.statement.key).collect();
    assert_eq!((keys, all), (vec![Id::from(20)], false));
    assert!(renew(&mut keeper, &publisher(2), 1, &[statement(10), statement(20)]));
    let (batches, _, all) = keeper.portion(whole, None, None, 9, false);
    assert_eq!((batches[0].keys.len(), all), (2, true));
}

#[test]
fn what_was_confirmed_in_one_arc_says_nothing_of_another() {
    let mut keeper = Keeper::default();
    let arc = ArcDigest { from: Id::from(50), to: Id::from(60), digest: Digest::default() };
    keeper.renew(&publisher(1), &Services::default(), 9, &[arc]);
    let mut other = Keeper::default();
    publish(&mut other, &publisher(1), &batch(3, &[(10, true), (55, true)]));
    let (batches, ..) = other.portion((Id::from(0), Id::from(100)), None, None, 9, false);
    batches.iter().for_each(|batch| keeper.accept(batch, LEASE));
    assert!(has(&keeper, 10), "it was never compared here");
    assert!(!has(&keeper, 55), "withdrawn meanwhile");
}

#[test]
fn copies_that_no_publisher_knows_of_go_with_the_arc() {
    let mut keeper = Keeper::default();
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true), (30, true)]));
    let (batches, ..) = keeper.portion((Id::from(0), Id::from(100)), None, None, 9, false);
    let mut other = Keeper::default();
    batches.iter().for_each(|batch| other.accept(batch, LEASE));
    other.drop_foreign(Id::from(20), Id::from(40));
    assert!(!has(&other, 10) && has(&other, 30));
    renew(&mut keeper, &publisher(1), 5, &[statement(10), statement(30)]);
    keeper.drop_foreign(Id::from(20), Id::from(40));
    assert!(has(&keeper, 10), "its publisher keeps it here, and says so when that changes");
}

#[test]
fn what_came_from_another_keeper_only_is_not_offered_to_the_one_responsible() {
    let (mut keeper, mut copy) = (Keeper::default(), Keeper::default());
    let whole = (Id::from(0), Id::from(100));
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true), (20, true)]));
    let (batches, ..) = keeper.portion(whole, None, None, 9, false);
    batches.iter().for_each(|batch| copy.accept(batch, LEASE));
    [&mut keeper, &mut copy].into_iter().for_each(|keeper| {
        keeper.pass(TOLD, LEASE);
    });
    assert!(keeper.has_more(whole.0, whole.1, &[], LEASE) && !copy.has_more(whole.0, whole.1, &[], LEASE));
    assert!(copy.portion(whole, None, None, 9, true).0.is_empty());
    assert_eq!(keeper.portion(whole, None, None, 9, true).0[0].keys.len(), 2);
    assert!(renew(&mut copy, &publisher(1), 5, &[statement(10), statement(20)]));
    assert!(copy.has_more(whole.0, whole.1, &[], LEASE), "confirmed by the publisher itself");
}

#[test]
fn what_a_publisher_said_before_and_comes_late_is_void_wherever_its_key_lies() {
    let mut keeper = Keeper::default();
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true)]));
    keeper.renew(&publisher(1), &Services::default(), 8, &[]);
    keeper.confine(&publisher(1), 8, &[], (Id::from(90), Id::from(100)), LEASE);
    assert!(!has(&keeper, 10), "others keep it now");
    publish(&mut keeper, &publisher(1), &batch(6, &[(10, true)]));
    assert!(!has(&keeper, 10), "a late message");
    publish(&mut keeper, &publisher(1), &batch(9, &[(10, true)]));
    assert!(has(&keeper, 10));
    assert!(keeper.confine(&publisher(1), 8, &[], (Id::from(90), Id::from(100)), LEASE).is_empty());
}

#[test]
fn an_entry_that_keepers_only_pass_round_goes_a_lease_after_its_publisher_confirmed_it() {
    let (mut one, mut other) = (Keeper::default(), Keeper::default());
    let whole = (Id::from(0), Id::from(100));
    publish(&mut one, &publisher(1), &batch(5, &[(10, true), (80, true)]));
    let passed = Duration::from_secs(10);
    for round in 1..=7 {
        // The publisher lives, and renews what lies elsewhere.
        let arcs = [ArcDigest { from: Id::from(50), to: Id::from(100), digest: statement(80).digest() }];
        one.renew(&publisher(1), &Services::default(), 5, &arcs);
        one.pass(passed, LEASE);
        other.pass(passed, LEASE);
        let (batches, ..) = one.portion(whole, None, None, 9, false);
        batches.iter().for_each(|batch| other.accept(batch, LEASE));
        let (batches, ..) = other.portion(whole, None, None, 9, false);
        batches.iter().for_each(|batch| one.accept(batch, LEASE));
        assert_eq!(has(&one, 10) || has(&other, 10), round < 6, "after {round} rounds");
    }
    assert!(has(&one, 80) && has(&other, 80));
}

#[test]
fn what_a_publisher_states_again_is_no_longer_waiting_to_be_covered() {
    let own = (Id::from(0), Id::from(100));
    for renews in [false, true] {
        let mut keeper = Keeper::default();
        publish(&mut keeper, &publisher(1), &batch(5, &[(10, true)]));
        keeper.confine(&publisher(1), 5, &[], own, LEASE);
        keeper.pass(LEASE / 2, LEASE);
        if renews {
            assert!(renew(&mut keeper, &publisher(1), 5, &[statement(10)]));
        } else {
            publish(&mut keeper, &publisher(1), &batch(6, &[(10, true)]));
        }
        keeper.pass(LEASE / 3, LEASE);
        assert!(has(&keeper, 10));
    }
}

#[test]
fn what_another_keeper_knows_to_be_gone_is_dropped() {
    let arc = (Id::from(0), Id::from(100));
    let mut late = Keeper::default();
    publish(&mut late, &publisher(1), &batch(5, &[(10, true), (20, true)]));
    publish(&mut late, &publisher(1), &batch(8, &[(30, true)]));
    let told = |of: &[u64]| {
        let mut keeper = Keeper::default();
        publish(
            &mut keeper,
            &publisher(1),
            &batch(7, &of.iter().map(|key| (*key, true)).collect::<Vec<_>>()),
        );
        let all: Vec<Statement> = of.iter().map(|key| statement(*key)).collect();
        assert!(renew(&mut keeper, &publisher(1), 7, &all));
        keeper
    };
    let keeper = told(&[10]);
    let (batches, ..) = keeper.portion(arc, None, None, 9, false);
    assert_eq!(batches[0].whole, Some((arc.0, arc.1, 7)));
    let mut knows = late.clone();
    batches.iter().for_each(|batch| knows.accept(batch, LEASE));
    assert_eq!([10, 20, 30].map(|key| has(&knows, key)), [true, false, true], "30 is later");
    // Of one that has nothing there any more, the comparison tells.
    let mut keeper = keeper;
    publish(&mut keeper, &publisher(1), &batch(7, &[(10, false)]));
    assert!(renew(&mut keeper, &publisher(1), 7, &[]));
    assert_eq!(late.compare(arc.0, arc.1, &keeper.digests(arc.0, arc.1)), []);
    assert_eq!([10, 20, 30].map(|key| has(&late, key)), [false, false, true]);
    // What it has dropped itself, it does not know to be gone.
    let mut keeper = told(&[10, 20]);
    keeper.confine(&publisher(1), 7, &[], (Id::from(90), Id::from(100)), LEASE);
    assert!(keeper.digests(arc.0, arc.1).is_empty());
}

#[test]
fn who_never_knew_a_dead_publisher_is_told_that_it_is_dead() {
    let (mut keeper, mut newcomer) = (Keeper::default(), Keeper::default());
    publish(&mut keeper, &publisher(1), &batch(5, &[(10, true)]));
    let (mut batches, ..) = keeper.portion((Id::from(0), Id::from(100)), None, None, 9, false);
    batches[0].given_up = true;
    newcomer.accept(&batches[0], LEASE);
    let alive = |keeper: &Keeper| keeper.read(Id::from(10), 9, |_| true).sources[0].alive;
    assert!(!alive(&newcomer));
    assert!(renew(&mut newcomer, &publisher(1), 5, &[statement(10)]));
    assert!(alive(&newcomer), "it was heard");
}
