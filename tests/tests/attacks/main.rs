//! Every port under attack: it stays up, its memory stays bounded, what is half-sent is closed, and honest callers are
//! served as before. Each test prints rows of the table in docs/operations.md; `make attacks` does the same to servers
//! as warp and tonic make them.

mod grpc;
mod http;
mod measure;
mod shutdown;
mod stock;
mod wire;
