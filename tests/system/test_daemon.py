"""The manners of a daemon (design.md 3) and its configuration (design.md 6)."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from client import scgi, until
from harness import MASTER_USER, NO_TASK, ROOT, alive
from servers import EXAMPLES

HELLO = "printf 'Content-Type: text/plain\\n\\nhello'"


def run(d, *options, conf=None, timeout=30):
    if conf is not None:
        with open(d.conf_path, "w") as f:
            f.write(conf)
    return subprocess.run(d.command(*options), env=d.env(), capture_output=True, text=True,
                          timeout=timeout, cwd="/")


@pytest.fixture
def idle(world, built):
    """A daemon with a configuration, not started."""
    d = world.daemon()
    d.write_conf()
    yield d
    d.kill()
    for pid, what in world.processes().items():     # one in the background, if a test failed
        if what[0].endswith("/deferd") and "/spare/" in what[2]:
            os.kill(pid, signal.SIGTERM)
            until(lambda: not alive(pid), "it ended")


def prepare(d):
    d.start()
    d.stop()


# ---- starting --------------------------------------------------------------


def test_background(world, idle):
    """forks into the background and the parent returns 0 only when the master serves"""
    prepare(idle)
    pid_file = world.path("spare", "pid")
    with open(idle.conf_path, "a") as f:
        f.write(f'\npid-file = "{pid_file}"\n')
    done = run(idle, "-c", idle.conf_path)
    assert done.returncode == 0, done
    with open(pid_file) as f:
        pid = int(f.read())
    try:
        # no polling: it serves already
        assert idle.get(f"/status/{NO_TASK}").status == 404
        assert idle.run(HELLO).body == b"hello"
        with open(f"/proc/{pid}/stat") as f:
            assert int(f.read().rpartition(")")[2].split()[1]) != os.getpid()
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid), "it ended")
    assert not os.path.exists(idle.socket) and not os.path.exists(pid_file)


def test_foreground_ends_with_zero(make):
    """SIGTERM, SIGINT: a clean end"""
    for signo in (signal.SIGTERM, signal.SIGINT):
        d = make()
        d.process.send_signal(signo)
        assert d.process.wait(60) == 0
        assert not os.path.exists(d.socket)
        d.process = None


@pytest.mark.parametrize("options", [["-f"], []], ids=["foreground", "background"])
def test_socket_of_a_live_daemon_is_never_stolen(make, options):
    """a live daemon's socket is never stolen: non-zero, with the reason on stderr"""
    d = make()
    inode = os.stat(d.socket).st_ino
    done = run(d, *options, "-c", d.conf_path)
    assert done.returncode != 0 and d.socket in done.stderr
    assert os.stat(d.socket).st_ino == inode
    assert d.run(HELLO).body == b"hello"


def test_dead_socket_is_replaced(world, idle):
    """a dead one's is replaced"""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(idle.socket)
    idle.start()
    assert idle.run(HELLO).body == b"hello"


def test_no_other_file_is_replaced(world, idle):
    """what is no socket stays"""
    prepare(idle)
    with open(idle.socket, "w") as f:
        f.write("precious")
    try:
        done = run(idle, "-c", idle.conf_path)
        assert done.returncode != 0 and idle.socket in done.stderr
        assert open(idle.socket).read() == "precious"
    finally:
        os.unlink(idle.socket)


def test_socket_that_cannot_be(world, idle):
    """(non-zero with the reason on stderr otherwise)"""
    for path, word in ((world.path("no", "such", "x.sock"), "No such file"),
                       ("/tmp/" + "x" * 120, "107 bytes")):
        done = run(idle, "-c", idle.conf_path, conf=idle.conf().replace(idle.socket, path))
        assert done.returncode != 0 and path in done.stderr and word in done.stderr, done


def test_mode_of_the_socket(make):
    """0660; control 0600"""
    d = make()
    assert os.stat(d.socket).st_mode & 0o777 == 0o660
    control = d.world.path("spare", "control.sock")
    assert os.stat(control).st_mode & 0o777 == 0o600


