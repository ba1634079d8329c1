"""
What the operator asks for on the control socket: every row of the table at the
top of daemon/master/operate.h, and what it must not be asked for by others.
"""

import os
import pwd
import re
import sqlite3
import stat
import subprocess
import threading
import time
from functools import partial

import pytest

from client import connect, parse_cgi, read_all, scgi, scgi_head, until
from harness import MASTER_USER, NO_TASK, ROOT, WORKER_USER, alive, find_build

root_only = pytest.mark.skipif(not ROOT, reason="needs to be root")
GET = ("/tasks", "/stats", "/metrics", "/ping")
POST = ("/pause", "/resume", "/reload", "/drain", "/restart", "/check")
PLAIN = "printf 'Content-Type: text/plain\\n\\n'\n"
HTML = [("HTTP_ACCEPT", "text/html")]
MEMBERS = ["id", "link", "state", "method", "path", "route", "owner", "created", "started",
           "finished", "expires", "attempts", "progress", "status", "size", "reason"]


class Operator:
    """The control socket of a daemon."""

    def __init__(self, d):
        self.d = d
        self.path = d.world.path(d.folder, "control.sock")
        self.request = partial(scgi, self.path)

    def get(self, url, query="", **more):
        return self.request("GET", url, query=query, **more)

    def post(self, url, body=b"", **more):
        return self.request("POST", url, body, **more)

    def tasks(self, query=""):
        answer = self.get("/tasks", query)
        assert answer.status == 200, answer
        assert answer.get("Content-Type") == "application/json"
        return answer.json["tasks"]

    def ids(self, query=""):
        return [t["id"] for t in self.tasks(query)]

    def state(self):
        return self.get("/ping").json["state"]


@pytest.fixture
def operate(make):
    """Starts a daemon, and gives it and its operator."""
    def start(*options, **settings):
        d = make(*options, **settings)
        return d, Operator(d)
    return start


def problem(answer, name, status):
    assert answer.status == status, answer
    assert answer.json["type"] == f"urn:deferd:problem:{name}", answer
    return answer.json["detail"]


def held(world, name):
    """A script that runs until the file is removed."""
    path = world.path("out", name)
    with open(path, "w"):
        pass
    os.chmod(path, 0o666)
    return path, f"{PLAIN}while [ -e {path} ]; do sleep 0.02; done; echo done"


# ---- the table ---------------------------------------------------------------


def test_ping(operate):
    d, op = operate()
    answer = op.get("/ping")
    assert answer.status == 200 and answer.get("Content-Type") == "application/json"
    ping = answer.json
    assert set(ping) == {"version", "pid", "uptime", "state"}
    assert ping["pid"] == d.master() and ping["state"] == "serving"
    assert 0 <= ping["uptime"] < 60 and re.match(r"\d+\.\d+", ping["version"])
    assert answer.get("Cache-Control") == "no-store"
    assert op.request("HEAD", "/ping").body == b""


def test_stats_and_metrics(operate):
    d, op = operate()
    d.run(f"{PLAIN}echo hello")
    stats = op.get("/stats").json
    assert stats["state"] == "serving" and stats["tasks"]["succeeded"] == 1
    assert stats["connections"] >= 1
    metrics = op.get("/metrics")
    assert metrics.status == 200 and b"deferd_" in metrics.body


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW", "OPTIONS")


def test_other_methods(operate):
    """405 with Allow; OPTIONS: 204 with the same"""
    d, op = operate()
    for path in GET + POST:
        allowed = ("GET", "HEAD") if path in GET else ("POST",)
        for method in set(METHODS) - set(allowed):
            answer = op.request(method, path)
            assert answer.status == (204 if method == "OPTIONS" else 405), (path, answer)
            assert set(answer.get("Allow").split(", ")) == {*allowed, "OPTIONS"}
    assert op.state() == "serving" and d.process.poll() is None


def test_other_methods_are_counted(operate):
    """As every other refusal: in the statistics and in the log"""
    d, op = operate()
    for path in ("/tasks", "/pause"):
        assert op.request("PUT", path).status == 405
    assert op.get("/stats").json["refused"]["method-not-allowed"] == 2
    until(lambda: "reason=method-not-allowed method=PUT path=/pause" in d.log(), "it is logged")


ANY = 'route "/*" {{ exec = "{cgi}/cat.cgi" }}'


