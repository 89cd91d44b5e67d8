//! The agent as the container of a job: what was delivered in parts, and a report that comes home in a frame.

use std::path::{Path, PathBuf};

use assay_report::frame::{FrameError, Log, Reader};
use assay_report::{Inventory, NodeReport};
use assay_verifier::oci::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::signed;
use super::support::{AT, Layout, Run, Site};

/// A job's folders, and what was put into them.
struct Job {
    site: Site,
    layout: Layout,
    store: String,
    sha256: String,
}

impl Job {
    /// A site with one signed image, its trust directory delivered in parts of that many bytes.
    fn new(part: usize) -> Self {
        let site = Site::new();
        let (layout, _) = signed(&site);
        let archive = archive(&site.path("trust"));
        let job =
            Self { sha256: Digest::sha256(&archive).hex().to_owned(), store: layout.store(), layout, site };
        job.deliver(archive.chunks(part));
        std::fs::create_dir(job.scratch()).unwrap();
        job
    }

    fn deliver<'p>(&self, parts: impl Iterator<Item = &'p [u8]>) {
        let folder = self.site.path("parts");
        std::fs::create_dir_all(folder.join("..data")).unwrap();
        for (number, part) in parts.enumerate() {
            std::fs::write(folder.join(format!("part-{number:04}")), part).unwrap();
        }
    }

    fn scratch(&self) -> PathBuf {
        self.site.path("scratch")
    }

    fn message(&self) -> String {
        std::fs::read_to_string(self.site.path("message")).unwrap_or_default()
    }

    /// Runs the job with that command. Its paths are relative to the site's folder, those of the command to the scratch folder.
    fn run(&self, command: &[&str]) -> (Run, Log) {
        let job = ["job", "--node-name", "node-1", "--parts", "parts", "--archive-sha256", &self.sha256];
        let rest = ["--scratch", "scratch", "--termination-log", self.path("message"), "--"];
        let run = self.site.run(&[&job[..], &rest, command].concat());
        let mut reader = Reader::default();
        reader.push(&run.stdout);
        reader.push(run.stderr.as_bytes());
        let log = reader.finish(&self.message());
        (run, log)
    }

    fn path(&self, name: &str) -> &'static str {
        self.site.path(name).into_os_string().into_string().unwrap().leak()
    }

    fn verify(&self) -> (Run, Log) {
        self.run(&["verify", "--trust", "trust", "--at", AT, "--store", &self.store, "--run-id", "r1"])
    }

    /// Runs the job, which ends without a report.
    fn refused(&self) {
        let (run, log) = self.verify();
        assert_eq!((run.exit, log.report), (2, Err(FrameError::NoFrame)), "{}", run.stderr);
        assert_eq!((&run.stdout[..], self.message()), (&b""[..], String::new()));
        assert!(run.stderr.starts_with("assay-agent: "), "{}", run.stderr);
    }
}

fn archive(trust: &Path) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    tar.append_dir_all("trust", trust).unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn a_report_comes_home_from_what_was_delivered_in_parts() {
    for part in [100, 1 << 20] {
        let job = Job::new(part);
        let (run, log) = job.verify();
        let framed = log.report.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
        assert_eq!((run.exit, framed.exit), (0, 0));
        let report: NodeReport = serde_json::from_slice(&framed.bytes).unwrap();
        assert_eq!(report.node.hostname.as_deref(), Some("node-1"));
        assert_eq!((report.run.id.as_str(), report.summary.passed), ("r1", 1));
        // It is what the agent says elsewhere, except for the name.
        let elsewhere = job.site.verify(&["--store", &job.store, "--run-id", "r1"]);
        let hostname = elsewhere.report().node.hostname;
        assert!(
            NodeReport { node: assay_report::Node { hostname, ..report.node.clone() }, ..report }
                == elsewhere.report()
        );
    }
}

#[test]
fn what_fails_and_what_cannot_be_judged_comes_home_too() {
    let job = Job::new(100);
    job.layout.named("registry.example.test/team/other:v1");
    let (run, log) = job.verify();
    assert_eq!((run.exit, log.report.unwrap().exit), (1, 1));
    assert!(!log.words.is_empty());

    let job = Job::new(100);
    let (run, log) = job.run(&["verify", "--trust", "trust", "--store", "containerd:/nowhere.sock"]);
    let framed = log.report.unwrap();
    assert_eq!((run.exit, framed.exit), (3, 3));
    let report: NodeReport = serde_json::from_slice(&framed.bytes).unwrap();
    assert!(!report.coverage.unreadable.is_empty());

    let job = Job::new(100);
    let (run, log) = job.run(&["inventory", "--format", "json", "--store", &job.store]);
    let framed = log.report.unwrap();
    let inventory: Inventory = serde_json::from_slice(&framed.bytes).unwrap();
    assert_eq!((run.exit, inventory.images.len()), (0, 1));
    assert_eq!(inventory.node.hostname.as_deref(), Some("node-1"));
}

#[test]
fn what_was_not_sent_is_not_used() {
    let part = |job: &Job, number: usize| job.site.path("parts").join(format!("part-{number:04}"));
    let job = Job::new(100);
    std::fs::remove_file(part(&job, 1)).unwrap();
    job.refused();

    let job = Job::new(100);
    let mut bytes = std::fs::read(part(&job, 1)).unwrap();
    bytes[0] ^= 1;
    std::fs::write(part(&job, 1), bytes).unwrap();
    job.refused();
    assert!(!job.scratch().join("trust").exists());

    for name in ["part-1", "part-00000", "part-+001", "part-1000", "other", ".part-0001"] {
        let job = Job::new(1 << 20);
        std::fs::write(job.site.path("parts").join(name), "").unwrap();
        job.refused();
    }
}

#[test]
fn a_command_that_is_not_a_job_is_refused() {
    let job = Job::new(100);
    for command in [
        &["version"][..],
        &["inspect", "x"],
        &["verify"],
        &["verify", "--trust", "trust", "--output", "report.json"],
        &["--help"],
        &["job", "--node-name", "n", "--scratch", ".", "--", "version"],
    ] {
        // a scratch folder is used once
        std::fs::remove_dir_all(job.scratch()).unwrap();
        std::fs::create_dir(job.scratch()).unwrap();
        let (run, log) = job.run(command);
        assert_eq!((run.exit, log.report), (2, Err(FrameError::NoFrame)), "{command:?}: {}", run.stderr);
        assert!(run.stdout.is_empty());
    }
    for name in ["", "$(NODE_NAME)", "Node", "a b"] {
        let run = job.site.run(&["job", "--node-name", name, "--scratch", "scratch", "--", "version"]);
        assert_eq!(run.exit, 2, "{name}");
    }
    let alone = ["job", "--node-name", "n", "--scratch", "scratch", "--parts", "parts", "--", "version"];
    assert_eq!(job.site.run(&alone).exit, 2);
}

#[test]
fn a_termination_message_that_cannot_be_written_is_an_error() {
    let job = Job::new(100);
    std::fs::create_dir(job.site.path("message")).unwrap();
    let (run, log) = job.verify();
    assert_eq!((run.exit, log.report), (2, Err(FrameError::NoWitness)));
}
