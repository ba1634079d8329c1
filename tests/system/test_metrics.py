"""
/metrics and /stats of a real daemon: a parser that is not ours takes the text, and the numbers
are what the test did.

The parser is python3-prometheus-client's, which is strict about OpenMetrics and weighs 45 KB.
promtool looks at the older text only and comes with all of Prometheus (19 MB, and a dozen
packages of JavaScript); where it is installed it has its say too.
"""

import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

from client import scgi, until
from conftest import missing
from harness import MASTER_USER, NO_TASK, ROOT, SOURCE

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_text
    from prometheus_client.parser import text_string_to_metric_families as classic_text
except ImportError:
    open_text = None

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
CLASSIC = "text/plain; version=0.0.4; charset=utf-8"
HOSTILE = '/a"b\\c é{}=,\'} 1 # EOF'
ROUTES = """
route "/sh/*"    {{ exec = "{cgi}/sh.cgi"  timeout = 120  max-body = "1M" }}
route "/short/*" {{ exec = "{cgi}/sh.cgi"  timeout = 1  grace = 1 }}
route "/again/*" {{ exec = "{cgi}/sh.cgi"  retry = 1  retry-delay = 0  methods = {{ "PUT" }} }}
route "/answer/*" {{ module = "answer.so" env = {{ "ANSWER_SECONDS=0" }} }}
route "/a\\"b\\\\c é{{}}=,'}} 1 # EOF" {{ exec = "{cgi}/sh.cgi"  path = "/hostile/*" }}
"""
OK = b"echo Status: 200; echo"
BAD = b"exit 1"

pytestmark = pytest.mark.usefixtures("parser")


@pytest.fixture(scope="session")
def parser():
    if open_text is None:
        missing("python3-prometheus-client")


def operator(d, path, method="GET", **more):
    control = d.world.path(d.folder, "control.sock")
    answer = scgi(control, method, path, mount=d.mount, **more)
    assert answer.status in (200, 204), answer
    return answer


def text(d, accept="*/*"):
    return operator(d, "/metrics", extra=[("HTTP_ACCEPT", accept)])


def stats(d):
    return operator(d, "/stats").json


class Metrics:
    """One look at /metrics: values by name and labels."""

    def __init__(self, d):
        answer = text(d)
        assert answer.get("Content-Type") == OPEN
        self.families = list(open_text(answer.body.decode()))
        self.samples = {(s.name, frozenset(s.labels.items())): s.value
                        for f in self.families for s in f.samples}

    def __call__(self, name, **labels):
        return self.samples["deferd_" + name, frozenset(labels.items())]


def settled(d, name, value, **labels):
    """A look at which this has become so."""
    def look():
        m = Metrics(d)
        return m(name, **labels) == value and m
    return until(look, f"{name} {labels} is {value}")


def test_texts(make):
    d = make(routes=ROUTES)
    d.wait(d.submit("/sh", OK))
    opened, classic = text(d), text(d, "text/plain")
    assert classic.get("Content-Type") == CLASSIC
    opened = list(open_text(opened.body.decode()))
    older = list(classic_text(classic.body.decode()))
    # the same samples, and of some families another name
    names = [{s.name for f in families for s in f.samples} for families in (opened, older)]
    assert names[0] == names[1] and len(names[0]) > 30
    for f in opened:
        assert f.name.startswith("deferd_") and f.documentation.endswith("."), f
        assert f.type != "unknown", f
        if f.name.endswith(("_seconds", "_bytes")):
            assert f.unit == f.name.rsplit("_", 1)[1], f
    if shutil.which("promtool"):
        lint = subprocess.run(["promtool", "check", "metrics"], input=classic.body,
                              capture_output=True)
        assert lint.returncode == 0 and not lint.stderr, lint


def test_head(make):
    d = make(routes=ROUTES)
    answer = operator(d, "/metrics", method="HEAD")
    assert answer.body == b"" and int(answer.get("Content-Length")) > 1000
    assert answer.get("Cache-Control") == "no-store"


