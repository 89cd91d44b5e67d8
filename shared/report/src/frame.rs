//! Carries a report home in the log of a container, and reads it back.
//!
//! A pod has no way home but its log, which others may cut, rotate or mix with the agent's words. So the agent prints its report
//! once, at its end, in a frame of lines that are shorter than the container runtime's own:
//!
//! ```text
//! assay-report-begin v1 encoding=identity length=N sha256=HEX exit=C
//! assay-report: BASE64
//! assay-report-end sha256=HEX
//! ```
//!
//! `length` and `sha256` are those of the report itself, `exit` is what the agent exits with. Each line in between has at most
//! [`LINE_LETTERS`] letters of base64. Every other line, before, between or behind them, is a line of the agent's words. The
//! container's termination message is a second witness: `{"v":1,"length":N,"sha256":"HEX","exit":C}`.
//!
//! A log is hostile input: a [`Reader`] takes bounded memory whatever the log holds, and gives the report whole or not at all.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use assay_verifier::json::{self, Shape};
use assay_verifier::limits;
use assay_verifier::oci::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Letters of base64 in one line: 3,072 bytes. Container runtimes cut lines at 16 KiB.
pub const LINE_LETTERS: usize = 4_096;

/// Bytes of a termination message: Kubernetes keeps no more.
pub const WITNESS_BYTES: usize = 4_096;

/// Bytes of the agent's words that a [`Reader`] keeps: what is kept of standard error over SSH.
pub const WORDS_BYTES: usize = 64 << 10;

const BEGIN: &str = "assay-report-begin ";
const LINE: &str = "assay-report: ";
const END: &str = "assay-report-end ";

/// What the agent prints, and the witness of it.
#[derive(Clone, Debug)]
pub struct Frame<'r> {
    said: Said,
    report: &'r [u8],
}

/// What begin and witness say of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    length: usize,
    sha256: Digest,
    exit: u8,
}

/// The termination message.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Witness {
    v: u8,
    length: usize,
    sha256: String,
    exit: u8,
}

impl<'r> Frame<'r> {
    /// Frames a report of an agent that exits with this code.
    pub fn new(report: &'r [u8], exit: u8) -> Self {
        Self { said: Said { length: report.len(), sha256: Digest::sha256(report), exit }, report }
    }

    /// The lines, each with its end.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let Said { length, sha256, exit } = &self.said;
        let hex = sha256.hex();
        let begin = format!("{BEGIN}v1 encoding=identity length={length} sha256={hex} exit={exit}\n");
        let end = format!("{END}sha256={hex}\n");
        let lines = self.report.chunks(LINE_LETTERS / 4 * 3).map(|bytes| {
            let mut line = LINE.to_owned();
            STANDARD.encode_string(bytes, &mut line);
            line.push('\n');
            line
        });
        core::iter::once(begin).chain(lines).chain(core::iter::once(end))
    }

    /// The termination message.
    pub fn witness(&self) -> String {
        let Said { length, sha256, exit } = &self.said;
        format!(r#"{{"v":1,"length":{length},"sha256":"{}","exit":{exit}}}"#, sha256.hex())
    }
}

/// Reads a log as it comes, in pieces of any length.
#[derive(Debug, Default)]
pub struct Reader {
    /// What came of the line that is being read, up to [`LONGEST`] bytes and one more.
    line: Vec<u8>,
    state: State,
    words: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Before,
    Within {
        said: Said,
        payload: Vec<u8>,
    },
    After {
        said: Said,
        payload: Vec<u8>,
    },
    Failed(FrameError),
}

/// Bytes of the longest line of a frame.
const LONGEST: usize = LINE.len().saturating_add(LINE_LETTERS);

/// What a log held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The report.
    pub report: Result<Report, FrameError>,
    /// The beginning of what the agent said beside it, at most [`WORDS_BYTES`]. It is not clean.
    pub words: Vec<u8>,
}

/// A report that came home whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The report. It may still be anything: only its transport was checked.
    pub bytes: Vec<u8>,
    /// What the agent exited with.
    pub exit: u8,
}

