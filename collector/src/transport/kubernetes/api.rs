//! The API server of a cluster: how it is reached, and one call at a time.
//!
//! A call that may pass is tried again until its time is over: an API server that is restarted, busy, or has lost its store is back
//! in seconds. Nothing is retried that it has refused.

use std::path::PathBuf;
use std::time::Duration;

use assay_report::Outcome;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};

use crate::clean;
use crate::errors::with_sources;

/// How a cluster is reached.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// The kubeconfig; `KUBECONFIG` or the usual place if absent.
    pub kubeconfig: Option<PathBuf>,
    /// The context; the current one if absent.
    pub context: Option<String>,
    /// The namespace for everything that is made.
    pub namespace: String,
    /// How long a connection may take.
    pub connect_limit: Duration,
}

/// A cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    namespace: String,
}

/// A cluster that is connected to when it is first needed. The client belongs to the threads that it was made on.
pub(super) struct LateCluster {
    access: Access,
    cluster: OnceCell<Cluster>,
}

impl LateCluster {
    pub(super) fn new(access: Access) -> Self {
        Self { access, cluster: OnceCell::new() }
    }

    /// # Errors
    /// [`AccessError`]
    pub(super) async fn get(&self) -> Result<&Cluster, AccessError> {
        self.cluster.get_or_try_init(|| Cluster::new(&self.access)).await
    }
}

/// How long one request may take to be answered. Watches and logs have limits of their own.
const REQUEST: Duration = Duration::from_secs(30);

/// How long before the first retry; each further one waits twice as long, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The cluster cannot be reached with this kubeconfig.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] KubeconfigError),
    /// What it says of TLS or the login cannot be used.
    #[error("the kubeconfig cannot be used")]
    Client(#[source] kube::Error),
}

impl Cluster {
    /// Reads the kubeconfig. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`AccessError`]
    pub(crate) async fn new(access: &Access) -> Result<Self, AccessError> {
        let kubeconfig = match &access.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let options = KubeConfigOptions { context: access.context.clone(), ..KubeConfigOptions::default() };
        let config = match kubeconfig {
            Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
            Err(error) => Err(error),
        };
        let mut config = config.map_err(AccessError::Kubeconfig)?;
        config.connect_timeout = Some(access.connect_limit);
        // calls are tried again here, within the time of their step
        config.default_retry = false;
        let client = Client::try_from(config).map_err(AccessError::Client)?;
        Ok(Self { client, namespace: access.namespace.clone() })
    }

