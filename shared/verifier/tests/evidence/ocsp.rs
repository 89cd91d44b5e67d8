//! OCSP responses: each is wrong in one thing.

use assay_fixtures::certificate::{Credential, Extension, Profile, pem};
use assay_fixtures::der::{enumerated, null, octets, sequence, tagged};
use assay_fixtures::ocsp::{self, Response, revoked, unknown};
use assay_verifier::codes::Code;
use assay_verifier::limits;
use assay_verifier::revocation::{EvidenceError, Purpose, RevocationEvidence, Unknown, check_chain};
use assay_verifier::time::UnixTime;

use crate::revocation::*;
use crate::support::*;

const NO_CHECK: &str = "1.3.6.1.5.5.7.48.1.5";

#[test]
fn responses_are_judged_by_what_they_say() {
    let pki = Pki::of(&leaf_profile("Leaf", SERIAL).with(Extension::ocsp_responder(OCSP)));
    let good = || good_response(&pki.leaf);
    let of = |answer: Response| pki.code(&staged(&[("leaf.ocsp", &answer.sign(&pki.ca, &pki.ca))]));
    let missing = Some(Code::RevocationOcspMissing);
    for (what, code, answer) in [
        ("good", None, good()),
        ("by the key's hash", None, Response { is_responder_named_by_key: true, ..good() }),
        ("named by SHA-256", None, Response { is_named_by_sha256: true, ..good() }),
        ("revoked", REVOKED, Response { status: revoked(before(), Some(1)), ..good() }),
        ("revoked without reason", REVOKED, Response { status: revoked(before(), None), ..good() }),
        ("on hold", REVOKED, Response { status: revoked(before(), Some(6)), ..good() }),
        ("unknown", Some(Code::RevocationOcspUnknown), Response { status: unknown(), ..good() }),
        ("about another", missing, Response { serial: 9, ..good() }),
        (
            "stale",
            Some(Code::RevocationStale),
            Response { next_update: Some(time("2024-06-01T11:59:59Z")), ..good() },
        ),
        ("just in time", None, Response { next_update: Some(time("2024-06-01T12:00:00Z")), ..good() }),
        (
            "not yet valid",
            Some(Code::RevocationNotYetValid),
            Response { this_update: time("2024-06-01T12:00:01Z"), ..good() },
        ),
        ("without end", Some(Code::RevocationMalformed), Response { next_update: None, ..good() }),
        (
            "critical extension",
            Some(Code::RevocationCriticalExtension),
            Response { extensions: vec![unknown_extension(true)], ..good() },
        ),
        ("extension", None, Response { extensions: vec![unknown_extension(false)], ..good() }),
    ] {
        assert_eq!(of(answer), code, "{what}");
    }
    assert_eq!(pki.unknown(&RevocationEvidence::default()), Unknown::OcspMissing);
    // a response in which the responder says that it does not answer
    let refused = |status| Err(EvidenceError::OcspRefused { status });
    let refusal = Response { response_status: 6, ..good() }.sign(&pki.ca, &pki.ca);
    let mut evidence = RevocationEvidence::default();
    assert_eq!(evidence.add_file("leaf.ocsp", &refusal), refused("unauthorized"));
    assert_eq!(evidence.add_file("leaf.ocsp", &sequence(&[enumerated(3)])), refused("tryLater"));
    assert_eq!(pki.code(&evidence), Some(Code::RevocationOcspRefused));
    assert_eq!(evidence.add_file("leaf.ocsp", &sequence(&[enumerated(0)])), Err(EvidenceError::OcspResponse));
    // PEM, and one too large
    let pem = pem("OCSP RESPONSE", &good().sign(&pki.ca, &pki.ca));
    assert_eq!(pki.code(&staged(&[("leaf.pem", pem.as_bytes())])), None);
    let padded = |bytes: usize| {
        let of = |length| Response {
            extensions: vec![Extension::new("1.2.3", false, octets(&vec![0; length]))],
            ..good()
        };
        let without = of(bytes - 1000).sign(&pki.ca, &pki.ca).len();
        of(bytes - 1000 + (bytes - without)).sign(&pki.ca, &pki.ca)
    };
    // signatures differ by a byte or two in length
    assert_eq!(RevocationEvidence::default().add_file("a", &padded(limits::OCSP_RESPONSE_BYTES - 8)), Ok(()));
    let error = RevocationEvidence::default().add_file("a", &padded(limits::OCSP_RESPONSE_BYTES + 8));
    let limit = limits::OCSP_RESPONSE_BYTES.try_into().unwrap();
    assert_eq!(error, Err(EvidenceError::TooLarge { limit }));
}

