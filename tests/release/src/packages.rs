//! Finds the packages that a program is made of.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package, PackageId};

use crate::Result;

/// A package's name and version.
pub(crate) type Key = (String, String);

/// The packages of a program, from its own on.
pub(crate) struct Packages {
    /// Each with the packages that it needs.
    pub(crate) all: BTreeMap<Key, (Package, BTreeSet<Key>)>,
    /// The SHA-256 of each as it was downloaded.
    pub(crate) checksums: BTreeMap<Key, String>,
}

impl Packages {
    /// What the programs of these packages are made of, on any of these targets.
    pub(crate) fn of(roots: &[&str], targets: &[&str]) -> Result<Self> {
        let mut all = BTreeMap::new();
        for target in targets {
            let options = ["--locked", "--offline", "--filter-platform", target].map(str::to_owned).to_vec();
            let metadata = MetadataCommand::new().other_options(options).exec()?;
            let resolve = metadata.resolve.as_ref().ok_or("cargo metadata does not say what needs what")?;
            let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
            let mut open: Vec<&PackageId> = metadata
                .workspace_packages()
                .iter()
                .filter(|package| roots.contains(&package.name.as_str()))
                .map(|package| &package.id)
                .collect();
            let mut seen = BTreeSet::new();
            while let Some(id) = open.pop() {
                if !seen.insert(id) {
                    continue;
                }
                let node = nodes.get(id).ok_or("a package without a place in the tree")?;
                let needed: Vec<&PackageId> = node
                    .deps
                    .iter()
                    .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal))
                    .map(|dep| &dep.pkg)
                    .collect();
                let package = &metadata[id];
                let entry = all.entry(key(package)).or_insert_with(|| (package.clone(), BTreeSet::new()));
                entry.1.extend(needed.iter().map(|id| key(&metadata[id])));
                open.extend(needed);
            }
        }
        Ok(Self { all, checksums: checksums()? })
    }

    /// Those that are not of this workspace.
    pub(crate) fn of_others(&self) -> impl Iterator<Item = &Package> {
        self.all.values().map(|(package, _)| package).filter(|package| package.source.is_some())
    }
}

/// A package's name and version.
pub(crate) fn key(package: &Package) -> Key {
    (package.name.to_string(), package.version.to_string())
}

/// What `Cargo.lock` says that each download is.
fn checksums() -> Result<BTreeMap<Key, String>> {
    let lock: toml::Table = std::fs::read_to_string("Cargo.lock")?.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array).ok_or("Cargo.lock has no packages")?;
    let of = |package: &toml::Value, name: &str| Some(package.get(name)?.as_str()?.to_owned());
    Ok(packages
        .iter()
        .filter_map(|package| {
            Some(((of(package, "name")?, of(package, "version")?), of(package, "checksum")?))
        })
        .collect())
}
