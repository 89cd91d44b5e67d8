//! Runs `assay bundle check`, `list`, `diff`, `merge` and `slim` on bundles before they travel. The agent verifies by
//! what they make.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use assay::bundle::{BundleCheck, BundleContent, Staging};
use assay::inventories;
use assay_fixtures::archive;
use assay_fixtures::demo::publisher::{Algorithm, Publisher, Signature};
use assay_fixtures::envelope::Format;
use assay_fixtures::image::{Image, linux};
use assay_fixtures::interop;
use assay_fixtures::layout::Layout;
use assay_judge::bundle::Bundles;
use assay_report::bundle::{Gap, GapKind, LockedImage};
use assay_tests::interop::Kept;
use assay_tests::program::{self, Finished, finish};
use assay_verifier::oci::{Descriptor, Digest};
use assay_verifier::time::UnixTime;
use serde_json::Value;
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// A time at which the publisher's certificates are valid, and one at which its signers' are not.
const AT: &str = "2026-11-20T12:00:00Z";
const LATER: &str = "2027-12-01T00:00:00Z";

const GOOD: Signature = Signature::Good(Algorithm::P256, Format::Cose);

/// A node's images in `store`, the inventory of it, and `site.tar`, a bundle that was made for all but one of them.
struct Site {
    folder: TempDir,
}

