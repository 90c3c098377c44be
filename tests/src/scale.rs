//! A network with many files that loses peers and gains others, asked all the while.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::names::{Words, files};
use crate::programs::{Cluster, PATIENCE, TestPeer, encode, ensure, eventually, get};
use crate::reference::{Known, Question, questions, walk};
use crate::survey::{Rules, Survey};

/// From a kill until no answer calls the dead alive: 2 s, and what a busy machine may add.
const KNOWN_DEAD: Duration = Duration::from_secs(10);
/// How long an answer that says that it is incomplete may go on being so.
const INCOMPLETE: Duration = Duration::from_secs(20);

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Peers at first.
    pub peers: usize,
    /// Peers that are killed, and as many that are started then; at most half of them.
    pub exchanged: usize,
    /// Files of all peers together.
    pub files: usize,
    /// Names in the sample.
    pub names: usize,
    /// Queries in the sample.
    pub queries: usize,
    /// Answers that a query of the sample has at most.
    pub most: usize,
    /// `index.lease`, in seconds.
    pub lease: u64,
    /// How long publishing all may take.
    pub publish: Duration,
}

/// Starts a network of this size, and checks every gateway's answers before, during and after the exchange of some
/// peers, and when two neighbours die at once.
///
/// # Panics
/// Where an answer is wrong.
pub fn run(scale: Scale, words: &Words, seed: u64) {
    let lease = format!("{}s", scale.lease);
    let mut cluster = Cluster::new(scale.peers + scale.exchanged, &[("index.lease", &lease)]);
    let each = scale.files / scale.peers;
    let began = Instant::now();
    for (number, peer) in cluster.peers.iter().enumerate() {
        share(peer, seed, words, number, each);
    }
    println!("{each} files at each of {} peers: made in {:.1?}", cluster.peers.len(), began.elapsed());

    let began = Instant::now();
    let first: Vec<usize> = (0..scale.peers).collect();
    start(&mut cluster, &first);
    cluster.wait_ring(PATIENCE);
    let ring = began.elapsed();
    wait_published(&cluster, scale.publish);
    println!("one ring after {ring:.1?}, all published after {:.1?}", began.elapsed());

    let order = ring_order(&cluster);
    let dying = spread(&order, scale.exchanged);
    let living = |without: &[usize], all: &[Vec<Known>]| -> Vec<Known> {
        all.iter()
            .enumerate()
            .filter(|(number, _)| !without.contains(number))
            .flat_map(|(_, f)| f.clone())
            .collect()
    };
    let all: Vec<Vec<Known>> =
        cluster.peers.iter().map(|peer| walk(peer.name(), &peer.directory())).collect();
    let newcomers: Vec<usize> = (scale.peers..cluster.peers.len()).collect();
    let present = living(&newcomers, &all);
    let staying = living(&[&newcomers[..], &dying].concat(), &all);

    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut sample: Vec<&str> =
        present.sample(&mut random, scale.names).map(|file| file.name.as_str()).collect();
    sample.extend(["nobody has this.pdf", "IMG_19990101_000000.jpg"]);
    let queries: Vec<Question> = questions(seed, &staying, scale.queries, scale.most);

    let quiet = Rules::default();
    let survey = Survey::new(sample.iter().copied(), &queries, &present, &[]);
    println!("before: {}", survey.ask_all(&gateways(&cluster), &quiet));

    // Some die at once and without goodbye, and others take their place, while all the living are asked.
    let gone = living(&everything_but(&dying, all.len()), &all);
    let new = living(&everything_but(&newcomers, all.len()), &all);
    let survey = Survey::new(sample.iter().copied(), &queries, &staying, &[gone, new].concat());
    let names = dying.iter().map(|number| cluster.peers[*number].name().to_owned()).collect();
    kill(&mut cluster, &dying);
    let killed = Instant::now();
    let rules = Rules { trouble: Some(INCOMPLETE), dead: Some((names, killed + KNOWN_DEAD)) };
    let (asked, settled) = (gateways(&cluster), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let rounds = scope.spawn(|| {
            loop {
                let last = settled.load(Ordering::Relaxed);
                println!("during: {}", survey.ask_all(&asked, &rules));
                if last {
                    return;
                }
            }
        });
        start(&mut cluster, &newcomers);
        cluster.wait_ring(PATIENCE);
        settled.store(true, Ordering::Relaxed);
        if let Err(why) = rounds.join() {
            std::panic::resume_unwind(why);
        }
    });

    let present = living(&dying, &all);
    let survey = Survey::new(sample.iter().copied(), &queries, &present, &[]);
    wait_published(&cluster, scale.publish);
    wait_forgotten(&cluster, &dying, killed, scale.lease);
    println!("after: {}", survey.ask_all(&gateways(&cluster), &quiet));

    // Two neighbours die at the same moment: every file of the others is found at once.
    let order = ring_order(&cluster);
    let pair = [order[0], order[1]];
    let without = [&dying[..], &pair].concat();
    let (left, gone) = (living(&without, &all), living(&everything_but(&pair, all.len()), &all));
    let every: BTreeSet<&str> = left.iter().map(|file| file.name.as_str()).collect();
    let (every, sampled) =
        (Survey::new(every, &[], &left, &gone), Survey::new(sample.iter().copied(), &queries, &left, &gone));
    kill(&mut cluster, &pair);
    let killed = Instant::now();
    let names = pair.iter().map(|number| cluster.peers[*number].name().to_owned()).collect();
    let rules = Rules { trouble: Some(INCOMPLETE), dead: Some((names, killed + KNOWN_DEAD)) };
    let asked = gateways(&cluster);
    println!("two neighbours dead, every name: {}", every.ask_in_turn(&asked, &rules));
    println!("two neighbours dead, the sample: {}", sampled.ask_all(&asked, &rules));
    wait_forgotten(&cluster, &pair, killed, scale.lease);
    cluster.wait_ring(PATIENCE);
    let survey = Survey::new(sample.iter().copied(), &queries, &left, &[]);
    println!("two neighbours forgotten: {}", survey.ask_all(&asked, &quiet));
}

