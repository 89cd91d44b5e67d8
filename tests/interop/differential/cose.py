"""Variants of COSE envelopes: every encoding of an item, every label in either header, times, chains."""

import struct

from toolkit import LEAF, NOTARY, PAYLOAD, PAYLOAD_TYPE, ROOT, Variant, sign

SCHEME, TIME, EXPIRY = NOTARY + "signingScheme", NOTARY + "signingTime", NOTARY + "expiry"
AUTHENTIC, TIMESTAMP, AGENT = NOTARY + "authenticSigningTime", NOTARY + "timestampSignature", NOTARY + "signingAgent"


class Raw(bytes):
    """CBOR as it is."""


class Tag:
    def __init__(self, number, value):
        self.number, self.value = number, value

    def __repr__(self):
        return f"tag {self.number} {self.value!r}"


class Pairs(list):
    """A map in this order, keys as often as given."""


def head(major, number, length=None):
    if length is None and number < 24:
        return bytes([major << 5 | number])
    length = length or next(one for one in (1, 2, 4, 8) if number < 1 << 8 * one)
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[length]]) + number.to_bytes(length, "big")


def encode(value):
    match value:
        case Raw():
            return bytes(value)
        case bool():
            return b"\xf5" if value else b"\xf4"
        case None:
            return b"\xf6"
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value.encode())) + value.encode()
        case Pairs():
            return head(5, len(value)) + b"".join(encode(key) + encode(one) for key, one in value)
        case dict():
            return encode(Pairs(value.items()))
        case list():
            return head(4, len(value)) + b"".join(map(encode, value))
        case Tag():
            return head(6, value.number) + encode(value.value)
    raise TypeError(value)


def changed(pairs, changes, drop):
    """The pairs with some replaced, some added, some left out."""
    made = Pairs(pair for pair in pairs if pair[0] not in drop)
    for label, value in changes:
        places = [at for at, pair in enumerate(made) if type(pair[0]) is type(label) and pair[0] == label]
        if places:
            made[places[0]] = (label, value)
        else:
            made.append((label, value))
    return made


def protected(*changes, drop=()):
    return changed([(1, -7), (2, [SCHEME]), (3, PAYLOAD_TYPE), (SCHEME, "notary.x509"), (TIME, Tag(1, 1714559400))], changes, drop)


def unprotected(*changes, drop=()):
    return changed([(33, [LEAF, ROOT]), (AGENT, "a")], changes, drop)


def envelope(header=None, other=None, payload=PAYLOAD, header_bytes=None, header_item=None, whole=None):
    """The bytes of an envelope; `header_bytes` replaces the protected header's encoding, `header_item` what holds it, and
    `whole` makes the message of its four parts."""
    inner = header_bytes if header_bytes is not None else encode(protected() if header is None else header)
    to_sign = encode(["Signature1", b"" if inner == b"\xa0" else inner, b"", payload or b""])
    parts = [header_item(inner) if header_item else inner, unprotected() if other is None else other, payload, sign(to_sign)]
    return whole(parts) if whole else b"\xd2" + encode(parts)


def times():
    values = [Tag(1, one) for one in (1714559400.5, -1, 0, float("nan"), float("inf"), 1e300, 2**63 - 1, 2**63, -2**63, 253402300799,
                                      253402300800, -62135596800, -62135596801, -62167219201, "2024", True, None, b"x")]
    values += [Tag(0, "2024-05-01T10:30:00Z"), Tag(2, b"\1"), Tag(1, Tag(1, 5)), Tag(1001, {1: 1}), 1714559400, "2024-05-01T10:30:00Z", None,
               Tag(1, Raw(b"\x1b" + (1714559400).to_bytes(8, "big"))), Tag(1, Raw(b"\xfa" + struct.pack(">f", 1714559400.0))),
               Tag(1, Raw(b"\xf9\x3c\x00")), Raw(b"\xd8\x01\x1a" + (1714559400).to_bytes(4, "big"))]
    for value in values:
        yield f"time {value!r}", envelope(protected((TIME, value)))
    for value in [Tag(1, one) for one in (4102444800, 4102444800.5, 1714559400, 1714559401, -62135596800, 1600000000, 2**62)] + [None, "x"]:
        yield f"expiry {value!r}", envelope(protected((2, [SCHEME, EXPIRY]), (EXPIRY, value)))
        yield f"expiry not critical {value!r}", envelope(protected((EXPIRY, value)))


