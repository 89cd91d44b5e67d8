//! The chain of custody of a container, on real containerds: every link proven for what is signed and untouched; and whatever
//! is changed, missing or unsigned breaks the link that it belongs to.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use assay_fixtures::demo::publisher::Signature;
use assay_fixtures::image::linux_here;
use assay_report::{ContainerUse, Custody, CustodyStep, DriftResult, LinkState, NodeReport, Status};
use assay_tests::containerd::{KUBERNETES, Release};
use assay_tests::kinds::{of_every_kind, run};
use assay_tests::on_each_release;
use assay_tests::program::{finish, verdict};
use assay_tests::published::{AT, GOOD, reference, sleeper};
use assay_verifier::oci::Descriptor;

use crate::rootfs::{Node, SNAPSHOTTERS, flip};

on_each_release! {
    every_link_of_what_is_signed_and_untouched_is_proven,
    an_index_is_a_link_however_it_is_accepted,
    a_changed_byte_breaks_the_snapshot_and_nothing_else,
    an_unsigned_image_breaks_at_its_signature,
    a_signer_who_is_not_trusted_breaks_the_root,
    a_snapshot_that_stands_on_another_is_broken,
    layers_that_were_discarded_prove_nothing,
    a_copy_for_a_user_namespace_is_a_part_of_the_chain,
    a_policy_that_only_logs_proves_no_root,
    a_root_that_is_mounted_on_other_folders_is_broken,
    a_root_whose_mounts_are_not_seen_is_not_proven,
    a_folder_over_a_snapshot_is_not_compared_in_its_place,
}

/// The containers of a report that have a chain.
fn chains(report: &NodeReport) -> Vec<(&ContainerUse, &Custody)> {
    let containers = report.images.iter().flat_map(|image| &image.in_use);
    containers.filter_map(|container| Some((container, container.custody.as_ref()?))).collect()
}

fn only(report: &NodeReport) -> &Custody {
    for image in &report.images {
        assert_eq!(image.custody_contradiction(), None);
    }
    let found = chains(report);
    let [(_, custody)] = &found[..] else { panic!("{found:#?}") };
    custody
}

/// A node that has one image, with these signatures.
fn sleeper_with(release: Release, signatures: &[Signature]) -> Node {
    let (node, _) = Node::publish(release, "overlayfs", |published| {
        let target = sleeper().add_to(&mut published.images);
        published.publish("team/sleeper", &target, signatures);
        vec![target]
    });
    node
}

/// The links that are not proven.
fn wrong(custody: &Custody) -> Vec<(CustodyStep, LinkState)> {
    let links = custody.links.iter().filter(|link| link.state != LinkState::Proven);
    links.map(|link| (link.step, link.state)).collect()
}

fn link(custody: &Custody, step: CustodyStep) -> (&str, &str) {
    let link = custody.links.iter().find(|link| link.step == step).unwrap();
    (&link.subject, &link.evidence)
}

