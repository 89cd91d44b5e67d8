#!/usr/bin/env python3
"""Asks notation and assay-agent the same questions and compares the answers: run.py NOTATION AGENT [--update] [TEXT]

Some 900 variants of one good signature are made anew each time. assay may refuse what notation accepts where
stricter.json lists the variant; an unlisted one, a listed one that no longer differs, and any that assay accepts and
notation does not, is a failure. `--update` writes the list; TEXT limits the run to labels that hold it.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import certificates
import cose
import jws
import policies
from toolkit import IMAGE, MANIFEST_TYPE, REPOSITORY, TARGET, digest

LIST = pathlib.Path(__file__).with_name("stricter.json")


def write(folder, variant):
    """Writes the layout and the configuration of a variant."""
    blobs = folder / "layout/blobs/sha256"
    anchors = folder / "config/notation/truststore/x509/ca/acme"
    blobs.mkdir(parents=True)
    anchors.mkdir(parents=True)
    signature = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": "application/vnd.cncf.notary.signature", "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": variant.media_type, "digest": digest(variant.envelope), "size": len(variant.envelope)}],
        "subject": TARGET,
    }).encode()
    for blob in (IMAGE, b"{}", variant.envelope, signature):
        (blobs / digest(blob).removeprefix("sha256:")).write_bytes(blob)
    annotations = {"io.containerd.image.name": f"{REPOSITORY}:v1", "org.opencontainers.image.ref.name": "v1"}
    manifests = [dict(TARGET, annotations=annotations), {"mediaType": MANIFEST_TYPE, "digest": digest(signature), "size": len(signature)}]
    (folder / "layout/oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "layout/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    for number, anchor in enumerate(variant.anchors):
        (anchors / f"{number}.crt").write_bytes(anchor)
    text = variant.policy if isinstance(variant.policy, str) else json.dumps(variant.policy)
    (folder / "config/notation/trustpolicy.json").write_text(text)


def ask(notation, agent, variant):
    """Whether notation accepts, what assay says."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write(folder, variant)
        environment = dict(os.environ, NOTATION_EXPERIMENTAL="1", HOME=name, XDG_CONFIG_HOME=f"{name}/config", XDG_CACHE_HOME=f"{name}/cache")
        reference = subprocess.run([notation, "verify", "--oci-layout", f"{name}/layout@{TARGET['digest']}", "--scope", REPOSITORY],
                                   env=environment, capture_output=True, check=False)
        ours = subprocess.run([agent, "verify", "--store", f"layout:{name}/layout", "--trust", f"{name}/config/notation", "--content", "none"],
                              capture_output=True, check=False)
        image = json.loads(ours.stdout)["images"][0]
        return reference.returncode == 0, image["status"] in ("passed", "skipped"), image["reason"]


def main():
    words = [word for word in sys.argv[1:] if word != "--update"]
    notation, agent, text = (words + [""])[:3]
    variants = [one for module in (jws, cose, certificates, policies) for one in module.variants() if text in one.label]
    labels = collections.Counter(one.label for one in variants)
    assert variants and max(labels.values()) == 1, labels.most_common(3)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(lambda one: ask(notation, agent, one), variants))
    stricter, laxer = {}, []
    for variant, (reference, ours, reason) in zip(variants, answers):
        if reference and not ours:
            stricter[variant.label] = reason
        elif ours and not reference:
            laxer.append(variant.label)
    if "--update" in sys.argv:
        LIST.write_text(json.dumps(stricter, indent=1, sort_keys=True, ensure_ascii=True) + "\n")
    known = {label: reason for label, reason in json.loads(LIST.read_text()).items() if text in label}
    for label in laxer:
        print(f"LAXER than notation: {label}")
    for label in sorted(stricter.keys() - known.keys()):
        print(f"stricter than notation, and not listed: {label} ({stricter[label]})")
    for label in sorted(known.keys() - stricter.keys()):
        print(f"listed, and no longer stricter: {label}")
    accepted = sum(reference for reference, _, _ in answers)
    print(f"{len(variants)} variants, {accepted} accepted by notation, {len(stricter)} of these refused here")
    return 1 if laxer or stricter != known else 0


if __name__ == "__main__":
    sys.exit(main())
