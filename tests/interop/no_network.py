#!/usr/bin/env python3
"""Runs a program under a seccomp filter that kills it for any socket but AF_UNIX, for serving one, and for io_uring, which
can open sockets past the filter: `no_network.py PROGRAM ARGUMENT…`. prctl(2), seccomp(2), linux/filter.h."""

import ctypes, os, platform, struct, sys

AF_UNIX = 1
IO_URING_SETUP = 425
# AUDIT_ARCH, socket and socketpair, and bind, listen, accept, accept4
ARCHITECTURES = {
    "x86_64": (0xC000003E, (41, 53), (49, 50, 43, 288)),
    "aarch64": (0xC00000B7, (198, 199), (200, 201, 202, 242)),
}
KILL, ALLOW = 0x80000000, 0x7FFF0000
LOAD, EQUAL, GREATER_OR_EQUAL, RETURN = 0x20, 0x15, 0x35, 0x06
# struct seccomp_data: the call's number, the architecture, the first argument
NUMBER, ARCHITECTURE, FIRST = 0, 4, 16
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def program():
    arch, opens, serves = ARCHITECTURES[platform.machine()]
    forbidden = [*serves, IO_URING_SETUP]
    # one instruction a line; jumps count from the next: allow is second to last, kill is last
    head = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 0, "kill", arch), (LOAD, 0, 0, NUMBER), (GREATER_OR_EQUAL, "kill", 0, 0x40000000)]
    head += [(EQUAL, "kill", 0, number) for number in forbidden]
    head += [(EQUAL, "family", 0, number) for number in opens]
    tail = [(RETURN, 0, 0, ALLOW), (LOAD, 0, 0, FIRST), (EQUAL, 0, "kill", AF_UNIX), (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, KILL)]
    places = {"family": len(head) + 1, "kill": len(head) + 4}
    code = b""
    for at, (operation, true, false, value) in enumerate(head + tail):
        true, false = (places[jump] - at - 1 if jump in places else jump for jump in (true, false))
        code += struct.pack("HBBI", operation, true, false, value)
    return code


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


code = program()
buffer = ctypes.create_string_buffer(code, len(code))
given = Filter(len(code) // 8, ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(given), 0, 0)):
    if libc.prctl(*call):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
