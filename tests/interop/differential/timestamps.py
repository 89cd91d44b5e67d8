"""Variants of timestamps: when one is asked for, what the token says, who signed it, the TSA's certificates, paths and revocation."""

import datetime
import hashlib
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

import cose
import jws
import revocation
from der import (NULL, SHA1, SHA256, SHA384, YEAR, bits, boolean, context, extension, general, integer, octets, oid, sequence, set_of, tlv, url_point, utc)
from toolkit import (CA, CODE_SIGNING, COUNTRY, LEAF, LEAF_KEY, LEAF_NAME, NOTARY, ORGANIZATION, PAYLOAD, ROOT, ROOT_KEY, ROOT_NAME, SIGNER_USAGE, STATE, Variant, base64std,
                     base64url, certificate, common, key_usage, name, policy, raw, sign, signed_again)

TST_INFO = oid("1.2.840.113549.1.9.16.1.4")
TIME_STAMPING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.8")
PURPOSE = (x509.ExtendedKeyUsage([TIME_STAMPING]), True)
TSA_ROOT_NAME, TSA_NAME = (name([COUNTRY], [STATE], [ORGANIZATION], [common(one)]) for one in ("TSA Root", "TSA"))
TSA_CA_NAME = name([COUNTRY], [STATE], [ORGANIZATION], [common("TSA CA")])
TSA_ROOT_KEY, TSA_KEY, TSA_CA_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
TSA_ROOT = certificate(TSA_ROOT_NAME, TSA_ROOT_NAME, TSA_ROOT_KEY, TSA_ROOT_KEY, CA)
TSA_LEAF_EXTENSIONS = [SIGNER_USAGE, PURPOSE]
TSA = certificate(TSA_NAME, TSA_ROOT_NAME, TSA_KEY, TSA_ROOT_KEY, TSA_LEAF_EXTENSIONS)
WHEN = "20240501103000Z"
ALGORITHMS = {"SHA-256": ("1.2.840.10045.4.3.2", hashes.SHA256()), "SHA-384": ("1.2.840.10045.4.3.3", hashes.SHA384()), "SHA-512": ("1.2.840.10045.4.3.4", hashes.SHA512()),
              "SHA-1": ("1.2.840.10045.4.1", hashes.SHA1()), "SHA-224": ("1.2.840.10045.4.3.1", hashes.SHA224())}
HASHES = {"SHA-256": ("2.16.840.1.101.3.4.2.1", hashlib.sha256), "SHA-384": ("2.16.840.1.101.3.4.2.2", hashlib.sha384), "SHA-512": ("2.16.840.1.101.3.4.2.3", hashlib.sha512),
          "SHA-1": ("1.3.14.3.2.26", hashlib.sha1), "SHA-224": ("2.16.840.1.101.3.4.2.4", hashlib.sha224), "SHA3-256": ("2.16.840.1.101.3.4.2.8", hashlib.sha3_256)}


def identifier(hash_name, null=False):
    return sequence(oid(HASHES[hash_name][0]), *([NULL] if null else []))


def info(message, hash_name="SHA-256", version=1, policy_id="1.2.3.4", when=WHEN, accuracy=b"", ordering=b"", nonce=b"", tsa=b"", extensions=b"", imprint=None, behind=b"", null=False, inside=b""):
    digest = HASHES[hash_name][1](message).digest() if imprint is None else imprint
    gen_time = when if isinstance(when, bytes) else general(when)
    parts = [integer(version), oid(policy_id), sequence(identifier(hash_name, null), octets(digest)), integer(77), gen_time, accuracy, ordering, nonce, tsa, extensions, inside]
    return sequence(*parts) + behind


def accuracy(seconds=None, millis=None, micros=None):
    parts = [integer(seconds) if seconds is not None else b"", context(0, integer(millis)[2:], constructed=False) if millis is not None else b"", context(1, integer(micros)[2:], constructed=False) if micros is not None else b""]
    return sequence(*parts)


def attribute(dotted, *values):
    return sequence(oid(dotted), tlv(0x31, *values))


def ess(certificate_der, hash_name=None, issuer_serial=b"", digest=None, behind=b"", policies=b""):
    """signingCertificateV2 of one certificate."""
    made = digest if digest is not None else HASHES[hash_name or "SHA-256"][1](certificate_der).digest()
    return sequence(sequence(sequence(*([identifier(hash_name)] if hash_name else []), octets(made), issuer_serial), behind), policies)


def names(certificate_der, explicit=True):
    read = x509.load_der_x509_certificate(certificate_der)
    return read.issuer.public_bytes(), integer(read.serial_number)


def issuer_serial(certificate_der, tag=4, times=1, serial=None):
    issuer, number = names(certificate_der)
    return sequence(sequence(*[context(tag, issuer)] * times), serial or number)


