//! The collector against a real sshd on loopback: every way that a visit can go, and nothing left behind after any of them.
//!
//! A stand-in for the agent (`examples/stand_in_agent.rs`) misbehaves on demand; `real_agent.rs` uses the real one.

#![expect(clippy::disallowed_methods, reason = "the collector's rules are not for what it is tested with")]

mod addresses;
mod as_openssh;
mod config;
mod faults;
mod fleet;
mod host_keys;
mod hostile;
mod interruption;
mod keys;
mod link;
mod login;
mod node;
#[path = "../program/mod.rs"]
mod program;
mod real_agent;
mod scan;
mod sessions;
mod shells;
mod sudo;
mod visit;
mod windows;
