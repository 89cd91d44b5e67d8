//! Defines the command line as clap reads it. Nothing is looked up yet. Options that this version does not have are refused here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use assay_report::{ContentMode, DriftMode, Namespace, RootfsMode, Via};
use assay_verifier::oci::{Digest, DigestError};
use assay_verifier::time::UnixTime;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "assay-agent", about = "Verifies the container images of this node, offline", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Verify every image against the trust policy and write a report
    Verify(VerifyArgs),
    /// List the images that are there, unverified
    Inventory(InventoryArgs),
    /// Show what a signature says, unverified
    Inspect(InspectArgs),
    /// Judge an image that containerd is about to pull, as its image verifier; standard input has the descriptor
    ImageVerifier(ImageVerifierArgs),
    /// Run verify or inventory as the container of a Kubernetes job; the report goes to the container's log, in a frame
    Job(Box<JobArgs>),
    /// Show the version, the target and the digest of this program
    Version(VersionArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Where the images are: containerd, containerd:ADDRESS, root:DIR (containerd's root on disk, read without its daemon)
    /// or layout:PATH (an OCI image layout, directory or tar)
    #[arg(long, value_name = "STORE", default_value = "containerd")]
    pub(crate) store: StoreSpec,
    /// Only this namespace of containerd; repeatable [default: every namespace]
    #[arg(long, value_name = "NS", value_parser = namespace)]
    pub(crate) namespace: Vec<Namespace>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The trust directory: trustpolicy.json, truststore/, crls/
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: PathBuf,
    /// A bundle of signatures: an OCI image layout, directory or tar; repeatable
    #[arg(long, value_name = "PATH")]
    pub(crate) signatures: Vec<PathBuf>,
    /// Only this image, by a reference or digest that the store has; repeatable
    #[arg(long, value_name = "REF")]
    pub(crate) image: Vec<String>,
    /// How much of the images' content to hash
    #[arg(long, value_name = "HOW", default_value = "full")]
    pub(crate) content: ContentArg,
    /// Compare the unpacked snapshots of these images with the signed layers, file by file; overlayfs and native
    #[arg(long, value_name = "WHICH")]
    pub(crate) rootfs: Option<RootfsArg>,
    /// List what containers wrote, and what is mounted over files of their images
    #[arg(long, value_name = "WHAT")]
    pub(crate) drift: Option<DriftArg>,
    /// What makes an image pass in place of its own signature: parent-index, platform-manifest; repeatable
    #[arg(long, value_name = "VIA")]
    pub(crate) accept: Vec<ViaArg>,
    /// Put the signatures that only the store has into the report, byte for byte, so that they can be verified again later
    #[arg(long)]
    pub(crate) evidence: bool,
    /// Judge as of this time, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = UnixTime::parse)]
    pub(crate) at: Option<UnixTime>,
    /// Number of threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) priority: PriorityArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// report: the node report; procedure: the two lists of names that the sample procedure writes
    #[arg(long, value_name = "FORMAT", default_value = "report")]
    pub(crate) format: VerifyFormat,
    /// An id that the report repeats
    #[arg(long, value_name = "ID", value_parser = run_id)]
    pub(crate) run_id: Option<String>,
    /// A value for this run only, which the report repeats: it shows that the report is of this run
    #[arg(long, value_name = "TEXT", value_parser = run_id)]
    pub(crate) nonce: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InventoryArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) priority: PriorityArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TextOrJson,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A signature envelope's file, or layout:PATH for every signature of a layout
    #[arg(value_name = "ENVELOPE|layout:PATH")]
    pub(crate) what: OsString,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TextOrJson,
}

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TextOrJson,
}

