//! All that is staged, weighed together: what is newest, what revokes, and that names and places of files decide nothing.
//!
//! Every case is asked with its files under many names and in both orders: the answer is the same.

use assay_fixtures::certificate::{Extension, full_name, pem};
use assay_fixtures::der::{context_primitive, enumerated, sequence};
use assay_fixtures::ocsp::{Response, good, revoked, unknown};
use assay_fixtures::revocation_list::{RevocationList, reason};
use assay_verifier::codes::Code;
use assay_verifier::revocation::{
    EvidenceError, EvidenceKind, Purpose, RevocationEvidence, Standing, Unknown, check_chain,
};
use assay_verifier::x509::Certificate;

use crate::revocation::*;
use crate::support::*;

const STALE: Option<Code> = Some(Code::RevocationStale);
const FUTURE: &str = "2024-08-01T00:00:00Z";
const ENDED: &str = "2024-05-31T00:00:00Z";

/// The code under files, whose names and order must not matter.
fn code(chain: &[Certificate], files: &[&[u8]], what: &str) -> Option<Code> {
    let names = ["leaf.crl", "delta.crl", "acme-emergency.crl", "leaf.ocsp", "x"];
    let mut codes = Vec::new();
    for turn in 0..names.len() {
        for is_reversed in [false, true] {
            let name = |number: usize| names[(number + turn) % names.len()];
            let mut named: Vec<(&str, &[u8])> =
                files.iter().enumerate().map(|(number, bytes)| (name(number), *bytes)).collect();
            if is_reversed {
                named.reverse();
            }
            let verdict = check_chain(chain, Purpose::CodeSigning, &staged(&named), time(AT), None);
            codes.push(verdict.err().map(|error| error.code()));
        }
    }
    codes.dedup();
    assert_eq!(codes.len(), 1, "{what}: {codes:?}");
    codes[0]
}

/// A list of a number, issued on a day of 2024.
fn of(number: u64, this_update: &str) -> RevocationList {
    RevocationList { this_update: time(this_update), ..numbered(number) }
}

fn ended(list: RevocationList) -> RevocationList {
    RevocationList { next_update: Some(time(ENDED)), ..list }
}

fn revoking(list: RevocationList) -> RevocationList {
    list.listing(SERIAL, before(), &[reason(1)])
}

fn holding(list: RevocationList) -> RevocationList {
    list.listing(SERIAL, before(), &[reason(6)])
}

fn releasing(list: RevocationList) -> RevocationList {
    list.listing(SERIAL, day("2024-04-01"), &[reason(8)])
}

const JAN: &str = "2024-01-01T00:00:00Z";
const FEB: &str = "2024-02-01T00:00:00Z";
const MAR: &str = "2024-03-01T00:00:00Z";

