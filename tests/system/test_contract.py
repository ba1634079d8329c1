"""contract.md, row by row: sections 1, 2, 3 (DELETE), 4 (ids) and 6."""

import json
import os
import re
import time
from datetime import datetime

import pytest

from client import connect, netstring, parse_cgi, read_all, scgi_head, until
from harness import NO_TASK, ended

ID = re.compile(r"[0-9a-f]{32}\Z")
WAIT = "while [ ! -e {gate} ]; do sleep 0.02; done\n"       # a task that a test lets go
HELLO = "printf 'Content-Type: text/plain\\n\\nhello'"
SHORT = """
route "/short" {{ exec = "{cgi}/sh.cgi" keep = 1 }}
route "/sh/*"  {{ exec = "{cgi}/sh.cgi" }}
"""


@pytest.fixture
def gate(world):
    """A file; tasks that run WAIT go on when the test creates it."""
    path = world.path("out", f"gate-{time.monotonic_ns()}")

    class Gate:
        wait = WAIT.format(gate=path)

        @staticmethod
        def open():
            with open(path, "w"):
                pass
    yield Gate
    Gate.open()


def follow(server, answer, timeout=120):
    """The link of a 202, polled through the same server until the task has ended."""
    link = answer.get("Location")
    return until(lambda: ended(server.curl(link)), f"{link} has ended", timeout)


def check_problem(answer, status):
    assert answer.status == status, answer
    assert answer.get("Content-Type") == "application/problem+json"
    document = answer.json
    assert document["status"] == status and document["title"] and document["type"]
    assert answer.get("Cache-Control") == "no-store"
    assert answer.get("Referrer-Policy") == "no-referrer"
    return document


def check_pending(answer, mount, states=("queued", "running")):
    assert answer.status == 202, answer
    document = answer.json
    assert ID.match(document["id"]) and document["state"] in states
    assert document["status"] == answer.get("Location") == f"{mount}/status/{document['id']}"
    assert 1 <= int(answer.get("Retry-After")) <= 30
    assert answer.id == document["id"] and answer.state == document["state"]
    assert answer.get("Cache-Control") == "no-store"
    assert answer.get("Referrer-Policy") == "no-referrer"
    created = datetime.fromisoformat(document["created"].replace("Z", "+00:00"))
    assert abs(created.timestamp() - time.time()) < 120
    return document


# ---- 1. Submit -------------------------------------------------------------


def test_accepted(shared, server, gate):
    """accepted: 202, Location, Retry-After, JSON {"id","state":"queued","status","created"}"""
    answer = server.curl("/jobs/sh", body=(gate.wait + HELLO).encode())
    check_pending(answer, "/jobs")
    running = until(lambda: (a := server.curl(answer.get("Location"))).state == "running" and a,
                    "it runs")
    assert check_pending(running, "/jobs", ["running"])["started"]
    gate.open()
    done = follow(server, answer)
    assert (done.status, done.body, done.state, done.id) == \
        (200, b"hello", "succeeded", answer.id)


def test_accepted_says_queued(shared):
    """the 202 of a submission: "state": "queued" """
    answer = shared.request("POST", "/sh", HELLO.encode())
    assert check_pending(answer, "/jobs")["state"] == "queued"


def test_no_route(shared, server):
    """no route: 404"""
    check_problem(server.curl("/jobs/nowhere"), 404)


def test_first_matching_route_wins(make):
    """First matching route wins; PREFIX/* also matches the prefix itself"""
    d = make(routes="""
route "/a"   {{ exec = "{cgi}/env.cgi" env = {{ "WHICH=literal" }} }}
route "/a/*" {{ exec = "{cgi}/env.cgi" env = {{ "WHICH=prefix" }} }}
route "/b/*" {{ exec = "{cgi}/env.cgi" env = {{ "WHICH=b" }} }}
""")
    for url, which in (("/a", b"literal"), ("/a/x", b"prefix"), ("/b", b"b"), ("/b/", b"b"),
                       ("/b/c/d", b"b")):
        assert b"WHICH=" + which + b"\0" in d.wait(d.submit(url, method="GET")).body, url
    assert d.get("/bc").status == 404


