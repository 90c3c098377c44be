//! Identifiers: 160-bit positions on the ring, and the only modular arithmetic in the project.

use std::fmt;
use std::str::FromStr;

use sha1::{Digest, Sha1};

/// A position on the ring of 2^160, as SHA-1 gives it (Stoica et al., SIGCOMM 2001, §4.1).
///
/// Ordered as a big-endian number. A clockwise distance is an `Id`, too.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    // Not one u128, whose alignment would make an identifier a third larger.
    first: u64,
    second: u64,
    low: u32,
}

impl Id {
    const fn new(high: u128, low: u32) -> Id {
        Id { first: (high >> 64) as u64, second: high as u64, low }
    }

    const fn high(self) -> u128 {
        (self.first as u128) << 64 | self.second as u128
    }

    /// Bits of an identifier.
    pub const BITS: u32 = 160;

    /// The identifier of some bytes: their SHA-1.
    pub fn of(bytes: &[u8]) -> Id {
        Id::from_bytes(Sha1::digest(bytes).into())
    }

    /// An identifier from its 20 big-endian bytes.
    pub fn from_bytes(bytes: [u8; 20]) -> Id {
        let mut high = [0; 16];
        let mut low = [0; 4];
        high.copy_from_slice(&bytes[..16]);
        low.copy_from_slice(&bytes[16..]);
        Id::new(u128::from_be_bytes(high), u32::from_be_bytes(low))
    }

    /// The 20 big-endian bytes.
    pub fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&self.high().to_be_bytes());
        bytes[16..].copy_from_slice(&self.low.to_be_bytes());
        bytes
    }

    /// How far it is clockwise from here to `other`; zero for itself.
    pub fn distance_to(self, other: Id) -> Id {
        let (low, borrow) = other.low.overflowing_sub(self.low);
        Id::new(other.high().wrapping_sub(self.high()).wrapping_sub(u128::from(borrow)), low)
    }

    /// The position 2^`power` further clockwise.
    ///
    /// # Panics
    /// Where `power` is 160 or more.
    pub fn plus_power_of_two(self, power: u32) -> Id {
        assert!(power < Id::BITS, "an identifier has 160 bits");
        let step = if power < 32 { Id::new(0, 1 << power) } else { Id::new(1 << (power - 32), 0) };
        self.plus(step)
    }

    /// The position so far clockwise.
    pub fn plus(self, distance: Id) -> Id {
        let (low, carry) = self.low.overflowing_add(distance.low);
        Id::new(self.high().wrapping_add(distance.high()).wrapping_add(u128::from(carry)), low)
    }

    /// The next position clockwise.
    pub fn next(self) -> Id {
        self.plus_power_of_two(0)
    }

    /// Whether this lies in the open arc (`from`, `to`); (a, a) is all of the ring but a.
    pub fn is_between(self, from: Id, to: Id) -> bool {
        self != to && self != from && (from == to || from.distance_to(self) < from.distance_to(to))
    }

    /// Whether this lies in the half-open arc (`from`, `to`]; (a, a] is all of the ring.
    pub fn is_within(self, from: Id, to: Id) -> bool {
        self == to || self.is_between(from, to)
    }

    /// This distance as a part of the whole ring, 0 to 1.
    pub fn fraction(self) -> f64 {
        self.high() as f64 / 2f64.powi(128)
    }
}

impl From<u64> for Id {
    /// A small identifier, for tests and the model checker.
    fn from(number: u64) -> Id {
        Id::new(u128::from(number >> 32), number as u32)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}{:08x}", self.high(), self.low)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.high() < 1 << 32 {
            write!(f, "{}", (self.high() << 32) | u128::from(self.low))
        } else {
            write!(f, "{:08x}…", self.high() >> 96)
        }
    }
}

/// A text is not 40 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identifier is 40 hexadecimal digits, not {0:?}")]
pub struct NotAnId(pub String);

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Id, NotAnId> {
        let wrong = || NotAnId(text.chars().take(60).collect());
        if text.len() != 40 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let high = u128::from_str_radix(&text[..32], 16).map_err(|_| wrong())?;
        let low = u32::from_str_radix(&text[32..], 16).map_err(|_| wrong())?;
        Ok(Id::new(high, low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_id() -> impl Strategy<Value = Id> {
        any::<[u8; 20]>().prop_map(Id::from_bytes)
    }

    #[test]
    fn the_sha1_of_a_name_is_its_identifier() {
        assert_eq!(Id::of(b"abc").to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }

    #[test]
    fn arcs_wrap_around_zero() {
        let [a, b, c] = [Id::from(10), Id::from(20), Id::from(30)];
        assert!(b.is_between(a, c) && !a.is_between(a, c) && !c.is_between(a, c));
        assert!(a.is_between(c, b), "10 lies between 30 and 20, through zero");
        assert!(c.is_within(a, c) && !a.is_within(a, c));
        assert!(b.is_between(a, a) && !a.is_between(a, a));
        assert!(a.is_within(a, a), "(a, a] is the whole ring");
    }

    proptest! {
        #[test]
        fn text_and_bytes_round_trip(id in any_id()) {
            prop_assert_eq!(id.to_string().parse::<Id>().unwrap(), id);
            prop_assert_eq!(Id::from_bytes(id.to_bytes()), id);
        }

        #[test]
        fn there_and_back_is_once_around(a in any_id(), b in any_id()) {
            let (there, back) = (a.distance_to(b), b.distance_to(a));
            let sum = Id::default().distance_to(there).distance_to(Id::default());
            prop_assert_eq!(sum, back);
        }

        #[test]
        fn a_power_of_two_further_is_that_far(a in any_id(), power in 0u32..160) {
            let distance = a.distance_to(a.plus_power_of_two(power));
            prop_assert_eq!(distance, Id::default().plus_power_of_two(power));
        }

        #[test]
        fn of_three_different_points_one_order_holds(a in any_id(), b in any_id(), c in any_id()) {
            prop_assume!(a != b && b != c && a != c);
            prop_assert!(b.is_between(a, c) ^ b.is_between(c, a));
        }
    }
}
