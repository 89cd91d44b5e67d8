//! What the tests need beside cargo: Debian's packages, Rust's components, peers from PyPI and npm, and programs that come as Go
//! modules.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::schedule::{Problem, Result};
use super::{Job, Place};
use crate::target;

/// Debian's packages, each by a program that it brings.
const PACKAGES: &[(&str, &str)] = &[
    ("cc", "gcc"),
    ("cc", "libc6-dev"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("sshd", "openssh-server"),
    ("ssh-keygen", "openssh-client"),
    ("openssl", "openssl"),
    ("puttygen", "putty-tools"),
    ("chromium", "chromium"),
    ("unshare", "util-linux"),
    ("script", "bsdutils"),
    ("sudo", "sudo"),
    ("bsd-csh", "csh"),
    ("tcsh", "tcsh"),
    ("fish", "fish"),
    ("zsh", "zsh"),
    ("kubectl", "kubernetes-client"),
    ("docker-registry", "docker-registry"),
    ("skopeo", "skopeo"),
    ("podman", "podman"),
    ("buildah", "buildah"),
    ("umoci", "umoci"),
    ("mmdebstrap", "mmdebstrap"),
    ("mkfs.ext4", "e2fsprogs"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("bsdtar", "libarchive-tools"),
    ("setcap", "libcap2-bin"),
    ("zstd", "zstd"),
    ("setpriv", "util-linux"),
    ("nsenter", "util-linux"),
    ("ip", "iproute2"),
    ("ionice", "util-linux"),
    ("strace", "strace"),
    ("gzip", "gzip"),
    ("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64"),
    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    ("aarch64-linux-gnu-gcc", "libc6-dev-arm64-cross"),
    ("qemu-aarch64-static", "qemu-user-static"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
];

/// Programs of Python that read our reports and make variants of signatures.
const PYTHON: [&str; 7] = [
    "junitparser==5.0.3",
    "lxml==6.1.3",
    "cryptography==48.0.0",
    "jsonschema==4.26.0",
    "cyclonedx-python-lib[json-validation]==11.12.0",
    "oscal-bindings==0.3.1",
    "prometheus_client==0.26.0",
];

/// Programs of Node that read our reports.
const NODE: [&str; 4] = [
    "junit2json@4.0.0",
    "test-results-parser@0.4.6",
    "playwright-core@1.64.1",
    "@microsoft/jest-sarif@1.0.0-beta.0",
];

/// Installs what is missing of Debian's packages.
pub(super) fn packages(_: &Job<'_>) -> Result {
    let lacks = |program: &str| !target::is_there(program) && !Path::new("/usr/sbin").join(program).is_file();
    let mut missing: Vec<&str> =
        PACKAGES.iter().filter(|(program, _)| lacks(program)).map(|(_, package)| *package).collect();
    if !Path::new("/usr/lib/wine/wine64").is_file() {
        missing.push("wine64");
    }
    let mut venv = Command::new("python3");
    venv.args(["-c", "import ensurepip, venv"]).stderr(Stdio::null());
    if !venv.status().is_ok_and(|status| status.success()) {
        missing.push("python3-venv");
    }
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() { Ok(()) } else { target::install(&missing).map_err(Problem::Failed) }
}

/// Brings the components of Rust that check the sources.
pub(super) fn rust(job: &Job<'_>) -> Result {
    for component in ["fmt", "clippy"] {
        if job.run(&mut job.cargo(&[component, "--version"])?).is_err() {
            job.run(job.command("rustup")?.args(["component", "add", "rustfmt", "clippy"]))?;
        }
    }
    job.run(&mut job.cargo(&["--version"])?)
}

/// Installs what reads our reports and is not ours, and what makes variants of signatures.
pub(super) fn peers(job: &Job<'_>) -> Result {
    let Place { work, .. } = job.place;
    job.run(job.command("python3")?.args(["-m", "venv"]).arg(work.join("python")))?;
    let mut pip = job.command(work.join("python/bin/pip"))?;
    job.run(pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(PYTHON))?;
    let mut npm = job.command("npm")?;
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(work.join("node"));
    job.run(npm.args(NODE))?;
    job.run(python(job)?.arg("--version"))?;
    job.run(job.command("node")?.arg("--version"))
}

/// The Python that has [`peers`].
pub(super) fn python(job: &Job<'_>) -> std::io::Result<Command> {
    job.command(job.place.work.join("python/bin/python"))
}

/// A program that comes as a Go module, which a machine may not be able to fetch.
#[derive(Clone, Copy)]
pub(super) struct GoProgram {
    /// The environment variable that names it.
    pub(super) variable: &'static str,
    pub(super) name: &'static str,
    pub(super) module: &'static str,
    pub(super) version: &'static str,
    pub(super) package: &'static str,
}

impl GoProgram {
    /// Names the program to the tests: the one that the variable names, or the one that is installed, or one that is built.
    pub(super) fn provide(&self, job: &Job<'_>) -> Result {
        let Place { work, .. } = job.place;
        let Self { variable, name, module, version, package } = *self;
        if job.place.variable(variable).is_some() {
            return Ok(());
        }
        let built = work.join("bin").join(name);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let home = std::env::home_dir().unwrap_or_default().join("go/bin");
        let mut found = [work.join("bin")].into_iter().chain(std::env::split_paths(&path)).chain([home]);
        if let Some(folder) = found.find(|folder| folder.join(name).is_file()) {
            job.place.set_variable(variable, folder.join(name));
            return Ok(());
        }
        build(job, name, None, module, version, &built, &[package])?;
        job.place.set_variable(variable, built);
        Ok(())
    }
}

/// Builds packages of a module in a folder of that name; `main` is a program of ours that uses it, in place of one of its own.
///
/// Not with `go install`, which asks for the module's list of versions: some proxies refuse that.
fn build(
    job: &Job<'_>,
    folder: &str,
    main: Option<&str>,
    module: &str,
    version: &str,
    out: &Path,
    packages: &[&str],
) -> Result {
    let missing = |_| Problem::Missing("it cannot be built".to_owned());
    let Place { root, work, .. } = job.place;
    let folder = work.join(folder);
    fs::create_dir_all(&folder)?;
    if let Some(main) = main {
        fs::copy(root.join(main), folder.join("main.go"))?;
    }
    let go = |arguments: &[&str]| -> Result {
        let mut command = job.command("go")?;
        job.run(command.current_dir(&folder).env("CGO_ENABLED", "0").args(arguments)).map_err(missing)
    };
    if !folder.join("go.mod").is_file() {
        go(&["mod", "init", "program"])?;
    }
    go(&["mod", "edit", "-require", &format!("{module}@{version}")])?;
    let out = out.to_string_lossy();
    let packages: Vec<String> = match main {
        Some(_) => vec![".".to_owned()],
        None => packages.iter().map(|package| format!("{module}{package}")).collect(),
    };
    let mut arguments = vec!["build", "-mod=mod", "-o", &out];
    arguments.extend(packages.iter().map(String::as_str));
    go(&arguments)
}

/// containerd 2: the folder that `CONTAINERD2` names, or one that is built.
pub(super) fn containerd_2(job: &Job<'_>) -> Result {
    let Place { work, .. } = job.place;
    let folder = job.place.variable("CONTAINERD2").map(PathBuf::from);
    let folder = match folder {
        Some(folder) => folder,
        None => {
            let (folder, building) = (work.join("containerd-2/bin"), work.join("containerd-2/building"));
            if !folder.join("containerd").is_file() {
                // Half of an earlier build does not count.
                let _ = fs::remove_dir_all(&folder);
                fs::create_dir_all(&building)?;
                let packages = ["/cmd/containerd", "/cmd/ctr", "/cmd/containerd-shim-runc-v2"];
                let module = "github.com/containerd/containerd/v2";
                build(job, "containerd-2", None, module, "v2.2.0", &building, &packages)?;
                fs::rename(&building, &folder)?;
            }
            job.place.set_variable("CONTAINERD2", &folder);
            folder
        }
    };
    job.run(job.command(folder.join("containerd"))?.arg("--version"))
}

/// The programs of a Kubernetes cluster: the folder that `KUBERNETES` names, or one that is built. It takes minutes, once.
pub(super) fn kubernetes(job: &Job<'_>) -> Result {
    const VARIABLE: &str = "KUBERNETES";
    if job.place.variable(VARIABLE).is_some() {
        return Ok(());
    }
    let folder = job.place.work.join("kubernetes");
    let status = job.command("tests/interop/kubernetes/build.sh")?.arg(&folder).status()?;
    match status.code() {
        Some(0) => {
            job.place.set_variable(VARIABLE, folder.join("bin"));
            Ok(())
        }
        Some(2) => Err(Problem::Missing("its Go modules cannot be fetched".to_owned())),
        _ => Err(Problem::Failed(format!("tests/interop/kubernetes/build.sh: {status}"))),
    }
}

/// A registry with the referrers API, which Debian's lacks: named, or built.
pub(super) fn referrers_registry(job: &Job<'_>) -> Result {
    const VARIABLE: &str = "REFERRERS_REGISTRY";
    if job.place.variable(VARIABLE).is_some() {
        return Ok(());
    }
    let (module, main) = ("github.com/google/go-containerregistry", "tests/interop/registry/main.go");
    let built = job.place.work.join("bin/referrers-registry");
    build(job, "registry", Some(main), module, "v0.22.1", &built, &[])?;
    job.place.set_variable(VARIABLE, built);
    Ok(())
}

/// notation's own libraries behind a program that asks them many questions.
pub(super) fn libraries(job: &Job<'_>) -> Result {
    let (module, main) =
        ("github.com/notaryproject/notation", "tests/interop/differential/reference/main.go");
    build(job, "reference", Some(main), module, "v1.3.2", &reference(job.place), &[])
}

/// The program that [`libraries`] makes.
pub(super) fn reference(place: &Place) -> PathBuf {
    place.work.join("bin/reference")
}

/// Root file systems that layers were made of, kept for later runs.
pub(super) fn roots(job: &Job<'_>) -> Result {
    of_packages(job, "tests/interop/roots.sh", "roots", "ROOTS")
}

/// A node with a kernel of its own, kept for later runs.
pub(super) fn node_vm(job: &Job<'_>) -> Result {
    of_packages(job, "tests/interop/node-vm.sh", "node-vm", "NODE_VM")
}

/// What a script makes of Debian's packages in a folder, which the variable names to tests.
fn of_packages(job: &Job<'_>, script: &str, folder: &str, variable: &str) -> Result {
    let folder = job.place.work.join(folder);
    let status = job.command(script)?.arg(&folder).status()?;
    job.place.set_variable(variable, folder);
    match status.code() {
        Some(0) => Ok(()),
        Some(2) => Err(Problem::Missing("Debian's packages for it cannot be fetched".to_owned())),
        _ => Err(Problem::Failed(format!("{script}: {status}"))),
    }
}

/// cargo-deny: installed, or built, which takes minutes.
pub(super) fn deny(job: &Job<'_>) -> Result {
    if job.run(&mut job.cargo(&["deny", "--version"])?).is_ok() {
        return Ok(());
    }
    let mut install = job.command("nice")?;
    install.args(["-n", "19"]).arg(target::cargo());
    install.args(["install", "--quiet", "--locked", "cargo-deny@0.20.2", "--root"]).arg(&job.place.work);
    job.run(&mut install)
}

/// The log of a step so far.
pub(super) fn log(job: &Job<'_>, name: &str) -> std::io::Result<(PathBuf, File)> {
    let path = job.place.work.join(name);
    File::create(&path).map(|file| (path, file))
}
