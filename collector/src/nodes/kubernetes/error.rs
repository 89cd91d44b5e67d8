//! What is wrong with a list of nodes.

/// The text is not a list of nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}{}", quoted.as_ref().map(|text| format!(": {text:?}")).unwrap_or_default())]
pub struct NodeListError {
    /// Where, counted from 1.
    pub line: usize,
    /// What.
    pub problem: NodeListProblem,
    /// The rejected line or its beginning; `None` for JSON.
    pub quoted: Option<String>,
}

/// What is wrong with a list of nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeListProblem {
    /// It is larger than any list of nodes.
    #[error("more than {NODE_LIST_BYTES} bytes")]
    TooLarge,
    /// It is not text.
    #[error("neither UTF-8 nor UTF-16")]
    Encoding,
    /// It is not the JSON of a list of nodes.
    #[error("{0}")]
    Json(String),
    /// The text does not begin with the header.
    #[error("not the header of kubectl get nodes -o wide, which begins with NAME; and not JSON")]
    NoHeader,
    /// The header lacks a column.
    #[error("there is no column {0}; kubectl get nodes -o wide has it")]
    NoColumn(&'static str),
    /// A row does not stand under the header.
    #[error("the columns are not aligned with the header's; save the output of kubectl unchanged")]
    Columns,
    /// There are no nodes.
    #[error("there is no node")]
    NoNode,
    /// A node is wrong.
    #[error(transparent)]
    Node(#[from] ClusterNodeProblem),
}

/// What is wrong with one node of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterNodeProblem {
    /// The name is empty, too long, or has blanks or control characters.
    #[error("{0:?} is not the name of a node")]
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
pub(crate) const NODE_LIST_BYTES: usize = 256 << 20;
