//! The agent's budgets, measured: ratios against a peer in the same run, printed and never asserted.
//!
//!     cargo bench -p assay-agent                    all of it
//!     ASSAY_AGENT=/path cargo bench -p assay-agent  another build of the agent, that of `cargo agent` for example
//!     NOTATION=/path                                notation, where it is not on PATH
//!     BUDGET_IMAGES=10,100                          other numbers of images than 10, 100, 1,000 and 10,000
//!
//! Costs are CPU times where that makes a difference, since other programs take their share of the clock. What is made to be
//! judged is kept under `target/budgets/`, so that a second run need not sign again.
#![expect(clippy::disallowed_methods, reason = "a benchmark runs programs and reads the clock")]

mod hashing;
mod measure;
mod node;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use table::Table;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|argument| argument == measure::CHILD).is_some() {
        return measure::child(arguments);
    }
    let agent = std::env::var_os("ASSAY_AGENT")
        .map_or_else(|| env!("CARGO_BIN_EXE_assay-agent").into(), PathBuf::from);
    let work = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("budgets");
    println!("agent: {}", agent.display());
    let mut table = Table::default();
    size(&agent, &mut table);
    hashing::measure(&agent, &work, &mut table);
    node::measure(&agent, &work, &mut table);
    table.print();
    ExitCode::SUCCESS
}

/// The agent's file.
fn size(agent: &PathBuf, table: &mut Table) {
    let bytes = std::fs::metadata(agent).map_or(0, |file| file.len());
    let mebibytes = table::mebibytes(bytes);
    table.at_most("agent, file (static and stripped where ASSAY_AGENT is)", mebibytes, 4.0, "MiB");
}
