"""Variants of layouts: forms of signature manifests, where they are listed, indexes and Docker's types, digests, sizes, several signatures."""

import hashlib
import json

import cose
import jws
from revocation import LEAF as REVOCABLE, crl
from certificates import envelope as signed_with
from toolkit import IMAGE, LEAF, MANIFEST_TYPE, NOTARY, REPOSITORY, ROOT, Layout, Variant, base64std, base64url, digest, policy, sign

GOOD = jws.envelope(jws.protected())
BAD = GOOD.replace(b'"signature": "', b'"signature": "AAAA')
ARTIFACT_MANIFEST = "application/vnd.oci.artifact.manifest.v1+json"
SIGNATURE, EMPTY = "application/vnd.cncf.notary.signature", "application/vnd.oci.empty.v1+json"
INDEX, DOCKER, DOCKER_LIST = "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = {"mediaType": SIGNATURE, "digest": digest(b"{}"), "size": 2}


def payload_of(target):
    return json.dumps({"targetArtifact": target}).encode()


def envelope_of(target, chain=(LEAF, ROOT), **header):
    text, payload = base64url(json.dumps(jws.protected(**header)).encode()), base64url(payload_of(target))
    return json.dumps({"payload": payload, "protected": text, "header": {"x5c": [base64std(der) for der in chain]}, "signature": base64url(sign(f"{text}.{payload}".encode()))}).encode()


def put_manifest(layout, manifest, media_type=MANIFEST_TYPE, **members):
    data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    descriptor = layout.put(data, media_type)
    layout.manifests.append({**descriptor, **members})
    return descriptor


