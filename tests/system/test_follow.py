"""<link>/log: what a task writes to stderr, looked at and followed, over the control socket."""

import os
import signal
import socket
import time

import pytest

from client import connect, hand_over, parse_cgi, read_all, scgi, scgi_head, until
from harness import alive

WAIT = "while [ ! -e {go} ]; do sleep 0.02; done\n"
END = "printf 'Content-Type: text/plain\\n\\nhello'\n"


def control(d):
    return d.world.path(d.folder, "control.sock")


def log(d, task, method="GET"):
    return scgi(control(d), method, f"/status/{task}/log", mount=d.mount)


class Follower:
    def __init__(self, d, task):
        self.socket = connect(control(d), 60)
        self.socket.sendall(scgi_head("GET", f"/status/{task}/log", mount=d.mount,
                                      query="follow=1"))
        self.seen = b""

    def read_until(self, what):
        while what not in self.seen:
            chunk = self.socket.recv(1 << 16)
            assert chunk, f"the stream ended before {what!r}: {self.seen[-300:]!r}"
            self.seen += chunk

    def rest(self):
        self.seen += read_all(self.socket)
        self.close()
        return parse_cgi(self.seen)

    def close(self):
        self.socket.close()


@pytest.fixture
def go(world):
    path = world.path("out", "go")
    yield path
    if os.path.exists(path):
        os.unlink(path)


def release(path):
    open(path, "w").close()


def test_finished(make):
    """finished: the stored log; also of one that has failed; HEAD; ?follow=1 just ends"""
    d = make()
    for code in ("printf 'one\\ntwo' >&2\n" + END, "printf 'one\\ntwo' >&2\nexit 3\n"):
        task = d.sh(code)
        d.wait(task)
        answer = log(d, task)
        assert answer.status == 200 and answer.body == b"one\ntwo", answer
        assert answer.get("Content-Type") == "text/plain; charset=utf-8"
        assert answer.get("Content-Length") == "7" and answer.id == task
        assert answer.get("Cache-Control") == "no-store"
        assert Follower(d, task).rest().body == b"one\ntwo"
        head = log(d, task, "HEAD")
        assert head.status == 200 and head.body == b"" and head.get("Content-Length") == "7"


def test_not_on_the_data_socket(make):
    """the log is the operator's: on the data socket there is no such thing"""
    d = make()
    task = d.sh("echo secret >&2\n" + END)
    d.wait(task)
    answer = d.get(f"/status/{task}/log")
    assert answer.status == 404 and b"secret" not in answer.body
    assert log(d, "0" * 32).status == 404
    assert scgi(control(d), "DELETE", f"/status/{task}/log", mount=d.mount).status == 405


def test_running(make, go):
    """running: what there is so far; queued: nothing yet"""
    d = make(workers=1, threads=1)
    task = d.sh("echo so far >&2\n" + WAIT.format(go=go) + "echo later >&2\n" + END)
    until(lambda: log(d, task).body == b"so far\n", "the first line is there")
    queued = d.sh(END)
    answer = log(d, queued)
    assert answer.state == "queued" and answer.body == b"" and answer.get("Content-Length") == "0"
    release(go)
    d.wait(task)
    assert log(d, task).body == b"so far\nlater\n"


def test_follow(make, go):
    """what there is, then more as it comes, until the task has ended; any bytes"""
    d = make()
    task = d.sh("printf 'a\\000\\377\\033[2J' >&2\n" + WAIT.format(go=go) +
                "printf 'last words' >&2\n" + END)
    d.wait_state(task, "running")
    f = Follower(d, task)
    f.read_until(b"a\0\xff\033[2J")
    late = Follower(d, task)
    late.read_until(b"a\0\xff\033[2J")
    release(go)
    for each in (f, late):
        answer = each.rest()
        assert answer.status == 200 and answer.get("Content-Length") is None
        assert answer.state == "running" and answer.id == task
        assert answer.body == b"a\0\xff\033[2Jlast words"


def test_follow_from_the_queue(make, go):
    """who follows a task that waits for its turn hears it from its first word"""
    d = make(workers=1, threads=1)
    first = d.sh(WAIT.format(go=go) + END)
    d.wait_state(first, "running")
    task = d.sh("echo my turn >&2\n" + END)
    f = Follower(d, task)
    f.read_until(b"\r\n\r\n")
    release(go)
    assert f.rest().body == b"my turn\n"


