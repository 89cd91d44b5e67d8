//! Shows what `bundle.json` adds to a bundle, as the agent sees it: the lock, CRLs, completeness, files as listed, the
//! site's signature.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use assay::bundle::{BundleContent, FinishedBundle, Signer, Staging};
use assay::site_key::{self, SiteKey};
use assay_fixtures::archive;
use assay_fixtures::demo::publisher::{Algorithm, Publisher, Signature};
use assay_fixtures::envelope::Format;
use assay_fixtures::image::{Image, linux};
use assay_fixtures::layout::Layout;
use assay_report::Reason;
use assay_report::bundle::{Gap, GapKind, LockedImage, PAYLOAD_TYPE};
use assay_tests::program::{self, Finished as Done, verdict};
use assay_verifier::dsse::KeyKind;
use assay_verifier::oci::{Descriptor, Digest};
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

/// A time at which the publisher's certificates are valid.
const AT: &str = "2026-11-20T12:00:00Z";
const NAME: &str = "registry.example.test/team/app:v1";

/// A store with one image of two platforms, its signature and those of its manifests, and what a bundle of ours would hold.
struct Site {
    folder: TempDir,
    signatures: Layout,
    entries: Vec<Descriptor>,
    index: Descriptor,
    manifests: [Descriptor; 2],
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let publisher = Publisher::new();
        let mut store = Layout::new();
        let manifests =
            ["amd64", "arm64"].map(|of| Image::of_text(linux(of), "app", "bundled").add_to(&mut store));
        let index = store.add_index(false, &manifests);
        store.name(&index, NAME);
        store.write(&folder.path().join("store")).unwrap();
        archive::write_files(&folder.path().join("trust"), &publisher.trust()).unwrap();

        let mut signatures = Layout::new();
        signatures.copy(&store, &index, |_| false);
        let good = Signature::Good(Algorithm::P256, Format::Cose);
        let entries = vec![publisher.sign(&mut signatures, &index, good), index.clone()];
        Self { folder, signatures, entries, index, manifests }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the bundle holds, its name locked to `digest`.
    fn content(&self, digest: &Digest) -> BundleContent {
        let locked = LockedImage {
            reference: NAME.to_owned(),
            digest: digest.clone(),
            media_type: self.index.media_type.clone(),
            size: self.index.size,
            signatures: 1,
        };
        BundleContent {
            entries: self.entries.clone(),
            blobs: self.signatures.digests(),
            images: vec![locked],
            ..BundleContent::default()
        }
    }

    fn write(&self, name: &str, content: BundleContent) -> FinishedBundle {
        self.write_signed(name, content, None)
    }

    fn write_signed(
        &self,
        name: &str,
        content: BundleContent,
        signer: Option<&Signer<'_>>,
    ) -> FinishedBundle {
        let staging = Staging::open(&self.path(name)).unwrap();
        for digest in &content.blobs {
            staging.add_blob(digest, self.signatures.blob(digest)).unwrap();
        }
        staging.finish(content, signer).unwrap()
    }

    fn verify(&self, bundles: &[&str], flags: &[&str]) -> Done {
        self.verify_store(&self.path("store"), bundles, flags)
    }

    fn verify_store(&self, store: &Path, bundles: &[&str], flags: &[&str]) -> Done {
        let store = format!("layout:{}", store.display());
        let trust = self.path("trust").display().to_string();
        let mut arguments = vec!["verify", "--store", &store, "--trust", &trust, "--at", AT];
        let bundles: Vec<String> = bundles.iter().map(|name| self.path(name).display().to_string()).collect();
        for bundle in &bundles {
            arguments.extend(["--signatures", bundle]);
        }
        program::run(AGENT, arguments.iter().chain(flags))
    }

    #[track_caller]
    fn expect(&self, bundles: &[&str], flags: &[&str], expected: &str) {
        let done = self.verify(bundles, flags);
        let report = done.report();
        let verdicts: BTreeSet<String> = report.images.iter().map(verdict).collect();
        assert_eq!(verdicts, [expected.to_owned()].into(), "{}", done.stderr);
    }
}

#[test]
fn a_name_that_stands_for_what_was_carried_passes_in_every_packing() {
    let site = Site::new();
    for name in ["folder", "a.tar", "a.tar.gz", "a.tar.zst"] {
        site.write(name, site.content(&site.index.digest));
        site.expect(&[name], &[], "passed");
    }
}

/// The lock gives the reason, and what else is wrong is not lost for it.
#[test]
fn an_unsigned_image_under_a_locked_name_is_both() {
    let site = Site::new();
    let unsigned = BundleContent { entries: Vec::new(), ..site.content(&Digest::sha256(b"another image")) };
    site.write("a.tar", unsigned);
    let report = site.verify(&["a.tar"], &[]).report();
    let image = &report.images[0];
    assert_eq!((image.reason, &image.also[..]), (Some(Reason::WrongDigest), &[Reason::NoSignature][..]));
    // without a policy too, where no signature is asked
    fs::write(site.path("trust/trustpolicy.json"), "{}").unwrap();
    let report = site.verify(&["a.tar"], &[]).report();
    let image = &report.images[0];
    assert_eq!((image.reason, &image.also[..]), (Some(Reason::Policy), &[Reason::WrongDigest][..]));
}

#[test]
fn a_name_that_stands_for_another_image_fails_however_well_that_is_signed() {
    let site = Site::new();
    let other = Digest::sha256(b"another image");
    site.write("a.tar", site.content(&other));
    site.expect(&["a.tar"], &[], "failed/wrong-digest");
    // where another bundle knows the name for this image, it is right
    site.write("b.tar", site.content(&site.index.digest));
    site.expect(&["a.tar", "b.tar"], &[], "passed");
}

