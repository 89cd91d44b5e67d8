"""Variants of revocation: what CRLs hold and who signed them, deltas, distribution points, the signing authority's time, levels."""

import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import jws
from certificates import envelope
from der import (ECDSA_SHA256, YEAR, boolean, bits, context, enumerated, extension, general, integer, octets, oid, sequence, time, tlv, url_point)
from toolkit import (CA, CODE_SIGNING, COUNTRY, LEAF_KEY, LEAF_NAME, NOTARY, ORGANIZATION, ROOT_KEY, ROOT_NAME, SIGNER_USAGE, STATE, Variant, base64std,
                     base64url, certificate, common, key_usage, name, PAYLOAD, policy, raw, sign)

URL = "http://crl.example.test/leaf.crl"
SECOND = "http://crl.example.test/second.crl"
DELTA = "http://crl.example.test/delta.crl"
ROOT = certificate(ROOT_NAME, ROOT_NAME, ROOT_KEY, ROOT_KEY, CA)
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_NAME = name([COUNTRY], [STATE], [ORGANIZATION], [common("Other")])
HOLD, REMOVE = 6, 8


def points(*urls, critical=False):
    return raw("2.5.29.31", sequence(*[url_point(*([one] if isinstance(one, str) else one)) for one in urls]), critical)


def leaf_with(*extensions):
    return certificate(LEAF_NAME, ROOT_NAME, LEAF_KEY, ROOT_KEY, [SIGNER_USAGE, CODE_SIGNING, *extensions])


LEAF = leaf_with(points(URL))
SERIAL = x509.load_der_x509_certificate(LEAF).serial_number


def entry(serial=SERIAL, when=YEAR(2023, 1, 1), reason=None, invalid=None, extensions=()):
    made = list(extensions)
    if reason is not None:
        made.append(extension("2.5.29.21", enumerated(reason)))
    if invalid is not None:
        made.append(extension("2.5.29.24", invalid if isinstance(invalid, bytes) else general(invalid)))
    return sequence(integer(serial), time(when), *([sequence(*made)] if made else []))


def number(value):
    return extension("2.5.29.20", integer(value))


def delta_of(value, critical=True):
    return extension("2.5.29.27", integer(value), critical)


def freshest(*urls, critical=False):
    return extension("2.5.29.46", sequence(url_point(*urls)), critical)


def scope(*parts, critical=True):
    return extension("2.5.29.28", sequence(*parts), critical)


def crl(*entries, key=ROOT_KEY, issuer=ROOT_NAME, this=YEAR(2024, 1, 1), following=YEAR(2119, 1, 1), extensions=(number(5),), version=integer(1),
        algorithm=ECDSA_SHA256, inner=None, hash_algorithm=hashes.SHA256(), revoked=None, behind=b""):
    issuer = issuer if isinstance(issuer, bytes) else issuer.public_bytes()
    parts = [version, inner or algorithm, issuer, time(this)]
    if following:
        parts.append(time(following))
    if entries or revoked is not None:
        parts.append(revoked if revoked is not None else sequence(*entries))
    if extensions:
        parts.append(context(0, sequence(*extensions)))
    body = sequence(*[part for part in parts if part])
    signature = key.sign(body, ec.ECDSA(hash_algorithm))
    return sequence(body, algorithm, bits(signature)) + behind


