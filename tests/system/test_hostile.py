"""Peers that mean harm, or only die at the wrong moment."""

import os
import random
import select
import socket
import struct
import time

import pytest

from client import connect, netstring, parse_cgi, read_all, scgi_head, send_fds, until
from harness import descriptors

HELLO = b"printf 'Content-Type: text/plain\\n\\nhello'"


def closed_within(s, seconds):
    """Reads until the peer closes; what it said."""
    start, data = time.monotonic(), b""
    s.settimeout(seconds)
    try:
        data = read_all(s)
    except ConnectionResetError:
        pass
    assert time.monotonic() - start < seconds
    return data


def patience(d):
    """The seconds that a peer has for its head, if this one is looked at in time."""
    start = time.monotonic()
    with connect(d.socket) as s:
        closed_within(s, 30)
    return time.monotonic() - start


def check_alive(d):
    assert d.wait(d.submit("/sh", HELLO)).body == b"hello"


def has_hung_up(fd):
    """Whether the other end of this pipe or connection is closed, though not all of it is read."""
    p = select.poll()
    p.register(fd, select.POLLIN)
    return bool(dict(p.poll(0)).get(fd, 0) & select.POLLHUP)


def test_says_nothing(make):
    """A peer that connects and says nothing (deadline); others are served meanwhile"""
    d = make(head_deadline=1)
    silent = [connect(d.socket) for _ in range(200)]
    check_alive(d)
    for s in silent:
        closed_within(s, 30)
        s.close()
    until(lambda: 0.9 < patience(d) < 8, "the deadline is that of the settings, not 10 s")


def test_one_byte_at_a_time(make):
    """The deadline is for the whole head, not for each byte of it"""
    d = make(head_deadline=1)
    head = scgi_head("GET", "/sh")
    start = time.monotonic()
    with connect(d.socket) as s:
        try:
            for byte in head * 100:
                s.sendall(bytes([byte]))
                time.sleep(0.05)
                assert time.monotonic() - start < 30, "nobody closed"
        except (BrokenPipeError, ConnectionResetError):
            pass
    check_alive(d)


def test_body_stalls(make):
    """A body that stops arriving: 400 after body-deadline, and no task"""
    d = make(body_deadline=1, max_tasks=1)
    with connect(d.socket) as s:
        s.sendall(scgi_head("POST", "/sh", length=100) + b"half")
        data = closed_within(s, 30)
    assert data == b"" or parse_cgi(data).status in (400, 408)
    check_alive(d)


def test_reader_that_never_reads(make):
    """An answer that nobody reads is given up after send-deadline"""
    d = make(send_deadline=1)
    task = d.sh("printf 'Content-Type: x/y\\n\\n'; head -c 30000000 /dev/zero")
    until(lambda: d.status(task, "HEAD").state == "succeeded", "it is done")
    before = descriptors(d.master())
    with connect(d.socket) as s:
        s.sendall(scgi_head("GET", f"/status/{task}"))
        until(lambda: has_hung_up(s.fileno()), "it gave up", 40)      # of 60
        assert 1000 < len(read_all(s)) < 3_000_000, "it was sending"
    until(lambda: descriptors(d.master()) <= before, "nothing stays open")
    check_alive(d)


def test_head_of_10_mb(shared):
    """sends a head of 10 MB: refused as soon as its length is read"""
    for data in (b"10485760:" + b"x" * 10485760, netstring(b"A\0" + b"x" * 10485760 + b"\0"),
                 b"1" * 10485760):
        with connect(shared.socket) as s:
            try:
                s.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = closed_within(s, 30)
            assert not answer or parse_cgi(answer).status in (400, 431)
    with connect(shared.socket) as s:
        s.sendall(b"10485760:")
        assert parse_cgi(read_all(s)).status == 431
    check_alive(shared)


