#!/usr/bin/env python3
"""Stands in for powershell.exe behind wine's cmd: takes the command line that arrived, refuses one that is not exactly ours,
and does in Python what the four scripts of collector/src/visit/powershell.rs say. It is no PowerShell: what it proves is that
the scripts, their input and their output pass through sshd and cmd unharmed.

Beside it are ProgramData, which is C:\\ProgramData, and agent, a Linux program that stands in for the agent."""

import base64, glob, hashlib, io, json, os, re, shutil, subprocess, sys, tarfile

ROOT = os.path.dirname(os.path.abspath(__file__))
PROGRAM_DATA = os.path.join(ROOT, "ProgramData")


def here(path):
    assert path.startswith("C:\\ProgramData\\"), path
    return os.path.join(PROGRAM_DATA, path.removeprefix("C:\\ProgramData\\"))


def one(pattern, script):
    found = re.findall(pattern, script, re.M)
    assert len(found) == 1, (pattern, found)
    return found[0].replace("''", "'")


def sha256(path):
    return hashlib.sha256(open(path, "rb").read()).hexdigest()


def arguments(line):
    """A command line taken apart as CommandLineToArgvW does."""
    out, word, quoted, i, begun = [], "", False, 0, False
    while i < len(line):
        slashes = 0
        while i < len(line) and line[i] == "\\":
            slashes, i = slashes + 1, i + 1
        if i < len(line) and line[i] == '"':
            word += "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
            begun = True
        else:
            word += "\\" * slashes
            if i < len(line) and line[i] in " \t" and not quoted:
                if begun or word:
                    out.append(word)
                word, begun = "", False
            elif i < len(line):
                word += line[i]
        i += 1
    return out + [word] if begun or word else out


def prepare(script):
    print("assay-node AMD64")
    print("assay-clock", int(__import__("time").time()))
    name = one(r"^\$f = Join-Path \$env:ProgramData '([^']*)'$", script)
    os.mkdir(os.path.join(PROGRAM_DATA, name), 0o700)
    print("assay-folder C:\\ProgramData\\" + name)


def upload(script):
    folder = here(one(r"^Set-Location -LiteralPath '(.*)'$", script))
    sums = one(r"-ne '([0-9a-f]{64})'", script)
    lines = sys.stdin.buffer.read().split(b"\r\n")
    archive = b"".join(base64.b64decode(line, validate=True) for line in lines)
    tarfile.open(fileobj=io.BytesIO(archive)).extractall(folder)
    assert sha256(f"{folder}/SHA256SUMS") == sums
    for line in open(f"{folder}/SHA256SUMS"):
        assert sha256(f"{folder}/{line[66:-1]}") == line[:64], line
    assert open(f"{folder}/assay-agent.exe", "rb").read(2) == b"MZ"
    print("assay-uploaded")


def run(script):
    folder = here(one(r"^Set-Location -LiteralPath '(.*)'$", script))
    mark = one(r"GetBytes\('([^']*)' \+ \[char\]10\)", script)
    given = arguments(one(r"^\$i\.Arguments = '(.*)'$", script))
    assert given[-1] == "--output=report.json", given
    with open(f"{ROOT}/arguments.json", "w") as file:
        json.dump(given, file)
    agent = subprocess.run([f"{ROOT}/agent", *given], cwd=folder, stdout=subprocess.PIPE)
    report = json.loads(agent.stdout)
    report["node"].update(os="windows", architecture="amd64")
    report["agent"]["sha256"] = sha256(f"{folder}/assay-agent.exe")
    print(mark)
    print(json.dumps(report))
    sys.stdout.flush()
    raise SystemExit(agent.returncode)


def clean_up(script):
    name = one(r"-Filter '([^']*)'", script)
    for folder in glob.glob(os.path.join(PROGRAM_DATA, name)):
        shutil.rmtree(folder)
        print("assay-removed C:\\ProgramData\\" + os.path.basename(folder))
    print("assay-clean")


def main():
    with open(f"{ROOT}/calls.jsonl", "a") as file:
        file.write(json.dumps(sys.argv[1:]) + "\n")
    *options, encoded = sys.argv[1:]
    assert options == ["-NoLogo", "-NoProfile", "-NonInteractive", "-EncodedCommand"], options
    script = base64.b64decode(encoded, validate=True).decode("utf-16-le")
    steps = {"GetBytes(": run, "FromBase64String": upload, "-Filter": clean_up, "CreateDirectory": prepare}
    assert script.splitlines()[2] == "''", script
    print()
    next(step for mark, step in steps.items() if mark in script)(script)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        print(f"powershell stand-in: {error!r}", file=sys.stderr)
        raise SystemExit(1)