def test_host_narrows(make):
    """host = "..." narrows a route"""
    d = make(routes="""
route "one" {{ path = "/*" host = "one.example" exec = "{cgi}/env.cgi" env = {{ "WHICH=one" }} }}
route "two" {{ path = "/*" exec = "{cgi}/env.cgi" env = {{ "WHICH=two" }} }}
""")
    for host, which in (("one.example", b"one"), ("ONE.example:8080", b"one"), ("x", b"two")):
        task = d.submit("/", method="GET", extra=[("HTTP_HOST", host)])
        assert b"WHICH=" + which + b"\0" in d.wait(task).body, host


def test_method(make):
    """method not in the route's `methods`: 405 + Allow; OPTIONS: 204 + Allow"""
    d = make(routes="""
route "/some" {{ exec = "{cgi}/cat.cgi" methods = {{ "POST", "PUT" }} }}
route "/all"  {{ exec = "{cgi}/cat.cgi" }}
""")
    answer = d.get("/some")
    check_problem(answer, 405)
    assert {"POST", "PUT"} <= set(answer.get("Allow").split(", ")) <= {"POST", "PUT", "OPTIONS"}
    answer = d.request("OPTIONS", "/some")
    assert answer.status == 204 and {"POST", "PUT"} <= set(answer.get("Allow").split(", "))
    assert answer.body == b""
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        assert d.request(method, "/all").status == 202, method
    for method in ("TRACE", "BREW"):
        assert d.request(method, "/all").status == 405, method


def test_method_through_server(shared, server):
    """405 + Allow, with each server between; PUT, PATCH and DELETE come through"""
    answer = server.curl(f"/jobs/status/{NO_TASK}", method="PATCH")
    assert answer.status == 404     # no task comes first
    for method in ("PUT", "PATCH", "DELETE"):
        answer = server.curl("/jobs/run/method", method=method)
        assert answer.status == 202, (method, answer)


def test_body_over_max_body(make, server):
    """body over max-body: 413, also with much of it unread (lessons.md: refused at once)"""
    d = make(max_body="100K")
    for size in (102401, 5_000_000):
        check_problem(server.curl("/spare/cat", body=b"x" * size), 413)
    if server.chunked != "411":
        check_problem(server.curl("/spare/cat", body=b"x" * 5_000_000, chunked=True), 413)
    answer = server.curl("/spare/cat", body=b"x" * 102400)
    assert answer.status == 202
    assert follow(server, answer).size == 102400
    assert d.get("/nowhere").status == 404


def test_head_over_64_kib(shared, start_server):
    """head over 64 KiB: 431 (Apache lets so much through)"""
    for name in ("apache-mod_cgid", "apache-mod_cgi", "apache-mod_proxy_scgi"):
        headers = [f"X-H-{i}: {'y' * 1000}" for i in range(80)]
        check_problem(start_server(name).curl("/jobs/sh", headers=headers), 431)


def test_over_200_variables(shared, start_server):
    """over 200 variables: 431 (nginx and lighttpd let so many through)"""
    for name in ("nginx", "lighttpd-mod_cgi", "lighttpd-mod_scgi"):
        headers = [f"X-{i}: y" for i in range(230)]
        check_problem(start_server(name).curl("/jobs/sh", headers=headers), 431)


