"""kill -9 of a worker, of the master, of the launcher."""

import os
import signal
import threading
import time

import pytest

from client import connect, scgi, until
from harness import NO_TASK, alive

HELLO = "printf 'Content-Type: text/plain\\n\\nhello'"


@pytest.fixture
def counter(world):
    """A script that notes each of its starts, and ends when told to."""
    name = f"count-{time.monotonic_ns()}"
    starts, go = world.path("out", name), world.path("out", name + "-go")
    world.script(name, f"#!/bin/sh\nsleep 1004 &\necho \"$$ $!\" >>{starts}\n"
                 f"while [ ! -e {go} ]; do sleep 0.02; done\n{HELLO}\n")

    class Counter:
        url = "/run/" + name

        @staticmethod
        def starts():
            """[(pid of the script, pid of its child), ...]"""
            if not os.path.exists(starts):
                return []
            with open(starts) as f:
                return [tuple(map(int, l.split())) for l in f if l.endswith("\n")]

        @staticmethod
        def go():
            with open(go, "w"):
                pass
    yield Counter
    Counter.go()


def all_dead(starts):
    return not any(alive(p) for pair in starts for p in pair)


def parent(pid):
    with open(f"/proc/{pid}/stat") as f:
        return int(f.read().rpartition(")")[2].split()[1])


def test_kill_a_worker_idempotent(make, counter):
    """kill -9 of a worker: no script runs on, the right tasks run again"""
    d = make(workers=2, threads=2)
    task = d.submit(counter.url, method="GET")
    first = until(counter.starts, "it runs")
    workers = len(d.workers())
    bystander = d.sh(HELLO)
    d.wait(bystander)
    os.kill(parent(first[0][0]), signal.SIGKILL)
    until(lambda: all_dead(first), "no script runs on")
    starts = until(lambda: (s := counter.starts()) and len(s) == 2 and s, "it runs again")
    assert d.status(task).state == "running"
    counter.go()
    assert d.wait(task).body == b"hello"
    assert d.status(bystander).body == b"hello"
    assert len(counter.starts()) == len(starts) == 2
    until(lambda: len(d.workers()) == workers, "the worker is replaced")


def test_kill_a_worker_not_idempotent(make, counter):
    """others fail as interrupted"""
    d = make(workers=2, threads=2)
    task = d.submit(counter.url, method="POST")
    first = until(counter.starts, "it runs")
    os.kill(parent(first[0][0]), signal.SIGKILL)
    done = d.wait(task)
    assert (done.status, done.state) == (500, "failed")
    assert "interrupted" in done.json["detail"]
    until(lambda: all_dead(first), "no script runs on")
    assert len(counter.starts()) == 1


@pytest.mark.parametrize("rerun, method, again", [("always", "POST", True),
                                                  ("never", "GET", False)])
def test_rerun_of_the_route(make, counter, rerun, method, again):
    """rerun = idempotent | always | never per route"""
    d = make(workers=1, routes='route "/run/*" {{ exec = "{cgi}/run.cgi" rerun = "%s" }}' % rerun)
    task = d.submit(counter.url, method=method)
    os.kill(parent(until(counter.starts, "it runs")[0][0]), signal.SIGKILL)
    if again:
        until(lambda: len(counter.starts()) == 2, "it runs again")
        counter.go()
        assert d.wait(task).body == b"hello"
    else:
        assert d.wait(task).state == "failed" and len(counter.starts()) == 1


def test_max_attempts(make, counter):
    """queued again, up to `max-attempts`"""
    d = make(workers=1, max_attempts=2)
    task = d.submit(counter.url, method="GET")
    for n in (1, 2):
        starts = until(lambda: (s := counter.starts()) and len(s) == n and s, f"start {n}")
        os.kill(parent(starts[-1][0]), signal.SIGKILL)
    assert d.wait(task).state == "failed"
    until(lambda: all_dead(counter.starts()), "no script runs on")
    assert len(counter.starts()) == 2


def test_kill_an_idle_worker(make):
    """A worker that dies with nothing to do is replaced; nothing is lost"""
    d = make(workers=1)
    assert d.run(HELLO).body == b"hello"
    before = d.workers()
    os.kill(before[0], signal.SIGKILL)
    tasks = [d.submit("/sh", HELLO.encode(), method="PUT") for _ in range(10)]
    assert all(d.wait(t).body == b"hello" for t in tasks)
    assert d.workers() != before


def test_kill_the_master(make, counter):
    """kill -9 of the master: no script runs on, no connection is refused"""
    d = make()
    task = d.submit(counter.url, method="GET")
    first = until(counter.starts, "it runs")
    before = d.master()
    refused, answers, stop = [], [], threading.Event()

    def knock():
        while not stop.is_set():
            try:
                connect(d.socket, 20).close()
                answers.append(1)
            except OSError as e:
                refused.append(e)
            time.sleep(0.002)
    thread = threading.Thread(target=knock)
    thread.start()
    try:
        os.kill(before, signal.SIGKILL)
        until(lambda: all_dead(first), "no script runs on")
        until(lambda: d.children("deferd-master") not in ([], [before]), "a new master")
        answer = scgi(d.socket, "GET", f"/status/{NO_TASK}", timeout=20)
    finally:
        stop.set()
        thread.join()
    assert answer.status == 404 and answers and not refused
    # the memory store dies with its master
    assert d.status(task).status == 404
    assert d.run(HELLO).body == b"hello"
    assert len(counter.starts()) == 1


def test_kill_the_launcher(make, counter):
    """kill -9 of the launcher: master, workers and scripts end too"""
    d = make()
    d.submit(counter.url, method="GET")
    first = until(counter.starts, "it runs")
    family = [d.master(), *d.workers()]
    d.process.kill()
    d.process.wait()
    until(lambda: not any(map(alive, family)), "master and workers are gone")
    until(lambda: all_dead(first), "no script runs on")
    d.process = None


def test_after_kill_the_launcher(make):
    """the socket that it leaves is dead, and replaced by the next"""
    d = make()
    d.process.kill()
    d.process.wait()
    assert os.path.exists(d.socket)
    until(lambda: not [p for p, w in d.world.processes().items() if "/spare/" in w[2]], "all gone")
    d.start()
    assert d.run(HELLO).body == b"hello"


def test_master_crash_loop(make):
    """Restarts with growing delay when they crash-loop; the launcher lives on"""
    d = make()
    for _ in range(3):
        master = d.master()
        os.kill(master, signal.SIGKILL)
        until(lambda: d.children("deferd-master") not in ([], [master]), "another", 40)
    assert d.process.poll() is None
    assert until(lambda: d.run(HELLO), "it serves").body == b"hello"


def test_crash_through_servers(make, server):
    """A client of a master that dies sees an error, never a hang or half an answer"""
    d = make()
    os.kill(d.master(), signal.SIGKILL)
    answer = server.curl("/spare/sh", body=HELLO.encode(), timeout=40)
    assert answer.status in (202, 500, 502, 503, 504)
    answer = until(lambda: (a := server.curl("/spare/sh", body=HELLO.encode())).status == 202 and a,
                   "it serves again", 40)
    assert d.wait(answer.id).body == b"hello"
