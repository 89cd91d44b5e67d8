//! RFC 3161 timestamps. Real tokens come out as the reference implementation has them; made ones are wrong in one thing.

use std::collections::BTreeSet;
use std::fs;
use std::slice;
use std::time::Duration;

use assay_fixtures::certificate::{Credential, Extension, Profile, uri};
use assay_fixtures::der::{
    boolean, context, context_primitive, generalized_time, integer, null, octets, oid, sequence, tagged,
};
use assay_fixtures::keys::{Hash, Key};
use assay_fixtures::timestamp::{
    CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_CERTIFICATE_V2, Stamp, certificate_id, signing_certificate,
};
use assay_verifier::codes::Code;
use assay_verifier::limits;
use assay_verifier::notary::trust_store::read_certificates;
use assay_verifier::timestamp::{self, PathError, Timestamp, TimestampError};
use assay_verifier::x509::{Certificate, RequirementError};

use crate::support::*;

const MS_2010: &str = "ms-root-ca-2010.crt";
const MS_2020: &str = "tsa/root-ms-identity-verification-2020.crt";
const GLOBALSIGN: &str = "tsa/root-globalsign.crt";
const DIGICERT: &str = "tsa/root-digicert-trusted-g4.crt";
const SSLCOM: &str = "tsa/root-sslcom-rsa.crt";

