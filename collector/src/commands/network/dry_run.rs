//! `assay run --dry-run`: shows what a run would do on which node, without connecting or writing anything.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use crate::clean;
use crate::cli;
use crate::nodes::{Node, Sudo};
use crate::report::text::count;
use crate::transport::ssh::Connector;
use crate::visit::VisitPlan;

/// How many nodes are listed; of further ones only the number is shown.
const NODES: usize = 1_000;

/// The run as a list of steps and a table of nodes.
pub(super) fn text(options: &cli::Run, nodes: &[Node], connector: &Connector, plan: &VisitPlan) -> String {
    let mut text = String::new();
    let inputs = plan.payload.inputs();
    let limit = options.limit.map_or(nodes.len(), |limit| usize::try_from(limit).unwrap_or(nodes.len()));
    let many = nodes.len().min(limit);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "Would visit {many} of {}, {} at once:\n",
        count(nodes.len(), "node"),
        options.pace.concurrency
    );
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["NODE", "LOGIN", "HOST KEY", "OS", "AS ROOT", "STORE"]);
    for node in nodes.iter().take(many.min(NODES)) {
        let login = connector.login_of(&node.name).unwrap_or_default();
        table.add_row([
            clean::line(&node.name, 60),
            clean::line(&login, 120),
            connector.host_key_of(&node.name).unwrap_or("unknown: would be refused").to_owned(),
            node.os.map_or("found out there", crate::nodes::Os::as_str).to_owned(),
            root_by(node).to_owned(),
            clean::line(node.store.as_deref().unwrap_or("containerd's default"), 80),
        ]);
    }
    let _ = writeln!(text, "{}", table.trim_fmt());
    if many > NODES {
        let _ = writeln!(text, "and {} more", many - NODES);
    }
    let _ = writeln!(
        text,
        "\nOn each: make a private folder in /run, /var/tmp, /tmp or the login's home, upload, check"
    );
    let _ = writeln!(
        text,
        "SHA-256, run the agent for at most {} s, fetch its report, remove the folder.\n",
        options.time_limit
    );
    for (what, files) in [("agent", &inputs.agents), ("bundle", &inputs.bundles)] {
        for file in files {
            let _ = writeln!(
                text,
                "{what} {}, {} bytes, sha256 {}",
                clean::name(&file.name),
                file.size,
                file.sha256
            );
        }
    }
    if let Some(trust) = &inputs.trust {
        let _ = writeln!(text, "trust directory, {} bytes, sha256 {}", trust.size, trust.sha256);
    }
    text
}

fn root_by(node: &Node) -> &'static str {
    match node.sudo {
        Sudo::No => "login",
        Sudo::Yes => "sudo",
        Sudo::Password => "sudo with password",
    }
}
