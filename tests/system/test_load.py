"""Many at once, and many after each other: none hangs, none is lost, nothing stays."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import time

import pytest

from client import door_env, parse_cgi, parse_head, scgi_head, until
from harness import ROOT, SANITIZED, Answer, alive, descriptors, field
from servers import WEB_USER

pytestmark = pytest.mark.alone
LONG = os.environ.get("DEFERD_LONG") == "1"
DEADLINE = 120      # seconds; who has no answer then hangs


def raise_limit(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, wanted)), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200


async def unix_request(path, data):
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as s:
        s.setblocking(False)
        while True:
            try:
                s.connect(path)
                break
            except BlockingIOError:     # the backlog is full: the kernel's way to say wait
                await asyncio.sleep(0.01)
        await loop.sock_sendall(s, data)
        answer = b""
        while chunk := await loop.sock_recv(s, 65536):
            answer += chunk
        return parse_cgi(answer)


async def http_request(port, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return Answer(int(head.split()[1]), parse_head(head.decode("latin-1")), body)


def at_once(requests):
    async def all_of_them():
        return await asyncio.wait_for(asyncio.gather(*requests), DEADLINE)
    return asyncio.run(all_of_them())


def check_none_lost(d, answers, expected):
    """Every 202 is a promise: the outcome is at its link."""
    accepted = 0
    for answer, text in zip(answers, expected):
        assert answer.status in (202, 503), answer
        if answer.status == 202:
            accepted += 1
            done = d.wait(answer.id, 60)
            assert (done.status, done.json) == (200, text), done
        else:
            assert int(answer.get("Retry-After")) > 0
    return accepted


def answer_route():
    return 'route "/*" {{ module = "answer.so" env = {{ "ANSWER_SECONDS=0" }} }}'


@pytest.mark.parametrize("queue", [10000, 100], ids=["all fit", "few fit"])
def test_five_thousand_at_once(make, queue):
    """Five thousand requests at once: every one is answered 202 or 503, none hangs, none lost"""
    many = min(5000, raise_limit(6000))
    d = make(queue=queue, routes=answer_route())
    answers = at_once([unix_request(d.socket, scgi_head("GET", f"/n{i}")) for i in range(many)])
    assert len(answers) == many
    accepted = check_none_lost(d, answers, [f"The answer is: n{i}" for i in range(many)])
    assert accepted >= min(queue, many) * 0.5


def test_hundreds_through_a_server(make, server):
    """a few hundred through each server"""
    d = make(routes=answer_route())
    answers = at_once([http_request(server.port, b"GET /spare/n%d HTTP/1.1\r\nHost: x\r\n"
                                    b"Connection: close\r\n\r\n" % i) for i in range(300)])
    accepted = check_none_lost(d, answers, [f"The answer is: n{i}" for i in range(300)])
    assert accepted > 200


def test_mixed_at_once(make):
    """scripts with bodies, large and small, at once: each gets its own back"""
    d = make(workers=2, threads=8)
    bodies = [bytes([i % 256]) * (i * 997) for i in range(200)]
    answers = at_once([unix_request(d.socket, scgi_head("POST", "/cat", length=len(b)) + b)
                       for b in bodies])
    for answer, body in zip(answers, bodies):
        assert answer.status == 202
        assert d.wait(answer.id, 60).body == body


@pytest.mark.skipif(SANITIZED, reason="a sanitizer needs more")
def test_idle_memory(make):
    """VmRSS of the idle launcher under 2 MB, master under 6, a worker under 4"""
    d = make()
    for pid, limit_mb in [(d.launcher(), 2), (d.master(), 6)] + [(p, 4) for p in d.workers()]:
        kib = int(field(pid, "VmRSS").split()[0])
        assert kib < limit_mb * 1024, f"{field(pid, 'Name')}: {kib} KiB"


class Stopped:
    """The whole daemon under SIGSTOP."""

    def __init__(self, d):
        self.pids = [d.launcher(), d.master(), *d.workers()]

    def __enter__(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        until(lambda: all(field(p, "State")[0] == "T" for p in self.pids), "it is stopped")

    def __exit__(self, *error):
        for pid in self.pids:
            os.kill(pid, signal.SIGCONT)


def test_the_door_is_gone_before_the_answer(make, world):
    """stop the daemon: the CGI process ends at once, the answer comes after SIGCONT"""
    d = make()
    body = b"printf 'Content-Type: x/y\\n\\nhello'"
    with Stopped(d):
        door = subprocess.Popen([world.door], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                env=door_env(d.socket, "POST", "/sh", length=len(body)))
        assert door.wait(60) == 0
        os.set_blocking(door.stdout.fileno(), False)
        assert door.stdout.read() is None, "not yet an answer, not yet an end"
    os.set_blocking(door.stdout.fileno(), True)
    door.stdin.write(body)
    door.stdin.close()
    answer = parse_cgi(door.stdout.read())
    door.stdout.close()
    assert answer.status == 202 and d.wait(answer.id).body == b"hello"


def test_the_door_is_gone_through_servers(make, world, cgi_server):
    """the same through a web server: no door is left while its client waits"""
    d = make()
    doors = lambda: [p for p, w in world.processes().items() if w[0] == world.door]
    with socket.create_connection(("127.0.0.1", cgi_server.port), 30) as s:
        with Stopped(d):
            waiting = backlog(d.socket)
            s.sendall(b"GET /spare/env HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            until(lambda: backlog(d.socket) > waiting, "the door was there")
            until(lambda: not [p for p in doors() if alive(p)], "no door runs")
            s.setblocking(False)
            with pytest.raises(BlockingIOError):
                s.recv(1)
            s.setblocking(True)
            s.settimeout(30)
        assert s.recv(100).startswith(b"HTTP/1.1 202")


def backlog(path):
    """Connections that this socket's listener has not yet seen, or sees right now."""
    with open("/proc/net/unix") as f:
        return sum(line.rstrip().endswith(path) for line in f)


