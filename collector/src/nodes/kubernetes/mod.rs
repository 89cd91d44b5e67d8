//! The nodes of a cluster: what `kubectl get nodes` says in, the nodes for a site file out. Pure.
//!
//! Both of kubectl's forms are read, whichever it is: `-o json` (`json.rs`) and the text of `-o wide` (`wide.rs`), and the
//! lists of several clusters one after the other. Whoever
//! may write node objects chooses their names and addresses, so each is checked as in a site file; an error names the line.

mod json;
mod wide;

use std::borrow::Cow;
use std::collections::BTreeSet;

use aws_lc_rs::digest;

use super::{Os, values};
use crate::text;

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name in the cluster.
    pub name: String,
    /// Host name or IP address.
    pub address: String,
    /// Its operating system, where the cluster knows.
    pub os: Option<Os>,
    /// Such as `control-plane`, sorted.
    pub roles: Vec<String>,
    /// What a person should know of it, such as `NotReady`.
    pub remarks: Vec<String>,
}

impl Found {
    /// Its name in a site file: its own, unless that is no safe file name. Then what is safe of it, with a part of its
    /// digest, so that no two are alike.
    pub fn site_name(&self) -> Cow<'_, str> {
        if values::is_name(&self.name) {
            return Cow::Borrowed(&self.name);
        }
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
        let start: String = self.name.chars().take(80).map(safe).collect();
        let digest = digest::digest(&digest::SHA256, self.name.as_bytes());
        let digest = digest.as_ref().first_chunk::<6>().map(|head| crate::archive::hex(head));
        Cow::Owned(format!("node-{start}-{}", digest.unwrap_or_default()))
    }
}

/// What was given is no list of nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}{}", quoted.as_ref().map(|text| format!(": {text:?}")).unwrap_or_default())]
pub struct NodeListError {
    /// Where, counted from 1.
    pub line: usize,
    /// What.
    pub problem: NodeListProblem,
    /// The refused line, or its beginning; none where the document is JSON.
    pub quoted: Option<String>,
}

/// What is wrong with a list of nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeListProblem {
    /// It is larger than any list of nodes.
    #[error("more than {NODE_LIST_BYTES} bytes")]
    TooLarge,
    /// It is no text.
    #[error("neither UTF-8 nor UTF-16")]
    Encoding,
    /// It is no JSON, or not that of a list of nodes.
    #[error("{0}")]
    Json(String),
    /// The text does not begin with the header.
    #[error("not the header of kubectl get nodes -o wide, which begins with NAME; nor JSON")]
    NoHeader,
    /// The header lacks a column.
    #[error("there is no column {0}; kubectl get nodes -o wide has it")]
    NoColumn(&'static str),
    /// A row does not stand under the header.
    #[error("the columns do not stand under the header's; save what kubectl prints as it is")]
    Columns,
    /// There are no nodes.
    #[error("there is no node")]
    NoNode,
    /// A node is wrong.
    #[error(transparent)]
    Node(#[from] NodeProblem),
}

/// What is wrong with one node of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeProblem {
    /// The name is empty, too long, or has blanks or control characters.
    #[error("{0:?} is no name of a node")]
    Name(String),
    /// Two nodes have one name.
    #[error("node {0:?} is there twice")]
    Twice(String),
    /// An address is neither a host name nor an IP address.
    #[error("node {node:?} has the address {address:?}, which is neither a host name nor an IP address")]
    Address {
        /// The node.
        node: String,
        /// The address.
        address: String,
    },
    /// A role has blanks or control characters.
    #[error("node {node:?} has the role {role:?}")]
    Role {
        /// The node.
        node: String,
        /// The role.
        role: String,
    },
}

/// Bytes of a list of nodes. One node with its fifty images takes some 20 KiB of JSON, and 5,000 nodes are Kubernetes' limit.
pub const NODE_LIST_BYTES: usize = 256 << 20;

/// Reads what `kubectl get nodes` printed with `-o json` or `-o wide`, sorted by name.
///
/// # Errors
/// [`NodeListError`]
pub fn read(bytes: &[u8]) -> Result<Vec<Found>, NodeListError> {
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

/// What either form says of a node, not checked yet.
struct Said<'a> {
    name: &'a str,
    /// The best first; none of them where the cluster knows none.
    addresses: Vec<&'a str>,
    os: Option<Os>,
    roles: Vec<&'a str>,
    remarks: Vec<String>,
}

impl Said<'_> {
    /// Checks everything that becomes part of a site file. `seen` are the names so far.
    fn check(mut self, seen: &mut BTreeSet<String>) -> Result<Found, NodeProblem> {
        let name = self.name.to_owned();
        if !is_word(&name) || name.len() > 253 {
            return Err(NodeProblem::Name(name));
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(NodeProblem::Twice(name));
        }
        let address = match self.addresses.first() {
            Some(address) => *address,
            None => {
                self.remarks.push("the cluster knows no address; this is the name".to_owned());
                self.name
            }
        };
        if !values::is_host(address) {
            return Err(NodeProblem::Address { node: name, address: address.to_owned() });
        }
        if let Some(role) = self.roles.iter().find(|role| !is_word(role)) {
            return Err(NodeProblem::Role { node: name, role: (*role).to_owned() });
        }
        let roles: BTreeSet<String> = self.roles.iter().map(|role| (*role).to_owned()).collect();
        let roles = roles.into_iter().collect();
        Ok(Found { name, address: address.to_owned(), os: self.os, roles, remarks: self.remarks })
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests;
