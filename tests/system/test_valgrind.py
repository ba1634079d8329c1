"""A day of a daemon under valgrind: launcher, master and workers, each to its end.

What is lost, what is read before it was written, and what is still open when a
process ends is in its log; there must be nothing of it."""

import glob
import os
import re
import shutil
import subprocess
from collections import Counter

import pytest

from client import scgi, until
from conftest import missing
from harness import NO_TASK, SANITIZED, Daemon, ended

pytestmark = pytest.mark.skipif(SANITIZED, reason="one checker at a time")

# Without a door for a debugger: the launcher makes its files as root, and one that has
# become another user may not open them, which valgrind would call a finding.
FLAGS = "-q --vgdb=no --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite " \
        "--show-leak-kinds=definite --num-callers=20"
INLINE, THREADS = 1024, 2
# Where launcher and worker open what the kernel closes for them, and how much of it there is.
LIFELONG = {"open_signals": 1, "open_data_socket": 1, "open_control_socket": 1, "settings_read": 1,
            "spawn_role": 1, "take_signals": 1, "pool_hang_bells": THREADS, "pool_init": 1,
            "worker_init": 1}
LARGE = b"x" * (8 * INLINE)
SAYS = "printf 'Content-Type: text/plain\\nETag: \"1\"\\n\\n'; echo said >&2; echo hello\n"


def version():
    """(3, 19), for one."""
    said = subprocess.run(["valgrind", "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return tuple(map(int, re.search(r"(\d+)\.(\d+)", said.stdout).groups()))


def descriptors(name):
    """Since it knows of numbers closed twice, it is wrong about threads with tables of their own."""
    return "no" if name == "deferd-worker" and version() >= (3, 21) else "yes"


class Watched:
    """Puts valgrind before a program of each name, and reads what it says."""

    def __init__(self, world, monkeypatch):
        self.world, self.folder = world, world.path("valgrind")
        os.mkdir(self.folder)
        for name in ("deferd", "deferd-master", "deferd-worker"):
            world.write(f"#!/bin/sh\nexec valgrind {FLAGS} --track-fds={descriptors(name)} "
                        f"--log-file={self.log(name)}.%p "
                        f'{world.path("bin", name)} "$@"\n', "valgrind", name, mode=0o755)
        monkeypatch.setattr(Daemon, "command", lambda d, *options: [
            os.path.join(self.folder, "deferd"), *options])
        monkeypatch.setattr(Daemon, "env", lambda d: {
            **os.environ, "DEFERD_LIBEXECDIR": self.folder})

    def log(self, name):
        return self.world.path("out", name)

    def complaints(self, name):
        """How many of these there were, and the paragraphs of their logs that say something."""
        paths, found = glob.glob(self.log(name) + ".[0-9]*"), []
        for path in paths:
            with open(path, errors="replace") as f:
                text = re.sub(r"^--.*\n|^FILE DESC.*\n", "", re.sub(
                    r"^==\d+== ?", "", f.read(), flags=re.M), flags=re.M)
            found += complaints([p for p in text.split("\n\n") if p.strip()])
        return len(paths), found


def complaints(paragraphs):
    """Without the descriptors that are opened once, for a life, and what the test has open."""
    seen, found = Counter(), []
    for paragraph in paragraphs:
        if "<inherited from parent>" in paragraph:
            continue
        place = next((name for name in LIFELONG if f": {name} (" in paragraph), None)
        seen[place] += 1
        if not re.match(r"\s*Open ", paragraph) or seen[place] > LIFELONG.get(place, 0):
            found.append(paragraph)
    return found


@pytest.fixture
def watched(world, built, make, monkeypatch):
    if not shutil.which("valgrind"):
        missing("valgrind")
    w = Watched(world, monkeypatch)
    yield w
    shutil.rmtree(w.folder)


def scenario(d):
    """All that clients and operators do, once at least."""
    control = d.world.path(d.folder, "control.sock")

    def operate(method, path, body=b""):
        return scgi(control, method, path, body)

    done = d.run(SAYS)
    assert done.body == b"hello\n" and done.state == "succeeded"
    assert d.get(f"/status/{done.id}/info").json["attempts"] == 1
    assert operate("GET", f"/status/{done.id}/log").body == b"said\n"
    large = d.wait(d.submit("/cat", LARGE))
    assert large.body == LARGE
    part = d.get(f"/status/{large.id}", extra=[("HTTP_RANGE", "bytes=1-4")])
    assert part.status == 206 and part.body == b"xxxx"
    assert d.wait(d.submit("/answer/x", method="GET")).status == 200
    assert d.run("exit 3").state == "failed"
    assert d.get("/nothing").status == 404 and d.get(f"/status/{NO_TASK}").status == 404
    for accept in ("application/json", "text/html"):
        assert d.request("GET", f"/status/{done.id}", extra=[("HTTP_ACCEPT", accept)]).status == 200
        assert scgi(control, "GET", "/tasks", extra=[("HTTP_ACCEPT", accept)]).status == 200
    runs = d.sh("sleep 1000")
    d.wait_state(runs, "running")
    assert operate("GET", "/stats").json["tasks"]["running"] == 1
    assert operate("GET", "/metrics").status == 200
    assert d.status(runs, "DELETE").status == 204
    until(lambda: ended(d.status(runs)) or d.status(runs).status in (404, 410), "it is cancelled")
    assert operate("POST", "/check", d.conf().encode()).json["sound"]
    assert operate("POST", "/pause").status // 100 == 2
    waits = d.sh(SAYS)
    assert operate("POST", "/resume").status // 100 == 2
    assert d.wait(waits).body == b"hello\n"
    d.settings["keep"] = 500
    d.write_conf()
    assert operate("POST", "/reload").json["generation"] == 1
    assert d.run(SAYS).body == b"hello\n"
    master = operate("GET", "/ping").json["pid"]
    assert operate("POST", "/restart").status == 202
    until(lambda: d.serves() and operate("GET", "/ping").json["pid"] != master, "another master")
    assert d.run(SAYS).body == b"hello\n"


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_day(watched, make, world, store):
    """submit, fetch, a part, cancel, fail, look, pause, reload, restart, stop"""
    path = world.path("out", "tasks.db")
    d = make(inline=INLINE, workers=1, threads=THREADS, grace=20,
             store="memory" if store == "memory" else f"sqlite:{path}")
    scenario(d)
    d.stop(120)
    for name, least in (("deferd", 1), ("deferd-master", 2), ("deferd-worker", 4)):
        n, found = watched.complaints(name)
        assert not found, f"{name}:\n" + "\n\n".join(found)
        assert n >= least, f"{n} logs of {name}"
