//! Searching: names as search sees them, and queries as people type them.

mod normal;
mod parse;

pub use normal::text_of;
pub use parse::{MAX_QUERY, QueryError, parse};