/// There is no report in a log that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The agent printed no report.
    #[error("the log has no report")]
    NoFrame,
    /// The log begins or ends within the report, or the report is missing although its witness is there.
    #[error("the log was cut: a part of the report is missing")]
    Cut,
    /// A line of the frame is not as agents write it, or the report is not the one that its frame describes.
    #[error("the report was damaged on its way")]
    Damaged,
    /// The frame is of a version, or has an encoding, that is not known here.
    #[error("the report is in another form than this version reads")]
    Form,
    /// A second report begins.
    #[error("the log has more than one report")]
    TwoFrames,
    /// The report has more than [`limits::REPORT_BYTES`].
    #[error("the report has more than {} bytes", limits::REPORT_BYTES)]
    TooLarge,
    /// The termination message is missing or not a witness.
    #[error("the container's termination message does not describe a report")]
    NoWitness,
    /// The termination message describes another report.
    #[error("the container's termination message describes another report than the log has")]
    WitnessDiffers,
}

impl Reader {
    /// Reads the next piece.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (piece, rest) = bytes.split_at(end);
            self.extend(piece);
            self.end_line();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.extend(bytes);
    }

    /// Ends the log of a container that ended with this termination message.
    pub fn finish(mut self, termination_message: &str) -> Log {
        if !self.line.is_empty() {
            self.end_line();
        }
        let witness = witness(termination_message);
        let report = match (self.state, witness) {
            (State::Failed(error), _) => Err(error),
            (State::Before, None) => Err(FrameError::NoFrame),
            (State::Before, Some(_)) | (State::Within { .. }, _) => Err(FrameError::Cut),
            (State::After { .. }, None) => Err(FrameError::NoWitness),
            (State::After { said, .. }, Some(witness)) if said != witness => Err(FrameError::WitnessDiffers),
            (State::After { said, payload }, Some(_)) => {
                if payload.len() == said.length && said.sha256.matches(&payload) {
                    Ok(Report { bytes: payload, exit: said.exit })
                } else {
                    Err(FrameError::Damaged)
                }
            }
        };
        Log { report, words: self.words }
    }

    /// Adds to the line as much as can be of a frame.
    fn extend(&mut self, piece: &[u8]) {
        let room = LONGEST.saturating_add(1).saturating_sub(self.line.len());
        self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    fn end_line(&mut self) {
        let line = core::mem::take(&mut self.line);
        let state = core::mem::take(&mut self.state);
        self.state = match Part::read(&line) {
            None => {
                let room = WORDS_BYTES.saturating_sub(self.words.len());
                self.words.extend(line.iter().chain(b"\n").take(room));
                state
            }
            Some(part) => state.next(part),
        };
        self.line = line;
        self.line.clear();
    }
}

/// A line of a frame.
enum Part {
    Begin(Result<Said, FrameError>),
    Bytes(Option<Vec<u8>>),
    End(Option<Digest>),
}

impl Part {
    /// `None` if the line is one of the agent's words.
    fn read(line: &[u8]) -> Option<Self> {
        let text = (line.len() <= LONGEST).then(|| core::str::from_utf8(line).ok()).flatten();
        let rest = |mark: &str| text.and_then(|text| text.strip_prefix(mark));
        if line.starts_with(LINE.as_bytes()) {
            Some(Self::Bytes(rest(LINE).and_then(|letters| STANDARD.decode(letters).ok())))
        } else if line.starts_with(BEGIN.as_bytes()) {
            Some(Self::Begin(rest(BEGIN).map_or(Err(FrameError::Damaged), begin)))
        } else if line.starts_with(END.as_bytes()) {
            Some(Self::End(rest(END).and_then(|rest| digest(rest.strip_prefix("sha256=")?))))
        } else {
            None
        }
    }
}

impl State {
    fn next(self, part: Part) -> Self {
        match (self, part) {
            (Self::Failed(error), _) => Self::Failed(error),
            (Self::Before, Part::Begin(Ok(said))) => Self::Within { said, payload: Vec::new() },
            (Self::Before, Part::Begin(Err(error))) => Self::Failed(error),
            (Self::Before, _) => Self::Failed(FrameError::Cut),
            (_, Part::Begin(_)) => Self::Failed(FrameError::TwoFrames),
            (Self::Within { said, mut payload }, Part::Bytes(Some(bytes))) => {
                payload.extend(bytes);
                if payload.len() <= said.length {
                    Self::Within { said, payload }
                } else {
                    Self::Failed(FrameError::Damaged)
                }
            }
            (Self::Within { said, payload }, Part::End(Some(sha256))) if sha256 == said.sha256 => {
                Self::After { said, payload }
            }
            (Self::Within { .. } | Self::After { .. }, _) => Self::Failed(FrameError::Damaged),
        }
    }
}

