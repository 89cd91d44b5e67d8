//! Turns the command line into a [`Plan`] in which every default is filled in.
//!
//! Only this module reads the clock, the host's name and id, and this program's own file.
#![expect(clippy::disallowed_methods, reason = "the one place that looks at the surroundings")]

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use assay_report::{
    Agent, Asked, CONTAINERD_PIPE, CONTAINERD_SOCKET, ContentMode, DriftMode, Namespace, Node, RootfsMode,
    Via,
};
use assay_verifier::oci::{Digest, DigestAlgorithm};
use assay_verifier::time::UnixTime;

use crate::cli::{
    Command, ImageVerifierArgs, InspectArgs, InventoryArgs, Operation, OutputArgs, StoreArgs, StoreSpec,
    TextOrJson, VerifyArgs, VerifyFormat,
};
use crate::output::Output;

/// What one run is to do.
#[derive(Debug)]
pub(crate) enum Plan {
    Verify(Box<VerifyPlan>),
    Inventory(InventoryPlan),
    Inspect(InspectPlan),
    ImageVerifier(ImageVerifierPlan),
    Version { format: TextOrJson, agent: Agent },
}

#[derive(Debug)]
pub(crate) struct VerifyPlan {
    pub(crate) store: StorePlan,
    pub(crate) trust: PathBuf,
    pub(crate) bundles: Vec<PathBuf>,
    /// References and digests to limit the run to; empty: no limit.
    pub(crate) images: Vec<String>,
    pub(crate) jobs: usize,
    /// Whether the run gives way to everything else on the node.
    pub(crate) nice: bool,
    pub(crate) output: Output,
    pub(crate) format: VerifyFormat,
    pub(crate) run_id: Option<String>,
    /// The options that the report repeats.
    pub(crate) asked: Asked,
    pub(crate) clock: Clock,
    pub(crate) agent: Agent,
    pub(crate) node: Node,
}

#[derive(Debug)]
pub(crate) struct InventoryPlan {
    pub(crate) store: StorePlan,
    pub(crate) output: Output,
    pub(crate) format: TextOrJson,
    /// How many characters a line for people may have.
    pub(crate) width: usize,
    pub(crate) jobs: usize,
    pub(crate) nice: bool,
    pub(crate) node: Node,
}

#[derive(Debug)]
pub(crate) struct InspectPlan {
    pub(crate) what: Inspected,
    pub(crate) output: Output,
    pub(crate) format: TextOrJson,
}

#[derive(Debug)]
pub(crate) struct ImageVerifierPlan {
    pub(crate) trust: PathBuf,
    pub(crate) bundles: Vec<PathBuf>,
    /// The folder whose bundles are all taken if none is named.
    pub(crate) bundles_folder: PathBuf,
    pub(crate) accept: BTreeSet<Via>,
    pub(crate) clock: Clock,
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) operation: Option<Operation>,
}

/// What `inspect` looks at.
#[derive(Debug)]
pub(crate) enum Inspected {
    Envelope(PathBuf),
    Layout(PathBuf),
}

/// Where the images are.
#[derive(Debug)]
pub(crate) struct StorePlan {
    pub(crate) place: StoreAddress,
    /// The namespaces to limit the run to; empty: all.
    pub(crate) namespaces: Vec<Namespace>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreAddress {
    Containerd { address: String },
    Root { path: PathBuf },
    Layout { path: PathBuf },
}

impl StoreAddress {
    /// Whether it has the images that this machine runs. A layout may be a copy of any machine's images.
    pub(crate) fn is_this_machine(&self) -> bool {
        matches!(self, Self::Containerd { .. } | Self::Root { .. })
    }
}

impl std::fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Containerd { address } => write!(f, "containerd:{address}"),
            Self::Root { path } => write!(f, "root:{}", path.display()),
            Self::Layout { path } => write!(f, "layout:{}", path.display()),
        }
    }
}

/// The times that a report gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The time as of which signatures are judged.
    pub(crate) verified_at: UnixTime,
    /// Whether that time was given. It then replaces the node's clock too, so that equal input gives equal output.
    fixed: bool,
}

impl Clock {
    fn new(at: Option<UnixTime>) -> Result<Self, ConfigError> {
        Ok(Self { verified_at: at.map_or_else(now, Ok)?, fixed: at.is_some() })
    }

    /// The current time, or `verified_at` if that was given.
    pub(crate) fn finished(&self) -> UnixTime {
        if self.fixed { self.verified_at } else { now().unwrap_or(self.verified_at) }
    }
}

