//! Every bound that the verifier and the reports hold hostile input to has a case just inside and a case just outside. Some stand here, the
//! others in the tests that [`CASES`] names; a bound without a case fails.

use std::collections::BTreeSet;
use std::fs;

use assay_report::bundle::BundleManifest;
use assay_report::document::DocumentError;
use assay_verifier::codes::Code;
use assay_verifier::limits;
use assay_verifier::notary;
use assay_verifier::notary::envelope::Envelope;
use assay_verifier::notary::trust_policy::{PolicyError, ShapeError, StatementError, TrustPolicy};
use assay_verifier::notary::trust_store::{FileError, read_certificates};
use assay_verifier::oci::{Manifest, ManifestError};
use assay_verifier::revocation::{EvidenceError, RevocationEvidence};
use assay_verifier::x509::{Certificate, CertificateError, ChainError, check_code_signing_chain};

/// Each bound of these crates, and the file and the test that hold its two cases.
const CASES: &[(&str, &str, &str)] = &[
    ("ENVELOPE_BYTES", "tests/pure/vectors.rs", "envelopes_are_bounded"),
    ("LAYOUT_INDEX_BYTES", "shared/report/tests/limits.rs", "documents_are_bounded"),
    ("COMPANION_LAYERS", "shared/verifier/src/oci/census.rs", "what_is_looked_into_is_bounded"),
    ("SCANNED_BLOB_BYTES", "shared/verifier/src/oci/census.rs", "what_is_looked_into_is_bounded"),
    ("INDEX_ENTRIES", "shared/verifier/src/oci/manifest.rs", "entries_are_bounded"),
    ("CHAIN_CERTIFICATES", "shared/report/tests/limits.rs", "certificates_are_bounded"),
    ("CERTIFICATE_BYTES", "shared/report/tests/limits.rs", "certificates_are_bounded"),
    ("MOUNTS_BYTES", "agent/src/rootfs/mounted.rs", "lists_of_mounts_are_bounded"),
    ("NAME_COMPARISONS", "shared/verifier/tests/evidence/chains.rs", "comparisons_of_names_are_bounded"),
    ("JSON_VALUES", "shared/verifier/src/json/mod.rs", "values_are_counted_before_anything_is_kept"),
    ("JSON_DEPTH", "shared/verifier/src/json/mod.rs", "depth_is_bounded"),
    ("CBOR_DEPTH", "shared/report/tests/limits.rs", "the_depth_of_cbor_is_bounded"),
    ("TRUST_POLICY_BYTES", "shared/report/tests/limits.rs", "trust_policies_are_bounded"),
    ("TRUST_POLICY_ENTRIES", "shared/report/tests/limits.rs", "trust_policies_are_bounded"),
    ("TRUST_STORE_FILE_BYTES", "shared/report/tests/limits.rs", "certificates_are_bounded"),
    ("CRL_BYTES", "shared/verifier/src/revocation/evidence.rs", "sizes_are_bounded"),
    ("TIMESTAMP_TOKEN_BYTES", "shared/verifier/tests/evidence/timestamps.rs", "sizes_are_bounded"),
    ("BER_DEPTH", "shared/verifier/src/timestamp/ber.rs", "depth_is_bounded"),
    ("TIMESTAMP_CERTIFICATES", "shared/verifier/tests/evidence/timestamps.rs", "sizes_are_bounded"),
    // Its cases do not name the bound: a path is found behind many decoys, and a search is given up.
    (
        "TIMESTAMP_PATH_STEPS",
        "shared/verifier/tests/evidence/timestamps.rs",
        "the_search_for_a_path_is_bounded",
    ),
    ("TIMESTAMP_SIGNERS", "shared/verifier/tests/evidence/timestamps.rs", "sizes_are_bounded"),
    (
        "OCSP_RESPONSE_BYTES",
        "shared/verifier/tests/evidence/ocsp.rs",
        "responses_are_judged_by_what_they_say",
    ),
    ("EXTENSIONS", "shared/verifier/tests/evidence/revocation.rs", "malformed_lists_are_refused"),
    ("EVIDENCE_FILES", "shared/verifier/src/revocation/evidence.rs", "the_number_of_files_is_bounded"),
    ("EVIDENCE_FILE_BYTES", "shared/report/tests/limits.rs", "documents_are_bounded"),
    ("EVIDENCE_MEMO", "shared/verifier/src/revocation/memo.rs", "a_full_memo_keeps_no_more"),
    ("CRL_URLS", "shared/verifier/tests/evidence/revocation.rs", "only_plain_http_urls_count"),
    (
        "OCSP_CERTIFICATES",
        "shared/verifier/tests/evidence/ocsp.rs",
        "only_the_issuer_and_its_responders_may_answer",
    ),
    ("DSSE_ENVELOPE_BYTES", "shared/verifier/src/dsse/tests.rs", "what_is_no_envelope_is_refused"),
    ("DSSE_SIGNATURES", "shared/verifier/src/dsse/tests.rs", "what_is_no_envelope_is_refused"),
    ("SITE_KEY_BYTES", "shared/verifier/src/dsse/tests.rs", "what_is_no_public_key_of_a_site_is_refused"),
    ("BUNDLE_DOCUMENT_BYTES", "shared/report/tests/limits.rs", "documents_are_bounded"),
    ("REPORT_BYTES", "collector/src/visit/gather.rs", "reports_are_bounded"),
    ("REPORT_VALUES", "collector/src/visit/gather.rs", "reports_are_bounded"),
    ("REPORT_TEXT_LETTERS", "shared/report/src/bounds/tests.rs", "lists_and_texts_are_cut_and_counted"),
    ("REPORT_ENTRIES", "shared/report/src/bounds/tests.rs", "lists_and_texts_are_cut_and_counted"),
    ("REPORT_SIGNATURES", "shared/report/src/bounds/tests.rs", "what_a_verdict_rests_on_stays"),
    ("DRIFT_FINDINGS", "shared/report/src/bounds/tests.rs", "drift_is_cut_and_counted"),
    ("CARRIED_BYTES", "shared/report/src/bounds/tests.rs", "the_largest_carried_blobs_are_dropped"),
];

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn every_bound_has_its_cases() {
    let text = fs::read_to_string(format!("{ROOT}/shared/verifier/src/limits.rs")).unwrap();
    let bounds: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next()).collect();
    let mut sources = String::new();
    for krate in ["verifier", "report"] {
        read_sources(format!("{ROOT}/shared/{krate}/src").as_ref(), &mut sources);
    }
    let listed: BTreeSet<&str> = CASES.iter().map(|(bound, ..)| *bound).collect();
    assert_eq!(listed.len(), CASES.len(), "a bound is listed twice");
    for bound in &bounds {
        // other bounds are those of the agent's and the collector's own readers
        let is_ours = sources.contains(&format!("limits::{bound}"));
        assert!(
            !is_ours || listed.contains(bound) || BOUNDS_OF_OTHERS.contains(bound),
            "{bound} has no cases"
        );
    }
    for (bound, file, test) in CASES {
        assert!(bounds.contains(bound), "there is no {bound}");
        let text = fs::read_to_string(format!("{ROOT}/{file}")).unwrap();
        let test = format!("fn {test}");
        let body = text.split_once(&test).unwrap_or_else(|| panic!("{file} has no {test}")).1;
        assert!(body.contains(bound) || *bound == "TIMESTAMP_PATH_STEPS", "{file}: {bound}");
    }
}

