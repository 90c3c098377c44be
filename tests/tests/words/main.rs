//! The index at its size: 16 peers and 20,000 files named with the words of Debian's word lists, 100,000 files of one
//! name, 100,000 files at one peer; and disks that vanish or are full. Needs root, for mounts, and the word lists that
//! `.ci/word-lists` installs. One test at a time: each wants the whole machine.

mod disks;

use std::path::Path;
use std::time::Duration;

use chordial_tests::names::Words;
use chordial_tests::programs::{Cluster, PATIENCE};
use chordial_tests::scale::{self, Scale, same_name_is_counted, share_same_name, wait_published};

/// How long publishing a hundred thousand files may take.
const PUBLISH: Duration = Duration::from_secs(150);

fn words() -> Words {
    let lists = ["american-english", "spanish", "ngerman", "french", "ukrainian"];
    let paths = lists.map(|list| Path::new("/usr/share/dict").join(list));
    Words::of_lists(&paths.each_ref().map(|path| path.as_path())).unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn sixteen_peers_with_twenty_thousand_files_answer_right_while_peers_die_and_come() {
    let scale = Scale {
        peers: 16,
        exchanged: 4,
        files: 20_000,
        names: 500,
        queries: 200,
        most: 1000,
        lease: 15,
        publish: PUBLISH,
    };
    scale::run(scale, &words(), 16);
}

#[test]
fn a_hundred_thousand_files_of_one_name_are_counted_and_crowd_nobody_out() {
    const EACH: usize = 6_250;
    let mut cluster = Cluster::new(16, &[("index.lease", "60s")]);
    share_same_name(&cluster, EACH);
    cluster.start();
    cluster.wait_ring(PATIENCE);
    wait_published(&cluster, PUBLISH);
    same_name_is_counted(&cluster, 16 * EACH, PATIENCE);
}

#[test]
fn a_peer_with_a_hundred_thousand_files_comes_back_with_all_it_had() {
    chordial_tests::comeback::run(100_000, &words(), Duration::from_secs(30), PUBLISH);
}