#[test]
fn a_platform_of_a_locked_index_is_right_where_its_parent_is_accepted() {
    let site = Site::new();
    let mut store = Layout::new();
    let platform = Image::of_text(linux("amd64"), "app", "bundled").add_to(&mut store);
    assert_eq!(platform.digest, site.manifests[0].digest);
    store.name(&platform, NAME);
    store.write(&site.path("platform")).unwrap();
    site.write("a.tar", site.content(&site.index.digest));
    for (flags, expected) in [(&[][..], "failed/wrong-digest"), (&["--accept", "parent-index"], "passed")] {
        let done = site.verify_store(&site.path("platform"), &["a.tar"], flags);
        assert_eq!(verdict(&done.report().images[0]), expected);
    }
}

#[test]
fn bundles_that_are_not_as_they_were_made_are_refused() {
    let site = Site::new();
    let index = fs::read(site.path("store/index.json")).unwrap();
    type Change<'a> = (&'a str, &'a dyn Fn(&Path));
    let changes: [Change<'_>; 5] = [
        ("a changed index", &|bundle| fs::write(bundle.join("index.json"), &index).unwrap()),
        ("an added file", &|bundle| fs::write(bundle.join("more"), "").unwrap()),
        ("an added CRL", &|bundle| {
            fs::create_dir(bundle.join("crls")).unwrap();
            fs::write(bundle.join("crls/more"), "").unwrap();
        }),
        ("a missing blob", &|bundle| {
            let blobs = bundle.join("blobs/sha256").read_dir().unwrap();
            fs::remove_file(blobs.last().unwrap().unwrap().path()).unwrap();
        }),
        ("no document at all", &|bundle| fs::write(bundle.join("bundle.json"), "{}").unwrap()),
    ];
    for (number, (what, change)) in changes.into_iter().enumerate() {
        let name = format!("bundle{number}");
        site.write(&name, site.content(&site.index.digest));
        change(&site.path(&name));
        assert_eq!(site.verify(&[&name], &[]).code, Some(2), "{what}");
        // A tar gives the same as a folder.
        let mut files = archive::Files::new();
        archive::read_files(&site.path(&name), &site.path(&name), &mut files).unwrap();
        fs::write(site.path(&format!("{name}.tar")), archive::tar(&files)).unwrap();
        assert_eq!(site.verify(&[&format!("{name}.tar")], &[]).code, Some(2), "{what}, in a tar");
    }
}

#[test]
fn a_partial_bundle_is_refused_and_one_whose_gaps_were_accepted_says_so() {
    let site = Site::new();
    let gap = Gap { kind: GapKind::Image, what: "registry.example.test/gone:v1".into(), why: "404".into() };
    let content = BundleContent { gaps: vec![gap], ..site.content(&site.index.digest) };
    site.write("accepted", BundleContent { gaps_accepted: true, ..content });
    let done = site.verify(&["accepted"], &[]).expect_code(0);
    assert!(done.report().inputs.warnings.iter().any(|warning| warning.contains("gone:v1")));

    let document = fs::read_to_string(site.path("accepted/bundle.json")).unwrap();
    assert!(document.contains("gaps-accepted"));
    fs::write(site.path("accepted/bundle.json"), document.replace("gaps-accepted", "partial")).unwrap();
    let _ = site.verify(&["accepted"], &[]).expect_code(2);
}

#[test]
fn where_the_site_has_keys_one_of_them_has_signed_this_very_bundle() {
    let site = Site::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    fs::create_dir(site.path("trust/keys")).unwrap();
    let key = |name: &str| {
        site_key::create(&site.path(name), KeyKind::Ed25519, "test").unwrap();
        SiteKey::load(&site.path(name), &mut |_| None).unwrap()
    };
    let (ours, other) = (key("ours"), key("other"));
    let write = |name: &str, key: Option<&SiteKey>| {
        let sign = |document: &[u8]| {
            let envelope = runtime.block_on(key.unwrap().sign(PAYLOAD_TYPE, document.to_vec()));
            Ok(envelope.unwrap().to_json().into_bytes())
        };
        let signer: Option<&Signer<'_>> = if key.is_some() { Some(&sign) } else { None };
        site.write_signed(name, site.content(&site.index.digest), signer);
    };
    write("unsigned.tar", None);
    write("other.tar", Some(&other));
    write("ours.tar", Some(&ours));
    write("swapped", Some(&ours));
    let swapped = fs::read_to_string(site.path("swapped/bundle.json")).unwrap();
    fs::write(site.path("swapped/bundle.json"), swapped.replace("\n", "\n ")).unwrap();
    for bundle in ["unsigned.tar", "other.tar", "ours.tar", "swapped"] {
        site.expect(&[bundle], &[], "passed");
    }
    fs::write(site.path("trust/keys/site.pub"), ours.public().to_openssh()).unwrap();
    site.expect(&["ours.tar"], &[], "passed");
    for bundle in ["unsigned.tar", "other.tar", "swapped"] {
        let _ = site.verify(&["ours.tar", bundle], &[]).expect_code(2);
    }
    // a key that cannot be read gives no trust, and does not take the demand for a signature away
    fs::write(site.path("trust/keys/site.pub"), "no key").unwrap();
    let _ = site.verify(&["ours.tar"], &[]).expect_code(2);
}
