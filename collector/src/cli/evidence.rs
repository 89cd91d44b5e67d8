//! Declares the command line of `assay evidence`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::common::TextOrJson;

/// `assay evidence`
#[derive(Debug, Args)]
pub struct Evidence {
    /// What to do.
    #[command(subcommand)]
    pub command: EvidenceCommand,
}

/// What to do with evidence.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Put a run, its trust directory and its bundles into one file, signed with a site key
    Pack(EvidencePack),
    /// Verify a file of evidence again from its raw inputs, offline, without trusting its verdicts
    Check(EvidenceCheck),
}

/// `assay evidence pack`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  assay evidence pack --report reports --trust trust --bundle bundle.tar --key site.key --out evidence.tar"
)]
pub struct EvidencePack {
    /// The folder that assay run or assay report wrote to
    #[arg(long, value_name = "DIR")]
    pub report: PathBuf,
    /// The trust directory that the run was given
    #[arg(long, value_name = "DIR")]
    pub trust: PathBuf,
    /// A bundle that the run was given; repeatable, in the same order
    #[arg(long, value_name = "PATH")]
    pub bundle: Vec<PathBuf>,
    /// The site key: a private key file, or a public one whose private key the SSH agent holds
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The file to write: .tar, or smaller .tar.gz or .tar.zst
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `assay evidence check`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay evidence check evidence.tar --key site.key.pub")]
pub struct EvidenceCheck {
    /// The file of evidence
    #[arg(value_name = "FILE")]
    pub evidence: PathBuf,
    /// A trusted public key of the site; repeatable, one of them must have signed
    #[arg(long, value_name = "FILE", required = true)]
    pub key: Vec<PathBuf>,
    /// How the outcome is shown; as JSON it is `assay/evidence-check/v1`
    #[arg(long, value_enum, default_value = "text")]
    pub format: TextOrJson,
}
