//! Formats times, sizes, counts and names for people.

use assay_report::words::plural;
use assay_verifier::time::UnixTime;

/// `2026-01-31 12:00:00 UTC`
pub(crate) fn time(time: UnixTime) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => text,
    }
}

/// `2026-01-31`
pub(crate) fn day(time: UnixTime) -> String {
    let text = time.to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}

/// The time between two times, such as `1 min 12 s`.
pub(super) fn duration(from: UnixTime, to: UnixTime) -> String {
    let seconds = to.seconds().saturating_sub(from.seconds()).max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Whole days from one time to another, negative if the other is earlier.
pub(super) fn days(from: UnixTime, to: UnixTime) -> i64 {
    to.seconds().saturating_sub(from.seconds()).div_euclid(86_400)
}

/// `46.0 MiB`
pub(crate) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in units {
        let one = 1_u64 << shift;
        if bytes >= one {
            return format!("{}.{} {unit}", bytes / one, bytes % one * 10 / one);
        }
    }
    format!("{bytes} B")
}

/// `12 345`, in groups of three with a narrow no-break space.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 image`, `12 images`
pub(crate) fn count(count: impl TryInto<u64>, one: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{} {}", number(count), plural(count, one))
}

/// `text` as a relative URI reference (RFC 3986). Everything except unreserved letters, `/` and `@` is encoded, so that no
/// letter of a name is taken for a scheme, a query or a fragment, and no part of it for a host or a parent folder.
pub(super) fn uri(text: &str) -> String {
    let mut uri = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'@' => uri.push(char::from(byte)),
            // no segment is empty or consists only of dots
            b'/' | b'.' if !uri.is_empty() && !uri.ends_with('/') => uri.push(char::from(byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_values_for_people() {
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
