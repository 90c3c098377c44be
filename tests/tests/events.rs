//! The events of the network at one peer, by REST and by chord-cli, while files and peers come and go elsewhere.

use std::path::Path;
use std::time::Duration;

use chordial_tests::programs::{
    Cluster, Event, EventStream, PATIENCE, Process, Program, TestPeer, command, ensure, eventually,
};
use serde_json::Value;

const PATH: &str = "/api/v1/events";
/// From a change to its event: the catalog notices it within 2 s, and the rest is one message.
const SOON: Duration = Duration::from_secs(10);

/// `chord-cli watch` at a peer.
struct Watch {
    process: Process,
    out: std::path::PathBuf,
}

impl Watch {
    fn start(folder: &Path, peer: &TestPeer, arguments: &[&str]) -> Watch {
        let file = |name: &str| folder.join(format!("watch{}-{name}", arguments.concat()));
        let (out, err) = (file("out"), file("err"));
        let create = |path: &Path| std::fs::File::create(path).expect("a file for output");
        let mut command = command(Program::ChordCli, folder);
        command.args(["--peer", &peer.chord(), "watch"]).args(arguments);
        command.stdout(create(&out)).stderr(create(&err));
        let process = Process::spawn(command, "chord-cli watch", err);
        eventually(PATIENCE, "chord-cli watches", || {
            ensure(process.log().contains("knows"), || process.log())
        });
        Watch { process, out }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.out).expect("what it printed")
    }

    /// The ids of all events of peers and files.
    fn ids(&self) -> Vec<String> {
        let text = self.text();
        let events = text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line"));
        let events = events.filter(|event: &Value| is_news(event["event"].as_str().unwrap_or_default()));
        events.map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
    }
}

fn is_news(name: &str) -> bool {
    name.starts_with("peer-") || name.starts_with("file-")
}

/// What was told of a peer: names of events. A busy machine may suspect anybody for a moment.
fn of_peer(stream: &EventStream, name: &str) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for event in stream.events().into_iter().filter(|event| event.data["peer"]["name"] == name) {
        match (event.name.as_str(), told.last().map(String::as_str)) {
            ("peer-back", Some("peer-suspected")) => drop(told.pop()),
            (event, _) => told.push(event.to_owned()),
        }
    }
    told
}

/// What was told of a path: names of events and the sizes stated.
fn of_path(stream: &EventStream, path: &str) -> Vec<(String, Value)> {
    let events = stream.events().into_iter().filter(|event| event.data["path"] == path);
    events.map(|event| (event.name, event.data["size"].clone())).collect()
}

fn wait_peer(stream: &EventStream, name: &str, event: &str) -> Event {
    stream.wait(PATIENCE, &format!("{event} of {name}"), |seen| {
        seen.name == event && seen.data["peer"]["name"] == name
    })
}

