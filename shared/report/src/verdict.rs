//! Statuses and reasons: the words of every verdict.

use serde::{Deserialize, Serialize};

use assay_verifier::outcome::Step;

/// The verdict on an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Status {
    /// Every condition for a pass was checked and holds.
    Passed,
    /// The trust policy says level `skip`; nothing was checked.
    Skipped,
    /// It could not be judged.
    Inconclusive,
    /// A condition does not hold.
    Failed,
}

/// Why an image did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Reason {
    /// No signature is associated with the image.
    NoSignature,
    /// The trust policy is invalid, or no statement applies.
    Policy,
    /// The envelope does not parse, its signature is wrong, or it breaks the specification's requirements.
    Integrity,
    /// The chain does not lead to the trust store, or no trusted identity matches.
    Authenticity,
    /// The chain is not valid at the time that counts, or a timestamp that is needed is missing or wrong.
    AuthenticTimestamp,
    /// The signature's own expiry has passed.
    Expiry,
    /// A certificate is revoked, or its status is unknown.
    Revocation,
    /// The signature is good and names another artifact.
    DescriptorMismatch,
    /// Bytes on the node are not those that the signed descriptors name.
    ContentMismatch,
    /// The bundle's lock names another digest for the reference.
    WrongDigest,
    /// An unpacked snapshot differs from the signed layers.
    RootfsMismatch,
    /// A container runs an image that the store does not list.
    InUseUnlisted,
    /// Something that is needed to judge cannot be read.
    Unreadable,
    /// A bound on hostile input was met.
    Limit,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::NoSignature,
        Self::Policy,
        Self::Integrity,
        Self::Authenticity,
        Self::AuthenticTimestamp,
        Self::Expiry,
        Self::Revocation,
        Self::DescriptorMismatch,
        Self::ContentMismatch,
        Self::WrongDigest,
        Self::RootfsMismatch,
        Self::InUseUnlisted,
        Self::Unreadable,
        Self::Limit,
    ];

    /// The reason as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSignature => "no-signature",
            Self::Policy => "policy",
            Self::Integrity => "integrity",
            Self::Authenticity => "authenticity",
            Self::AuthenticTimestamp => "authentic-timestamp",
            Self::Expiry => "expiry",
            Self::Revocation => "revocation",
            Self::DescriptorMismatch => "descriptor-mismatch",
            Self::ContentMismatch => "content-mismatch",
            Self::WrongDigest => "wrong-digest",
            Self::RootfsMismatch => "rootfs-mismatch",
            Self::InUseUnlisted => "in-use-unlisted",
            Self::Unreadable => "unreadable",
            Self::Limit => "limit",
        }
    }
}

impl From<Step> for Reason {
    fn from(step: Step) -> Self {
        match step {
            Step::Integrity => Self::Integrity,
            Step::Authenticity => Self::Authenticity,
            Step::Expiry => Self::Expiry,
            Step::AuthenticTimestamp => Self::AuthenticTimestamp,
            Step::Revocation => Self::Revocation,
            Step::Target => Self::DescriptorMismatch,
        }
    }
}

/// What made an image pass in place of its own signature, if the operator accepts that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Via {
    /// An index that lists the image is signed.
    ParentIndex,
    /// The platform manifests that the index lists are signed.
    PlatformManifest,
}

impl Via {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ParentIndex, Self::PlatformManifest];

    /// The value of `--accept`, as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParentIndex => "parent-index",
            Self::PlatformManifest => "platform-manifest",
        }
    }
}

/// Images by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Summary {
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// How many the policy skips.
    pub skipped: u64,
    /// How many could not be judged.
    pub inconclusive: u64,
}

impl Summary {
    /// Counts statuses.
    pub fn count(statuses: impl IntoIterator<Item = Status>) -> Self {
        let mut summary = Self::default();
        statuses.into_iter().for_each(|status| summary.add(status));
        summary
    }

    /// Counts a status.
    pub(crate) fn add(&mut self, status: Status) {
        let count = match status {
            Status::Passed => &mut self.passed,
            Status::Failed => &mut self.failed,
            Status::Skipped => &mut self.skipped,
            Status::Inconclusive => &mut self.inconclusive,
        };
        *count = count.saturating_add(1);
    }
}
