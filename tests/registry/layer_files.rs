//! Lists of layers' files: bundles are made with them from a live registry, say what is missing, and keep them when they are merged
//! and slimmed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_fixtures::archive::gzip;
use assay_fixtures::image::{Image, linux};
use assay_report::bundle::{BundleManifest, Completeness, GapKind};
use assay_tests::http::Server;
use assay_tests::program::{Finished, finish};
use assay_tests::published::{AT, GOOD, Published, reference};
use assay_tests::registry::{Registry, answer};
use assay_verifier::oci::{Digest, media_type};
use serde_json::{Value, json};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// An image of two platforms in a registry.
struct Live {
    published: Published,
    registry: Registry,
    layers: Vec<Digest>,
}

impl Live {
    fn new() -> Self {
        let registry = Registry::debian("");
        let mut published = Published::new(AGENT);
        let platforms =
            ["amd64", "arm64"].map(|of| Image::of_text(linux(of), "app", of).add_to(&mut published.images));
        let layers = platforms.iter().flat_map(|platform| published.images.layers(platform));
        let layers = layers.map(|layer| layer.digest).collect();
        let index = published.images.add_index(false, &platforms);
        published.publish("team/app", &index, &[GOOD]);
        published.write();
        published.push("team/app", &registry);
        Self { published, registry, layers }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.published.path(name)
    }

    fn assay(&self, arguments: &[&str]) -> Finished {
        assay(&self.published, arguments)
    }

    fn create(&self, out: &str, more: &[&str]) -> Finished {
        let (image, host) = (reference("team/app"), self.registry.host());
        let first = ["bundle", "create", "--image", &image, "--from", &host, "--plain-http", &host];
        self.assay(&[&first, &["--retries", "0", "--out", out][..], more].concat())
    }

    fn document(&self, bundle: &str) -> BundleManifest {
        let opened = assay::bundle::Opened::open(&self.path(bundle)).unwrap();
        opened.check_files().unwrap();
        opened.document().unwrap().clone()
    }

    /// The layers whose files a bundle lists.
    fn listed(&self, bundle: &str) -> Vec<Digest> {
        self.document(bundle).layer_files.into_iter().map(|files| files.layer).collect()
    }

    /// Where the registry keeps a blob.
    fn stored(&self, digest: &Digest) -> PathBuf {
        let folder = self.registry.storage().join("docker/registry/v2/blobs/sha256");
        folder.join(&digest.hex()[..2]).join(digest.hex()).join("data")
    }
}

/// Runs the collector in the publisher's folder.
fn assay(published: &Published, arguments: &[&str]) -> Finished {
    let mut command = Command::new(ASSAY);
    command.args(arguments).current_dir(published.path(""));
    finish(command.env("NO_PROXY", "127.0.0.1").env("DOCKER_CONFIG", published.path("none")))
}

/// How many layers of each image have no list, as `assay bundle check` says; none if it says nothing.
fn unlisted(published: &Published, bundle: &str) -> Vec<Option<u64>> {
    let both = ["bundle", "check", "bundle", bundle, "--trust", "trust", "--at", AT, "--format", "json"];
    let check: Value = serde_json::from_slice(&assay(published, &both).stdout).unwrap();
    check["images"].as_array().unwrap().iter().map(|image| image["unlisted_layers"].as_u64()).collect()
}

fn sorted(mut digests: Vec<Digest>) -> Vec<Digest> {
    digests.sort();
    digests.dedup();
    digests
}

