#!/usr/bin/env python3
"""Asks notation's libraries and this verifier thousands of questions about changed bytes: mutants.py REFERENCE VERDICTS [--show] [KIND]

Certificates, stores, timestamps, CRLs and envelopes are changed at random, by a fixed seed, where their readers look: a value
of DER gets another tag, length, content or place, names come from a list of those that readers take differently, and what
was signed is signed again. Nothing may be accepted that notation refuses. What notation accepts may be refused under a rule
of `fixtures/conformance/differences.json`, whose `mutants` are patterns of the verifier's answers. MUTANTS scales the numbers.
"""

import base64
import collections
import json
import os
import pathlib
import random
import re
import subprocess
import sys

import cose
import jws
import revocation
import timestamps
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from der import bits, boolean, context, extension, integer, octets, oid, sequence, tlv, url_point
from mutations import mutated
from toolkit import CA, CODE_SIGNING, LEAF, LEAF_KEY, LEAF_NAME, ROOT, ROOT_KEY, ROOT_NAME, SIGNER_USAGE, certificate, raw

SCALE = float(os.environ.get("MUTANTS", "1"))
DIFFERENCES = pathlib.Path(__file__).parents[3] / "fixtures/conformance/differences.json"
TAGS = [1, 2, 3, 4, 5, 6, 10, 12, 19, 22, 23, 24, 30, 0x30, 0x31, *range(0x80, 0x8A), *range(0xA0, 0xA6), 0x9F, 0x1F, 0x24]

HOSTS = ["a.test", ".a.test", "", ".", "..", "a..test", "a.test.", "a b.test", "*.a.test", "a\0.test", "\x7f", "A.TEST", "-a-", "a_b", "192.0.2.1", "2001:db8::1", "::1", "[::1]", "a:80",
         "a%25b", "a%41", "x" * 300, "x" * 70 + ".test", "a@b.test", "@", "a@", "@b", "a b@c", "\"a b\"@c", "\"a", "a\\ b@c", ".a@c", "a..b@c", "a@b..c", "a@.c", "caf\xc3\xa9.test", "\xff"]
SCHEMES = ["", "http:", "HTTPS:", "urn:", "ldap:", "spiffe:", "1a:", ":", "a b:", "x+y-z.1:", "%41:", "http", "*"]
AUTHORITIES = ["", "//", "///", "//u@", "//u:p@", "//u@v@", "//u%40:%zz@", "//u<@", "//%4@", "/", "/a:b", "a:b/c"]
PORTS = ["", ":", ":80", ":8a", ":80:90", ":-1", ":\xd9\xa1"]
LITERALS = ["[::1]", "[::1", "::1]", "[192.0.2.1]", "[::ffff:192.0.2.1]", "[fe80::1%25en0]", "[fe80::1%25]", "[fe80::1%en0]", "[fe80::1%25%20]", "[fe80::1%25%41]", "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7::]",
            "[1::2::3]", "[12345::]", "[::1]]", "[[::1]", "a[::1]", "[]", "[::192.0.2.01]", "[G::]"]
TAILS = ["", "/", "/a b", "/%41", "/%zz", "/%", "?%zz", "#%zz", "#", "?", "??", "/a?b#c", "/\n", "#\n", "/\x7f", "/<>", "/\\^`{|}", "*"]
MASKS = ["ffffff00", "00000000", "ffffffff", "ff00ff00", "fffe0000", "ffff0001", "7fffffff", "ff800000", "fd000000"]


class Node:
    """A value of DER that can be changed: its tag, and its content or what it is made of."""

    def __init__(self, tag, content, parts=None, prefix=b""):
        self.tag, self.content, self.parts, self.prefix, self.long = tag, content, parts, prefix, False

    def encode(self):
        content = self.content if self.parts is None else self.prefix + b"".join(part.encode() for part in self.parts)
        if self.long:
            return bytes([self.tag, 0x83]) + len(content).to_bytes(3, "big") + content
        return tlv(self.tag, content)

    def all(self):
        yield self
        for part in self.parts or ():
            yield from part.all()


