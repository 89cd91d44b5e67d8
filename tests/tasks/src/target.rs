//! Builds for another machine than this: `cargo cross TARGET CARGO-ARGUMENT…`.
//!
//! The standard library comes from rustup if it can fetch it; otherwise Debian's Rust builds it from its sources. What
//! is missing is installed from Debian if that is allowed (root, apt-get there); otherwise the command to run is named.

use std::env;
use std::ffi::OsString;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run;

/// What a target needs beside Rust.
struct Needs {
    target: &'static str,
    /// The program that links, and the packages of Debian that bring it and the system's libraries.
    linker: &'static str,
    packages: &'static [&'static str],
    /// What cargo is told about it.
    environment: &'static [(&'static str, &'static str)],
    /// Where Debian's Rust links with zig, what it is told beside.
    zig: Option<&'static str>,
}

const TARGETS: [Needs; 3] = [
    Needs {
        target: "x86_64-pc-windows-gnu",
        linker: "x86_64-w64-mingw32-gcc",
        packages: &["gcc-mingw-w64-x86-64"],
        // assembly that is there as objects, so that NASM need not be
        environment: &[("AWS_LC_SYS_PREBUILT_NASM", "1")],
        zig: None,
    },
    Needs {
        target: "aarch64-unknown-linux-gnu",
        linker: "aarch64-linux-gnu-gcc",
        packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
        environment: &[],
        zig: None,
    },
    Needs {
        target: "x86_64-unknown-linux-musl",
        linker: "musl-gcc",
        packages: &["musl-tools"],
        // rustup's standard library has musl and its start files in it: musl-gcc, which is there for C, would take others and
        // have the program ask for a loader
        environment: &[("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", "cc")],
        zig: Some("-C link-self-contained=no"),
    },
];

/// Where each build's programs differ for no reason of theirs.
const FLAGS: &str = "-C target-feature=+crt-static";

/// The linker of Windows programs writes the time into them.
const WINDOWS_FLAGS: &str = "-C link-arg=-Wl,--no-insert-timestamp";

