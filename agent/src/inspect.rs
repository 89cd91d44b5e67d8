//! Shows what a signature says about itself, for people or as JSON. Nothing here is a verdict. What cannot be verified is shown
//! as far as it can be read, and marked as unverified.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use assay_report::words::count;
use assay_verifier::limits;
use assay_verifier::notary;
use assay_verifier::notary::envelope::{Envelope, EnvelopeClaims, EnvelopeError};
use assay_verifier::notary::payload::Payload;
use assay_verifier::oci::{Descriptor, Digest};
use assay_verifier::time::UnixTime;
use assay_verifier::timestamp;
use assay_verifier::x509::Certificate;
use serde::Serialize;

use crate::config::Inspected;
use assay_judge::confinement::explain;
use assay_judge::signatures::Signatures;
use assay_judge::sources::Sources;
use assay_judge::store::fetch;
use assay_judge::store::layout::{Layout, LayoutError, Reading};

/// The value of `schema` in the JSON.
const SCHEMA: &str = "assay/inspection/v1";

/// What signatures say.
#[derive(Serialize)]
pub(crate) struct Inspection {
    schema: &'static str,
    signatures: Vec<SignatureFacts>,
}

impl Inspection {
    /// Reads one envelope, or every signature of a layout.
    pub(crate) fn new(what: &Inspected) -> Result<Self, InspectError> {
        let signatures = match what {
            Inspected::Envelope(path) => vec![read_file(path)?],
            Inspected::Layout(path) => read_layout(path)?,
        };
        Ok(Self { schema: SCHEMA, signatures })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.signatures.is_empty()
    }

    /// Whether there are signatures and each of them can be read.
    pub(crate) fn is_readable(&self) -> bool {
        !self.is_empty() && self.signatures.iter().all(|signature| signature.error.is_none())
    }
}

/// What is known of one signature.
#[derive(Default, Serialize)]
struct SignatureFacts {
    /// Digest of the signature manifest.
    manifest: Option<Digest>,
    /// What that manifest says it signs.
    subject: Option<Digest>,
    envelope: Option<EnvelopeFacts>,
    /// Why facts are missing.
    error: Option<String>,
}

/// What an envelope says. Only if it is `verified` does anything vouch for it, and then only the certificates; members that
/// cannot be read are null.
#[derive(Serialize)]
struct EnvelopeFacts {
    media_type: String,
    size: usize,
    /// Whether signature, algorithm and chain are right; who is trusted is not asked.
    intact: bool,
    not_intact: Option<String>,
    /// The same as `intact`: whether the facts are what somebody signed, or only what the bytes say.
    verified: bool,
    algorithm: Option<String>,
    signing_scheme: Option<String>,
    signing_time: Option<UnixTime>,
    expiry: Option<UnixTime>,
    signing_agent: Option<String>,
    /// The plugin that the signature is to be verified with.
    plugin: Option<PluginFacts>,
    /// Bytes of the timestamp token.
    timestamp_token: Option<usize>,
    /// What the token says.
    timestamp: Option<TimestampFacts>,
    target: Option<TargetFacts>,
    user_metadata: BTreeMap<String, String>,
    /// The subject of the first certificate.
    signer: Option<String>,
    certificates: Vec<CertificateFacts>,
    /// Why certificates of the chain cannot be read.
    unreadable_certificates: Vec<String>,
}

#[derive(Serialize)]
struct PluginFacts {
    name: Option<String>,
    min_version: Option<String>,
}

/// What a timestamp token says. Whether its TSA is trusted is not asked.
#[derive(Default, Serialize)]
struct TimestampFacts {
    time: Option<UnixTime>,
    /// How far the time may be off, in seconds.
    accuracy: Option<f64>,
    /// The TSA's policy.
    policy: Option<String>,
    /// Whether the token stamps this signature.
    of_this_signature: bool,
    certificates: Vec<CertificateFacts>,
    /// Why facts are missing.
    error: Option<String>,
}

#[derive(Serialize)]
struct TargetFacts {
    media_type: String,
    digest: String,
    size: Option<u64>,
}

#[derive(Serialize)]
struct CertificateFacts {
    subject: String,
    issuer: String,
    sha256: String,
    not_before: UnixTime,
    not_after: UnixTime,
    crls: Vec<String>,
    ocsp: Vec<String>,
    /// Among a token's: whether it is the TSA's, with which the token was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    tsa: Option<bool>,
}

