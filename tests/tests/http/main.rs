//! The gateway's interface at a live ring, judged by programs that nobody here wrote.

mod metrics;
mod openapi;
mod redbot;
mod tools;
