"""
The control socket behind Apache, by examples/apache-control.conf: a password
in front, no page of another site behind it.
"""

import os

import pytest

from client import until
from harness import ROOT, WORKER_USER

HTML = "Accept: text/html"
CONTROL_PEERS = ("www-data",) if ROOT else None
TASK_USER = "nobody" if ROOT else WORKER_USER     # not that of Apache, as the file says


@pytest.fixture
def apache(start_server):
    return start_server("apache-control")


@pytest.fixture
def daemon(make, apache):
    return make(control_peers=CONTROL_PEERS, run_as=TASK_USER if ROOT else None, drain=1)


@pytest.fixture
def task(daemon):
    """One that runs until it is cancelled."""
    task = daemon.sh("sleep 100")
    daemon.wait_state(task, "running")
    return task


def test_a_password_is_asked_for(apache, daemon):
    """401 without a password, with a wrong one, and for somebody else's"""
    assert apache.control_curl("/tasks", "-u", ":").status == 401
    assert apache.control_curl("/tasks", "-u", "alice:wrong").status == 401
    assert apache.control_curl("/tasks", "-u", "bob:bob").status == 401
    for url in ("/stats", "/metrics", "/ping", "/status/" + "0" * 32):
        assert apache.control_curl(url, "-u", "alice:wrong").status == 401
    assert apache.control_curl("/pause", "-u", "alice:wrong", method="POST").status == 401
    assert daemon.run("printf 'Status: 200\\n\\n'").status == 200       # nothing was paused


def test_what_the_operator_sees(apache, daemon, task):
    """JSON for programs, a page for people, and nobody's task is hidden"""
    answer = apache.control_curl("/tasks")
    assert answer.status == 200
    listed = [t for t in answer.json["tasks"] if t["id"] == task]
    assert listed[0]["state"] == "running"
    assert listed[0]["link"] == f"/deferd/status/{task}"
    page = apache.control_curl("/tasks", headers=[HTML])
    assert page.get("Content-Type") == "text/html; charset=utf-8"
    assert page.get("Cache-Control") == "no-store"
    assert f'action="/deferd/status/{task}/cancel"' in page.body.decode()
    assert apache.control_curl("/stats").json["tasks"]["running"] == 1
    assert apache.control_curl(f"/status/{task}/info").json["state"] == "running"
    assert apache.curl("/spare/tasks").status == 404    # the other socket knows no such thing


def test_cancel_by_a_form(apache, daemon, task):
    """POST as a browser sends it: 303 back to the page, with its filter; the task is cancelled"""
    answer = apache.control_curl(
        f"/status/{task}/cancel?state=running&route=%2Fsh%2F*", "-d", "", headers=[
            HTML, "Sec-Fetch-Site: same-origin", f"Origin: {apache.control_url}"])
    assert answer.status == 303, answer
    assert answer.get("Location").endswith("/deferd/tasks?state=running&route=%2Fsh%2F*")
    assert daemon.wait_state(task, "cancelled").status == 410


@pytest.mark.parametrize("header", [
    "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: http://evil.example",
    "Origin: null"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_another_site_is_refused(apache, daemon, task, header, method):
    """403 for what a page of another site sends with the operator's password; nothing happens"""
    url = f"/status/{task}" + ("/cancel" if method == "POST" else "")
    answer = apache.control_curl(url, headers=[HTML, header], method=method)
    assert answer.status == 403, answer
    if method == "POST":
        assert apache.control_curl("/pause", headers=[header], method="POST").status == 403
    assert daemon.status(task).state == "running"
    assert apache.control_curl("/ping").json["state"] == "serving"


def test_pause_by_a_form(apache, daemon):
    """Paused: accepted, not started; the page says so; resume"""
    form = {"headers": [HTML, "Sec-Fetch-Site: same-origin"]}
    answer = apache.control_curl("/pause", "-d", "", **form)
    assert (answer.status, answer.get("Location")[-13:]) == (303, "/deferd/tasks")
    task = daemon.sh("printf 'Status: 200\\n\\n'")
    page = apache.control_curl("/tasks", headers=[HTML]).body.decode()
    assert ">Paused: " in page and 'action="resume"' in page
    assert daemon.status(task).state == "queued"
    assert apache.control_curl("/resume", "-d", "", **form).status == 303
    assert daemon.wait(task).status == 200


def test_failures_say_why(apache, daemon):
    """Reason and the last lines of stderr, escaped; the whole at <link>/log"""
    task = daemon.sh("seq 1 20 >&2; echo '<script>alert(1)</script>' >&2; exit 3")
    daemon.wait(task)
    page = apache.control_curl("/tasks?state=failed", headers=[HTML]).body.decode()
    assert "\n20\n&lt;script&gt;alert(1)&lt;/script&gt;</pre>" in page
    assert "<script>alert" not in page and "\n11\n" not in page.replace('">11', "\n11")
    assert f'href="/deferd/status/{task}/log"' in page
    log = apache.control_curl(f"/status/{task}/log")
    assert log.body.decode() == "".join(f"{i}\n" for i in range(1, 21)) + "<script>alert(1)</script>\n"
    assert log.get("Content-Type").startswith("text/plain")
    assert log.get("X-Content-Type-Options") == "nosniff"


def test_a_response_is_confined(apache, daemon):
    """What a task wrote runs no script beside the operator's buttons; elsewhere it may"""
    task = daemon.sh("printf 'Content-Type: text/html\\n\\n<script>alert(1)</script>'")
    assert daemon.wait(task).get("Content-Security-Policy") is None
    answer = apache.control_curl(f"/status/{task}")
    assert answer.body == b"<script>alert(1)</script>"
    assert answer.get("Content-Security-Policy") == "sandbox"


def test_the_filter_of_the_form(apache, daemon, task):
    """The form's own query, empty fields and all; what is not understood is 400"""
    page = apache.control_curl("/tasks?state=running&state=queued&route=&owner=&newer=&older="
                               "&limit=10", headers=[HTML])
    assert page.status == 200 and f'id="t{task}"' in page.body.decode()
    assert 'id="failures"' not in page.body.decode()
    page = apache.control_curl("/tasks?older=3600", headers=[HTML])
    assert f'id="t{task}"' not in page.body.decode()
    bad = apache.control_curl("/tasks?state=asleep", headers=[HTML])
    assert bad.status == 400 and "state" in bad.body.decode()


@pytest.mark.skipif(not ROOT, reason="needs users of its own")
def test_who_may_open_the_socket(daemon, world):
    """0660 and of the group of the first of control-peers"""
    import grp
    st = os.stat(world.path("spare", "control.sock"))
    assert st.st_mode & 0o777 == 0o660
    assert grp.getgrgid(st.st_gid).gr_name == "www-data"
    until(daemon.serves, "it serves")