/// The time and the accuracy in milliseconds that a token proves, or the code that it fails with.
type Known = Result<(&'static str, u64), Code>;

/// Every real token with the root that it is judged under.
const REAL: [(&str, &str, Known); 21] = [
    ("tokens-notation/globalsign-coseWithTimestamp.tok", GLOBALSIGN, Ok(("2024-06-18T06:27:16Z", 1000))),
    ("tokens-notation/globalsign-jwsWithTimestamp.tok", GLOBALSIGN, Ok(("2024-06-18T06:29:37Z", 1000))),
    ("tokens-notation/ms-blob.cose.tok", MS_2020, Ok(("2025-01-07T08:42:44.082Z", 500))),
    ("tokens-notation/ms-blob.jws.tok", MS_2020, Ok(("2024-12-31T08:05:30.009Z", 500))),
    ("tokens-notation/ms-e2e-timestamped.tok", MS_2020, Ok(("2025-01-21T09:17:46.641Z", 500))),
    ("tokens-derived/install-dotnet-4d30ecfa.noattr.tok", MS_2010, Ok(("2026-05-17T00:49:48.071Z", 500))),
    ("tokens-derived/DXCore-49fc0bf1.noattr.tok", MS_2010, Ok(("2025-07-15T23:47:21.042Z", 500))),
    (
        "tokens-derived/115fe8649854ad531fb7-b7273e22.noattr.tok",
        MS_2010,
        Ok(("2025-08-09T21:02:23.072Z", 500)),
    ),
    (
        "tokens-derived/d62d3ca4f677eb06ba81-068b1fc8.noattr.tok",
        MS_2010,
        Ok(("2025-10-10T16:24:26.34Z", 500)),
    ),
    ("tokens-derived/oem89-8d02f756.noattr.tok", MS_2010, Err(Code::TimestampCertificateUnsuitable)),
    ("tokens-derived/whois-da551184.noattr.tok", MS_2010, Err(Code::TimestampCertificateUnsuitable)),
    ("tokens-derived/sigcheck-c3b4e2d8.noattr.tok", MS_2010, Err(Code::TimestampAttribute)),
    ("tokens-real/AppxSignature-7a2dff68.tok", SSLCOM, Ok(("2024-10-28T12:31:20Z", 1000))),
    ("tokens-real/17ad1735a13898c978cc-b4a8d40a.tok", DIGICERT, Err(Code::TimestampAlgorithm)),
    ("tokens-real/115fe8649854ad531fb7-b7273e22.tok", MS_2010, Err(Code::TimestampCertificateMalformed)),
    ("tokens-real/DXCore-49fc0bf1.tok", MS_2010, Err(Code::TimestampCertificateMalformed)),
    ("tokens-real/d62d3ca4f677eb06ba81-068b1fc8.tok", MS_2010, Err(Code::TimestampCertificateMalformed)),
    ("tokens-real/install-dotnet-4d30ecfa.tok", MS_2010, Err(Code::TimestampCertificateMalformed)),
    ("tokens-real/oem89-8d02f756.tok", MS_2010, Err(Code::TimestampCertificateMalformed)),
    ("tokens-real/sigcheck-c3b4e2d8.tok", MS_2010, Err(Code::TimestampCertificateMalformed)),
    ("tokens-real/whois-da551184.tok", MS_2010, Err(Code::TimestampCertificateMalformed)),
];

#[test]
fn every_real_token_comes_out_as_known() {
    let Some(root) = real_data() else { return };
    for (token, anchor, expected) in REAL {
        let message = token.replace(".noattr.tok", ".msg").replace("derived", "real").replace(".tok", ".msg");
        let read = |name: &str| fs::read(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let anchors = read_certificates(&read(anchor)).unwrap();
        let (token_bytes, stamped) = (read(&format!("tsa/{token}")), read(&format!("tsa/{message}")));
        let verdict = timestamp::verify(&token_bytes, &stamped, &anchors);
        let found = verdict.as_ref().map(|proof| (proof.time, proof.accuracy)).map_err(TimestampError::code);
        let expected = expected.map(|(at, accuracy)| (time(at), Duration::from_millis(accuracy)));
        assert_eq!(found, expected, "{token}");
        if let Ok(Timestamp { chain, .. }) = verdict {
            assert_eq!(chain.last(), anchors.first(), "{token}");
            let elsewhere = timestamp::verify(&token_bytes, b"something else", &anchors);
            assert_eq!(elsewhere.map(|_| ()), Err(TimestampError::ImprintMismatch), "{token}");
        }
    }
    let named: BTreeSet<String> = REAL.iter().map(|(token, ..)| (*token).to_string()).collect();
    for folder in ["tokens-notation", "tokens-derived", "tokens-real"] {
        for entry in fs::read_dir(root.join("tsa").join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                !name.ends_with(".tok") || named.contains(&format!("{folder}/{name}")),
                "{name} is not named"
            );
        }
    }
}

#[test]
fn a_real_token_is_worth_nothing_under_another_root() {
    let Some(root) = real_data() else { return };
    let read = |name: &str| fs::read(root.join(name)).unwrap();
    let token = read("tsa/tokens-notation/ms-blob.cose.tok");
    let stamped = read("tsa/tokens-notation/ms-blob.cose.msg");
    for anchor in [MS_2010, GLOBALSIGN, DIGICERT, SSLCOM] {
        let anchors = read_certificates(&read(anchor)).unwrap();
        let error = timestamp::verify(&token, &stamped, &anchors).unwrap_err();
        assert_eq!(error.code(), Code::TimestampUntrusted, "{anchor}");
    }
    // a look-alike of the name of Microsoft's root, with another key
    let forged = read_certificates(&read("negative/forged-MicRooCerAut_2010-06-23.crt")).unwrap();
    let token = read("tsa/tokens-derived/DXCore-49fc0bf1.noattr.tok");
    let stamped = read("tsa/tokens-real/DXCore-49fc0bf1.msg");
    let error = timestamp::verify(&token, &stamped, &forged).unwrap_err();
    assert_eq!(error.code(), Code::TimestampUntrusted);
}

#[test]
fn mutated_real_tokens_never_pass_nor_panic() {
    let Some(root) = real_data() else { return };
    let read = |name: &str| fs::read(root.join(name)).unwrap();
    let anchors = read_certificates(&read(SSLCOM)).unwrap();
    let token = read("tsa/tokens-real/AppxSignature-7a2dff68.tok");
    let stamped = read("tsa/tokens-real/AppxSignature-7a2dff68.msg");
    let good = timestamp::verify(&token, &stamped, &anchors).unwrap();
    mutate(&token, |mutated| {
        // Some bytes carry no meaning, such as those of a certificate that is not needed.
        if let Ok(proof) = timestamp::verify(mutated, &stamped, &anchors) {
            assert_eq!((proof.time, proof.accuracy), (good.time, good.accuracy));
            assert_eq!(proof.chain, good.chain);
        }
    });
}

const STAMPED: &[u8] = b"a signature";

const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
const SIGNING_CERTIFICATE: &str = "1.2.840.113549.1.9.16.2.12";

/// A TSA under an issuing CA under a root.
struct Pki {
    root: Credential,
    ca: Credential,
    tsa: Credential,
}

impl Pki {
    fn new() -> Self {
        Self::of(&ca_profile("Root", 1), &ca_profile("CA", 2), &tsa_profile("TSA", 3))
    }

    fn of(root: &Profile, ca: &Profile, tsa: &Profile) -> Self {
        let root = self_signed(root);
        let ca = issued(&root, ca);
        let tsa = issued(&ca, tsa);
        Self { root, ca, tsa }
    }

    /// A good token, of unknown accuracy.
    fn token(&self) -> Stamp<'_> {
        Stamp { after_time: Vec::new(), ..Stamp::new(&self.tsa, time("2024-06-01T12:00:00Z")) }
    }

    fn verify(&self, token: &Stamp<'_>) -> Result<Timestamp, TimestampError> {
        timestamp::verify(&token.token(STAMPED), STAMPED, slice::from_ref(&parsed(&self.root)))
    }

    fn code(&self, token: &Stamp<'_>) -> Option<Code> {
        self.verify(token).err().map(|error| error.code())
    }
}

fn with_certificates<'a>(stamp: Stamp<'a>, certificates: &[&Credential]) -> Stamp<'a> {
    let certificates = certificates.iter().map(|credential| credential.certificate().to_vec()).collect();
    Stamp { certificates, ..stamp }
}

