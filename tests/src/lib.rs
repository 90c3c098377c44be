//! The simulator and fixtures.
