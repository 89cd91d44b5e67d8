//! Real root file systems, as Debian's packages and the tools that make layers have them: nothing is found where nothing was changed,
//! on overlayfs and with the native snapshotter, and with the files of containers in user namespaces.

use assay_report::RootfsResult;
use assay_tests::containerd::{Containerd, KUBERNETES, Release};
use assay_tests::on_each_release;
use assay_tests::published::{Published, reference};
use assay_tests::roots::{Root, publish, roots};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

on_each_release! {
    real_root_file_systems_have_no_differences,
    real_root_file_systems_of_user_namespaces_have_no_differences,
}

/// A containerd that has the images and unpacks them with that snapshotter.
fn containerd_with(published: &Published, release: Release, snapshotter: &str) -> Containerd {
    let containerd = Containerd::of(release);
    containerd.import(KUBERNETES, &published.images);
    let default = format!("containerd.io/defaults/snapshotter={snapshotter}");
    let _ = containerd.ctr(["namespaces", "label", KUBERNETES, &default]).expect_code(0);
    containerd
}

fn real_root_file_systems_have_no_differences(release: Release) {
    let Some(roots) = roots() else { return };
    for snapshotter in ["overlayfs", "native"] {
        let mut published = Published::new(AGENT);
        // natively each snapshot has all files of those below
        let is_wanted = |root: &&Root| snapshotter == "overlayfs" || root.size() <= 8 << 20;
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
