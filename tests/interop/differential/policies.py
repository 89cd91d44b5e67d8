"""Variants of trust policies: identities, scopes, levels, stores, members missing or of other types, odd JSON."""

import copy
import json

import jws
from toolkit import REPOSITORY, Variant, policy

SUBJECT = "C=US,ST=WA,O=Acme,CN=Leaf"
BASE = "C=US,ST=WA,O=Acme"


def identities():
    subjects = [SUBJECT, " " + SUBJECT, SUBJECT + " ", SUBJECT.replace(",", ", "), SUBJECT.replace(",", " , "), SUBJECT.replace("=", " = "),
                SUBJECT + ",", "," + SUBJECT, SUBJECT + ",L=", SUBJECT.replace("ST", "S"), SUBJECT.replace("C=US", "c=US"), SUBJECT + "\\ ",
                SUBJECT + "\\", SUBJECT + "\\2", SUBJECT + ",DC=x", SUBJECT + ",X", SUBJECT.replace("Acme", '"Acme"'), SUBJECT.replace("Acme", "\\41cme"),
                SUBJECT.replace("Acme", "Acm\\65"), SUBJECT.replace("Acme", "A\\cme"), SUBJECT.replace("C=US", "2.5.4.6=US"),
                SUBJECT.replace("O=", "OID.2.5.4.10="), BASE, "C=US, ST=WA, O=Acme ", "C=US;ST=WA;O=Acme", "C=US+ST=WA,O=Acme", BASE + ",O=Acme",
                BASE + ",O=", "C=US,ST=WA,O=,O=Acme", BASE + ",S=WA", BASE + ",L= ", BASE + ",=x", BASE + ",x=", "C=US\t,ST=WA,O=Acme", f"\n{BASE}\n",
                BASE + "#", "C=US,ST=WA,O=#Acme", "C=US,ST=WA,O= #41", BASE + ",CN=Le\\61f", BASE + ",CN=Le  af", BASE + "\\", "C\\=US=1,ST=WA,O=Acme",
                "\\43=US,ST=WA,O=Acme", BASE + "\\00", BASE + ",OU=a=b", "C=US,ST=WA,O=<Acme>", "C=US,ST=WA,O=Ac+me", "*", ""]
    for subject in subjects:
        yield f"identity {subject!r}", policy([f"x509.subject:{subject}"])
    for one in ["X509.subject:" + SUBJECT, "x509.subject", "x509.subject :" + SUBJECT, " x509.subject:" + SUBJECT, "foo:bar", ":x", "*:*", ""]:
        yield f"identity of kind {one!r}", policy([one])
    pattern = "x509.subject:"
    for several in [[BASE, BASE + ",L=x"], [BASE, BASE], [BASE, "C=US,ST=WA,O=Other"], [BASE + ",L=a", BASE + ",L=b", BASE]]:
        yield f"identities {several!r}", policy([pattern + one for one in several])
    for several in [[BASE + ",CN=Leaf", BASE + ",CN=Other"], [BASE + ",CN=Other", BASE + ",CN=Leaf"], [BASE + ",S=WA", BASE], ["C=US,S=WA,O=Acme", BASE], [BASE, "O=Acme,ST=WA,C=US"], [BASE + ",CN=Leaf", BASE + ",CN=\\4ceaf"], [BASE + ",CN=a,OU=b", BASE + ",OU=b"], ["C=US,ST=WA,O=a", "C=US,ST=WA,O=b", "C=US,ST=WA,O=Acme"]]:
        yield f"identities {several!r}", policy([pattern + one for one in several])
    for several in [["foo:a", "bar:b"], ["foo:a", "foo:a"], ["x509.subject:" + BASE, "x509.subject.cn:Leaf"], ["spiffe://x/y"], ["did:x509:0:sha256:abc"], ["x509.subject:*"], ["x509.subject:"], ["x509.subject: "], [":"], ["*", "*"], ["* "], [" *"], [BASE], ["x509.subject:" + BASE, ""], ["x509.subject:" + BASE, None], ["x509.subject:" + BASE, 1]]:
        yield f"identity list {several!r}", policy(several)
    yield "identity * beside another", policy(["*", pattern + BASE])
    yield "identity beside an unknown kind", policy([pattern + BASE, "foo:bar"])


