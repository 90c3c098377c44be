//! Everything that the core says comes back as it was; what nobody would say is refused by name.

use std::sync::Arc;
use std::time::Duration;

use chord::index::{
    ArcAnswer, ArcDigest, Batch, Digest, File, KeptArc, KeptBatch, KeptKey, List, Place, PublisherDigest,
    Query, Reading, Search, Source, Statement, Term, Text, Verdict, What,
};
use chord::{
    Envelope, Errand, HandedOver, Id, Miss, Neighbors, News, NotAdmitted, Ownership, Peer, Read, Request,
    Response, Services, VERSION,
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
    let (path, text) = (format!("docs/{name}").into(), Text(name.into()));
    File { name: name.into(), path, size: 7, modified_ms: -5, digest: Some([9; 32]), text }
}

fn statement(name: &str) -> Statement {
    Statement::of_name(file(name))
}

fn word(name: &str) -> Statement {
    let other = File { path: "where/other".into(), digest: None, ..file(name) };
    Statement { total: 12, ..Statement::of_word("word".into(), other) }
}

fn gone() -> Statement {
    Statement::nothing(Id::of(b"gone"))
}

fn digest() -> Digest {
    [&statement("a"), &word("b")].into_iter().collect()
}

fn reading() -> Reading {
    // What is read is told without the text, which whoever asks can make.
    let file = Arc::new(File { text: Text::default(), ..file("ñ.pdf") });
    let source = Source { publisher: peer(4), services: services(), file, alive: true };
    Reading {
        sources: vec![source],
        total: 5,
        complete: true,
        next: Some(Id::of(b"next")),
        held: 6,
        withheld: 7,
        unread: true,
    }
}

fn search() -> Arc<Search> {
    let term = |exclude, what| Term { exclude, what };
    Arc::new(Search {
        query: Query {
            terms: vec![
                term(false, What::Prefix("rep".into())),
                term(true, What::Phrase(vec!["a".into(), "b".into()])),
            ],
            typos: true,
        },
        list: List { word: "rep".into(), prefix: true },
        after: Some(Place { rank: 3, name: "x".into() }),
        limit: 20,
        most: 4000,
    })
}