def test_each_try(make, world, go):
    """follows each try, if it is retried"""
    d = make(routes='route "/sh/*" {{ exec = "{cgi}/sh.cgi" retry = 2 retry-delay = 1 }}\n')
    tries = world.path("out", "tries")
    code = (WAIT.format(go=go) + f"echo x >>{tries}\nn=$(wc -l <{tries})\necho try $n >&2\n"
            f"[ $n = 3 ] || exit 1\n" + END)
    f = Follower(d, d.submit("/sh", code.encode(), method="PUT"))
    f.read_until(b"\r\n\r\n")
    release(go)
    assert f.rest().body == b"try 1\ntry 2\ntry 3\n"


def test_long_lines_arrive_whole(make, world):
    """all of 600 KB that come no faster than they are read"""
    d = make()
    lines, said = 20, world.path("out", "read-")
    task = d.sh(f"i=0; while [ $i -lt {lines} ]; do {WAIT.format(go=said + '$i')}i=$((i+1)); "
                "head -c 30000 /dev/zero | tr '\\0' x >&2; done\n" + END)
    f = Follower(d, task)
    f.read_until(b"\r\n\r\n")
    for i in range(lines):
        release(said + str(i))
        f.read_until(b"x" * 30000 * (i + 1))
    assert f.rest().body == b"x" * 30000 * lines


def test_slow_follower(make, go):
    """one that does not read costs bounded memory, is told what it missed; others miss nothing"""
    d = make()
    flood = 60
    task = d.sh(WAIT.format(go=go) + f"i=0; while [ $i -lt {flood} ]; do i=$((i+1)); "
                "head -c 60000 /dev/zero | tr '\\0' x >&2; sleep 0.12; done; echo end >&2\n" + END)
    slow, quick = Follower(d, task), Follower(d, task)
    slow.read_until(b"\r\n\r\n")
    release(go)
    whole = quick.rest().body
    told = slow.rest().body
    assert d.wait(task).body == b"hello"
    assert len(told) < 60000 * flood and b"bytes are missing here]\n" in told
    assert told.endswith(b"end\n") or told.endswith(b"missing here]\n")
    lost = sum(int(part.rsplit(b" ", 1)[1]) for part in told.split(b" bytes are missing here]")[:-1])
    assert told.count(b"x") + lost + (4 if told.endswith(b"end\n") else 0) >= 60000 * flood
    assert len(whole) > len(told)


def test_flood(make):
    """a task that floods stderr is not slowed down, and the tail arrives"""
    d = make()
    task = d.sh("yes 'a line on stderr' | head -c 50000000 >&2\necho the end >&2\n" + END)
    answer = Follower(d, task).rest()
    assert answer.body.endswith(b"the end\n")
    assert len(answer.body) < 20_000_000
    assert d.wait(task).body == b"hello"


def test_follower_leaves(make, go):
    """one that leaves is noticed, and another may come"""
    d = make()
    task = d.sh("echo here >&2\n" + WAIT.format(go=go) + END)
    d.wait_state(task, "running")
    fds = len(os.listdir(f"/proc/{d.master()}/fd"))
    followers = [Follower(d, task) for _ in range(20)]
    for f in followers:
        f.read_until(b"here")
    assert len(os.listdir(f"/proc/{d.master()}/fd")) >= fds + 20
    for f in followers[:19]:
        f.close()
    until(lambda: len(os.listdir(f"/proc/{d.master()}/fd")) <= fds + 1, "they are noticed")
    release(go)
    assert followers[19].rest().body == b"here\n"


def test_through_a_door(make, go):
    """the door has handed over its stdin and stdout: the stream, and who leaves, are the same"""
    d = make()
    task = d.sh("echo here >&2\n" + WAIT.format(go=go) + "echo end >&2\n" + END)
    d.wait_state(task, "running")
    fds = len(os.listdir(f"/proc/{d.master()}/fd"))
    head = scgi_head("GET", f"/status/{task}/log", mount=d.mount, query="follow=1")
    ends = []
    for ours, theirs in (socket.socketpair(), socket.socketpair(), pipe()):
        with open("/dev/null", "rb") as null:
            hand_over(control(d), head, null.fileno(), theirs.fileno())
        theirs.close()
        ends.append(Reader(ours))
        ends[-1].read_until(b"here")
    ends[0].close()
    until(lambda: len(os.listdir(f"/proc/{d.master()}/fd")) <= fds + 4, "one is gone")
    release(go)
    for end in ends[1:]:
        assert end.rest().body == b"here\nend\n"