def statements():
    for scopes in [[REPOSITORY], ["*"], [REPOSITORY + ":v1"], [REPOSITORY + "/"], ["registry.example.test/team"], ["registry.example.test"],
                   [REPOSITORY] * 2, [REPOSITORY, "*"], [""], [" " + REPOSITORY], ["registry.example.test:443/team/app"], [REPOSITORY.upper()],
                   ["registry.example.test/team/App"], ["a_b/team"], ["registry..test/a"], ["-a.test/x"], ["r.test/a", REPOSITORY]]:
        yield f"scopes {scopes!r}", policy(registryScopes=scopes)
    for other in ["r.test/a--b", "r.test/a__b", "r.test/a___b", "r.test/a._b", "r.test/a-_b", "[::1]:5000/a", "127.0.0.1:5000/a", "r.test:/a",
                  "r.test:99999999/a", "r.test/a@sha256:abc", "localhost/a", "a/b", "b", "r.test/a b", "\u212a.test/a", "r.test/" + "a" * 300]:
        yield f"another scope {other!r}", policy(registryScopes=[REPOSITORY, other])
    for scopes in [["*", "*"], ["**"], ["*/app"], ["registry.example.test/*"], ["registry.example.test/team/*"], ["*.example.test/team/app"], [" *"], ["* "], [REPOSITORY + " "], [REPOSITORY + "@"], [REPOSITORY + "/app"], ["http://" + REPOSITORY], ["oci://" + REPOSITORY], [REPOSITORY, ""], [None], [1], [[REPOSITORY]], "*", {"*": 1},
                   ["Registry.example.test/team/app"], ["registry.example.test./team/app"], ["registry.example.test/team//app"], ["registry.example.test/team/app:"], ["registry.example.test/./app"], ["registry.example.test/../app"], ["registry.example.test/team\\app"], ["registry.example.test/t%65am/app"]]:
        yield f"scope list {scopes!r}", policy(registryScopes=scopes)
    for one in [{"level": "strict"}, {"level": "Strict"}, {"level": ""}, {}, {"level": None}, {"level": 1}, {"level": "strict", "foo": 1}]:
        yield f"verification {one!r}", policy(signatureVerification=one)
    for level, override in [("permissive", {"authenticity": "log"}), ("strict", {}), ("strict", None), ("strict", {"integrity": "log"}),
                            ("strict", {"revocation": "skip"}), ("strict", {"authenticity": "skip"}), ("strict", {"authenticity": "Log"}),
                            ("strict", {"Authenticity": "log"}), ("audit", {"expiry": "enforce", "revocation": "enforce"})]:
        yield f"override of {level} {override!r}", policy(signatureVerification={"level": level, "override": override})
    for level, override in [("strict", {"revocation": ""}), ("strict", {"revocation": None}), ("strict", {"": "log"}), ("strict", {"authenticTimestamp": "log", "expiry": "log"}), ("strict", {"authentictimestamp": "log"}), ("strict", {"expiry": "skip"}), ("strict", {"authenticTimestamp": "skip"}), ("strict", {"integrity": "enforce"}),
                            ("strict", {"revocation": "SKIP"}), ("strict", {"revocation": 1}), ("strict", []), ("strict", "log"), ("skip", {}), ("skip", None), ("skip", {"revocation": "skip"}), ("permissive", {"revocation": "enforce"}), ("audit", {"authenticity": "enforce"}), ("audit", {"integrity": "log"}), ("custom", {"revocation": "log"}), ("strict ", {}), (" strict", {}), ("STRICT", {})]:
        yield f"level {level!r} with {override!r}", policy(signatureVerification={"level": level, "override": override})
    for one in [1, True, [], "never", "afterCertExpiry ", "AfterCertExpiry"]:
        yield f"verifyTimestamp of {one!r}", policy(signatureVerification={"level": "strict", "verifyTimestamp": one})
    for one in ["always", "", "Always", None, "afterCertExpiry"]:
        yield f"verifyTimestamp {one!r}", policy(signatureVerification={"level": "strict", "verifyTimestamp": one})
    for stores in [["ca:acme"] * 2, ["ca:acme", "tsa:x"], ["ca:acme", "signingAuthority:x"], ["ca:"], ["ca"], ["ca:acme:x"], ["CA:acme"], ["ca: acme"],
                   ["ca:."], ["ca:.."], ["ca:*"], ["*"], ["ca:acme", ""], ["ca:../ca/acme"], ["ca:acme", "ca:nope"], [], None]:
        yield f"stores {stores!r}", policy(trustStores=stores)