fn name(image: &str) -> String {
    format!("registry.example.test/{image}:v1")
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        let publisher = Publisher::new();
        let (mut store, mut signatures) = (Layout::new(), Layout::new());
        let mut content = BundleContent { gaps_accepted: true, ..BundleContent::default() };
        for (image, signature) in [
            ("good", Some(GOOD)),
            ("tampered", Some(Signature::Tampered)),
            ("unsigned", None),
            ("not-carried", None),
            ("not-asked-for", None),
        ] {
            let target = Image::of_text(linux("amd64"), "app", image).add_to(&mut store);
            store.name(&target, &name(image));
            if let Some(signature) = signature {
                let signature = publisher.sign(&mut signatures, &target, signature);
                content.entries.push(signature);
            }
            if image != "not-asked-for" {
                content.images.push(locked(&name(image), &target, signature.is_some()));
            }
            if image == "not-carried" {
                content.gaps.push(Gap { kind: GapKind::Signature, what: name(image), why: "gone".into() });
            }
        }
        content.blobs = signatures.digests();
        let staging = Staging::open(&site.path("site.tar")).unwrap();
        for digest in &content.blobs {
            staging.add_blob(digest, signatures.blob(digest)).unwrap();
        }
        staging.finish(content, None).unwrap();
        store.write(&site.path("store")).unwrap();
        archive::write_files(&site.path("trust"), &publisher.trust()).unwrap();
        let inventory = ["inventory", "--store", "layout:store", "--format", "json"];
        let done = finish(Command::new(AGENT).args(inventory).current_dir(site.folder.path()));
        fs::write(site.path("node-1.json"), done.stdout).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn assay(&self, arguments: &[&str]) -> Finished {
        finish(Command::new(ASSAY).args(arguments).current_dir(self.folder.path()))
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let done = self.assay(&[arguments, &["--format", "json"]].concat()).expect_code(code);
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// What is foreseen at a time, on the day of [`AT`].
    fn foresee(&self, against: Option<&str>, at: &str) -> BundleCheck {
        let mut trust = assay_judge::trust::read(&self.path("trust")).unwrap();
        let wanted = against.map(|name| inventories::read(&[self.path(name)]).unwrap());
        let bundles = Bundles::open(&[self.path("site.tar")], &mut trust).unwrap();
        let [now, at] = [AT, at].map(|text| UnixTime::parse(text).unwrap());
        assay::bundle::check(&bundles, &trust, wanted.as_ref(), &BTreeSet::new(), now, at)
    }

    /// Keeps of the store, and so of the inventory, the images that pass.
    fn keep_good(&self) {
        let mut inventory: Value =
            serde_json::from_slice(&fs::read(self.path("node-1.json")).unwrap()).unwrap();
        inventory["images"].as_array_mut().unwrap().retain(|image| image["references"][0] == name("good"));
        fs::write(self.path("node-1.json"), inventory.to_string()).unwrap();
    }
}

fn locked(reference: &str, target: &Descriptor, signed: bool) -> LockedImage {
    LockedImage {
        reference: reference.to_owned(),
        digest: target.digest.clone(),
        media_type: target.media_type.clone(),
        size: target.size,
        signatures: u64::from(signed),
    }
}

/// Each image with its verdict and, where it has no signature, why.
fn verdicts(check: &Value) -> BTreeSet<String> {
    let images = check["images"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    images
        .map(|image| {
            let parts = [&image["references"][0], &image["status"], &image["reason"], &image["unsigned"]];
            parts.map(text).join(" ").replace("registry.example.test/", "")
        })
        .collect()
}

#[test]
fn every_gap_is_named_with_its_cause() {
    let site = Site::new();
    let check = ["bundle", "check", "site.tar", "--trust", "trust", "--at", AT, "--against", "node-1.json"];
    let found = site.json(&check, 1);
    let expected = [
        "good:v1 passed - -",
        "tampered:v1 failed integrity -",
        "unsigned:v1 failed no-signature at-the-source",
        "not-carried:v1 failed no-signature not-carried",
        "not-asked-for:v1 failed no-signature not-asked-for",
    ];
    assert_eq!(verdicts(&found), expected.map(str::to_owned).into());
    assert_eq!(found["bundles"][0]["completeness"], "gaps-accepted");
    let text = site.assay(&check).expect_code(1).text();
    for image in ["tampered", "unsigned", "not-carried", "not-asked-for"] {
        assert!(text.contains(&name(image)), "{text}");
    }
    assert!(!text.contains(&name("good")), "what passes is no gap");
    // without an inventory: what the bundle names itself
    let found = site.json(&["bundle", "check", "site.tar", "--trust", "trust", "--at", AT], 1);
    assert_eq!(verdicts(&found).len(), 4);
    // a layout of another tool does not say what it was made for
    let slim = ["bundle", "slim", "store", "--out", "other.tar"];
    let _ = site.assay(&slim).expect_code(0);
    let _ = fs::remove_file(site.path("site.tar"));
    let layout = ["bundle", "check", "store", "--trust", "trust", "--at", AT, "--against", "node-1.json"];
    let unknown = verdicts(&site.json(&layout, 1));
    assert!(unknown.iter().all(|one| one.ends_with("failed no-signature unknown")), "{unknown:?}");
}

#[test]
fn what_passes_today_and_not_then_is_told_apart_and_what_ends_is_listed() {
    let site = Site::new();
    site.keep_good();
    let today = site.foresee(Some("node-1.json"), AT);
    assert_eq!((today.verdict.number(), today.images.len(), today.expiring.len()), (0, 1, 0));
    let later = site.foresee(Some("node-1.json"), LATER);
    assert_eq!(later.verdict.number(), 1);
    let [image] = &later.images[..] else { panic!("{later:?}") };
    assert_eq!(serde_json::to_value(image.status_now).unwrap(), "passed");
    assert_eq!(image.reason.unwrap().as_str(), "authentic-timestamp");
    let [ending] = &later.expiring[..] else { panic!("{later:?}") };
    assert_eq!(
        (ending.kind, ending.until.to_string().as_str()),
        ("signing certificate", "2027-06-01T00:00:00Z")
    );
    // CRLs are good until 2036
    let crls: BTreeSet<&str> = site
        .foresee(Some("node-1.json"), "2037-01-01T00:00:00Z")
        .expiring
        .iter()
        .map(|one| one.kind)
        .collect();
    assert_eq!(crls, ["CRL", "signing certificate"].into());
}

#[test]
fn nothing_to_judge_is_not_a_pass_and_what_the_agent_would_refuse_is_refused() {
    let site = Site::new();
    let check = |more: &[&str]| {
        site.assay(&[&["bundle", "check", "site.tar", "--trust", "trust", "--at", AT][..], more].concat())
            .code
    };
    site.keep_good();
    assert_eq!(check(&["--against", "node-1.json"]), Some(0));
    let mut inventory: Value = serde_json::from_slice(&fs::read(site.path("node-1.json")).unwrap()).unwrap();
    inventory["coverage"]["unreadable"] = serde_json::json!([{"what": "k8s.io", "why": "gone"}]);
    fs::write(site.path("partly.json"), inventory.to_string()).unwrap();
    assert_eq!(check(&["--against", "partly.json"]), Some(3), "an image may be missing");
    inventory["images"] = serde_json::json!([]);
    inventory["coverage"]["unreadable"] = serde_json::json!([]);
    fs::write(site.path("empty.json"), inventory.to_string()).unwrap();
    assert_eq!(check(&["--against", "empty.json"]), Some(3));
    for wrong in ["site.tar", "absent.json", "trust/trustpolicy.json"] {
        assert_eq!(check(&["--against", wrong]), Some(2), "{wrong}");
    }
    assert_eq!(check(&["--accept", "anything"]), Some(2));
    // The trust directory names a key, and the bundle is not signed.
    let _ = site.assay(&["site-key", "create", "key"]).expect_code(0);
    let _ = site.assay(&["trust", "add", "trust", "--key", "key.pub"]).expect_code(0);
    assert_eq!(check(&["--against", "node-1.json"]), Some(2));
    let sign = ["bundle", "merge", "site.tar", "--out", "signed.tar", "--site-key", "key"];
    let _ = site.assay(&sign).expect_code(0);
    fs::rename(site.path("signed.tar"), site.path("site.tar")).unwrap();
    assert_eq!(check(&["--against", "node-1.json"]), Some(0));
}

#[test]
fn a_merged_bundle_is_as_good_as_its_parts_and_diff_names_what_came() {
    let site = Site::new();
    site.keep_good();
    // carried later: the same image, of which nothing is missing now, and another one under its name
    let publisher = Publisher::new();
    for (image, out) in [("not-carried", "more.tar.zst"), ("another", "other.tar")] {
        let (mut store, mut signatures) = (Layout::new(), Layout::new());
        let target = Image::of_text(linux("amd64"), "app", image).add_to(&mut store);
        let signature = publisher.sign(&mut signatures, &target, GOOD);
        let content = BundleContent {
            entries: vec![signature],
            blobs: signatures.digests(),
            images: vec![locked(&name("not-carried"), &target, true)],
            ..BundleContent::default()
        };
        let staging = Staging::open(&site.path(out)).unwrap();
        for digest in &content.blobs {
            staging.add_blob(digest, signatures.blob(digest)).unwrap();
        }
        staging.finish(content, None).unwrap();
    }
    let _ = site.assay(&["bundle", "merge", "site.tar", "other.tar", "--out", "still.tar"]).expect_code(0);
    let list = site.json(&["bundle", "list", "still.tar"], 0);
    assert_eq!(
        (&list[0]["completeness"], &list[0]["gaps"][0]["what"]),
        (&"gaps-accepted".into(), &name("not-carried").into())
    );

    let merge =
        |out: &str| site.assay(&["bundle", "merge", "site.tar", "more.tar.zst", "--out", out]).expect_code(0);
    let _ = (merge("all.tar"), merge("again.tar"));
    assert_eq!(fs::read(site.path("all.tar")).unwrap(), fs::read(site.path("again.tar")).unwrap());
    let list = site.json(&["bundle", "list", "all.tar"], 0);
    let signed = list[0]["images"].as_array().unwrap().iter();
    let signed: Vec<&Value> = signed
        .filter(|image| image["signatures"] != serde_json::json!([]))
        .map(|one| &one["reference"])
        .collect();
    assert_eq!(signed, [&name("good"), &name("not-carried"), &name("tampered")]);
    assert_eq!((&list[0]["completeness"], &list[0]["gaps"]), (&"complete".into(), &serde_json::json!([])));

    assert_eq!(site.json(&["bundle", "diff", "all.tar", "again.tar"], 0)["changes"], serde_json::json!([]));
    let changes = site.json(&["bundle", "diff", "site.tar", "all.tar"], 1);
    let changes: Vec<String> = changes["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {} {}", one["kind"], one["old"].is_null(), one["what"]).replace('"', ""))
        .collect();
    let not_carried = name("not-carried");
    assert_eq!(changes, [format!("gap false {not_carried}"), format!("signature true {not_carried}")]);

    let _ = site.assay(&["bundle", "merge", "site.tar", "--out", "store"]).expect_code(2);
}

#[test]
fn what_notation_signed_verifies_by_a_slim_copy_of_its_layout() {
    let kept = Kept::unpack();
    let folder = tempfile::tempdir().unwrap();
    let slim = folder.path().join("slim.tar.gz").display().to_string();
    let layout = kept.layout().display().to_string();
    let _ = program::run(ASSAY, ["bundle", "slim", &layout, "--out", &slim]).expect_code(0);
    let trust = kept.trust().display().to_string();
    let check = ["bundle", "check", &slim, "--trust", &trust, "--at", interop::AT, "--format", "json"];
    let done = program::run(ASSAY, check).expect_code(0);
    let check: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(check["summary"]["passed"], 12, "every kind of key, in both envelopes");
}

#[test]
fn a_slim_layout_has_no_layers_and_verifies_as_before() {
    let site = Site::new();
    let publisher = Publisher::new();
    let mut layout = Layout::new();
    let target = Image::of_text(linux("amd64"), "app", "good").add_to(&mut layout);
    layout.name(&target, &name("good"));
    let signature = publisher.sign(&mut layout, &target, GOOD);
    layout.list(signature);
    layout.write(&site.path("others")).unwrap();
    let _ = site.assay(&["bundle", "slim", "others", "--out", "slim"]).expect_code(0);
    let blobs = fs::read_dir(site.path("slim/blobs/sha256")).unwrap().count();
    // the image's manifest; the signature's manifest, its config and its envelope
    assert_eq!((layout.digests().len(), blobs), (6, 4));
    let arguments =
        ["verify", "--store", "layout:store", "--trust", "trust", "--signatures", "slim", "--at", AT];
    let image = name("good");
    let mut command = Command::new(AGENT);
    command.args(arguments).args(["--image", &image]).current_dir(site.folder.path());
    let report = finish(&mut command).expect_code(0).report();
    assert_eq!(report.images.iter().map(program::verdict).collect::<Vec<_>>(), ["passed"]);
    // A partial bundle does not become a whole one.
    fs::write(site.path("slim/more"), "").unwrap();
    let _ = site.assay(&["bundle", "list", "slim"]).expect_code(1);
    let _ = site.assay(&["bundle", "slim", "slim", "--out", "again"]).expect_code(2);
    assert!(!site.path("again").exists());
}

/// Who carries CRLs beside a layout calls them what they like; a list that is left behind may be the one that revokes.
#[test]
fn evidence_of_any_name_is_carried_whatever_made_the_layout() {
    let site = Site::new();
    let publisher = Publisher::new();
    let mut trust = publisher.trust();
    let mut files = {
        let mut layout = Layout::new();
        let target = Image::of_text(linux("amd64"), "app", "good").add_to(&mut layout);
        layout.name(&target, &name("good"));
        let signature = publisher.sign(&mut layout, &target, GOOD);
        layout.list(signature);
        layout.files()
    };
    let crls: Vec<String> = trust.keys().filter(|path| path.starts_with("crls/")).cloned().collect();
    let odd = ["crls/Image CA (2026).crl", "crls/a/b/.hidden"];
    assert_eq!(crls.len(), odd.len());
    for (crl, odd) in crls.iter().zip(odd) {
        files.insert(odd.to_owned(), trust.remove(crl).unwrap());
    }
    let evidence = |files: &archive::Files| -> BTreeSet<Vec<u8>> {
        files.iter().filter(|(path, _)| path.starts_with("crls/")).map(|(_, bytes)| bytes.clone()).collect()
    };
    let expected = evidence(&files);
    files.insert("crls/.DS_Store".to_owned(), b"litter".to_vec());
    fs::remove_dir_all(site.path("trust")).unwrap();
    archive::write_files(&site.path("trust"), &trust).unwrap();
    archive::write_files(&site.path("others"), &files).unwrap();
    fs::write(site.path("others.tar"), archive::tar(&files)).unwrap();
    site.keep_good();
    for (from, out) in [
        (&["slim", "others"][..], "slim"),
        (&["slim", "others.tar"], "slim.tar.gz"),
        (&["merge", "site.tar", "others"], "merged"),
        (&["merge", "others.tar", "site.tar"], "merged.tar"),
        // Once more, with a document that lists the files.
        (&["slim", "merged"], "again"),
    ] {
        let _ = site.assay(&[&["bundle"], from, &["--out", out]].concat()).expect_code(0);
        let list = site.json(&["bundle", "list", out], 0);
        let digests: BTreeSet<&str> = list[0]["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file["digest"].as_str().unwrap())
            .collect();
        let carried: BTreeSet<String> =
            expected.iter().map(|bytes| Digest::sha256(bytes).to_string()).collect();
        assert_eq!(digests, carried.iter().map(String::as_str).collect(), "{out}");
        let image = name("good");
        let verify =
            ["verify", "--store", "layout:store", "--trust", "trust", "--signatures", out, "--at", AT];
        let mut command = Command::new(AGENT);
        command.args(verify).args(["--image", &image]).current_dir(site.folder.path());
        let report = finish(&mut command).expect_code(0).report();
        assert_eq!(report.images.iter().map(program::verdict).collect::<Vec<_>>(), ["passed"], "{out}");
    }
    assert_eq!(site.json(&["bundle", "diff", "merged", "again"], 0)["changes"], serde_json::json!([]));
    let lost = site.json(&["bundle", "diff", "merged", "site.tar"], 1);
    let lost =
        lost["changes"].as_array().unwrap().iter().filter(|change| change["kind"] == "evidence").count();
    assert_eq!(lost, expected.len());
}
