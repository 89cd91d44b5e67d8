//! Packs and signs a run as evidence, verifies it again from its raw inputs as an auditor does, and tampers with it:
//! every change is found.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay::evidence::Checked;
use assay::report::discrepancy::DiscrepancyKind;
use assay::site_key::SiteKey;
use assay_fixtures::image::{Image, linux};
use assay_report::ExitCode;
use assay_tests::program::{Finished, finish};
use assay_tests::published::{AT, GOOD};
use assay_tests::vector::{NAME, Vector};
use assay_verifier::dsse::VerifyingKey;
use assay_verifier::oci::Digest;
use base64::Engine as _;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::Value;
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// Two nodes with the same images, one of them unsigned, and everything that a run of them leaves.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let (mut vector, target) = Vector::of_image();
        let unsigned = Image::of_text(linux("amd64"), "other", "other").add_to(&mut vector.store);
        vector.store.name(&unsigned, "registry.example.test/team/other:v1");
        vector.sign(&target, GOOD);
        Self::of(&vector, &["--signatures", "bundle.tar"])
    }

    /// The vector's image on two nodes, both judged with these flags.
    fn of(vector: &Vector, flags: &[&str]) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        vector.write(site.folder.path());
        // A bundle that is a file has one digest.
        let _ = site.run("tar", &["-cf", "bundle.tar", "-C", "bundle", "."]).expect_code(0);
        for node in ["cp-1.json", "worker-1.json"] {
            let verify =
                ["verify", "--store", "layout:store", "--trust", "trust", "--at", AT, "--run-id", "r"];
            let _ = site.run(AGENT, &[&verify[..], flags, &["--output", node]].concat());
        }
        let _ = site.run(ASSAY, &["report", "cp-1.json", "worker-1.json", "--out", "out"]);
        let _ = site.run(ASSAY, &["site-key", "create", "site.key"]).expect_code(0);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Finished {
        finish(Command::new(program).args(arguments).current_dir(self.folder.path()))
    }

    fn pack(&self, more: &[&str], out: &str) -> Finished {
        let pack =
            ["evidence", "pack", "--report", "out", "--trust", "trust", "--key", "site.key", "--out", out];
        self.run(ASSAY, &[&pack[..], more].concat())
    }

    /// Packs and signs what is in the folder, whether it holds or not: the holder of the key signs what they like.
    fn pack_anyway(&self, out: &str) {
        let key = SiteKey::load(&self.path("site.key"), &mut |_| None).unwrap();
        let (run, trust, bundle) = (self.path("out"), self.path("trust"), self.path("bundle.tar"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let packed = runtime.block_on(assay::evidence::pack(&run, &trust, &[bundle], &key)).unwrap();
        packed.write(&self.path(out)).unwrap();
    }

    /// The payload of a statement's envelope in a file of evidence.
    fn statement(&self, name: &str, member: &str) -> Value {
        let output = self.run("tar", &["-xOf", name, member]).expect_code(0);
        let envelope: Value = serde_json::from_slice(&output.stdout).unwrap();
        let payload = envelope["payload"].as_str().unwrap();
        let payload = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
        serde_json::from_slice(&payload).unwrap()
    }

    /// What the library finds in a file.
    fn check(&self, name: &str) -> Checked {
        let key = fs::read(self.path("site.key.pub")).unwrap();
        assay::evidence::check(&self.path(name), &[VerifyingKey::read(&key).unwrap()])
    }
}

fn kinds(checked: &Checked) -> Vec<DiscrepancyKind> {
    checked.findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_run_is_verified_again_from_its_raw_inputs() {
    let site = Site::new();
    for name in ["evidence.tar", "evidence.tar.gz", "evidence.tar.zst"] {
        let _ = site.pack(&["--bundle", "bundle.tar"], name).expect_code(0);
        let check = ["evidence", "check", name, "--key", "site.key.pub", "--format", "json"];
        let output = site.run(ASSAY, &check).expect_code(0);
        let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(checked["verdict"], "passed");
        assert_eq!(checked["reported"], "failed", "the unsigned image failed, and that is what is confirmed");
        assert_eq!(checked["nodes"].as_array().unwrap().len(), 2);
        for node in checked["nodes"].as_array().unwrap() {
            assert_eq!((&node["images"], &node["confirmed"]), (&Value::from(2), &Value::from(2)));
        }
    }
    let statement = site.statement("evidence.tar", "statements/cp-1.json");
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/verification_summary/v1");
    assert_eq!(statement["subject"].as_array().unwrap().len(), 2);
    assert_eq!(statement["predicate"]["verificationResult"], "FAILED");
    let report = Digest::sha256(&fs::read(site.path("out/nodes/cp-1.json")).unwrap());
    assert_eq!(statement["predicate"]["inputAttestations"][0]["digest"]["sha256"], report.hex());
    // the same run gives the same bytes
    let _ = site.pack(&["--bundle", "bundle.tar"], "again.tar").expect_code(0);
    assert_eq!(fs::read(site.path("evidence.tar")).unwrap(), fs::read(site.path("again.tar")).unwrap());
}

#[test]
fn one_changed_byte_of_any_member_is_found() {
    let site = Site::new();
    let _ = site.pack(&["--bundle", "bundle.tar"], "evidence.tar").expect_code(0);
    let whole = fs::read(site.path("evidence.tar")).unwrap();
    assert_eq!(site.check("evidence.tar").verdict, ExitCode::Passed);
    // the first and last byte of each member, one in the middle, one of its header and one of its padding
    let mut places = vec![whole.len() - 1];
    let mut members = 0;
    for member in tar::Archive::new(&whole[..]).entries().unwrap() {
        let member = member.unwrap();
        let (header, data) = (member.raw_header_position() as usize, member.raw_file_position() as usize);
        let size = member.size() as usize;
        places.extend([header + 1, header + 130, header + 300]);
        if size > 0 {
            places.extend([data, data + size / 2, data + size - 1]);
            if !size.is_multiple_of(512) {
                places.push(data + size);
            }
            members += 1;
        }
    }
    // evidence.json and its signature, the report, the trust directory, the bundle and two statements
    assert_eq!(members, 7);
    for place in places {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        fs::write(site.path("changed.tar"), &changed).unwrap();
        let checked = site.check("changed.tar");
        assert_eq!(checked.verdict, ExitCode::Failed, "byte {place}");
    }
    for changed in [&whole[..whole.len() - 512], &[&whole[..], b"\0"].concat(), b""] {
        fs::write(site.path("changed.tar"), changed).unwrap();
        assert_eq!(kinds(&site.check("changed.tar")), [DiscrepancyKind::EvidenceAltered]);
    }
}

/// What [`Site::check`] finds in these bytes.
fn check_bytes(site: &Site, bytes: &[u8]) -> Vec<DiscrepancyKind> {
    fs::write(site.path("changed"), bytes).unwrap();
    kinds(&site.check("changed"))
}

#[test]
fn one_changed_byte_of_a_compressed_file_is_found() {
    let site = Site::new();
    for (name, header) in [("evidence.tar.gz", 10), ("evidence.tar.zst", 9)] {
        let _ = site.pack(&["--bundle", "bundle.tar"], name).expect_code(0);
        let whole = fs::read(site.path(name)).unwrap();
        assert_eq!(check_bytes(&site, &whole), [], "{name}");
        // every bit of the headers and of the end, and one bit of each fifth byte between them
        let ends =
            (0..header).chain(whole.len() - 8..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit)));
        let between = (header..whole.len() - 8).step_by(5).map(|at| (at, at / 5 % 8));
        let places: Vec<(usize, usize)> = ends.chain(between).collect();
        assert!(places.len() > 500, "{name}: {} places", places.len());
        for (at, bit) in places {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            assert_eq!(check_bytes(&site, &changed), [DiscrepancyKind::EvidenceAltered], "{name}: byte {at}");
        }
    }
}