def test_nothing_of_it_on_the_data_socket(operate):
    """There it is a path like any other"""
    d, op = operate(routes=ANY)
    for path in GET + POST:
        assert d.get(path).status == 202 and d.request("POST", path).status == 202
    assert op.state() == "serving"


def test_who_means_the_operator_is_told(operate):
    """DEFERD_OPERATOR=1: refused on the data socket, and no header can say so"""
    d, op = operate(routes=ANY)
    asked = [("DEFERD_OPERATOR", "1")]
    for path in GET + POST + ("/x", f"/status/{NO_TASK}"):
        problem(d.request("POST", path, extra=asked), "not-control", 421)
    assert op.get("/ping", extra=asked).status == 200
    for name in ("HTTP_DEFERD_OPERATOR", "DEFERD_OPERATORS"):
        assert d.request("POST", "/pause", extra=[(name, "1")]).status == 202


def test_a_submission_is_one(operate):
    """DEFERD_SUBMIT=1: the route's, also on the control socket; no header can say so"""
    d, op = operate(routes=ANY)
    for path in GET + POST:
        for method in ("GET", "POST"):
            answer = op.request(method, path, extra=[("DEFERD_SUBMIT", "1")])
            assert answer.status == 202 and answer.json["state"] == "queued"
        for name in ("HTTP_DEFERD_SUBMIT", "DEFERD_SUBMITS"):
            assert op.request("PUT", path, extra=[(name, "1")]).status == 405
    assert op.state() == "serving"
    assert op.get(f"/status/{NO_TASK}", extra=[("DEFERD_SUBMIT", "1")]).status == 404


def test_only_a_submission_is_one(operate):
    """What is no resource is not there: opening an address starts nothing"""
    d, op = operate(routes=ANY)
    for path in ("/x", "/tasks/", "/favicon.ico", "/status"):
        for method in ("GET", "POST", "PUT", "OPTIONS"):
            problem(op.request(method, path), "no-route", 404)
            problem(op.request(method, path, extra=[("DEFERD_SUBMIT", "0")]), "no-route", 404)
        assert op.get(path, extra=[("DEFERD_SUBMIT", "1")]).status == 202
    assert op.get("/stats").json["totals"]["accepted"] == 4


def test_the_root_leads_to_the_tasks(operate):
    d, op = operate(routes=ANY)
    for extra in ([], HTML):
        answer = op.get("/", extra=extra)
        assert answer.status == 303 and answer.get("Location") == "/spare/tasks"
    assert op.post("/").status == 405
    assert op.get("/", extra=[("DEFERD_SUBMIT", "1")]).status == 202


def test_links(operate, world):
    """Status, info, cancel and removal of anybody's task"""
    d, op = operate()
    file, code = held(world, "links")
    mine = [("REMOTE_USER", "alice")]
    task = d.submit("/sh", code.encode(), extra=mine)
    assert d.status(task).status == 404
    assert op.get(f"/status/{task}").status == 202
    assert op.get(f"/status/{task}/info").json["id"] == task
    assert op.post(f"/status/{task}/cancel").status == 204
    assert op.get(f"/status/{task}").status == 410
    assert op.request("DELETE", f"/status/{task}").status == 204
    other = d.submit("/sh", f"{PLAIN}echo x".encode(), extra=mine)
    until(lambda: op.get(f"/status/{other}").status == 200, "it has ended")
    assert op.request("DELETE", f"/status/{other}").status == 204
    assert op.get(f"/status/{other}").status == 404
    assert op.get("/nothing/here").status == 404
    os.unlink(file)


def test_log_is_the_operators(operate):
    """<link>/log: there is no such thing on the data socket"""
    d, op = operate()
    task = d.sh(f"echo oops >&2\n{PLAIN}echo x")
    d.wait(task)
    answer = op.get(f"/status/{task}/log")
    assert answer.status == 200 and answer.body == b"oops\n"
    assert op.post(f"/status/{task}/log").status == 405
    assert d.get(f"/status/{task}/log").status == 404
    assert d.request("POST", f"/status/{task}/log").status == 404


# ---- pause -------------------------------------------------------------------


