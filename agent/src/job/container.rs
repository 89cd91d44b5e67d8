//! Runs the command of a job and prints its report in a frame.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use assay_report::ExitCode;
use assay_report::frame::Frame;
use clap::Parser as _;

use super::delivery::{self, DeliveryError};
use super::error::JobError;
use crate::cli::{Cli, JobArgs};
use crate::config::Plan;
use crate::error::Error;
use crate::output::{Output, OutputError, Sink};
use crate::pipeline;

/// Runs the command and prints its report.
///
/// # Errors
/// [`Error`] if there is no report, or if it could not be printed whole. In both cases nothing is written to the termination message.
pub(crate) fn run(args: JobArgs) -> Result<ExitCode, Error> {
    let program = std::iter::once("assay-agent".into());
    let command = Cli::try_parse_from(program.chain(args.command)).map_err(JobError::Command)?.command;
    let mut plan = Plan::new(command)?;
    if let (Some(parts), Some(sha256)) = (&args.parts, &args.archive_sha256) {
        delivery::unpack(parts, sha256, &args.scratch)?;
    }
    std::env::set_current_dir(&args.scratch)
        .map_err(|source| DeliveryError::Scratch { path: args.scratch.clone(), source })?;

    let mut report = Vec::new();
    let sink = Sink::Memory(&mut report);
    let code = match &mut plan {
        Plan::Verify(plan) if plan.output == Output::Stdout => {
            plan.node.hostname = Some(args.node_name);
            pipeline::verify(plan, sink)?
        }
        Plan::Inventory(plan) if plan.output == Output::Stdout => {
            plan.node.hostname = Some(args.node_name);
            pipeline::inventory(plan, sink)?
        }
        _ => return Err(JobError::NotAJob.into()),
    };
    let frame = Frame::new(&report, code.number());
    print(&frame).map_err(OutputError::stdout)?;
    if let Some(path) = &args.termination_log {
        let written = write_in_place(path, frame.witness().as_bytes());
        written.map_err(|error| OutputError::new(path.clone(), error))?;
    }
    Ok(code)
}

fn print(frame: &Frame<'_>) -> io::Result<()> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    for line in frame.lines() {
        stdout.write_all(line.as_bytes())?;
    }
    stdout.flush()
}

/// Writes to a file that is a mount, so that nothing can be moved to its place.
fn write_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path)?.write_all(bytes)
}
