//! Chord as a deterministic state machine.
