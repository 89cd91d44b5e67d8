//! What a cluster is given: the image of the agent, manifests, and the pod in which an agent looks at its node.

pub(crate) mod image;
pub(crate) mod manifest;
pub mod pod;