fn every_link_of_what_is_signed_and_untouched_is_proven(release: Release) {
    for snapshotter in SNAPSHOTTERS {
        let (node, targets) = Node::new(release, snapshotter, &[("team/sleeper", sleeper())]);
        let arguments = ["run", "--detach", "--snapshotter", snapshotter, &reference("team/sleeper"), "main"];
        let _ = node.containerd.ctr(arguments).expect_code(0);
        for store in node.stores() {
            let report = node.verify(&store, "in-use", 0);
            let custody = only(&report);
            assert_eq!((wrong(custody), custody.broken), (Vec::new(), None), "{store}: {custody:#?}");
            use CustodyStep::{Container, Layers, Manifest, Root, Signature, Snapshot};
            let steps: Vec<CustodyStep> = custody.links.iter().map(|link| link.step).collect();
            assert_eq!(steps, [Container, Snapshot, Layers, Manifest, Signature, Root]);
            assert_eq!(link(custody, Container).0, "main");
            assert_eq!(link(custody, Snapshot).0, format!("{snapshotter}/main"));
            // Without the daemon, only an overlay shows whose root it is.
            let is_seen = snapshotter == "overlayfs" || store == node.containerd.store();
            let seen = link(custody, Snapshot).1.ends_with("its root is mounted on them");
            assert_eq!(seen, is_seen, "{custody:#?}");
            assert_eq!(link(custody, Manifest).0, targets[0].digest.as_str());
            let signature = &report.images[0].signatures[0];
            let root = signature.chain.last().unwrap();
            assert_eq!(link(custody, Signature).0, signature.digest.as_str());
            assert_eq!(link(custody, Root).0, root.subject);
            assert!(link(custody, Root).1.contains(&root.sha256), "{custody:#?}");
            assert!(
                report
                    .inputs
                    .trust_store
                    .iter()
                    .any(|one| { one.sha256 == root.sha256 && link(custody, Root).1.contains(&one.name) })
            );
        }
        // Chains are made only if snapshots are compared.
        let plain = node.published.verify(&node.containerd.store(), &[]).expect_code(0).report();
        assert!(chains(&plain).is_empty());
    }
}

fn an_index_is_a_link_however_it_is_accepted(release: Release) {
    use CustodyStep::{Index, Manifest, Signature};
    let publish = |accept: &str, names_index: bool, signs_index: bool| {
        let (mut index, mut manifest) = (None, None);
        let (node, _) = Node::publish(release, "overlayfs", |published| {
            let one = sleeper().add_to(&mut published.images);
            let list = published.images.add_index(
                false,
                std::slice::from_ref(&Descriptor { platform: Some(linux_here()), ..one.clone() }),
            );
            let signed = if signs_index { &list } else { &one };
            published.publish("team/signed", signed, &[GOOD]);
            let named = if names_index { &list } else { &one };
            published.images.name(named, &reference("team/sleeper"));
            (index, manifest) = (Some(list.clone()), Some(one.clone()));
            vec![named.clone()]
        });
        let _id = node.containerd.run(&reference("team/sleeper"), "main");
        let store = node.containerd.store();
        let accept: &[&str] = if accept.is_empty() { &[] } else { &["--accept", accept] };
        let report = node.published.verify(&store, &[&["--rootfs", "in-use"], accept].concat());
        let report = report.expect_code(0).report();
        let custody = only(&report).clone();
        assert!(custody.is_whole(), "{custody:#?}");
        (custody, index.unwrap().digest, manifest.unwrap().digest)
    };
    let (own, index, manifest) = publish("", true, true);
    assert_eq!((link(&own, Index).0, link(&own, Manifest).0), (index.as_str(), manifest.as_str()));
    let (of_parent, index, manifest) = publish("parent-index", false, true);
    assert_eq!(
        (link(&of_parent, Index).0, link(&of_parent, Manifest).0),
        (index.as_str(), manifest.as_str())
    );
    assert!(link(&of_parent, Signature).1.contains(index.as_str()));
    let (of_platform, index, manifest) = publish("platform-manifest", true, false);
    assert_eq!(
        (link(&of_platform, Index).0, link(&of_platform, Manifest).0),
        (index.as_str(), manifest.as_str())
    );
}

fn a_changed_byte_breaks_the_snapshot_and_nothing_else(release: Release) {
    let (node, _) = Node::new(release, "overlayfs", &[("team/sleeper", sleeper())]);
    let _id = node.containerd.run(&reference("team/sleeper"), "main");
    flip(&node.folder("sleeper").join("sleeper"));
    for store in node.stores() {
        let report = node.verify(&store, "in-use", 1);
        let custody = only(&report);
        assert_eq!(verdict(&report.images[0]), "failed/rootfs-mismatch");
        assert_eq!(wrong(custody), [(CustodyStep::Snapshot, LinkState::Broken)], "{custody:#?}");
        assert_eq!(custody.broken, Some(CustodyStep::Snapshot));
        assert!(link(custody, CustodyStep::Snapshot).1.starts_with("sleeper has sha256:"), "{custody:#?}");
    }
}

