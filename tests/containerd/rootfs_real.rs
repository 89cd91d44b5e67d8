//! Real root file systems, as Debian's packages and the tools that make layers have them: nothing is found where nothing was changed,
//! on overlayfs and with the native snapshotter, and with the files of containers in user namespaces.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use assay_fixtures::image::linux_here;
use assay_judge::store::members::{Compression, decompressed};
use assay_report::RootfsResult;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::on_each_release;
use assay_tests::packages::not_run;
use assay_tests::published::{GOOD, Published, reference};
use assay_verifier::oci::{Descriptor, Digest, media_type};
use serde_json::json;

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

on_each_release! {
    real_root_file_systems_have_no_differences,
    real_root_file_systems_of_user_namespaces_have_no_differences,
}

/// The layers of a root file system, the lowest first, each packed in its way.
struct Root {
    name: String,
    layers: Vec<PathBuf>,
}

/// What `tests/interop/roots.sh` has made; none, with a word about it, if it could not.
fn roots() -> Option<Vec<Root>> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tests/roots");
    let folder = std::env::var_os("ROOTS").map_or(made, PathBuf::from);
    if !folder.join(".made-1").is_file() {
        not_run("real root file systems. tests/interop/roots.sh makes them; ROOTS names their folder.");
        return None;
    }
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    };
    let root = |name: String| {
        let folder = folder.join(&name);
        Root { layers: names(&folder).iter().map(|layer| folder.join(layer)).collect(), name }
    };
    let roots: Vec<Root> = names(&folder).into_iter().map(root).collect();
    assert!(roots.len() >= 60, "{} root file systems", roots.len());
    Some(roots)
}

/// Publishes the roots, and gives their targets in their order.
fn publish(published: &mut Published, roots: &[&Root]) -> Vec<Descriptor> {
    let publish = |root: &&Root| {
        let images = &mut published.images;
        let mut diff_ids = Vec::new();
        let mut layers = Vec::new();
        for path in &root.layers {
            let bytes = fs::read(path).unwrap();
            let tar = plain(&bytes);
            diff_ids.push(Digest::sha256(&tar));
            let ending = match path.extension().unwrap().to_str().unwrap() {
                "gz" => "+gzip",
                "zst" => "+zstd",
                _ => "",
            };
            layers.push(images.add(&format!("application/vnd.oci.image.layer.v1.tar{ending}"), bytes));
        }
        let platform = linux_here();
        let config = json!({
            "architecture": platform.architecture,
            "os": platform.os,
            "config": { "Entrypoint": ["/bin/tool"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = images.add("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers }).to_string();
        let mut target = images.add(media_type::OCI_MANIFEST, manifest.into_bytes());
        target.platform = Some(platform);
        published.publish(&format!("roots/{}", root.name), &target, &[GOOD]);
        target
    };
    roots.iter().map(publish).collect()
}

/// A containerd that has the images and unpacks them with that snapshotter.
fn containerd_with(published: &Published, release: Release, snapshotter: &str) -> Containerd {
    let containerd = Containerd::of(release);
    containerd.import(KUBERNETES, &published.images);
    let default = format!("containerd.io/defaults/snapshotter={snapshotter}");
    let _ = containerd.ctr(["namespaces", "label", KUBERNETES, &default]).expect_code(0);
    containerd
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    let compression = Compression::detect(bytes).unwrap();
    let _ = decompressed(bytes, compression).read_to_end(&mut tar).unwrap();
    tar
}

fn real_root_file_systems_have_no_differences(release: Release) {
    let Some(roots) = roots() else { return };
    for snapshotter in ["overlayfs", "native"] {
        let mut published = Published::new(AGENT);
        // natively each snapshot has all files of those below
        let is_wanted = |root: &&Root| snapshotter == "overlayfs" || !root.is_large();
        let roots: Vec<&Root> = roots.iter().filter(is_wanted).collect();
        let targets = publish(&mut published, &roots);
        published.write();
        let containerd = containerd_with(&published, release, snapshotter);
        for (target, root) in targets.iter().zip(&roots) {
            let done = containerd.ctr(["snapshots", "unpack", target.digest.as_str()]);
            assert_eq!(done.code, Some(0), "{}: {}", root.name, done.stderr);
        }
        let store = if snapshotter == "overlayfs" { containerd.store() } else { containerd.root_store() };
        let report = published.verify(&store, &["--rootfs", "all", "--content", "metadata"]).report();
        assert_eq!(report.images.len(), roots.len());
        for image in &report.images {
            let rootfs = image.rootfs.as_ref().unwrap();
            let (name, result) = (&image.references, rootfs.result);
            assert_eq!(result, Some(RootfsResult::Passed), "{name:?} with {snapshotter}: {rootfs:#?}");
            assert!(rootfs.files > 5, "{name:?}: {rootfs:?}");
        }
    }
}

impl Root {
    fn is_large(&self) -> bool {
        let size = |layer: &PathBuf| fs::metadata(layer).unwrap().len();
        self.layers.iter().map(size).sum::<u64>() > 8 << 20
    }
}

/// Containers in user namespaces run on copies in which every file has another owner.
fn real_root_file_systems_of_user_namespaces_have_no_differences(release: Release) {
    let Some(roots) = roots() else { return };
    let kinds = ["kinds-posix", "kinds-zstd", "package-bash", "package-perl-base", "stacked-gnu", "umoci"];
    for snapshotter in ["overlayfs", "native"] {
        let roots: Vec<&Root> = roots.iter().filter(|root| kinds.contains(&&*root.name)).collect();
        assert!(roots.len() >= 5);
        let mut published = Published::new(AGENT);
        let targets = publish(&mut published, &roots);
        published.write();
        let containerd = containerd_with(&published, release, snapshotter);
        for (target, root) in targets.iter().zip(&roots) {
            let _ = containerd.ctr(["snapshots", "unpack", target.digest.as_str()]).expect_code(0);
            let image = reference(&format!("roots/{}", root.name));
            let id = format!("mapped-{snapshotter}-{}", root.name);
            let map = ["--uidmap", "0:100000:4000100000", "--gidmap", "0:100000:4000100000"];
            // Without user namespaces in the kernel the container does not run, but it exists, with its snapshot.
            let _ = containerd.ctr(["run", "--detach", map[0], map[1], map[2], map[3], &image, &id]);
        }
        let report =
            published.verify(&containerd.store(), &["--rootfs", "in-use", "--content", "metadata"]).report();
        assert_eq!(report.images.iter().filter(|image| !image.in_use.is_empty()).count(), roots.len());
        for image in &report.images {
            let rootfs = image.rootfs.as_ref().unwrap();
            let (name, result) = (&image.references, rootfs.result);
            assert_eq!(result, Some(RootfsResult::Passed), "{name:?} with {snapshotter}: {rootfs:#?}");
        }
    }
}
