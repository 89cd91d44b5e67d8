//! Signs with notation and verifies here, and the other way round: always with the signatures that are kept, and with
//! the program itself if it is there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use assay_fixtures::interop::{AT, Interop};
use assay_tests::interop::{Kept, notation};
use assay_tests::program::{self, Finished, finish};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

#[test]
fn what_notation_signed_passes() {
    let kept = Kept::unpack();
    let done = verify(&kept.layout(), &kept.trust(), &["--at", AT]);
    all_pass(&Interop::new(), done);
}

#[test]
fn what_notation_signs_now_passes() {
    let Some(notation) = notation() else { return };
    let folder = tempfile::tempdir().unwrap();
    let interop = Interop::new();
    interop.write(folder.path()).unwrap();
    interop.sign_with_notation(&notation, folder.path()).unwrap();
    let done = verify(&folder.path().join("layout"), &folder.path().join("trust"), &[]);
    all_pass(&interop, done);
}

#[test]
fn notation_passes_what_the_fixtures_sign() {
    let Some(notation) = notation() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut interop = Interop::new();
    interop.sign();
    interop.write(folder.path()).unwrap();
    std::fs::create_dir(folder.path().join("config")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("trust"), folder.path().join("config/notation")).unwrap();
    for job in &interop.jobs {
        let (repository, _) = job.reference.rsplit_once(':').unwrap();
        let target = format!("{}@{}", folder.path().join("layout").display(), job.target.digest);
        let mut command = Command::new(&notation);
        command.args(["verify", "--oci-layout", &target, "--scope", repository]);
        command.env("XDG_CONFIG_HOME", folder.path().join("config")).env("NOTATION_EXPERIMENTAL", "1");
        let _ = finish(&mut command).expect_code(0);
    }
}

fn verify(layout: &Path, trust: &Path, more: &[&str]) -> Finished {
    let store = format!("layout:{}", layout.display());
    let arguments = ["verify", "--store", &store, "--trust", &trust.display().to_string()];
    program::run(AGENT, arguments.iter().chain(more))
}

fn all_pass(interop: &Interop, done: Finished) {
    let report = done.expect_code(0).report();
    let verdicts: BTreeSet<(String, String)> =
        report.images.iter().map(|image| (image.references.join(" "), program::verdict(image))).collect();
    let expected: BTreeSet<(String, String)> =
        interop.jobs.iter().map(|job| (job.reference.clone(), "passed".to_owned())).collect();
    assert_eq!(expected.len(), 12, "every kind of key, in both envelopes");
    assert_eq!(verdicts, expected);
}
