//! Unit tests of the publisher.

use super::*;
use crate::index::{Keeper, Room, Text};

const RENEWAL: Duration = Duration::from_secs(20);
const ROOM: Room = Room { quota: 1000, capacity: 1000 };

fn file(name: &str) -> File {
    let text = Text::default();
    File { name: name.into(), path: name.into(), size: 1, modified_ms: 0, digest: None, text }
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
    while let Some((to, request, sent)) = publisher.next_message(&Services::default(), RENEWAL, 2, None) {
        messages += 1;
        assert!(messages < 1000, "it must settle");
        let response = match request {
            Request::Renew { services, sequence, arcs, .. } => {
                let same = keeper.renew(&me, &services, sequence, &arcs);
                let owner = Some(kept(to.id, [to.clone()]));
                Response::Renewed(
                    same.into_iter().map(|verdict| ArcAnswer { verdict, owner: owner.clone() }).collect(),
                )
            }
            Request::Publish(batch) => {
                keeper.publish(&me, &batch, ROOM).unwrap();
                Response::Published(kept(to.id, [to.clone()]))
            }
            other => panic!("unexpected {other:?}"),
        };
        publisher.acknowledge(to.id, sent, response, 2);
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
    publisher.pass(RENEWAL, RENEWAL * 3);
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
        let (to, request, sent) = publisher.next_message(&Services::default(), RENEWAL, 2, None).unwrap();
        let response = match request {
            Request::Renew { .. } => Response::Renewed(vec![ArcAnswer {
                verdict: Verdict::Empty,
                owner: Some(kept(to.id, [to.clone()])),
            }]),
            Request::Publish(batch) => {
                keeper.publish(&me, &batch, ROOM).unwrap();
                Response::Published(kept(to.id, [to.clone()]))
            }
            other => panic!("unexpected {other:?}"),
        };
        publisher.acknowledge(to.id, sent, response, 2);
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
            let Some((to, request, sent)) = publisher.next_message(&Services::default(), RENEWAL, 2, None)
            else {
                break;
            };
            let keeper = keepers.entry(to.id).or_default();
            let owner = arc(to.id, ends);
            let response = match request {
                Request::Renew { services, sequence, arcs, .. } => {
                    let same = keeper.renew(&peer(9), &services, sequence, &arcs);
                    let answer = |verdict| ArcAnswer { verdict, owner: Some(owner.clone()) };
                    Response::Renewed(same.into_iter().map(answer).collect())
                }
                Request::Publish(batch) => {
                    keeper.publish(&peer(9), &batch, ROOM).unwrap();
                    Response::Published(owner)
                }
                other => panic!("unexpected {other:?}"),
            };
            publisher.acknowledge(to.id, sent, response, 2);
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
            read.into_iter().flat_map(|read| read.sources).map(|source| source.file.size).collect();
        assert_eq!(sizes, if number < 20 { vec![] } else { vec![2] }, "{name}");
    }
}

/// A peer at so many sixteenths of the ring.
fn newcomer(sixteenths: u64) -> Peer {
    let mut bytes = [0; 20];
    bytes[0] = (sixteenths * 16) as u8;
    Peer { id: Id::from_bytes(bytes), ..peer(0) }
}

#[test]
fn of_a_large_arc_that_differs_only_the_parts_that_differ_are_sent() {
    let (mut publisher, mut keeper) = (Publisher::default(), Keeper::default());
    publisher.update((0..400).map(|n| file(&n.to_string())).collect(), &[]);
    publisher.place(&kept(Id::from(5), [peer(5)]));
    settle(&mut publisher, &mut keeper);
    // It restarts with one file less, one changed and one more.
    let mut again = Publisher::default();
    let changed = |n: u32| File { size: if n == 7 { 2 } else { 1 }, ..file(&n.to_string()) };
    again.update((1..=400).map(changed).collect(), &[]);
    again.place(&kept(Id::from(5), [peer(5)]));
    let messages = settle(&mut again, &mut keeper);
    assert!(messages < 20, "{messages} messages, two keys in each");
    assert_eq!(names(&keeper, &["0", "7", "400"]), [false, true, true]);
    assert_eq!(
        keeper.digest(Id::default(), Id::default()),
        again.listing.digest(Id::default(), Id::default())
    );
}

