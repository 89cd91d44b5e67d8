//! `inspect`: what a signature says of itself, for people or as JSON. Nothing here is a verdict.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use assay_shared::envelope::{Envelope, EnvelopeError};
use assay_shared::limits;
use assay_shared::oci::{Descriptor, Digest, media_type};
use assay_shared::payload::Payload;
use assay_shared::report::ExitCode;
use assay_shared::time::UnixTime;
use serde::Serialize;

use crate::cli::TextOrJson;
use crate::config::{InspectPlan, Inspected};
use crate::error::Error;
use crate::report::Sink;
use crate::signatures::{Signatures, Source};
use crate::store::fetch;
use crate::store::layout::{Layout, LayoutError, Reading};

/// The value of `schema` in the JSON.
const SCHEMA: &str = "assay/inspection/v1";

/// Shows what a signature says, or every signature of a layout.
pub(crate) fn run(plan: &InspectPlan) -> Result<ExitCode, Error> {
    let sink = Sink::open(&plan.output)?;
    let signatures = match &plan.what {
        Inspected::Envelope(path) => vec![of_file(path)?],
        Inspected::Layout(path) => of_layout(path)?,
    };
    let readable = !signatures.is_empty() && signatures.iter().all(|signature| signature.error.is_none());
    let inspection = Inspection { schema: SCHEMA, signatures };
    let bytes = match plan.format {
        TextOrJson::Json => crate::json_line(&inspection)?,
        TextOrJson::Text => text(&inspection).into_bytes(),
    };
    sink.write(&bytes)?;
    if inspection.signatures.is_empty() {
        crate::say("assay-agent: there is no signature in the layout");
    }
    Ok(if readable { ExitCode::Passed } else { ExitCode::Incomplete })
}

#[derive(Serialize)]
struct Inspection {
    schema: &'static str,
    signatures: Vec<SignatureFacts>,
}

/// What is known of one signature.
#[derive(Default, Serialize)]
struct SignatureFacts {
    /// Digest of the signature manifest.
    manifest: Option<Digest>,
    /// What that manifest says it signs.
    subject: Option<Digest>,
    envelope: Option<EnvelopeFacts>,
    /// Why there are no facts.
    error: Option<String>,
}

/// What an envelope says. Only where `intact` does anything vouch for it, and then only the certificates.
#[derive(Serialize)]
struct EnvelopeFacts {
    media_type: String,
    size: usize,
    /// Whether signature, algorithm and chain are right; who is trusted is not asked.
    intact: bool,
    not_intact: Option<String>,
    algorithm: &'static str,
    signing_scheme: &'static str,
    signing_time: UnixTime,
    expiry: Option<UnixTime>,
    signing_agent: Option<String>,
    /// Bytes of the timestamp token.
    timestamp_token: Option<usize>,
    target: Option<TargetFacts>,
    user_metadata: BTreeMap<String, String>,
    certificates: Vec<CertificateFacts>,
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
}