/// containerd gives the last four, with one hyphen each (`image_verifier::arguments`).
#[derive(Debug, Args)]
pub(crate) struct ImageVerifierArgs {
    /// The trust directory [default: /etc/assay/trust, on Windows %ProgramData%\assay\trust]
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: Option<PathBuf>,
    /// A bundle of signatures; repeatable [default: all in /etc/assay/bundles, on Windows %ProgramData%\assay\bundles]
    #[arg(long, value_name = "PATH")]
    pub(crate) signatures: Vec<PathBuf>,
    /// What makes an image pass in place of its own signature: parent-index, platform-manifest; repeatable
    #[arg(long, value_name = "VIA")]
    pub(crate) accept: Vec<ViaArg>,
    /// Judge as of this time, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = UnixTime::parse)]
    pub(crate) at: Option<UnixTime>,
    /// The name under which the image is pulled
    #[arg(long, value_name = "REF")]
    pub(crate) name: String,
    /// The digest that the name was resolved to
    #[arg(long, value_name = "DIGEST")]
    pub(crate) digest: String,
    /// The media type of standard input
    #[arg(long, value_name = "TYPE")]
    pub(crate) stdin_media_type: String,
    /// What is about to happen; containerd says it if it also asks before containers run
    #[arg(long, value_name = "WHAT")]
    pub(crate) operation: Option<Operation>,
}

/// What containerd is about to do with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    /// to pull it
    Pull,
    /// to run a container of it
    Run,
}

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The node's name, which the report gives as its host name
    #[arg(long, value_name = "NAME", value_parser = node_name)]
    pub(crate) node_name: String,
    /// A folder with the parts of an archive of the trust directory and the bundles: part-0000, part-0001 and so on
    #[arg(long, value_name = "DIR", requires = "archive_sha256")]
    pub(crate) parts: Option<PathBuf>,
    /// The archive's digest
    #[arg(long, value_name = "HEX", requires = "parts", value_parser = hex_digest)]
    pub(crate) archive_sha256: Option<Digest>,
    /// An empty folder, into which the archive is unpacked. The command runs in it
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: PathBuf,
    /// Where the termination message goes, which repeats the report's digest
    #[arg(long, value_name = "FILE")]
    pub(crate) termination_log: Option<PathBuf>,
    /// verify or inventory, with its options
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct PriorityArgs {
    /// Run at the lowest CPU priority, which on Linux also lowers the I/O priority. On Windows this has no effect: start the
    /// program with start /low instead
    #[arg(long)]
    pub(crate) nice: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Where to write; - is standard output
    #[arg(long, value_name = "PATH", default_value = "-")]
    pub(crate) output: PathBuf,
}

/// Where images are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreSpec {
    /// A containerd daemon, by default at the platform's address.
    Containerd(Option<String>),
    /// A containerd root on disk.
    Root(PathBuf),
    /// An OCI image layout, directory or tar.
    Layout(PathBuf),
}

/// Why a text does not name a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreSpecError {
    #[error("a store is containerd, containerd:ADDRESS, root:DIR or layout:PATH")]
    Unknown,
    #[error("there is nothing after the colon")]
    Empty,
}

impl FromStr for StoreSpec {
    type Err = StoreSpecError;

