//! The agent as its users run it, on layouts made on the fly. What needs a containerd is tested in `tests/`.

#![expect(clippy::disallowed_methods, reason = "tests write scratch folders")]

mod job;
mod support;

use std::fs::File;

use assay_report::{List, Status, Via, check_size};
use assay_verifier::limits;
use assay_verifier::notary;
use assay_verifier::oci::{Descriptor, Digest, media_type};
use support::{AT, Layout, Site, here, policy};

const APP: &str = "registry.example.test/team/app:v1";

/// A layout with one signed image.
fn signed(site: &Site) -> (Layout, Descriptor) {
    let layout = site.layout("store");
    let image = layout.named(APP);
    site.sign(&layout, &image);
    (layout, image)
}

fn overwrite(layout: &Layout, digest: &Digest) {
    let path = layout.blob_path(digest);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// The config's and the layer's digest of an image of one layer.
fn content(layout: &Layout, image: &Digest) -> (Digest, Digest) {
    let manifest = std::fs::read(layout.blob_path(image)).unwrap();
    let manifest = assay_verifier::oci::Manifest::parse(&manifest).unwrap();
    (manifest.config.unwrap().digest, manifest.layers[0].digest.clone())
}

#[test]
fn a_signed_image_passes_and_an_unsigned_one_does_not() {
    let site = Site::new();
    let (layout, _) = signed(&site);
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!((run.exit, run.outcome().as_str()), (0, "passed"));
    let report = run.report();
    assert_eq!(report.images[0].platforms, [here()]);
    assert_eq!((report.images[0].content.checked, report.images[0].content.absent), (3, 0));
    assert_eq!(report.images[0].signatures[0].signer.as_deref(), Some("O=Acme,ST=WA,C=US,CN=Signer"));

    layout.named("registry.example.test/team/other:v1");
    let run = site.verify(&["--store", &layout.store()]);
    let outcomes = run.outcomes();
    assert_eq!((run.exit, outcomes.len()), (1, 2));
    assert_eq!(outcomes["registry.example.test/team/other:v1"], "failed no-signature");
    assert_eq!(outcomes[APP], "passed");
}

#[test]
fn a_layout_is_the_same_in_every_packing() {
    let site = Site::new();
    let (layout, _) = signed(&site);
    layout.named("registry.example.test/team/other:v1");
    // This layer is too large to be kept in memory from a compressed layout.
    let large = layout.image(&"x".repeat(300_000), here());
    layout.list(&large, Some("registry.example.test/team/large:v1"));
    site.sign(&layout, &large);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all(".", &layout.path).unwrap();
    let tar = tar.into_inner().unwrap();
    std::fs::write(site.path("plain"), &tar).unwrap();
    let mut gzip =
        flate2::write::GzEncoder::new(File::create(site.path("gzip")).unwrap(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &tar).unwrap();
    gzip.finish().unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(&tar[..], ruzstd::encoding::CompressionLevel::Fastest);
    std::fs::write(site.path("zstd"), zstd).unwrap();

    let directory = site.verify(&["--store", &layout.store()]);
    assert_eq!((directory.exit, directory.outcomes().len()), (1, 3));
    for packing in ["plain", "gzip", "zstd"] {
        let run = site.verify(&["--store", &format!("layout:{packing}")]);
        let (report, expected) = (run.report(), directory.report());
        assert_eq!(report.images, expected.images, "{packing}");
        assert_eq!(report.coverage, expected.coverage, "{packing}");
    }
}

#[test]
fn equal_input_and_time_give_equal_bytes() {
    let site = Site::new();
    let (layout, _) = signed(&site);
    layout.named("registry.example.test/team/other:v1");
    let args = ["--store", &layout.store(), "--jobs", "4", "--run-id", "r1"];
    let first = site.verify(&args);
    assert_eq!(site.verify(&args).stdout, first.stdout);
    assert_eq!(first.stdout.iter().filter(|&&byte| byte == b'\n').count(), 1);
    let report = first.report();
    assert_eq!((report.run.id.as_str(), report.run.finished), ("r1", report.run.verified_at));
}

#[test]
fn a_wrong_byte_is_found_wherever_it_is() {
    // What is changed, and the verdict under each --content.
    for (what, full, metadata, none) in [
        ("layer", "failed content-mismatch", "passed", "passed"),
        ("config", "failed content-mismatch", "failed content-mismatch", "passed"),
        // The search for signatures reads the manifests of a layout under every --content.
        ("manifest", "failed content-mismatch", "failed content-mismatch", "failed content-mismatch"),
    ] {
        let site = Site::new();
        let (layout, image) = signed(&site);
        let (config, layer) = content(&layout, &image.digest);
        let changed = match what {
            "layer" => layer,
            "config" => config,
            _ => image.digest,
        };
        overwrite(&layout, &changed);
        for (mode, expected) in [("full", full), ("metadata", metadata), ("none", none)] {
            let run = site.verify(&["--store", &layout.store(), "--content", mode]);
            assert_eq!(run.outcome(), expected, "{what}, --content {mode}");
            let mismatched = run.report().images[0].content.mismatched.clone();
            let is_named = mismatched.iter().any(|one| one.digest == changed);
            assert_eq!(is_named, mode != "none" && expected != "passed");
        }
    }
}

#[test]
fn absent_layers_are_counted_and_absent_metadata_cannot_be_judged() {
    let site = Site::new();
    let (layout, image) = signed(&site);
    let (config, layer) = content(&layout, &image.digest);
    let store = layout.store();
    let absent = |digest: &Digest| std::fs::remove_file(layout.blob_path(digest)).unwrap();
    absent(&layer);
    let run = site.verify(&["--store", &store]);
    assert_eq!((run.exit, run.outcome().as_str()), (0, "passed"));
    assert_eq!(run.report().images[0].content.absent, 1);
    absent(&config);
    let run = site.verify(&["--store", &store]);
    assert_eq!((run.exit, run.outcome().as_str()), (3, "inconclusive unreadable"));
    absent(&image.digest);
    let run = site.verify(&["--store", &store]);
    assert_eq!((run.exit, run.outcome().as_str()), (3, "inconclusive unreadable"));
    let run = site.verify(&["--store", &store, "--content", "none"]);
    assert_eq!((run.exit, run.outcome().as_str()), (0, "passed"));
}

#[test]
fn a_layout_may_lack_platforms_but_not_all() {
    let site = Site::new();
    let layout = site.layout("store");
    let (own, other) = (layout.image("own", here()), layout.image("other", "zos/s390x"));
    let index = layout.index(&[(&own, here()), (&other, "zos/s390x")]);
    layout.list(&index, Some(APP));
    site.sign(&layout, &index);
    let verify = || site.verify(&["--store", &layout.store()]);
    assert_eq!(verify().report().images[0].platforms, [here(), "zos/s390x"]);
    std::fs::remove_file(layout.blob_path(&other.digest)).unwrap();
    assert_eq!(verify().outcome(), "passed");
    assert_eq!(verify().report().images[0].platforms, [here()]);
    std::fs::remove_file(layout.blob_path(&own.digest)).unwrap();
    assert_eq!(verify().outcome(), "inconclusive unreadable");
}

#[test]
fn signatures_come_from_bundles_and_need_no_image_there() {
    let site = Site::new();
    let layout = site.layout("store");
    let image = layout.named(APP);
    let bundle = site.layout("bundle");
    let signature = site.sign(&bundle, &image);
    assert_eq!(site.verify(&["--store", &layout.store()]).outcome(), "failed no-signature");
    let run = site.verify(&["--store", &layout.store(), "--signatures", "bundle"]);
    assert_eq!((run.exit, run.outcome().as_str()), (0, "passed"));
    let report = run.report();
    assert_eq!(report.images[0].signatures[0].digest, signature.digest);
    assert_eq!(report.images[0].signatures[0].source, "bundle");
    assert_eq!((report.inputs.bundles.len(), report.inputs.bundles[0].signatures), (1, 1));
}

#[test]
fn a_fallback_tag_lists_signatures_and_is_not_an_image() {
    let site = Site::new();
    let layout = site.layout("store");
    let image = layout.named(APP);
    let bundle = site.layout("elsewhere");
    let signature = site.sign(&bundle, &image);
    for blob in std::fs::read_dir(bundle.path.join("blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        std::fs::copy(blob.path(), layout.path.join("blobs/sha256").join(blob.file_name())).unwrap();
    }
    let listing = layout.index(&[(&signature, "unknown/unknown")]);
    layout.list(&listing, Some(&format!("sha256-{}", image.digest.hex())));
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!((run.exit, run.outcome().as_str()), (0, "passed"));
    // The tag alone does not make it a listing of signatures.
    let real = layout.image("in disguise", here());
    let disguised = layout.index(&[(&real, here())]);
    layout.list(&disguised, Some(&format!("sha256-{}", disguised.digest.hex())));
    assert_eq!(site.verify(&["--store", &layout.store()]).outcomes().len(), 2);
}

#[test]
fn a_parent_and_platforms_count_if_the_operator_accepts_them() {
    let site = Site::new();
    let layout = site.layout("store");
    let (own, other) = (layout.image("own", here()), layout.image("other", "plan9/mips"));
    let index = layout.index(&[(&own, here()), (&other, "plan9/mips")]);
    // the node has the platform's manifest by name, and the bundle has the signed index
    layout.list(&own, Some(APP));
    let bundle = site.layout("bundle");
    std::fs::copy(layout.blob_path(&index.digest), bundle.blob_path(&index.digest)).unwrap();
    bundle.list(&index, None);
    site.sign(&bundle, &index);
    let args = ["--store", &layout.store(), "--signatures", "bundle"];
    let run = site.verify(&args);
    assert_eq!((run.exit, run.outcome().as_str()), (1, "failed no-signature"));
    assert!(run.report().images[0].hint.as_ref().unwrap().contains("parent-index"));
    let wrong = site.verify(&[&args[..], &["--accept", "platform-manifest"]].concat());
    assert_eq!(wrong.outcome(), "failed no-signature");
    let run = site.verify(&[&args[..], &["--accept", "parent-index"]].concat());
    assert_eq!((run.exit, run.report().images[0].via), (0, Some(Via::ParentIndex)));
    // an index that is not what its digest says lists nothing
    overwrite(&bundle, &index.digest);
    let run = site.verify(&[&args[..], &["--accept", "parent-index"]].concat());
    assert_eq!(run.outcome(), "failed no-signature");
}

#[test]
fn platforms_count_only_if_every_one_on_the_node_is_signed() {
    let site = Site::new();
    let layout = site.layout("store");
    let (own, other) = (layout.image("own", here()), layout.image("other", "plan9/mips"));
    let index = layout.index(&[(&own, here()), (&other, "plan9/mips")]);
    layout.list(&index, Some(APP));
    site.sign(&layout, &own);
    let accept = || site.verify(&["--store", &layout.store(), "--accept", "platform-manifest"]);
    assert_eq!(accept().outcome(), "failed no-signature");
    let hint = site.verify(&["--store", &layout.store()]).report().images[0].hint.clone();
    assert!(hint.unwrap().contains("platform-manifest"));
    std::fs::remove_file(layout.blob_path(&other.digest)).unwrap();
    let run = accept();
    assert_eq!((run.exit, run.report().images[0].via), (0, Some(Via::PlatformManifest)));
}

/// The `index.json` of a layout whose entries other readers understand differently is nobody's list of images.
#[test]
fn a_listing_that_containerd_reads_otherwise_does_not_count() {
    let other = Digest::sha256(b"other");
    for more in [
        format!(r#""Digest":"{other}""#),
        format!(r#""DIGE\u017fT":"{other}""#),
        r#""Size":1"#.to_owned(),
        r#""MediaType":"m""#.to_owned(),
        r#""Annotations":{}"#.to_owned(),
        r#""size":7"#.to_owned(),
        r#""x":1,"x":2"#.to_owned(),
        r#""annotations":{"io.containerd.image.name":"a","io.containerd.image.name":"b"}"#.to_owned(),
    ] {
        let site = Site::new();
        let (layout, _) = signed(&site);
        let index = layout.path.join("index.json");
        let sound = std::fs::read_to_string(&index).unwrap();
        std::fs::write(&index, sound.replace(r#","size":"#, &format!(r#",{more},"size":"#))).unwrap();
        let run = site.verify(&["--store", &layout.store()]);
        let report = run.report();
        assert_eq!((run.exit, report.images.len(), report.coverage.unreadable.len()), (3, 0, 1), "{more}");
        // And a bundle that cannot be used.
        std::fs::write(&index, &sound).unwrap();
        let bundle = site.layout("bundle");
        let listing = format!(r#"{{"manifests":[],"Manifests":[],{more}}}"#);
        std::fs::write(bundle.path.join("index.json"), listing).unwrap();
        assert_eq!(site.verify(&["--store", &layout.store(), "--signatures", "bundle"]).exit, 2, "{more}");
    }
}

#[test]
fn a_document_that_containerd_reads_otherwise_does_not_pass() {
    let site = Site::new();
    let layout = site.layout("store");
    let [image, other] = ["one", "other"].map(|layer| layout.image(layer, here()));
    let text = |digest: &Digest| std::fs::read_to_string(layout.blob_path(digest)).unwrap();
    let named = |name: &str, document: &str| {
        let document = layout.blob(media_type::OCI_MANIFEST, document.as_bytes());
        layout.list(&document, Some(&format!("registry.example.test/team/{name}:v1")));
        site.sign(&layout, &document);
    };
    let (manifest, other_manifest) = (text(&image.digest), text(&other.digest));
    let (config, _) = content(&layout, &image.digest);
    let more = |document: &str, more: &str| document.replacen('{', &format!("{{{more},"), 1);
    let real = other_manifest.split_once("\"config\":").unwrap().1.split_inclusive('}').next().unwrap();
    let empty = layout.blob(media_type::OCI_EMPTY, b"{}");
    named("sound", &more(&manifest, r#""x":{}"#));
    named("config", &more(&manifest, &format!(r#""Config":{real}"#)));
    named("layers", &more(&manifest, r#""layer\u017f":[]"#));
    named("twice", &more(&manifest, r#""y":1,"y":2"#));
    // It claims to refer to another image, and it is an image itself.
    let empty = serde_json::to_string(&empty).unwrap();
    let subject = serde_json::to_string(&image).unwrap();
    named("referrer", &format!(r#"{{"subject":{subject},"config":{empty},"Config":{real},"layers":[]}}"#));
    // Only the config is there.
    for (name, member) in [
        ("rootfs", r#""RootFS":{"diff_ids":[]}"#),
        ("diff_ids", r#""rootfs":{"diff_ids":[],"Diff_IDs":[]}"#),
        ("os", r#""OS":"plan9""#),
        ("entrypoint", r#""config":{"entrypoint":["/other"]}"#),
        ("environment", r#""config":{"Env":[],"Env":[]}"#),
    ] {
        let bytes = more(&text(&config), member);
        let changed = layout.blob("application/vnd.oci.image.config.v1+json", bytes.as_bytes());
        let (from, to) = (manifest.find("\"config\":").unwrap(), manifest.find(",\"layers\"").unwrap());
        let config = format!("\"config\":{}", serde_json::to_string(&changed).unwrap());
        named(name, &manifest.replace(&manifest[from..to], &config));
    }
    let run = site.verify(&["--store", &layout.store(), "--content", "metadata"]);
    let outcomes = run.outcomes();
    assert_eq!(outcomes.len(), 10);
    for (name, outcome) in outcomes {
        let name = name.trim_start_matches("registry.example.test/team/").trim_end_matches(":v1");
        let expected = match name {
            "sound" => "passed",
            "config" | "layers" | "twice" | "referrer" => "failed unreadable",
            _ => "inconclusive unreadable",
        };
        assert_eq!(outcome, expected, "{name}");
    }
}

#[test]
fn an_index_that_containerd_reads_otherwise_lists_nothing() {
    let site = Site::new();
    let layout = site.layout("store");
    let [image, other] = ["one", "other"].map(|layer| layout.image(layer, here()));
    site.sign(&layout, &image);
    let entries = |image| format!("[{}]", serde_json::to_string(image).unwrap());
    let (signed, unsigned) = (entries(&image), entries(&other));
    let index = layout.blob(
        media_type::OCI_INDEX,
        format!(r#"{{"schemaVersion":2,"manifests":{signed},"Manifests":{unsigned}}}"#).as_bytes(),
    );
    layout.list(&index, Some(APP));
    let run = site.verify(&["--store", &layout.store(), "--accept", "platform-manifest"]);
    assert_eq!((run.exit, run.outcome().as_str()), (1, "failed unreadable"));
}

/// A named image has a row whatever its manifest says that it is, as long as something could run it: its layers may be unpacked
/// already, under another image's name.
#[test]
fn what_could_be_run_has_a_row_whatever_it_claims_to_be() {
    let site = Site::new();
    let (layout, image) = signed(&site);
    let (config, layer) = content(&layout, &image.digest);
    let with_type = |digest: &Digest, media_type: &str| {
        let size = std::fs::metadata(layout.blob_path(digest)).unwrap().len();
        Descriptor::new(media_type, digest.clone(), size)
    };
    for (name, artifact_type, config_type, layer_type) in [
        (
            "signature",
            notary::media_type::SIGNATURE,
            notary::media_type::SIGNATURE,
            notary::media_type::JWS_ENVELOPE,
        ),
        ("empty", notary::media_type::SIGNATURE, media_type::OCI_EMPTY, notary::media_type::COSE_ENVELOPE),
        ("artifact", "application/vnd.example", "application/vnd.example", "text/plain"),
    ] {
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "artifactType": artifact_type,
            "config": with_type(&config, config_type),
            "layers": [with_type(&layer, layer_type)],
            "subject": image,
        });
        let manifest = layout.blob(media_type::OCI_MANIFEST, manifest.to_string().as_bytes());
        layout.list(&manifest, Some(&format!("registry.example.test/team/{name}:v1")));
    }
    let outcomes = site.verify(&["--store", &layout.store()]).outcomes();
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
    assert_eq!(outcomes.values().filter(|outcome| *outcome == "failed no-signature").count(), 3);
}

#[test]
fn one_bad_signature_never_hides_another() {
    let site = Site::new();
    let layout = site.layout("store");
    let image = layout.named(APP);
    let altered = layout.signature(&site.envelope(&layout.image("another", here())), &image);
    let missing = layout.signature(b"an envelope that is taken away", &image);
    let (_, envelope) = content(&layout, &missing.digest);
    std::fs::remove_file(layout.blob_path(&envelope)).unwrap();
    layout.list(&Descriptor { size: 1, ..altered.clone() }, None);
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!(run.outcome(), "failed descriptor-mismatch");
    assert_eq!(run.report().images[0].signatures.len(), 2);
    site.sign(&layout, &image);
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!((run.exit, run.outcome().as_str()), (0, "passed"));
    assert_eq!(run.report().images[0].signatures.len(), 3);
}

#[test]
fn signatures_are_tried_up_to_the_limit() {
    for (bad, expected) in
        [(limits::SIGNATURES_PER_IMAGE - 1, "passed"), (limits::SIGNATURES_PER_IMAGE, "failed limit")]
    {
        let site = Site::new();
        let layout = site.layout("store");
        let image = layout.named(APP);
        for number in 0..bad {
            layout.signature(format!("no envelope {number}").as_bytes(), &image);
        }
        site.sign(&layout, &image);
        assert_eq!(site.verify(&["--store", &layout.store()]).outcome(), expected);
    }
}

#[test]
fn an_image_passes_under_the_statement_of_each_of_its_repositories() {
    let site = Site::new();
    let (layout, image) = signed(&site);
    let other = "registry.example.test/other/app:v1";
    layout.list(&image, Some(other));
    let app = "registry.example.test/team/app";
    site.trust(&policy(&[("app", app, "strict")]));
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!((run.exit, run.outcome().as_str()), (1, "failed policy"));
    site.trust(&policy(&[("app", app, "strict"), ("rest", "*", "permissive")]));
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!((run.exit, run.outcome().as_str()), (0, "passed"));
    let report = run.report();
    assert_eq!(report.images[0].policy.as_deref(), Some("app,rest"));
    assert_eq!(report.images[0].signatures.len(), 2);
    // An image that is skipped for one repository is judged for the other.
    site.trust(&policy(&[("app", app, "skip"), ("rest", "*", "strict")]));
    overwrite(&layout, &content(&layout, &report.images[0].signatures[0].digest).1);
    assert_eq!(site.verify(&["--store", &layout.store()]).outcome(), "failed integrity");
}

#[test]
fn what_policy_skips_is_skipped_and_nothing_else() {
    let site = Site::new();
    let layout = site.layout("store");
    layout.named(APP);
    site.trust(&policy(&[("none", "*", "skip")]));
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!((run.exit, run.outcome().as_str()), (0, "skipped"));
    assert_eq!(run.report().images[0].content.checked, 0);
    site.trust("{");
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!((run.exit, run.outcome().as_str()), (1, "failed policy"));
}

#[test]
fn images_are_selected_and_an_unknown_one_is_refused() {
    let site = Site::new();
    let (layout, image) = signed(&site);
    layout.named("registry.example.test/team/other:v1");
    let store = layout.store();
    for wanted in [APP, image.digest.as_str()] {
        let run = site.verify(&["--store", &store, "--image", wanted]);
        assert_eq!((run.exit, run.outcome().as_str()), (0, "passed"), "{wanted}");
        assert_eq!(run.report().coverage.images, 2);
    }
    let run = site.verify(&["--store", &store, "--image", "registry.example.test/team/none:v1"]);
    assert_eq!((run.exit, run.stdout.len()), (2, 0));
}

#[test]
fn a_store_that_is_not_there_is_incomplete_and_says_so_in_a_report() {
    let site = Site::new();
    for store in ["containerd:nowhere/containerd.sock", "layout:nowhere"] {
        let run = site.verify(&["--store", store]);
        assert_eq!(run.exit, 3, "{store}");
        let report = run.report();
        assert!(report.images.is_empty() && !run.stderr.is_empty());
        assert_eq!(report.coverage.unreadable[0].what, store);
    }
    let empty = site.layout("empty");
    let run = site.verify(&["--store", &empty.store()]);
    assert_eq!((run.exit, run.report().images.len()), (3, 0));
}

#[test]
fn usage_and_configuration_are_told_apart_from_verdicts() {
    let site = Site::new();
    let (layout, _) = signed(&site);
    let store = layout.store();
    let verify = |args: &[&str]| site.run(&[&["verify", "--store", &store], args].concat());
    for args in [
        &["--trust", "nowhere"][..],
        &["--trust", "."],
        &["--trust", "trust", "--signatures", "trust"],
        &["--trust", "trust", "--signatures", "nowhere"],
        &["--trust", "trust", "--rootfs", "all"],
        &["--trust", "trust", "--namespace", "k8s.io"],
        &["--trust", "trust", "--output", "nowhere/report.json"],
        &["--trust", "trust", "--at", "now"],
        &[],
    ] {
        let run = verify(args);
        assert_eq!((run.exit, run.stdout.len()), (2, 0), "{args:?}");
        assert!(!run.stderr.is_empty());
    }
}

#[test]
fn the_report_goes_to_a_file() {
    let site = Site::new();
    let (layout, _) = signed(&site);
    let to_stdout = site.verify(&["--store", &layout.store()]);
    let to_file = || {
        let run = site.verify(&["--store", &layout.store(), "--output", "report.json"]);
        assert_eq!((run.exit, run.stdout.len()), (0, 0));
        assert!(std::fs::read(site.path("report.json")).unwrap() == to_stdout.stdout);
    };
    to_file();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let permissions = PermissionsExt::from_mode(0o640);
        std::fs::set_permissions(site.path("report.json"), permissions).unwrap();
        to_file();
        assert_eq!(site.path("report.json").metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn only_a_file_is_replaced_by_the_report() {
    let site = Site::new();
    let (layout, _) = signed(&site);
    let to_stdout = site.verify(&["--store", &layout.store()]);
    std::os::unix::fs::symlink("/dev/stdout", site.path("report.json")).unwrap();
    for (output, reaches_stdout) in [("/dev/stdout", true), ("report.json", true), ("/dev/null", false)] {
        let run = site.verify(&["--store", &layout.store(), "--output", output]);
        assert_eq!(run.exit, 0, "{}", run.stderr);
        assert!(run.stdout == if reaches_stdout { &to_stdout.stdout[..] } else { b"" }, "{output}");
    }
    assert!(site.path("report.json").is_symlink() && std::path::Path::new("/dev/stdout").is_symlink());
    assert!(!std::path::Path::new("/dev/null").is_file());
}

#[test]
fn the_lists_of_the_procedure_are_written() {
    let site = Site::new();
    let (layout, _) = signed(&site);
    layout.named("registry.example.test/team/other:v1");
    let run = site.verify(&["--store", &layout.store(), "--format", "procedure"]);
    let expected = format!(
        "{{\n    \"failed_signed_images\": [\n        \"registry.example.test/team/other:v1\"\n    ],\n    \
         \"passed_signed_images\": [\n        \"{APP}\"\n    ]\n}}"
    );
    assert_eq!((run.exit, String::from_utf8(run.stdout).unwrap()), (1, expected));
}

#[test]
fn names_of_others_reach_no_terminal_as_commands() {
    let site = Site::new();
    let layout = site.layout("store");
    layout.named("registry.example.test/team/\u{1b}[2Japp:v1");
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!(run.exit, 1);
    assert!(!run.stderr.contains('\u{1b}'));
}

#[test]
fn names_of_others_give_no_ci_system_a_command() {
    let site = Site::new();
    let layout = site.layout("store");
    let name = "##vso[task.complete result=Succeeded]\n::error::x\n ##teamcity[x]:v1";
    layout.named(name);
    let is_inert =
        |text: &str| !text.contains("##") && !text.lines().any(|line| line.trim_start().starts_with("::"));
    let place = layout.store();
    let not_known = ["--image", "##vso[x]"];
    for args in [
        &["verify", "--trust", "trust", "--store", &place][..],
        &["verify", "--trust", "trust", "--store", &place, "--format", "procedure"],
        &["verify", "--trust", "trust", "--store", &place, not_known[0], not_known[1]],
        &["verify", "--trust", "##vso[x]"],
        &["verify", "--accept", "\n::error::##vso[x]"],
        &["inventory", "--store", &place],
        &["inventory", "--store", &place, "--format", "json"],
        &["inspect", "##vso[x]"],
    ] {
        let run = site.run(args);
        let stdout = String::from_utf8(run.stdout).unwrap();
        assert!(is_inert(&stdout), "{args:?}: {stdout}");
        assert!(is_inert(&run.stderr), "{args:?}: {}", run.stderr);
    }
    let run = site.verify(&["--store", &place]);
    assert_eq!(run.report().images[0].references, [name], "nothing is lost");
}

#[test]
fn unreadable_signatures_leave_an_image_unjudged() {
    let site = Site::new();
    let (layout, image) = signed(&site);
    let signature =
        site.verify(&["--store", &layout.store()]).report().images[0].signatures[0].digest.clone();
    // A folder stands in place of the blob. Not even root can read that as a file.
    let make_unreadable = |digest: &Digest| {
        std::fs::remove_file(layout.blob_path(digest)).unwrap();
        std::fs::create_dir(layout.blob_path(digest)).unwrap();
    };
    let (_, envelope) = content(&layout, &signature);
    make_unreadable(&envelope);
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!((run.exit, run.outcome().as_str()), (3, "inconclusive unreadable"));
    assert_eq!(run.report().images[0].signatures[0].status, Status::Inconclusive);
    make_unreadable(&signature);
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!((run.exit, run.outcome().as_str()), (3, "inconclusive unreadable"));
    assert_eq!(run.report().coverage.unreadable.len(), 1);
    site.sign(&layout, &image);
    let run = site.verify(&["--store", &layout.store()]);
    assert_eq!(run.outcome(), "passed");
}

#[test]
fn inventory_inspect_and_version_write_text_and_json() {
    let site = Site::new();
    let (layout, image) = signed(&site);
    let run = site.run(&["inventory", "--store", &layout.store(), "--format", "json"]);
    let inventory: assay_report::Inventory = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!((run.exit, inventory.images.len()), (0, 1));
    assert_eq!((&inventory.images[0].digest, &inventory.images[0].references[0][..]), (&image.digest, APP));
    assert!(site.run(&["inventory", "--store", &layout.store()]).stdout.starts_with(b"IMAGE"));

    let run = site.run(&["inspect", &layout.store(), "--format", "json"]);
    let inspection: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let envelope = &inspection["signatures"][0]["envelope"];
    assert_eq!((run.exit, envelope["intact"].as_bool()), (0, Some(true)));
    assert_eq!(envelope["target"]["digest"].as_str(), Some(image.digest.as_str()));
    std::fs::write(site.path("envelope"), site.envelope(&image)).unwrap();
    assert_eq!(site.run(&["inspect", "envelope"]).exit, 0);
    assert_eq!(site.run(&["inspect", "trust/trustpolicy.json"]).exit, 2);

    let version = site.run(&["version", "--format", "json"]);
    let version: assay_report::Agent = serde_json::from_slice(&version.stdout).unwrap();
    assert_eq!(version.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(AT.len(), 20);
}

/// Whatever images and signatures hold, the report is within the bounds that it is read with, and nobody else's row suffers.
#[test]
fn what_one_image_holds_costs_no_other_its_row() {
    let site = Site::new();
    let (layout, good) = signed(&site);
    // one platform that is two million commas
    let config = format!(r#"{{"os":"\"[{}","architecture":"{}"}}"#, ",".repeat(2_100_000), "\u{202e}");
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[]}}"#,
        media_type::OCI_MANIFEST,
        serde_json::to_string(&layout.blob("application/vnd.oci.image.config.v1+json", config.as_bytes()))
            .unwrap()
    );
    let commas = layout.blob(media_type::OCI_MANIFEST, manifest.as_bytes());
    layout.list(&commas, Some("registry.example.test/team/commas:v1"));
    // One digest has two media types, and one of them reverses the reading order.
    let twice = Descriptor { media_type: "application/vnd.oci\u{202e}".into(), ..good.clone() };
    layout.list(&twice, Some("registry.example.test/team/twice:v1\u{1b}[2J"));
    // The envelope has such a type, and there are more signatures than a report has rows.
    let many = layout.named("registry.example.test/team/many:v1");
    let envelope = layout.blob("application/jose+json\u{202e}", b"{}");
    let signatures = limits::REPORT_SIGNATURES + 7;
    let config = layout.blob(notary::media_type::SIGNATURE, b"{}");
    let listed = (0..signatures).map(|number| {
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [envelope],
            "subject": many, "annotations": {"number": number.to_string()},
        });
        layout.blob(media_type::OCI_MANIFEST, manifest.to_string().as_bytes())
    });
    let listed: Vec<Descriptor> = listed.collect();
    let listed: Vec<(&Descriptor, &str)> = listed.iter().map(|one| (one, "unknown/unknown")).collect();
    layout.list(&layout.index(&listed), Some(&format!("sha256-{}", many.digest.hex())));

    let run = site.verify(&["--store", &layout.store(), "--evidence"]);
    assert_eq!(check_size(&run.stdout), Ok(()));
    let report = run.report();
    let mut bounded = report.clone();
    bounded.bound();
    assert!(bounded == report, "{}", run.stderr);
    assert_eq!((run.exit, report.images.len()), (1, 4));
    let outcomes = run.outcomes();
    assert_eq!(outcomes[APP], "passed");
    assert_eq!(outcomes["registry.example.test/team/commas:v1"], "failed no-signature");
    assert_eq!(outcomes["registry.example.test/team/twice:v1\\u{1b}[2J"], "failed no-signature");
    assert_eq!(outcomes["registry.example.test/team/many:v1"], "failed limit");
    let of_many = report.images.iter().find(|image| image.digest == many.digest).unwrap();
    assert_eq!(of_many.signatures.len(), limits::REPORT_SIGNATURES);
    assert_eq!(of_many.omitted.count(List::Signatures), 7);
    assert!(report.carried.iter().any(|blob| blob.media_type == "application/jose+json\\u{202e}"));
}
