//! Times, sizes, counts and names as people read them.

use std::fmt;

use assay_shared::report::{CheckResult, ExitCode, Outcome, Status};
use assay_shared::time::UnixTime;

/// `2026-01-31 12:00:00 UTC`
pub(super) fn time(time: UnixTime) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => text,
    }
}

/// `2026-01-31`
pub(super) fn day(time: UnixTime) -> String {
    let text = time.to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}

/// From one time to another, such as `1 min 12 s`.
pub(super) fn duration(from: UnixTime, to: UnixTime) -> String {
    let seconds = to.seconds().saturating_sub(from.seconds()).max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Whole days from one time to another, negative where the other is past.
pub(super) fn days(from: UnixTime, to: UnixTime) -> i64 {
    to.seconds().saturating_sub(from.seconds()).div_euclid(86_400)
}

/// `46.0 MiB`
pub(super) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in units {
        let one = 1_u64 << shift;
        if bytes >= one {
            return format!("{}.{} {unit}", bytes / one, bytes % one * 10 / one);
        }
    }
    format!("{bytes} B")
}

/// `12 345`, in groups of three with a narrow space that does not break.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 image`, `12 images`
pub(super) fn count(count: usize, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {one}{plural}", number(count as u64))
}

/// How something came out, as the page marks it: a class for the style sheet, a symbol, a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Failed,
    Inconclusive,
    Skipped,
    NotRun,
    Passed,
}

impl Mark {
    /// The class, which is the symbol's name as well.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Skipped => "skipped",
            Self::NotRun => "not-run",
            Self::Passed => "passed",
        }
    }

    /// The word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NotRun => "not run",
            other => other.class(),
        }
    }

    /// The symbol; the word must stand beside it.
    pub(super) fn icon(self) -> Icon {
        Icon(self.class())
    }
}

impl From<Status> for Mark {
    fn from(status: Status) -> Self {
        match status {
            Status::Passed => Self::Passed,
            Status::Failed => Self::Failed,
            Status::Skipped => Self::Skipped,
            Status::Inconclusive => Self::Inconclusive,
        }
    }
}

impl From<CheckResult> for Mark {
    fn from(result: CheckResult) -> Self {
        match result {
            CheckResult::Passed => Self::Passed,
            CheckResult::Failed => Self::Failed,
            CheckResult::Skipped => Self::Skipped,
            CheckResult::NotRun => Self::NotRun,
            CheckResult::Inconclusive => Self::Inconclusive,
        }
    }
}

impl From<ExitCode> for Mark {
    fn from(code: ExitCode) -> Self {
        match code {
            ExitCode::Passed => Self::Passed,
            ExitCode::Failed => Self::Failed,
            ExitCode::Incomplete | ExitCode::Usage => Self::Inconclusive,
        }
    }
}

impl From<Outcome> for Mark {
    fn from(outcome: Outcome) -> Self {
        if outcome == Outcome::Verified { Self::Passed } else { Self::Inconclusive }
    }
}

/// A symbol of the page's own set. Decoration: what it says is always said in words as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Icon(&'static str);

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r##"<svg class="i {0}" aria-hidden="true"><use href="#i-{0}"/></svg>"##, self.0)
    }
}

/// Markup on purpose, made of nothing but names from this file.
impl askama::filters::HtmlSafe for Icon {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_people_write() {
        let at = |seconds| UnixTime::from_seconds(seconds).unwrap();
        assert_eq!(time(at(1_769_860_800)), "2026-01-31 12:00:00 UTC");
        assert_eq!(time(UnixTime::from_parts(1_769_860_800, 5).unwrap()), "2026-01-31 12:00:00 UTC");
        assert_eq!(day(at(0)), "1970-01-01");
        for (seconds, text) in [(0, "0 s"), (72, "1 min 12 s"), (7_260, "2 h 1 min"), (-5, "0 s")] {
            assert_eq!(duration(at(0), at(seconds)), text);
        }
        assert_eq!([days(at(0), at(86_399)), days(at(0), at(-1)), days(at(0), at(86_400))], [0, -1, 1]);
        for (bytes, text) in [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (48_234_496, "46.0 MiB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!([count(1, "node"), count(12, "node")], ["1 node", "12 nodes"]);
    }
}
