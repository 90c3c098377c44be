//! What `/metrics` of a peer says, taken apart; and a ring in which everything has happened that is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::programs::{Cluster, PATIENCE, TestPeer, encode, ensure, eventually, request};

/// What a collector asks for: Prometheus' own text, and OpenMetrics.
pub const FORMS: [&str; 2] = ["text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"];

/// Words of file names in a [`busy_ring`], and of what is looked for there.
pub const SECRETS: [&str; 4] = ["quarterly", "holiday", "uploaded-thing", "nobody-has"];

/// One metric family.
#[derive(Debug, Default)]
pub struct Family {
    /// Its type.
    pub kind: String,
    /// What it is, for people.
    pub help: String,
    /// Its series.
    pub series: Vec<Series>,
}

impl Family {
    /// The names of all labels but those of buckets.
    pub fn labels(&self) -> BTreeSet<&str> {
        self.series
            .iter()
            .flat_map(|series| series.labels.keys())
            .map(String::as_str)
            .filter(|l| *l != "le")
            .collect()
    }
}

/// One series and its value.
#[derive(Debug)]
pub struct Series {
    /// With the ending that its type has.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Now.
    pub value: f64,
}

/// The metrics of a peer in one of the [`FORMS`].
///
/// # Panics
/// Where there is no such text.
pub fn scrape(peer: &TestPeer, form: &str) -> String {
    let answer = request("GET", &peer.gateway(), "/metrics", &[("accept", form)]).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some(format!("{form}; charset=utf-8").as_str()));
    String::from_utf8(answer.body).expect("text")
}

/// The families of a text in the first of the [`FORMS`], by name.
///
/// # Panics
/// Where it is not as that form has to be: a series twice, a family without type or help, in parts, or of series
/// that are none of it.
pub fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut current, mut seen) = (String::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a text");
            let family = Family { help: help.to_owned(), ..Family::default() };
            assert!(families.insert(name.to_owned(), family).is_none(), "{name} is there twice");
            current = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(name, current, "its help comes first");
            families.get_mut(name).expect("it has begun").kind = kind.to_owned();
        } else {
            assert!(!line.starts_with('#'), "{line}");
            let (series, value) = line.rsplit_once(' ').expect("a value");
            assert!(seen.insert(series.to_owned()), "{series} is there twice");
            let (name, labels) = series.split_once('{').map_or((series, ""), |(name, rest)| (name, rest));
            let family = families.get_mut(&current).expect("a family has begun");
            let ends: &[&str] =
                if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(ends.iter().any(|end| name == format!("{current}{end}")), "{name} in {current}");
            let labels =
                labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once("=\""));
            let labels = labels.map(|(key, value)| (key.to_owned(), value.trim_end_matches('"').to_owned()));
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            family.series.push(Series { name: name.to_owned(), labels: labels.collect(), value });
        }
    }
    families
}

/// Four peers, of which p1 runs in one process and p2 in four, and p4 was killed; all kinds of requests have been
/// made at p1 and p2.
///
/// # Panics
/// Where the ring does not come about.
pub fn busy_ring() -> Cluster {
    let mut cluster = Cluster::new(4, &[("transfer.uploads", "true")]);
    for (number, peer) in cluster.peers.iter().enumerate() {
        peer.share(&format!("quarterly report {number}.txt"), b"figures");
        peer.share(&format!("pictures/holiday {number}.jpg"), &[7; 100_000]);
    }
    for service in ["chord", "catalog", "transfer", "gateway"] {
        cluster.peers[1].start_only(service);
    }
    for number in [0, 2, 3] {
        cluster.peers[number].start();
    }
    cluster.wait_ring(PATIENCE);
    for (number, peer) in cluster.peers.iter().enumerate().take(2) {
        eventually(PATIENCE, "all files are found", || {
            for other in 0..4 {
                ensure(peer.sources(&format!("holiday {other}.jpg"))?.len() == 1, || format!("not {other}"))?;
            }
            Ok(())
        });
        for path in [
            format!("/api/v1/files/{}/content", encode(&format!("holiday {}.jpg", 1 - number))),
            format!("/files/pictures/{}", encode(&format!("holiday {number}.jpg"))),
            "/api/v1/search?q=quarterly".to_owned(),
        ] {
            assert_eq!(peer.get(&path).status, 200, "{path}");
        }
        assert_eq!(peer.get("/api/v1/files/nobody-has-this").status, 404);
        put(peer, &format!("/files/uploaded-thing-{number}.txt"));
        // The first one begins to ask for the ring.
        scrape(peer, FORMS[0]);
    }
    cluster.peers[3].kill();
    for peer in &cluster.peers[..2] {
        eventually(PATIENCE, "the death of p4 is counted, and the ring known again", || {
            let families = families(&scrape(peer, FORMS[0]));
            let events = families.get("chord_events_total").map_or(&[][..], |family| &family.series);
            let peers = families.get("chord_ring_peers").map(|family| family.series[0].value);
            let gone = events.iter().any(|series| series.labels["event"] == "suspected");
            let known = families.contains_key("chord_ring_invariant_holds");
            ensure(gone && known && peers == Some(3.0), || format!("{events:?}, {peers:?}, {known}"))
        });
    }
    cluster
}

fn put(peer: &TestPeer, path: &str) {
    let mut stream = TcpStream::connect(peer.gateway().trim_start_matches("http://")).expect("a gateway");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 5\r\n\r\nbytes"
    );
    stream.write_all(head.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}