@pytest.mark.skipif(not ROOT, reason="needs another user's limit")
def test_doors_in_flight(make, world):
    """the 513th door's sendmsg fails with ETOOMANYREFS: it tries again until its deadline"""
    d = make()
    with Stopped(d):
        doors = [subprocess.Popen(["prlimit", "--nofile=256:256", world.door],
                                  user=WEB_USER, group=WEB_USER, extra_groups=[],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  env=door_env(d.socket, "GET", "/env")) for _ in range(180)]
        done = lambda: sum(p.poll() is not None for p in doors)
        until(lambda: done() >= 100, "the first ones are through", 100)
    answers = [parse_cgi(p.stdout.read()) for p in doors]
    for p in doors:
        assert p.wait(60) == 0
        p.stdout.close()
    assert {a.status for a in answers} <= {202, 503}
    assert sum(a.status == 202 for a in answers) >= 100
    assert all(d.wait(a.id).status == 200 for a in answers if a.status == 202)


def test_door_deadline(world, tmp_path):
    """not taking the request within the door's deadline: 503 + Retry-After, from defer.cgi"""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        fillers = []
        while True:     # until the backlog is full
            s = socket.socket(socket.AF_UNIX)
            fillers.append(s)
            s.setblocking(False)
            try:
                s.connect(path)
            except BlockingIOError:
                break
        start = time.monotonic()
        done = subprocess.run([world.door], input=b"x" * 200_000, stdout=subprocess.PIPE,
                              env=door_env(path, "POST", "/sh", length=200_000), timeout=60)
        for s in fillers:
            s.close()
    answer = parse_cgi(done.stdout)
    assert answer.status == 503 and int(answer.get("Retry-After")) > 0
    assert answer.json["status"] == 503
    assert time.monotonic() - start < 30


def rss_kib(pid):
    return int(field(pid, "VmRSS").split()[0])


def test_nothing_is_left_over(make, world):
    """no descriptor, memory or process left over after a hundred thousand tasks"""
    number = 100_000 if LONG else 2000
    d = make(keep=1, queue=1000,
             routes='route "/cat/*" {{ exec = "{cgi}/cat.cgi" }}\n' + answer_route())
    family = [d.launcher(), d.master(), *d.workers()]
    spool = world.path("spare", "spool")
    others = set(os.listdir(spool))     # what tests before this one have left

    def batch(count, offset):
        requests = []
        for i in range(offset, offset + count):
            body = b"x" * (70_000 if i % 50 == 0 else 10)
            requests.append(unix_request(
                d.socket, scgi_head("POST", f"/{'cat' if i % 5 == 0 else 'n'}/{i}",
                                    length=len(body)) + body))
        answers = at_once(requests)
        assert all(a.status == 202 for a in answers)
        for a in answers:       # on a busy machine one may have expired before its turn
            done = until(lambda: (now := d.status(a.id)).status != 202 and now, "it has ended", 60)
            assert done.status in (200, 404)

    def settled():
        last = d.submit("/cat/last", b"x" * 100_000)
        until(lambda: d.status(last).status == 404, "the last one expired")
        until(lambda: set(os.listdir(spool)) <= others, "the spool is empty")
        return {p: descriptors(p) for p in family}, {p: rss_kib(p) for p in family}

    for i in range(4):
        batch(250, i * 250)
    fds, rss = settled()
    for i in range(number // 250):
        batch(250, 1000 + i * 250)
    fds_after, rss_after = settled()
    print(f"launcher, master, workers: {number} tasks later, "
          f"descriptors {[*fds.values()]} -> {[*fds_after.values()]}, "
          f"KiB {[*rss.values()]} -> {[*rss_after.values()]}")
    assert fds_after == fds
    if not SANITIZED:
        # threads that had no work before touch their stacks now: that is no leak
        assert all(rss_after[p] - rss[p] < 2048 for p in family), (rss, rss_after)
    assert [d.launcher(), d.master(), *d.workers()] == family
    assert not [p for p in d.world.processes() if p not in family
                and parent_of(p) in family], "children left"


def parent_of(pid):
    try:
        return int(field(pid, "PPid"))
    except OSError:
        return None
