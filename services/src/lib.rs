//! The daemon.

pub mod advertise;
pub mod args;
pub mod calls;
pub mod chord;
pub mod config;
pub mod demo;
pub mod driver;
pub mod grpc;
pub mod health;
pub mod logging;
pub mod peer;
pub mod state;