/// What stands behind the mark of a begin.
fn begin(rest: &str) -> Result<Said, FrameError> {
    let (version, rest) = rest.split_once(' ').ok_or(FrameError::Damaged)?;
    if version != "v1" {
        return Err(FrameError::Form);
    }
    let mut words = rest.split(' ');
    let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
    let encoding = value("encoding").ok_or(FrameError::Damaged)?;
    let length = value("length").and_then(number);
    let sha256 = value("sha256").and_then(digest);
    let exit = value("exit").and_then(number);
    if encoding != "identity" {
        return Err(FrameError::Form);
    }
    match (length, sha256, exit, words.next()) {
        (Some(length), ..) if length > limits::REPORT_BYTES => Err(FrameError::TooLarge),
        (Some(length), Some(sha256), Some(exit), None) => Ok(Said { length, sha256, exit }),
        _ => Err(FrameError::Damaged),
    }
}

/// What a termination message describes.
fn witness(message: &str) -> Option<Said> {
    if message.len() > WITNESS_BYTES {
        return None;
    }
    let Witness { v: 1, length, sha256, exit } = json::read(message.as_bytes(), &Shape::Any).ok()? else {
        return None;
    };
    Some(Said { length, sha256: digest(&sha256)?, exit })
}

/// A number as it is written: without a sign, without zeros before it.
fn number<T: core::str::FromStr + ToString>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number: &T| number.to_string() == text)
}

