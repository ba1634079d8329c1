"""contract.md 1 and 2: Prefer, long polls, respond, max-waiting, share, max-per-client."""

import os
import resource
import select
import shutil
import signal
import socket
import threading
import time

import pytest

from client import connect, parse_cgi, read_all, scgi, scgi_head, until
from harness import MASTER_USER, ROOT, SANITIZED
from test_contract import HELLO, check_pending, check_problem, gate    # noqa: F401 (a fixture)

MANY = 10_000
SECOND = 0.98   # the daemon's clock is a coarse one


class Asked(threading.Thread):
    """A request that is answered later."""

    def __init__(self, ask, *args, **more):
        super().__init__(daemon=True)
        self.ask, self.args, self.more, self.answer = ask, args, more, None
        self.start()

    def run(self):
        self.answer = self.ask(*self.args, **self.more)

    def get(self, timeout=60):
        self.join(timeout)
        assert not self.is_alive() and self.answer is not None, "no answer"
        return self.answer


def prefer(value):
    return {"headers": [f"Prefer: {value}"]}


def plain(value):
    return {"extra": [("HTTP_PREFER", value)]}


def applied(answer):
    return answer.get("Preference-Applied")


def open_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def held(d, how="waiting"):
    """How many requests the daemon holds: all, or those that came by a door."""
    control = d.world.path(d.folder, "control.sock")
    return scgi(control, "GET", "/stats").json[how]


# ---- submissions -----------------------------------------------------------


def test_wait_that_ends(shared, server):
    """Prefer: wait=N, finished by then: the task's own response, Preference-Applied: wait=N"""
    answer = server.curl("/jobs/sh", body=b"printf 'Status: 404\\nX-Own: yes\\n\\nown'",
                         **prefer("wait=20"))
    assert (answer.status, answer.get("X-Own"), answer.body) == (404, "yes", b"own")
    assert applied(answer) == "wait=20" and answer.state == "succeeded" and answer.id
    assert shared.status(answer.id).body == b"own"      # reading does not consume


def test_wait_that_does_not(shared, server, gate):      # noqa: F811
    """Prefer: wait=N, not finished by then: the 202"""
    start = time.monotonic()
    answer = server.curl("/jobs/sh", body=(gate.wait + HELLO).encode(), **prefer("wait=1"))
    assert SECOND <= time.monotonic() - start < 15
    check_pending(answer, "/jobs")
    assert applied(answer) is None
    gate.open()
    assert server.curl(answer.get("Location"), **prefer("wait=20")).body == b"hello"


def test_respond_async(shared, server, gate):           # noqa: F811
    """Prefer: respond-async: 202 at once, Preference-Applied: respond-async"""
    answer = server.curl("/jobs/sh", body=(gate.wait + HELLO).encode(),
                         **prefer("respond-async"))
    check_pending(answer, "/jobs")
    assert applied(answer) == "respond-async" and answer.seconds < 10


def test_respond_async_and_wait(shared, gate):          # noqa: F811
    """with wait=N too: the response if done within N, else the 202 (RFC 7240 4.3)"""
    both = plain("respond-async, wait=20")
    answer = shared.request("POST", "/sh", HELLO.encode(), **both)
    assert answer.body == b"hello" and applied(answer) == "wait=20"
    answer = shared.request("POST", "/sh", gate.wait.encode(), **plain("wait=1, respond-async"))
    check_pending(answer, "/jobs")
    assert applied(answer) == "respond-async"


def test_wait_of_nothing(shared, gate):                 # noqa: F811
    """wait=0, and what is no number of seconds: 202 at once"""
    for value in ("wait=0", "wait=-1", "wait=x", "wait", "handling=lenient"):
        start = time.monotonic()
        answer = shared.request("POST", "/sh", gate.wait.encode(), **plain(value))
        assert answer.status == 202 and time.monotonic() - start < 20, value     # of 30


def test_max_wait(make, gate):                          # noqa: F811
    """held up to min(N, max-wait) s; max-wait can stand in a route"""
    d = make(max_wait=0, routes="""
route "/none"  {{ exec = "{cgi}/sh.cgi" }}
route "/some"  {{ exec = "{cgi}/sh.cgi" max-wait = 1 }}
""")
    for url, least, most in (("/none", 0, 20), ("/some", SECOND, 20)):
        start = time.monotonic()
        answer = d.request("POST", url, gate.wait.encode(), **plain("wait=1000"))
        assert answer.status == 202, url
        assert least <= time.monotonic() - start < most, url
        start = time.monotonic()
        answer = d.get(f"/status/{answer.id}", **plain("wait=1000"))
        assert answer.status == 202 and least <= time.monotonic() - start < most, url