def test_pause(operate, world):
    """Accepted, committed, answered, not started; what runs goes on"""
    d, op = operate(workers=1, threads=4)
    file, code = held(world, "pause")
    running = d.sh(code)
    d.wait_state(running, "running")
    assert op.post("/pause").status == 204
    assert op.post("/pause").status == 204
    assert op.state() == "paused" and op.get("/stats").json["state"] == "paused"
    waiting = [d.sh(f"{PLAIN}echo {i}") for i in range(3)]
    os.unlink(file)
    assert d.wait(running).body == b"done\n"
    assert [d.status(t).state for t in waiting] == ["queued"] * 3
    assert d.request("POST", "/sh", f"{PLAIN}echo late".encode(),
                     extra=[("HTTP_PREFER", "wait=1")]).status == 202
    assert d.request("DELETE", f"/status/{waiting[2]}").status == 204
    assert op.post("/resume").status == 204
    assert op.state() == "serving"
    assert [d.wait(t).body for t in waiting[:2]] == [b"0\n", b"1\n"]
    assert d.status(waiting[2]).status == 410


def test_a_restart_resumes(operate):
    """A pause is of this process"""
    d, op = operate()
    op.post("/pause")
    task = d.sh(f"{PLAIN}echo x")
    assert d.status(task).state == "queued"
    os.kill(d.master(), 9)
    until(lambda: serving(op), "another master serves")
    assert op.state() == "serving"


def serving(op):
    try:
        return op.get("/ping").status == 200
    except (OSError, AssertionError):       # or the one that just dies has taken the request
        return False


def test_drain_of_a_pause(operate):
    """The memory store: what was promised runs now or never"""
    d, op = operate(drain=20)
    op.post("/pause")
    marks = [d.world.path("out", f"promised{i}") for i in range(3)]
    for mark in marks:
        d.sh(f"{PLAIN}echo x >{mark}")
    assert not any(map(os.path.exists, marks))
    d.stop()
    assert all(map(os.path.exists, marks))


def test_for_a_browser(operate):
    """Buttons lead back to the page, with its query"""
    d, op = operate()
    for path, state in (("/pause", "paused"), ("/resume", "serving")):
        answer = op.post(path, query="state=failed&limit=5", extra=HTML)
        assert answer.status == 303 and answer.get("Location") == "/spare/tasks?state=failed&limit=5"
        assert op.state() == state
    op.post("/pause")
    task = d.sh("echo")
    answer = op.post(f"/status/{task}/cancel", extra=HTML)
    assert answer.status == 303 and answer.get("Location") == "/spare/tasks"
    assert d.status(task).status == 410


# ---- what the launcher does --------------------------------------------------


def test_reload(operate):
    d, op = operate(queue=100)
    before = op.get("/stats").json["generation"]
    d.settings.update(queue=7, threads=3)
    d.write_conf()
    answer = op.post("/reload")
    assert answer.status == 200, answer
    assert answer.json == {"generation": before + 1, "needs_restart": "threads"}
    assert op.get("/stats").json["queue"] == 7      # by the time of the answer
    d.settings.update(queue=8)
    d.write_conf()
    assert op.post("/reload").json == {"generation": before + 2, "needs_restart": "threads"}


def test_reload_of_nothing_new(operate):
    d, op = operate()
    before = op.get("/stats").json["generation"]
    assert op.post("/reload").json == {"generation": before, "needs_restart": ""}


def test_reload_of_a_bad_file(operate):
    """422 with file, line and what was expected; the old settings stay"""
    d, op = operate(queue=100)
    with open(d.conf_path, "a") as f:
        f.write("\nqueue = none\n")
    lines = open(d.conf_path).read().count("\n")
    detail = problem(op.post("/reload"), "settings", 422)
    assert f"deferd.conf:{lines}: queue: expected" in detail
    assert op.get("/stats").json["queue"] == 100
    d.write_conf()
    assert op.post("/reload").status == 200


def test_what_the_launcher_holds(operate):
    """Named by every reload, and no restart looks as if it had changed it"""
    d, op = operate()
    master = d.master()
    pid_file = {"pid-file": d.world.path("out", "other.pid")}
    d.settings.update(threads=3, **pid_file)
    d.write_conf()
    assert op.post("/reload").json["needs_restart"] == "pid-file, threads"
    detail = problem(op.post("/restart"), "settings", 422)
    assert detail.startswith("pid-file: only a new start")
    assert d.master() == master
    os.kill(master, 9)
    until(lambda: serving(op), "another master serves")
    assert op.post("/reload").json["needs_restart"] == "pid-file"


