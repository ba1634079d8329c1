"""Bodies of every size, both ways, through every server: what goes in comes out."""

import hashlib
import http.client
import os
import random
import subprocess

import pytest

from client import Answer, connect, door_env, read_all, scgi_head, until
from harness import ROUTES, SANITIZED, ended, field

SIZES = [0, 1, 65535, 65536, 65537, 1_000_000]
BIG = 300 * 1000 * 1000


def binary(size):
    return random.Random(size).randbytes(size)


def follow(server, answer, **more):
    assert answer.status == 202, answer
    link = answer.get("Location")
    until(lambda: ended(server.curl(link, method="HEAD")), "it ended", 240)
    return server.curl(link, **more)


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back(shared, server, size):
    """bodies of 0, 1, 64 KiB +- 1, binary, request and response"""
    body = binary(size)
    done = follow(server, server.curl("/jobs/cat", body=body))
    assert done.status == 200 and done.body == body
    assert done.get("Content-Length") in (str(size), None)


def no_chunks(server):
    """A chunked body with nothing in it; curl never ends one."""
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    c.request("POST", "/jobs/cat", body=iter([]), encode_chunked=True,
              headers={"Transfer-Encoding": "chunked"})
    reply = c.getresponse()
    answer = Answer(reply.status, reply.getheaders(), reply.read())
    c.close()
    return answer


@pytest.mark.parametrize("size", SIZES)
def test_chunked(shared, server, size):
    """chunked too"""
    body = binary(size)
    answer = server.curl("/jobs/cat", body=body, chunked=True) if body else no_chunks(server)
    if server.chunked == "411":
        assert answer.status == 411
        return
    assert follow(server, answer).body == body


def test_without_any_body(shared, server):
    """empty: /dev/null; CONTENT_LENGTH is the true length"""
    for method, body in (("GET", None), ("DELETE", None), ("POST", b"")):
        assert follow(server, server.curl("/jobs/cat", method=method, body=body)).size == 0


@pytest.fixture(scope="session")
def big_file(tmp_path_factory):
    """300 MB that no compression and no hole makes smaller than they are."""
    path = tmp_path_factory.mktemp("big") / "big"
    block = random.Random(1).randbytes(1000 * 1000)
    digest = hashlib.sha256()
    with open(path, "wb") as f:
        for i in range(BIG // len(block)):
            piece = i.to_bytes(4, "big") + block[4:]
            f.write(piece)
            digest.update(piece)
    yield str(path), digest.hexdigest()
    os.unlink(path)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_300_mb(shared, server, big_file, chunked):
    """300 MB, request and response; nobody holds it in memory"""
    if chunked and server.name not in ("apache-mod_cgid", "apache-mod_cgi"):
        pytest.skip("the server makes a body with a length of it")
    path, digest = big_file
    answer = server.curl("/jobs/cat", file=path, chunked=chunked, timeout=240)
    done = follow(server, answer, large=True, timeout=240)
    assert (done.size, done.digest) == (BIG, digest)
    assert shared.status(answer.id, "DELETE").status == 204
    for pid in [shared.master(), *shared.workers()]:
        peak_kib = int(field(pid, "VmHWM").split()[0])
        assert SANITIZED or peak_kib < 40_000, "a body was held in memory"


def test_content_length_of_a_script(shared):
    """Content-Length recomputed; one that disagrees: failed"""
    good = shared.run("printf 'Content-Type: x/y\\nContent-Length: 5\\n\\nhello'")
    assert good.all("Content-Length") == ["5"] and good.body == b"hello"
    for wrong in (4, 6):
        bad = shared.run(f"printf 'Content-Type: x/y\\nContent-Length: {wrong}\\n\\nhello'")
        assert (bad.status, bad.state) == (500, "failed")


def test_max_response(make):
    """response over max-response: failed, reason says so"""
    d = make(max_response="100K")
    code = "printf 'Content-Type: x/y\\n\\n'; head -c {} /dev/zero"
    assert d.run(code.format(102400)).size == 102400
    done = d.run(code.format(102401))
    assert (done.status, done.state) == (500, "failed")
    assert "max-response" in done.json["detail"] or "large" in done.json["detail"]


def test_more_body_than_its_length(shared):
    """A peer that sends more than CONTENT_LENGTH: the rest is not read as anything"""
    with connect(shared.socket) as s:
        s.sendall(scgi_head("POST", "/cat", length=5) + b"hello, and more")
        try:
            assert b"202" in read_all(s)[:20]
        except ConnectionResetError:
            pass


def test_regular_file_as_stdin(world, shared, tmp_path):
    """lighttpd hands a regular file: it is read from where it stands, never polled"""
    path = tmp_path / "body"
    path.write_bytes(b"skipped" + b"z" * 100_000)
    with open(path, "rb", buffering=0) as f:
        f.seek(7)
        out = subprocess.run([world.door], stdin=f, stdout=subprocess.PIPE, timeout=30,
                             env=door_env(shared.socket, "POST", "/cat", "/jobs", 100_000)).stdout
    assert b"Status: 202" in out
    task = out.decode().split("Deferd-Task: ")[1][:32]
    assert shared.wait(task).body == b"z" * 100_000


def test_spool_is_empty_afterwards(world, make):
    """large bodies leave no file behind: removed, expired, failed"""
    d = make(keep=1, routes=ROUTES + 'route "/kept" {{ exec = "{cgi}/cat.cgi" keep = 600 }}\n')
    removed = d.submit("/kept", binary(200_000))
    tasks = [d.submit("/cat", binary(200_000)) for _ in range(5)]
    tasks.append(d.submit("/sh", b"exit 1\n" + b"#" * 200_000))
    tasks.append(d.sh("head -c 200000 /dev/zero"))
    d.wait(removed)
    assert d.status(removed, "DELETE").status == 204
    until(lambda: all(d.status(t).status == 404 for t in tasks), "all expired")
    until(lambda: not os.listdir(world.path("spare", "spool")), "the spool is empty")
