//! Certificates that must not be read, following Go's parser, and what the CAs of a signer's chain forbid.

use assay_verifier::codes::Code;
use assay_verifier::limits;
use assay_verifier::notary::trust_store::{StoreEntry, StoreType, TrustStore};
use assay_verifier::x509::{Certificate, CertificateError, ConstraintError, check_code_signing_chain};

use crate::support::der::*;
use crate::support::pki::*;

const ALTERNATIVE_NAMES: &str = "2.5.29.17";
const NAME_CONSTRAINTS: &str = "2.5.29.30";
const POLICIES: &str = "2.5.29.32";
const POLICY_CONSTRAINTS: &str = "2.5.29.36";

fn mail(text: &str) -> Vec<u8> {
    context_primitive(1, text.as_bytes())
}

fn dns(text: &str) -> Vec<u8> {
    context_primitive(2, text.as_bytes())
}

fn uri(text: &str) -> Vec<u8> {
    context_primitive(6, text.as_bytes())
}

fn address(bytes: &[u8]) -> Vec<u8> {
    context_primitive(7, bytes)
}

fn directory(name: &[u8]) -> Vec<u8> {
    context(4, name)
}

fn subtrees(names: &[Vec<u8>]) -> Vec<u8> {
    names.iter().flat_map(|name| sequence(&[name])).collect()
}

fn permitted(names: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[context(0, &subtrees(names))])
}

fn excluded(names: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[context(1, &subtrees(names))])
}

/// A name of an organization and a common name.
fn member(organization: &str, common_name: &str) -> Vec<u8> {
    let part = |dotted, text| set(&[sequence(&[oid(dotted), utf8(text)])]);
    sequence(&[part("2.5.4.10", organization), part("2.5.4.3", common_name)])
}

/// `value` with its length in one octet more than it needs.
fn long(value: &[u8]) -> Vec<u8> {
    [&[value[0], 0x81], &value[1..]].concat()
}

#[test]
fn extensions_that_go_refuses_make_a_certificate_malformed() {
    let key = Key::new();
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
        let der = Template::ca("CA", 1).with(dotted, false, &value).der(&key.info(), &name("CA"), &key);
        let outcome = Certificate::parse(&der).map(|_| ());
        let error = CertificateError::Extension { oid: dotted.into() };
        assert_eq!(outcome, if is_good { Ok(()) } else { Err(error) }, "{dotted} {value:x?}");
        refused += usize::from(!is_good);

        // in a trust store as well
        let mut store = TrustStore::default();
        store.add(StoreType::Ca, "acme", [("ca.crt".to_owned(), StoreEntry::File(der))]);
        assert_eq!(store.certificates(StoreType::Ca, "acme").is_ok(), is_good);
    }
    assert_eq!(refused, 27);
}

