//! Writes reports as JSON: `assay/site-report/v1` for the site, `assay/node-report/v1` for a node.
//!
//! Both are UTF-8, end with a line end, and are the same bytes for the same report. The site report can be compared line by
//! line: every member of the run, the inputs and the nodes has its own line, and so has each image. A node report is one line,
//! as the agent writes it. What a CI system would obey is written with escapes ([`ci_commands`](assay_judge::ci_commands)).

use std::io::{self, Write as _};

use assay_judge::ci_commands::JsonEscaper;
use assay_report::{NodeReport, NodeRow, SiteReport};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The depth from which values stay on one line: the site, its nodes, a node, its report, the images, *an image*.
const ONE_LINE: usize = 6;

/// Writes a site report node by node, so that not all nodes are in memory at once.
pub(super) struct SiteWriter<W> {
    out: JsonEscaper<W>,
    filled: bool,
}

impl<W: io::Write> SiteWriter<W> {
    /// Begins with everything that comes before the nodes. `head` has no nodes.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub(super) fn begin(out: W, head: &SiteReport) -> Result<Self, serde_json::Error> {
        let mut out = JsonEscaper::new(out);
        let text = laid_out(head)?;
        let (before, _) = text.split_at(nodes_at(&text));
        out.write_all(before).map_err(serde_json::Error::io)?;
        Ok(Self { out, filled: false })
    }

    /// Adds a node.
    ///
    /// # Errors
    /// As for [`SiteWriter::begin`].
    pub(super) fn add(&mut self, row: &NodeRow) -> Result<(), serde_json::Error> {
        let between: &[u8] = if self.filled { b",\n    " } else { b"\n    " };
        self.filled = true;
        self.out.write_all(between).map_err(serde_json::Error::io)?;
        let lines = Lines { depth: 2, filled: false };
        row.serialize(&mut Serializer::with_formatter(&mut self.out, lines))
    }

    /// Ends with everything that comes after the nodes. `tail` has no nodes.
    ///
    /// # Errors
    /// As for [`SiteWriter::begin`].
    pub(super) fn end(mut self, tail: &SiteReport) -> Result<W, serde_json::Error> {
        let text = laid_out(tail)?;
        let (_, after) = text.split_at(nodes_at(&text));
        let closing: &[u8] = if self.filled { b"\n  " } else { b"" };
        for part in [closing, after, b"\n"] {
            self.out.write_all(part).map_err(serde_json::Error::io)?;
        }
        Ok(self.out.into_inner())
    }
}

fn laid_out(report: &SiteReport) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    report.serialize(&mut Serializer::with_formatter(&mut bytes, Lines::default()))?;
    Ok(bytes)
}

/// Where the nodes belong in a report without nodes. Quotes in texts are escaped, so the pattern occurs once.
fn nodes_at(text: &[u8]) -> usize {
    let empty = b"\"nodes\": []";
    let found = text.windows(empty.len()).position(|part| part == empty);
    found.map_or(text.len(), |at| at + empty.len() - 1)
}

/// Writes a node report.
///
/// # Errors
/// If `out` cannot be written to.
pub(crate) fn node(out: impl io::Write, report: &NodeReport) -> Result<(), serde_json::Error> {
    let mut out = JsonEscaper::new(out);
    serde_json::to_writer(&mut out, report)?;
    out.write_all(b"\n").map_err(serde_json::Error::io)
}

/// Indents values above [`ONE_LINE`], and writes deeper ones on one line.
#[derive(Default)]
struct Lines {
    /// The number of open arrays and objects.
    depth: usize,
    /// Whether the innermost one has a value yet.
    filled: bool,
}