fn of_file(path: &Path) -> Result<SignatureFacts, InspectError> {
    let at = |error| InspectError::Unreadable { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let limit = u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(at)?.take(limit).read_to_end(&mut bytes).map_err(at)?;
    // a COSE envelope begins with its tag, and a JWS one with a brace
    let media_type =
        if bytes.starts_with(&[0xd2]) { media_type::COSE_ENVELOPE } else { media_type::JWS_ENVELOPE };
    let envelope =
        facts(media_type, &bytes).map_err(|error| InspectError::Envelope { path: path.to_owned(), error })?;
    Ok(SignatureFacts { envelope: Some(envelope), ..SignatureFacts::default() })
}

fn of_layout(path: &Path) -> Result<Vec<SignatureFacts>, InspectError> {
    let layout = Layout::open(path, Reading::Manifests).map_err(InspectError::Layout)?;
    let signatures = Signatures::collect(&[Source { store: &layout, name: "layout".to_owned() }]);
    let mut all: Vec<SignatureFacts> = signatures
        .all()
        .map(|candidate| {
            let read = |envelope: &Descriptor| {
                let limit = u64::try_from(limits::ENVELOPE_BYTES).unwrap_or(u64::MAX);
                let bytes = fetch(&layout, &candidate.namespace, envelope, limit)
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

fn facts(media_type: &str, bytes: &[u8]) -> Result<EnvelopeFacts, EnvelopeError> {
    let envelope = Envelope::parse(media_type, bytes)?;
    let attributes = envelope.unverified_attributes();
    let payload = Payload::parse(envelope.unverified_payload()).ok();
    let certificates = envelope.unverified_chain().iter().map(|certificate| CertificateFacts {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        sha256: certificate.sha256().hex().to_owned(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        crls: certificate.crl_urls().to_vec(),
        ocsp: certificate.ocsp_urls().to_vec(),
    });
    let verified = envelope.clone().verify();
    let (target, user_metadata) = match payload {
        None => (None, BTreeMap::new()),
        Some(Payload { media_type, digest, size, annotations }) => {
            (Some(TargetFacts { media_type, digest, size }), annotations)
        }
    };
    Ok(EnvelopeFacts {
        media_type: media_type.to_owned(),
        size: bytes.len(),
        intact: verified.is_ok(),
        not_intact: verified.err().map(|error| error.to_string()),
        algorithm: envelope.algorithm().name(),
        signing_scheme: attributes.scheme.name(),
        signing_time: attributes.signing_time,
        expiry: attributes.expiry,
        signing_agent: envelope.signing_agent().map(str::to_owned),
        timestamp_token: envelope.timestamp_token().map(<[u8]>::len),
        target,
        user_metadata,
        certificates: certificates.collect(),
    })
}

/// Each fact on a line, each signature a paragraph.
fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    let mut line = |indent: usize, name: &str, value: &str| {
        let value = crate::clean(value);
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
        let intact = envelope
            .not_intact
            .as_deref()
            .unwrap_or("yes (signature and chain are right; trust is not judged)");
        line(2, "intact", intact);
        if let Some(target) = &envelope.target {
            let size = target.size.map_or_else(|| "no size".to_owned(), |size| format!("{size} bytes"));
            line(2, "signs", &format!("{} {}, {size}", target.media_type, target.digest));
        }
        line(2, "algorithm", envelope.algorithm);
        line(2, "scheme", envelope.signing_scheme);
        line(2, "signing time", &envelope.signing_time.to_string());
        line(2, "expiry", &envelope.expiry.map_or_else(|| "none".to_owned(), |time| time.to_string()));
        line(2, "signing agent", envelope.signing_agent.as_deref().unwrap_or("unknown"));
        let token = envelope.timestamp_token.map(|bytes| format!("{bytes} bytes"));
        line(2, "timestamp token", token.as_deref().unwrap_or("none"));
        for (name, value) in &envelope.user_metadata {
            line(2, "user metadata", &format!("{name}={value}"));
        }
        for (at, certificate) in envelope.certificates.iter().enumerate() {
            line(2, &format!("certificate {at}"), &certificate.subject);
            line(4, "issuer", &certificate.issuer);
            line(4, "sha256", &certificate.sha256);
            line(4, "valid", &format!("{} to {}", certificate.not_before, certificate.not_after));
            for url in &certificate.crls {
                line(4, "CRL", url);
            }
            for url in &certificate.ocsp {
                line(4, "OCSP", url);
            }
        }
    }
    text
}

/// Why there is nothing to inspect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is no envelope.
    #[error("{} is no signature envelope: {error}", path.display())]
    Envelope {
        /// The file.
        path: PathBuf,
        /// Why.
        error: EnvelopeError,
    },
    /// The path is no layout.
    #[error("{0}")]
    Layout(LayoutError),
}