#[test]
fn what_compression_can_say_beside_its_content_is_found() {
    let site = Site::new();
    let [tar, gzip, zstd] = ["evidence.tar", "evidence.tar.gz", "evidence.tar.zst"].map(|name| {
        let _ = site.pack(&["--bundle", "bundle.tar"], name).expect_code(0);
        fs::read(site.path(name)).unwrap()
    });
    let gzip_of = |bytes: &[u8], level: u32, name: Option<&str>| {
        let mut builder = flate2::GzBuilder::new();
        if let Some(name) = name {
            builder = builder.filename(name);
        }
        let mut writer = builder.write(Vec::new(), flate2::Compression::new(level));
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    };
    let zstd_of = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"any"].concat();
    let changed: [(&str, Vec<u8>); 10] = [
        ("an empty member behind", [&gzip[..], &gzip_of(b"", 6, None)].concat()),
        ("an empty member before", [&gzip_of(b"", 6, None)[..], &gzip].concat()),
        ("zeros behind", [&gzip[..], &[0; 512]].concat()),
        ("a name in the header", gzip_of(&tar, 6, Some("evidence.tar"))),
        ("another level", gzip_of(&tar, 1, None)),
        ("a skippable frame behind", [&zstd[..], &skippable].concat()),
        ("a skippable frame before", [&skippable[..], &zstd].concat()),
        ("an empty frame behind", [&zstd[..], &zstd_of(b"")].concat()),
        ("other frames", [zstd_of(&tar[..512]), zstd_of(&tar[512..])].concat()),
        ("a byte behind", [&zstd[..], &[0]].concat()),
    ];
    for (what, bytes) in changed {
        assert_eq!(check_bytes(&site, &bytes), [DiscrepancyKind::EvidenceAltered], "{what}");
    }
}

