//! Why a command ended before it could say anything about nodes, and what the program exits with then.

use std::io;
use std::path::PathBuf;

use assay_report::ExitCode;

use crate::config::ConfigError;
use crate::nodes::SiteFileError;
use crate::nodes::host_key_list::HostKeyListError;
use crate::nodes::kubernetes::NodeListError;
use crate::output::OutputError;

/// A command ended before it could say anything about nodes.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// An option or a file cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// --only names nodes that do not exist; no node was visited.
    #[error(transparent)]
    Selection(#[from] crate::fleet::Unmatched),
    /// The folder for the reports cannot be used; no node was visited.
    #[error(transparent)]
    Folder(OutputError),
    /// The reports cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The journal cannot be used.
    #[error("{}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why.
        source: crate::journal::JournalError,
    },
    /// Two node reports have one name.
    #[error("{}: there is another report of node {node:?}; name each file after its node", path.display())]
    SameNode {
        /// The second.
        path: PathBuf,
        /// The name.
        node: String,
    },
    /// A layout cannot be read.
    #[error(transparent)]
    Layout(#[from] crate::bundle::OpenError),
    /// A bundle cannot be made of layouts.
    #[error(transparent)]
    Repack(#[from] crate::bundle::RepackError),
    /// The agent would refuse a bundle.
    #[error(transparent)]
    Refused(Box<assay_judge::bundle::BundleFault>),
    /// An inventory cannot be used.
    #[error(transparent)]
    Inventory(#[from] crate::inventories::InventoryError),
    /// What a bundle is to carry does not name an image.
    #[error(transparent)]
    Wanted(#[from] crate::bundle::WantError),
    /// The lists of images for a bundle are empty.
    #[error("the given lists contain no image, so there is nothing to carry")]
    NothingWanted,
    /// A bundle cannot be written.
    #[error(transparent)]
    Staging(#[from] crate::bundle::StagingError),
    /// A profile has exactly two roots.
    #[error("--profile microsoft: give one --ca and one --tsa, each with one certificate")]
    OneRootEach,
    /// A trust directory cannot be used.
    #[error(transparent)]
    Trust(Box<crate::trust::TrustEditError>),
    /// Evidence of revocation cannot be used.
    #[error(transparent)]
    Unusable(#[from] crate::trust::UnusableEvidence),
    /// A site key cannot be used.
    #[error(transparent)]
    SiteKey(#[from] crate::site_key::SiteKeyError),
    /// Evidence cannot be packed.
    #[error(transparent)]
    Evidence(#[from] crate::evidence::PackError),
    /// A check would reject the evidence.
    #[error(
        "the run's folder is not valid as evidence, so nothing was written: run again, with one folder for each run"
    )]
    EvidenceDoesNotHold,
    /// The nodes of a cluster cannot be found out.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// There is no such code.
    #[error(
        "there is no code {code:?}{}; assay explain lists all codes",
        meant.map(|code| format!(" (did you mean {code}?)")).unwrap_or_default()
    )]
    UnknownCode {
        /// What was given.
        code: String,
        /// What may have been meant.
        meant: Option<&'static str>,
    },
    /// An agent within this program is damaged.
    #[error(transparent)]
    Damaged(#[from] crate::visit::Damaged),
    /// The site of the demo is damaged.
    #[error("the embedded site is damaged: {0}")]
    DemoSite(String),
    /// The system refuses threads or a scratch folder.
    #[error("{what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl From<assay_judge::bundle::BundleFault> for CommandError {
    fn from(error: assay_judge::bundle::BundleFault) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<crate::trust::TrustEditError> for CommandError {
    fn from(error: crate::trust::TrustEditError) -> Self {
        Self::Trust(Box::new(error))
    }
}

impl CommandError {
    /// The exit code of the process. If reports could not be written, nodes may have been judged without anyone learning of it.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Output(_) | Self::System { .. } => ExitCode::Incomplete,
            Self::Config(_)
            | Self::Selection(_)
            | Self::Folder(_)
            | Self::Journal { .. }
            | Self::SameNode { .. }
            | Self::Layout(_)
            | Self::Repack(_)
            | Self::Refused(_)
            | Self::Inventory(_)
            | Self::Wanted(_)
            | Self::NothingWanted
            | Self::Staging(_)
            | Self::OneRootEach
            | Self::Trust(_)
            | Self::Unusable(_)
            | Self::SiteKey(_)
            | Self::Evidence(_)
            | Self::EvidenceDoesNotHold
            | Self::Nodes(_)
            | Self::UnknownCode { .. }
            | Self::Damaged(_)
            | Self::DemoSite(_) => ExitCode::Usage,
        }
    }
}

/// The nodes of a cluster cannot be found out, or host keys cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// kubectl cannot be run.
    #[error("kubectl cannot be run; run it elsewhere and give its output with --from")]
    NoKubectl(#[source] io::Error),
    /// kubectl failed, and has printed why.
    #[error("kubectl get nodes failed ({0}); its own message is above")]
    Kubectl(std::process::ExitStatus),
    /// A file cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is not a list of nodes.
    #[error("{from}")]
    List {
        /// Where it came from.
        from: String,
        /// What is wrong.
        source: NodeListError,
    },
    /// The list of accepted host keys cannot be used.
    #[error("{}", path.display())]
    Accepted {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: HostKeyListError,
    },
    /// An option has a value that is not valid in a site file.
    #[error("the options do not make a valid site file")]
    Options(#[source] SiteFileError),
    /// A file cannot be written.
    #[error("{}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
