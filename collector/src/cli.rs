//! Declares the command line.

mod bundle;
mod common;
mod evidence;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use bundle::{
    Bundle, BundleCheck, BundleCommand, BundleCreate, BundleDiff, BundleList, BundleMerge, BundleOut,
    BundleSlim,
};
pub use common::{Agents, LookedAt, RegistryAccess, TextOrJson};
pub use evidence::{Evidence, EvidenceCheck, EvidenceCommand, EvidencePack};
#[cfg(feature = "kubernetes")]
pub use kubernetes::{
    AdmissionPolicies, ClusterAccess, InCluster, Kubernetes, KubernetesCleanup, KubernetesCommand,
    KubernetesImage, KubernetesManifest, Via,
};
pub use trust::{Level, Profile, Trust, TrustAdd, TrustCheck, TrustCommand, TrustImport, TrustInit};

use common::{CONNECTION, NODES, OUTPUT, VERDICT};

/// Verifies the container images of a site's nodes, offline, over SSH.
#[derive(Debug, Parser)]
#[command(name = "assay", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 all passed, were skipped by policy or are waived; 1 something failed; \
2 usage or configuration, nothing was judged; 3 nothing failed, but something is inconclusive, unreachable or empty."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The command line's definition, for man pages.
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify a small built-in site: needs no installation and no network
    Demo(Demo),
    /// Write a site file from the nodes of a cluster, and show their host keys
    Nodes(Nodes),
    /// Visit every node of a site: deploy the agent, run it, fetch its report, clean up
    Run(Box<Run>),
    /// Write the same reports from node reports that were gathered in another way
    Report(Report),
    /// Remove what an interrupted run left on the nodes
    Cleanup(Cleanup),
    /// Make, check, list, compare and merge bundles, which carry signatures across the air gap
    Bundle(Bundle),
    /// Make, change and check a trust directory, which says whom the site trusts
    Trust(Trust),
    /// Pack a run as evidence that an auditor can verify again, or verify such evidence
    Evidence(Evidence),
    /// Make or show the key that signs the site's bundles and evidence
    SiteKey(SiteKey),
    /// Make what a cluster is given so that its nodes can be verified via Kubernetes: the agent's image, manifests; and remove what
    /// runs have left there
    #[cfg(feature = "kubernetes")]
    Kubernetes(Kubernetes),
    /// Explain a code of a report: what happened, why it matters, what to do
    Explain(Explain),
    /// List the agents that are part of this program, or write them to a folder to carry them to nodes by other means
    Agents(WriteAgents),
    /// Write a script that lets a shell complete command lines of this program
    Completions(Completions),
}

/// `assay demo`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay demo --out assay-demo")]
pub struct Demo {
    /// Where the reports go
    #[arg(long, value_name = "DIR", default_value = "assay-demo")]
    pub out: PathBuf,
    #[command(flatten)]
    pub agents: Agents,
}

/// `assay nodes`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  assay nodes --user clouduser --identity ~/.ssh/id_rsa --scan-host-keys --out site.toml"
)]
pub struct Nodes {
    /// The output of kubectl get nodes with -o json or -o wide; - is standard input [default: kubectl is run]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context"])]
    pub from: Option<PathBuf>,
    /// kubectl's --kubeconfig
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// kubectl's --context
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// An existing site file: only the host keys of its nodes are shown
    #[arg(long, value_name = "FILE", requires = "scan_host_keys", conflicts_with_all = ["from", "kubeconfig", "context", "out"])]
    pub site: Option<PathBuf>,
    /// Where the site file goes; an existing file is not overwritten [default: standard output]
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
    /// The port of the nodes' SSH servers
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = CONNECTION)]
    pub port: Option<u16>,
    /// The login on the nodes
    #[arg(long, value_name = "NAME", help_heading = CONNECTION)]
    pub user: Option<String>,
    /// The login on Windows nodes
    #[arg(long, value_name = "NAME", help_heading = CONNECTION)]
    pub windows_user: Option<String>,
    /// The private key file
    #[arg(long, value_name = "FILE", help_heading = CONNECTION)]
    pub identity: Option<String>,
    /// How the agent becomes root on Linux nodes: no, yes or password
    #[arg(long, value_name = "HOW", default_value = "no", value_parser = ["no", "yes", "password"], help_heading = CONNECTION)]
    pub sudo: String,
    /// The hosts to go through: user@host or user@host:port, separated by commas
    #[arg(long, value_name = "HOSTS", help_heading = CONNECTION)]
    pub jump: Option<String>,
    /// The known_hosts file of the nodes; accepted host keys are added to it [default: they become host_key]
    #[arg(long, value_name = "FILE", help_heading = CONNECTION)]
    pub known_hosts: Option<PathBuf>,
    /// Show the fingerprint of each node's host key, without logging in, for a person to accept
    #[arg(long)]
    pub scan_host_keys: bool,
    /// A list of accepted host keys: a node's name and its fingerprint in each line, as --scan-host-keys shows them
    #[arg(long, value_name = "FILE", requires = "scan_host_keys")]
    pub accept_host_keys: Option<PathBuf>,
    #[command(flatten)]
    pub pace: Pace,
    #[command(flatten)]
    pub access: Access,
}