@pytest.fixture
def database(world):
    """A place for one, which the master may write to."""
    folder = world.path("spare", "db")
    os.makedirs(folder, mode=0o700)
    if ROOT:
        shutil.chown(folder, MASTER_USER)
    yield "sqlite:" + os.path.join(folder, "tasks.db")
    shutil.rmtree(folder)


def test_tasks_are_counted(make, database):
    d = make(routes=ROUTES, store=database)
    for _ in range(3):
        d.wait(d.submit("/sh", OK))
    d.wait(d.submit("/sh", BAD))
    d.wait(d.submit("/short", b"sleep 30"))
    d.wait(d.submit("/again", BAD, method="PUT"))
    cancelled = d.submit("/sh", b"sleep 100")
    d.wait_state(cancelled, "running")
    assert d.status(cancelled, "DELETE").status == 204
    removed = d.submit("/sh", OK)
    d.wait(removed)
    assert d.status(removed, "DELETE").status == 204

    m = settled(d, "slots", 32, pool="exec", state="free")
    assert m("tasks_accepted_total", route="/sh/*") == 6
    assert m("tasks_accepted_total", route="/answer/*") == 0
    assert m("tasks_ended_total", route="/sh/*", outcome="succeeded") == 4
    assert m("tasks_ended_total", route="/sh/*", outcome="failed") == 1
    assert m("tasks_ended_total", route="/sh/*", outcome="cancelled") == 1
    assert m("tasks_ended_total", route="/short/*", outcome="timed-out") == 1
    assert m("tasks_ended_total", route="/again/*", outcome="failed") == 1
    assert m("tasks_retried_total", route="/again/*") == 1
    assert m("tasks_interrupted_total", route="/again/*") == 0
    assert m("tasks", route="/sh/*", state="succeeded") == 3
    assert m("tasks", route="/sh/*", state="running") == 0
    assert m("store_tasks") == 7 and m("store_bytes") > 0
    assert m("task_waiting_seconds_count", route="/again/*") == 2
    assert m("task_running_seconds_count", route="/again/*") == 2
    assert 1 <= m("task_running_seconds_sum", route="/short/*") < 30
    assert m("task_running_seconds_bucket", route="/short/*", le="0.5") == 0
    assert m("task_running_seconds_bucket", route="/short/*", le="+Inf") == 1
    # a task: accepted, ended; a retry is two changes more, what was removed one
    assert m("store_batch_operations_sum") == 8 * 2 + 2 + 1
    assert m("store_commit_seconds_count") == m("store_batch_operations_count")

    s = stats(d)
    assert s["totals"] == {"accepted": 8, "succeeded": 4, "failed": 2, "timed-out": 1,
                           "cancelled": 1, "retried": 1, "interrupted": 0}
    assert s["tasks"]["succeeded"] == 3 and s["tasks"]["failed"] == 2
    assert s["store"]["kind"] == "sqlite" and s["store"]["operations"] == 19
    assert s["store"]["commits"] == m("store_commit_seconds_count")
    sh = next(r for r in s["routes"] if r["name"] == "/sh/*")
    assert (sh["accepted"], sh["succeeded"], sh["cancelled"]) == (6, 4, 1)
    short = next(r for r in s["routes"] if r["name"] == "/short/*")
    assert 1 <= short["running_time"]["p50"] <= 30
    assert sum(minute["accepted"] for minute in s["minutes"]) == 8
    assert sum(minute["failed"] for minute in s["minutes"]) == 2

    # what is kept is there after a restart; what was counted began anew
    d.stop()
    d.start()
    m = Metrics(d)
    assert m("tasks", route="/sh/*", state="succeeded") == 3
    assert m("tasks_accepted_total", route="/sh/*") == 0