fn requests() -> Vec<Request> {
    let arc = (Id::of(b"from"), Id::of(b"to"));
    let hop = |read| Request::NextHop { key: Id::of(b"k"), avoid: vec![peer(3).id], last: true, read };
    let kept = KeptBatch {
        publisher: peer(5),
        services: services(),
        age: Duration::from_millis(1234),
        given_up: true,
        keys: vec![
            KeptKey { sequence: 4, age: Duration::from_millis(77), statement: statement("a") },
            KeptKey { sequence: 4, age: Duration::from_millis(77), statement: word("a") },
            KeptKey { sequence: 5, age: Duration::ZERO, statement: gone() },
        ],
        whole: Some((arc.0, arc.1, 4)),
    };
    let batch = Batch {
        services: services(),
        sequence: 9,
        arc,
        replace: true,
        keys: vec![statement("a"), word("b"), gone()],
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
        Request::Relay { to: peer(7), errand: Errand::Ping },
        Request::Relay { to: peer(7), errand: Errand::Stabilize },
        Request::Relay { to: peer(7), errand: Errand::Notify },
        Request::Relayed { by: peer(7), neighbors: None },
        Request::Relayed {
            by: peer(7),
            neighbors: Some(Neighbors { predecessor: Some(peer(1)), successors: vec![peer(3)] }),
        },
        Request::NotifyFor(peer(7)),
        Request::Leave,
        hop(Read::Nothing),
        hop(Read::Key(100)),
        hop(Read::Range(10)),
        hop(Read::Own(3)),
        hop(Read::Copies(4)),
        hop(Read::Search(search())),
        hop(Read::SearchCopies(search())),
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
                covered: Duration::from_secs(3),
                whole: 4,
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
        Outgoing::Relay(message) => message.into_core(),
        Outgoing::Relayed(message) => message.into_core(),
        Outgoing::NotifyFor(message) => message.into_core(),
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
    let reasons = [Miss::Refused, Miss::Silent, Miss::Foreign].map(NotAdmitted::Unreachable);
    let reasons = reasons.into_iter().chain([NotAdmitted::Taken(peer(9)), NotAdmitted::Outdated(7)]);
    let joining = Response::Joining(vec![peer(7), peer(2)]);
    for response in [Response::Done, neighbors.clone(), closer(false), joining]
        .into_iter()
        .chain(reasons.map(Response::NotAdmitted))
    {
        assert_eq!(back::<wire::JoinResponse>(&response), (response, me.clone()));
    }
    for reason in [None, Some(wire::not_admitted::Reason::Unreachable(9))] {
        assert!(NotAdmitted::try_from(wire::NotAdmitted { reason }).is_err());
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
    let answers = vec![
        ArcAnswer { verdict: Verdict::Same, owner: None },
        ArcAnswer { verdict: Verdict::Differs, owner: Some(arc) },
    ];
    let renewed = Response::Renewed(answers);
    assert_eq!(back::<wire::RenewResponse>(&renewed), (renewed, None));
    let wanted = Response::Wanted(vec![peer(1).id]);
    assert_eq!(back::<wire::CompareResponse>(&wanted), (wanted, None));
    let gossip = Response::Gossip { digest: 3, news: vec![news(1, 2)], digests: vec![7, 8] };
    assert_eq!(back::<wire::GossipResponse>(&gossip), (gossip, None));
    let contacts = Response::Contacts(vec![news(2, 1)]);
    assert_eq!(back::<wire::ContactsResponse>(&contacts), (contacts, None));
    for done in [
        back::<wire::NotifyResponse>(&Response::Done),
        back::<wire::PokeResponse>(&Response::Done),
        back::<wire::ReuniteResponse>(&Response::Done),
        back::<wire::RelayResponse>(&Response::Done),
        back::<wire::RelayedResponse>(&Response::Done),
        back::<wire::NotifyForResponse>(&Response::Done),
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
    for address in [
        "",
        "host",
        ":7",
        "host:0",
        "host:99999",
        "ho st:7",
        "a/b:7",
        "u@h:7",
        "host:+7",
        "0.0.0.0:7",
        "[::]:7",
        "[::ffff:0.0.0.0]:7",
        "224.0.0.1:7",
        "[ff02::1]:7",
        "255.255.255.255:7",
        "[h]:7",
        "::1:7",
        "2130706433:7",
        "127.1:7",
        "0x7f000001:7",
        "0x7f.0.0.1:7",
        "10.0.0.256:7",
        "a.1:7",
        "h%41:7",
        &"a".repeat(300),
    ] {
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
    let mut source = wire::Source::from(reading().sources[0].clone());
    source.entry.iter_mut().for_each(spoil);
    Source::try_from(source).unwrap_err().field
}

#[test]
fn the_fields_of_an_entry_have_bounds() {
    assert_eq!(refused_entry(|entry| entry.name = "n".repeat(256)), "Entry.name");
    assert_eq!(refused_entry(|entry| entry.path = "p".repeat(4097)), "Entry.path");
    for path in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a\0"] {
        assert_eq!(refused_entry(|entry| entry.path = path.into()), "Entry.path", "{path}");
    }
    assert_eq!(refused_entry(|entry| entry.digest = vec![1; 31]), "Entry.digest");
    assert_eq!(refused_entry(|entry| entry.text = "t".repeat(3061)), "Entry.text");
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
    for url in [
        "https://h:1",
        "file:///etc/passwd",
        "http://h",
        "http://h:1/",
        "http://h:1/x",
        "http://u@h:1",
        "http://h:1@v:2",
        "http://h:1\\@v:2",
        "http://h:1?x",
        "http://0.0.0.0:1",
        "http://2130706433:80",
        "HTTP://h:1",
    ] {
        let transfer = wire::Services { transfer: url.into(), ..Default::default() };
        assert_eq!(Services::try_from(transfer).unwrap_err().field, "Services.transfer", "{url}");
        let catalog = wire::Services { catalog: url.into(), ..Default::default() };
        assert_eq!(Services::try_from(catalog).unwrap_err().field, "Services.catalog", "{url}");
    }
    for url in ["http://u@h", "https://own:80@victim/", "http://", "http:///x", "http://own\\@victim"] {
        let gateway = wire::Services { gateway: url.into(), ..Default::default() };
        assert_eq!(Services::try_from(gateway).unwrap_err().field, "Services.gateway", "{url}");
    }
    let public = wire::Services { gateway: "https://files.example.org/~@me".into(), ..Default::default() };
    assert!(Services::try_from(public).is_ok());
    let script = wire::Services { gateway: "javascript:alert(1)".into(), ..Default::default() };
    assert_eq!(Services::try_from(script).unwrap_err().field, "Services.gateway");
}

#[test]
fn an_errand_names_what_is_asked_and_which_life_is_meant() {
    let field = |spoil: &dyn Fn(&mut wire::RelayRequest)| {
        let request = Request::Relay { to: peer(7), errand: Errand::Ping };
        let Outgoing::Relay(mut wire) = Outgoing::new(envelope(), request) else { unreachable!() };
        spoil(&mut wire);
        wire.into_core().unwrap_err().field
    };
    assert_eq!(field(&|wire| wire.errand = 0), "RelayRequest.errand");
    assert_eq!(field(&|wire| wire.to.as_mut().unwrap().incarnation = 0), "RelayRequest.to");
    assert_eq!(field(&|wire| wire.to = None), "RelayRequest.to");
}

#[test]
fn entries_under_a_foreign_key_are_refused() {
    let publish = |word: &str, key: Id| {
        let (_, _, total, entries) = super::entries::wire_statement(statement("a"));
        let keys = vec![wire::KeyEntries { key: bytes(key), entries, word: word.into(), total }];
        let id = bytes(Id::default());
        let (from, to, envelope) = (id.clone(), id, Some(envelope().into()));
        wire::PublishRequest { envelope, from, to, keys, ..Default::default() }.into_core()
    };
    assert!(publish("", statement("a").key).is_ok() && publish("word", word("a").key).is_ok());
    for (word, key) in [("", word("a").key), ("word", statement("a").key), ("other", word("a").key)] {
        assert_eq!(publish(word, key).unwrap_err().field, "KeyEntries.entries");
    }
}
