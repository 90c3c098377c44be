//! Where the sources are, and the laboratories beside them.

use std::path::{Path, PathBuf};

/// The folder of the laboratories; by default `../shared/labs` beside the sources.
const LABS: &str = "CHORDIAL_LABS";

/// The root of the sources.
///
/// # Panics
/// Never: this crate lies in a folder of it.
pub fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// A laboratory's program, such as `swarm-lab`.
///
/// # Panics
/// Where it is missing, or this process is not root's.
pub fn laboratory(program: &str) -> PathBuf {
    assert!(rustix::process::geteuid().is_root(), "{program} needs root: run this test as root");
    let folder = std::env::var_os(LABS).map_or_else(|| sources().join("../shared/labs"), PathBuf::from);
    let path = folder.join(program);
    assert!(path.is_file(), "{} is missing: set {LABS} to the folder of the laboratories", path.display());
    path
}