/// Nothing of a file is unpacked, and no more of it read than its list of members, before a key vouches for that.
#[test]
fn what_no_key_vouches_for_is_not_unpacked() {
    let site = Site::new();
    let _ = site.pack(&["--bundle", "bundle.tar"], "evidence.tar").expect_code(0);
    let _ = site.run(ASSAY, &["site-key", "create", "other.key"]).expect_code(0);
    let mut bytes = fs::read(site.path("evidence.tar")).unwrap();
    // from the third member on the file is damaged
    let third =
        tar::Archive::new(&bytes[..]).entries().unwrap().nth(2).unwrap().unwrap().raw_header_position();
    bytes[third as usize..].fill(0xff);
    fs::write(site.path("damaged.tar"), bytes).unwrap();
    let check = |key: &str| {
        let mut command = Command::new(ASSAY);
        command.args(["evidence", "check", "damaged.tar", "--format", "json", "--key", key]);
        // Here nothing can be unpacked.
        command.current_dir(site.folder.path()).env("TMPDIR", "absent");
        let output = finish(&mut command).expect_code(1);
        let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
        checked["findings"][0]["message"].as_str().unwrap().to_owned()
    };
    let unknown = check("other.key.pub");
    assert!(unknown.starts_with("evidence.json.dsse"), "{unknown}");
    // With the right key, the missing folder is the error.
    assert!(!check("site.key.pub").starts_with("evidence.json.dsse"));
}

#[test]
fn a_report_that_claims_more_than_its_inputs_prove_is_contradicted() {
    let site = Site::new();
    let report = fs::read_to_string(site.path("out/report.json")).unwrap();
    let mut forged: Value = serde_json::from_str(&report).unwrap();
    for node in forged["nodes"].as_array_mut().unwrap() {
        for image in node["report"]["images"].as_array_mut().unwrap() {
            (image["status"], image["reason"]) = ("passed".into(), Value::Null);
        }
        node["report"]["summary"]["passed"] = 2.into();
        node["report"]["summary"]["failed"] = 0.into();
    }
    forged["summary"]["images"]["passed"] = 4.into();
    forged["summary"]["images"]["failed"] = 0.into();
    forged["verdict"] = "passed".into();
    fs::write(site.path("out/report.json"), forged.to_string()).unwrap();
    let _ = site.pack(&["--bundle", "bundle.tar"], "forged.tar").expect_code(2);
    assert!(!site.path("forged.tar").exists());
    site.pack_anyway("forged.tar");
    let checked = site.check("forged.tar");
    assert_eq!(kinds(&checked), [DiscrepancyKind::EvidenceContradicted; 2]);
    let _ = site.run(ASSAY, &["evidence", "check", "forged.tar", "--key", "site.key.pub"]).expect_code(1);
    // counts that are not those of the images
    forged = serde_json::from_str(&report).unwrap();
    forged["verdict"] = "passed".into();
    fs::write(site.path("out/report.json"), forged.to_string()).unwrap();
    site.pack_anyway("forged.tar");
    assert_eq!(kinds(&site.check("forged.tar")), [DiscrepancyKind::EvidenceContradicted]);
}

/// A report that says one thing that its inputs do not, packed by the holder of the key.
fn forged(change: impl Fn(&mut Value)) -> Checked {
    let site = Site::new();
    let mut report: Value = serde_json::from_slice(&fs::read(site.path("out/report.json")).unwrap()).unwrap();
    for node in report["nodes"].as_array_mut().unwrap() {
        change(&mut node["report"]);
    }
    fs::write(site.path("out/report.json"), report.to_string()).unwrap();
    site.pack_anyway("forged.tar");
    site.check("forged.tar")
}