/// An AlgorithmIdentifier without parameters.
fn algorithm(id: &str) -> Vec<u8> {
    sequence(&[oid(id)])
}

#[test]
fn a_good_token_is_accepted() {
    let pki = Pki::new();
    let proof = pki.verify(&pki.token()).unwrap();
    assert_eq!((proof.time, proof.accuracy), (time("2024-06-01T12:00:00Z"), Duration::ZERO));
    let chain = [&pki.tsa, &pki.ca, &pki.root].map(parsed);
    assert_eq!(proof.chain, chain);
    let other_root = Credential::self_signed(&ca_profile("Root", 1), &Key::derived("other"));
    let token = pki.token().token(STAMPED);
    let under = |anchors: &[Certificate]| timestamp::verify(&token, STAMPED, anchors).map(|_| ());
    assert_eq!(under(&[]), Err(TimestampError::NoAnchors));
    assert_eq!(under(slice::from_ref(&parsed(&other_root))).unwrap_err().code(), Code::TimestampUntrusted);
    assert_eq!(under(&[parsed(&other_root), parsed(&pki.root)]), Ok(()));
}

#[test]
fn what_makes_a_token_malformed() {
    let pki = Pki::new();
    let good = || pki.token();
    for (what, token) in [
        ("outer type", Stamp { outer_type: "1.2.840.113549.1.7.1", ..good() }),
        ("SignedData version", Stamp { signed_data_version: 1, ..good() }),
        ("content type", Stamp { content_type: "1.2.840.113549.1.7.1", ..good() }),
        ("TSTInfo version", Stamp { info_version: 2, ..good() }),
        ("time without zone", Stamp { time: tagged(0x18, b"20240601120000"), ..good() }),
        ("time with offset", Stamp { time: tagged(0x18, b"20240601120000+0200"), ..good() }),
        ("time with trailing zero", Stamp { time: tagged(0x18, b"20240601120000.50Z"), ..good() }),
        ("CRLs", Stamp { crls: context(1, &sequence(&[null()])), ..good() }),
        ("signer version", Stamp { signer_version: 3, ..good() }),
        ("critical extension", Stamp { after_time: context(1, &unknown_extension(true).der()), ..good() }),
        ("what follows the TSTInfo's last field", Stamp { after_time: null(), ..good() }),
    ] {
        assert_eq!(pki.code(&token), Some(Code::TimestampMalformed), "{what}");
    }
    for (what, token) in [
        ("no CRLs in a list of CRLs", Stamp { crls: context(1, &[]), ..good() }),
        ("nonce", Stamp { after_time: integer(u64::MAX), ..good() }),
        ("explicit ordering", Stamp { after_time: boolean(true), ..good() }),
        ("TSA name", Stamp { after_time: context(0, &directory(&name("TSA"))), ..good() }),
        ("extension", Stamp { after_time: context(1, &unknown_extension(false).der()), ..good() }),
        ("fraction", Stamp { time: tagged(0x18, b"20240601120000.123456789Z"), ..good() }),
    ] {
        assert_eq!(pki.code(&token), None, "{what}");
    }
    let der = good().token(STAMPED);
    let verify =
        |token: &[u8]| timestamp::verify(token, STAMPED, slice::from_ref(&parsed(&pki.root))).map(|_| ());
    assert_eq!(verify(&der), Ok(()));
    let malformed = Err(TimestampError::Malformed { what: "BER" });
    assert_eq!(verify(&[der.as_slice(), &[0]].concat()), malformed);
    assert_eq!(verify(&der[..der.len() - 1]), malformed);
    assert_eq!(verify(&[]), malformed);
    let whole_response = sequence(&[sequence(&[integer(0)]), der.clone()]);
    assert_eq!(verify(&whole_response), Err(TimestampError::Malformed { what: "ContentInfo" }));
    // BER: the outermost length in four octets instead of two
    assert_eq!(der[..2], [0x30, 0x82]);
    assert_eq!(verify(&[&[0x30, 0x84, 0, 0], &der[2..]].concat()), Ok(()));
}

#[test]
fn sizes_are_bounded() {
    let pki = Pki::new();
    let of = |certificates: usize, signers: usize| Stamp {
        certificates: [
            vec![pki.ca.certificate().to_vec(); certificates - 1],
            vec![pki.tsa.certificate().to_vec()],
        ]
        .concat(),
        signers,
        ..pki.token()
    };
    assert_eq!(pki.code(&of(limits::TIMESTAMP_CERTIFICATES, 1)), None);
    assert_eq!(pki.code(&of(limits::TIMESTAMP_CERTIFICATES + 1, 1)), Some(Code::TimestampTooLarge));
    assert_eq!(pki.code(&of(2, limits::TIMESTAMP_SIGNERS)), None);
    assert_eq!(pki.code(&of(2, limits::TIMESTAMP_SIGNERS + 1)), Some(Code::TimestampTooLarge));
    assert_eq!(pki.code(&of(2, 0)), Some(Code::TimestampSignerMissing));
    let verify = |bytes| timestamp::verify(&vec![0; bytes], STAMPED, &[]).unwrap_err().code();
    assert_eq!(verify(limits::TIMESTAMP_TOKEN_BYTES), Code::TimestampMalformed);
    assert_eq!(verify(limits::TIMESTAMP_TOKEN_BYTES + 1), Code::TimestampTooLarge);
}

