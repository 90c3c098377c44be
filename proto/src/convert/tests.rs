//! Everything that the core says comes back as it was; what nobody would say is refused by name.

use std::time::Duration;

use chord::index::{
    ArcAnswer, ArcDigest, Batch, Digest, Entry, File, KeptArc, KeptBatch, KeptKey, Kind, PublisherDigest,
    Reading, Source,
};
use chord::{
    Envelope, HandedOver, Id, Neighbors, News, Ownership, Peer, Read, Request, Response, Services, VERSION,
};

use super::*;
use crate::chord_v1 as wire;

fn peer(number: u16) -> Peer {
    let stranger = Peer::stranger(&format!("127.0.0.1:{}", 7000 + number));
    Peer { incarnation: u64::from(number) + 1, name: format!("p{number}").into(), ..stranger }
}

fn news(number: u16, version: u32) -> News {
    News { peer: peer(number), version }
}

fn envelope() -> Envelope {
    Envelope {
        version: VERSION,
        ring: "chordial".into(),
        sender: peer(1),
        addressee: Some(peer(2).id),
        incarnation: 3,
    }
}

fn services() -> Services {
    Services { catalog: "http://127.0.0.1:7301".into(), transfer: "".into(), gateway: "http://a:8000".into() }
}

fn file(name: &str) -> File {
    let path = format!("docs/{name}").into();
    File { name: name.into(), path, size: 7, modified_ms: -5, digest: Some([9; 32]) }
}

fn entry(name: &str) -> Entry {
    Entry::of_name(file(name))
}

fn word(name: &str) -> Entry {
    Entry { kind: Kind::Word, key: Id::of(b"word"), file: File { digest: None, ..file(name) } }
}

fn digest() -> Digest {
    [&entry("a"), &word("b")].into_iter().collect()
}

fn reading() -> Reading {
    let source = Source { publisher: peer(4), services: services(), entry: entry("ñ.pdf"), alive: true };
    Reading { sources: vec![source], total: 5, complete: true, next: Some(Id::of(b"next")) }
}

fn requests() -> Vec<Request> {
    let arc = (Id::of(b"from"), Id::of(b"to"));
    let hop = |read| Request::NextHop { key: Id::of(b"k"), avoid: vec![peer(3).id], last: true, read };
    let kept = KeptBatch {
        publisher: peer(5),
        services: services(),
        age: Duration::from_millis(1234),
        keys: vec![
            KeptKey { key: entry("a").key, sequence: 4, entries: vec![entry("a")] },
            KeptKey { key: Id::of(b"gone"), sequence: 5, entries: vec![] },
        ],
    };
    let batch = Batch {
        services: services(),
        sequence: 9,
        arc,
        replace: true,
        keys: vec![(word("b").key, vec![word("b")]), (Id::of(b"gone"), vec![])],
    };
    vec![
        Request::Join,
        Request::Stabilize { seen: 77 },
        Request::Notify,
        Request::Poke,
        Request::Reunite(peer(7)),
        Request::Gossip { digest: u64::MAX, news: vec![news(4, 0), news(5, 3)], compare: true },
        Request::Contacts { wanted: vec![0, 3], parts: 4, marks: vec![1, u32::MAX] },
        Request::Ping,
        Request::Leave,
        hop(Read::Nothing),
        hop(Read::Key(100)),
        hop(Read::Range(10)),
        hop(Read::Own(3)),
        hop(Read::Copies(4)),
        Request::Renew {
            services: services(),
            sequence: 3,
            arcs: vec![ArcDigest { from: arc.0, to: arc.1, digest: digest() }],
            all: true,
        },
        Request::Publish(Box::new(batch)),
        Request::Moved(KeptArc { from: Id::of(b"from"), keepers: vec![peer(2)] }),
        Request::Withdraw,
        Request::HandOver { publishers: vec![kept.clone()], done: None },
        Request::HandOver { publishers: vec![kept], done: Some(HandedOver { arc, complete: true }) },
        Request::Compare {
            arc,
            complete: true,
            publishers: vec![PublisherDigest {
                publisher: peer(6),
                age: Duration::from_secs(2),
                digest: digest(),
            }],
        },
    ]
}

