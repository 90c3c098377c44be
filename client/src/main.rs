//! chord-cli.
fn main() {}