def manifests():
    """One signature manifest of another form."""
    def changed(**members):
        def make():
            layout = Layout()
            layout.sign(GOOD, **members)
            return layout
        return make

    def text(change):
        def make():
            layout = Layout()
            data = json.dumps(layout.signature_manifest(GOOD))
            put_manifest(layout, change(data).encode() if isinstance(change(data), str) else change(data))
            return layout
        return make

    def artifact(**members):
        def make():
            layout = Layout()
            made = {"mediaType": ARTIFACT_MANIFEST, "artifactType": SIGNATURE, "blobs": [layout.put(GOOD, "application/jose+json")], "subject": layout.target, **members}
            put_manifest(layout, {key: value for key, value in made.items() if value is not None}, ARTIFACT_MANIFEST)
            return layout
        return make

    def listed(**members):
        def make():
            layout = Layout()
            put_manifest(layout, layout.signature_manifest(GOOD), **members)
            return layout
        return make

    blob = {"mediaType": "application/jose+json", "digest": digest(GOOD), "size": len(GOOD)}
    target = Layout().target
    yield from {
        "good": changed(), "artifactType of signatures": changed(artifactType=SIGNATURE), "artifactType of something else": changed(artifactType="application/x"), "artifactType empty": changed(artifactType=""), "config of images": changed(config={**CONFIG, "mediaType": "application/vnd.oci.image.config.v1+json"}),
        "config in capitals": changed(config={**CONFIG, "mediaType": SIGNATURE.upper()}), "config absent": changed(config=None), "config blob absent": changed(config={**CONFIG, "digest": digest(b"x")}), "config of size 0": changed(config={**CONFIG, "size": 0}), "config's digest malformed": changed(config={**CONFIG, "digest": "sha256:x"}),
        "config's digest absent": changed(config={"mediaType": SIGNATURE, "size": 2}), "config negative size": changed(config={**CONFIG, "size": -1}), "config empty": changed(config={}),
        "no layers": changed(layers=[]), "layers absent": changed(layers=None), "two layers": changed(layers=[blob, blob]), "layer of size 0": changed(layers=[{**blob, "size": 0}]), "layer's size too small": changed(layers=[{**blob, "size": len(GOOD) - 1}]), "layer's size too large": changed(layers=[{**blob, "size": len(GOOD) + 1}]),
        "layer's digest of something else": changed(layers=[{**blob, "digest": digest(b"x")}]), "layer's digest in capitals": changed(layers=[{**blob, "digest": digest(GOOD).upper()}]), "layer's digest malformed": changed(layers=[{**blob, "digest": "x"}]), "layer's type unknown": changed(layers=[{**blob, "mediaType": "application/x"}]),
        "layer's type of COSE": changed(layers=[{**blob, "mediaType": "application/cose"}]), "layer's type with a parameter": changed(layers=[{**blob, "mediaType": "application/cose; cose-type=\"cose-sign1\""}]), "layer's type in capitals": changed(layers=[{**blob, "mediaType": "application/JOSE+json"}]), "layer's type empty": changed(layers=[{**blob, "mediaType": ""}]),
        "layer's negative size": changed(layers=[{**blob, "size": -5}]), "layer with annotations": changed(layers=[{**blob, "annotations": {"a": "b"}}]), "layer with URLs": changed(layers=[{**blob, "urls": ["http://x"]}]), "layer with data": changed(layers=[{**blob, "data": base64std(GOOD)}]), "layer with other data": changed(layers=[{**blob, "data": base64std(b"x")}]),
        "layer with data that is no base64": changed(layers=[{**blob, "data": "!"}]), "layer with URLs that are text": changed(layers=[{**blob, "urls": "http://x"}]), "layer with an annotation that is a number": changed(layers=[{**blob, "annotations": {"a": 1}}]), "layer with a platform that is text": changed(layers=[{**blob, "platform": "linux"}]),
        "layer with nulls": changed(layers=[{**blob, "urls": None, "annotations": None, "platform": None, "data": None, "artifactType": None}]), "layer with a platform of nulls": changed(layers=[{**blob, "platform": {"os": None, "os.features": None}}]), "layer with an artifactType that is a number": changed(layers=[{**blob, "artifactType": 1}]),
        "layer's size with an exponent": text(lambda made: made.replace(f'"size": {len(GOOD)}', f'"size": {len(GOOD)}e0')), "layer's size with a fraction": text(lambda made: made.replace(f'"size": {len(GOOD)}', f'"size": {len(GOOD)}.0')),
        "no subject": lambda: without_subject(), "subject null": text(lambda made: made.replace(json.dumps(target), "null")), "subject of another type": changed(subject={**target, "mediaType": DOCKER}), "subject of another size": changed(subject={**target, "size": target["size"] + 1}), "subject of another digest": changed(subject={**target, "digest": digest(b"x")}),
        "subject with annotations": changed(subject={**target, "annotations": {"a": "b"}}), "subject without a type": changed(subject={"digest": target["digest"], "size": target["size"]}), "subject with an artifactType": changed(subject={**target, "artifactType": "x"}), "subject with a platform": changed(subject={**target, "platform": {"os": "linux", "architecture": "amd64"}}),
        "schemaVersion absent": changed(schemaVersion=None), "schemaVersion 1": changed(schemaVersion=1), "schemaVersion text": changed(schemaVersion="2"), "mediaType absent": changed(mediaType=None), "mediaType of an index": changed(mediaType=INDEX), "mediaType of Docker": changed(mediaType=DOCKER), "annotations": changed(annotations={"io.cncf.notary.x509chain.thumbprint#S256": "[x]"}),
        "annotations null": text(lambda made: made[:-1] + ', "annotations": null}'), "annotation a number": changed(annotations={"a": 1}), "unknown member": changed(foo={"a": [1]}), "blobs too": changed(blobs=[blob]), "manifests too": changed(manifests=[blob]),
        "white space around": text(lambda made: " \n" + made + "\n "), "member twice": text(lambda made: made[:-1] + ', "schemaVersion": 2}'), "layers twice": text(lambda made: made[:-1] + ', "layers": []}'), "subject twice": text(lambda made: made[:-1] + f', "subject": {json.dumps(target)}}}'), "unknown member twice": text(lambda made: made[:-1] + ', "x": 1, "x": 2}'),
        "members in capitals": text(lambda made: made.replace('"layers"', '"LAYERS"').replace('"config"', '"CONFIG"')), "subject in capitals": text(lambda made: made.replace('"subject"', '"SUBJECT"')), "behind it more": text(lambda made: made + "{}"), "byte-order mark": text(lambda made: "\ufeff" + made), "cut short": text(lambda made: made[:-1]), "a list": text(lambda made: f"[{made}]"),
        "not UTF-8": text(lambda made: made[:-1].encode() + b', "x": "\xff"}'), "deep": text(lambda made: made[:-1] + ', "x": ' + "[" * 200 + "]" * 200 + "}"), "large": text(lambda made: made[:-1] + ', "x": "' + "a" * (3 << 20) + '"}'), "too large": text(lambda made: made[:-1] + ', "x": "' + "a" * (5 << 20) + '"}'),
        "listed with its artifactType": listed(artifactType=SIGNATURE), "listed with another artifactType": listed(artifactType="application/x"), "listed with annotations": listed(annotations={"a": "b"}), "listed with a name": listed(annotations={"org.opencontainers.image.ref.name": "sig"}), "listed with a platform": listed(platform={"os": "linux", "architecture": "amd64"}),
        "listed with wrong size": listed(size=5), "listed as Docker's": listed(mediaType=DOCKER), "listed as an index": listed(mediaType=INDEX), "listed as an artifact manifest": listed(mediaType=ARTIFACT_MANIFEST), "listed without a type": listed(mediaType=""), "listed with a parameter": listed(mediaType=MANIFEST_TYPE + "; a=b"), "listed with data": listed(data=base64std(b"x")),
        "artifact manifest": artifact(), "artifact manifest of something else": artifact(artifactType="application/x"), "artifact manifest without a type": artifact(artifactType=None), "artifact manifest of no blobs": artifact(blobs=[]), "artifact manifest of two": artifact(blobs=[blob, blob]), "artifact manifest without a subject": artifact(subject=None),
        "artifact manifest with layers": artifact(blobs=None, layers=[blob]), "artifact manifest without mediaType": artifact(mediaType=None), "artifact manifest of images": artifact(mediaType=MANIFEST_TYPE), "artifact manifest with annotations": artifact(annotations={"a": "b"}), "artifact manifest's subject of another size": artifact(subject={**target, "size": 1}),
    }.items()