def test_drain(operate, world):
    """202, then as SIGTERM"""
    d, op = operate(drain=20)
    file, code = held(world, "drain")
    task = d.sh(code)
    d.wait_state(task, "running")
    assert op.post("/drain").status == 202
    until(lambda: op.state() == "draining", "the master has heard it")
    assert d.request("POST", "/sh", b"true").status == 503
    with open(d.conf_path, "a") as f:
        f.write("\nqueue = none\n")
    assert "queue: expected" in problem(op.post("/reload"), "settings", 422)
    problem(op.post("/restart"), "draining", 503)
    assert d.process.poll() is None
    os.unlink(file)
    assert d.process.wait(30) == 0
    d.process = None


def test_restart(operate):
    """202; master and workers are others then, and nobody was refused"""
    d, op = operate()
    master, workers = d.master(), d.workers()
    assert op.post("/restart").status == 202
    until(lambda: serving(op) and op.get("/ping").json["pid"] != master, "another master serves")
    until(lambda: not alive(master) and not any(map(alive, workers)), "the old ones have gone")
    assert d.run(f"{PLAIN}echo hello").body == b"hello\n"
    assert d.process.poll() is None


def test_restart_with_a_bad_file(operate):
    """422 and nothing happens: the new ones could not start with it"""
    d, op = operate()
    master = d.master()
    with open(d.conf_path, "a") as f:
        f.write("\nqueue = none\n")
    assert "queue: expected" in problem(op.post("/restart"), "settings", 422)
    assert op.get("/ping").json["pid"] == master and op.state() == "serving"


# ---- check -------------------------------------------------------------------

sqlite_only = pytest.mark.skipif(not find_build("deferd-check"), reason="a build without SQLite")


def on_disk(world):
    folder = world.path("out", f"db{time.monotonic_ns()}")
    os.mkdir(folder)
    if ROOT:
        os.chown(folder, pwd.getpwnam(MASTER_USER).pw_uid, -1)
    return f"sqlite:{folder}/tasks.db"


def test_check_of_memory(operate):
    d, op = operate()
    assert op.post("/check").json == {
        "sound": True, "report": "memory: nothing is kept, nothing to check\n"}


@sqlite_only
def test_check(operate, world):
    """Live: the report of deferd -n --check-store"""
    d, op = operate(store=on_disk(world))
    d.run(f"{PLAIN}echo hello")
    d.wait(d.submit("/cat", b"x" * 100_000))
    answer = op.post("/check")
    assert answer.status == 200 and answer.json["sound"] is True
    assert "tasks: 2 succeeded" in answer.json["report"]
    assert answer.json["report"].endswith("tasks.db: sound\n")


@sqlite_only
def test_check_of_damage(operate, world):
    d, op = operate(store=on_disk(world))
    d.wait(d.submit("/cat", b"x" * 100_000))
    spool = world.path("spare", "spool")
    for name in os.listdir(spool):
        os.truncate(os.path.join(spool, name), 0)
    answer = op.post("/check").json
    assert answer["sound"] is False and "missing or too short" in answer["report"]


@sqlite_only
def test_check_while_others_submit(operate, world):
    """Nobody waits for it, and what comes and goes meanwhile is no damage"""
    d, op = operate(store=on_disk(world), keep=1, threads=8)
    stop, failed = threading.Event(), []

    def client():
        while not stop.is_set():
            answer = d.request("POST", "/cat", b"x" * 70_000)
            if answer.status not in (202, 503):
                failed.append(answer)
    clients = [threading.Thread(target=client) for _ in range(3)]
    for c in clients:
        c.start()
    try:
        for _ in range(10):
            answer = op.post("/check").json
            assert answer["sound"] is True, answer
    finally:
        stop.set()
        for c in clients:
            c.join()
    assert not failed


# ---- the list ----------------------------------------------------------------


def test_empty_list(operate):
    d, op = operate()
    assert op.get("/tasks").json == {"tasks": [], "more": False}
    for state in ("queued", "running", "failed"):
        assert op.get("/tasks", f"state={state}").json == {"tasks": [], "more": False}