@pytest.mark.parametrize("what, data", [
    ("not a netstring", b"GET / HTTP/1.0\r\n\r\n"),
    ("no comma", netstring(b"CONTENT_LENGTH\x000\x00SCGI\x001\x00")[:-1] + b"!"),
    ("odd words", netstring(b"CONTENT_LENGTH\x000\x00SCGI\x001\x00X\x00")),
    ("no SCGI", netstring(b"CONTENT_LENGTH\x000\x00REQUEST_METHOD\x00GET\x00")),
    ("length not a number", scgi_head(length="12x")),
    ("negative length", scgi_head(length="-1")),
    ("length above int64", scgi_head(length="9223372036854775808")),
    ("lengths that disagree", scgi_head(length=5, extra=[("HTTP_CONTENT_LENGTH", "50")]) + b"12345"),
    ("CONTENT_LENGTH twice", scgi_head(extra=[("CONTENT_LENGTH", "0")])),
    ("REMOTE_USER twice", scgi_head(extra=[("REMOTE_USER", "a"), ("REMOTE_USER", "b")])),
    ("dots in the path", scgi_head(path="/sh/../cat")),
    ("control character", scgi_head(path="/sh/\x01")),
    ("empty name", netstring(b"CONTENT_LENGTH\x000\x00SCGI\x001\x00\x00x\x00")),
])
def test_malformed_head(shared, what, data):
    """malformed head, lengths that disagree: 400"""
    with connect(shared.socket) as s:
        s.sendall(data)
        check_problem(parse_cgi(read_all(s)), 400)


def test_body_cut_short(shared):
    """body cut short: 400; no task was made"""
    with connect(shared.socket) as s:
        s.sendall(scgi_head("POST", "/sh", length=10) + b"12345")
        s.shutdown(1)
        check_problem(parse_cgi(read_all(s)), 400)


def test_queue_full(make, gate):
    """`queue` reached: 503 + Retry-After; the status queries go on"""
    d = make(workers=1, threads=2, queue=3)
    d.run(HELLO)        # its worker is ready
    tasks = [d.sh(gate.wait + HELLO) for _ in range(5)]
    until(lambda: [d.status(t).state for t in tasks].count("running") == 2, "two run")
    answer = d.request("POST", "/sh", HELLO.encode())
    check_problem(answer, 503)
    assert int(answer.get("Retry-After")) > 0
    assert [d.status(t).state for t in tasks].count("queued") == 3
    gate.open()
    assert all(d.wait(t).body == b"hello" for t in tasks)
    assert d.run(HELLO).body == b"hello"


def test_max_tasks(make):
    """max-tasks reached: 503 + Retry-After, until one is removed"""
    d = make(max_tasks=3)
    tasks = [d.sh(HELLO) for _ in range(3)]
    answer = d.request("POST", "/sh", HELLO.encode())
    check_problem(answer, 503)
    assert int(answer.get("Retry-After")) > 0
    d.wait(tasks[0])
    assert d.status(tasks[0], "DELETE").status == 204
    assert d.request("POST", "/sh", HELLO.encode()).status == 202


def test_max_store(make):
    """max-store reached: 503 + Retry-After; what was kept is there"""
    d = make(max_store="1M")
    first = d.submit("/cat", b"x" * 600_000)
    assert d.wait(first).size == 600_000
    answer = d.request("POST", "/cat", b"x" * 600_000)
    check_problem(answer, 503)
    assert int(answer.get("Retry-After")) > 0
    assert d.status(first).size == 600_000
    assert d.status(first, "DELETE").status == 204
    assert d.request("POST", "/cat", b"x" * 400_000).status == 202


def test_route_limit(make, gate):
    """the route's own limit reached: 503; other routes go on"""
    d = make(routes="""
route "/few"  {{ exec = "{cgi}/sh.cgi" max-running = 1 max-queued = 1 }}
route "/sh/*" {{ exec = "{cgi}/sh.cgi" }}
""")
    code = (gate.wait + HELLO).encode()
    d.run(HELLO)        # the worker is ready
    tasks = [d.submit("/few", code), d.submit("/few", code)]
    d.wait_state(tasks[0], "running")
    answer = d.request("POST", "/few", code)
    check_problem(answer, 503)
    assert int(answer.get("Retry-After")) > 0
    assert d.status(tasks[1]).state == "queued"
    assert d.run(HELLO).body == b"hello"
    gate.open()
    assert all(d.wait(t).body == b"hello" for t in tasks)


def test_store_cannot_commit(world, make):
    """the store cannot commit: 503; nothing was accepted, status queries go on"""
    d = make()
    before = d.sh(HELLO)
    d.wait(before)
    os.rmdir(world.path("spare", "spool"))
    answer = d.request("POST", "/cat", b"x" * 200_000)
    check_problem(answer, 503)
    assert answer.id is None
    assert d.status(before).body == b"hello"
    assert d.run(HELLO).body == b"hello", "small bodies need no file"


