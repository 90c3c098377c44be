//! Chord as a deterministic state machine: no clock, no sockets, no randomness, no async.
//!
//! A [`Node`] is one peer. What happens to it goes in as requests ([`Node::serve`]) and as [`Input`]s
//! ([`Node::handle`]); what it wants done comes out as [`Output`]s. The same code runs in the daemon,
//! under the simulator and under the model checker.
//!
//! ```
//! use chord::{Config, Event, Id, Input, Node, Output, Peer, Services, Status};
//!
//! let me = Peer { incarnation: 1, name: "p1".into(), ..Peer::stranger("127.0.0.1:7300") };
//! let mut node = Node::new(me, Services::default(), Config::default());
//! let mut out = Vec::new();
//! node.handle(Input::Start { friends: vec![], remembered: vec![] }, &mut out);
//!
//! assert_eq!(node.status(), Status::Member, "without friends it founds a ring");
//! assert!(out.iter().any(|output| matches!(output, Output::Event(Event::Founded))));
//! ```

mod abstraction;
mod config;
mod contacts;
mod detector;
mod dial_back;
mod error;
mod fingers;
mod found;
mod gossip;
mod id;
pub mod index;
mod interface;
pub mod invariants;
mod joining;
mod leaving;
mod lookup;
mod membership;
mod message;
mod node;
mod peer;
mod reunion;
mod round_trips;
mod routing;
mod successors;
mod vouching;
mod waking;

pub use config::{Config, Slips};
pub use contacts::{Contacts, Departure, News};
pub use error::ConfigError;
pub use fingers::FingerTable;
pub use found::{Found, Lost, LostReason, Missed, NoAnswer, Route, Rule, Step, Ticket};
pub use id::{Id, NotAnId};
pub use interface::{Event, Input, Output, Status, Timer, Why};
pub use joining::JoinRound;
pub use lookup::Lookup;
pub use message::{
    Envelope, Errand, HandedOver, Miss, Neighbors, NotAdmitted, Outcome, Ownership, Read, Refusal, Rejection,
    Request, Response, VERSION,
};
pub use node::Node;
pub use peer::{Peer, Services};
pub use successors::SuccessorList;