/// Bounds that this crate mentions and the programs hold their input to.
const BOUNDS_OF_OTHERS: &[&str] = &["ARCHIVE_MEMBERS", "MANIFEST_BYTES"];

fn read_sources(folder: &std::path::Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, into);
        } else if path.file_name().is_some_and(|name| name != "limits.rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

fn size(bound: u64) -> usize {
    bound.try_into().unwrap()
}

/// A document of that many bytes: `text`, and white space behind it.
fn padded(text: &str, bytes: usize) -> Vec<u8> {
    let mut made = text.as_bytes().to_vec();
    assert!(made.len() <= bytes);
    made.resize(bytes, b' ');
    made
}

#[test]
fn documents_are_bounded() {
    let index = |bytes| Manifest::parse(&padded(r#"{"schemaVersion":2,"manifests":[]}"#, bytes)).map(|_| ());
    assert_eq!(index(size(limits::LAYOUT_INDEX_BYTES)), Ok(()));
    assert_eq!(index(size(limits::LAYOUT_INDEX_BYTES) + 1), Err(ManifestError::TooLarge));

    let bundle = |bytes| BundleManifest::parse(&padded("{}", bytes)).map(|_| ()).unwrap_err();
    assert!(matches!(bundle(size(limits::BUNDLE_DOCUMENT_BYTES)), DocumentError::Schema { .. }));
    assert!(matches!(bundle(size(limits::BUNDLE_DOCUMENT_BYTES) + 1), DocumentError::TooLarge { .. }));

    // a file of the cache, in which each list has its own bound
    let file = |bytes| RevocationEvidence::default().add_file("a", &padded("{}", bytes)).unwrap_err();
    assert_eq!(file(size(limits::EVIDENCE_FILE_BYTES)), EvidenceError::CacheFile);
    let limit = limits::EVIDENCE_FILE_BYTES;
    assert_eq!(file(size(limit) + 1), EvidenceError::TooLarge { limit });
}

#[test]
fn trust_policies_are_bounded() {
    let policy = |scopes: usize| {
        let scopes: Vec<String> = (0..scopes).map(|number| format!(r#""r.test/a{number}""#)).collect();
        format!(
            r#"{{"version":"1.0","trustPolicies":[{{"name":"a","registryScopes":[{}],
            "signatureVerification":{{"level":"strict"}},"trustStores":["ca:a"],"trustedIdentities":["*"]}}]}}"#,
            scopes.join(",")
        )
    };
    let bytes = |bytes| TrustPolicy::parse(&padded(&policy(1), bytes)).map(|_| ());
    assert_eq!(bytes(size(limits::TRUST_POLICY_BYTES)), Ok(()));
    assert_eq!(bytes(size(limits::TRUST_POLICY_BYTES) + 1), Err(PolicyError::TooLarge));

    let entries = |entries| TrustPolicy::parse(policy(entries).as_bytes()).map(|_| ());
    assert_eq!(entries(limits::TRUST_POLICY_ENTRIES), Ok(()));
    let over = limits::TRUST_POLICY_ENTRIES + 1;
    let error = StatementError::Shape(ShapeError::TooManyEntries { entries: over });
    assert_eq!(entries(over), Err(PolicyError::Statement { name: "a".into(), error }));
}