def signer_info(content, certificate_der=TSA, key=TSA_KEY, version=1, digest_name="SHA-256", signature_oid=None, hash_name=None, drop=(), change=None, add=(), sid=None, unsigned=b"", signature=None,
                unsorted=False, pss=None, no_attributes=False):
    values = {
        "1.2.840.113549.1.9.3": [TST_INFO],
        "1.2.840.113549.1.9.4": [octets(HASHES[digest_name][1](content).digest())],
        "1.2.840.113549.1.9.16.2.47": [ess(certificate_der)],
    }
    values.update(change or {})
    attributes = [attribute(dotted, *made) for dotted, made in values.items() if dotted not in drop] + list(add)
    signed = b"".join(attributes if unsorted else sorted(attributes))
    algorithm_oid, hash_algorithm = ALGORITHMS[hash_name or (digest_name if digest_name in ALGORITHMS else "SHA-256")]
    message = content if no_attributes else tlv(0x31, b"".join(sorted(attributes)) if not unsorted else signed)
    if isinstance(key, rsa.RSAPrivateKey):
        made = key.sign(message, pss or padding.PKCS1v15(), hash_algorithm)
        algorithm_oid = "1.2.840.113549.1.1.1"
    else:
        made = key.sign(message, ec.ECDSA(hash_algorithm))
    issuer, serial = names(certificate_der)
    identifier_bytes = signature_oid if isinstance(signature_oid, bytes) else sequence(oid(signature_oid or algorithm_oid), *([NULL] if isinstance(key, rsa.RSAPrivateKey) else []))
    return sequence(integer(version), sid or sequence(issuer, serial), identifier(digest_name), b"" if no_attributes else context(0, signed), identifier_bytes, octets(made if signature is None else signature), unsigned)


def signed_data(content, signers, certificates=(TSA,), version=3, content_type=TST_INFO, digests=(SHA256,), crls=b"", outer_type="1.2.840.113549.1.7.2", content_item=None, no_certificates=False, behind=b""):
    parts = [integer(version), tlv(0x31, *digests), sequence(content_type, content_item if content_item is not None else context(0, octets(content)))]
    if not no_certificates:
        parts.append(context(0, *certificates))
    return sequence(oid(outer_type), context(0, sequence(*parts, crls, tlv(0x31, *signers)))) + behind


def token(message, certificates=(TSA,), signer=None, data=None, **members):
    content = info(message, **members)
    made = signer if isinstance(signer, list) else [signer_info(content, **(signer or {}))]
    return signed_data(content, made, certificates, **(data or {}))


def stamped(make, key=LEAF_KEY, chain=(LEAF, ROOT), header=None):
    """A JWS envelope whose timestamp `make` makes of the signature's bytes; no timestamp where it gives None."""
    text, payload = base64url(json.dumps(header or jws.protected()).encode()), base64url(PAYLOAD)
    signature = sign(f"{text}.{payload}".encode(), key=key)
    stamp = make(signature) if make else None
    unprotected = {"x5c": [base64std(der) for der in chain]}
    if stamp is not None:
        unprotected[NOTARY + "timestampSignature"] = base64std(stamp)
    return json.dumps({"payload": payload, "protected": text, "header": unprotected, "signature": base64url(signature)}).encode()


def stamped_cose(make):
    inner = cose.encode(cose.protected())
    signature = sign(cose.encode(["Signature1", inner, b"", PAYLOAD]))
    return b"\xd2" + cose.encode([inner, cose.unprotected((cose.TIMESTAMP, make(signature))), PAYLOAD, signature])


POLICY = policy(trustStores=["ca:acme", "tsa:clock"])
STORES = {"tsa/clock/root.crt": TSA_ROOT}


def variant(label, envelope, stores=None, crls=None, the_policy=None, anchors=(ROOT,), media_type="application/jose+json"):
    return Variant(f"timestamp {label}", envelope, media_type, policy=the_policy or POLICY, stores=STORES if stores is None else stores, crls=crls or {}, anchors=anchors)