#[test]
fn the_accuracy_of_a_token_is_read() {
    let pki = Pki::new();
    let policy = "0.4.0.2023.1.1";
    let millis = |value: u8| context_primitive(0, &[value]);
    for (after_time, policy, expected) in [
        (Vec::new(), "1.2.3", Some(0)),
        (Vec::new(), policy, Some(1_000_000)),
        (sequence::<Vec<u8>>(&[]), policy, Some(1_000_000)),
        (sequence(&[integer(0)]), policy, Some(1_000_000)),
        (sequence(&[integer(2)]), policy, Some(2_000_000)),
        (sequence(&[integer(2)]), "1.2.3", Some(2_000_000)),
        (sequence(&[millis(100)]), policy, Some(100_000)),
        (sequence(&[integer(1), millis(100), context_primitive(1, &[0x03, 0xe7])]), policy, Some(1_100_999)),
        (sequence(&[context_primitive(1, &[1])]), policy, Some(1)),
        (sequence(&[integer(u64::from(u32::MAX))]), policy, Some(u64::from(u32::MAX) * 1_000_000)),
        (sequence(&[integer(u64::from(u32::MAX) + 1)]), policy, None),
        (sequence(&[tagged(0x02, &[0xff])]), policy, None),
        (sequence(&[millis(0)]), policy, None),
        (sequence(&[context_primitive(0, &[0x03, 0xe8])]), policy, None),
        (sequence(&[context_primitive(1, &[0])]), policy, None),
        (sequence(&[context_primitive(0, &[0xff])]), policy, None),
    ] {
        let verdict = pki.verify(&Stamp { after_time: after_time.clone(), policy, ..pki.token() });
        match expected {
            Some(micros) => assert_eq!(verdict.unwrap().accuracy, Duration::from_micros(micros)),
            None => assert_eq!(verdict.unwrap_err().code(), Code::TimestampMalformed, "{after_time:?}"),
        }
    }
}

#[test]
fn the_imprint_must_be_of_the_signature() {
    let pki = Pki::new();
    let sha1 = Stamp { imprint_algorithm: SHA1, ..pki.token() };
    assert_eq!(pki.verify(&sha1).map(|_| ()), Err(TimestampError::ImprintAlgorithm { oid: SHA1.into() }));
    // The hash has the length of SHA-256, whatever the token claims.
    let sha512 = Stamp { imprint_algorithm: "2.16.840.1.101.3.4.2.3", ..pki.token() };
    assert_eq!(pki.verify(&sha512).map(|_| ()), Err(TimestampError::ImprintMismatch));
    let token = pki.token().token(b"another signature");
    let verdict = timestamp::verify(&token, STAMPED, slice::from_ref(&parsed(&pki.root)));
    assert_eq!(verdict.map(|_| ()), Err(TimestampError::ImprintMismatch));
}