def test_what_is_said_of_a_task(operate, world):
    """The members, in every state that they have"""
    d, op = operate(workers=1, threads=1, keep=100)
    good = d.submit("/cat", b"12345", extra=[("REMOTE_USER", "alice")])
    until(lambda: op.get(f"/status/{good}").status == 200, "it has ended")
    bad = d.sh("echo oops >&2; exit 3")
    d.wait(bad)
    file, code = held(world, "said")
    running = d.sh("printf '42 rendering\\n' >&3\n" + code)
    until(lambda: op.tasks("state=running")[0]["progress"], "it has told its progress")
    queued = d.submit("/env/a%20b", method="GET")
    tasks = op.tasks()
    os.unlink(file)
    assert [t["id"] for t in tasks] == [queued, running, bad, good]
    assert all(list(t) == MEMBERS for t in tasks)
    assert all(t["link"] == f"/spare/status/{t['id']}" for t in tasks)
    assert [t["state"] for t in tasks] == ["queued", "running", "failed", "succeeded"]
    assert [t["method"] for t in tasks] == ["GET", "POST", "POST", "POST"]
    assert [t["route"] for t in tasks] == ["/env/*", "/sh/*", "/sh/*", "/cat/*"]
    assert [t["owner"] for t in tasks] == [None, None, None, "alice"]
    assert [t["path"] for t in tasks] == ["/env/a%20b", "/sh", "/sh", "/cat"]
    assert [t["attempts"] for t in tasks] == [0, 1, 1, 1]
    assert [t["progress"] for t in tasks] == [
        None, {"percent": 42, "message": "rendering"}, None, None]
    assert [(t["status"], t["size"]) for t in tasks] == [(None, None)] * 3 + [(200, 5)]
    assert [t["reason"] is None for t in tasks] == [True, True, False, True]
    assert "3" in tasks[2]["reason"]
    for t, times in zip(tasks, ([1, 0, 0, 0], [1, 1, 0, 0], [1] * 4, [1] * 4)):
        for name, known in zip(("created", "started", "finished", "expires"), times):
            assert bool(t[name]) == bool(known), (t, name)
            assert not t[name] or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", t[name])
    info = op.get(f"/status/{good}/info").json
    for name in ("created", "started", "finished"):
        assert info[name] == tasks[3][name]


@pytest.fixture(scope="class")
def many(world, built):
    """Tasks of two routes, two owners, in all states but the running ones."""
    d = world.daemon(workers=1, threads=4, keep=600,
                     routes='route "one" {{ path = "/one/*" exec = "{cgi}/sh.cgi" }}\n'
                            'route "two" {{ path = "/two/*" exec = "{cgi}/sh.cgi" }}\n'
                            'route "late" {{ path = "/late" exec = "{cgi}/sh.cgi" timeout = 1 }}')
    d.start()
    op = Operator(d)
    made = {}

    def ended(task):
        until(lambda: op.get(f"/status/{task}").status != 202, "it has ended")
        return task
    for name, path, code, owner in (
            ("a1", "/one/a", f"{PLAIN}echo", "alice"), ("b2", "/two/b", f"{PLAIN}echo", "bob"),
            ("a2", "/two/a", "exit 1", "alice"), ("n1", "/one/n", f"{PLAIN}echo", None),
            ("late", "/late", "sleep 60", None)):
        made[name] = ended(d.submit(path, code.encode(),
                                    extra=[("REMOTE_USER", owner)] if owner else []))
    op.post("/pause")
    for name, owner in (("q1", "alice"), ("q2", None), ("gone", None)):
        made[name] = d.submit("/one/x", b"", extra=[("REMOTE_USER", owner)] if owner else [])
    assert op.post(f"/status/{made['gone']}/cancel").status == 204
    yield op, made
    d.kill()
    d.check_sanitizers()


NEWEST_FIRST = ["gone", "q2", "q1", "late", "n1", "a2", "b2", "a1"]


