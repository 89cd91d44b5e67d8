//! Shows which manifests of a store are images, with or without a name, and which belong to another image. The agent and
//! `assay bundle` agree: in folders, in archives, in what other tools leave, and in containerd.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay::bundle::{BundleContent, Contents, Opened, Staging};
use assay_fixtures::archive;
use assay_fixtures::image::{Image, linux, linux_here};
use assay_fixtures::layout::Layout;
use assay_report::{NodeReport, Reason};
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::on_each_release;
use assay_tests::packages;
use assay_tests::program::{self, Finished, finish, verdict};
use assay_tests::published::{GOOD, Published, reference};
use assay_tests::registry::{Registry, oras};
use assay_verifier::notary;
use assay_verifier::oci::{Descriptor, Digest, media_type};
use serde_json::{Value, json};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";

on_each_release! {
    containerd_has_records_of_companions,
}

/// A store of images, and a bundle with the signatures of some of them.
fn store(fill: impl FnOnce(&mut Published)) -> Published {
    let mut published = Published::new(AGENT);
    fill(&mut published);
    published.write();
    published
}

/// Verifies the store in every packing, which gives one report; `bundle list` and `bundle slim` agree with it.
#[track_caller]
fn verify(published: &Published, code: i32) -> NodeReport {
    let tar = published.images.tar();
    published.images.write(&published.path("folder")).unwrap();
    fs::write(published.path("store.tar"), &tar).unwrap();
    fs::write(published.path("store.tar.gz"), archive::gzip(&tar)).unwrap();
    let mut reports = Vec::new();
    for name in ["folder", "store.tar", "store.tar.gz"] {
        let path = published.path(name);
        let done = published.verify(&format!("layout:{}", path.display()), &[]);
        let report = done.expect_code(code).report();
        let rows: BTreeSet<(String, Digest)> = report
            .images
            .iter()
            .flat_map(|image| image.references.iter().map(|name| (name.clone(), image.digest.clone())))
            .collect();
        let contents = contents(&path);
        assert_eq!(listed(&contents), rows, "{name}");
        let companions = |names: Vec<(Option<String>, Digest, Option<Digest>)>| -> BTreeSet<_> {
            names.into_iter().collect()
        };
        let own = report.coverage.companions.iter();
        let own = own.map(|one| (one.name.clone(), one.digest.clone(), one.subject.clone())).collect();
        let same = contents.companions.iter();
        let same = same.map(|one| (one.name.clone(), one.digest.clone(), one.subject.clone())).collect();
        assert_eq!(companions(own), companions(same), "{name}");
        // The slim copy has the same images, and of what belongs to them only the signatures.
        let slim = published.path(&format!("{name}.slim.tar"));
        let done = program::run(ASSAY, ["bundle", "slim", text(&path), "--out", text(&slim)]);
        let _ = done.expect_code(0);
        let slim = self::contents(&slim);
        assert_eq!(listed(&slim), rows, "{name}, slim");
        assert!(slim.companions.iter().all(|one| one.kind == notary::media_type::SIGNATURE), "{name}");
        reports.push((report.images, report.coverage));
    }
    let report = reports.pop().unwrap();
    assert!(reports.iter().all(|other| *other == report));
    published.verify(&format!("layout:{}", published.path("folder").display()), &[]).report()
}

fn contents(path: &Path) -> Contents {
    Contents::read(&Opened::open(path).unwrap()).unwrap()
}