#[test]
fn signed_attributes_are_checked() {
    let pki = Pki::new();
    let good = || pki.token();
    let id = || certificate_id(None, &pki.tsa, &[]);
    for (what, code, token) in [
        ("no content type", Some(Code::TimestampAttribute), good().with(CONTENT_TYPE, &[])),
        (
            "other content type",
            Some(Code::TimestampAttribute),
            good().with(CONTENT_TYPE, &[oid("1.2.840.113549.1.7.1")]),
        ),
        (
            "two content types",
            Some(Code::TimestampAttribute),
            good().with(CONTENT_TYPE, &vec![oid("1.2.840.113549.1.9.16.1.4"); 2]),
        ),
        ("no message digest", Some(Code::TimestampAttribute), good().with(MESSAGE_DIGEST, &[])),
        ("malformed message digest", Some(Code::TimestampAttribute), good().with(MESSAGE_DIGEST, &[null()])),
        (
            "wrong message digest",
            Some(Code::TimestampSignatureWrong),
            good().with(MESSAGE_DIGEST, &[octets(&Hash::Sha256.digest(b"other"))]),
        ),
        ("no certificate", Some(Code::TimestampAttribute), good().with(SIGNING_CERTIFICATE_V2, &[])),
        ("certificate by SHA-1 only", Some(Code::TimestampAttribute), {
            good()
                .with(SIGNING_CERTIFICATE_V2, &[])
                .with(SIGNING_CERTIFICATE, &[signing_certificate(&[sequence(&[octets(&[0; 20])])])])
        }),
        (
            "empty list of certificates",
            Some(Code::TimestampAttribute),
            good().with(SIGNING_CERTIFICATE_V2, &[signing_certificate(&[])]),
        ),
        ("another certificate", Some(Code::TimestampSigningCertificate), {
            good().with(SIGNING_CERTIFICATE_V2, &[signing_certificate(&[certificate_id(None, &pki.ca, &[])])])
        }),
        ("another certificate first", Some(Code::TimestampSigningCertificate), {
            good().with(
                SIGNING_CERTIFICATE_V2,
                &[signing_certificate(&[certificate_id(None, &pki.ca, &[]), id()])],
            )
        }),
        ("another certificate second", None, {
            good().with(
                SIGNING_CERTIFICATE_V2,
                &[signing_certificate(&[id(), certificate_id(None, &pki.ca, &[])])],
            )
        }),
        (
            "hash named",
            None,
            good().with(
                SIGNING_CERTIFICATE_V2,
                &[signing_certificate(&[certificate_id(Some(SHA256), &pki.tsa, &[])])],
            ),
        ),
        ("SHA-1 named", Some(Code::TimestampAlgorithm), {
            good().with(
                SIGNING_CERTIFICATE_V2,
                &[signing_certificate(&[certificate_id(Some(SHA1), &pki.tsa, &[])])],
            )
        }),
        ("policies", None, {
            good().with(
                SIGNING_CERTIFICATE_V2,
                &[sequence(&[sequence(&[id()]), sequence(&[sequence(&[oid("1.2.3")])])])],
            )
        }),
        ("signing time", None, good().with(SIGNING_TIME, &[generalized_time(time("2024-06-01T11:59:59Z"))])),
        ("signing time in UTCTime", None, good().with(SIGNING_TIME, &[tagged(0x17, b"240601115959Z")])),
        (
            "signing time outside",
            Some(Code::TimestampCertificateNotValid),
            good().with(SIGNING_TIME, &[generalized_time(time("2019-06-01T11:59:59Z"))]),
        ),
        ("malformed signing time", Some(Code::TimestampAttribute), good().with(SIGNING_TIME, &[null()])),
        ("two signing times", Some(Code::TimestampAttribute), {
            good().with(
                SIGNING_TIME,
                &[
                    generalized_time(time("2024-06-01T11:59:59Z")),
                    generalized_time(time("2024-06-01T11:59:59Z")),
                ],
            )
        }),
        ("unsorted attributes", None, Stamp { are_attributes_sorted: false, ..good() }),
    ] {
        assert_eq!(pki.code(&token), code, "{what}");
    }
}

#[test]
fn the_signer_named_by_issuer_and_serial() {
    let pki = Pki::new();
    let serial = integer(pki.tsa.serial);
    let (issuer, other) = (&pki.ca.subject, &pki.root.subject);
    for (what, code, names, serial) in [
        ("right", None, vec![directory(issuer)], serial.clone()),
        ("other issuer", Some(Code::TimestampSigningCertificate), vec![directory(other)], serial.clone()),
        ("other serial", Some(Code::TimestampSigningCertificate), vec![directory(issuer)], integer(77)),
        ("two names", Some(Code::TimestampSigningCertificate), vec![directory(issuer); 2], serial.clone()),
        ("no name", Some(Code::TimestampSigningCertificate), vec![], serial.clone()),
        (
            "a URL",
            Some(Code::TimestampSigningCertificate),
            vec![uri("http://ca.example.test")],
            serial.clone(),
        ),
    ] {
        let issuer_serial = sequence(&[sequence(&names), serial]);
        let id = certificate_id(None, &pki.tsa, &issuer_serial);
        let token = pki.token().with(SIGNING_CERTIFICATE_V2, &[signing_certificate(&[id])]);
        assert_eq!(pki.code(&token), code, "{what}");
    }
    let without = Stamp { certificates: vec![pki.ca.certificate().to_vec()], ..pki.token() };
    assert_eq!(pki.verify(&without).map(|_| ()), Err(TimestampError::SignerCertificateMissing));
}

#[test]
fn the_signature_of_a_token_is_checked() {
    let pki = Pki::new();
    let code = |digest_algorithm, signature_algorithm: Vec<u8>| {
        pki.code(&Stamp { digest_algorithm, signature_algorithm, ..pki.token() })
    };
    assert_eq!(code(SHA256, algorithm("1.2.840.10045.4.3.2")), None);
    assert_eq!(code(SHA1, algorithm("1.2.840.10045.4.3.2")), Some(Code::TimestampAlgorithm));
    assert_eq!(code(SHA256, algorithm("1.2.840.10045.4.1")), Some(Code::TimestampAlgorithm));
    assert_eq!(code(SHA256, algorithm("1.2.840.10045.4.3.3")), Some(Code::TimestampSignatureWrong));
    assert_eq!(code(SHA256, algorithm("1.2.840.113549.1.1.1")), Some(Code::TimestampAlgorithm));
    assert_eq!(code(SHA256, algorithm("1.3.101.112")), Some(Code::TimestampAlgorithm));
    let other = forged(&pki.tsa);
    let token = Stamp { authority: &other, ..pki.token() }.token(STAMPED);
    let verdict = timestamp::verify(&token, STAMPED, slice::from_ref(&parsed(&pki.root)));
    assert_eq!(verdict.unwrap_err().code(), Code::TimestampSignatureWrong);
}