#[test]
fn lists_are_weighed_against_lists() {
    let pki = Pki::new();
    let flag = |number| context_primitive(number, &[0xff]);
    let without_number = |list: RevocationList| list.without(CRL_NUMBER);
    let own = full_name(&[LEAF_CRL]);
    for (what, expected, lists) in [
        ("an emergency list beside the old one", REVOKED, vec![of(5, JAN), revoking(of(6, FEB))]),
        ("an old list that revokes", REVOKED, vec![revoking(of(5, JAN)), of(6, FEB)]),
        ("an old list that has ended and revokes", REVOKED, vec![ended(revoking(of(5, JAN))), of(6, FEB)]),
        ("a newer list that has ended and revokes", REVOKED, vec![of(5, JAN), ended(revoking(of(6, FEB)))]),
        ("a fresh list beside one that has ended", None, vec![ended(of(5, JAN)), of(6, FEB)]),
        ("the newest has ended", STALE, vec![of(5, JAN), ended(of(6, FEB))]),
        ("the newest by its number has ended", STALE, vec![of(5, FEB), ended(of(6, JAN))]),
        ("of one number, the newest by time has ended", STALE, vec![of(5, JAN), ended(of(5, FEB))]),
        ("of one number and time, one has ended", STALE, vec![of(5, JAN), ended(of(5, JAN))]),
        ("of one number, one revokes", REVOKED, vec![of(5, JAN), revoking(of(5, JAN))]),
        ("one without number, later", None, vec![ended(of(5, JAN)), without_number(of(0, FEB))]),
        ("one without number, later and ended", STALE, vec![of(5, JAN), ended(without_number(of(0, FEB)))]),
        ("none with a number", None, vec![without_number(ended(of(0, JAN))), without_number(of(0, FEB))]),
        ("a future list", None, vec![of(5, JAN), of(6, FUTURE)]),
        ("a future list that revokes", REVOKED, vec![of(5, JAN), revoking(of(6, FUTURE))]),
        ("a future list beside one that has ended", STALE, vec![ended(of(5, JAN)), of(6, FUTURE)]),
        ("future lists only", Some(Code::RevocationNotYetValid), vec![of(6, FUTURE)]),
        (
            "a list about CAs does not make one fresh",
            STALE,
            vec![ended(of(5, JAN)), of(6, FEB).with(about(&[flag(2)]))],
        ),
        (
            "a list about CAs does not make one stale",
            None,
            vec![of(5, JAN), ended(of(6, FEB)).with(about(&[flag(2)]))],
        ),
        (
            "a list about CAs that has the serial number",
            REVOKED,
            vec![of(5, JAN), revoking(of(6, FEB)).with(about(&[flag(2)]))],
        ),
        (
            "some reasons",
            REVOKED,
            vec![of(5, JAN), revoking(of(1, FEB)).with(about(&[context_primitive(3, &[1, 0x40])]))],
        ),
        ("an indirect list of others", None, vec![of(5, JAN), of(1, FEB).with(about(&[flag(4)]))]),
        (
            "an indirect list with the serial number, whosever it is",
            Some(Code::RevocationNotForCertificate),
            vec![of(5, JAN), revoking(of(1, FEB)).with(about(&[flag(4)]))],
        ),
        (
            "numbers of different scopes",
            None,
            vec![ended(of(900, JAN)).with(about(std::slice::from_ref(&own))), of(5, FEB)],
        ),
        (
            "numbers of different scopes, the later one ended",
            STALE,
            vec![of(900, JAN), ended(of(5, FEB)).with(about(&[own]))],
        ),
        (
            "a newer list that nobody understands",
            Some(Code::RevocationCriticalExtension),
            vec![of(5, JAN), of(6, FEB).with(unknown_extension(true))],
        ),
        ("on hold", REVOKED, vec![of(5, JAN), holding(of(6, FEB))]),
        ("on hold no more", None, vec![holding(of(5, JAN)), of(6, FEB)]),
        ("on hold again", REVOKED, vec![holding(of(5, JAN)), of(6, FEB), holding(of(7, MAR))]),
        ("on hold, and not in the list of the same number", REVOKED, vec![holding(of(5, JAN)), of(5, JAN)]),
        ("on hold until the future", REVOKED, vec![holding(of(5, JAN)), of(6, FUTURE)]),
        (
            "on hold, and a newer list of another kind",
            REVOKED,
            vec![holding(of(5, JAN)), of(6, FEB).with(about(&[flag(2)]))],
        ),
        ("on hold in a list that has ended", None, vec![ended(holding(of(5, JAN))), of(6, FEB)]),
        ("released, in a list", None, vec![holding(of(5, JAN)), releasing(of(6, FEB))]),
        ("a revocation is not released", REVOKED, vec![revoking(of(5, JAN)), releasing(of(6, FEB))]),
    ] {
        let files: Vec<Vec<u8>> = lists.iter().map(|list| list.sign(&pki.ca)).collect();
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        assert_eq!(code(&pki.chain, &files, what), expected, "{what}");
    }
}