class TestMany:
    @pytest.mark.parametrize("query, names", [
        ("", NEWEST_FIRST),
        ("state=queued", ["q2", "q1"]),
        ("state=running", []),
        ("state=queued,running", ["q2", "q1"]),
        ("state=succeeded", ["n1", "b2", "a1"]),
        ("state=failed", ["a2"]),
        ("state=timed-out", ["late"]),
        ("state=cancelled", ["gone"]),
        ("state=failed,cancelled", ["gone", "a2"]),
        ("state=failed&state=cancelled", ["gone", "a2"]),
        ("state=failed%2Ccancelled", ["gone", "a2"]),
        ("state=queued,succeeded", ["q2", "q1", "n1", "b2", "a1"]),
        ("route=one", ["gone", "q2", "q1", "n1", "a1"]),
        ("route=two", ["a2", "b2"]),
        ("route=one&state=queued", ["q2", "q1"]),
        ("route=two&state=queued", []),
        ("route=none", []),
        ("route=none&state=queued", []),
        ("owner=alice", ["q1", "a2", "a1"]),
        ("owner=bob", ["b2"]),
        ("owner=alice&state=queued", ["q1"]),
        ("owner=nobody", []),
        ("owner=alice&route=two", ["a2"]),
        ("older=0", NEWEST_FIRST),
        ("older=3600", []),
        ("newer=3600", NEWEST_FIRST),
        ("newer=0", []),
        ("newer=3600&older=3600", []),
        ("state=&route=&owner=&older=&newer=&limit=", NEWEST_FIRST),
        ("&&", NEWEST_FIRST),
    ])
    def test_filter(self, many, query, names):
        op, made = many
        answer = op.get("/tasks", query)
        assert answer.status == 200, answer
        found = {v: k for k, v in made.items()}
        assert [found[t["id"]] for t in answer.json["tasks"]] == names
        assert answer.json["more"] is False

    def test_next_page(self, many):
        """behind the first of these tasks that is still there"""
        op, made = many
        last, gone = made[NEWEST_FIRST[2]], "0" * 32
        for query in (f"after={last}", f"after={gone},{last}"):
            listed = [t["id"] for t in op.get("/tasks", query).json["tasks"]]
            assert listed == [made[name] for name in NEWEST_FIRST[3:]]
        assert op.get("/tasks", f"after={gone}").status == 404

    @pytest.mark.parametrize("query, limit", [("", 3), ("", 8), ("", 7), ("state=queued", 1),
                                              ("owner=alice", 2), ("owner=alice", 3)])
    def test_limit(self, many, query, limit):
        """So many of them, the newest; `more` says whether that was not all"""
        op, _ = many
        everything = op.ids(query)
        answer = op.get("/tasks", f"{query}&limit={limit}").json
        assert [t["id"] for t in answer["tasks"]] == everything[:limit]
        assert answer["more"] is (limit < len(everything))

    def test_age(self, many):
        """By the time since it was created"""
        op, made = many
        late = op.get(f"/status/{made['late']}/info").json["created"]
        until(lambda: made["gone"] in op.ids("older=2"), "all are two seconds old")
        assert op.ids("newer=2&state=cancelled") == []
        assert late is not None and made["late"] in op.ids("older=2")

    @pytest.mark.parametrize("query, said", [
        ("state=finished", "state: expected queued, running"), ("state=queued,", None),
        ("state=queued;x", "state: "), ("older=-1", "older: "), ("older=1.5", "older: "),
        ("newer=x", "newer: "), ("limit=0", "limit: "), ("limit=1001", "limit: "),
        ("limit=99999999999999999999", "limit: "), ("limit=ten", "limit: "), ("Limit=1", "Limit: "),
        ("sort=age", "sort: "), ("nonsense", "nonsense: "), ("route=%0", "route: "),
        ("route=%00", "route: "), ("route=%zz", "route: "), ("=x", ": expected"),
    ])
    def test_bad_parameters(self, many, query, said):
        """400, and it names the parameter"""
        op, _ = many
        answer = op.get("/tasks", query)
        if said is None:
            assert answer.status == 200
            return
        assert problem(answer, "bad-request", 400).startswith(said)
        page = op.get("/tasks", query, extra=HTML)
        assert page.status == 400 and page.get("Content-Type").startswith("text/html")

    def test_the_page(self, many):
        """Who prefers text/html gets the page for people"""
        op, made = many
        page = op.get("/tasks", extra=HTML)
        assert page.status == 200 and page.get("Content-Type") == "text/html; charset=utf-8"
        assert made["a2"].encode() in page.body


def test_long_texts_are_cut(operate):
    """A path of 60 KB is not listed whole; at <link>/info it is"""
    d, op = operate()
    path = "/cat/" + "\u00e9" * 10_000
    task = d.submit(path.encode().decode("latin-1"), b"")
    listed = op.tasks()[0]["path"]
    assert listed == path[:len(listed)] and 500 <= len(listed) <= 1024
    assert op.get(f"/status/{task}/info").json["path"] == path


