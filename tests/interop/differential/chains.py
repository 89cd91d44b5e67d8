"""Variants of chains: order and completeness, cross-signing, depths, names and keys in common, fields of certificates, signature algorithms."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, ed448, padding, rsa

from certificates import envelope
from der import NULL, YEAR, bits, boolean, children, context, extension, general, integer, octets, oid, sequence, time, tlv, utc
from timestamps import dated
from toolkit import (CA, CODE_SIGNING, COUNTRY, LEAF_KEY, LEAF_NAME, ORGANIZATION, ROOT, ROOT_KEY, ROOT_NAME, SIGNER_USAGE, STATE, Variant, certificate, common, key_usage, name, policy, raw,
                     signed_again)

LEAF_EXTENSIONS = [SIGNER_USAGE, CODE_SIGNING]
LEAF = certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, ROOT_KEY, LEAF_EXTENSIONS)
CA_NAME = name([COUNTRY], [STATE], [ORGANIZATION], [common("CA")])
ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"))


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def orders():
    key, stranger_key = new_key(), new_key()
    ca = certificate(CA_NAME, ROOT_NAME, key, ROOT_KEY, CA)
    leaf = certificate(LEAF_NAME, CA_NAME, LEAF_KEY, key, LEAF_EXTENSIONS)
    again = certificate(ROOT_NAME, ROOT_NAME, ROOT_KEY, ROOT_KEY, CA)
    stranger = certificate(CA_NAME, CA_NAME, stranger_key, stranger_key, CA)
    crossed = certificate(ROOT_NAME, CA_NAME, ROOT_KEY, stranger_key, CA)
    self_issued = certificate(CA_NAME, CA_NAME, key, ROOT_KEY, CA)
    for label, chain, anchors in [
        ("good", [leaf, ca, ROOT], [ROOT]), ("root left out", [leaf, ca], [ROOT]), ("root left out, CA trusted", [leaf, ca], [ca]), ("CA left out", [leaf, ROOT], [ROOT]), ("CA twice", [leaf, ca, ca, ROOT], [ROOT]), ("root first", [ROOT, ca, leaf], [ROOT]),
        ("CA and root swapped", [leaf, ROOT, ca], [ROOT]), ("leaf and CA swapped", [ca, leaf, ROOT], [ROOT]), ("another root behind", [leaf, ca, ROOT, again], [ROOT]), ("the root issued again", [leaf, ca, again], [ROOT]), ("the root issued again, both trusted", [leaf, ca, again], [ROOT, again]),
        ("leaf and CA trusted", [leaf, ca, ROOT], [ca]), ("leaf trusted", [leaf, ca, ROOT], [leaf]), ("crossed root above", [leaf, ca, crossed, stranger], [stranger]), ("crossed root above, ours trusted", [leaf, ca, crossed, stranger], [ROOT]), ("crossed root without its root", [leaf, ca, crossed], [crossed]),
        ("root and crossed root", [leaf, ca, ROOT, crossed], [ROOT]), ("self-issued CA", [leaf, self_issued, ROOT], [ROOT]), ("a stranger of the CA's name", [leaf, stranger], [stranger]), ("stranger trusted", [leaf, ca, ROOT], [stranger]), ("both trusted", [leaf, ca, ROOT], [stranger, ROOT]), ("CA as the leaf", [ca, ROOT], [ROOT]),
    ]:
        yield f"order: {label}", chain, anchors
    for depth in [3, 5, 9, 12, 16, 17, 20, 40]:
        chain, issuer, signer = [ROOT], ROOT_NAME, ROOT_KEY
        for level in range(depth - 2):
            key, subject = new_key(), name([COUNTRY], [common(f"Level {level}")])
            chain.insert(0, certificate(subject, issuer, key, signer, CA))
            issuer, signer = subject, key
        yield f"depth {depth}", [certificate(LEAF_NAME, issuer, LEAF_KEY, signer, LEAF_EXTENSIONS), *chain], [ROOT]


def lengths():
    """Path lengths, self-issued certificates among them."""
    for lengths in [(None, None), (0, 0), (1, 0), (1, None), (0, None), (2, 0), (1, 1), (None, 0), (2, 5)]:
        chain, issuer, signer = [], ROOT_NAME, ROOT_KEY
        root = certificate(ROOT_NAME, ROOT_NAME, ROOT_KEY, ROOT_KEY, [(x509.BasicConstraints(True, lengths[0]), True), CA[1]])
        for level in range(2):
            key, subject = new_key(), name([COUNTRY], [common(f"Level {level}")])
            chain.insert(0, certificate(subject, issuer, key, signer, [(x509.BasicConstraints(True, lengths[1]), True), CA[1]]))
            issuer, signer = subject, key
        yield f"path lengths root {lengths[0]}, CAs {lengths[1]}", [certificate(LEAF_NAME, issuer, LEAF_KEY, signer, LEAF_EXTENSIONS), *chain, root], [root]
    first, second = new_key(), new_key()
    for length in [0, 1, 2]:
        ca = certificate(CA_NAME, ROOT_NAME, first, ROOT_KEY, [(x509.BasicConstraints(True, length), True), CA[1]])
        rolled = certificate(CA_NAME, CA_NAME, second, first, CA)
        yield f"path length {length} over a self-issued CA", [certificate(LEAF_NAME, CA_NAME, LEAF_KEY, second, LEAF_EXTENSIONS), rolled, ca, ROOT], [ROOT]


def names():
    """Names that issuer and subject have in common, or nearly."""
    kind = x509.name._ASN1Type
    utf8 = ROOT_NAME
    printable = name([COUNTRY], [STATE], [(ORGANIZATION[0], "Acme", kind.PrintableString)], [(common("")[0], "Root", kind.PrintableString)])
    reordered = name([STATE], [COUNTRY], [ORGANIZATION], [common("Root")])
    lower = name([COUNTRY], [STATE], [(ORGANIZATION[0], "acme")], [common("Root")])
    empty = name()
    for label, issuer in {"same": utf8, "of another string type": printable, "in another order": reordered, "in another letter case": lower, "empty": empty}.items():
        yield f"issuer's name {label}", [certificate(LEAF_NAME, issuer, LEAF_KEY, ROOT_KEY, LEAF_EXTENSIONS), ROOT], [ROOT]
    nameless = certificate(empty, empty, ROOT_KEY, ROOT_KEY, CA)
    yield "root without a name", [certificate(LEAF_NAME, empty, LEAF_KEY, ROOT_KEY, LEAF_EXTENSIONS), nameless], [nameless]
    yield "leaf without a name", [certificate(empty, ROOT_NAME, LEAF_KEY, ROOT_KEY, LEAF_EXTENSIONS), ROOT], [ROOT]
    yield "leaf of the root's key", [certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, ROOT_KEY, LEAF_EXTENSIONS), certificate(ROOT_NAME, ROOT_NAME, ROOT_KEY, ROOT_KEY, CA)], [ROOT]


def fields():
    """Fields of the leaf other than its extensions."""
    def with_parts(change):
        return signed_again(LEAF, ROOT_KEY, ECDSA_SHA256, hashes.SHA256(), change=change)

    def replaced(at, value):
        return with_parts(lambda parts: [*parts[:at], value, *parts[at + 1:]])

    # version, serial, algorithm, issuer, validity, subject, key, extensions
    extensions = children(LEAF)[0]
    usage, purpose = extension("2.5.29.15", b"\3\2\7\x80", True), extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.3")))
    begin, end = utc("200101000000Z"), general("21200101000000Z")
    key = children(children(LEAF)[0])[6]
    made = {
        **{f"serial {value!r}": replaced(1, part) for value, part in {"0": integer(0), "-1": integer(-1), "long": integer(2**200), "padded": tlv(2, b"\0\1"), "empty": tlv(2, b""), "text": tlv(12, b"5")}.items()},
        **{f"version {value}": replaced(0, context(0, integer(value))) for value in (0, 1, 3, 100)}, "version 1, left out": with_parts(lambda parts: parts[1:7]), "version 3 without extensions": with_parts(lambda parts: parts[:7]),
        "algorithm differs": signed_again(LEAF, ROOT_KEY, ECDSA_SHA256, hashes.SHA256(), inner=sequence(oid("1.2.840.10045.4.3.3"))), "algorithm with NULL": signed_again(LEAF, ROOT_KEY, sequence(oid("1.2.840.10045.4.3.2"), NULL), hashes.SHA256()),
        "begins general before 2050": replaced(4, sequence(general("20200101000000Z"), end)), "ends as UTCTime": replaced(4, sequence(begin, utc("491231235959Z"))), "ends without seconds": replaced(4, sequence(begin, utc("4912312359Z"))), "ends of another zone": replaced(4, sequence(begin, utc("491231235959+0100"))),
        "ends 9999": replaced(4, sequence(begin, general("99991231235959Z"))), "ends with a fraction": replaced(4, sequence(begin, general("21200101000000.5Z"))), "ends before it begins": replaced(4, sequence(general("21200101000000Z"), begin)), "begins year 0": replaced(4, sequence(general("00000101000000Z"), end)),
        "begins 1950": replaced(4, sequence(utc("500101000000Z"), end)), "begins on the 30th of February": replaced(4, sequence(utc("200230000000Z"), end)),
        "issuer id": with_parts(lambda parts: [*parts[:7], context(1, b"\0\1", constructed=False), *parts[7:]]), "subject id": with_parts(lambda parts: [*parts[:7], context(2, b"\0\1", constructed=False), *parts[7:]]), "extensions empty": replaced(7, context(3, sequence())), "part behind": with_parts(lambda parts: [*parts, NULL]),
        "usage twice": replaced(7, context(3, sequence(usage, usage, purpose))), "purpose twice": replaced(7, context(3, sequence(usage, purpose, purpose))), "unknown twice": replaced(7, context(3, sequence(usage, extension("1.2.3.4", NULL), extension("1.2.3.4", NULL)))),
        "critical false written": replaced(7, context(3, sequence(usage, sequence(oid("2.5.29.37"), boolean(False), octets(sequence(oid("1.3.6.1.5.5.7.3.3"))))))), "critical as 01": replaced(7, context(3, sequence(sequence(oid("2.5.29.15"), tlv(1, b"\1"), octets(b"\3\2\7\x80"))))),
        "usage of two bytes": replaced(7, context(3, sequence(extension("2.5.29.15", b"\3\3\7\x80\0", True)))), "usage of no byte": replaced(7, context(3, sequence(extension("2.5.29.15", b"\3\1\0", True)))), "usage as octets": replaced(7, context(3, sequence(extension("2.5.29.15", b"\4\2\7\x80", True)))),
        "key with unused bits": replaced(6, key[:-66] + b"\1" + key[-65:]), "key compressed": replaced(6, sequence(sequence(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), bits(b"\2" + key[-64:-32]))), "key not on the curve": replaced(6, sequence(sequence(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), bits(b"\4" + b"\1" * 64))),
        "key of explicit parameters": replaced(6, sequence(sequence(oid("1.2.840.10045.2.1"), sequence(integer(1))), bits(key[-65:]))), "key of no parameters": replaced(6, sequence(sequence(oid("1.2.840.10045.2.1")), bits(key[-65:]))), "key of ECDH": replaced(6, sequence(sequence(oid("1.3.132.1.12"), oid("1.2.840.10045.3.1.7")), bits(key[-65:]))),
        "in long form": b"\x30\x83" + (len(LEAF) - 4).to_bytes(3, "big") + LEAF[4:], "signature bits unused": LEAF, "part behind the signature": sequence(*children(LEAF), NULL),
    }
    for label, leaf in made.items():
        yield f"field: {label}", [leaf, ROOT], [ROOT]


def algorithms():
    """How the root signs the leaf and itself."""
    leaf_of = lambda key, root: [certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, key, LEAF_EXTENSIONS), root]
    rsa_key = rsa.generate_private_key(65537, 2048)
    root = certificate(ROOT_NAME, ROOT_NAME, rsa_key, rsa_key, CA)
    rsa_leaf = certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, rsa_key, LEAF_EXTENSIONS)
    for label, dotted, algorithm in [("MD5", "1.2.840.113549.1.1.4", hashes.MD5()), ("SHA-1", "1.2.840.113549.1.1.5", hashes.SHA1()), ("SHA-224", "1.2.840.113549.1.1.14", hashes.SHA224()), ("SHA-256", "1.2.840.113549.1.1.11", hashes.SHA256()),
                                     ("SHA-384", "1.2.840.113549.1.1.12", hashes.SHA384()), ("SHA-512", "1.2.840.113549.1.1.13", hashes.SHA512()), ("SHA-512/256", "1.2.840.113549.1.1.16", hashes.SHA512_256())]:
        identifier = sequence(oid(dotted), NULL)
        yield f"signed: leaf RSA {label}", [signed_again(rsa_leaf, rsa_key, identifier, algorithm), root], [root]
        yield f"signed: root RSA {label}", [rsa_leaf, again := signed_again(root, rsa_key, identifier, algorithm)], [again]
        yield f"signed: leaf RSA {label} without NULL", [signed_again(rsa_leaf, rsa_key, sequence(oid(dotted)), algorithm), root], [root]
    leaf = certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, ROOT_KEY, LEAF_EXTENSIONS)
    for label, dotted, algorithm in [("SHA-1", "1.2.840.10045.4.1", hashes.SHA1()), ("SHA-224", "1.2.840.10045.4.3.1", hashes.SHA224()), ("SHA-512", "1.2.840.10045.4.3.4", hashes.SHA512()), ("SHA3-256", "2.16.840.1.101.3.4.3.10", hashes.SHA3_256())]:
        yield f"signed: leaf EC {label}", [signed_again(leaf, ROOT_KEY, sequence(oid(dotted)), algorithm), ROOT], [ROOT]
        yield f"signed: root EC {label}", [leaf, again := signed_again(ROOT, ROOT_KEY, sequence(oid(dotted)), algorithm)], [again]
    alone = certificate(LEAF_NAME, LEAF_NAME, LEAF_KEY, LEAF_KEY, LEAF_EXTENSIONS)
    yield "signed: alone SHA-1", [signed := signed_again(alone, LEAF_KEY, sequence(oid("1.2.840.10045.4.1")), hashes.SHA1())], [signed]
    yield "signed: alone", [alone], [alone]
    yield "signed: alone, another trusted", [alone], [certificate(LEAF_NAME, LEAF_NAME, LEAF_KEY, LEAF_KEY, LEAF_EXTENSIONS)]
    for label, parameters in {"as it should": sequence(context(0, sequence(oid("2.16.840.1.101.3.4.2.1"))), context(1, sequence(oid("1.2.840.113549.1.1.8"), sequence(oid("2.16.840.1.101.3.4.2.1")))), context(2, integer(32))),
                              "with NULLs": sequence(context(0, sequence(oid("2.16.840.1.101.3.4.2.1"), NULL)), context(1, sequence(oid("1.2.840.113549.1.1.8"), sequence(oid("2.16.840.1.101.3.4.2.1"), NULL))), context(2, integer(32))),
                              "trailer 1": sequence(context(0, sequence(oid("2.16.840.1.101.3.4.2.1"))), context(1, sequence(oid("1.2.840.113549.1.1.8"), sequence(oid("2.16.840.1.101.3.4.2.1")))), context(2, integer(32)), context(3, integer(1))),
                              "trailer 2": sequence(context(0, sequence(oid("2.16.840.1.101.3.4.2.1"))), context(1, sequence(oid("1.2.840.113549.1.1.8"), sequence(oid("2.16.840.1.101.3.4.2.1")))), context(2, integer(32)), context(3, integer(2))),
                              "mask of SHA-1": sequence(context(0, sequence(oid("2.16.840.1.101.3.4.2.1"))), context(2, integer(32))), "salt left out": sequence(context(0, sequence(oid("2.16.840.1.101.3.4.2.1"))), context(1, sequence(oid("1.2.840.113549.1.1.8"), sequence(oid("2.16.840.1.101.3.4.2.1"))))),
                              "none": b"", "empty": sequence(), "NULL": NULL}.items():
        identifier = sequence(oid("1.2.840.113549.1.1.10"), parameters)
        parts = children(children(rsa_leaf)[0])
        parts[2] = identifier
        body = sequence(*parts)
        signature = rsa_key.sign(body, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        yield f"signed: PSS, parameters {label}", [sequence(body, identifier, bits(signature)), root], [root]
    edwards = ed25519.Ed25519PrivateKey.generate()
    for label, key in {"Ed25519": edwards, "Ed448": ed448.Ed448PrivateKey.generate()}.items():
        root = certificate(ROOT_NAME, ROOT_NAME, key, key, CA, None)
        yield f"signed: {label}", [certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, key, LEAF_EXTENSIONS, None), root], [root]
    mixed = [(CA_NAME, rsa.generate_private_key(65537, 3072)), (name([COUNTRY], [common("Second")]), ec.generate_private_key(ec.SECP521R1())), (name([COUNTRY], [common("Third")]), edwards)]
    chain, issuer, signer = [ROOT], ROOT_NAME, ROOT_KEY
    for subject, key in mixed:
        chain.insert(0, certificate(subject, issuer, key, signer, CA, None if signer is edwards else hashes.SHA256()))
        issuer, signer = subject, key
    yield "signed: a chain of every kind", [certificate(LEAF_NAME, issuer, LEAF_KEY, signer, LEAF_EXTENSIONS, None), *chain], [ROOT]


def validity():
    """Which certificate of three is not valid now."""
    key = new_key()
    past, present, future = (YEAR(2020, 1, 1), YEAR(2025, 1, 1)), (YEAR(2020, 1, 1), YEAR(2119, 1, 1)), (YEAR(2100, 1, 1), YEAR(2119, 1, 1))
    for label, times in {"all now": (present, present, present), "leaf past": (past, present, present), "CA past": (present, past, present), "root past": (present, present, past), "leaf future": (future, present, present), "CA future": (present, future, present), "root future": (present, present, future)}.items():
        leaf = dated(LEAF_NAME, CA_NAME, LEAF_KEY, key, LEAF_EXTENSIONS, *times[0])
        ca = dated(CA_NAME, ROOT_NAME, key, ROOT_KEY, CA, *times[1])
        root = dated(ROOT_NAME, ROOT_NAME, ROOT_KEY, ROOT_KEY, CA, *times[2])
        yield f"validity: {label}", [leaf, ca, root], [root]


def variants():
    for make in (orders, lengths, names, fields, algorithms, validity):
        for label, chain, anchors in make():
            yield Variant(f"chain {label}", envelope(chain), anchors=tuple(anchors))
