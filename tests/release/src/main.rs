//! `cargo release-artifacts`: makes everything that a site carries, from a bare machine.
//!
//! It writes a folder of archives: for the jump box `assay` with the agents of every platform in it, and for nodes each
//! agent alone. With each come its bill of materials (CycloneDX), the licences of what is in it, shell completions and
//! man pages. `SHA256SUMS` lies beside them. The same sources and tools give the same bytes, wherever they lie;
//! `--again` shows it.

mod again;
mod archive;
mod bill;
mod build;
mod licences;
mod packages;
mod pages;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use assay::archive::{file, sha256};
use clap::Parser;

use archive::Entry;
use build::{AGENTS, COLLECTORS, Program};
use packages::Packages;

/// Makes the archives of a release.
#[derive(Debug, Parser)]
#[command(name = "cargo release-artifacts", version)]
struct Options {
    /// Where the archives go, in the place of an earlier release's; a folder that holds anything else is left alone
    #[arg(long, value_name = "DIR", default_value = "target/release-artifacts")]
    out: PathBuf,
    /// Sign SHA256SUMS with this key of ssh-keygen's
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Build everything a second time, of a copy of the committed files in another folder, and compare
    #[arg(long)]
    again: bool,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The pages that lie beside every program, each under its place in the workspace.
const PAGES: [(&str, &str); 8] = [
    ("README.md", include_str!("../../../README.md")),
    ("LICENSE-APACHE", include_str!("../../../shared/verifier/LICENSE-APACHE")),
    ("LICENSE-MIT", include_str!("../../../shared/verifier/LICENSE-MIT")),
    ("agent/README.md", include_str!("../../../agent/README.md")),
    ("collector/README.md", include_str!("../../../collector/README.md")),
    ("fixtures/conformance/README.md", include_str!("../../../fixtures/conformance/README.md")),
    ("shared/README.md", include_str!("../../../shared/README.md")),
    ("shared/codes.md", include_str!("../../../shared/codes.md")),
];

/// What the agent may have, in bytes: it is sent to every node.
const AGENT_BYTES: u64 = 4 << 20;

fn main() -> ExitCode {
    match release(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("release-artifacts: {error}");
            assay_tasks::USAGE.into()
        }
    }
}

fn release(options: &Options) -> Result<()> {
    let out = std::path::absolute(&options.out)?;
    fs::create_dir_all(&out)?;
    let earlier = files(&out)?;
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("assay-") || name.starts_with("SHA256SUMS")
    };
    if let Some(other) = earlier.iter().find(|path| !is_ours(path)) {
        return Err(format!("{} is of no release; name a folder for this one alone", other.display()).into());
    }
    let agents = build::agents(&AGENTS)?;
    for (agent, path) in AGENTS.iter().zip(&agents) {
        let size = fs::metadata(path)?.len();
        if size > AGENT_BYTES {
            return Err(
                format!("{}: {size} bytes, and no more than {AGENT_BYTES} are for it", agent.name()).into()
            );
        }
    }
    let folder = build::together(&AGENTS, &agents)?;
    let collectors = build::collectors(&COLLECTORS, &folder)?;

    for earlier in earlier {
        fs::remove_file(earlier)?;
    }
    let tools = build::tools();
    for (program, path) in AGENTS.iter().zip(&agents) {
        let packages = Packages::of(&["assay-agent"], &[program.target])?;
        let mut files = accompanying(program, &packages, &tools)?;
        files.extend(pages::man(assay_agent::command())?);
        archive::write(&out, program, path, files)?;
    }
    for (program, path) in COLLECTORS.iter().zip(&collectors) {
        // the agents are in it, and what they are made of
        let targets: Vec<_> =
            std::iter::once(program.target).chain(AGENTS.iter().map(|agent| agent.target)).collect();
        let packages = Packages::of(&["assay", "assay-agent"], &targets)?;
        let mut files = accompanying(program, &packages, &tools)?;
        files.extend(pages::man(assay::cli::command())?);
        files.extend(pages::completions());
        archive::write(&out, program, path, files)?;
    }
    let sums = sums(&out)?;
    fs::write(out.join("SHA256SUMS"), &sums)?;
    if let Some(key) = &options.sign {
        sign(&out.join("SHA256SUMS"), key)?;
    }
    print!("{}", table(&out)?);
    if options.again {
        again::compare(&sums)?;
    }
    Ok(())
}

/// What lies beside every program.
fn accompanying(program: &Program, packages: &Packages, tools: &str) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = PAGES.iter().map(|(name, text)| Entry::text(name, text)).collect();
    entries.extend([
        Entry::text("BUILD.txt", tools),
        Entry::text("THIRD-PARTY-LICENSES.txt", &licences::text(packages)?),
        Entry::bytes(format!("{}.cdx.json", program.binary), bill::json(program, packages)?),
    ]);
    Ok(entries)
}

/// Every archive's digest and name, in the form of `sha256sum`.
fn sums(folder: &Path) -> Result<String> {
    let mut sums = String::new();
    for path in files(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(sums, "{}  {name}", sha256(&file(&path)?)?)?;
    }
    Ok(sums)
}

fn table(folder: &Path) -> Result<String> {
    let mut table = format!("{}:\n", folder.display());
    for path in files(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(table, "{:>12} bytes  {name}", fs::metadata(&path)?.len())?;
    }
    Ok(table)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn sign(file: &Path, key: &Path) -> Result<()> {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-Y", "sign", "-n", "file", "-f"]).arg(key).arg(file);
    Ok(assay_tasks::run(&mut keygen)?)
}