fn listed(contents: &Contents) -> BTreeSet<(String, Digest)> {
    contents.images.iter().map(|image| (image.reference.clone(), image.digest.clone())).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The verdicts by name.
fn rows(report: &NodeReport) -> BTreeMap<String, String> {
    report.images.iter().map(|image| (image.references.join(" "), verdict(image))).collect()
}

fn expected(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    rows.iter().map(|(name, verdict)| ((*name).to_owned(), (*verdict).to_owned())).collect()
}

fn bare(target: &Descriptor) -> Descriptor {
    Descriptor::new(&target.media_type, target.digest.clone(), target.size)
}

/// An image that is in the layout and listed nowhere.
fn image(layout: &mut Layout, text: &str) -> Descriptor {
    bare(&Image::of_text(linux_here(), "app", text).add_to(layout))
}

/// Lists an image without a name, with a signature in the bundle.
fn signed(published: &mut Published, text: &str) -> Descriptor {
    let target = image(&mut published.images, text);
    published.publish("team/signed", &target, &[GOOD]);
    let mut images = Layout::new();
    images.copy(&published.images, &target, |_| true);
    published.images = images;
    published.images.list(target.clone());
    target
}

fn manifest(layout: &mut Layout, manifest: &Value) -> Descriptor {
    let media_type = manifest["mediaType"].as_str().unwrap().to_owned();
    layout.add(&media_type, manifest.to_string().into_bytes())
}

#[test]
fn an_image_without_a_name_is_judged_and_named_by_its_digest() {
    let mut target = None;
    let published = store(|published| target = Some(signed(published, "app")));
    let target = target.unwrap();
    let digest = target.digest.as_str();
    assert_eq!(rows(&verify(&published, 0)), expected(&[(digest, "passed")]));
    let folder = format!("layout:{}", published.path("folder").display());
    let _ = published.verify(&folder, &["--image", digest]).expect_code(0);
    let _ = published.verify(&folder, &["--image", Digest::sha256(b"").as_str()]).expect_code(2);
    // A digest is in no repository, so a statement for a repository does not apply to it.
    let policy = published.path("trust/trustpolicy.json");
    let document = fs::read_to_string(&policy).unwrap();
    let mut document: Value = serde_json::from_str(&document).unwrap();
    let statements = document["trustPolicies"].as_array_mut().unwrap();
    statements.iter_mut().for_each(|one| {
        one["registryScopes"] = json!([format!("r.example.test/{}", one["name"].as_str().unwrap())]);
    });
    fs::write(&policy, document.to_string()).unwrap();
    let report = published.verify(&folder, &[]).expect_code(1).report();
    assert_eq!(rows(&report), expected(&[(digest, "failed/policy")]));
}

#[test]
fn an_unsigned_image_without_a_name_beside_a_signed_one_fails() {
    let mut unsigned = None;
    let published = store(|published| {
        published.image("team/app", &[GOOD]);
        let target = image(&mut published.images, "unsigned");
        published.images.list(target.clone());
        unsigned = Some(target);
    });
    let name = reference("team/app");
    let digest = unsigned.unwrap().digest;
    let report = verify(&published, 1);
    assert_eq!(rows(&report), expected(&[(&name, "passed"), (digest.as_str(), "failed/no-signature")]));
}

#[test]
fn what_an_image_lists_is_no_image_and_what_refers_to_one_is_none_either() {
    // an index of platforms that are listed too, and its signature, as oras copies by digest
    for docker in [false, true] {
        let mut index = None;
        let published = store(|published| {
            let images = &mut published.images;
            let platforms = ["amd64", "arm64"].map(|of| Image::of_text(linux(of), "app", "app"));
            let platforms = platforms.map(|image| if docker { image.docker() } else { image });
            let platforms = platforms.map(|image| image.add_to(images));
            let inner = images.add_index(docker, &platforms);
            let outer = images.add_index(false, std::slice::from_ref(&inner));
            for entry in platforms.iter().chain([&inner, &outer]) {
                images.list(bare(entry));
            }
            published.publish("team/app", &outer, &[GOOD]);
            let mut images = Layout::new();
            images.copy(&published.images, &outer, |_| true);
            for entry in platforms.iter().chain([&inner, &outer]) {
                images.list(bare(entry));
            }
            published.images = images;
            index = Some(outer);
        });
        let index = index.unwrap();
        assert_eq!(rows(&verify(&published, 0)), expected(&[(index.digest.as_str(), "passed")]));
    }
}

/// Signatures and other referrers beside the images: no rows, and no place to hide an image in.
#[test]
fn nothing_that_refers_to_an_image_hides_another() {
    let (mut target, mut inner, mut outer) = (None, None, None);
    let published = store(|published| {
        let app = signed(published, "app");
        published.images.copy(&published.bundle.clone(), &bare(&app), |_| true);
        let hidden = image(&mut published.images, "hidden");
        // This index refers to the image and lists another one.
        let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "subject": app,
            "manifests": [hidden] });
        let index = manifest(&mut published.images, &index);
        published.images.list(hidden);
        published.images.list(index.clone());
        // Only the subject of a referrer leads to this one.
        let behind = image(&mut published.images, "behind");
        let subject = published.images.add_index(false, std::slice::from_ref(&behind));
        let config = published.images.add(media_type::OCI_EMPTY, b"{}".to_vec());
        let referrer = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config,
            "artifactType": "application/spdx+json", "layers": [config], "subject": subject });
        let referrer = manifest(&mut published.images, &referrer);
        published.images.list(referrer);
        published.images.list(behind.clone());
        (target, inner, outer) = (Some(app), Some(behind), Some(index));
    });
    let [target, inner, outer] = [target, inner, outer].map(|one| one.unwrap().digest.to_string());
    let report = verify(&published, 1);
    let failed = "failed/no-signature";
    assert_eq!(rows(&report), expected(&[(&target, "passed"), (&inner, failed), (&outer, failed)]));
    assert_eq!(report.coverage.companions.len(), 1);
}

