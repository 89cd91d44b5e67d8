//! The steps, each with what it needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::{self, GoProgram, log, python};
use super::schedule::{Lane, Problem, Result, Step};
use super::{Job, Place};
use crate::demo::PROGRAMS;
use crate::target;

/// What is built and tested for Windows; all other members are for tests on Linux.
const WINDOWS_PACKAGES: [&str; 10] = [
    "--package",
    "assay-verifier",
    "--package",
    "assay-report",
    "--package",
    "assay-judge",
    "--package",
    "assay-agent",
    "--package",
    "assay",
];
const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// The test programs, in the order in which they are begun; those of one line one after the other. [`built`] finds any that is not here.
const TEST_PROGRAMS: &[(&str, &[&str])] = &[
    ("tests of a whole node", &["vm"]),
    ("tests over SSH", &["ssh"]),
    ("tests with containerd", &["containerd"]),
    ("tests with Kubernetes", &["kubernetes"]),
    ("tests with registries", &["registry"]),
    ("tests of programs for Windows", &["windows"]),
    ("tests without other programs", &["pure", "verify", "cli", "nodes", "evidence", "limits", "real"]),
];

/// Go programs that tests use, by the names of their steps.
const GO_PROGRAMS: &[(&str, GoProgram)] = &[
    (
        "notation",
        GoProgram {
            variable: "NOTATION",
            name: "notation",
            module: "github.com/notaryproject/notation",
            version: "v1.3.2",
            package: "/cmd/notation",
        },
    ),
    (
        "oras",
        GoProgram {
            variable: "ORAS",
            name: "oras",
            module: "oras.land/oras",
            version: "v1.3.6",
            package: "/cmd/oras",
        },
    ),
    (
        "crictl",
        GoProgram {
            variable: "CRICTL",
            name: "crictl",
            module: "sigs.k8s.io/cri-tools",
            version: "v1.34.0",
            package: "/cmd/crictl",
        },
    ),
    // by their versions: before 0.22.1 crane's copies list a signature as something else, and cosign 3 makes no tags
    (
        "crane-0.22",
        GoProgram {
            variable: "CRANE",
            name: "crane-0.22",
            module: "github.com/google/go-containerregistry",
            version: "v0.22.1",
            package: "/cmd/crane",
        },
    ),
    (
        "crane-0.21",
        GoProgram {
            variable: "CRANE_OLD",
            name: "crane-0.21",
            module: "github.com/google/go-containerregistry",
            version: "v0.21.5",
            package: "/cmd/crane",
        },
    ),
    (
        "regctl",
        GoProgram {
            variable: "REGCTL",
            name: "regctl",
            module: "github.com/regclient/regclient",
            version: "v0.11.7",
            package: "/cmd/regctl",
        },
    ),
    (
        "cosign-2",
        GoProgram {
            variable: "COSIGN",
            name: "cosign-2",
            module: "github.com/sigstore/cosign/v2",
            version: "v2.6.5",
            package: "/cmd/cosign",
        },
    ),
];

/// The step that builds the programs of a cluster.
const CLUSTER: &str = "Kubernetes";

/// What the names of the tests of conformance begin with.
const CONFORMANCE: &str = "conformance::";

/// What all other steps need.
pub(super) fn foundations() -> Vec<Step> {
    vec![
        Step::new("Debian packages", programs::packages),
        Step::new("Rust", programs::rust).after(&["Debian packages"]),
    ]
}