#[test]
fn more_changes_than_are_remembered_are_not_lost() {
    let (mut publisher, mut keeper) = (Publisher::default(), Keeper::default());
    publisher.update(vec![file("first")], &[]);
    publisher.place(&kept(Id::from(5), [peer(5)]));
    let (to, request, sent) = publisher.next_message(&Services::default(), RENEWAL, 2, None).unwrap();
    let Request::Renew { services, sequence, arcs, .. } = request else { panic!("it compares first") };
    let verdicts = keeper.renew(&peer(9), &services, sequence, &arcs);
    publisher.update((0..CHANGES + 1).map(|n| file(&n.to_string())).collect(), &[]);
    let owner = Some(kept(to.id, [to.clone()]));
    let answers = vec![ArcAnswer { verdict: verdicts[0], owner }];
    publisher.acknowledge(to.id, sent, Response::Renewed(answers), 2);
    assert!(publisher.arcs.values().all(|arc| arc.changes.len() <= CHANGES));
    let room = Room { quota: u64::MAX, capacity: u64::MAX };
    while let Some((to, request, sent)) = publisher.next_message(&Services::default(), RENEWAL, 256, None) {
        let owner = kept(to.id, [to.clone()]);
        let response = match request {
            Request::Renew { services, sequence, arcs, .. } => Response::Renewed(
                keeper
                    .renew(&peer(9), &services, sequence, &arcs)
                    .into_iter()
                    .map(|verdict| ArcAnswer { verdict, owner: Some(owner.clone()) })
                    .collect(),
            ),
            Request::Publish(batch) => {
                keeper.publish(&peer(9), &batch, room).unwrap();
                Response::Published(owner)
            }
            other => panic!("unexpected {other:?}"),
        };
        publisher.acknowledge(to.id, sent, response, 256);
    }
    assert_eq!(names(&keeper, &["first", "0", &CHANGES.to_string()]), [true; 3]);
    assert_eq!(publisher.pending(), 0);
}

#[test]
fn a_receipt_tells_who_has_acknowledged_a_key() {
    let (mut publisher, mut keeper) = (Publisher::default(), Keeper::default());
    let key = Id::of(b"a");
    assert!(!publisher.receipt(key).is_whole(), "nobody is known to keep it");
    publisher.update(vec![file("a")], &[]);
    publisher.place(&kept(Id::from(5), [peer(5)]));
    assert_eq!(publisher.receipt(key).pending, [peer(5)]);
    settle(&mut publisher, &mut keeper);
    assert_eq!(publisher.receipt(key), Receipt { keepers: vec![peer(5)], pending: vec![] });
    publisher.update(vec![], &["a".into()]);
    assert!(!publisher.receipt(key).is_whole(), "its withdrawal is under way");
    settle(&mut publisher, &mut keeper);
    assert!(publisher.receipt(key).is_whole());
}

#[test]
fn a_keeper_without_room_is_asked_again_with_the_next_renewal() {
    let mut publisher = Publisher::default();
    publisher.update(vec![file("a")], &[]);
    publisher.place(&kept(Id::from(5), [peer(5)]));
    let next = |publisher: &mut Publisher| {
        let (to, _, sent) = publisher.next_message(&Services::default(), RENEWAL, 2, None)?;
        Some((to, sent))
    };
    let (to, sent) = next(&mut publisher).unwrap();
    let owner = Some(kept(to.id, [to.clone()]));
    let empty = ArcAnswer { verdict: Verdict::Empty, owner };
    publisher.acknowledge(to.id, sent, Response::Renewed(vec![empty]), 2);
    let (to, sent) = next(&mut publisher).unwrap();
    publisher.acknowledge(to.id, sent, Response::Full(7), 2);
    assert_eq!(publisher.progress().refusing, [(to, 7)]);
    assert_eq!(next(&mut publisher), None);
    publisher.pass(RENEWAL, RENEWAL * 3);
    assert!(matches!(next(&mut publisher), Some((_, Sent::Renewal { .. }))));
}

#[test]
fn who_ceases_to_be_a_keeper_is_told_so_once() {
    let mut publisher = Publisher::default();
    publisher.update(vec![file("a"), file("b")], &[]);
    let mut keepers: BTreeMap<Id, Keeper> = BTreeMap::new();
    let mut settle = |publisher: &mut Publisher, arc: &KeptArc| {
        let (me, mut renewed) = (peer(9), Vec::new());
        while let Some((to, request, sent)) = publisher.next_message(&Services::default(), RENEWAL, 9, None) {
            let keeper = keepers.entry(to.id).or_default();
            let response = match request {
                Request::Renew { services, sequence, arcs, all } => {
                    renewed.push((to.id, arcs.len()));
                    let same = keeper.renew(&me, &services, sequence, &arcs);
                    if all {
                        keeper.confine(&me, sequence, &arcs, (Id::from(0), Id::from(0).next()), RENEWAL * 3);
                    }
                    let owner = Some(arc.clone()).filter(|_| to.id == Id::from(5));
                    let answer = |verdict| ArcAnswer { verdict, owner: owner.clone() };
                    Response::Renewed(same.into_iter().map(answer).collect())
                }
                Request::Publish(batch) => {
                    keeper.publish(&me, &batch, ROOM).unwrap();
                    Response::Published(arc.clone())
                }
                other => panic!("unexpected {other:?}"),
            };
            publisher.acknowledge(to.id, sent, response, 9);
        }
        (renewed, names(&keepers[&Id::from(6)], &["a", "b"]))
    };
    let whole = |second| kept(Id::from(5), [peer(5), second]);
    publisher.place(&whole(peer(6)));
    let (renewed, has) = settle(&mut publisher, &whole(peer(6)));
    // Compared with, told, and asked to confirm it.
    assert_eq!((renewed.len(), has), (4, vec![true, true]));
    publisher.place(&whole(peer(7)));
    let (renewed, has) = settle(&mut publisher, &whole(peer(7)));
    assert!(renewed.contains(&(Id::from(6), 0)), "{renewed:?}");
    assert_eq!(has, [false, false]);
    publisher.pass(RENEWAL / 2, RENEWAL * 3);
    assert!(!publisher.keepers().contains(&peer(6)), "it is told once");
    assert_eq!(settle(&mut publisher, &whole(peer(7))).0, []);

    publisher.place(&whole(peer(6)));
    for _ in 0..4 {
        publisher.pass(Duration::from_millis(1), RENEWAL * 3);
        while let Some((to, ..)) = publisher.next_message(&Services::default(), RENEWAL, 9, None) {
            match to.id == Id::from(7) {
                true => publisher.fail(to.id),
                false => publisher.back_off(to.id),
            }
        }
    }
    publisher.pass(Duration::from_millis(1), RENEWAL * 3);
    assert!(!publisher.keepers().contains(&peer(7)), "who is silent is not told for ever");
}