def test_garbage(shared):
    """garbage"""
    rng = random.Random(7)
    good = scgi_head("POST", "/sh", length=5) + b"exit\n"
    for i in range(300):
        data = bytearray(good)
        if i % 3 == 0:
            data = bytearray(rng.randbytes(rng.randrange(1, 500)))
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with connect(shared.socket) as s:
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                answer = closed_within(s, 30)
            except (BrokenPipeError, OSError):
                continue
            assert not answer or parse_cgi(answer).status in (202, 400, 404, 405, 431), answer
    check_alive(shared)


def test_wrong_descriptors(make, tmp_path):
    """wrong descriptors: exactly two, else drop; FIFO, stream socket, regular file or /dev/null"""
    d = make()
    head = scgi_head("POST", "/sh", length=len(HELLO))
    datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    before = descriptors(d.master())
    for what in ("one", "three", "four", "ten", "directory", "zero", "null as output", "datagram",
                 "seqpacket", "epoll", "write end as input", "read end as output"):
        in_r, in_w = os.pipe()
        out_r, out_w = os.pipe()
        os.write(in_w, HELLO)
        os.close(in_w) if what != "write end as input" else None
        opened = []

        def fd(path):
            opened.append(os.open(path, os.O_RDONLY))
            return opened[-1]
        if what == "epoll":
            opened.append(__import__("select").epoll().fileno())
        pair = {"one": [in_r], "three": [in_r, out_w, in_r], "four": [in_r, out_w] * 2,
                "ten": [in_r, out_w] * 5, "write end as input": [in_w, out_w],
                "read end as output": [in_r, out_r]}.get(what)
        if pair is None:
            if what == "directory":
                pair = [fd("/"), out_w]
            elif what == "zero":
                pair = [fd("/dev/zero"), out_w]
            elif what == "null as output":
                opened.append(os.open("/dev/full", os.O_WRONLY))
                pair = [in_r, opened[-1]]
            elif what == "datagram":
                pair = [datagram.fileno(), out_w]
            elif what == "seqpacket":
                pair = [listening.fileno(), out_w]
            else:
                epoll = __import__("select").epoll()
                pair = [epoll.fileno(), out_w]
        with connect(d.socket) as s:
            try:
                send_fds(s, head, pair)
            except OSError:
                pass
            closed_within(s, 30)
        for n in {in_r, out_w, *opened} | ({in_w} if what == "write end as input" else set()):
            try:
                os.close(n)
            except OSError:
                pass
        data = os.read(out_r, 65536) if what != "read end as output" else b""
        assert b"202" not in data[:20], f"{what}: accepted"
        os.close(out_r)
    until(lambda: descriptors(d.master()) <= before, "no descriptor stays in the master")
    check_alive(d)


def test_descriptors_on_a_later_byte(make):
    """Descriptors that come in the middle of a head stay nowhere, whatever is made of them"""
    d = make()
    before = descriptors(d.master())
    head = scgi_head("POST", "/sh", length=len(HELLO))
    in_r, in_w = os.pipe()
    out_r, out_w = os.pipe()
    os.write(in_w, HELLO)
    with connect(d.socket) as s:
        s.sendall(head[:10])
        until(lambda: descriptors(d.master()) > before, "it listens")
        try:
            send_fds(s, head[10:], [in_r, out_w])
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        closed_within(s, 30)
    for fd in (in_r, in_w, out_w):
        os.close(fd)
    with open(out_r, "rb") as out:
        out.read()      # up to its end: nobody else has it open
    until(lambda: descriptors(d.master()) <= before, "closed")
    check_alive(d)


def raw(server):
    s = socket.create_connection(("127.0.0.1", server.port), 30)
    return s


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


