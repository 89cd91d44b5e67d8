//! Lists the licences of what is in a program: each package with what it says, and every text once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use cargo_metadata::Package;

use crate::Result;
use crate::packages::Packages;

/// What files with a licence or a notice are called, in small letters, from their beginning.
const NAMES: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];

/// What is linked from outside any package, and where a system that builds releases has the words for it.
const SYSTEM: [(&str, &str); 4] = [
    (
        "the Rust standard library, MIT OR Apache-2.0, in every program",
        "/usr/share/doc/libstd-rust-web-dev/copyright",
    ),
    ("the GNU C library, LGPL-2.1-or-later, in agents for Linux", "/usr/share/doc/libc6-dev/copyright"),
    ("musl, MIT, in assay for Linux", "/usr/share/doc/musl-dev/copyright"),
    (
        "mingw-w64's run-time library, ZPL-2.1 and others, in programs for Windows",
        "/usr/share/doc/mingw-w64-common/copyright",
    ),
];

/// The whole text.
pub(crate) fn text(packages: &Packages) -> Result<String> {
    let mut list = String::from(
        "What others made and these programs contain, with the licence that each names. The texts follow, each once with\n\
         the packages that carry it.\n\n",
    );
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages.of_others() {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().unwrap_or("see its text");
        writeln!(list, "{name}: {licence}")?;
        for text in of(package)? {
            let carriers = texts.entry(text).or_default();
            if carriers.last() != Some(&name) {
                carriers.push(name.clone());
            }
        }
    }
    for (name, path) in SYSTEM {
        writeln!(list, "{name}")?;
        if let Ok(text) = fs::read_to_string(path) {
            texts.entry(normal(&text)).or_default().push(name.to_owned());
        }
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by(|one, other| one.1.cmp(&other.1));
    for (text, carriers) in texts {
        write!(list, "\n{}\n{}\n\n{text}\n", "-".repeat(80), carriers.join(", "))?;
    }
    Ok(list)
}

/// The texts that a package carries.
fn of(package: &Package) -> Result<Vec<String>> {
    let folder = package.manifest_path.parent().map_or(Path::new("."), AsRef::as_ref);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_file() && NAMES.iter().any(|start| name.starts_with(start)) {
            paths.push(path);
        }
    }
    paths.extend(package.license_file().map(Into::into));
    paths.sort();
    paths.dedup();
    paths.iter().map(|path| Ok(normal(&String::from_utf8_lossy(&fs::read(path)?)))).collect()
}

/// A text without differences that cannot be seen.
fn normal(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned()
}
