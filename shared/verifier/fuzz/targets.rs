//! What each fuzz target does with its input. The fuzzer calls these, and so does `tests/pure/fuzz.rs`, which replays the
//! seeds and every finding on stable Rust.

use assay_report::bundle::BundleManifest;
use assay_report::evidence::EvidenceManifest;
use assay_report::{self as report, NodeReport};
use assay_verifier::dsse;
use assay_verifier::json::Value;
use assay_verifier::notary;
use assay_verifier::notary::envelope::{Envelope, EnvelopeClaims};
use assay_verifier::notary::manifest::SignatureManifest;
use assay_verifier::notary::payload::Payload;
use assay_verifier::notary::trust_policy::{SubjectPattern, TrustPolicy};
use assay_verifier::notary::trust_store::{StoreEntry, StoreType, TrustStore, read_certificates};
use assay_verifier::notary::verify::Verifier;
use assay_verifier::oci::{Descriptor, Digest, Manifest, Reference, media_type};
use assay_verifier::outcome::{CheckOutcome, Conclusion};
use assay_verifier::revocation::{self, Purpose, RevocationEvidence};
use assay_verifier::time::UnixTime;
use assay_verifier::timestamp;
use assay_verifier::x509::{Certificate, check_code_signing_chain, check_timestamping_chain};

/// A target's name and what it does.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target, by name.
pub(crate) const TARGETS: &[Target] = &[
    ("bundle", bundle),
    ("certificate", certificate),
    ("cose", cose),
    ("dsse", dsse),
    ("identity", identity),
    ("json", json),
    ("jws", jws),
    ("manifest", manifest),
    ("node_report", node_report),
    ("payload", payload),
    ("reference", reference),
    ("revocation", revocation),
    ("time", time),
    ("timestamp", timestamp),
    ("trust_policy", trust_policy),
    ("trust_store", trust_store),
    ("verify", verify),
];

/// Runs the target of that name.
///
/// # Panics
/// Where there is none, and where the target finds something.
pub(crate) fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    target(data);
}

/// The root and the signing certificate of the seeds; `fixtures/generate/src/fuzz.rs` makes them.
const ROOT: &[u8] = include_bytes!("../../../fixtures/fuzz/root.der");
const LEAF: &[u8] = include_bytes!("../../../fixtures/fuzz/leaf.der");

/// The time that counts as now: within the seeds' validity.
const AT: i64 = 1_764_000_000;

/// `bundle.json` and the document of an evidence pack.
fn bundle(data: &[u8]) {
    if let Ok(manifest) = BundleManifest::parse(data) {
        let again = manifest.to_bytes().map(|bytes| BundleManifest::parse(&bytes));
        assert!(matches!(again, Ok(Ok(again)) if again == manifest));
    }
    let _ = EvidenceManifest::parse(data);
}

/// Certificates, and chains of one with the root of the seeds.
fn certificate(data: &[u8]) {
    let Ok(certificate) = Certificate::parse(data) else { return };
    let _ = (certificate.subject().to_string(), certificate.issuer().to_string());
    let Ok(root) = Certificate::parse(ROOT) else { return };
    for check in [check_code_signing_chain, check_timestamping_chain] {
        let _ = check(&[certificate.clone(), root.clone()]);
        let _ = check(&[certificate.clone(), certificate.clone()]);
    }
}

/// COSE envelopes.
fn cose(data: &[u8]) {
    envelope(notary::media_type::COSE_ENVELOPE, data);
}

/// What is an envelope claims what it says, and whatever else is read for its claims.
fn envelope(media_type: &str, data: &[u8]) {
    let claims = EnvelopeClaims::read(data);
    let Ok(envelope) = Envelope::parse(media_type, data) else { return };
    let claims = claims.expect("an envelope has claims");
    assert!(claims.payload == envelope.unverified_payload());
    assert!(claims.signature == envelope.unverified_signature());
    assert_eq!(claims.chain.len(), envelope.unverified_chain().len());
    assert_eq!(claims.signing_time, Some(envelope.unverified_attributes().signing_time));
    let _ = envelope.verify();
}

/// Envelopes that claim to be signed by a site, and public keys of a site.
fn dsse(data: &[u8]) {
    if let Ok(key) = dsse::VerifyingKey::read(data) {
        assert!(dsse::VerifyingKey::read(key.to_openssh().as_bytes()).as_ref() == Ok(&key));
    }
    if let Ok(envelope) = dsse::DsseEnvelope::parse(data) {
        assert_eq!(dsse::DsseEnvelope::parse(envelope.to_json().as_bytes()).as_ref(), Ok(&envelope));
    }
}

/// Distinguished names in trust policies.
fn identity(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Ok(pattern) = SubjectPattern::parse(text) else { return };
    assert!(pattern.covers(&pattern));
    if let Ok(leaf) = Certificate::parse(LEAF) {
        let _ = pattern.matches(leaf.subject());
    }
}

/// Strict JSON.
fn json(data: &[u8]) {
    let _ = Value::parse(data);
}

/// JWS envelopes.
fn jws(data: &[u8]) {
    envelope(notary::media_type::JWS_ENVELOPE, data);
}

