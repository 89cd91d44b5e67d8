//! What a cluster is given: the image of the agent, and the pod in which an agent looks at its node.

pub(crate) mod image;
pub mod pod;