def infos():
    critical, harmless = (context(1, extension("1.2.3.4", b"\5\0", one)) for one in (True, False))
    yield from {
        "good": {}, **{f"imprint {one}": {"hash_name": one} for one in HASHES}, "imprint algorithm with NULL": {"null": True}, "imprint of nothing": {"imprint": b""}, "imprint cut": {"imprint": b"x" * 31},
        **{f"version {one}": {"version": one} for one in (0, 2, -1, 300)},
        **{f"time {one}": {"when": one} for one in ("20240501103000.5Z", "20240501103000.50Z", "20240501103000.123456789Z", "20240501103000.1234567891Z", "20240501103000", "202405011030Z", "20240501103000+0000", "20240501103000+0200",
                                                    "20240501103000,5Z", "20240501103060Z", "20240501103000.Z", "19000101000000Z", "21000101000000Z", "21300101000000Z", "00010101000000Z", "20200101000000Z", "20191231235959Z", "21200101000000Z", "21200101000001Z")},
        "time as UTCTime": {"when": utc("240501103000Z")},
        **{f"accuracy {one}": {"accuracy": accuracy(*one)} for one in ((1,), (0,), (-1,), (None, 500), (None, 0), (None, 999), (None, 1000), (None, -1), (None, None, 1), (None, None, 1000), (1, 1, 1), (2**31,), (2**40,), (), (10**9,), (4 * 10**8,))},
        "accuracy with more": {"accuracy": sequence(integer(1), integer(2))}, "accuracy out of order": {"accuracy": sequence(context(1, b"\1", constructed=False), context(0, b"\1", constructed=False))},
        "ETSI policy": {"policy_id": "0.4.0.2023.1.1"}, "ETSI policy, zero": {"policy_id": "0.4.0.2023.1.1", "accuracy": accuracy(0)}, "ETSI policy at the edge": {"policy_id": "0.4.0.2023.1.1", "when": "20200101000000Z"},
        "ETSI policy with millis at the edge": {"policy_id": "0.4.0.2023.1.1", "when": "20200101000001Z", "accuracy": accuracy(None, 1)}, "accuracy at the edge": {"when": "20200101000001Z", "accuracy": accuracy(1)},
        "accuracy over the edge": {"when": "20200101000001Z", "accuracy": accuracy(1, 1)}, "accuracy over the end": {"when": "21191231235959Z", "accuracy": accuracy(1, None, 1)}, "accuracy to the end": {"when": "21191231235959Z", "accuracy": accuracy(1)},
        "fraction over the end": {"when": "21200101000000.5Z"},
        "ordering": {"ordering": boolean(True)}, "ordering false": {"ordering": boolean(False)}, "ordering 1": {"ordering": tlv(1, b"\1")}, "nonce": {"nonce": integer(2**80)}, "nonce negative": {"nonce": integer(-5)}, "nonce zero padded": {"nonce": tlv(2, b"\0\1")},
        "tsa name": {"tsa": context(0, context(4, TSA_NAME.public_bytes()))}, "tsa name of another": {"tsa": context(0, context(4, ROOT_NAME.public_bytes()))}, "tsa garbage": {"tsa": context(0, b"\5\0")}, "tsa empty": {"tsa": context(0)},
        "extension": {"extensions": harmless}, "critical extension": {"extensions": critical}, "extension twice": {"extensions": context(1, extension("1.2.3.4", b"\5\0"), extension("1.2.3.4", b"\5\0"))}, "extensions empty": {"extensions": context(1)},
        "everything": {"accuracy": accuracy(1, 1, 1), "ordering": boolean(True), "nonce": integer(5), "tsa": context(0, context(4, TSA_NAME.public_bytes())), "extensions": harmless},
        "more inside": {"inside": context(2, b"\5\0")}, "more behind": {"behind": b"\0"},
    }.items()


