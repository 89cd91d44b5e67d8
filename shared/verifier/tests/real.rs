//! Certificates, tokens, CRLs, envelopes and policies that others issued, each by its name with the verdict that the
//! reference gave or that is known otherwise. They are not ours to commit: they lie beside the checkout, or where
//! `REAL_DATA` says; where they are absent this says so.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use assay_verifier::codes::Code;
use assay_verifier::notary;
use assay_verifier::notary::envelope::Envelope;
use assay_verifier::notary::trust_policy::TrustPolicy;
use assay_verifier::notary::trust_store::{StoreEntry, StoreType, TrustStore, read_certificates};
use assay_verifier::revocation::{Purpose, RevocationEvidence, check_chain};
use assay_verifier::time::UnixTime;
use assay_verifier::timestamp;
use assay_verifier::x509::{
    Certificate, ChainError, check_code_signing_chain, check_issued_by, is_self_signed,
};

/// The folder; none where it is absent, which is said aloud.
fn folder() -> Option<PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/real").into();
    let folder = PathBuf::from(std::env::var_os("REAL_DATA").unwrap_or_else(beside));
    if folder.is_dir() {
        return Some(folder);
    }
    // past the test harness, which keeps to itself what tests print that pass; where nobody can be told, nobody listens
    let _ = writeln!(std::io::stderr(), "NOT RUN: the data of others is not at {}", folder.display());
    None
}

