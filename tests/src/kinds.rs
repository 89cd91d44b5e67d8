//! Makes images with files of every kind, by the tools that keep all of a file.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use assay_fixtures::image::{Image, linux_here};

use crate::packages::program;
use crate::program::finish;

/// An image of two layers with every kind of file in it, and whiteouts.
///
/// # Panics
/// If a tool for it is not installed, or if this process is not root's.
pub fn of_every_kind() -> Image {
    let folder = tempfile::tempdir().expect("scratch folder");
    let root = folder.path();
    let path = |name: &str| root.join(name);
    for name in ["bin", "etc/deep/down", "old", "replaced"] {
        fs::create_dir_all(path(name)).expect("scratch folder");
    }
    for (name, text) in [
        ("bin/tool", "#!/bin/sh"),
        ("bin/setuid", "setuid"),
        ("bin/ping", "ping"),
        ("bin/linked", "linked"),
        ("etc/passwd", "root:x:0:0"),
        ("etc/deep/down/file", "deep"),
        ("old/hidden", "hidden"),
        ("replaced/a", "a"),
        ("etc/a name of its own \u{e9}\u{1}", "odd"),
    ] {
        fs::write(path(name), text).expect("scratch folder");
    }
    mode(&path("bin/tool"), 0o755);
    mode(&path("bin/setuid"), 0o4755);
    run("setcap cap_net_raw,cap_dac_override,cap_fowner+ep", &[&path("bin/ping")]);
    fs::hard_link(path("bin/linked"), path("bin/linked-too")).expect("scratch folder");
    symlink("tool", path("bin/link")).expect("scratch folder");
    run("mkfifo", &[&path("etc/fifo")]);
    run("mknod -m 666", &[&path("etc/null"), Path::new("c"), Path::new("1"), Path::new("3")]);
    run("chown 40000:30000", &[&path("etc/passwd")]);
    set_xattr(&path("etc/passwd"), "user.note", "noted");
    let long = "long/".repeat(30);
    fs::create_dir_all(path(&long)).expect("scratch folder");
    fs::write(path(&long).join("file"), "far").expect("scratch folder");
    let lower = tar_of(root);

    let mut upper = tar::Builder::new(Vec::new());
    for (name, text) in [
        (".wh.old", ""),
        ("replaced/.wh..wh..opq", ""),
        ("replaced/b", "b"),
        // These directories have no entry in this layer.
        ("etc/deep/down/more", "more"),
        ("etc/.wh.nothing", ""),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        upper.append_data(&mut header, name, text.as_bytes()).expect("a vector takes all");
    }
    image_of(vec![lower, upper.into_inner().expect("a vector takes all")])
}

/// An image of these layers, whose program is `/bin/tool`.
pub fn image_of(layers: Vec<Vec<u8>>) -> Image {
    Image { platform: linux_here(), docker: false, base: None, layers, entrypoint: "/bin/tool".into() }
}

/// A tar of what is in a folder, with everything that Linux keeps of files.
///
/// # Panics
/// If tar cannot read it.
pub fn tar_of(folder: &Path) -> Vec<u8> {
    let mut command = Command::new(program("tar", "tar"));
    command
        .args(["--xattrs", "--xattrs-include=*", "--format=posix", "--sort=name", "-C"])
        .arg(folder)
        .args(["-c", "."]);
    finish(&mut command).expect_code(0).stdout
}

/// Runs a tool, whose name and options are `command`, on these paths.
///
/// # Panics
/// If it fails.
pub fn run(command: &str, arguments: &[&Path]) {
    let mut words = command.split(' ');
    let name = words.next().expect("split gives one word at least");
    let mut command = Command::new(program(name, "coreutils libcap2-bin python3"));
    let done = finish(command.args(words).args(arguments));
    assert_eq!(done.code, Some(0), "{command:?}: {}", done.stderr);
}

/// Sets an extended attribute.
///
/// # Panics
/// If it cannot be set.
pub fn set_xattr(path: &Path, name: &str, value: &str) {
    let script =
        "import os, sys; os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode(), follow_symlinks=False)";
    let mut command = Command::new(program("python3", "python3"));
    let _ = finish(command.args(["-c", script]).arg(path).args([name, value])).expect_code(0);
}

/// Sets the permissions of a file.
///
/// # Panics
/// If they cannot be set.
pub fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the file is there");
}