impl Lines {
    fn open<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(bracket)
    }

    fn next<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        if self.depth < ONE_LINE { self.new_line(writer) } else { Ok(()) }
    }

    fn close<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        let indented = self.filled && self.depth < ONE_LINE;
        self.depth -= 1;
        self.filled = true;
        if indented {
            self.new_line(writer)?;
        }
        writer.write_all(bracket)
    }

    fn new_line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(if self.depth < ONE_LINE { b": " } else { b":" })
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use assay_report::{ExitCode, Outcome, schema};
    use serde_json::Value;

    use super::*;
    use crate::report::sample;

    fn site(report: &SiteReport) -> Result<Vec<u8>, serde_json::Error> {
        let mut head = report.clone();
        head.nodes.clear();
        let mut writer = SiteWriter::begin(Vec::new(), &head)?;
        report.nodes.iter().try_for_each(|row| writer.add(row))?;
        writer.end(&head)
    }

    fn node(report: &NodeReport) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::new();
        super::node(&mut bytes, report)?;
        Ok(bytes)
    }

    /// Also if a text looks like the pattern at which the pieces meet.
    #[test]
    fn node_by_node_gives_the_same_bytes_as_at_once() {
        for mut report in sample::all(5, 20) {
            report.run.id = "\"nodes\": []".into();
            let mut whole = laid_out(&report).unwrap();
            whole.push(b'\n');
            assert!(site(&report).unwrap() == whole);
            report.nodes.clear();
            assert!(site(&report).unwrap().ends_with(b"}\n"));
        }
    }

    fn compiled(schema: &str) -> jsonschema::Validator {
        let schema = serde_json::from_str(schema).unwrap();
        jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
    }

    #[test]
    fn equal_reports_give_equal_bytes_and_come_back_unchanged() {
        for report in sample::all(5, 20) {
            let bytes = site(&report).unwrap();
            assert_eq!(bytes, site(&report.clone()).unwrap());
            assert_eq!(serde_json::from_slice::<SiteReport>(&bytes).unwrap(), report);
            for own in report.nodes.iter().filter_map(|row| row.report.as_ref()) {
                let bytes = node(own).unwrap();
                assert_eq!(serde_json::from_slice::<NodeReport>(&bytes).unwrap(), *own);
                assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
            }
        }
    }

    #[test]
    fn each_image_has_its_own_line() {
        let report = sample::site();
        let text = String::from_utf8(site(&report).unwrap()).unwrap();
        let images = report.summary.images;
        let all = images.passed + images.failed + images.skipped + images.inconclusive;
        let lines = text.lines().filter(|line| line.trim_start().starts_with("{\"namespace\":"));
        assert_eq!(lines.count() as u64, all);
        assert!(text.lines().any(|line| line.trim_start() == "\"outcome\": \"verified\","));
    }

    /// `ASSAY_REGENERATE=1` writes the committed files.
    #[test]
    fn the_committed_schemas_are_those_of_the_types() {
        for (name, made) in [
            ("bundle.v1.json", schema::bundle()),
            ("inventory.v1.json", schema::inventory()),
            ("node-report.v1.json", schema::node_report()),
            ("site-report.v1.json", schema::site_report()),
        ] {
            let path = format!("{}/../shared/report/schema/{name}", env!("CARGO_MANIFEST_DIR"));
            #[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
            if env::var_os("ASSAY_REGENERATE").is_some() {
                fs::write(&path, &made).unwrap();
            }
            let committed = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == made,
                "{path} is not what the types say: run the tests with ASSAY_REGENERATE=1"
            );
            assert!(jsonschema::draft202012::meta::is_valid(&serde_json::from_str(&made).unwrap()));
        }
    }

    #[test]
    fn every_report_is_valid_under_its_schema() {
        let (of_site, of_node) = (compiled(&schema::site_report()), compiled(&schema::node_report()));
        let mut nodes = 0;
        for report in sample::all(5, 20) {
            let value: Value = serde_json::from_slice(&site(&report).unwrap()).unwrap();
            of_site.validate(&value).unwrap();
            for own in report.nodes.iter().filter_map(|row| row.report.as_ref()) {
                nodes += 1;
                let value: Value = serde_json::from_slice(&node(own).unwrap()).unwrap();
                of_node.validate(&value).unwrap();
            }
        }
        assert!(nodes > 30);
    }

    /// Each of these is one edit of a valid report.
    #[test]
    fn the_schema_rejects_what_is_not_a_report() {
        let of_site = compiled(&schema::site_report());
        let whole = serde_json::to_value(sample::all_passed()).unwrap();
        assert!(of_site.is_valid(&whole));
        for (path, value) in [
            ("/schema", "assay/site-report/v2".into()),
            ("/verdict", "fine".into()),
            ("/nodes/0/outcome", "Verified".into()),
            ("/nodes/0/report/schema", "assay/site-report/v1".into()),
            ("/nodes/0/report/run/verified_at", "yesterday".into()),
            ("/nodes/0/report/images/0/status", "ok".into()),
            ("/nodes/0/report/images/0/reason", "because".into()),
            ("/nodes/0/report/images/0/digest", "sha256:abc".into()),
            ("/nodes/0/report/images/0/size", (-1).into()),
            ("/nodes/0/report/images/0/signatures/0/checks/expiry", Value::Null),
            ("/nodes/0/report/inputs/trust_policy/sha256", "ABC".into()),
        ] {
            let mut changed = whole.clone();
            *changed.pointer_mut(path).unwrap() = value;
            assert!(!of_site.is_valid(&changed), "{path}");
        }
        for (parent, member) in [
            ("", "verdict"),
            ("/nodes/0", "clean_up"),
            ("/nodes/0/report/images/0", "reason"),
            ("/nodes/0/report/images/0/signatures/0/checks", "revocation"),
        ] {
            let mut changed = whole.clone();
            changed.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member).unwrap();
            assert!(!of_site.is_valid(&changed), "{parent}/{member}");
        }
    }

    /// Today's reader accepts a report of tomorrow: unknown members change nothing, wherever they are.
    #[test]
    fn unknown_members_are_accepted_at_every_level() {
        fn add_members(value: &mut Value, added: &mut usize) {
            match value {
                Value::Object(members) => {
                    members.values_mut().for_each(|value| add_members(value, added));
                    members.insert("x_of_tomorrow".into(), serde_json::json!({"nested": [1, null, "text"]}));
                    *added += 1;
                }
                Value::Array(items) => items.iter_mut().for_each(|item| add_members(item, added)),
                _ => {}
            }
        }
        let mut report = sample::site();
        // User metadata may have any names, so a new name is allowed.
        for image in
            report.nodes.iter_mut().filter_map(|row| row.report.as_mut()).flat_map(|own| &mut own.images)
        {
            image.signatures.iter_mut().for_each(|signature| signature.user_metadata.clear());
        }
        let mut value = serde_json::to_value(&report).unwrap();
        let mut added = 0;
        add_members(&mut value, &mut added);
        assert!(added > 200);
        let mut metadata = 0;
        for path in 0..report.nodes.len() {
            let images = value.pointer_mut(&format!("/nodes/{path}/report/images")).unwrap();
            for image in images.as_array_mut().unwrap() {
                for signature in image["signatures"].as_array_mut().unwrap() {
                    signature["user_metadata"] = serde_json::json!({});
                    metadata += 1;
                }
            }
        }
        assert!(metadata > 5);
        compiled(&schema::site_report()).validate(&value).unwrap();
        assert_eq!(serde_json::from_value::<SiteReport>(value).unwrap(), report);
    }

    /// A file of the recorded first version: reports of the demo's site, and the schemas of that version.
    fn recorded(name: &str) -> String {
        fs::read_to_string(format!("{}/../fixtures/reports/v1/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// Today's reader accepts a report of the first version and understands the same.
    #[test]
    fn reads_reports_of_the_first_version() {
        let whole: Value = serde_json::from_str(&recorded("site-report.json")).unwrap();
        compiled(&schema::site_report()).validate(&whole).unwrap();
        let report: SiteReport = serde_json::from_value(whole.clone()).unwrap();
        let counted = SiteReport::new(report.run, report.collector, report.inputs, report.nodes);
        assert_eq!((counted.verdict, counted.summary), (ExitCode::Failed, report.summary));
        let images = counted.summary.images;
        assert_eq!((images.passed, images.failed, images.inconclusive, images.skipped), (10, 10, 1, 1));
        // It is written back unchanged.
        let mut again = serde_json::to_value(&counted.nodes[0].report).unwrap();
        let was = &whole["nodes"][0]["report"];
        for (member, value) in was.as_object().unwrap() {
            if member != "coverage" {
                assert_eq!(again[member].take(), *value, "{member}");
            }
        }

        let alone = recorded("node-report.json");
        compiled(&schema::node_report()).validate(&serde_json::from_str(&alone).unwrap()).unwrap();
        let alone: NodeReport = serde_json::from_str(&alone).unwrap();
        assert_eq!(alone.verdict(), ExitCode::Failed);
    }

    /// A reader of the first version accepts today's reports: its schema still holds, except for outcomes that came later.
    #[test]
    fn reports_of_today_keep_what_the_first_version_promised() {
        let of_site = compiled(&recorded("site-report.schema.json"));
        let of_node = compiled(&recorded("node-report.schema.json"));
        let later = [
            Outcome::ShellRefused,
            Outcome::Forbidden,
            Outcome::NodeNotReady,
            Outcome::PodRefused,
            Outcome::ImageUnavailable,
            Outcome::Evicted,
        ];
        for mut report in sample::all(5, 20) {
            report.nodes.retain(|row| !later.contains(&row.outcome));
            of_site.validate(&serde_json::from_slice(&site(&report).unwrap()).unwrap()).unwrap();
            for own in report.nodes.iter().filter_map(|row| row.report.as_ref()) {
                of_node.validate(&serde_json::from_slice(&node(own).unwrap()).unwrap()).unwrap();
            }
        }
    }
}