def test_ends_that_are_no_response(make):
    """failed and timed out while somebody waits: that problem document"""
    d = make(routes='route "/*" {{ exec = "{cgi}/sh.cgi" timeout = 1 grace = 0 }}\n')
    answer = d.request("POST", "/", b"exit 3", **plain("wait=20"))
    check_problem(answer, 500)
    assert answer.state == "failed" and applied(answer) == "wait=20"
    answer = d.request("POST", "/", b"sleep 100", **plain("wait=20"))
    check_problem(answer, 504)
    assert answer.state == "timed-out"


def test_respond_prefer(make, server, gate):            # noqa: F811
    """respond = "prefer": async only when asked; otherwise it waits up to max-wait, then 202"""
    make(routes='route "/*" {{ exec = "{cgi}/sh.cgi" respond = "prefer" max-wait = 1 }}\n')
    answer = server.curl("/spare/", body=HELLO.encode())
    assert (answer.status, answer.body, applied(answer)) == (200, b"hello", None)
    slow = gate.wait.encode()
    answer = server.curl("/spare/", body=slow)
    check_pending(answer, "/spare")
    assert answer.seconds >= SECOND
    answer = server.curl("/spare/", body=slow, **prefer("respond-async"))
    check_pending(answer, "/spare")
    assert applied(answer) == "respond-async"


# ---- the link --------------------------------------------------------------


def test_long_poll(shared, server, gate):               # noqa: F811
    """Prefer: wait=N at the link: answers when the task ends"""
    task = shared.sh(gate.wait + HELLO)
    shared.wait_state(task, "running")
    poll = Asked(server.curl, f"/jobs/status/{task}", **prefer("wait=25"))
    assert server.curl(f"/jobs/status/{task}").status == 202    # others are served
    gate.open()
    answer = poll.get()
    assert (answer.status, answer.body, applied(answer)) == (200, b"hello", "wait=25")


def test_long_poll_without_end(shared, server, gate):   # noqa: F811
    """Prefer: wait=N at the link: 202 after N s"""
    task = shared.sh(gate.wait + HELLO)
    start = time.monotonic()
    answer = server.curl(f"/jobs/status/{task}", **prefer("wait=1"))
    check_pending(answer, "/jobs")
    assert SECOND <= time.monotonic() - start < 15 and applied(answer) is None


def test_long_poll_head(shared, gate):                  # noqa: F811
    """HEAD answers as GET without body, also after waiting"""
    task = shared.sh(gate.wait + HELLO)
    poll = Asked(shared.request, "HEAD", f"/status/{task}", **plain("wait=20"))
    gate.open()
    answer = poll.get()
    assert (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "5")


def test_cancelled_while_waiting(shared, gate):         # noqa: F811
    """cancelled while somebody waits: 410"""
    task = shared.sh(gate.wait)
    polls = [Asked(shared.get, f"/status/{task}", **plain("wait=25")) for _ in range(3)]
    submission = Asked(shared.request, "POST", "/sh", gate.wait.encode(), **plain("wait=25"))
    assert shared.status(task, "DELETE").status == 204
    for poll in polls:
        check_problem(poll.get(), 410)
    gate.open()
    assert submission.get().state != "cancelled"


def test_polls_of_one_task(shared, server, gate):       # noqa: F811
    """many who wait for one task are all answered when it ends"""
    task = shared.sh(gate.wait + HELLO)
    polls = [Asked(server.curl, f"/jobs/status/{task}", **prefer("wait=25")) for _ in range(8)]
    gate.open()
    for poll in polls:
        assert poll.get().body == b"hello"


# ---- how many may wait -----------------------------------------------------