def signers():
    other = ec.generate_private_key(ec.SECP256R1())
    stranger = certificate(name([COUNTRY], [common("Stranger")]), TSA_ROOT_NAME, other, TSA_ROOT_KEY, TSA_LEAF_EXTENSIONS)
    ess_oid, digest_oid, type_oid, time_oid = "1.2.840.113549.1.9.16.2.47", "1.2.840.113549.1.9.4", "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.5"
    old = attribute("1.2.840.113549.1.9.16.2.12", sequence(sequence(sequence(octets(hashlib.sha1(TSA).digest())))))
    yield from {
        **{f"digest {one}": {"digest_name": one} for one in HASHES}, "SHA-256 digest under SHA-384": {"hash_name": "SHA-384"}, "SHA-384 digest under SHA-256": {"digest_name": "SHA-384", "hash_name": "SHA-256"},
        **{f"version {one}": {"version": one} for one in (0, 2, 3)}, "key id": {"sid": context(0, b"x" * 20, constructed=False)}, "key id, version 3": {"sid": context(0, b"x" * 20, constructed=False), "version": 3},
        "without content type": {"drop": (type_oid,)}, "without digest": {"drop": (digest_oid,)}, "without certificate": {"drop": (ess_oid,)}, "old certificate attribute alone": {"drop": (ess_oid,), "add": (old,)}, "both certificate attributes": {"add": (old,)},
        "content type of data": {"change": {type_oid: [oid("1.2.840.113549.1.7.1")]}}, "content type twice inside": {"change": {type_oid: [TST_INFO, TST_INFO]}}, "content type attribute twice": {"add": (attribute(type_oid, TST_INFO),)},
        "content type without a value": {"change": {type_oid: []}}, "digest wrong": {"change": {digest_oid: [octets(b"x" * 32)]}}, "digest twice inside": {"change": {digest_oid: [octets(b"x" * 32)] * 2}}, 
        # attributes are sorted, and notation takes the first of two: which that is must not be left to the right digest's bytes
        "digest attribute twice, the wrong one first": {"add": (attribute(digest_oid, octets(b"\x00" * 32)),)}, "digest attribute twice, the right one first": {"add": (attribute(digest_oid, octets(b"\xff" * 32)),)},
        "digest as an integer": {"change": {digest_oid: [integer(5)]}},
        **{f"certificate hash {one}": {"change": {ess_oid: [ess(TSA, one)]}} for one in HASHES}, "certificate hash of another": {"change": {ess_oid: [ess(ROOT)]}}, "certificate hash empty": {"change": {ess_oid: [ess(TSA, digest=b"")]}},
        "certificate by name": {"change": {ess_oid: [ess(TSA, issuer_serial=issuer_serial(TSA))]}}, "certificate by another name": {"change": {ess_oid: [ess(TSA, issuer_serial=issuer_serial(LEAF))]}}, "certificate by another serial": {"change": {ess_oid: [ess(TSA, issuer_serial=issuer_serial(TSA, serial=integer(5)))]}},
        "certificate by two names": {"change": {ess_oid: [ess(TSA, issuer_serial=issuer_serial(TSA, times=2))]}}, "certificate by a name of another kind": {"change": {ess_oid: [ess(TSA, issuer_serial=issuer_serial(TSA, tag=5))]}},
        "certificate by no name": {"change": {ess_oid: [ess(TSA, issuer_serial=sequence(sequence(), names(TSA)[1]))]}},
        "certificate, another behind": {"change": {ess_oid: [sequence(sequence(sequence(octets(hashlib.sha256(TSA).digest())), sequence(octets(hashlib.sha256(TSA_ROOT).digest()))))]}}, "certificate, another before": {"change": {ess_oid: [sequence(sequence(sequence(octets(hashlib.sha256(TSA_ROOT).digest())), sequence(octets(hashlib.sha256(TSA).digest()))))]}},
        "certificate and policies": {"change": {ess_oid: [ess(TSA, policies=sequence(sequence(oid("1.2.3.4"))))]}}, "no certificates": {"change": {ess_oid: [sequence(sequence())]}}, "certificate garbage": {"change": {ess_oid: [NULL]}},
        **{f"signing time {one!r}": {"add": (attribute(time_oid, made),)} for one, made in {"inside": utc("240501103000Z"), "before": utc("190101000000Z"), "general": general(WHEN), "far": general("21300101000000Z"), "first second": utc("200101000000Z"),
                                                                                              "without seconds": utc("2405011030Z"), "offset": utc("240501103000+0200"), "garbage": NULL, "fraction": general("20240501103000.5Z")}.items()},
        "signing time twice": {"add": (attribute(time_oid, utc("240501103000Z")),) * 2}, "signing time twice inside": {"add": (attribute(time_oid, utc("240501103000Z"), utc("240501103001Z")),)},
        "unknown attribute": {"add": (attribute("1.2.3.4", NULL),)}, "attribute garbage": {"add": (NULL,)}, "no attributes": {"no_attributes": True},
        "unsigned attribute": {"unsigned": context(1, attribute("1.2.3.4", NULL))}, "unsigned garbage": {"unsigned": context(1, NULL)}, "unsigned empty": {"unsigned": context(1)},
        "signature empty": {"signature": b""}, "signature wrong": {"signature": b"x" * 70}, "another key": {"key": other}, "another's certificate": {"certificate_der": stranger, "key": other},
        "algorithm ecdsa without hash": {"signature_oid": "1.2.840.10045.2.1"}, "algorithm with NULL": {"signature_oid": sequence(oid("1.2.840.10045.4.3.2"), NULL)}, "algorithm unknown": {"signature_oid": "1.2.3.4"}, "algorithm RSA": {"signature_oid": "1.2.840.113549.1.1.1"},
    }.items()


def containers():
    content_type = TST_INFO
    attribute_certificate = context(1, b"\5\0")
    good_crl = revocation.crl(key=TSA_ROOT_KEY, issuer=TSA_ROOT_NAME)
    yield from {
        **{f"version {one}": {"version": one} for one in (0, 1, 2, 4, 5)}, "content of data": {"content_type": oid("1.2.840.113549.1.7.1")}, "of another type": {"outer_type": "1.2.840.113549.1.7.1"}, "no certificates": {"no_certificates": True},
        "digests empty": {"digests": ()}, "digests of SHA-1": {"digests": (SHA1,)}, "digests garbage": {"digests": (NULL,)}, "digests many": {"digests": (SHA1, SHA256, SHA384)}, "CRL": {"crls": context(1, good_crl)}, "CRLs empty": {"crls": context(1)}, "CRL garbage": {"crls": context(1, NULL)},
        "no content": {"content_item": b""}, "a byte behind": {"behind": b"\0"},
    }.items()