#[test]
fn deltas_are_weighed_against_lists() {
    let pki = Pki::new();
    let base = || of(5, JAN).with(Extension::freshest_crl(&["http://crl.example.test/delta.crl"]));
    let delta = |number, base| of(number, FEB).delta_of(base);
    let later = |number, base| of(number, MAR).delta_of(base);
    let mismatch = Some(Code::RevocationNotForCertificate);
    for (what, expected, lists) in [
        ("two, the newer revokes", REVOKED, vec![base(), delta(6, 5), revoking(later(7, 5))]),
        ("two, the older revokes", REVOKED, vec![base(), revoking(delta(6, 5)), later(7, 5)]),
        ("two, the newer has ended", STALE, vec![base(), delta(6, 5), ended(later(7, 5))]),
        ("two, the older has ended", None, vec![base(), ended(delta(6, 5)), later(7, 5)]),
        ("of a base that is not there", mismatch, vec![base(), delta(9, 8)]),
        ("of a base that is not there, revoking", REVOKED, vec![base(), revoking(delta(9, 8))]),
        (
            "of two bases",
            None,
            vec![base(), delta(7, 5), RevocationList { this_update: time(FEB), ..base() }],
        ),
        (
            "older than the newest base",
            mismatch,
            vec![base(), delta(6, 5), {
                of(7, MAR).with(Extension::freshest_crl(&["http://crl.example.test/delta.crl"]))
            }],
        ),
        ("on hold in the older", None, vec![base(), holding(delta(6, 5)), later(7, 5)]),
        (
            "on hold in the older, of an older base than the newer",
            REVOKED,
            vec![base(), holding(delta(6, 4)), later(7, 5)],
        ),
        ("on hold in the base", REVOKED, vec![holding(base()), delta(6, 5)]),
        ("on hold in the base, released", None, vec![holding(base()), releasing(delta(6, 5))]),
        (
            "on hold in the base, released by a future one",
            REVOKED,
            vec![holding(base()), delta(6, 5), releasing(of(7, FUTURE).delta_of(5))],
        ),
        (
            "on hold in the base, released with the hold's time",
            REVOKED,
            vec![holding(base()), delta(6, 5).listing(SERIAL, before(), &[reason(8)])],
        ),
        (
            "released, and on hold again",
            REVOKED,
            vec![holding(base()), releasing(delta(6, 5)), holding(later(7, 5))],
        ),
        (
            "on hold in a delta, and not in a newer base",
            None,
            vec![of(5, JAN), holding(delta(6, 5)), of(7, MAR)],
        ),
    ] {
        let files: Vec<Vec<u8>> = lists.iter().map(|list| list.sign(&pki.ca)).collect();
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        assert_eq!(code(&pki.chain, &files, what), expected, "{what}");
    }
    let evidence = staged(&[("a.crl", &base().sign(&pki.ca))]);
    let url = Some("http://crl.example.test/delta.crl".into());
    assert_eq!(pki.unknown(&evidence), Unknown::DeltaMissing { file: "a.crl".into(), url });
}

/// Lists that somebody else signed neither revoke nor lift nor make anything fresh or stale.
#[test]
fn lists_of_other_issuers_do_not_count() {
    let pki = Pki::new();
    let other = forged(&pki.ca);
    for (what, expected, own, foreign) in [
        ("that revokes", None, of(5, JAN), revoking(of(6, FEB))),
        ("that has ended", None, of(5, JAN), ended(of(6, FEB))),
        ("that is fresh", STALE, ended(of(5, JAN)), of(6, FEB)),
        ("that lifts a hold", REVOKED, holding(of(5, JAN)), of(6, FEB)),
    ] {
        let files = [own.sign(&pki.ca), foreign.sign(&other)];
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        assert_eq!(code(&pki.chain, &files, what), expected, "{what}");
    }
}