@pytest.mark.parametrize("how", [socket.socket.close, reset], ids=["close", "reset"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_upload_aborted(world, make, server, chunked, how):
    """An upload aborted half-way, chunked or not, makes no task"""
    mark = world.path("out", "aborted")
    world.script("mark", f"#!/bin/sh\ntouch {mark}\nprintf 'Content-Type: x/y\\n\\n'\n")
    world.script("well", "#!/bin/sh\nprintf 'Content-Type: x/y\\n\\n'\n")
    d = make(max_tasks=1)
    master = d.master()
    before = descriptors(master)
    with raw(server) as s:
        half = b"x" * 100_000
        if chunked:
            kind = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(half) + half + b"\r\n400\r\nxx"
        else:
            kind = b"Content-Length: 200000\r\n\r\n" + half
        s.sendall(b"POST /spare/run/mark HTTP/1.1\r\nHost: x\r\n" + kind)
        if server.name in ("apache-mod_cgid", "apache-mod_cgi"):
            until(lambda: descriptors(master) > before, "the daemon has the request")
        how(s)
    until(lambda: descriptors(master) <= before, "the daemon has let it go", 70)
    # there is room for one task, and no other took it
    answer = until(lambda: (a := server.curl("/spare/run/well")).status == 202 and a, "accepted")
    assert d.wait(answer.id).state == "succeeded"
    assert not os.path.exists(mark)


def test_upload_aborted_at_the_door(world, make):
    """The same at the socket itself: the stream ends before CONTENT_LENGTH"""
    d = make(max_tasks=1)
    before = descriptors(d.master())
    for hard in (False, True):
        with connect(d.socket) as s:
            s.sendall(scgi_head("POST", "/sh", length=100_000) + b"x" * 50_000)
            until(lambda: descriptors(d.master()) > before, "it reads")
            if hard:
                reset(s)
        until(lambda: descriptors(d.master()) <= before, "it let go")
    check_alive(d)


def test_client_leaves_half_way(world, make, server):
    """A client that leaves half-way through a response: the next one gets it whole"""
    d = make()
    size = 20_000_000
    task = d.sh(f"printf 'Content-Type: x/y\\n\\n'; head -c {size} /dev/zero")
    until(lambda: d.status(task, "HEAD").state == "succeeded", "it is done")
    before = descriptors(d.master())
    for _ in range(3):
        with raw(server) as s:
            s.sendall(b"GET /spare/status/%s HTTP/1.1\r\nHost: x\r\n\r\n" % task.encode())
            assert s.recv(1000).startswith(b"HTTP/1.1 200")
            reset(s)
    until(lambda: descriptors(d.master()) <= before, "the daemon has noticed", 70)
    answer = server.curl(f"/spare/status/{task}", large=True)
    assert (answer.status, answer.size) == (200, size)


def test_client_leaves_after_its_request(world, make):
    """Whoever leaves before the 202 has no promise, and does no harm"""
    d = make()
    before = descriptors(d.master())
    for _ in range(100):
        with connect(d.socket) as s:
            s.sendall(scgi_head("POST", "/sh", length=len(HELLO)) + HELLO)
    until(lambda: descriptors(d.master()) <= before, "all are gone")
    check_alive(d)


def test_lying_client_through_servers(shared, server):
    """What a client can say in headers never becomes the daemon's own variables"""
    answer = server.curl("/jobs/env", headers=["Deferd-Socket: /x", "Script-Name: /evil",
                                               "Content-Length-X: 7"])
    env = dict(p.split("=", 1) for p in shared.wait(answer.id).body.decode().split("\0") if p)
    assert env["SCRIPT_NAME"] == "/jobs/env" and env.get("DEFERD_SOCKET") is None


def test_pipelining_after_a_request(shared, start_server):
    """A second request in the same packet is a second request"""
    for name in ("apache-mod_cgid", "nginx"):
        with raw(start_server(name)) as s:
            one = b"POST /jobs/cat HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
            s.sendall(one + b"\r\nhello" + one + b"Connection: close\r\n\r\nagain")
            assert read_all(s).count(b"HTTP/1.1 202") == 2
