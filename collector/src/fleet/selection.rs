//! Which nodes of a site a run is about: all of them, or those that `--only` names.

use crate::nodes::Node;

/// A name that does not select a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--only {0:?}: no node has this name, role or group")]
pub struct Unmatched(pub String);

/// The nodes that `only` selects by name, role or group; all nodes if `only` is empty.
///
/// # Errors
/// [`Unmatched`]: a mistyped name must not silently leave out nodes.
pub(crate) fn select(nodes: Vec<Node>, only: &[String]) -> Result<Vec<Node>, Unmatched> {
    if only.is_empty() {
        return Ok(nodes);
    }
    if let Some(name) = only.iter().find(|name| !nodes.iter().any(|node| answers_to(node, name))) {
        return Err(Unmatched(name.clone()));
    }
    Ok(nodes.into_iter().filter(|node| only.iter().any(|name| answers_to(node, name))).collect())
}

fn answers_to(node: &Node, name: &str) -> bool {
    node.name == name || node.group.as_deref() == Some(name) || node.roles.iter().any(|role| role == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::Site;

    #[test]
    fn nodes_are_selected_by_name_and_role() {
        let text: String = [("a", "control-plane"), ("b", "worker"), ("c", "worker")]
            .iter()
            .map(|(name, role)| {
                format!("[[node]]\nname = \"{name}\"\naddress = \"{name}\"\nroles = [\"{role}\"]\n")
            })
            .collect();
        let nodes = Site::parse(&text).unwrap().nodes;
        let named = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
            select(nodes.clone(), &only)
                .map(|nodes| nodes.into_iter().map(|node| node.name).collect::<Vec<_>>())
        };
        assert_eq!(named(&[]).unwrap(), ["a", "b", "c"]);
        assert_eq!(named(&["worker"]).unwrap(), ["b", "c"]);
        assert_eq!(named(&["c", "control-plane"]).unwrap(), ["a", "c"]);
        assert_eq!(named(&["a", "workers"]), Err(Unmatched("workers".into())));
    }
}
