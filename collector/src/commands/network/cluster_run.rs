//! `assay run --via kubernetes`: visits the nodes of a cluster through its API server.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use assay_report::{ExitCode, NodeRow};

use super::error::NetworkError;
use super::run::{Given, earlier_results, visit_all};
use crate::commands::error::CommandError;
use crate::commands::runtime::block_on;
use crate::commands::visits::RunPlan;
use crate::kubernetes::pod::Sight;
use crate::nodes::kubernetes::ClusterNode;
use crate::nodes::{Node, Site, Sudo};
use crate::report::text::count;
use crate::transport::kubernetes::{self, Cluster, Connector, JobPlan, Parts};
use crate::visit::{Place, VisitPlan};
use crate::{clean, cli, config, console, fleet};

/// Runs `assay run --via kubernetes`.
///
/// # Errors
/// [`CommandError`]
pub(super) fn run(options: &cli::Run) -> Result<ExitCode, CommandError> {
    let site = options.site.as_deref().map(config::site).transpose()?;
    let mut plan = config::plan(options)?;
    let given = Given::read(options)?;
    let in_cluster = &options.cluster;
    let image = in_cluster.image.clone().unwrap_or_default();
    let place = if in_cluster.in_image { Place::Image } else { Place::Folder };
    plan.payload = plan.payload.in_pods(image.clone(), place);
    let access = config::cluster_access(&in_cluster.api, options.pace.connect_limit);
    let listed = block_on(async {
        let cluster = Cluster::new(&access).await.map_err(NetworkError::from)?;
        kubernetes::list(&cluster).await.map_err(NetworkError::from)
    })??;
    let known: BTreeMap<String, ClusterNode> =
        listed.into_iter().map(|node| (node.site_name().into_owned(), node)).collect();
    let nodes = fleet::select(nodes(&known, site.as_ref()), &options.only)?;
    let of = nodes.len() as u64;
    if options.dry_run {
        console::print(&dry_run(options, &image, &nodes, &plan));
        return Ok(ExitCode::Passed);
    }
    // The node's object has another id if another machine has joined under its name.
    let same_host = |node: &Node, row: &NodeRow| {
        let now = known.get(&node.name).and_then(|node| node.uid.as_deref());
        now.is_some() && now == row.pod.as_ref().map(|pod| pod.node_uid.as_str())
    };
    let mut run_plan = RunPlan::new(nodes, plan, earlier_results(options, &same_host), options.limit);
    run_plan.site = site.and_then(|site| site.name);
    let run_id = run_plan.run.id.clone();
    let parts = match place {
        Place::Folder => {
            Some(Parts::new(run_plan.plan.payload.delivered(), &run_id).map_err(NetworkError::from)?)
        }
        Place::Image => None,
    };
    let job_plan = JobPlan {
        run_id,
        image,
        pull_policy: in_cluster.pull_policy.clone(),
        pull_secrets: in_cluster.pull_secret.clone(),
        containerd_root: in_cluster.containerd_root.clone(),
        reads_files: Sight::reads_files(&run_plan.plan.asked),
    };
    let names = known.into_iter().map(|(name, node)| (name, node.name)).collect();
    let connector = Connector::new(access, job_plan, parts, names);
    let clean_up = || format!("assay kubernetes cleanup --namespace {}", in_cluster.api.namespace);
    visit_all(options, given, run_plan, connector, of, &clean_up)
}

/// The nodes that the cluster lists, and those that only the site file names, which get a row that says so. Sorted by name.
fn nodes(listed: &BTreeMap<String, ClusterNode>, site: Option<&Site>) -> Vec<Node> {
    let of_site = |name: &str| site.and_then(|site| site.node(name));
    let mut nodes: Vec<Node> = listed
        .iter()
        .map(|(name, node)| Node {
            name: name.clone(),
            address: node.address.clone(),
            port: None,
            os: node.os,
            roles: node.roles.clone(),
            group: of_site(name).and_then(|node| node.group.clone()),
            host_key: None,
            jump: None,
            store: of_site(name).and_then(|node| node.store.clone()),
            user: None,
            identity: None,
            certificate: None,
            known_hosts: Vec::new(),
            sudo: Sudo::No,
        })
        .collect();
    let only_in_site = site.into_iter().flat_map(|site| &site.nodes);
    nodes.extend(only_in_site.filter(|node| !listed.contains_key(&node.name)).cloned());
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    nodes
}

/// What a run would do, without making anything.
fn dry_run(options: &cli::Run, image: &str, nodes: &[Node], plan: &VisitPlan) -> String {
    let mut text = String::new();
    let limit = options.limit.map_or(nodes.len(), |limit| usize::try_from(limit).unwrap_or(nodes.len()));
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "Would make a job in namespace {} for each of {} of {}, {} at once, with the image\n{}\n",
        clean::name(&options.cluster.api.namespace),
        nodes.len().min(limit),
        count(nodes.len(), "node"),
        options.pace.concurrency,
        clean::name(image)
    );
    for node in nodes.iter().take(limit) {
        let store = node.store.as_deref().unwrap_or("containerd's default");
        let _ = writeln!(text, "  {}  {}", clean::line(&node.name, 60), clean::line(store, 80));
    }
    let inputs = plan.payload.inputs();
    let _ = writeln!(text);
    for (what, files) in [("agent", &inputs.agents), ("bundle", &inputs.bundles)] {
        for file in files {
            let (name, size) = (clean::name(&file.name), file.size);
            let _ = writeln!(text, "{what} {name}, {size} bytes, sha256 {}", file.sha256);
        }
    }
    if let Some(trust) = &inputs.trust {
        let _ = writeln!(text, "trust directory, {} bytes, sha256 {}", trust.size, trust.sha256);
    }
    text
}