def test_daemon_down(world, cgi_server):
    """daemon down: 503 + Retry-After, from defer.cgi itself"""
    assert not os.path.exists(world.spare_socket)
    for body in (None, b"x" * 300_000):
        answer = cgi_server.curl("/spare/sh", body=body)
        assert answer.status == 503, answer
        assert answer.get("Content-Type") == "application/problem+json"
        assert answer.json["status"] == 503
        assert int(answer.get("Retry-After")) > 0


# ---- 2. Status -------------------------------------------------------------


def test_queued_and_running(make, gate):
    """queued, running: 202, Location (itself), Retry-After, JSON plus `started`, `progress`"""
    d = make(workers=1, threads=1)
    code = f'echo "42 rendering page 3" >&"$DEFERD_PROGRESS_FD"\n{gate.wait}{HELLO}'
    first, second = d.sh(code), d.sh(HELLO)
    document = check_pending(d.wait_state(first, "running"), "/spare", ["running"])
    assert datetime.fromisoformat(document["started"].replace("Z", "+00:00"))
    document = check_pending(d.status(second), "/spare", ["queued"])
    assert "started" not in document
    gate.open()
    assert d.wait(second).body == b"hello"


def test_own_response(shared, server):
    """succeeded: its status code (404 too), headers, repeated ones too, body byte for byte"""
    code = r"""printf 'Status: 404 Nothing Here\nContent-Type: image/x-test\nX-One: a\nX-One: b\n'
printf 'Set-Cookie: a=1\nSet-Cookie: b=2\nCache-Control: max-age=7\n\n\000\377\r\n\n'"""
    done = follow(server, server.curl("/jobs/sh", body=code.encode()))
    assert done.status == 404 and done.body == b"\0\xff\r\n\n"
    assert done.get("Content-Type") == "image/x-test"
    assert done.all("X-One") in (["a", "b"], ["a, b"])
    assert done.all("Set-Cookie") == ["a=1", "b=2"]
    assert done.all("Cache-Control") == ["max-age=7"]
    # Apache believes no CGI's length; what does not come in one piece it sends in chunks.
    length = done.get("Content-Length")
    assert length == "5" or length is None and server.name.startswith("apache")
    assert done.state == "succeeded"


@pytest.mark.parametrize("status", [200, 201, 204, 302, 304, 401, 404, 500, 503])
def test_own_status(shared, status):
    """the task's own status code, whatever it is; told apart by Deferd-State"""
    done = shared.run(f"printf 'Status: {status} X\\nContent-Type: text/plain\\n\\n'")
    assert (done.status, done.state) == (status, "succeeded")


def test_no_such_task_is_not_a_task_that_says_404(shared, server):
    """"The task answered 404" and "no such task" are never confused"""
    answer = server.curl(f"/jobs/status/{NO_TASK}")
    check_problem(answer, 404)
    assert answer.state is None and answer.id is None


def test_cache_control(shared):
    """a task's response gets Cache-Control: no-store only when it brought none"""
    assert shared.run(HELLO).all("Cache-Control") == ["no-store"]
    own = "printf 'Content-Type: text/plain\\nCache-Control: public\\n\\n'"
    assert shared.run(own).all("Cache-Control") == ["public"]


def test_failed(shared, server):
    """failed: 500 problem document; says why in words a user can pass on"""
    done = follow(server, server.curl("/jobs/sh", body=b"echo secret >&2; exit 7"))
    document = check_problem(done, 500)
    assert done.state == "failed" and document["detail"]
    assert b"secret" not in done.body, "the detail is for -d only"


def test_failed_detail_only_with_d(make):
    """detail (exit status, signal, last lines of stderr) only with -d"""
    d = make("-d")
    text = d.run("echo secret >&2; exit 7").body
    assert b"secret" in text and b"7" in text
    assert b"9" in d.run("kill -9 $$").body


