//! Random faults by seed, made one after the other, and recorded.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chordial_tests::history::{self, Fault, Trouble};
use chordial_tests::programs::TestPeer;
use rand::seq::index::sample;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::lab::Lab;
use crate::network::PEERS;

/// The faults so far.
pub struct Faults {
    clock: Instant,
    all: Mutex<Vec<Fault>>,
}

impl Faults {
    /// None yet, by this clock.
    pub fn new(clock: Instant) -> Faults {
        Faults { clock, all: Mutex::default() }
    }

    /// All of them.
    pub fn into_inner(self) -> history::Faults {
        history::Faults(self.all.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes what was done to these from `from` until now.
    fn note(&self, troubles: impl IntoIterator<Item = Trouble>, from: Duration) {
        let until = self.clock.elapsed();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(troubles.into_iter().map(|trouble| Fault { trouble, from, until }));
    }
}

/// Cuts, one-way cuts and bad links, one at a time.
pub fn links(faults: &Faults, lab: &Lab, seed: u64, until: Duration) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(1_001);
    loop {
        let lasting = seconds(&mut dice, 4, 20);
        if !wait(faults, &mut dice, lasting, until) {
            return;
        }
        let kind = dice.random_range(0..4);
        let count = match kind {
            0 => dice.random_range(1..=PEERS / 2),
            _ => 4,
        };
        let chosen = choose(&mut dice, count);
        let from = faults.clock.elapsed();
        let troubles = match kind {
            0 => {
                let rest: Vec<usize> = lab.hosts().filter(|host| !chosen.contains(host)).collect();
                lab.partition(&[chosen.clone(), rest.clone()]);
                vec![Trouble::Cut(chosen.clone(), rest)]
            }
            1 => {
                let (mute, deaf) = chosen.split_at(2);
                lab.one_way(mute, deaf);
                vec![Trouble::Cut(mute.to_vec(), deaf.to_vec())]
            }
            _ => {
                chosen.iter().for_each(|&host| lab.disturb(host, "delay 60ms 20ms loss 2%"));
                chosen.iter().copied().map(Trouble::Slow).collect()
            }
        };
        std::thread::sleep(lasting);
        match kind {
            0 | 1 => lab.heal(),
            _ => chosen.iter().for_each(|&host| lab.disturb(host, "clear")),
        }
        faults.note(troubles, from);
    }
}

/// Kills with a restart, and pauses, of one to three peers at a time.
pub fn processes(faults: &Faults, lab: &Lab, peers: &mut [TestPeer], seed: u64, until: Duration) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(1_002);
    loop {
        let kind = dice.random_range(0..4);
        let lasting = match kind {
            0 => Duration::ZERO,
            1 => seconds(&mut dice, 1, 20),
            // Too short for anybody to be given up; long enough.
            2 => seconds(&mut dice, 1, 4),
            _ => seconds(&mut dice, 8, 20),
        };
        if !wait(faults, &mut dice, lasting, until) {
            return;
        }
        let count = dice.random_range(1..=3);
        let chosen = choose(&mut dice, count);
        let kills = kind < 2;
        let from = faults.clock.elapsed();
        for &host in &chosen {
            let peer = &mut peers[host - 1];
            if kills { peer.kill() } else { peer.signal("STOP") }
        }
        std::thread::sleep(lasting);
        for &host in &chosen {
            let peer = &mut peers[host - 1];
            if kills { lab.inside(host, || peer.spawn("all")) } else { peer.signal("CONT") }
        }
        let trouble = if kills { Trouble::Down } else { Trouble::Paused };
        faults.note(chosen.into_iter().map(trouble), from);
    }
}

fn choose(dice: &mut ChaCha8Rng, count: usize) -> Vec<usize> {
    sample(dice, PEERS, count).iter().map(|index| index + 1).collect()
}

/// Some calm; whether there is time for a fault that lasts so long after it.
fn wait(faults: &Faults, dice: &mut ChaCha8Rng, lasting: Duration, until: Duration) -> bool {
    let calm = seconds(dice, 3, 8);
    if faults.clock.elapsed() + calm + lasting > until {
        return false;
    }
    std::thread::sleep(calm);
    true
}

fn seconds(dice: &mut ChaCha8Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(dice.random_range(from * 1000..=to * 1000))
}