def without_subject():
    layout = Layout()
    made = layout.signature_manifest(GOOD)
    made.pop("subject")
    put_manifest(layout, made)
    return layout


def empty_config(**members):
    """The form that newer notation writes; notation 1.3.2 overlooks it, and assay reads it on purpose."""
    layout = Layout()
    layout.sign(GOOD, artifactType=SIGNATURE, config={**CONFIG, "mediaType": EMPTY}, **members)
    return layout


def places():
    """Where the signature is listed, and what else is."""
    def in_index(depth, keep=False, **members):
        def make():
            layout = Layout()
            entry = layout.put(json.dumps(layout.signature_manifest(GOOD)).encode(), MANIFEST_TYPE)
            for _ in range(depth):
                entry = layout.put(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode(), INDEX)
            layout.manifests.append({**entry, **members})
            return layout
        return make

    def behind(kind):
        def make():
            layout = Layout()
            entry = layout.put(json.dumps(layout.signature_manifest(GOOD)).encode(), MANIFEST_TYPE)
            plain = {"schemaVersion": 2, "config": {"mediaType": "application/x", "digest": digest(b"{}"), "size": 2}, "layers": []}
            made, media_type = {"subject": ({**plain, "subject": entry}, MANIFEST_TYPE), "layer": ({**plain, "layers": [entry]}, MANIFEST_TYPE), "docker": ({**plain, "subject": entry}, DOCKER),
                                "blob": ({"mediaType": ARTIFACT_MANIFEST, "artifactType": "x", "blobs": [entry]}, ARTIFACT_MANIFEST), "index": ({"schemaVersion": 2, "manifests": [], "subject": entry}, INDEX)}[kind]
            put_manifest(layout, made, media_type)
            return layout
        return make

    def change(alter):
        def make():
            layout = Layout()
            layout.sign(GOOD)
            alter(layout)
            return layout
        return make

    def doubled(layout):
        layout.manifests = layout.manifests * 2

    def signature_first(layout):
        layout.manifests.reverse()

    def unlisted(layout):
        layout.manifests.pop()

    def image_nested(layout):
        image = layout.manifests.pop(0)
        named = image.pop("annotations")
        index = layout.put(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image]}).encode(), INDEX)
        layout.manifests.append(index)
        layout.manifests.insert(0, {**image, "annotations": named})

    def drop(blob):
        return lambda layout: layout.blobs.pop(blob(layout))

    def alter(blob, data):
        def apply(layout):
            layout.blobs[blob(layout)] = data
        return apply

    def files(**made):
        return lambda layout: layout.files.update({name.replace("_", "-"): data for name, data in made.items()})

    def index(edit):
        def apply(layout):
            made = json.dumps({"schemaVersion": 2, "manifests": layout.manifests})
            layout.files["index.json"] = edit(made) if isinstance(edit(made), bytes) else edit(made).encode()
        return apply

    def entry(**members):
        def apply(layout):
            layout.manifests.append({key: value for key, value in {"mediaType": MANIFEST_TYPE, "digest": digest(b"nothing"), "size": 7, **members}.items() if value is not None})
        return apply

    signature = lambda layout: layout.manifests[1]["digest"]
    fallback = f"sha256-{Layout().target['digest'][7:]}"
    yield from {
        "in an index": in_index(1), "in an index of an index": in_index(2), "in three": in_index(3), "in seven": in_index(7), "in an index of the fallback tag": in_index(1, annotations={"org.opencontainers.image.ref.name": fallback}),
        "behind another referrer": behind("subject"), "behind a manifest's layer": behind("layer"), "behind a Docker manifest's subject": behind("docker"), "behind an artifact manifest": behind("blob"), "behind an index's subject": behind("index"),
        "listed as Docker's first": change(lambda layout: layout.manifests.insert(1, {**layout.manifests[1], "mediaType": DOCKER})), "listed of another size first": change(lambda layout: layout.manifests.insert(1, {**layout.manifests[1], "size": layout.manifests[1]["size"] + 1})),
        "image of another type listed too": change(lambda layout: layout.manifests.append({**layout.target, "mediaType": "application/x"})), "image listed again without a name": change(lambda layout: layout.manifests.append(dict(layout.target))),
        "doubled": change(doubled), "signature first": change(signature_first), "not listed": change(unlisted), "image in an index too": change(image_nested),
        "image's config absent": change(drop(lambda layout: digest(b"{}"))), "image's blob absent": change(drop(lambda layout: layout.target["digest"])), "envelope absent": change(drop(lambda layout: digest(GOOD))), "signature manifest absent": change(drop(signature)),
        "envelope altered": change(alter(lambda layout: digest(GOOD), b"x" * len(GOOD))), "envelope cut short": change(alter(lambda layout: digest(GOOD), GOOD[:-1])), "envelope with a byte behind": change(alter(lambda layout: digest(GOOD), GOOD + b"\n")), "signature manifest altered": change(alter(signature, b"x" * 10)), "image altered": change(alter(lambda layout: layout.target["digest"], b"x" * len(IMAGE))),
        "a blob that is absent listed": change(entry()), "an entry of no type": change(entry(mediaType=None)), "an entry of type text": change(entry(mediaType="text/plain")), "an entry with a malformed digest": change(entry(digest="x")), "an entry without a digest": change(entry(digest=None)), "an entry with a negative size": change(entry(size=-1)), "an entry with text as its size": change(entry(size="7")),
        "layout version 2": change(files(oci_layout=b'{"imageLayoutVersion":"2.0.0"}')), "layout version 1.1.0": change(files(oci_layout=b'{"imageLayoutVersion":"1.1.0"}')), "layout version absent": change(files(oci_layout=b"{}")), "layout file empty": change(files(oci_layout=b"")), "layout file garbage": change(files(oci_layout=b"hello")),
        "layout file with more": change(files(oci_layout=b'{"imageLayoutVersion":"1.0.0","x":1}\n')),
        "index with a type": change(index(lambda made: made[:-1] + f', "mediaType": "{INDEX}"}}')), "index with another type": change(index(lambda made: made[:-1] + ', "mediaType": "x"}')), "index without schemaVersion": change(index(lambda made: made.replace('"schemaVersion": 2, ', ""))), "index of schemaVersion 3": change(index(lambda made: made.replace('"schemaVersion": 2', '"schemaVersion": 3'))),
        "index with white space": change(index(lambda made: "\n " + made + " \n")), "index with more behind": change(index(lambda made: made + "x")), "index with a byte-order mark": change(index(lambda made: "\ufeff" + made)), "index with annotations": change(index(lambda made: made[:-1] + ', "annotations": {"a": "b"}}')), "index with manifests in capitals": change(index(lambda made: made.replace('"manifests"', '"MANIFESTS"'))),
    }.items()