def test_timed_out(make, server):
    """timed out: 504 problem document"""
    make(timeout=1, grace=1, routes='route "/slow" {{ exec = "{cgi}/sh.cgi" }}')
    done = follow(server, server.curl("/spare/slow", body=b"sleep 100"))
    check_problem(done, 504)
    assert done.state == "timed-out"


def test_cancelled(shared, server, gate):
    """cancelled: 410 problem document"""
    answer = server.curl("/jobs/sh", body=gate.wait.encode())
    assert server.curl(answer.get("Location"), method="DELETE").status == 204
    done = follow(server, answer)
    check_problem(done, 410)
    assert done.state == "cancelled"


def test_unknown_is_indistinguishable(make):
    """unknown, expired, removed, malformed id: 404, indistinguishable"""
    d = make(routes=SHORT)
    removed = d.sh(HELLO)
    d.wait(removed)
    assert d.status(removed, "DELETE").status == 204
    expired = d.submit("/short", HELLO.encode())
    until(lambda: d.status(expired).status == 404, "it expired")
    answers = [d.status(t) for t in
               (removed, expired, NO_TASK, "f" * 32, "x", "", "0" * 31, "0" * 33)]
    for answer in answers:
        check_problem(answer, 404)
        assert (answer.headers, answer.body) == (answers[0].headers, answers[0].body)


def test_reading_does_not_consume(shared, server):
    """Reading does not consume"""
    answer = server.curl("/jobs/sh", body=HELLO.encode())
    follow(server, answer)
    for _ in range(5):
        assert server.curl(answer.get("Location")).body == b"hello"


class Seen:
    """What is known of the time a task was kept, from the times of looks at it."""

    def __init__(self, d, task):
        self.d, self.task = d, task
        self.unfinished = time.monotonic()      # it was, at the latest
        self.first = self.last = self.gone = None

    def look(self):
        before = time.monotonic()
        status = self.d.status(self.task).status
        if status == 202:
            self.unfinished = before
        elif status == 200:
            self.first, self.last = self.first or time.monotonic(), before
        elif status == 404:
            self.gone = time.monotonic()
        return self.gone

    def at_least(self):
        return self.last - self.first if self.first else 0

    def at_most(self):
        return self.gone - self.unfinished


def test_keep_to_the_second(make):
    """A finished task stays `keep` seconds after it finished, to the second"""
    d = make(keep=2)
    seen = [Seen(d, d.sh(HELLO)) for _ in range(20)]
    until(lambda: all([s.gone or s.look() for s in seen]), "all are gone")
    kept = [(s.at_least(), s.at_most()) for s in seen]
    assert max(least for least, _ in kept) < 3.0 and min(most for _, most in kept) > 1.5, kept


def test_keep_of_a_route(make):
    """Every limit can stand in a route"""
    d = make(keep=600, routes=SHORT)
    long, short = d.sh(HELLO), d.submit("/short", HELLO.encode())
    d.wait(long)
    until(lambda: d.status(short).status == 404, "the short one expired")
    assert d.status(long).status == 200


def await_end(d, task):
    """A connection that has asked for the response, and gets it when there is one: who looks again
    and again may come too late, where `keep` is short."""
    s = connect(d.socket)
    s.sendall(scgi_head("GET", f"/status/{task}", mount=d.mount, extra=[("HTTP_PREFER", "wait=30")]))
    return s


def test_running_ones_never_expire(make, gate):
    """running ones never expire"""
    d = make(keep=1)
    slow, quick = d.sh(gate.wait + HELLO), d.sh(HELLO)
    until(lambda: d.status(quick).status == 404, "the quick one expired")
    with await_end(d, slow) as s:
        assert d.status(slow).state == "running"
        gate.open()
        assert parse_cgi(read_all(s)).body == b"hello"


def test_longer_while_it_is_being_read(make, gate):
    """(longer while it is being read)"""
    d = make(keep=2)
    size = 20_000_000
    task = d.sh(gate.wait + f"printf 'Content-Type: x/y\\n\\n'; head -c {size} /dev/zero")
    with await_end(d, task) as s:
        gate.open()
        got = len(s.recv(1000))
        other = d.sh(HELLO)
        until(lambda: d.status(other).status == 404, "the other one expired")
        data = read_all(s)
    assert got + len(data) > size
    until(lambda: d.status(task, "HEAD").status == 404, "it is forgotten after the reader left")