impl Plan {
    /// Fills in the defaults of what was typed.
    ///
    /// # Errors
    /// [`ConfigError`] if the flags contradict each other or the clock cannot be read.
    pub(crate) fn new(command: Command) -> Result<Self, ConfigError> {
        Ok(match command {
            Command::Verify(args) => Self::Verify(Box::new(verify(args)?)),
            Command::Inventory(InventoryArgs { store, priority, output, format }) => {
                Self::Inventory(InventoryPlan {
                    store: store_plan(store)?,
                    output: output_plan(output),
                    format,
                    width: width(),
                    jobs: cores(),
                    nice: priority.nice,
                    node: node(),
                })
            }
            Command::Inspect(InspectArgs { what, output, format }) => {
                let layout = what.to_str().and_then(|text| text.strip_prefix("layout:")).map(PathBuf::from);
                Self::Inspect(InspectPlan {
                    what: layout.map_or_else(|| Inspected::Envelope(what.into()), Inspected::Layout),
                    output: output_plan(output),
                    format,
                })
            }
            Command::ImageVerifier(args) => Self::ImageVerifier(image_verifier(args)?),
            Command::Job(_) => return Err(ConfigError::JobInJob),
            Command::Version(args) => Self::Version { format: args.format, agent: agent() },
        })
    }
}

fn verify(args: VerifyArgs) -> Result<VerifyPlan, ConfigError> {
    let store = store_plan(args.store)?;
    let asked = Asked {
        nonce: args.nonce,
        accept: args.accept.into_iter().map(Via::from).collect(),
        content: args.content.into(),
        images: args.image.iter().cloned().collect(),
        namespaces: store.namespaces.iter().map(Namespace::to_string).collect(),
        evidence: args.evidence,
        at: args.at,
        rootfs: args.rootfs.map(RootfsMode::from),
        drift: args.drift.map(DriftMode::from),
    };
    if asked.drift.is_some() && matches!(store.place, StoreAddress::Layout { .. }) {
        return Err(ConfigError::DriftOfLayout);
    }
    if asked.rootfs.is_some() {
        if matches!(store.place, StoreAddress::Layout { .. }) {
            return Err(ConfigError::RootfsOfLayout);
        }
        if asked.content == ContentMode::None {
            return Err(ConfigError::RootfsOfNothing);
        }
    }
    Ok(VerifyPlan {
        store,
        trust: args.trust,
        bundles: args.signatures,
        images: args.image,
        asked,
        jobs: args.jobs.map_or_else(cores, usize::from),
        nice: args.priority.nice,
        output: output_plan(args.output),
        format: args.format,
        run_id: args.run_id,
        clock: Clock::new(args.at)?,
        agent: agent(),
        node: node(),
    })
}

fn image_verifier(args: ImageVerifierArgs) -> Result<ImageVerifierPlan, ConfigError> {
    let site = site_folder();
    Ok(ImageVerifierPlan {
        trust: args.trust.unwrap_or_else(|| site.join("trust")),
        bundles: args.signatures,
        bundles_folder: site.join("bundles"),
        accept: args.accept.into_iter().map(Via::from).collect(),
        clock: Clock::new(args.at)?,
        name: args.name,
        digest: args.digest,
        media_type: args.stdin_media_type,
        operation: args.operation,
    })
}

fn store_plan(args: StoreArgs) -> Result<StorePlan, ConfigError> {
    let place = match args.store {
        StoreSpec::Containerd(address) => {
            let address = address.unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
            let address = address.strip_prefix("unix://").map(str::to_owned).unwrap_or(address);
            StoreAddress::Containerd { address }
        }
        StoreSpec::Root(path) => StoreAddress::Root { path },
        StoreSpec::Layout(_) if !args.namespace.is_empty() => return Err(ConfigError::NamespaceOfLayout),
        StoreSpec::Layout(path) => StoreAddress::Layout { path },
    };
    Ok(StorePlan { place, namespaces: args.namespace })
}

fn output_plan(args: OutputArgs) -> Output {
    if args.output == Path::new("-") { Output::Stdout } else { Output::File(args.output) }
}

/// The width of the terminal, or that of a wide one if standard output is not a terminal.
fn width() -> usize {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(120, |(width, _)| width.0.into())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn now() -> Result<UnixTime, ConfigError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| ConfigError::Clock)?;
    let seconds = i64::try_from(since.as_secs()).map_err(|_| ConfigError::Clock)?;
    UnixTime::from_seconds(seconds).ok_or(ConfigError::Clock)
}

