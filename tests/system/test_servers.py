"""
lessons.md, "the servers differ": what each line of its table means for deferd.

Lines with a test elsewhere: bodies and their kinds of descriptors
(test_bodies), aborted uploads (test_hostile), refusing with a body unread
(test_contract: max-body), Location and dropped headers (test_exec), what a
server sends at all (test_fixtures).
"""

import socket

import pytest

from client import read_all, until
from servers import Nginx


def environment(d, answer):
    assert answer.status == 202, answer
    done = d.wait(answer.id)
    return dict(p.split("=", 1) for p in done.body.decode("latin-1").split("\0") if p)


def test_proxy_header(shared, server):
    """`Proxy:` header arrives as HTTP_PROXY: never in a task (httpoxy)"""
    env = environment(shared, server.curl("/jobs/env", headers=["Proxy: http://evil"]))
    assert "HTTP_PROXY" not in env


def test_authorization(shared, server):
    """Authorization: only with CGIPassAuth On; passed by nginx and lighttpd"""
    env = environment(shared, server.curl("/jobs/env", headers=["Authorization: Basic eDp5"]))
    assert ("HTTP_AUTHORIZATION" in env) == (not server.name.startswith("apache"))


def test_remote_user(shared, server):
    """`$remote_user` without authentication: no snippet passes what a client claims"""
    env = environment(shared, server.curl("/jobs/env", "-u", "root:x"))
    assert env.get("REMOTE_USER", "") == ""


def test_repeated_header(shared, server):
    """repeated request header: joined, also when the server sends the name twice"""
    env = environment(shared, server.curl("/jobs/env", headers=["X-R: a", "X-R: b"]))
    assert env["HTTP_X_R"] == "a, b"


def test_repeated_cookie(shared, server):
    """repeated HTTP_* are joined with ", " (Cookie with "; ")"""
    env = environment(shared, server.curl("/jobs/env", headers=["Cookie: a=1", "Cookie: b=2"]))
    assert env["HTTP_COOKIE"].replace(" ", "") in ("a=1;b=2", "a=1,b=2")
    if server.name == "nginx":
        assert env["HTTP_COOKIE"] == "a=1; b=2"


@pytest.mark.parametrize("url, info", [
    ("/jobs/env/a/b", "/a/b"), ("/jobs/env/a%20b", "/a b"), ("/jobs/env/%C3%A9", "/\xc3\xa9"),
    ("/jobs/env/a%2525b", "/a%25b"), ("/jobs/env/a+b", "/a+b")])
def test_path(shared, server, url, info):
    """SCRIPT_NAME / PATH_INFO: the same at the task behind every server; decoded once"""
    env = environment(shared, server.curl(url))
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == ("/jobs/env", info)


@pytest.mark.parametrize("url", ["/jobs/env/%00", "/jobs/env/a%00b", "/jobs/cat/..%2f..%2fenv",
                                 "/jobs/%2e%2e/%2e%2e/etc/passwd", "/jobs/env/%0d%0aX:y"])
def test_evil_path(shared, server, url):
    """Decode a path once; refuse %00, control characters, `..`"""
    answer = server.curl(url)
    assert answer.status in (400, 403, 404), answer


def test_root_of_the_mount(make, server):
    """An empty path is "/" """
    d = make(routes='route "/*" {{ exec = "{cgi}/env.cgi" }}')
    env = environment(d, server.curl("/spare/"))
    assert env["PATH_INFO"] == "/"
    answer = server.curl("/spare")
    assert answer.status == 202 or (answer.status == 301 and server.name == "nginx"), answer


def test_query_is_not_decoded(shared, server):
    env = environment(shared, server.curl("/jobs/env?a=%26&b=%20+c"))
    assert env["QUERY_STRING"] == "a=%26&b=%20+c"


class Unbuffered(Nginx):
    """nginx with scgi_request_buffering off, which the snippet warns of."""

    name = "nginx-unbuffered"

    def snippet(self, mount, sock):
        return super().snippet(mount, sock).replace("scgi_pass", "scgi_request_buffering off;\n"
                                                    "scgi_pass", 1)


def test_nginx_unbuffered(world, make, start_server):
    """CONTENT_LENGTH = what had arrived so far (5 of 50): refused, never a task with 5 bytes"""
    start_server("nginx")       # or skip
    d = make(max_tasks=1)
    server = Unbuffered(world).start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), 30) as s:
            s.sendall(b"POST /spare/cat HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                      b"Content-Length: 50\r\n\r\n12345")
            until(lambda: s.recv(1, socket.MSG_PEEK) or True, "it answers")
            answer = read_all(s)
        if answer.startswith(b"HTTP/1.1 202"):
            raise AssertionError(f"half a body became a task: {answer!r}")
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 5")), answer
    finally:
        server.stop()
    assert d.wait(d.submit("/cat", b"whole")).body == b"whole"


def test_mod_proxy_scgi_refuses_chunked(shared, start_server):
    """chunked request body: 411 of Apache's own, as the snippet says"""
    answer = start_server("apache-mod_proxy_scgi").curl("/jobs/cat", body=b"x", chunked=True)
    assert answer.status == 411