fn incoming(outgoing: Outgoing) -> Result<(Envelope, Request), Malformed> {
    match outgoing {
        Outgoing::Join(message) => message.into_core(),
        Outgoing::Stabilize(message) => message.into_core(),
        Outgoing::Notify(message) => message.into_core(),
        Outgoing::Poke(message) => message.into_core(),
        Outgoing::Reunite(message) => message.into_core(),
        Outgoing::Gossip(message) => message.into_core(),
        Outgoing::Contacts(message) => message.into_core(),
        Outgoing::Ping(message) => message.into_core(),
        Outgoing::Leave(message) => message.into_core(),
        Outgoing::NextHop(message) => message.into_core(),
        Outgoing::Renew(message) => message.into_core(),
        Outgoing::Publish(message) => message.into_core(),
        Outgoing::Moved(message) => message.into_core(),
        Outgoing::Withdraw(message) => message.into_core(),
        Outgoing::HandOver(message) => message.into_core(),
        Outgoing::Compare(message) => message.into_core(),
    }
}

#[test]
fn every_request_comes_back_as_it_was() {
    for request in requests() {
        let back = incoming(Outgoing::new(envelope(), request.clone())).unwrap();
        assert_eq!(back, (envelope(), request));
    }
}

fn back<A: Answer>(response: &Response) -> (Response, Option<Peer>) {
    A::of(response.clone(), &peer(2)).unwrap().into_core().unwrap()
}

#[test]
fn every_response_comes_back_as_it_was() {
    let me = Some(peer(2));
    let neighbors = Neighbors { predecessor: Some(peer(1)), successors: vec![peer(3), peer(4)] };
    let neighbors = Response::Neighbors(neighbors);
    let closer = |last| Response::Closer { peers: vec![peer(3)], last };
    for response in
        [Response::Done, neighbors.clone(), closer(false), Response::Joining(vec![peer(7), peer(2)])]
    {
        assert_eq!(back::<wire::JoinResponse>(&response), (response, me.clone()));
    }
    for response in [neighbors, Response::Unchanged, Response::Neighbors(Neighbors::default())] {
        assert_eq!(back::<wire::StabilizeResponse>(&response), (response, None));
    }
    assert_eq!(back::<wire::PingResponse>(&Response::Done), (Response::Done, me.clone()));
    let owner = Ownership {
        owner: peer(2),
        arc_from: Id::of(b"from"),
        keepers: vec![peer(2), peer(3)],
        reading: reading(),
    };
    for response in
        [closer(true), closer(false), Response::Owner(Box::new(owner)), Response::Reading(Reading::default())]
    {
        assert_eq!(back::<wire::NextHopResponse>(&response), (response, me.clone()));
    }
    let arc = KeptArc { from: Id::of(b"from"), keepers: vec![peer(2)] };
    let published = Response::Published(arc.clone());
    assert_eq!(back::<wire::PublishResponse>(&published), (published, None));
    let answers = vec![ArcAnswer { same: true, owner: None }, ArcAnswer { same: false, owner: Some(arc) }];
    let renewed = Response::Renewed(answers);
    assert_eq!(back::<wire::RenewResponse>(&renewed), (renewed, None));
    let wanted = Response::Wanted(vec![peer(1).id]);
    assert_eq!(back::<wire::CompareResponse>(&wanted), (wanted, None));
    let gossip = Response::Gossip { news: vec![news(1, 2)], digests: vec![7, 8] };
    assert_eq!(back::<wire::GossipResponse>(&gossip), (gossip, None));
    let contacts = Response::Contacts(vec![news(2, 1)]);
    assert_eq!(back::<wire::ContactsResponse>(&contacts), (contacts, None));
    for done in [
        back::<wire::NotifyResponse>(&Response::Done),
        back::<wire::PokeResponse>(&Response::Done),
        back::<wire::ReuniteResponse>(&Response::Done),
        back::<wire::LeaveResponse>(&Response::Done),
        back::<wire::MovedResponse>(&Response::Done),
        back::<wire::WithdrawResponse>(&Response::Done),
        back::<wire::HandOverResponse>(&Response::Done),
    ] {
        assert_eq!(done, (Response::Done, None));
    }
}

#[test]
fn an_answer_to_another_question_is_not_sent() {
    assert_eq!(wire::NotifyResponse::of(Response::Unchanged, &peer(1)), Err(Mismatch));
    assert_eq!(wire::NextHopResponse::of(Response::Done, &peer(1)), Err(Mismatch));
}

/// The field that a spoilt peer is refused for.
fn refused_peer(spoil: impl Fn(&mut wire::Peer)) -> &'static str {
    let mut wire = wire::Peer::from(peer(1));
    spoil(&mut wire);
    Peer::try_from(wire).unwrap_err().field
}

