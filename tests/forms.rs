//! What is given as a layout, a bundle or a root and has another form: trees of links, archives of other tools, archives that
//! are cut. What can be read is read, and everything else is named in one line.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use assay_fixtures::archive;
use assay_tests::program::{self, Finished};
use assay_tests::published::{GOOD, Published, reference};

const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");
const ASSAY: &str = env!("CARGO_BIN_EXE_collector-under-test");

/// A signed image in `store`, its signature in `bundle`, and a trust directory.
fn published() -> Published {
    let mut published = Published::new(AGENT);
    published.image("team/app", &[GOOD]);
    published.write();
    published.images.write(&published.path("store")).unwrap();
    published
}

/// What the agent makes of `path` as a store: one line in the report, and nothing judged.
fn refused(published: &Published, path: &Path) -> String {
    let done = published.verify(&format!("layout:{}", path.display()), &[]).expect_code(3);
    let report = done.report();
    assert_eq!((report.images.len(), report.coverage.unreadable.len()), (0, 1), "{}", done.stderr);
    report.coverage.unreadable[0].why.clone()
}

fn passed(published: &Published, path: &Path) {
    let report = published.verify(&format!("layout:{}", path.display()), &[]).expect_code(0).report();
    assert_eq!(report.images[0].references, [reference("team/app")]);
    assert_eq!((report.images[0].content.checked, report.images[0].content.absent), (3, 0));
}

fn list(path: &Path) -> Finished {
    program::run(ASSAY, [Path::new("bundle"), Path::new("list"), path])
}

fn slim(path: &Path, out: &Path) -> Finished {
    program::run(ASSAY, [Path::new("bundle"), Path::new("slim"), path, Path::new("--out"), out])
}

/// Every file of `from` as a link in `to`, absolute as Bazel makes them; the files that `kept` names are copied.
fn tree_of_links(from: &Path, to: &Path, kept: &[&str]) {
    let mut files = archive::Files::new();
    archive::read_files(from, from, &mut files).unwrap();
    for name in files.keys() {
        let link = to.join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        if kept.contains(&name.as_str()) {
            fs::copy(from.join(name), link).unwrap();
        } else {
            symlink(from.join(name), link).unwrap();
        }
    }
}

/// The blobs of a layout may be behind links, one by one or all at once.
#[test]
fn blobs_behind_links_are_read() {
    let published = published();
    let (store, tree, shared) = (published.path("store"), published.path("tree"), published.path("shared"));
    tree_of_links(&store, &tree, &["oci-layout", "index.json"]);
    fs::create_dir(&shared).unwrap();
    for name in ["oci-layout", "index.json"] {
        fs::copy(store.join(name), shared.join(name)).unwrap();
    }
    symlink("../store/blobs", shared.join("blobs")).unwrap();
    for path in [&tree, &shared] {
        passed(&published, path);
        let _ = list(path).expect_code(0);
        let _ = slim(path, &published.path("slim")).expect_code(0);
        assert!(published.path("slim/index.json").is_file());
        fs::remove_dir_all(published.path("slim")).unwrap();
    }
    // what a link leads to is another blob
    let wrong = tree.join("blobs/sha256").read_dir().unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&wrong).unwrap();
    symlink("/etc/passwd", &wrong).unwrap();
    let done = published.verify(&format!("layout:{}", tree.display()), &[]);
    assert_ne!(done.code, Some(0));
    assert!(done.report().images.iter().all(|image| image.reason.is_some()));
}

/// What is not checked by a digest is never read from outside, and one line says so.
#[test]
fn documents_behind_links_that_lead_out_are_refused_once() {
    let published = published();
    let store = published.path("store");
    for (number, document) in ["oci-layout", "index.json"].into_iter().enumerate() {
        let tree = published.path(&format!("tree-{number}"));
        let kept = ["oci-layout", "index.json"].map(|name| if name == document { "" } else { name });
        tree_of_links(&store, &tree, &kept);
        let why = refused(&published, &tree);
        assert!(why.contains(document) && why.contains(&store.join(document).display().to_string()), "{why}");
        let _ = list(&tree).expect_code(2);
        // the cure
        let copy = published.path(&format!("copy-{number}"));
        let _ = program::run("cp", [Path::new("-rL"), &tree, &copy]).expect_code(0);
        passed(&published, &copy);
    }
    // a copy without what its links led to
    let (tree, copy) = (published.path("tree-0"), published.path("dangling"));
    fs::rename(&store, published.path("moved")).unwrap();
    let _ = program::run("cp", [Path::new("-r"), &tree, &copy]).expect_code(0);
    let _ = refused(&published, &copy);
}

/// What a bundle has beside its layout: a document or a CRL that is not in it, and a whole folder.
#[test]
fn a_bundle_brings_what_is_in_it() {
    let published = published();
    let store = format!("layout:{}", published.path("store").display());
    let bundle = published.path("bundle");
    let _ = slim(&bundle, &published.path("made")).expect_code(0);
    let made = published.path("made");
    let verify = |bundle: &Path| {
        let trust = published.path("trust");
        assay_tests::published::verify(
            Path::new(AGENT),
            &store,
            &trust,
            bundle,
            &["--at", assay_tests::published::AT],
        )
    };
    // as Kubernetes mounts it
    let mount = published.path("mount");
    fs::create_dir(&mount).unwrap();
    fs::rename(&made, mount.join("..2026")).unwrap();
    symlink("..2026", mount.join("..data")).unwrap();
    for name in ["oci-layout", "index.json", "bundle.json", "blobs"] {
        symlink(Path::new("..data").join(name), mount.join(name)).unwrap();
    }
    let _ = verify(&mount).expect_code(0);
    let _ = list(&mount).expect_code(0);
    // out of it
    let other = published.path("other");
    for name in ["bundle.json", "crls", "crls/one.crl"] {
        let _ = program::run("cp", [Path::new("-rL"), &mount, &other]).expect_code(0);
        fs::remove_dir_all(other.join("..2026")).unwrap();
        fs::remove_dir_all(other.join("..data")).unwrap();
        let _ = verify(&other).expect_code(0);
        let _ = fs::remove_file(other.join(name));
        fs::create_dir_all(other.join(name).parent().unwrap()).unwrap();
        symlink("/etc", other.join(name)).unwrap();
        let _ = verify(&other).expect_code(2);
        assert_ne!(list(&other).code, Some(0), "{name}");
        fs::remove_dir_all(&other).unwrap();
    }
}
