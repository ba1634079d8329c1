"""A daemon of which one program runs out of memory when a test says so (tests/fault/shim.c)."""

import mmap
import os
import struct
import subprocess

from harness import SOURCE

SIZE = 24       # struct plan: three long


class Plan:
    """The file that test and shim share."""

    def __init__(self, path):
        with open(path, "wb") as f:
            f.write(bytes(SIZE))
        os.chmod(path, 0o666)
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), SIZE)

    def fail(self, n):
        """The n-th allocation from now; 0: none."""
        self.map[:] = struct.pack("=qqq", n, 0, 0)

    def result(self):
        """How many allocations there were, and whether one has failed."""
        _, calls, failed = struct.unpack("=qqq", self.map[:])
        return calls, failed > 0


def install(world, program):
    """
    Puts the shim and a program of each name before the real one; gives the plan, and the
    folder that DEFERD_LIBEXECDIR must name.
    """
    shim, plan, folder = (world.path("modules", "shim.so"), world.path("out", "plan"),
                          world.path("fault"))
    subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", shim,
                    f"{SOURCE}/tests/fault/shim.c"], check=True)
    os.makedirs(folder, exist_ok=True)
    for name in ("deferd-master", "deferd-worker"):
        world.write(f"#!/bin/sh\nexport FAULT_PROGRAM={program} FAULT_PLAN={plan}\n"
                    f"export FAULT_TRACE={world.path('out', 'trace')} LD_PRELOAD={shim}\n"
                    f'exec {world.path("bin", name)} "$@"\n', "fault", name, mode=0o755)
    return Plan(plan), folder