/// `assay run`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  assay run --site site.toml --trust trust --bundle bundle.tar --out reports"
)]
pub struct Run {
    /// The site file: the nodes and how to reach them. With --via kubernetes it is optional, and says only the group and the store of
    /// nodes that the cluster lists
    #[arg(long, value_name = "FILE")]
    pub site: Option<PathBuf>,
    #[cfg(feature = "kubernetes")]
    #[command(flatten)]
    pub cluster: InCluster,
    /// The trust directory: trustpolicy.json, truststore/ and crls/
    #[arg(long, value_name = "DIR")]
    pub trust: PathBuf,
    /// A bundle of signatures: an OCI image layout, as a folder or archive; repeatable
    #[arg(long, value_name = "PATH")]
    pub bundle: Vec<PathBuf>,
    /// Where the reports go
    #[arg(long, value_name = "DIR", help_heading = OUTPUT)]
    pub out: PathBuf,
    /// The name of the site, in the reports and to tell SARIF results of several sites apart [default: name in the site file]
    #[arg(long, value_name = "NAME", value_parser = site_name, help_heading = OUTPUT)]
    pub site_name: Option<String>,
    #[command(flatten)]
    pub agents: Agents,
    /// Judge validity, expiry and freshness at this time instead of each node's clock
    #[arg(long, value_name = "RFC3339", help_heading = VERDICT)]
    pub at: Option<String>,
    #[command(flatten)]
    pub looked_at: LookedAt,
    /// Fetch signatures that only a node's store has, for assay evidence pack
    #[arg(long, help_heading = OUTPUT)]
    pub evidence: bool,
    /// The exceptions that the site granted: which images may fail, why, on whose authority, and until when
    #[arg(long, value_name = "FILE", help_heading = VERDICT)]
    pub waivers: Option<PathBuf>,
    /// The report.json of an earlier run, to report what changed since then
    #[arg(long, value_name = "REPORT", help_heading = VERDICT)]
    pub baseline: Option<PathBuf>,
    #[command(flatten)]
    pub pace: Pace,
    #[command(flatten)]
    pub access: Access,
    /// Only the nodes with this name, role or group; repeatable
    #[arg(long, value_name = "NAME", help_heading = NODES)]
    pub only: Vec<String>,
    /// Visit at most this many nodes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = NODES)]
    pub limit: Option<u32>,
    /// Continue the run in --out: visit only nodes without an accepted result for the same inputs
    #[arg(long, help_heading = NODES)]
    pub resume: bool,
    /// How old a result may be for --resume to keep it, such as 90m, 24h or 7d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration, help_heading = NODES)]
    pub resume_within: Duration,
    /// Show what would be done on which node, without connecting or writing anything
    #[arg(long, help_heading = NODES)]
    pub dry_run: bool,
    /// Seconds that the agent may run on a node
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400), help_heading = CONNECTION)]
    pub time_limit: u64,
    /// Print events for programs instead of the summary, as one JSON object per line on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json_lines: bool,
    /// Print only problems
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
}

/// How fast nodes are visited.
#[derive(Debug, Args)]
pub struct Pace {
    /// How many nodes are visited at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..), help_heading = CONNECTION)]
    pub concurrency: u16,
    /// How often a node that cannot be reached is tried again
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(..=10), help_heading = CONNECTION)]
    pub retries: u32,
    /// Seconds for each step of a connection [default: ssh_config's ConnectTimeout, else 15]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600), help_heading = CONNECTION)]
    pub connect_limit: Option<u64>,
}

/// How nodes are logged in to.
#[derive(Debug, Args)]
pub struct Access {
    /// Ignore ~/.ssh/config and the rest of this machine's ssh configuration
    #[arg(long, help_heading = CONNECTION)]
    pub no_ssh_config: bool,
    /// A file with the password for sudo on nodes with sudo = "password" [default: it is asked for once]
    #[arg(long, value_name = "FILE", help_heading = CONNECTION)]
    pub sudo_password_file: Option<PathBuf>,
}

/// `assay report`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  assay report gathered/worker-1.json gathered/worker-2.json --out reports"
)]
pub struct Report {
    /// Node reports; the name of a file is the name of its node
    #[arg(required = true, value_name = "NODE-REPORT")]
    pub reports: Vec<PathBuf>,
    /// Where the reports go
    #[arg(long, value_name = "DIR", help_heading = OUTPUT)]
    pub out: PathBuf,
    /// The name of the site, in the reports and to tell SARIF results of several sites apart
    #[arg(long, value_name = "NAME", value_parser = site_name, help_heading = OUTPUT)]
    pub site_name: Option<String>,
    /// The exceptions that the site granted: which images may fail, why, on whose authority, and until when
    #[arg(long, value_name = "FILE", help_heading = VERDICT)]
    pub waivers: Option<PathBuf>,
    /// The report.json of an earlier run, to report what changed since then
    #[arg(long, value_name = "REPORT", help_heading = VERDICT)]
    pub baseline: Option<PathBuf>,
    /// Judge the waivers' expiry at this time instead of now
    #[arg(long, value_name = "RFC3339", requires = "waivers", help_heading = VERDICT)]
    pub at: Option<String>,
    /// What the agents were told to accept: parent-index, platform-manifest or none; repeatable. A report in which an image
    /// passes in any other way is rejected [default: what each report says]
    #[arg(long, value_name = "VIA", help_heading = VERDICT)]
    pub accept: Vec<String>,
    /// Print only problems
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
}