def images():
    """Images of other types and what the payload says of them."""
    def image(data, media_type, signed=None, **members):
        def make():
            layout = Layout(data, media_type)
            for blob in members.get("blobs", ()):
                layout.blobs[digest(blob)] = blob
            layout.sign(envelope_of(signed or layout.target))
            return layout
        return make

    child = json.dumps({"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2}, "layers": [], "annotations": {"child": "yes"}}).encode()
    entry = {"mediaType": MANIFEST_TYPE, "digest": digest(child), "size": len(child), "platform": {"os": "linux", "architecture": "amd64"}}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    docker_child = json.dumps({"schemaVersion": 2, "mediaType": DOCKER, "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": digest(b"{}"), "size": 2}, "layers": []}).encode()
    docker_list = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [{"mediaType": DOCKER, "digest": digest(docker_child), "size": len(docker_child), "platform": {"os": "linux", "architecture": "amd64"}}]}).encode()
    target = Layout().target
    yield from {
        "OCI index": image(index, INDEX, blobs=[child]), "OCI index without its child": image(index, INDEX), "Docker manifest": image(docker_child, DOCKER), "Docker list": image(docker_list, DOCKER_LIST, blobs=[docker_child]), "Docker list without its child": image(docker_list, DOCKER_LIST),
        "Docker manifest signed as OCI": image(docker_child, DOCKER, {"mediaType": MANIFEST_TYPE, "digest": digest(docker_child), "size": len(docker_child)}), "index signed as manifest": image(index, INDEX, {"mediaType": MANIFEST_TYPE, "digest": digest(index), "size": len(index)}, blobs=[child]),
        "child's signature on the index": image(index, INDEX, {key: entry[key] for key in ("mediaType", "digest", "size")}, blobs=[child]),
        "payload of another size": image(IMAGE, MANIFEST_TYPE, {**target, "size": 1}), "payload of another digest": image(IMAGE, MANIFEST_TYPE, {**target, "digest": digest(b"x")}), "payload of another type": image(IMAGE, MANIFEST_TYPE, {**target, "mediaType": DOCKER}), "payload of a malformed digest": image(IMAGE, MANIFEST_TYPE, {**target, "digest": "x"}),
        "payload of sha512": image(IMAGE, MANIFEST_TYPE, {**target, "digest": "sha512:" + hashlib.sha512(IMAGE).hexdigest()}), "payload without a size": image(IMAGE, MANIFEST_TYPE, {"mediaType": MANIFEST_TYPE, "digest": target["digest"]}), "payload without a type": image(IMAGE, MANIFEST_TYPE, {"digest": target["digest"], "size": target["size"]}),
        "payload with a platform": image(IMAGE, MANIFEST_TYPE, {**target, "platform": {"os": "windows", "architecture": "amd64"}}), "payload with annotations": image(IMAGE, MANIFEST_TYPE, {**target, "annotations": {"io.cncf.notary.x": "y"}}), "image of no type": image(IMAGE, "application/x"), "image not JSON": image(b"hello", MANIFEST_TYPE), "image of an artifact manifest": image(json.dumps({"mediaType": ARTIFACT_MANIFEST, "artifactType": "x"}).encode(), ARTIFACT_MANIFEST),
    }.items()


