//! Reads the waivers file: TOML with one `[[waiver]]` for each exception that the site granted. Pure. An error names the line, and an
//! unknown key is an error. `assay_report` decides what a waiver covers.

use assay_report::{Reason, SiteWaivers, Waiver, WaiverState};
use assay_verifier::oci::{Digest, Reference};
use assay_verifier::time::UnixTime;
use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as ValueError, StrDeserializer};
use toml::Spanned;
use toml::value::Datetime;

use crate::suggestion;
use crate::text::line_of;

/// Bytes of a waivers file: some 10,000 waivers, each of which is compared with every failed image.
const WAIVERS_BYTES: usize = 4 << 20;

/// The waivers file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct WaiversError {
    /// Where, counted from 1.
    pub line: usize,
    /// What.
    pub problem: WaiversProblem,
}

/// What is wrong with a waivers file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaiversProblem {
    /// It is not TOML, a key is unknown, missing or given twice, or a value has the wrong type.
    #[error("{0}")]
    Toml(String),
    /// It is larger than a waivers file is read.
    #[error("the file is larger than {WAIVERS_BYTES} bytes")]
    TooLarge,
    /// A text is empty, or has control characters.
    #[error("{0} is empty or has control characters")]
    Text(&'static str),
    /// The digest of the image is malformed.
    #[error("image {0:?}: the digest is malformed")]
    Digest(String),
    /// The date is malformed.
    #[error("expires {0:?}: not a date such as 2026-12-31, nor a time such as 2026-12-31T12:00:00Z")]
    Expires(String),
    /// The reason does not exist.
    #[error("code {0:?}: not a reason of an image, such as no-signature")]
    Code(String),
    /// A reason that a waiver cannot excuse.
    #[error("code {0:?}: what such a container runs is unknown, so a waiver cannot cover it")]
    Unwaivable(String),
}

/// Reads a waivers file's text.
///
/// # Errors
/// [`WaiversError`]
pub(crate) fn parse(text: &str, sha256: String, judged_at: UnixTime) -> Result<SiteWaivers, WaiversError> {
    if text.len() > WAIVERS_BYTES {
        return Err(WaiversError { line: 1, problem: WaiversProblem::TooLarge });
    }
    let written: Written = toml::from_str(text).map_err(|error| WaiversError {
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        problem: WaiversProblem::Toml(suggestion::of_toml(&error)),
    })?;
    let waivers = written.waiver.into_iter().map(|waiver| read(text, waiver)).collect::<Result<_, _>>()?;
    Ok(SiteWaivers::new(sha256, judged_at, waivers))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    waiver: Vec<Fields>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    image: Spanned<String>,
    node: Option<Spanned<String>>,
    #[serde(default)]
    codes: Vec<Spanned<String>>,
    reason: Spanned<String>,
    approver: Spanned<String>,
    expires: Spanned<toml::Value>,
}

fn read(text: &str, written: Fields) -> Result<Waiver, WaiversError> {
    Ok(Waiver {
        image: checked(text, written.image, image)?,
        node: written.node.map(|node| checked(text, node, |node| plain("node", node))).transpose()?,
        codes: written
            .codes
            .into_iter()
            .map(|code| checked(text, code, self::code))
            .collect::<Result<_, _>>()?,
        reason: checked(text, written.reason, |reason| plain("reason", reason))?,
        approver: checked(text, written.approver, |approver| plain("approver", approver))?,
        expires: checked(text, written.expires, expires)?,
        state: WaiverState::Unused,
        images: 0,
    })
}

fn checked<T, U>(
    text: &str,
    value: Spanned<T>,
    check: impl FnOnce(T) -> Result<U, WaiversProblem>,
) -> Result<U, WaiversError> {
    let line = line_of(text, value.span().start);
    check(value.into_inner()).map_err(|problem| WaiversError { line, problem })
}

fn image(text: String) -> Result<String, WaiversProblem> {
    let text = plain("image", text)?;
    // A digest with a letter too few would be taken for a name, and never cover anything.
    let digest = text.rsplit_once('@').map_or(text.as_str(), |(_, digest)| digest);
    let meant =
        text.contains('@') || ["sha256:", "sha384:", "sha512:"].iter().any(|name| text.starts_with(name));
    let well_formed =
        digest.parse::<Digest>().is_ok() && (!text.contains('@') || text.parse::<Reference>().is_ok());
    if meant && !well_formed { Err(WaiversProblem::Digest(text)) } else { Ok(text) }
}