#[test]
fn an_image_that_passes_is_never_taken_at_the_agents_word() {
    for reason in ["content-mismatch", "rootfs-mismatch", "in-use-unlisted", "unreadable", "limit"] {
        for status in ["passed", "skipped"] {
            let checked = forged(|report| {
                for image in report["images"].as_array_mut().unwrap() {
                    (image["status"], image["reason"]) = (status.into(), reason.into());
                }
            });
            assert!(kinds(&checked).contains(&DiscrepancyKind::EvidenceContradicted), "{status}, {reason}");
            assert!(checked.nodes.iter().all(|node| node.claimed == 0), "{status}, {reason}");
        }
    }
}

#[test]
fn what_a_report_says_of_signatures_and_counts_is_verified_too() {
    type Change = fn(&mut Value);
    let passed = |report: &Value| {
        let images = report["images"].as_array().unwrap();
        images.iter().position(|image| image["status"] == "passed").unwrap()
    };
    let changes: [(&str, Change); 4] = [
        ("signer", |signature| signature["signer"] = "CN=Somebody Else".into()),
        ("chain", |signature| signature["chain"][0]["sha256"] = "0".repeat(64).into()),
        ("check", |signature| signature["checks"]["expiry"]["result"] = "skipped".into()),
        ("digest", |signature| signature["digest"] = format!("sha256:{}", "0".repeat(64)).into()),
    ];
    for (what, change) in changes {
        let checked = forged(|report| {
            let at = passed(report);
            change(&mut report["images"][at]["signatures"][0]);
        });
        assert_eq!(kinds(&checked), [DiscrepancyKind::EvidenceContradicted; 2], "{what}");
    }
    let counts = forged(|report| report["summary"]["passed"] = 7.into());
    assert_eq!(kinds(&counts), [DiscrepancyKind::EvidenceContradicted; 2]);
}

/// A pack with such a node was signed, and then refused as altered.
#[test]
fn nodes_whose_names_differ_in_letter_case_alone_have_evidence() {
    let site = Site::new();
    let path = site.path("out/report.json");
    let mut report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    report["nodes"][1]["name"] = "CP-1".into();
    fs::write(&path, report.to_string()).unwrap();
    let _ = site.pack(&["--bundle", "bundle.tar"], "evidence.tar").expect_code(0);
    assert_eq!(site.check("evidence.tar").verdict, ExitCode::Passed);
}

#[test]
fn evidence_is_of_one_run_and_its_own_trust_store() {
    let other_run = forged(|report| report["run"]["id"] = "yesterday".into());
    assert_eq!(kinds(&other_run), [DiscrepancyKind::EvidenceInputs; 2]);
    for list in ["trust_store", "crls"] {
        let other = forged(|report| report["inputs"][list] = Value::Array(Vec::new()));
        assert_eq!(kinds(&other), [DiscrepancyKind::EvidenceInputs; 2], "{list}");
    }
}

#[test]
fn signatures_of_a_store_must_be_carried_to_be_verified_again() {
    let (mut vector, target) = Vector::of_image();
    let signature = vector.publisher.sign(&mut vector.store, &target, GOOD);
    vector.store.list(signature);
    let site = Site::of(&vector, &[]);
    let _ = site.pack(&[], "evidence.tar").expect_code(0);
    assert_eq!(kinds(&site.check("evidence.tar")), [DiscrepancyKind::EvidenceUnsupported; 2]);
    let _ = site.run(ASSAY, &["evidence", "check", "evidence.tar", "--key", "site.key.pub"]).expect_code(3);
    let site = Site::of(&vector, &["--evidence"]);
    let _ = site.pack(&[], "evidence.tar").expect_code(0);
    let checked = site.check("evidence.tar");
    assert_eq!((checked.verdict, checked.reported), (ExitCode::Passed, Some(ExitCode::Passed)));
}

#[test]
fn a_parent_index_of_a_store_is_carried_too() {
    let (mut vector, _, [manifest, _]) = Vector::of_index();
    // larger than any text of a report
    let mut listed = vec![manifest.clone()];
    listed.extend((0..60).map(|number| {
        Image::of_text(linux("amd64"), "other", &number.to_string()).add_to(&mut vector.store)
    }));
    let index = vector.store.add_index(false, &listed);
    assert!(index.size > 8 << 10);
    vector.store.name(&manifest, NAME);
    vector.store.list(index.clone());
    vector.sign(&index, GOOD);
    let flags = ["--signatures", "bundle.tar", "--accept", "parent-index", "--evidence"];
    let site = Site::of(&vector, &flags);
    let _ = site.pack(&["--bundle", "bundle.tar"], "evidence.tar").expect_code(0);
    let checked = site.check("evidence.tar");
    assert_eq!((checked.verdict, checked.reported), (ExitCode::Passed, Some(ExitCode::Passed)));
}

