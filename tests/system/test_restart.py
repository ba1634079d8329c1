"""
Restarts under load: every request gets an answer, none fails, and the task of
every 202 has its outcome.

A restart is a new master by SIGUSR2, or an end and a new start while the
socket is held by somebody else, as systemd does.  DEFERD_RESTARTS says how
many there are in a row; tests/restart.sh does fifty.
"""

import contextlib
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import connect, door_env, hand_over, parse_cgi, read_all, scgi, scgi_head
from harness import BUILD, MASTER_USER, ROOT, SANITIZED, ended, until
from servers import WEB_USER

ROUNDS = int(os.environ.get("DEFERD_RESTARTS", "3"))
BODY = random.Random(5).randbytes(100_000)      # above `inline`: it goes through the spool
ROUTES = """
route "/cat/*"    {{ exec = "{cgi}/cat.cgi" }}
route "/sh/*"     {{ exec = "{cgi}/sh.cgi" }}
route "/answer/*" {{ module = "answer.so" env = {{ "ANSWER_SECONDS=0" }} }}
"""
NAP = b"sleep 0.1; printf 'Content-Type: text/plain\\n\\nslept'"

durable = pytest.mark.skipif(not os.path.exists(os.path.join(BUILD, "deferd-check")),
                             reason="built without SQLite: tasks do not survive a restart")


@pytest.fixture
def lasting(world, make):
    """A daemon whose tasks are still there after a restart."""
    def start(**settings):
        folder = world.path(f"lasting-{time.monotonic_ns()}")
        os.mkdir(folder)
        if ROOT:
            shutil.chown(folder, MASTER_USER)
        return make(store=f"sqlite:{folder}/tasks.db", keep=3600, **settings)
    return start