#[test]
fn certificates_are_bounded() {
    let root = Certificate::parse(include_bytes!("../../../fixtures/fuzz/root.der")).unwrap();
    let chain = |certificates| check_code_signing_chain(&vec![root.clone(); certificates]).unwrap_err();
    assert_eq!(chain(limits::CHAIN_CERTIFICATES), ChainError::EarlyRoot { at: 0 });
    let over = limits::CHAIN_CERTIFICATES + 1;
    assert_eq!(chain(over), ChainError::TooLong { certificates: over });

    let certificate = |bytes| Certificate::parse(&vec![0; bytes]).unwrap_err();
    assert_eq!(certificate(limits::CERTIFICATE_BYTES), CertificateError::Structure);
    let over = limits::CERTIFICATE_BYTES + 1;
    assert_eq!(certificate(over), CertificateError::TooLarge { bytes: over });

    let file = |bytes| read_certificates(&vec![0; bytes]).unwrap_err();
    assert!(!matches!(file(size(limits::TRUST_STORE_FILE_BYTES)), FileError::TooLarge));
    assert_eq!(file(size(limits::TRUST_STORE_FILE_BYTES) + 1), FileError::TooLarge);
}

/// Lists within lists in the protected header: within the bound they are an unknown header, and the envelope fails
/// for want of an algorithm; past it, it is malformed. The header's map is the first level.
#[test]
fn the_depth_of_cbor_is_bounded() {
    let envelope = |depth: usize| {
        // {"z": [[…0…]]}
        let header = [&[0xa1, 0x61, b'z'][..], &vec![0x81; depth - 2], &[0]].concat();
        let length = u8::try_from(header.len()).unwrap();
        let bytes = [
            &[0xd2, 0x84, 0x58, length],
            &header[..],
            &[0xa1, 0x18, 0x21, 0x81, 0x41, 0],
            &[0x41, b'p', 0x41, b's'],
        ]
        .concat();
        Envelope::parse(notary::media_type::COSE_ENVELOPE, &bytes).unwrap_err().code()
    };
    assert_eq!(envelope(limits::CBOR_DEPTH), Code::AlgorithmNotAllowed);
    assert_eq!(envelope(limits::CBOR_DEPTH + 1), Code::EnvelopeMalformed);
}
