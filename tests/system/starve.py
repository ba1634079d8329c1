"""Want, made to order: few descriptors, no processes, a small disk, a wrong clock, a file
system whose reads never return."""

import contextlib
import ctypes
import mmap
import os
import shutil
import struct
import subprocess
import threading

from harness import MASTER_USER, ROOT, SOURCE, alive, field

libc = ctypes.CDLL(None, use_errno=True)


def prlimit(pid, *options):
    """As the user of that process: only who is him, or may do all, can set its limits."""
    uid, gid = (int(field(pid, name).split()[0]) for name in ("Uid", "Gid"))
    user = {"user": uid, "group": gid, "extra_groups": []} if ROOT else {}
    done = subprocess.run(["prlimit", f"--pid={pid}", *options], **user, check=True,
                          stdout=subprocess.PIPE, text=True, cwd="/")
    return done.stdout.split()


@contextlib.contextmanager
def limited(pids, what, soft):
    """These processes have a soft limit of their own ("nofile", "nproc") for a while."""
    before = {pid: prlimit(pid, f"--{what}", "--raw", "--noheadings", "-o", "SOFT,HARD")
              for pid in pids}
    try:
        for pid, (_, hard) in before.items():
            prlimit(pid, f"--{what}={soft(pid) if callable(soft) else soft}:{hard}")
        yield
    finally:
        for pid, limits in before.items():
            if alive(pid):
                prlimit(pid, f"--{what}={':'.join(limits)}")


def next_descriptor(pid):
    """The limit with which no thread of this process can open anything more: each may have
    descriptors of its own."""
    def free(task):
        taken = set(map(int, os.listdir(f"/proc/{pid}/task/{task}/fd")))
        return next(n for n in range(1 << 20) if n not in taken)
    return min(map(free, os.listdir(f"/proc/{pid}/task")))


def wrap(world, monkeypatch, **programs):
    """The daemon's programs are started by lines of shell: name_with_underscores="ulimit ..."."""
    folder = world.path("wrapped")
    os.makedirs(folder, exist_ok=True)
    for name in ("deferd-master", "deferd-worker"):
        lines = programs.get(name.replace("-", "_"), "")
        world.write(f'#!/bin/bash\n{lines}\nexec {world.path("bin", name)} "$@"\n',
                    "wrapped", name, mode=0o755)
    monkeypatch.setattr("harness.Daemon.env",
                        lambda d: {**os.environ, "DEFERD_LIBEXECDIR": folder})


# ---- a clock ---------------------------------------------------------------


class WallClock:
    """What time the daemon believes it is: ours, and so many seconds."""

    def __init__(self, world, monkeypatch):
        path, shim = world.path("out", "clock"), world.path("modules", "clock.so")
        subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", shim,
                        f"{SOURCE}/tests/fault/clock.c"], check=True)
        with open(path, "wb") as f:
            f.write(bytes(8))
        os.chmod(path, 0o644)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 8)
        lines = f"export CLOCK_PLAN={path} LD_PRELOAD={shim}"
        wrap(world, monkeypatch, deferd_master=lines, deferd_worker=lines)

    def set(self, ahead_s):
        self.map[:] = struct.pack("=q", ahead_s)


# ---- a disk ----------------------------------------------------------------


def mount(what, where, kind, options):
    if libc.mount(what.encode(), where.encode(), kind.encode(), 0, options.encode()) == -1:
        raise OSError(ctypes.get_errno(), f"mount {kind}")


def unmount(where):
    libc.umount2(where.encode(), 2)     # MNT_DETACH


@contextlib.contextmanager
def disk(world, megabytes):
    """A file system of its own for spool and database."""
    path = world.path("disk")
    os.makedirs(path, exist_ok=True)
    mount("deferd-test", path, "tmpfs", f"size={megabytes}m,mode=755")
    try:
        for name in ("spool", "db"):
            os.mkdir(os.path.join(path, name), 0o700)
            if ROOT:
                shutil.chown(os.path.join(path, name), MASTER_USER)
        yield path
    finally:
        unmount(path)


def free_bytes(path):
    s = os.statvfs(path)
    return s.f_bavail * s.f_frsize


@contextlib.contextmanager
def filled(path, leave=0):
    """Somebody else takes all that is free there."""
    name = os.path.join(path, "hog")
    with open(name, "wb") as f:
        with contextlib.suppress(OSError):
            while free_bytes(path) > leave:
                f.write(b"x" * min(1 << 16, free_bytes(path) - leave))
                f.flush()
    try:
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


# ---- a file system whose reads never return ----------------------------------


class StuckFiles:
    """
    FUSE, spoken by hand: a folder with a file "stuck" that can be opened.
    What is in `silent` (READ, GETATTR, FLUSH, ...) is heard and never answered.
    """

    LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT = 1, 2, 3, 14, 15, 18, 25, 26
    NO_ANSWER = {FORGET, 36, 42}        # INTERRUPT, BATCH_FORGET
    ENOSYS, SIZE = 38, 100_000

    def __init__(self, folder, silent):
        self.folder, self.silent, self.heard, self.closed = folder, silent, [], False
        self.dev = os.open("/dev/fuse", os.O_RDWR)
        os.makedirs(folder, exist_ok=True)
        mount("deferd-stuck", folder, "fuse.stuck",
              f"fd={self.dev},rootmode=40000,user_id=0,group_id=0,allow_other")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def attr(self, node):
        mode, size = (0o40755, 0) if node == 1 else (0o100666, self.SIZE)
        return struct.pack("=QQQQQQIIIIIIIIII", node, size, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0,
                           4096, 0)

    def answer(self, opcode, node, body):
        if opcode == self.INIT:
            return struct.pack("=IIIIHHIIHHI7I", 7, 31, 0, 0, 1, 1, 4096, 1, 0, 0, 0, *[0] * 7)
        if opcode == self.LOOKUP:
            return struct.pack("=QQQQII", 2, 0, 0, 0, 0, 0) + self.attr(2)
        if opcode == self.GETATTR:
            return struct.pack("=QII", 0, 0, 0) + self.attr(node)
        if opcode in (self.OPEN, 27):           # OPENDIR
            return struct.pack("=QII", 1, 1, 0)     # direct I/O
        if opcode in (self.FLUSH, self.RELEASE, 29):
            return b""
        if opcode == self.READ:
            return b"x" * struct.unpack("=QQI", body[:20])[2]
        return None

    def serve(self):
        while True:
            try:
                data = os.read(self.dev, 1 << 17)
            except OSError:
                return
            _, opcode, unique, node = struct.unpack("=IIQQ", data[:24])
            self.heard.append(opcode)
            if opcode in self.NO_ANSWER or opcode in self.silent:
                continue
            out = self.answer(opcode, node, data[40:])
            error = 0 if out is not None else -self.ENOSYS
            with contextlib.suppress(OSError):
                os.write(self.dev, struct.pack("=IiQ", 16 + len(out or b""), error, unique) +
                         (out or b""))

    def open(self):
        return os.open(os.path.join(self.folder, "stuck"), os.O_RDWR)

    def close(self):
        """Whoever still waits for an answer gets an error now."""
        if self.closed:
            return
        self.closed = True
        unmount_force(self.folder)
        self.thread.join(5)
        os.close(self.dev)


def unmount_force(where):
    libc.umount2(where.encode(), 1)     # MNT_FORCE: aborts what waits
    unmount(where)
