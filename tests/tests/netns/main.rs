//! Sixteen real peers in network namespaces, whose network is cut, healed, delayed and lossy, and whose processes are
//! stopped and killed. Needs root, and the fault laboratory `netns-lab` (`CHORDIAL_LABS`).

mod faults;
mod history;
mod lab;
mod network;
mod scenarios;
