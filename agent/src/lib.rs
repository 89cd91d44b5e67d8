//! The agent: it judges the images of one node, offline, and writes one report.
//!
//! In this order: it turns the command line into a plan; opens the trust directory, the bundles and the store; groups the store's
//! records into images; looks for signatures in the store and the bundles; judges the signatures of each image and hashes its
//! content; writes the report. It opens no socket but containerd's. It writes nothing but its report and, in Kubernetes, what was
//! delivered to its pod.

mod cli;
mod config;
mod console;
mod containerd;
mod content;
mod error;
mod image_verifier;
mod inspect;
mod inventory;
mod job;
mod output;
mod pipeline;
mod priority;
mod report;
mod rootfs;
mod store;

use std::ffi::OsString;

use assay_judge::ci_commands;
use assay_judge::errors::with_sources;
use assay_report::{Agent, ExitCode};
use clap::Parser as _;

use cli::{Cli, Command, TextOrJson};
use config::{InspectPlan, Plan};
use console::{json_line, print_clap, say};
use error::Error;
use image_verifier::Arguments;
use inspect::Inspection;
use output::Sink;

/// Entry points for fuzz targets. This is not an API.
#[doc(hidden)]
pub mod fuzzing {
    /// Lists containerd's metadata.
    pub fn metadata(bytes: &[u8]) {
        crate::containerd::root::fuzz(bytes);
        #[cfg(target_os = "linux")]
        crate::containerd::snapshots::fuzz(bytes);
    }

    /// Applies a layer to a tree.
    #[cfg(target_os = "linux")]
    pub fn layer(bytes: &[u8]) {
        crate::rootfs::fuzz::layer(bytes);
    }

    /// Compares trees.
    #[cfg(target_os = "linux")]
    pub fn trees(bytes: &[u8]) {
        crate::rootfs::fuzz::trees(bytes);
    }
}

/// The command line's definition, for man pages.
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program with these arguments, the first of which is its name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> std::process::ExitCode {
    let Arguments { args, for_containerd } = Arguments::new(args);
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) if for_containerd => return image_verifier::refuse_arguments(&error).number().into(),
        Err(error) => {
            // clap's exit code for help and version is 0
            print_clap(&error);
            return u8::try_from(error.exit_code()).unwrap_or(ExitCode::Usage.number()).into();
        }
    };
    let code = run(cli).unwrap_or_else(|error| {
        let why = with_sources(&error);
        say(&format!("assay-agent: {why}"));
        if for_containerd {
            image_verifier::refuse(&why);
        }
        error.exit_code()
    });
    code.number().into()
}

fn run(cli: Cli) -> Result<ExitCode, Error> {
    let command = match cli.command {
        Command::Job(args) => return job::run(*args),
        command => command,
    };
    match Plan::new(command)? {
        Plan::Verify(plan) => pipeline::verify(&plan, Sink::open(&plan.output)?),
        Plan::Inventory(plan) => pipeline::inventory(&plan, Sink::open(&plan.output)?),
        Plan::Inspect(plan) => inspect(&plan),
        Plan::ImageVerifier(plan) => pipeline::image_verifier(&plan),
        Plan::Version { format, agent } => version(format, &agent),
    }
}

fn inspect(plan: &InspectPlan) -> Result<ExitCode, Error> {
    let sink = Sink::open(&plan.output)?;
    let inspection = Inspection::new(&plan.what)?;
    let bytes = match plan.format {
        TextOrJson::Json => json_line(&inspection)?,
        TextOrJson::Text => ci_commands::escape(&inspect::text(&inspection)).into_owned().into_bytes(),
    };
    sink.write(bytes)?;
    if inspection.is_empty() {
        say("assay-agent: there is no signature in the layout");
    }
    Ok(if inspection.is_readable() { ExitCode::Passed } else { ExitCode::Incomplete })
}

fn version(format: TextOrJson, agent: &Agent) -> Result<ExitCode, Error> {
    let bytes = match format {
        TextOrJson::Json => json_line(agent)?,
        TextOrJson::Text => {
            let sha256 = agent.sha256.as_deref().unwrap_or("unknown");
            format!("assay-agent {} {} sha256:{sha256}\n", agent.version, agent.target).into_bytes()
        }
    };
    Sink::Stdout.write(bytes)?;
    Ok(ExitCode::Passed)
}
