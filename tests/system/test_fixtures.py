"""
The snippets of examples/ against a fake daemon: every server reaches the
socket, and says what lessons.md has in its table ("the servers differ").
"""

import hashlib
import os

import pytest

from fake import FakeDaemon

BODY = bytes(range(256)) * 300


@pytest.fixture
def fake(world):
    if os.path.exists(world.spare_socket):
        os.unlink(world.spare_socket)       # of a daemon that was killed
    d = FakeDaemon(world.spare_socket)
    yield d
    d.close()


def variables(answer):
    return dict(answer.json["vars"])


def test_get(fake, server):
    answer = server.curl("/spare/a/b?x=1&y=2")
    assert answer.status == 200
    assert answer.all("X-Twice") in (["1", "2"], ["1, 2"])
    v = variables(answer)
    assert (v["REQUEST_METHOD"], v["QUERY_STRING"], v["SCGI"]) == ("GET", "x=1&y=2", "1")
    assert answer.json["fds"] == (2 if server.is_cgi else 0)
    if server.path_info:
        assert (v["SCRIPT_NAME"], v["PATH_INFO"]) == ("/spare", "/a/b")
    else:
        assert "PATH_INFO" not in v
        assert v.get("DOCUMENT_URI", v.get("SCRIPT_NAME")) == "/spare/a/b"


def test_body_with_length(fake, server):
    answer = server.curl("/spare/a", body=BODY)
    assert answer.json["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert variables(answer)["CONTENT_LENGTH"] == str(len(BODY))


def test_body_chunked(fake, server):
    """chunked request body: decoded, no CONTENT_LENGTH | 411 | buffered, CONTENT_LENGTH set"""
    answer = server.curl("/spare/a", body=BODY, chunked=True)
    if server.chunked == "411":
        assert answer.status == 411
        return
    v = variables(answer)
    assert answer.json["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert ("CONTENT_LENGTH" in v) == (server.chunked == "buffered")


def test_header_proxy(fake, server):
    """`Proxy:` header arrives as HTTP_PROXY: nginx only (deferd must drop it)"""
    v = variables(server.curl("/spare/a", headers=["Proxy: http://evil"]))
    assert ("HTTP_PROXY" in v) == (server.name == "nginx")


def test_authorization(fake, server):
    """Authorization: only with CGIPassAuth On (Apache); passed (nginx, lighttpd)"""
    v = variables(server.curl("/spare/a", headers=["Authorization: Basic eDp5"]))
    assert ("HTTP_AUTHORIZATION" in v) == (not server.name.startswith("apache"))


def test_no_remote_user(fake, server):
    """No snippet lets a client say who it is."""
    v = variables(server.curl("/spare/a", "-u", "root:x", headers=["Remote-User: root"]))
    assert v.get("REMOTE_USER", "") == ""


def test_socket_of_the_fake_is_removed(world):
    assert not os.path.exists(world.spare_socket)
