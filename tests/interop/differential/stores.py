"""Variants of trust stores and of the trust directory: forms of files, names and links, several stores, types."""

import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import jws
from der import NULL
from revocation import authority
from toolkit import (CA, CODE_SIGNING, COUNTRY, LEAF, LEAF_KEY, LEAF_NAME, ORGANIZATION, ROOT, ROOT_KEY, ROOT_NAME, SIGNER_USAGE, STATE, Link, Variant, base64std, certificate, common, name, policy)

OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_NAME = name([COUNTRY], [STATE], [ORGANIZATION], [common("Other")])
OTHER = certificate(OTHER_NAME, OTHER_NAME, OTHER_KEY, OTHER_KEY, CA)
ALONE = certificate(OTHER_NAME, OTHER_NAME, OTHER_KEY, OTHER_KEY, [SIGNER_USAGE, CODE_SIGNING])
INTERMEDIATE = certificate(OTHER_NAME, ROOT_NAME, OTHER_KEY, ROOT_KEY, CA)
KEY = ROOT_KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pem(der, label="CERTIFICATE", width=64, end="\n", headers="", closing=None):
    text = base64std(der)
    lines = [text[at:at + width] for at in range(0, len(text), width)]
    return (f"-----BEGIN {label}-----{end}{headers}" + end.join(lines) + f"{end}-----END {closing or label}-----{end}").encode()


def files():
    """What stands in the one file of the store."""
    good = pem(ROOT)
    yield from {
        "PEM": good, "DER": ROOT, "DER twice": ROOT + OTHER, "DER, other first": OTHER + ROOT, "DER and a byte": ROOT + b"\0", "DER and a line break": ROOT + b"\n", "DER cut short": ROOT[:-1], "PEM twice": good + pem(OTHER), "PEM, other first": pem(OTHER) + good,
        "text before": b"subject=Root\nissuer=Root\n" + good, "text behind": good + b"that was it\n", "text between": pem(OTHER) + b"and\n" + good, "DER behind PEM": good + ROOT, "DER before PEM": OTHER + b"\n" + good, "PEM without a line break behind": good[:-1],
        "Windows line ends": pem(ROOT, end="\r\n"), "old Mac line ends": pem(ROOT, end="\r"), "one line": pem(ROOT, width=10000), "lines of 76": pem(ROOT, width=76), "spaces before lines": good.replace(b"\n", b"\n  "), "spaces behind lines": good.replace(b"\n", b" \n"),
        "indented": b"  " + good, "headers": pem(ROOT, headers="Proc-Type: 4,ENCRYPTED\n\n"), "trusted certificate": pem(ROOT, "TRUSTED CERTIFICATE"), "X509 certificate": pem(ROOT, "X509 CERTIFICATE"), "label in small letters": pem(ROOT, "certificate"), "closing differs": pem(ROOT, closing="CERT"), "a letter behind the closing": good[:-1] + "\u23ce\n".encode(),
        "key behind": good + KEY, "key before": KEY + good, "key alone": KEY, "CSR": pem(ROOT, "CERTIFICATE REQUEST"), "not closed": good[:-30], "not closed, a good one before": good + good[:-30], "block garbage": pem(b"hello"), "block garbage behind": good + pem(b"hello"), "block empty": pem(b""),
        "block of two": pem(ROOT + OTHER), "block and a byte": pem(ROOT + b"\0"), "base64 broken": good.replace(b"M", b"!", 1), "base64 without padding": good.replace(b"=", b""), "empty": b"", "line break": b"\n", "garbage": b"hello", "begin alone": b"-----BEGIN CERTIFICATE-----\n", "zero bytes": b"\0" * 10,
        "byte-order mark": b"\xef\xbb\xbf" + good, "UTF-16": good.decode().encode("utf-16"), "base64 alone": base64std(ROOT).encode(), "same twice": good + good, "empty line inside": good.replace(b"\n", b"\n\n"), "comment": b"# root\n" + good, "begin in a line": b"x " + good, "dashes of four": good.replace(b"-----BEGIN", b"----BEGIN"),
        "PKCS7 label": pem(ROOT, "PKCS7"), "CRL label": pem(ROOT, "X509 CRL") + good, "leaf": pem(LEAF), "leaf behind the root": good + pem(LEAF), "self-signed signer": good + pem(ALONE), "intermediate": good + pem(INTERMEDIATE), "explanatory headers": b"Bag Attributes\n    friendlyName: root\n" + good,
    }.items()