/// The name of a site, as in a site file.
fn site_name(text: &str) -> Result<String, String> {
    crate::nodes::site_name(text.to_owned()).map_err(|problem| problem.to_string())
}

/// Reads a length of time: numbers with units, such as `1d12h`. A number alone is in seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a length of time such as 90m, 24h or 7d");
    let (mut seconds, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let mut units = after.chars();
        let unit: u64 = match units.next() {
            None if number.len() == text.len() => 1,
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(wrong()),
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        seconds = part.and_then(|part| seconds.checked_add(part)).ok_or_else(wrong)?;
        rest = units.as_str();
    }
    if seconds == 0 { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

/// `assay cleanup`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay cleanup --site site.toml --out reports")]
pub struct Cleanup {
    /// The site file
    #[arg(long, value_name = "FILE")]
    pub site: PathBuf,
    /// The interrupted run's folder: only what its journal names is removed. Without --out, everything that any run has left is
    /// removed, except the folder of a visit that still runs
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub pace: Pace,
    #[command(flatten)]
    pub access: Access,
}

/// `assay site-key`
#[derive(Debug, Args)]
pub struct SiteKey {
    /// What to do.
    #[command(subcommand)]
    pub command: SiteKeyCommand,
}

/// What to do with a site key.
#[derive(Debug, Subcommand)]
pub enum SiteKeyCommand {
    #[command(after_help = "Example:\n  assay site-key create site.key --comment 'store 42'")]
    /// Make a key. FILE is the private key, unencrypted and readable only by its owner; FILE.pub is the public key. A key that
    /// ssh-keygen made works as well, also encrypted or held by the SSH agent
    Create {
        /// The file for the private key; an existing file is not overwritten
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The kind of key
        #[arg(long, value_enum, default_value_t = KeyKind::Ed25519)]
        kind: KeyKind,
        /// The comment at the end of the public key's line
        #[arg(long, value_name = "TEXT", default_value = "")]
        comment: String,
    },
    #[command(after_help = "Example:\n  assay site-key show site.key.pub")]
    /// Show the id and the public key of a key file, private or public
    Show {
        /// The key's file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// The kinds of site keys.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KeyKind {
    /// Ed25519
    Ed25519,
    /// ECDSA on P-256 with SHA-256
    P256,
    /// ECDSA on P-384 with SHA-384
    P384,
}

impl From<KeyKind> for assay_verifier::dsse::KeyKind {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Ed25519 => Self::Ed25519,
            KeyKind::P256 => Self::EcdsaP256,
            KeyKind::P384 => Self::EcdsaP384,
        }
    }
}

/// `assay explain`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay explain no-signature")]
pub struct Explain {
    /// The code [default: all codes are listed]
    pub code: Option<String>,
}

/// `assay agents`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay agents --out agents")]
pub struct WriteAgents {
    /// Where the agents go [default: they are only listed]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `assay completions`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay completions bash")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn lengths_of_time_have_a_number_and_a_unit() {
        for (text, seconds) in [("90m", 5_400), ("24h", 86_400), ("1d12h", 129_600), ("30", 30), ("1s", 1)] {
            assert_eq!(super::duration(text), Ok(std::time::Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "0h", "h", "-1h", "1.5h", "1h30", "24 h", "1w", "soon", "99999999999999999999d"]
        {
            assert!(super::duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_that_is_one() {
        fn look(command: &clap::Command, path: &str, examples: &mut usize) {
            let mut inner = command.get_subcommands().peekable();
            if inner.peek().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                let mut lines = help.lines().filter_map(|line| line.strip_prefix("  ")).peekable();
                assert!(lines.peek().is_some(), "{path} has no example");
                for line in lines.filter(|line| line.starts_with("assay ")) {
                    assert!(line.starts_with(path), "{path}: {line}");
                    let line = line.replace('…', &"0".repeat(64));
                    let words = line.split('\'').enumerate().flat_map(|(at, part)| match at % 2 {
                        0 => part.split_whitespace().map(str::to_owned).collect(),
                        _ => vec![part.to_owned()],
                    });
                    let parsed = super::Cli::command().try_get_matches_from(words);
                    assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                    *examples += 1;
                }
            }
            inner.for_each(|command| look(command, &format!("{path} {}", command.get_name()), examples));
        }
        let mut examples = 0;
        look(&super::Cli::command(), "assay", &mut examples);
        assert!(examples > 20, "{examples}");
    }
}