def parse(der):
    """The values that stand in `der`, or None for bytes that are not DER."""
    nodes, at = [], 0
    while at < len(der):
        if len(der) < at + 2:
            return None
        tag, length, start = der[at], der[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, start = int.from_bytes(der[start:start + count], "big"), start + count
        if tag & 0x1F == 0x1F or start + length > len(der):
            return None
        content, parts, prefix = der[start:start + length], None, b""
        if tag & 0x20:
            parts = parse(content)
        elif tag == 4 and content[:1] and content[0] in (2, 3, 4, 0x30):
            parts = parse(content)
        nodes.append(Node(tag, content, parts, prefix))
        at = start + length
    return nodes


def changed(der, generator, times=None):
    """One value of DER with some change in its tree."""
    top = parse(der)[0]
    for _ in range(times or generator.choice([1, 1, 1, 2])):
        nodes = [node for node in top.all() if node is not top]
        parents = [node for node in top.all() if node.parts]
        if not nodes or not parents:
            break
        node, parent = generator.choice(nodes), generator.choice(parents)
        at = generator.randrange(len(parent.parts))
        match generator.randrange(12):
            case 0:
                node.tag = generator.choice(TAGS)
            case 1:
                node.tag ^= 1 << generator.randrange(8)
            case 2 | 3 | 4:
                if node.parts is None and node.content:
                    node.content = mutated(node.content, generator)
            case 5:
                del parent.parts[at]
            case 6:
                parent.parts.insert(at, parent.parts[at])
            case 7:
                node.long = True
            case 8:
                parent.parts.insert(at, Node(generator.choice(TAGS), generator.randbytes(generator.randrange(4))))
            case 9:
                node.content, node.parts = b"", None
            case 10:
                other = generator.randrange(len(parent.parts))
                parent.parts[at], parent.parts[other] = parent.parts[other], parent.parts[at]
            case 11:
                if node.tag == 6:
                    cut = generator.randrange(len(node.content) + 1)
                    node.content = node.content[:cut] + generator.choice([b"\x80", b"\x80\x01", b"\x8f\xff\xff\xff\x7f", b"\x88\x80\x80\x80\x00", b"\x81"]) + node.content[cut:]
    return top.encode()


# --- certificates ---

def text(generator):
    return generator.choice(HOSTS).encode("latin-1")


def uri(generator):
    host = generator.choice([generator.choice(HOSTS), generator.choice(LITERALS)])
    return "".join([generator.choice(SCHEMES), generator.choice(AUTHORITIES), host, generator.choice(PORTS), generator.choice(TAILS)]).encode("latin-1")


def general_name(generator, constraint=False):
    """A GeneralName, of a kind that readers look into more often than not."""
    primitive = lambda number, content: context(number, content, constructed=False)
    match generator.randrange(9):
        case 0 | 1:
            return primitive(2, text(generator))
        case 2 | 3:
            return primitive(1, text(generator))
        case 4 | 5:
            return primitive(6, text(generator) if constraint else uri(generator))
        case 6:
            if constraint:
                wide = generator.choice([1, 1, 4])
                return primitive(7, bytes(4 * wide) + bytes.fromhex(generator.choice(MASKS)) * wide)
            return primitive(7, generator.randbytes(generator.choice([4, 16, 4, 3, 0, 8])))
        case 7:
            return context(4, generator.choice([ROOT_NAME, LEAF_NAME]).public_bytes())
        case _:
            return context(generator.randrange(9), generator.choice([b"\5\0", b"x", b""]), constructed=generator.random() < 0.5)


def extensions(generator, is_ca):
    """What every certificate needs and a few more extensions, each well-formed in itself as often as not."""
    few = lambda make, most=3: b"".join(make() for _ in range(generator.randrange(1, most + 1)))
    policy = lambda: sequence(oid(f"1.2.{generator.randrange(4)}"), generator.choice([b"", sequence(sequence(oid("1.3.6.1.5.5.7.2.1"), tlv(22, b"x")))]))
    subtree = lambda: sequence(general_name(generator, True), generator.choice([b"", b"", b"", context(0, b"\0", constructed=False), context(1, b"\5", constructed=False)]))
    location = lambda: generator.choice([context(6, b"http://a.test/o", constructed=False), context(4, ROOT_NAME.public_bytes()), context(6, b"\xff", constructed=False), b""])
    makers = {
        "2.5.29.17": lambda: sequence(few(lambda: general_name(generator))),
        "2.5.29.30": lambda: sequence(generator.choice([b"", context(0, few(subtree))]), generator.choice([b"", context(1, few(subtree))])),
        "2.5.29.31": lambda: sequence(generator.choice([url_point("http://crl.example.test/leaf.crl"), url_point("http://a.test/x", n2=general_name(generator)), sequence(context(0, context(1, b""))), sequence(), sequence(context(0, context(0, general_name(generator))))])),
        "2.5.29.32": lambda: sequence(few(policy)),
        "2.5.29.33": lambda: sequence(few(lambda: sequence(oid("1.2.3"), oid("1.2.4")))),
        "2.5.29.36": lambda: sequence(generator.choice([b"", context(0, b"\1", constructed=False)]), generator.choice([b"", context(1, b"\xff", constructed=False)])),
        "2.5.29.54": lambda: generator.choice([integer(1), integer(-1), integer(2**63 - 1), integer(2**63), integer(2**64 - 1)]),
        "2.5.29.35": lambda: sequence(generator.choice([b"", context(0, b"x" * 20, constructed=False)]), generator.choice([b"", context(1, general_name(generator)), context(2, b"\1", constructed=False)])),
        "2.5.29.14": lambda: octets(b"x" * 20),
        "2.5.29.37": lambda: sequence(few(lambda: oid(generator.choice(["1.3.6.1.5.5.7.3.3", "1.3.6.1.4.1.311.76.59.1.1", "2.5.29.37.0", "1.3.6.1.5.5.7.3.8", "2.999.1"])))),
        "1.3.6.1.5.5.7.1.1": lambda: sequence(few(lambda: sequence(oid(f"1.3.6.1.5.5.7.48.{generator.randrange(1, 3)}"), location()))),
        "2.5.29.46": lambda: sequence(url_point("http://a.test/x")), "2.5.29.18": lambda: sequence(general_name(generator)), "1.2.3.4": lambda: b"\5\0",
    }
    made = [extension("2.5.29.19", sequence(boolean(True), generator.choice([b"", integer(0), integer(5)])), True), extension("2.5.29.15", bits(b"\x04", 2), True)] if is_ca else [extension("2.5.29.15", bits(b"\x80", 7), True)]
    for dotted in generator.sample(sorted(makers), generator.randrange(1, 4)):
        value = makers[dotted]()
        made.append(extension(dotted, value, generator.random() < 0.15))
    return made


def issued(generator, is_ca, key, subject, change):
    """A certificate under the root with extensions of all kinds, its content changed before it was signed."""
    template = certificate(subject, ROOT_NAME, key, ROOT_KEY, [raw("1.2.3.4.5", "0500", False)])
    body, algorithm, _ = parse(template)[0].parts
    parts = body.parts
    parts[-1] = Node(0xA3, None, [Node(0x30, None, [parse(one)[0] for one in extensions(generator, is_ca)])])
    encoded = body.encode()
    if change:
        target = generator.choice([body, parts[-1], parts[-1], parts[-1]])
        if target is body:
            encoded = changed(encoded, generator)
        else:
            parts[-1] = parse(changed(target.encode(), generator))[0] if parse(changed(target.encode(), random.Random(0))) else parts[-1]
            encoded = body.encode()
    return sequence(encoded, algorithm.encode(), bits(ROOT_KEY.sign(encoded, ec.ECDSA(hashes.SHA256()))))


def keyed(generator):
    """A certificate of a CA whose key is of any kind, changed: nothing in a chain, but it may stand in a store."""
    number = lambda: integer(generator.choice([1, 0, -1, 3, 65537, 2**63 - 1, 2**63, 2**200]))
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    on_curve = b"\4" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
    curve = lambda: generator.choice(["1.2.840.10045.3.1.7", "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35", "1.3.132.0.10"])
    key = {
        "rsa": lambda: (sequence(oid("1.2.840.113549.1.1.1"), generator.choice([tlv(5), tlv(5), b"", tlv(5, b"\0")])), sequence(integer(generator.choice([2**2047 + 1, 2**2047 + 1, 0, -5])), number())),
        "dsa": lambda: (sequence(oid("1.2.840.10040.4.1"), generator.choice([b"", tlv(5), sequence(number(), number(), number()), sequence(integer(7), integer(3), integer(2)), sequence(integer(7), integer(3))])), number()),
        "ec": lambda: (sequence(oid("1.2.840.10045.2.1"), generator.choice([oid(curve()), oid(curve()), tlv(5), b""])), generator.choice([on_curve, on_curve, on_curve[:-1] + b"\0", b"\2" + on_curve[1:33], b"\4" + bytes(64), b"\4" + bytes(96), b"\0"])),
        "ed25519": lambda: (sequence(oid("1.3.101.112"), generator.choice([b"", b"", tlv(5)])), generator.choice([b"x" * 32, bytes(32), b"x" * 31])),
        "other": lambda: (sequence(oid(generator.choice(["1.2.3.4", "1.3.101.110"])), generator.choice([b"", tlv(5), b"\x9f\x1f\0"])), b"x"),
    }[generator.choice(["rsa", "dsa", "dsa", "ec", "ec", "ed25519", "other"])]()
    body = parse(ROOT)[0].parts[0]
    body.parts[6] = parse(sequence(key[0], bits(key[1])))[0]
    encoded = body.encode()
    if generator.random() < 0.3:
        encoded = changed(encoded, generator)
    return sequence(encoded, parse(ROOT)[0].parts[1].encode(), bits(b"x"))


def chains(generator):
    key = ec.generate_private_key(ec.SECP256R1())
    while True:
        kind, change = generator.randrange(4), generator.random() < 0.6
        if kind == 0:
            leaf = certificate(LEAF_NAME, revocation.OTHER_NAME, LEAF_KEY, key, [SIGNER_USAGE, CODE_SIGNING])
            yield "chain", [leaf, issued(generator, True, key, revocation.OTHER_NAME, change), ROOT]
        elif kind == 1:
            yield "chain", [changed(LEAF, generator), ROOT]
        else:
            yield "chain", [issued(generator, False, LEAF_KEY, LEAF_NAME, change), ROOT]


def stores(generator):
    key = ec.generate_private_key(ec.SECP256R1())
    while True:
        kind = "store " + generator.choice(["ca", "ca", "tsa"])
        match generator.randrange(4):
            case 0:
                made = issued(generator, True, key, revocation.OTHER_NAME, generator.random() < 0.5)
            case 1:
                made = keyed(generator)
            case 2:
                made = self_signed(generator)
            case 3:
                made = changed(ROOT, generator)
        yield kind, [generator.choice([made, made, ROOT + made, made + ROOT, b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(made) + b"-----END CERTIFICATE-----\n"])]


def self_signed(generator):
    """A root, or what could be taken for one."""
    parts = generator.choice([CA, CA[:1], CA[1:], [], [SIGNER_USAGE], [CA[0], (SIGNER_USAGE[0], False)]])
    made = certificate(ROOT_NAME, generator.choice([ROOT_NAME, ROOT_NAME, LEAF_NAME]), ROOT_KEY, ROOT_KEY, parts)
    body, algorithm, _ = parse(made)[0].parts
    if generator.random() < 0.3:  # of an older version
        body.parts[0:1] = generator.choice([[], [Node(0xA0, None, [Node(2, b"\1")])]])
        body.parts = [part for part in body.parts if part.tag != 0xA3]
    encoded = body.encode()
    return sequence(encoded, algorithm.encode(), bits(ROOT_KEY.sign(encoded, ec.ECDSA(hashes.SHA256()))))


# --- timestamps, CRLs, envelopes ---

def tokens(generator):
    message = b"signature"
    key = timestamps.TSA_ROOT_KEY
    while True:
        token = timestamps.token(message)
        match generator.randrange(5):
            case 0:
                token = changed(token, generator)
            case 1:
                content = changed(timestamps.info(message, accuracy=timestamps.accuracy(1, 5, 5), nonce=integer(5), tsa=context(0, context(4, timestamps.TSA_NAME.public_bytes()))), generator)
                token = timestamps.signed_data(content, [timestamps.signer_info(content)])
            case 2:
                content = timestamps.info(message)
                token = timestamps.signed_data(content, [changed_attributes(content, generator)])
            case 3 | 4:
                ca_key = timestamps.TSA_CA_KEY
                leaf = certificate(timestamps.TSA_NAME, timestamps.TSA_CA_NAME, timestamps.TSA_KEY, ca_key, [*timestamps.TSA_LEAF_EXTENSIONS, *alternative(generator)])
                ca = parse(issued(generator, True, ca_key, timestamps.TSA_CA_NAME, False))[0].parts[0]
                ca.parts[3] = parse(timestamps.TSA_ROOT_NAME.public_bytes())[0]
                encoded = ca.encode()
                ca = sequence(encoded, timestamps.revocation.ECDSA_SHA256, bits(key.sign(encoded, ec.ECDSA(hashes.SHA256()))))
                content = timestamps.info(message)
                token = timestamps.signed_data(content, [timestamps.signer_info(content, leaf)], certificates=(leaf, ca))
        yield "token", [token, message, timestamps.TSA_ROOT]


def alternative(generator):
    if generator.random() < 0.3:
        return []
    return [raw("2.5.29.17", sequence(*(general_name(generator) for _ in range(generator.randrange(1, 3)))), generator.random() < 0.2)]


def changed_attributes(content, generator):
    """A signer's signature over attributes that were changed before."""
    info = parse(timestamps.signer_info(content, add=(timestamps.attribute("1.2.840.113549.1.9.5", tlv(23, b"240501103000Z")),)))[0]
    attributes = parse(changed(info.parts[3].encode(), generator))[0] if generator.random() < 0.9 else info.parts[3]
    attributes.tag = 0xA0
    encoded = sorted(part.encode() for part in attributes.parts or ())
    signature = timestamps.TSA_KEY.sign(tlv(0x31, b"".join(encoded)), ec.ECDSA(hashes.SHA256()))
    info.parts[3], info.parts[5] = attributes, Node(4, signature)
    return info.encode()


def crls(generator):
    harmless = extension("1.2.3.4", b"\5\0")
    key_id = extension("2.5.29.35", sequence(context(0, b"x" * 20, constructed=False), context(1, context(4, ROOT_NAME.public_bytes())), context(2, b"\5", constructed=False)))
    while True:
        listed = [revocation.entry(7, reason=1), revocation.entry(8, invalid="20230101000000Z")][:generator.randrange(3)]
        more = generator.sample([revocation.freshest(revocation.DELTA), key_id, harmless, revocation.scope(context(0, context(0, context(6, revocation.URL.encode(), constructed=False))))], generator.randrange(3))
        base = revocation.crl(*listed, extensions=(revocation.number(5), *more))
        delta = revocation.crl(revocation.entry(9), extensions=(revocation.number(6), revocation.delta_of(5)))
        if generator.random() < 0.8:
            base = crl_again(base, generator)
        else:
            delta = crl_again(delta, generator)
        yield "crl", [revocation.LEAF, revocation.ROOT, base, delta]


def crl_again(der, generator):
    if generator.random() < 0.1:
        return changed(der, generator)
    body, algorithm, _ = (part.encode() for part in parse(der)[0].parts)
    body = changed(body, generator)
    return sequence(body, algorithm, bits(ROOT_KEY.sign(body, ec.ECDSA(hashes.SHA256()))))


HEADER_VALUES = [0, -1, 7, 2**64 - 1, b"", b"x", "", "x", "a/b", " a/b", [], [0], [b"x"], ["x"], {}, {1: 2}, None, True, 1.5]


def coses(generator):
    labels = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 32, 33, 34, 35, 256, 257, -1, -65537, "x", 2**63, -(2**63) - 1]
    while True:
        more = lambda: [(generator.choice(labels), generator.choice(HEADER_VALUES)) for _ in range(generator.choice([0, 1, 1, 2]))]
        match generator.randrange(3):
            case 0:
                yield "cose", [cose.envelope(header=cose.protected(*more()), other=cose.unprotected(*more()))]
            case 1:
                yield "cose", [mutated(cose.envelope(), generator)]
            case 2:
                yield "cose", [cose.envelope(header_bytes=mutated(cose.encode(cose.protected()), generator))]


