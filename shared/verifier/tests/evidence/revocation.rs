//! Revocation. Real CRLs as the reference implementation has them; made evidence is wrong in one thing.

use std::fs;
use std::slice;

use assay_fixtures::certificate::{Credential, Extension, Profile, full_name, pem};
use assay_fixtures::der::{
    context, context_primitive, enumerated, generalized_time, integer, null, sequence, tagged,
};
use assay_fixtures::ocsp::{Response, revoked};
use assay_fixtures::revocation_list::{RevocationList, reason};
use assay_verifier::codes::Code;
use assay_verifier::file_form::FileForm;
use assay_verifier::limits;
use assay_verifier::notary::trust_store::read_certificates;
use assay_verifier::revocation::{
    EvidenceError, Purpose, RevocationError, RevocationEvidence, RevocationReason, Unknown, check_chain,
};
use assay_verifier::time::UnixTime;
use assay_verifier::x509::{Certificate, SignatureError};

use crate::support::*;

pub(crate) const AT: &str = "2024-06-01T12:00:00Z";
pub(crate) const LEAF_CRL: &str = "http://crl.example.test/lists/leaf.crl";
pub(crate) const OCSP: &str = "http://ocsp.example.test";
pub(crate) const SERIAL: u64 = 3;

pub(crate) const CRL_NUMBER: &str = "2.5.29.20";
const REASON_CODE: &str = "2.5.29.21";
const INVALIDITY_DATE: &str = "2.5.29.24";
const FRESHEST_CRL: &str = "2.5.29.46";