def labels():
    for value in [None, [], "x", [1], [SCHEME, 1], [SCHEME, 2], [SCHEME, 3], [SCHEME, SCHEME], [SCHEME, TIME], [SCHEME, EXPIRY], [SCHEME, 4],
                  [SCHEME, 33], [SCHEME, None], [SCHEME, b"x"], [SCHEME, 1.5], ["foo"], [SCHEME, -7], [SCHEME, AUTHENTIC]]:
        yield f"crit {value!r}", envelope(protected((2, value)))
    for pair in [(4, b"k"), (4, "k"), (5, b"i"), (5, "i"), (6, b"p"), (7, []), (7, b""), (9, b""), (11, []), (12, b""), (12, "x"), (15, {}),
                 (15, "x"), (15, {1: "i"}), (16, "a/b"), (16, "ab"), (16, 1), (16, -1), (16, b"x"), (16, ""), (16, " a/b"), (16, "a/b/c"),
                 (34, [-16, b"x" * 32]), (34, "x"), (35, "x"), ("alg", -7), ("foo", Tag(0, "x")), ("foo", Tag(1, 1)), ("foo", Tag(99, 1)),
                 ("foo", {1: {1: 2}}), ("foo", Pairs([(1, 1), (1, 2)])), (-65537, 1), (99999, 1), (2**63, 1),
                 (NOTARY + "verificationPlugin", "x"), (NOTARY + "verificationPlugin", ""), (NOTARY + "verificationPluginMinVersion", "1.0.0"),
                 (AUTHENTIC, Tag(1, 1714559400)), ("", 1), ("foo", Raw(b"\xf7")), ("foo", Raw(b"\xf8\xff")), ("foo", Raw(b"\xf8\x10")),
                 ("foo", Raw(b"\xe0")), ("foo", Raw(b"\xfc")), ("foo", Raw(b"\x9f\xff")), ("foo", Raw(b"\x7f\x61a\xff")),
                 ("foo", Raw(b"\x61\xff")), (Raw(b"\x18\x04"), b"k"), (Raw(b"\x19\x00\x63"), 1), (4.0, b"x"), (True, 1), (None, 1), (b"x", 1),
                 ("foo", Raw(b"\x81" * 40 + b"\x01")), ("foo", Raw(b"\x81" * 20 + b"\x01")), ("z", Pairs([(b"x", 1), (1.5, 1), (None, 2)])),
                 ("z", Pairs([([1], 1)])), ("z", Pairs([(Tag(1, 1), 1)]))]:
        yield f"protected {pair!r}", envelope(protected(pair))
        yield f"unprotected {pair!r}", envelope(other=unprotected(pair))
    for value in [-37, -38, -35, -8, -257, "ES256", None, Raw(b"\x38\x06"), Raw(b"\x3b" + (6).to_bytes(8, "big")), -7.0, [-7]]:
        yield f"alg {value!r}", envelope(protected((1, value)))
    yield "alg unprotected only", envelope(protected(drop=(1,)), unprotected((1, -7)))
    for value in [-37, "x", b"x"]:
        yield f"another alg unprotected {value!r}", envelope(other=unprotected((1, value)))
    for value in [PAYLOAD_TYPE + " ", PAYLOAD_TYPE.upper(), 0, 1, -1, b"x", None, Raw(b"\x78\x2b" + PAYLOAD_TYPE.encode())]:
        yield f"content type {value!r}", envelope(protected((3, value)))
    for value in [b"", "x", "a/x", -1, 7]:
        yield f"content type unprotected {value!r}", envelope(other=unprotected((3, value)))
    yield "crit unprotected", envelope(other=unprotected((2, ["x"])))
    for label in [1, 2, 3, SCHEME, TIME]:
        yield f"without {label!r}", envelope(protected(drop=(label,)))
    for value in [1, "notary.x509.signingAuthority", "", None, b"notary.x509"]:
        yield f"scheme {value!r}", envelope(protected((SCHEME, value)))
    for value in [b"", b"x", "x", 1, None, []]:
        yield f"timestamp {value!r}", envelope(other=unprotected((TIMESTAMP, value)))
        yield f"agent {value!r}", envelope(other=unprotected((AGENT, value)))