/// Makes the files of the peer of this number.
///
/// # Panics
/// Where the disk does not take them.
pub fn share(peer: &TestPeer, seed: u64, words: &Words, number: usize, count: usize) {
    for file in files(seed, words, number, count) {
        let path = peer.directory().join(&file.path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, &file.bytes).expect("a file");
    }
}

/// What every file of [`share_same_name`] is called.
const SAME: &str = "read me.txt";
/// Sources that an answer lists.
const LISTED: usize = 100;

/// Makes so many files of one name at each peer, each in a folder of its own, and one of another name at the last peer.
///
/// # Panics
/// Where the disk does not take them.
pub fn share_same_name(cluster: &Cluster, each: usize) {
    for peer in &cluster.peers {
        for number in 0..each {
            let folder = peer.directory().join(format!("{}/{number}", number / 100));
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join(SAME), format!("{} {number}", peer.name())).expect("a file");
        }
    }
    cluster.peers.last().expect("a peer").share("read me too.txt", b"another");
}

/// Waits until every gateway says that there are `total` files of [`share_same_name`], lists as many as an answer may, and
/// finds the other name, too.
///
/// # Panics
/// After `within`.
pub fn same_name_is_counted(cluster: &Cluster, total: usize, within: Duration) {
    let began = Instant::now();
    for peer in cluster.living() {
        let left = within.saturating_sub(began.elapsed());
        eventually(left, &format!("{} counts {total} files of one name", peer.name()), || {
            let answer = get(&peer.gateway(), &format!("/api/v1/files/{}", encode(SAME)))?;
            ensure(answer.status == 200, || format!("{answer:?}"))?;
            let answer = answer.json();
            let listed = answer["sources"].as_array().map_or(0, Vec::len);
            let right = answer["total"] == total && listed == total.min(LISTED) && answer["complete"] == true;
            let (said, complete) = (&answer["total"], &answer["complete"]);
            ensure(right, || format!("total {said}, {listed} listed, complete {complete}"))
        });
        let other = peer.sources("read me too.txt").unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(other.len(), 1, "{other:?}");
    }
}

