//! What the measurements share: rings of real peers, what passes between them, and how times are told.

pub mod bare;
pub mod machine;
pub mod measure;
pub mod names;
pub mod network;
pub mod ring;
pub mod table;
pub mod traffic;
pub mod web;
