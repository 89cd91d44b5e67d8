//! The one clock of the collector.

use std::time::{SystemTime, UNIX_EPOCH};

use assay_verifier::time::UnixTime;

/// The time now, to the second.
///
/// # Panics
/// Where the clock stands outside the years 0 to 9999: nothing could be said about time then.
pub(crate) fn now() -> UnixTime {
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    #[expect(clippy::expect_used, reason = "no clock that shows a year after 9999 is right")]
    i64::try_from(seconds).ok().and_then(UnixTime::from_seconds).expect("the clock shows a year before 10000")
}