def digests():
    """Signature blobs by SHA-384 and SHA-512."""
    for algorithm in ("sha384", "sha512"):
        def make(algorithm=algorithm, which="envelope"):
            layout = Layout()
            name = f"{algorithm}:{hashlib.new(algorithm, GOOD).hexdigest()}"
            layout.blobs[name] = GOOD
            layout.sign(GOOD, layers=[{"mediaType": "application/jose+json", "digest": name, "size": len(GOOD)}])
            return layout
        yield f"envelope by {algorithm}", make

        def manifest(algorithm=algorithm):
            layout = Layout()
            data = json.dumps(layout.signature_manifest(GOOD)).encode()
            name = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
            layout.blobs[name] = data
            layout.manifests.append({"mediaType": MANIFEST_TYPE, "digest": name, "size": len(data)})
            return layout
        yield f"signature manifest by {algorithm}", manifest

        def image(algorithm=algorithm):
            layout = Layout()
            name = f"{algorithm}:{hashlib.new(algorithm, IMAGE).hexdigest()}"
            layout.blobs[name] = IMAGE
            layout.target = {"mediaType": MANIFEST_TYPE, "digest": name, "size": len(IMAGE)}
            layout.manifests = [{**layout.target, "annotations": layout.manifests[0]["annotations"]}]
            layout.sign(envelope_of(layout.target))
            return layout
        yield f"image by {algorithm}", image


