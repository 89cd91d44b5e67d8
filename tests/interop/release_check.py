#!/usr/bin/env python3
"""Takes a release as a site gets it, with tools that are not ours, and uses it.

    release_check.py FOLDER KEY

FOLDER has the archives, SHA256SUMS and its signature by KEY, a public key of ssh-keygen's, as README has it verified. Each archive is unpacked by Python, its bill of materials is read with
cyclonedx-python-lib and its schema, and names of packages in it must have a licence beside; programs are static, within
their budget, and say the version of their archive; assay runs its demo with the agents that are in it alone, and gives
them out byte for byte. Exits 0 where everything holds, 1 with a line for each fault, 2 for usage.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

AGENT_BYTES = 4 << 20
ARCHIVES = {
    "assay-{}-linux-amd64.tar.gz": "assay",
    "assay-{}-windows-amd64.zip": "assay.exe",
    "assay-agent-{}-linux-amd64.tar.gz": "assay-agent",
    "assay-agent-{}-linux-arm64.tar.gz": "assay-agent",
    "assay-agent-{}-windows-amd64.zip": "assay-agent.exe",
}


def unpack(path, folder):
    """The archive's one folder."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    else:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    (inner,) = folder.iterdir()
    return inner


def listed(folder, complain):
    """The names in SHA256SUMS, each with its digest compared."""
    names = []
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        names.append(name)
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            complain(f"{name}: another digest than SHA256SUMS says")
    there = {path.name for path in folder.iterdir()} - {"SHA256SUMS", "SHA256SUMS.sig"}
    if there != set(names):
        complain(f"listed are {sorted(names)}, there are {sorted(there)}")
    return names


def signed(folder, key, scratch, complain):
    """ssh-keygen takes the signature, and takes it for nothing else."""
    signers = scratch / "allowed_signers"
    signers.write_text(f"site {key.read_text('utf-8')}")
    sums = (folder / "SHA256SUMS").read_bytes()
    for content, code in ((sums, 0), (sums.replace(b"0", b"1"), 255)):
        verify = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "site", "-n", "file", "-s", folder / "SHA256SUMS.sig"]
        said = subprocess.run(verify, input=content, capture_output=True)
        if said.returncode != code:
            complain(f"SHA256SUMS.sig: ssh-keygen exits with {said.returncode} and not {code}: {said.stderr}")
    print("SHA256SUMS.sig: verified by ssh-keygen")


def documents(inner, program, complain):
    bill = (inner / f"{program.removesuffix('.exe')}.cdx.json").read_text("utf-8")
    if error := JsonStrictValidator(SchemaVersion.V1_5).validate_str(bill):
        complain(f"{inner.name}: bill of materials: {error}")
    components = json.loads(bill)["components"]
    licences = (inner / "THIRD-PARTY-LICENSES.txt").read_text("utf-8")
    for component in components:
        name = f"{component['name']} {component['version']}"
        ours = component["name"].startswith("assay")
        if not ours and f"\n{name}: " not in licences:
            complain(f"{inner.name}: {name} has no licence")
        if not ours and not component.get("hashes"):
            complain(f"{inner.name}: {name} has no digest")
    wanted = {"tokio", "aws-lc-sys", "containerd-client", "x509-parser"} | ({"russh"} if "agent" not in program else set())
    if missing := wanted - {component["name"] for component in components}:
        complain(f"{inner.name}: the bill of materials lacks {missing}")
    pages = ["README.md", "BUILD.txt", "LICENSE-MIT", "LICENSE-APACHE", "agent/README.md", "collector/README.md", "shared/codes.md"]
    if missing := [page for page in pages if not (inner / page).is_file()]:
        complain(f"{inner.name}: pages are missing: {missing}")
    if not list((inner / "man").glob("*.1")):
        complain(f"{inner.name}: man pages are missing")
    return len(components)


def is_static(program):
    """No interpreter is asked for, and no library is needed."""
    said = subprocess.run(["readelf", "--program-headers", "--dynamic", program], capture_output=True, text=True, check=True)
    return "INTERP" not in said.stdout and "NEEDED" not in said.stdout


def leaks(program):
    """Places of the machine that built it."""
    places = [Path.cwd(), Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")), Path(tempfile.gettempdir())]
    content = program.read_bytes()
    return [str(place) for place in places if f"{place}/".encode() in content]


def use(program, agents, folder, complain, wine=()):
    """The collector as whoever unpacked it runs it, with nothing beside it and nothing set."""
    alone = folder / f"alone{program.suffix}"
    alone.mkdir()
    copy = alone / program.name
    copy.write_bytes(program.read_bytes())
    copy.chmod(0o755)
    environment = {"PATH": os.environ["PATH"]}

    def run(*arguments):
        return subprocess.run([*wine, copy, *arguments], cwd=alone, env=environment, capture_output=True, text=True)

    demo = run("demo")
    if demo.returncode != 0 or not (alone / "assay-demo/report.json").is_file():
        complain(f"{program.name} demo: {demo.returncode}: {demo.stderr}")
    given = run("agents", "--out", "agents")
    if given.returncode != 0:
        complain(f"{program.name} agents: {given.returncode}: {given.stderr}")
    for name, content in agents.items():
        if (alone / "agents" / name).read_bytes() != content:
            complain(f"{program.name}: {name} is not the agent of its own archive")
    print(f"{program.name} demo, agents: run with nothing beside")


def completes(script, complain):
    completed = subprocess.run(["bash", "-c", 'source "$0" && complete -p assay', script], capture_output=True)
    if completed.returncode != 0:
        complain(f"completions: {completed.stderr}")


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    faults = []
    names = listed(folder, faults.append)
    version = re.search(r"-(\d+\.\d+\.\d+)-", names[0])[1]
    if set(names) != {name.format(version) for name in ARCHIVES}:
        faults.append(f"other archives than expected: {names}")
    with tempfile.TemporaryDirectory() as scratch:
        signed(folder, Path(sys.argv[2]), Path(scratch), faults.append)
        programs, agents = {}, {}
        for pattern, program in ARCHIVES.items():
            name = pattern.format(version)
            inner = unpack(folder / name, Path(scratch) / name)
            path = inner / program
            size = path.stat().st_size
            components = documents(inner, program, faults.append)
            print(f"{name}: {program} {size} bytes, {components} packages")
            if "linux" in name and not is_static(path):
                faults.append(f"{name}: not static")
            if found := leaks(path):
                faults.append(f"{name}: has places of the machine that built it: {found}")
            if "agent" in name:
                platform = re.search(r"(linux|windows)-(amd64|arm64)", name)[0]
                agents[f"assay-agent-{platform}{path.suffix}"] = path.read_bytes()
                if size > AGENT_BYTES:
                    faults.append(f"{name}: larger than {AGENT_BYTES} bytes")
            programs[name] = path
        linux = programs[f"assay-{version}-linux-amd64.tar.gz"]
        use(linux, agents, Path(scratch), faults.append)
        completes(linux.parent / "completions/assay.bash", faults.append)
        if Path("/usr/lib/wine/wine64").is_file():
            wine = [Path(__file__).parent.resolve() / "wine/run"]
            use(programs[f"assay-{version}-windows-amd64.zip"], agents, Path(scratch), faults.append, wine)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


sys.exit(main())
