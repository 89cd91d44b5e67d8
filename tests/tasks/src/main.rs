//! The tasks' program; everything is in the library.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use assay_tasks::{USAGE, agent, demo, target, test};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let (task, rest) = arguments.split_first().map_or((None, &[][..]), |(task, rest)| (task.to_str(), rest));
    let outcome = match (task, rest) {
        (Some("demo"), rest) => demo::demo(rest),
        (Some("agent"), []) => agent::agent(&target::host()),
        (Some("agent"), [target]) => agent::agent(&target.to_string_lossy()),
        (Some("cross"), [target, rest @ ..]) if !rest.is_empty() => {
            target::cross(&target.to_string_lossy(), rest)
        }
        (Some("test"), []) => test::test(),
        _ => {
            eprintln!(
                "cargo demo [--out DIR]\ncargo agent [TARGET]\ncargo cross TARGET CARGO-ARGUMENT…\ntests/run"
            );
            return USAGE.into();
        }
    };
    match outcome {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("{}: {error}", task.unwrap_or_default());
            USAGE.into()
        }
    }
}
