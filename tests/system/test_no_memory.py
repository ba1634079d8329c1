"""Every allocation of the master and of the workers fails once.

A scenario with all that a client can ask is gone through again and again; in
the n-th round the n-th allocation fails (tests/fault/shim.c).  Whatever it
hits: nobody dies, who was promised a task finds its outcome, and who was not
has an answer that says so.

DEFERD_FAULTS=all takes every allocation, otherwise every few."""

import os
import shutil

import pytest

import fault
from client import Answer, connect, parse_cgi, read_all, scgi_head, until
from harness import MASTER_USER, ROOT, SANITIZED, ended

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer has a malloc of its own")

EVERY = 1 if os.environ.get("DEFERD_FAULTS") == "all" else 29
INLINE = 1024
LARGE = b"x" * (8 * INLINE)
REFUSED = (500, 503)
REFUSAL = Answer(503, [], b"")      # in the place of none
ROUTES = """
route "/cat/*"    {{ exec = "{cgi}/cat.cgi" }}
route "/sh/*"     {{ exec = "{cgi}/sh.cgi" retry = 1 retry-delay = 1 methods = {{ "POST" }} }}
route "/share/*"  {{ exec = "{cgi}/cat.cgi" share = yes }}
route "/answer/*" {{ module = "answer.so" env = {{ "ANSWER_SECONDS=0" }} }}
"""


@pytest.fixture
def faulty(world, make, monkeypatch):
    """Starts a daemon of which one program has the shim; gives both."""
    def start(program, **settings):
        plan, folder = fault.install(world, program)
        monkeypatch.setenv("DEFERD_LIBEXECDIR", folder)
        monkeypatch.setattr("harness.Daemon.env", lambda d: dict(os.environ))
        return make(routes=ROUTES, inline=INLINE, workers=1, threads=8, **settings), plan
    return start


class Scenario:
    """What clients do, all of it; and what they were promised."""

    def __init__(self, daemon):
        self.d, self.control = daemon, daemon.world.path(daemon.folder, "control.sock")
        self.promised = {}          # id -> what its owner says in a request
        self.silent = 0

    def ask(self, method, url, body=b"", operator=False, **more):
        """An answer, or None: the connection was closed without a word."""
        with connect(self.control if operator else self.d.socket, 30) as s:
            try:
                s.sendall(scgi_head(method, url, mount=self.d.mount, length=len(body), **more) + body)
                data = read_all(s)
            except (ConnectionResetError, BrokenPipeError):
                data = b""
        if not data:
            self.silent += 1
            return None
        answer = parse_cgi(data)
        if method != "HEAD" and answer.status in REFUSED and not answer.state and \
                answer.get("Content-Type") == "application/problem+json":
            assert answer.json["status"] == answer.status, answer
            assert answer.json["type"].startswith("urn:deferd:problem:"), answer
        return answer

    def submit(self, method, url, body=b"", extra=()):
        answer = self.ask(method, url, body, extra=extra)
        if answer is None or answer.status in REFUSED:
            return None
        assert answer.status in (200, 202, 303) and answer.id, answer
        self.promised[answer.id] = [pair for pair in extra if pair[0] == "REMOTE_USER"]
        return answer.id

    def at_link(self, task, what="", method="GET", good=(200, 202, 204), extra=()):
        answer = self.ask(method, f"/status/{task}{what}", extra=[*self.promised[task], *extra])
        assert answer is None or answer.status in good + REFUSED, answer
        return answer

    def operate(self, method, url, good=200, **more):
        answer = self.ask(method, url, operator=True, **more)
        assert answer is None or answer.status in (good,) + REFUSED, answer
        return answer

    def outcome(self, task):
        """It has ended, one way or another; a refusal says nothing yet."""
        def question():
            answer = self.ask("GET", f"/status/{task}", extra=self.promised[task])
            if answer is None or not answer.state:
                assert answer is None or answer.status in REFUSED, answer
                return None
            return ended(answer)
        return until(question, f"{task} has ended")

    def run(self):
        html = [("HTTP_ACCEPT", "text/html")]
        self.submit("GET", "/answer/a")
        self.submit("POST", "/cat", b"small", extra=[("HTTP_IDEMPOTENCY_KEY", "k1")])
        self.submit("POST", "/cat", LARGE, extra=[("REMOTE_USER", "ann")])
        self.submit("GET", "/share/1")
        self.submit("GET", "/share/1")
        self.submit("GET", "/answer/b", extra=html)
        self.submit("GET", "/answer/c", extra=[("HTTP_PREFER", "wait=5")])
        slow = self.submit("POST", "/sh", b"echo hello >&2; echo 42 here >&3; sleep 3")
        if slow:
            self.at_link(slow, extra=html)
            self.at_link(slow, "/info")
            until(lambda: (self.at_link(slow, "/cancel", method="POST") or REFUSAL).status == 204,
                  "it is cancelled")
        failing = self.submit("POST", "/sh", b"echo oops >&2; exit 3")
        for page in ("/stats", "/metrics", "/ping"):
            self.operate("GET", page)
        self.operate("GET", "/tasks", query="limit=3")
        self.operate("GET", "/tasks", query="limit=3", extra=html)
        self.operate("POST", "/pause", 204)
        until(lambda: (self.operate("POST", "/resume", 204) or REFUSAL).status == 204,
              "it goes on")
        self.ask("GET", "/nothing/here")
        self.ask("GET", "/status/" + "0" * 32)
        for task in self.promised:
            self.outcome(task)
        if failing:
            self.at_link(failing, extra=html, good=(500,))
            self.at_link(failing, "/info")
            self.operate("GET", f"/status/{failing}/log")
        for task in list(self.promised)[:2]:
            self.at_link(task, extra=[("HTTP_RANGE", "bytes=0-1")], good=(200, 206, 500))
            self.at_link(task, method="HEAD", good=(200, 500))
            self.at_link(task, method="DELETE")


def own_folder(world, name):
    """A new folder of the master's."""
    folder = world.path(name)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    if ROOT:
        shutil.chown(folder, MASTER_USER)
    return folder


def log_tail(d):
    return d.log()[-2000:]


@pytest.mark.parametrize("program,store", [("deferd-master", "memory"), ("deferd-master", "sqlite"),
                                           ("deferd-worker", "memory")])
def test_each_allocation_fails(world, faulty, program, store):
    settings = {}
    if store == "sqlite":
        settings["store"] = "sqlite:" + own_folder(world, "db") + "/tasks.db"
    d, plan = faulty(program, **settings)
    master, workers = d.master(), d.workers()
    silent, rounds, n = 0, 0, 1
    while True:
        plan.fail(n)
        scenario = Scenario(d)
        scenario.run()
        silent += scenario.silent
        rounds += 1
        assert d.master() == master, f"allocation {n}: the master died\n{log_tail(d)}"
        assert d.workers() == workers, f"allocation {n}: a worker died\n{log_tail(d)}"
        if not plan.result()[1]:
            break
        n += EVERY
    plan.fail(0)
    print(f"{program} {store}: {rounds} rounds, {n} allocations, {silent} without an answer")
    assert rounds > 2 and silent == 0
    d.stop()