#[test]
fn only_the_issuer_and_its_responders_may_answer() {
    let pki = Pki::of(&leaf_profile("Leaf", SERIAL).with(Extension::ocsp_responder(OCSP)));
    const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
    let template = || {
        leaf_profile("Responder", 8).with(purposes(false, &[OCSP_SIGNING])).with(Extension::new(
            NO_CHECK,
            false,
            null(),
        ))
    };
    let code = |responder: &Credential, files: &[(&str, &[u8])]| {
        let answer =
            Response { certificates: vec![responder.certificate().to_vec()], ..good_response(&pki.leaf) };
        let response = answer.sign(&pki.ca, responder);
        pki.code(&staged(&[&[("leaf.ocsp", response.as_slice())], files].concat()))
    };
    let refused = Some(Code::RevocationSignature);
    assert_eq!(code(&issued(&pki.ca, &template()), &[]), None);
    assert_eq!(code(&issued(&pki.ca, &template().without(EXTENDED_KEY_USAGE)), &[]), refused);
    assert_eq!(code(&issued(&pki.ca, &template().with(purposes(false, &["2.5.29.37.0"]))), &[]), refused);
    let expired = Profile { not_after: time("2024-06-01T11:59:59Z"), ..template() };
    assert_eq!(code(&issued(&pki.ca, &expired), &[]), Some(Code::RevocationResponderNotValid));
    assert_eq!(
        code(
            &issued(&pki.ca, &template().with(Extension::new(KEY_USAGE, true, tagged(0x03, &[5, 0x20])))),
            &[]
        ),
        refused
    );
    assert_eq!(code(&issued(&self_signed(&ca_profile("Elsewhere", 1)), &template()), &[]), refused);
    // Without the mark that it need not be checked, a list must say that the responder itself is not revoked.
    let checked =
        issued(&pki.ca, &template().without(NO_CHECK).with(Extension::crl_distribution_points(&[LEAF_CRL])));
    let (good, bad) = (list().sign(&pki.ca), list().listing(8, before(), &[]).sign(&pki.ca));
    assert_eq!(code(&checked, &[("leaf.crl", &good)]), None);
    assert_eq!(code(&checked, &[("leaf.crl", &bad)]), refused);
    assert_eq!(code(&checked, &[]), refused);
    // more certificates than anyone sends
    let responder = issued(&pki.ca, &template());
    for (count, added) in [
        (limits::OCSP_CERTIFICATES, Ok(())),
        (limits::OCSP_CERTIFICATES + 1, Err(EvidenceError::OcspResponse)),
    ] {
        let certificates = vec![responder.certificate().to_vec(); count];
        let response = Response { certificates, ..good_response(&pki.leaf) }.sign(&pki.ca, &responder);
        assert_eq!(RevocationEvidence::default().add_file("leaf.ocsp", &response), added);
    }
    // a response that does not bring its signer along, and one with the signature of another
    let responder = issued(&pki.ca, &template());
    let lonely = good_response(&pki.leaf).sign(&pki.ca, &responder);
    assert_eq!(pki.code(&staged(&[("leaf.ocsp", &lonely)])), Some(Code::RevocationResponderMissing));
    // what a responder revoked in its time stays revoked when it has expired, or is itself revoked
    let listed = list().listing(8, before(), &[]).sign(&pki.ca);
    for (responder, files) in
        [(issued(&pki.ca, &expired), vec![]), (checked, vec![("leaf.crl", listed.as_slice())])]
    {
        let certificates = vec![responder.certificate().to_vec()];
        let answer =
            Response { certificates, status: revoked(before(), Some(1)), ..good_response(&pki.leaf) };
        let response = answer.sign(&pki.ca, &responder);
        assert_eq!(pki.code(&staged(&[&[("leaf.ocsp", response.as_slice())], &files[..]].concat())), REVOKED);
    }
    let forged = forged(&pki.ca);
    let forged = good_response(&pki.leaf).sign(&pki.ca, &forged);
    assert_eq!(pki.code(&staged(&[("leaf.ocsp", &forged)])), refused);
}

