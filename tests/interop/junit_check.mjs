#!/usr/bin/env node
// Reads junit.xml with the npm package junit2json and compares it with report.json beside it.
//
//     junit_check.mjs DIR...
//
// junit2json is resolved from the working directory. Exits 0 where everything agrees, 1 where not, 2 for usage.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.cwd(), "x.js"));
const { parse } = await import(pathToFileURL(require.resolve("junit2json")).href);

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
  console.log(`${folder}: ${JSON.stringify(counts)}, ${testsuite.length} suites`);
  if (!agrees || !nodes) {
    console.error(`${folder}: report.json says ${JSON.stringify(report.summary)}`);
    wrong = 1;
  }
}
process.exit(wrong);