def folders():
    good = pem(ROOT)
    yield from {
        "name without a suffix": {"ca/acme/root": good}, "hidden file": {"ca/acme/.root": good}, "hidden beside": {"ca/acme/root.crt": good, "ca/acme/.hidden": b"hello"}, "readme beside": {"ca/acme/root.crt": good, "ca/acme/README.md": b"hello"}, "other certificate beside": {"ca/acme/root.crt": good, "ca/acme/other.crt": OTHER},
        "backup beside": {"ca/acme/root.crt": good, "ca/acme/root.crt~": good}, "empty file beside": {"ca/acme/root.crt": good, "ca/acme/z": b""}, "folder beside": {"ca/acme/root.crt": good, "ca/acme/folder": None}, "folder with the root": {"ca/acme/folder/root.crt": good}, "folder empty": {"ca/acme": None},
        "link to a file": {"ca/acme/root.crt": Link("../../../../root.crt"), "../../root.crt": good}, "link beside": {"ca/acme/root.crt": good, "ca/acme/link.crt": Link("root.crt")}, "broken link beside": {"ca/acme/root.crt": good, "ca/acme/link.crt": Link("nothing")},
        "link to a folder beside": {"ca/acme/root.crt": good, "ca/acme/link": Link("../acme")}, "store is a link": {"ca/acme": Link("real"), "ca/real/root.crt": good}, "store is a file": {"ca/acme": good}, "type is a link": {"ca": Link("real"), "real/acme/root.crt": good},
        "no store": {}, "store of another type": {"tsa/acme/root.crt": good}, "store of the authority": {"signingAuthority/acme/root.crt": good}, "name in capitals": {"ca/ACME/root.crt": good}, "another store broken": {"ca/acme/root.crt": good, "ca/broken/root.crt": b"hello"},
        "configmap mount": {"ca/acme/..2024/root.crt": good, "ca/acme/..data": Link("..2024"), "ca/acme/root.crt": Link("..data/root.crt")}, "unknown type beside": {"ca/acme/root.crt": good, "root/acme/root.crt": good}, "leaf beside": {"ca/acme/root.crt": good, "ca/acme/leaf.crt": LEAF},
    }.items()


def several():
    good = pem(ROOT)
    for label, trusted, made in [
        ("second holds the root", ["ca:acme", "ca:more"], {"ca/acme/other.crt": OTHER, "ca/more/root.crt": good}), ("second is missing", ["ca:acme", "ca:more"], {"ca/acme/root.crt": good}), ("second is broken", ["ca:acme", "ca:more"], {"ca/acme/root.crt": good, "ca/more/x": b"hello"}), ("second is empty", ["ca:acme", "ca:more"], {"ca/acme/root.crt": good, "ca/more": None}),
        ("first is broken", ["ca:more", "ca:acme"], {"ca/acme/root.crt": good, "ca/more/x": b"hello"}), ("authority's missing", ["ca:acme", "signingAuthority:acme"], {"ca/acme/root.crt": good}), ("authority's broken", ["ca:acme", "signingAuthority:acme"], {"ca/acme/root.crt": good, "signingAuthority/acme/x": b"hello"}),
        ("authority's alone", ["signingAuthority:acme"], {"ca/acme/root.crt": good, "signingAuthority/acme/root.crt": good}), ("TSA's alone", ["tsa:acme"], {"ca/acme/root.crt": good, "tsa/acme/root.crt": good}), ("name with dots", ["ca:a.b_c-D.9"], {"ca/a.b_c-D.9/root.crt": good}), ("name of dots", ["ca:..."], {"ca/.../root.crt": good}),
        ("name begins with a dot", ["ca:.acme"], {"ca/.acme/root.crt": good}), ("name begins with a dash", ["ca:-"], {"ca/-/root.crt": good}), ("one dot", ["ca:."], {"ca/root.crt": good}), ("two dots", ["ca:.."], {"root.crt": good}), ("name of 255", ["ca:" + "a" * 255], {"ca/" + "a" * 255 + "/root.crt": good}), ("name with a space", ["ca:a b"], {"ca/a b/root.crt": good}),
    ]:
        yield label, trusted, made


def authorities():
    for label, trusted, made in [
        ("authority's", ["signingAuthority:acme"], {"signingAuthority/acme/root.crt": ROOT}), ("CA's", ["ca:acme"], {"ca/acme/root.crt": ROOT}), ("both", ["ca:acme", "signingAuthority:acme"], {"ca/acme/root.crt": ROOT, "signingAuthority/acme/root.crt": ROOT}),
        ("both, CA's broken", ["ca:acme", "signingAuthority:acme"], {"ca/acme/x": b"hello", "signingAuthority/acme/root.crt": ROOT}), ("authority's holds the intermediate", ["signingAuthority:acme"], {"signingAuthority/acme/root.crt": OTHER}),
        ("with a TSA's", ["signingAuthority:acme", "tsa:gone"], {"signingAuthority/acme/root.crt": ROOT}),
    ]:
        for at in ["2022-06-01T00:00:00Z", "2019-06-01T00:00:00Z", "2121-06-01T00:00:00Z", "2020-01-01T00:00:00Z", "2019-12-31T23:59:59.9Z", "2120-01-01T00:00:00Z", "2120-01-01T00:00:00.1Z"]:
            yield f"{label}, signed at {at}", authority([LEAF, ROOT], at), trusted, made


def variants():
    envelope = jws.envelope(jws.protected())
    for label, data in files():
        yield Variant(f"store file: {label}", envelope, anchors=(), stores={"ca/acme/root.crt": data})
    for label, made in folders():
        yield Variant(f"store folder: {label}", envelope, anchors=(), stores=made)
    for label, trusted, made in several():
        yield Variant(f"stores: {label}", envelope, anchors=(), stores=made, policy=policy(trustStores=trusted))
    for label, made, trusted, store in authorities():
        yield Variant(f"store of the authority: {label}", made, anchors=(), stores=store, policy=policy(trustStores=trusted))
    for level in ["permissive", "audit"]:
        for label, made in {"missing": {}, "broken": {"ca/acme/x": b"hello"}, "of another": {"ca/acme/x": OTHER}}.items():
            for identity in ["*", "x509.subject:C=US,ST=WA,O=Acme", "x509.subject:C=US,ST=WA,O=Nobody"]:
                yield Variant(f"store {label} at level {level}, {identity}", envelope, anchors=(), stores=made, policy=policy([identity], signatureVerification={"level": level}))
