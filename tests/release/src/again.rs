//! Makes the whole release once more, elsewhere: from a copy of the committed files in another folder, with nothing
//! built before.

use std::fs;
use std::path::Path;
use std::process::Command;

use assay_tasks::target;

use crate::Result;

/// Builds the release of a copy, and compares its digests with `sums`.
pub(crate) fn compare(sums: &str) -> Result<()> {
    let folder = std::path::absolute(target::folder())?.join("release-again");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let sources = folder.join("another/place/for/the/sources");
    let listed = Command::new("git").args(["ls-files", "-z"]).output()?;
    for name in String::from_utf8(listed.stdout)?.split_terminator('\0') {
        let copy = sources.join(name);
        fs::create_dir_all(copy.parent().unwrap_or(Path::new(".")))?;
        fs::copy(name, copy)?;
    }
    let mut again = Command::new(target::cargo());
    again.current_dir(&sources).env("CARGO_TARGET_DIR", folder.join("built"));
    again.args(["release-artifacts", "--out"]).arg(folder.join("artifacts"));
    assay_tasks::run(&mut again)?;
    let other = fs::read_to_string(folder.join("artifacts/SHA256SUMS"))?;
    let differing: Vec<_> = sums.lines().filter(|line| !other.lines().any(|other| other == *line)).collect();
    if !differing.is_empty() || sums.lines().count() != other.lines().count() {
        return Err(format!("built again, other bytes came out:\n{}", differing.join("\n")).into());
    }
    println!("built again elsewhere: the same bytes");
    fs::remove_dir_all(&folder)?;
    Ok(())
}
