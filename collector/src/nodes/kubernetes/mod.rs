//! Reads the nodes of a cluster from what `kubectl get nodes` prints. Pure.
//!
//! Both forms of kubectl are read: `-o json` (`json.rs`) and the text of `-o wide` (`wide.rs`), and so are lists of several
//! clusters, one after the other. Anyone who may write node objects chooses their names and addresses, so each is checked as in
//! a site file. An error names the line.

mod error;
mod json;
mod node;
mod wide;

pub(crate) use error::{NODE_LIST_BYTES, NodeListError, NodeListProblem};
pub(crate) use node::ClusterNode;

use crate::text;

/// Reads what `kubectl get nodes` printed with `-o json` or `-o wide`, sorted by name.
///
/// # Errors
/// [`NodeListError`]
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<ClusterNode>, NodeListError> {
    let at_start = |problem| NodeListError { line: 1, problem, quoted: None };
    if bytes.len() > NODE_LIST_BYTES {
        return Err(at_start(NodeListProblem::TooLarge));
    }
    let text = text::decode(bytes).map_err(|_| at_start(NodeListProblem::Encoding))?;
    let mut nodes =
        if text.trim_start().starts_with(['{', '[']) { json::read(&text)? } else { wide::read(&text)? };
    if nodes.is_empty() {
        return Err(at_start(NodeListProblem::NoNode));
    }
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(nodes)
}

#[cfg(test)]
mod tests;
