//! Unpredictable ids for runs and remote folders.
//!
//! They are not UUIDs: `assay cleanup` finds the folders of earlier versions too, by the form of their names.

use assay_verifier::time::UnixTime;
use aws_lc_rs::rand;

/// `bytes` random bytes in lower-case hex.
///
/// # Panics
/// If the system has no source of randomness; nothing here would be safe then.
pub(crate) fn hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    #[expect(clippy::expect_used, reason = "AWS-LC's generator fails only if the system has no entropy")]
    rand::fill(&mut random).expect("the system's random number generator works");
    hex::encode(random)
}

/// An id for a run that began at `time`, such as `20261122T101500Z-9f86d081884c7d65`.
pub(crate) fn run_id(time: UnixTime) -> String {
    let time: String = time.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{time}-{}", hex(8))
}

/// A number from 0 to 1, for waits that are to differ.
pub(crate) fn fraction() -> f64 {
    f64::from(u16::from_str_radix(&hex(2), 16).unwrap_or(0)) / f64::from(u16::MAX)
}
