//! The agent: one node's images judged, offline, and one report written.
//!
//! What it does, in order: the command line becomes a plan; the trust directory, the bundles and the store are opened; the
//! store's records become images; signatures are looked for in store and bundles; each image's signatures are judged and its
//! content is hashed; the report is written. It opens no socket but containerd's and writes nothing but its report.

mod cli;
mod config;
mod console;
mod containerd;
mod content;
mod error;
mod image_verifier;
mod inspect;
mod inventory;
mod output;
mod pipeline;
mod priority;
mod report;
mod store;

use std::ffi::OsString;

use assay_report::{Agent, ExitCode};
use clap::Parser as _;

use cli::{Cli, TextOrJson};
use config::Plan;
use console::{json_line, print_clap, say};
use error::Error;
use image_verifier::Arguments;
use output::Sink;

/// What fuzz targets feed, and no API.
#[doc(hidden)]
pub mod fuzzing {
    /// Lists containerd's metadata.
    pub fn metadata(bytes: &[u8]) {
        crate::containerd::root::fuzz(bytes);
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
            // help and version are no errors to clap's exit code
            print_clap(&error);
            return u8::try_from(error.exit_code()).unwrap_or(ExitCode::Usage.number()).into();
        }
    };
    let code = run(cli).unwrap_or_else(|error| {
        say(&format!("assay-agent: {error}"));
        if for_containerd {
            image_verifier::refuse(&error.to_string());
        }
        error.exit_code()
    });
    code.number().into()
}

fn run(cli: Cli) -> Result<ExitCode, Error> {
    match Plan::new(cli.command)? {
        Plan::Verify(plan) => {
            priority::lower(plan.nice);
            pipeline::verify(&plan)
        }
        Plan::Inventory(plan) => {
            priority::lower(plan.nice);
            pipeline::inventory(&plan)
        }
        Plan::Inspect(plan) => inspect::run(&plan),
        Plan::ImageVerifier(plan) => pipeline::image_verifier(&plan),
        Plan::Version { format, agent } => version(format, &agent),
    }
}

fn version(format: TextOrJson, agent: &Agent) -> Result<ExitCode, Error> {
    let bytes = match format {
        TextOrJson::Json => json_line(agent)?,
        TextOrJson::Text => {
            let sha256 = agent.sha256.as_deref().unwrap_or("unknown");
            format!("assay-agent {} {} sha256:{sha256}\n", agent.version, agent.target).into_bytes()
        }
    };
    Sink::Stdout.write(&bytes)?;
    Ok(ExitCode::Passed)
}
