"""doc/robustness.md, row by row: what runs out, and who will not let go."""

import concurrent.futures
import contextlib
import datetime
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import time

import pytest

from client import (connect, hand_over, parse_cgi, read_all, scgi, scgi_head, until)
from harness import MASTER_USER, ROOT, SANITIZED, SOURCE, descriptors
from starve import (StuckFiles, WallClock, disk, filled, free_bytes, limited, next_descriptor,
                    wrap)
from test_contract import HELLO, check_problem, gate     # noqa: F401 (a fixture)
from test_hostile import check_alive, has_hung_up

root_only = pytest.mark.skipif(not ROOT, reason="needs to be root")
NOFILE, NPROC = "nofile", "nproc"
BIG = b"x" * 200_000


@pytest.mark.parametrize("document,heading,least", [("doc/robustness.md", None, 30),
                                                    ("SECURITY.md", "## Threats", 15)])
def test_every_test_of_the_table_exists(document, heading, least):
    """The documents name tests, in every row, and each is there"""
    with open(f"{SOURCE}/{document}") as f:
        text = f.read()
    rows = [line for line in text[text.index(heading) if heading else 0:].split("\n")
            if line.startswith("| ") and not line.endswith(" test |") and ".sh`" not in line]
    assert len(rows) > least
    for row in rows:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            with open(f"{SOURCE}/tests/system/{file}") as f:
                assert f"\ndef {test}(" in f.read(), row


def operator(d, path, method="GET"):
    return scgi(d.world.path(d.folder, "control.sock"), method, path, mount=d.mount)


