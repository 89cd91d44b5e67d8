//! Builds the programs of a release.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use assay::archive::{file, sha256};
use assay_tasks::{agent, target};
use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::Result;

/// A program for a platform.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// `assay` or `assay-agent`
    pub(crate) binary: &'static str,
    /// Rust's name of the platform.
    pub(crate) target: &'static str,
    /// The platform in Go's words, which images and users know.
    pub(crate) platform: &'static str,
}

/// What runs on nodes.
pub(crate) const AGENTS: [Program; 3] = [
    Program { binary: "assay-agent", target: "x86_64-unknown-linux-gnu", platform: "linux-amd64" },
    Program { binary: "assay-agent", target: "aarch64-unknown-linux-gnu", platform: "linux-arm64" },
    Program { binary: "assay-agent", target: "x86_64-pc-windows-gnu", platform: "windows-amd64" },
];

/// What runs on the jump box. It asks the system for names of hosts, which glibc cannot be asked by a static program.
pub(crate) const COLLECTORS: [Program; 2] = [
    Program { binary: "assay", target: "x86_64-unknown-linux-musl", platform: "linux-amd64" },
    Program { binary: "assay", target: "x86_64-pc-windows-gnu", platform: "windows-amd64" },
];

impl Program {
    /// Whether it is for Windows.
    pub(crate) fn is_for_windows(&self) -> bool {
        self.target.contains("-windows-")
    }

    /// The program's file.
    pub(crate) fn file(&self) -> String {
        format!("{}{}", self.binary, if self.is_for_windows() { ".exe" } else { "" })
    }

    /// The program with its platform, as the collector looks for agents.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}{}", self.binary, self.platform, if self.is_for_windows() { ".exe" } else { "" })
    }
}

/// Builds the agents.
pub(crate) fn agents(programs: &[Program]) -> Result<Vec<PathBuf>> {
    programs.iter().map(|program| Ok(agent::build(program.target, "")?)).collect()
}

/// The agents in one folder, from which the collector's build takes them: each compressed, and `embedded.rs`, the table that is
/// compiled into the collector. A file that is already as it is to be stays untouched, so that cargo builds no collector anew.
pub(crate) fn together(programs: &[Program], built: &[PathBuf]) -> Result<PathBuf> {
    let folder = std::path::absolute(target::folder())?.join("agents");
    fs::create_dir_all(&folder)?;
    let mut agents: Vec<_> = programs.iter().map(Program::name).zip(built).collect();
    agents.sort();
    let mut files = BTreeMap::new();
    let mut table = String::from("&[\n");
    for (name, path) in agents {
        let bytes = fs::read(path)?;
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&bytes)?;
        writeln!(
            table,
            "Embedded {{ name: {name:?}, size: {size}, sha256: {sha256:?}, packed: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")) }},",
            size = bytes.len(),
            sha256 = sha256(&file(path)?)?,
        )?;
        files.insert(folder.join(name), packed.finish()?);
    }
    table += "]\n";
    files.insert(folder.join("embedded.rs"), table.into_bytes());
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if !files.contains_key(&path) {
            fs::remove_file(path)?;
        }
    }
    for (path, bytes) in files {
        if fs::read(&path).ok().as_ref() != Some(&bytes) {
            fs::write(path, bytes)?;
        }
    }
    Ok(folder)
}

/// Builds the collectors, with the agents of that folder in them.
pub(crate) fn collectors(programs: &[Program], agents: &std::path::Path) -> Result<Vec<PathBuf>> {
    let build = |program: &Program| {
        let mut build = target::cargo_for(program.target, "", "")?;
        build.env("ASSAY_AGENTS", agents);
        build.args([
            "build",
            "--locked",
            "--profile",
            "collector",
            "--package",
            "assay",
            "--target",
            program.target,
        ]);
        assay_tasks::run(&mut build)?;
        Ok(target::folder().join(program.target).join("collector").join(program.file()))
    };
    programs.iter().map(build).collect()
}

/// Which tools the release was built with: the same tools give the same bytes.
pub(crate) fn tools() -> String {
    let mut text = String::from("Built with\n");
    let of_rust: BTreeSet<_> =
        AGENTS.iter().chain(&COLLECTORS).map(|program| target::rustc(program.target)).collect();
    let pip = target::zigs_folder().join("bin/pip").display().to_string();
    let others = ["cc", "aarch64-linux-gnu-gcc", "x86_64-w64-mingw32-gcc", "musl-gcc", "ldd"];
    let whole = |program| (program, &["--version", "--verbose"][..], usize::MAX);
    let first_line = |program| (program, &["--version"][..], 1);
    // zig is there where Debian's Rust links with it
    let zigs = (pip.as_str(), &["freeze"][..], usize::MAX);
    for (program, arguments, lines) in
        of_rust.into_iter().map(whole).chain(others.map(first_line)).chain([zigs])
    {
        let output = Command::new(program).args(arguments).output();
        let said =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for line in said.lines().take(lines) {
            // writing to a String cannot fail
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}
