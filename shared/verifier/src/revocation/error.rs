//! Why a chain is not known to be good, and why a file is not evidence.

use alloc::string::{String, ToString as _};

use super::reason::RevocationReason;
use crate::codes::Code;
use crate::file_form::FileForm;
use crate::time::UnixTime;
use crate::x509::{Purpose, SignatureError};

/// Why a chain is not known to be good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// A certificate is revoked.
    #[error("{purpose} {certificate} was revoked at {at}{}", .reason.map_or(String::new(), |reason| alloc::format!(" ({reason})")))]
    Revoked {
        /// What its chain is for.
        purpose: Purpose,
        /// Its subject.
        certificate: String,
        /// Since when.
        at: UnixTime,
        /// Why, if the issuer says so.
        reason: Option<RevocationReason>,
    },
    /// It is not known whether a certificate is revoked.
    #[error("{purpose} {certificate} may be revoked: {why}")]
    Unknown {
        /// What its chain is for.
        purpose: Purpose,
        /// Its subject.
        certificate: String,
        /// What is missing or wrong.
        why: Unknown,
    },
}

/// Why it is not known whether a certificate is revoked. `file` is the name under which a file was staged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unknown {
    /// No CRL is staged for a distribution point.
    #[error("no CRL is staged for {url}")]
    CrlMissing {
        /// The distribution point.
        url: String,
    },
    /// The certificate names an OCSP responder only, and no response is staged.
    #[error("its issuer publishes no CRL, and no OCSP response is staged")]
    OcspMissing,
    /// The responder does not know the certificate.
    #[error("{file}: the OCSP responder does not know it")]
    OcspUnknown {
        /// The response.
        file: String,
    },
    /// A distribution point or responder is not one of HTTP, or names no URL at all.
    #[error("its revocation is not published at a plain HTTP URL{}", .url.as_ref().map(|url| alloc::format!(", but at {url}")).unwrap_or_default())]
    UnsupportedUrl {
        /// The URL, if there is one.
        url: Option<String>,
    },
    /// The certificate names more distribution points than [`CRL_URLS`](crate::limits::CRL_URLS).
    #[error("it names too many distribution points: {urls}")]
    TooManyUrls {
        /// How many.
        urls: usize,
    },
    /// The evidence is too old.
    #[error("{file} expired at {next_update}")]
    Stale {
        /// Which.
        file: String,
        /// When the next was due.
        next_update: UnixTime,
    },
    /// The evidence does not say until when it holds.
    #[error("{file} does not say when it expires")]
    NoNextUpdate {
        /// Which.
        file: String,
    },
    /// The evidence is from later than the time of verification.
    #[error("{file} is valid only from {this_update}")]
    NotYetValid {
        /// Which.
        file: String,
        /// When it was issued.
        this_update: UnixTime,
    },
    /// The evidence is not about this certificate.
    #[error("{file} is not about it: {mismatch}")]
    NotForCertificate {
        /// Which.
        file: String,
        /// What does not agree.
        mismatch: EvidenceMismatch,
    },
    /// The evidence was not signed by who must have signed it.
    #[error("{file}: {error}")]
    Signature {
        /// Which.
        file: String,
        /// Why.
        error: SignatureError,
    },
    /// Who signed the evidence may not do that.
    #[error("{file} is signed by {signer}, which may not sign it")]
    SignerNotAllowed {
        /// Which.
        file: String,
        /// The signer's subject.
        signer: String,
    },
    /// A staged file cannot be used, and it may have revoked any certificate.
    #[error("{file} cannot be used: {error}{}", if *.more == 0 { String::new() } else { alloc::format!("; nor can {more} more") })]
    Unusable {
        /// Which.
        file: String,
        /// Why.
        error: EvidenceError,
        /// How many other files cannot be used either.
        more: usize,
    },
    /// The evidence has a critical extension that is not known.
    #[error("{file} has the critical extension {oid}, which is not known")]
    CriticalExtension {
        /// Which.
        file: String,
        /// The extension.
        oid: String,
    },
    /// The certificate of who signed the OCSP response is neither the issuer's nor in the response.
    #[error("{file} lacks the certificate of its responder, {responder}")]
    ResponderMissing {
        /// The response.
        file: String,
        /// The responder as the response names it.
        responder: String,
    },
    /// The certificate of who signed the OCSP response has expired, or is not valid yet.
    #[error(
        "{file} is signed by {responder}, whose certificate is valid only from {not_before} to {not_after}"
    )]
    ResponderNotValid {
        /// The response.
        file: String,
        /// The responder's subject.
        responder: String,
        /// When its validity begins.
        not_before: UnixTime,
        /// When its validity ends.
        not_after: UnixTime,
    },
    /// The CRL has deltas, and none that goes with it is staged.
    #[error("no delta is staged that goes with {file}; {}", match .url { None => "it does not say where deltas are published".to_string(), Some(url) => alloc::format!("deltas are published at {url}") })]
    DeltaMissing {
        /// The CRL.
        file: String,
        /// Where its deltas are published; none if it does not say so by a URL.
        url: Option<String>,
    },
    /// A delta does not go with its base.
    #[error("{file} is not a delta of {base}")]
    DeltaMismatch {
        /// The delta.
        file: String,
        /// The CRL.
        base: String,
    },
}

