#!/usr/bin/env python3
"""Reads JUnit files with parsers that are not ours and compares them with report.json beside them.

    junit_check.py DIR...        DIR holds report.json, junit.xml (and junit~2.xml …) and junit/

Needs the packages junitparser and lxml. Exits 0 where everything agrees, 1 with a line for each difference, 2 where
there was nothing to read.
"""

import json
import sys
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped
from lxml import etree

SCHEMA = etree.XMLSchema(etree.parse(str(Path(__file__).with_name("junit.xsd"))))
MOST = 30_000_000  # bytes that GitLab reads of one file
KINDS = {"failed": Failure, "inconclusive": Error, "skipped": Skipped, "passed": None}


def cases(files, complain):
    """All cases of the files, by suite, class and name."""
    found = {}
    for file in files:
        if file.stat().st_size > MOST:
            complain(f"{file}: larger than {MOST} bytes")
        document = etree.parse(str(file))
        if not SCHEMA.validate(document):
            complain(f"{file}: {SCHEMA.error_log.last_error}")
        suites = list(JUnitXml.fromfile(str(file)))
        if not suites:
            complain(f"{file}: no suite")
        for suite in suites:
            counted = {kind: 0 for kind in (Failure, Error, Skipped, None)}
            if suite.tests != len(list(suite)) or suite.tests == 0:
                complain(f"{file}: suite {suite.name!r} says {suite.tests} tests")
            for case in suite:
                kind = type(case.result[0]) if case.result else None
                counted[kind] += 1
                key = (suite.name, case.classname, case.name)
                if key in found:
                    complain(f"{file}: {key} twice")
                found[key] = kind
                if "." in case.classname:
                    complain(f"{file}: {key}: Jenkins cuts the class at its last point")
                for result in case.result if kind in (Failure, Error) else []:
                    # Azure shows the message beside the name, others the text's first line: both tell of which node
                    node = "" if suite.name == "-" else suite.name
                    if suite.name != "site" and not (
                        result.message.startswith(f"on {node}: ") and result.text.startswith(f"Node: {node}\n")
                    ):
                        complain(f"{file}: {key} does not name its node")
            said = {Failure: suite.failures, Error: suite.errors, Skipped: suite.skipped}
            for kind, number in said.items():
                if counted[kind] != number:
                    complain(f"{file}: suite {suite.name!r} says {number} {kind.__name__}")
    return found


def check(folder, complain):
    """Compares the files of one folder; says how many images were compared."""
    report = json.loads((folder / "report.json").read_text("utf-8"))
    site = cases(sorted(folder.glob("junit*.xml")), complain)
    apart = cases(sorted((folder / "junit").glob("*.xml")), complain)
    if {key: kind for key, kind in site.items() if key[0] != "site"} != apart:
        complain(f"{folder}: the site's files and the nodes' files differ")
    kinds = set(site.values())
    verdict = "failed" if Failure in kinds else "incomplete" if Error in kinds else "passed"
    if verdict != report["verdict"]:
        complain(f"{folder}: cases say {verdict}, report.json says {report['verdict']}")
    by_digest = {}
    for (suite, _, name), kind in site.items():
        if "@sha" in name:
            digest = name.rsplit("@", 1)[1].split(" ")[0]
            by_digest.setdefault((suite, digest), []).append(kind)
    images = 0
    for node in report["nodes"]:
        accepted = node["outcome"] == "verified" and node["report"]
        plain = node["name"].isascii() and node["name"].isprintable() and 0 < len(node["name"]) < 500
        if not plain:
            continue  # shown cleaned, so not found under its own name
        waived = {(one["namespace"], one["digest"]) for one in node.get("waived", [])}
        for image in accepted["images"] if accepted else []:
            images += 1
            key = (" ".join(node["name"].split()), image["digest"])
            status = "skipped" if (image["namespace"], image["digest"]) in waived else image["status"]
            if KINDS[status] not in by_digest.get(key, []):
                complain(f"{folder}: {key} is {image['status']} and not so in JUnit")
        escaped = node["name"].replace("%", "%25").replace(".", "%2E")
        visit = site.get((node["name"], escaped, "visit"))
        if not accepted and visit is not Error:
            complain(f"{folder}: the visit of {node['name']} is {visit}")
    listed = sum(len(kinds) for kinds in by_digest.values())
    summary = sum(report["summary"]["images"].values())
    if listed != summary:
        complain(f"{folder}: {listed} images in JUnit, {summary} in report.json")
    return images


def main(folders):
    if not folders:
        print(__doc__, file=sys.stderr)
        return 2
    wrong = []
    for folder in map(Path, folders):
        images = check(folder, wrong.append)
        print(f"{folder}: {images} images read back")
        if images == 0:
            wrong.append(f"{folder}: no image to compare")
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
