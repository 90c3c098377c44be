//! A peer that is killed and started again serves its files soon, and so does a whole network. The suite `words` does
//! the same with 100,000 files.

use std::time::Duration;

use chordial_tests::comeback::run;
use chordial_tests::names::Words;

#[test]
fn killed_peers_come_back_with_all_they_had() {
    run(3_000, &Words::builtin(), Duration::from_secs(9), Duration::from_secs(60));
}
