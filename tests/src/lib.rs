//! What the tests of whole programs share.

pub mod comeback;
pub mod history;
pub mod json_schema;
pub mod names;
pub mod programs;
pub mod pty;
pub mod reference;
pub mod scale;
pub mod scrape;
mod sources;
pub mod survey;

pub use sources::{laboratory, sources};
