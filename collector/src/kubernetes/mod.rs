//! What a cluster is given: the pod in which an agent looks at its node.

pub mod pod;