class Held:
    """A listening socket that is there whether the daemon is or not."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        os.chmod(path, 0o660)
        if ROOT:
            shutil.chown(path, group=WEB_USER)
        self.socket.listen(4096)
        self.path, self.inode = path, os.stat(path).st_ino

    def close(self):
        assert os.stat(self.path).st_ino == self.inode, "the daemon has removed the socket"
        self.socket.close()
        os.unlink(self.path)


@pytest.fixture
def held(world):
    h = Held(world.spare_socket)
    yield h
    h.close()


# ---- the load -------------------------------------------------------------


class Load:
    """Clients that ask without a pause, and keep the book."""

    def __init__(self, d, apache=None):
        self.d, self.apache = d, apache
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.promised, self.wrong = [], []      # (id, expected body); what was no answer
        self.asked = self.slowest = 0

    def client(self, ask, name):
        last = None
        for n in range(10 ** 9):
            if self.over.is_set():
                return
            begin = time.monotonic()
            try:
                last = self.one(ask, n, last)
            except Exception as error:      # pylint: disable=broad-except
                self.note(f"{name} {n}: {error!r} after {time.monotonic() - begin:.2f} s")
            with self.lock:
                self.asked += 1
                self.slowest = max(self.slowest, time.monotonic() - begin)

    def note(self, text):
        with self.lock:
            self.wrong.append(text)

    def one(self, ask, n, last):
        """One request of six kinds; gives the link that the next one may ask for."""
        kind = n % 6
        if kind == 0 and last:
            answer = ask("GET", f"/status/{last}", b"", {})
        elif kind == 1:
            answer, expected = ask("POST", "/cat", BODY, {}), BODY
        elif kind == 2:
            answer, expected = ask("POST", "/sh", NAP, {}), b"slept"
        elif kind == 3:
            answer = ask("POST", "/answer/w", b"", {"Prefer": "wait=5"})
            expected = b'"The answer is: w"\n'
        else:
            answer, expected = ask("POST", f"/answer/{n}", b"", {}), None
        if answer.status not in (200, 202):
            self.note(repr(answer))
        elif answer.id and not (kind == 0 and last):
            with self.lock:
                self.promised.append((answer.id, expected))
            return answer.id
        return last

    def plain(self, method, path, body, headers):
        extra = [("HTTP_" + name.upper(), value) for name, value in headers.items()]
        return scgi(self.d.socket, method, path, body, mount=self.d.mount, extra=extra, timeout=30)

    def through_apache(self, method, path, body, headers):
        from client import Answer
        c = http.client.HTTPConnection("127.0.0.1", self.apache.port, timeout=30)
        try:
            c.request(method, "/spare" + path, body or None, headers)
            answer = c.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            c.close()

    def by_door(self, method, path, body, headers):
        """The program itself, as a server would run it: pipes at both ends."""
        extra = [("HTTP_" + name.upper(), value) for name, value in headers.items()]
        env = door_env(self.d.socket, method, path, length=len(body), extra=extra)
        done = subprocess.run([self.d.world.door], input=body, env=env, timeout=30, check=True,
                              stdout=subprocess.PIPE)
        return parse_cgi(done.stdout)

    def __enter__(self):
        ways = [self.plain] * 4 + [self.by_door] * 2
        ways += [self.through_apache] * 4 if self.apache else []
        self.threads = [threading.Thread(target=self.client, args=(way, f"{way.__name__}-{i}"))
                        for i, way in enumerate(ways)]
        for t in self.threads:
            t.start()
        self.run_on(20)
        return self

    def run_on(self, requests):
        """Until so many more have been answered."""
        goal = self.asked + requests
        until(lambda: self.asked >= goal or self.wrong, "requests are answered", 60)

    def __exit__(self, *error):
        self.over.set()
        for t in self.threads:
            t.join()

    def check(self):
        """Call it when the load is over."""
        print(f"{self.asked} requests, {len(self.promised)} tasks, slowest {self.slowest:.2f} s")
        assert not self.wrong, (len(self.wrong), self.wrong[:5])
        assert self.promised
        for task, expected in self.promised:
            done = until(lambda: ended(self.d.status(task)), f"task {task} has ended", 60)
            assert done.status == 200, (task, done)
            assert expected is None or done.body == expected, (task, done)


def new_master(d, old):
    return until(lambda: [pid for pid in d.children("deferd-master") if pid != old],
                 "there is a new master")[0]


@durable
def test_restart_under_load(lasting, start_server):
    """Master and workers replaced by SIGUSR2 again and again: nobody notices"""
    d = lasting(routes=ROUTES, workers=1, threads=32, drain=10)
    launcher = d.launcher()
    with Load(d, start_server("apache-mod_cgid")) as load:
        for _ in range(ROUNDS):
            old = d.master()
            d.process.send_signal(signal.SIGUSR2)
            new_master(d, old)
            load.run_on(20)
    assert d.launcher() == launcher
    load.check()


@durable
def test_stop_and_start_under_load(lasting, held, start_server):
    """Ended and started anew on a socket that others hold: nobody notices"""
    d = lasting(routes=ROUTES, workers=1, threads=32, drain=10, listener=held.socket)
    with Load(d, start_server("apache-mod_cgid")) as load:
        for _ in range(ROUNDS):
            d.stop()
            d.start()
            load.run_on(20)
    load.check()
    d.stop()


# ---- the moments, one by one ------------------------------------------------


def ask_many(d, n):
    """n submissions that are sent, and wait for an answer: connections."""
    asked = []
    for i in range(n):
        s = connect(d.socket)
        s.sendall(scgi_head("POST", f"/answer/{i}", mount=d.mount))
        asked.append(s)
    return asked


def answers(asked):
    got = []
    for s in asked:
        got.append(parse_cgi(read_all(s)))
        s.close()
    return got


@durable
def test_backlog_outlives_a_killed_master(lasting):
    """A master that is killed has not taken with it who had not come in yet"""
    d = lasting(routes=ROUTES)
    master = d.master()
    os.kill(master, signal.SIGSTOP)
    asked = ask_many(d, 100)
    read, write = os.pipe()
    with open("/dev/null", "rb") as null:
        hand_over(d.socket, scgi_head("POST", "/answer/door", mount=d.mount), null.fileno(), write)
    os.close(write)
    os.kill(master, signal.SIGKILL)
    got = answers(asked)
    with os.fdopen(read, "rb") as f:
        got.append(parse_cgi(f.read()))
    for answer in got:
        assert answer.status == 202
        assert d.wait(answer.id).status == 200


@durable
def test_backlog_outlives_a_crash_loop(lasting, world):
    """Masters that die at once, again and again: who waits is answered by the first that lives"""
    d = lasting(routes=ROUTES)
    master, program = d.master(), world.path("bin", "deferd-master")
    os.rename(program, program + ".good")
    try:
        world.write("#!/bin/sh\nexit 1\n", "bin", "deferd-master", mode=0o755)
        os.kill(master, signal.SIGKILL)
        until(lambda: d.log().count("master-died") >= 3, "masters die")
        asked = ask_many(d, 50)
    finally:
        os.rename(program + ".good", program)
    for answer in answers(asked):
        assert answer.status == 202
        assert d.wait(answer.id).status == 200


@durable
@pytest.mark.parametrize("heir", [False, True], ids=["own socket", "held socket"])
def test_stop_leaves_nobody_outside(lasting, heir, request):
    """Who was outside when the daemon ends: answered yet, or by the next one"""
    listener = request.getfixturevalue("held").socket if heir else None
    d = lasting(routes=ROUTES, listener=listener)
    master = d.master()
    os.kill(master, signal.SIGSTOP)
    asked = ask_many(d, 60)
    d.process.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in d.log(), "the launcher drains")
    os.kill(master, signal.SIGCONT)
    assert d.process.wait(30) == 0
    d.process = None
    if heir:
        late = ask_many(d, 20)
        d.start()
        asked += late
    else:
        with pytest.raises(OSError):
            connect(d.socket)
    got = answers(asked)
    assert {a.status for a in got} == {202}
    if not heir:
        d.start()
    for answer in got:
        assert d.wait(answer.id).status == 200


@durable
def test_slow_clients_do_not_keep_others_outside(lasting):
    """While a restart waits for an upload that comes slowly, all others go in and out"""
    d = lasting(routes=ROUTES, drain=60)
    old = d.master()
    slow = connect(d.socket)
    slow.sendall(scgi_head("POST", "/cat", mount=d.mount, length=10) + b"12345")
    d.get("/status/none")               # so that the slow one is inside
    d.process.send_signal(signal.SIGUSR2)
    until(lambda: "draining" in d.log(), "the master drains")
    begin = time.monotonic()
    while time.monotonic() < begin + 2:
        at = time.monotonic()
        task = d.submit("/answer/quick")
        assert time.monotonic() - at < 10
    assert d.master() == old
    slow.sendall(b"67890")
    answer = parse_cgi(read_all(slow))
    assert answer.status == 202
    new_master(d, old)
    assert d.wait(answer.id).body == b"1234567890"
    assert d.wait(task).status == 200


@durable
def test_slow_clients_do_not_hold_up_the_queue(lasting):
    """When nothing runs any more, who is slow has seconds, however long `drain` is"""
    d = lasting(routes=ROUTES, workers=1, drain=60)
    big = d.submit("/sh", b"printf 'Content-Type: text/plain\n\n'; head -c 20000000 /dev/zero")
    assert d.wait(big).status == 200
    reader, mute = connect(d.socket), connect(d.socket)
    reader.sendall(scgi_head("GET", f"/status/{big}", mount=d.mount))
    assert reader.recv(1)               # and it takes no more
    mute.sendall(scgi_head("POST", "/sh", mount=d.mount)[:20])
    d.get("/status/none")               # so that both are inside
    d.process.send_signal(signal.SIGUSR2)
    until(lambda: "draining" in d.log(), "the master drains")
    task = d.submit("/sh", NAP)
    begin = time.monotonic()
    done = until(lambda: ended(d.status(task)), "the task has ended", 90)
    assert done.body == b"slept" and time.monotonic() - begin < 45
    reader.close()
    mute.close()


@durable
@pytest.mark.parametrize("door", [False, True], ids=["plain", "door"])
def test_who_never_finishes_asking_is_told(lasting, door):
    """When the time for draining is over, an upload that has stopped gets a 503"""
    d = lasting(routes=ROUTES, drain=0)
    head = scgi_head("POST", "/cat", mount=d.mount, length=10)
    if door:
        ours, theirs = socket.socketpair()
        ours.sendall(b"12345")
        hand_over(d.socket, head, theirs.fileno(), theirs.fileno())
        theirs.close()
    else:
        ours = connect(d.socket)
        ours.sendall(head + b"12345")
    d.get("/status/none")
    d.process.send_signal(signal.SIGTERM)
    answer = parse_cgi(read_all(ours))
    assert answer.status == 503 and answer.get("Retry-After"), answer
    ours.close()
    assert d.process.wait(50) == 0
    d.process = None


def test_killed_together_and_started_at_once(make):
    """The socket of a daemon that is just dying is no reason not to start"""
    d = make(routes=ROUTES)
    for _ in range(3 if SANITIZED else 10):
        launcher, master = d.launcher(), d.master()
        os.kill(launcher, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):   # it has noticed, and gone by itself
            os.kill(master, signal.SIGKILL)
        os.waitid(os.P_PID, launcher, os.WEXITED | os.WNOWAIT)  # a signal is not yet a death
        d.process = None                # nobody reaps it yet
        d.start()


@durable
def test_masters_that_cannot_serve_any_more(lasting, world):
    """daemon down: the door says 503.  One that will not come up again is down, and ends"""
    d = lasting(routes=ROUTES)
    world.write("#!/bin/sh\nexit 1\n", "bin", "deferd-master.bad", mode=0o755)
    master, program = d.master(), world.path("bin", "deferd-master")
    os.rename(program, program + ".good")
    os.rename(program + ".bad", program)
    try:
        os.kill(master, signal.SIGKILL)
        assert d.process.wait(60) == 1
    finally:
        os.rename(program + ".good", program)
    d.process = None
    assert "giving-up masters=8" in d.log()
    done = subprocess.run([world.door], env=door_env(d.socket, "GET", "/answer/1", d.mount),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30)
    assert parse_cgi(done.stdout).status == 503
    d.start()
    assert d.wait(d.submit("/answer/2")).status == 200


@durable
def test_stop_in_the_middle_of_a_restart(lasting):
    """Whatever the moment: who got in is answered, who did not was refused, and the end is clean"""
    d = lasting(routes=ROUTES, workers=1)
    for n in range(5 if SANITIZED else 15):
        d.process.send_signal(signal.SIGUSR2)
        time.sleep(n * 0.005)       # any moment will do
        asked = ask_many(d, 3)
        d.process.send_signal(signal.SIGTERM)
        assert {a.status for a in answers(asked)} == {202}
        assert d.process.wait(30) == 0, d.log()
        d.start()


@durable
def test_followers_hold_nothing_up(lasting, world):
    """Who reads the log of a task that will not run before the restart is let go"""
    d = lasting(routes=ROUTES, workers=1, threads=1, drain=60)
    busy = d.submit("/sh", b"sleep 3; printf 'Content-Type: text/plain\n\n'")
    task = d.submit("/sh", NAP)
    control = world.path("spare", "control.sock")
    follower = connect(control)
    follower.sendall(scgi_head("GET", f"/status/{task}/log", mount=d.mount, query="follow=1"))
    old = d.master()
    d.process.send_signal(signal.SIGUSR2)
    until(lambda: "draining" in d.log(), "the master drains")
    late = connect(control)
    late.sendall(scgi_head("GET", f"/status/{task}/log", mount=d.mount, query="follow=1"))
    begin = time.monotonic()
    assert {a.status for a in answers([follower, late])} == {200}
    new_master(d, old)
    assert time.monotonic() - begin < 45
    assert d.wait(busy).status == d.wait(task).status == 200
