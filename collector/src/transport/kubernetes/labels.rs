//! The labels of what runs make in a cluster.

use std::collections::BTreeMap;

use crate::kubernetes::pod::MANAGED_BY;

/// The run that made an object.
const RUN: &str = "assay/run";

/// The job that it is, or whose pod it is.
const JOB: &str = "assay/job";

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// Everything of any run.
    AnyRun,
    /// Everything of the run with this id.
    Run(String),
    /// The job of this name, and its pods.
    Job(String),
}

impl Label {
    /// The selector of jobs and ConfigMaps.
    pub(super) fn selector(&self) -> String {
        match self {
            // what others made by our manifests has no run
            Self::AnyRun => format!("{}={},{RUN}", MANAGED_BY.0, MANAGED_BY.1),
            Self::Run(id) => format!("{RUN}={}", lower(id)),
            Self::Job(name) => format!("{JOB}={name}"),
        }
    }
}

/// The labels of what a run makes.
pub(super) fn of_run(id: &str) -> BTreeMap<String, String> {
    let managed = (MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
    [managed, (RUN.to_owned(), lower(id))].into()
}

/// The labels of a visit's job and its pod.
pub(super) fn of_job(run_id: &str, name: &str) -> BTreeMap<String, String> {
    let mut labels = of_run(run_id);
    labels.insert(JOB.to_owned(), name.to_owned());
    labels
}

/// The run that an object's labels name.
pub(super) fn run(labels: Option<&BTreeMap<String, String>>) -> Option<&str> {
    labels?.get(RUN).map(String::as_str)
}

/// A run's or folder's name as objects of Kubernetes may have it.
pub(super) fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}
