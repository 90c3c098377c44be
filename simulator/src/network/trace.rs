//! A readable text of everything that happens, the same to the last byte for the same seed.

use std::fmt::{Debug, Write as _};
use std::hash::{Hash as _, Hasher};

use super::Network;

/// FNV-1a: the same on every machine and in every run.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The text so far, and what each host's state was when it was last told.
#[derive(Default)]
pub(super) struct Trace {
    text: String,
    states: Vec<u64>,
}

impl Network {
    /// Keeps a text of everything that happens from now on: `<` what goes into a peer, `?` a request that it
    /// serves, `>` what it wants done, `#` the hash of a state that has changed, `!` what is done to the
    /// network.
    pub fn keep_trace(&mut self) {
        self.trace = Some(Trace::default());
    }

    /// The text kept so far.
    pub fn trace(&self) -> &str {
        self.trace.as_ref().map_or("", |trace| &trace.text)
    }

    /// Takes the text kept so far away; what follows is kept anew.
    pub fn take_trace(&mut self) -> String {
        self.trace.as_mut().map(|trace| std::mem::take(&mut trace.text)).unwrap_or_default()
    }

    pub(super) fn note(&mut self, host: usize, what: &str, detail: &dyn Debug) {
        if let Some(trace) = &mut self.trace {
            let _ = writeln!(trace.text, "{:>12} p{host} {what} {detail:?}", self.now.as_micros());
        }
    }

    pub(super) fn remark(&mut self, what: &str, detail: &dyn Debug) {
        if let Some(trace) = &mut self.trace {
            let _ = writeln!(trace.text, "{:>12} ! {what} {detail:?}", self.now.as_micros());
        }
    }

    /// Tells a host's state by its hash, where it is another than before.
    pub(super) fn note_state(&mut self, host: usize) {
        let Some(trace) = &mut self.trace else { return };
        let Some(node) = &self.hosts[host].node else { return };
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        node.hash(&mut hasher);
        trace.states.resize(self.hosts.len(), 0);
        let known = std::mem::replace(&mut trace.states[host], hasher.finish());
        if known != hasher.finish() {
            let _ = writeln!(trace.text, "{:>12} p{host} # {:016x}", self.now.as_micros(), hasher.finish());
        }
    }
}