/// All other steps.
pub(super) fn all() -> Vec<Step> {
    let cargo = |arguments: &'static [&'static str]| move |job: &Job<'_>| job.run(&mut job.cargo(arguments)?);
    let mut steps = vec![
        Step::new("peers from PyPI and npm", programs::peers),
        Step::new("format", cargo(&["fmt", "--all", "--check"])),
        // It is the first of cargo's steps, because most others wait for it.
        Step::new("tests are built", built).alone_in(Lane::Cargo),
        Step::new("agent as it travels", agent).alone_in(Lane::Cargo).after(&["tests are built"]),
        Step::new("root file systems", programs::roots),
        Step::new("whole node", programs::node_vm),
        Step::new("containerd 2", programs::containerd_2).alone_in(Lane::Go),
        Step::new(CLUSTER, programs::kubernetes).alone_in(Lane::Go),
        Step::new("registry with referrers", programs::referrers_registry).alone_in(Lane::Go),
        Step::new("notation's libraries", programs::libraries).alone_in(Lane::Go),
    ];
    steps.extend(
        GO_PROGRAMS
            .iter()
            .map(|(name, program)| Step::new(name, |job| program.provide(job)).alone_in(Lane::Go)),
    );
    // a whole node boots while other tests still wait for their peers
    let node = ["agent as it travels", "root file systems", "whole node"];
    let needed: Vec<&str> =
        ["agent as it travels", "containerd 2", "registry with referrers", "root file systems"]
            .into_iter()
            .chain(GO_PROGRAMS.iter().map(|(name, _)| *name))
            .collect();
    steps.extend([
        Step::new("unit tests", unit_tests).after(&["tests are built"]),
        Step::new("lints", lints).alone_in(Lane::Cargo),
        Step::new("documentation", documentation).alone_in(Lane::Cargo),
        Step::new("demo", demo).alone_in(Lane::Cargo),
        Step::new("made-up sites", samples).after(&["tests are built"]),
        Step::new("release", release).alone_in(Lane::Cargo).after(&["peers from PyPI and npm"]),
    ]);
    steps.extend(TEST_PROGRAMS.iter().map(|(name, programs)| {
        let step = Step::new(name, |job| programs.iter().try_for_each(|program| test_program(job, program)));
        let step = if programs.contains(&"windows") { step.alone_in(Lane::Wine) } else { step };
        if programs.contains(&"vm") {
            return step.after(&node);
        }
        // the cluster's programs are built for minutes, and only its own tests wait for them
        let needed = needed.iter().copied().chain(programs.contains(&"kubernetes").then_some(CLUSTER));
        step.after(&needed.collect::<Vec<_>>())
    }));
    let sites = ["peers from PyPI and npm", "demo", "made-up sites"];
    steps.extend([
        Step::new("lints for Windows", windows_lints).alone_in(Lane::Wine),
        Step::new("the programs' own tests for Windows, under wine", windows_own_tests).alone_in(Lane::Wine),
        Step::new("variants beside live notation", variants).after(&[
            "peers from PyPI and npm",
            "notation",
            "agent as it travels",
        ]),
        Step::new("mutants beside notation's libraries", mutants).after(&[
            "peers from PyPI and npm",
            "notation's libraries",
            "tests are built",
        ]),
        Step::new("conformance cases", conformance).after(&["tests are built"]),
        Step::new("conformance cases, outside runner", outside_runner).after(&["agent as it travels"]),
        Step::new("certificates, tokens and CRLs of others", real_data),
        Step::new("JUnit read back", junit).after(&sites),
        Step::new("SARIF, OSCAL, Prometheus read back", exports).after(&sites),
        Step::new("HTML in Chromium", html).after(&sites),
        Step::new("cargo-deny", programs::deny),
        Step::new("dependencies", dependencies).after(&["cargo-deny"]),
        Step::new("advisories", advisories).after(&["cargo-deny"]),
    ]);
    steps
}

/// Builds every test, and finds those that no step runs.
fn built(job: &Job<'_>) -> Result {
    let (path, file) = log(job, "tests-built.log")?;
    let mut build = job.cargo(&["test", "--locked", "--workspace", "--no-run"])?;
    let built = job.run(build.env("CARGO_TERM_COLOR", "never").stderr(file));
    let text = fs::read_to_string(path)?;
    if built.is_err() {
        return Err(Problem::Failed(text));
    }
    // Executable tests/pure/main.rs (target/debug/deps/pure-0123456789abcdef)
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("Executable "));
    let mut found: Vec<String> = lines
        .filter(|line| !line.starts_with("unittests "))
        .filter_map(|line| line.split_once(" (").map(|(path, _)| Path::new(path)))
        .map(|path| match path.file_stem() {
            Some(name) if name != "main" => name.to_string_lossy().into_owned(),
            _ => path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned(),
        })
        .collect();
    found.sort();
    found.dedup();
    let mut known: Vec<&str> = TEST_PROGRAMS.iter().flat_map(|(_, programs)| *programs).copied().collect();
    known.sort_unstable();
    if found == known {
        Ok(())
    } else {
        Err(Problem::Failed(format!("built {found:?}, and the steps run {known:?}")))
    }
}

/// Builds the agent that nodes of this machine's kind get. Each run of it hashes it, and that of the tests' build is eight times
/// as large.
fn agent(job: &Job<'_>) -> Result {
    job.run(&mut job.cargo(&["agent"])?)
}

/// The agent that nodes of this machine's kind get.
fn agent_of(place: &Place) -> PathBuf {
    place.root.join(target::folder()).join(target::host()).join("agent/assay-agent")
}

/// Lints everything, and the programs as the demo builds them.
fn lints(job: &Job<'_>) -> Result {
    let all = ["--workspace", "--all-targets"];
    [&all[..], &PROGRAMS].into_iter().try_for_each(|which| {
        let mut clippy = job.cargo(&["clippy", "--locked", "--quiet"])?;
        job.run(clippy.args(which).args(["--", "--deny", "warnings"]))
    })
}