def beside(question, *args, **more):
    """Asked in a thread: the answer may be long in coming."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    future = pool.submit(question, *args, **more)
    pool.shutdown(wait=False)
    return future


# ---- descriptors -----------------------------------------------------------


def test_master_without_descriptors(make, gate):        # noqa: F811
    """The master can open nothing: who comes waits outside, what runs ends, and it recovers"""
    d = make()
    master = d.master()
    task = d.sh(gate.wait + HELLO)
    d.wait_state(task, "running")
    with limited([master], NOFILE, next_descriptor):
        waits = beside(d.status, task)
        until(lambda: "accept-failed" in d.log(), "it says so")
        gate.open()
        assert not waits.done()
    assert waits.result(30).status in (200, 202)
    assert d.wait(task).body == b"hello"
    assert d.master() == master
    check_alive(d)


def test_master_with_a_few_descriptors(make):
    """No descriptor for a spool file: 503, and small requests are served"""
    d = make()
    master = d.master()
    large = d.submit("/cat", BIG)
    d.wait(large)
    with limited([master], NOFILE, lambda pid: next_descriptor(pid) + 1):
        check_problem(d.request("POST", "/cat", BIG), 503)
        check_problem(d.status(large), 503)
        check_alive(d)
    assert d.wait(large).body == BIG
    assert d.wait(d.submit("/cat", BIG)).body == BIG
    assert d.master() == master


def test_budget_of_descriptors(make, world, monkeypatch, gate):      # noqa: F811
    """More long-polls than descriptors: the oldest is answered early, nobody is lost"""
    wrap(world, monkeypatch, deferd_master="ulimit -n 200")
    d = make(workers=1, threads=2)
    task = d.sh(gate.wait + HELLO)
    polls = [beside(d.request, "GET", f"/status/{task}", extra=[("HTTP_PREFER", "wait=30")])
             for _ in range(150)]
    until(lambda: sum(p.done() for p in polls) > 50, "some are answered early")
    check = d.status(task)
    assert check.state == "running"
    gate.open()
    answers = [p.result(30) for p in polls]
    assert {a.status for a in answers} <= {200, 202}
    check_alive(d)


def test_worker_without_descriptors(make):
    """A worker can open nothing: its tasks fail and say why; then it works again"""
    d = make(workers=1)
    worker = d.workers()[0]
    with limited([worker], NOFILE, 3):      # its threads have descriptors of their own
        done = d.run(HELLO)
        assert (done.status, done.state) == (500, "failed"), done
        assert d.wait(d.submit("/answer/x")).status == 200, "other pools go on"
    check_alive(d)
    assert worker in d.workers()


def test_worker_without_descriptors_and_a_large_body(make):
    """The body that comes as a descriptor cannot come: the task fails, or is run by another"""
    d = make(workers=1)
    with limited(d.workers(), NOFILE, next_descriptor):
        done = d.wait(d.submit("/cat", BIG))
        assert done.state == "failed", done
    check_alive(d)
    assert d.wait(d.submit("/cat", BIG)).body == BIG


def test_launcher_without_descriptors(make):
    """A worker dies and the launcher can open nothing: tasks wait until it can"""
    d = make("-d", workers=1, routes='route "/sh/*" {{ exec = "{cgi}/sh.cgi" }}')
    with limited([d.launcher()], NOFILE, next_descriptor):
        os.kill(d.workers()[0], signal.SIGKILL)
        until(lambda: "worker-gone" in d.log(), "the master knows")
        task = d.sh(HELLO)
        until(lambda: "start-failed" in d.log(), "it tried")
        assert d.status(task).state == "queued"
    assert d.wait(task).body == b"hello"


# ---- processes ---------------------------------------------------------------


def test_no_process_for_a_task(make):
    """`run-as` has no process left: clone fails with EAGAIN; afterwards all is well"""
    d = make(workers=1)
    with limited(d.workers(), NPROC, 1):
        done = d.run(HELLO)
        assert (done.status, done.state) == (500, "failed"), done
        assert d.wait(d.submit("/answer/x")).status == 200, "modules need none"
    check_alive(d)


@root_only
def test_no_process_for_a_worker(make):
    """The launcher cannot start a worker as `run-as`: it tries again, tasks wait"""
    d = make(workers=1, routes='route "/sh/*" {{ exec = "{cgi}/sh.cgi" }}')
    with limited([d.launcher()], NPROC, 0):
        os.kill(d.workers()[0], signal.SIGKILL)
        until(lambda: "start-failed" in d.log(), "it tries")
        task = d.sh(HELLO)
        assert d.status(task).state == "queued"
    assert d.wait(task, 60).body == b"hello"


# ---- the clock ---------------------------------------------------------------


HOUR = 3600


@pytest.fixture
def clock(world, monkeypatch):
    if SANITIZED:
        pytest.skip("a sanitizer wants to be the first library")
    return WallClock(world, monkeypatch)


def date(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
def test_clock_set_while_running(make, clock, step, gate):       # noqa: F811
    """The clock is set by an hour: `keep`, deadlines and delays do not notice"""
    d = make(timeout=60, workers=1, threads=1, routes="""
        route "/brief/*" {{ exec = "{cgi}/sh.cgi" keep = 3 }}
        route "/sh/*"    {{ exec = "{cgi}/sh.cgi" timeout = 60 }}
        route "/again/*" {{ exec = "{cgi}/sh.cgi" retry = 1 retry-delay = 1 methods = {{ "PUT" }} }}
        """)
    finished = d.submit("/brief", HELLO.encode())
    assert d.wait(finished).status == 200
    ended_at = time.monotonic()
    running = d.sh(gate.wait + HELLO)
    d.wait_state(running, "running")
    queued = d.sh(HELLO)
    clock.set(step)
    assert d.status(finished).status == 200 or time.monotonic() > ended_at + 2.5, \
        "keep is no time of day"
    pending = d.status(running)
    assert pending.state == "running" and 0 < int(pending.get("Retry-After")) <= 60
    until(lambda: d.status(finished).status == 404, "keep is over")
    assert 2.5 < time.monotonic() - ended_at < 30
    gate.open()
    assert d.wait(running).body == b"hello"
    assert d.wait(queued).body == b"hello"
    new = d.sh(HELLO)
    created = date(operator(d, f"/status/{new}/info").json["created"])
    assert abs(created - time.time() - step) < 10
    again = d.submit("/again", b"exit 1", method="PUT")
    start = time.monotonic()
    assert d.wait(again).state == "failed"
    assert 0.5 < time.monotonic() - start < 50
    for page in ("/stats", "/metrics", "/tasks"):
        assert operator(d, page).status == 200


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
def test_clock_set_across_a_restart(make, world, clock, step):
    """It is set while we are away: what has ended is kept for `keep` at the most"""
    settings = sqlite_settings(world, keep=100)
    d = make(**settings, workers=1, threads=1, drain=0, grace=0)
    finished = d.sh(HELLO)
    d.wait(finished)
    running = d.sh("sleep 60")
    d.wait_state(running, "running")
    queued = [d.sh(HELLO) for _ in range(3)]
    d.stop()
    clock.set(step)
    d.start()
    assert d.status(finished).status == (404 if step > 0 else 200)
    assert [d.wait(t).body for t in queued] == [b"hello"] * 3
    assert d.wait(running).state == "failed"
    if step < 0:
        info = operator(d, f"/status/{finished}/info").json
        assert date(info["expires"]) - time.time() - step < 105
    check_alive(d)


def test_clock_and_turns(make, clock, gate):        # noqa: F811
    """Set back by an hour: within a route, who came first is still first"""
    d = make(workers=1, threads=1)
    first = d.sh(gate.wait + HELLO)
    d.wait_state(first, "running")
    before = d.sh("sleep 0.2\n" + HELLO)
    clock.set(-HOUR)
    after = d.sh(HELLO)
    gate.open()
    assert d.wait(after).body == b"hello"
    assert d.status(before).state == "succeeded"


# ---- the disk ----------------------------------------------------------------


def sqlite_settings(world, base=None, **more):
    folder = base and os.path.join(base, "db") or world.path("db-exhaustion")
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder, 0o700)
    if ROOT:
        shutil.chown(folder, MASTER_USER)
    return {"store": f"sqlite:{folder}/tasks.db", **more}


@root_only
def test_full_disk(make, world):
    """Nothing can be written: 503, what is there can be read; when there is room, it goes on"""
    with disk(world, 16) as path:
        d = make(**sqlite_settings(world, path), spool=os.path.join(path, "spool"))
        small, large = d.sh(HELLO), d.submit("/cat", BIG)
        d.wait(small), d.wait(large)
        with filled(path):
            for body in (BIG, b"x"):
                answer = d.request("POST", "/cat", body)
                check_problem(answer, 503)
                assert int(answer.get("Retry-After")) > 0
            assert d.status(small).body == b"hello"
            assert d.status(large).body == BIG
        until(lambda: d.request("POST", "/sh", HELLO.encode()).status == 202, "room again")
        check_alive(d)
        d.stop()


@root_only
def test_full_disk_and_what_runs(make, world, gate):        # noqa: F811
    """A response that finds no room fails its task; an end is committed when there is room"""
    with disk(world, 16) as path:
        d = make(**sqlite_settings(world, path), spool=os.path.join(path, "spool"))
        large = d.sh(gate.wait + "printf 'Content-Type: x/y\\n\\n'; head -c 3000000 /dev/zero")
        small = d.sh(gate.wait + HELLO)
        d.wait_state(large, "running"), d.wait_state(small, "running")
        with filled(path):
            gate.open()
            until(lambda: "store-failed" in d.log() or "spool-failed" in d.log(), "it is said")
            assert d.status(small).status in (200, 202)
        assert d.wait(small).body == b"hello"
        assert d.wait(large).state in ("failed", "succeeded")
        check_alive(d)
        d.stop()

def work(d, number=200, size=60_000):
    """Many small commits with much in them."""
    for _ in range(number):
        d.submit("/cat", b"x" * size)


@root_only
def test_disk_filled_by_bodies(make, world, gate):      # noqa: F811
    """Bodies fill the disk up to min-free: 503; what runs can end, and is recorded"""
    with disk(world, 64) as path:
        d = make(**sqlite_settings(world, path), spool=os.path.join(path, "spool"), queue=1000,
                 workers=1, threads=2)
        tasks = [d.sh(gate.wait + HELLO) for _ in range(2)]
        for t in tasks:
            d.wait_state(t, "running")
        statuses = []
        while 503 not in statuses and len(statuses) < 60:
            statuses.append(d.request("POST", "/cat", b"x" * 3_000_000).status)
        assert set(statuses) == {202, 503} and len(statuses) > 5
        assert free_bytes(path) > 3_000_000, "a tenth of the disk, or nearly"
        store = operator(d, "/stats").json["store"]
        assert store["min_free_bytes"] == (64 << 20) // 10
        assert operator(d, "/pause", "POST").status == 204      # no answer of 3 MB has room
        gate.open()
        assert [d.wait(t).body for t in tasks] == [b"hello"] * 2
        d.stop()


@root_only
def test_min_free(make, world):
    """Others fill the disk: below min-free 503 at once; above it 202 again, by itself"""
    with disk(world, 64) as path:
        d = make(**sqlite_settings(world, path), spool=os.path.join(path, "spool"), min_free="4M")
        with filled(path, leave=3_000_000):
            until(lambda: d.request("POST", "/sh", b"exit").status == 503, "it is noticed")
            check_problem(d.request("POST", "/sh", b"exit"), 503)
            until(lambda: "disk-low" in d.log(), "it is said")
        until(lambda: d.request("POST", "/sh", HELLO.encode()).status == 202, "room again")
        assert "disk-roomy" in d.log()
        check_alive(d)
        d.stop()


def test_response_whose_file_is_gone(make, world):
    """Somebody deletes the file of a response: 500, not "come again"; others are as ever"""
    d = make(**sqlite_settings(world))
    large = d.submit("/cat", BIG)
    d.wait(large)
    spool = world.path("spare", "spool")
    for name in os.listdir(spool):
        os.unlink(os.path.join(spool, name))
    for _ in range(2):
        check_problem(d.status(large), 500)
    assert operator(d, f"/status/{large}/info").json["state"] == "succeeded"
    assert d.status(large, "DELETE").status == 204
    check_alive(d)
    d.stop()


def test_foreign_reader_of_the_database(make, world):
    """A reader that never ends: the log grows, and that is to be seen and said"""
    settings = sqlite_settings(world, keep=600)
    d = make(**settings)
    path = settings["store"].partition(":")[2]
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM tasks").fetchone()
        work(d)

        def log_bytes():
            return operator(d, "/stats").json["store"]["log_bytes"]
        until(lambda: log_bytes() > 10_000_000, "it is seen")
        assert b"deferd_store_log_bytes" in operator(d, "/metrics").body
        os.truncate(path + "-wal", 300 << 20)       # its end is empty: SQLite does not mind
        until(lambda: log_bytes() and "store-log-long" in d.log(), "it is said")
        reader.rollback()
    reader.close()
    check_alive(d)
    d.stop()


def test_log_of_the_database_deleted(make, world):
    """Somebody deletes the -wal: it is said, and no task is lost in a crash"""
    settings = sqlite_settings(world, keep=600)
    d = make(**settings)
    before = d.sh(HELLO)
    d.wait(before)
    os.unlink(settings["store"].partition(":")[2] + "-wal")
    until(lambda: operator(d, "/stats") and "store-log-gone" in d.log(), "it is said")
    after = d.sh(HELLO)
    d.wait(after)
    commits = operator(d, "/stats").json["store"]["commits"]
    d.submit("/sh", HELLO.encode())
    until(lambda: operator(d, "/stats").json["store"]["commits"] >= commits + 2, "all is written")
    os.kill(d.master(), signal.SIGKILL)
    until(lambda: tries(d.status, before), "there is another")
    assert d.wait(before).body == d.wait(after).body == b"hello"
    check_alive(d)
    d.stop()


# ---- slow ones -----------------------------------------------------------------


def through_a_door(d, head, body=b""):
    """Hands over two pipes; gives where to write the body and where to read the answer."""
    in_r, in_w = os.pipe()
    out_r, out_w = os.pipe()
    os.write(in_w, body)
    hand_over(d.socket, head, in_r, out_w)
    os.close(in_r)
    os.close(out_w)
    return in_w, out_r


def read_fd(fd):
    with open(fd, "rb") as f:
        return f.read()


def test_slow_body_through_a_door(make):
    """A body that stalls behind a door: 400 after body-deadline"""
    d = make(body_deadline=1)
    start = time.monotonic()
    in_w, out_r = through_a_door(d, scgi_head("POST", "/sh", length=100), b"half")
    check_alive(d)
    assert parse_cgi(read_fd(out_r)).status == 400
    assert time.monotonic() - start < 20
    os.close(in_w)


def test_answer_nobody_reads_through_a_door(make):
    """An answer that nobody reads from its pipe is given up after send-deadline"""
    d = make(send_deadline=1)
    task = d.sh("printf 'Content-Type: x/y\\n\\n'; head -c 30000000 /dev/zero")
    until(lambda: d.status(task, "HEAD").state == "succeeded", "it is done")
    before = descriptors(d.master())
    pairs = [through_a_door(d, scgi_head("GET", f"/status/{task}")) for _ in range(20)]
    check_alive(d)
    for _, out_r in pairs:
        until(lambda fd=out_r: has_hung_up(fd), "it gave up", 40)      # of 60
    until(lambda: descriptors(d.master()) <= before, "nothing stays open")
    for in_w, out_r in pairs:
        os.close(in_w)
        assert 1000 < len(read_fd(out_r)) < 3_000_000, "it was sending"


def test_slow_reader(make):
    """Who reads a byte now and then gets it all, and holds nobody up"""
    d = make(send_deadline=60)      # a byte makes no room for more: that is no progress
    size = 2_000_000
    task = d.sh(f"printf 'Content-Type: x/y\\n\\n'; head -c {size} /dev/zero")
    d.wait(task)
    slow = []
    for _ in range(50):
        s = connect(d.socket)
        s.sendall(scgi_head("GET", f"/status/{task}"))
        slow.append(s)
    for _ in range(20):
        for s in slow:
            assert s.recv(1)
        check_alive(d)
    assert size < len(read_all(slow[0])) < size + 2000
    for s in slow:
        s.close()


@pytest.mark.alone
@pytest.mark.parametrize("limit", [12000, 1024], ids=["enough", "few"])
def test_ten_thousand_silent_ones(make, limit):
    """Ten thousand connections that say nothing do not keep others out"""
    d = make(head_deadline=60, max_connections=limit)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    silent = []
    for _ in range(min(10_000, soft - 200)):
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        try:
            s.connect(d.socket)
        except BlockingIOError:         # the backlog is full
            s.close()
            continue
        silent.append(s)
    assert len(silent) >= min(2000, soft - 200)
    start = time.monotonic()
    assert operator(d, "/ping").status == 200
    assert time.monotonic() - start < 30, "the operator comes in at once"
    until(lambda: tries(check_alive, d), "others are served", 50)
    seconds = time.monotonic() - start
    print(f"{len(silent)} said nothing, others had their answer after {seconds:.1f} s")
    for s in silent:
        s.close()
    check_alive(d)


def tries(question, *args):
    """True, or False where nobody listens, or the backlog has no room for one more."""
    try:
        question(*args)
    except (OSError, AssertionError):
        return False
    return True


# ---- hostile descriptors ---------------------------------------------------------

fuse = pytest.mark.skipif(not ROOT or not os.path.exists("/dev/fuse"),
                          reason="needs root and /dev/fuse")


def close(*fds):
    for fd in fds:
        with contextlib.suppress(OSError):      # its file system may be gone
            os.close(fd)


def check_large(d):
    """Bodies in files come and go, and leave nothing."""
    task = d.submit("/cat", BIG)
    assert d.wait(task).body == BIG
    assert d.status(task, "DELETE").status == 204


@pytest.fixture
def stuck(world):
    """Makes files of a file system that does not answer."""
    made = []

    def make_files(*silent):
        made.append(StuckFiles(world.path("stuck"), set(silent)))
        return made[-1]
    yield make_files
    for s in made:
        s.close()


@fuse
@pytest.mark.parametrize("count", [1, 100])
def test_file_whose_reads_never_return(make, stuck, count):
    """A FUSE file as body: its request waits, all others are served, also with many of them"""
    d = make()
    before = descriptors(d.master())
    files = stuck(StuckFiles.READ, StuckFiles.GETATTR, StuckFiles.FLUSH)
    fd = files.open()
    outs = []
    for _ in range(count):
        out_r, out_w = os.pipe()
        hand_over(d.socket, scgi_head("POST", "/sh", length=StuckFiles.SIZE), fd, out_w)
        os.close(out_w)
        outs.append(out_r)
    until(lambda: StuckFiles.READ in files.heard, "it reads")
    check_alive(d)
    check_large(d)
    files.close()
    answers = [read_fd(out) for out in outs]
    assert {parse_cgi(a).status for a in answers} <= {400, 503}
    close(fd)
    until(lambda: descriptors(d.master()) <= before, "no descriptor stays")
    check_alive(d)


@fuse
def test_file_that_takes_no_answer(make, stuck):
    """A FUSE file as output that takes no byte: only its own answer waits"""
    d = make()
    before = descriptors(d.master())
    files = stuck(16, StuckFiles.FLUSH)     # WRITE
    fd, null = files.open(), os.open("/dev/null", os.O_RDONLY)
    for _ in range(20):
        hand_over(d.socket, scgi_head("GET", "/nothing"), null, fd)
    until(lambda: 16 in files.heard, "it writes")
    check_alive(d)
    check_large(d)
    files.close()
    close(fd, null)
    until(lambda: descriptors(d.master()) <= before, "no descriptor stays")


@fuse
def test_end_with_a_stuck_file(make, stuck):
    """The daemon ends while a file is read that never answers, when that file system goes"""
    d = make(drain=0)
    files = stuck(StuckFiles.READ)
    fd, (out_r, out_w) = files.open(), os.pipe()
    hand_over(d.socket, scgi_head("POST", "/sh", length=StuckFiles.SIZE), fd, out_w)
    until(lambda: StuckFiles.READ in files.heard, "it reads")
    d.process.send_signal(signal.SIGTERM)
    until(lambda: "leaving-stuck" in d.log(), "it does not wait for it", 30)
    files.close()
    assert d.process.wait(30) == 0
    d.process = None
    close(fd, out_r, out_w)


def test_nonblock_cleared_under_us(make):
    """Who holds the same end of the pipe clears O_NONBLOCK again and again"""
    d = make()
    in_r, in_w = os.pipe()
    out_r, out_w = os.pipe()
    hand_over(d.socket, scgi_head("POST", "/sh", length=len(HELLO)), in_r, out_w)
    for i in range(200):
        os.set_blocking(in_r, True)
        os.set_blocking(out_w, True)
        if i % 20 == 0:
            os.write(in_w, HELLO.encode()[i // 20:i // 20 + 1])
            check_alive(d)
    for fd in (in_r, in_w, out_w):
        os.close(fd)
    assert parse_cgi(read_fd(out_r)).status == 400


def test_file_truncated_while_it_is_read(make, tmp_path):
    """A regular file that gets shorter: the body was cut short, and no signal kills us"""
    d = make(max_body="1G")
    path = tmp_path / "body"
    for _ in range(10):
        size = 50_000_000
        with open(path, "wb") as f:
            f.truncate(size)
        fd, (out_r, out_w) = os.open(path, os.O_RDONLY), os.pipe()
        hand_over(d.socket, scgi_head("POST", "/cat", length=size), fd, out_w)
        os.truncate(path, 10)
        os.close(fd)
        os.close(out_w)
        assert parse_cgi(read_fd(out_r)).status in (202, 400)
    check_alive(d)


def test_strange_descriptors(make, tmp_path):
    """/proc, /dev, a folder, a terminal, sockets of any family, a listening one: dropped or 400"""
    d = make()
    before = descriptors(d.master())
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "l"))
    listener.listen(1)
    inet = socket.socket(socket.AF_INET)
    inet.bind(("127.0.0.1", 0))
    inet.listen(1)
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
    pty, tty = os.openpty()
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    opened = [os.open(p, flags) for p, flags in (
        ("/proc/self/mem", os.O_RDONLY), ("/proc/kmsg", os.O_RDONLY) if ROOT else
        ("/proc/self/status", os.O_RDONLY), ("/proc/self/maps", os.O_RDONLY),
        ("/dev/zero", os.O_RDONLY), ("/dev/random", os.O_RDONLY), ("/dev/full", os.O_RDWR),
        ("/", os.O_RDONLY), ("/etc/passwd", os.O_PATH), (fifo, os.O_RDWR))]
    strange = opened + [pty, tty, listener.fileno(), inet.fileno(), netlink.fileno(),
                        os.memfd_create("m"), os.eventfd(0), os.pidfd_open(os.getpid())]
    for length in (0, 100, None):
        for fd in strange:
            for both in (False, True):
                out_r, out_w = os.pipe()
                try:
                    hand_over(d.socket, scgi_head("POST", "/env", length=length), fd,
                              fd if both else out_w)
                except OSError:
                    pass        # dropped before all was said
                os.close(out_w)
                os.close(out_r)
    check_alive(d)
    for fd in opened + [pty, tty, *strange[-3:]]:
        os.close(fd)
    for s in (listener, inet, netlink):
        s.close()
    until(lambda: descriptors(d.master()) <= before, "no descriptor stays", 70)
    check_alive(d)


def test_its_own_listening_socket(world, built):
    """The listening socket of the daemon itself, handed over to it as body and as answer"""
    with socket.socket(socket.AF_UNIX) as listener:
        path = world.spare_socket
        if os.path.exists(path):
            os.unlink(path)
        listener.bind(path)
        os.chmod(path, 0o666)
        listener.listen(100)
        d = world.daemon(listener=listener, body_deadline=1)
        d.start()
        try:
            for length in (0, 100):
                with connect(d.socket) as s:
                    hand_over(d.socket, scgi_head("POST", "/env", length=length),
                              listener.fileno(), listener.fileno())
                    s.sendall(scgi_head("GET", "/nothing"))
                    assert parse_cgi(read_all(s)).status == 404
            check_alive(d)
        finally:
            d.kill()
            d.check_sanitizers()
            os.unlink(path)


def test_thousands_of_descriptors_in_flight(make):
    """Hundreds of pairs in the queues of connections that say no more: all are let go"""
    d = make(head_deadline=2)
    before = descriptors(d.master())
    in_r, in_w = os.pipe()
    conns = []
    for _ in range(1000):
        s = connect(d.socket)
        try:
            s.sendmsg([b"5"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                b"".join(n.to_bytes(4, "little") for n in (in_r, in_w)))])
        except OSError:
            pass        # ETOOMANYREFS: the kernel's own limit
        conns.append(s)
    check_alive(d)
    until(lambda: descriptors(d.master()) <= before, "they are gone")
    for s in conns:
        s.close()
    os.close(in_r)
    os.close(in_w)
    check_alive(d)