fn digest(hex: &str) -> Option<Digest> {
    format!("sha256:{hex}").parse().ok()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Random numbers, the same in each run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(self.0 >> 33).unwrap() % bound
        }
    }

    fn report(length: usize) -> Vec<u8> {
        let mut random = Random(1);
        (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
    }

    fn read(log: &[u8], witness: &str) -> Log {
        let mut reader = Reader::default();
        reader.push(log);
        reader.finish(witness)
    }

    fn printed(report: &[u8]) -> (Vec<String>, String) {
        let frame = Frame::new(report, 1);
        (frame.lines().collect(), frame.witness())
    }

    #[test]
    fn a_report_comes_home_in_pieces_of_any_length() {
        for length in [0, 1, 2, 3, 3_071, 3_072, 3_073, 10_000] {
            let report = report(length);
            let (lines, witness) = printed(&report);
            assert_eq!(lines.len(), length.div_ceil(3_072) + 2);
            assert!(lines.iter().all(|line| line.len() <= LONGEST + 1 && line.ends_with('\n')));
            let log = lines.concat();
            for size in [1, 2, 7, 1_000, usize::MAX] {
                let mut reader = Reader::default();
                log.as_bytes().chunks(size).for_each(|piece| reader.push(piece));
                let read = reader.finish(&witness);
                assert!(read.report == Ok(Report { bytes: report.clone(), exit: 1 }));
                assert_eq!(read.words, b"");
            }
        }
    }

    #[test]
    fn the_format_does_not_change() {
        let (lines, witness) = printed(b"{}\n");
        let hex = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356";
        assert_eq!(
            lines.concat(),
            format!(
                "assay-report-begin v1 encoding=identity length=3 sha256={hex} exit=1\n\
                 assay-report: e30K\n\
                 assay-report-end sha256={hex}\n"
            )
        );
        assert_eq!(witness, format!(r#"{{"v":1,"length":3,"sha256":"{hex}","exit":1}}"#));
        assert_eq!(read(lines.concat().trim_end().as_bytes(), &witness).report.unwrap().bytes, b"{}\n");
    }

    #[test]
    fn words_may_stand_anywhere_between_lines() {
        let report = report(9_000);
        let (lines, witness) = printed(&report);
        let mut log = b"assay-agent: a word\n\xff\n".to_vec();
        for line in &lines {
            log.extend(line.bytes());
            log.extend(b" assay-report: indented\nassay-report\n");
        }
        let read = read(&log, &witness);
        assert!(read.report.unwrap().bytes == report);
        let words = b" assay-report: indented\nassay-report\n".repeat(lines.len());
        assert_eq!(read.words, [&b"assay-agent: a word\n\xff\n"[..], &words].concat());
    }

    #[test]
    fn a_log_without_a_report_says_why() {
        let (lines, witness) = printed(&report(7_000));
        assert_eq!(read(b"", "").report, Err(FrameError::NoFrame));
        let words = read(b"assay-agent: no trust\n", "assay-agent: no trust\n");
        assert_eq!(
            (words.report, &words.words[..]),
            (Err(FrameError::NoFrame), &b"assay-agent: no trust\n"[..])
        );
        assert_eq!(read(b"", &witness).report, Err(FrameError::Cut));
        let whole = lines.concat();
        assert_eq!(read(whole.as_bytes(), "").report, Err(FrameError::NoWitness));
        for begin in 1..lines.len() {
            assert_eq!(read(lines[begin..].concat().as_bytes(), &witness).report, Err(FrameError::Cut));
        }
        for end in 0..lines.len() {
            assert_eq!(read(lines[..end].concat().as_bytes(), &witness).report, Err(FrameError::Cut));
        }
        let twice = read((whole.clone() + &whole).as_bytes(), &witness).report;
        assert_eq!(twice, Err(FrameError::TwoFrames));
        let within = read((lines[0].clone() + &whole).as_bytes(), &witness).report;
        assert_eq!(within, Err(FrameError::TwoFrames));
    }

    #[test]
    fn lines_that_are_missing_repeated_or_swapped_are_found() {
        let (lines, witness) = printed(&report(20_000));
        let of = |lines: &[&String]| {
            let log: String = lines.iter().map(|line| line.as_str()).collect();
            read(log.as_bytes(), &witness).report.map(|report| report.bytes.len())
        };
        let all: Vec<_> = lines.iter().collect();
        assert!(of(&all).is_ok());
        for at in 1..lines.len() - 1 {
            let mut without = all.clone();
            without.remove(at);
            assert_eq!(of(&without), Err(FrameError::Damaged));
            let mut repeated = all.clone();
            repeated.insert(at, all[at]);
            assert_eq!(of(&repeated), Err(FrameError::Damaged));
            let mut late = all.clone();
            late.push(all[at]);
            assert_eq!(of(&late), Err(FrameError::Damaged));
        }
        for at in 2..lines.len() - 1 {
            let mut swapped = all.clone();
            swapped.swap(at - 1, at);
            assert_eq!(of(&swapped), Err(FrameError::Damaged));
        }
        let mut ended_twice = all.clone();
        ended_twice.push(all[all.len() - 1]);
        assert_eq!(of(&ended_twice), Err(FrameError::Damaged));
    }

    #[test]
    fn both_witnesses_must_say_the_same() {
        let report = report(100);
        let (lines, witness) = printed(&report);
        let log = lines.concat();
        let with = |message: &str| read(log.as_bytes(), message).report;
        assert!(with(&witness).is_ok());
        for (from, to) in [(r#""exit":1"#, r#""exit":0"#), ("\"length\":100", "\"length\":99")] {
            assert_eq!(with(&witness.replace(from, to)), Err(FrameError::WitnessDiffers));
        }
        let other = Frame::new(b"other", 1).witness();
        assert_eq!(with(&other), Err(FrameError::WitnessDiffers));
        for message in [
            "{}",
            "null",
            &witness.replace("\"v\":1", "\"v\":2"),
            &witness.replace('}', r#","more":1}"#),
            &witness.replace('}', r#","exit":1}"#),
            &witness.replace("\"exit\":1", "\"exit\":256"),
            &witness.replace("\"sha256\":\"", "\"sha256\":\"0"),
            &(witness.clone() + &" ".repeat(WITNESS_BYTES)),
        ] {
            assert_eq!(with(message), Err(FrameError::NoWitness), "{message}");
        }
        // what the log says is not believed either
        let lie = log.replace("exit=1", "exit=0");
        assert_eq!(read(lie.as_bytes(), &witness).report, Err(FrameError::WitnessDiffers));
    }

    #[test]
    fn a_begin_is_read_as_it_is_written() {
        let (lines, witness) = printed(b"x");
        let begin = lines[0].trim_end();
        let of = |begin: &str| read(format!("{begin}\n{}", lines[1..].concat()).as_bytes(), &witness).report;
        assert!(of(begin).is_ok());
        for (from, to, error) in [
            ("v1", "v2", FrameError::Form),
            ("identity", "brotli", FrameError::Form),
            ("length=1", "length=67108865", FrameError::TooLarge),
            ("length=1", "length=01", FrameError::Damaged),
            ("length=1", "length=+1", FrameError::Damaged),
            ("length=1", "length=-1", FrameError::Damaged),
            ("length=1", "length=99999999999999999999999", FrameError::Damaged),
            ("length=1", "length=2", FrameError::WitnessDiffers),
            ("exit=1", "exit=1 ", FrameError::Damaged),
            ("exit=1", "exit=256", FrameError::Damaged),
            ("exit=1", "", FrameError::Damaged),
            ("sha256=", "sha256=A", FrameError::Damaged),
            ("begin v1", "begin  v1", FrameError::Form),
        ] {
            assert_eq!(of(&begin.replace(from, to)), Err(error), "{to}");
        }
        assert_eq!(of(&format!("{begin}\r")), Err(FrameError::Damaged));
        assert_eq!(of(&format!("{begin} {}", "x".repeat(LONGEST))), Err(FrameError::Damaged));
    }

    #[test]
    fn no_byte_of_a_frame_can_change() {
        let (lines, witness) = printed(&report(3_100));
        let log = lines.concat().into_bytes();
        assert!(log.len() > 4_000);
        for at in 0..log.len() {
            let mut log = log.clone();
            log[at] ^= 1 << (at % 8);
            assert!(read(&log, &witness).report.is_err(), "byte {at}");
        }
    }

    /// Logs of random pieces of frames: none is ever taken for a report that was not printed.
    #[test]
    fn random_logs_are_bounded_and_never_another_report() {
        let report = report(7_000);
        let (lines, witness) = printed(&report);
        let long = "assay-report: ".to_owned() + &"A".repeat(LINE_LETTERS + 4) + "\n";
        let longer = "x".repeat(100_000);
        let extra =
            ["\n", "assay-report-begin v1\n", "assay-report: \n", "assay-report-end \n", &long, &longer];
        let pieces: Vec<&str> = lines.iter().map(String::as_str).chain(extra).collect();
        let mut random = Random(2);
        let mut random = |bound: usize| random.below(bound);
        let (mut whole, mut none) = (0, 0);
        for _ in 0..3_000 {
            let mut reader = Reader::default();
            let mut order: Vec<&str> = lines.iter().map(String::as_str).collect();
            for _ in 0..random(3) {
                match random(3) {
                    0 => order.insert(random(order.len() + 1), pieces[random(pieces.len())]),
                    1 if !order.is_empty() => drop(order.remove(random(order.len()))),
                    _ if order.len() > 1 => {
                        let [one, other] = [random(order.len()), random(order.len())];
                        order.swap(one, other);
                    }
                    _ => {}
                }
            }
            order.iter().for_each(|piece| reader.push(piece.as_bytes()));
            assert!(reader.line.capacity() <= 3 * LONGEST);
            let log = reader.finish(&witness);
            assert!(log.words.len() <= WORDS_BYTES);
            match log.report {
                Ok(read) => {
                    assert!(read == Report { bytes: report.clone(), exit: 1 });
                    whole += 1;
                }
                Err(_) => none += 1,
            }
        }
        assert!(whole > 500 && none > 500, "{whole} {none}");
    }

    #[test]
    fn a_frame_cannot_promise_less_than_it_brings() {
        let (lines, _) = printed(&report(3_072));
        let begin = lines[0].replace("length=3072", "length=3071");
        let witness = format!(
            r#"{{"v":1,"length":3071,"sha256":"{}","exit":1}}"#,
            Digest::sha256(&report(3_072)).hex()
        );
        let mut reader = Reader::default();
        for line in [&begin, &lines[1]] {
            reader.push(line.as_bytes());
        }
        assert!(matches!(reader.state, State::Failed(FrameError::Damaged)));
        assert_eq!(reader.finish(&witness).report, Err(FrameError::Damaged));
    }

    #[test]
    fn words_are_bounded() {
        let log = read(&vec![b'x'; 1 << 20], "");
        assert_eq!(log.words.len(), LONGEST + 2);
        let log = read(&b"word\n".repeat(100_000), "");
        assert_eq!(log.words.len(), WORDS_BYTES);
    }
}
