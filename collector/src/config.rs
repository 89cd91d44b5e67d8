//! Turns the command line into what it means. Files, environment and terminal are read here, before any node is visited.

#![expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]

#[cfg(feature = "network")]
pub(crate) mod registries;
#[cfg(feature = "network")]
pub(crate) mod secrets;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use assay_report::{Asked, ContentMode, DriftMode, RootfsMode, SiteWaivers, Via};
use assay_verifier::oci::Digest;
use assay_verifier::time::{TimeError, UnixTime};

use crate::cli;
use crate::fleet::RetryPolicy;
use crate::nodes::Platform;
use crate::nodes::{Site, SiteFileError};
use crate::report::difference::{Baseline, BaselineError};
use crate::report::terminal::Look;
use crate::transport::Input;
use crate::visit::{self, AgentError, Payload, PayloadError, StepLimits, VisitPlan};
use crate::waivers::WaiversError;
use crate::{clock, random, text, trust, waivers};

/// An option, a file or the environment cannot be used; no node was visited.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The site file cannot be used.
    #[error("{}", path.display())]
    Site {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: SiteFileError,
    },
    /// The waivers file cannot be used.
    #[error("{}", path.display())]
    Waivers {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WaiversError,
    },
    /// The report of the run to compare with cannot be used.
    #[error("{}", path.display())]
    Baseline {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: BaselineError,
    },
    /// Evidence of revocation that is to be sent cannot be used.
    #[error(transparent)]
    Evidence(#[from] trust::UnusableEvidence),
    /// A bundle that is to be sent is not a layout.
    #[error(transparent)]
    Bundle(#[from] assay_judge::bundle::BundleFault),
    /// An agent cannot be used.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// What is to be sent cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The verification time is not valid.
    #[error("--at {text:?}")]
    At {
        /// What was given.
        text: String,
        /// What is wrong.
        source: TimeError,
    },
    /// A value that the agent does not accept.
    #[error("--{option} {value:?} is not one of {allowed}")]
    Value {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// The values that it accepts.
        allowed: &'static str,
    },
    /// A host that CRLs may be fetched from is not one.
    #[error("--crl-from {text:?}: write host or host:port")]
    CrlHost {
        /// What was given.
        text: String,
    },
    /// The path of this program is unknown, and the agents are beside it.
    #[error("the path of this program is unknown; name an agent with --agent")]
    OwnPath(#[source] io::Error),
}

/// Reads a site file.
///
/// # Errors
/// [`ConfigError`]
pub(crate) fn site(path: &Path) -> Result<Site, ConfigError> {
    let text =
        text::read(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    Site::parse(&text).map_err(|source| ConfigError::Site { path: path.to_owned(), source })
}

/// Reads the waivers. Their expiry is judged at the given time, or now.
///
/// # Errors
/// [`ConfigError`]
pub(crate) fn waivers(
    path: Option<&Path>,
    judged_at: Option<&str>,
) -> Result<Option<SiteWaivers>, ConfigError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let judged_at = judged_at.map(at).transpose()?.unwrap_or_else(clock::now);
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = text::decode(&bytes).map_err(unreadable)?;
    let sha256 = Digest::sha256(&bytes).hex().to_owned();
    waivers::parse(&text, sha256, judged_at)
        .map(Some)
        .map_err(|source| ConfigError::Waivers { path: path.to_owned(), source })
}

/// Reads the report of the earlier run to compare with.
///
/// # Errors
/// [`ConfigError`]
pub(crate) fn baseline(path: Option<&Path>) -> Result<Option<Baseline>, ConfigError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let file = std::fs::File::open(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    Baseline::read(BufReader::new(file))
        .map(Some)
        .map_err(|source| ConfigError::Baseline { path: path.to_owned(), source })
}

/// Reads and packs what every visit needs.
///
/// # Errors
/// [`ConfigError`]
pub(crate) fn plan(run: &cli::Run) -> Result<VisitPlan, ConfigError> {
    let asked = Asked {
        evidence: run.evidence,
        at: run.at.as_deref().map(at).transpose()?,
        ..asked(&run.looked_at)?
    };
    let mut evidence = assay_judge::trust::evidence(&run.trust.join("crls"));
    assay_judge::bundle::add_evidence(&run.bundle, &mut evidence)?;
    trust::require_usable(&evidence)?;
    let payload = Payload::new(&agents(&run.agents)?, &run.trust, &run.bundle)?;
    let limits = StepLimits { run: Duration::from_secs(run.time_limit), ..StepLimits::default() };
    Ok(VisitPlan { run_id: random::run_id(clock::now()), payload, asked, limits })
}

/// Reads what agents look at, and what counts as signed.
///
/// # Errors
/// [`ConfigError`]
pub(crate) fn asked(options: &cli::LookedAt) -> Result<Asked, ConfigError> {
    let cli::LookedAt { content, rootfs, drift, accept: accepted } = options;
    let content = content.as_ref().map(|value| {
        let mode = ContentMode::ALL.into_iter().find(|mode| mode.as_str() == value);
        let allowed = "full, metadata, none";
        mode.ok_or_else(|| ConfigError::Value { option: "content", value: value.clone(), allowed })
    });
    let rootfs = rootfs.as_ref().map(|value| {
        let mode = RootfsMode::ALL.into_iter().find(|mode| mode.as_str() == value);
        mode.ok_or_else(|| ConfigError::Value {
            option: "rootfs",
            value: value.clone(),
            allowed: "in-use, all",
        })
    });
    let drift = drift.as_ref().map(|value| {
        let mode = DriftMode::ALL.into_iter().find(|mode| mode.as_str() == value);
        mode.ok_or_else(|| ConfigError::Value {
            option: "drift",
            value: value.clone(),
            allowed: "report, fail",
        })
    });
    Ok(Asked {
        rootfs: rootfs.transpose()?,
        drift: drift.transpose()?,
        content: content.transpose()?.unwrap_or_default(),
        accept: accept(accepted)?,
        ..Asked::default()
    })
}

/// Reads the values of `--accept`: how an image may pass without a signature of its own.
///
/// # Errors
/// [`ConfigError::Value`]
pub(crate) fn accept(values: &[String]) -> Result<BTreeSet<Via>, ConfigError> {
    let read = |value: &String| {
        let via = Via::ALL.into_iter().find(|via| via.as_str() == value);
        let allowed = "parent-index, platform-manifest";
        via.ok_or_else(|| ConfigError::Value { option: "accept", value: value.clone(), allowed })
    };
    values.iter().map(read).collect()
}

/// A file as text; `-` is standard input.
///
/// # Errors
/// [`ConfigError::Unreadable`]
pub(crate) fn text(path: &Path) -> Result<String, ConfigError> {
    let text = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes);
        read.and_then(|_| text::decode(&bytes).map(Cow::into_owned))
    } else {
        text::read(path)
    };
    text.map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// A verification time.
///
/// # Errors
/// [`ConfigError::At`]
pub(crate) fn at(text: &str) -> Result<UnixTime, ConfigError> {
    UnixTime::parse(text).map_err(|source| ConfigError::At { text: text.to_owned(), source })
}

/// The agents to send. A named agent replaces the embedded one of its platform. Without named and embedded agents, those beside
/// this program are taken.
///
/// # Errors
/// [`ConfigError`]
pub(crate) fn agents(named: &cli::Agents) -> Result<BTreeMap<Platform, Input>, ConfigError> {
    let mut agents = visit::embedded_agents()?;
    agents.extend(match &named.agent_dir {
        Some(folder) => visit::agents_in(folder)?,
        None => visit::agents(&named.agent)?,
    });
    if agents.is_empty() {
        let own = std::env::current_exe().map_err(ConfigError::OwnPath)?;
        agents = visit::agents_in(own.parent().unwrap_or(Path::new(".")))?;
    }
    Ok(agents)
}

/// When nodes that could not be reached are tried again.
pub(crate) fn retry_policy(pace: &cli::Pace) -> RetryPolicy {
    RetryPolicy { retries: pace.retries, ..RetryPolicy::default() }
}

/// How a cluster is reached, and where in it everything is made.
#[cfg(feature = "kubernetes")]
pub(crate) fn cluster_access(
    api: &cli::ClusterAccess,
    connect_limit: Option<u64>,
) -> crate::transport::kubernetes::Access {
    crate::transport::kubernetes::Access {
        kubeconfig: api.kubeconfig.clone(),
        context: api.context.clone(),
        namespace: api.namespace.clone(),
        connect_limit: Duration::from_secs(connect_limit.unwrap_or(15)),
    }
}

/// How wide text may be on standard output, and whether it may have colours.
pub(crate) fn look() -> Look {
    let columns = terminal_size::terminal_size().map(|(width, _)| width.0);
    Look::new(io::stdout().is_terminal(), std::env::var_os("NO_COLOR").as_deref(), columns)
}

/// The value of an environment variable, unless it is empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
