//! `assay bundle` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::TextOrJson;

/// `assay bundle`
#[derive(Debug, Args)]
pub struct Bundle {
    /// What to do.
    #[command(subcommand)]
    pub command: BundleCommand,
}

/// What to do with bundles.
#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Name gaps before anyone travels: images without a signature, signatures that will not verify, what expires
    Check(BundleCheck),
    /// List what bundles hold: images, signatures, CRLs, gaps
    List(BundleList),
    /// Make one bundle of several
    Merge(BundleMerge),
    /// Say what changed from one bundle to another
    Diff(BundleDiff),
    /// Make a bundle of another tool's layout: its signatures and manifests, without layers
    Slim(BundleSlim),
}

/// `assay bundle check`
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 all images pass or are skipped by policy; 1 an image will fail; 2 a bundle, inventory or trust directory cannot \
be used; 3 something could not be judged, or there is no image.")]
pub struct BundleCheck {
    /// Bundles, or layouts of other tools, as folders or archives
    #[arg(required = true, value_name = "BUNDLE")]
    pub bundles: Vec<PathBuf>,
    /// The trust directory that the nodes will verify under
    #[arg(long, value_name = "DIR")]
    pub trust: PathBuf,
    /// What nodes have: assay-agent's inventory as JSON, or a node report; repeatable [default: the images that the
    /// bundles name]
    #[arg(long, value_name = "INVENTORY", num_args = 1..)]
    pub against: Vec<PathBuf>,
    /// When the nodes will verify [default: now]
    #[arg(long, value_name = "RFC3339")]
    pub at: Option<String>,
    /// Accept what is not signed itself: parent-index or platform-manifest; repeatable
    #[arg(long, value_name = "VIA")]
    pub accept: Vec<String>,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
}

/// `assay bundle list`
#[derive(Debug, Args)]
pub struct BundleList {
    /// Bundles, or layouts of other tools, as folders or archives
    #[arg(required = true, value_name = "BUNDLE")]
    pub bundles: Vec<PathBuf>,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
}

/// `assay bundle merge`
#[derive(Debug, Args)]
pub struct BundleMerge {
    /// Bundles, or layouts of other tools, as folders or archives
    #[arg(required = true, value_name = "BUNDLE")]
    pub bundles: Vec<PathBuf>,
    #[command(flatten)]
    pub out: BundleOut,
}

/// `assay bundle slim`
#[derive(Debug, Args)]
pub struct BundleSlim {
    /// A layout, as a folder or archive; oras, skopeo or notation may have written it
    #[arg(value_name = "LAYOUT")]
    pub layout: PathBuf,
    #[command(flatten)]
    pub out: BundleOut,
}

/// Where a bundle goes.
#[derive(Debug, Args)]
pub struct BundleOut {
    /// The bundle: a folder, or a file that ends in .tar, .tar.gz or .tar.zst
    #[arg(long, value_name = "PATH")]
    pub out: PathBuf,
    /// Sign it with this key of the site: a private key, or a public one that the SSH agent holds
    #[arg(long, value_name = "KEY")]
    pub site_key: Option<PathBuf>,
}

/// `assay bundle diff`
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 no difference; 1 they differ; 2 one of them cannot be used.")]
pub struct BundleDiff {
    /// The earlier bundle
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The later one
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
}