#[test]
fn what_happens_anywhere_is_told_once_and_in_order() {
    let mut cluster = Cluster::new(4, &[]);
    let mut four = cluster.peers.pop().expect("p4");
    cluster.start();
    cluster.wait_ring(PATIENCE);
    let folder = cluster.folder().to_owned();

    let stream = EventStream::open(&cluster.peers[0].gateway(), PATH, &[]);
    let mut watch = Watch::start(&folder, &cluster.peers[0], &["--output", "json"]);
    let mut peers_only = Watch::start(&folder, &cluster.peers[0], &["--peers"]);
    stream.wait(PATIENCE, "says that all files are watched", |event| {
        event.data["watched"] == 3 && event.data["peers"] == 3
    });

    // A file of another peer.
    let three = &cluster.peers[2];
    three.share("d/new.txt", b"one");
    let appeared = stream.wait(SOON, "a file appeared", |event| event.name == "file-appeared");
    assert_eq!(appeared.data["url"], format!("{}/files/d/new.txt", three.gateway()));
    assert_eq!((&appeared.data["peer"], &appeared.data["name"]), (&"p3".into(), &"new.txt".into()));
    three.share("d/new.txt", b"longer");
    stream.wait(SOON, "it changed", |event| event.name == "file-changed");
    std::fs::remove_file(three.directory().join("d/new.txt")).expect("removed");
    stream.wait(SOON, "it vanished", |event| event.name == "file-vanished");

    // A peer that joins, with a file, and leaves.
    four.share("brought.txt", b"along");
    four.start();
    let joined = wait_peer(&stream, "p4", "peer-joined");
    assert_eq!((&joined.data["peers"], &joined.data["peer"]["chord"]), (&4.into(), &four.chord().into()));
    stream.wait(PATIENCE, "its file appeared", |event| event.data["path"] == "brought.txt");
    assert!(four.terminate(PATIENCE).success());
    wait_peer(&stream, "p4", "peer-left");

    // One that dies, and comes back.
    cluster.peers[1].kill();
    wait_peer(&stream, "p2", "peer-failed");
    cluster.peers[1].start();
    wait_peer(&stream, "p2", "peer-back");

    let sized = |name: &str, size: Value| (name.to_owned(), size);
    let expected = [
        sized("file-appeared", 3.into()),
        sized("file-changed", 6.into()),
        sized("file-vanished", Value::Null),
    ];
    assert_eq!(of_path(&stream, "d/new.txt"), expected);
    assert_eq!(of_path(&stream, "brought.txt"), [sized("file-appeared", 5.into())]);
    let mut told = of_peer(&stream, "p4");
    // Its port may refuse a call before its goodbye is there.
    told.retain(|name| name != "peer-failed");
    assert_eq!(told, ["peer-joined", "peer-left"]);
    let mut told = of_peer(&stream, "p2");
    // Whether p1 or p3 notices first is chance.
    told.retain(|name| name != "peer-suspected");
    assert_eq!(told, ["peer-failed", "peer-back"]);

    // chord-cli tells the same, and whoever was away hears what was missed.
    let news: Vec<String> =
        stream.events().into_iter().filter(|event| is_news(&event.name)).map(|event| event.id).collect();
    eventually(SOON, "chord-cli has printed the same events", || {
        let ids = watch.ids();
        ensure(ids.starts_with(&news), || format!("{ids:?} and not {news:?}"))
    });
    let lines = peers_only.text();
    assert!(lines.contains("peer-joined") && lines.contains("p4") && !lines.contains("file-"), "{lines}");
    let later = EventStream::open(&cluster.peers[0].gateway(), PATH, &[("last-event-id", &joined.id)]);
    later.wait(SOON, "p2 is back", |event| event.name == "peer-back" && event.data["peer"]["name"] == "p2");
    let (again, before) = (later.events(), stream.events());
    let from = before.iter().position(|event| event.id == joined.id).expect("it came") + 1;
    assert_eq!(again[0].name, "ready");
    assert_eq!(again[1..], before[from..from + again.len() - 1]);
    let lost = EventStream::open(&cluster.peers[0].gateway(), &format!("{PATH}?after=1-1"), &[]);
    lost.wait(SOON, "starts anew", |event| event.name == "reset");

    // The end: a last word, and no peer that waits for its readers.
    let status = cluster.peers[0].terminate(Duration::from_secs(8));
    assert!(status.success(), "{status}");
    eventually(SOON, "the stream ends", || ensure(stream.ended(), || "it is open".to_owned()));
    assert_eq!(stream.events().last().map(|event| event.name.clone()), Some("bye".to_owned()));
    for watch in [&mut watch, &mut peers_only] {
        eventually(SOON, "chord-cli wants to connect again", || {
            ensure(watch.process.log().contains("connecting again"), || watch.process.log())
        });
        watch.process.signal("INT");
        assert_eq!(watch.process.wait(SOON).code(), Some(0));
    }
}
