//! How registries are reached, as the command line says it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::addresses::NamedHost;
use super::credentials::AuthFile;
use super::tls::Authority;
use crate::random;

/// How registries are reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Everything is fetched from here instead of where its name says: a registry, perhaps with the beginning of a path.
    pub from: Option<String>,
    /// A folder of containerd's `hosts.toml` files, one folder a registry.
    pub hosts: Option<PathBuf>,
    /// Registries (`host` or `host:port`) that are spoken to without TLS.
    pub plain_http: BTreeSet<String>,
    /// Certificates that are trusted beside the system's.
    pub authorities: Vec<Authority>,
    /// Hosts that CRLs are fetched from although they are this machine or its link.
    pub crl_from: Vec<NamedHost>,
    /// The hosts of proxies that the environment names.
    pub proxies: BTreeSet<String>,
    /// Where credentials are looked up, the first that has some counts.
    pub auth_files: Vec<AuthFile>,
    /// How long to go on.
    pub request_policy: RequestPolicy,
}

/// How often and how long requests are retried after failures that may pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestPolicy {
    /// How often a request is made again.
    pub retries: u32,
    /// The first pause; each one after is twice as long.
    pub first: Duration,
    /// The longest pause that a server may ask for.
    pub longest: Duration,
    /// How long one request may take.
    pub request: Duration,
}

impl RequestPolicy {
    /// How long to wait after so many attempts, a little more or less, so that many who wait do not come back at once.
    pub(super) fn pause(&self, attempt: u32) -> Duration {
        let pause = self.first.saturating_mul(2_u32.saturating_pow(attempt)).min(self.longest);
        pause.mul_f64(random::fraction().mul_add(0.5, 0.75))
    }
}

impl Default for RequestPolicy {
    fn default() -> Self {
        Self {
            retries: 4,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(120),
            request: Duration::from_secs(120),
        }
    }
}
