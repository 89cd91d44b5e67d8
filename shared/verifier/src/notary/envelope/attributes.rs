//! Signed attributes, and the rules that both envelopes share.
//!
//! Signature specification, "Signed Attributes" and "Critical Attributes".

use alloc::string::String;

use crate::codes::Code;
use crate::time::UnixTime;

/// Names of attributes, as JWS and COSE have them.
pub(super) mod name {
    pub(crate) const SIGNING_SCHEME: &str = "io.cncf.notary.signingScheme";
    pub(crate) const SIGNING_TIME: &str = "io.cncf.notary.signingTime";
    pub(crate) const AUTHENTIC_SIGNING_TIME: &str = "io.cncf.notary.authenticSigningTime";
    pub(crate) const EXPIRY: &str = "io.cncf.notary.expiry";
    pub(crate) const PLUGIN: &str = "io.cncf.notary.verificationPlugin";
    pub(crate) const PLUGIN_MIN_VERSION: &str = "io.cncf.notary.verificationPluginMinVersion";
    pub(crate) const TIMESTAMP: &str = "io.cncf.notary.timestampSignature";
    pub(crate) const SIGNING_AGENT: &str = "io.cncf.notary.signingAgent";
}

/// Who vouches for the signing time. Signature specification, "Signing Scheme".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningScheme {
    /// `notary.x509`: the signer claims a time; a timestamp may prove it.
    X509,
    /// `notary.x509.signingAuthority`: a signing authority vouches for the time.
    SigningAuthority,
}

impl SigningScheme {
    /// The name in envelopes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X509 => "notary.x509",
            Self::SigningAuthority => "notary.x509.signingAuthority",
        }
    }
}

/// What the signer signed beside the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAttributes {
    /// The signing scheme.
    pub scheme: SigningScheme,
    /// The signing time: claimed under [`SigningScheme::X509`], authentic under [`SigningScheme::SigningAuthority`].
    pub signing_time: UnixTime,
    /// When the signature is not to be used any more.
    pub expiry: Option<UnixTime>,
}

/// The attributes as an envelope's reader found them, not yet held against each other.
#[derive(Default)]
pub(super) struct RawAttributes<'a> {
    pub(super) content_type: Option<&'a str>,
    pub(super) scheme: Option<&'a str>,
    pub(super) signing_time: Option<UnixTime>,
    pub(super) authentic_signing_time: Option<UnixTime>,
    pub(super) expiry: Option<UnixTime>,
    pub(super) names_plugin: bool,
    pub(super) critical: Critical,
}

/// What `crit` lists.
#[derive(Default)]
pub(super) struct Critical {
    pub(super) scheme: bool,
    pub(super) authentic_signing_time: bool,
    pub(super) expiry: bool,
}

impl RawAttributes<'_> {
    /// Holds the attributes against the rules.
    pub(super) fn check(self) -> Result<SignedAttributes, AttributeError> {
        if self.content_type != Some(crate::notary::media_type::PAYLOAD) {
            return Err(AttributeError::ContentType);
        }
        let scheme = match self.scheme {
            Some("notary.x509") => SigningScheme::X509,
            Some("notary.x509.signingAuthority") => SigningScheme::SigningAuthority,
            _ => return Err(AttributeError::Scheme),
        };
        if self.names_plugin {
            return Err(AttributeError::Plugin);
        }
        let (signing_time, other_time) = match scheme {
            SigningScheme::X509 => (self.signing_time, self.authentic_signing_time),
            SigningScheme::SigningAuthority => (self.authentic_signing_time, self.signing_time),
        };
        if other_time.is_some() {
            return Err(AttributeError::TimeOfOtherScheme);
        }
        let signing_time =
            signing_time.filter(|time| !time.is_year_one()).ok_or(AttributeError::NoSigningTime)?;
        let unmarked = !self.critical.scheme
            || (scheme == SigningScheme::SigningAuthority && !self.critical.authentic_signing_time)
            || (self.expiry.is_some() && !self.critical.expiry);
        if unmarked {
            return Err(AttributeError::NotCritical);
        }
        // crit may only name what is there
        let absent = (self.critical.authentic_signing_time && self.authentic_signing_time.is_none())
            || (self.critical.expiry && self.expiry.is_none());
        if absent {
            return Err(AttributeError::CriticalAbsent);
        }
        if self.expiry.is_some_and(|expiry| expiry <= signing_time) {
            return Err(AttributeError::ExpiryBeforeSigning);
        }
        Ok(SignedAttributes { scheme, signing_time, expiry: self.expiry })
    }
}

/// Why signed attributes break a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// The content type is not that of a Notary Project payload.
    #[error("the signed content type is not application/vnd.cncf.notary.payload.v1+json")]
    ContentType,
    /// The signing scheme is missing or not known.
    #[error("the signing scheme is missing or unknown")]
    Scheme,
    /// There is no signing time of the scheme.
    #[error("the signing time that the scheme demands is missing")]
    NoSigningTime,
    /// There is a signing time that belongs to the other scheme.
    #[error("there is a signing time of the other signing scheme")]
    TimeOfOtherScheme,
    /// A time is not of its form, or out of range.
    #[error("{attribute} is not a time")]
    Time {
        /// Which.
        attribute: &'static str,
    },
    /// The expiry is not later than the signing time.
    #[error("the expiry is not later than the signing time")]
    ExpiryBeforeSigning,
    /// There is no list of critical attributes, or it is malformed.
    #[error("the list of critical attributes is missing, empty or malformed")]
    Crit,
    /// An attribute that must be marked critical is not.
    #[error("an attribute that must be marked critical is not")]
    NotCritical,
    /// An attribute is marked critical and absent.
    #[error("an attribute is marked critical, but absent")]
    CriticalAbsent,
    /// An attribute is marked critical that this verifier does not know, or that must not be marked.
    #[error("{attribute:?} is marked critical, but is unknown or must not be critical")]
    CriticalUnknown {
        /// Which.
        attribute: String,
    },
    /// The signature can only be verified with a plugin.
    #[error("the signature demands a verification plugin, and this verifier does not run plugins")]
    Plugin,
}

impl AttributeError {
    /// The code that reports give.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::ContentType => Code::ContentType,
            Self::Scheme => Code::SigningScheme,
            Self::NoSigningTime => Code::SigningTimeMissing,
            Self::TimeOfOtherScheme => Code::SigningTimeOfOtherScheme,
            Self::Time { .. } => Code::TimeMalformed,
            Self::ExpiryBeforeSigning => Code::ExpiryBeforeSigning,
            Self::Crit => Code::CriticalList,
            Self::NotCritical => Code::NotCritical,
            Self::CriticalAbsent => Code::CriticalAbsent,
            Self::CriticalUnknown { .. } => Code::CriticalUnknown,
            Self::Plugin => Code::PluginRequired,
        }
    }
}
