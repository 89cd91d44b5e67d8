//! Gives something else in place of a layout, a bundle or a root: trees of links, archives of other tools, archives that
//! are cut. What can be read is read, and everything else is named in one line.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use assay::bundle::{OpenProblem, Opened};
use assay_fixtures::archive;
use assay_judge::store::form::{StoreForm, Whole};
use assay_judge::store::layout::LayoutProblem;
use assay_judge::store::members::ArchiveError;
use assay_tests::packages;
use assay_tests::program::{self, Finished};
use assay_tests::published::{GOOD, Published, reference};
use assay_tests::registry::Registry;
use assay_verifier::file_form::{FileForm, Packer};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

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
        // This is what the message advises.
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
    // This link leads out of the folder.
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

/// Runs skopeo.
fn skopeo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) {
    let _ = program::run(packages::program("skopeo", "skopeo"), arguments).expect_code(0);
}

/// Runs GNU tar on the folder `from`.
fn tar(from: &Path, out: &Path, flags: &[&str], what: &str) {
    let mut command = Command::new("tar");
    command.arg("-C").arg(from).args(flags).arg("-cf").arg(out).arg(what);
    let _ = program::finish(&mut command).expect_code(0);
}

/// Why the collector does not open a layout. The agent's one line is the same.
#[track_caller]
fn problem(published: &Published, path: &Path) -> OpenProblem {
    let problem = Opened::open(path).err().unwrap().problem;
    assert_eq!(refused(published, path), format!("{}: {problem}", path.display()));
    problem
}

#[track_caller]
fn is_form(published: &Published, path: &Path, form: &StoreForm) {
    let problem = problem(published, path);
    assert!(
        matches!(&problem, OpenProblem::Layout(LayoutProblem::NoOciLayout(Some(found))) if found == form),
        "{problem:?}"
    );
}

/// What other tools save. Docker's own form is in no layout's, and in those of skopeo and Docker 25 there is one.
#[test]
fn what_other_tools_save_is_read_or_named() {
    let published = published();
    let path = |name: &str| published.path(name);
    let copy = |to: &str, name: &str, more: &str| {
        let from = format!("oci:{}:v1", path("store").display());
        skopeo(["copy", &from, &format!("{to}:{}{more}", path(name).display())]);
        path(name)
    };
    // of an image that has a name
    let again = copy("oci", "again", &format!(":{}", reference("team/app")));
    passed(&published, &again);
    passed(&published, &copy("oci-archive", "archive.tar", &format!(":{}", reference("team/app"))));

    let docker = copy("docker-archive", "docker.tar", ":app:v1");
    is_form(&published, &docker, &StoreForm::DockerArchive);
    fs::create_dir(path("docker")).unwrap();
    let _ = program::run(
        "tar",
        ["-C", &path("docker").display().to_string(), "-xf", &docker.display().to_string()],
    )
    .expect_code(0);
    is_form(&published, &path("docker"), &StoreForm::DockerArchive);
    // It is not carried.
    fs::write(path("site.toml"), "[[node]]\nname = \"node\"\naddress = \"192.0.2.1\"\n").unwrap();
    let mut run = Command::new(ASSAY);
    run.arg("run").arg("--site").arg(path("site.toml")).arg("--trust").arg(path("trust"));
    let done = program::finish(run.arg("--bundle").arg(&docker).arg("--out").arg(path("out"))).expect_code(2);
    assert!(done.stderr.contains(&docker.display().to_string()), "{}", done.stderr);
    // Docker 25 and later put the older documents beside a layout
    for name in ["manifest.json", "repositories"] {
        fs::copy(path("docker").join(name), again.join(name)).unwrap();
    }
    passed(&published, &again);
    tar(&again, &path("docker-25.tar"), &[], ".");
    passed(&published, &path("docker-25.tar"));

    let folder = copy("dir", "dir", "");
    is_form(&published, &folder, &StoreForm::DirTransport);
    // This is what the message advises.
    let from = format!("dir:{}", folder.display());
    let to = format!("oci:{}:{}", path("cured").display(), reference("team/app"));
    skopeo(["copy", "--all", "--preserve-digests", &from, &to]);
    passed(&published, &path("cured"));
}

/// A registry's own folder, Debian's.
#[test]
fn the_storage_of_a_registry_is_named() {
    let published = published();
    let registry = Registry::debian("");
    let from = format!("oci:{}:v1", published.path("store").display());
    skopeo(["copy", "--dest-tls-verify=false", &from, &format!("docker://{}/team/app:v1", registry.host())]);
    for folder in ["", "docker", "docker/registry", "docker/registry/v2"] {
        is_form(&published, &registry.storage().join(folder), &StoreForm::RegistryStorage);
    }
    tar(&registry.storage(), &published.path("registry.tar"), &[], ".");
    is_form(&published, &published.path("registry.tar"), &StoreForm::RegistryStorage);
}

