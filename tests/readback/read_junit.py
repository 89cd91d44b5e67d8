#!/usr/bin/env python3
"""Reads junit.xml back with junitparser, and validates it with lxml: every image of report.json must be there, once, with
its outcome, and the counts must add up.

usage: read_junit.py FOLDER_OF_REPORTS
"""

import json
import pathlib
import re
import sys

from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite
from lxml import etree

KINDS = {"passed": "passed", "failed": "failure", "inconclusive": "error", "skipped": "skipped"}


def outcomes(pairs):
    """{digest: sorted kinds} of (digest, kind) pairs: two namespaces of a node may hold one image."""
    found = {}
    for digest, kind in pairs:
        found.setdefault(digest, []).append(kind)
    return {digest: sorted(kinds) for digest, kinds in found.items()}


def kind(case):
    """The outcome of a test case, of which there must be at most one."""
    results = [result for result in case.result if isinstance(result, (Failure, Error, Skipped))]
    assert len(results) <= 1, f"{case.name}: {results}"
    if not results:
        return "passed"
    return {Failure: "failure", Error: "error", Skipped: "skipped"}[type(results[0])]


def main():
    folder = pathlib.Path(sys.argv[1])
    schema = etree.XMLSchema(etree.parse(str(pathlib.Path(__file__).parent / "junit.xsd")))
    schema.assertValid(etree.parse(str(folder / "junit.xml")))

    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    suites = [suite for suite in JUnitXml.fromfile(str(folder / "junit.xml")) if isinstance(suite, TestSuite)]
    assert len(suites) == len(report["nodes"]), "nodes"
    images = 0
    for suite, node in zip(suites, report["nodes"]):
        assert suite.name == node["name"] or not node["name"].isprintable(), suite.name
        kinds = [kind(case) for case in suite]
        counts = (suite.tests, suite.failures, suite.errors, suite.skipped)
        assert counts == (len(kinds), *(kinds.count(one) for one in ("failure", "error", "skipped"))), suite.name
        # an image's class is its node and repository; a visit's is the node alone
        cases = [case for case in suite if case.classname.startswith(suite.name + "/")]
        found = outcomes((re.search("sha256:[0-9a-f]{64}", case.name)[0], kind(case)) for case in cases)
        held = (node["report"] or {"images": []})["images"]
        expected = outcomes((image["digest"], KINDS[image["status"]]) for image in held)
        assert found == expected, f"{suite.name}: images of junit.xml and report.json differ"
        images += len(held)
    assert images > 0
    print(f"junitparser and lxml: {len(suites)} nodes, {images} images, as in report.json")


main()