def test_refusals_are_counted(make):
    d = make(routes=ROUTES, queue=1, workers=1, threads=1)
    before = Metrics(d)
    assert d.get("/nowhere").status == 404
    assert d.get("/nowhere").status == 404
    assert d.get(f"/status/{NO_TASK}").status == 404
    assert d.request("DELETE", f"/status/{NO_TASK}/info").status == 404
    assert d.request("GET", "/again").status == 405
    assert d.request("POST", "/sh", b"x" * 2_000_000).status == 413
    tasks = [d.submit("/sh", b"sleep 100") for _ in range(2)]
    assert d.request("POST", "/sh", b"true").status == 503
    after = Metrics(d)

    def more(reason):
        name = "requests_refused_total"
        return after(name, reason=reason) - before(name, reason=reason)
    assert more("no-route") == 2
    assert more("no-task") == 2
    assert more("method-not-allowed") == 1
    assert more("body-too-large") == 1
    assert more("full") == 1
    assert more("too-many") == 0
    assert stats(d)["refused"]["full"] == 1
    # neither a task's end nor an answer of its own is a refusal
    assert set(stats(d)["refused"]) & {"task-failed", "range"} == set()
    for task in tasks:
        d.status(task, "DELETE")


def test_queue_and_pause(make):
    d = make(routes=ROUTES, queue=500)
    operator(d, "/pause", method="POST")
    first = d.submit("/sh", OK)
    d.submit("/sh", OK)
    m = Metrics(d)
    assert m("paused") == 1 and m("draining") == 0
    assert m("queue_tasks") == 2 and m("queue_max_tasks") == 500
    assert m("tasks", route="/sh/*", state="queued") == 2
    older = until(lambda: Metrics(d)("queue_oldest_seconds") > m("queue_oldest_seconds"),
                  "the head of the queue gets older")
    assert older and stats(d)["state"] == "paused" and stats(d)["oldest_queued"] < 60
    operator(d, "/resume", method="POST")
    d.wait(first)
    m = settled(d, "queue_tasks", 0)
    assert m("paused") == 0 and m("queue_oldest_seconds") == 0
    assert stats(d)["oldest_queued"] is None and stats(d)["state"] == "serving"


def test_hostile_route_names(make):
    d = make(routes=ROUTES)
    d.wait(d.submit("/hostile/x", OK))
    m = Metrics(d)
    assert m("tasks_accepted_total", route=HOSTILE) == 1
    older = classic_text(text(d, "text/plain").body.decode())
    assert HOSTILE in {s.labels.get("route") for f in older for s in f.samples}
    assert HOSTILE in {r["name"] for r in stats(d)["routes"]}


def test_workers(make):
    d = make(routes=ROUTES, workers=1, threads=4)
    module = d.world.path("modules", "answer.so")
    task = d.submit("/sh", b"sleep 100", method="PUT")
    d.wait_state(task, "running")
    m = settled(d, "slots", 1, pool="exec", state="busy")
    assert m("slots", pool="exec", state="free") == 3
    assert m("slots", pool=module, state="free") == 4
    assert m("workers", pool="exec") == 1
    assert m("worker_restarts_total", pool="exec") == 0
    for pid in d.workers():
        os.kill(pid, signal.SIGKILL)
    m = settled(d, "tasks_interrupted_total", 1, route="/sh/*")
    settled(d, "worker_restarts_total", 1, pool="exec")
    settled(d, "worker_restarts_total", 1, pool=module)
    settled(d, "slots", 4, pool=module, state="free")
    assert [p["restarts"] for p in stats(d)["pools"]] == [1, 1]
    d.status(task, "DELETE")


def test_reload_keeps_what_was_counted(make):
    d = make(routes=ROUTES)
    d.wait(d.submit("/sh", OK))
    d.routes = ROUTES.replace('"/sh/*"', '"/new/*"')
    d.write_conf()
    d.process.send_signal(signal.SIGHUP)
    m = settled(d, "settings_generation", 1)
    assert m("tasks_accepted_total", route="/sh/*") == 1
    assert m("tasks_accepted_total", route="/new/*") == 0
    assert m("tasks", route="/sh/*", state="succeeded") == 1