fn an_unsigned_image_breaks_at_its_signature(release: Release) {
    let node = sleeper_with(release, &[]);
    let _id = node.containerd.run(&reference("team/sleeper"), "main");
    let report = node.verify(&node.containerd.store(), "in-use", 1);
    let custody = only(&report);
    assert_eq!(verdict(&report.images[0]), "failed/no-signature");
    use CustodyStep::{Root, Signature as Signed};
    assert_eq!(wrong(custody), [(Signed, LinkState::Broken), (Root, LinkState::Unproven)]);
    assert_eq!(custody.broken, Some(Signed));
}

fn a_signer_who_is_not_trusted_breaks_the_root(release: Release) {
    let untrusted = Signature::OtherAuthority;
    let node = sleeper_with(release, &[untrusted]);
    let _id = node.containerd.run(&reference("team/sleeper"), "main");
    let report = node.verify(&node.containerd.store(), "in-use", 1);
    let custody = only(&report);
    assert_eq!(verdict(&report.images[0]), "failed/authenticity");
    use CustodyStep::{Root, Signature as Signed};
    assert_eq!(wrong(custody), [(Signed, LinkState::Unproven), (Root, LinkState::Broken)]);
    assert_eq!(custody.broken, Some(Root));
}

/// By the snapshotter's own records, which are what is mounted. containerd's say nothing of it.
fn a_snapshot_that_stands_on_another_is_broken(release: Release) {
    let (node, _) =
        Node::new(release, "overlayfs", &[("team/sleeper", sleeper()), ("team/app", of_every_kind())]);
    let _id = node.containerd.run(&reference("team/sleeper"), "main");
    let _ = only(&node.verify(&node.containerd.root_store(), "in-use", 0));
    let database = node.snapshots().with_file_name("metadata.db");
    let bytes = fs::read(&database).unwrap();
    let names = names_in(&bytes);
    // in the row of a snapshot, the name of its parent is behind this word
    let of = |at: usize| {
        let rest = bytes[at..].strip_prefix(b"parent")?;
        names.iter().find(|name| rest.starts_with(name))
    };
    let parents: Vec<(usize, &Vec<u8>)> =
        (0..bytes.len()).filter_map(|at| Some((at + b"parent".len(), of(at)?))).collect();
    let mut changed = bytes.clone();
    for (at, parent) in &parents {
        // one of another image if its name is as long, or one that is not there
        let other = names.iter().find(|name| name.len() == parent.len() && name != parent);
        let mut missing = (*parent).clone();
        *missing.last_mut().unwrap() = if missing.ends_with(b"0") { b'1' } else { b'0' };
        changed[*at..at + parent.len()].copy_from_slice(other.unwrap_or(&missing));
    }
    assert!(!parents.is_empty());
    fs::write(&database, changed).unwrap();
    let report = node.verify(&node.containerd.root_store(), "in-use", 1);
    let custody = only(&report);
    let image = report.images.iter().find(|image| !image.in_use.is_empty()).unwrap();
    assert_eq!(verdict(image), "failed/rootfs-mismatch");
    use CustodyStep::{Layers, Snapshot};
    assert_eq!(wrong(custody), [(Snapshot, LinkState::Broken), (Layers, LinkState::Unproven)]);
    assert_eq!(custody.broken, Some(Snapshot));
}