#[test]
fn answers_are_weighed_against_lists() {
    let both = leaf_profile("Leaf", SERIAL)
        .with(Extension::ocsp_responder(OCSP))
        .with(Extension::crl_distribution_points(&[LEAF_CRL]));
    let [both, responder_only, neither] = [
        both,
        leaf_profile("Leaf", SERIAL).with(Extension::ocsp_responder(OCSP)),
        leaf_profile("Leaf", SERIAL),
    ]
    .map(|leaf| Pki::of(&leaf));
    let answer = |status: Vec<u8>, this_update: &str| {
        let this_update = time(this_update);
        move |pki: &Pki| {
            Response { status: status.clone(), this_update, ..good_response(&pki.leaf) }
                .sign(&pki.ca, &pki.ca)
        }
    };
    let stale = |pki: &Pki| {
        Response { this_update: time(FEB), next_update: Some(time(ENDED)), ..good_response(&pki.leaf) }
            .sign(&pki.ca, &pki.ca)
    };
    let stale_revoked = |pki: &Pki| {
        Response {
            next_update: Some(time(ENDED)),
            status: revoked(before(), None),
            ..good_response(&pki.leaf)
        }
        .sign(&pki.ca, &pki.ca)
    };
    let list = |list: RevocationList| move |pki: &Pki| list.sign(&pki.ca);
    let hold = || revoked(before(), Some(6));
    type Make<'a> = Box<dyn Fn(&Pki) -> Vec<u8> + 'a>;
    let cases: Vec<(&str, Option<Code>, &Pki, Vec<Make<'_>>)> = vec![
        (
            "an older good, a newer list that revokes",
            REVOKED,
            &both,
            vec![Box::new(answer(good(), JAN)), Box::new(list(revoking(of(5, FEB))))],
        ),
        (
            "an older list that revokes, a newer good",
            REVOKED,
            &both,
            vec![Box::new(answer(good(), FEB)), Box::new(list(revoking(of(5, JAN))))],
        ),
        (
            "an older revocation, a newer list",
            REVOKED,
            &both,
            vec![Box::new(answer(revoked(before(), None), JAN)), Box::new(list(of(5, FEB)))],
        ),
        ("a stale revocation alone", REVOKED, &responder_only, vec![Box::new(stale_revoked)]),
        ("a stale good, a list", None, &both, vec![Box::new(stale), Box::new(list(of(5, JAN)))]),
        ("a stale good alone", STALE, &responder_only, vec![Box::new(stale)]),
        (
            "a stale good, an older one in force",
            STALE,
            &responder_only,
            vec![Box::new(stale), Box::new(answer(good(), JAN))],
        ),
        (
            "a good, a stale list",
            None,
            &both,
            vec![Box::new(answer(good(), JAN)), Box::new(list(ended(of(5, FEB))))],
        ),
        (
            "a future revocation",
            REVOKED,
            &both,
            vec![Box::new(answer(revoked(before(), None), FUTURE)), Box::new(list(of(5, JAN)))],
        ),
        (
            "a future good alone",
            Some(Code::RevocationNotYetValid),
            &responder_only,
            vec![Box::new(answer(good(), FUTURE))],
        ),
        (
            "on hold, and good later",
            None,
            &responder_only,
            vec![Box::new(answer(hold(), JAN)), Box::new(answer(good(), FEB))],
        ),
        (
            "good, and on hold later",
            REVOKED,
            &responder_only,
            vec![Box::new(answer(good(), JAN)), Box::new(answer(hold(), FEB))],
        ),
        (
            "on hold, and not in a later list",
            None,
            &both,
            vec![Box::new(answer(hold(), JAN)), Box::new(list(of(5, FEB)))],
        ),
        (
            "on hold in a list, and good later",
            None,
            &both,
            vec![Box::new(list(holding(of(5, JAN)))), Box::new(answer(good(), FEB))],
        ),
        (
            "on hold in a list, and a stale good later",
            REVOKED,
            &both,
            vec![Box::new(list(holding(of(5, JAN)))), Box::new(stale)],
        ),
        (
            "on hold in a list, and not known later",
            REVOKED,
            &both,
            vec![Box::new(list(holding(of(5, JAN)))), Box::new(answer(unknown(), FEB))],
        ),
        (
            "good, and not known later",
            Some(Code::RevocationOcspUnknown),
            &responder_only,
            vec![Box::new(answer(good(), JAN)), Box::new(answer(unknown(), FEB))],
        ),
        ("a certificate that names nothing, a list", None, &neither, vec![Box::new(list(of(5, JAN)))]),
        (
            "a certificate that names nothing, a list that revokes",
            REVOKED,
            &neither,
            vec![Box::new(list(ended(revoking(of(5, JAN)))))],
        ),
        (
            "a certificate that names nothing, an answer that revokes",
            REVOKED,
            &neither,
            vec![Box::new(answer(revoked(before(), None), JAN))],
        ),
    ];
    for (what, expected, pki, files) in cases {
        let files: Vec<Vec<u8>> = files.iter().map(|make| make(pki)).collect();
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        assert_eq!(code(&pki.chain, &files, what), expected, "{what}");
    }
}