fn code(text: String) -> Result<Reason, WaiversProblem> {
    let deserializer: StrDeserializer<'_, ValueError> = text.as_str().into_deserializer();
    match Reason::deserialize(deserializer) {
        Ok(Reason::InUseUnlisted) => Err(WaiversProblem::Unwaivable(text)),
        Ok(reason) => Ok(reason),
        Err(_) => Err(WaiversProblem::Code(text)),
    }
}

/// A time, or a date, which holds to its end in UTC. TOML's own dates and text both do.
fn expires(value: toml::Value) -> Result<UnixTime, WaiversProblem> {
    let text = match value {
        toml::Value::String(text) => text,
        toml::Value::Datetime(Datetime { date: Some(date), time: None, offset: None }) => date.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        other => other.type_str().to_owned(),
    };
    let time = if text.len() == "2026-12-31".len() { format!("{text}T23:59:59Z") } else { text.clone() };
    UnixTime::parse(&time).map_err(|_| WaiversProblem::Expires(text))
}

fn plain(key: &'static str, text: String) -> Result<String, WaiversProblem> {
    let fits = !text.trim().is_empty() && !text.contains(|c: char| c.is_control());
    if fits { Ok(text) } else { Err(WaiversProblem::Text(key)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SiteWaivers, WaiversError> {
        parse(text, String::new(), UnixTime::parse("2026-06-01T00:00:00Z").unwrap())
    }

    fn one(keys: &str) -> String {
        format!("[[waiver]]\nreason = \"r\"\napprover = \"a\"\n{keys}\n")
    }

    #[test]
    fn reads_every_key() {
        let text = one(
            "image = \"r.test/app:v1\"\nnode = \"n\"\ncodes = [\"no-signature\", \"expiry\"]\nexpires = 2026-12-31",
        );
        let waivers = read(&text).unwrap().waivers;
        let want = Waiver {
            image: "r.test/app:v1".into(),
            node: Some("n".into()),
            codes: vec![Reason::NoSignature, Reason::Expiry],
            reason: "r".into(),
            approver: "a".into(),
            expires: UnixTime::parse("2026-12-31T23:59:59Z").unwrap(),
            state: WaiverState::Unused,
            images: 0,
        };
        assert_eq!(waivers, [want]);
        assert_eq!(read("").unwrap().waivers, []);
    }

    #[test]
    fn dates_hold_to_their_end() {
        for (written, state) in [
            ("\"2026-05-31\"", WaiverState::Expired),
            ("2026-06-01", WaiverState::Unused),
            ("\"2026-05-31T23:59:59Z\"", WaiverState::Expired),
            ("2026-06-01T00:00:00Z", WaiverState::Unused),
            ("\"2026-06-01T01:00:00+02:00\"", WaiverState::Expired),
        ] {
            let waivers = read(&one(&format!("image = \"a\"\nexpires = {written}"))).unwrap();
            assert_eq!(waivers.waivers[0].state, state, "{written}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        use WaiversProblem as P;
        for (keys, line, problem) in [
            ("image = \"sha256:abc\"\nexpires = 2026-12-31", 4, P::Digest("sha256:abc".into())),
            (
                "image = \"r.test/a@sha256:abc\"\nexpires = 2026-12-31",
                4,
                P::Digest("r.test/a@sha256:abc".into()),
            ),
            ("image = \" \"\nexpires = 2026-12-31", 4, P::Text("image")),
            ("image = \"a\"\nnode = \"\\u001b\"\nexpires = 2026-12-31", 5, P::Text("node")),
            ("image = \"a\"\nexpires = \"tomorrow\"", 5, P::Expires("tomorrow".into())),
            ("image = \"a\"\nexpires = \"2026-13-01\"", 5, P::Expires("2026-13-01".into())),
            ("image = \"a\"\nexpires = 5", 5, P::Expires("integer".into())),
            ("image = \"a\"\nexpires = 2026-12-31T00:00:00", 5, P::Expires("2026-12-31T00:00:00".into())),
            ("image = \"a\"\nexpires = 2026-12-31\ncodes = [\"bad\"]", 6, P::Code("bad".into())),
            (
                "image = \"a\"\nexpires = 2026-12-31\ncodes = [\"in-use-unlisted\"]",
                6,
                P::Unwaivable("in-use-unlisted".into()),
            ),
        ] {
            assert_eq!(read(&one(keys)), Err(WaiversError { line, problem }), "{keys}");
        }
        for (keys, line) in [
            ("image = \"a\"", 1),
            ("image = \"a\"\nexpires = 2026-12-31\ncolour = 1", 6),
            ("image = \"a\"\nimage = \"b\"", 5),
            ("image = 1", 4),
        ] {
            let error = read(&one(keys)).unwrap_err();
            assert!(matches!(error.problem, P::Toml(_)) && error.line == line, "{keys}: {error}");
        }
    }
}