def test_head(shared, server, gate):
    """HEAD answers as GET without body"""
    code = "printf 'Content-Type: text/x-t\\nX-A: b\\n\\nhello'"
    answer = server.curl("/jobs/sh", body=code.encode())
    get = follow(server, answer)
    head = server.curl(answer.get("Location"), method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "X-A", "Deferd-State", "Deferd-Task"):
        assert head.get(name) == get.get(name)
    assert head.get("Content-Length") in ("5", None)


def test_head_on_the_socket(shared, gate):
    """HEAD answers as GET without body: the same headers, in every state"""
    def same(task):
        get, head = shared.status(task), shared.status(task, "HEAD")
        assert head.body == b"" and head.status == get.status
        assert head.headers == get.headers
    task = shared.sh(gate.wait + HELLO)
    shared.wait_state(task, "running")
    same(task)
    gate.open()
    shared.wait(task)
    same(task)
    same(NO_TASK)


def test_deferd_headers_are_ours(shared, server):
    """a task cannot send Deferd-* itself"""
    code = ("printf 'Content-Type: x/y\\nDeferd-State: failed\\nDeferd-Task: x\\n"
            "deferd-other: 1\\n\\n'")
    done = follow(server, server.curl("/jobs/sh", body=code.encode()))
    assert done.all("Deferd-State") == ["succeeded"]
    assert done.all("Deferd-Task") == [done.id] and ID.match(done.id)
    assert done.all("Deferd-Other") == []


# ---- 3. DELETE -------------------------------------------------------------


def test_delete_queued(make, gate, world):
    """DELETE, queued: cancelled, never runs: 204, after the commit"""
    d = make(workers=1, threads=1)
    mark = world.path("out", "never")
    first, second = d.sh(gate.wait + HELLO), d.sh(f"touch {mark}; {HELLO}")
    d.wait_state(first, "running")
    assert d.status(second).state == "queued"
    assert d.status(second, "DELETE").status == 204
    assert d.status(second).status == 410
    gate.open()
    d.wait(first)
    assert d.run(HELLO).status == 200       # what came later has run
    assert not os.path.exists(mark)


def test_delete_running(make, world):
    """running: state cancelled, 204; SIGTERM to the whole process group, after `grace` SIGKILL"""
    d = make(grace=60, routes='route "/sh/*" {{ exec = "{cgi}/sh.cgi"  grace = 3 }}')
    out = world.path("out")
    code = f"""trap ': >{out}/term' TERM
sleep 1000 & echo $! >{out}/child.tmp; echo $$ >{out}/leader.tmp
mv {out}/child.tmp {out}/child; mv {out}/leader.tmp {out}/leader
while :; do wait; done"""
    task = d.sh(code)
    until(lambda: os.path.exists(f"{out}/leader"), "it runs")
    pids = [int(open(f"{out}/{n}").read()) for n in ("leader", "child")]
    assert d.status(task, "DELETE").status == 204
    assert d.status(task).status == 410
    start = time.monotonic()
    until(lambda: not any(os.path.exists(f"/proc/{p}") for p in pids), "the group is gone")
    assert time.monotonic() - start < 30, "it was the route's grace"
    assert os.path.exists(f"{out}/term"), "SIGTERM came first"
    assert d.status(task).state == "cancelled"


def test_delete_frees_the_slot(make):
    """the slot is free when the process is gone"""
    d = make(workers=1, threads=1, grace=1)
    task = d.sh("trap '' TERM; while :; do sleep 0.05; done")
    d.wait_state(task, "running")
    assert d.status(task, "DELETE").status == 204
    assert d.run(HELLO).body == b"hello"


def test_delete_cancelled_again(shared, gate):
    """cancelled: 204 again"""
    task = shared.sh(gate.wait)
    for _ in range(3):
        assert shared.status(task, "DELETE").status == 204
    assert shared.status(task).status == 410


