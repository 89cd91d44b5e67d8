"""Variants of certificates: names, keys, signatures, extensions of leaf and CA, anchors."""

import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.name import _ASN1Type as Asn1
from cryptography.x509.oid import ExtendedKeyUsageOID

import jws
from toolkit import (CA, CODE_SIGNING, COUNTRY, LEAF_KEY, LEAF_NAME, ORGANIZATION, PAYLOAD, ROOT, ROOT_KEY, ROOT_NAME, SIGNER_USAGE, STATE,
                     Variant, base64std, base64url, certificate, common, key_usage, name, policy, raw, sign)

IDENTITY = "x509.subject:C=US,ST=WA,O=Acme"


def envelope(chain, key=LEAF_KEY, algorithm="ES256"):
    header = base64url(json.dumps(jws.protected(alg=algorithm)).encode())
    payload = base64url(PAYLOAD)
    signature = sign(f"{header}.{payload}".encode(), algorithm, key)
    made = {"payload": payload, "protected": header, "header": {"x5c": [base64std(der) for der in chain]}, "signature": base64url(signature)}
    return json.dumps(made).encode()


def variant(label, chain, identities=("*",), anchors=None, **signing):
    return Variant(f"certificate {label}", envelope(chain, **signing), policy=policy(identities), anchors=tuple(anchors or chain[-1:]))


def attribute(oid, value, *asn1):
    return (x509.ObjectIdentifier(oid), value, *asn1)


def names():
    base = [[COUNTRY], [STATE], [ORGANIZATION]]
    unit = "2.5.4.11"
    subjects = {
        "plain": ([*base, [common("Leaf")]], []), "several in one part": ([[COUNTRY, STATE], [ORGANIZATION, common("Leaf")]], []),
        "two units": ([*base, [attribute(unit, "a")], [attribute(unit, "b")]], []),
        "two units in one part": ([*base, [attribute(unit, "a"), attribute(unit, "b")]], []),
        "two common names": ([*base, [common("Leaf")], [common("X")]], ["CN=Leaf", "CN=X"]),
        "two organizations": ([*base, [(ORGANIZATION[0], "Evil")]], []), "two countries": ([[COUNTRY], *base], []),
        "mail address": ([*base, [attribute("1.2.840.113549.1.9.1", "a@b", Asn1.IA5String)]], []),
        "domain component": ([[attribute("0.9.2342.19200300.100.1.25", "com", Asn1.IA5String)], *base], ["DC=com"]),
        "user id": ([*base, [attribute("0.9.2342.19200300.100.1.1", "u")]], []), "street": ([*base, [attribute("2.5.4.9", "s")]], ["STREET=s"]),
        "postal code": ([*base, [attribute("2.5.4.17", "1")]], []),
        "serial number": ([*base, [attribute("2.5.4.5", "1", Asn1.PrintableString)]], ["SERIALNUMBER=1"]),
        "two serial numbers": ([*base, [attribute("2.5.4.5", "1", Asn1.PrintableString)], [attribute("2.5.4.5", "2", Asn1.PrintableString)]], []),
        "surname": ([*base, [attribute("2.5.4.4", "x")]], []), "organization id": ([*base, [attribute("2.5.4.97", "x")]], []),
        "without a state": ([[COUNTRY], [ORGANIZATION]], []), "=# in a value": ([*base, [common("a=#b")]], []),
        "# in front": ([*base, [common("#b")]], ["CN=\\#b"]), "specials": ([*base, [common('a,b+c;d"e<f>g\\h')]], ['CN=a\\,b\\+c\\;d\\"e\\<f\\>g\\\\h']),
        "spaces around": ([*base, [common(" a ")]], ["CN=\\ a\\ ", "CN=a"]), "spaces alone": ([*base, [common("  ")]], ["CN=\\ \\ "]),
        "zero byte": ([*base, [common("a\0b")]], ["CN=a\\00b"]), "line break": ([*base, [common("a\nb")]], ["CN=a\nb", "CN=a\\0Ab"]),
        "accents": ([*base, [attribute("2.5.4.7", "\u00e9\u4e2d", Asn1.BMPString)]], ["L=\u00e9\u4e2d"]),
        "digits": ([*base, [(common("")[0], "123", Asn1.NumericString)]], []),
    }
    for kind in ["PrintableString", "BMPString", "T61String", "UniversalString", "IA5String", "VisibleString", "GeneralizedTime"]:
        subjects[f"organization as {kind}"] = ([[COUNTRY], [STATE], [(ORGANIZATION[0], "Acme", Asn1[kind])]], [])
    for label, (rdns, patterns) in subjects.items():
        leaf = certificate(name(*rdns), ROOT_NAME, LEAF_KEY, ROOT_KEY, [SIGNER_USAGE, CODE_SIGNING])
        yield variant(f"name: {label}, any", [leaf, ROOT])
        yield variant(f"name: {label}, by base", [leaf, ROOT], [IDENTITY])
        for pattern in patterns:
            yield variant(f"name: {label}, by {pattern!r}", [leaf, ROOT], [f"{IDENTITY},{pattern}"])


