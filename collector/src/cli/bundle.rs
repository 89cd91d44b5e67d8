//! `assay bundle` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::common::{OUTPUT, REGISTRIES, TextOrJson, VERDICT};
use crate::registry::NamedHost;

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
    /// What nodes have: assay-agent's inventory as JSON, or a node report; repeatable [default: the images that the
    /// bundles name]
    #[arg(long, value_name = "INVENTORY", num_args = 1..)]
    pub against: Vec<PathBuf>,
    /// When the nodes will verify [default: now]
    #[arg(long, value_name = "RFC3339", help_heading = VERDICT)]
    pub at: Option<String>,
    /// Accept what is not signed itself: parent-index or platform-manifest; repeatable
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
those of HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Run again after a failure, it goes on where it stopped.\n\n\
Exit codes: 0 everything is in the bundle; 2 nothing can be asked for; 3 something could not be had, whatever it is, and the \
bundle was not written, or written with its gaps under --allow-gaps.")]
#[group(id = "what", required = true, multiple = true, args = ["image", "images_from", "inventory"])]
pub struct BundleCreate {
    /// An image by tag or digest, with its registry; repeatable
    #[arg(long, value_name = "REF", num_args = 1..)]
    pub image: Vec<String>,
    /// A file of images, one a line; - is standard input
    #[arg(long, value_name = "FILE")]
    pub images_from: Vec<PathBuf>,
    /// What a node holds, as assay-agent inventory --format json or a node report says; repeatable
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub inventory: Vec<PathBuf>,
    /// Fetch everything from this registry, or from below a path in it, instead of where the names say
    #[arg(long, value_name = "REGISTRY", help_heading = REGISTRIES)]
    pub from: Option<String>,
    #[command(flatten)]
    pub out: BundleOut,
    /// containerd's folder of hosts.toml files, such as /etc/containerd/certs.d: mirrors and their CAs
    #[arg(long, value_name = "DIR", conflicts_with = "from", help_heading = REGISTRIES)]
    pub hosts_dir: Option<PathBuf>,
    /// A registry, host or host:port, that is spoken to without TLS; a server of logins without TLS is named so as well;
    /// repeatable
    #[arg(long, value_name = "HOST", help_heading = REGISTRIES)]
    pub plain_http: Vec<String>,
    /// Certificates in PEM or DER that are trusted beside the system's: of authorities, or a registry's own; repeatable
    #[arg(long, value_name = "FILE", help_heading = REGISTRIES)]
    pub ca: Vec<PathBuf>,
    /// Carry no CRLs: they are staged in the trust directory
    #[arg(long)]
    pub no_crls: bool,
    /// Fetch CRLs of those signatures alone that are trusted under this trust directory [default: a few of every signature]
    #[arg(long, value_name = "DIR")]
    pub trust: Option<PathBuf>,
    /// Fetch CRLs from this host, or host:port, although it is this machine or its link, or a redirect leads to it in a private
    /// network; repeatable
    #[arg(long, value_name = "HOST", help_heading = REGISTRIES)]
    pub crl_from: Vec<NamedHost>,
    /// Write the bundle although images, signatures, their listings or CRLs could not be had; it names what is missing
    #[arg(long, help_heading = OUTPUT)]
    pub allow_gaps: bool,
    /// How many images are fetched at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = REGISTRIES)]
    pub concurrency: u16,
    /// How often a request is made again that a busy or failing server did not answer
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(..=20), help_heading = REGISTRIES)]
    pub retries: u32,
    /// Say only what is missing
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
}
