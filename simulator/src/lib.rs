//! A whole network in virtual time, over the daemon's own [`chord`] crate, and the reference ring that it is
//! compared with.

pub mod ideal;
pub mod model;
pub mod network;
pub mod scenario;
pub mod tables;