/// A file that cannot be used may have revoked any certificate: no status is known that rests on staged files.
#[test]
fn files_that_cannot_be_used() {
    let pki = Pki::new();
    let good = list().sign(&pki.ca);
    let other = list().sign(&self_signed(&ca_profile("Other CA", 7)));
    let two = format!("{}{}", pem("X509 CRL", &good), pem("X509 CRL", &other));
    let cut = &two.as_bytes()[..two.len() - 40];
    let indented = two.replacen("-----BEGIN", " -----BEGIN", 2).replacen(" -----BEGIN", "-----BEGIN", 1);
    for (what, bytes, expected) in [
        ("cut off", &other[..other.len() - 1], Code::RevocationMalformed),
        ("a page", b"<!DOCTYPE html><html>", Code::RevocationMalformed),
        ("empty", b"", Code::RevocationMalformed),
        ("text", b"see the wiki", Code::RevocationMalformed),
        ("PEM whose second block is cut off", cut, Code::RevocationMalformed),
        ("PEM whose second block is indented", indented.as_bytes(), Code::RevocationMalformed),
        ("a certificate", pki.chain[0].der(), Code::RevocationMalformed),
        ("a refusal", &sequence(&[enumerated(6)]), Code::RevocationOcspRefused),
    ] {
        let mut evidence = staged(&[("leaf.crl", &good)]);
        assert!(evidence.add_file("other.crl", bytes).is_err(), "{what}");
        assert_eq!(pki.code(&evidence), Some(expected), "{what}");
        match pki.unknown(&evidence) {
            Unknown::Unusable { file, more: 0, .. } => assert_eq!(file, "other.crl", "{what}"),
            other => panic!("{what}: {other:?}"),
        }
        // Statuses that do not rest on staged files stay, and so does a revocation.
        assert_eq!(Pki::of(&leaf_profile("Leaf", SERIAL)).code(&evidence), None, "{what}");
        evidence.add_file("x", &revoking(of(6, FEB)).sign(&pki.ca)).unwrap();
        assert_eq!(pki.code(&evidence), REVOKED, "{what}");
    }
    let mut evidence = staged(&[("leaf.crl", &good)]);
    assert_eq!(pki.code(&evidence), None);
    evidence.add_unreadable("crls", "permission denied");
    evidence.add_unreadable("crls/a", "permission denied");
    let error = EvidenceError::Unreadable { why: "permission denied".into() };
    assert_eq!(pki.unknown(&evidence), Unknown::Unusable { file: "crls".into(), error, more: 1 });
    assert_eq!(pki.code(&evidence), Some(Code::RevocationUnreadable));
}

/// What stages evidence sees it as certificates will.
#[test]
fn each_piece_of_evidence_says_how_it_stands() {
    let pki = Pki::new();
    let delta_url = "http://crl.example.test/delta.crl";
    let other = forged(&pki.ca);
    let answer = Response { next_update: Some(time(ENDED)), ..good_response(&pki.leaf) };
    let evidence = staged(&[
        ("old", &ended(of(5, JAN)).sign(&pki.ca)),
        ("new", &of(6, FEB).with(Extension::freshest_crl(&[delta_url])).sign(&pki.ca)),
        ("future", &of(7, FUTURE).sign(&pki.ca)),
        ("forged", &of(8, FEB).sign(&other)),
        ("ocsp", &answer.sign(&pki.ca, &pki.ca)),
    ]);
    let proves_nothing = |standing: &Standing| match standing {
        Standing::ProvesNothing(why) => why.code(),
        other => panic!("{other:?}"),
    };
    let outlook = evidence.outlook(&[&parsed(&pki.ca)], time(AT));
    let standings: Vec<_> = outlook.iter().map(|one| (one.file.as_str(), &one.standing)).collect();
    assert_eq!(standings[0], ("old", &Standing::Superseded { by: "new".into() }));
    let codes: Vec<_> =
        standings[1..].iter().map(|(file, standing)| (*file, proves_nothing(standing))).collect();
    assert_eq!(
        codes,
        [
            ("new", Code::RevocationMissing),
            ("future", Code::RevocationNotYetValid),
            ("forged", Code::RevocationSignature),
            ("ocsp", Code::RevocationStale),
        ]
    );
    assert_eq!(outlook[4].kind, EvidenceKind::OcspAnswer { serial: "03".into() });
    let evidence =
        staged(&[("new", &of(6, FEB).sign(&pki.ca)), ("delta", &of(7, FEB).delta_of(6).sign(&pki.ca))]);
    let outlook = evidence.outlook(&[], time(AT));
    assert!(outlook.iter().all(|one| one.standing == Standing::Current), "{outlook:?}");
    assert_eq!(outlook[1].kind, EvidenceKind::DeltaCrl);
}

/// The most files that there may be, and as many certificates: each list's signature is checked once, so that this ends.
#[test]
fn as_many_lists_as_there_may_be() {
    use assay_verifier::limits;
    let pki = Pki::new();
    let mut evidence = RevocationEvidence::default();
    let list = list().sign(&pki.ca);
    for number in 0..limits::EVIDENCE_FILES {
        evidence.add_file(&number.to_string(), &list).unwrap();
    }
    for serial in 100..150 {
        let leaf = issued(
            &pki.ca,
            &leaf_profile("Leaf", serial).with(Extension::crl_distribution_points(&[LEAF_CRL])),
        );
        let chain = [&[parsed(&leaf)][..], &pki.chain[1..]].concat();
        for _ in 0..100 {
            assert_eq!(check_chain(&chain, Purpose::CodeSigning, &evidence, time(AT), None), Ok(()));
        }
    }
}
