// Reads junit.xml back with the npm package junit2json: every image of report.json must be there, once, with its outcome.
//
// usage: node read_junit.mjs FOLDER_OF_REPORTS FOLDER_OF_NODE_MODULES

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, modules] = process.argv.slice(2);
const found = createRequire(`${modules}/`).resolve("junit2json");
const { parse } = await import(pathToFileURL(found));

const KINDS = { passed: "passed", failed: "failure", inconclusive: "error", skipped: "skipped" };
const outcomes = ["failure", "error", "skipped"];
const sorted = (pairs) => pairs.map((pair) => pair.join(" ")).sort();

const report = JSON.parse(readFileSync(`${folder}/report.json`, "utf8"));
const read = await parse(readFileSync(`${folder}/junit.xml`, "utf8"));
assert.equal(read.testsuite.length, report.nodes.length);
let images = 0;
for (const [at, suite] of read.testsuite.entries()) {
  const held = report.nodes[at].report?.images ?? [];
  const expected = held.map((image) => [image.digest, KINDS[image.status]]);
  const found = [];
  for (const one of suite.testcase ?? []) {
    const present = outcomes.filter((kind) => one[kind] !== undefined);
    assert.ok(present.length <= 1, `${one.name}: ${present}`);
    if (one.classname.startsWith(`${suite.name}/`)) {
      found.push([one.name.match(/sha256:[0-9a-f]{64}/)[0], present[0] ?? "passed"]);
    }
  }
  assert.deepEqual(sorted(found), sorted(expected), suite.name);
  images += held.length;
}
assert.ok(images > 0);
console.log(`junit2json: ${read.testsuite.length} nodes, ${images} images, as in report.json`);
