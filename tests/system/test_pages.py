"""Browsers, POST <link>/cancel and <link>/info over HTTP: contract.md 1, 2 and 3."""

import os
import re
from datetime import datetime, timedelta

import pytest

from client import until
from harness import NO_TASK, ended

BROWSER = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"
HELLO = "printf 'Content-Type: text/plain\\n\\nhello'"
SLEEP = "sleep 100"


def check_page(answer, status):
    """A page of deferd's own: self-contained, and nothing in it may be run but what is meant."""
    assert answer.status == status, answer
    assert answer.get("Content-Type") == "text/html; charset=utf-8"
    assert answer.get("Cache-Control") == "no-store"
    assert answer.get("Referrer-Policy") == "no-referrer"
    policy = answer.get("Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'nonce-") and "unsafe" not in policy
    text = answer.body.decode()
    assert text.startswith("<!DOCTYPE html>") and "://" not in text and "{{" not in text
    assert len(answer.body) < 8192
    return text


def submit(server, code, *headers, mount="/jobs"):
    return server.curl(f"{mount}/sh", method="POST", body=code.encode(), headers=headers)


def test_submission_from_a_browser(shared, server):
    """from a browser: 303 to the link; the page waits there, then the result is in its place"""
    answer = submit(server, HELLO, BROWSER)
    check_page(answer, 303)
    link = answer.get("Location")
    assert link == f"/jobs/status/{answer.id}" and answer.state == "queued"
    assert f'<a href="{link}">' in answer.body.decode()
    result = until(lambda: ended(server.curl(link, headers=[BROWSER])), "it has ended")
    assert (result.status, result.body) == (200, b"hello")
    assert result.get("Content-Type") == "text/plain"
    assert result.get("Content-Security-Policy") is None, "nothing of ours in a task's response"


def test_waiting_page(shared, server):
    """the same, from a browser: 202 with the waiting page; JSON for everybody else"""
    link = submit(server, SLEEP, BROWSER).get("Location")
    until(lambda: server.curl(link).state == "running", "it runs")
    answer = server.curl(link, headers=[BROWSER])
    text = check_page(answer, 202)
    assert answer.state == "running" and answer.get("Location") == link
    assert '<h1 id="path">/sh</h1>' in text and "<title>Running - /sh</title>" in text
    assert f'<form id="cancel" method="post" action="{link}/cancel">' in text
    retry = answer.get("Retry-After")
    assert f'<noscript><meta http-equiv="refresh" content="{retry}"></noscript>' in text
    head = server.curl(link, method="HEAD", headers=[BROWSER])
    assert (head.status, head.body) == (202, b"")
    assert head.get("Content-Type") == "text/html; charset=utf-8"
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5"):
        assert server.curl(link, headers=["Accept: " + accept]).json["state"] == "running"
    server.curl(link, method="DELETE")


def test_cancel_by_post(shared, server):
    """POST <link>/cancel: cancels; 303 to the link for browsers, else 204"""
    for headers, status in (([BROWSER], 303), ([], 204)):
        link = submit(server, SLEEP).get("Location")
        answer = server.curl(link + "/cancel", "--data", "", headers=headers)
        assert (answer.status, answer.state) == (status, "cancelled")
        assert answer.get("Location") == (link if status == 303 else None)
        text = check_page(server.curl(link, headers=[BROWSER]), 410)
        assert "The task was cancelled" in text
        again = server.curl(link + "/cancel", "--data", "", headers=headers)
        assert (again.status, again.state) == (status, "cancelled")


def test_cancel_leaves_what_has_ended(shared, server):
    """POST <link>/cancel never removes: a finished task stays as it is (DELETE removes it)"""
    answer = submit(server, HELLO)
    link = answer.get("Location")
    until(lambda: ended(server.curl(link)), "it has ended")
    answer = server.curl(link + "/cancel", "--data", "")
    assert (answer.status, answer.state) == (204, "succeeded")
    assert server.curl(link + "/cancel", "--data", "", headers=[BROWSER]).status == 303
    assert server.curl(link).body == b"hello"
    assert server.curl(link, method="DELETE").status == 204
    assert server.curl(link + "/cancel", "--data", "").status == 404


def test_cancel_ends_the_processes(shared):
    """cancels as above: the process group is gone"""
    task = shared.sh("sleep 4242")
    shared.wait_state(task, "running")
    until(lambda: any("sleep 4242" in c for c in commands()), "it sleeps")
    answer = shared.request("POST", f"/status/{task}/cancel")
    assert (answer.status, answer.state) == (204, "cancelled")
    until(lambda: not any("sleep 4242" in c for c in commands()), "nothing of it runs")


def commands():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                found.append(f.read().replace("\0", " "))
        except OSError:
            pass
    return found


@pytest.mark.parametrize("name, allow", [("cancel", {"POST", "OPTIONS"}),
                                         ("info", {"GET", "HEAD", "OPTIONS"})])
def test_other_methods_beside_the_link(shared, name, allow):
    """other method on a known resource: 405 + Allow; unknown task: 404 whatever the method"""
    task = shared.sh(HELLO)
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        if method not in allow:
            answer = shared.request(method, f"/status/{task}/{name}")
            assert answer.status == 405 and set(answer.get("Allow").split(", ")) == allow
        assert shared.request(method, f"/status/{NO_TASK}/{name}").status == 404
    assert shared.request("OPTIONS", f"/status/{task}/{name}").status == 204
    assert shared.wait(task).body == b"hello"