def documents():
    good = policy()
    for member in good["trustPolicies"][0]:
        for label, change in {"absent": lambda s, m: s.pop(m), "null": lambda s, m: s.update({m: None}), "a number": lambda s, m: s.update({m: 7})}.items():
            made = copy.deepcopy(good)
            change(made["trustPolicies"][0], member)
            yield f"{member} {label}", made
    skip = {"name": "x", "signatureVerification": {"level": "skip"}}
    second = copy.deepcopy(good["trustPolicies"][0])
    for label, change in {"of the same name": {"registryScopes": ["r.test/a"]}, "of the same scope": {"name": "second"}, "of another case of the name": {"name": "Images", "registryScopes": ["r.test/a"]}, "without a name": {"name": "", "registryScopes": ["r.test/a"]}, "that is wrong": {"name": "second", "registryScopes": ["r.test/a"], "trustStores": ["x"]},
                          "of level skip with stores": {"name": "second", "registryScopes": ["r.test/a"], "signatureVerification": {"level": "skip"}}, "of blobs": {"name": "second", "registryScopes": ["r.test/a"], "globalPolicy": True}}.items():
        yield f"a second statement {label}", dict(good, trustPolicies=[good["trustPolicies"][0], {**second, **change}])
    for value in [None, {}, "x", [None], [[]], ["x"], [1], 7]:
        yield f"statements {value!r}", dict(good, trustPolicies=value)
    for value in [None, 1, 1.0, "", "2.0", "1.0.0", "v1.0", ["1.0"], True]:
        yield f"version {value!r}", dict(good, version=value)
    for name in ["a" * 1000, "\u00e4", "a\nb", "*", "a b", "\0"]:
        yield f"name {name[:8]!r}", policy(name=name)
    yield "many statements", dict(good, trustPolicies=[*good["trustPolicies"], *[{**second, "name": f"s{n}", "registryScopes": [f"r.test/a{n}"]} for n in range(300)]])
    yield "unknown member", dict(good, x=1)
    yield "member of blob policies", policy(globalPolicy=True)
    yield "version with a space", dict(good, version="1.0 ")

    yield "no statement", dict(good, trustPolicies=[])
    yield "another repository skipped", dict(good, trustPolicies=good["trustPolicies"] + [dict(skip, registryScopes=["a.test/b"])])
    yield "this repository skipped", dict(good, trustPolicies=good["trustPolicies"] + [dict(skip, registryScopes=[REPOSITORY])])
    yield "skipped with empty lists", dict(good, trustPolicies=good["trustPolicies"] + [dict(skip, registryScopes=[REPOSITORY], trustStores=[], trustedIdentities=[])])
    yield "all skipped", dict(good, trustPolicies=[dict(skip, registryScopes=["*"])])
    yield "name of a space", policy(name=" ")
    text = json.dumps(good)
    yield from {"two documents": text + text, "trailing comma": text[:-1] + ",}", "single quotes": text.replace('"', "'"), "null": "null", "text": '"x"', "an empty object": "{}", "cut short": text[:-1], "escaped member": text.replace('"version"', '"\\u0076ersion"'), "unknown member twice": text[:-1] + ', "x": 1, "x": 2}', "statements twice": text[:-1] + ', "trustPolicies": []}',
                "statement member twice": text.replace('"name": "images"', '"name": "x", "name": "images"'), "scopes in capitals": text.replace('"registryScopes"', '"RegistryScopes"'), "long s": text.replace('"trustStores"', '"tru\u017ftStores"'), "member misspelt": text.replace('"signatureVerification": {', '"signatureVerification": {"verifytimestamp": "always", '), "deep": text[:-1] + ', "x": ' + "[" * 200 + "]" * 200 + "}",
                "lone surrogate": text[:-1] + ', "x": "\\ud800"}', "tabs": text.replace(" ", "\t"), "zero byte behind": text + "\0", "control character": text.replace("images", "ima\x01ges"), "number 1e400": text[:-1] + ', "x": 1e400}'}.items()
    yield from {"byte-order mark": "\ufeff" + text, "white space behind": text + "\n\n", "empty": "", "in a list": [good], "comment": "//x\n" + text,
                "level twice": text.replace('"level"', '"level":"skip","level"'), "member in capitals": text.replace('"level"', '"LEVEL"')}.items()


def variants():
    envelope = jws.envelope(jws.protected())
    for make in (identities, statements, documents):
        for label, made in make():
            yield Variant(f"policy {label}", envelope, policy=made)
