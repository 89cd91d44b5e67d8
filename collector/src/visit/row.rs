//! The row of a node in the site's report.

use assay_report::{CleanUp, CleanUpResult, NodeRow, Outcome};

use crate::nodes::Node;

/// The row of a node that was not visited yet.
pub(crate) fn unvisited_row(node: &Node) -> NodeRow {
    NodeRow {
        name: node.name.clone(),
        address: Some(match node.port() {
            22 => node.address.clone(),
            port if node.address.contains(':') => format!("[{}]:{port}", node.address),
            port => format!("{}:{port}", node.address),
        }),
        os: node.os.map(|os| os.to_string()),
        roles: node.roles.clone(),
        outcome: Outcome::Interrupted,
        message: None,
        hint: None,
        attempts: 0,
        started: None,
        finished: None,
        host_key: None,
        clock_skew: None,
        asked: None,
        store: node.store.clone(),
        same_machine: None,
        clean_up: CleanUp { result: CleanUpResult::NotNeeded, folder: None, message: None },
        touched: None,
        pod: None,
        report: None,
        waived: Vec::new(),
    }
}