#[test]
fn names_that_are_empty_and_entries_of_any_type() {
    let mut digests = Vec::new();
    let published = store(|published| {
        let images = &mut published.images;
        // Without a name, with another name, and with both.
        let mut entry = image(images, "empty");
        entry.annotations = [("io.containerd.image.name".into(), String::new())].into();
        images.list(entry.clone());
        let mut second = image(images, "second");
        second.annotations.insert("io.containerd.image.name".into(), String::new());
        second.annotations.insert(REF_NAME.into(), "v1".into());
        images.list(second);
        let both = image(images, "both");
        images.list(both.clone());
        images.name(&both, &reference("team/both"));
        images.list(both);
        // The manifest has an unknown media type, and then none.
        let mut odd = image(images, "odd");
        odd.media_type = "application/vnd.example".into();
        images.list(odd.clone());
        let mut none = image(images, "none");
        none.media_type = String::new();
        images.list(none.clone());
        let blob = images.add("application/octet-stream", b"\x7fELF".to_vec());
        images.list(blob.clone());
        digests = [entry, odd, none, blob].map(|one| one.digest.to_string()).to_vec();
    });
    let report = verify(&published, 1);
    let both = reference("team/both");
    let names = [&digests[0], &digests[1], &digests[2], "v1", &both];
    assert_eq!(rows(&report).into_keys().collect::<BTreeSet<_>>(), names.map(str::to_owned).into());
    let unlisted = report.coverage.unlisted.iter();
    let unlisted: Vec<_> = unlisted.map(|one| (one.kind.as_str(), one.id.as_str())).collect();
    assert_eq!(unlisted, [("blob", digests[3].as_str())]);
}

/// An entry of an unknown type whose blob cannot be read may be an image, for the agent and for `assay bundle`.
#[test]
fn an_unreadable_entry_of_an_unknown_type_is_an_image() {
    let mut digest = None;
    let published = store(|published| {
        published.image("team/app", &[GOOD]);
        let mut odd = image(&mut published.images, "odd");
        odd.media_type = "application/vnd.example".into();
        digest = Some(odd.digest.clone());
        published.images.list(odd);
    });
    let digest = digest.unwrap();
    let folder = published.path("folder");
    published.images.write(&folder).unwrap();
    let blob = folder.join("blobs/sha256").join(digest.hex());
    fs::remove_file(&blob).unwrap();
    fs::create_dir(&blob).unwrap();
    let report = published.verify(&format!("layout:{}", folder.display()), &[]).expect_code(1).report();
    assert_eq!(rows(&report)[digest.as_str()], "failed/no-signature");
    assert!(listed(&contents(&folder)).contains(&(digest.to_string(), digest)));
    let slim = published.path("slim.tar");
    let _ = program::run(ASSAY, ["bundle", "slim", text(&folder), "--out", text(&slim)]).expect_code(2);
    assert!(!slim.exists());
}

