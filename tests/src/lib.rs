//! The simulator (virtual time over the daemon's own `chord` crate), the reference ring, and what the
//! tests of whole programs share.

pub mod ideal;
pub mod network;
pub mod programs;
