"""Variants of JWS envelopes: times, critical lists, every header missing, null, doubled or misspelt, odd JSON and base64."""

import json

from toolkit import LEAF, NOTARY, PAYLOAD, PAYLOAD_TYPE, ROOT, TARGET, Variant, base64std, base64url, sign

SCHEME, TIME, EXPIRY = NOTARY + "signingScheme", NOTARY + "signingTime", NOTARY + "expiry"


def protected(drop=None, **members):
    """The members of a good protected header, with changes."""
    header = {"alg": "ES256", "cty": PAYLOAD_TYPE, "crit": [SCHEME], SCHEME: "notary.x509", TIME: "2024-05-01T10:30:00Z"}
    header.update(members)
    header.pop(drop, None)
    return header


def envelope(header, payload=PAYLOAD, unprotected=None, top=None):
    """The bytes of an envelope; `header` is a mapping or bytes, `unprotected` and `top` change what they are given."""
    text = base64url(header if isinstance(header, bytes) else json.dumps(header).encode())
    payload = base64url(payload)
    made = {
        "payload": payload,
        "protected": text,
        "header": {"x5c": [base64std(LEAF), base64std(ROOT)], NOTARY + "signingAgent": "a"},
        "signature": base64url(sign(f"{text}.{payload}".encode())),
    }
    if unprotected:
        made["header"] = unprotected(made["header"])
    if top:
        made = top(made)
    return made if isinstance(made, bytes) else json.dumps(made).encode()


TIMES = ["2024-05-01T10:30:00.123Z", "2024-05-01T10:30:00,5Z", "2024-05-01T10:30:00+00:00", "2024-05-01T10:30:00-07:00",
         "2024-05-01T10:30:00+24:00", "2024-05-01T10:30:00+23:59", "2024-05-01T10:30:00+14:60", "2024-05-01T10:30Z",
         "2024-05-01T10:30:00", "2024-05-01 10:30:00Z", "2024-05-01T24:00:00Z", "2024-13-01T10:30:00Z",
         "2024-02-30T10:30:00Z", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
         "0001-01-01T00:00:00.5Z", "2024-05-01T10:30:00.1234567891Z", "2024-05-01T10:30:00.Z", "", None, 7,
         "2024-05-01T10:30:00Z ", "2024-5-01T10:30:00Z", "2024-05-01T1:30:00Z", "02024-05-01T10:30:00Z",
         "10000-01-01T00:00:00Z", "2024-05-01T10:30:00z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-23:00"]
EXPIRIES = ["2110-01-01T00:00:00Z", "2110-01-01T00:00:00.5Z", "2020-01-01T00:00:00Z", None, "", "0001-01-01T00:00:00Z",
            "2024-05-01T10:30:00Z", "2024-05-01T10:30:01Z", "9999-12-31T23:59:59-23:00", 0]
CRITICAL = [None, [], "x", [SCHEME, SCHEME], [SCHEME, "alg"], [SCHEME, "cty"], [SCHEME, "crit"], [SCHEME, EXPIRY],
            [SCHEME, "foo"], [SCHEME, 1], [SCHEME, None], [TIME], ["foo", SCHEME], [NOTARY + "SigningScheme"],
            [SCHEME, NOTARY + "authenticSigningTime"], [SCHEME, ""]]
EXTRA = [("kid", "x"), ("jwk", {}), ("x5u", "http://x"), ("b64", False), ("b64", True), ("typ", "JOSE"), ("zip", "DEF"),
         ("x5c", ["a"]), ("foo", {"a": {"a": 1}}), ("", 1), (NOTARY + "verificationPlugin", "x"),
         (NOTARY + "verificationPlugin", ""), (NOTARY + "verificationPlugin", None),
         (NOTARY + "verificationPluginMinVersion", "1.0.0"), (NOTARY + "authenticSigningTime", "2024-05-01T10:30:00Z"),
         (NOTARY + "authenticSigningTime", None), (EXPIRY, None), (NOTARY + "signingAgent", "z"), (NOTARY + "unknown", 1),
         (NOTARY + "timestampSignature", "x")]


