//! `assay kubernetes manifest`: writes what a cluster is given as YAML.

use std::collections::BTreeMap;
use std::time::Duration;

use assay_report::{Asked, ExitCode};

use super::error::KubernetesError;
use crate::cli::{AdmissionPolicies, KubernetesManifest};
use crate::commands::error::CommandError;
use crate::kubernetes::manifest::{Admission, Manifest};
use crate::kubernetes::pod::{AgentPod, BUNDLES, Sight, TRUST};
use crate::nodes::Os;
use crate::output::OutputError;
use crate::visit::asked_arguments;
use crate::{config, console, files};

/// Runs `assay kubernetes manifest`.
///
/// # Errors
/// [`CommandError`]
pub(super) fn manifest(options: &KubernetesManifest) -> Result<ExitCode, CommandError> {
    let asked = config::asked(&options.looked_at)?;
    let mut nodes = BTreeMap::new();
    for (node, store) in nodes_of(options)? {
        let store = store.as_deref();
        if let Some(store) = store.filter(|store| store.starts_with("layout:")) {
            return Err(KubernetesError::Store { node, store: store.to_owned() }.into());
        }
        nodes.insert(node, pod(options, &asked, store));
    }
    if nodes.is_empty() {
        return Err(KubernetesError::NoNode.into());
    }
    let manifest = Manifest {
        namespace: options.namespace.clone(),
        nodes,
        schedule: options.cron.clone(),
        deadline: Duration::from_secs(options.time_limit),
    };
    let exceptions: Vec<Admission> = options.exceptions.iter().map(|policies| (*policies).into()).collect();
    let yaml = manifest.yaml(&exceptions).map_err(KubernetesError::from)?;
    match &options.out {
        None => console::print(&yaml),
        Some(path) => files::write(path, yaml.as_bytes())
            .map_err(|source| OutputError::Write { path: path.clone(), source })?,
    }
    Ok(ExitCode::Passed)
}

/// The nodes by name, and where their images are.
fn nodes_of(options: &KubernetesManifest) -> Result<BTreeMap<String, Option<String>>, CommandError> {
    let mut nodes: BTreeMap<String, Option<String>> =
        options.node.iter().map(|node| (node.clone(), options.store.clone())).collect();
    if let Some(path) = &options.site {
        let of_site = config::site(path)?.nodes.into_iter().filter(|node| node.os != Some(Os::Windows));
        nodes.extend(of_site.map(|node| (node.name, node.store)));
    }
    Ok(nodes)
}

fn pod(options: &KubernetesManifest, asked: &Asked, store: Option<&str>) -> AgentPod {
    let mut command = vec!["verify".to_owned()];
    command.extend(store.map(|store| format!("--store={store}")));
    command.push(format!("--trust={TRUST}"));
    command.extend((0..options.bundles).map(|number| format!("--signatures={BUNDLES}/{number}.tar")));
    command.extend(asked_arguments(asked));
    command.push("--nice".to_owned());
    AgentPod {
        image: options.image.clone(),
        pull_policy: options.pull_policy.clone(),
        pull_secrets: options.pull_secret.clone(),
        sight: Sight::of_store(store, options.containerd_root.as_deref(), Sight::reads_files(asked)),
        delivery: None,
        command,
        labels: BTreeMap::new(),
        selinux_type: options.selinux_type.clone(),
    }
}

impl From<AdmissionPolicies> for Admission {
    fn from(policies: AdmissionPolicies) -> Self {
        match policies {
            AdmissionPolicies::Gatekeeper => Self::Gatekeeper,
            AdmissionPolicies::Kyverno => Self::Kyverno,
        }
    }
}
