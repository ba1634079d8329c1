"""
contract.md 2, last paragraph: a finished response with status 200 gets a strong ETag, and
obeys If-None-Match, Range and If-Range; so a download that broke off is resumed.
"""

import hashlib
import os
import random
import re
import subprocess

import pytest

from client import TIMEOUT, sha256_file, until
from harness import SANITIZED, ended, field, find_build
from servers import ApacheCgid, KINDS

SMALL = 5000                # kept in memory, and so sent
LARGE = 20 * 1000 * 1000    # kept and sent as a file
STRONG = re.compile(r'"[0-9a-f]{32}"\Z')


def binary(size):
    return random.Random(size).randbytes(size)


def finish(server, answer):
    """Waits for the end without reading the response; gives the link."""
    assert answer.status == 202, answer
    link = answer.get("Location")
    until(lambda: ended(server.curl(link, method="HEAD")), "it ended", 240)
    return link


def sh(server, code):
    return finish(server, server.curl("/jobs/sh", body=code.encode()))


def cat(server, body):
    return finish(server, server.curl("/jobs/cat", body=body))


def break_off(url, path, at):
    """Downloads so many bytes, and hangs up in the middle of the response."""
    with open(path, "wb") as f, \
            subprocess.Popen(["curl", "-q", "-s", "--noproxy", "*", "--max-time", str(TIMEOUT),
                              url], stdout=subprocess.PIPE, bufsize=0) as curl:
        left = at
        while left and (chunk := curl.stdout.read(left)):
            left -= f.write(chunk)
        curl.stdout.close()
    assert left == 0 and curl.returncode != 0


def resume(url, path, *options, timeout=TIMEOUT):
    """What a user types; gives the status."""
    done = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", "-f", "-C", "-", "-o", path,
                           "-w", "%{http_code}", *options, url], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout)
    assert done.returncode == 0, done
    return int(done.stdout)


