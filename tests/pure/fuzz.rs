//! Replays the seeds of the fuzz targets and every finding so far on stable Rust: none may panic. The same property is
//! held for changes of a few bytes.

use std::collections::BTreeMap;
use std::io::Read as _;

#[path = "../../shared/verifier/fuzz/targets.rs"]
mod targets;

/// The seeds of each target, from `fixtures/fuzz/seeds.tar`, and the findings, files named `TARGET--what`.
fn seeds() -> BTreeMap<String, Vec<Vec<u8>>> {
    let folder = std::path::Path::new(assay_fixtures::FIXTURES).join("fuzz");
    let mut seeds: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let mut archive = tar::Archive::new(std::fs::File::open(folder.join("seeds.tar")).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let target = entry.path().unwrap().iter().next().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        seeds.entry(target).or_default().push(bytes);
    }
    for finding in std::fs::read_dir(folder.join("findings")).into_iter().flatten() {
        let path = finding.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let target = name.split_once("--").unwrap().0.to_owned();
        seeds.entry(target).or_default().push(std::fs::read(path).unwrap());
    }
    seeds
}

#[test]
fn seeds_and_findings_are_replayed() {
    let seeds = seeds();
    let names: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        seeds.keys().map(String::as_str).collect::<Vec<_>>(),
        "each target has seeds, and no other"
    );
    for (name, _) in targets::TARGETS {
        for seed in &seeds[*name] {
            targets::run(name, seed);
        }
    }
}

/// The fuzz crate stands outside the workspace: it names each target, and each has its file.
#[test]
fn each_target_can_be_run_by_the_fuzzer() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/verifier/fuzz");
    let manifest = std::fs::read_to_string(format!("{folder}/Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), targets::TARGETS.len());
    for (name, _) in targets::TARGETS {
        assert!(
            manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
        let text = std::fs::read_to_string(format!("{folder}/fuzz_targets/{name}.rs")).unwrap();
        assert!(text.contains(&format!("targets::run(\"{name}\", data)")), "{name}");
    }
}

/// No change of a few bytes makes a reader panic: the same changes every time, drawn from a fixed seed.
#[test]
fn no_change_makes_a_reader_panic() {
    let seeds = seeds();
    let mut draw = Draw(0x0061_7373_6179);
    for _ in 0..20_000 {
        let (name, target) = targets::TARGETS[draw.below(targets::TARGETS.len())];
        let of_target = &seeds[name];
        let mut bytes = of_target[draw.below(of_target.len())].clone();
        for _ in 0..=draw.below(4) {
            change(&mut bytes, &mut draw);
        }
        target(&bytes);
    }
}

/// Numbers as if drawn by lot. Marsaglia, "Xorshift RNGs", 2003.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// Sets, adds, takes away, cuts off or repeats something.
fn change(bytes: &mut Vec<u8>, draw: &mut Draw) {
    if bytes.is_empty() {
        return;
    }
    let at = draw.below(bytes.len());
    match draw.below(5) {
        0 => bytes[at] = draw.byte(),
        1 => bytes.insert(at, draw.byte()),
        2 => drop(bytes.remove(at)),
        3 => bytes.truncate(at),
        _ => {
            let end = bytes.len().min(at + draw.below(40));
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
    }
}
