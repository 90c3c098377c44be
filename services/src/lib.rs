//! The daemon.

pub mod gateway;
