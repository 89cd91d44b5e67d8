#!/usr/bin/env python3
"""Runs the programs of a test cluster as the first process of a PID namespace of its own.

Lines on standard input: `start NAME`, `stop NAME`, `signal NAME SIGNAL`; each is answered with a line. A program's command line is
the file NAME.json, and its output goes to NAME.log. When standard input ends, or this process is killed, the kernel ends all that
runs in the namespace, so that nothing outlives the tests, whatever becomes of them.
"""
import ctypes
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

folder, cgroup = sys.argv[1:]
running = {}


def reap(*_):
    """Takes leave of whatever has ended: containers' shims become this process's children."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def network():
    """One address that is not loopback's, on a link that leads nowhere: a kubelet wants one."""
    for line in (
        "link set lo up",
        "link add cluster0 type veth peer name cluster1",
        "address add 192.0.2.10/24 dev cluster0",
        "link set cluster0 up",
        "link set cluster1 up",
        "route add default via 192.0.2.1",
    ):
        subprocess.run(["ip", *line.split()], check=True)


def start(name):
    with open(f"{folder}/{name}.json", encoding="utf-8") as file:
        command = json.load(file)
    with open(f"{folder}/{name}.log", "ab") as log:
        pid = os.posix_spawnp(
            command["argv"][0],
            command["argv"],
            {**os.environ, **command["environment"]},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
            ],
            setsigmask=[],
            setsigdef=[signal.SIGCHLD],
        )
    running[name] = pid


def stop(name):
    pid = running.pop(name, None)
    if pid:
        os.kill(pid, signal.SIGKILL)
        while os.path.exists(f"/proc/{pid}"):
            time.sleep(0.01)


def send(name, which):
    os.kill(running[name], signal.Signals[which])


def end():
    os.kill(-1, signal.SIGKILL)
    time.sleep(0.1)
    reap()
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        points = [line.split()[4] for line in mounts]
    for point in reversed([point for point in points if point.startswith(folder)]):
        subprocess.run(["umount", "--lazy", point], check=False)
    for path in sorted(glob.glob(f"/sys/fs/cgroup/**/{cgroup}/**/", recursive=True), key=len, reverse=True):
        try:
            os.rmdir(path)
        except OSError:
            pass
    shutil.rmtree(folder, ignore_errors=True)


# the tests' program may be killed: then this one, and with it the namespace
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
signal.signal(signal.SIGCHLD, reap)
network()
print("ready", flush=True)
for line in sys.stdin:
    verb, *arguments = line.split()
    try:
        {"start": start, "stop": stop, "signal": send}[verb](*arguments)
        print("done", flush=True)
    except (OSError, KeyError) as error:
        print(f"failed {error!r}", flush=True)
end()