fn read_file(path: &Path) -> Result<SignatureFacts, InspectError> {
    let at = |error| InspectError::Unreadable { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let limit = u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(at)?.take(limit).read_to_end(&mut bytes).map_err(at)?;
    // a COSE envelope begins with its tag or an untagged array, and a JWS envelope with a brace
    let media_type = if matches!(bytes.first(), Some(0xd2 | 0x84)) {
        notary::media_type::COSE_ENVELOPE
    } else {
        notary::media_type::JWS_ENVELOPE
    };
    let envelope = facts(media_type, &bytes)
        .map_err(|source| InspectError::Envelope { path: path.to_owned(), source })?;
    Ok(SignatureFacts { envelope: Some(envelope), ..SignatureFacts::default() })
}

fn read_layout(path: &Path) -> Result<Vec<SignatureFacts>, InspectError> {
    let layout = Layout::open(path, Reading::Manifests)?;
    let signatures = Signatures::collect(Sources::without_bundles(&layout));
    let mut all: Vec<SignatureFacts> = signatures
        .all()
        .map(|candidate| {
            let read = |envelope: &Descriptor| {
                let limit = u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX);
                let bytes = fetch(&layout, candidate.namespace.as_ref(), envelope, limit)
                    .map_err(|error| format!("the envelope {} {error}", envelope.digest))?;
                facts(&envelope.media_type, &bytes).map_err(|error| error.to_string())
            };
            let facts = match &candidate.envelope {
                Ok(envelope) => read(envelope),
                Err(flaw) => Err(flaw.message.clone()),
            };
            let (envelope, error) = match facts {
                Ok(facts) => (Some(facts), None),
                Err(error) => (None, Some(error)),
            };
            let manifest = Some(candidate.digest.clone());
            SignatureFacts { manifest, subject: Some(candidate.subject.digest.clone()), envelope, error }
        })
        .collect();
    all.sort_by(|one, other| (&one.subject, &one.manifest).cmp(&(&other.subject, &other.manifest)));
    Ok(all)
}

/// The facts of an envelope. An error if nothing in it can be read.
fn facts(media_type: &str, bytes: &[u8]) -> Result<EnvelopeFacts, EnvelopeError> {
    let verified = Envelope::parse(media_type, bytes).and_then(Envelope::verify);
    let (claims, verified) = match (EnvelopeClaims::read(bytes), verified) {
        (Some(claims), verified) => (claims, verified),
        (None, Err(error)) => return Err(error),
        (None, Ok(_)) => (EnvelopeClaims::default(), Err(EnvelopeError::NoChain)),
    };
    let EnvelopeClaims { chain, payload, signature, timestamp_token, plugin, plugin_min_version, .. } =
        claims;
    let (target, user_metadata) = match Payload::parse(&payload).ok() {
        None => (None, BTreeMap::new()),
        Some(Payload { media_type, digest, size, annotations }) => {
            (Some(TargetFacts { media_type, digest, size }), annotations)
        }
    };
    let certificates = chain.iter().flatten().map(CertificateFacts::new).collect::<Vec<_>>();
    let unreadable = chain.iter().enumerate().filter_map(|(at, one)| Some((at, one.as_ref().err()?)));
    let first = chain.first().and_then(|first| first.as_ref().ok());
    Ok(EnvelopeFacts {
        media_type: media_type.to_owned(),
        size: bytes.len(),
        intact: verified.is_ok(),
        verified: verified.is_ok(),
        not_intact: verified.err().map(|error| error.to_string()),
        algorithm: claims.algorithm,
        signing_scheme: claims.scheme,
        signing_time: claims.signing_time,
        expiry: claims.expiry,
        signing_agent: claims.signing_agent,
        plugin: (plugin.is_some() || plugin_min_version.is_some())
            .then_some(PluginFacts { name: plugin, min_version: plugin_min_version }),
        timestamp_token: timestamp_token.as_ref().map(Vec::len),
        timestamp: timestamp_token.map(|token| TimestampFacts::new(&token, &signature)),
        target,
        user_metadata,
        signer: first.map(|signer| signer.subject().to_string()),
        certificates,
        unreadable_certificates: unreadable.map(|(at, error)| format!("certificate {at}: {error}")).collect(),
    })
}

impl CertificateFacts {
    fn new(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            sha256: certificate.sha256().hex().to_owned(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            crls: certificate.crl_urls().to_vec(),
            ocsp: certificate.ocsp_urls().to_vec(),
            tsa: None,
        }
    }
}

impl TimestampFacts {
    fn new(token: &[u8], signature: &[u8]) -> Self {
        match timestamp::claims(token, signature) {
            Ok(claims) => Self {
                certificates: (0..)
                    .zip(&claims.certificates)
                    .map(|(at, one)| CertificateFacts {
                        tsa: Some(claims.signers.contains(&at)),
                        ..CertificateFacts::new(one)
                    })
                    .collect(),
                error: claims.unreadable.map(|error| error.to_string()),
                time: Some(claims.time),
                accuracy: Some(claims.accuracy.as_secs_f64()),
                policy: Some(claims.policy),
                of_this_signature: claims.is_of,
            },
            Err(error) => Self { error: Some(error.to_string()), ..Self::default() },
        }
    }
}

