//! Unit tests of the publisher.

use super::*;
use crate::index::Keeper;

const RENEWAL: Duration = Duration::from_secs(20);

fn file(name: &str) -> File {
    File { name: name.into(), path: name.into(), size: 1, modified_ms: 0, digest: None }
}

fn peer(number: u64) -> Peer {
    Peer { id: Id::from(number), incarnation: 1, address: "".into(), name: "".into() }
}

fn kept<const N: usize>(from: Id, keepers: [Peer; N]) -> KeptArc {
    KeptArc { from, keepers: keepers.to_vec() }
}

/// Carries all messages to one keeper that is responsible for the whole ring.
fn settle(publisher: &mut Publisher, keeper: &mut Keeper) -> usize {
    let (me, mut messages) = (peer(9), 0);
    while let Some((to, request, sent)) = publisher.next_message(&Services::default(), RENEWAL, 2) {
        messages += 1;
        assert!(messages < 1000, "it must settle");
        let response = match request {
            Request::Renew { services, sequence, arcs, .. } => {
                let same = keeper.renew(&me, &services, sequence, &arcs, None);
                let owner = Some(kept(to.id, [to.clone()]));
                Response::Renewed(
                    same.into_iter().map(|same| ArcAnswer { same, owner: owner.clone() }).collect(),
                )
            }
            Request::Publish(batch) => {
                keeper.publish(&me, &batch);
                Response::Published(kept(to.id, [to.clone()]))
            }
            other => panic!("unexpected {other:?}"),
        };
        publisher.acknowledge(to.id, sent, response);
    }
    messages
}

fn names(keeper: &Keeper, names: &[&str]) -> Vec<bool> {
    names.iter().map(|n| keeper.read(Id::of(n.as_bytes()), 9, |_| true).total == 1).collect()
}

#[test]
fn everything_is_sent_then_only_changes_then_nothing() {
    let (mut publisher, mut keeper) = (Publisher::default(), Keeper::default());
    publisher.update(["a", "b", "c", "d", "e"].map(file).to_vec(), &[]);
    assert!(publisher.unplaced().is_some());
    publisher.place(&kept(Id::from(5), [peer(5)]));
    assert_eq!(publisher.unplaced(), None);
    settle(&mut publisher, &mut keeper);
    assert_eq!(names(&keeper, &["a", "b", "c", "d", "e"]), [true; 5]);
    assert_eq!(publisher.pending(), 0);

    publisher.update(vec![file("f")], &["a".into()]);
    assert_eq!(settle(&mut publisher, &mut keeper), 1, "two changes in one message");
    assert_eq!(names(&keeper, &["a", "b", "f"]), [false, true, true]);
    assert_eq!(settle(&mut publisher, &mut keeper), 0);
}

#[test]
fn a_renewal_of_unchanged_files_is_one_message() {
    let (mut publisher, mut keeper) = (Publisher::default(), Keeper::default());
    publisher.update(["a", "b", "c"].map(file).to_vec(), &[]);
    publisher.place(&kept(Id::from(5), [peer(5)]));
    settle(&mut publisher, &mut keeper);
    publisher.pass(RENEWAL);
    assert_eq!(settle(&mut publisher, &mut keeper), 1);
}

#[test]
fn a_change_while_an_arc_is_being_sent_is_not_lost() {
    let (mut publisher, mut keeper) = (Publisher::default(), Keeper::default());
    let files: Vec<File> = (0..20).map(|n| file(&n.to_string())).collect();
    publisher.update(files, &[]);
    publisher.place(&kept(Id::from(5), [peer(5)]));
    let me = peer(9);
    for _ in 0..4 {
        let (to, request, sent) = publisher.next_message(&Services::default(), RENEWAL, 2).unwrap();
        let response = match request {
            Request::Renew { .. } => {
                Response::Renewed(vec![ArcAnswer { same: false, owner: Some(kept(to.id, [to.clone()])) }])
            }
            Request::Publish(batch) => {
                keeper.publish(&me, &batch);
                Response::Published(kept(to.id, [to.clone()]))
            }
            other => panic!("unexpected {other:?}"),
        };
        publisher.acknowledge(to.id, sent, response);
    }
    let gone: Vec<Arc<str>> = (0..10).map(|n| n.to_string().into()).collect();
    publisher.update(vec![file("new")], &gone);
    settle(&mut publisher, &mut keeper);
    let there: Vec<bool> = (0..20).map(|n| names(&keeper, &[&n.to_string()])[0]).collect();
    assert_eq!(there, (0..20).map(|n| n >= 10).collect::<Vec<_>>());
    assert_eq!(names(&keeper, &["new"]), [true]);
}

#[test]
fn a_lost_keeper_unplaces_its_keys() {
    let mut publisher = Publisher::default();
    publisher.update(vec![file("a")], &[]);
    publisher.place(&kept(Id::from(5), [peer(5), peer(6)]));
    publisher.lose(Id::from(6));
    assert!(publisher.unplaced().is_some());
}

#[test]
fn arcs_that_overlap_a_newer_one_are_placed_anew() {
    let mut publisher = Publisher::default();
    publisher.update((0..50).map(|n| file(&n.to_string())).collect(), &[]);
    let owner = |name: &str| Peer { id: Id::of(name.as_bytes()), ..peer(0) };
    publisher.place(&kept(owner("p").id, [owner("p")]));
    publisher.place(&kept(owner("p").id, [owner("q")]));
    let uncovered: Vec<bool> = (0..50)
        .map(|n| Id::of(n.to_string().as_bytes()))
        .map(|key| !key.is_within(owner("p").id, owner("q").id))
        .collect();
    assert!(uncovered.contains(&true) && publisher.unplaced().is_some());
}