#[test]
fn of_several_certificates_only_those_of_x509_are_taken() {
    let pki = Pki::new();
    let mut token = pki.token();
    token.certificates.push(self_signed(&ca_profile("Elsewhere", 9)).certificate().to_vec());
    token.certificates.reverse();
    assert_eq!(pki.code(&token), None);
    let mut attribute = pki.token();
    attribute.certificates.push(context(2, &sequence(&[null()])));
    assert_eq!(pki.verify(&attribute).map(|_| ()), Err(TimestampError::NotX509));
    let mut malformed = pki.token();
    malformed.certificates.push(sequence(&[null()]));
    assert_eq!(pki.code(&malformed), Some(Code::TimestampCertificateMalformed));
}

#[test]
fn certificates_of_the_path() {
    let (root, ca, tsa) = (|| ca_profile("Root", 1), || ca_profile("CA", 2), || tsa_profile("TSA", 3));
    let until = |end, profile| Profile { not_after: time(end), ..profile };
    let usage = |bits: u8| tagged(0x03, &[0, bits]);
    let any = "2.5.29.37.0";
    let unsuitable = Some(Code::TimestampCertificateUnsuitable);
    let not_valid = Some(Code::TimestampCertificateNotValid);
    for (what, code, root, ca, tsa) in [
        ("expired since", None, root(), ca(), until("2024-06-01T12:00:00Z", tsa())),
        ("expired before", not_valid, root(), ca(), until("2024-06-01T11:59:59Z", tsa())),
        (
            "not yet valid",
            not_valid,
            root(),
            ca(),
            Profile { not_before: time("2024-06-01T12:00:01Z"), ..tsa() },
        ),
        ("CA expired before", not_valid, root(), until("2024-06-01T11:59:59Z", ca()), tsa()),
        ("root expired before", not_valid, until("2024-06-01T11:59:59Z", root()), ca(), tsa()),
        ("no key usage", unsuitable, root(), ca(), tsa().without(KEY_USAGE)),
        (
            "key usage not critical",
            None,
            root(),
            ca(),
            tsa().with(Extension::new(KEY_USAGE, false, usage(0x80))),
        ),
        (
            "key encipherment",
            unsuitable,
            root(),
            ca(),
            tsa().with(Extension::new(KEY_USAGE, true, usage(0xa0))),
        ),
        ("no EKU", unsuitable, root(), ca(), tsa().without(EXTENDED_KEY_USAGE)),
        ("EKU not critical", unsuitable, root(), ca(), tsa().with(purposes(false, &[TIME_STAMPING]))),
        (
            "two EKUs",
            unsuitable,
            root(),
            ca(),
            tsa().with(purposes(true, &[TIME_STAMPING, "1.3.6.1.5.5.7.3.3"])),
        ),
        ("any EKU", unsuitable, root(), ca(), tsa().with(purposes(true, &[any]))),
        ("CA with EKU", None, root(), ca().with(purposes(false, &[TIME_STAMPING])), tsa()),
        ("CA with any EKU", None, root(), ca().with(purposes(false, &[any])), tsa()),
        ("CA for code", unsuitable, root(), ca().with(purposes(false, &["1.3.6.1.5.5.7.3.3"])), tsa()),
        ("root for code", unsuitable, root().with(purposes(false, &["1.3.6.1.5.5.7.3.3"])), ca(), tsa()),
        ("TSA is a CA", unsuitable, root(), ca(), tsa().with(Extension::ca(None))),
        ("CA is none", unsuitable, root(), ca().without(BASIC_CONSTRAINTS), tsa()),
        (
            "CA without certificate signing",
            unsuitable,
            root(),
            ca().with(Extension::new(KEY_USAGE, true, usage(0x02))),
            tsa(),
        ),
        ("path too long", unsuitable, root().with(Extension::ca(Some(0))), ca(), tsa()),
        ("path just long enough", None, root().with(Extension::ca(Some(1))), ca(), tsa()),
        ("unknown critical extension", unsuitable, root(), ca(), tsa().with(unknown_extension(true))),
        ("unknown extension", None, root(), ca(), tsa().with(unknown_extension(false))),
        (
            "unknown critical extension of the root",
            unsuitable,
            root().with(unknown_extension(true)),
            ca(),
            tsa(),
        ),
        (
            "critical alternative name",
            None,
            root(),
            ca(),
            tsa().with(alternative_names(true, &[dns("tsa.example.test")])),
        ),
        (
            "critical directory name",
            unsuitable,
            root(),
            ca(),
            tsa().with(alternative_names(true, &[directory(&name("X"))])),
        ),
        (
            "critical policies",
            None,
            root(),
            ca(),
            tsa().with(Extension::new("2.5.29.32", true, sequence(&[sequence(&[oid("1.2.3")])]))),
        ),
        (
            "explicit policy",
            unsuitable,
            root(),
            ca().with(Extension::new("2.5.29.36", false, sequence(&[context_primitive(0, &[0])]))),
            tsa(),
        ),
        (
            "no policy mapping",
            None,
            root(),
            ca().with(Extension::new("2.5.29.36", true, sequence(&[context_primitive(1, &[0])]))),
            tsa(),
        ),
        (
            "name inside constraints",
            None,
            root(),
            ca().with(name_constraints(true, permitted(&[dns("example.test")]))),
            tsa().with(alternative_names(false, &[dns("tsa.example.test")])),
        ),
        (
            "name outside constraints",
            unsuitable,
            root(),
            ca().with(name_constraints(true, permitted(&[dns("example.test")]))),
            tsa().with(alternative_names(false, &[dns("tsa.example.org")])),
        ),
        (
            "name outside the root's constraints",
            unsuitable,
            root().with(name_constraints(true, permitted(&[dns("example.test")]))),
            ca(),
            tsa().with(alternative_names(false, &[dns("tsa.example.org")])),
        ),
        (
            "constraints on names that it lacks",
            None,
            root(),
            ca().with(name_constraints(true, permitted(&[dns("example.test")]))),
            tsa(),
        ),
        // notation does not compare directory names, and refuses critical constraints on them.
        (
            "critical constraints on directory names",
            unsuitable,
            root(),
            ca().with(name_constraints(true, permitted(&[directory(&name("TSA"))]))),
            tsa(),
        ),
        (
            "name inside constraints on directory names",
            None,
            root(),
            ca().with(name_constraints(false, permitted(&[directory(&name("TSA"))]))),
            tsa(),
        ),
        (
            "name outside constraints on directory names",
            unsuitable,
            root(),
            ca().with(name_constraints(false, permitted(&[directory(&name("X"))]))),
            tsa(),
        ),
        (
            "a mail address in another letter case than the excluded one",
            None,
            root(),
            ca().with(name_constraints(true, excluded(&[mail("a@b.test")]))),
            tsa().with(alternative_names(false, &[mail("A@b.test")])),
        ),
        (
            "a mail address below an excluded host",
            unsuitable,
            root(),
            ca().with(name_constraints(true, excluded(&[mail("b.test")]))),
            tsa().with(alternative_names(false, &[mail("a@c.b.test")])),
        ),
        (
            "a URI without a host under constraints of another kind",
            unsuitable,
            root(),
            ca().with(name_constraints(true, permitted(&[dns("example.test")]))),
            tsa().with(alternative_names(false, &[uri("urn:x")])),
        ),
    ] {
        let pki = Pki::of(&root, &ca, &tsa);
        assert_eq!(pki.code(&pki.token()), code, "{what}");
    }
    let pki = Pki::of(&root(), &ca(), &tsa().without(EXTENDED_KEY_USAGE));
    let error = pki.verify(&pki.token()).unwrap_err();
    let TimestampError::Path(PathError::Chain { error }) = error else { panic!("{error:?}") };
    let expected =
        assay_verifier::x509::ChainError::Requirement { at: 0, error: RequirementError::TimeStamping };
    assert_eq!(error, expected);
}

