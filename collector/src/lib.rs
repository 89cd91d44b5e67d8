//! The collector: visits the nodes of a site over SSH, has each judged by the agent, and reports.
//!
//! # Layout
//! `commands` carries out each subcommand: `cli` (the command line) → `config` (what it means) → `nodes` (the site file),
//! `waivers` → `fleet` (many visits at once) → `visit` (one node: prepare, upload, run, gather, clean up) over a `transport` (how a
//! node is reached) → `report` (pure) → `output` (files). `bundle` carries signatures across the air gap, over `registry` (HTTP);
//! `journal` and `stop` make sure that nothing is left on a node.

#![cfg_attr(
    not(feature = "network"),
    expect(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "the demo visits no cluster, continues no run and cleans up after none"
    )
)]

pub mod cli;
pub mod commands;
mod config;

mod nodes;
mod waivers;

#[cfg(feature = "network")]
pub mod bundle;
#[cfg(feature = "network")]
pub mod inventories;
#[cfg(feature = "network")]
mod registry;

#[cfg(feature = "kubernetes")]
pub mod kubernetes;

mod fleet;
mod journal;
mod stop;
pub mod transport;
mod visit;

#[cfg(feature = "network")]
pub mod evidence;
#[cfg(feature = "network")]
pub mod site_key;
mod trust;

pub mod output;
pub mod report;

pub mod archive;
mod bar;
mod clean;
mod clock;
mod console;
mod errors;
mod files;
mod lock;
mod random;
mod scratch;
mod suggestion;
mod text;

use assay_report::ExitCode;
use clap::Parser as _;
use cli::{Cli, Command};

/// Runs the program with the arguments it was given.
pub fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let text = error.render().to_string();
            if error.use_stderr() {
                console::say(text.trim_end());
            } else {
                console::print(&text);
            }
            return u8::try_from(error.exit_code()).unwrap_or(ExitCode::Usage.number()).into();
        }
    };
    let result = match &cli.command {
        Command::Demo(options) => commands::demo(options),
        Command::Nodes(options) => commands::nodes(options),
        Command::Run(options) => commands::run(options),
        Command::Report(options) => commands::report(options),
        Command::Cleanup(options) => commands::cleanup(options),
        Command::Bundle(options) => commands::bundle(options),
        Command::Trust(options) => commands::trust(options),
        Command::Evidence(options) => commands::evidence(options),
        Command::SiteKey(options) => commands::site_key(options),
        #[cfg(feature = "kubernetes")]
        Command::Kubernetes(options) => commands::kubernetes(options),
        Command::Explain(options) => commands::explain(options),
        Command::Agents(options) => commands::agents(options),
        Command::Completions(options) => Ok(commands::completions(options)),
    };
    let code = result.unwrap_or_else(|error| {
        console::say(&format!("assay: {}", errors::with_sources(&error)));
        error.exit_code()
    });
    code.number().into()
}