def test_max_waiting(make, cgi_server, gate):           # noqa: F811
    """more than max-waiting held: 202 now; only those who came through a door count"""
    d = make(max_waiting=1)
    task = d.sh(gate.wait + HELLO)
    link = f"/spare/status/{task}"
    first = Asked(cgi_server.curl, link, **prefer("wait=25"))
    until(lambda: held(d, "waiting_through_doors") == 1, "the first one waits")
    answer = cgi_server.curl(link, **prefer("wait=25"))
    assert answer.status == 202 and answer.seconds < 10
    answer = cgi_server.curl("/spare/sh", body=gate.wait.encode(), **prefer("wait=25"))
    assert answer.status == 202 and answer.seconds < 10
    others = [Asked(d.get, f"/status/{task}", **plain("wait=25")) for _ in range(3)]
    assert first.answer is None
    gate.open()
    for one in [first] + others:
        assert one.get().body == b"hello"
    answer = cgi_server.curl("/spare/sh", body=HELLO.encode(), **prefer("wait=25"))
    assert answer.body == b"hello"      # the place is free again


def test_full_of_waiting(make, gate):                   # noqa: F811
    """above max-connections those that have waited longest get their 202 early"""
    d = make(max_connections=4)
    task = d.sh(gate.wait + HELLO)
    waiting = []
    for _ in range(12):
        s = connect(d.socket)
        s.sendall(scgi_head("GET", f"/status/{task}", extra=[("HTTP_PREFER", "wait=25")]))
        waiting.append(s)
    for s in waiting[:8]:
        assert parse_cgi(read_all(s)).status == 202
    assert d.request("GET", f"/status/{task}").status == 202    # one more comes in
    gate.open()
    answers = [parse_cgi(read_all(s)) for s in waiting[8:]]
    assert answers[-1].body == b"hello"
    for s in waiting:
        s.close()


def test_client_that_leaves(make, gate):                # noqa: F811
    """a plain client that leaves while it waits frees its place"""
    d = make()
    task = d.sh(gate.wait + HELLO)
    d.wait_state(task, "running")
    master = d.master()
    until(lambda: d.status(task).status == 202, "it serves")
    before = open_fds(master)
    left = []
    for _ in range(20):
        s = connect(d.socket)
        s.sendall(scgi_head("GET", f"/status/{task}", extra=[("HTTP_PREFER", "wait=25")]))
        left.append(s)
    until(lambda: open_fds(master) >= before + 20, "they wait")
    left[0].shutdown(socket.SHUT_WR)    # this one only has nothing more to say
    for s in left[1:]:
        s.close()
    until(lambda: open_fds(master) <= before + 1, "they are gone")
    gate.open()
    assert parse_cgi(read_all(left[0])).body == b"hello"
    left[0].close()


def test_drain_while_waiting(make, gate):               # noqa: F811
    """the daemon is stopped: who waits gets the 202"""
    d = make(drain=20)
    task = d.sh(gate.wait + HELLO)
    d.wait_state(task, "running")
    poll = Asked(d.get, f"/status/{task}", **plain("wait=25"))
    submission = Asked(d.request, "POST", "/sh", gate.wait.encode(), **plain("wait=25"))
    until(lambda: held(d) == 2, "they wait")
    d.process.send_signal(signal.SIGTERM)
    assert poll.get(15).status == 202 and submission.get(15).status == 202
    gate.open()
    assert d.process.wait(30) == 0


@pytest.mark.alone
@pytest.mark.skipif(SANITIZED, reason="memory and time say nothing then")
def test_ten_thousand(make, gate):                      # noqa: F811
    """ten thousand plain clients wait at once; all are answered when the task ends"""
    need = 2 * MANY         # here one for each; the master needs as many, and some
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, max(hard, need)))
    except (OSError, ValueError):
        pytest.skip(f"the hard limit of descriptors is {hard}; this needs {need}")
    clients = []
    try:
        d = make(max_wait=120)
        master = d.master()
        task = d.sh(gate.wait + HELLO)
        d.wait_state(task, "running")
        before, threads = open_fds(master), len(os.listdir(f"/proc/{master}/task"))
        request = scgi_head("GET", f"/status/{task}", extra=[("HTTP_PREFER", "wait=120")])
        for _ in range(MANY):
            clients.append(until(lambda: connect_or_not(d.socket), "it listens"))
            clients[-1].sendall(request)
        until(lambda: open_fds(master) >= before + MANY, "all wait", 60)
        assert len(os.listdir(f"/proc/{master}/task")) == threads
        assert cpu_seconds(master, 0.5) < 0.1, "waiting costs time"
        readable = select.poll()
        readable.register(clients[0], select.POLLIN)
        assert not readable.poll(0)
        gate.open()
        for s in clients:
            assert parse_cgi(read_all(s)).body == b"hello"
    finally:
        for s in clients:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(hard, soft)))