#[test]
fn an_entry_without_a_name_that_is_not_there_leaves_the_report_incomplete() {
    let mut gone = None;
    let published = store(|published| {
        published.image("team/app", &[GOOD]);
        let target = image(&mut published.images, "gone");
        published.images.list(target.clone());
        published.images.remove(&target.digest);
        gone = Some(target.digest);
    });
    let report = verify(&published, 3);
    assert_eq!((report.images.len(), report.coverage.unreadable.len()), (1, 1));
    assert_eq!(contents(&published.path("folder")).unknown, [gone.unwrap()]);
    // What is signed is an image, even if its bytes are elsewhere.
    let published = store(|published| {
        let target = signed(published, "elsewhere");
        published.images.remove(&target.digest);
    });
    published.images.write(&published.path("store")).unwrap();
    let folder = format!("layout:{}", published.path("store").display());
    let _ = published.verify(&folder, &["--content", "none"]).expect_code(0);
    let _ = published.verify(&folder, &[]).expect_code(3);
}

#[test]
fn a_layout_of_signatures_alone_is_a_bundle_and_list_says_what_it_signs() {
    let mut target = None;
    let published = store(|published| target = Some(signed(published, "app")));
    let report = {
        let store = format!("layout:{}", published.path("bundle").display());
        published.verify(&store, &[]).expect_code(3).report()
    };
    assert_eq!(report.images.len(), 0);
    let contents = contents(&published.path("bundle"));
    let signs: Vec<_> = contents.signs.iter().map(|one| (&one.digest, one.signatures.len())).collect();
    assert_eq!((contents.images.len(), signs), (0, vec![(&target.unwrap().digest, 1)]));
}

#[test]
fn a_bundle_has_the_images_that_it_was_made_for() {
    let mut published = Published::new(AGENT);
    let platforms =
        ["amd64", "arm64"].map(|of| Image::of_text(linux(of), "app", "app").add_to(&mut published.images));
    let index = published.images.add_index(false, &platforms);
    let write = |name: &str, blobs: &[&Descriptor]| {
        let staging = Staging::open(&published.path(name)).unwrap();
        let mut named = bare(&platforms[0]);
        named.annotations.insert(REF_NAME.into(), reference("team/app"));
        let mut content = BundleContent { entries: vec![named, bare(&index)], ..BundleContent::default() };
        for blob in blobs {
            staging.add_blob(&blob.digest, published.images.blob(&blob.digest)).unwrap();
            content.blobs.insert(blob.digest.clone());
        }
        staging.finish(content, None).unwrap();
        let store = format!("layout:{}", published.path(name).display());
        let done = program::run(AGENT, ["inventory", "--store", &store, "--format", "json"]);
        let inventory: Value = serde_json::from_slice(&done.stdout).unwrap();
        let images = inventory["images"].as_array().unwrap().len();
        assert_eq!(contents(&published.path(name)).images.len(), images, "{name}");
        images
    };
    // the index is there for the image that it lists; with another one in it, it is an image too
    for name in ["bundle", "bundle.tar"] {
        assert_eq!(write(name, &[&platforms[0], &index]), 1);
    }
    assert_eq!(write("more.tar", &[&platforms[0], &platforms[1], &index]), 2);
}

/// A manifest as cosign makes them: its config names its layers, which are not file systems.
fn cosign(layout: &mut Layout, layers: &[(&str, &[u8])], change: impl FnOnce(&mut Value)) -> Descriptor {
    let layers: Vec<Descriptor> =
        layers.iter().map(|(media_type, bytes)| layout.add(media_type, bytes.to_vec())).collect();
    let diff_ids: Vec<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
    let config = json!({ "architecture": "", "created": "0001-01-01T00:00:00Z", "os": "", "config": {},
        "history": [{ "created": "0001-01-01T00:00:00Z" }], "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = layout.add(media_type::OCI_CONFIG, config.to_string().into_bytes());
    let mut document = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config,
        "layers": layers });
    change(&mut document);
    manifest(layout, &document)
}

fn payload(target: &Descriptor) -> Vec<u8> {
    json!({ "critical": { "identity": { "docker-reference": "r" }, "type": "cosign container image signature",
        "image": { "docker-manifest-digest": target.digest } }, "optional": null })
    .to_string()
    .into_bytes()
}

fn tag(target: &Descriptor, suffix: &str) -> String {
    format!("registry.example.test/team/app:sha256-{}{suffix}", target.digest.hex())
}

