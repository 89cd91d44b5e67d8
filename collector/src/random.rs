//! What nobody can guess: names of folders and runs.

use aws_lc_rs::rand;

use crate::archive;

/// `bytes` random bytes in lower-case hex.
///
/// # Panics
/// Where the system has no randomness to give; nothing here would be safe then.
pub(crate) fn hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    #[expect(clippy::expect_used, reason = "AWS-LC's generator fails only where the system has no entropy")]
    rand::fill(&mut random).expect("the system's random number generator works");
    archive::hex(&random)
}

/// An id for a run begun at `time`, such as `20261122T101500Z-9f86d081884c7d65`.
pub(crate) fn run_id(time: assay_verifier::time::UnixTime) -> String {
    let time: String = time.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{time}-{}", hex(8))
}

/// A number from 0 to 1, so that many who wait do not all come back at once.
pub(crate) fn fraction() -> f64 {
    f64::from(u16::from_str_radix(&hex(2), 16).unwrap_or(0)) / f64::from(u16::MAX)
}
