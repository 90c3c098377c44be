//! The client library of a peer.