def headers():
    for value in TIMES:
        yield f"time {value!r}", envelope(protected(**{TIME: value}))
    for value in EXPIRIES:
        yield f"expiry {value!r}", envelope(protected(**{EXPIRY: value, "crit": [SCHEME, EXPIRY]}))
        yield f"expiry not critical {value!r}", envelope(protected(**{EXPIRY: value}))
    for value in CRITICAL:
        yield f"crit {value!r}", envelope(protected(crit=value))
    yield "crit names what is there", envelope(protected(crit=[SCHEME, "foo"], foo=1))
    for member in ["alg", "cty", "crit", SCHEME, TIME]:
        good = protected()
        yield f"without {member}", envelope(protected(drop=member))
        for value in [None, 1, ["ES256"]]:
            yield f"{member} is {value!r}", envelope(protected(**{member: value}))
        yield f"{member} in capitals", envelope({key.upper() if key == member else key: good[key] for key in good})
    for value in ["notary.x509.signingAuthority", "notary.X509", "notary.x509 ", "notary.default.x509", ""]:
        yield f"scheme {value!r}", envelope(protected(**{SCHEME: value}))
    for member, value in EXTRA:
        yield f"extra {member} {value!r}", envelope(protected(**{member: value}))
        yield f"extra critical {member} {value!r}", envelope(protected(**{member: value, "crit": [SCHEME, member]}))


def odd_json():
    text = json.dumps(protected())
    body = text[:-1]
    for label, header in {
        "unknown member twice": body + ',"z":1,"z":2}', "white space behind": text + " \n", "white space before": "\n " + text,
        "trailing comma": body + ",}", "byte-order mark": "\ufeff" + text, "object behind": text + "{}",
        "in a list": f"[{text}]", "escaped name": text.replace('"alg"', '"\\u0061lg"'), "alg twice": body + ',"alg":"ES256"}',
        "lone surrogate": body + ',"z":"\\ud800"}', "number out of range": body + ',"z":1e999}', "minus zero": body + ',"z":-0}',
        "deep": body + ',"z":' + "[" * 200 + "]" * 200 + "}", "control character": body + ',"z":"\n"}',
        "Kelvin sign": body + ',"\u212aid":"x"}',
    }.items():
        yield f"protected: {label}", envelope(header.encode())
    yield "protected: not UTF-8", envelope(body.encode() + b',"z":"\xff"}')


def target(**members):
    return json.dumps({"targetArtifact": dict(TARGET, **members)}).encode()


def payloads():
    body = PAYLOAD[:-1]
    for label, payload in {
        "white space around": b" " + PAYLOAD + b"\n", "more members": body + b',"x":1}', "annotations": target(annotations={"a": "b"}),
        "annotations null": target(annotations=None), "annotation a number": target(annotations={"a": 1}),
        "size is text": target(size=str(TARGET["size"])), "size is negative": target(size=-1),
        "size with an exponent": PAYLOAD.replace(b'"size": %d' % TARGET["size"], b'"size": %de0' % TARGET["size"]),
        "every member": target(urls=["x"], platform={"os": "linux", "architecture": "amd64"}, data="", artifactType="z"),
        "urls is text": target(urls="x"), "platform is text": target(platform="x"), "data not base64": target(data="!!"),
        "artifactType a number": target(artifactType=1), "letter case": json.dumps({"TargetArtifact": TARGET}).encode(),
        "target twice": body + b',"targetArtifact":' + json.dumps(TARGET).encode() + b"}", "in a list": b"[" + PAYLOAD + b"]",
        "null": b"null", "empty": b"", "a number": b"1", "twice": PAYLOAD + PAYLOAD, "not UTF-8": body + b',"x":"\xff"}',
        "size out of range": target(size=2**70), "digest in capitals": target(digest=TARGET["digest"].upper()),
        "target null": b'{"targetArtifact":null}', "target a list": b'{"targetArtifact":[]}',
        "deep": body + b',"z":' + b"[" * 200 + b"]" * 200 + b"}",
    }.items():
        yield f"payload: {label}", envelope(protected(), payload)


def unprotected():
    for label, change in {
        "x5c is text": lambda h: dict(h, x5c=h["x5c"][0]), "x5c null": lambda h: dict(h, x5c=None),
        "x5c empty": lambda h: dict(h, x5c=[]), "agent null": lambda h: dict(h, **{NOTARY + "signingAgent": None}),
        "x5c alone": lambda h: {"x5c": h["x5c"]}, "x5c with a line break": lambda h: dict(h, x5c=[h["x5c"][0][:64] + "\n" + h["x5c"][0][64:], h["x5c"][1]]),
        "x5c as base64url": lambda h: dict(h, x5c=[one.replace("+", "-").replace("/", "_") for one in h["x5c"]]),
        "unknown member": lambda h: dict(h, z=1), "x5c in capitals": lambda h: {"X5C": h["x5c"]},
        "protected names": lambda h: dict(h, **{"alg": "none", "crit": ["x"], SCHEME: "z"}),
        **{f"timestamp {value!r}": lambda h, value=value: dict(h, **{NOTARY + "timestampSignature": value})
           for value in [None, "", "!", 1, "_-_-", "QQ"]},
    }.items():
        yield f"unprotected: {label}", envelope(protected(), unprotected=change)