def keys():
    p384, p521, rsa2048 = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 2048)
    for label, key, algorithm in [("RSA-2048", rsa2048, "PS256"), ("RSA-3072", rsa.generate_private_key(65537, 3072), "PS384"),
                                  ("RSA-2056", rsa.generate_private_key(65537, 2056), "PS256"), ("RSA-2047", rsa.generate_private_key(65537, 2047), "PS256"),
                                  ("RSA of exponent 3", rsa.generate_private_key(3, 2048), "PS256"), ("P-384", p384, "ES384"), ("P-521", p521, "ES512"),
                                  ("secp256k1", ec.generate_private_key(ec.SECP256K1()), "ES256")]:
        leaf = certificate(LEAF_NAME, ROOT_NAME, key, ROOT_KEY, [SIGNER_USAGE, CODE_SIGNING])
        yield variant(f"key: leaf {label}", [leaf, ROOT], key=key, algorithm=algorithm)
    roots = {"RSA-1024": rsa.generate_private_key(65537, 1024), "RSA-1536": rsa.generate_private_key(65537, 1536), "RSA-2048": rsa2048, "P-384": p384,
             "P-521": p521, "P-224": ec.generate_private_key(ec.SECP224R1()), "secp256k1": ec.generate_private_key(ec.SECP256K1())}
    for label, key in roots.items():
        for algorithm in [hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()]:
            root = certificate(ROOT_NAME, ROOT_NAME, key, key, CA, algorithm)
            leaf = certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, key, [SIGNER_USAGE, CODE_SIGNING], algorithm)
            yield variant(f"key: root {label} with {algorithm.name}", [leaf, root])
    edwards = ed25519.Ed25519PrivateKey.generate()
    root = certificate(ROOT_NAME, ROOT_NAME, edwards, edwards, CA, None)
    yield variant("key: root Ed25519", [certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, edwards, [SIGNER_USAGE, CODE_SIGNING], None), root])
    for label, key, algorithm, salt in [("RSA-2048", rsa2048, hashes.SHA256(), 32), ("RSA-2048", rsa2048, hashes.SHA256(), 20),
                                        ("RSA-2048", rsa2048, hashes.SHA384(), 48), ("RSA-2048", rsa2048, hashes.SHA512(), 64),
                                        ("RSA-2048", rsa2048, hashes.SHA512(), 32), ("RSA-1024", roots["RSA-1024"], hashes.SHA256(), 32)]:
        root = certificate(ROOT_NAME, ROOT_NAME, key, key, CA)
        pss = padding.PSS(padding.MGF1(algorithm), salt)
        leaf = certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, key, [SIGNER_USAGE, CODE_SIGNING], algorithm, pss)
        yield variant(f"key: {label} PSS with {algorithm.name}, salt {salt}", [leaf, root])


def purposes(*oids, critical=False):
    return (x509.ExtendedKeyUsage([x509.ObjectIdentifier(one) for one in oids]), critical)


