"""What others do to the database and the spool under a running deferd: no promise breaks in silence."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess

import pytest

from client import until
from harness import MASTER_USER, ROOT
from test_contract import HELLO, check_problem, gate     # noqa: F401 (a fixture)
from test_exhaustion import BIG, operator, sqlite_settings, tries
from test_hostile import check_alive


@pytest.fixture
def kept(make, world):
    """A daemon with a database; the folder of both database and spool is new."""
    shutil.rmtree(world.path("spare", "spool"), ignore_errors=True)
    settings = sqlite_settings(world, keep=600, drain=2)
    d = make("-d", **settings)
    d.database = settings["store"].partition(":")[2]
    d.spool = world.path("spare", "spool")
    yield d
    d.kill()
    shutil.rmtree(d.spool)


def ours(*paths):
    for path in paths if ROOT else ():
        shutil.chown(path, MASTER_USER)


def end(d, status):
    """SIGTERM; what it exits with."""
    d.process.send_signal(signal.SIGTERM)
    assert d.process.wait(60) == status, d.log()
    d.process = None


def refused(d, reason="store"):
    document = check_problem(d.request("POST", "/sh", HELLO.encode()), 503)
    assert document["type"].endswith(reason)


def unsaved(d):
    return {line.split("task=")[1][:32] for line in d.log().split("\n") if " unsaved task=" in line}


def has_ended(d, *tasks):
    """By the word of its worker, whatever its link says."""
    for task in tasks:
        until(lambda: f"done task={task}" in d.log(), "it has ended")


def cannot_start(d):
    """A start that is refused; what it says."""
    done = subprocess.run(d.command("-f", "-c", d.conf_path), env=d.env(), cwd="/", timeout=60,
                          stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, stdout=subprocess.PIPE)
    assert done.returncode == 1
    return done.stdout.decode()


# ---- in its place, or not --------------------------------------------------------


def test_database_moved(kept, gate):        # noqa: F811
    """Somebody moves it, and back: 503 meanwhile, links go on, and ends are recorded afterwards"""
    d = kept
    before, runs = d.run(HELLO).id, d.sh(gate.wait + HELLO)
    d.wait_state(runs, "running")
    os.rename(d.database, d.database + ".away")
    refused(d)
    assert d.log().count("store-gone path=") == 1
    assert d.status(before).body == b"hello"
    gate.open()
    refused(d)
    assert d.status(runs).state == "running"
    os.rename(d.database + ".away", d.database)
    assert d.wait(runs).body == b"hello"
    assert "store-back path=" in d.log()
    check_alive(d)
    d.stop()
    d.start()
    assert d.status(before).body == d.status(runs).body == b"hello"
    d.stop()


def test_database_deleted(kept, gate):      # noqa: F811
    """Somebody deletes it: 503; the end names who is not saved, and no start takes its place"""
    d = kept
    runs = d.sh(gate.wait + HELLO)
    d.wait(d.submit("/cat", BIG))
    d.wait_state(runs, "running")
    os.unlink(d.database)
    refused(d)
    assert "store-gone path=" in d.log()
    gate.open()
    has_ended(d, runs)
    end(d, 1)
    assert unsaved(d) == {runs}
    for _ in range(2):
        assert "is missing, but not its -wal" in cannot_start(d)
    os.unlink(d.database + "-wal")
    assert f"is missing, but not {d.spool}" in cannot_start(d)
    assert os.listdir(d.spool)
    for name in os.listdir(d.spool):
        os.unlink(os.path.join(d.spool, name))
    d.start()
    assert "store-new path=" in d.log()
    check_alive(d)


@pytest.mark.parametrize("how", ["asked", "idle", "crash"])
def test_copy_put_in_the_place_of_the_database(kept, how):
    """A copy is put back while deferd runs: 503; the next start has the copy, and only that"""
    d = kept
    before = d.run(HELLO).id
    copy = d.database + ".copy"
    with contextlib.closing(sqlite3.connect(d.database)) as db:
        db.execute("VACUUM INTO ?", (copy,))
    after = [d.run(HELLO).id for _ in range(5)]
    ours(copy)
    os.chmod(copy, 0o600)
    os.rename(d.database, d.database + ".away")
    os.rename(copy, d.database)
    if how != "idle":
        refused(d)
        until(lambda: os.path.getsize(d.database + "-wal") == 0, "the log is the copy's to use")
    assert d.status(after[0]).body == b"hello"
    if how == "crash":
        os.kill(d.master(), signal.SIGKILL)
        until(lambda: tries(d.status, before), "there is another")
    else:
        end(d, 0)
        d.start()
    assert d.status(before).body == b"hello"
    assert {d.status(t).status for t in after} == {404}
    check_alive(d)
    d.stop()
    for path, least in ((d.database, 2), (d.database + ".away", 6)):
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("SELECT count(*) FROM tasks").fetchone()[0] >= least


def test_spool_replaced(kept, world):
    """Another folder in its place: large requests get 503, until it is back; small ones go on"""
    d = kept
    large = d.submit("/cat", BIG)
    d.wait(large)
    os.rename(d.spool, d.spool + ".away")
    os.mkdir(d.spool, 0o700)
    ours(d.spool)
    check_problem(d.request("POST", "/cat", BIG), 503)
    assert f"store-gone path={d.spool}" in d.log()
    done = d.run("printf 'Content-Type: x/y\\n\\n'; head -c 300000 /dev/zero")
    assert done.state == "failed", "its response would not be found again"
    assert d.run(HELLO).body == b"hello"
    assert d.status(large).body == BIG
    os.rmdir(d.spool)
    os.rename(d.spool + ".away", d.spool)
    assert d.wait(d.submit("/cat", BIG)).body == BIG
    assert f"store-back path={d.spool}" in d.log()
    d.stop()
    d.start()
    assert d.status(large).body == BIG
    d.stop()


def test_index_of_the_log_deleted(kept):
    """Somebody deletes the -shm: it is said; no task is lost, in a crash neither"""
    d = kept
    before = d.run(HELLO).id
    os.unlink(d.database + "-shm")
    until(lambda: operator(d, "/stats") and "store-log-gone" in d.log(), "it is said")
    assert f"path={d.database}-shm" in d.log()
    after = d.run(HELLO).id
    os.kill(d.master(), signal.SIGKILL)
    until(lambda: tries(d.status, before), "there is another")
    assert d.status(before).body == d.status(after).body == b"hello"
    check_alive(d)
    d.stop()


# ---- somebody else writes ----------------------------------------------------------


@contextlib.contextmanager
def held(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def test_foreign_writer_of_the_database(kept, gate):        # noqa: F811
    """A writer that does not end: 503, links go on; when it is gone, ends are recorded"""
    d = kept
    before, runs = d.run(HELLO).id, d.sh(gate.wait + HELLO)
    d.wait_state(runs, "running")
    with held(d.database):
        gate.open()
        refused(d)
        assert "database is locked" in d.log()
        assert d.status(before).body == b"hello"
    assert d.wait(runs).body == b"hello"
    d.stop()


def test_foreign_writer_while_we_end(kept, gate, world):        # noqa: F811
    """... and deferd ends: each task whose end is not saved is named; `rerun` decides"""
    d = kept
    world.script("gated", "#!/bin/sh\n" + gate.wait + HELLO)
    tasks = [d.submit("/run/gated", method=method) for method in ("POST", "GET")]
    for task in tasks:
        d.wait_state(task, "running")
    with held(d.database):
        gate.open()
        has_ended(d, *tasks)
        end(d, 1)
    assert unsaved(d) == set(tasks)
    assert "exit status=1" in d.log()
    d.start()
    post, get = map(d.wait, tasks)
    assert (post.state, get.state, get.body) == ("failed", "succeeded", b"hello")
    reasons = [operator(d, f"/status/{task}/info").json.get("reason") for task in tasks]
    assert reasons == ["it was interrupted: the daemon was restarted", None]
    d.stop()
