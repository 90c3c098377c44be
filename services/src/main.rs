//! chord-peer.
fn main() {}
