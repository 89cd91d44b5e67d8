//! A node of a cluster, as it is listed and as it is checked.

use std::borrow::Cow;
use std::collections::BTreeSet;

use aws_lc_rs::digest;

use super::error::ClusterNodeProblem;
use crate::nodes::platform::Os;
use crate::nodes::values;

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClusterNode {
    /// Its name in the cluster.
    pub name: String,
    /// The id of its object, if the list has it.
    pub uid: Option<String>,
    /// Host name or IP address.
    pub address: String,
    /// Its operating system, if the cluster knows it.
    pub os: Option<Os>,
    /// Such as `control-plane`, sorted.
    pub roles: Vec<String>,
    /// What a person should know of it, such as `NotReady`.
    pub remarks: Vec<String>,
}

impl ClusterNode {
    /// Its name in a site file: its own if that is safe as a file name. Otherwise the safe characters of it, with a part of its
    /// digest so that names stay different.
    pub(crate) fn site_name(&self) -> Cow<'_, str> {
        if values::is_name(&self.name) {
            return Cow::Borrowed(&self.name);
        }
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
        let start: String = self.name.chars().take(80).map(safe).collect();
        let digest = digest::digest(&digest::SHA256, self.name.as_bytes());
        let digest = digest.as_ref().first_chunk::<6>().map(hex::encode);
        Cow::Owned(format!("node-{start}-{}", digest.unwrap_or_default()))
    }
}

/// A node as either form lists it, not checked yet.
pub(super) struct ListedNode<'a> {
    pub(super) name: &'a str,
    pub(super) uid: Option<&'a str>,
    /// The best one first; empty if the cluster knows none.
    pub(super) addresses: Vec<&'a str>,
    pub(super) os: Option<Os>,
    pub(super) roles: Vec<&'a str>,
    pub(super) remarks: Vec<String>,
}

impl ListedNode<'_> {
    /// Checks everything that becomes part of a site file. `seen` are the names so far.
    pub(super) fn check(mut self, seen: &mut BTreeSet<String>) -> Result<ClusterNode, ClusterNodeProblem> {
        let name = self.name.to_owned();
        if !is_word(&name) || name.len() > 253 {
            return Err(ClusterNodeProblem::Name(name));
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(ClusterNodeProblem::Twice(name));
        }
        let address = match self.addresses.first() {
            Some(address) => *address,
            None => {
                self.remarks.push("the cluster knows no address; this is the name".to_owned());
                self.name
            }
        };
        if !values::is_host(address) {
            return Err(ClusterNodeProblem::Address { node: name, address: address.to_owned() });
        }
        if let Some(role) = self.roles.iter().find(|role| !is_word(role)) {
            return Err(ClusterNodeProblem::Role { node: name, role: (*role).to_owned() });
        }
        let roles: BTreeSet<String> = self.roles.iter().map(|role| (*role).to_owned()).collect();
        let roles = roles.into_iter().collect();
        Ok(ClusterNode {
            name,
            uid: self.uid.map(str::to_owned),
            address: address.to_owned(),
            os: self.os,
            roles,
            remarks: self.remarks,
        })
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}