def chains():
    for label, value in {"a byte string": LEAF, "empty": [], "text": ["x"], "nested": [[LEAF, ROOT]], "null": None, "null behind": [LEAF, ROOT, None],
                         "one after another": [LEAF + ROOT], "a byte behind": [LEAF + b"\0", ROOT], "reversed": [ROOT, LEAF], "leaf alone": [LEAF],
                         "root twice": [LEAF, ROOT, ROOT]}.items():
        yield f"chain: {label}", envelope(other=unprotected((33, value)))
    yield "chain: in both headers", envelope(protected((33, [LEAF, ROOT])))
    yield "chain: another in the protected header", envelope(protected((33, [ROOT])))
    yield "chain: in the protected header alone", envelope(protected((33, [LEAF, ROOT])), unprotected(drop=(33,)))


def encodings():
    good = encode(protected())
    yield "protected: long length", envelope(header_item=lambda inner: Raw(head(2, len(inner), 4) + inner))
    yield "protected: indefinite byte string", envelope(header_item=lambda inner: Raw(b"\x5f" + encode(inner) + b"\xff"))
    yield "protected: in a tag", envelope(header_item=lambda inner: Raw(b"\xd8\x18" + encode(inner)))
    for label, inner in {"indefinite map": b"\xbf" + good[1:] + b"\xff", "long map": b"\xb8" + bytes([good[0] & 31]) + good[1:],
                         "a byte behind": good + b"\0", "empty": b"", "empty map": b"\xa0", "tagged map": b"\xd8\x18" + good,
                         "label twice": encode(Pairs([*protected(), (3, PAYLOAD_TYPE)])),
                         "label twice, once long": encode(Pairs([*protected(), (Raw(b"\x18\x03"), PAYLOAD_TYPE)])),
                         "name twice": encode(Pairs([*protected(), (SCHEME, "notary.x509")]))}.items():
        yield f"protected: {label}", envelope(header_bytes=inner)
    for label, other in {"label twice": Pairs([*unprotected(), (33, [LEAF, ROOT])]), "indefinite map": Raw(b"\xbf" + encode(unprotected())[1:] + b"\xff"),
                         "tag": unprotected(("z", Tag(24, b"x"))), "big number": unprotected(("z", Tag(2, b"\1"))), "a list": [],
                         "null": Raw(b"\xf6"), "not UTF-8": unprotected(("z", Raw(b"\x62\xff\xfe")))}.items():
        yield f"unprotected: {label}", envelope(other=other)
    for label, whole in {"untagged": lambda p: encode(p), "long tag": lambda p: b"\xd8\x12" + encode(p), "COSE_Sign": lambda p: b"\xd8\x62" + encode(p),
                         "self-described": lambda p: b"\xd9\xd9\xf7\xd2" + encode(p), "long list": lambda p: b"\xd2\x98\x04" + encode(p)[1:],
                         "indefinite list": lambda p: b"\xd2\x9f" + encode(p)[1:] + b"\xff", "five parts": lambda p: b"\xd2" + encode(p + [0]),
                         "three parts": lambda p: b"\xd2" + encode(p[:3]), "a byte behind": lambda p: b"\xd2" + encode(p) + b"\0",
                         "payload as text": lambda p: b"\xd2" + encode([p[0], p[1], p[2].decode(), p[3]]),
                         "payload of long length": lambda p: b"\xd2" + encode([p[0], p[1], Raw(head(2, len(p[2]), 8) + p[2]), p[3]]),
                         "payload indefinite": lambda p: b"\xd2" + encode([p[0], p[1], Raw(b"\x5f" + encode(p[2]) + b"\xff"), p[3]]),
                         "payload in a tag": lambda p: b"\xd2" + encode([p[0], p[1], Tag(24, p[2]), p[3]]),
                         "signature empty": lambda p: b"\xd2" + encode([*p[:3], b""]), "signature null": lambda p: b"\xd2" + encode([*p[:3], None]),
                         "signature as text": lambda p: b"\xd2" + encode([*p[:3], "x"])}.items():
        yield f"message: {label}", envelope(whole=whole)
    for label, payload in {"detached": None, "empty": b"", "no JSON": b"hello", "in a list": b"[" + PAYLOAD + b"]", "null": b"null", "twice": PAYLOAD + PAYLOAD,
                           "not UTF-8": PAYLOAD[:-1] + b',"x":"\xff"}', "white space around": b" " + PAYLOAD + b" "}.items():
        yield f"payload: {label}", envelope(payload=payload)


def variants():
    yield Variant("cose good", envelope(), "application/cose")
    for make in (times, labels, chains, encodings):
        for label, made in make():
            yield Variant(f"cose {label}", made, "application/cose")