def jwses(generator):
    plain = jws.envelope(jws.protected())
    while True:
        if generator.random() < 0.5:
            yield "jws", [mutated(plain, generator)]
        else:
            yield "jws", [jws.envelope(mutated(json.dumps(jws.protected()).encode(), generator))]


KINDS = {chains: 5000, stores: 2500, tokens: 3000, crls: 3000, coses: 1500, jwses: 500}


def ask(program, questions):
    done = subprocess.run([program], input=questions, capture_output=True, check=False)
    answers = done.stdout.decode(errors="replace").splitlines()
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return answers


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    reference, verdicts, only = (words + [""])[:3]
    questions = []
    for make, count in KINDS.items():
        if only in make.__name__:
            source = make(random.Random(f"assay {make.__name__}"))
            questions += [next(source) for _ in range(int(count * SCALE))]
    lines = "".join(json.dumps({"kind": kind, "parts": [base64.b64encode(part).decode() for part in parts]}) + "\n" for kind, parts in questions).encode()
    theirs, ours = ask(reference, lines), ask(verdicts, lines)
    assert questions and len(theirs) == len(ours) == len(questions), (len(questions), len(theirs), len(ours))

    document = json.loads(DIFFERENCES.read_text())
    patterns = [(rule["id"], pattern) for rule in document["rules"] for pattern in rule.get("mutants", [])]
    counts, used, complaints = collections.Counter(), set(), []
    for (kind, parts), reference, answer in zip(questions, theirs, ours):
        kind = kind.split()[0]
        counts[kind] += 1
        counts[kind, "accepted"] += reference == "ok"
        if reference == "ok" and answer != "ok":
            found = {(rule, pattern) for rule, pattern in patterns if re.fullmatch(pattern, answer)}
            used |= found
            counts[kind, "refused"] += 1
            if not found:
                complaints.append(f"stricter, and under no rule: {kind}: {answer}\n      {' '.join(part.hex() for part in parts) if '--show' in sys.argv else ''}")
        elif reference != "ok" and answer == "ok":
            counts[kind, "laxer"] += 1
            complaints.append(f"laxer: {kind}: {reference}\n      {' '.join(part.hex() for part in parts) if '--show' in sys.argv else ''}")
    if not only and SCALE >= 1:
        complaints += [f"listed under {rule}, and never met: {pattern}" for rule, pattern in patterns if (rule, pattern) not in used]
    for complaint in complaints:
        print(complaint)
    for kind in sorted({kind for kind in counts if isinstance(kind, str)}):
        print(f"{kind}: {counts[kind]} mutants, {counts[kind, 'accepted']} accepted by notation, {counts[kind, 'refused']} of these refused here, {counts[kind, 'laxer']} accepted here alone")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