/// Manifests and indexes, and which of them are signatures.
fn manifest(data: &[u8]) {
    let Ok(manifest) = Manifest::parse(data) else { return };
    for media_type in [media_type::OCI_MANIFEST, media_type::OCI_INDEX, media_type::OCI_ARTIFACT_MANIFEST] {
        let _ = SignatureManifest::read(media_type, &manifest);
        assert!(manifest.successors(media_type).count() <= manifest.content().count() + 1);
    }
}

/// Node reports as a collector receives them.
fn node_report(data: &[u8]) {
    let Ok(report) = serde_json::from_slice::<NodeReport>(data) else { return };
    let again = serde_json::to_vec(&report).expect("a report is written");
    assert!(serde_json::from_slice::<NodeReport>(&again).is_ok());
    // what an agent makes fit is read as it was written, and says no better of anything
    let mut fitting = report.clone();
    let signatures = fitting.images.iter_mut().flat_map(|image| &mut image.signatures);
    // an agent writes decimals that are read back exactly, and no others
    signatures.filter_map(|one| one.timestamp.as_mut()).for_each(|timestamp| timestamp.accuracy = 0.001);
    fitting.fit();
    assert!(fitting.verdict() >= report.verdict());
    let written = serde_json::to_vec(&fitting).expect("a report is written");
    assert_eq!(report::check_size(&written), Ok(()));
    let mut read: NodeReport = serde_json::from_slice(&written).expect("a report is read");
    assert!(read == fitting);
    read.bound();
    assert!(read == fitting);
}

/// Payloads.
fn payload(data: &[u8]) {
    let _ = Payload::parse(data);
}

/// References, repositories and digests.
fn reference(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string(), text);
    }
    let _ = text.parse::<Digest>();
}

/// CRLs, cached CRLs and OCSP responses, and what they say of the signing certificate of the seeds.
fn revocation(data: &[u8]) {
    let mut evidence = RevocationEvidence::default();
    let _ = evidence.add_file("leaf.crl", data);
    let _ = evidence.crls().count();
    let at = UnixTime::from_seconds(AT).expect("in range");
    for authentic in [None, Some(at)] {
        let _ = revocation::check_chain(&chain(), Purpose::CodeSigning, &evidence, at, authentic);
    }
}

/// Times.
fn time(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(time) = UnixTime::parse(text) {
        assert_eq!(UnixTime::parse(&time.to_string()), Ok(time));
    }
}

/// Timestamp tokens over the bytes `signature`, with the root of the seeds trusted.
fn timestamp(data: &[u8]) {
    let chain = chain();
    if let Ok(stamp) = timestamp::verify(data, b"signature", &chain[1..]) {
        assert_eq!(stamp.chain.last(), chain.last());
        let _ = stamp.covers(&chain);
    }
}

/// Trust policies.
fn trust_policy(data: &[u8]) {
    let _ = TrustPolicy::parse(data);
}

/// Files of certificates, as each type of trust store takes them.
fn trust_store(data: &[u8]) {
    let _ = read_certificates(data);
    let mut store = TrustStore::default();
    for store_type in StoreType::ALL {
        store.add(store_type, "a", [("file".into(), StoreEntry::File(data.to_vec()))]);
        let _ = store.certificates(store_type, "a");
    }
}

/// The whole verification of one signature: the input is an envelope of either form, then a policy behind a NUL byte. The
/// last certificate of the envelope's own chain is trusted.
fn verify(data: &[u8]) {
    let (envelope, policy) = match data.iter().rposition(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &data[..0]),
    };
    let policy =
        TrustPolicy::parse(policy).or_else(|_| TrustPolicy::parse(POLICY)).expect("the constant is valid");
    let at = UnixTime::from_seconds(AT).expect("in range");
    let target = Descriptor::new(media_type::OCI_MANIFEST, Digest::sha256(b"image"), 5);
    for media_type in [notary::media_type::JWS_ENVELOPE, notary::media_type::COSE_ENVELOPE] {
        let mut trust_store = TrustStore::default();
        let parsed = Envelope::parse(media_type, envelope);
        let root = parsed.iter().filter_map(|envelope| envelope.unverified_chain().last()).next();
        for store_type in StoreType::ALL {
            let file = root.map(|root| ("root".into(), StoreEntry::File(root.der().to_vec())));
            trust_store.add(store_type, "a", file);
        }
        let evidence = RevocationEvidence::default();
        let verifier = Verifier { trust_store: &trust_store, evidence: &evidence, at };
        for statement in policy.statements().iter().filter(|statement| !statement.is_skip()) {
            let verdict = verifier.verify(media_type, envelope, &target, statement);
            let passed = verdict.conclusion == Conclusion::Passed;
            assert_eq!(passed, verdict.finding().is_none());
            if passed {
                assert_eq!(verdict.checks.integrity.outcome, CheckOutcome::Passed);
                assert_eq!(verdict.target, CheckOutcome::Passed);
            }
        }
    }
}

fn chain() -> Vec<Certificate> {
    [LEAF, ROOT].map(|der| Certificate::parse(der).expect("the fixtures are certificates")).into()
}

const POLICY: &[u8] = br#"{"version":"1.0","trustPolicies":[{"name":"fuzz","registryScopes":["*"],"signatureVerification":{"level":"strict","override":{"revocation":"log"}},"trustStores":["ca:a","signingAuthority:a","tsa:a"],"trustedIdentities":["*"]}]}"#;