def test_without_any_configuration(world, built):
    """`deferd -f -s SOCKET` serves that one route from the memory store"""
    if os.path.exists("/etc/deferd.conf"):
        pytest.skip("there is a configuration here")
    folder = world.path("bare")
    os.mkdir(folder)
    user = {}
    if ROOT:        # as an ordinary user: who has no user "deferd" yet
        shutil.chown(folder, "nobody")
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    path = os.path.join(folder, "s")
    env = {**os.environ, "DEFERD_LIBEXECDIR": world.path("bin")}
    with open(os.path.join(folder, "log"), "w") as log:
        p = subprocess.Popen([world.path("bin", "deferd"), "-f", "-s", path], env=env, stdout=log,
                             stderr=log, cwd="/", **user)
    try:
        def serves():
            assert p.poll() is None, open(os.path.join(folder, "log")).read()
            try:
                return scgi(path, "GET", "/hello", mount="", timeout=5)
            except OSError:
                return None
        answer = until(serves, "it serves")
        assert answer.status == 202, answer
        assert scgi(path, "GET", f"/status/{answer.id}", mount="").id == answer.id
    finally:
        p.terminate()
        assert p.wait(30) == 0


# ---- ending ----------------------------------------------------------------


def test_drain(make, world):
    """SIGTERM: go on answering, let running ones finish up to `drain`, close last

    What is queued cannot be kept by the memory store, and a 202 is a promise:
    so these are run, and no more are taken.
    """
    d = make(drain=30, workers=1, threads=1)
    go = world.path("out", "drain")
    running = d.sh(f"while [ ! -e {go} ]; do sleep 0.02; done\n{HELLO}; touch {go}-first")
    d.wait_state(running, "running")
    queued = d.sh(f"touch {go}-second; {HELLO}")
    d.process.send_signal(signal.SIGTERM)
    answer = until(lambda: (a := d.request("POST", "/sh", HELLO.encode())).status == 503 and a,
                   "it drains")
    assert int(answer.get("Retry-After")) > 0
    assert d.status(running).state == "running" and d.status(queued).state == "queued"
    open(go, "w").close()
    assert d.process.wait(60) == 0
    assert os.path.exists(go + "-first") and os.path.exists(go + "-second")
    d.process = None


def test_drain_is_limited(make, world):
    """up to `drain` seconds"""
    d = make(drain=1, grace=1)
    pid_path = world.path("out", "drain-pid")
    task = d.sh(f"trap '' TERM; echo $$ >{pid_path}; while :; do sleep 0.05; done")
    d.wait_state(task, "running")
    until(lambda: os.path.exists(pid_path) and open(pid_path).read().endswith("\n"), "it runs")
    start = time.monotonic()
    d.stop(60)
    assert 0.9 < time.monotonic() - start < 50
    assert not alive(int(open(pid_path).read()))


def test_nothing_is_left(make, world):
    """no process, no socket, no spool file after the end"""
    d = make()
    d.wait(d.submit("/cat", b"x" * 200_000))
    family = [d.master(), *d.workers()]
    d.stop()
    assert not any(map(alive, family))
    assert not os.path.exists(d.socket)
    assert not os.path.exists(world.path("spare", "control.sock"))
    assert os.listdir(world.path("spare", "spool")) == []


# ---- reload ----------------------------------------------------------------


def reload(d, conf, word):
    with open(d.conf_path, "w") as f:
        f.write(conf)
    before = len(d.log())
    d.process.send_signal(signal.SIGHUP)
    return until(lambda: word in d.log()[before:].lower() and d.log()[before:], f"{word} is logged")


def test_reload(make, world):
    """SIGHUP reloads: new routes and limits; tasks under way go on"""
    d = make()
    go = world.path("out", "reload")
    task = d.sh(f"while [ ! -e {go} ]; do sleep 0.02; done\n{HELLO}")
    d.wait_state(task, "running")
    master = d.master()
    assert d.get("/new").status == 404
    d.routes += 'route "/new" {{ exec = "{cgi}/env.cgi" env = {{ "WHICH=new" }} }}\n'
    d.settings["keep"] = 77
    reload(d, d.conf(), "reload")
    until(lambda: d.get("/new").status == 202, "the new route is there")
    assert b"WHICH=new" in d.wait(d.submit("/new", method="GET")).body
    open(go, "w").close()
    assert d.wait(task).body == b"hello"
    assert d.master() == master


