#!/usr/bin/env python3
"""Opens report.html in headless Chromium: it must show every node and every image of report.json, ask nobody for anything,
and say nothing on the console.

usage: open_html.py FOLDER_OF_REPORTS SCREENSHOT
"""

import html.parser
import json
import os
import pathlib
import subprocess
import sys
import tempfile


class Text(html.parser.HTMLParser):
    """Collects the text of a document, and what it would load."""

    def __init__(self):
        super().__init__()
        self.text = []
        self.loads = []

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        loads = [names.get("src"), names.get("srcset"), names.get("href") if tag == "link" else None]
        self.loads += [url for url in loads if url and not url.startswith("data:")]

    def handle_data(self, data):
        self.text.append(data)


def chromium(page, *arguments):
    """Runs Chromium on the page: what it wrote."""
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                   "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
                   "--hide-scrollbars", "--window-size=1400,2400", "--virtual-time-budget=10000",
                   f"--user-data-dir={profile}", "--enable-logging=stderr", *arguments, page.as_uri()]
        done = subprocess.run(command, capture_output=True, timeout=180, check=True)
    console = [line for line in done.stderr.decode(errors="replace").splitlines() if "CONSOLE" in line]
    assert not console, "\n".join(console)
    return done.stdout.decode()


def main():
    folder, screenshot = pathlib.Path(sys.argv[1]).absolute(), pathlib.Path(sys.argv[2]).absolute()
    page = folder / "report.html"
    source = page.read_text(encoding="utf-8")
    assert "Content-Security-Policy" in source, "no Content-Security-Policy"

    shown = Text()
    shown.feed(chromium(page, "--dump-dom"))
    assert not shown.loads, f"the page loads {shown.loads}"
    text = "\n".join(shown.text)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    wanted = {node["name"] for node in report["nodes"]}
    for node in report["nodes"]:
        for image in (node["report"] or {"images": []})["images"]:
            # by one of its names at least, without the digest
            wanted.add(tuple(name.split("@sha")[0] for name in image["references"]) or image["digest"][:19])
    missing = [names for names in wanted if not any(name in text for name in ([names] if isinstance(names, str) else names))]
    assert wanted and not missing, f"not on the page: {str(missing)[:1000]}"

    chromium(page, f"--screenshot={screenshot}")
    size = os.path.getsize(screenshot)
    assert size > 20_000, f"the screenshot has {size} bytes: is the page empty?"
    print(f"Chromium: {len(wanted)} nodes and images are on the page; screenshot: {screenshot}")


main()