#[test]
fn only_the_inputs_of_the_run_are_packed_and_only_a_known_key_is_believed() {
    let site = Site::new();
    let _ = site.pack(&[], "evidence.tar").expect_code(2);
    let _ = site.pack(&["--bundle", "bundle"], "evidence.tar").expect_code(2);
    assert!(!site.path("evidence.tar").exists());
    let _ = site.pack(&["--bundle", "bundle.tar"], "evidence.tar").expect_code(0);
    let _ = site.run(ASSAY, &["site-key", "create", "other.key"]).expect_code(0);
    for (key, code) in [("other.key.pub", 1), ("site.key.pub", 0), ("absent.pub", 2)] {
        let _ = site.run(ASSAY, &["evidence", "check", "evidence.tar", "--key", key]).expect_code(code);
    }
    let _ = site.run(ASSAY, &["evidence", "check", "absent.tar", "--key", "site.key.pub"]).expect_code(2);
    fs::write(site.path("trust/trustpolicy.json"), "{}").unwrap();
    let _ = site.pack(&["--bundle", "bundle.tar"], "other.tar").expect_code(2);
    site.pack_anyway("other.tar");
    assert!(kinds(&site.check("other.tar")).contains(&DiscrepancyKind::EvidenceInputs));
    let _ = fs::remove_dir_all(Path::new(&site.path("out")));
    let _ = site.pack(&["--bundle", "bundle.tar"], "none.tar").expect_code(2);
}

/// An unsigned index, one of whose two manifests is signed; packed after `change` of the nodes' reports.
fn index_signed_in_part(there: bool, flags: &[&str], change: impl Fn(&mut Value)) -> Checked {
    let (mut vector, index, [signed, other]) = Vector::of_index();
    vector.store.name(&index, NAME);
    vector.carry(&index);
    vector.sign(&signed, GOOD);
    if !there {
        vector.store.remove(&other.digest);
    }
    let site = Site::of(&vector, &[&["--signatures", "bundle.tar", "--evidence"], flags].concat());
    let path = site.path("out/report.json");
    let mut report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for node in report["nodes"].as_array_mut().unwrap() {
        change(&mut node["report"]);
    }
    fs::write(&path, report.to_string()).unwrap();
    site.pack_anyway("evidence.tar");
    site.check("evidence.tar")
}

/// A node must not choose by what an image passes, nor which of the manifests that an index lists have to be signed.
#[test]
fn a_pass_by_platform_manifests_wants_each_that_is_listed() {
    let shortcut = |report: &mut Value| {
        let image = &mut report["images"][0];
        (image["status"], image["reason"], image["via"]) =
            ("passed".into(), Value::Null, "platform-manifest".into());
        report["summary"] = serde_json::json!({"passed": 1, "failed": 0, "skipped": 0, "inconclusive": 0});
    };
    let accept = ["--accept", "platform-manifest"];
    for flags in [&[][..], &accept] {
        let checked = index_signed_in_part(true, flags, shortcut);
        assert_eq!(checked.verdict, ExitCode::Failed, "{flags:?}");
        assert!(kinds(&checked).contains(&DiscrepancyKind::EvidenceContradicted), "{flags:?}");
    }
    // The report says that the node lacks the other manifest, which cannot be checked.
    let checked = index_signed_in_part(false, &accept, |_| ());
    assert_eq!(checked.reported, Some(ExitCode::Passed));
    assert_eq!(kinds(&checked), [DiscrepancyKind::EvidenceUnsupported; 2]);
}

/// What was asked and what is wrong beside the reason are verified as all else.
#[test]
fn options_and_further_reasons_are_verified_too() {
    let asked = forged(|report| report["asked"]["accept"] = serde_json::json!(["parent-index"]));
    assert_eq!(asked.verdict, ExitCode::Passed, "no image passes by it");
    let content = forged(|report| report["asked"]["content"] = "none".into());
    assert_eq!(kinds(&content), [DiscrepancyKind::EvidenceContradicted; 2]);
    // an unsigned image that is said to be altered only, which a waiver could excuse
    let hidden = forged(|report| {
        for image in report["images"].as_array_mut().unwrap() {
            if image["status"] == "failed" {
                image["reason"] = "content-mismatch".into();
            }
        }
    });
    assert_eq!(kinds(&hidden), [DiscrepancyKind::EvidenceContradicted; 2]);
}
