//! The client library of a peer (the assignment's PClient): ask a peer's chord port ([`Client`]), choose among
//! the sources found ([`choice`]), fetch from or upload to a transfer port ([`Holder`]), and show what came
//! back in the shapes of the REST interface ([`views`]). `chord-cli` is its face for people; the gateway uses
//! it to fetch from a holder.
//!
//! Nothing here waits without a deadline: a time-out bounds connecting and each silence, never a whole
//! download.

mod address;
pub mod choice;
mod client;
pub mod clock;
mod error;
mod holder;
mod own;
pub mod reach;
pub mod rest;
pub mod text;
mod upload;
pub mod views;
mod wrong_port;

pub use address::{Address, CHORD_PORT};
pub use client::{Client, Events, Matches};
pub use error::ClientError;
pub use holder::{ByteStream, Holder};
pub use own::{ServiceHost, ServiceHosts};
pub use wrong_port::explain;
