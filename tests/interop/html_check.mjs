#!/usr/bin/env node
// Opens report.html in a real browser and tries to catch it: requests, policy violations, errors, names that became
// markup, filters that do not filter, contrast that is too low.
//
//     html_check.mjs REPORT.html [--screenshots DIR]
//
// Needs the npm package playwright-core, resolved from the working directory, and a Chromium: $CHROMIUM or
// /usr/bin/chromium. Exits 0 where nothing was found, 1 with a line for each finding, 2 for usage.
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "x.js"));
const { chromium } = require("playwright-core");

const [file, option, folder] = process.argv.slice(2);
if (!file || (option && option !== "--screenshots")) {
  console.error("html_check.mjs REPORT.html [--screenshots DIR]");
  process.exit(2);
}
if (folder) mkdirSync(folder, { recursive: true });

const findings = new Set();
const found = (text) => findings.add(text);
const same = (what, one, other) => {
  if (one !== other) found(`${what}: ${JSON.stringify(one)}, not ${JSON.stringify(other)}`);
};

// served, so that a browser would ask for whatever it wants to ask for
const page = readFileSync(file);
const asked = [];
const server = createServer((request, answer) => {
  asked.push(request.url);
  answer.writeHead(request.url === "/report.html" ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
  answer.end(request.url === "/report.html" ? page : "");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const address = `http://127.0.0.1:${server.address().port}/report.html`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

const open = async (settings) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...settings });
  const tab = await context.newPage();
  await tab.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
      window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  tab.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) found(`console: ${message.text()}`);
  });
  tab.on("pageerror", (error) => found(`script: ${error.message}`));
  tab.on("dialog", (dialog) => { found(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  tab.on("request", (request) => {
    if (request.url() !== address && !request.url().startsWith("data:,")) found(`request: ${request.url()}`);
  });
  await tab.goto(address, { waitUntil: "load" });
  return tab;
};
const close = async (tab) => {
  const violations = await tab.evaluate(() => window.violations);
  violations.forEach((violation) => found(`policy: ${violation}`));
  await tab.context().close();
};

const checks = async () => {
  // 1. with everything on
  {
    const tab = await open({});
    const facts = await tab.evaluate(() => ({
      title: document.title,
      scripts: document.scripts.length,
      styles: document.querySelectorAll("style").length,
      inlined: document.querySelectorAll("[style]").length,
      foreign: document.querySelectorAll("img, iframe, object, embed, video, audio, link:not([rel=icon]), base, foreignObject").length,
      handlers: Array.from(document.querySelectorAll("*"))
        .filter((element) => element.getAttributeNames().some((name) => name.startsWith("on"))).length,
      outside: Array.from(document.querySelectorAll("a")).map((link) => link.getAttribute("href"))
        .filter((href) => !href.startsWith("#")),
      dead: Array.from(document.querySelectorAll("a[href^='#']"))
        .filter((link) => !document.getElementById(link.getAttribute("href").slice(1))).length,
      hidden: document.body.innerText.match(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/u),
      headings: document.querySelectorAll("h1").length,
      unlabelled: Array.from(document.querySelectorAll("input, select, button"))
        .filter((field) => !field.labels?.length && !field.getAttribute("aria-label") && !field.textContent.trim()).length,
      images: document.querySelectorAll(".image").length,
      nodes: document.querySelectorAll("[data-list=nodes] tbody").length,
      wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    }));
    same("page scripts", facts.scripts, 1);
    same("page styles", facts.styles, 1);
    same("style attributes", facts.inlined, 0);
    same("foreign elements", facts.foreign, 0);
    same("event handlers in markup", facts.handlers, 0);
    same("links that leave the page", facts.outside.join(" "), "");
    same("links that lead nowhere", facts.dead, 0);
    same("hidden letters", facts.hidden?.[0] ?? "", "");
    same("main headings", facts.headings, 1);
    same("fields without a name", facts.unlabelled, 0);
    same("sideways scrolling", facts.wide, false);
    if (!/· assay$/.test(facts.title)) found(`title: ${facts.title}`);
    if (facts.nodes === 0) found("no node is shown");

    // the policy holds against what a page could try
    const tried = await tab.evaluate(async () => {
      const before = window.violations.length;
      const image = new Image();
      image.src = "http://127.0.0.1:9/beacon";
      const script = document.createElement("script");
      script.textContent = "window.owned = true";
      document.body.append(script);
      const fetched = await fetch("http://127.0.0.1:9/").then(() => true, () => false);
      await new Promise((done) => setTimeout(done, 100));
      script.remove();
      const violations = window.violations.splice(before);
      return { owned: window.owned === true, fetched, violations: violations.length };
    });
    same("an injected script ran", tried.owned, false);
    same("a request went out", tried.fetched, false);
    if (tried.violations < 3) found(`only ${tried.violations} of 3 attempts were refused by the policy`);
    // what was provoked here is no finding
    for (const text of findings) {
      if (/beacon|127\.0\.0\.1:9\/|Executing inline script/.test(text)) findings.delete(text);
    }

    if (facts.images > 1) {
      const shown = () => tab.locator(".image:visible").count();
      const form = tab.locator("form[data-filters=images]");
      same("filters are shown", await form.isVisible(), true);
      same("images before filtering", await shown(), facts.images);
      for (const status of ["failed", "inconclusive", "skipped", "passed"]) {
        const all = await tab.locator(`.image[data-s=${status}]`).count();
        await form.locator(`input[value=${status}]`).uncheck();
        same(`images without ${status}`, await shown(), facts.images - all);
        await form.locator(`input[value=${status}]`).check();
      }
      const digest = await tab.locator(".image .facts code").first().textContent();
      await form.locator("input[type=search]").fill(digest);
      same("images of one digest", await shown(), 1);
      await form.locator("input[type=search]").fill("no image is called this");
      same("images of no name", await shown(), 0);
      same("what the filter says", await form.locator("output").textContent(), `0 of ${facts.images} images`);
      await form.locator("input[type=search]").fill("");
      await form.locator("select[name=order]").selectOption("nodes");
      same("images after sorting", await shown(), facts.images);

      // a link to an image opens it, whatever is filtered
      const id = await tab.locator(".image").last().getAttribute("id");
      await form.locator("input[type=search]").fill("no image is called this");
      await tab.evaluate((hash) => { location.hash = hash; }, id);
      await tab.locator(`#${id}[open]`).waitFor({ timeout: 5000 }).catch(() => found("a link did not open its image"));
      await form.locator("input[type=search]").fill("");
    }
    // a signature leads to its signer, a chain to where its certificate ends
    const signer = tab.locator(".signature .signer a").first();
    if (await signer.count() > 0) {
      const id = (await signer.getAttribute("href")).slice(1);
      await tab.evaluate((hash) => { location.hash = hash; }, id);
      await tab.locator(`#${id}[open]`).waitFor({ timeout: 5000 }).catch(() => found("a link did not open its signer"));
      same("a signer's images", await tab.locator(`#${id} .links a`).count() > 0, true);
      const certificate = await tab.locator(`#${id} ol a`).first().getAttribute("href").catch(() => null);
      if (certificate === null) found("a chain leads to no certificate");
      else same("where a certificate ends", await tab.locator(`#expiry ${certificate}`).isVisible(), true);
    }
    // nodes that disagree on one image are pointed out
    const differing = await tab.locator(".image .where em").evaluateAll((marks) =>
      marks.filter((mark) => / of them$/.test(mark.textContent)).length);
    if (differing > 0) same("outliers", await tab.locator(".outliers tbody").count() > 0, true);
    const link = tab.locator("a[data-place]").first();
    if (await link.count() > 0 && facts.images > 1) {
      const row = tab.locator("[data-list=nodes] tbody", { has: tab.locator("a[data-place]") }).first();
      const counts = await row.locator("td[data-v]").evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.v)));
      await link.click();
      const expected = counts.reduce((sum, count) => sum + count, 0);
      const listed = await tab.locator(".image:visible").count();
      // images beyond the page's bound, and one digest in two namespaces
      if (listed > expected || (facts.images < 1000 && listed === 0)) found(`a node of ${expected} images lists ${listed}`);
    }
    if (facts.nodes > 1) {
      const head = tab.locator("th[data-sort=number]").nth(1);
      await head.click();
      same("sorted", await head.getAttribute("aria-sort"), "descending");
      const values = await tab.locator("[data-list=nodes] tbody").evaluateAll((bodies) =>
        bodies.map((body) => Number(body.rows[0].cells[4].dataset.v)));
      same("order of nodes", values.every((value, at) => at === 0 || values[at - 1] >= value), true);
    }

    await close(tab);
  }

  // the keyboard reaches the verdict and the sections, and is seen there
  {
    const tab = await open({});
    await tab.keyboard.press("Tab");
    same("first stop of the keyboard", await tab.evaluate(() => document.activeElement.className), "skip");
    await tab.keyboard.press("Tab");
    const outline = await tab.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    if (outline === "none") found("focus cannot be seen");
    await close(tab);
  }

  // 2. contrast, in both schemes: WCAG 2.2, 1.4.3 (4.5 to 1 for text)
  for (const colorScheme of ["light", "dark"]) {
    const tab = await open({ colorScheme });
    const faint = await tab.evaluate(() => {
      const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return Array.from(canvas.getImageData(0, 0, 1, 1).data);
      };
      const light = ([red, green, blue]) => {
        const part = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
      };
      const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
          const colour = rgba(getComputedStyle(at).backgroundColor);
          if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
      };
      const known = new Map();
      for (const element of document.querySelectorAll("main *, header *, footer *")) {
        const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || element.closest("svg, .sr-only, [hidden]")) continue;
        const style = getComputedStyle(element);
        const key = `${style.color} on ${behind(element)}`;
        if (known.has(key) || style.opacity !== "1") continue;
        const [one, other] = [light(rgba(style.color)), light(behind(element))];
        known.set(key, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
      }
      return Array.from(known).filter(([, ratio]) => ratio < 4.5).map(([key, ratio]) => `${key}: ${ratio.toFixed(2)}`);
    });
    faint.forEach((text) => found(`contrast (${colorScheme}): ${text}`));
    if (folder) await tab.screenshot({ path: join(folder, `${colorScheme}.png`) });
    await close(tab);
  }

  // 3. on a telephone
  {
    const tab = await open({ viewport: { width: 390, height: 844 } });
    same("sideways scrolling when narrow",
      await tab.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth), false);
    if (folder) await tab.screenshot({ path: join(folder, "narrow.png") });
    await close(tab);
  }

  // 4. without a script: everything is there, and nothing that would need one is
  {
    const tab = await open({ javaScriptEnabled: false });
    same("verdict without a script", await tab.locator("#verdict").isVisible(), true);
    same("filters without a script", await tab.locator("form:visible").count(), 0);
    const images = tab.locator(".image");
    if (await images.count() > 0) {
      await images.first().locator("summary").first().click();
      same("details without a script", await images.first().locator(".body").isVisible(), true);
    }
    if (folder) await tab.screenshot({ path: join(folder, "no-script.png") });
    await tab.context().close();
  }

  // 5. on paper
  if (folder) {
    const tab = await open({});
    await tab.pdf({ path: join(folder, "report.pdf"), preferCSSPageSize: true });
    await close(tab);
  }
};

await checks().catch((error) => found(`stopped: ${error.message}`));
await browser.close();
server.close();
const extra = asked.filter((path) => path !== "/report.html");
if (extra.length > 0) found(`the server was asked for ${extra.join(", ")}`);
findings.forEach((text) => console.error(`${file}: ${text}`));
console.log(`${file}: ${findings.size} findings`);
process.exit(findings.size > 0 ? 1 : 0);
