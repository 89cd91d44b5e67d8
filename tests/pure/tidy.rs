//! Holds the rules about the repository's own files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::walls::CRATES;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Files of source text are split before this.
const LONGEST_FILE: usize = 800;

#[test]
fn files_are_short() {
    let mut sources = Vec::new();
    collect_sources(Path::new(ROOT), &mut sources);
    assert!(sources.len() > 20, "found {} source files", sources.len());
    for path in sources {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LONGEST_FILE, "{}: {lines} lines, split it", path.display());
    }
}

#[test]
fn every_dependency_has_a_reason() {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[workspace.dependencies]").nth(1).unwrap();
    let dependencies = dependencies.split("\n[").next().unwrap();
    let mut found = 0;
    for line in dependencies.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let ours = line.contains("path = ");
        let reason = line.rsplit_once("# ").is_some_and(|(_, reason)| !reason.trim().is_empty());
        assert!(ours || reason, "no reason beside: {line}");
        found += 1;
    }
    assert!(found > 10, "found {found} dependencies");
}

#[test]
fn members_take_versions_from_the_workspace() {
    let mut manifests = Vec::new();
    collect(Path::new(ROOT), &|path| path.ends_with("Cargo.toml"), &mut manifests);
    assert!(manifests.len() >= 6, "found {} manifests", manifests.len());
    for path in manifests {
        let text = fs::read_to_string(&path).unwrap();
        if text.contains("[workspace]") {
            continue;
        }
        let section = text.split("dependencies]").skip(1).flat_map(|part| part.split("\n[").next());
        for line in section.flat_map(str::lines).filter(|line| line.contains('=') && !line.starts_with('#')) {
            assert!(line.contains("workspace = true"), "{}: {line}", path.display());
        }
    }
}

/// What messages count, in the plural.
const COUNTED: &[&str] = &[
    "archives",
    "blobs",
    "bundles",
    "certificates",
    "containers",
    "digests",
    "entries",
    "envelopes",
    "files",
    "findings",
    "folders",
    "gaps",
    "images",
    "items",
    "keys",
    "layers",
    "lines",
    "manifests",
    "members",
    "namespaces",
    "nodes",
    "points",
    "references",
    "reports",
    "repositories",
    "responses",
    "rows",
    "signatures",
    "snapshots",
    "statements",
    "things",
    "waivers",
    "CRLs",
];

/// What stands before a limit.
const LIMITS: [&str; 3] = ["than ", "at most ", "the first "];

/// A number that may be one is followed by a word that fits it, which `words::count` writes. Limits are never one.
#[test]
fn counts_have_words_that_fit() {
    let mut sources = Vec::new();
    for member in CRATES {
        collect_sources(&Path::new(ROOT).join(member).join("src"), &mut sources);
    }
    let mut places = 0;
    let mut misfits = Vec::new();
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        for (at, line) in text.split("#[cfg(test)]").next().unwrap_or_default().lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for (end, _) in line.match_indices("} ") {
                let said = line[..end].rsplit_once('{').map_or("", |(said, _)| said);
                let is_other = |letter: char| !letter.is_alphabetic();
                let words = line[end + 2..].split(' ').map(|word| word.trim_matches(is_other));
                let mut words = words.take(2).take_while(|word| !["for", "of"].contains(word));
                let Some(plural) = words.find(|word| COUNTED.contains(word)) else { continue };
                // a pattern, in no string
                if said.matches('"').count() % 2 == 0 {
                    continue;
                }
                places += 1;
                let is_limit = line.contains("limits::") || LIMITS.iter().any(|word| said.ends_with(word));
                if !is_limit {
                    misfits.push(format!("{}:{}: {plural}", path.display(), at + 1));
                }
            }
        }
    }
    assert!(places > 10, "found {places} places");
    assert!(misfits.is_empty(), "numbers before a plural, where words::count fits:\n{}", misfits.join("\n"));
}

fn collect_sources(folder: &Path, found: &mut Vec<PathBuf>) {
    collect(
        folder,
        &|path| path.extension().is_some_and(|kind| kind == "rs" || kind == "py" || kind == "html"),
        found,
    );
}

fn collect(folder: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.ends_with("-target") && !name.starts_with('.') {
                collect(&path, wanted, found);
            }
        } else if wanted(&path) {
            found.push(path);
        }
    }
}