#[test]
fn a_peer_is_who_its_address_says() {
    assert_eq!(refused_peer(|peer| peer.id = vec![1; 20]), "Peer.id");
    assert_eq!(refused_peer(|peer| peer.id = vec![1; 19]), "Peer.id");
    for address in ["", "host", ":7", "host:0", "host:99999", "ho st:7", "a/b:7", "u@h:7", &"a".repeat(300)] {
        let spoilt = |peer: &mut wire::Peer| {
            peer.address = address.into();
            peer.id = Id::of(address.as_bytes()).to_bytes().to_vec();
        };
        assert_eq!(refused_peer(spoilt), "Peer.address", "{address}");
    }
    assert_eq!(refused_peer(|peer| peer.name = "n".repeat(65)), "Peer.name");
    assert_eq!(refused_peer(|peer| peer.name = "\u{1b}[31m".into()), "Peer.name");
    assert!(Peer::try_from(wire::Peer::from(Peer::stranger(&format!("{}:7300", "h".repeat(250))))).is_ok());
}

fn refused_entry(spoil: impl Fn(&mut wire::Entry)) -> &'static str {
    let mut wire = wire::Entry::from(entry("a"));
    spoil(&mut wire);
    Entry::try_from(wire).unwrap_err().field
}

#[test]
fn an_entry_lies_under_the_key_of_its_name_and_within_bounds() {
    assert_eq!(refused_entry(|entry| entry.name = "b".into()), "Entry.key");
    assert_eq!(refused_entry(|entry| entry.kind = 0), "Entry.kind");
    assert_eq!(refused_entry(|entry| entry.kind = 99), "Entry.kind");
    assert_eq!(refused_entry(|entry| entry.name = String::new()), "Entry.name");
    assert_eq!(refused_entry(|entry| entry.name = "n".repeat(256)), "Entry.name");
    assert_eq!(refused_entry(|entry| entry.path = "p".repeat(4097)), "Entry.path");
    for path in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a\0"] {
        assert_eq!(refused_entry(|entry| entry.path = path.into()), "Entry.path", "{path}");
    }
    assert_eq!(refused_entry(|entry| entry.digest = vec![1; 31]), "Entry.digest");
}

#[test]
fn envelopes_and_lists_have_bounds() {
    let message = |spoil: &dyn Fn(&mut wire::NextHopRequest)| {
        let read = Read::Key(5);
        let request = Request::NextHop { key: Id::of(b"k"), avoid: vec![], last: false, read };
        let Outgoing::NextHop(mut wire) = Outgoing::new(envelope(), request) else { unreachable!() };
        spoil(&mut wire);
        wire.into_core()
    };
    let field = |spoil: &dyn Fn(&mut wire::NextHopRequest)| message(spoil).unwrap_err().field;
    assert_eq!(field(&|wire| wire.envelope = None), "envelope");
    assert_eq!(field(&|wire| wire.envelope.as_mut().unwrap().sender = None), "Envelope.sender");
    let nobody = |wire: &mut wire::NextHopRequest| {
        wire.envelope.as_mut().unwrap().sender.as_mut().unwrap().incarnation = 0
    };
    assert_eq!(field(&nobody), "Envelope.sender");
    assert_eq!(field(&|wire| wire.envelope.as_mut().unwrap().ring = "r".repeat(65)), "Envelope.ring");
    assert_eq!(field(&|wire| wire.key = vec![]), "key");
    assert_eq!(field(&|wire| wire.avoid = vec![vec![0; 20]; 33]), "avoid");
    let (_, request) = message(&|wire| wire.limit = u32::MAX).unwrap();
    assert!(matches!(request, Request::NextHop { read: Read::Key(MAX_READ), .. }), "{request:?}");

    let crowd = wire::Neighbors { predecessor: None, successors: vec![peer(1).into(); 65] };
    let error = Neighbors::try_from(crowd).unwrap_err();
    assert_eq!(error.to_string(), "Neighbors.successors is malformed: 65 elements, at most 64 are allowed");
    let keys = vec![wire::KeyEntries::default(); 1025];
    let publish = wire::PublishRequest { keys, ..Default::default() };
    assert_eq!(publish.into_core().unwrap_err().field, "keys");
    let renew = wire::RenewRequest { arcs: vec![wire::ArcDigest::default(); 4097], ..Default::default() };
    assert_eq!(renew.into_core().unwrap_err().field, "arcs");
    let script = wire::Services { gateway: "javascript:alert(1)".into(), ..Default::default() };
    assert_eq!(Services::try_from(script).unwrap_err().field, "Services.gateway");
}

#[test]
fn an_entry_under_a_foreign_key_is_refused() {
    let stray = wire::KeyEntries { key: vec![0; 20], entries: vec![entry("a").into()] };
    let publish = wire::PublishRequest {
        envelope: Some(envelope().into()),
        from: vec![0; 20],
        to: vec![0; 20],
        keys: vec![stray],
        ..Default::default()
    };
    assert_eq!(publish.into_core().unwrap_err().field, "KeyEntries.entries");
}
