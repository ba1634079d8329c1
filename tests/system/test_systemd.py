"""systemd, played by the test: what it is told, what it hands over; and its own word on the units."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

from client import until
from harness import BUILD, SOURCE

OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS",
        "LISTEN_FDNAMES")


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(30)

    def hear(self, word):
        """The next message with this line, as pairs."""
        while True:
            lines = self.socket.recv(4096).decode().split("\n")
            if word in lines:
                return dict(line.split("=", 1) for line in lines)

    def misses(self, word, seconds):
        """Whether no message with this line comes for so long."""
        end = time.monotonic() + seconds
        while select.select([self.socket], [], [], max(end - time.monotonic(), 0))[0]:
            if word in self.socket.recv(4096).decode().split("\n"):
                return False
        return True


@pytest.fixture(params=["path", "abstract"])
def manager(request, world):
    name = world.path("out", "notify")
    m = Manager(name if request.param == "path" else "\0" + name)
    m.variable = name if request.param == "path" else "@" + name
    yield m
    m.socket.close()
    if request.param == "path":
        os.unlink(name)


def start(make, monkeypatch, manager, watchdog_ms=None, **settings):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.variable)
    if watchdog_ms:
        monkeypatch.setenv("WATCHDOG_USEC", str(watchdog_ms * 1000))
    return make(**settings)


def test_told_what_happens(make, monkeypatch, manager):
    """READY when it serves, RELOADING and READY around a reload, STOPPING at the end"""
    d = start(make, monkeypatch, manager)
    assert manager.hear("READY=1")["MAINPID"] == str(d.launcher())
    for change in (True, False):
        if change:
            d.settings["keep"] = 77
            d.write_conf()
        before = time.monotonic_ns() // 1000
        d.process.send_signal(signal.SIGHUP)
        told = manager.hear("RELOADING=1")
        assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        manager.hear("READY=1")
    old = d.master()
    os.kill(old, signal.SIGKILL)
    manager.hear("STATUS=The master has died")
    manager.hear("READY=1")
    d.stop()
    manager.hear("STOPPING=1")


def test_bad_settings_end_the_reload(make, monkeypatch, manager):
    """systemd does not wait for ever for a reload that has failed"""
    d = start(make, monkeypatch, manager)
    manager.hear("READY=1")
    with open(d.conf_path, "w") as f:
        f.write("keep = -1\n")
    d.process.send_signal(signal.SIGHUP)
    manager.hear("RELOADING=1")
    manager.hear("READY=1")
    assert "reload-failed" in d.log()


def test_watchdog(make, monkeypatch, manager):
    """It is fed while the master's loop turns, and only then"""
    d = start(make, monkeypatch, manager, watchdog_ms=400)
    manager.hear("READY=1")
    for _ in range(5):
        told = manager.hear("WATCHDOG=1")
        assert re.match(r"Serving: \d+ queued, \d+ running$", told["STATUS"])
    os.kill(d.master(), signal.SIGSTOP)
    until(lambda: manager.misses("WATCHDOG=1", 3 * 0.4), "systemd would have had enough")
    os.kill(d.master(), signal.SIGCONT)
    manager.hear("WATCHDOG=1")
    d.process.send_signal(signal.SIGUSR2)
    manager.hear("STATUS=Restarting")
    manager.hear("READY=1")
    manager.hear("WATCHDOG=1")


def test_no_watchdog_no_word(make, monkeypatch, manager):
    """One that is meant for another process is not fed by this one's word for it"""
    monkeypatch.setenv("WATCHDOG_PID", "1")
    d = start(make, monkeypatch, manager, watchdog_ms=400)
    with open(f"/proc/{d.master()}/cmdline") as f:
        assert "-a\x0010000\x00" in f.read()


def test_variables_go_no_further(make, monkeypatch, manager, held_socket):
    """Neither master nor worker nor task has what lets it speak with systemd"""
    d = start(make, monkeypatch, manager, watchdog_ms=60000, listener=held_socket)
    manager.hear("READY=1")
    for pid in [d.master(), *d.workers()]:
        with open(f"/proc/{pid}/environ") as f:
            assert not [v for v in f.read().split("\0") if v.split("=")[0] in OURS]
    names = {v.split("=")[0] for v in d.wait(d.submit("/env")).body.decode().split("\0")}
    assert not names & set(OURS)