def leaf_extensions():
    usage = SIGNER_USAGE
    extensions = {
        "none": [], "key usage alone": [usage], "content commitment": [(key_usage("digital_signature", "content_commitment"), True)],
        "no digital signature": [(key_usage("content_commitment"), True)], "CRL signing": [(key_usage("digital_signature", "crl_sign"), True)],
        "critical: not a CA": [usage, (x509.BasicConstraints(False, None), True)], "path length of no CA": [usage, raw("2.5.29.19", "3003020100", True)],
        "empty constraints": [usage, raw("2.5.29.19", "3000", False)], "false written out": [usage, raw("2.5.29.19", "3003010100", False)],
        "usage without bits": [raw("2.5.29.15", "030100", True)], "usage with zero bits behind": [raw("2.5.29.15", "03020080", True)],
        "usage garbage": [raw("2.5.29.15", "0500", True)], "usage trailing": [raw("2.5.29.15", "0302078000", True)],
        "no purposes": [usage, raw("2.5.29.37", "3000", False)], "any purpose": [usage, purposes("2.5.29.37.0")],
        "any purpose, critical": [usage, purposes("2.5.29.37.0", critical=True)], "OCSP": [usage, purposes("1.3.6.1.5.5.7.3.9")],
        "time stamping": [usage, purposes("1.3.6.1.5.5.7.3.8")], "mail": [usage, purposes("1.3.6.1.5.5.7.3.4")],
        "IPsec": [usage, purposes("1.3.6.1.5.5.7.3.5")], "client": [usage, purposes("1.3.6.1.5.5.7.3.2")],
        "purposes trailing": [usage, raw("2.5.29.37", "300a06082b0601050507030300", False)],
        "alternative names empty": [usage, raw("2.5.29.17", "3000", False)], "alternative names garbage": [usage, raw("2.5.29.17", "0400", False)],
        "address of three bytes": [usage, raw("2.5.29.17", "30058703010203", False)], "host not ASCII": [usage, raw("2.5.29.17", "30038201ff", False)],
        "malformed URI": [usage, raw("2.5.29.17", "3008860625252525255c", False)], "good URI": [usage, (x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://a.b/c")]), False)],
        "issuer key garbage": [usage, raw("2.5.29.35", "0500", False)], "issuer key empty": [usage, raw("2.5.29.35", "3000", False)],
        "issuer key critical": [usage, raw("2.5.29.35", "3000", True)], "subject key garbage": [usage, raw("2.5.29.14", "0500", False)],
        "subject key critical": [usage, raw("2.5.29.14", "040161", True)], "distribution points garbage": [usage, raw("2.5.29.31", "0500", False)],
        "distribution points empty": [usage, raw("2.5.29.31", "3000", False)], "distribution point empty": [usage, raw("2.5.29.31", "30023000", False)],
        "authority information garbage": [usage, raw("1.3.6.1.5.5.7.1.1", "0500", False)],
        "authority information critical": [usage, raw("1.3.6.1.5.5.7.1.1", "300e300c06082b060105050730028600", True)],
        "policies garbage": [usage, raw("2.5.29.32", "0500", False)], "policies empty": [usage, raw("2.5.29.32", "3000", False)],
        "a policy twice": [usage, raw("2.5.29.32", "300c300406022a03300406022a03", False)], "name constraints empty": [usage, raw("2.5.29.30", "3000", True)],
        "name constraints garbage": [usage, raw("2.5.29.30", "0500", True)], "policy constraints garbage": [usage, raw("2.5.29.36", "0500", False)],
        "inhibit policy garbage": [usage, raw("2.5.29.54", "0500", False)], "policy mappings garbage": [usage, raw("2.5.29.33", "0500", False)],
        "unknown critical": [usage, raw("1.2.3.4", "0500", True)],
    }
    for oid in ["2.5.29.18", "1.3.6.1.4.1.11129.2.4.2", "2.16.840.1.113730.1.1", "2.5.29.46", "2.5.29.16", "2.5.29.20", "2.5.29.21", "2.5.29.28", "2.5.29.9"]:
        extensions[f"garbage in {oid}"] = [usage, raw(oid, "0500", False)]
    for label, made in extensions.items():
        yield variant(f"leaf: {label}", [certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, ROOT_KEY, made), ROOT])


def authorities():
    key = ec.generate_private_key(ec.SECP384R1())
    issuer = name([COUNTRY], [STATE], [ORGANIZATION], [common("Intermediate")])
    ca, signing = CA

    def chain(*extensions, path_length=None):
        root = certificate(ROOT_NAME, ROOT_NAME, ROOT_KEY, ROOT_KEY, [(x509.BasicConstraints(True, path_length), True), signing])
        intermediate = certificate(issuer, ROOT_NAME, key, ROOT_KEY, extensions)
        return [certificate(LEAF_NAME, issuer, LEAF_KEY, key, [SIGNER_USAGE, CODE_SIGNING]), intermediate, root]

    good = chain(*CA)
    for label, made in {
        "good": good, "root of path length 0": chain(*CA, path_length=0), "root of path length 1": chain(*CA, path_length=1),
        "path length 0": chain((x509.BasicConstraints(True, 0), True), signing),
        "for servers": chain(*CA, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), True)),
        "more usages": chain(ca, (key_usage("key_cert_sign", "digital_signature", "key_encipherment"), True)),
        "may not sign certificates": chain(ca, (key_usage("crl_sign"), True)), "no constraints": chain(signing), "usage not critical": chain(ca, (signing[0], False)),
        "negative path length": chain(raw("2.5.29.19", "30060101ff0201ff", True), signing),
        "huge path length": chain(raw("2.5.29.19", "300a0101ff02050100000000", True), signing),
        "true as 01": chain(raw("2.5.29.19", "3003010101", True), signing),
    }.items():
        yield variant(f"CA: {label}", made)
    again = certificate(ROOT_NAME, ROOT_NAME, ROOT_KEY, ROOT_KEY, CA)
    for label, anchors in {"the intermediate": [good[1]], "the leaf": [good[0]], "the root issued again": [again], "both roots": [again, good[2]]}.items():
        yield variant(f"anchor: {label}", good, anchors=anchors)
    for label, extensions in {"signer": [SIGNER_USAGE, CODE_SIGNING], "CA": CA, "CA that signs": [ca, (key_usage("key_cert_sign", "digital_signature"), True)]}.items():
        yield variant(f"self-signed {label}", [certificate(LEAF_NAME, LEAF_NAME, LEAF_KEY, LEAF_KEY, extensions)])
    root = certificate(ROOT_NAME, ROOT_NAME, ROOT_KEY, ROOT_KEY, CA)
    yield variant("leaf of the root's name", [certificate(ROOT_NAME, ROOT_NAME, LEAF_KEY, ROOT_KEY, [SIGNER_USAGE, CODE_SIGNING]), root])


def variants():
    for make in (names, keys, leaf_extensions, authorities):
        yield from make()
