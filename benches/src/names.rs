//! Names of files as people have them, the same ones for the same seed.

use std::collections::HashSet;

/// Different words.
const WORDS: usize = 20_000;
/// What every folder has.
const COMMON: [&str; 40] = [
    "img",
    "the",
    "copy",
    "of",
    "final",
    "report",
    "photo",
    "draft",
    "notes",
    "new",
    "old",
    "invoice",
    "summer",
    "holiday",
    "track",
    "live",
    "remix",
    "chapter",
    "letter",
    "scan",
    "project",
    "meeting",
    "budget",
    "plan",
    "music",
    "family",
    "birthday",
    "backup",
    "version",
    "summary",
    "slides",
    "garden",
    "winter",
    "contract",
    "recipe",
    "lecture",
    "mountain",
    "interview",
    "manual",
    "picture",
];
const SYLLABLES: [&str; 32] = [
    "ba", "ker", "lo", "min", "tra", "ves", "on", "dal", "sha", "pi", "ren", "gul", "ta", "mor", "wen", "is",
    "fro", "nel", "ca", "ju", "hol", "ster", "ny", "ble", "qua", "zi", "ox", "ul", "per", "gra", "dor", "ea",
];
/// With how often each comes up.
const EXTENSIONS: [(&str, u64); 12] = [
    ("jpg", 34),
    ("pdf", 16),
    ("mp3", 14),
    ("txt", 8),
    ("png", 8),
    ("docx", 6),
    ("mp4", 4),
    ("xlsx", 3),
    ("epub", 3),
    ("zip", 2),
    ("rs", 1),
    ("flac", 1),
];

/// Numbers that look random: SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// The next one.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// `count` names, all different: two to eight words, of which some are everywhere and most are rare (Zipf), set apart
/// in several ways, some with numbers, and an extension.
pub fn generate(count: usize, seed: u64) -> Vec<String> {
    let mut random = Random(seed);
    let words = vocabulary();
    let mut sums: Vec<f64> = Vec::with_capacity(words.len());
    for rank in 1..=words.len() {
        sums.push(sums.last().unwrap_or(&0.0) + 1.0 / rank as f64);
    }
    let total = sums.last().copied().unwrap_or_default();
    let (mut names, mut seen) = (Vec::with_capacity(count), HashSet::with_capacity(count));
    while names.len() < count {
        let separator = ["_", " ", "-", ".", ""][random.below(5)];
        let mut parts = Vec::new();
        for _ in 0..2 + random.below(7).min(random.below(7)) {
            let drawn = random.part() * total;
            let word = &words[sums.partition_point(|sum| *sum < drawn).min(words.len() - 1)];
            parts.push(match separator {
                "" => capital(word),
                _ if random.below(4) == 0 => capital(word),
                _ => word.clone(),
            });
        }
        match random.below(4) {
            0 => parts.push((1990 + random.below(37)).to_string()),
            1 => parts.push(format!("{:04}", random.below(10_000))),
            _ => {}
        }
        let mut drawn = random.number() % EXTENSIONS.iter().map(|(_, often)| often).sum::<u64>();
        let extension = EXTENSIONS.iter().find(|(_, often)| {
            let here = drawn < *often;
            drawn = drawn.saturating_sub(*often);
            here
        });
        let name =
            format!("{}.{}", parts.join(separator), extension.map_or("bin", |(extension, _)| extension));
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    names
}

fn vocabulary() -> Vec<String> {
    let mut random = Random(1);
    let mut words: Vec<String> = COMMON.iter().map(|word| (*word).to_owned()).collect();
    let mut seen: HashSet<String> = words.iter().cloned().collect();
    while words.len() < WORDS {
        let word: String =
            (0..2 + random.below(3)).map(|_| SYLLABLES[random.below(SYLLABLES.len())]).collect();
        if seen.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_for_the_same_seed_and_different_among_themselves() {
        let names = generate(2_000, 7);
        assert_eq!(names, generate(2_000, 7));
        assert_ne!(names[0], generate(1, 8)[0]);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 2_000);
        assert!(names.iter().all(|name| name.len() < 120 && name.contains('.')));
    }
}
