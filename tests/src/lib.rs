//! What the tests of whole programs share.

pub mod history;
pub mod programs;