#[test]
fn keys_that_go_refuses_make_a_certificate_malformed() {
    let key = Key::new();
    let with =
        |info: &[u8]| Certificate::parse(&Template::ca("CA", 1).der(info, &name("CA"), &key)).map(|_| ());
    assert_eq!(with(&key.info()), Ok(()));
    let info = |kind: &[Vec<u8>], bytes: &[u8]| sequence(&[sequence(kind), bits(bytes)]);
    let dsa = oid("1.2.840.10040.4.1");
    let group = sequence(&[integer(7), integer(3), integer(2)]);
    let point = key.point();
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
fn chain(root: &Template, ca: &Template, leaf: &Template) -> Vec<Certificate> {
    let root = Entity::root(root);
    let ca = root.issue(ca);
    let leaf = ca.issue(leaf);
    vec![leaf.certificate, ca.certificate, root.certificate]
}

#[test]
fn what_a_ca_forbids() {
    let root = || Template::ca("Root", 1);
    let ca = || Template { subject: member("Partner", "CA"), ..Template::ca("", 2) };
    let signer = |organization| Template { subject: member(organization, "Signer"), ..Template::leaf("", 3) };
    let partner = directory(&sequence(&[set(&[sequence(&[oid("2.5.4.10"), utf8("Partner")])])]));
    let other = |value: &[u8]| context(0, &[&oid("1.2.3.4")[..], &context(0, value)].concat());
    let usage =
        |purposes: &[&str]| sequence(&purposes.iter().map(|purpose| oid(purpose)).collect::<Vec<_>>());
    let (code_signing, server, private) =
        ("1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.1", "1.3.6.1.4.1.311.76.59.1.1");
    let forbidden = Some(Code::ChainConstraint);
    for (what, code, root, ca, leaf) in [
        ("nothing", None, root(), ca(), signer("Acme")),
        (
            "the partner's own name",
            None,
            root(),
            ca().with(NAME_CONSTRAINTS, true, &permitted(std::slice::from_ref(&partner))),
            signer("Partner"),
        ),
        (
            "the partner's own name, in capitals and with more spaces",
            None,
            root(),
            ca().with(NAME_CONSTRAINTS, true, &permitted(std::slice::from_ref(&partner))),
            signer(" PARTNER "),
        ),
        (
            "a name of another",
            forbidden,
            root(),
            ca().with(NAME_CONSTRAINTS, true, &permitted(std::slice::from_ref(&partner))),
            signer("Acme"),
        ),
        (
            "a name of another, not critically",
            forbidden,
            root(),
            ca().with(NAME_CONSTRAINTS, false, &permitted(std::slice::from_ref(&partner))),
            signer("Acme"),
        ),
        (
            "a name that is excluded",
            forbidden,
            root(),
            ca().with(NAME_CONSTRAINTS, true, &excluded(std::slice::from_ref(&partner))),
            signer("Partner"),
        ),
        (
            "the name of the CA below the root",
            forbidden,
            root().with(NAME_CONSTRAINTS, true, &permitted(&[directory(&name("X"))])),
            ca(),
            signer("Partner"),
        ),
        (
            "a directory name among the alternative ones",
            forbidden,
            root(),
            ca().with(NAME_CONSTRAINTS, true, &permitted(std::slice::from_ref(&partner))),
            signer("Partner").with(ALTERNATIVE_NAMES, false, &sequence(&[directory(&member("Acme", "X"))])),
        ),
        (
            "a host of another",
            forbidden,
            root(),
            ca().with(NAME_CONSTRAINTS, true, &permitted(&[dns("a.test")])),
            signer("Acme").with(ALTERNATIVE_NAMES, false, &sequence(&[dns("b.test")])),
        ),
        (
            "a kind of name that is not compared",
            forbidden,
            root(),
            ca().with(NAME_CONSTRAINTS, false, &permitted(&[other(&utf8("x"))])),
            signer("Acme"),
        ),
        (
            "a distance within a subtree",
            forbidden,
            root(),
            ca().with(
                NAME_CONSTRAINTS,
                true,
                &sequence(&[context(0, &sequence(&[partner.clone(), context_primitive(0, &[1])]))]),
            ),
            signer("Partner"),
        ),
        (
            "signers, by a CA for servers",
            forbidden,
            root(),
            ca().with(EXTENDED_KEY_USAGE, false, &usage(&[server])),
            signer("Acme"),
        ),
        (
            "signers, by a root for timestamps",
            forbidden,
            root().with(EXTENDED_KEY_USAGE, false, &usage(&[TIME_STAMPING])),
            ca(),
            signer("Acme"),
        ),
        (
            "nothing, by a CA for code signing and servers",
            None,
            root(),
            ca().with(EXTENDED_KEY_USAGE, true, &usage(&[server, code_signing])),
            signer("Acme").with(EXTENDED_KEY_USAGE, false, &usage(&[private])),
        ),
        (
            "nothing, by a CA for everything",
            None,
            root(),
            ca().with(EXTENDED_KEY_USAGE, false, &usage(&["2.5.29.37.0"])),
            signer("Acme"),
        ),
        (
            "an unknown extension of the CA",
            forbidden,
            root(),
            ca().with("1.2.3.4", true, &null()),
            signer("Acme"),
        ),
        (
            "an unknown extension of the root",
            forbidden,
            root().with("1.2.3.4", true, &null()),
            ca(),
            signer("Acme"),
        ),
        (
            "an unknown extension of the signer",
            forbidden,
            root(),
            ca(),
            signer("Acme").with("1.2.3.4", true, &null()),
        ),
        (
            "an unknown extension, not critically",
            None,
            root().with("1.2.3.4", false, &null()),
            ca(),
            signer("Acme"),
        ),
        (
            "a policy that is not evaluated",
            forbidden,
            root(),
            ca().with(POLICY_CONSTRAINTS, true, &sequence(&[context_primitive(0, &[0])])),
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
        let root = Template::ca("Root", 1).with(NAME_CONSTRAINTS, true, &excluded(&subtrees));
        let leaf = Template::leaf("", 2).with(ALTERNATIVE_NAMES, false, &sequence(&names));
        let root = Entity::root(&root);
        // the subject is one name more
        let leaf = root.issue(&leaf);
        check_code_signing_chain(&[leaf.certificate, root.certificate])
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
    let good = || Template::ca("Root", 1);
    for (what, root, is_good) in [
        ("good", good(), true),
        ("without key usage", good().without(KEY_USAGE), true),
        ("key usage without a bit", good().with(KEY_USAGE, true, &tagged(3, &[0])), true),
        ("key usage without keyCertSign", good().with(KEY_USAGE, true, &tagged(3, &[1, 2])), false),
        ("not a CA", good().with(BASIC_CONSTRAINTS, true, &sequence::<Vec<u8>>(&[])), false),
        ("without constraints", good().without(BASIC_CONSTRAINTS), false),
    ] {
        let beside = Entity::root(&good());
        let root = Entity::root(&root);
        let mut store = TrustStore::default();
        let files = [("a.crt", &beside), ("b.crt", &root)];
        let files =
            files.map(|(name, root)| (name.to_owned(), StoreEntry::File(root.certificate.der().to_vec())));
        store.add(StoreType::Tsa, "clock", files);
        assert_eq!(store.certificates(StoreType::Tsa, "clock").is_ok(), is_good, "{what}");
    }
    let root = Entity::root(&good());
    let issued = root.issue(&Template::ca("CA", 2));
    let mut store = TrustStore::default();
    let file = StoreEntry::File(issued.certificate.der().to_vec());
    store.add(StoreType::Tsa, "clock", [("ca.crt".to_owned(), file)]);
    assert!(store.certificates(StoreType::Tsa, "clock").is_err());
}