def contents():
    """The one CRL of the leaf, by what is special in it."""
    critical = extension("1.2.3.4", b"\5\0", True)
    harmless = extension("1.2.3.4", b"\5\0")
    full = context(0, context(0, context(6, URL.encode(), constructed=False)))
    another = context(0, context(0, context(6, SECOND.encode(), constructed=False)))
    utf8 = name([COUNTRY], [STATE], [ORGANIZATION], [(common("")[0], "Root", x509.name._ASN1Type.PrintableString)])
    yield from {
        "good": crl(), "other certificates": crl(entry(7), entry(8)), "lists the leaf": crl(entry()), "number missing": crl(extensions=()),
        "number negative": crl(extensions=(number(-5),)), "number huge": crl(extensions=(number(2**200),)), "number critical": crl(extensions=(extension("2.5.29.20", integer(5), True),)),
        "number twice": crl(extensions=(number(5), number(5))), "number garbage": crl(extensions=(extension("2.5.29.20", b"\5\0"),)),
        **{f"reason {one}": crl(entry(reason=one)) for one in range(12)}, "reason 127": crl(entry(reason=127)),
        "reason twice": crl(entry(extensions=(extension("2.5.29.21", enumerated(1)), extension("2.5.29.21", enumerated(8))))),
        "reason as an integer": crl(entry(extensions=(extension("2.5.29.21", integer(1)),))),
        "reason of two bytes": crl(entry(extensions=(extension("2.5.29.21", tlv(10, b"\0\1")),))),
        "reason critical": crl(entry(extensions=(extension("2.5.29.21", enumerated(1), True),))), "reason garbage of another": crl(entry(7, extensions=(extension("2.5.29.21", b"\5\0"),))),
        "remove critical": crl(entry(extensions=(extension("2.5.29.21", enumerated(8), True),))),
        "hold then remove": crl(entry(reason=HOLD), entry(when=YEAR(2023, 2, 1), reason=REMOVE)), "remove then hold": crl(entry(reason=REMOVE), entry(when=YEAR(2023, 2, 1), reason=HOLD)),
        "hold later in the list and earlier": crl(entry(when=YEAR(2023, 2, 1), reason=REMOVE), entry(reason=HOLD)),
        "hold and remove at once": crl(entry(reason=HOLD), entry(reason=REMOVE)), "remove and hold at once": crl(entry(reason=REMOVE), entry(reason=HOLD)),
        "remove then compromise": crl(entry(when=YEAR(2023, 2, 1), reason=REMOVE), entry(reason=1)), "remove then no reason": crl(entry(reason=REMOVE), entry()),
        "revoked in the future": crl(entry(when=YEAR(2100, 1, 1))), "revoked before validity": crl(entry(when=YEAR(2001, 1, 1))),
        "hold in the future": crl(entry(when=YEAR(2100, 1, 1), reason=HOLD)),
        "invalid since the future": crl(entry(invalid="21000101000000Z")), "invalid long ago": crl(entry(invalid="20000101000000Z")),
        "invalidity garbage": crl(entry(invalid=b"\5\0")), "invalidity garbage of another": crl(entry(7, invalid=b"\5\0")), "invalidity as UTCTime": crl(entry(invalid=tlv(23, b"230101000000Z"))),
        "invalidity with a fraction": crl(entry(invalid="20230101000000.5Z")), "invalidity trailing": crl(entry(invalid=general("20230101000000Z") + b"\5\0")),
        "invalidity critical": crl(entry(extensions=(extension("2.5.29.24", general("20230101000000Z"), True),))),
        "entry with an unknown critical extension": crl(entry(extensions=(critical,))), "entry with an unknown extension": crl(entry(reason=REMOVE, extensions=(harmless,))),
        "other entry with an unknown critical extension": crl(entry(7, extensions=(critical,))),
        "entry with a certificate issuer": crl(entry(extensions=(extension("2.5.29.29", sequence(context(4, OTHER_NAME.public_bytes())), True),))),
        "other entry with a certificate issuer": crl(entry(7, extensions=(extension("2.5.29.29", sequence(context(4, OTHER_NAME.public_bytes())), True),))),
        "empty list of entries": crl(revoked=sequence()), "entry without a date": crl(sequence(integer(7))), "negative serial": crl(entry(-7)), "serial zero": crl(entry(0)),
        "serial with a leading zero": crl(sequence(tlv(2, b"\0" * 2 + SERIAL.to_bytes(20, "big")), time(YEAR(2023, 1, 1)))),
        "entry extensions empty": crl(sequence(integer(7), time(YEAR(2023, 1, 1)), sequence())), "entry with more": crl(sequence(integer(7), time(YEAR(2023, 1, 1)), sequence(harmless), integer(1))),
        "unknown extension": crl(extensions=(number(5), harmless)), "unknown critical extension": crl(extensions=(number(5), critical)),
        "authority key": crl(extensions=(number(5), extension("2.5.29.35", sequence(context(0, b"x" * 20, constructed=False))))),
        "authority key garbage": crl(extensions=(number(5), extension("2.5.29.35", b"\5\0"))), "authority key critical": crl(extensions=(number(5), extension("2.5.29.35", sequence(), True))),
        "extensions empty": crl(extensions=(b"",)), "extension twice": crl(extensions=(number(5), harmless, harmless)),
        "next update missing": crl(following=None), "next update passed": crl(following=YEAR(2025, 1, 1)), "next update passed and lists the leaf": crl(entry(), following=YEAR(2025, 1, 1)),
        "next update passed, on hold": crl(entry(reason=HOLD), following=YEAR(2025, 1, 1)), "next update before this": crl(this=YEAR(2118, 1, 1), following=YEAR(2117, 1, 1)),
        "this update in the future": crl(this=YEAR(2118, 1, 1)), "this update with a fraction": crl(this="20240101000000.5Z"), "this update without Z": crl(this="20240101000000"),
        "next update general before 2050": crl(following="20400101000000Z"), "next update as UTCTime of 2049": crl(following=YEAR(2049, 1, 1)), "next update of another zone": crl(following="21180101000000+0100"),
        "version 1": crl(version=b"", extensions=()), "version 1 with extensions": crl(version=b""), "version 3": crl(version=integer(2)), "version 0 written": crl(version=integer(0), extensions=()),
        "another issuer's name": crl(issuer=OTHER_NAME), "the issuer's name in another string type": crl(issuer=utf8), "no issuer": crl(issuer=sequence()),
        "another key": crl(key=OTHER_KEY), "another key and name": crl(key=OTHER_KEY, issuer=OTHER_NAME), "signed by the leaf": crl(key=LEAF_KEY, issuer=LEAF_NAME),
        "algorithms that differ": crl(inner=sequence(oid("1.2.840.10045.4.3.3"))), "SHA-384": crl(algorithm=sequence(oid("1.2.840.10045.4.3.3")), hash_algorithm=hashes.SHA384()),
        "SHA-1": crl(algorithm=sequence(oid("1.2.840.10045.4.1")), hash_algorithm=hashes.SHA1()), "unknown algorithm": crl(algorithm=sequence(oid("1.2.3.4"))),
        "scope: this point": crl(extensions=(number(5), scope(full))), "scope: another point": crl(extensions=(number(5), scope(another))), "scope: not critical": crl(extensions=(number(5), scope(full, critical=False))),
        "scope: end entities": crl(extensions=(number(5), scope(full, context(1, b"\xff", constructed=False)))), "scope: CAs": crl(extensions=(number(5), scope(full, context(2, b"\xff", constructed=False)))),
        "scope: attribute certificates": crl(extensions=(number(5), scope(context(5, b"\xff", constructed=False)))), "scope: indirect": crl(extensions=(number(5), scope(full, context(4, b"\xff", constructed=False)))),
        "scope: some reasons": crl(extensions=(number(5), scope(full, context(3, b"\1\2", constructed=False)))), "scope: empty": crl(extensions=(number(5), scope())),
        "scope: garbage": crl(extensions=(number(5), extension("2.5.29.28", b"\5\0", True))), "scope: a name": crl(extensions=(number(5), scope(context(0, context(0, context(4, ROOT_NAME.public_bytes())))))),
        "scope: relative name": crl(extensions=(number(5), scope(context(0, context(1, sequence(oid("2.5.4.3"), tlv(12, b"x"))))))),
        "is a delta": crl(extensions=(number(5), delta_of(4))), "is a delta, not critical": crl(extensions=(number(5), delta_of(4, False))), "indicator garbage": crl(extensions=(number(5), extension("2.5.29.27", b"\5\0", True))),
        "a byte behind": crl(behind=b"\0"), "cut short": crl()[:-1], "empty": b"", "garbage": b"hello", "a certificate": LEAF, "twice": crl() + crl(),
        "PEM": b"-----BEGIN X509 CRL-----\n" + base64std(crl()).encode() + b"\n-----END X509 CRL-----\n",
        "base64": base64std(crl()).encode(), "signature bits unused": crl()[:-1] + b"\0",
    }.items()


