//! Statuses, reasons and checks.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::codes::Code;
use crate::time::UnixTime;

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

/// What else than the image's own signature made it pass, where the operator accepted that.
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

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum CheckResult {
    /// The check ran and holds.
    Passed,
    /// The check ran and does not hold.
    Failed,
    /// The trust policy says that it is not to run.
    Skipped,
    /// It did not run, since an earlier check failed or the signature was not reached.
    NotRun,
    /// It ran and could not be judged.
    Inconclusive,
}

/// What the trust policy makes of a failed check. Trust policy specification, "Signature verification levels".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Action {
    /// The signature fails.
    Enforce,
    /// The failure is recorded and verification goes on.
    Log,
    /// The check does not run.
    Skip,
}

/// One check of one signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Check {
    /// How it came out.
    pub result: CheckResult,
    /// What the policy makes of a failure.
    pub action: Action,
    /// What exactly was found; null where there is nothing to say. `assay explain CODE` tells more.
    pub code: Option<String>,
    /// The finding for people, with its particulars.
    pub message: Option<String>,
}

impl Check {
    /// A check that has not run.
    pub fn not_run(action: Action) -> Self {
        Self { result: CheckResult::NotRun, action, code: None, message: None }
    }

    /// A check that holds.
    pub fn passed(action: Action) -> Self {
        Self { result: CheckResult::Passed, action, code: None, message: None }
    }

    /// A check that the policy leaves out.
    pub fn skipped() -> Self {
        Self { result: CheckResult::Skipped, action: Action::Skip, code: None, message: None }
    }

    /// A check that does not hold.
    pub fn failed(action: Action, code: Code, message: String) -> Self {
        Self { result: CheckResult::Failed, action, code: Some(code.as_str().into()), message: Some(message) }
    }
}

/// The five checks of the Notary Project, each always present. Trust store and trust policy specification,
/// "Signature verification details".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Checks {
    /// The envelope is well-formed and its signature is right.
    pub integrity: Check,
    /// The chain leads to the trust store and the signer is a trusted identity.
    pub authenticity: Check,
    /// The signature was made while the chain was valid.
    pub authentic_timestamp: Check,
    /// The signature's own expiry has not passed.
    pub expiry: Check,
    /// No certificate of the chain is revoked.
    pub revocation: Check,
}

/// Whether the signed payload names the image at hand. Always enforced, at every level but `skip`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Target {
    /// How the comparison came out.
    pub result: CheckResult,
    /// What exactly was found.
    pub code: Option<String>,
    /// The finding for people.
    pub message: Option<String>,
}

/// A certificate in the trust store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrustedCertificate {
    /// `ca`, `signingAuthority` or `tsa`
    #[serde(rename = "type")]
    pub store_type: String,
    /// The named store.
    pub name: String,
    /// The subject, RFC 4514.
    pub subject: String,
    /// Digest of the certificate's DER.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: String,
    /// When it expires.
    pub not_after: UnixTime,
}

/// A staged CRL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CrlInput {
    /// The issuer's name, RFC 4514.
    pub issuer: String,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next is due.
    pub next_update: Option<UnixTime>,
    /// Digest of the CRL's DER.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: String,
}

/// A certificate of a signature's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChainCertificate {
    /// The subject, RFC 4514.
    pub subject: String,
    /// Digest of the certificate's DER.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = HEX_SHA256)))]
    pub sha256: String,
    /// When it expires.
    pub not_after: UnixTime,
}

/// A verified RFC 3161 timestamp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Timestamp {
    /// When the signature existed.
    pub time: UnixTime,
    /// How far the time may be off, in seconds.
    pub accuracy: f64,
    /// The TSA's subject, RFC 4514.
    pub tsa: String,
}

/// The form of the SHA-256 digests that stand without their algorithm.
#[cfg(feature = "schema")]
const HEX_SHA256: &str = "^[0-9a-f]{64}$";
