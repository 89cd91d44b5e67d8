//! Reads `kubectl get nodes -o json`: a `List` of `Node` objects (Kubernetes API, core/v1). A single `Node`, the API's own `NodeList`,
//! and several of these one after the other are read as well. Members that are not needed are skipped.

use std::collections::{BTreeMap, BTreeSet};

use assay_verifier::json::JsonError;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{NodeListError, NodeListProblem};
use super::node::{ClusterNode, ListedNode};
use crate::nodes::platform::Os;
use crate::text::line_of;

/// The label that makes a role, `node-role.kubernetes.io/control-plane` for example, and the older one whose value is it.
const ROLE: &str = "node-role.kubernetes.io/";
const OLD_ROLE: &str = "kubernetes.io/role";

/// A node's addresses by their type, the best first.
const ADDRESS_TYPES: [&str; 5] = ["InternalIP", "ExternalIP", "InternalDNS", "ExternalDNS", "Hostname"];

pub(super) fn read(text: &str) -> Result<Vec<ClusterNode>, NodeListError> {
    let mut nodes = Vec::new();
    let mut seen = BTreeSet::new();
    let mut lines = Lines { text, at: 0, line: 1 };
    for document in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let document = document.map_err(|error| malformed(text, 1, &error))?.get();
        let line = lines.line_of(document);
        let top: Top<'_> = parse(document, line)?;
        let items = match (top.kind.as_deref(), top.items) {
            (Some("List" | "NodeList"), Some(items)) => items,
            (Some("Node"), None) => vec![document],
            (kind, _) => {
                let kind = kind.unwrap_or("this");
                let problem =
                    format!("{kind:?} is not a list of nodes; save the output of kubectl get nodes -o json");
                return Err(error(line, NodeListProblem::Json(problem)));
            }
        };
        for item in items {
            nodes.push(read_node(item, lines.line_of(item), &mut seen)?);
        }
    }
    Ok(nodes)
}

fn read_node(text: &str, line: usize, seen: &mut BTreeSet<String>) -> Result<ClusterNode, NodeListError> {
    let node: Node = parse(text, line)?;
    if let Some(kind) = node.kind.as_deref().filter(|kind| *kind != "Node") {
        let problem = NodeListProblem::Json(format!(
            "{kind:?} is not a Node; save the output of kubectl get nodes -o json"
        ));
        return Err(error(line, problem));
    }
    node.listed().check(seen).map_err(|problem| error(line, problem.into()))
}

fn error(line: usize, problem: NodeListProblem) -> NodeListError {
    NodeListError { line, problem, quoted: None }
}

/// JSON that begins on that line.
fn parse<'a, T: Deserialize<'a>>(text: &'a str, line: usize) -> Result<T, NodeListError> {
    serde_json::from_str(text).map_err(|error| malformed(text, line, &error))
}

/// An error of serde_json, for a text that begins on that line.
fn malformed(text: &str, line: usize, error: &serde_json::Error) -> NodeListError {
    let JsonError { problem, line: at, .. } = JsonError::new(text.as_bytes(), error);
    self::error(line + at.max(1) - 1, NodeListProblem::Json(problem.to_string()))
}

/// Finds the lines of parts of a text, which come in order.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line that a part begins on.
    fn line_of(&mut self, part: &str) -> usize {
        let offset = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        self.line +=
            line_of(self.text.get(self.at..).unwrap_or_default(), offset.saturating_sub(self.at)) - 1;
        self.at = offset;
        self.line
    }
}

/// A list has `items`; one node has none. The items are read one by one, each with its line.
#[derive(Deserialize)]
struct Top<'a> {
    kind: Option<String>,
    #[serde(borrow, default, deserialize_with = "texts")]
    items: Option<Vec<&'a str>>,
}

fn texts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<&'de str>>, D::Error> {
    let raw = Vec::<&'de RawValue>::deserialize(deserializer)?;
    Ok(Some(raw.into_iter().map(RawValue::get).collect()))
}

#[derive(Deserialize)]
struct Node {
    kind: Option<String>,
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    uid: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    addresses: Vec<Address>,
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default, rename = "nodeInfo")]
    info: Info,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Default, Deserialize)]
struct Info {
    #[serde(default, rename = "operatingSystem")]
    operating_system: String,
}

impl Node {
    fn listed(&self) -> ListedNode<'_> {
        let labels = &self.metadata.labels;
        let status = &self.status;
        let of_type = |kind| status.addresses.iter().filter(move |one| one.kind == kind);
        let addresses = ADDRESS_TYPES.into_iter().flat_map(of_type).map(|one| one.address.as_str()).collect();
        let mut roles: Vec<&str> = labels
            .keys()
            .filter_map(|label| label.strip_prefix(ROLE))
            .filter(|role| !role.is_empty())
            .collect();
        roles.extend(labels.get(OLD_ROLE).map(String::as_str).filter(|role| !role.is_empty()));
        let mut remarks = Vec::new();
        let ready = status.conditions.iter().find(|condition| condition.kind == "Ready");
        if ready.is_some_and(|ready| ready.status != "True") {
            remarks.push("NotReady".to_owned());
        }
        let named = Some(status.info.operating_system.as_str()).filter(|os| !os.is_empty());
        let os = match named.or_else(|| labels.get("kubernetes.io/os").map(String::as_str)) {
            Some("linux") => Some(Os::Linux),
            Some("windows") => Some(Os::Windows),
            Some(other) => {
                remarks.push(format!("operating system {other:?}"));
                None
            }
            None => None,
        };
        ListedNode {
            name: &self.metadata.name,
            uid: self.metadata.uid.as_deref(),
            addresses,
            os,
            roles,
            remarks,
        }
    }
}
