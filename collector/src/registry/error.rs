//! Why something cannot be fetched from a registry.

use assay_verifier::oci::Digest;

use super::hosts::HostsError;
use super::http::HttpError;
use super::login::LoginFault;
use crate::errors::with_sources;

/// Something cannot be fetched from a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RegistryError {
    /// It was not reached, or not to the end.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It is not there.
    #[error("{url}: the registry does not have it")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// Reading it needs a login, or another user.
    #[error("{url}: not authorized ({status}): {hint}")]
    Unauthorized {
        /// What was asked for.
        url: String,
        /// 401 or 403.
        status: u16,
        /// What to do.
        hint: String,
    },
    /// The login failed.
    #[error(transparent)]
    Login(#[from] LoginFault),
    /// Another answer than the specification knows.
    #[error("{url}: the registry answers {status}{message}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// What it says, with a colon before it.
        message: String,
    },
    /// The bytes are not what their digest says.
    #[error("{url}: the registry gives other bytes than those of the digest {digest}")]
    OtherBytes {
        /// What was asked for.
        url: String,
        /// The digest.
        digest: Digest,
    },
    /// An answer is not a manifest.
    #[error("{url}: {why}")]
    NotAManifest {
        /// What was asked for.
        url: String,
        /// Why not.
        why: String,
    },
    /// A listing leads in circles, to another server, or further than any real one.
    #[error("{url}: its pages {why}")]
    Pages {
        /// What was asked for.
        url: String,
        /// What they do.
        why: &'static str,
    },
    /// What is pushed cannot be read.
    #[error("what is pushed cannot be read")]
    Pushed(#[from] std::io::Error),
    /// Several hosts were asked, and each failed in its own way.
    #[error("none of {} hosts gives it: {}", .0.len(), .0.iter().map(|error| with_sources(error)).collect::<Vec<_>>().join("; "))]
    AllFailed(Vec<Self>),
    /// `hosts.toml` leaves no host to ask.
    #[error("hosts.toml names no host that may be asked for this")]
    NoEndpoint,
    /// `hosts.toml` or `--from` cannot be used.
    #[error(transparent)]
    Hosts(#[from] HostsError),
}

impl RegistryError {
    /// The error if every host failed that was asked.
    pub(crate) fn all_failed(mut failed: Vec<Self>) -> Self {
        match failed.len() {
            0 => Self::NoEndpoint,
            1 => failed.remove(0),
            _ => Self::AllFailed(failed),
        }
    }

    /// Whether it is not there: the last host is the registry itself, and the others copy it.
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::AllFailed(failed) => failed.last().is_some_and(Self::is_not_found),
            _ => false,
        }
    }

    pub(super) fn other_bytes(url: String, digest: &Digest) -> Self {
        Self::OtherBytes { url, digest: digest.clone() }
    }
}
