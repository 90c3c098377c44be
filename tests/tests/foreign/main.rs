//! Clients that nobody here wrote, at real peers: Python's gRPC, grpcurl, curl and buf. Whoever can only read
//! the documentation must get along.

mod curl;
mod docs;
mod grpc;
mod setting;
mod tools;
