#!/usr/bin/env python3
"""Compares what the outside runner printed with our list of deliberate differences: outside_check.py LOG"""

import json
import pathlib
import re
import sys

DIFFERENCES = pathlib.Path(__file__).parents[2] / "fixtures/conformance/differences.json"

rules = json.loads(DIFFERENCES.read_text())["rules"]
listed = {case["case"] for rule in rules for case in rule["cases"]}
lines = pathlib.Path(sys.argv[1]).read_text().splitlines()
differ = {found[1] for line in lines if (found := re.match(r"(\S+): want ", line))}
assert lines and lines[-1].startswith("conformance: "), lines[-3:]
print(lines[-1])
print(f"{len(differ)} cases differ, each listed with its reason")
sys.exit(f"not listed: {sorted(differ - listed)}" if differ - listed else 0)