/// Runs cargo for that target. The arguments are cargo's, without `--target`.
///
/// # Errors
/// Why it cannot be run, for people.
pub fn cross(target: &str, arguments: &[OsString]) -> Result<u8, String> {
    let mut cargo = cargo_for(target, "", "")?;
    let (command, rest) = arguments.split_first().ok_or("which of cargo's commands?")?;
    cargo.arg(command).args(["--target", target]).args(rest);
    let status = cargo.status().map_err(|error| format!("cargo: {error}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The cargo that builds static programs for that target, told how: with these flags of rustc's and of the C compiler's beside
/// what the target needs. Flags of one's own, in `RUSTFLAGS`, come after these.
///
/// # Errors
/// What is missing, for people.
pub fn cargo_for(target: &str, flags: &str, c_flags: &str) -> Result<Command, String> {
    let mut cargo = Command::new(cargo());
    let mut debians = "";
    if target != host() {
        let needs = TARGETS.iter().find(|needs| needs.target == target);
        let needs = needs.ok_or_else(|| {
            let known: Vec<_> = TARGETS.iter().map(|needs| needs.target).collect();
            format!("{target}: no way to build for it is known here, but for {}", known.join(", "))
        })?;
        if !is_there(needs.linker) {
            install(needs.packages)?;
        }
        let by_debian = rustc(target) == DEBIANS_RUSTC;
        if by_debian {
            cargo = debians_cargo()?;
        }
        let linker = format!("CARGO_TARGET_{}_LINKER", in_capitals(target));
        cargo.env(&linker, needs.linker).envs(needs.environment.iter().copied());
        let folder =
            std::path::absolute(folder()).map_err(|error| format!("{}: {error}", folder().display()))?;
        if target.contains("-windows-") && folder.to_string_lossy().contains(char::is_whitespace) {
            cargo.env("CARGO_TARGET_DIR", without_blanks(&folder)?);
        }
        if let (true, Some(flags)) = (by_debian, needs.zig) {
            debians = flags;
            let zig = zig()?;
            cargo.env(linker, &zig).env(format!("CC_{}", target.replace('-', "_")), zig);
        }
    }
    let windows = if target.contains("-windows-") { WINDOWS_FLAGS } else { "" };
    let own = env::var("RUSTFLAGS").unwrap_or_default();
    let places = places();
    let mut all: Vec<String> =
        places.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")).collect();
    all.extend(
        [FLAGS, windows, debians, flags, &own]
            .iter()
            .flat_map(|flags| flags.split_whitespace())
            .map(str::to_owned),
    );
    cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", all.join("\x1f"));
    let mut all = c_flags.to_owned();
    for (from, to) in places.iter().filter(|(from, _)| !from.contains(char::is_whitespace)) {
        all += &format!(" -ffile-prefix-map={from}={to}");
    }
    cargo.env(format!("CFLAGS_{}", target.replace('-', "_")), all);
    Ok(cargo)
}

/// The way to a folder by a link whose path has no blanks: mingw's dlltool takes each for the end of a path.
///
/// # Errors
/// Why there is no such link, for people.
fn without_blanks(folder: &Path) -> Result<PathBuf, String> {
    let mut hasher = std::hash::DefaultHasher::new();
    folder.hash(&mut hasher);
    let link = env::temp_dir().join(format!("assay-target-{:016x}", hasher.finish()));
    let failed = |error| format!("{}, the link to {}: {error}", link.display(), folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    #[cfg(unix)]
    match std::os::unix::fs::symlink(folder, &link) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    // another's link of this name leads elsewhere
    match std::fs::read_link(&link) {
        Ok(found) if found == folder => Ok(link),
        Ok(_) => Err(failed(std::io::ErrorKind::AlreadyExists.into())),
        Err(error) => Err(failed(error)),
    }
}

/// What programs say of files of source text, in the place of where those lie on this machine: the later is the nearer.
fn places() -> Vec<(String, &'static str)> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    let registry = home.join("registry/src");
    if !registry.is_dir() {
        // nothing was downloaded yet, and where it will lie is not known before; who cannot download will hear of it
        let _ = run(Command::new(cargo()).args(["fetch", "--locked", "--quiet"]));
    }
    let registries = std::fs::read_dir(registry).into_iter().flatten().flatten();
    let mut places: Vec<(PathBuf, _)> = registries.map(|entry| (entry.path(), "/registry")).collect();
    places.sort();
    let root = env::current_dir().unwrap_or_default();
    places.push((root.clone(), "/assay"));
    places.push((root.join(folder()), "/assay/target"));
    places.into_iter().map(|(from, to)| (from.to_string_lossy().into_owned(), to)).collect()
}

/// This machine, as a target of Rust's that static programs can be made for.
pub fn host() -> String {
    let system = if cfg!(windows) { "pc-windows-gnu" } else { "unknown-linux-gnu" };
    format!("{}-{system}", env::consts::ARCH)
}

/// The cargo that called this program, or the one on PATH.
pub fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Where cargo builds.
pub fn folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()).into()
}

/// Installs these packages of Debian.
///
/// # Errors
/// The command that installs them, where that cannot be done here.
pub fn install(packages: &[&str]) -> Result<(), String> {
    let command = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    // only root may make a folder there
    if !is_there("apt-get") || Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout != b"0\n") {
        return Err(format!("something is missing; on Debian, as root: apt-get update && {command}"));
    }
    eprintln!("{command}");
    let script = format!("apt-get -qq update && {command} >/dev/null");
    run(Command::new("sh").args(["-c", &script]).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether a program of that name is on PATH.
pub fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The Rust compiler that builds for that target: the one on PATH, or Debian's.
pub fn rustc(target: &str) -> &'static str {
    if target == host() || has_standard_library(target) { "rustc" } else { DEBIANS_RUSTC }
}

const DEBIANS_RUSTC: &str = "/usr/bin/rustc";

/// Whether this toolchain has the target's standard library, once rustup was asked to bring it.
fn has_standard_library(target: &str) -> bool {
    let folder = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    folder.is_ok_and(|folder| Path::new(String::from_utf8_lossy(&folder.stdout).trim()).is_dir())
        || Command::new("rustup")
            .args(["target", "add", target])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

/// Debian's cargo, which builds the standard library from its sources.
fn debians_cargo() -> Result<Command, String> {
    let cargo = "/usr/bin/cargo";
    if !Path::new(SOURCES).is_dir() || !Path::new(cargo).is_file() {
        install(&["rustc-web", "cargo-web", "rust-web-src"])?;
    }
    let mut command = Command::new(cargo);
    command.env("RUSTC", DEBIANS_RUSTC).env("RUSTC_BOOTSTRAP", "1");
    command.env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort,panic_unwind,test");
    // rustup's are of another version
    command.env_remove("RUSTDOC").env_remove("RUSTUP_TOOLCHAIN");
    Ok(command)
}

/// A compiler and linker for musl that has what rustup's standard library brings and Debian lacks: static start files, and
/// what finds the way out of functions, which GCC's does for glibc alone. From PyPI, as it was tried.
fn zig() -> Result<PathBuf, String> {
    let place = env::current_dir().unwrap_or_default().join(zigs_folder());
    let linker = place.join("musl-cc");
    if !linker.is_file() {
        if !Command::new("python3")
            .args(["-c", "import ensurepip"])
            .status()
            .is_ok_and(|status| status.success())
        {
            install(&["python3-venv"])?;
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
        let packages = ["install", "--quiet", "ziglang==0.17.1", "cargo-zigbuild==0.24.1"];
        run(Command::new(place.join("bin/pip")).args(packages))?;
        let script = "#!/bin/sh\nPATH=$(dirname \"$0\")/bin:$PATH exec cargo-zigbuild zig cc -- -target x86_64-linux-musl \"$@\"\n";
        std::fs::write(&linker, script).map_err(|error| format!("{}: {error}", linker.display()))?;
        run(Command::new("chmod").arg("755").arg(&linker))?;
    }
    Ok(linker)
}

/// Where zig and what runs it are installed.
pub fn zigs_folder() -> PathBuf {
    folder().join("zig")
}

/// Where Debian has the standard library's sources.
const SOURCES: &str = "/usr/lib/rustlib/src/rust/library";

fn in_capitals(target: &str) -> String {
    target.replace('-', "_").to_uppercase()
}