/// This program, as reports name it.
fn agent() -> Agent {
    let own = std::env::current_exe().ok().and_then(|path| digest_of(&path).ok());
    Agent {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        target: env!("ASSAY_TARGET").to_owned(),
        sha256: own.map(|digest| digest.hex().to_owned()),
    }
}

fn digest_of(path: &Path) -> std::io::Result<Digest> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = DigestAlgorithm::Sha256.hasher();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn node() -> Node {
    Node {
        hostname: hostname(),
        machine_id: machine_id(),
        os: std::env::consts::OS.to_owned(),
        architecture: go_architecture(std::env::consts::ARCH).to_owned(),
        containerd: None,
    }
}

#[cfg(unix)]
fn machine_id() -> Option<String> {
    one_line("/etc/machine-id")
}

/// Windows keeps it in the registry only.
#[cfg(not(unix))]
fn machine_id() -> Option<String> {
    None
}

#[cfg(unix)]
fn hostname() -> Option<String> {
    one_line("/proc/sys/kernel/hostname").or_else(|| one_line("/etc/hostname"))
}

#[cfg(not(unix))]
fn hostname() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// The first line of a small file; none if it is empty or cannot be read.
#[cfg(unix)]
fn one_line(path: &str) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(4096).read_to_string(&mut text).ok()?;
    let line = text.lines().next().unwrap_or_default().trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Rust's name of an architecture in Go's words, which images use.
fn go_architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// The folder in which a node keeps what its site trusts. containerd tells a verifier only the image, so the folder is fixed. Only an
/// administrator may change it.
#[cfg(not(windows))]
fn site_folder() -> PathBuf {
    PathBuf::from("/etc/assay")
}

#[cfg(windows)]
fn site_folder() -> PathBuf {
    let data = std::env::var_os("ProgramData").unwrap_or_else(|| r"C:\ProgramData".into());
    PathBuf::from(data).join("assay")
}

const DEFAULT_ADDRESS: &str = if cfg!(windows) { CONTAINERD_PIPE } else { CONTAINERD_SOCKET };

/// Why the command line cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("--namespace is for containerd; a layout has no namespaces")]
    NamespaceOfLayout,
    /// `--rootfs` with a layout
    #[error("--rootfs compares what containerd unpacked; a layout has nothing unpacked")]
    RootfsOfLayout,
    /// `--drift` with a layout
    #[error("--drift looks at what containers wrote; a layout has no containers")]
    DriftOfLayout,
    /// `--rootfs` with `--content none`
    #[error(
        "--rootfs reads the images' layers, and --content none reads nothing of them; use --content metadata or full"
    )]
    RootfsOfNothing,
    /// A job whose command is a job
    #[error("a job cannot be the command of a job")]
    JobInJob,
    /// The clock is before 1970 or past 9999.
    #[error("the clock of this node is not set; give the time with --at")]
    Clock,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn plan(args: &[&str]) -> Result<Plan, ConfigError> {
        Plan::new(Cli::try_parse_from([&["assay-agent"], args].concat()).unwrap().command)
    }

    #[test]
    fn defaults_are_filled_in() {
        let Ok(Plan::Verify(plan)) = plan(&["verify", "--trust", "t"]) else { panic!("no plan") };
        assert_eq!(plan.store.place, StoreAddress::Containerd { address: DEFAULT_ADDRESS.to_owned() });
        assert_eq!((plan.output, plan.asked), (Output::Stdout, Asked::default()));
        assert!(plan.jobs >= 1 && plan.images.is_empty());
        assert_eq!(plan.agent.sha256.map(|hex| hex.len()), Some(64));
    }

    #[test]
    fn a_given_time_stands_for_the_clock() {
        let args = ["verify", "--trust", "t", "--at", "2026-01-31T12:00:00Z"];
        let Ok(Plan::Verify(plan)) = plan(&args) else { panic!("no plan") };
        assert_eq!(plan.clock.finished(), plan.clock.verified_at);
    }

    #[test]
    fn addresses_may_be_urls_and_layouts_have_no_namespaces() {
        let Ok(Plan::Inventory(inventory)) = plan(&["inventory", "--store", "containerd:unix:///run/c.sock"])
        else {
            panic!("no plan")
        };
        assert_eq!(inventory.store.place, StoreAddress::Containerd { address: "/run/c.sock".into() });
        let contradiction = plan(&["inventory", "--store", "layout:x", "--namespace", "n"]);
        assert!(matches!(contradiction, Err(ConfigError::NamespaceOfLayout)));
    }
}