/// Waits until the keepers have acknowledged all that the living share.
///
/// # Panics
/// After `within`.
pub fn wait_published(cluster: &Cluster, within: Duration) {
    let began = Instant::now();
    for peer in cluster.living() {
        let files = walk(peer.name(), &peer.directory()).len();
        eventually(
            within.saturating_sub(began.elapsed()),
            &format!("{} has published all", peer.name()),
            || {
                let node = get(&peer.gateway(), "/api/v1/node")?.json();
                let (shared, left) = (&node["shared_files"], &node["unpublished"]);
                let all = *shared == files && *left == 0;
                ensure(all, || format!("{shared} of {files} files are shared, {left} not published"))
            },
        );
    }
}

/// The addresses of all living gateways, by name.
pub fn gateways(cluster: &Cluster) -> Vec<(String, String)> {
    cluster.living().into_iter().map(|peer| (peer.name().to_owned(), peer.gateway())).collect()
}

/// Starts all at once; returns when all listen.
fn start(cluster: &mut Cluster, which: &[usize]) {
    which.iter().for_each(|&number| cluster.peers[number].spawn("all"));
    which.iter().for_each(|&number| cluster.peers[number].wait_listening("all"));
}

/// Kills all at the same moment: none sees another one die before it dies itself.
fn kill(cluster: &mut Cluster, which: &[usize]) {
    which.iter().for_each(|&number| cluster.peers[number].signal("KILL"));
    which.iter().for_each(|&number| cluster.peers[number].kill());
}

/// Waits until the lease of the dead has run out everywhere: nobody lists a name that only they had.
fn wait_forgotten(cluster: &Cluster, dead: &[usize], killed: Instant, lease: u64) {
    let within = Duration::from_secs(lease * 2) + KNOWN_DEAD;
    let dead: BTreeSet<&str> = dead.iter().map(|number| cluster.peers[*number].name()).collect();
    let theirs = dead.iter().flat_map(|name| {
        let peer = cluster.peers.iter().find(|peer| peer.name() == *name).expect("it is one of them");
        walk(name, &peer.directory()).into_iter().step_by(10)
    });
    for (number, file) in theirs.enumerate() {
        let living = cluster.living();
        let asked = living[number % living.len()];
        let left = within.saturating_sub(killed.elapsed());
        eventually(left, &format!("{} forgets {:?} of {}", asked.name(), file.name, file.holder), || {
            let sources = asked.sources(&file.name)?;
            let held = sources.iter().any(|source| source["peer"] == *file.holder);
            ensure(!held, || format!("{sources:?}"))
        });
    }
}

/// The numbers of the living peers, in ring order.
fn ring_order(cluster: &Cluster) -> Vec<usize> {
    let living = cluster.living();
    let id = |peer: &&TestPeer| peer.get("/api/v1/node").json()["id"].as_str().expect("an id").to_owned();
    let mut ring: Vec<(String, &str)> = living.iter().map(|peer| (id(peer), peer.name())).collect();
    ring.sort();
    let number = |name: &str| cluster.peers.iter().position(|peer| peer.name() == name).expect("one of them");
    ring.into_iter().map(|(_, name)| number(name)).collect()
}

/// So many of the ring, no three neighbours among them: a name has three keepers.
fn spread(ring: &[usize], count: usize) -> Vec<usize> {
    (0..count).map(|place| ring[(place / 2 * 4 + place % 2) % ring.len()]).collect()
}

fn everything_but(kept: &[usize], count: usize) -> Vec<usize> {
    (0..count).filter(|number| !kept.contains(number)).collect()
}
