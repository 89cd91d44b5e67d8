//! Why a command ended before it could say anything about nodes, and what the program exits with then.

use std::io;
use std::path::PathBuf;

use assay_report::ExitCode;

use super::network::NetworkError;
use crate::config::ConfigError;
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
    /// The agent would refuse a bundle.
    #[error(transparent)]
    Refused(Box<assay_judge::bundle::BundleFault>),
    /// A profile has exactly two roots.
    #[error("--profile microsoft: give one --ca and one --tsa, each with one certificate")]
    OneRootEach,
    /// A trust directory cannot be used.
    #[error(transparent)]
    Trust(Box<crate::trust::TrustEditError>),
    /// Evidence of revocation cannot be used.
    #[error(transparent)]
    Unusable(#[from] crate::trust::UnusableEvidence),
    /// What only commands that reach nodes or registries, or sign, fail with.
    #[error(transparent)]
    Network(NetworkError),
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

impl<E> From<E> for CommandError
where
    NetworkError: From<E>,
{
    fn from(error: E) -> Self {
        Self::Network(error.into())
    }
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
            | Self::Refused(_)
            | Self::OneRootEach
            | Self::Trust(_)
            | Self::Unusable(_)
            | Self::Network(_)
            | Self::UnknownCode { .. }
            | Self::Damaged(_)
            | Self::DemoSite(_) => ExitCode::Usage,
        }
    }
}