#[test]
fn the_path_leads_to_a_trusted_root() {
    let pki = Pki::new();
    let with = |certificates: &[&Credential], anchors: &[&Credential]| {
        let anchors: Vec<Certificate> = anchors.iter().map(|anchor| parsed(anchor)).collect();
        timestamp::verify(&with_certificates(pki.token(), certificates).token(STAMPED), STAMPED, &anchors)
            .map(|proof| proof.chain.len())
            .map_err(|error| error.code())
    };
    let Pki { root, ca, tsa } = &pki;
    assert_eq!(with(&[tsa, ca, root], &[root]), Ok(3));
    assert_eq!(with(&[ca, tsa], &[root]), Ok(3));
    assert_eq!(with(&[tsa], &[root]), Err(Code::TimestampUntrusted));
    assert_eq!(with(&[tsa], &[tsa]), Err(Code::TimestampUntrusted));

    // The same root under an older one: either may be trusted, in whatever order the certificates come.
    let old = self_signed(&ca_profile("Old root", 4));
    let cross = old.issue(&ca_profile("Root", 5), &root.key);
    for certificates in [[tsa, ca, &cross], [&cross, ca, tsa]] {
        assert_eq!(with(&certificates, &[root]), Ok(3));
        assert_eq!(with(&certificates, &[&old]), Ok(4));
        assert_eq!(with(&certificates, &[&old, root]), Ok(3));
    }
    // The first path is expired, the second is not.
    let expired = old.issue(&Profile { not_after: day("2023-01-01"), ..ca_profile("Root", 6) }, &root.key);
    assert_eq!(with(&[tsa, ca, &expired, &cross], &[&old]), Ok(4));
    assert_eq!(with(&[tsa, ca, &expired], &[&old]), Err(Code::TimestampCertificateNotValid));
    // Certificates of one name and other keys do not lead astray.
    let decoys: Vec<Credential> = (100..108).map(|serial| self_signed(&ca_profile("CA", serial))).collect();
    let mut certificates: Vec<&Credential> = decoys.iter().collect();
    certificates.extend([ca, tsa]);
    assert_eq!(with(&certificates, &[root]), Ok(3));
}

