//! What chord-cli prints, off and on a terminal, for people and for programs, against a ring of three peers that has
//! the same shape in each run. `INSTA_UPDATE=always` takes what is printed as what is expected, in `snapshots/`;
//! `CHORDIAL_SCHEMAS=write` writes the schemas in client/schemas/ anew.

mod completions;
mod many;
mod ring;
mod schemas;
mod shown;

use chordial_tests::programs::{PATIENCE, Program, ensure, eventually, program};

#[test]
fn what_is_printed_is_what_is_expected() {
    program(Program::ChordCli);
    let ring = ring::Ring::new();
    // All that is asked of it changes nothing that the others see; what does comes last.
    completions::names_of_files_and_peers(&ring);
    shown::off_a_terminal(&ring);
    shown::on_a_terminal(&ring);
    schemas::every_command_prints_what_its_schema_says(&ring);
}

#[test]
fn several_files_are_fetched() {
    many::fetches();
}

#[test]
fn the_schemas_are_those_of_the_views() {
    schemas::files_are_up_to_date();
}

/// Waits until the peers of `ring` agree, and all their files are known to all who keep them.
fn settled(cluster: &chordial_tests::programs::Cluster) {
    cluster.wait_ring(PATIENCE);
    for peer in &cluster.peers {
        eventually(PATIENCE, &format!("all of {}'s files are published", peer.name()), || {
            let published = peer.cli(&["--output", "json", "publish"]).ok().json();
            let files = walk(&peer.directory());
            ensure(published["files"] == files && published["acknowledged"] == published["keys"], || {
                format!("{files} files, {published}")
            })
        });
    }
    let asked = &cluster.peers[0];
    eventually(PATIENCE, "all files have a digest", || {
        let listed = asked.cli(&["--output", "json", "ls", "--all"]).ok().json();
        let sources = |file: &serde_json::Value| file["sources"].as_array().cloned().unwrap_or_default();
        let all: Vec<_> = listed["files"].as_array().into_iter().flatten().flat_map(sources).collect();
        ensure(all.iter().all(|source| source["digest"].is_string()), || format!("{all:?}"))
    });
    cluster.wait_ring(PATIENCE);
}

/// How many files there are below a folder.
fn walk(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}