@pytest.mark.parametrize("code, status", [(HELLO, 200), ("exit 1", 500)])
def test_delete_finished(shared, code, status):
    """succeeded, failed: removed: 204; then 404"""
    task = shared.sh(code)
    assert shared.wait(task).status == status
    assert shared.status(task, "DELETE").status == 204
    check_problem(shared.status(task), 404)
    check_problem(shared.status(task, "DELETE"), 404)


def test_delete_timed_out(make):
    """timed out: removed: 204; then 404"""
    d = make(timeout=1, routes='route "/slow" {{ exec = "{cgi}/sh.cgi" }}')
    task = d.submit("/slow", b"sleep 100")
    assert d.wait(task).status == 504
    assert d.status(task, "DELETE").status == 204
    check_problem(d.status(task), 404)


def test_delete_through_server(shared, server):
    """DELETE comes through every server"""
    answer = server.curl("/jobs/sh", body=HELLO.encode())
    follow(server, answer)
    deleted = server.curl(answer.get("Location"), method="DELETE")
    assert deleted.status == 204 and deleted.body == b""
    check_problem(server.curl(answer.get("Location")), 404)


def test_delete_races_with_the_end(shared):
    """A DONE that came first wins: cancelled or removed, never both, never lost"""
    for _ in range(60):
        task = shared.sh(HELLO)
        assert shared.status(task, "DELETE").status == 204
        after = shared.status(task)
        assert (after.status, after.state) in ((410, "cancelled"), (404, None)), after


def test_other_method_on_a_link(shared, gate):
    """other method on a known resource: 405 + Allow"""
    task = shared.sh(gate.wait + HELLO)
    for method in ("PUT", "POST", "PATCH"):
        answer = shared.request(method, f"/status/{task}")
        check_problem(answer, 405)
        assert {"GET", "HEAD", "DELETE"} <= set(answer.get("Allow").split(", "))
        check_problem(shared.request(method, f"/status/{NO_TASK}"), 404)


# ---- 4. Ids ----------------------------------------------------------------


def test_ids(shared):
    """Ids: 122 random bits from libuuid, 32 hex digits"""
    ids = [shared.submit("/env", method="GET") for _ in range(300)]
    assert len(set(ids)) == 300
    for text in ids:
        assert ID.match(text) and text[12] == "4" and text[16] in "89ab"
    for bit in range(128):
        if bit // 4 not in (12, 16):
            ones = sum(int(text, 16) >> (127 - bit) & 1 for text in ids)
            assert 60 < ones < 240, f"bit {bit} is no coin"


def test_a_lookup_accepts_exactly_that(shared):
    """a lookup accepts exactly that"""
    task = shared.sh(HELLO)
    shared.wait(task)
    dashed = "-".join((task[:8], task[8:12], task[12:16], task[16:20], task[20:]))
    for other in (task.upper(), dashed, task + "0", task[:-1], " " + task, task + "/", "0x" + task,
                  task + "/x"):
        if other != task:
            assert shared.status(other).status == 404, other


# ---- 6. States -------------------------------------------------------------


def test_states_only_move_forward(shared):
    """queued -> running -> succeeded: nobody ever sees a step back"""
    order = {"queued": 0, "running": 1, "succeeded": 2}
    for _ in range(20):
        task, seen = shared.sh("sleep 0.05; " + HELLO), [0]
        while seen[-1] != 2:
            seen.append(order[shared.status(task).state])
        assert seen == sorted(seen)


def test_json_is_json(shared, gate):
    """JSON in UTF-8, whatever the path"""
    task = shared.submit("/sh/caf\xc3\xa9 \"x\"", gate.wait.encode())
    assert json.loads(shared.status(task).body)["id"] == task


def test_link_is_encoded(make, world):
    """Location is a valid URI reference also below an odd mount"""
    d = make()
    answer = d.request("POST", "/sh", HELLO.encode())
    assert re.fullmatch(r"[!-~]+", answer.get("Location"))
