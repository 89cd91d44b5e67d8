#!/usr/bin/env python3
"""Reads report.sarif, report.csv, oscal-assessment-results.json and metrics.prom with schemas and parsers that are not ours, and
compares them with report.json beside them.

    exports_check.py SARIF-SCHEMA DIR...

SARIF-SCHEMA is the published schema, as the npm package @microsoft/jest-sarif brings it. OSCAL is read with the package
oscal-bindings, whose types are generated from NIST's schema; Prometheus' text with prometheus_client. Needs jsonschema too.
Exits 0 where everything agrees, 1 with a line for each difference, 2 for usage.
"""

import csv
import json
import re
import sys
from pathlib import Path

import jsonschema
from oscal_bindings.v1 import models as oscal
from prometheus_client.parser import text_string_to_metric_families

OUT_OF_ORDER = ("failed", "inconclusive")
CONTROLS = ["cm-14", "si-7", "sr-4", "sr-11"]


def wrong_images(report):
    """Digest and reason of every image that is not in order, and whether all of them are waived."""
    wrong = {}
    for node in report["nodes"]:
        if node["outcome"] != "verified" or not node["report"]:
            continue
        waived = {(one["namespace"], one["digest"]) for one in node.get("waived", [])}
        for image in node["report"]["images"]:
            if image["status"] in OUT_OF_ORDER:
                key = (image["digest"], image["reason"] or "unexplained")
                covered = (image["namespace"], image["digest"]) in waived
                wrong[key] = wrong.get(key, True) and covered
    return wrong


def sarif(folder, report, schema, complain):
    log = json.loads((folder / "report.sarif").read_text("utf-8"))
    for error in schema.iter_errors(log):
        complain(f"{folder}/report.sarif: {error.json_path}: {error.message}")
    run = log["runs"][0]
    if run["invocations"][0]["exitCode"] != {"passed": 0, "failed": 1, "incomplete": 3}[report["verdict"]]:
        complain(f"{folder}/report.sarif: another exit code than report.json says")
    found = {}
    for result in run["results"]:
        digest = re.search(r"sha(?:256|384|512):[0-9a-f]+", result["message"]["text"])
        about_image = "references" in result["properties"]
        if about_image:
            key = (digest[0], result["ruleId"])
            found[key] = found.get(key, True) and bool(result.get("suppressions"))
    if found != wrong_images(report):
        complain(f"{folder}/report.sarif: {len(found)} images, {len(wrong_images(report))} in report.json, or other waivers")
    return len(run["results"])


def oscal_results(folder, report, complain):
    text = (folder / "oscal-assessment-results.json").read_text("utf-8")
    whole = json.loads(text)
    try:
        oscal.AssessmentResults.model_validate(whole["assessment-results"])
    except ValueError as error:
        complain(f"{folder}/oscal-assessment-results.json: {error}")
        return 0
    [result] = whole["assessment-results"]["results"]
    states = [one["target"]["status"]["state"] for one in result["findings"]]
    if [one["target"]["target-id"] for one in result["findings"]] != [f"{one}_smt" for one in CONTROLS]:
        complain(f"{folder}: OSCAL names other controls")
    if (set(states) == {"satisfied"}) != (report["verdict"] == "passed" and not wrong_images(report)):
        complain(f"{folder}: OSCAL says {states}, report.json {report['verdict']}")
    # what the types leave out of the schema: NIST's StringDatatype and TokenDatatype
    for prop in re.findall(r'\{[^{}]*"ns": "urn:assay"[^{}]*\}', text):
        prop = json.loads(prop)
        if not re.fullmatch(r"\S(.*\S)?", prop["value"]) or not re.fullmatch(r"[a-z][a-z0-9-]*", prop["name"]):
            complain(f"{folder}: OSCAL has the property {prop}")
    # whatever is pointed to is there, once
    ids = re.findall(r'"uuid": "([^"]+)"', text)
    if len(ids) != len(set(ids)):
        complain(f"{folder}: OSCAL gives an identifier twice")
    for pointed in re.findall(r'"(?:subject|observation|risk)-uuid": "([^"]+)"', text):
        if pointed not in ids:
            complain(f"{folder}: OSCAL points to {pointed}, which is not there")
    for href in re.findall(r'"href": "(nodes/[^"]+)"', text):
        from urllib.parse import unquote

        if not (folder / unquote(href)).is_file():
            complain(f"{folder}: OSCAL points to {href}, which is not there")
    return len(result.get("observations", []))


def table(folder, report, complain):
    """report.csv says of each image on each node what report.json says, in the words of checklists."""
    findings = {"passed": "not_a_finding", "failed": "open"}
    with open(folder / "report.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = []
    for node in report["nodes"]:
        own = node["report"]["images"] if node["outcome"] == "verified" and node["report"] else []
        expected += [(one["digest"], findings.get(one["status"], "not_reviewed")) for one in own]
        expected += [] if own else [("", "not_reviewed")]
    if [(row["digest"], row["finding"]) for row in rows] != expected:
        complain(f"{folder}/report.csv: other rows than report.json has")
    for row in rows:
        if any((cell or "").startswith(tuple("=+-@")) for cell in row.values()):
            complain(f"{folder}/report.csv: a formula in {row}")
    return len(rows)


def metrics(folder, report, complain):
    samples = {}
    for family in text_string_to_metric_families((folder / "metrics.prom").read_text("utf-8")):
        if family.type != "gauge" or not family.documentation:
            complain(f"{folder}/metrics.prom: {family.name} is no gauge, or has no help")
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key in samples:
                complain(f"{folder}/metrics.prom: {key} twice")
            samples[key] = sample.value
    summary = report["summary"]
    expected = {("assay_images", (("status", status),)): count for status, count in summary["images"].items()}
    expected["assay_nodes", (("outcome", "verified"),)] = summary["verified"]
    expected["assay_images", (("status", "waived"),)] = summary.get("waived", 0)
    for key, value in expected.items():
        if samples.get(key) != value:
            complain(f"{folder}/metrics.prom: {key} is {samples.get(key)}, not {value}")
    return len(samples)


def main(schema, folders):
    if not folders:
        print(__doc__, file=sys.stderr)
        return 2
    document = json.loads(Path(schema).read_text("utf-8"))
    validator = jsonschema.Draft4Validator(document, format_checker=jsonschema.FormatChecker())
    wrong = []
    for folder in map(Path, folders):
        report = json.loads((folder / "report.json").read_text("utf-8"))
        results = sarif(folder, report, validator, wrong.append)
        observations = oscal_results(folder, report, wrong.append)
        series = metrics(folder, report, wrong.append)
        rows = table(folder, report, wrong.append)
        print(f"{folder}: {results} SARIF results, {observations} OSCAL observations, {series} series, {rows} rows")
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else main("", []))