fn certificate(folder: &Path, name: &str) -> Certificate {
    let bytes = fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut certificates = read_certificates(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(certificates.len(), 1, "{name}");
    certificates.remove(0)
}

/// The names of the files of a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

const PASSED: &str = "passed";
const MS_2010: &str = "ms-root-ca-2010.crt";
const MS_2020: &str = "tsa/root-ms-identity-verification-2020.crt";
const GLOBALSIGN: &str = "tsa/root-globalsign.crt";

/// Each token, the root that is trusted, and the code of what is found. Tokens of Authenticode carry attribute certificates,
/// which the reference reads as little as this verifier; in `tokens-derived` these are taken out.
const TOKENS: &[(&str, &str, &str)] = &[
    ("tokens-notation/globalsign-coseWithTimestamp.tok", GLOBALSIGN, PASSED),
    ("tokens-notation/globalsign-jwsWithTimestamp.tok", GLOBALSIGN, PASSED),
    ("tokens-notation/ms-blob.cose.tok", MS_2020, PASSED),
    ("tokens-notation/ms-blob.jws.tok", MS_2020, PASSED),
    ("tokens-notation/ms-e2e-timestamped.tok", MS_2020, PASSED),
    ("tokens-derived/115fe8649854ad531fb7-b7273e22.noattr.tok", MS_2010, PASSED),
    ("tokens-derived/DXCore-49fc0bf1.noattr.tok", MS_2010, PASSED),
    ("tokens-derived/d62d3ca4f677eb06ba81-068b1fc8.noattr.tok", MS_2010, PASSED),
    ("tokens-derived/install-dotnet-4d30ecfa.noattr.tok", MS_2010, PASSED),
    // the TSA's purpose is not critical
    ("tokens-derived/oem89-8d02f756.noattr.tok", MS_2010, "timestamp-certificate-unsuitable"),
    ("tokens-derived/whois-da551184.noattr.tok", MS_2010, "timestamp-certificate-unsuitable"),
    // It has only the old signing-certificate attribute.
    ("tokens-derived/sigcheck-c3b4e2d8.noattr.tok", MS_2010, "timestamp-attribute"),
    ("tokens-real/115fe8649854ad531fb7-b7273e22.tok", MS_2010, "timestamp-certificate-malformed"),
    ("tokens-real/DXCore-49fc0bf1.tok", MS_2010, "timestamp-certificate-malformed"),
    ("tokens-real/d62d3ca4f677eb06ba81-068b1fc8.tok", MS_2010, "timestamp-certificate-malformed"),
    ("tokens-real/install-dotnet-4d30ecfa.tok", MS_2010, "timestamp-certificate-malformed"),
    ("tokens-real/oem89-8d02f756.tok", MS_2010, "timestamp-certificate-malformed"),
    ("tokens-real/sigcheck-c3b4e2d8.tok", MS_2010, "timestamp-certificate-malformed"),
    ("tokens-real/whois-da551184.tok", MS_2010, "timestamp-certificate-malformed"),
    // SHA-1
    (
        "tokens-real/17ad1735a13898c978cc-b4a8d40a.tok",
        "tsa/root-digicert-trusted-g4.crt",
        "timestamp-algorithm",
    ),
    ("tokens-real/AppxSignature-7a2dff68.tok", "tsa/root-sslcom-rsa.crt", PASSED),
];

#[test]
fn tokens_come_out_as_known() {
    let Some(folder) = folder() else { return };
    for (name, root, expected) in TOKENS {
        let token = fs::read(folder.join("tsa").join(name)).unwrap();
        let message =
            name.replace("tokens-derived", "tokens-real").replace(".noattr", "").replace(".tok", ".msg");
        let message = fs::read(folder.join("tsa").join(message)).unwrap();
        let found = |anchors: &[Certificate]| match timestamp::verify(&token, &message, anchors) {
            Ok(_) => PASSED,
            Err(error) => error.code().as_str(),
        };
        assert_eq!(found(&[certificate(&folder, root)]), *expected, "{name}");
        if *expected == PASSED {
            // under another root, and over another message, none passes
            assert_ne!(
                found(&[certificate(&folder, "ms-supply-chain-rsa-root-ca-2022.crt")]),
                PASSED,
                "{name}"
            );
            let others = timestamp::verify(&token, b"another", &[certificate(&folder, root)]);
            assert_eq!(others.unwrap_err().code(), Code::TimestampImprintMismatch, "{name}");
        }
    }
    for part in ["tokens-notation", "tokens-derived", "tokens-real"] {
        let there = names(&folder.join("tsa").join(part));
        let listed = TOKENS.iter().filter(|(name, ..)| name.starts_with(part)).count();
        assert_eq!(there.iter().filter(|name| name.ends_with(".tok")).count(), listed, "{part}");
    }
}

#[test]
fn certificates_parse_and_chain() {
    let Some(folder) = folder() else { return };
    let read = |name: &str| certificate(&folder, name);
    for (issued, issuer) in [
        ("ms-scd-products-rsa-ca.crt", "ms-supply-chain-rsa-root-ca-2022.crt"),
        ("cose/uvm-leaf-containerplat-2025.crt", "ms-scd-products-rsa-ca.crt"),
        ("tsa/ms-time-stamp-pca-2010.crt", MS_2010),
        ("tsa/ms-tsa-leaf-2023.crt", "tsa/ms-time-stamp-pca-2010.crt"),
        ("crl/le-r3.crt", "crl/isrg-root-x1.crt"),
    ] {
        assert_eq!(check_issued_by(&read(issued), &read(issuer)), Ok(()), "{issued}");
    }
    let production = [
        "cose/uvm-leaf-containerplat-2025.crt",
        "ms-scd-products-rsa-ca.crt",
        "ms-supply-chain-rsa-root-ca-2022.crt",
    ];
    assert_eq!(check_code_signing_chain(&production.map(read)), Ok(()));
    for (name, sha256) in [
        ("ms-supply-chain-rsa-root-ca-2022.crt", "23ffe2b8"),
        ("ms-scd-products-rsa-ca.crt", "9b1894f2"),
        (MS_2010, "df545bf9"),
        (MS_2020, "5367f20c"),
        ("tsa/root-digicert-trusted-g4.crt", "552f7bdc"),
        ("tsa/root-sslcom-rsa.crt", "85666a56"),
        ("anchors/aws-signer-commercial-root.pem", "90a87d05"),
    ] {
        let found = read(name);
        assert!(found.sha256().hex().starts_with(sha256), "{name}: {}", found.sha256());
    }
    // a line break that someone copied as a letter stands behind its last line: Go's PEM reader, and so the reference,
    // finds no block in it
    let govcloud = fs::read_to_string(folder.join("anchors/aws-signer-govcloud-root.pem")).unwrap();
    assert!(read_certificates(govcloud.as_bytes()).is_err());
    let mended = read_certificates(govcloud.replace('\u{23ce}', "").as_bytes()).unwrap();
    assert!(mended[0].sha256().hex().starts_with("673653ab"));
    // what may stand in a trust store
    let stands = |store_type, name: &str| {
        let mut store = TrustStore::default();
        store.add(
            store_type,
            "a",
            [(name.to_owned(), StoreEntry::File(fs::read(folder.join(name)).unwrap()))],
        );
        store.certificates(store_type, "a").is_ok()
    };
    for name in [
        "ms-supply-chain-rsa-root-ca-2022.crt",
        "ms-scd-products-rsa-ca.crt",
        "anchors/aws-signer-commercial-root.pem",
    ] {
        assert!(stands(StoreType::Ca, name), "{name}");
    }
    for name in [MS_2010, MS_2020, GLOBALSIGN, "tsa/root-digicert-trusted-g4.crt", "tsa/root-sslcom-rsa.crt"]
    {
        assert!(stands(StoreType::Tsa, name), "{name}");
    }
    assert!(!stands(StoreType::Tsa, "tsa/ms-time-stamp-pca-2010.crt"));
    assert!(!stands(StoreType::Ca, "cose/uvm-leaf-containerplat-2025.crt"));
    for name in names(&folder.join("ratify")) {
        assert!(stands(StoreType::Ca, &format!("ratify/{name}")), "{name}");
    }
}

/// Envelopes of the same PKI that are not the Notary Project's: their chain is in the protected header.
#[test]
fn other_envelopes_are_refused() {
    let Some(folder) = folder() else { return };
    for name in ["cose/ms-uvm_0.2.10.cose", "scitt/1ts-statement.scitt", "scitt/2ts-statement.scitt"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        let error = Envelope::parse(notary::media_type::COSE_ENVELOPE, &bytes).unwrap_err();
        assert_eq!(error.code(), Code::ChainMissing, "{name}");
    }
}

#[test]
fn lists_say_what_is_known() {
    let Some(folder) = folder() else { return };
    for (chain, crl, at, expected) in [
        (
            ["crl/comodo-revoked-subject.crt", "crl/comodo-aaa-root.crt"],
            "comodo-aaa.num6282.crl",
            "",
            "certificate-revoked",
        ),
        (
            ["crl/comodo-revoked-subject.crt", "crl/comodo-aaa-root.crt"],
            "comodo-aaa.num6368.crl",
            "",
            "certificate-revoked",
        ),
        (
            ["tsa/ms-tsa-leaf-2023.crt", "tsa/ms-time-stamp-pca-2010.crt"],
            "ms-time-stamp-pca-2010_1.num146.20240211.crl",
            "2024-03-01T00:00:00Z",
            PASSED,
        ),
        (
            ["tsa/ms-tsa-leaf-2023.crt", "tsa/ms-time-stamp-pca-2010.crt"],
            "ms-time-stamp-pca-2010_1.num147.20240427.crl",
            "2024-05-01T00:00:00Z",
            PASSED,
        ),
        (
            ["tsa/ms-tsa-leaf-2023.crt", "tsa/ms-time-stamp-pca-2010.crt"],
            "ms-time-stamp-pca-2010_1.num147.20240427.crl",
            "2026-11-25T00:00:00Z",
            "revocation-stale",
        ),
        (
            ["tsa/ms-tsa-leaf-2023.crt", "tsa/ms-time-stamp-pca-2010.crt"],
            "ms-time-stamp-pca-2010_1.num147.20240427.crl",
            "2024-04-01T00:00:00Z",
            "revocation-not-yet-valid",
        ),
        (
            ["crl/le-r3.crt", "crl/isrg-root-x1.crt"],
            "isrg-root-x1.20240205.crl",
            "2024-03-01T00:00:00Z",
            PASSED,
        ),
        // look-alikes with the same names and other keys
        (
            ["tsa/ms-time-stamp-pca-2010.crt", MS_2010],
            "../negative/forged-MicRooCerAut_2010-06-23.crl",
            "",
            "revocation-signature",
        ),
        (
            ["tsa/ms-tsa-leaf-2023.crt", "tsa/ms-time-stamp-pca-2010.crt"],
            "../negative/forged-Microsoft_Time-Stamp_PCA_2010.crl",
            "",
            "revocation-signature",
        ),
    ] {
        let mut evidence = RevocationEvidence::default();
        evidence.add_file("staged.crl", &fs::read(folder.join("crl").join(crl)).unwrap()).unwrap();
        let at = if at.is_empty() {
            evidence.crls().next().unwrap().this_update
        } else {
            UnixTime::parse(at).unwrap()
        };
        let chain = chain.map(|name| certificate(&folder, name));
        let found = match check_chain(&chain, Purpose::Timestamping, &evidence, at, None) {
            Ok(()) => PASSED,
            Err(error) => error.code().as_str(),
        };
        assert_eq!(found, expected, "{crl} at {at}");
    }
    assert_eq!(names(&folder.join("crl")).iter().filter(|name| name.ends_with(".crl")).count(), 5);
}

#[test]
fn look_alikes_are_no_anchors() {
    let Some(folder) = folder() else { return };
    let forged = certificate(&folder, "negative/forged-MicRooCerAut_2010-06-23.crt");
    let real = certificate(&folder, MS_2010);
    assert!(forged.subject_der() == real.subject_der() && forged != real);
    let leaf = certificate(&folder, "tsa/ms-time-stamp-pca-2010.crt");
    assert!(matches!(check_issued_by(&leaf, &forged), Err(ChainError::Signature { .. })));
    let pca = certificate(&folder, "negative/forged-Microsoft_Time-Stamp_PCA_2010.crt");
    assert!(check_issued_by(&pca, &real).is_err() && is_self_signed(&real));
    for (name, root, expected) in TOKENS.iter().filter(|(.., expected)| *expected == PASSED) {
        let token = fs::read(folder.join("tsa").join(name)).unwrap();
        assert!(
            timestamp::verify(&token, b"", &[forged.clone(), pca.clone()]).is_err(),
            "{name} {root} {expected}"
        );
    }
}

#[test]
fn policies_are_valid() {
    let Some(folder) = folder() else { return };
    let policies = names(&folder.join("policies"));
    assert_eq!(policies.len(), 4);
    for name in policies {
        let policy = TrustPolicy::parse(&fs::read(folder.join("policies").join(&name)).unwrap());
        assert!(policy.is_ok_and(|policy| !policy.statements().is_empty()), "{name}");
    }
}
