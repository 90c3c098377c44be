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
                let same = keeper.renew(&me, &services, sequence, &arcs);
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

#[test]
fn what_a_newcomer_took_over_goes_to_it_at_once() {
    let mut publisher = Publisher::default();
    let mut keepers: BTreeMap<Id, Keeper> = BTreeMap::new();
    let owner = |key: Id, ends: &[u64]| {
        let ends: Vec<Peer> = ends.iter().map(|end| newcomer(*end)).collect();
        ends.iter().find(|peer| peer.id >= key).unwrap_or(&ends[0]).clone()
    };
    let arc = |id: Id, ends: &[u64]| {
        let at = ends.iter().position(|end| newcomer(*end).id == id).unwrap();
        let from = newcomer(ends[(at + ends.len() - 1) % ends.len()]).id;
        KeptArc { from, keepers: vec![newcomer(ends[at])] }
    };
    let mut settle = |publisher: &mut Publisher, ends: &[u64]| {
        for _ in 0..1000 {
            if let Some(key) = publisher.unplaced() {
                publisher.place(&arc(owner(key, ends).id, ends));
            }
            let Some((to, request, sent)) = publisher.next_message(&Services::default(), RENEWAL, 2) else {
                break;
            };
            let keeper = keepers.entry(to.id).or_default();
            let owner = arc(to.id, ends);
            let response = match request {
                Request::Renew { services, sequence, arcs, .. } => {
                    let same = keeper.renew(&peer(9), &services, sequence, &arcs);
                    let answer = |same| ArcAnswer { same, owner: Some(owner.clone()) };
                    Response::Renewed(same.into_iter().map(answer).collect())
                }
                Request::Publish(batch) => {
                    keeper.publish(&peer(9), &batch);
                    Response::Published(owner)
                }
                other => panic!("unexpected {other:?}"),
            };
            publisher.acknowledge(to.id, sent, response);
        }
        assert_eq!((publisher.unplaced(), publisher.pending()), (None, 0));
        keepers.clone()
    };
    let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    publisher.update(names.iter().map(|name| file(name)).collect(), &[]);
    settle(&mut publisher, &[8]);
    // Three join; the publisher does not hear of them, and everything changes: removed, or new content.
    let ends = [2, 4, 6, 8];
    let changed = |name: &String| File { size: 2, ..file(name) };
    publisher.update(names[20..].iter().map(changed).collect(), &[]);
    publisher.update(Vec::new(), &names[..20].iter().map(|name| name.as_str().into()).collect::<Vec<_>>());
    let keepers = settle(&mut publisher, &ends);
    for (number, name) in names.iter().enumerate() {
        let key = Id::of(name.as_bytes());
        let read = keepers.get(&owner(key, &ends).id).map(|keeper| keeper.read(key, 9, |_| true));
        let sizes: Vec<u64> =
            read.into_iter().flat_map(|read| read.sources).map(|source| source.entry.file.size).collect();
        assert_eq!(sizes, if number < 20 { vec![] } else { vec![2] }, "{name}");
    }
}

/// A peer at so many sixteenths of the ring.
fn newcomer(sixteenths: u64) -> Peer {
    let mut bytes = [0; 20];
    bytes[0] = (sixteenths * 16) as u8;
    Peer { id: Id::from_bytes(bytes), ..peer(0) }
}