def connect_or_not(path):
    """With a timeout, connect() does not wait while the backlog is full."""
    try:
        return connect(path)
    except BlockingIOError:
        return None


def cpu_seconds(pid, seconds):
    """What a process used of this time."""
    def used():
        with open(f"/proc/{pid}/stat") as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    start = used()
    time.sleep(seconds)
    return (used() - start) / os.sysconf("SC_CLK_TCK")


# ---- sharing, and one client's share ---------------------------------------


SHARED = """
route "/share/*" {{ exec = "{cgi}/run.cgi" share = yes }}
route "/alone/*" {{ exec = "{cgi}/run.cgi" }}
"""


def slow_script(world, gate):                           # noqa: F811
    world.script("slow", "#!/bin/sh\n" + gate.wait + HELLO + "\n")


def test_share(make, world, gate):                      # noqa: F811
    """share = yes, an identical GET is unfinished: 202 with that task's link"""
    d = make(routes=SHARED)
    slow_script(world, gate)
    first = d.submit("/share/slow", method="GET", query="a=1")
    assert d.submit("/share/slow", method="GET", query="a=1") == first
    others = [
        d.submit("/share/slow", method="GET", query="a=2"),
        d.submit("/share/slow", method="POST", query="a=1"),
        d.submit("/share/slow", method="GET", query="a=1", extra=[("REMOTE_USER", "alice")]),
        d.submit("/share/slow", method="GET", query="a=1", extra=[("HTTP_HOST", "other")]),
        d.submit("/alone/slow", method="GET", query="a=1"),
        d.submit("/alone/slow", method="GET", query="a=1"),
    ]
    assert len(set(others + [first])) == 7
    poll = Asked(d.request, "GET", "/share/slow", query="a=1", **plain("wait=25"))
    gate.open()
    answer = poll.get()
    assert answer.id == first and answer.body == b"hello"
    d.wait(first)
    assert d.submit("/share/slow", method="GET", query="a=1") != first      # it has finished


def test_share_at_the_same_moment(make, world, gate):   # noqa: F811
    """share: also those that come while the first one is being committed"""
    own = world.path("spare", "share")
    os.mkdir(own, 0o700)
    if ROOT:
        shutil.chown(own, MASTER_USER)
    d = make(routes=SHARED, store=f"sqlite:{own}/tasks.db")
    slow_script(world, gate)
    asked = [Asked(d.request, "GET", "/share/slow") for _ in range(40)]
    answers = [a.get() for a in asked]
    assert {a.status for a in answers} == {202}
    assert len({a.id for a in answers}) == 1
    gate.open()
    d.wait(answers[0].id)


def test_max_per_client(make, server, gate):            # noqa: F811
    """one client's max-per-client unfinished tasks reached: 429 + Retry-After"""
    d = make(max_per_client=2)
    slow = (gate.wait + HELLO).encode()
    tasks = [server.curl("/spare/sh", body=slow).id for _ in range(2)]
    answer = server.curl("/spare/sh", body=slow)
    check_problem(answer, 429)
    assert int(answer.get("Retry-After")) >= 1
    other = [("REMOTE_USER", "alice")]
    assert d.submit("/sh", slow, extra=other) and d.submit("/sh", slow, extra=other)
    check_problem(d.request("POST", "/sh", slow, extra=other), 429)
    gate.open()
    for task in tasks:
        d.wait(task)
    assert server.curl("/spare/sh", body=HELLO.encode()).status == 202


def test_max_per_client_of_a_route(make, gate):         # noqa: F811
    """max-per-client can stand in a route; a cancelled task does not count"""
    d = make(routes="""
route "/some" {{ exec = "{cgi}/sh.cgi" max-per-client = 1 }}
route "/any"  {{ exec = "{cgi}/sh.cgi" }}
""")
    slow = gate.wait.encode()
    task = d.submit("/some", slow)
    assert d.request("POST", "/some", slow).status == 429
    for _ in range(3):
        d.submit("/any", slow)
    assert d.status(task, "DELETE").status == 204
    d.submit("/some", slow)
