//! How long a cluster whose pass failed is left alone.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);
/// Part of the delay by which clusters that failed together are spread.
const SPREAD: f64 = 0.2;

/// The delay after `failures` passes that failed in a row: 1 s, doubled up to 5 min, spread by ±20 %.
pub fn delay(failures: u32) -> Duration {
    spread(exponential(failures), random_fraction())
}

fn exponential(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST.saturating_mul(1 << doublings).min(LONGEST)
}

/// `fraction` in 0..1 picks a place within the spread.
fn spread(delay: Duration, fraction: f64) -> Duration {
    delay.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * fraction)
}

/// Every `RandomState` is seeded anew; that is random enough to keep clusters from retrying in step.
fn random_fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    let [.., high, low] = bits.to_be_bytes();
    f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(1, 1)]
    #[case(2, 2)]
    #[case(5, 16)]
    #[case(9, 256)]
    #[case(10, 300)]
    #[case(u32::MAX, 300)]
    fn doubles_up_to_five_minutes(#[case] failures: u32, #[case] seconds: u64) {
        assert_eq!(exponential(failures), Duration::from_secs(seconds));
    }

    #[rstest]
    #[case(0.0, 8)]
    #[case(0.5, 10)]
    #[case(1.0, 12)]
    fn spreads_by_a_fifth(#[case] fraction: f64, #[case] seconds: u64) {
        assert_eq!(
            spread(Duration::from_secs(10), fraction),
            Duration::from_secs(seconds)
        );
    }
}