#[test]
fn lists_are_made_once_and_kept() {
    let live = Live::new();
    let all = sorted(live.layers.clone());
    let _ = live.create("lists.tar", &["--rootfs"]).expect_code(0);
    assert_eq!(live.listed("lists.tar"), all);
    // equal layers give equal bytes
    let _ = live.create("again.tar", &["--rootfs"]).expect_code(0);
    assert_eq!(fs::read(live.path("lists.tar")).unwrap(), fs::read(live.path("again.tar")).unwrap());
    let _ = live.assay(&["bundle", "diff", "lists.tar", "again.tar"]).expect_code(0);

    let _ = live.create("plain.tar", &[]).expect_code(0);
    assert_eq!(live.listed("plain.tar"), []);
    let difference = live.assay(&["bundle", "diff", "plain.tar", "lists.tar", "--format", "json"]);
    let difference: Value = serde_json::from_slice(&difference.expect_code(1).stdout).unwrap();
    let kinds = difference["changes"].as_array().unwrap().iter().map(|change| change["kind"].clone());
    assert_eq!(kinds.collect::<Vec<_>>(), vec![Value::from("layer-files"); all.len()]);

    let list = live.assay(&["bundle", "list", "lists.tar", "--format", "json"]).expect_code(0);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list[0]["layer_files"].as_array().unwrap().len(), all.len());

    for (out, from) in [
        ("slim.tar", &["bundle", "slim", "lists.tar"][..]),
        ("merged.tar", &["bundle", "merge", "plain.tar", "lists.tar"]),
        ("twice.tar", &["bundle", "merge", "lists.tar", "again.tar"]),
    ] {
        let _ = live.assay(&[from, &["--out", out]].concat()).expect_code(0);
        assert_eq!(live.listed(out), all, "{out}");
    }
    // an agent reads lists in any order, and from a compressed archive it cannot
    for out in ["lists.tar.gz", "lists.tar.zst"] {
        let _ = live.create(out, &["--rootfs"]).expect_code(2);
        let _ = live.assay(&["bundle", "slim", "lists.tar", "--out", out]).expect_code(2);
        assert!(!live.path(out).exists(), "{out}");
    }
}

#[test]
fn a_layer_that_cannot_be_listed_is_a_gap_and_the_next_run_goes_on() {
    let live = Live::new();
    let all = sorted(live.layers.clone());
    let lost = live.stored(&all[0]);
    let bytes = fs::read(&lost).unwrap();
    let damaged = [&bytes[..bytes.len() - 1], &[bytes[bytes.len() - 1] ^ 1]].concat();
    for damage in [None, Some(&damaged)] {
        match damage {
            None => fs::remove_file(&lost).unwrap(),
            Some(damaged) => fs::write(&lost, damaged).unwrap(),
        }
        let _ = live.create("site.tar", &["--rootfs"]).expect_code(3);
        assert!(!live.path("site.tar").exists());
    }
    let _ = live.create("gaps.tar", &["--rootfs", "--allow-gaps"]).expect_code(3);
    let document = live.document("gaps.tar");
    assert_eq!(document.completeness, Completeness::GapsAccepted);
    let gaps: Vec<_> = document.gaps.iter().map(|gap| (gap.kind, gap.what.as_str())).collect();
    assert_eq!(gaps, [(GapKind::LayerFiles, all[0].as_str())]);
    assert_eq!(live.listed("gaps.tar"), all[1..]);
    let check = |bundle: &str| unlisted(&live.published, bundle).into_iter().max().unwrap();
    assert_eq!(check("gaps.tar"), Some(1));

    fs::write(&lost, &bytes).unwrap();
    // the lists that are there already are not made again
    for layer in &all[1..] {
        fs::remove_file(live.stored(layer)).unwrap();
    }
    let _ = live.create("site.tar", &["--rootfs"]).expect_code(0);
    assert_eq!(live.listed("site.tar"), all);
    assert!(!Path::new(&live.path("site.tar.partial")).exists());
    assert_eq!(check("site.tar"), Some(0));
    // A count that was not taken is absent, not zero.
    let _ = live.create("plain.tar", &[]).expect_code(0);
    assert_eq!(check("plain.tar"), None);
    let _ = live.assay(&["bundle", "merge", "gaps.tar", "site.tar", "--out", "merged.tar"]).expect_code(0);
    assert_eq!(live.document("merged.tar").completeness, Completeness::Complete);
}