    /// The namespace for everything that is made.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Objects of the namespace.
    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The client, for objects of no namespace.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

/// Makes a call, and again while what went wrong may pass. `what` says what it does, for people.
///
/// # Errors
/// [`ApiError`], the last one.
pub(super) async fn call<T, F>(
    what: &'static str,
    limit: Duration,
    request: impl Fn() -> F + Send,
) -> Result<T, ApiError>
where
    T: Send,
    F: Future<Output = kube::Result<T>> + Send,
{
    let begun = Instant::now();
    let mut pause = PAUSE;
    loop {
        let left = limit.saturating_sub(begun.elapsed()).max(PAUSE);
        let error = match timeout(left.min(REQUEST), request()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => ApiError::new(what, &error),
            Err(_) => ApiError::silent(what),
        };
        if !error.may_pass() || begun.elapsed() + pause >= limit {
            return Err(error);
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A call to the API server failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {}", self.said())]
pub struct ApiError {
    /// What was to be done.
    what: &'static str,
    kind: Kind,
    /// What the API server or the system says, cleaned.
    message: String,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It cannot be reached, or broke off.
    Unreachable,
    /// It does not answer in time.
    Silent,
    /// It answers that it cannot just now.
    Busy,
    /// It does not know the user.
    Unauthorized,
    /// The user may not do this.
    Forbidden,
    /// A rule, a quota or the namespace is against it.
    Refused,
    /// The object is not there.
    NotFound,
    /// The object is there already.
    Exists,
    /// A watch is too old to be continued.
    Expired,
}

impl ApiError {
    pub(super) fn new(what: &'static str, error: &kube::Error) -> Self {
        let (kind, message) = match error {
            kube::Error::Api(status) => {
                (kind(status.code, &status.reason, &status.message), status.message.clone())
            }
            kube::Error::Auth(_) => (Kind::Unauthorized, with_sources(error)),
            kube::Error::SerdeError(_) => {
                (Kind::Refused, format!("it is not answered as Kubernetes answers: {}", with_sources(error)))
            }
            _ => (Kind::Unreachable, with_sources(error)),
        };
        Self { what, kind, message: clean::message(&message) }
    }

    /// No answer came in time.
    pub(super) fn silent(what: &'static str) -> Self {
        Self { what, kind: Kind::Silent, message: String::new() }
    }

    /// Whether it may pass without anyone doing something about it.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.kind, Kind::Unreachable | Kind::Silent | Kind::Busy)
    }

    pub(super) fn is_missing(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// Whether a watch must be begun anew.
    pub(super) fn expired(&self) -> bool {
        self.kind == Kind::Expired
    }

    pub(super) fn exists(&self) -> bool {
        self.kind == Kind::Exists
    }

    /// Whether the API server has refused it, for whatever reason.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.kind, Kind::Refused | Kind::Forbidden)
    }

    fn said(&self) -> &str {
        match self.kind {
            Kind::Silent => "the API server does not answer in time",
            _ => &self.message,
        }
    }

    /// What it means for the row of a node, and what to do about it.
    pub(super) fn outcome(&self) -> (Outcome, &'static str) {
        match self.kind {
            Kind::Unreachable | Kind::Silent | Kind::Busy | Kind::Expired => {
                (Outcome::Unreachable, "check that the API server is up, and the server in the kubeconfig")
            }
            Kind::Unauthorized => (
                Outcome::AuthRefused,
                "check the user in the kubeconfig: its token or certificate may be out of date",
            ),
            Kind::Forbidden => (
                Outcome::Forbidden,
                "give the user the right that the message names; collector/kubernetes/rights.yaml has the Role and the ClusterRole",
            ),
            Kind::Refused | Kind::NotFound | Kind::Exists => (
                Outcome::PodRefused,
                "make an exception in the rule that the message names, raise the quota, or create the namespace",
            ),
        }
    }
}

/// What an answer of the API server means. RBAC, quotas, Pod Security and webhooks all answer 403; only RBAC's answer is about what
/// a user can do.
fn kind(code: u16, reason: &str, message: &str) -> Kind {
    match code {
        401 => Kind::Unauthorized,
        403 if message.contains("User \"") && message.contains("\" cannot ") => Kind::Forbidden,
        404 => Kind::NotFound,
        409 if reason == "AlreadyExists" => Kind::Exists,
        410 => Kind::Expired,
        // a webhook that cannot be asked is a rule that refuses until someone mends it
        500.. if message.contains("failed calling webhook") => Kind::Refused,
        408 | 429 | 500.. => Kind::Busy,
        _ => Kind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_api_server_are_told_apart() {
        for (code, reason, message, expected) in [
            (401, "Unauthorized", "Unauthorized", Kind::Unauthorized),
            (
                403,
                "Forbidden",
                "jobs.batch is forbidden: User \"user-1\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"assay\"",
                Kind::Forbidden,
            ),
            (
                403,
                "Forbidden",
                "jobs.batch \"a\" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1",
                Kind::Refused,
            ),
            (
                403,
                "Forbidden",
                "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": hostPath volumes",
                Kind::Refused,
            ),
            (403, "", "admission webhook \"a.example.test\" denied the request: no", Kind::Refused),
            (400, "", "admission webhook \"a.example.test\" denied the request: no", Kind::Refused),
            (422, "Invalid", "Job.batch \"a\" is invalid: spec: Invalid value", Kind::Refused),
            (404, "NotFound", "namespaces \"assay\" not found", Kind::NotFound),
            (409, "AlreadyExists", "jobs.batch \"a\" already exists", Kind::Exists),
            (409, "Conflict", "the object has been modified", Kind::Refused),
            (410, "Expired", "too old resource version", Kind::Expired),
            (429, "TooManyRequests", "too many requests", Kind::Busy),
            (
                500,
                "InternalError",
                "failed calling webhook \"a.example.test\": connection refused",
                Kind::Refused,
            ),
            (500, "InternalError", "etcdserver: request timed out", Kind::Busy),
            (503, "ServiceUnavailable", "apiserver is shutting down", Kind::Busy),
            (504, "Timeout", "timed out", Kind::Busy),
        ] {
            assert_eq!(kind(code, reason, message), expected, "{code} {message}");
        }
    }
}
