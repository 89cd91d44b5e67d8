//! Holds what the tests of the programs share: the programs run as a user runs them, real peers beside them, and the
//! fixtures as files.
//!
//! A peer that is not installed fails the test, with the name of its package: a test that did not run is not a pass.

pub mod packages;
pub mod program;
pub mod proxy;
pub mod wine;

pub mod http;

pub mod certificates;
pub mod cgroup;
pub mod containerd;
pub mod kinds;
pub mod kubernetes;
pub mod machine;
pub mod published;
pub mod registry;
pub mod roots;
pub mod served;
pub mod sshd;
pub mod static_program;
pub mod trace;

pub mod conformance;
pub mod demo_site;
pub mod interop;
pub mod vector;