def test_resume(shared, server, tmp_path):
    """a large download can be resumed: `curl -C -`, byte for byte"""
    body, path = binary(LARGE), str(tmp_path / "got")
    link = cat(server, body)
    break_off(server.url + link, path, LARGE // 4)
    assert resume(server.url + link, path) == 206
    with open(path, "rb") as f:
        assert f.read() == body
    # once more: there is nothing left to fetch
    assert server.curl(link, headers=[f"Range: bytes={LARGE}-"]).status == 416


def test_resume_1_gb(shared, start_server, tmp_path):
    """a broken download of a 1 GB result is resumed; nobody holds it in memory"""
    server, path = start_server("apache-mod_cgid"), str(tmp_path / "got")
    hole = 333 * 1000 * 1000
    code = ("printf 'Content-Type: x/y\\n\\n'\n" +
            f"for i in 1 2 3; do head -c {hole} /dev/zero; echo mark $i; done\n")
    digest = hashlib.sha256()
    zeros = bytes(1000 * 1000)
    for i in (1, 2, 3):
        for _ in range(hole // len(zeros)):
            digest.update(zeros)
        digest.update(b"mark %d\n" % i)
    link = sh(server, code)
    break_off(server.url + link, path, 3 * 1000 * 1000)
    assert resume(server.url + link, path, timeout=300) == 206
    assert os.path.getsize(path) == 3 * (hole + len("mark 1\n"))
    assert sha256_file(path) == digest.hexdigest()
    os.unlink(path)
    assert server.curl(link, method="DELETE").status == 204
    assert SANITIZED or int(field(shared.master(), "VmHWM").split()[0]) < 40_000


def test_resume_after_a_restart(make, world):
    """the ETag is the same for the task's life, also for another master"""
    if not find_build("deferd-check"):
        pytest.skip("built without SQLite")
    d = make(store=f"sqlite:{world.path('out', 'ranges.db')}")
    body = binary(300_000)
    task = d.submit("/cat", body)
    first = d.wait(task)
    assert first.body == body and STRONG.match(first.get("ETag"))
    d.stop()
    d.start()
    again = d.request("GET", f"/status/{task}", extra=[
        ("HTTP_RANGE", "bytes=100000-"), ("HTTP_IF_RANGE", first.get("ETag"))])
    assert (again.status, again.body) == (206, body[100_000:])
    assert again.get("ETag") == first.get("ETag")


@pytest.mark.parametrize("size", [SMALL, 200_000], ids=["memory", "file"])
def test_range(shared, server, size):
    """single Range: 206 with that part, through every server; no filter garbles it"""
    body = binary(size)
    link = cat(server, body)
    whole = server.curl(link)
    assert (whole.status, whole.body, whole.get("Accept-Ranges")) == (200, body, "bytes")
    assert STRONG.match(whole.get("ETag")) and len(whole.all("ETag")) == 1
    for asked, first, last in ((f"0-{size - 1}", 0, size - 1), ("0-0", 0, 0),
                               ("100-", 100, size - 1), ("-100", size - 100, size - 1),
                               ("1000-1999", 1000, 1999), (f"10-{10 * size}", 10, size - 1)):
        part = server.curl(link, headers=[f"Range: bytes={asked}"])
        assert (part.status, part.body) == (206, body[first:last + 1]), asked
        assert part.all("Content-Range") == [f"bytes {first}-{last}/{size}"]
        assert part.get("Content-Length") in (str(last + 1 - first), None)
        assert part.get("ETag") == whole.get("ETag")
        assert part.get("Content-Type") == "application/octet-stream"
        assert part.state == "succeeded" and part.id in link


def test_head_has_no_range(shared, server):
    """HEAD answers as GET without body; Range is for GET (RFC 9110 14.2)"""
    link = cat(server, binary(SMALL))
    whole = server.curl(link)
    head = server.curl(link, method="HEAD", headers=["Range: bytes=0-9"])
    assert (head.status, head.body) == (200, b"")
    assert head.get("ETag") == whole.get("ETag")
    assert head.get("Accept-Ranges") == "bytes"


def test_if_range(shared, server):
    """If-Range: a part of the same response, else the whole of another"""
    body = binary(SMALL)
    link = cat(server, body)
    etag = server.curl(link).get("ETag")
    for value, status in ((etag, 206), (f"W/{etag}", 200), ('"other"', 200),
                          (f'{etag[:-1]}-gzip"', 200),
                          ("Tue, 14 Nov 2023 22:13:20 GMT", 200)):
        answer = server.curl(link, headers=["Range: bytes=10-19", f"If-Range: {value}"])
        assert answer.status == status, value
        assert answer.body == (body[10:20] if status == 206 else body), value


def test_if_none_match(shared, server):
    """If-None-Match: 304 without body, to GET and HEAD; else the response"""
    body = binary(SMALL)
    link = cat(server, body)
    etag = server.curl(link).get("ETag")
    for value in (etag, f"W/{etag}", f'"a", {etag}', "*", f'{etag[:-1]}-gzip"'):
        for method in ("GET", "HEAD"):
            answer = server.curl(link, method=method, headers=[f"If-None-Match: {value}"])
            assert (answer.status, answer.body) == (304, b""), value
            assert answer.get("ETag") == etag
            assert answer.id in link and answer.state == "succeeded"
    both = server.curl(link, headers=[f"If-None-Match: {etag}", "Range: bytes=0-9"])
    assert both.status == 304
    other = server.curl(link, headers=['If-None-Match: "other"'])
    assert (other.status, other.body) == (200, body)


def test_unsatisfiable(shared, server):
    """a range that is not there: 416 says how long the response is"""
    link = cat(server, binary(SMALL))
    for asked in (f"{SMALL}-", f"{SMALL}-{SMALL + 9}", "-0"):
        answer = server.curl(link, headers=[f"Range: bytes={asked}"])
        assert answer.status == 416, asked
        assert answer.all("Content-Range") == [f"bytes */{SMALL}"]
        assert answer.get("Content-Type") == "application/problem+json"
        assert answer.json["status"] == 416 and answer.json["task"] == answer.id


def test_ignored_ranges(shared):
    """single Range: several, other units, bad syntax give the whole response"""
    body = binary(SMALL)
    task = shared.submit("/cat", body)
    shared.wait(task)
    for value in ("bytes=10-19,30-39", "lines=0-9", "bytes=9-0", "bytes=a-b", "bytes", ""):
        answer = shared.request("GET", f"/status/{task}", extra=[("HTTP_RANGE", value)])
        assert (answer.status, answer.body) == (200, body), value
        assert answer.get("Content-Range") is None


def test_several_ranges(shared, server):
    """single Range: what a web server makes of several is right"""
    body = binary(SMALL)
    link = cat(server, body)
    answer = server.curl(link, headers=["Range: lines=0-9"])
    assert (answer.status, answer.body) == (200, body)
    answer = server.curl(link, headers=["Range: bytes=10-19,4000-4009"])
    if answer.status == 206:        # it may cut a 200 by itself
        assert answer.get("Content-Type").startswith("multipart/byteranges")
        assert body[10:20] in answer.body and body[4000:4010] in answer.body
    else:
        assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("head", [
    "Status: 404 Not Found\\nContent-Type: x/y", "Status: 201 Created\\nContent-Type: x/y"])
def test_other_statuses_have_no_ranges(shared, head):
    """status 200 only: a 404 of the task is not cut, and has no tag"""
    task = shared.sh(f"printf '{head}\\n\\nhello, world'")
    status = shared.wait(task).status
    for name, value in (("HTTP_RANGE", "bytes=0-4"), ("HTTP_IF_NONE_MATCH", "*")):
        answer = shared.request("GET", f"/status/{task}", extra=[(name, value)])
        assert (answer.status, answer.body) == (status, b"hello, world")
        assert answer.get("ETag") is None and answer.get("Accept-Ranges") is None


def test_range_on_a_404(shared, server):
    """status 200 only: a Range does not reach a task's 404, whatever the server"""
    link = sh(server, "printf 'Status: 404 Not Found\\nContent-Type: x/y\\n\\nhello, world'")
    answer = server.curl(link, headers=["Range: bytes=0-4"])
    assert (answer.status, answer.body) == (404, b"hello, world")
    assert answer.get("Content-Range") is None and answer.state == "succeeded"


def test_own_tag_is_left_alone(shared):
    """that brings none of its own: whoever makes tags also answers for them"""
    task = shared.sh("printf 'Content-Type: x/y\\nETag: \"own\"\\n\\nhello, world'")
    assert shared.wait(task).all("ETag") == ['"own"']
    for name, value in (("HTTP_RANGE", "bytes=0-4"), ("HTTP_IF_NONE_MATCH", '"own"')):
        answer = shared.request("GET", f"/status/{task}", extra=[(name, value)])
        assert (answer.status, answer.body) == (200, b"hello, world")
        assert answer.all("ETag") == ['"own"'] and answer.get("Accept-Ranges") is None


def test_not_before_the_end(shared):
    """finished responses only: a Range on a 202, and a task's own Range, mean nothing"""
    d = shared
    task = d.submit("/sh", b"env >&2; sleep 0.5; printf 'Content-Type: x/y\\n\\nhello'",
                    extra=[("HTTP_RANGE", "bytes=0-1"), ("HTTP_IF_NONE_MATCH", "*")])
    early = d.request("GET", f"/status/{task}", extra=[("HTTP_RANGE", "bytes=0-4"),
                                                       ("HTTP_IF_NONE_MATCH", "*")])
    assert early.status == 202 and early.json["id"] == task and early.get("ETag") is None
    assert d.wait(task).body == b"hello"
    assert d.wait(d.sh("exit 1")).get("ETag") is None


def test_location_of_a_200(shared, server):
    """`Status: 200` + `Location`: kept behind Apache too, of a part as well"""
    link = sh(server, "printf 'Status: 200 OK\\nContent-Type: x/y\\nLocation: /kept\\n\\n"
                      "hello, world'")
    answer = server.curl(link, headers=["Range: bytes=7-"])
    assert (answer.status, answer.body) == (206, b"world")
    assert answer.get("Location") == "/kept" and answer.get("Deferd-Location") is None


class ApacheDeflate(ApacheCgid):
    """One that compresses what a client lets it."""
    name = "apache-mod_deflate"
    modules = ApacheCgid.modules + ("filter", "deflate")

    def extra(self):
        return super().extra() + "SetOutputFilter DEFLATE\n"


def test_mod_deflate(shared, world, start_server):
    """mod_deflate changes an ETag to `...-gzip`: 304 by it, no part of other bytes"""
    start_server(next(iter(KINDS)))     # skips where there is no Apache
    server = ApacheDeflate(world).start()
    try:
        body = b"hello, world\n" * 1000
        link = cat(server, body)
        packed = server.curl(link, headers=["Accept-Encoding: gzip"])
        assert packed.get("Content-Encoding") == "gzip" and packed.size < len(body) // 2
        etag = packed.get("ETag")
        assert etag.endswith('-gzip"')
        answer = server.curl(link, headers=["Accept-Encoding: gzip", f"If-None-Match: {etag}"])
        assert (answer.status, answer.body) == (304, b"")
        answer = server.curl(link, headers=["Range: bytes=5-9", f"If-Range: {etag}"])
        assert (answer.status, answer.body) == (200, body)
        for more in ([], ["Accept-Encoding: gzip"]):
            part = server.curl(link, headers=["Range: bytes=5-9"] + more)
            assert (part.status, part.body) == (206, body[5:10])
            assert part.get("Content-Encoding") is None
    finally:
        server.stop()
