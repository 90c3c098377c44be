//! Typing errors: a letter too many, too few, another one, or two swapped.

/// Characters of a word that is compared at most; longer ones must be typed rightly.
const LONGEST: usize = 64;

/// Errors forgiven in a word of so many characters.
fn forgiven(length: usize) -> usize {
    match length {
        0..3 => 0,
        3..5 => 1,
        5..=LONGEST => 2,
        _ => 0,
    }
}

/// A word as typed, made ready to be compared with many.
pub(super) struct Typed {
    chars: [char; LONGEST],
    length: usize,
    most: usize,
}

impl Typed {
    /// None where nothing is forgiven.
    pub(super) fn new(word: &str) -> Option<Typed> {
        // More bytes than this are more characters than this.
        if word.len() > 4 * LONGEST {
            return None;
        }
        let most = forgiven(word.chars().count());
        let mut typed = Typed { chars: ['\0'; LONGEST], length: 0, most };
        if most == 0 {
            return None;
        }
        for c in word.chars() {
            typed.chars[typed.length] = c;
            typed.length += 1;
        }
        Some(typed)
    }

    /// The errors between this and a word, or with `prefix` the beginning of it that is nearest: the optimal string
    /// alignment distance, where it is forgiven.
    pub(super) fn errors(&self, word: impl Iterator<Item = char>, prefix: bool) -> Option<usize> {
        let typed = &self.chars[..self.length];
        let mut other = ['\0'; LONGEST + 2];
        let mut length = 0;
        for c in word {
            if length == self.length + self.most {
                if prefix {
                    break;
                }
                return None;
            }
            other[length] = c;
            length += 1;
        }
        if length + self.most < self.length {
            return None;
        }
        let other = &other[..length];
        // Row i: distances of the first i characters typed to all beginnings of the other word.
        let mut before = [0_u8; LONGEST + 3];
        let mut last = [0_u8; LONGEST + 3];
        let mut row = [0_u8; LONGEST + 3];
        for (at, cell) in (0_u8..).zip(&mut last[..=length]) {
            *cell = at;
        }
        for (i, c) in typed.iter().enumerate() {
            row[0] = last[0] + 1;
            let mut least = row[0];
            for (j, d) in other.iter().enumerate() {
                let mut cost = (last[j] + u8::from(c != d)).min(last[j + 1] + 1).min(row[j] + 1);
                if i > 0 && j > 0 && *c == other[j - 1] && typed[i - 1] == *d {
                    cost = cost.min(before[j - 1] + 1);
                }
                row[j + 1] = cost;
                least = least.min(cost);
            }
            // No later cell is less: a swap starts from two rows back, which has no less than one row back less one.
            if usize::from(least) > self.most {
                return None;
            }
            (before, last, row) = (last, row, before);
        }
        let least = if prefix { last[..=length].iter().copied().min() } else { Some(last[length]) };
        least.map(usize::from).filter(|errors| *errors <= self.most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn errors(typed: &str, word: &str) -> Option<usize> {
        Typed::new(typed)?.errors(word.chars(), false)
    }

    fn naive(a: &[char], b: &[char]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([a_rest @ .., x], [b_rest @ .., y]) => {
                let one = (naive(a_rest, b_rest) + usize::from(x != y))
                    .min(naive(a_rest, b) + 1)
                    .min(naive(a, b_rest) + 1);
                match (a_rest, b_rest) {
                    ([a_left @ .., w], [b_left @ .., z]) if w == y && x == z => {
                        one.min(naive(a_left, b_left) + 1)
                    }
                    _ => one,
                }
            }
        }
    }

    #[test]
    fn errors_are_counted() {
        for (typed, word, expected) in [
            ("report", "report", Some(0)),
            ("reprot", "report", Some(1)),
            ("raport", "report", Some(1)),
            ("repport", "report", Some(1)),
            ("rport", "report", Some(1)),
            ("rpeotr", "report", Some(2)),
            ("rpeotra", "report", None),
            ("reoprtt", "report", Some(2)),
            ("photo", "report", None),
            ("cat", "car", Some(1)),
            ("cat", "cart", Some(1)),
            ("cat", "tac", None),
            ("at", "it", None),
            ("überblick", "uberblik", Some(2)),
        ] {
            assert_eq!(errors(typed, word), expected, "{typed} {word}");
        }
    }

    #[test]
    fn the_beginning_of_a_word_is_enough_for_a_prefix() {
        let errors = |typed, word: &str| Typed::new(typed).and_then(|typed| typed.errors(word.chars(), true));
        assert_eq!(errors("reprot", "reporting"), Some(1));
        assert_eq!(errors("xeporting", "rep"), None);
        assert_eq!(errors("anuual", "annualisation"), Some(1));
    }

    #[test]
    fn long_words_are_compared_as_they_are() {
        let long = "x".repeat(LONGEST);
        assert_eq!(errors(&long, &"x".repeat(LONGEST + 2)), Some(2));
        assert_eq!(errors(&long, &"x".repeat(LONGEST + 3)), None);
        assert!(Typed::new(&"x".repeat(LONGEST + 1)).is_none());
        assert!(Typed::new(&"漢".repeat(1000)).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn as_defined(typed in "[abc]{0,6}", word in "[abc]{0,7}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let (a, b) = (chars(&typed), chars(&word));
            let most = forgiven(a.len());
            if most > 0 {
                let distance = Some(naive(&a, &b)).filter(|errors| *errors <= most);
                prop_assert_eq!(errors(&typed, &word), distance);
                let least = (0..=b.len()).map(|end| naive(&a, &b[..end])).min().filter(|errors| *errors <= most);
                prop_assert_eq!(Typed::new(&typed).and_then(|t| t.errors(word.chars(), true)), least);
            }
        }
    }
}
