//! Points in time, always given, never read: this crate has no clock.
//!
//! Certificates, CRLs, signatures and reports are compared by [`UnixTime`]. Text is RFC 3339 in the strict form of signing
//! times.

use alloc::string::{String, ToString as _};
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// A point in time in UTC with nanosecond resolution, between the years 0 and 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(OffsetDateTime);

impl UnixTime {
    /// The time `seconds` and `nanoseconds` after 1970-01-01T00:00:00Z; `None` outside the years 0 to 9999.
    pub fn from_parts(seconds: i64, nanoseconds: u32) -> Option<Self> {
        let nanos = i128::from(seconds).checked_mul(1_000_000_000)?.checked_add(i128::from(nanoseconds))?;
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
        (0..=9999).contains(&time.year()).then_some(Self(time))
    }

    /// The time `seconds` after 1970-01-01T00:00:00Z; `None` outside the years 0 to 9999.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        Self::from_parts(seconds, 0)
    }

    /// The time `seconds` after 1970-01-01T00:00:00Z, with the fraction that a float can hold; `None` outside the years 0 to
    /// 9999, and none for what is not a number.
    pub(crate) fn from_float_seconds(seconds: f64) -> Option<Self> {
        let since = time::Duration::checked_seconds_f64(seconds)?;
        let time = OffsetDateTime::UNIX_EPOCH.checked_add(since)?;
        (0..=9999).contains(&time.year()).then_some(Self(time))
    }

    /// Reads RFC 3339 text: upper-case `T` and `Z`, a zone, an optional fraction after a point, no leap second.
    ///
    /// # Errors
    /// [`TimeError`] if the text is anything else.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        // `time` takes small letters, other separators and second 60; the form is therefore checked first.
        let bytes = text.as_bytes();
        let shape = bytes.get(..19).ok_or(TimeError)?;
        let template = b"0000-00-00T00:00:00";
        let shaped = shape.iter().zip(template).all(|(byte, want)| match want {
            b'0' => byte.is_ascii_digit(),
            literal => byte == literal,
        });
        let leap = shape.get(17..19) == Some(b"60");
        let zone_shaped = match bytes.last() {
            Some(b'Z') => true,
            _ => bytes
                .len()
                .checked_sub(6)
                .and_then(|at| bytes.get(at))
                .is_some_and(|b| matches!(b, b'+' | b'-')),
        };
        if !shaped || leap || !zone_shaped || !bytes.is_ascii() {
            return Err(TimeError);
        }
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimeError)?;
        let utc = time.checked_to_offset(UtcOffset::UTC).ok_or(TimeError)?;
        if (0..=9999).contains(&utc.year()) { Ok(Self(utc)) } else { Err(TimeError) }
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// Whether this is 0001-01-01T00:00:00Z, which the reference implementation takes for "no time given".
    pub(crate) fn is_year_one(self) -> bool {
        self.0.unix_timestamp_nanos() == -62_135_596_800_000_000_000
    }

    /// This time and `by` later; `None` past the year 9999.
    pub fn later(self, by: Duration) -> Option<Self> {
        let time = self.0.checked_add(by.try_into().ok()?)?;
        (time.year() <= 9999).then_some(Self(time))
    }

    /// This time and `by` earlier; `None` before the year 0.
    pub fn earlier(self, by: Duration) -> Option<Self> {
        let time = self.0.checked_sub(by.try_into().ok()?)?;
        (time.year() >= 0).then_some(Self(time))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for UnixTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for UnixTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for UnixTime {
    fn schema_name() -> alloc::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// The text is not an RFC 3339 time in the form described at [`UnixTime::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time such as 2026-01-31T12:00:00Z")]
pub struct TimeError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_strict_form() {
        for (text, written) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00.25Z", "2026-01-31T12:00:00.25Z"),
            ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(UnixTime::parse(text).unwrap().to_string(), written);
        }
        assert!(UnixTime::parse("0001-01-01T00:00:00Z").unwrap().is_year_one());
    }

    #[test]
    fn refuses_every_other_form() {
        for text in [
            "",
            "2026-01-31",
            "2026-01-31t12:00:00Z",
            "2026-01-31T12:00:00z",
            "2026-01-31 12:00:00Z",
            "2026-01-31T12:00:00",
            "2026-12-31T23:59:60Z",
            "2026-01-31T24:00:00Z",
            "2026-02-30T12:00:00Z",
            "2026-01-31T12:00:00,5Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00+0200",
            "2026-01-31T12:00:00Z ",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(UnixTime::parse(text), Err(TimeError), "{text}");
        }
    }
}
