//! The daemon.

pub mod advertise;
pub mod args;
pub mod config;
pub mod demo;
pub mod health;
pub mod logging;
pub mod peer;
pub mod state;
