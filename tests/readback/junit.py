#!/usr/bin/env python3
"""Reads junit.xml back with junitparser, and validates it with lxml: every image of report.json must be there, once, with
its outcome, and the counts must add up.

usage: junit.py FOLDER_OF_REPORTS
"""

import json
import pathlib
import re
import sys

from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite
from lxml import etree

KINDS = {"passed": "passed", "failed": "failure", "inconclusive": "error", "skipped": "skipped"}


def expected(report):
    """{(node, digest): kind} of all images; kinds of a digest that two namespaces hold are joined."""
    cases = {}
    for node in report["nodes"]:
        for image in (node["report"] or {"images": []})["images"]:
            cases.setdefault((node["name"], image["digest"]), []).append(KINDS[image["status"]])
    return {key: sorted(kinds) for key, kinds in cases.items()}


def kind(case):
    """The outcome of a test case, of which there must be at most one."""
    outcomes = [result for result in case.result if isinstance(result, (Failure, Error, Skipped))]
    assert len(outcomes) <= 1, f"{case.name}: {outcomes}"
    if not outcomes:
        return "passed"
    return {Failure: "failure", Error: "error", Skipped: "skipped"}[type(outcomes[0])]


def main():
    folder = pathlib.Path(sys.argv[1])
    schema = etree.XMLSchema(etree.parse(str(pathlib.Path(__file__).parent / "junit.xsd")))
    schema.assertValid(etree.parse(str(folder / "junit.xml")))

    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    found = {}
    suites = [suite for suite in JUnitXml.fromfile(str(folder / "junit.xml")) if isinstance(suite, TestSuite)]
    for suite in suites:
        kinds = [kind(case) for case in suite]
        counts = (suite.tests, suite.failures, suite.errors, suite.skipped)
        assert counts == (len(kinds), *(kinds.count(one) for one in ("failure", "error", "skipped"))), suite.name
        for case in suite:
            # an image's class is its node and repository; a visit's is the node alone
            if case.classname.startswith(suite.name + "/"):
                digest = re.search("sha256:[0-9a-f]{64}", case.name)[0]
                found.setdefault((suite.name, digest), []).append(kind(case))
    found = {key: sorted(kinds) for key, kinds in found.items()}
    assert {suite.name for suite in suites} == {node["name"] for node in report["nodes"]}
    assert found and found == expected(report), "images of junit.xml and report.json differ"
    print(f"junitparser and lxml: {len(suites)} nodes, {len(found)} images, as in report.json")


main()