def test_errors_for_browsers(shared, server):
    """Errors: a small HTML page for browsers, problem+json otherwise; status and facts the same"""
    failed = submit(server, "exit 3").get("Location")
    until(lambda: ended(server.curl(failed)), "it has failed")
    for path, method in (("/jobs/nothing-here", "GET"), (f"/jobs/status/{NO_TASK}", "GET"),
                         (failed, "GET"), (failed, "PUT")):
        problem = server.curl(path, method=method)
        page = server.curl(path, method=method, headers=[BROWSER])
        text = check_page(page, problem.status)
        assert f"<title>{problem.json['title']}</title>" in text
        assert problem.json["detail"] in text and problem.json["type"] in text
        assert str(problem.status) in text
        for name in ("Deferd-Task", "Deferd-State", "Allow", "Retry-After"):
            assert page.get(name) == problem.get(name)


def test_bad_request_of_a_browser(shared):
    """400 is a page, too, when the head told who asks; what was sent is never taken for HTML"""
    answer = shared.get("/a/../<script>", extra=[("HTTP_ACCEPT", "text/html")])
    assert "<script>" not in check_page(answer, 400)
    task = shared.submit("/sh/<script>&'\"", SLEEP.encode())
    answer = shared.get(f"/status/{task}", extra=[("HTTP_ACCEPT", "text/html")])
    assert '<h1 id="path">/sh/&lt;script&gt;&amp;&#39;&quot;</h1>' in check_page(answer, 202)
    shared.request("DELETE", f"/status/{task}")


# ---- info --------------------------------------------------------------------


def time_of(text):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


MEMBERS = ["id", "state", "method", "path", "created", "started", "finished", "expires",
           "attempts", "tries", "progress", "http", "exit", "reason"]


def info(get, task):
    answer = get(task)
    assert answer.status == 200 and answer.get("Content-Type") == "application/json"
    assert answer.get("Cache-Control") == "no-store"
    assert list(answer.json) == MEMBERS
    assert answer.id == answer.json["id"] and answer.state == answer.json["state"]
    return answer.json


def info_of(daemon):
    return lambda task: info(lambda t: daemon.get(f"/status/{t}/info"), task)


@pytest.fixture(params=["memory", "sqlite"])
def daemon(request, make, world):
    """Both stores tell the same."""
    routes = ('route "/sh/*" {{ exec = "{cgi}/sh.cgi" max-running = 1 }}\n')
    store = "memory"
    if request.param == "sqlite":
        store = "sqlite:" + world.path("spare", "spool", "info.db")
    return make(routes=routes, store=store, keep=77)


def test_info_in_every_state(daemon):
    """GET <link>/info: 200 JSON, whatever the state"""
    get = info_of(daemon)
    task = daemon.submit("/sh/a", b'echo "42 half" >&3; ' + SLEEP.encode(), method="PUT")
    waits = daemon.submit("/sh/b", HELLO.encode())
    daemon.wait_state(task, "running")
    until(lambda: get(task)["progress"], "it has told its progress")

    found = get(waits)
    assert (found["state"], found["method"], found["path"]) == ("queued", "POST", "/sh/b")
    assert found["attempts"] == 0
    assert all(found[name] is None for name in ("started", "finished", "expires", "progress",
                                                "http", "exit", "reason"))
    found = get(task)
    assert (found["state"], found["method"], found["path"]) == ("running", "PUT", "/sh/a")
    assert found["progress"] == {"percent": 42, "message": "half"}
    assert found["attempts"] == 1
    assert time_of(found["created"]) <= time_of(found["started"])
    assert found["finished"] is found["expires"] is found["exit"] is found["http"] is None
    started = found["started"]

    daemon.request("DELETE", f"/status/{task}")
    found = get(task)
    assert (found["state"], found["started"]) == ("cancelled", started)
    assert time_of(found["finished"]) >= time_of(started)

    assert daemon.wait(waits).status == 200
    found = get(waits)
    assert (found["state"], found["method"], found["path"]) == ("succeeded", "POST", "/sh/b")
    assert found["http"] == {"status": 200, "size": 5}
    assert found["exit"]["status"] == 0 and found["exit"]["max_rss_kib"] > 100
    assert found["exit"]["cpu"] >= 0 and found["reason"] is None
    assert time_of(found["created"]) < time_of(found["started"]) <= time_of(found["finished"])
    kept = time_of(found["expires"]) - time_of(found["finished"])
    assert abs(kept - timedelta(seconds=77)) < timedelta(seconds=2)

    task = daemon.sh("kill -9 $$")
    assert daemon.wait(task).status == 500
    found = get(task)
    assert found["state"] == "failed" and found["http"] is None
    assert found["exit"]["signal"] == 9 and "status" not in found["exit"]
    assert "signal 9" in found["reason"]
    assert daemon.get(f"/status/{NO_TASK}/info").status == 404


def test_info_through_servers(shared, server):
    """GET, HEAD <link>/info through each server"""
    link = submit(server, "printf 'Status: 404 No\\n\\n0123456789'").get("Location")
    until(lambda: ended(server.curl(link)), "it has ended")
    found = info(lambda link: server.curl(link + "/info"), link)
    assert found["state"] == "succeeded" and found["http"] == {"status": 404, "size": 10}
    head = server.curl(link + "/info", method="HEAD")
    assert (head.status, head.body, head.state) == (200, b"", "succeeded")
