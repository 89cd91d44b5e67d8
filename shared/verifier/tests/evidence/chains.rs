//! Certificates that must not be read, following Go's parser, and what the CAs of a signer's chain forbid.

use assay_fixtures::certificate::{Credential, Extension, Name, Profile, encode, uri};
use assay_fixtures::der::{bits, context, context_primitive, integer, null, oid, sequence, tagged, utf8};
use assay_fixtures::keys::Key;
use assay_verifier::codes::Code;
use assay_verifier::limits;
use assay_verifier::notary::trust_store::{StoreEntry, StoreType, TrustStore};
use assay_verifier::x509::{Certificate, CertificateError, ConstraintError, check_code_signing_chain};

use crate::support::*;

const POLICIES: &str = "2.5.29.32";
const POLICY_CONSTRAINTS: &str = "2.5.29.36";

/// A name of an organization and a common name.
fn member(organization: &str, common_name: &str) -> Name {
    Name(vec![("O", organization.into()), ("CN", common_name.into())])
}

/// `value` with its length in one octet more than it needs.
fn long(value: &[u8]) -> Vec<u8> {
    [&[value[0], 0x81], &value[1..]].concat()
}

#[test]
fn extensions_that_go_refuses_make_a_certificate_malformed() {
    let key = Key::derived("CA");
    let mut refused = 0;
    for (dotted, value, is_good) in [
        (NAME_CONSTRAINTS, permitted(&[dns("a.test")]), true),
        (NAME_CONSTRAINTS, permitted(&[address(&[10, 0, 0, 0, 255, 255, 0, 0])]), true),
        (NAME_CONSTRAINTS, permitted(&[directory(&name("X"))]), true),
        (NAME_CONSTRAINTS, permitted(&[uri(".a.test"), mail("a@b.test"), dns("")]), true),
        (NAME_CONSTRAINTS, permitted(&[address(&[10, 0, 0, 0, 255, 0, 255, 0])]), false),
        (NAME_CONSTRAINTS, permitted(&[address(&[10, 0, 0, 0])]), false),
        (NAME_CONSTRAINTS, permitted(&[dns("a b.test")]), false),
        (NAME_CONSTRAINTS, permitted(&[dns("a..test")]), false),
        (NAME_CONSTRAINTS, permitted(&[dns("a.test.")]), false),
        (NAME_CONSTRAINTS, permitted(&[dns("a\0.test")]), false),
        (NAME_CONSTRAINTS, permitted(&[dns("é.test")]), false),
        (NAME_CONSTRAINTS, permitted(&[uri("192.0.2.1")]), false),
        (NAME_CONSTRAINTS, permitted(&[uri("2001:db8::1")]), false),
        (NAME_CONSTRAINTS, permitted(&[mail("a b@c.test")]), false),
        (NAME_CONSTRAINTS, sequence(&[context(0, &[])]), false),
        (NAME_CONSTRAINTS, sequence::<Vec<u8>>(&[]), false),
        (
            NAME_CONSTRAINTS,
            sequence(&[context(0, &subtrees(&[dns("a")])), context(0, &subtrees(&[dns("b")]))]),
            false,
        ),
        (NAME_CONSTRAINTS, sequence(&[context(0, &long(&sequence(&[dns("a")])))]), false),
        (ALTERNATIVE_NAMES, sequence(&[uri("urn:%zz")]), true),
        (ALTERNATIVE_NAMES, sequence(&[uri("ldap://h/cn=a b")]), true),
        (ALTERNATIVE_NAMES, sequence(&[uri("http://[::1")]), false),
        (ALTERNATIVE_NAMES, sequence(&[uri("http://a:port")]), false),
        (ALTERNATIVE_NAMES, sequence(&[uri("http://a b")]), false),
        (ALTERNATIVE_NAMES, sequence(&[uri("http://a..b")]), false),
        (ALTERNATIVE_NAMES, sequence(&[uri("http://a/%zz")]), false),
        (ALTERNATIVE_NAMES, sequence(&[dns("é")]), false),
        (ALTERNATIVE_NAMES, sequence(&[address(&[1, 2, 3])]), false),
        (ALTERNATIVE_NAMES, sequence(&[long(&dns("a"))]), false),
        (POLICIES, sequence(&[sequence(&[oid("1.2.3")]), sequence(&[oid("1.2.4")])]), true),
        (POLICIES, sequence(&[sequence(&[oid("1.2.3")]), sequence(&[oid("1.2.3")])]), false),
        (POLICIES, sequence(&[sequence(&[tagged(6, &[0x2a, 0x80, 1])])]), false),
        (EXTENDED_KEY_USAGE, sequence(&[tagged(6, &[0x2a, 0x80, 1])]), false),
        ("1.3.6.1.5.5.7.1.1", sequence(&[sequence(&[tagged(6, &[0x2a, 0x80, 1]), uri("http://a")])]), false),
        ("2.5.29.54", tagged(2, &[0, 0x80, 0, 0, 0, 0, 0, 0, 0]), false),
    ] {
        let profile = ca_profile("CA", 1).with(Extension::new(dotted, false, value.clone()));
        let der = encode(&profile, &key.public_key_info(), &name("CA"), &key);
        let outcome = Certificate::parse(&der).map(|_| ());
        let error = CertificateError::Extension { oid: dotted.into() };
        assert_eq!(outcome, if is_good { Ok(()) } else { Err(error) }, "{dotted} {value:x?}");
        refused += usize::from(!is_good);

        // The same holds in a trust store.
        let mut store = TrustStore::default();
        store.add(StoreType::Ca, "acme", [("ca.crt".to_owned(), StoreEntry::File(der))]);
        assert_eq!(store.certificates(StoreType::Ca, "acme").is_ok(), is_good);
    }
    assert_eq!(refused, 27);
}

