//! What an agent is asked to do: everything that its verdicts depend on beside its inputs and its store.
//!
//! The collector writes it down before a visit. The agent repeats how it understood its command line. A report that says
//! something else is refused.

use alloc::collections::BTreeSet;
use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::drift::DriftMode;
use crate::image::ContentMode;
use crate::verdict::Via;
use assay_verifier::time::UnixTime;

/// What an agent is asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Asked {
    /// `--nonce`: made anew for each visit, so that no report stands for another; absent if none was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// `--accept`: what makes an image pass beside a signature of its own.
    pub accept: BTreeSet<Via>,
    /// `--content`: how much of the images' content is hashed.
    pub content: ContentMode,
    /// `--image`: the images that the report is limited to; empty if it is about all.
    pub images: BTreeSet<String>,
    /// `--namespace`: the namespaces that the report is limited to; empty if it is about all.
    pub namespaces: BTreeSet<String>,
    /// `--evidence`: whether the report carries what only the store has.
    pub evidence: bool,
    /// `--at`: the time to judge at; null if it is the node's own.
    pub at: Option<UnixTime>,
    /// `--rootfs`: whose unpacked snapshots are compared with the signed layers; absent if no image's are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rootfs: Option<RootfsMode>,
    /// `--drift`: what becomes of drift in writable layers; absent if they are not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftMode>,
}

/// Whose unpacked snapshots are compared with the signed layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RootfsMode {
    /// Those of images that containers use.
    InUse,
    /// Those of every image.
    All,
}

impl RootfsMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::InUse, Self::All];

    /// The value of `--rootfs`, as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "in-use",
            Self::All => "all",
        }
    }
}

impl Asked {
    /// In what the two differ, by its option; `None` if they are the same.
    pub fn differs_in(&self, other: &Self) -> Option<&'static str> {
        let Self { nonce, accept, content, images, namespaces, evidence, at, rootfs, drift } = self;
        [
            ("--nonce", *nonce == other.nonce),
            ("--accept", *accept == other.accept),
            ("--content", *content == other.content),
            ("--image", *images == other.images),
            ("--namespace", *namespaces == other.namespaces),
            ("--evidence", *evidence == other.evidence),
            ("--at", *at == other.at),
            ("--rootfs", *rootfs == other.rootfs),
            ("--drift", *drift == other.drift),
        ]
        .into_iter()
        .find_map(|(option, same)| (!same).then_some(option))
    }
}

/// The address of containerd if a store names none, on Linux.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// The same on Windows.
pub const CONTAINERD_PIPE: &str = r"\\.\pipe\containerd-containerd";

/// The place that `--store` means, as reports write it (`inputs.store`). `windows`: whether that is the agent's system.
pub fn canonical_store(given: Option<&str>, windows: bool) -> String {
    let address = match given.map_or(("containerd", ""), |given| given.split_once(':').unwrap_or((given, "")))
    {
        ("containerd", "") if windows => CONTAINERD_PIPE,
        ("containerd", "") => CONTAINERD_SOCKET,
        ("containerd", address) => address.strip_prefix("unix://").unwrap_or(address),
        _ => return given.unwrap_or_default().into(),
    };
    alloc::format!("containerd:{address}")
}