#[test]
fn the_search_for_a_path_is_bounded() {
    // Every one of some CAs has issued a certificate to every other: more paths than anyone may be made to walk.
    let entities: Vec<Credential> =
        ["A", "B", "C", "D", "E", "F"].map(|name| self_signed(&ca_profile(name, 1))).into();
    let tsa = issued(&entities[0], &tsa_profile("TSA", 2));
    let mut certificates = vec![tsa.clone()];
    for issuer in &entities {
        for subject in entities.iter().filter(|subject| subject.subject != issuer.subject) {
            let template = Profile { subject: subject.subject.clone(), ..ca_profile("", 3) };
            certificates.push(issuer.issue(&template, &subject.key));
        }
    }
    let anchor = parsed(&self_signed(&ca_profile("Nobody", 1)));
    let certificates: Vec<&Credential> = certificates.iter().collect();
    let stamp = Stamp::new(&tsa, time("2024-06-01T12:00:00Z"));
    let token = with_certificates(stamp, &certificates).token(STAMPED);
    let verdict = timestamp::verify(&token, STAMPED, &[anchor]);
    assert_eq!(verdict.map(|_| ()), Err(TimestampError::Path(PathError::TooManyPaths)));
}

#[test]
fn covering_the_signing_chain() {
    let pki = Pki::new();
    let after_time = sequence(&[integer(1), context_primitive(0, &[0x01, 0xf4])]);
    let proof = pki.verify(&Stamp { after_time, ..pki.token() }).unwrap();
    let root = self_signed(&ca_profile("Publisher", 1));
    let chain = |from, until| {
        let validity =
            Profile { not_before: time(from), not_after: time(until), ..leaf_profile("Signer", 2) };
        let leaf = issued(&root, &validity);
        vec![parsed(&leaf), parsed(&root)]
    };
    let code = |chain: &[Certificate]| proof.covers(chain).err().map(|error| error.code());
    let outside = Some(Code::TimestampOutsideValidity);
    assert_eq!(code(&chain("2024-06-01T11:59:58Z", "2024-06-01T12:00:02Z")), None);
    assert_eq!(code(&chain("2024-06-01T11:59:59Z", "2024-06-01T12:00:02Z")), outside);
    assert_eq!(code(&chain("2024-06-01T11:59:58Z", "2024-06-01T12:00:01Z")), outside);
    assert_eq!(code(&[]), None);
    let exact = pki.verify(&pki.token()).unwrap();
    assert_eq!(exact.covers(&chain("2024-06-01T12:00:00Z", "2024-06-01T12:00:00Z")), Ok(()));
    // An accuracy beyond the range of times covers nothing.
    let after_time = sequence(&[integer(u64::from(u32::MAX))]);
    let pki = Pki::of(
        &Profile { not_after: time("9999-12-31T23:59:59Z"), ..ca_profile("Root", 1) },
        &Profile { not_after: time("9999-12-31T23:59:59Z"), ..ca_profile("CA", 2) },
        &Profile { not_after: time("9999-12-31T23:59:59Z"), ..tsa_profile("TSA", 3) },
    );
    let endless = Stamp { after_time, time: generalized_time(time("9999-12-31T23:59:59Z")), ..pki.token() };
    let proof = pki.verify(&endless).unwrap();
    assert_eq!(
        proof.covers(slice::from_ref(&parsed(&pki.root))).unwrap_err().code(),
        Code::TimestampOutsideValidity
    );
}

#[test]
fn mutated_tokens_never_pass_for_another_time() {
    let pki = Pki::new();
    let token = pki.token().token(STAMPED);
    let anchors = [parsed(&pki.root)];
    let mut failed = 0;
    mutate(&token, |mutated| match timestamp::verify(mutated, STAMPED, &anchors) {
        Ok(proof) => assert_eq!((proof.time, proof.accuracy), (time("2024-06-01T12:00:00Z"), Duration::ZERO)),
        Err(_) => failed += 1,
    });
    assert!(failed > token.len());
}