def ber(der):
    """The same with every length in the long form."""
    out, at = b"", 0
    while at < len(der):
        tag, length, start = der[at], der[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, start = int.from_bytes(der[start:start + count], "big"), start + count
        body = der[start:start + length]
        if tag & 0x20:
            body = ber(body)
        out += bytes([tag, 0x84]) + len(body).to_bytes(4, "big") + body
        at = start + length
    return out


def indefinite(der):
    length = der[1] & 0x7F if der[1] & 0x80 else 0
    return bytes([der[0], 0x80]) + der[2 + length:] + b"\0\0"


def encodings():
    yield from {
        "long lengths": ber, "indefinite length": indefinite, "a byte behind": lambda made: made + b"\0", "cut short": lambda made: made[:-1], "twice": lambda made: made + made, "empty": lambda made: b"", "a byte": lambda made: b"\x30",
        "response": lambda made: sequence(sequence(integer(0)), made), "PEM": lambda made: b"-----BEGIN PKCS7-----\n" + base64std(made).encode() + b"\n-----END PKCS7-----\n",
        "no token": lambda made: None, "too many bytes": lambda made: made[:-1] + b"\0" * (300 << 10),
    }.items()


def authorities():
    """The TSA's certificate and those above it: label, chain without the root, root, key."""
    ca_usage = CA[1]

    def leaf(extensions, subject=TSA_NAME, key=TSA_KEY, issuer=TSA_ROOT_NAME, signer=TSA_ROOT_KEY, **more):
        return certificate(subject, issuer, key, signer, extensions, **more)

    def usages(*oids, critical=True):
        return (x509.ExtendedKeyUsage([x509.ObjectIdentifier(one) for one in oids]), critical)

    stamp, server, code, anything, private = "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.3", "2.5.29.37.0", "1.3.6.1.4.1.311.10.3.4"
    for label, extensions in {
        "plain": TSA_LEAF_EXTENSIONS, "purpose not critical": [SIGNER_USAGE, usages(stamp, critical=False)], "no purpose": [SIGNER_USAGE], "another purpose": [SIGNER_USAGE, usages(code)], "a private purpose too": [SIGNER_USAGE, usages(stamp, private)],
        "any purpose": [SIGNER_USAGE, usages(anything)], "any purpose too": [SIGNER_USAGE, usages(stamp, anything)], "purpose twice": [SIGNER_USAGE, usages(stamp, stamp)], "no usage": [PURPOSE], "usage not critical": [(key_usage("digital_signature"), False), PURPOSE],
        "usage of certificates": [(key_usage("digital_signature", "key_cert_sign"), True), PURPOSE], "usage of commitment alone": [(key_usage("content_commitment"), True), PURPOSE], "usage of both": [(key_usage("digital_signature", "content_commitment"), True), PURPOSE],
        "usage of encipherment": [(key_usage("digital_signature", "key_encipherment"), True), PURPOSE], "is a CA": [*CA, PURPOSE], "is no CA": [*TSA_LEAF_EXTENSIONS, (x509.BasicConstraints(False, None), True)],
        "unknown critical": [*TSA_LEAF_EXTENSIONS, raw("1.2.3.4", "0500", True)], "unknown": [*TSA_LEAF_EXTENSIONS, raw("1.2.3.4", "0500", False)], "critical names": [*TSA_LEAF_EXTENSIONS, (x509.SubjectAlternativeName([x509.DNSName("a.test")]), True)],
        "critical directory name": [*TSA_LEAF_EXTENSIONS, (x509.SubjectAlternativeName([x509.DirectoryName(TSA_NAME)]), True)], "critical policies": [*TSA_LEAF_EXTENSIONS, raw("2.5.29.32", sequence(sequence(oid("1.2.3.4"))), True)],
        "critical points": [*TSA_LEAF_EXTENSIONS, raw("2.5.29.31", sequence(sequence()), True)], "policy constraints": [*TSA_LEAF_EXTENSIONS, raw("2.5.29.36", sequence(context(0, b"\0", constructed=False)), True)], "inhibit any policy": [*TSA_LEAF_EXTENSIONS, raw("2.5.29.54", "020100", True)],
        "name constraints": [*TSA_LEAF_EXTENSIONS, raw("2.5.29.30", sequence(context(0, sequence(context(2, b"a.test", constructed=False)))), True)],
    }.items():
        yield f"leaf: {label}", [leaf(extensions)], TSA_ROOT, TSA_KEY, {}
    for label, key in {"P-384": ec.generate_private_key(ec.SECP384R1()), "P-521": ec.generate_private_key(ec.SECP521R1()), "P-224": ec.generate_private_key(ec.SECP224R1()), "RSA-2048": rsa.generate_private_key(65537, 2048), "RSA-3072": rsa.generate_private_key(65537, 3072),
                       "RSA-1024": rsa.generate_private_key(65537, 1024), "RSA-2056": rsa.generate_private_key(65537, 2056)}.items():
        for hash_name in ["SHA-256", "SHA-384", "SHA-512"]:
            yield f"key: {label} with {hash_name}", [leaf(TSA_LEAF_EXTENSIONS, key=key)], TSA_ROOT, key, {"digest_name": hash_name}
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
            for name_, made in {"1.2.840.113549.1.1.11": {}, "1.2.840.113549.1.1.12": {}, "1.2.840.113549.1.1.5": {}}.items():
                yield f"key: {label} named {name_}", [leaf(TSA_LEAF_EXTENSIONS, key=key)], TSA_ROOT, key, {"signature_oid": name_}
            for salt in (32, 20):
                parameters = sequence(context(0, SHA256), context(1, sequence(oid("1.2.840.113549.1.1.8"), SHA256)), context(2, integer(salt)))
                yield f"key: {label} PSS with salt {salt}", [leaf(TSA_LEAF_EXTENSIONS, key=key)], TSA_ROOT, key, {"signature_oid": sequence(oid("1.2.840.113549.1.1.10"), parameters), "pss": padding.PSS(padding.MGF1(hashes.SHA256()), salt)}
            yield f"key: {label} PSS without parameters", [leaf(TSA_LEAF_EXTENSIONS, key=key)], TSA_ROOT, key, {"signature_oid": sequence(oid("1.2.840.113549.1.1.10")), "pss": padding.PSS(padding.MGF1(hashes.SHA256()), 32)}

    basic = CA[0]
    for label, extensions in {
        "plain": CA, "for timestamps": [*CA, usages(stamp)], "for code": [*CA, usages(code)], "for anything": [*CA, usages(anything)], "for code and timestamps": [*CA, usages(code, stamp)], "for a private purpose": [*CA, usages(private)],
        "path length 0": [(x509.BasicConstraints(True, 0), True), ca_usage], "constraints not critical": [(x509.BasicConstraints(True, None), False), ca_usage], "usage not critical": [basic, (ca_usage[0], False)], "no usage": [basic], "no constraints": [ca_usage],
        "may not sign certificates": [basic, (key_usage("crl_sign"), True)], "unknown critical": [*CA, raw("1.2.3.4", "0500", True)], "signs too": [basic, (key_usage("key_cert_sign", "digital_signature"), True)],
        "permits a.test": [*CA, raw("2.5.29.30", sequence(context(0, sequence(context(2, b"a.test", constructed=False)))), True)], "permits a directory": [*CA, raw("2.5.29.30", sequence(context(0, sequence(context(4, TSA_NAME.public_bytes())))), True)],
        "excludes all addresses": [*CA, raw("2.5.29.30", sequence(context(1, sequence(context(7, b"\0" * 8, constructed=False)))), True)], "permits a directory, not critically": [*CA, raw("2.5.29.30", sequence(context(0, sequence(context(4, TSA_NAME.public_bytes())))), False)],
        "demands a policy": [*CA, raw("2.5.29.36", sequence(context(0, b"\0", constructed=False)), True)],
    }.items():
        intermediate = certificate(TSA_CA_NAME, TSA_ROOT_NAME, TSA_CA_KEY, TSA_ROOT_KEY, extensions)
        for kind, more in {"": [], " named a.test": [(x509.SubjectAlternativeName([x509.DNSName("b.a.test")]), False)], " named b.test": [(x509.SubjectAlternativeName([x509.DNSName("b.test")]), False)]}.items():
            if kind and "permits" not in label and "excludes" not in label:
                continue
            yield f"CA: {label}{kind}", [leaf([*TSA_LEAF_EXTENSIONS, *more], issuer=TSA_CA_NAME, signer=TSA_CA_KEY), intermediate], TSA_ROOT, TSA_KEY, {}
    for label in ["SHA-1", "SHA-224", "SHA-384"]:
        dotted, algorithm = ALGORITHMS[label]
        yield f"leaf signed with {label}", [signed_again(TSA, TSA_ROOT_KEY, sequence(oid(dotted)), algorithm)], TSA_ROOT, TSA_KEY, {}
        yield f"root signed with {label}", [TSA], signed_again(TSA_ROOT, TSA_ROOT_KEY, sequence(oid(dotted)), algorithm), TSA_KEY, {}
    for label, extensions in {"with a purpose": [*CA, usages(code)], "for timestamps": [*CA, usages(stamp)], "of path length 0": [(x509.BasicConstraints(True, 0), True), ca_usage], "usage not critical": [basic, (ca_usage[0], False)], "without usage": [basic],
                              "may not sign": [basic, (key_usage("crl_sign"), True)], "unknown critical": [*CA, raw("1.2.3.4", "0500", True)], "no CA": [SIGNER_USAGE]}.items():
        yield f"root: {label}", [TSA], certificate(TSA_ROOT_NAME, TSA_ROOT_NAME, TSA_ROOT_KEY, TSA_ROOT_KEY, extensions), TSA_KEY, {}


def paths():
    """Which certificates the token holds, which roots are trusted."""
    intermediate = certificate(TSA_CA_NAME, TSA_ROOT_NAME, TSA_CA_KEY, TSA_ROOT_KEY, CA)
    leaf = certificate(TSA_NAME, TSA_CA_NAME, TSA_KEY, TSA_CA_KEY, TSA_LEAF_EXTENSIONS)
    again = certificate(TSA_ROOT_NAME, TSA_ROOT_NAME, TSA_ROOT_KEY, TSA_ROOT_KEY, CA)
    old_key = ec.generate_private_key(ec.SECP256R1())
    old_name = name([COUNTRY], [STATE], [ORGANIZATION], [common("Old Root")])
    old = certificate(old_name, old_name, old_key, old_key, CA)
    cross = certificate(TSA_ROOT_NAME, old_name, TSA_ROOT_KEY, old_key, CA)
    stranger_key = ec.generate_private_key(ec.SECP256R1())
    false_root = certificate(TSA_ROOT_NAME, TSA_ROOT_NAME, stranger_key, stranger_key, CA)
    false_ca = certificate(TSA_CA_NAME, TSA_ROOT_NAME, stranger_key, TSA_ROOT_KEY, CA)
    expired_cross = cross_at(old_name, old_key, YEAR(2020, 1, 1), YEAR(2021, 1, 1))
    two = {"tsa/clock/root.crt": TSA_ROOT, "tsa/clock/old.crt": old}
    for label, certificates, stores in [
        ("with CA", [leaf, intermediate], STORES), ("with CA first", [intermediate, leaf], STORES), ("with CA and root", [leaf, intermediate, TSA_ROOT], STORES), ("without CA", [leaf], STORES), ("without the leaf", [intermediate, TSA_ROOT], STORES),
        ("leaf twice", [leaf, leaf, intermediate], STORES), ("a stranger too", [leaf, intermediate, ROOT], STORES), ("the signer's root issued again", [leaf, intermediate], {"tsa/clock/root.crt": again}), ("both roots", [leaf, intermediate], {**STORES, "tsa/clock/again.crt": again}),
        ("a false root of the name", [leaf, intermediate], {"tsa/clock/root.crt": false_root}), ("a false and the true root", [leaf, intermediate], {"tsa/clock/a.crt": false_root, "tsa/clock/b.crt": TSA_ROOT}), ("a false CA first", [leaf, false_ca, intermediate], STORES),
        ("crossed, new root trusted", [leaf, intermediate, cross], STORES), ("crossed, old root trusted", [leaf, intermediate, cross], {"tsa/clock/old.crt": old}), ("crossed, both trusted", [leaf, intermediate, cross], two), ("crossed, old root in the token", [leaf, intermediate, cross, old], STORES),
        ("crossed by one that expired, both trusted", [leaf, intermediate, expired_cross], two), ("crossed by one that expired, old trusted", [leaf, intermediate, expired_cross], {"tsa/clock/old.crt": old}), ("the CA trusted", [leaf, intermediate], {"tsa/clock/ca.crt": intermediate}),
        ("the leaf trusted", [leaf, intermediate], {"tsa/clock/leaf.crt": leaf}), ("the CA trusted too", [leaf, intermediate], {**STORES, "tsa/clock/ca.crt": intermediate}), ("cross trusted", [leaf, intermediate], {"tsa/clock/cross.crt": cross}), ("no store", [leaf, intermediate], {}),
        ("empty store", [leaf, intermediate], {"tsa/clock": None}), ("the signing root trusted", [leaf, intermediate], {"tsa/clock/root.crt": ROOT}), ("an attribute certificate", [leaf, intermediate, context(1, b"\5\0")], STORES), ("garbage among them", [leaf, intermediate, NULL], STORES),
    ]:
        yield f"path: {label}", certificates, stores, {"certificate_der": leaf}
    for label, times in {"leaf expired since": (YEAR(2020, 1, 1), YEAR(2025, 1, 1)), "leaf expired before": (YEAR(2020, 1, 1), YEAR(2024, 1, 1)), "leaf not yet valid": (YEAR(2025, 1, 1), YEAR(2030, 1, 1)), "leaf ends then": (YEAR(2020, 1, 1), YEAR(2024, 5, 1, 10, 30)), "leaf begins then": (YEAR(2024, 5, 1, 10, 30), YEAR(2030, 1, 1))}.items():
        made = dated(TSA_NAME, TSA_ROOT_NAME, TSA_KEY, TSA_ROOT_KEY, TSA_LEAF_EXTENSIONS, *times)
        yield f"path: {label}", [made], STORES, {"certificate_der": made}
    for label, times in {"root expired since": (YEAR(2020, 1, 1), YEAR(2025, 1, 1)), "root expired before": (YEAR(2020, 1, 1), YEAR(2024, 1, 1)), "root not yet valid": (YEAR(2025, 1, 1), YEAR(2030, 1, 1))}.items():
        yield f"path: {label}", [TSA], {"tsa/clock/root.crt": dated(TSA_ROOT_NAME, TSA_ROOT_NAME, TSA_ROOT_KEY, TSA_ROOT_KEY, CA, *times)}, {}


def dated(subject, issuer, key, signer, extensions, begin, end):
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    for one, critical in extensions:
        builder = builder.add_extension(one, critical)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def cross_at(issuer, key, begin, end):
    return dated(TSA_ROOT_NAME, issuer, TSA_ROOT_KEY, key, CA, begin, end)


def revocations():
    """The TSA's CRLs, under levels and overrides."""
    point = revocation.points("http://crl.example.test/tsa.crl")
    leaf = certificate(TSA_NAME, TSA_ROOT_NAME, TSA_KEY, TSA_ROOT_KEY, [*TSA_LEAF_EXTENSIONS, point])
    serial = x509.load_der_x509_certificate(leaf).serial_number
    of = {"key": TSA_ROOT_KEY, "issuer": TSA_ROOT_NAME}
    lists = {"good": revocation.crl(**of), "revoked": revocation.crl(revocation.entry(serial), **of), "revoked later than the stamp": revocation.crl(revocation.entry(serial, YEAR(2025, 1, 1)), **of), "on hold": revocation.crl(revocation.entry(serial, reason=6), **of),
             "invalid later than the stamp": revocation.crl(revocation.entry(serial, invalid="20250101000000Z"), **of), "stale": revocation.crl(following=YEAR(2025, 1, 1), **of), "of another key": revocation.crl(key=ROOT_KEY, issuer=TSA_ROOT_NAME), "missing": None}
    for label, made in lists.items():
        for level, override in [("strict", {}), ("strict", {"revocation": "skip"}), ("strict", {"revocation": "log"}), ("strict", {"authenticTimestamp": "log"}), ("permissive", {}), ("permissive", {"authenticTimestamp": "enforce"}), ("audit", {})]:
            yield f"revocation: {label}, {level} {override}", [leaf], {"tsa.crl": made} if made is not None else {}, {"certificate_der": leaf}, {"level": level, "override": override}


def asked():
    """When a timestamp is asked for: the policy, the validity of the chain, the token."""
    good = lambda message: token(message)
    wrong = lambda message: token(b"x" + message)
    for validity, times in {"valid": (YEAR(2020, 1, 1), YEAR(2119, 1, 1)), "expired": (YEAR(2020, 1, 1), YEAR(2025, 1, 1)), "expired before the stamp": (YEAR(2020, 1, 1), YEAR(2024, 1, 1)), "not yet valid": (YEAR(2100, 1, 1), YEAR(2119, 1, 1)), "began after the stamp": (YEAR(2025, 1, 1), YEAR(2119, 1, 1))}.items():
        leaf = dated(LEAF_NAME, ROOT_NAME, LEAF_KEY, ROOT_KEY, [SIGNER_USAGE, CODE_SIGNING], *times)
        for stamp, make in {"good": good, "wrong": wrong, "none": None}.items():
            for option in ["always", "afterCertExpiry"]:
                for trusted in [["ca:acme", "tsa:clock"], ["ca:acme"]]:
                    yield f"asked: leaf {validity}, token {stamp}, {option}, {trusted}", stamped(make, chain=(leaf, ROOT)), policy(trustStores=trusted, signatureVerification={"level": "strict", "verifyTimestamp": option})
    for level in ["permissive", "audit"]:
        for stamp, make in {"good": good, "wrong": wrong, "none": None}.items():
            yield f"asked: {level}, token {stamp}", stamped(make), policy(trustStores=["ca:acme", "tsa:clock"], signatureVerification={"level": level})
    for trusted in [["ca:acme", "tsa:clock", "tsa:other"], ["ca:acme", "tsa:other"], ["tsa:clock", "ca:acme"], ["tsa:clock", "tsa:clock", "ca:acme"]]:
        yield f"asked: stores {trusted}", stamped(good), policy(trustStores=trusted)


def variants():
    for label, members in infos():
        yield variant(f"info: {label}", stamped(lambda message, members=members: token(message, **members)))
    for label, members in signers():
        yield variant(f"signer: {label}", stamped(lambda message, members=members: token(message, signer=members)))
    for label, members in containers():
        yield variant(f"container: {label}", stamped(lambda message, members=members: token(message, data=members)))
    for label, change in encodings():
        yield variant(f"encoding: {label}", stamped(lambda message, change=change: change(token(message))))
    yield variant("in COSE", stamped_cose(token), media_type="application/cose")
    yield variant("in COSE, of something else", stamped_cose(lambda message: token(b"x" + message)), media_type="application/cose")
    wrong = {"signature": b"x" * 70}
    for label, several in {"bad then good": [wrong, {}], "good then bad": [{}, wrong], "good twice": [{}, {}], "bad twice": [wrong, wrong], "none": []}.items():
        def make(message, several=several):
            content = info(message)
            return signed_data(content, [signer_info(content, **one) for one in several])
        yield variant(f"signers: {label}", stamped(make))
    for label, chain, root, key, members in authorities():
        yield variant(label, stamped(lambda message, chain=chain, key=key, members=members: token(message, chain, {"certificate_der": chain[0], "key": key, **members})), {"tsa/clock/root.crt": root})
    for label, certificates, stores, members in paths():
        yield variant(label, stamped(lambda message, certificates=certificates, members=members: token(message, certificates, members)), stores)
    for label, certificates, crls, members, verification in revocations():
        yield variant(label, stamped(lambda message, certificates=certificates, members=members: token(message, certificates, members)), crls=crls, the_policy=policy(trustStores=["ca:acme", "tsa:clock"], signatureVerification=verification))
    for label, envelope, the_policy in asked():
        yield variant(label, envelope, the_policy=the_policy)