def test_without_systemd(make, monkeypatch):
    """An address that is none is told of, and nothing more"""
    monkeypatch.setenv("NOTIFY_SOCKET", "nonsense")
    d = make()
    assert "notify-failed path=nonsense" in d.log()
    with open(f"/proc/{d.master()}/cmdline") as f:
        assert "\x00-a" not in f.read()


# ---- the socket -------------------------------------------------------------


def unix_socket(path, kind=socket.SOCK_STREAM, listens=True):
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(path)
    if listens:
        s.listen(16)
    return s


@pytest.fixture
def held_socket(world):
    s = unix_socket(world.spare_socket)
    yield s
    s.close()
    os.unlink(world.spare_socket)


def test_handed_socket_stays(make, held_socket):
    """The one from systemd is served, not replaced, and is still there at the end"""
    before = os.stat(held_socket.getsockname())
    d = make(listener=held_socket)
    assert d.run("printf 'Content-Type: text/plain\\n\\nhello'").body == b"hello"
    d.stop()
    after = os.stat(held_socket.getsockname())
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert not os.path.exists(d.world.path("spare", "control.sock"))


def refused(d, sockets, monkeypatch=None):
    """deferd started with these; what it says as it gives up."""
    d.write_conf()
    numbers = " ".join(f"{3 + i}<&{s.fileno()}" for i, s in enumerate(sockets))
    done = subprocess.run(
        ["bash", "-c", f'exec {numbers}; export LISTEN_PID=$$ LISTEN_FDS={len(sockets)} '
         'LISTEN_FDNAMES=data.socket; exec "$@"', "bash", *d.command("-f", "-c", d.conf_path)],
        env=d.env(), pass_fds=[s.fileno() for s in sockets], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, text=True)
    assert done.returncode == 1
    assert "data.socket" in done.stdout and d.socket in done.stdout
    return done.stdout


def test_other_sockets_are_refused(world, built):
    """A socket that the settings do not name: the daemon says both names, and does not start"""
    d = world.daemon()
    elsewhere = world.path("out", "elsewhere.sock")
    with unix_socket(elsewhere) as a:
        assert f"given={elsewhere}" in refused(d, [a])
        os.unlink(elsewhere)
        with unix_socket(d.socket) as b:
            assert "given=2" in refused(d, [a, b])
            os.unlink(d.socket)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        assert "Internet" in refused(d, [s])
    with unix_socket(d.socket, socket.SOCK_DGRAM, listens=False) as s:
        assert "no listening stream socket" in refused(d, [s])
        os.unlink(d.socket)
    with open("/dev/null") as s:
        assert "no socket" in refused(d, [s])
    assert not os.path.exists(d.socket)


def test_descriptors_for_somebody_else(make, held_socket, monkeypatch):
    """LISTEN_PID is another process: its descriptors are not ours"""
    os.unlink(held_socket.getsockname())
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    d = make()
    d.stop()
    unix_socket(d.socket, listens=False).close()    # for the fixture to remove


# ---- the units --------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_units_are_sound(tmp_path):
    """systemd has nothing to say against them; every word in them is known to it"""
    for name in ("deferd.service", "deferd.socket"):
        with open(os.path.join(SOURCE, "systemd", name + ".in")) as f:
            text = f.read()
        for word, value in (("sbindir", os.path.abspath(BUILD)), ("statedir", "/var/lib/deferd"),
                            ("socket", "/run/deferd/deferd.sock")):
            text = text.replace(f"@{word}@", value)
        assert "@" not in text
        (tmp_path / name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                           str(tmp_path / "deferd.service"), str(tmp_path / "deferd.socket")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if "Failed to initialize manager" in done.stdout:
        pytest.skip(f"systemd-analyze does not work here: {done.stdout}")
    assert done.returncode == 0 and not done.stdout.strip(), done.stdout