/// Runs tests of the whole workspace: a choice of packages would have other features, and be built anew.
fn test(job: &Job<'_>, which: &[&str]) -> Result {
    let mut test = job.cargo(&["test", "--locked", "--quiet", "--workspace", "--no-fail-fast"])?;
    job.run(test.args(which))
}

/// Runs a test program, without the cases of conformance: they have a step of their own.
fn test_program(job: &Job<'_>, program: &str) -> Result {
    test(job, &["--test", program, "--", "--skip", CONFORMANCE])
}

fn unit_tests(job: &Job<'_>) -> Result {
    let own = test(job, &["--lib", "--bins"]);
    own.and(test(job, &["--doc"]))
}

fn documentation(job: &Job<'_>) -> Result {
    let mut doc = job.cargo(&["doc", "--locked", "--quiet", "--workspace", "--no-deps"])?;
    job.run(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
}

fn windows_lints(job: &Job<'_>) -> Result {
    if target::rustc(WINDOWS) != "rustc" {
        let why = "clippy needs that target's standard library from rustup, which cannot be fetched; the tests are built by Debian's Rust";
        return Err(Problem::Missing(why.to_owned()));
    }
    for which in [&["--lib", "--bins", "--examples"][..], &["--lib", "--profile", "test"]] {
        let mut clippy = job.cargo(&["cross", WINDOWS, "clippy", "--locked", "--quiet"])?;
        job.run(clippy.args(WINDOWS_PACKAGES).args(which).args(["--", "--deny", "warnings"]))?;
    }
    Ok(())
}

fn windows_own_tests(job: &Job<'_>) -> Result {
    let mut test = job.cargo(&["cross", WINDOWS, "test", "--locked", "--quiet"])?;
    test.args(WINDOWS_PACKAGES).args(["--lib", "--test", "verify", "--test", "cli"]);
    // from here, since cargo takes the line apart at blanks
    job.run(test.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "tests/interop/wine/run"))
}

/// The cases, with a table of how they compare.
fn conformance(job: &Job<'_>) -> Result {
    test(job, &["--test", "pure", "--", CONFORMANCE, "--nocapture"])
}

/// The outside runner, and beside it our list of deliberate differences.
fn outside_runner(job: &Job<'_>) -> Result {
    let cases = job.place.folder("CONFORMANCE", "../shared/conformance");
    let runner = cases.join("run_cases.py");
    if !runner.is_file() {
        return Err(Problem::Missing(format!("it is not at {}", runner.display())));
    }
    let agent = agent_of(job.place).display().to_string();
    let question = "verify --store layout:{layout} --trust {trust} --image {image} --content none --output -";
    let (path, file) = log(job, "run_cases.log")?;
    let mut run = job.command(runner)?;
    run.arg(cases.join("cases")).args(["--accept-stricter", "--cmd", &format!("'{agent}' {question}")]);
    // it fails wherever an answer differs; which may is for the list
    let _ = job.run(run.stdout(file));
    job.run(job.command("python3")?.arg("tests/interop/outside_check.py").arg(path))
}

fn real_data(job: &Job<'_>) -> Result {
    let folder = job.place.folder("REAL_DATA", "../shared/real");
    if folder.is_dir() {
        return Ok(());
    }
    Err(Problem::Missing(format!("they are not at {}, and not ours to commit", folder.display())))
}

/// What a site carries, made, signed and then used.
fn release(job: &Job<'_>) -> Result {
    let (key, out) = (job.place.work.join("release-key"), job.place.work.join("release"));
    if !key.is_file() {
        let mut keygen = job.command("ssh-keygen")?;
        job.run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "release", "-f"]).arg(&key))?;
    }
    job.run(job.cargo(&["release-artifacts"])?.arg("--out").arg(&out).arg("--sign").arg(&key))?;
    let mut check = python(job)?;
    job.run(check.arg("tests/interop/release_check.py").arg(out).arg(key.with_extension("pub")))
}

/// As README has it. What it writes is under `target/`, where no later step takes it for a source.
fn demo(job: &Job<'_>) -> Result {
    let Place { root, .. } = job.place;
    let out = root.join("target/assay-demo");
    let _ = fs::remove_dir_all(&out);
    job.run(&mut job.cargo(&["demo"])?)?;
    let written = fs::metadata(out.join("report.json")).is_ok_and(|file| file.len() > 0);
    if written && !root.join("assay-demo").exists() {
        return Ok(());
    }
    Err(Problem::Failed(format!("{} has no report, or one lies among the sources", out.display())))
}

