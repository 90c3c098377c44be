//! Peers with many files that are killed and come back: they serve soon, and read and publish nothing anew.

use std::time::{Duration, Instant, SystemTime};

use crate::names::Words;
use crate::programs::{Cluster, PATIENCE, TestPeer, encode, ensure, eventually, get};
use crate::reference::{Known, questions, walk};
use crate::scale::{gateways, share, wait_published};
use crate::survey::{Rules, Survey};

/// From a start until its gateway answers for its own and others' files; 1 s on an idle machine.
const SERVES: Duration = Duration::from_secs(10);
/// Files of each other peer.
const OTHERS: usize = 200;
/// Since the digest cache was written last, when there is nothing left to write.
const WRITTEN: Duration = Duration::from_secs(3);

/// Three peers, one with `count` files: it is killed and started, then all are. The `lease` has to be longer than reading
/// the folder and comparing what is in it take.
///
/// # Panics
/// Where one of them is not as before.
pub fn run(count: usize, words: &Words, lease: Duration, publish: Duration) {
    let mut cluster = Cluster::new(3, &[("index.lease", &format!("{}s", lease.as_secs()))]);
    for (number, count) in [OTHERS, count, OTHERS].into_iter().enumerate() {
        share(&cluster.peers[number], 9, words, number, count);
    }
    let began = Instant::now();
    cluster.start();
    cluster.wait_ring(PATIENCE);
    wait_published(&cluster, publish);
    println!("{count} files of one peer published after {:.1?}", began.elapsed());
    wait_hashed(&cluster.peers[1], count, publish);
    println!("their digests are kept after {:.1?}", began.elapsed());

    let files: Vec<Vec<Known>> =
        cluster.peers.iter().map(|peer| walk(peer.name(), &peer.directory())).collect();
    let of = |number: usize| files[number].iter().step_by(files[number].len() / 20).collect::<Vec<_>>();
    let peer = &mut cluster.peers[1];
    peer.kill();
    let began = Instant::now();
    peer.spawn("all");
    for file in of(1).into_iter().chain(of(0)) {
        eventually(SERVES.saturating_sub(began.elapsed()), &format!("it finds {:?}", file.name), || {
            let sources = peer.sources(&file.name)?;
            let held = |held: &serde_json::Value| held["peer"] == *file.holder && held["path"] == *file.path;
            ensure(sources.iter().any(held), || format!("{sources:?}"))
        });
    }
    println!("started again, it serves {count} files after {:.2?}", began.elapsed());
    let known = format!("files={count} known={count}");
    eventually(PATIENCE, "all digests come from the cache", || {
        ensure(peer.log("all").contains(&known), || peer.log("all"))
    });
    wait_published(&cluster, publish);
    let peer = &cluster.peers[1];
    println!("its keepers have been told that it is the same after {:.2?}", began.elapsed());
    let metrics = get(&peer.gateway(), "/metrics").expect("its metrics");
    let metrics = String::from_utf8_lossy(&metrics.body);
    assert!(metrics.lines().any(|line| line == "chord_publishing_entries_sent_total 0"), "{metrics}");

    cluster.peers.iter_mut().for_each(TestPeer::kill);
    let began = Instant::now();
    cluster.start();
    cluster.wait_ring(PATIENCE);
    wait_published(&cluster, publish);
    println!("all were killed and started, and have published after {:.1?}", began.elapsed());
    let all = files.concat();
    let names: Vec<&str> = all.iter().step_by(all.len() / 100).map(|file| file.name.as_str()).collect();
    // Who founds the ring anew is not sure to know everybody before that.
    eventually(lease * 2 + PATIENCE, "every peer can say that what it tells is all", || {
        for (peer, name) in cluster.peers.iter().flat_map(|peer| names.iter().map(move |name| (peer, name))) {
            let told = get(&peer.gateway(), &format!("/api/v1/files/{}", encode(name)))?.json();
            ensure(told["complete"] == true, || format!("{} says of {name:?}: {told}", peer.name()))?;
        }
        Ok(())
    });
    let survey = Survey::new(names, &questions(9, &all, 20, 400), &all, &[]);
    println!("then: {}", survey.ask_all(&gateways(&cluster), &Rules::default()));
}

/// Waits until all digests are computed and on the disk.
fn wait_hashed(peer: &TestPeer, count: usize, within: Duration) {
    let cache = peer.state().join("digests.redb");
    eventually(within, "all digests are computed and kept", || {
        let written = std::fs::metadata(&cache).and_then(|metadata| metadata.modified());
        let written = written.map_err(|error| error.to_string())?;
        let quiet = SystemTime::now().duration_since(written).unwrap_or_default();
        ensure(quiet > WRITTEN, || format!("written {quiet:?} ago"))?;
        let (mut path, mut hashed) = ("/api/v1/catalog?limit=1000".to_owned(), 0);
        loop {
            let page = get(&peer.gateway(), &path)?.json();
            let files = page["files"].as_array().ok_or("no files")?;
            hashed += files.iter().filter(|file| file["digest"].is_string()).count();
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/api/v1/catalog?limit=1000&cursor={}", crate::programs::encode(next));
        }
        ensure(hashed == count, || format!("{hashed} of {count} digests"))
    });
}
