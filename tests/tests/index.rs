//! Eight real peers with files of real-world names: every gateway finds them by name and by words, while peers die
//! and others come. The suite `words` does the same with sixteen peers and 20,000 files.

use std::time::Duration;

use chordial_tests::names::Words;
use chordial_tests::scale::{Scale, run};

#[test]
fn every_gateway_answers_right_while_peers_die_and_come() {
    let scale = Scale {
        peers: 8,
        exchanged: 2,
        files: 1500,
        names: 60,
        queries: 40,
        most: 400,
        lease: 6,
        publish: Duration::from_secs(30),
    };
    run(scale, &Words::builtin(), 5);
}