/// Each fact on a line, each signature a paragraph.
pub(crate) fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    let mut line = |indent: usize, name: &str, value: &str| {
        let value = crate::console::clean(value);
        // writing to a String cannot fail
        let _ = writeln!(text, "{:indent$}{name:<20}{value}", "");
    };
    for signature in &inspection.signatures {
        if let Some(manifest) = &signature.manifest {
            line(0, "signature", manifest.as_str());
        }
        if let Some(subject) = &signature.subject {
            line(0, "of", subject.as_str());
        }
        if let Some(error) = &signature.error {
            line(2, "unreadable", error);
        }
        let Some(envelope) = &signature.envelope else { continue };
        line(2, "envelope", &format!("{}, {} bytes", envelope.media_type, envelope.size));
        match &envelope.not_intact {
            None => line(2, "intact", "yes (signature and chain are right; trust is not judged)"),
            Some(why) => {
                line(2, "intact", &format!("no: {why}"));
                line(2, "UNVERIFIED", "anyone may have written what follows");
            }
        }
        let mark = if envelope.verified { "" } else { " (unverified)" };
        let mut fact = |name: &str, value: &str| line(2, name, &format!("{value}{mark}"));
        if let Some(PluginFacts { name, min_version }) = &envelope.plugin {
            let version = min_version.as_ref().map(|version| format!(", {version} or later"));
            let name = name.as_deref().unwrap_or("no name");
            fact("demands plugin", &format!("{name}{}", version.unwrap_or_default()));
        }
        if let Some(target) = &envelope.target {
            let size = target.size.map_or_else(|| "no size".to_owned(), |size| count(size, "byte"));
            fact("signs", &format!("{} {}, {size}", target.media_type, target.digest));
        }
        let time = |time: Option<UnixTime>, none: &str| {
            time.map_or_else(|| none.to_owned(), |time| time.to_string())
        };
        fact("signer", envelope.signer.as_deref().unwrap_or("unknown"));
        fact("algorithm", envelope.algorithm.as_deref().unwrap_or("unknown"));
        fact("scheme", envelope.signing_scheme.as_deref().unwrap_or("unknown"));
        fact("signing time", &time(envelope.signing_time, "unknown"));
        fact("expiry", &time(envelope.expiry, "none"));
        fact("signing agent", envelope.signing_agent.as_deref().unwrap_or("unknown"));
        timestamp_lines(&mut line, envelope);
        for (name, value) in &envelope.user_metadata {
            line(2, "user metadata", &format!("{name}={value}{mark}"));
        }
        for (at, certificate) in envelope.certificates.iter().enumerate() {
            line(2, &format!("certificate {at}"), &format!("{}{mark}", certificate.subject));
            certificate_lines(&mut line, 4, certificate);
        }
        for error in &envelope.unreadable_certificates {
            line(2, "unreadable", error);
        }
    }
    text
}

/// Writes a line: its indent, what it is about, what there is to say.
type Line<'a> = dyn FnMut(usize, &str, &str) + 'a;

fn timestamp_lines(line: &mut Line<'_>, envelope: &EnvelopeFacts) {
    let Some(timestamp) = &envelope.timestamp else { return line(2, "timestamp", "none") };
    if let Some(error) = &timestamp.error {
        line(2, "timestamp", &format!("unreadable: {error}"));
        if timestamp.time.is_none() {
            return;
        }
    }
    let time = timestamp.time.map(|time| time.to_string()).unwrap_or_default();
    line(2, "timestamp", &format!("{time} ± {} s", timestamp.accuracy.unwrap_or_default()));
    let of =
        if timestamp.of_this_signature { "this signature" } else { "something else than this signature" };
    line(4, "of", of);
    line(4, "policy", timestamp.policy.as_deref().unwrap_or_default());
    for certificate in &timestamp.certificates {
        let name = if certificate.tsa == Some(true) { "certificate of TSA" } else { "certificate" };
        line(4, name, &certificate.subject);
        certificate_lines(line, 6, certificate);
    }
}

fn certificate_lines(line: &mut Line<'_>, indent: usize, certificate: &CertificateFacts) {
    line(indent, "issuer", &certificate.issuer);
    line(indent, "sha256", &certificate.sha256);
    line(indent, "valid", &format!("{} to {}", certificate.not_before, certificate.not_after));
    for url in &certificate.crls {
        line(indent, "CRL", url);
    }
    for url in &certificate.ocsp {
        line(indent, "OCSP", url);
    }
}

/// Why there is nothing to inspect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    /// The file cannot be read.
    #[error("{}: {}", path.display(), explain(error))]
    Unreadable { path: PathBuf, error: io::Error },
    /// The file is not an envelope.
    #[error("{} is not a signature envelope", path.display())]
    Envelope { path: PathBuf, source: EnvelopeError },
    /// The path is not a layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}