/// A leaf with a distribution point under a CA, which has none, under a root.
pub(crate) struct Pki {
    pub(crate) ca: Credential,
    pub(crate) leaf: Credential,
    pub(crate) chain: Vec<Certificate>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::of(&listed_leaf(&[LEAF_CRL]))
    }

    pub(crate) fn of(leaf: &Profile) -> Self {
        Self::under(&ca_profile("CA", 2), leaf)
    }

    pub(crate) fn under(ca: &Profile, leaf: &Profile) -> Self {
        let root = self_signed(&ca_profile("Root", 1));
        let ca = issued(&root, ca);
        let leaf = issued(&ca, leaf);
        let chain = [&leaf, &ca, &root].map(parsed).to_vec();
        Self { ca, leaf, chain }
    }

    pub(crate) fn check(&self, evidence: &RevocationEvidence) -> Result<(), RevocationError> {
        check_chain(&self.chain, Purpose::CodeSigning, evidence, time(AT), None)
    }

    pub(crate) fn code(&self, evidence: &RevocationEvidence) -> Option<Code> {
        self.check(evidence).err().map(|error| error.code())
    }

    /// The code under one list of the leaf's CA, staged for the leaf's distribution point.
    pub(crate) fn code_under(&self, list: &RevocationList) -> Option<Code> {
        self.code(&staged(&[("leaf.crl", &list.sign(&self.ca))]))
    }

    pub(crate) fn unknown(&self, evidence: &RevocationEvidence) -> Unknown {
        match self.check(evidence) {
            Err(RevocationError::Unknown { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }
}

/// The leaf with distribution points.
pub(crate) fn listed_leaf(urls: &[&str]) -> Profile {
    leaf_profile("Leaf", SERIAL).with(Extension::crl_distribution_points(urls))
}

pub(crate) fn staged(files: &[(&str, &[u8])]) -> RevocationEvidence {
    let mut evidence = RevocationEvidence::default();
    for (name, bytes) in files {
        evidence.add_file(name, bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    evidence
}

pub(crate) fn list() -> RevocationList {
    numbered(5)
}

/// A list without entries, for the first half of 2024.
pub(crate) fn numbered(number: u64) -> RevocationList {
    RevocationList::new(number, day("2024-01-01"), day("2024-07-01"))
}

/// What a list is about, by the fields of an `IssuingDistributionPoint`.
pub(crate) fn about(fields: &[Vec<u8>]) -> Extension {
    Extension::new("2.5.29.28", true, sequence(fields))
}

pub(crate) fn invalid_since(at: UnixTime) -> Extension {
    Extension::new(INVALIDITY_DATE, false, generalized_time(at))
}

/// That a certificate is good, in the first half of 2024.
pub(crate) fn good_response(certificate: &Credential) -> Response {
    Response::good(certificate, day("2024-01-01"), day("2024-07-01"))
}

pub(crate) const REVOKED: Option<Code> = Some(Code::CertificateRevoked);
pub(crate) fn before() -> UnixTime {
    day("2024-03-01")
}

#[test]
fn a_list_of_nobody_is_good_and_none_is_unknown() {
    let pki = Pki::new();
    assert_eq!(pki.code_under(&list()), None);
    assert_eq!(pki.code_under(&list().listing(SERIAL + 1, before(), &[])), None);
    assert_eq!(pki.unknown(&RevocationEvidence::default()), Unknown::CrlMissing { url: LEAF_CRL.into() });
    assert_eq!(pki.code(&RevocationEvidence::default()), Some(Code::RevocationMissing));
    let without_points = Pki::of(&leaf_profile("Leaf", SERIAL));
    assert_eq!(without_points.code(&RevocationEvidence::default()), None);
    assert_eq!(
        check_chain(&pki.chain[2..], Purpose::CodeSigning, &RevocationEvidence::default(), time(AT), None),
        Ok(())
    );
}

#[test]
fn what_a_revocation_says() {
    let pki = Pki::new();
    let evidence = staged(&[("leaf.crl", &list().listing(SERIAL, before(), &[reason(1)]).sign(&pki.ca))]);
    let expected = RevocationError::Revoked {
        purpose: Purpose::CodeSigning,
        certificate: "CN=Leaf".into(),
        at: day("2024-03-01"),
        reason: Some(RevocationReason(1)),
    };
    assert_eq!(pki.check(&evidence), Err(expected));
}

#[test]
fn entries_count_by_reason_and_date() {
    let pki = Pki::new();
    let critical = |dotted| vec![Extension::new(dotted, true, null())];
    let unsupported = Some(Code::RevocationCriticalExtension);
    let hold = |at, list: RevocationList| list.listing(SERIAL, at, &[reason(6)]);
    let remove = |at, list: RevocationList| list.listing(SERIAL, at, &[reason(8)]);
    for (what, code, list) in [
        ("no reason", REVOKED, list().listing(SERIAL, before(), &[])),
        ("unspecified", REVOKED, list().listing(SERIAL, before(), &[reason(0)])),
        ("cessation of operation", REVOKED, list().listing(SERIAL, before(), &[reason(5)])),
        ("unknown reason", REVOKED, list().listing(SERIAL, before(), &[reason(7)])),
        ("in the future", REVOKED, list().listing(SERIAL, day("2100-01-01"), &[])),
        ("on hold", REVOKED, hold(before(), list())),
        ("removed", None, remove(before(), list())),
        ("on hold, removed later", None, remove(day("2024-04-01"), hold(before(), list()))),
        ("removed, on hold later", REVOKED, hold(day("2024-04-01"), remove(before(), list()))),
        ("on hold later, listed first", REVOKED, remove(before(), hold(day("2024-04-01"), list()))),
        (
            "removed and revoked",
            REVOKED,
            remove(day("2024-04-01"), list().listing(SERIAL, before(), &[reason(1)])),
        ),
        ("unknown critical extension", unsupported, list().listing(SERIAL, before(), &critical("1.2.3"))),
        (
            "critical reason",
            unsupported,
            list().listing(SERIAL, before(), &[Extension::new(REASON_CODE, true, enumerated(1))]),
        ),
        ("unknown extension", REVOKED, list().listing(SERIAL, before(), &[unknown_extension(false)])),
        ("unknown critical extension of another", None, list().listing(9, before(), &critical("1.2.3"))),
        ("invalidity date", REVOKED, list().listing(SERIAL, before(), &[invalid_since(day("2025-01-01"))])),
        ("malformed invalidity date", REVOKED, {
            list().listing(SERIAL, before(), &[Extension::new(INVALIDITY_DATE, false, null())])
        }),
        ("invalidity date of the wrong type", REVOKED, {
            list().listing(
                SERIAL,
                before(),
                &[Extension::new(INVALIDITY_DATE, true, tagged(0x17, b"200101000000Z"))],
            )
        }),
        ("malformed invalidity date of another", None, {
            list().listing(9, before(), &[Extension::new(INVALIDITY_DATE, false, null())])
        }),
    ] {
        assert_eq!(pki.code_under(&list), code, "{what}");
    }
}

#[test]
fn the_right_entry_of_many() {
    let mut many = list();
    for serial in (1..2_000).rev().filter(|serial| serial % 3 != 0) {
        many = many.listing(serial * 0x1_0001, before(), &[]);
    }
    for (serial, code) in
        [(0x1_0001, REVOKED), (3 * 0x1_0001, None), (1_999 * 0x1_0001, REVOKED), (1, None), (u64::MAX, None)]
    {
        let pki =
            Pki::of(&leaf_profile("Leaf", serial).with(Extension::crl_distribution_points(&[LEAF_CRL])));
        assert_eq!(pki.code_under(&many), code, "{serial}");
    }
}

#[test]
fn an_authentic_signing_time_rescues_what_became_invalid_later() {
    let pki = Pki::new();
    let code = |entries: &[Extension], signed: &str| {
        let list =
            entries.iter().fold(list(), |list, entry| list.listing(SERIAL, before(), slice::from_ref(entry)));
        let evidence = staged(&[("leaf.crl", &list.sign(&pki.ca))]);
        check_chain(&pki.chain, Purpose::CodeSigning, &evidence, time(AT), Some(time(signed)))
            .err()
            .map(|error| error.code())
    };
    let since = invalid_since(day("2024-02-01"));
    assert_eq!(code(slice::from_ref(&since), "2024-01-31T23:59:59Z"), None);
    assert_eq!(code(slice::from_ref(&since), "2024-02-01T00:00:00Z"), REVOKED);
    assert_eq!(code(&[reason(1)], "2024-01-01T00:00:00Z"), REVOKED);
    assert_eq!(code(&[since, reason(1)], "2024-01-31T23:59:59Z"), REVOKED);
    let critical = Extension::new(INVALIDITY_DATE, true, generalized_time(day("2024-02-01")));
    assert_eq!(code(&[critical], "2024-01-31T23:59:59Z"), None);
}

#[test]
fn lists_count_only_while_they_are_valid() {
    let pki = Pki::new();
    for (code, list) in [
        (None, RevocationList { this_update: time("2024-06-01T12:00:00Z"), ..list() }),
        (
            Some(Code::RevocationNotYetValid),
            RevocationList { this_update: time("2024-06-01T12:00:01Z"), ..list() },
        ),
        (None, RevocationList { next_update: Some(time("2024-06-01T12:00:00Z")), ..list() }),
        (
            Some(Code::RevocationStale),
            RevocationList { next_update: Some(time("2024-06-01T11:59:59Z")), ..list() },
        ),
        (Some(Code::RevocationMalformed), RevocationList { next_update: None, ..list() }),
    ] {
        assert_eq!(pki.code_under(&list), code, "{:?} {:?}", list.this_update, list.next_update);
    }
    // An expired list proves nothing good, but a revocation stays one, and so does a hold that nothing newer lifts.
    let stale = || RevocationList { next_update: Some(day("2024-05-01")), ..list() };
    assert_eq!(pki.code_under(&stale().listing(SERIAL, before(), &[reason(1)])), REVOKED);
    assert_eq!(pki.code_under(&stale().listing(SERIAL, before(), &[reason(6)])), REVOKED);
}

#[test]
fn only_the_issuer_may_sign_its_list() {
    let pki = Pki::new();
    let wrong = forged(&pki.ca);
    let evidence = staged(&[("leaf.crl", &list().sign(&wrong))]);
    let expected = Unknown::Signature { file: "leaf.crl".into(), error: SignatureError::Wrong };
    assert_eq!(pki.unknown(&evidence), expected);
    assert_eq!(pki.code(&evidence), Some(Code::RevocationSignature));

    let other = self_signed(&ca_profile("Other CA", 2));
    let evidence = staged(&[("leaf.crl", &list().sign(&other))]);
    assert_eq!(pki.unknown(&evidence), Unknown::CrlMissing { url: LEAF_CRL.into() });
    // The key is right, and the name is another.
    let Pki { ca, chain, .. } = pki;
    let renamed = Credential { key: ca.key, ..other.clone() };
    let evidence = staged(&[("leaf.crl", &list().listing(SERIAL, before(), &[]).sign(&renamed))]);
    let verdict = check_chain(&chain, Purpose::CodeSigning, &evidence, time(AT), None);
    assert_eq!(verdict.unwrap_err().code(), Code::RevocationMissing);

    let only_certificates =
        ca_profile("CA", 2).with(Extension::new(KEY_USAGE, true, tagged(0x03, &[2, 0b0000_0100])));
    let pki = Pki::under(&only_certificates, &listed_leaf(&[LEAF_CRL]));
    assert_eq!(pki.code_under(&list()), Some(Code::RevocationSignature));
}

#[test]
fn extensions_of_the_list() {
    let pki = Pki::new();
    let unsupported = Some(Code::RevocationCriticalExtension);
    for (what, code, list) in [
        ("no number", None, list().without(CRL_NUMBER)),
        ("no extension at all", None, RevocationList { extensions: Vec::new(), ..list() }),
        ("critical number", unsupported, list().with(Extension::new(CRL_NUMBER, true, integer(5)))),
        ("unknown", None, list().with(unknown_extension(false))),
        ("unknown and critical", unsupported, list().with(unknown_extension(true))),
        ("a delta in the place of a base", Some(Code::RevocationNotForCertificate), list().delta_of(4)),
    ] {
        assert_eq!(pki.code_under(&list), code, "{what}");
    }
}

#[test]
fn malformed_lists_are_refused() {
    let pki = Pki::new();
    let good = list().sign(&pki.ca);
    let mut malformed_time = good.clone();
    let at = good.windows(13).position(|bytes| bytes == b"240101000000Z").unwrap();
    malformed_time[at + 12] = b'0';
    let lists = [
        ("no version", RevocationList { version: None, ..list() }),
        ("version 1", RevocationList { version: Some(0), ..list() }),
        ("malformed number", list().with(Extension::new(CRL_NUMBER, false, null()))),
        ("negative number", list().with(Extension::new(CRL_NUMBER, false, tagged(0x02, &[0xff])))),
        ("malformed distribution point", list().with(about(&[null()]))),
        ("malformed key identifier", list().with(Extension::new("2.5.29.35", false, null()))),
        (
            "malformed reason of another",
            list().listing(9, before(), &[Extension::new(REASON_CODE, false, null())]),
        ),
        ("an extension twice", RevocationList { extensions: vec![unknown_extension(false); 2], ..list() }),
        ("an extension of an entry twice", list().listing(9, before(), &[reason(1), reason(1)])),
        (
            "malformed serial number",
            RevocationList {
                entries: vec![sequence(&[tagged(0x02, &[0, 5]), generalized_time(before())])],
                ..list()
            },
        ),
        ("entry without time", RevocationList { entries: vec![sequence(&[integer(9)])], ..list() }),
    ];
    let lists = lists.map(|(what, list)| (what, list.sign(&pki.ca)));
    for (what, list) in lists.into_iter().chain([("malformed time", malformed_time)]) {
        let mut evidence = RevocationEvidence::default();
        assert_eq!(evidence.add_file("leaf.crl", &list), Err(EvidenceError::Crl), "{what}");
        let expected = Unknown::Unusable { file: "leaf.crl".into(), error: EvidenceError::Crl, more: 0 };
        assert_eq!(pki.unknown(&evidence), expected, "{what}");
    }
    let cut_off = EvidenceError::Form(FileForm::CutOff);
    for (bytes, error) in
        [(&good[..good.len() - 1], cut_off), (&[good.as_slice(), &[0]].concat(), EvidenceError::Crl)]
    {
        let mut evidence = RevocationEvidence::default();
        assert_eq!(evidence.add_file("leaf.crl", bytes), Err(error));
        assert_eq!(pki.code(&evidence), Some(Code::RevocationMalformed));
    }
    let with = |count: usize| {
        let extensions =
            (0..count).map(|at| Extension::new(format!("1.2.3.{at}").leak(), false, null())).collect();
        RevocationList { extensions, ..list() }.sign(&pki.ca)
    };
    assert_eq!(RevocationEvidence::default().add_file("a", &with(limits::EXTENSIONS)), Ok(()));
    assert_eq!(
        RevocationEvidence::default().add_file("a", &with(limits::EXTENSIONS + 1)),
        Err(EvidenceError::Crl)
    );
}

#[test]
fn files_are_read_in_every_form() {
    use base64::Engine as _;
    let pki = Pki::new();
    let other = self_signed(&ca_profile("Other CA", 2));
    let (good, of_other) = (list().sign(&pki.ca), list().sign(&other));
    let base64 = |der: &[u8]| base64::engine::general_purpose::STANDARD.encode(der);
    let cache = format!(r#"{{"baseCRL":"{}"}}"#, base64(&good));
    let pem_of_two = format!("# two lists\n{}{}", pem("X509 CRL", &of_other), pem("X509 CRL", &good));
    for (name, bytes) in [
        ("leaf.crl", good.as_slice()),
        ("of any name", &good),
        ("some/folder/leaf.crl", &good),
        ("leaf.crl", pem("X509 CRL", &good).as_bytes()),
        ("all.pem", pem_of_two.as_bytes()),
        ("cache", cache.as_bytes()),
    ] {
        assert_eq!(pki.code(&staged(&[(name, bytes)])), None, "{name}");
    }
    let evidence = staged(&[("all.pem", pem_of_two.as_bytes()), ("cache", cache.as_bytes())]);
    let mut issuers: Vec<String> = evidence.crls().map(|crl| crl.issuer.to_string()).collect();
    issuers.sort();
    assert_eq!(issuers, ["CN=CA", "CN=CA", "CN=Other CA"]);
    let crl = evidence.crls().find(|crl| crl.issuer.to_string() == issuers[0]).unwrap();
    assert_eq!(crl.this_update, day("2024-01-01"));
    assert_eq!(crl.next_update, Some(day("2024-07-01")));
}

#[test]
fn every_distribution_point_must_have_its_list() {
    let (one, two) = ("http://crl.example.test/one.crl", "http://crl.example.test/two.crl");
    let pki = Pki::of(&listed_leaf(&[one, two]));
    let (good, bad) = (list().sign(&pki.ca), list().listing(SERIAL, before(), &[]).sign(&pki.ca));
    let missing = Some(Code::RevocationMissing);
    let both = list().with(about(&[full_name(&[two, one])])).sign(&pki.ca);
    let stale = RevocationList { next_update: Some(day("2024-03-01")), ..numbered(4) }.sign(&pki.ca);
    let not_about = Some(Code::RevocationNotForCertificate);
    let [of_one, of_two] = [one, two].map(|url| list().with(about(&[full_name(&[url])])).sign(&pki.ca));
    for (what, code, files) in [
        ("both", None, vec![("one.crl", &good), ("two.crl", &good)]),
        ("the first only", missing, vec![("one.crl", &good)]),
        ("the second only", missing, vec![("two.crl", &good)]),
        ("a complete list, under another name", None, vec![("ca.crl", &good)]),
        ("neither", missing, vec![]),
        ("one revokes", REVOKED, vec![("one.crl", &bad)]),
        ("one of two revokes", REVOKED, vec![("one.crl", &good), ("two.crl", &bad)]),
        ("the second is stale", Some(Code::RevocationStale), vec![("one.crl", &good), ("two.crl", &stale)]),
        ("one for both, by what it says", None, vec![("one.crl", &both)]),
        ("a list for each", None, vec![("x", &of_one), ("y", &of_two)]),
        ("the list of the first only", not_about, vec![("two.crl", &of_one)]),
        ("the list of the second only", not_about, vec![("one.crl", &of_two)]),
    ] {
        let files: Vec<(&str, &[u8])> =
            files.into_iter().map(|(name, bytes)| (name, bytes.as_slice())).collect();
        assert_eq!(pki.code(&staged(&files)), code, "{what}");
    }
}

#[test]
fn only_plain_http_urls_count() {
    let url = Some(Code::RevocationUrl);
    for (what, code, urls) in [
        ("LDAP", url, vec!["ldap://ldap.example.test/cn=CA"]),
        ("HTTPS", url, vec!["https://crl.example.test/leaf.crl"]),
        ("scheme in capitals", None, vec!["HTTP://crl.example.test/leaf.crl"]),
        ("LDAP second", url, vec![LEAF_CRL, "ldap://ldap.example.test/cn=CA"]),
    ] {
        let pki = Pki::of(&listed_leaf(&urls));
        assert_eq!(pki.code_under(&list()), code, "{what}");
    }
    let relative = sequence(&[sequence(&[context(0, &context(0, &directory(&name("CA"))))])]);
    let pki = Pki::of(&leaf_profile("Leaf", SERIAL).with(Extension::new("2.5.29.31", false, relative)));
    assert_eq!(pki.code_under(&list()), url);
    for (count, code) in [(limits::CRL_URLS, None), (limits::CRL_URLS + 1, url)] {
        let urls: Vec<String> = (0..count).map(|at| format!("http://crl.example.test/{at}.crl")).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let pki = Pki::of(&listed_leaf(&urls));
        assert_eq!(pki.code_under(&list()), code, "{count}");
    }
}

#[test]
fn what_a_list_is_about() {
    let other = "http://crl.example.test/other.crl";
    let flag = |number| context_primitive(number, &[0xff]);
    let not_about = Some(Code::RevocationNotForCertificate);
    for (what, of_leaf, of_ca, fields) in [
        ("everything", None, None, vec![]),
        ("its own point", None, None, vec![full_name(&[LEAF_CRL])]),
        ("its own point of two", None, None, vec![full_name(&[other, LEAF_CRL])]),
        ("another point", not_about, not_about, vec![full_name(&[other])]),
        ("a point without URL", not_about, not_about, vec![context(0, &context(0, &directory(&name("CA"))))]),
        ("leaves", None, not_about, vec![flag(1)]),
        (
            "a point relative to the issuer",
            not_about,
            not_about,
            vec![context(0, &context(1, &name("CA").der()))],
        ),
        ("CAs", not_about, None, vec![flag(2)]),
        ("some reasons", not_about, not_about, vec![context_primitive(3, &[1, 0b0100_0000])]),
        ("other issuers' certificates", not_about, not_about, vec![flag(4)]),
        ("attribute certificates", not_about, not_about, vec![flag(5)]),
    ] {
        let about = list().with(about(&fields));
        let pki = Pki::new();
        assert_eq!(pki.code_under(&about), of_leaf, "{what}");
        let root = self_signed(&ca_profile("Root", 1));
        let ca = issued(&root, &ca_profile("CA", 2).with(Extension::crl_distribution_points(&[LEAF_CRL])));
        let leaf = issued(&ca, &leaf_profile("Leaf", SERIAL));
        let chain = [&leaf, &ca, &root].map(parsed);
        let evidence = staged(&[("leaf.crl", &about.sign(&root))]);
        let verdict = check_chain(&chain, Purpose::Timestamping, &evidence, time(AT), None);
        assert_eq!(verdict.err().map(|error| error.code()), of_ca, "{what}");
    }
}

#[test]
fn deltas_go_with_their_base() {
    let url = "http://crl.example.test/delta.crl";
    let pki = Pki::new();
    let base = || list().with(Extension::freshest_crl(&[url]));
    let delta = || RevocationList { this_update: day("2024-05-01"), ..numbered(6) }.delta_of(5);
    let missing = Some(Code::RevocationMissing);
    let mismatch = Some(Code::RevocationNotForCertificate);
    let point = full_name(&[LEAF_CRL]);
    for (what, code, base, deltas) in [
        ("none staged", missing, base(), vec![]),
        ("of nobody", None, base(), vec![delta()]),
        ("that revokes", REVOKED, base(), vec![delta().listing(SERIAL, before(), &[reason(1)])]),
        (
            "that lifts a hold",
            None,
            base().listing(SERIAL, before(), &[reason(6)]),
            vec![delta().listing(SERIAL, day("2024-04-01"), &[reason(8)])],
        ),
        (
            "that lifts no revocation",
            REVOKED,
            base().listing(SERIAL, before(), &[reason(1)]),
            vec![delta().listing(SERIAL, day("2024-04-01"), &[reason(8)])],
        ),
        ("of an older base", None, base(), vec![delta().delta_of(3)]),
        ("of a newer base", mismatch, base(), vec![delta().delta_of(6)]),
        (
            "no newer than the base",
            mismatch,
            base(),
            vec![delta().with(Extension::new(CRL_NUMBER, false, integer(5)))],
        ),
        ("without number", mismatch, base(), vec![delta().without(CRL_NUMBER)]),
        ("that is a complete list", None, base(), vec![numbered(6)]),
        ("base without number", mismatch, base().without(CRL_NUMBER), vec![delta()]),
        (
            "that is stale",
            Some(Code::RevocationStale),
            base(),
            vec![RevocationList { next_update: Some(day("2024-05-31")), ..delta() }],
        ),
        (
            "of the same scope",
            None,
            base().with(about(slice::from_ref(&point))),
            vec![delta().with(about(slice::from_ref(&point)))],
        ),
        ("of another scope", mismatch, base().with(about(slice::from_ref(&point))), vec![delta()]),
        (
            "by LDAP only",
            missing,
            list().with(Extension::freshest_crl(&["ldap://ldap.example.test"])),
            vec![delta()],
        ),
        ("that nobody asked for", REVOKED, list(), vec![delta().listing(SERIAL, before(), &[reason(1)])]),
        (
            "that nobody asked for, stale",
            None,
            list(),
            vec![RevocationList { next_update: Some(day("2024-05-31")), ..delta() }],
        ),
        (
            "named relative to the issuer",
            missing,
            list().with(Extension::new(
                FRESHEST_CRL,
                false,
                sequence(&[sequence(&[context(0, &context(1, &name("CA").der()))])]),
            )),
            vec![delta()],
        ),
        (
            "without URL",
            None,
            list().with(Extension::new(FRESHEST_CRL, false, sequence(&[sequence::<Vec<u8>>(&[])]))),
            vec![],
        ),
    ] {
        let (base, mut files) = (base.sign(&pki.ca), Vec::new());
        for delta in deltas {
            files.push(delta.sign(&pki.ca));
        }
        let mut named: Vec<(&str, &[u8])> = vec![("leaf.crl", &base)];
        named.extend(files.iter().map(|delta| ("delta.crl", delta.as_slice())));
        assert_eq!(pki.code(&staged(&named)), code, "{what}");
    }
    // found by issuer, and the newest of several
    let (base, old) = (base().sign(&pki.ca), delta().listing(SERIAL, before(), &[reason(6)]).sign(&pki.ca));
    let new = delta()
        .with(Extension::new(CRL_NUMBER, false, integer(7)))
        .listing(SERIAL, before(), &[reason(8)])
        .sign(&pki.ca);
    assert_eq!(pki.code(&staged(&[("leaf.crl", &base), ("x", &old)])), REVOKED);
    assert_eq!(pki.code(&staged(&[("leaf.crl", &base), ("x", &old), ("y", &new)])), None);
    // The certificate names deltas, and its list does not.
    let pki = Pki::of(&listed_leaf(&[LEAF_CRL]).with(Extension::freshest_crl(&[url])));
    assert_eq!(pki.code_under(&list()), missing);
}

#[test]
fn deltas_of_the_cache() {
    use base64::Engine as _;
    let pki = Pki::new();
    let base64 = |der: &[u8]| base64::engine::general_purpose::STANDARD.encode(der);
    let code = |base: &RevocationList, delta: &RevocationList| {
        let (base, delta) = (base64(&base.sign(&pki.ca)), base64(&delta.sign(&pki.ca)));
        let file = format!(r#"{{"baseCRL":"{base}","deltaCRL":"{delta}"}}"#);
        pki.code(&staged(&[("cache", file.as_bytes())]))
    };
    let delta = numbered(6).delta_of(5);
    assert_eq!(code(&list(), &delta), None);
    assert_eq!(code(&list(), &delta.clone().listing(SERIAL, before(), &[])), REVOKED);
    // a base that came with a delta does not hold without one; a newer base does
    assert_eq!(code(&list(), &list()), Some(Code::RevocationMissing));
    assert_eq!(code(&list(), &numbered(6)), None);
    assert_eq!(code(&numbered(6), &delta), Some(Code::RevocationNotForCertificate));
}

#[test]
fn revoked_outweighs_unknown() {
    let ca =
        ca_profile("CA", 2).with(Extension::crl_distribution_points(&["http://crl.example.test/ca.crl"]));
    let root = self_signed(&ca_profile("Root", 1));
    let ca = issued(&root, &ca);
    let leaf = issued(&ca, &listed_leaf(&[LEAF_CRL]));
    let chain = [&leaf, &ca, &root].map(parsed);
    let check =
        |evidence: &RevocationEvidence| check_chain(&chain, Purpose::Timestamping, evidence, time(AT), None);
    let revokes_ca = list().listing(2, before(), &[]).sign(&root);
    let expected = RevocationError::Revoked {
        purpose: Purpose::Timestamping,
        certificate: "CN=CA".into(),
        at: day("2024-03-01"),
        reason: None,
    };
    assert_eq!(check(&staged(&[("ca.crl", &revokes_ca)])), Err(expected));
    let good = list().sign(&ca);
    assert_eq!(check(&staged(&[("leaf.crl", &good)])).unwrap_err().code(), Code::RevocationMissing);
    assert_eq!(check(&staged(&[("leaf.crl", &good), ("ca.crl", &list().sign(&root))])), Ok(()));
}

#[test]
fn mutated_evidence_never_passes_nor_panics() {
    let pki = Pki::new();
    let crl = list()
        .listing(SERIAL, before(), &[reason(1), invalid_since(before())])
        .with(about(&[full_name(&[LEAF_CRL])]));
    let mut seen = 0;
    mutate(&crl.sign(&pki.ca), |mutated| {
        seen += 1;
        let mut evidence = RevocationEvidence::default();
        let added = evidence.add_file("leaf.crl", mutated);
        let code = pki.code(&evidence).expect("a list that was changed proves nothing");
        assert!(added.is_ok() || code == Code::RevocationMalformed);
    });
    let pki = Pki::of(&leaf_profile("Leaf", SERIAL).with(Extension::ocsp_responder(OCSP)));
    let answer = Response { status: revoked(before(), Some(1)), ..good_response(&pki.leaf) };
    mutate(&answer.sign(&pki.ca, &pki.ca), |mutated| {
        seen += 1;
        let mut evidence = RevocationEvidence::default();
        let _ = evidence.add_file("leaf.ocsp", mutated);
        assert!(pki.code(&evidence).is_some());
    });
    assert!(seen > 500, "{seen}");
}

#[test]
fn real_lists_are_read() {
    let Some(root) = real_data() else { return };
    let read = |name: &str| fs::read(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let certificate = |name: &str| read_certificates(&read(name)).unwrap().remove(0);
    let verdict = |chain: &[&str], file: &str, staged_as: &str, at: &str| {
        let chain: Vec<Certificate> = chain.iter().map(|name| certificate(name)).collect();
        let evidence = staged(&[(staged_as, &read(file))]);
        check_chain(&chain, Purpose::Timestamping, &evidence, time(at), None).err().map(|error| error.code())
    };
    let comodo = ["crl/comodo-revoked-subject.crt", "crl/comodo-aaa-root.crt"];
    let isrg = ["crl/le-r3.crt", "crl/isrg-root-x1.crt"];
    let microsoft = ["tsa/ms-tsa-leaf-2023.crt", "tsa/ms-time-stamp-pca-2010.crt"];
    let old = "crl/ms-time-stamp-pca-2010_1.num146.20240211.crl";
    let new = "crl/ms-time-stamp-pca-2010_1.num147.20240427.crl";
    for (chain, file, staged_as, at, expected) in [
        (comodo, "crl/comodo-aaa.num6282.crl", "AAACertificateServices.crl", "2024-04-20T00:00:00Z", REVOKED),
        (comodo, "crl/comodo-aaa.num6368.crl", "any", "2024-07-10T00:00:00Z", REVOKED),
        (isrg, "crl/isrg-root-x1.20240205.crl", "any", "2024-06-01T00:00:00Z", None),
        (isrg, "crl/isrg-root-x1.20240205.crl", "any", "2025-06-01T00:00:00Z", Some(Code::RevocationStale)),
        (isrg, "crl/comodo-aaa.num6282.crl", "any", "2024-04-20T00:00:00Z", Some(Code::RevocationMissing)),
        (microsoft, old, "Microsoft%20Time-Stamp%20PCA%202010(1).crl", "2024-03-01T00:00:00Z", None),
        (microsoft, new, "Microsoft Time-Stamp PCA 2010(1).crl", "2024-05-01T00:00:00Z", None),
        (microsoft, new, "any", "2024-03-01T00:00:00Z", Some(Code::RevocationNotYetValid)),
        (microsoft, new, "any", "2024-08-01T00:00:00Z", Some(Code::RevocationStale)),
        (
            microsoft,
            "negative/forged-Microsoft_Time-Stamp_PCA_2010.crl",
            "any",
            "2024-05-01T00:00:00Z",
            Some(Code::RevocationSignature),
        ),
    ] {
        assert_eq!(verdict(&chain, file, staged_as, at), expected, "{file} at {at}");
    }
}