    fn from_str(text: &str) -> Result<Self, StoreSpecError> {
        match text.split_once(':') {
            None if text == "containerd" => Ok(Self::Containerd(None)),
            Some(("containerd" | "root" | "layout", "")) => Err(StoreSpecError::Empty),
            Some(("containerd", address)) => Ok(Self::Containerd(Some(address.to_owned()))),
            Some(("root", path)) => Ok(Self::Root(path.into())),
            Some(("layout", path)) => Ok(Self::Layout(path.into())),
            _ => Err(StoreSpecError::Unknown),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContentArg {
    /// everything reachable from the image that is on the node
    Full,
    /// indexes, manifests and configs
    Metadata,
    /// nothing
    None,
}

impl From<ContentArg> for ContentMode {
    fn from(arg: ContentArg) -> Self {
        match arg {
            ContentArg::Full => Self::Full,
            ContentArg::Metadata => Self::Metadata,
            ContentArg::None => Self::None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RootfsArg {
    /// images that containers use
    InUse,
    /// every image that is unpacked
    All,
}

impl From<RootfsArg> for RootfsMode {
    fn from(arg: RootfsArg) -> Self {
        match arg {
            RootfsArg::InUse => Self::InUse,
            RootfsArg::All => Self::All,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DriftArg {
    /// it is listed
    Report,
    /// it is listed, and the image fails
    Fail,
}

impl From<DriftArg> for DriftMode {
    fn from(arg: DriftArg) -> Self {
        match arg {
            DriftArg::Report => Self::Report,
            DriftArg::Fail => Self::Fail,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViaArg {
    /// a signed index that lists the image
    ParentIndex,
    /// the signed platform manifests that the image, an index, lists
    PlatformManifest,
}

impl From<ViaArg> for Via {
    fn from(arg: ViaArg) -> Self {
        match arg {
            ViaArg::ParentIndex => Self::ParentIndex,
            ViaArg::PlatformManifest => Self::PlatformManifest,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyFormat {
    Report,
    Procedure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    Text,
    Json,
}

fn namespace(text: &str) -> Result<Namespace, &'static str> {
    Namespace::new(text).ok_or("a namespace has a name, such as k8s.io")
}

/// Checks an id. It ends up in reports, logs and file names, so it is short and printable and has no spaces.
fn run_id(text: &str) -> Result<String, &'static str> {
    if matches!(text.len(), 1..=128) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("an id has at most 128 printable ASCII letters, and no spaces")
    }
}

/// Checks the name of a node: RFC 1123, as Kubernetes' names of objects.
fn node_name(text: &str) -> Result<String, &'static str> {
    let is_usual = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    if matches!(text.len(), 1..=253) && text.bytes().all(is_usual) {
        Ok(text.to_owned())
    } else {
        Err("a node's name has at most 253 of the letters a-z, 0-9, - and .")
    }
}

fn hex_digest(text: &str) -> Result<Digest, DigestError> {
    format!("sha256:{text}").parse()
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    fn refused(args: &[&str]) -> ErrorKind {
        Cli::try_parse_from([&["assay-agent"], args].concat()).unwrap_err().kind()
    }

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn stores_are_named_by_kind_and_place() {
        for (text, spec) in [
            ("containerd", Ok(StoreSpec::Containerd(None))),
            ("containerd:/run/c.sock", Ok(StoreSpec::Containerd(Some("/run/c.sock".into())))),
            ("layout:a:b", Ok(StoreSpec::Layout("a:b".into()))),
            ("layout:", Err(StoreSpecError::Empty)),
            ("root:/var/lib/containerd", Ok(StoreSpec::Root("/var/lib/containerd".into()))),
            (
                r"root:C:\ProgramData\containerd\root",
                Ok(StoreSpec::Root(r"C:\ProgramData\containerd\root".into())),
            ),
            ("root:", Err(StoreSpecError::Empty)),
            ("docker", Err(StoreSpecError::Unknown)),
            ("/run/c.sock", Err(StoreSpecError::Unknown)),
        ] {
            assert_eq!(text.parse(), spec, "{text}");
        }
    }

    #[test]
    fn verify_needs_a_trust_directory_and_sane_values() {
        assert_eq!(refused(&["verify"]), ErrorKind::MissingRequiredArgument);
        for (flag, value) in [
            ("--at", "yesterday"),
            ("--jobs", "0"),
            ("--namespace", ""),
            ("--run-id", ""),
            ("--run-id", "a b"),
            ("--nonce", ""),
            ("--run-id", &"x".repeat(129)),
        ] {
            assert_eq!(
                refused(&["verify", "--trust", "t", flag, value]),
                ErrorKind::ValueValidation,
                "{flag}"
            );
        }
        for (flag, value) in [("--accept", "all"), ("--rootfs", "some"), ("--drift", "pass")] {
            assert_eq!(refused(&["verify", "--trust", "t", flag, value]), ErrorKind::InvalidValue, "{flag}");
        }
    }
}
