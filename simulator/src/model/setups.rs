//! The configurations that are checked.

use super::Setup;

/// Those of every test run.
pub fn usual() -> Vec<Setup> {
    vec![
        Setup::base("base of 3", 5, 2, &[0, 2, 4]),
        Setup::base("base of 3", 6, 2, &[0, 2, 4]),
    ]
}

/// Those of `make model`.
pub fn larger() -> Vec<Setup> {
    vec![Setup::base("base of 3", 7, 2, &[0, 2, 4])]
}