def deltas():
    base = crl(extensions=(number(5), freshest(DELTA)))
    listed = crl(entry(), extensions=(number(5), freshest(DELTA)))
    held = crl(entry(reason=HOLD), extensions=(number(5), freshest(DELTA)))

    def delta(*entries, at=6, of=5, **members):
        extensions = members.pop("extensions", (number(at), delta_of(of)))
        return crl(*entries, extensions=extensions, **members)

    yield from {
        "good": (base, delta()), "missing": (base, None), "lists the leaf": (base, delta(entry())), "another": (base, delta(entry(7))), "older base": (base, delta(of=3)),
        "newer base": (base, delta(of=6)), "equal number": (base, delta(at=5)), "smaller number": (base, delta(at=4)), "number missing": (base, delta(extensions=(delta_of(5),))),
        "indicator missing": (base, delta(extensions=(number(6),))), "indicator not critical": (base, delta(extensions=(number(6), delta_of(5, False)))),
        "indicator garbage": (base, delta(extensions=(number(6), extension("2.5.29.27", b"\5\0", True)))), "expired": (base, delta(following=YEAR(2025, 1, 1))), "without an end": (base, delta(following=None)),
        "of another key": (base, delta(key=OTHER_KEY)), "of another name": (base, delta(issuer=OTHER_NAME)), "garbage": (base, b"hello"), "empty": (base, b""),
        "critical extension": (base, delta(extensions=(number(6), delta_of(5), extension("1.2.3.4", b"\5\0", True)))), "from the future": (base, delta(this=YEAR(2118, 1, 1))),
        "takes the leaf off": (listed, delta(entry(when=YEAR(2023, 2, 1), reason=REMOVE))), "ends the hold": (held, delta(entry(when=YEAR(2023, 2, 1), reason=REMOVE))),
        "ends the hold earlier": (held, delta(entry(when=YEAR(2022, 2, 1), reason=REMOVE))), "ends the hold at once": (held, delta(entry(reason=REMOVE))), "holds": (base, delta(entry(reason=HOLD))),
        "entry with a critical extension": (base, delta(entry(extensions=(extension("1.2.3.4", b"\5\0", True),)))), "scope differs": (base, delta(extensions=(number(6), delta_of(5), scope()))),
        "base without a number": (crl(extensions=(freshest(DELTA),)), delta()), "base expired": (crl(following=YEAR(2025, 1, 1), extensions=(number(5), freshest(DELTA))), delta()),
        "base of another key": (crl(key=OTHER_KEY, extensions=(number(5), freshest(DELTA))), delta()), "base says it critically": (crl(extensions=(number(5), freshest(DELTA, critical=True))), delta()),
        "base garbage of it": (crl(extensions=(number(5), extension("2.5.29.46", b"\5\0"))), delta()), "base names no URL": (crl(extensions=(number(5), extension("2.5.29.46", sequence()))), delta()),
        "base names LDAP": (crl(extensions=(number(5), freshest("ldap://x/delta.crl"))), delta()), "base names HTTPS": (crl(extensions=(number(5), freshest("https://crl.example.test/delta.crl"))), delta()),
        "two URLs, the first missing": (crl(extensions=(number(5), freshest("http://crl.example.test/no.crl", DELTA))), delta()), "two URLs, the second missing": (crl(extensions=(number(5), freshest(DELTA, "http://crl.example.test/no.crl"))), delta()),
        "the base again": (base, base), "staged and not named": (crl(), delta(entry())), "PEM": (base, b"-----BEGIN X509 CRL-----\n" + base64std(delta()).encode() + b"\n-----END X509 CRL-----\n"),
    }.items()


