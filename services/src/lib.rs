//! The daemon.

pub mod catalog;
pub mod shared_dir;
pub mod transfer;