def test_master(make):
    d = make(routes=ROUTES, max_tasks=12345, max_store="1G")
    m = Metrics(d)
    assert abs(m("start_time_seconds") - datetime.datetime.now().timestamp()) < 120
    assert m("build_info", version=version(d), store="memory") == 1
    assert m("resident_memory_bytes") > 1_000_000
    assert 5 < m("open_descriptors") < m("max_descriptors")
    assert m("connections") == 1        # the one that asks
    assert m("store_max_tasks") == 12345 and m("store_max_bytes") == 1 << 30
    s = stats(d)
    assert s["pid"] == d.master() and s["version"] == version(d)
    assert datetime.datetime.fromisoformat(s["started"].replace("Z", "+00:00"))
    assert len(s["minutes"]) == 60


def version(d):
    out = subprocess.run(d.command("-V"), capture_output=True, text=True, check=True).stdout
    return out.split()[1]


def test_clients_that_wait(make):
    d = make(routes=ROUTES)
    task = d.submit("/sh", b"sleep 100")
    d.wait_state(task, "running")
    held = threading.Thread(target=lambda: d.get(f"/status/{task}",
                                                 extra=[("HTTP_PREFER", "wait=30")]))
    held.start()
    m = settled(d, "waiting_clients", 1, way="connection")
    assert m("waiting_clients", way="door") == 0 and m("connections") == 2
    d.status(task, "DELETE")
    held.join()
    settled(d, "waiting_clients", 0, way="connection")


# -- the dashboard

def dashboard():
    with open(os.path.join(SOURCE, "doc", "grafana.json")) as f:
        return json.load(f)


def expressions(node):
    """Every query of the dashboard, wherever it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query", "definition") and isinstance(value, str):
                yield value
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def test_dashboard_shows_what_there_is(make):
    d = make(routes=ROUTES)
    there = {name for name, _ in Metrics(d).samples}
    wanted = {name for e in expressions(dashboard())
              for name in re.findall(r"\bdeferd_\w+", e)}
    assert len(wanted) > 20
    assert wanted <= there, wanted - there
    families = {f.name for f in Metrics(d).families}
    missed = {f for f in families if not any(name.startswith(f) for name in wanted)}
    assert not missed


def test_documents_name_what_there_is(make):
    d = make(routes=ROUTES)
    m = Metrics(d)
    there = {name for name, _ in m.samples} | {f.name for f in m.families}
    with open(os.path.join(SOURCE, "doc", "operators.md")) as f:
        wanted = set(re.findall(r"\bdeferd_\w+", f.read()))
    assert wanted and wanted <= there, wanted - there


def test_dashboard_can_be_loaded():
    board = dashboard()
    assert board["title"] == "deferd" and board["schemaVersion"] >= 36
    variables = {v["name"]: v for v in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    panels = board["panels"]
    ids = [p["id"] for p in panels]
    assert len(set(ids)) == len(ids)
    taken = set()
    for p in panels:
        at = p["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, p["title"]
        taken |= cells
        for t in p.get("targets", []):
            assert t["datasource"]["uid"] == "${datasource}", p["title"]
            for name in re.findall(r"\$(?:\{)?(\w+)", t["expr"]):
                assert name in variables or name.startswith("__"), (p["title"], name)
    # every query is PromQL, as far as somebody is there to say so
    if shutil.which("promtool"):
        check_queries(panels)


def check_queries(panels):
    exprs = [re.sub(r"\$(instance|route)", ".*", t["expr"]).replace("$__rate_interval", "5m")
             for p in panels for t in p.get("targets", [])]
    rules = {"groups": [{"name": "all", "rules": [{"record": f"r:{i}", "expr": e}
                                                  for i, e in enumerate(exprs)]}]}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
        json.dump(rules, f)     # JSON is YAML
        f.flush()
        done = subprocess.run(["promtool", "check", "rules", f.name], capture_output=True)
    assert done.returncode == 0, done