/// In what evidence is not about a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceMismatch {
    /// Another CA issued it.
    #[error("another CA issued it")]
    Issuer,
    /// It is the list of another distribution point.
    #[error("it is the list of {list}, and the certificate asks for that of {certificate}")]
    DistributionPoint {
        /// Where the certificate says that its list is.
        certificate: String,
        /// Where the list says that it is.
        list: String,
    },
    /// Its distribution point is named relative to its issuer (`nameRelativeToCRLIssuer`).
    #[error("it names its distribution point relative to its issuer, which is not supported")]
    RelativeName,
    /// It lists CA certificates only, or all but those.
    #[error("it lists another kind of certificate")]
    Kind,
    /// It lists revocations for some reasons only.
    #[error("it lists revocations for some reasons only")]
    Reasons,
    /// It is an indirect list.
    #[error("it is an indirect CRL, which is not supported")]
    Indirect,
    /// It is a delta, which is not a list by itself.
    #[error("it is a delta, and its base is not staged")]
    Delta,
}

impl RevocationError {
    /// The code that reports give.
    pub fn code(&self) -> Code {
        match self {
            Self::Revoked { .. } => Code::CertificateRevoked,
            Self::Unknown { why, .. } => why.code(),
        }
    }
}

impl Unknown {
    /// How far evidence got before it failed: of several that fail, the one that got farthest says most.
    pub(super) fn progress(&self) -> u8 {
        match self {
            Self::CrlMissing { .. } | Self::OcspMissing => 0,
            Self::NotForCertificate {
                mismatch: EvidenceMismatch::Issuer | EvidenceMismatch::Delta, ..
            } => 1,
            Self::NotForCertificate { .. } => 2,
            Self::Signature { .. } | Self::SignerNotAllowed { .. } => 3,
            Self::CriticalExtension { .. } => 4,
            Self::NoNextUpdate { .. } | Self::NotYetValid { .. } => 5,
            _ => 6,
        }
    }

    /// The code that reports give.
    pub fn code(&self) -> Code {
        match self {
            Self::CrlMissing { .. } | Self::DeltaMissing { .. } => Code::RevocationMissing,
            Self::OcspMissing => Code::RevocationOcspMissing,
            Self::OcspUnknown { .. } => Code::RevocationOcspUnknown,
            Self::UnsupportedUrl { .. } | Self::TooManyUrls { .. } => Code::RevocationUrl,
            Self::Stale { .. } => Code::RevocationStale,
            Self::NotYetValid { .. } => Code::RevocationNotYetValid,
            Self::NotForCertificate { .. } | Self::DeltaMismatch { .. } => Code::RevocationNotForCertificate,
            Self::Signature { .. } | Self::SignerNotAllowed { .. } => Code::RevocationSignature,
            Self::ResponderMissing { .. } => Code::RevocationResponderMissing,
            Self::ResponderNotValid { .. } => Code::RevocationResponderNotValid,
            Self::NoNextUpdate { .. } => Code::RevocationMalformed,
            Self::Unusable { error, .. } => error.code(),
            Self::CriticalExtension { .. } => Code::RevocationCriticalExtension,
        }
    }
}
/// Why a file is not evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// There are more files than [`EVIDENCE_FILES`](crate::limits::EVIDENCE_FILES).
    #[error("there are too many files of revocation evidence")]
    TooManyFiles,
    /// Longer than [`EVIDENCE_FILE_BYTES`](crate::limits::EVIDENCE_FILE_BYTES), or a CRL in it than [`CRL_BYTES`](crate::limits::CRL_BYTES), or an OCSP response than
    /// [`OCSP_RESPONSE_BYTES`](crate::limits::OCSP_RESPONSE_BYTES).
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The most that there may be.
        limit: u64,
    },
    /// It could not be read.
    #[error("{why}")]
    Unreadable {
        /// Why, in the system's words.
        why: String,
    },
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// Not the DER of a CRL of version 2.
    #[error("not a well-formed CRL")]
    Crl,
    /// Not the DER of a basic OCSP response.
    #[error("not a well-formed OCSP response")]
    OcspResponse,
    /// An OCSP response in which the responder says that it does not answer.
    #[error("the OCSP responder gave no answer but {status}")]
    OcspRefused {
        /// What it said, in RFC 6960's words.
        status: &'static str,
    },
    /// PEM with a block that is cut off, indented or no base64.
    #[error("malformed PEM")]
    Pem,
    /// A PEM block that is neither a CRL nor an OCSP response.
    #[error("it holds a PEM block {label:?}, which is not a CRL")]
    OtherPemBlock {
        /// The block's label.
        label: String,
    },
    /// JSON that is not a file of the reference's CRL cache.
    #[error("not a file of notation's CRL cache")]
    CacheFile,
    /// A file of another form.
    #[error("it is {0}; it must be a CRL or an OCSP response, in PEM or DER")]
    Form(FileForm),
}

impl EvidenceError {
    /// The same of a whole file, whose form may say more.
    pub(super) fn in_file(self, file: &[u8]) -> Self {
        match (&self, FileForm::detect(file)) {
            (_, FileForm::Empty | FileForm::BrokenPem | FileForm::Unknown | FileForm::OtherDer) => self,
            (_, FileForm::Crl | FileForm::OcspResponse | FileForm::Json) => self,
            (Self::Crl | Self::Pem, form) => Self::Form(form),
            _ => self,
        }
    }
}

impl EvidenceError {
    /// The code that reports give to what rests on such a file.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } | Self::TooManyFiles => Code::RevocationUnreadable,
            Self::OcspRefused { .. } => Code::RevocationOcspRefused,
            _ => Code::RevocationMalformed,
        }
    }
}
