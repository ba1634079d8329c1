"""Owners and Idempotency-Key over HTTP (contract.md 4); retry and priority."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import until
from harness import NO_TASK, ended, find_build

HELLO = b"printf 'Content-Type: text/plain\\n\\nhello'"
SLEEP = b"sleep 100"


def as_user(name):
    return () if name is None else ("-u", f"{name}:{name}")


def post(server, user=None, key=None, body=HELLO, mount="/jobs", path="/sh"):
    headers = [f"Idempotency-Key: {key}"] if key else []
    return server.curl(mount + path, *as_user(user), method="POST", body=body, headers=headers)


def text_of(answer):
    """All that deferd says in an answer.  Apache frames it as its own timing will have it, and
    writes the date."""
    own = ("date", "content-length", "transfer-encoding", "connection", "keep-alive")
    return (answer.status, [h for h in answer.headers if h[0].lower() not in own], answer.body)


def test_owner(make, server):
    """A task submitted with REMOTE_USER belongs to that user: status, info, cancel, DELETE by
    anyone else is the 404 of no task, byte for byte"""
    d = make(mount="/private")
    assert server.curl("/private/sh", method="POST", body=HELLO).status == 401
    answer = post(server, "alice", body=SLEEP, mount="/private")
    assert answer.status == 202
    link = answer.get("Location")
    unknown = f"/private/status/{NO_TASK}"
    for method, suffix, body in (("GET", "", None), ("HEAD", "", None), ("GET", "/info", None),
                                 ("POST", "/cancel", b""), ("PUT", "", b""),
                                 ("OPTIONS", "", None), ("DELETE", "", None)):
        other, nothing = (server.curl(at + suffix, *as_user("bob"), method=method, body=body)
                          for at in (link, unknown))
        assert other.status == 404 and text_of(other) == text_of(nothing), method + suffix
    assert d.status(answer.id).status == 404, "nobody is not alice"
    assert server.curl(link, *as_user("alice")).state in ("queued", "running")
    assert server.curl(link + "/info", *as_user("alice")).status == 200
    assert server.curl(link, *as_user("alice"), method="DELETE").status == 204
    assert server.curl(link, *as_user("alice")).status == 410
    assert server.curl(link, *as_user("bob")).status == 404


def test_key(shared, server):
    """same key, same owner, same route, same request: the first task's 202, no second task;
    another request under the key: 422"""
    key = f'"{os.urandom(8).hex()}"'
    first = post(server, key=key)
    assert first.status == 202
    again = post(server, key=key)
    assert (again.status, again.id) == (202, first.id)
    other = post(server, key=key, body=HELLO + b"x")
    assert other.status == 422 and other.get("Content-Type") == "application/problem+json"
    assert post(server, key=key, path="/sh?x").status == 422
    until(lambda: ended(server.curl(first.get("Location"))), "it has ended")
    again = post(server, key=key)
    assert (again.status, again.id) == (202, first.id), "it lives as long as its task"
    server.curl(first.get("Location"), method="DELETE")
    anew = post(server, key=key)
    assert anew.status == 202 and anew.id != first.id
    server.curl(anew.get("Location"), method="DELETE")
    assert post(server, key='"no end').status == 400


def test_key_of_large_bodies(shared, server):
    """the body counts by its digest, also that of a large one"""
    key = f'"{os.urandom(8).hex()}"'
    body = HELLO + b"\n#" + b"x" * 1000000
    first = post(server, key=key, body=body)
    assert first.status == 202
    assert post(server, key=key, body=body).id == first.id
    assert post(server, key=key, body=body + b"y").status == 422
    until(lambda: ended(server.curl(first.get("Location"))), "it has ended")


@pytest.mark.parametrize("store", ("memory", "sqlite"))
def test_key_while_a_limit_is_reached(make, server, world, store):
    """who has lost the 202 gets it again under max-per-client = 1 and queue = 1; a new key is
    refused"""
    if store == "sqlite":
        if not find_build("deferd-check"):
            pytest.skip("built without SQLite")
        store += ":" + world.path("out", f"limit-{time.monotonic_ns()}.db")     # no old keys

    def ask(key, body=SLEEP):
        return post(server, key=key, body=body, mount="/spare")

    d = make(store=store, max_per_client=1, queue=1, workers=1, threads=1)
    first = ask("k")
    assert first.status == 202
    d.wait_state(first.id, "running")
    again = ask("k")
    assert (again.status, again.id) == (202, first.id)
    assert ask("k", SLEEP + b"1").status == 422
    assert ask("new").status == ask(None).status == 429
    d.submit("/sh", SLEEP, extra=[("REMOTE_USER", "alice")])
    full = ask("new")
    assert full.status == 503 and full.get("Retry-After")
    assert ask("k").id == first.id
    d.request("DELETE", f"/status/{first.id}")


def test_key_at_the_same_moment(shared, start_server):
    """two requests under one key at the same moment: exactly one task"""
    server = start_server("apache-mod_cgid")
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            key = f'"{os.urandom(8).hex()}"'
            answers = list(pool.map(lambda _: post(server, key=key), range(8)))
            assert {a.status for a in answers} == {202}
            assert len({a.id for a in answers}) == 1


def test_owners_and_keys_of_each(make, start_server):
    """the same key of another user is another key"""
    server = start_server("apache-mod_cgid")
    make(mount="/private")
    alice, bob = (post(server, u, '"k"', mount="/private") for u in ("alice", "bob"))
    assert alice.status == bob.status == 202 and alice.id != bob.id
    assert post(server, "alice", '"k"', mount="/private").id == alice.id


@pytest.mark.parametrize("kind", ("stop", "crash"))
def test_owners_and_keys_survive(make, world, start_server, kind):
    """durable like the task"""
    if not find_build("deferd-check"):
        pytest.skip("built without SQLite")
    server = start_server("apache-mod_cgid")
    store = "sqlite:" + world.path("out", f"keys-{kind}.db")
    d = make(mount="/private", store=store)
    first = post(server, "alice", '"k"', mount="/private")
    link = first.get("Location")
    until(lambda: ended(server.curl(link, *as_user("alice"))), "it has ended")
    if kind == "stop":
        d.stop()
    else:
        d.kill()
    make(mount="/private", store=store)
    assert server.curl(link, *as_user("bob")).status == 404
    assert server.curl(link, *as_user("alice")).body == b"hello"
    assert post(server, "alice", '"k"', mount="/private").id == first.id
    assert post(server, "alice", '"k"', mount="/private", body=b"x").status == 422


TRIES = "".join(f'route "{path}" {{{{ exec = "{{cgi}}/sh.cgi" retry = 2 retry-delay = {delay} '
                'methods = {{ "GET", "PUT", "POST" }} }}\n' for path, delay in (("/sh", 1), ("/slow", 5)))


def test_retry(make, world):
    """retry: failures of idempotent requests; the link answers 202 between tries, info lists them"""
    d = make(routes=TRIES)
    once = world.path("out", "tried")
    code = f"test -e {once} || {{ : >{once}; exit 3; }}; ".encode() + HELLO
    task = d.submit("/slow", code, method="PUT")
    between = until(lambda: (a := d.status(task)).state == "queued" and os.path.exists(once) and a,
                    "it failed once")
    assert between.status == 202
    answer = d.wait(task)
    assert (answer.status, answer.body) == (200, b"hello")
    known = d.get(f"/status/{task}/info").json
    assert known["attempts"] == 2 and known["reason"] is None
    [first] = known["tries"]
    assert first["attempt"] == 1 and "status 3" in first["reason"]
    assert known["created"] <= first["ended"] <= known["finished"]
    task = d.submit("/sh", b"exit 3", method="PUT")
    assert d.wait(task).status == 500
    known = d.get(f"/status/{task}/info").json
    assert known["attempts"] == 3 and [t["attempt"] for t in known["tries"]] == [1, 2]
    task = d.submit("/sh", b"exit 3", method="POST")
    assert d.wait(task).status == 500
    assert d.get(f"/status/{task}/info").json["attempts"] == 1


def test_priority(make):
    """priority per route: higher first"""
    d = make(routes='route "/low" {{ exec = "{cgi}/sh.cgi" path = "/low" priority = -100 }}\n'
             'route "/high" {{ exec = "{cgi}/sh.cgi" path = "/high" priority = 100 }}\n',
             workers=1, threads=1)
    busy = d.submit("/low", SLEEP)
    low, high = d.submit("/low", SLEEP), d.submit("/high", SLEEP)
    d.request("DELETE", f"/status/{busy}")
    d.wait_state(high, "running")
    assert d.status(low).state == "queued"
    d.request("DELETE", f"/status/{high}")
    d.wait_state(low, "running")