#[test]
fn companions_are_no_images_whatever_lists_them() {
    let mut target = None;
    let published = store(|published| {
        let app = published.image("team/app", &[]);
        let images = &mut published.images;
        let payload = payload(&app);
        // as cosign tags them, and as regctl copies the tags; once without a name, as skopeo copies one
        let signature = cosign(images, &[(SIMPLE_SIGNING, &payload)], |_| {});
        images.name(&signature, &tag(&app, ".sig"));
        let again = cosign(images, &[(SIMPLE_SIGNING, &payload), (SIMPLE_SIGNING, b"{}")], |_| {});
        images.list(again);
        let attestation = cosign(images, &[(DSSE, b"{\"payload\":\"\"}")], |_| {});
        images.name(&attestation, &tag(&app, ".att"));
        let sbom = cosign(images, &[("text/spdx", b"SPDX")], |_| {});
        images.name(&sbom, &tag(&app, ".sbom"));
        let other = cosign(images, &[("text/plain", &[b'x'; 600])], |_| {});
        images.name(&other, &tag(&app, ".other"));
        // hauler gives them the image's own name, cosign none
        for (number, (kind, name)) in [
            ("dev.cosignproject.cosign/sigs", Some(reference("team/app"))),
            ("dev.hauler/atts", Some(reference("team/app"))),
            ("dev.cosignproject.cosign/sboms", None),
            ("dev.hauler/referrers/abc", None),
        ]
        .into_iter()
        .enumerate()
        {
            let mut entry = cosign(images, &[("text/plain", format!("{number}").as_bytes())], |_| {});
            entry.annotations.insert("kind".into(), kind.into());
            entry.annotations.extend(name.map(|name| (REF_NAME.to_owned(), name)));
            images.list(entry);
        }
        // referrers, with names and without, and listings of them
        let bundle =
            cosign(images, &[("application/vnd.dev.sigstore.bundle.v0.3+json", b"{}")], |manifest| {
                manifest["subject"] = json!(app);
            });
        let artifact = "application/vnd.dev.cosign.artifact.sig.v1+json";
        let referrer = cosign(images, &[(SIMPLE_SIGNING, &payload)], |manifest| {
            manifest["subject"] = json!(app);
            manifest["config"]["mediaType"] = artifact.into();
        });
        images.list(bundle.clone());
        images.name(&referrer, "registry.example.test/team/app:whatever");
        let listing = images.add_index(false, &[bundle, referrer.clone()]);
        images.name(&listing, &tag(&app, ""));
        let nothing = images.add_index(false, &[]);
        images.name(&nothing, &format!("sha256-{}", "0".repeat(64)));
        let unnamed = images.add_index(false, &[referrer]);
        images.list(unnamed);
        target = Some(app);
    });
    let target = target.unwrap();
    let report = verify(&published, 1);
    assert_eq!(rows(&report), expected(&[(&reference("team/app"), "failed/no-signature")]));
    assert_eq!(report.coverage.images, 1);
    let companions = &report.coverage.companions;
    assert_eq!(companions.len(), 13, "{companions:#?}");
    let of_image = companions.iter().filter(|one| one.subject.as_ref() == Some(&target.digest)).count();
    assert_eq!(of_image, 9, "{companions:#?}");
    assert!(report.coverage.unlisted.is_empty());
}

#[test]
fn the_image_says_that_a_signature_of_another_kind_is_there() {
    let report = |list: fn(&mut Layout, &Descriptor, Descriptor)| {
        let published = store(|published| {
            let app = published.image("team/app", &[]);
            let signature = cosign(&mut published.images, &[(SIMPLE_SIGNING, &payload(&app))], |_| {});
            list(&mut published.images, &app, signature);
        });
        verify(&published, 1)
    };
    for list in [
        |images: &mut Layout, _: &Descriptor, signature| images.list(signature),
        |images: &mut Layout, app: &Descriptor, signature: Descriptor| {
            images.name(&signature, &tag(app, ".sig"));
        },
        |images: &mut Layout, _: &Descriptor, mut signature: Descriptor| {
            signature.annotations.insert("kind".into(), "dev.cosignproject.cosign/sigs".into());
            images.list(signature);
        },
    ] {
        let report = report(list);
        let [image] = &report.images[..] else { panic!("{:?}", report.images) };
        assert_eq!(image.reason, Some(Reason::NoSignature));
        assert!(image.hint.as_ref().unwrap().contains("cosign"), "{:?}", image.hint);
    }
}

