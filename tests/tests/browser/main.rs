//! The dashboard of a live ring of eight, in a real browser.
//!
//! With `CHORDIAL_SCREENSHOTS=1` the pictures go to docs/entrega/ejecucion/local/, else below the target folder.

#![allow(unused_crate_dependencies)]

mod access;
mod axe;
mod browser;
mod comeback;
mod lookup;
mod page;
mod ring;
mod samples;
mod screens;
mod search;
mod stage;
mod terminal;
mod text;
mod viewing;