def whole():
    for label, change in {
        "no header": lambda e: {key: e[key] for key in e if key != "header"}, "signatures": lambda e: dict(e, signatures=[]),
        "payload null": lambda e: dict(e, payload=None), "more members": lambda e: dict(e, x=1),
        "unknown member twice": lambda e: (json.dumps(e)[:-1] + ',"x":1,"x":2}').encode(),
        "white space before": lambda e: b"\n\t " + json.dumps(e).encode(),
        "byte-order mark": lambda e: b"\xef\xbb\xbf" + json.dumps(e).encode(), "in a list": lambda e: json.dumps([e]).encode(),
        "compact": lambda e: f"{e['protected']}.{e['payload']}.{e['signature']}".encode(),
        "zero byte behind": lambda e: json.dumps(e).encode() + b"\0", "UTF-16": lambda e: json.dumps(e).encode("utf-16"),
        "deep": lambda e: (json.dumps(e)[:-1] + ',"x":' + "[" * 300 + "]" * 300 + "}").encode(),
        "general form too": lambda e: dict(e, signatures=[{"protected": e["protected"], "signature": e["signature"], "header": e["header"]}]), "general form alone": lambda e: {"payload": e["payload"], "signatures": [{"protected": e["protected"], "signature": e["signature"], "header": e["header"]}]},
        "payload padded": lambda e: dict(e, payload=e["payload"] + "=" * (-len(e["payload"]) % 4 or 4)), "protected padded": lambda e: dict(e, protected=e["protected"] + "=="), "signature padded": lambda e: dict(e, signature=e["signature"] + "=="), "signature with a space": lambda e: dict(e, signature=e["signature"] + " "),
        "signature with a line break": lambda e: dict(e, signature=e["signature"][:20] + "\n" + e["signature"][20:]), "protected with a line break": lambda e: dict(e, protected=e["protected"][:20] + "\n" + e["protected"][20:]), "signature in the standard alphabet": lambda e: dict(e, signature=e["signature"].replace("-", "+").replace("_", "/")),
        "signature with stray bits": lambda e: dict(e, signature=e["signature"][:-1] + chr(ord(e["signature"][-1]) + 1)), "signature a number": lambda e: dict(e, signature=5), "signature null": lambda e: dict(e, signature=None), "signature empty": lambda e: dict(e, signature=""), "signature doubled": lambda e: dict(e, signature=e["signature"] * 2),
        "protected a map": lambda e: dict(e, protected={"alg": "ES256"}), "protected empty": lambda e: dict(e, protected=""), "payload empty": lambda e: dict(e, payload=""), "payload a map": lambda e: dict(e, payload={}), "header empty": lambda e: dict(e, header={}), "header a list": lambda e: dict(e, header=[]), "header text": lambda e: dict(e, header="x"),
        "payload in capitals": lambda e: {("PAYLOAD" if key == "payload" else key): e[key] for key in e}, "signature member twice": lambda e: (json.dumps(e)[:-1] + f', "signature": {json.dumps(e["signature"])}}}').encode(), "escaped letters": lambda e: json.dumps(e).replace("payload", "p\\u0061yload").encode(),
        "comma behind": lambda e: (json.dumps(e)[:-1] + ",}").encode(), "comment": lambda e: b"/* x */" + json.dumps(e).encode(), "twice": lambda e: json.dumps(e).encode() * 2, "tabs and breaks": lambda e: json.dumps(e, indent="\t").encode(), "lone surrogate": lambda e: (json.dumps(e)[:-1] + ', "x": "\\ud800"}').encode(), "not UTF-8": lambda e: json.dumps(e)[:-1].encode() + b', "x": "\xff"}',
        "two megabytes": lambda e: (json.dumps(e)[:-1] + ',"x":"' + "a" * (2 << 20) + '"}').encode(),
    }.items():
        yield f"envelope: {label}", envelope(protected(), top=change)


def variants():
    yield Variant("jws good", envelope(protected()))
    for make in (headers, odd_json, payloads, unprotected, whole):
        for label, made in make():
            yield Variant(f"jws {label}", made)
