//! Declares the command line of `assay bundle`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::common::{OUTPUT, REGISTRIES, RegistryAccess, TextOrJson, VERDICT};

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
    /// Fetch signatures, parents and CRLs of images from their registries into one file or folder
    Create(BundleCreate),
    /// Find gaps before anyone travels: images without a signature, signatures that will not verify, what expires
    Check(BundleCheck),
    /// List what bundles contain: images, signatures, CRLs, gaps
    List(BundleList),
    /// Merge several bundles into one
    Merge(BundleMerge),
    /// Show what changed from one bundle to another
    Diff(BundleDiff),
    /// Make a bundle of the signatures and manifests in another tool's layout, without its layers
    Slim(BundleSlim),
}

/// `assay bundle check`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:\n  assay bundle check bundle.tar --trust trust --against node1.json\n\n\
Exit codes: 0 all images pass or are skipped by policy; 1 an image will fail; 2 a bundle, inventory or trust directory cannot \
be used; 3 something could not be judged, or there is no image.")]
pub struct BundleCheck {
    /// Bundles, or layouts of other tools, as folders or archives
    #[arg(required = true, value_name = "BUNDLE")]
    pub bundles: Vec<PathBuf>,
    /// The trust directory that the nodes will verify under
    #[arg(long, value_name = "DIR")]
    pub trust: PathBuf,
    /// What a node has: assay-agent's inventory as JSON, or a node report; repeatable [default: the images that the
    /// bundles name]
    #[arg(long, value_name = "INVENTORY", num_args = 1..)]
    pub against: Vec<PathBuf>,
    /// When the nodes will verify [default: now]
    #[arg(long, value_name = "RFC3339", help_heading = VERDICT)]
    pub at: Option<String>,
    /// Also accept an image that is not signed itself, through its parent-index or platform-manifest; repeatable
    #[arg(long, value_name = "VIA", help_heading = VERDICT)]
    pub accept: Vec<String>,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t = TextOrJson::Text, help_heading = OUTPUT)]
    pub format: TextOrJson,
}

/// `assay bundle list`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay bundle list bundle.tar")]
pub struct BundleList {
    /// Bundles, or layouts of other tools, as folders or archives
    #[arg(required = true, value_name = "BUNDLE")]
    pub bundles: Vec<PathBuf>,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t = TextOrJson::Text, help_heading = OUTPUT)]
    pub format: TextOrJson,
}

/// `assay bundle merge`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay bundle merge vendor.tar own.tar --out bundle.tar")]
pub struct BundleMerge {
    /// Bundles, or layouts of other tools, as folders or archives
    #[arg(required = true, value_name = "BUNDLE")]
    pub bundles: Vec<PathBuf>,
    #[command(flatten)]
    pub out: BundleOut,
}

/// `assay bundle slim`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay bundle slim layout --out bundle.tar")]
pub struct BundleSlim {
    /// A layout, as a folder or archive; oras, skopeo or notation may have written it
    #[arg(value_name = "LAYOUT")]
    pub layout: PathBuf,
    /// Also make the lists of layers' files, of the layers in the layout, so that nodes that discarded their layers can verify with
    /// --rootfs
    #[arg(long)]
    pub rootfs: bool,
    #[command(flatten)]
    pub out: BundleOut,
}

/// Where a bundle goes.
#[derive(Debug, Args)]
pub struct BundleOut {
    /// The bundle: a folder, or a file that ends in .tar, .tar.gz or .tar.zst
    #[arg(long, value_name = "PATH", help_heading = OUTPUT)]
    pub out: PathBuf,
    /// Sign it with this key of the site: a private key, or a public one that the SSH agent holds
    #[arg(long, value_name = "KEY", visible_alias = "sign-key", help_heading = OUTPUT)]
    pub site_key: Option<PathBuf>,
}

/// `assay bundle diff`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:\n  assay bundle diff old.tar new.tar\n\n\
Exit codes: 0 no difference; 1 they differ; 2 one of them cannot be used.")]
pub struct BundleDiff {
    /// The earlier bundle
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The later one
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t = TextOrJson::Text, help_heading = OUTPUT)]
    pub format: TextOrJson,
}

/// `assay bundle create`
#[derive(Debug, Args)]
#[command(after_help = "\
By reference:\n  assay bundle create --image registry.example/team/app:v1 --out site.tar\n\
What the nodes hold, exactly:\n  assay-agent inventory --format json > node1.json   (on each node)\n  \
assay bundle create --inventory node*.json --out site.tar.zst\n\n\
Credentials are those of podman login (REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR) and docker login (DOCKER_CONFIG), proxies \
those of HTTPS_PROXY, HTTP_PROXY and NO_PROXY. After a failure, run it again: it continues where it stopped.\n\n\
Exit codes: 0 everything is in the bundle; 2 the command line or a file cannot be used; 3 an item could not be fetched, and the \
bundle was not written, or was written with gaps under --allow-gaps.")]
#[group(id = "what", required = true, multiple = true, args = ["image", "images_from", "inventory"])]
pub struct BundleCreate {
    /// An image by tag or digest, with its registry; repeatable
    #[arg(long, value_name = "REF", num_args = 1..)]
    pub image: Vec<String>,
    /// A file of images, one per line; - is standard input
    #[arg(long, value_name = "FILE")]
    pub images_from: Vec<PathBuf>,
    /// What a node has: assay-agent's inventory as JSON, or a node report; repeatable
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub inventory: Vec<PathBuf>,
    /// Fetch everything from this registry, or from below a path in it, instead of the registries that the names say
    #[arg(long, value_name = "REGISTRY", help_heading = REGISTRIES)]
    pub from: Option<String>,
    #[command(flatten)]
    pub out: BundleOut,
    /// containerd's folder of hosts.toml files, such as /etc/containerd/certs.d: mirrors and their CAs
    #[arg(long, value_name = "DIR", conflicts_with = "from", help_heading = REGISTRIES)]
    pub hosts_dir: Option<PathBuf>,
    #[command(flatten)]
    pub access: RegistryAccess,
    /// Do not carry CRLs, because they are staged in the trust directory
    #[arg(long)]
    pub no_crls: bool,
    /// Fetch only the CRLs of signatures that this trust directory trusts [default: a few for every signature]
    #[arg(long, value_name = "DIR")]
    pub trust: Option<PathBuf>,
    /// Also carry the list of each layer's files, so that nodes that discard their layers after unpacking can verify with
    /// --rootfs. Every layer is downloaded and read, and only its list is kept
    #[arg(long)]
    pub rootfs: bool,
    /// Fetch CRLs from this host, as host or host:port, even if it is this machine or on its link, or if a redirect leads to it
    /// in a private network; repeatable
    #[arg(long, value_name = "HOST", help_heading = REGISTRIES)]
    pub crl_from: Vec<String>,
    /// Write the bundle even if images, signatures, their listings or CRLs could not be fetched; the bundle names what is missing
    #[arg(long, help_heading = OUTPUT)]
    pub allow_gaps: bool,
    /// How many images are fetched at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = REGISTRIES)]
    pub concurrency: u16,
    /// Print only what is missing
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
}
