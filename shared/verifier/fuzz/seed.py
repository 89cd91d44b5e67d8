#!/usr/bin/env python3
"""Fills corpus/ with seeds for every fuzz target from conformance cases: seed.py CASES_DIR

CASES_DIR holds the unpacked cases of fixtures/conformance (tar --zstd -xf fixtures/conformance/cases.tar.zst -C DIR).
"""
import base64
import hashlib
import json
import pathlib
import sys

CORPUS = pathlib.Path(__file__).parent / "corpus"


def seed(target, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def seeds_of_envelope(data, policy):
    seed("verify", data + b"\0" + policy)
    if data[:2] == b"\xd2\x84":
        seed("cose", data)
        return
    seed("jws", data)
    try:
        envelope = json.loads(data)
        header = envelope["header"]
        chain = [base64.b64decode(der) for der in header["x5c"]]
        payload = envelope["payload"] + "=" * (-len(envelope["payload"]) % 4)
        seed("payload", base64.urlsafe_b64decode(payload))
        token = header.get("io.cncf.notary.timestampSignature")
    except (ValueError, KeyError, TypeError):
        return
    for der in chain:
        seed("certificate", der)
    if token:
        seed("timestamp", base64.b64decode(token))


def main():
    cases = sorted(pathlib.Path(sys.argv[1]).glob("*/case.json"))
    for case in cases:
        folder = case.parent
        policy = (folder / "trust/trustpolicy.json").read_bytes()
        seed("trust_policy", policy)
        seed("json", policy)
        seed("reference", json.loads(case.read_text())["image"].encode())
        try:
            for statement in json.loads(policy)["trustPolicies"]:
                for identity in statement.get("trustedIdentities", []):
                    seed("identity", identity.partition(":")[2].encode())
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        for path in folder.glob("trust/truststore/x509/*/*/*"):
            seed("trust_store", path.read_bytes())
        for path in folder.glob("trust/crls/*"):
            seed("revocation", path.read_bytes())
        for path in folder.glob("layout/blobs/sha256/*"):
            data = path.read_bytes()
            if b'"schemaVersion"' in data:
                seed("manifest", data)
            elif b'"protected"' in data or data[:2] == b"\xd2\x84":
                seeds_of_envelope(data, policy)
    for text in ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.25+02:00"]:
        seed("time", text.encode())
    file = '{"path":"index.json","size":1,"digest":"sha256:' + 64 * "a" + '"}'
    seed("bundle", ('{"schema":"assay/bundle/v1","tool":{"name":"assay","version":"1"},"completeness":"complete",'
                    '"images":[],"crls":[],"files":[' + file + "]}").encode())
    seed("dsse", b'{"payloadType":"t","payload":"YQ==","signatures":[{"keyid":"SHA256:a","sig":"YQ=="}]}')
    seed("node_report", b'{"schema":"assay/node-report/v1"}')
    if not cases:
        sys.exit("no cases found")


if __name__ == "__main__":
    main()