def several():
    """Several signatures, each good or failing at one check."""
    def envelopes():
        made = {"good": GOOD, "broken": BAD, "expired": envelope_of(Layout().target, **{NOTARY + "expiry": "2025-01-01T00:00:00Z", "crit": [NOTARY + "signingScheme", NOTARY + "expiry"]}),
                "of another": envelope_of({**Layout().target, "digest": digest(b"x")}), "garbage": b"hello", "other good": jws.envelope(jws.protected(**{NOTARY + "signingTime": "2024-05-02T10:30:00Z"})), "unknown status": signed_with([REVOCABLE, ROOT])}
        return made

    made = envelopes()
    for labels in [("broken", "good"), ("good", "broken"), ("expired", "good"), ("of another", "good"), ("garbage", "good"), ("unknown status", "good"), ("good", "other good"), ("broken", "garbage"), ("expired", "expired"), ("of another",), ("broken", "expired"), ("expired", "of another"), ("unknown status",), ("garbage", "broken", "good")]:
        def make(labels=labels):
            layout = Layout()
            for label in dict.fromkeys(labels):
                layout.sign(made[label])
            return layout
        yield " and ".join(labels), make

    def both():
        layout = Layout()
        layout.sign(BAD)
        layout.sign(cose.envelope(), "application/cose")
        return layout
    yield "broken JWS and good COSE", both

    def shared():
        layout = Layout()
        layout.sign(GOOD)
        layout.sign(GOOD, annotations={"a": "b"})
        return layout
    yield "one envelope in two manifests", shared

    def not_ours():
        layout = Layout()
        layout.sign(GOOD)
        layout.sign(b"hello", config={**CONFIG, "mediaType": "application/x"})
        return layout
    yield "a referrer that is no signature", not_ours

    def many(count, good):
        def make():
            layout = Layout()
            for number in range(count):
                layout.sign(GOOD if number in good else BAD, annotations={"n": str(number)})
            return layout
        return make
    yield "99 broken", many(99, ())
    yield "100 broken", many(100, ())
    yield "101 broken", many(101, ())
    yield "150 good", many(150, range(150))


def references():
    for repository, scope in [("registry.example.test:5000/team/app", "registry.example.test:5000/team/app"), ("registry.example.test:5000/team/app", "registry.example.test/team/app"), ("localhost:5000/app", "localhost:5000/app"), ("localhost/app", "localhost/app"), ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"),
                              ("REGISTRY.example.test/app", "REGISTRY.example.test/app"), ("REGISTRY.example.test/app", "registry.example.test/app"), ("r.test/a-b_c.d__e/f", "r.test/a-b_c.d__e/f"), ("r.test/a--b", "r.test/a--b"), ("docker.io/library/x", "docker.io/library/x"), ("xn--bcher-kva.example/app", "xn--bcher-kva.example/app"), ("local/x", "local/x")]:
        def make(repository=repository):
            layout = Layout(repository=repository)
            layout.sign(GOOD)
            return layout
        yield f"{repository} under {scope}", make, policy(registryScopes=[scope])
    for label, statements in {"exact beside *": [[REPOSITORY], ["*"]], "exact in the second": [["r.test/x"], [REPOSITORY]], "none": [["r.test/x"]], "parent": [["registry.example.test/team"]]}.items():
        document = policy()
        skip = {"name": "skipped", "signatureVerification": {"level": "skip"}}
        entries = [{**document["trustPolicies"][0], "name": f"s{at}", "registryScopes": scopes} for at, scopes in enumerate(statements)]
        yield f"scopes {label}", lambda: signed(), {**document, "trustPolicies": entries}
        if len(entries) > 1:
            yield f"scopes {label}, the first skipped", lambda: signed(), {**document, "trustPolicies": [{**skip, "registryScopes": statements[0]}, *entries[1:]]}
            yield f"scopes {label}, the second skipped", lambda: signed(), {**document, "trustPolicies": [entries[0], {**skip, "registryScopes": statements[1]}]}


def signed():
    layout = Layout()
    layout.sign(GOOD)
    return layout


def variants():
    for group, make in {"manifest": manifests, "place": places, "image": images, "digest": digests, "several": several}.items():
        for label, layout in make():
            yield Variant(f"layout {group}: {label}", GOOD, layout=layout)
    for label, layout, the_policy in references():
        yield Variant(f"layout reference: {label}", GOOD, layout=layout, policy=the_policy)
    for level in ["permissive", "audit", "skip"]:
        for label, layout in {"unsigned": lambda: Layout(), "broken": lambda: broken(), "of another": dict(images())["payload of another digest"], "envelope absent": dict(places())["envelope absent"]}.items():
            the_policy = policy(signatureVerification={"level": level})
            if level == "skip":
                the_policy["trustPolicies"][0].update(trustStores=[], trustedIdentities=[])
            yield Variant(f"layout level {level}: {label}", GOOD, layout=layout, policy=the_policy)


def broken():
    layout = Layout()
    layout.sign(BAD)
    return layout
