#!/usr/bin/env python3
"""Asks notation and assay-agent the same questions and compares the answers: run.py NOTATION AGENT [--update] [--show] [TEXT]

Each question is a variant of one good signature, its certificates, timestamp, CRLs, policy, trust store or layout, made
anew each time. Both must give the same verdict and, where notation names the check that failed, the same reason. They may
differ where `fixtures/conformance/differences.json` lists the variant under a rule: a rule is one of strictness, or says
outright that assay goes on where notation gives up. A difference that is not listed, one that goes the other way and a
listed one that is gone are failures. `--update` writes what differs below the rule "new", to be sorted by hand; TEXT limits
the run to labels that hold it; `--show` prints every answer.
"""

import base64
import collections
import concurrent.futures
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse

import certificates
import chains
import cose
import jws
import layouts
import mutations
import policies
import revocation
import stores
import timestamps
from toolkit import write_files

DIFFERENCES = pathlib.Path(__file__).parents[3] / "fixtures/conformance/differences.json"
MODULES = (jws, cose, certificates, chains, policies, stores, layouts, revocation, timestamps, mutations)
NO_REPORT = "no report"  # a layout that assay cannot open
CHECKS = {"integrity": "integrity", "authenticity": "authenticity", "expiry": "expiry", "authenticTimestamp": "authentic-timestamp",
          "revocation": "revocation"}


class Publisher(http.server.ThreadingHTTPServer):
    """The web as notation sees it through its proxy: the CRLs of each variant, which the proxy's user names."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.crls = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        user = base64.b64decode(self.headers.get("Proxy-Authorization", "").removeprefix("Basic ")).decode().split(":")[0]
        path = urllib.parse.urlsplit(self.path).path.rsplit("/", 1)[-1]
        files = self.server.crls.get(user, {})
        data = files.get(path, files.get(urllib.parse.unquote(path)))
        if data and (pem := re.search(rb"-----BEGIN X509 CRL-----(.*)-----END", data, re.DOTALL)):
            data = base64.b64decode(pem[1])
        self.send_response(404 if data is None else 200)
        self.end_headers()
        self.wfile.write(data or b"")

    do_POST = do_GET

    def log_message(self, *_):
        pass


def said(code, text):
    """notation's answer as status and failed check; None for a check that it does not name, or several."""
    if code == 0:
        return ("skipped" if "configured to skip signature verification" in text else "passed"), None
    error = text[text.rfind("\nError: "):]
    if "no signature is associated with" in error:
        return "failed", "no-signature"
    if re.search("unable to retrieve digital signature|OCI store|OCI layout|configured limit of", error):
        return "failed", None
    if "Processing signature" not in text:
        is_policy = re.search(r"trust policy|registry scope|trust policies|trust store type|trusted identit", error)
        return "failed", "policy" if is_policy else None
    failed = set()
    for signature in text.split("Processing signature")[1:]:
        checks = re.findall(r"level=error msg=(\w+) validation failed", signature)
        if "content descriptor mismatch" in signature:
            failed.add("descriptor-mismatch")
        elif checks:
            failed.add(CHECKS[checks[-1]])
        else:
            failed.add(None)
    return "failed", failed.pop() if len(failed) == 1 else None


def ask(notation, agent, publisher, variant, number):
    """Both answers, each status and reason, and what both said."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_files(folder / "config/notation", variant.files())
        write_files(folder / "config/notation/crls", variant.crls)
        layout = variant.image()
        layout.write(folder / "layout")
        publisher.crls[str(number)] = variant.crls
        proxy = f"http://{number}:x@127.0.0.1:{publisher.server_port}"
        environment = dict(os.environ, NOTATION_EXPERIMENTAL="1", HOME=name, XDG_CONFIG_HOME=f"{name}/config", XDG_CACHE_HOME=f"{name}/cache",
                           HTTP_PROXY=proxy, http_proxy=proxy, NO_PROXY="", no_proxy="")
        reference = subprocess.run([notation, "verify", "-v", "--oci-layout", f"{name}/layout@{layout.target['digest']}", "--scope", layout.repository],
                                   env=environment, capture_output=True, check=False)
        text = (reference.stdout + b"\n" + reference.stderr).decode(errors="replace")
        ours = subprocess.run([agent, "verify", "--store", f"layout:{name}/layout", "--trust", f"{name}/config/notation", "--content", "none",
                               "--image", f"{layout.repository}:v1", "--output", "-"], capture_output=True, check=False)
        try:
            image = json.loads(ours.stdout)["images"][0]
            answer, words = (image["status"], image["reason"]), image["message"]
        except (ValueError, IndexError, KeyError):
            answer, words = (NO_REPORT, None), ours.stderr.decode(errors="replace")
        return said(reference.returncode, text), answer, f"{text.strip().splitlines()[-2:]}\n      {words}"


def verdict(answer):
    return "/".join(part for part in answer if part)


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    notation, agent, text = (words + [""])[:3]
    variants = [one for module in MODULES for one in module.variants() if text in one.label]
    labels = collections.Counter(one.label for one in variants)
    assert variants and max(labels.values()) == 1, labels.most_common(3)
    publisher = Publisher()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(lambda one: ask(notation, agent, publisher, one[1], one[0]), enumerate(variants)))

    document = json.loads(DIFFERENCES.read_text())
    rules = {label: rule for rule in document["rules"] for label in rule["variants"] if text in label}
    assert len(rules) == sum(text in label for rule in document["rules"] for label in rule["variants"]), "a variant stands under two rules"
    complaints, differing, refused, reasons = [], set(), 0, 0
    for variant, (reference, ours, words) in zip(variants, answers):
        label, accepts = variant.label, ("passed", "skipped")
        difference = f"{label}: notation {verdict(reference)}, assay {verdict(ours)}\n      {words}"
        if "--show" in sys.argv:
            print(difference)
        reasons += reference[1] is not None
        if reference[0] not in accepts and ours[0] in accepts:
            kind = "goes-on"
        elif reference[0] in accepts and ours[0] in ("failed", NO_REPORT):
            kind, refused = "stricter", refused + 1
        elif ours[0] != reference[0] and (ours[0] != NO_REPORT or reference[1]) or reference[1] and ours[1] != reference[1]:
            kind = "other-reason"
        else:
            continue
        differing.add(label)
        if rules.get(label, {}).get("kind") != kind:
            complaints.append(f"{kind}, and not listed as such: {difference}")
    complaints += [f"listed under {rules[label]['id']}, and differs no more: {label}" for label in sorted(rules.keys() - differing)]
    if "--update" in sys.argv:
        for rule in document["rules"]:
            rule["variants"] = [label for label in rule["variants"] if text not in label or label in differing]
        new = sorted(differing - rules.keys())
        document["rules"] += [{"id": "new", "kind": "", "what": "", "why": "", "cases": [], "variants": new}] if new else []
        DIFFERENCES.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n")
    for complaint in complaints:
        print(complaint)
    accepted = sum(reference[0] in ("passed", "skipped") for reference, _, _ in answers)
    print(f"{len(variants)} variants, {accepted} accepted by notation, {refused} of these refused here, {reasons} reasons compared, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