#[test]
fn keys_that_go_refuses_make_a_certificate_malformed() {
    let key = Key::derived("CA");
    let with =
        |info: &[u8]| Certificate::parse(&encode(&ca_profile("CA", 1), info, &name("CA"), &key)).map(|_| ());
    assert_eq!(with(&key.public_key_info()), Ok(()));
    let info = |kind: &[Vec<u8>], bytes: &[u8]| sequence(&[sequence(kind), bits(bytes)]);
    let dsa = oid("1.2.840.10040.4.1");
    let group = sequence(&[integer(7), integer(3), integer(2)]);
    let point = key.public_key();
    let beside = [&point[..64], &[point[64] ^ 1]].concat();
    let p256 = [oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")];
    let rsa = |exponent: Vec<u8>| {
        let modulus = tagged(2, &[&[0x40][..], &[1; 255]].concat());
        info(&[oid("1.2.840.113549.1.1.1"), null()], &sequence(&[modulus, exponent]))
    };
    for (what, info, is_good) in [
        ("DSA", info(&[dsa.clone(), group], &integer(5)), true),
        ("DSA with inherited parameters", info(std::slice::from_ref(&dsa), &integer(5)), false),
        ("DSA with NULL", info(&[dsa, null()], &integer(5)), false),
        ("a point beside its curve", info(&p256, &beside), false),
        ("Ed25519", info(&[oid("1.3.101.112")], &[1; 32]), true),
        ("Ed25519 with NULL", info(&[oid("1.3.101.112"), null()], &[1; 32]), false),
        ("Ed25519 cut short", info(&[oid("1.3.101.112")], &[1; 31]), false),
        ("RSA", rsa(integer(65537)), true),
        ("RSA with a huge exponent", rsa(tagged(2, &[0, 0x80, 0, 0, 0, 0, 0, 0, 1])), false),
        ("an unknown kind", info(&[oid("1.2.3.4")], b"x"), true),
    ] {
        assert_eq!(with(&info), if is_good { Ok(()) } else { Err(CertificateError::PublicKey) }, "{what}");
    }
}

/// A signer below a partner's CA below a root.
fn chain(root: &Profile, ca: &Profile, leaf: &Profile) -> Vec<Certificate> {
    let root = self_signed(root);
    let ca = issued(&root, ca);
    let leaf = issued(&ca, leaf);
    vec![parsed(&leaf), parsed(&ca), parsed(&root)]
}

#[test]
fn what_a_ca_forbids() {
    let root = || ca_profile("Root", 1);
    let ca = || Profile { subject: member("Partner", "CA"), ..ca_profile("", 2) };
    let signer = |organization| Profile { subject: member(organization, "Signer"), ..leaf_profile("", 3) };
    let partner = directory(&Name(vec![("O", "Partner".into())]));
    let other = |value: &[u8]| context(0, &[&oid("1.2.3.4")[..], &context(0, value)].concat());
    let (code_signing, server, private) =
        ("1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.1", "1.3.6.1.4.1.311.76.59.1.1");
    let forbidden = Some(Code::ChainConstraint);
    for (what, code, root, ca, leaf) in [
        ("nothing", None, root(), ca(), signer("Acme")),
        (
            "the partner's own name",
            None,
            root(),
            ca().with(name_constraints(true, permitted(std::slice::from_ref(&partner)))),
            signer("Partner"),
        ),
        (
            "the partner's own name, in capitals and with more spaces",
            None,
            root(),
            ca().with(name_constraints(true, permitted(std::slice::from_ref(&partner)))),
            signer(" PARTNER "),
        ),
        (
            "a name of another",
            forbidden,
            root(),
            ca().with(name_constraints(true, permitted(std::slice::from_ref(&partner)))),
            signer("Acme"),
        ),
        (
            "a name of another, not critically",
            forbidden,
            root(),
            ca().with(name_constraints(false, permitted(std::slice::from_ref(&partner)))),
            signer("Acme"),
        ),
        (
            "a name that is excluded",
            forbidden,
            root(),
            ca().with(name_constraints(true, excluded(std::slice::from_ref(&partner)))),
            signer("Partner"),
        ),
        (
            "the name of the CA below the root",
            forbidden,
            root().with(name_constraints(true, permitted(&[directory(&name("X"))]))),
            ca(),
            signer("Partner"),
        ),
        (
            "a directory name among the alternative ones",
            forbidden,
            root(),
            ca().with(name_constraints(true, permitted(std::slice::from_ref(&partner)))),
            signer("Partner").with(alternative_names(false, &[directory(&member("Acme", "X"))])),
        ),
        (
            "a host of another",
            forbidden,
            root(),
            ca().with(name_constraints(true, permitted(&[dns("a.test")]))),
            signer("Acme").with(alternative_names(false, &[dns("b.test")])),
        ),
        (
            "a kind of name that is not compared",
            forbidden,
            root(),
            ca().with(name_constraints(false, permitted(&[other(&utf8("x"))]))),
            signer("Acme"),
        ),
        (
            "a distance within a subtree",
            forbidden,
            root(),
            ca().with(name_constraints(
                true,
                sequence(&[context(0, &sequence(&[partner.clone(), context_primitive(0, &[1])]))]),
            )),
            signer("Partner"),
        ),
        (
            "signers, by a CA for servers",
            forbidden,
            root(),
            ca().with(purposes(false, &[server])),
            signer("Acme"),
        ),
        (
            "signers, by a root for timestamps",
            forbidden,
            root().with(purposes(false, &[TIME_STAMPING])),
            ca(),
            signer("Acme"),
        ),
        (
            "nothing, by a CA for code signing and servers",
            None,
            root(),
            ca().with(purposes(true, &[server, code_signing])),
            signer("Acme").with(purposes(false, &[private])),
        ),
        (
            "nothing, by a CA for everything",
            None,
            root(),
            ca().with(purposes(false, &["2.5.29.37.0"])),
            signer("Acme"),
        ),
        (
            "an unknown extension of the CA",
            forbidden,
            root(),
            ca().with(unknown_extension(true)),
            signer("Acme"),
        ),
        (
            "an unknown extension of the root",
            forbidden,
            root().with(unknown_extension(true)),
            ca(),
            signer("Acme"),
        ),
        (
            "an unknown extension of the signer",
            forbidden,
            root(),
            ca(),
            signer("Acme").with(unknown_extension(true)),
        ),
        (
            "an unknown extension, not critically",
            None,
            root().with(unknown_extension(false)),
            ca(),
            signer("Acme"),
        ),
        (
            "a policy that is not evaluated",
            forbidden,
            root(),
            ca().with(Extension::new(POLICY_CONSTRAINTS, true, sequence(&[context_primitive(0, &[0])]))),
            signer("Acme"),
        ),
    ] {
        let outcome = check_code_signing_chain(&chain(&root, &ca, &leaf));
        assert_eq!(outcome.err().map(|error| error.code()), code, "{what}");
    }
}

/// As many comparisons as are paid for, and one more.
#[test]
fn comparisons_of_names_are_bounded() {
    let outcome = |names: usize| {
        const SUBTREES: usize = 500;
        assert_eq!(limits::NAME_COMPARISONS % SUBTREES, 0);
        let subtrees: Vec<Vec<u8>> = (0..SUBTREES).map(|number| dns(&format!("{number}.test"))).collect();
        let names: Vec<Vec<u8>> = (0..names).map(|_| dns("x")).collect();
        let root = ca_profile("Root", 1).with(name_constraints(true, excluded(&subtrees)));
        let leaf = leaf_profile("", 2).with(alternative_names(false, &names));
        let root = self_signed(&root);
        // The subject is one more name.
        let leaf = issued(&root, &leaf);
        check_code_signing_chain(&[parsed(&leaf), parsed(&root)])
    };
    let most = limits::NAME_COMPARISONS / 500 - 1;
    assert_eq!(outcome(most), Ok(()));
    let error = outcome(most + 1).unwrap_err();
    assert!(
        matches!(
            error,
            assay_verifier::x509::ChainError::Constraint(ConstraintError::NameConstraints { .. })
        ),
        "{error:?}"
    );
}

/// A root that lacks a key usage may stand in a `tsa` store beside others, as notation has it.
#[test]
fn roots_of_a_tsa_store() {
    let good = || ca_profile("Root", 1);
    for (what, root, is_good) in [
        ("good", good(), true),
        ("without key usage", good().without(KEY_USAGE), true),
        ("key usage without a bit", good().with(Extension::new(KEY_USAGE, true, tagged(3, &[0]))), true),
        (
            "key usage without keyCertSign",
            good().with(Extension::new(KEY_USAGE, true, tagged(3, &[1, 2]))),
            false,
        ),
        ("not a CA", good().with(Extension::new(BASIC_CONSTRAINTS, true, sequence::<Vec<u8>>(&[]))), false),
        ("without constraints", good().without(BASIC_CONSTRAINTS), false),
    ] {
        let beside = Credential::self_signed(&good(), &Key::derived("beside"));
        let root = self_signed(&root);
        let mut store = TrustStore::default();
        let files = [("a.crt", &beside), ("b.crt", &root)];
        let files =
            files.map(|(name, root)| (name.to_owned(), StoreEntry::File(root.certificate().to_vec())));
        store.add(StoreType::Tsa, "clock", files);
        assert_eq!(store.certificates(StoreType::Tsa, "clock").is_ok(), is_good, "{what}");
    }
    let root = self_signed(&good());
    let issued = issued(&root, &ca_profile("CA", 2));
    let mut store = TrustStore::default();
    let file = StoreEntry::File(issued.certificate().to_vec());
    store.add(StoreType::Tsa, "clock", [("ca.crt".to_owned(), file)]);
    assert!(store.certificates(StoreType::Tsa, "clock").is_err());
}
