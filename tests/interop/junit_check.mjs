#!/usr/bin/env node
// Reads junit.xml with the npm packages junit2json and test-results-parser and compares it with report.json beside it.
//
//     junit_check.mjs DIR...
//
// The packages are resolved from the working directory. Exits 0 where everything agrees, 1 where not, 2 for usage.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.cwd(), "x.js"));
const { parse } = await import(pathToFileURL(require.resolve("junit2json")).href);
const results = require("test-results-parser");

const folders = process.argv.slice(2);
if (folders.length === 0) {
  console.error("junit_check.mjs DIR...");
  process.exit(2);
}
let wrong = 0;
for (const folder of folders) {
  const report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8"));
  const { testsuite } = await parse(readFileSync(join(folder, "junit.xml"), "utf8"));
  const counts = { passed: 0, failed: 0, inconclusive: 0, skipped: 0 };
  for (const suite of testsuite) {
    for (const one of suite.testcase) {
      // the cases of a node itself have no digest in their name
      if (!one.name.includes("@sha")) continue;
      counts[one.failure ? "failed" : one.error ? "inconclusive" : one.skipped ? "skipped" : "passed"] += 1;
    }
  }
  // a waived image is skipped, whatever it came to
  const expected = { ...report.summary.images };
  for (const node of report.nodes) {
    for (const waived of node.waived ?? []) {
      const image = node.report.images.find((one) => one.digest === waived.digest && one.namespace === waived.namespace);
      expected[image.status] -= 1;
      expected.skipped += 1;
    }
  }
  const agrees = Object.entries(expected).every(([status, count]) => counts[status] === count);
  const nodes = testsuite.length === report.nodes.length;
  // what this one shows of a case is its name, its message and the text's first line: each tells of which node it is
  const shown = results.parse({ type: "junit", files: [join(folder, "junit.xml")] });
  let cases = 0;
  for (const suite of shown.suites) {
    const named = new Set(suite.cases.map((one) => one.name));
    if (named.size !== suite.cases.length) {
      console.error(`${folder}: ${suite.name} has two cases of one name`);
      wrong = 1;
    }
    // it leaves what is escaped in an attribute as it is
    const readable = !["site", "-"].includes(suite.name) && !suite.name.includes("&");
    for (const one of suite.cases.filter((one) => readable && one.status === "FAIL")) {
      cases += 1;
      if (!one.failure.startsWith(`on ${suite.name}: `) || one.stack_trace.split("\n")[0] !== `Node: ${suite.name}`) {
        console.error(`${folder}: ${suite.name}: ${one.name} does not name its node`);
        wrong = 1;
      }
    }
  }
  const failing = report.nodes.some((node) => node.outcome !== "verified" || node.report?.summary.failed > 0);
  if (failing && cases === 0) {
    console.error(`${folder}: no failing case was read back`);
    wrong = 1;
  }
  console.log(`${folder}: ${JSON.stringify(counts)}, ${testsuite.length} suites, ${cases} failing cases by name`);
  if (!agrees || !nodes) {
    console.error(`${folder}: report.json says ${JSON.stringify(report.summary)}`);
    wrong = 1;
  }
}
process.exit(wrong);