/// The names of committed snapshots in a snapshotter's database, such as `k8s.io/2/sha256:…`.
fn names_in(database: &[u8]) -> Vec<Vec<u8>> {
    const DIGEST: usize = 64;
    let prefix = format!("{KUBERNETES}/").into_bytes();
    let mut names: Vec<Vec<u8>> = (0..database.len() - prefix.len())
        .filter(|at| database[*at..].starts_with(&prefix))
        .filter_map(|at| {
            let rest = &database[at + prefix.len()..];
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let hex = rest[digits..].strip_prefix(b"/sha256:")?.get(..DIGEST)?;
            hex.iter()
                .all(u8::is_ascii_hexdigit)
                .then(|| database[at..at + prefix.len() + digits + b"/sha256:".len() + DIGEST].to_vec())
        })
        .collect();
    names.sort();
    names.dedup();
    assert!(names.len() >= 3);
    names
}

fn layers_that_were_discarded_prove_nothing(release: Release) {
    let (node, targets) = Node::new(release, "overlayfs", &[("team/sleeper", sleeper())]);
    let _id = node.containerd.run(&reference("team/sleeper"), "main");
    for layer in node.published.images.layers(&targets[0]) {
        let _ = node.containerd.ctr(["content", "rm", layer.digest.as_str()]).expect_code(0);
    }
    for store in node.stores() {
        let report = node.verify(&store, "in-use", 3);
        let custody = only(&report);
        use CustodyStep::{Layers, Snapshot};
        assert_eq!(wrong(custody), [(Snapshot, LinkState::Unproven), (Layers, LinkState::Unproven)]);
        assert_eq!(custody.broken, Some(Snapshot));
        assert!(link(custody, Layers).1.contains("discard_unpacked_layers"), "{custody:#?}");
    }
}

fn a_copy_for_a_user_namespace_is_a_part_of_the_chain(release: Release) {
    let (node, _) = Node::new(release, "overlayfs", &[("team/app", of_every_kind())]);
    let map = if release == Release::Debian { "0:100000:200000" } else { "0:100000:65536" };
    let image = reference("team/app");
    // Without user namespaces in the kernel the container does not run, but it exists, with its snapshot.
    let _ = node.containerd.ctr(["run", "--detach", "--uidmap", map, "--gidmap", map, &image, "mapped"]);
    // one of the same image that does not stand on the copy
    let _ = node.containerd.ctr(["containers", "create", &image, "plain"]).expect_code(0);
    let of = |report: &NodeReport, id: &str| {
        let found = chains(report).into_iter().find(|(container, _)| container.id == id);
        found.map(|(_, custody)| custody.clone()).unwrap()
    };
    let report = node.verify(&node.containerd.store(), "in-use", 0);
    assert!(of(&report, "mapped").is_whole() && of(&report, "plain").is_whole(), "{report:#?}");
    run("chown 0:0", &[&node.folder("bin/tool").join("bin/tool")]);
    let report = node.verify(&node.containerd.store(), "in-use", 1);
    assert_eq!(wrong(&of(&report, "mapped")), [(CustodyStep::Snapshot, LinkState::Broken)]);
    assert!(of(&report, "plain").is_whole());
    assert_eq!(report.images[0].custody_contradiction(), None);
}

/// At level `audit` an image passes whoever signed it. That proves no root, and the verdict stays.
fn a_policy_that_only_logs_proves_no_root(release: Release) {
    let untrusted = Signature::OtherAuthority;
    let node = sleeper_with(release, &[untrusted]);
    let _id = node.containerd.run(&reference("team/sleeper"), "main");
    let policy = node.published.path("trust").join("trustpolicy.json");
    let text = fs::read_to_string(&policy).unwrap().replace("\"strict\"", "\"audit\"");
    fs::write(&policy, text).unwrap();
    let report = node.verify(&node.containerd.store(), "in-use", 0);
    let custody = only(&report);
    assert_eq!(wrong(custody), [(CustodyStep::Root, LinkState::Unproven)], "{custody:#?}");
}

/// A node with a container that runs.
struct Running {
    node: Node,
    /// The container's root.
    root: PathBuf,
    /// The folder of its own snapshot.
    own: PathBuf,
    /// A folder that is none of its image's.
    other: PathBuf,
}

