#!/usr/bin/python3
"""
A hostile script: a task that tries what its name (PATH_INFO) says, and answers with a line
for each try.  Run by tests/system/test_hostile_script.py; the numbers and paths that it needs
come in its request, as NAME=VALUE lines.
"""

import contextlib
import ctypes
import errno
import os
import resource
import signal
import socket
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
SEIZE = 0x4206


def word(value):
    return ctypes.c_long(value) if isinstance(value, int) else value


def call(number, *args):
    """A system call: "done", or the name of the error."""
    if libc.syscall(number, *map(word, args)) == -1:
        return errno.errorcode[ctypes.get_errno()]
    return "done"


def attempt(function, *args):
    try:
        function(*args)
        return "done"
    except OSError as e:
        return errno.errorcode[e.errno]


def connect(path):
    kind = socket.SOCK_STREAM
    with socket.socket(socket.AF_UNIX, kind) as s:
        s.connect(path)


def say(what, result):
    print(what, result, flush=True)


class Memory(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def memory(pid):
    """Every way into another process that the kernel has."""
    here = ctypes.create_string_buffer(8)
    mine = Memory(ctypes.addressof(here), 8)
    with open("/proc/self/maps") as f:
        theirs = Memory(int(f.readline().split("-")[0], 16), 8)
    say("mem", attempt(open, f"/proc/{pid}/mem", "r+b"))
    say("maps", attempt(lambda: open(f"/proc/{pid}/maps").read()))
    say("environ", attempt(lambda: open(f"/proc/{pid}/environ").read()))
    say("fd", attempt(os.listdir, f"/proc/{pid}/fd"))
    got = call(310, pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    say("process_vm_readv", "done" if got == "EFAULT" else got)
    fd = libc.syscall(434, pid, 0)
    say("pidfd_getfd", call(438, fd, 3, 0) if fd != -1 else errno.errorcode[ctypes.get_errno()])
    say("ptrace", call(101, SEIZE, pid, 0, 0))


def signals(pid):
    for name in ("SIGTERM", "SIGSTOP", "SIGKILL"):
        say(name, attempt(os.kill, pid, getattr(signal, name)))


def kill(pid):
    say("SIGKILL", attempt(os.kill, pid, signal.SIGKILL))


def stop(pid):
    say("SIGSTOP", attempt(os.kill, pid, signal.SIGSTOP))


def files(paths):
    for path in paths.split(":"):
        how = os.listdir if os.path.isdir(path) else open
        say(path.rsplit("/", 1)[1], attempt(how, path))


def sockets(paths):
    for path in paths.split(":"):
        say(path.rsplit("/", 1)[1], attempt(connect, path))


def descriptors(_):
    """What it has beside its own four, and what they are."""
    for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue            # that of the list itself
        say(fd, target.split(":")[0].split(" ")[0])


def survive(out):
    """Ignores SIGTERM, and leaves the group in four ways, each with a child that sleeps."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ways = {"group": lambda: os.setpgid(0, 0), "stopped": lambda: None,
            "traced": lambda: libc.ptrace(0, 0, 0, 0), "session": os.setsid}
    for name, way in ways.items():
        if os.fork() == 0:
            way()
            with open(f"{out}.{name}", "w") as f:
                f.write(str(os.getpid()))
            if name in ("stopped", "traced"):
                os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(600)
            os._exit(0)
    if os.fork() == 0:          # forks twice, in a group of its own
        if os.fork() == 0:
            os.setpgid(0, 0)
            with open(f"{out}.orphan", "w") as f:
                f.write(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    with open(f"{out}.leader", "w") as f:
        f.write(str(os.getpid()))
    time.sleep(600)


def leave(out):
    """A daemon, as they are made: two forks and setsid(2)."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(4):
                os.close(fd)
            with open(out, "w") as f:
                f.write(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    os.wait()


def fill(out):
    """As many children as it gets; none of them listens to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    n = 0
    try:
        while n < 2000:
            if os.fork() == 0:
                time.sleep(600)
                os._exit(0)
            n += 1
    except OSError as e:
        with open(out, "w") as f:
            f.write(f"{n} {errno.errorcode[e.errno]}")
    time.sleep(600)


def trace(_):
    """A child out of its group attaches itself to it, and sleeps while it exits."""
    libc.prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)     # PR_SET_PTRACER, anybody
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        traced = libc.ptrace(SEIZE, os.getppid(), 0, 0)
        os.write(writer, b"y" if traced == 0 else b"n")
        for fd in range(64):
            with contextlib.suppress(OSError):
                os.close(fd)
        time.sleep(600)
        os._exit(0)
    say("traced", os.read(reader, 1).decode())


def lower(what):
    """One of its worker's limits, the hard one, too."""
    resource.prlimit(os.getppid(), getattr(resource, what), (4, 4))
    say("lowered", "yes")


def sleep(_):
    time.sleep(600)


def main():
    print("Content-Type: text/plain\n", flush=True)
    name = os.environ["PATH_INFO"].strip("/")
    argument = sys.stdin.read()
    globals()[name](int(argument) if argument.isdigit() else argument)


main()
