//! Runs a command as the container of a Kubernetes job: takes what the collector delivered, and prints the report in a frame.
//!
//! A pod cannot be written to and has no way home but its log and its termination message. So trust and bundles come as parts of an
//! archive in a folder that Kubernetes mounts ([`delivery`]), and the report goes to standard output as one frame, at the end and
//! all at once, with its witness in the termination message ([`assay_report::frame`]). Without a report there is no frame, and
//! standard error says why.

mod delivery;

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use assay_report::ExitCode;
use assay_report::frame::Frame;
use clap::Parser as _;

use crate::cli::{Cli, JobArgs};
use crate::config::Plan;
use crate::error::Error;
use crate::output::{Output, OutputError, Sink};
use crate::pipeline;

pub(crate) use delivery::DeliveryError;

/// Runs the command and prints its report.
///
/// # Errors
/// [`Error`] if there is no report, or if it was not printed whole. The termination message has no witness then.
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

fn print(frame: &Frame) -> io::Result<()> {
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

/// The command of a job cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error("the command of the job: {}", .0.to_string().lines().next().unwrap_or_default())]
    Command(clap::Error),
    #[error("the command of a job is verify or inventory, without --output")]
    NotAJob,
}