/// The next message, what it is about, and for whom.
fn message(publisher: &mut Publisher) -> Option<(Peer, Request, Sent)> {
    publisher.next_message(&Services::default(), RENEWAL, 2, None)
}

#[test]
fn an_arc_stands_while_a_keeper_is_lost_and_is_not_sent_again_to_the_others() {
    let mut publisher = Publisher::default();
    let arc = kept(Id::from(5), [peer(5), peer(6)]);
    let settle = |publisher: &mut Publisher| {
        let mut messages = 0;
        while let Some((to, request, sent)) = message(publisher) {
            messages += 1;
            let response = match request {
                Request::Renew { .. } => {
                    Response::Renewed(vec![ArcAnswer { verdict: Verdict::Same, owner: Some(arc.clone()) }])
                }
                _ => Response::Published(arc.clone()),
            };
            publisher.acknowledge(to.id, sent, response, 2);
        }
        messages
    };
    publisher.update(vec![file("a")], &[]);
    publisher.place(&arc);
    assert_eq!(settle(&mut publisher), 2, "one comparison with each");
    publisher.lose(Id::from(6));
    assert_eq!(publisher.unplaced(), Some(Id::of(b"a")));
    publisher.update(vec![file("b")], &[]);
    let (_, request, _) = message(&mut publisher.clone()).expect("the change");
    assert!(matches!(request, Request::Publish(_)), "they are told of changes meanwhile");
    publisher.place(&arc);
    assert_eq!(publisher.unplaced(), None, "it is as it was");
    assert_eq!(settle(&mut publisher), 2, "the change, to each");
}

/// Its only file, "a", is with peer 5, and is gone now.
fn without_its_file() -> Publisher {
    let mut publisher = Publisher::default();
    publisher.update(vec![file("a")], &[]);
    publisher.place(&kept(Id::from(5), [peer(5)]));
    settle(&mut publisher, &mut Keeper::default());
    publisher.update(Vec::new(), &["a".into()]);
    publisher
}

#[test]
fn an_arc_without_keys_stands_until_all_its_keepers_know() {
    let mut publisher = without_its_file();
    publisher.place(&kept(Id::from(5), [peer(5), peer(6)]));
    let owner = kept(Id::from(5), [peer(5), peer(6)]);
    // A newcomer has it from another keeper, and the message that withdraws it is lost.
    while let Some((to, request, sent)) = message(&mut publisher) {
        let newcomer = to.id == peer(6).id;
        match request {
            Request::Publish(_) if newcomer => publisher.fail(to.id),
            Request::Publish(_) => {
                publisher.acknowledge(to.id, sent, Response::Published(owner.clone()), 2);
            }
            _ => {
                let verdict = if newcomer { Verdict::Differs } else { Verdict::Same };
                let answers = vec![ArcAnswer { verdict, owner: None }];
                publisher.acknowledge(to.id, sent, Response::Renewed(answers), 2);
            }
        }
    }
    publisher.pass(Duration::from_secs(1), RENEWAL * 3);
    let (to, request, _) = message(&mut publisher).expect("it is told again");
    assert!(to.id == peer(6).id && matches!(request, Request::Publish(_)), "{to:?} {request:?}");
}

#[test]
fn a_change_in_what_has_gone_to_another_peer_meanwhile_is_not_settled() {
    let mut publisher = without_its_file();
    let (to, _, sent) = message(&mut publisher).expect("the change");
    publisher.acknowledge(to.id, sent, Response::Published(kept(Id::of(b"a"), [peer(5)])), 2);
    assert_eq!(publisher.unplaced(), Some(Id::of(b"a")), "a newcomer may have it");
}