#[test]
fn ocsp_before_lists_and_lists_where_it_gives_no_answer() {
    let pki = Pki::of(
        &leaf_profile("Leaf", SERIAL)
            .with(Extension::ocsp_responder(OCSP))
            .with(Extension::crl_distribution_points(&[LEAF_CRL])),
    );
    let answer = |status: Vec<u8>| Response { status, ..good_response(&pki.leaf) }.sign(&pki.ca, &pki.ca);
    let (good, bad) = (list().sign(&pki.ca), list().listing(SERIAL, before(), &[]).sign(&pki.ca));
    let is_good = answer(ocsp::good());
    for (what, code, files) in [
        ("nothing", Some(Code::RevocationMissing), vec![]),
        ("a list", None, vec![("leaf.crl", &good)]),
        ("a list that revokes", REVOKED, vec![("leaf.crl", &bad)]),
        ("a good answer", None, vec![("leaf.ocsp", &is_good)]),
        ("a good answer, a list that revokes", REVOKED, vec![("leaf.ocsp", &is_good), ("leaf.crl", &bad)]),
        (
            "an answer that revokes",
            REVOKED,
            vec![("leaf.ocsp", &answer(revoked(before(), None))), ("leaf.crl", &good)],
        ),
        ("no knowledge", Some(Code::RevocationMissing), vec![("leaf.ocsp", &answer(unknown()))]),
        ("no knowledge, a list", None, vec![("leaf.ocsp", &answer(unknown())), ("leaf.crl", &good)]),
    ] {
        let files: Vec<(&str, &[u8])> =
            files.into_iter().map(|(name, bytes)| (name, bytes.as_slice())).collect();
        assert_eq!(pki.code(&staged(&files)), code, "{what}");
    }
    let https =
        Pki::of(&leaf_profile("Leaf", SERIAL).with(Extension::ocsp_responder("https://ocsp.example.test")));
    assert_eq!(https.code(&RevocationEvidence::default()), Some(Code::RevocationUrl));
    // the newest of two answers
    let old = Response { status: unknown(), ..good_response(&pki.leaf) }.sign(&pki.ca, &pki.ca);
    let new = Response {
        this_update: day("2024-05-01"),
        status: revoked(before(), None),
        ..good_response(&pki.leaf)
    };
    let new = new.sign(&pki.ca, &pki.ca);
    assert_eq!(pki.code(&staged(&[("a", &old), ("b", &new), ("c", &is_good)])), REVOKED);
}

#[test]
fn an_authentic_signing_time_counts_for_ocsp_too() {
    let pki = Pki::of(&leaf_profile("Leaf", SERIAL).with(Extension::ocsp_responder(OCSP)));
    let answer = Response {
        status: revoked(before(), Some(1)),
        extensions: vec![invalid_since(day("2024-02-01"))],
        ..good_response(&pki.leaf)
    };
    let evidence = staged(&[("leaf.ocsp", &answer.sign(&pki.ca, &pki.ca))]);
    let code = |signed: Option<UnixTime>| {
        check_chain(&pki.chain, Purpose::CodeSigning, &evidence, time(AT), signed)
            .err()
            .map(|error| error.code())
    };
    assert_eq!(code(Some(time("2024-01-31T23:59:59Z"))), None);
    assert_eq!(code(Some(day("2024-02-01"))), REVOKED);
    assert_eq!(code(None), REVOKED);
}
