//! The client library of a peer (the assignment's PClient): ask a peer's chord port, fetch from a holder's
//! transfer port, and show what came back in the shapes of the REST interface.

pub mod views;
