//! The agent's budgets, measured: ratios against a peer in the same run, printed and never asserted.
//!
//!     cargo bench -p assay-agent                    all of it
//!     cargo bench -p assay-agent -- rootfs          some of it: hashing, node, rootfs
//!     ASSAY_AGENT=/path cargo bench -p assay-agent  another build of the agent, that of `cargo agent` for example
//!     NOTATION=/path                                notation, where it is not on PATH
//!     BUDGET_IMAGES=10,100                          other numbers of images than 10, 100, 1,000 and 10,000
//!     BUDGET_LAYERS=100                             other layers for rootfs than 1,400 MiB, unpacked
//!
//! Costs are CPU times where that makes a difference, since other programs take their share of the clock. What is made to be
//! judged is kept under `target/budgets/`, so that a second run need not sign again.
#![expect(clippy::disallowed_methods, reason = "a benchmark runs programs and reads the clock")]

mod hashing;
mod measure;
mod node;
mod rootfs;
mod table;

#[expect(dead_code, unreachable_pub, reason = "tests use all of it")]
#[path = "../../../tests/src/containerd.rs"]
mod containerd;
#[expect(dead_code, unreachable_pub, reason = "tests use all of it")]
#[path = "../../../tests/src/packages.rs"]
mod packages;
#[expect(dead_code, unreachable_pub, reason = "tests use all of it")]
#[path = "../../../tests/src/program.rs"]
mod program;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use table::Table;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|argument| argument == measure::CHILD).is_some() {
        return measure::child(arguments);
    }
    let names: Vec<String> = arguments.filter_map(|argument| argument.into_string().ok()).collect();
    let names: Vec<&String> = names.iter().filter(|name| !name.starts_with('-')).collect();
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| *wanted == name);
    let agent = std::env::var_os("ASSAY_AGENT")
        .map_or_else(|| env!("CARGO_BIN_EXE_assay-agent").into(), PathBuf::from);
    let work = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("budgets");
    println!("agent: {}", agent.display());
    let mut table = Table::default();
    size(&agent, &mut table);
    for (name, measure) in [
        ("hashing", hashing::measure as fn(&Path, &Path, &mut Table)),
        ("node", node::measure),
        ("rootfs", rootfs::measure),
    ] {
        if is_wanted(name) {
            measure(&agent, &work, &mut table);
        }
    }
    table.print();
    ExitCode::SUCCESS
}

/// The agent's file.
fn size(agent: &PathBuf, table: &mut Table) {
    let bytes = std::fs::metadata(agent).map_or(0, |file| file.len());
    let mebibytes = table::mebibytes(bytes);
    table.at_most("agent, file (static and stripped where ASSAY_AGENT is)", mebibytes, 4.0, "MiB");
}
