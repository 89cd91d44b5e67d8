//! Object identifiers of extensions and key purposes, dotted.

/// keyUsage, RFC 5280 section 4.2.1.3
pub const KEY_USAGE: &str = "2.5.29.15";
/// basicConstraints, RFC 5280 section 4.2.1.9
pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
/// subjectAltName, RFC 5280 section 4.2.1.6
pub const SUBJECT_ALTERNATIVE_NAME: &str = "2.5.29.17";
/// nameConstraints, RFC 5280 section 4.2.1.10
pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
/// cRLDistributionPoints, RFC 5280 section 4.2.1.13
pub const CRL_DISTRIBUTION_POINTS: &str = "2.5.29.31";
/// certificatePolicies, RFC 5280 section 4.2.1.4
pub const CERTIFICATE_POLICIES: &str = "2.5.29.32";
/// policyMappings, RFC 5280 section 4.2.1.5
pub const POLICY_MAPPINGS: &str = "2.5.29.33";
/// policyConstraints, RFC 5280 section 4.2.1.11
pub const POLICY_CONSTRAINTS: &str = "2.5.29.36";
/// inhibitAnyPolicy, RFC 5280 section 4.2.1.14
pub const INHIBIT_ANY_POLICY: &str = "2.5.29.54";
/// extKeyUsage, RFC 5280 section 4.2.1.12
pub const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
/// freshestCRL, RFC 5280 section 4.2.1.15
pub const FRESHEST_CRL: &str = "2.5.29.46";
/// anyExtendedKeyUsage
pub const ANY_EXTENDED_KEY_USAGE: &str = "2.5.29.37.0";
/// id-kp-serverAuth
pub const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
/// id-kp-clientAuth
pub const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
/// id-kp-codeSigning
pub const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
/// id-kp-emailProtection
pub const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
/// id-kp-timeStamping
pub const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
/// id-kp-OCSPSigning
pub const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
/// authorityInfoAccess, RFC 5280 section 4.2.2.1
pub const AUTHORITY_INFO_ACCESS: &str = "1.3.6.1.5.5.7.1.1";
/// id-ad-ocsp
pub const AD_OCSP: &str = "1.3.6.1.5.5.7.48.1";
