//! Another one's clock against the one here, by one question and its answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chordial_proto::chord_v1::Clock;

/// By how much a clock is ahead that told `clock_ms`, milliseconds since 1970, when it was asked at `here`, and took so
/// long. None: it told nothing, 0.
pub fn compared(clock_ms: u64, here: SystemTime, took: Duration) -> Option<Clock> {
    let here = here.duration_since(UNIX_EPOCH).ok()? + took / 2;
    let there = i64::try_from(clock_ms).ok().filter(|there| *there != 0)?;
    let ahead_ms = there - i64::try_from(here.as_millis()).ok()?;
    Some(Clock { ahead_ms, within_ms: (took.as_millis() / 2 + 1) as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_in_the_middle_of_the_round_trip() {
        let here = UNIX_EPOCH + Duration::from_secs(1_000);
        let told = |clock_ms| compared(clock_ms, here, Duration::from_millis(100));
        assert_eq!(told(1_003_050), Some(Clock { ahead_ms: 3_000, within_ms: 51 }));
        assert_eq!(told(998_050), Some(Clock { ahead_ms: -2_000, within_ms: 51 }));
        assert_eq!(told(0), None, "an older program does not tell");
    }
}
