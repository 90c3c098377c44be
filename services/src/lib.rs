//! The daemon: the four microservices of one peer, and what assembles them.

pub mod accept;
pub mod advertise;
pub mod args;
pub mod calls;
pub mod catalog;
pub mod chord;
pub mod config;
pub mod demo;
pub mod descriptors;
pub mod driver;
pub mod gateway;
pub mod grpc;
pub mod health;
pub mod held;
pub mod logging;
pub mod metrics;
pub mod peer;
pub mod public_url;
pub mod search;
pub mod shared_dir;
pub mod state;
pub mod transfer;