#[test]
fn bundles_that_list_a_layer_differently_are_not_merged() {
    let live = Live::new();
    let _ = live.create("one", &["--rootfs"]).expect_code(0);
    let _ = live.create("other", &["--rootfs"]).expect_code(0);
    let merge = || live.assay(&["bundle", "merge", "one", "other", "--out", "merged.tar"]);
    let document = live.path("other/bundle.json");
    let original = fs::read(&document).unwrap();
    for (member, value) in [("entries", Value::from(7)), ("diff_id", Value::from(live.layers[0].as_str()))] {
        let mut changed: Value = serde_json::from_slice(&original).unwrap();
        changed["layer_files"][0][member] = value;
        fs::write(&document, changed.to_string()).unwrap();
        let _ = merge().expect_code(2);
        assert!(!live.path("merged.tar").exists());
    }
    fs::write(&document, original).unwrap();
    let _ = merge().expect_code(0);
}

#[test]
fn lists_are_made_of_the_layers_in_a_layout() {
    let live = Live::new();
    let all = sorted(live.layers.clone());
    let _ = live.create("created.tar", &["--rootfs"]).expect_code(0);
    let created = live.document("created.tar").layer_files;
    live.published.images.write(&live.path("layout")).unwrap();
    fs::write(live.path("layout.tar"), live.published.images.tar()).unwrap();
    let slim = |from: &str, out: &str, more: &[&str]| {
        let _ = live.assay(&[&["bundle", "slim", from, "--out", out], more].concat()).expect_code(0);
        live.document(out)
    };
    for (from, out) in [("layout", "slim.tar"), ("layout.tar", "of-tar.tar"), ("slim.tar", "again.tar")] {
        let document = slim(from, out, &["--rootfs"]);
        assert_eq!(
            (document.completeness, &document.layer_files),
            (Completeness::Complete, &created),
            "{from}"
        );
    }
    assert_eq!(slim("layout", "plain.tar", &[]).layer_files, []);
    assert_eq!(unlisted(&live.published, "slim.tar"), [Some(0)]);

    // what is not there, or not what the manifest says, is a gap
    let layer = live.path("layout/blobs/sha256").join(all[0].hex());
    let bytes = fs::read(&layer).unwrap();
    for damage in [Some(&bytes[1..]), None] {
        match damage {
            Some(bytes) => fs::write(&layer, bytes).unwrap(),
            None => fs::remove_file(&layer).unwrap(),
        }
        let document = slim("layout", "gaps.tar", &["--rootfs"]);
        let gaps: Vec<_> = document.gaps.iter().map(|gap| (gap.kind, gap.what.as_str())).collect();
        assert_eq!(gaps, [(GapKind::LayerFiles, all[0].as_str())]);
        assert_eq!(document.completeness, Completeness::GapsAccepted);
        assert_eq!(live.listed("gaps.tar"), all[1..]);
        assert_eq!(unlisted(&live.published, "gaps.tar"), [Some(1)]);
        fs::remove_file(live.path("gaps.tar")).unwrap();
    }
}

#[test]
fn a_chart_has_no_layers_to_list() {
    let mut published = Published::new(AGENT);
    let image = Image::of_text(linux("amd64"), "app", "app").add_to(&mut published.images);
    let config =
        published.images.add("application/vnd.cncf.helm.config.v1+json", br#"{"name":"chart"}"#.to_vec());
    let content = published.images.add("application/vnd.cncf.helm.chart.content.v1.tar+gzip", gzip(b"chart"));
    let chart = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [content] });
    let chart = published.images.add(media_type::OCI_MANIFEST, chart.to_string().into_bytes());
    published.publish("team/app", &image, &[GOOD]);
    published.publish("team/chart", &chart, &[GOOD]);
    published.write();
    let (layout, root) = (published.images.clone(), image.digest.clone());
    let server = Server::start(move |request| Some(answer(&layout, &root, 100, request)));
    let host = server.host();
    let chart = format!("registry.example.test/team/chart@{}", chart.digest);
    let image = reference("team/app");
    let create = [
        "bundle",
        "create",
        "--rootfs",
        "--image",
        &image,
        "--image",
        &chart,
        "--from",
        &host,
        "--plain-http",
        &host,
    ];
    let _ = assay(&published, &[&create[..], &["--out", "lists.tar"]].concat()).expect_code(0);
    assert_eq!(unlisted(&published, "lists.tar"), [Some(0), Some(0)]);
}