/// A folder too far up or down, as a folder and as an archive.
#[test]
fn a_layout_that_is_near_is_named() {
    let published = published();
    let path = |name: &str| published.path(name);
    fs::create_dir(path("parent")).unwrap();
    fs::rename(path("store"), path("parent/store")).unwrap();
    let store = path("parent/store");
    is_form(&published, &path("parent"), &StoreForm::Above { folder: store.clone(), whole: Whole::Layout });
    for part in ["index.json", "blobs/sha256"] {
        is_form(
            &published,
            &store.join(part),
            &StoreForm::PartOf { folder: store.clone(), whole: Whole::Layout },
        );
    }
    for (name, flags, what, folder) in [
        ("plain.tar", &[][..], "store", "store"),
        ("dot.tar", &[], "./store", "store"),
        ("gzip.tar.gz", &["-z"], ".", "store"),
    ] {
        tar(&path("parent"), &path(name), flags, what);
        is_form(&published, &path(name), &StoreForm::Within { folder: folder.to_owned() });
    }
    // a package of zarf has one in it
    fs::write(path("parent/zarf.yaml"), "kind: ZarfPackageConfig").unwrap();
    fs::rename(&store, path("parent/images")).unwrap();
    is_form(&published, &path("parent"), &StoreForm::Zarf);
    tar(&path("parent"), &path("zarf.tar"), &[], ".");
    let zarf = compress_to_vec(&fs::read(path("zarf.tar")).unwrap()[..], CompressionLevel::Fastest);
    fs::write(path("zarf-package.tar.zst"), zarf).unwrap();
    is_form(&published, &path("zarf-package.tar.zst"), &StoreForm::Zarf);
    passed(&published, &path("parent/images"));

    // Only the blobs are there.
    for name in ["oci-layout", "index.json"] {
        fs::remove_file(path("parent/images").join(name)).unwrap();
    }
    for folder in ["parent/images", "parent/images/blobs/sha256"] {
        is_form(&published, &path(folder), &StoreForm::BlobsAlone);
    }
    tar(&path("parent/images"), &path("blobs.tar"), &[], "blobs");
    is_form(&published, &path("blobs.tar"), &StoreForm::BlobsAlone);
    fs::create_dir(path("empty")).unwrap();
    is_form(&published, &path("empty"), &StoreForm::Empty);
    tar(&path("empty"), &path("empty.tar"), &[], "--files-from=/dev/null");
    is_form(&published, &path("empty.tar"), &StoreForm::Empty);
}

#[test]
fn files_that_are_not_archives_are_called_by_their_name() {
    let published = published();
    let file = published.path("file");
    for (bytes, form) in [
        (&b""[..], FileForm::Empty),
        (b"\xfd7zXZ\0\0", FileForm::Packed(Packer::Xz)),
        (b"BZh91AY&SY", FileForm::Packed(Packer::Bzip2)),
        (b"PK\x03\x04\x14\0", FileForm::Packed(Packer::Zip)),
        (b"7z\xbc\xaf\x27\x1c\0\x04", FileForm::Packed(Packer::SevenZip)),
        (b"{\"schemaVersion\":2}", FileForm::Json),
        (b"<html>", FileForm::WebPage),
        (b"hello", FileForm::Text),
    ] {
        fs::write(&file, bytes).unwrap();
        let problem = problem(&published, &file);
        let is = |error: &ArchiveError| matches!(error, ArchiveError::NotAnArchive(found) if *found == form);
        assert!(
            matches!(&problem, OpenProblem::Layout(LayoutProblem::Archive(error)) if is(error)),
            "{problem:?}"
        );
    }
}

/// Holes are written down in four ways; none is taken for the file's content.
#[test]
fn sparse_members_are_refused() {
    let published = published();
    let (store, out) = (published.path("store"), published.path("sparse.tar"));
    let holes = fs::File::create(store.join("holes")).unwrap();
    holes.set_len(1 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&holes, b"end", 1 << 20).unwrap();
    for flags in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        tar(&store, &out, &[flags, &["--sparse"]].concat(), ".");
        let problem = problem(&published, &out);
        let is = matches!(&problem, OpenProblem::Layout(LayoutProblem::Archive(ArchiveError::Sparse { .. })));
        assert!(is, "{flags:?} {problem:?}");
        tar(&store, &out, &flags[..1], ".");
        passed(&published, &out);
    }
}

/// However much is left of an archive, it is never read as if it were all.
#[test]
fn archives_that_are_cut_say_where() {
    let published = published();
    let whole = published.images.tar();
    let cut = published.path("cut");
    let packed = [archive::gzip(&whole), compress_to_vec(&whole[..], CompressionLevel::Fastest)];
    for (kind, bytes) in [&[whole][..], &packed].concat().iter().enumerate() {
        // what is at the end of each is but the end of the tar
        for part in 1..10 {
            fs::write(&cut, &bytes[..bytes.len() * part / 12]).unwrap();
            let problem = problem(&published, &cut);
            let is =
                matches!(&problem, OpenProblem::Layout(LayoutProblem::Archive(ArchiveError::CutShort(_))));
            assert!(is, "{kind} {part} {problem:?}");
        }
    }
}