def certificates():
    """Distribution points and responders of the leaf, with the CRLs that there are."""
    def point(*names, **more):
        return sequence(context(0, context(0, *names)), *[context(int(key[1:]), value, constructed=key[0] == "c") for key, value in more.items()])

    uri, directory = context(6, URL.encode(), constructed=False), context(4, ROOT_NAME.public_bytes())
    relative = sequence(context(0, context(1, sequence(oid("2.5.4.3"), tlv(12, b"x")))))
    responder = raw("1.3.6.1.5.5.7.1.1", sequence(sequence(oid("1.3.6.1.5.5.7.48.1"), context(6, b"http://ocsp.example.test/", constructed=False))), False)
    issuers = raw("1.3.6.1.5.5.7.1.1", sequence(sequence(oid("1.3.6.1.5.5.7.48.2"), context(6, b"http://ca.example.test/ca.crt", constructed=False))), False)
    secure = raw("1.3.6.1.5.5.7.1.1", sequence(sequence(oid("1.3.6.1.5.5.7.48.1"), context(6, b"https://ocsp.example.test/", constructed=False))), False)
    nowhere = raw("1.3.6.1.5.5.7.1.1", sequence(sequence(oid("1.3.6.1.5.5.7.48.1"), context(4, ROOT_NAME.public_bytes()))), False)

    def made(*points):
        return raw("2.5.29.31", sequence(*points), False)

    new = {
        "none": [], "critical": [points(URL, critical=True)], "two points": [points(URL, SECOND)], "one point of two URLs": [points((URL, SECOND))], "the same twice": [points(URL, URL)],
        "a name before the URL": [made(point(directory, uri))], "a name behind the URL": [made(point(uri, directory))], "a name alone": [made(point(directory))], "reasons": [made(point(uri, p1=b"\1\x40"))],
        "issuer": [made(point(uri, c2=directory))], "issuer alone": [made(sequence(context(2, directory)))], "relative name": [made(relative)], "empty point": [made(sequence())], "no points": [made()],
        "HTTPS": [points("https://crl.example.test/leaf.crl")], "LDAP": [points("ldap://x/leaf.crl")], "file": [points("file:///leaf.crl")], "scheme in capitals": [points("HTTP://crl.example.test/leaf.crl")],
        "no scheme": [points("crl.example.test/leaf.crl")], "LDAP then HTTP": [points("ldap://x/leaf.crl", URL)], "HTTP then LDAP": [points(URL, "ldap://x/leaf.crl")], "with a port": [points("http://crl.example.test:8080/leaf.crl")],
        "with a query": [points("http://crl.example.test/leaf.crl?x=1")], "with a fragment": [points("http://crl.example.test/leaf.crl#x")], "escaped": [points("http://crl.example.test/le%61f.crl")],
        "empty URL": [points("")], "user": [points("http://u:p@crl.example.test/leaf.crl")],
        "responder alone": [responder], "responder and CRL": [responder, points(URL)], "responder by HTTPS": [secure], "responder by HTTPS and CRL": [secure, points(URL)], "responder without a URL": [nowhere], "issuer's address": [issuers, points(URL)],
        "deltas named": [points(URL), raw("2.5.29.46", sequence(url_point(DELTA)), False)], "deltas named critically": [points(URL), raw("2.5.29.46", sequence(url_point(DELTA)), True)], "deltas named garbage": [points(URL), raw("2.5.29.46", b"\5\0", False)],
    }
    for label, extensions in new.items():
        leaf = leaf_with(*extensions)
        serial = x509.load_der_x509_certificate(leaf).serial_number
        for state, crls in {"good": {"leaf.crl": crl(), "second.crl": crl(), "delta.crl": crl(extensions=(number(6), delta_of(5)))}, "revoked": {"leaf.crl": crl(entry(serial)), "second.crl": crl(entry(serial))},
                            "second revoked": {"leaf.crl": crl(), "second.crl": crl(entry(serial))}, "first alone": {"leaf.crl": crl()}, "none": {}}.items():
            yield f"{label}; {state}", [leaf, ROOT], crls
    with_delta = leaf_with(points(URL), raw("2.5.29.46", sequence(url_point(DELTA)), False))
    yield "deltas named by both", [with_delta, ROOT], {"leaf.crl": crl(extensions=(number(5), freshest(DELTA))), "delta.crl": crl(extensions=(number(6), delta_of(5)))}