class Reader(Follower):
    def __init__(self, end):
        self.socket, self.seen = end, b""


class Pipe:
    """The reading end of a pipe, as if it were a socket."""

    def __init__(self, fd):
        self.file = os.fdopen(fd, "rb", buffering=0)

    def recv(self, size):
        return self.file.read(size)

    def close(self):
        self.file.close()


def pipe():
    ours, theirs = os.pipe()
    return Pipe(ours), os.fdopen(theirs, "wb")


def test_worker_dies(make, go):
    """the worker dies while followed: the next try goes on in the same stream; or it ends"""
    d = make(workers=1)
    code = ("echo begun >&2\n" + WAIT.format(go=go) + "echo done >&2\n" + END).encode()
    again = d.submit("/sh", code, method="PUT")
    never = d.submit("/sh", code, method="POST")
    followers = [Follower(d, again), Follower(d, never)]
    for f in followers:
        f.read_until(b"begun")
    os.kill(d.workers()[0], signal.SIGKILL)
    assert followers[1].rest().body == b"begun\n"
    followers[0].read_until(b"begun\nbegun")
    release(go)
    assert followers[0].rest().body == b"begun\nbegun\ndone\n"


def test_stopped_worker(make, go):
    """a worker that does not answer: the look says so, the stream waits, nobody else does"""
    d = make(workers=1)
    task = d.sh("echo here >&2\n" + WAIT.format(go=go) + END)
    until(lambda: log(d, task).body == b"here\n", "it runs")
    worker = d.workers()[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        f = Follower(d, task)
        f.read_until(b"\r\n\r\n")
        before = time.monotonic()
        assert d.status(task).state == "running"
        assert time.monotonic() - before < 30
        answer = log(d, task)
        assert answer.status == 500 and "worker" in answer.json["detail"]
    finally:
        os.kill(worker, signal.SIGCONT)
    f.read_until(b"here")
    release(go)
    assert f.rest().body == b"here\n"


def test_cancelled(make):
    """cancelled: the stream ends"""
    d = make()
    task = d.sh("echo here >&2\nsleep 60\n")
    f = Follower(d, task)
    f.read_until(b"here")
    assert d.request("DELETE", f"/status/{task}").status == 204
    assert f.rest().body == b"here\n"


def test_drain(make, world, go):
    """SIGTERM: who follows what runs hears its end; who follows what is queued is let go"""
    d = make(workers=1, threads=1, drain=60,
             store="sqlite:" + world.path("spare", "spool", "tasks.db"))
    task = d.sh("echo here >&2\n" + WAIT.format(go=go) + "echo end >&2\n" + END)
    f = Follower(d, task)
    f.read_until(b"here")
    queued = Follower(d, d.sh(END))
    queued.read_until(b"\r\n\r\n")
    master = d.master()
    d.process.send_signal(signal.SIGTERM)
    assert queued.rest().body == b""
    release(go)
    assert f.rest().body == b"here\nend\n"
    assert d.process.wait(30) == 0, d.log()
    assert not alive(master)


MODULE = """
#include <deferd.h>
#include <unistd.h>
DEFERD_MODULE
int
deferd_run(const struct deferd_api *api, struct deferd_task *task)
{
	api->log(task, "a word");
	while (access(api->variable(task, "GO"), F_OK) != 0)
		usleep(20000);
	api->log(task, "the last");
	api->write(task, "x", 1);
	return 0;
}
"""


def test_module(make, world, go):
    """a module that says a word and then computes: what it said is there at once"""
    so = world.module("says", MODULE)
    d = make(routes=f'route "/m" {{{{ module = "{so}" methods = {{{{ "GET" }}}} '
             f'env = {{{{ "GO={go}" }}}} }}}}\n')
    task = d.submit("/m", method="GET")
    until(lambda: log(d, task).body == b"a word\n", "it is there")
    f = Follower(d, task)
    f.read_until(b"a word\n")
    release(go)
    assert f.rest().body == b"a word\nthe last\n"