/// Made-up sites: one with waivers and an earlier run, one that attacks its readers, one of 500 nodes with 200 images each.
fn samples(job: &Job<'_>) -> Result {
    let folder = job.place.work.join("samples");
    let _ = fs::remove_dir_all(&folder);
    for sample in [&["waived"][..], &["hostile"], &["large", "500", "200"]] {
        let mut example = job.command(debug(job.place, "examples/sample-report"))?;
        example.arg(folder.join(sample[0])).args(sample);
        job.run(example.stdout(std::process::Stdio::null()))?;
    }
    Ok(())
}

/// The folders of reports that are read back.
fn sites(place: &Place) -> std::io::Result<Vec<PathBuf>> {
    let mut sites = vec![place.root.join("target/assay-demo")];
    for entry in fs::read_dir(place.work.join("samples"))? {
        sites.push(entry?.path());
    }
    sites.sort();
    Ok(sites)
}

fn junit(job: &Job<'_>) -> Result {
    let sites = sites(job.place)?;
    job.run(python(job)?.arg("tests/interop/junit_check.py").args(&sites))?;
    job.run(node(job, "junit_check.mjs")?.args(&sites))
}

fn exports(job: &Job<'_>) -> Result {
    let schema = "node/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json";
    let mut check = python(job)?;
    check.arg("tests/interop/exports_check.py").arg(job.place.work.join(schema));
    job.run(check.args(sites(job.place)?))
}

fn html(job: &Job<'_>) -> Result {
    for site in sites(job.place)? {
        let screenshots = job.place.work.join("screenshots").join(site.file_name().unwrap_or_default());
        let mut check = node(job, "html_check.mjs")?;
        job.run(check.arg(site.join("report.html")).arg("--screenshots").arg(screenshots))?;
    }
    Ok(())
}

/// A script for Node, which looks for packages from where it runs.
fn node(job: &Job<'_>, script: &str) -> std::io::Result<Command> {
    let mut command = job.command("node")?;
    command.current_dir(job.place.work.join("node")).arg(job.place.root.join("tests/interop").join(script));
    Ok(command)
}

/// Some 2,500 variants of one signature and all that it rests on, made anew and asked of both.
fn variants(job: &Job<'_>) -> Result {
    let Some(notation) = job.place.variable("NOTATION") else {
        return Err(Problem::Missing(
            "there is no notation; its kept signatures are compared all the same".to_owned(),
        ));
    };
    let mut run = python(job)?;
    run.arg("tests/interop/differential/run.py").arg(notation).arg(agent_of(job.place));
    job.run(&mut run)
}

/// Some 15,000 changed certificates, stores, timestamps, CRLs and envelopes, asked of both libraries.
fn mutants(job: &Job<'_>) -> Result {
    let reference = programs::reference(job.place);
    if !reference.is_file() {
        return Err(Problem::Missing("notation's libraries cannot be built".to_owned()));
    }
    // as the tests were built: another choice of packages would be built anew
    let mut run = python(job)?;
    run.arg("tests/interop/differential/mutants.py").arg(reference);
    job.run(run.arg(debug(job.place, "examples/verdicts")))
}

fn dependencies(job: &Job<'_>) -> Result {
    job.run(&mut job.cargo(&["fetch", "--locked", "--quiet"])?)?;
    let deny =
        ["deny", "--offline", "--workspace", "--config", ".deny.toml", "check", "--hide-inclusion-graph"];
    job.run(job.cargo(&deny)?.args(["licenses", "bans", "sources"]))
}

fn advisories(job: &Job<'_>) -> Result {
    let (path, file) = log(job, "advisories.log")?;
    let mut check = job.cargo(&["deny", "--workspace", "--config", ".deny.toml", "check", "advisories"])?;
    let checked = job.run(check.stdout(file.try_clone()?).stderr(file));
    let text = fs::read_to_string(path)?;
    match checked {
        Err(_) if text.contains("failed to fetch advisory database") => {
            Err(Problem::Missing("the advisory database cannot be fetched".to_owned()))
        }
        Err(_) => Err(Problem::Failed(text)),
        Ok(()) => Ok(()),
    }
}

/// A program that the tests' build has made.
fn debug(place: &Place, name: &str) -> PathBuf {
    place.root.join(target::folder()).join("debug").join(name)
}

#[cfg(test)]
mod tests {
    use super::super::schedule::check_order;
    use super::*;

    #[test]
    fn every_step_comes_after_those_that_it_needs() {
        check_order(&foundations());
        check_order(&all());
    }
}