#[test]
fn signatures_with_a_name_are_companions_that_sign() {
    let mut signed = None;
    let published = store(|published| {
        let app = published.image("team/app", &[GOOD]);
        let signature = published.bundle.digests().into_iter().find(|digest| {
            let bytes = published.bundle.blob(digest);
            bytes.starts_with(b"{") && String::from_utf8_lossy(bytes).contains("subject")
        });
        let digest = signature.unwrap();
        let size = published.bundle.blob(&digest).len() as u64;
        let signature = Descriptor::new(media_type::OCI_MANIFEST, digest, size);
        published.images.copy(&published.bundle, &signature, |_| true);
        published.images.name(&signature, "registry.example.test/team/app:signature");
        signed = Some((app, signature));
    });
    let (app, signature) = signed.unwrap();
    let report = verify(&published, 0);
    assert_eq!(rows(&report), expected(&[(&reference("team/app"), "passed")]));
    let [companion] = &report.coverage.companions[..] else { panic!("{:?}", report.coverage) };
    assert_eq!((&companion.digest, companion.subject.as_ref()), (&signature.digest, Some(&app.digest)));
    assert_eq!(companion.kind, notary::media_type::SIGNATURE);
}

/// Whatever could be unpacked or run is an image under every name.
#[test]
fn what_could_be_run_is_an_image_whatever_it_is_called() {
    let layer = archive::layer(&[archive::LayerFile { path: "app", mode: 0o755, content: b"app" }]);
    type Make<'m> = &'m dyn Fn(&mut Layout, &Descriptor) -> Descriptor;
    let of_type = |media_type: &'static str| {
        move |layout: &mut Layout, _: &Descriptor| cosign(layout, &[(media_type, b"{}")], |_| {})
    };
    let types = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.container.image.rootfs.diff+x-gtar",
        "application/vnd.erofs.layer.v1",
        "application/vnd.stacker.image.layer.erofs",
        "application/vnd.wasm.content.layer.v1+wasm",
    ];
    let of_types: Vec<_> = types.iter().map(|media_type| of_type(media_type)).collect();
    let mut cases: Vec<(&str, Make<'_>)> =
        types.iter().zip(&of_types).map(|(name, make)| (*name, make as Make<'_>)).collect();
    // a tar by another name, which containerd may have unpacked for another image
    let tar = |layout: &mut Layout, _: &Descriptor| cosign(layout, &[(SIMPLE_SIGNING, &layer)], |_| {});
    let empty = |layout: &mut Layout, _: &Descriptor| cosign(layout, &[(SIMPLE_SIGNING, b"")], |_| {});
    let zeros = |layout: &mut Layout, _: &Descriptor| cosign(layout, &[(DSSE, &[0; 1024])], |_| {});
    // the layers of another image, named by the config alone
    let borrowed = |layout: &mut Layout, app: &Descriptor| {
        let config = layout.config(app);
        cosign(layout, &[(SIMPLE_SIGNING, b"{}")], |manifest| manifest["config"] = json!(config))
    };
    let referrer = |layout: &mut Layout, app: &Descriptor| {
        let config = layout.config(app);
        cosign(layout, &[(SIMPLE_SIGNING, b"{}")], |manifest| {
            manifest["config"] = json!(config);
            manifest["subject"] = json!(app);
        })
    };
    // it cannot be told what it names
    let no_config = |layout: &mut Layout, _: &Descriptor| {
        let signature = cosign(layout, &[(SIMPLE_SIGNING, b"{\"a\":1}")], |_| {});
        let config = layout.config(&signature).digest;
        layout.remove(&config);
        signature
    };
    let no_layer = |layout: &mut Layout, _: &Descriptor| {
        let signature = cosign(layout, &[(SIMPLE_SIGNING, b"{\"a\":2}")], |_| {});
        let layer = layout.layers(&signature).remove(0).digest;
        layout.remove(&layer);
        signature
    };
    // containerd reads the member in the other case
    let other_case = |layout: &mut Layout, app: &Descriptor| {
        let config = String::from_utf8(layout.blob(&layout.config(app).digest).to_vec()).unwrap();
        let config = layout.add(media_type::OCI_CONFIG, config.replace("diff_ids", "Diff_IDs").into_bytes());
        cosign(layout, &[(SIMPLE_SIGNING, b"{}")], |manifest| manifest["config"] = json!(config))
    };
    let program = |layout: &mut Layout, _: &Descriptor| {
        let config = layout.add(media_type::OCI_CONFIG, br#"{"config":{"Entrypoint":["/x"]}}"#.to_vec());
        cosign(layout, &[(SIMPLE_SIGNING, b"{}")], |manifest| manifest["config"] = json!(config))
    };
    let index = |layout: &mut Layout, app: &Descriptor| layout.add_index(false, std::slice::from_ref(app));
    let more: [(&str, Make<'_>); 11] = [
        ("a tar", &tar),
        ("an empty layer", &empty),
        ("a tar of nothing", &zeros),
        ("another image's layers", &borrowed),
        ("another image's layers, and a subject", &referrer),
        ("no config", &no_config),
        ("no layer", &no_layer),
        ("another letter case", &other_case),
        ("a program", &program),
        ("an index", &index),
        ("an image", &|layout: &mut Layout, _: &Descriptor| image(layout, "other")),
    ];
    cases.extend(more);
    for (what, make) in cases {
        for list in 0..3 {
            let mut added = None;
            let published = store(|published| {
                let app = published.image("team/app", &[GOOD]);
                let mut other = make(&mut published.images, &app);
                match list {
                    0 => published.images.name(&other, &tag(&app, ".sig")),
                    1 => published.images.list(other.clone()),
                    _ => {
                        other.annotations.insert("kind".into(), "dev.cosignproject.cosign/sigs".into());
                        other.annotations.insert(REF_NAME.into(), reference("team/app"));
                        published.images.list(other.clone());
                    }
                }
                added = Some(other.digest);
            });
            published.images.write(&published.path("store")).unwrap();
            let store = format!("layout:{}", published.path("store").display());
            let done = published.verify(&store, &[]);
            assert_ne!(done.code, Some(0), "{what} {list}");
            let report = done.report();
            let added = added.unwrap();
            let images: BTreeSet<&Digest> = report.images.iter().map(|image| &image.digest).collect();
            assert!(images.len() == 2 && images.contains(&added), "{what} {list}: {}", done.stderr);
            assert!(report.coverage.companions.is_empty(), "{what} {list}");
            let listed = listed(&contents(&published.path("store")));
            assert!(listed.iter().any(|(_, digest)| *digest == added), "{what} {list}");
        }
    }
}

/// Two images of one name are told apart in every line.
#[test]
fn lines_of_a_name_that_stands_for_several_images_have_the_digest() {
    let mut targets = Vec::new();
    let published = store(|published| {
        for text in ["one", "other"] {
            let target = image(&mut published.images, text);
            published.images.name(&target, &reference("team/app"));
            targets.push(target.digest);
        }
    });
    published.images.write(&published.path("store")).unwrap();
    let done = published.verify(&format!("layout:{}", published.path("store").display()), &[]).expect_code(1);
    for digest in &targets {
        let lines = done.stderr.lines().filter(|line| line.contains("no-signature"));
        assert_eq!(lines.filter(|line| line.contains(digest.as_str())).count(), 1, "{}", done.stderr);
    }
}

/// What tools leave that copy an image without its name, or its companions with it.
#[test]
fn what_real_tools_leave() {
    let registry = Registry::debian("");
    let host = registry.host();
    let mut target = None;
    let published = store(|published| {
        let app = image(&mut published.images, "app");
        published.images.name(&app, "v1");
        let signature = cosign(&mut published.images, &[(SIMPLE_SIGNING, &payload(&app))], |_| {});
        published.images.name(&signature, "sig");
        target = Some(app);
    });
    let target = target.unwrap();
    let digest = target.digest.as_str();
    let source = published.path("source");
    published.images.write(&source).unwrap();
    let to = |tag: &str| format!("docker://{host}/team/app:{tag}");
    let copy = |from: &str, to: &str| {
        let more = ["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false", from, to];
        let _ = run(&packages::program("skopeo", "skopeo"), &more);
    };
    let signature = format!("sha256-{}.sig", target.digest.hex());
    copy(&format!("oci:{}:v1", source.display()), &to("v1"));
    copy(&format!("oci:{}:sig", source.display()), &to(&signature));
    let path = |name: &str| published.path(name).display().to_string();

    copy(&to("v1"), &format!("oci:{}", path("skopeo")));
    expect(&published, "skopeo", &[digest], 0);
    copy(&to(&signature), &format!("oci:{}", path("skopeo")));
    expect(&published, "skopeo", &[digest], 1);
    copy(&to("v1"), &format!("oci-archive:{}", path("skopeo.tar")));
    expect(&published, "skopeo.tar", &[digest], 0);
    let name = format!("{host}/team/app");
    if let Some(oras) = oras() {
        let by_digest = format!("{name}@{digest}");
        let _ = run(&oras, &["cp", "--from-plain-http", &by_digest, "--to-oci-layout", &path("oras")]);
        expect(&published, "oras", &[digest], 0);
    }
    for (variable, program) in [("CRANE", "crane-0.22"), ("CRANE_OLD", "crane-0.21")] {
        if let Some(crane) = packages::go_program(variable, program) {
            let _ =
                run(&crane, &["pull", "--insecure", "--format=oci", &format!("{name}:v1"), &path(program)]);
            expect(&published, program, &[digest], 0);
        }
    }
    if let Some(regctl) = packages::go_program("REGCTL", "regctl") {
        let config = path("regctl.json");
        fs::write(
            &config,
            json!({ "hosts": { host.as_str(): { "tls": "disabled", "hostname": host } } }).to_string(),
        )
        .unwrap();
        let mut command = Command::new(regctl);
        command.env("REGCTL_CONFIG", config).args(["image", "copy", "--referrers", "--digest-tags"]);
        command.arg(format!("{name}:v1")).arg(format!("ocidir://{}:v1", path("regctl")));
        let _ = finish(&mut command).expect_code(0);
        expect(&published, "regctl", &["v1"], 1);
    }
}

fn run(program: &PathBuf, arguments: &[&str]) -> Finished {
    program::run(program, arguments).expect_code(0)
}

/// The images that a layout has, and how many companions.
#[track_caller]
fn expect(published: &Published, name: &str, images: &[&str], companions: usize) {
    let path = published.path(name);
    let report = published.verify(&format!("layout:{}", path.display()), &[]).expect_code(1).report();
    let names: Vec<&str> = rows(&report).into_keys().map(|name| name.leak() as &str).collect();
    assert_eq!((&names[..], report.coverage.companions.len()), (images, companions), "{name}");
    let contents = contents(&path);
    let listed: Vec<&str> = contents.images.iter().map(|image| image.reference.as_str()).collect();
    assert_eq!((&listed[..], contents.companions.len()), (images, companions), "{name}");
}

fn containerd_has_records_of_companions(release: Release) {
    let containerd = Containerd::of(release);
    let mut found = None;
    let published = store(|published| {
        let app = published.image("team/app", &[GOOD]);
        let images = &mut published.images;
        let signature = cosign(images, &[(SIMPLE_SIGNING, &payload(&app))], |_| {});
        images.name(&signature, &tag(&app, ".sig"));
        // And an image that has such a name.
        let other = image(images, "other");
        images.name(&other, &tag(&app, ".att"));
        found = Some((app, signature, other));
    });
    let (app, signature, other) = found.unwrap();
    containerd.import(KUBERNETES, &published.images);
    for store in [containerd.store(), containerd.root_store()] {
        let report = published.verify(&store, &[]).expect_code(1).report();
        let verdicts: BTreeMap<&Digest, String> =
            report.images.iter().map(|image| (&image.digest, verdict(image))).collect();
        let expected = [(&app.digest, "passed"), (&other.digest, "failed/no-signature")];
        assert_eq!(
            verdicts,
            expected.map(|(digest, verdict)| (digest, verdict.to_owned())).into(),
            "{store}"
        );
        let [companion] = &report.coverage.companions[..] else { panic!("{:?}", report.coverage) };
        assert_eq!((&companion.digest, companion.subject.as_ref()), (&signature.digest, Some(&app.digest)));
        assert_eq!(companion.name, Some(tag(&app, ".sig")));
    }
}