impl Running {
    fn new(release: Release) -> Self {
        let node = sleeper_with(release, &[GOOD]);
        let id = node.containerd.run(&reference("team/sleeper"), "main");
        let root = node.containerd.mounted(&id);
        let other = node.containerd.path("other");
        run("cp -a", &[&node.folder("sleeper"), &other]);
        let numbers = fs::read_dir(node.snapshots()).unwrap();
        let numbers =
            numbers.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u32>().unwrap());
        let own = node.snapshots().join(numbers.max().unwrap().to_string());
        Self { node, root, own, other }
    }

    /// Runs the agent where only it sees what `script` mounts.
    fn verify_after(&self, script: &str, more: &[&str], store: &str, code: i32) -> NodeReport {
        let Self { node, root, own, other } = self;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]).args(more).args(["sh", "-c"]);
        command.arg(format!("set -e; root=$1 own=$2 other=$3; shift 3; {script}; exec \"$@\"")).arg("sh");
        command.args([root, own, other]).arg(env!("CARGO_BIN_EXE_agent-under-test"));
        command.args(["verify", "--store", store, "--at", AT, "--rootfs", "in-use", "--drift", "report"]);
        command.arg("--trust").arg(node.published.path("trust"));
        command.arg("--signatures").arg(node.published.path("bundle"));
        finish(&mut command).expect_code(code).report()
    }
}

/// The snapshotter's records and its folders are as they should be, and the container's root is something else.
fn a_root_that_is_mounted_on_other_folders_is_broken(release: Release) {
    let running = Running::new(release);
    use CustodyStep::{Layers, Snapshot};
    for store in running.node.stores() {
        assert!(only(&running.verify_after("true", &[], &store, 0)).is_whole());
        let again = "mount -t overlay x -o lowerdir=$other,upperdir=$own/fs,workdir=$own/work \"$root\"";
        let report = running.verify_after(again, &[], &store, 1);
        assert_eq!(verdict(&report.images[0]), "failed/rootfs-mismatch");
        let custody = only(&report);
        assert_eq!(wrong(custody), [(Snapshot, LinkState::Broken), (Layers, LinkState::Unproven)]);
        assert!(link(custody, Snapshot).1.contains("/other instead of a mount of"), "{custody:#?}");
        let drift = report.images[0].in_use[0].drift.as_ref().unwrap();
        assert_eq!(drift.result, DriftResult::NotRun);
    }
}

/// A container runs, and neither its process nor its mounts are seen.
fn a_root_whose_mounts_are_not_seen_is_not_proven(release: Release) {
    let running = Running::new(release);
    use CustodyStep::{Layers, Snapshot};
    let hidden = "umount \"$root\"; mount -t proc proc /proc";
    let verify = |store: &str, code| running.verify_after(hidden, &["--pid", "--fork"], store, code);
    let report = verify(&running.node.containerd.store(), 3);
    assert_eq!(verdict(&report.images[0]), "inconclusive/unreadable");
    assert_eq!(wrong(only(&report)), [(Snapshot, LinkState::Unproven), (Layers, LinkState::Unproven)]);
    // it is not known whether it runs
    let report = verify(&running.node.containerd.root_store(), 0);
    assert!(link(only(&report), Snapshot).1.contains("no mount of them is seen"));
}

/// A folder of the same files lies over a snapshot that was changed, and the container still has what was changed.
fn a_folder_over_a_snapshot_is_not_compared_in_its_place(release: Release) {
    let running = Running::new(release);
    let changed = running.node.folder("sleeper");
    flip(&changed.join("sleeper"));
    let over = format!("mount --bind \"$other\" {}", changed.display());
    for store in running.node.stores() {
        let report = running.verify_after(&over, &[], &store, 3);
        assert_eq!(verdict(&report.images[0]), "inconclusive/unreadable");
        assert!(!only(&report).is_whole());
        assert_eq!(running.verify_after("true", &[], &store, 1).images[0].status, Status::Failed);
    }
}
