// Reads junit.xml back with the npm package junit2json: every image of report.json must be there, once, with its outcome.
//
// usage: node junit.mjs FOLDER_OF_REPORTS FOLDER_OF_NODE_MODULES

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, modules] = process.argv.slice(2);
const found = createRequire(`${modules}/`).resolve("junit2json");
const { parse } = await import(pathToFileURL(found));

const KINDS = { passed: "passed", failed: "failure", inconclusive: "error", skipped: "skipped" };
const outcomes = ["failure", "error", "skipped"];
const add = (map, key, kind) => map.set(key, [...(map.get(key) ?? []), kind].sort());
const sorted = (map) => [...map].sort(([one], [other]) => (one < other ? -1 : 1));

const report = JSON.parse(readFileSync(`${folder}/report.json`, "utf8"));
const expected = new Map();
for (const node of report.nodes) {
  for (const image of node.report?.images ?? []) {
    add(expected, `${node.name} ${image.digest}`, KINDS[image.status]);
  }
}

const read = await parse(readFileSync(`${folder}/junit.xml`, "utf8"));
const images = new Map();
for (const suite of read.testsuite) {
  for (const one of suite.testcase ?? []) {
    const present = outcomes.filter((kind) => one[kind] !== undefined);
    assert.ok(present.length <= 1, `${one.name}: ${present}`);
    if (one.classname.startsWith(`${suite.name}/`)) {
      add(images, `${suite.name} ${one.name.match(/sha256:[0-9a-f]{64}/)[0]}`, present[0] ?? "passed");
    }
  }
}
assert.ok(images.size > 0);
assert.deepEqual(sorted(images), sorted(expected));
console.log(`junit2json: ${read.testsuite.length} nodes, ${images.size} images, as in report.json`);