def test_reload_of_a_bad_file(make):
    """a bad file, on reload: keeps the old settings, says so"""
    d = make()
    text = reload(d, d.conf() + "keep = -5\n", "keep")
    assert "deferd.conf" in text
    assert d.run(HELLO).body == b"hello"


def test_reload_route_vanishes(make, world):
    """a route that vanished: its queued tasks fail, saying so"""
    d = make(workers=1, threads=1)
    go = world.path("out", "vanish")
    task = d.sh(f"while [ ! -e {go} ]; do sleep 0.02; done\n{HELLO}")
    d.wait_state(task, "running")
    queued = d.submit("/env", method="GET")
    d.routes = "\n".join(l for l in d.routes.splitlines() if "env.cgi" not in l)
    reload(d, d.conf(), "reload")
    until(lambda: d.get("/env").status == 404, "the route is gone")
    open(go, "w").close()
    assert d.wait(task).body == b"hello"
    done = d.wait(queued)
    assert done.state == "failed" and "route" in done.json["detail"]


# ---- configuration ---------------------------------------------------------


def test_check(idle):
    """`deferd -n -c FILE` checks and prints the effective settings"""
    first = run(idle, "-n", "-c", idle.conf_path)
    assert first.returncode == 0, first
    for word in ("keep", "timeout", "max-body", 'route "/sh/*"'):
        assert word in first.stdout
    # what it prints is a configuration that means the same
    again = run(idle, "-n", "-c", idle.conf_path, conf=first.stdout)
    assert (again.returncode, again.stdout) == (0, first.stdout)


@pytest.mark.parametrize("line, word", [
    ("keep = -5", "keep"),
    ("keep = x", "keep"),
    ("no-such-setting = 1", "no-such-setting"),
    ('max-body = "64Q"', "max-body"),
    ('store = "oracle:x"', "store"),
    ('route "/x" { exec = "/bin/true" ', ""),
    ('route "/x" { }', "/x"),
    ('route "/x" { exec = "/bin/true" module = "m.so" }', "/x"),
    ('route "x" { exec = "/bin/true" }', "x"),
    ('route "/x" { exec = "relative" }', "exec"),
    ('route "/x" { exec = "/bin/true" methods = { "BREW" } }', "methods"),
    ('route "/sh/*" { exec = "/bin/true" }', "/sh/*"),
    ("route /* { }", ""),
    ("workers = 0", "workers"),
])
def test_bad_file(idle, line, word):
    """a bad file names file, line and what was expected, and the daemon does not start"""
    conf = idle.conf()
    where = conf.count("\n") + 1
    for options in (["-n"], ["-f"], []):
        done = run(idle, *options, "-c", idle.conf_path, conf=conf + line + "\n")
        assert done.returncode != 0, done
        assert "deferd.conf:" in done.stderr and word in done.stderr, done.stderr
        number = int(done.stderr.split("deferd.conf:")[1].split(":")[0])
        assert number in (where, where + 1), done.stderr
        assert not os.path.exists(idle.socket)


def test_no_file(idle):
    done = run(idle, "-n", "-c", "/nonexistent.conf")
    assert done.returncode != 0 and "/nonexistent.conf" in done.stderr


def test_version_and_usage(idle):
    """-V; an unknown option"""
    done = run(idle, "-V")
    assert done.returncode == 0 and "deferd" in done.stdout
    for option in ("-h", "--help"):
        done = run(idle, option)
        assert done.returncode == 0 and done.stdout.startswith("usage: deferd ")
        for letter in "cdfhnsV":
            assert re.search(f"^  -{letter}\\b.*  \\w", done.stdout, re.M), letter
    done = run(idle, "-%")
    assert done.returncode != 0 and "usage" in done.stderr.lower()


def test_example_configuration(world, idle):
    """examples/deferd.conf is a valid configuration"""
    with open(os.path.join(EXAMPLES, "deferd.conf")) as f:
        text = f.read().replace('"deferd"\n', f'"{MASTER_USER}"\n')
    done = run(idle, "-n", "-c", idle.conf_path, conf=text)
    assert done.returncode == 0, done
