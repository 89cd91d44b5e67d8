//! Declares the command line of `assay trust`.

use std::path::PathBuf;

use assay_verifier::notary::trust_policy::TrustStoreName;
use assay_verifier::notary::trust_store::StoreType;
use clap::{Args, Subcommand, ValueEnum};

/// `assay trust`
#[derive(Debug, Args)]
pub struct Trust {
    /// What to do.
    #[command(subcommand)]
    pub command: TrustCommand,
}

/// What to do with a trust directory.
#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Make a trust directory: a policy, and the certificates that it trusts
    Init(TrustInit),
    /// Add certificates, CRLs, public keys or statements to a trust directory
    Add(TrustAdd),
    /// Show what would be trusted, what expires when, and what is malformed
    Check(TrustCheck),
    /// Make a trust directory from a notation configuration: its policy, its trust stores and its cached CRLs
    Import(TrustImport),
}

/// `assay trust init`
#[derive(Debug, Args)]
#[command(after_help = "\
A publisher whose roots are known:\n  assay trust init --profile microsoft --ca ca.crt --tsa tsa.crt trust\n\
One's own CA:\n  assay trust init --name acme --ca acme-root.crt --identity 'C=US,ST=WA,O=Acme' --scope registry.acme.example/app trust")]
pub struct TrustInit {
    /// The trust directory; it must be empty or not exist
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// A publisher whose policy and root certificates are known; the certificates are checked against their SHA-256
    #[arg(long, value_enum, requires = "tsa", conflicts_with_all = ["name", "scope", "level", "identity", "signing_authority"])]
    pub profile: Option<Profile>,
    /// CA certificates that signers' certificates chain to; repeatable
    #[arg(long, value_name = "FILE", required_unless_present = "signing_authority")]
    pub ca: Vec<PathBuf>,
    /// Roots of timestamping authorities; repeatable
    #[arg(long, value_name = "FILE")]
    pub tsa: Vec<PathBuf>,
    /// Certificates of signing authorities; repeatable
    #[arg(long, value_name = "FILE")]
    pub signing_authority: Vec<PathBuf>,
    /// The name of the statement and its trust stores
    #[arg(long, value_name = "NAME", default_value = "site")]
    pub name: String,
    /// A repository that the statement is for, such as registry.example/app, or * for all; repeatable
    #[arg(long, value_name = "REPOSITORY", default_value = "*")]
    pub scope: Vec<String>,
    /// What failed checks lead to
    #[arg(long, value_enum, default_value_t = Level::Strict)]
    pub level: Level,
    /// The subject of certificates that may sign, with at least C, ST and O, or * for all that the CA issued; repeatable
    #[arg(long, value_name = "SUBJECT", required_unless_present = "profile")]
    pub identity: Vec<String>,
    /// Overwrite existing files; other files stay
    #[arg(long)]
    pub force: bool,
}

/// Publishers whose policy and roots are known.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Profile {
    /// Images of Microsoft's container registry, as its sample procedure verifies them
    Microsoft,
}

/// Levels of a statement.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Level {
    /// Every failed check fails the signature
    Strict,
    /// Failed timestamps, expiry and revocation are logged
    Permissive,
    /// Everything except integrity is logged
    Audit,
}

impl From<Level> for assay_verifier::notary::trust_policy::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Strict => Self::Strict,
            Level::Permissive => Self::Permissive,
            Level::Audit => Self::Audit,
        }
    }
}

/// `assay trust add`
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "Example:\n  assay trust add trust --ca acme=acme-root.crt --crl acme.crl")]
pub struct TrustAdd {
    /// The trust directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Certificates for the trust store ca:NAME; repeatable
    #[arg(long, value_name = "NAME=FILE", value_parser = stored(StoreType::Ca))]
    pub ca: Vec<(TrustStoreName, PathBuf)>,
    /// Roots for the trust store tsa:NAME; repeatable
    #[arg(long, value_name = "NAME=FILE", value_parser = stored(StoreType::Tsa))]
    pub tsa: Vec<(TrustStoreName, PathBuf)>,
    /// Certificates for the trust store signingAuthority:NAME; repeatable
    #[arg(long, value_name = "NAME=FILE", value_parser = stored(StoreType::SigningAuthority))]
    pub signing_authority: Vec<(TrustStoreName, PathBuf)>,
    /// A CRL, in DER, PEM or as notation caches it; keep the name that it was published under; repeatable
    #[arg(long, value_name = "FILE")]
    pub crl: Vec<PathBuf>,
    /// A public key whose private key signs the site's bundles and evidence; repeatable
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// A statement for the policy, as a JSON object; repeatable
    #[arg(long, value_name = "FILE")]
    pub statement: Vec<PathBuf>,
    /// Overwrite files and statements of the same name
    #[arg(long)]
    pub force: bool,
}

/// `assay trust check`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:\n  assay trust check trust --at 2027-01-31T00:00:00Z\n\n\
Exit codes: 0 in order; 1 something is malformed or lets nothing pass; 2 there is no trust directory; \
3 something is not valid at that time.")]
pub struct TrustCheck {
    /// The trust directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The time at which it will be used [default: now]
    #[arg(long, value_name = "RFC3339")]
    pub at: Option<String>,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t = super::common::TextOrJson::Text)]
    pub format: super::common::TextOrJson,
}

/// `assay trust import`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay trust import ~/.config/notation trust")]
pub struct TrustImport {
    /// notation's configuration folder, such as ~/.config/notation
    #[arg(value_name = "FROM")]
    pub from: PathBuf,
    /// The trust directory; it must be empty or not exist
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// notation's CRL cache, such as ~/.cache/notation/crl
    #[arg(long, value_name = "DIR")]
    pub crl_cache: Option<PathBuf>,
    /// Overwrite existing files; other files stay
    #[arg(long)]
    pub force: bool,
}

/// Reads the name of a trust store of this type, and a file for it.
fn stored(
    store_type: StoreType,
) -> impl Fn(&str) -> Result<(TrustStoreName, PathBuf), String> + Clone + Send + Sync {
    move |text| {
        let (name, path) =
            text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or("not NAME=FILE")?;
        let form =
            "NAME may contain only letters, digits, dots, underscores and hyphens, and must not be . or ..";
        let store: TrustStoreName = format!("{}:{name}", store_type.folder()).parse().map_err(|_| form)?;
        Ok((store, path.into()))
    }
}