def issuers():
    """What the issuer must be to sign CRLs, and chains of three."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = name([COUNTRY], [STATE], [ORGANIZATION], [common("Issuing")])
    basic = CA[0]
    for label, usage in {"may sign both": key_usage("key_cert_sign", "crl_sign"), "may not sign CRLs": key_usage("key_cert_sign"), "may sign more": key_usage("key_cert_sign", "crl_sign", "digital_signature")}.items():
        intermediate = certificate(issuer, ROOT_NAME, key, ROOT_KEY, [basic, (usage, True), points("http://crl.example.test/root.crl")])
        leaf = certificate(LEAF_NAME, issuer, LEAF_KEY, key, [SIGNER_USAGE, CODE_SIGNING, points(URL)])
        of_leaf, of_ca = (x509.load_der_x509_certificate(one).serial_number for one in (leaf, intermediate))
        good, roots = crl(key=key, issuer=issuer), crl()
        for state, crls in {"good": (good, roots), "leaf revoked": (crl(entry(of_leaf), key=key, issuer=issuer), roots), "CA revoked": (good, crl(entry(of_ca))), "leaf's serial in the root's": (good, crl(entry(of_leaf))),
                            "CA's missing": (good, None), "leaf's missing": (None, roots), "both missing": (None, None), "leaf revoked and CA's missing": (crl(entry(of_leaf), key=key, issuer=issuer), None),
                            "CA revoked and leaf's missing": (None, crl(entry(of_ca))), "leaf's signed by the root": (crl(issuer=issuer), roots)}.items():
            yield f"{label}; {state}", [leaf, intermediate, ROOT], {name: data for name, data in zip(("leaf.crl", "root.crl"), crls) if data is not None}


def authority(chain, at="2022-06-01T00:00:00Z"):
    """An envelope of the signing-authority scheme."""
    scheme, time_name = NOTARY + "signingScheme", NOTARY + "authenticSigningTime"
    header = jws.protected(drop=NOTARY + "signingTime", **{"crit": [scheme, time_name], scheme: "notary.x509.signingAuthority", time_name: at})
    text, payload = base64url(json.dumps(header).encode()), base64url(PAYLOAD)
    made = {"payload": payload, "protected": text, "header": {"x5c": [base64std(der) for der in chain]}, "signature": base64url(sign(f"{text}.{payload}".encode()))}
    return json.dumps(made).encode()


def authentic():
    for at in ["2022-06-01T00:00:00Z", "2022-12-31T23:59:59Z", "2023-01-01T00:00:00Z", "2023-01-01T00:00:01Z", "2023-06-01T00:00:00Z"]:
        for label, made in {"without a date": crl(entry()), "invalid since 2023": crl(entry(invalid="20230101000000Z")), "invalid since 2023, hold": crl(entry(reason=HOLD, invalid="20230101000000Z")), "invalid since 2023, listed twice": crl(entry(invalid="20230101000000Z"), entry(reason=1)),
                            "listed twice, invalid since 2023 second": crl(entry(reason=1), entry(invalid="20230101000000Z")), "hold then invalid since 2023": crl(entry(reason=HOLD), entry(invalid="20230101000000Z")), "missing": None}.items():
            yield f"{label}, signed at {at}", authority([LEAF, ROOT], at), {"leaf.crl": made} if made is not None else {}


def variants():
    for label, made in contents():
        yield Variant(f"crl {label}", envelope([LEAF, ROOT]), anchors=(ROOT,), crls={"leaf.crl": made})
    for label, (base, delta) in deltas():
        yield Variant(f"crl delta: {label}", envelope([LEAF, ROOT]), anchors=(ROOT,), crls={"leaf.crl": base, **({"delta.crl": delta} if delta is not None else {})})
    for label, chain, crls in certificates():
        yield Variant(f"crl point: {label}", envelope(chain), anchors=(ROOT,), crls=crls)
    for label, chain, crls in issuers():
        yield Variant(f"crl issuer: {label}", envelope(chain), anchors=(ROOT,), crls=crls)
    for label, made, crls in authentic():
        yield Variant(f"crl authority: {label}", made, stores={"signingAuthority/acme/root.crt": ROOT}, policy=policy(trustStores=["signingAuthority:acme"]), crls=crls)
    for level in ["permissive", "audit"]:
        for override in [{}, {"revocation": "enforce"}, {"revocation": "skip"}, {"revocation": "log"}]:
            for label, crls in {"good": {"leaf.crl": crl()}, "revoked": {"leaf.crl": crl(entry())}, "missing": {}}.items():
                yield Variant(f"crl level {level} {override} {label}", envelope([LEAF, ROOT]), anchors=(ROOT,), crls=crls, policy=policy(signatureVerification={"level": level, "override": override}))