@sqlite_only
def test_list_from_the_disk(operate, world):
    """Owner, path and reason come from SQLite, also after a restart"""
    store = on_disk(world)
    d, op = operate(store=store)
    d.submit("/cat/x", b"", extra=[("REMOTE_USER", "alice")])
    bad = d.sh("exit 7")
    d.wait(bad)
    until(lambda: len(op.tasks("state=succeeded")) == 1, "both have ended")
    before = op.tasks()
    assert op.post("/restart").status == 202
    until(lambda: serving(op) and op.get("/stats").json["uptime"] is not None
          and op.get("/ping").json["pid"] != 0 and len(op.tasks()) == 2, "it serves again")
    after = op.tasks()
    for a, b in zip(before, after):
        assert {k: v for k, v in a.items() if k != "expires"} == \
            {k: v for k, v in b.items() if k != "expires"}
    assert op.ids("owner=alice") == [after[1]["id"]]


@pytest.mark.alone
def test_twenty_thousand(operate):
    """A list while others submit; nobody waits for it, and none is listed twice"""
    d, op = operate(queue=100_000, workers=1, threads=2, max_running=None,
                    routes='route "/cat/*" {{ exec = "{cgi}/cat.cgi" }}')
    op.post("/pause")
    total = 20_000

    def submit(n):
        head = scgi_head("POST", "/cat/x")
        for _ in range(n):
            with connect(d.socket) as s:
                s.sendall(head)
                assert parse_cgi(read_all(s)).status == 202
    clients = [threading.Thread(target=submit, args=(total // 4,)) for _ in range(4)]
    for c in clients:
        c.start()
    slowest = 0
    while any(c.is_alive() for c in clients):
        for query in ("limit=1000", "state=failed", "state=queued&limit=1000", "owner=nobody",
                      "older=3600"):
            ids = op.ids(query)
            assert len(ids) == len(set(ids))
            start = time.monotonic()
            assert op.get("/ping").status == 200
            slowest = max(slowest, time.monotonic() - start)
    for c in clients:
        c.join()
    answer = op.get("/tasks", "limit=1000").json
    assert len(answer["tasks"]) == 1000 and answer["more"] is True
    created = [t["created"] for t in answer["tasks"]]
    assert created == sorted(created, reverse=True)
    assert op.get("/stats").json["tasks"]["queued"] == total
    assert slowest < 10


# ---- who may ask -------------------------------------------------------------

SITE, HOST = "HTTP_SEC_FETCH_SITE", ("HTTP_HOST", "ops.example:8443")
FOREIGN = [
    [(SITE, "cross-site")], [(SITE, "same-site")], [(SITE, "")], [(SITE, "none, none")],
    [(SITE, "cross-site"), HOST, ("HTTP_ORIGIN", "https://ops.example:8443")],
    [HOST, ("HTTP_ORIGIN", "https://evil.example")], [HOST, ("HTTP_ORIGIN", "null")],
    [HOST, ("HTTP_ORIGIN", "https://ops.example")], [HOST, ("HTTP_ORIGIN", "ops.example:8443")],
    [HOST, ("HTTP_ORIGIN", "https://ops.example:8443.evil.example")],
    [("HTTP_ORIGIN", "https://ops.example:8443")], [HOST, ("HTTP_ORIGIN", "")],
]
OURS = [
    [], [(SITE, "same-origin")], [(SITE, "none")], [HOST],
    [(SITE, "same-origin"), HOST, ("HTTP_ORIGIN", "https://behind.a.proxy")],
    [HOST, ("HTTP_ORIGIN", "https://ops.example:8443")],
    [HOST, ("HTTP_ORIGIN", "https://OPS.example:8443")],
]


def test_another_site_is_refused(operate):
    """403, and nothing is done; looking is harmless"""
    d, op = operate()
    task = d.sh(f"{PLAIN}echo x")
    d.wait(task)
    for extra in FOREIGN:
        for path in (*POST, f"/status/{task}/cancel", "/sh"):
            problem(op.post(path, extra=extra), "cross-site", 403)
        for path in (f"/status/{task}", "/cat"):
            problem(op.request("DELETE", path, extra=extra), "cross-site", 403)
        for path in GET:
            assert op.get(path, extra=extra).status == 200
    assert op.state() == "serving" and d.status(task).status == 200
    assert len(op.tasks()) == 1
    assert d.request("POST", "/sh", b"true", extra=FOREIGN[0]).status == 202    # the data socket


def test_the_own_site_is_not(operate):
    d, op = operate()
    for extra in OURS:
        assert op.post("/pause", extra=extra).status == 204
        assert op.state() == "paused"
        assert op.post("/resume", extra=extra).status == 204


def socket_mode(op):
    return stat.S_IMODE(os.stat(op.path).st_mode)


def ask_as(user, path):
    """A ping by another user: the state, or None if he was not let in."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            who = pwd.getpwnam(user)
            os.setgroups([])
            os.setgid(who.pw_gid)
            os.setuid(who.pw_uid)
            os.write(w, scgi(path, "GET", "/ping", timeout=10).json["state"].encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        said = f.read()
    os.waitpid(pid, 0)
    return said or None


def test_list_of_what_cannot_be_read(operate, world):
    """a task that the store cannot read is listed all the same, with what the table knows"""
    if not find_build("deferd-check"):
        pytest.skip("built without SQLite")
    path = world.path("out", "list.db")
    d, op = operate(store="sqlite:" + path)
    task = d.sh(PLAIN + "echo x")
    d.wait(task)
    [whole] = op.get("/tasks").json["tasks"]
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("ALTER TABLE responses RENAME TO away")
    [bare] = op.get("/tasks").json["tasks"]
    page = op.get("/tasks", extra=HTML)
    db.execute("ALTER TABLE away RENAME TO responses")
    db.close()
    for name in ("id", "link", "state", "route", "created", "finished", "attempts"):
        assert bare[name] == whole[name] is not None, name
    assert whole["path"] and whole["size"] == 2
    assert bare["path"] is bare["size"] is bare["status"] is bare["started"] is None
    assert page.status == 200 and task in page.body.decode()
    assert op.get("/tasks").json["tasks"][0]["size"] == 2


@root_only
def test_control_peers(operate):
    """0600 and nobody else; with control-peers 0660 and these, whoever shares their group"""
    d, op = operate()
    assert socket_mode(op) == 0o600
    assert ask_as(MASTER_USER, op.path) == "serving"
    assert ask_as("nobody", op.path) is None
    d.kill()
    d, op = operate(control_peers=("nobody", "games"))
    assert socket_mode(op) == 0o660
    assert os.stat(op.path).st_uid == pwd.getpwnam(MASTER_USER).pw_uid
    assert os.stat(op.path).st_gid == pwd.getpwnam("nobody").pw_gid
    assert ask_as("nobody", op.path) == "serving"
    assert ask_as(MASTER_USER, op.path) == "serving"
    os.chmod(op.path, 0o666)
    assert ask_as("games", op.path) == "serving"
    assert ask_as("bin", op.path) is None
    assert "peer-refused" in d.log()


@pytest.mark.skipif(not ROOT, reason="needs root")
@pytest.mark.parametrize("setting", ["user", "run_as"])
def test_a_user_who_does_not_exist(world, built, setting):
    """deferd -n: as the start, which fails"""
    d = world.daemon(**{"user": MASTER_USER, "run_as": WORKER_USER, setting: "nobody-at-all"})
    d.write_conf()
    for option in ("-n", "-f"):
        said = subprocess.run(d.command(option, "-c", d.conf_path), env=d.env(),
                              capture_output=True, text=True, timeout=30)
        assert said.returncode == 1
        assert "user=nobody-at-all error=\"no such user\"" in said.stderr, said.stderr


def test_one_user_for_both(world, built):
    """deferd -n: tasks can do what the master can"""
    d = world.daemon(user=WORKER_USER, run_as=WORKER_USER)
    d.write_conf()
    said = subprocess.run(d.command("-n", "-c", d.conf_path), env=d.env(), capture_output=True,
                          text=True, timeout=30)
    assert said.returncode == 0
    assert ("it is run-as, too" in said.stderr) == ROOT, said.stderr


def test_a_warning(world, built):
    """deferd -n: an operator who is run-as makes every task one"""
    d = world.daemon(control_peers=(WORKER_USER,), user=MASTER_USER, run_as=WORKER_USER)
    d.write_conf()
    said = subprocess.run(d.command("-n", "-c", d.conf_path), env=d.env(), capture_output=True,
                          text=True, timeout=30)
    assert said.returncode == 0
    assert re.search(r"control-peers.*every task can operate", said.stderr), said.stderr
    d.settings["control_peers"] = ("root",)
    d.write_conf()
    said = subprocess.run(d.command("-n", "-c", d.conf_path), env=d.env(), capture_output=True,
                          text=True, timeout=30)
    assert said.returncode == 0 and "can operate" not in said.stderr
