"""deferctl: every command, its exit codes, and `top` in a real terminal."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from client import scgi, until
from conftest import missing
from harness import NO_TASK, SOURCE, find_build

DONE, NO, USAGE, AWAY = range(4)
OK = "printf 'Content-Type: text/plain\\n\\nfine'\n"
HOSTILE = "\\033[2J\\033]0;evil\\007\\377"     # for printf(1): clears, retitles, is no UTF-8


class Ctl:
    """deferctl, run against one daemon."""

    def __init__(self, world, folder="spare"):
        self.world = world
        self.program = find_build("deferctl") or missing("deferctl")
        self.socket = world.path(folder, "control.sock")

    def env(self):
        return {**os.environ, "DEFERD_CONTROL": self.socket, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def start(self, *args, **more):
        return subprocess.Popen([self.program, *args], env=self.env(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def run(self, *args, stdin=None, binary=False, timeout=60):
        done = subprocess.run([self.program, *args], env=self.env(), timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              **({"stdin": subprocess.DEVNULL} if stdin is None else
                                 {"input": stdin}))
        if not binary:
            done.stdout = done.stdout.decode()
        done.stderr = done.stderr.decode()
        return done

    def __call__(self, *args, code=DONE, **more):
        done = self.run(*args, **more)
        assert done.returncode == code, done
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done
        if code == DONE:
            assert not done.stderr, done
        else:
            assert done.stderr, done
        return done.stdout

    def refused(self, *args, code=NO, **more):
        """What it says on stderr when it is not done."""
        done = self.run(*args, **more)
        assert done.returncode == code and done.stderr, done
        assert "\x1b" not in done.stderr, done
        return done.stderr

    def json(self, *args, **more):
        return json.loads(self(*args, "--json", **more))

    def sh(self, code, *options):
        return self("submit", "/sh", "-d", code, *options).strip()


@pytest.fixture
def ctl(world):
    return Ctl(world)


@pytest.fixture
def daemon(make):
    return make()


def rows(table):
    """Lines of a table, without its titles."""
    return [line.split() for line in table.splitlines()[1:]]


# ---- the command line ------------------------------------------------------


def test_help(ctl):
    text = ctl("help")
    assert ctl("--help") == text and "Exit codes" in text
    commands = re.findall(r"^  (\w+) ", text, re.M)
    assert len(commands) >= 16
    for command in commands:
        usage = ctl("help", command)
        assert usage.startswith(f"usage: deferctl [-s SOCKET] {command}")
        assert ctl(command, "--help") == usage
    assert ctl("-V").startswith("deferctl ")


@pytest.mark.parametrize("args", [
    [], ["nothing"], ["-x"], ["list", "-x"], ["list", "extra"], ["list", "--older", "1x"],
    ["list", "-n", "0"], ["show"], ["show", "x"], ["show", NO_TASK, NO_TASK], ["wait"],
    ["wait", "-t", "x", NO_TASK], ["cancel"], ["cancel", NO_TASK[:5]],
    ["cancel", NO_TASK + "0"], ["log"], ["stats", "x"],
    ["check", "-x"], ["top", "-d", "0"], ["ping", "x"], ["submit"], ["submit", "no-slash"],
    ["submit", "/a%0", ], ["submit", "/x", "-H", "no-colon"], ["submit", "/x", "-d", "@/nowhere"],
    ["submit", "/x", "-H", "Content-Length: 5"], ["help", "nothing"], ["-s"]])
def test_wrong_use(ctl, args):
    """2, and a word on what is right; nothing is asked of anybody"""
    assert "cannot reach" not in ctl.refused(*args, code=USAGE)


@pytest.mark.parametrize("args", [
    ["list"], ["show", NO_TASK], ["wait", NO_TASK], ["cancel", NO_TASK], ["log", NO_TASK],
    ["stats"], ["check"], ["top"], ["ping"], ["pause"], ["resume"], ["drain"], ["restart"],
    ["reload"], ["submit", "/x"], ["list", "--json"]])
def test_no_daemon(world, ctl, args):
    ctl.socket = world.path("out", "nobody.sock")
    text = ctl.refused(*args, code=AWAY)
    assert text == f"deferctl: cannot reach the daemon at {ctl.socket}: No such file or " \
        "directory (is deferd running?)\n"
    assert ctl.refused("-s", "/nowhere", *args, code=AWAY).count("/nowhere") == 1


@pytest.mark.parametrize("answer", [
    b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n", b"Status: 200 OK\r\nContent-Length: 9\r\n\r\n{}",
    b"Status: 200 OK\r\nContent-Type: application/json\r\n\r\n{\"tasks\":",
    b"\x1b[2J" * 100, b"x" * 66000], ids=range(7))
def test_nonsense(world, ctl, answer):
    """3, whatever comes over the socket"""
    with fake_daemon(world, ctl, answer):
        for args in (["list"], ["ping"], ["stats"]):
            ctl.refused(*args, code=AWAY)


@pytest.mark.parametrize("args", [
    ["ping"], ["stats"], ["stats", "--json"], ["pause"], ["resume"], ["reload"], ["drain"],
    ["restart"], ["list"], ["list", "--json"], ["top"], ["check"], ["show", NO_TASK],
    ["wait", NO_TASK], ["cancel", NO_TASK], ["log", NO_TASK], ["submit", "/x"]])
def test_data_socket(make, ctl, args):
    """3: what clients use is not for the operator, and there nothing becomes a task"""
    d = make(routes='route "/*" {{ exec = "{cgi}/cat.cgi" }}')
    data = ctl.refused("-s", d.socket, *args, code=AWAY)
    assert "control socket" in data and "(421)" in data
    assert ctl.json("stats")["totals"]["accepted"] == 0


@pytest.mark.parametrize("status, args", [
    (202, ["ping"]), (200, ["ping"]), (202, ["stats"]), (200, ["stats"]), (202, ["pause"]),
    (202, ["resume"]), (204, ["drain"]), (200, ["restart"]), (202, ["reload"]),
    (200, ["reload"]), (202, ["list"]), (202, ["top"]), (202, ["check"])])
def test_another_answer(world, ctl, status, args):
    """3: a status, or a document, that is not that of the command"""
    head = f"Status: {status} Fine\r\nContent-Type: application/json\r\n\r\n"
    with fake_daemon(world, ctl, head.encode() + b'{"id":"x","state":"queued"}'):
        assert "makes no sense" in ctl.refused(*args, code=AWAY)


@contextlib.contextmanager
def fake_daemon(world, ctl, answer):
    """Gives this answer to everybody."""
    ctl.socket = world.path("out", "fake.sock")
    code = "import socket, sys\n" \
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n" \
        "print('ready', flush=True)\n" \
        "while True:\n" \
        "    c = s.accept()[0]; c.recv(65536)\n" \
        "    c.sendall(open(sys.argv[2], 'rb').read()); c.close()\n"
    path = world.path("out", "answer")
    with open(path, "wb") as f:
        f.write(answer)
    process = subprocess.Popen(["/usr/bin/python3", "-c", code, ctl.socket, path],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.unlink(ctl.socket)
        os.unlink(path)


def test_stdout_full(daemon, ctl):
    """what could not be written was not done"""
    with open("/dev/full", "w") as full:
        done = subprocess.run([ctl.program, "ping"], env=ctl.env(), stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == USAGE and "No space left" in done.stderr


# ---- tasks -----------------------------------------------------------------


def test_submit(daemon, ctl):
    """the id; with -w the response; with -i the head"""
    task = ctl.sh(OK)
    assert re.fullmatch("[0-9a-f]{32}", task)
    assert daemon.wait(task).body == b"fine"
    assert ctl.sh(OK, "-w") == "fine"
    head, body = ctl.sh(OK, "-w", "-i").split("\n\n")
    assert head.startswith("Status: 200 OK\n") and "Deferd-State: succeeded" in head
    assert body == "fine"
    head, body = ctl("submit", "/sh", "-d", OK, "-i").split("\n\n")
    assert head.startswith("Status: 202 ") and json.loads(body)["state"] == "queued"


def test_submit_makes_a_request(daemon, ctl):
    out = ctl("submit", "/env/a%20b/c?x=1&y=%20z", "-X", "PUT", "-w", "-d", "body",
              "-H", "X-Some-Name:  value ", "-H", "content-type: text/plain")
    env = dict(v.split("=", 1) for v in out.split("\0") if v)
    assert env["REQUEST_METHOD"] == "PUT" and env["QUERY_STRING"] == "x=1&y=%20z"
    assert env["PATH_INFO"] == "/a b/c" and env["SCRIPT_NAME"] == "/env"
    assert env["REQUEST_URI"] == "/env/a%20b/c?x=1&y=%20z"
    assert env["CONTENT_TYPE"] == "text/plain" and env["CONTENT_LENGTH"] == "4"
    assert env["HTTP_X_SOME_NAME"] == "value"
    assert "DEFERD_SUBMIT" not in env


def test_submit_refused(daemon, ctl):
    assert ctl.refused("submit", "/nothing/here") == \
        "deferctl: /nothing/here: Nothing here: Nothing is configured for this path. (404)\n"
    done = ctl.run("submit", "/nothing", "-i")
    assert done.returncode == NO and done.stdout.startswith("Status: 404 ")
    done = ctl.run("submit", "/sh", "-w", "-d", "exit 3")
    assert done.returncode == NO and not done.stdout
    assert "The task failed" in done.stderr


@pytest.mark.parametrize("how", ["file", "stdin", "pipe"])
def test_submit_large_body(world, make, ctl, how):
    """a body streams, whatever it comes from"""
    make(max_body="100M", max_response="100M")
    data = os.urandom(1 << 20) * 20
    path = world.path("out", "body")
    with open(path, "wb") as f:
        f.write(data)
    if how == "file":
        out = ctl("submit", "/cat", "-w", "-d", f"@{path}", binary=True)
    elif how == "pipe":
        out = ctl("submit", "/cat", "-w", "-d", "@-", stdin=data, binary=True)
    else:
        with open(path, "rb") as f:
            out = subprocess.run([ctl.program, "submit", "/cat", "-w", "-d", "@-"], stdin=f,
                                 env=ctl.env(), check=True, stdout=subprocess.PIPE).stdout
    os.unlink(path)
    assert out == data


def test_submit_too_large(world, make, ctl):
    make(max_body="1K")
    assert "413" in ctl.refused("submit", "/cat", "-d", "@-", stdin=b"x" * 5000000)


def test_submit_to_a_path_of_the_operator(make, ctl):
    """DEFERD_SUBMIT: a route may have any path"""
    make(routes='route "/tasks" {{ exec = "{cgi}/cat.cgi" }}')
    assert ctl("submit", "/tasks", "-w", "-d", "hello") == "hello"


def test_show(daemon, ctl):
    task = ctl.sh("echo 42 page 3 >&3; sleep 0.1\n" + OK)
    daemon.wait(task)
    text = ctl("show", task)
    for line in (f"id +{task}", "state +succeeded", "method +POST", "path +/sh", r"route +/sh/\*",
                 r"created +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", r"ran +\S+s",
                 "response +200, body 4", "exit +status 0, cpu .*", "attempts +1"):
        assert re.search(f"^{line}$", text, re.M), (line, text)
    assert ctl("show", f"/jobs/status/{task}") == text, "a link will do, too"
    assert ctl.json("show", task)["id"] == task
    task = daemon.submit("/sh", b"exit 1", extra=[("REMOTE_USER", "alice")])
    assert re.search("^owner +alice$", ctl("show", task), re.M)
    assert ctl.refused("show", NO_TASK).startswith(f"deferctl: {NO_TASK}: ")


def test_figures_for_people(daemon, ctl):
    """which minute it was; clients are held, tasks queued; no number has a tail of digits"""
    daemon.wait(ctl.sh(OK))
    text = ctl("stats")
    assert re.search(r"^rates +per second, in the minute of \d\d:\d\d: ", text, re.M), text
    assert " held, " in text and "waiting" not in text
    assert not re.search(r"\.\d{13}", ctl("stats", "--json"))
    daemon.wait(ctl.sh("exit 1"))
    assert "1 failed" in ctl("top")


def test_reason_of_wrong_use(ctl):
    assert "-d 0: expected" in ctl.refused("top", "-d", "0", code=USAGE)
    assert "foo: no argument is expected" in ctl.refused("stats", "foo", code=USAGE)


def test_prefix_of_an_id(daemon, ctl):
    """six digits or more will do, if they are of one task that is there"""
    task = ctl.sh(OK)
    daemon.wait(task)
    assert ctl("wait", task[:6]) == "succeeded\n"
    assert ctl("show", task[:8]) == ctl("show", task[:31]) == ctl("show", task)
    assert ctl("log", task[:8]) == ""
    none = ("0" if task[0] != "0" else "1") + task[1:7]
    for command in ("show", "wait", "log", "cancel"):
        assert ctl.refused(command, none) == f"deferctl: {none}: there is no such task\n"
    other = ctl.sh("sleep 60")
    ctl("cancel", other[:8])
    assert daemon.status(other).state == "cancelled"


def test_short_ids_on_a_narrow_terminal(world, daemon, ctl):
    task = ctl.sh(OK)
    daemon.wait(task)
    assert ctl("list").split("\n")[1].startswith(task)
    for width, shown in ((60, 8), (130, 32)):
        out = subprocess.run(["script", "-qec", f"stty cols {width} rows 24; {ctl.program} list",
                              "/dev/null"], env=ctl.env(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, check=True).stdout.decode()
        row = next(line for line in out.splitlines() if line.startswith(task[:6]))
        assert row.split()[0] == task[:shown] and len(row) <= width, row


def test_prefix_of_several(world, ctl):
    ids = [NO_TASK[:31] + d for d in "12"]
    tasks = json.dumps({"tasks": [{"id": i} for i in ids], "more": False})
    answer = "Status: 200 OK\r\nContent-Type: application/json\r\n\r\n" + tasks
    with fake_daemon(world, ctl, answer.encode()):
        said = ctl.refused("show", NO_TASK[:8], code=USAGE)
    assert all(i in said for i in ids), said


def test_show_tries(make, ctl):
    """every attempt, and why it was not the last"""
    d = make(routes='route "/try/*" {{ exec = "{cgi}/sh.cgi" retry = 1 retry-delay = 0 }}')
    task = ctl("submit", "/try", "-X", "PUT", "-d", "exit 7").strip()
    d.wait(task)
    text = ctl("show", task)
    assert re.search(r"^tries +1  \S+ \S+ UTC  .*7", text, re.M), text
    assert re.search("^attempts +2$", text, re.M), text


def test_wait(daemon, ctl):
    """says the outcome, and exits by it"""
    assert ctl("wait", ctl.sh("sleep 0.2\n" + OK)) == "succeeded\n"
    for code, state in (("exit 1", "failed"), ("sleep 60", "cancelled")):
        task = ctl.sh(code)
        if state == "cancelled":
            ctl("cancel", task)
        done = ctl.run("wait", task)
        assert (done.returncode, done.stdout) == (NO, state + "\n")
    assert NO_TASK in ctl.refused("wait", NO_TASK)


def test_wait_is_told_at_once(world, make, ctl):
    """a long poll, again and again: not a look now and then"""
    make(max_wait=1)
    go = world.path("out", "go-at-once")
    process = ctl.start("wait", ctl.sh(f"while [ ! -e {go} ]; do sleep 0.05; done\n" + OK))
    since = None
    while since is None or time.monotonic() - since < 2.5:      # longer than one poll is held
        until(lambda: ctl.json("stats")["waiting"] == 1, "it waits")
        since = since or time.monotonic()
    open(go, "w").close()
    start = time.monotonic()
    assert process.communicate(timeout=30) == (b"succeeded\n", b"")
    assert time.monotonic() - start < 20


def test_wait_in_time(daemon, ctl):
    task = ctl.sh("sleep 60")
    start = time.monotonic()
    assert ctl.refused("wait", "-t", "1", task) == f"deferctl: {task}: still running\n"
    assert 0.9 < time.monotonic() - start < 30
    ctl.refused("wait", task, "-t", "0")
    ctl("cancel", task)


def test_wait_survives_a_restart(world, make, ctl):
    d = make(store=f"sqlite:{world.path('out', 'wait.db')}", rerun="always")
    go = world.path("out", "go")
    task = ctl.sh(f"while [ ! -e {go} ]; do sleep 0.1; done\n" + OK)
    d.wait_state(task, "running")
    process = ctl.start("wait", task)
    until(lambda: ctl.json("stats")["waiting"] == 1, "it waits")
    os.kill(d.launcher(), signal.SIGKILL)
    d.process.wait()
    d.process = None
    until(lambda: "is away" in peek(process), "it has noticed")
    d.start()
    assert process.poll() is None
    open(go, "w").close()
    out, err = process.communicate(timeout=60)
    os.unlink(go)
    assert (process.returncode, out) == (DONE, b"succeeded\n"), err


def peek(process):
    """What is there on stderr so far."""
    os.set_blocking(process.stderr.fileno(), False)
    process.said = getattr(process, "said", "") + (process.stderr.read() or b"").decode()
    return process.said


def test_cancel(daemon, ctl):
    tasks = [ctl.sh("sleep 60") for _ in range(3)]
    ctl("cancel", *tasks)
    for task in tasks:
        assert daemon.status(task).state == "cancelled"
    ctl("cancel", tasks[0])
    task = ctl.sh(OK)
    daemon.wait(task)
    assert ctl.refused("cancel", task) == f"deferctl: {task}: has ended before: succeeded\n"
    assert daemon.status(task).body == b"fine", "it is still there"
    one = ctl.sh("sleep 60")
    assert NO_TASK in ctl.refused("cancel", NO_TASK, one)
    assert daemon.status(one).state == "cancelled", "all are tried"


def test_log(daemon, ctl):
    task = ctl.sh("echo one >&2; echo two >&2\n" + OK)
    daemon.wait(task)
    assert ctl("log", task) == "one\ntwo\n"
    assert NO_TASK in ctl.refused("log", NO_TASK)


def test_log_follow(world, daemon, ctl):
    """what is there, then more as it comes, until the task has ended"""
    go = world.path("out", "go")
    task = ctl.sh(f"echo one >&2; while [ ! -e {go} ]; do sleep 0.05; done; echo two >&2\n" + OK)
    process = ctl.start("log", "-f", task)
    assert process.stdout.readline() == b"one\n"
    assert process.poll() is None
    open(go, "w").close()
    out, err = process.communicate(timeout=30)
    os.unlink(go)
    assert (process.returncode, out, err) == (DONE, b"two\n", b"")


def test_log_follow_is_cut(daemon, ctl):
    """the daemon went, not the task: that is no end"""
    process = ctl.start("log", "-f", ctl.sh("echo one >&2; sleep 60"))
    assert process.stdout.readline() == b"one\n"
    os.kill(daemon.launcher(), signal.SIGKILL)
    daemon.process.wait()
    daemon.process = None
    out, err = process.communicate(timeout=30)
    assert process.returncode == AWAY and b"deferctl: " in err, (out, err)


# ---- lists -----------------------------------------------------------------


def test_list(daemon, ctl):
    assert ctl("list").split() == "ID STATE AGE RUNNING ROUTE PATH OWNER REASON".split()
    done = ctl.sh(OK)
    daemon.wait(done)
    running = ctl("submit", "/sh/long", "-d", "sleep 60", "-H", "X: y").strip()
    daemon.wait_state(running, "running")
    got = rows(ctl("list"))
    assert [row[0] for row in got] == [running, done], "newest first"
    assert got[0][1] == "running" and got[0][4:] == ["/sh/*", "/sh/long", "-", "-"]
    assert got[1][1] == "succeeded"
    assert [r[0] for r in rows(ctl("list", "-s", "succeeded"))] == [done]
    assert len(rows(ctl("list", "--state", "succeeded,running"))) == 2
    assert len(rows(ctl("list", "-s", "succeeded", "-s", "running"))) == 2
    assert len(rows(ctl("list", "--route", "/sh/*"))) == 2
    assert rows(ctl("list", "-r", "/cat/*")) == []
    assert rows(ctl("list", "-o", "somebody & else")) == []
    assert len(rows(ctl("list", "--newer", "1h"))) == 2
    assert rows(ctl("list", "--older", "1h")) == []
    got = ctl.json("list")
    assert [t["id"] for t in got["tasks"]] == [running, done] and got["more"] is False
    assert "state" in ctl.refused("list", "-s", "nonsense", code=USAGE)
    ctl("cancel", running)


def test_list_of_an_owner(daemon, ctl):
    task = daemon.submit("/sh", OK.encode(), extra=[("REMOTE_USER", "ann")])
    daemon.submit("/sh", OK.encode())
    got = rows(ctl("list", "-o", "ann"))
    assert [(row[0], row[6]) for row in got] == [(task, "ann")]
    assert task in ctl("show", task), "no task is hidden from the operator"


def test_list_limit(daemon, ctl):
    tasks = [ctl.sh(OK) for _ in range(5)]
    done = ctl.run("list", "-n", "3")
    assert [row[0] for row in rows(done.stdout)] == tasks[:1:-1]
    assert done.returncode == DONE and "more" in done.stderr
    done = ctl.run("list", "-n", "5")
    assert len(rows(done.stdout)) == 5 and not done.stderr


def test_list_says_why(daemon, ctl):
    task = ctl.sh("exit 3")
    daemon.wait(task)
    assert ctl("list").splitlines()[1].endswith("  the program exited with status 3")


def test_list_of_many(make, ctl):
    """a program gets all of them, each once, in pages of a thousand"""
    make(queue=5000)
    ctl("pause")
    tasks = []
    for _ in range(2100):
        tasks.append(make_task(ctl))
    got = ctl.json("list")
    assert [t["id"] for t in got["tasks"]] == tasks[::-1] and got["more"] is False
    got = ctl.json("list", "-n", "1500", "-s", "queued")
    assert [t["id"] for t in got["tasks"]] == tasks[:-1501:-1] and got["more"] is True
    done = ctl.run("list", "-n", "2000")
    assert [row[0] for row in rows(done.stdout)] == tasks[:-2001:-1]
    assert done.stderr == "deferctl: these are the newest 2000; there are more (-n)\n"


def make_task(ctl):
    return scgi(ctl.socket, "GET", "/sh", mount="", extra=[("DEFERD_SUBMIT", "1")]).id


def test_hostile_text(daemon, ctl):
    """a path, a reason, stderr: none of them can speak to a terminal"""
    path = "/sh/%1b[2J".replace("%1b", "\xe2\x80\xae")
    task = daemon.submit(path, b"exit 1")
    daemon.wait(task)
    for text in (ctl("list"), ctl("show", task)):
        assert "\\xe2\\x80\\xae" in text
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


# ---- the daemon ------------------------------------------------------------


def test_ping(daemon, ctl):
    assert re.fullmatch(rf"deferd \S+, process {daemon.master()}, up \S+, serving\n", ctl("ping"))


def test_stats(daemon, ctl):
    daemon.wait(ctl.sh(OK))
    text = ctl("stats")
    assert re.search(r"^tasks +0 queued of 10000, 0 running$", text, re.M), text
    assert re.search(r"^kept +1 succeeded, 0 failed, ", text, re.M), text
    assert re.search(r"^slots +0 of \d+ busy", text, re.M), text
    assert re.search(r"^/sh/\* +0 +0 +- +1 +1 +0", text, re.M), text
    assert "no-route" not in text
    ctl.refused("submit", "/nowhere")
    assert re.search(r"^refused .*\b1 no-route", ctl("stats"), re.M)
    assert ctl.json("stats")["totals"]["accepted"] == 1


def test_pause_and_resume(daemon, ctl):
    ctl("pause")
    task = ctl.sh(OK)
    assert "paused" in ctl("ping") and daemon.status(task).state == "queued"
    assert rows(ctl("list"))[0][1] == "queued"
    assert "still queued" in ctl.refused("wait", "-t", "1", task)
    ctl("resume")
    assert ctl("wait", task) == "succeeded\n" and "serving" in ctl("ping")


def test_reload(daemon, ctl):
    assert re.fullmatch(r"generation \d+\n", ctl("reload"))
    daemon.routes += 'route "/new" {{ exec = "{cgi}/cat.cgi" }}\n'
    daemon.write_conf()
    ctl("reload")
    until(lambda: ctl.run("submit", "/new").returncode == DONE, "the new route is there")
    with open(daemon.conf_path, "a") as f:
        f.write("nonsense = 1\n")
    text = ctl.refused("reload")
    assert f"{daemon.conf_path}:" in text and "nonsense" in text and "422" in text
    assert ctl.run("submit", "/new").returncode == DONE, "the old settings stay"


def test_reload_needs_a_restart(daemon, ctl):
    daemon.settings["threads"] = 3
    daemon.write_conf()
    done = ctl.run("reload")
    assert (done.returncode, done.stderr) == \
        (DONE, "deferctl: these wait for a restart: threads\n")


def test_drain(daemon, ctl):
    ctl("drain")
    assert daemon.process.wait(30) == 0
    daemon.process = None
    ctl.refused("ping", code=AWAY)


def test_restart(daemon, ctl):
    """the launcher stays, and with it the sockets"""
    master = daemon.master()
    ctl("restart")
    until(lambda: daemon.children("deferd-master") not in ([], [master]), "there is a new master")
    until(lambda: ctl.run("ping").returncode == DONE, "it answers")
    assert daemon.process.poll() is None and daemon.master() != master


def test_check(daemon, ctl):
    assert "memory" in ctl("check")
    assert ctl.json("check")["sound"] is True


def test_check_that_cannot_look(world, make, ctl):
    """neither sound nor damaged: it says what it has seen, and that is not 0"""
    path = world.path("out", "moved.db")
    make(store=f"sqlite:{path}")
    os.rename(path, path + ".elsewhere")
    done = ctl.run("check")
    os.rename(path + ".elsewhere", path)
    assert done.returncode == NO and "no longer there" in done.stdout, done


def test_check_finds_damage(world, make, ctl):
    """1, and the report says what"""
    d = make(store=f"sqlite:{world.path('out', 'check.db')}", inline="1K", max_body="10M")
    assert ctl("check")
    task = d.submit("/cat", b"x" * 100000)
    d.wait(task)
    spool = world.path("spare", "spool")
    for folder, _, names in os.walk(spool):
        for name in names:
            os.unlink(os.path.join(folder, name))
    done = ctl.run("check")
    assert done.returncode == NO and done.stdout, done
    assert ctl.run("check", "--json").returncode == NO


def test_not_everybody(daemon, ctl):
    """the socket is for root and the daemon's user"""
    if os.geteuid():
        pytest.skip("needs root")
    os.chmod(ctl.socket, 0o777)
    program = ctl.world.path("bin", "deferctl")
    shutil.copy(ctl.program, program)
    done = subprocess.run(["setpriv", "--reuid=nobody", "--clear-groups", program, "ping"],
                          env=ctl.env(), capture_output=True, text=True)
    assert done.returncode == AWAY and "allowed" in done.stderr, done


# ---- top, in a terminal ----------------------------------------------------


class Terminal:
    """A shell in a tmux of its own."""

    def __init__(self, world, env, width=100, height=30):
        if not shutil.which("tmux"):
            missing("tmux")
        self.folder = tempfile.mkdtemp(prefix="tmux-", dir=world.base)  # no server that ends yet
        self.env = {**env, "TMUX_TMPDIR": self.folder, "HISTFILE": "", "TERM": "xterm"}
        self.env.pop("TMUX", None)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                  "exec env PS1='ready> ' bash --norc --noprofile")

    def tmux(self, *args):
        return subprocess.run(["tmux", *args], env=self.env, check=True, capture_output=True,
                              text=True).stdout

    def text(self):
        return self.tmux("capture-pane", "-p")

    def type(self, text):
        self.tmux("send-keys", text, "Enter")

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def is_shown(self, *patterns):
        """Waits until all are on the screen at once, which is painted bit by bit; gives its text."""
        def question():
            text = self.text()
            return all(re.search(p, text, re.M) for p in patterns) and text
        return until(question, f"{patterns} are shown")

    def flag(self, name):
        return self.tmux("display-message", "-p", f"#{{{name}}}").strip()

    def is_given_back(self):
        """The shell's screen, its modes, the cursor."""
        until(lambda: self.flag("alternate_on") == "0" and self.flag("cursor_flag") == "1",
              "the screen is given back")
        self.type("stty -a | tr ';' '\\n'")
        text = self.is_shown(r"(^| )-?icanon ", r"(^| )-?isig ", r"(^| )-?echo ")
        assert not re.search(r"(^| )-(echo|icanon|isig) ", text, re.M)

    def close(self):
        self.tmux("kill-server")


@pytest.fixture
def terminal(world, ctl):
    t = Terminal(world, ctl.env())
    try:
        t.is_shown("^ready>")
        yield t
    finally:
        t.close()


@pytest.fixture
def top(ctl, daemon, terminal):
    """A terminal in which `top` runs."""
    terminal.type("echo before; history -c; clear; echo before")
    terminal.type(f"{ctl.program} top -d 1; echo code=$?")
    terminal.is_shown("^deferd .* serving ")
    return terminal


def test_top(daemon, ctl, top):
    """what runs, live; q gives the screen back"""
    assert top.flag("alternate_on") == "1" and top.flag("cursor_flag") == "0"
    top.is_shown(*(f"^{line} " for line in ("rates", "tasks", "kept", "slots", "store", "clients",
                                            "process")))
    first = ctl("submit", "/sh/first", "-d", "sleep 60").strip()
    second = ctl("submit", "/sh/second", "-d", f"printf '{HOSTILE}' >&2; sleep 60").strip()
    text = top.is_shown(f"^{first} ", f"^{second} ", "2 running")
    assert text.index(first) < text.index(second), "the slowest first"
    ctl("cancel", first, second)
    until(lambda: "0 running" in top.text() and first not in top.text(), "they are gone")
    ctl("pause")
    top.is_shown("^deferd .* paused ")
    top.keys("x")
    top.keys("q")
    top.is_shown("^code=0$")
    assert "before" in top.text()
    top.is_given_back()


def test_top_fits(ctl, top):
    """a new size is a new picture, with no line too long for it"""
    for i in range(12):
        ctl("submit", f"/sh/{'long' * 30}{i}", "-d", "sleep 60")
    for width, height in ((60, 20), (130, 40), (20, 4), (100, 30)):
        top.tmux("resize-window", "-x", str(width), "-y", str(height))
        until(lambda: top.text().startswith("deferd "), "it is drawn anew")
        lines = top.text().rstrip("\n").split("\n")
        assert len(lines) <= height and all(len(line) <= width for line in lines)
    top.is_shown(r"/sh/longlong.*~")
    top.keys("q")
    top.is_given_back()


@pytest.mark.parametrize("key, code", [("C-c", 128 + signal.SIGINT),
                                       ("C-\\", 128 + signal.SIGQUIT)])
def test_top_interrupted(top, key, code):
    top.keys(key)
    top.is_shown("before")
    until(lambda: top.flag("alternate_on") == "0", "the screen is given back")
    top.type("echo code=$?")
    top.is_shown(f"^code={code}$")
    top.is_given_back()


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGHUP])
def test_top_killed(ctl, top, signo):
    os.kill(top_process(ctl), signo)
    top.is_shown(f"^code={128 + signo}$")
    top.is_given_back()


def test_top_is_not_hung_up(daemon, ctl, terminal):
    """what it was started to ignore, as by nohup, it ignores"""
    terminal.type(f"(trap '' HUP; clear; {ctl.program} top -d 1; echo code=$?)")
    terminal.is_shown("^deferd .* serving ")
    os.kill(top_process(ctl), signal.SIGHUP)
    terminal.keys("q")
    terminal.is_shown("^code=0$")


def top_process(ctl):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", "rb") as f, open(f"/proc/{pid}/environ", "rb") as e:
                if f.read().split(b"\0")[1:2] == [b"top"] and ctl.socket.encode() in e.read():
                    found.append(int(pid))
    assert len(found) == 1, found
    return found[0]


def test_top_in_the_background(top):
    """^Z gives the screen back, fg takes it again"""
    for _ in range(2):
        top.keys("C-z")
        top.is_shown("Stopped")
        top.is_given_back()
        top.type("clear; fg")
        top.is_shown("^deferd .* serving ")
        assert top.flag("alternate_on") == "1" and top.flag("cursor_flag") == "0"
    top.keys("q")
    top.is_given_back()


def test_top_without_a_daemon(daemon, ctl, top):
    """it waits for it, and says so"""
    os.kill(daemon.process.pid, signal.SIGKILL)
    daemon.process.wait()
    daemon.process = None
    top.is_shown("cannot reach the daemon")
    daemon.start()
    until(lambda: top.text().startswith("deferd "), "it is there again")
    top.keys("q")
    top.is_given_back()


def is_connected(pid):
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):        # closed meanwhile
            if os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:"):
                return True
    return False


def test_top_and_a_daemon_that_hangs(daemon, ctl, top):
    """keys are heard while an answer is waited for"""
    master = daemon.master()
    os.kill(master, signal.SIGSTOP)
    try:
        until(lambda: is_connected(top_process(ctl)), "it has asked, and waits")
        start = time.monotonic()
        top.keys("q")
        top.is_shown("^code=0$")
        assert time.monotonic() - start < 20, "it asks for 30 s"
    finally:
        os.kill(master, signal.SIGCONT)
    top.is_given_back()


def test_top_without_a_terminal(daemon, ctl):
    """one report"""
    text = ctl("top")
    assert text.startswith("deferd ") and "\x1b" not in text
    assert "slots" in text


def test_terminal_gets_no_escapes(daemon, ctl, terminal):
    """log and responses are octets elsewhere; a terminal gets text"""
    task = ctl.sh(f"printf '{HOSTILE}' >&2; printf 'Content-Type: text/plain\\n\\n{HOSTILE}'")
    daemon.wait(task)
    terminal.type(f"clear; {ctl.program} log {task}; echo; echo end")
    terminal.is_shown("^end")
    assert "\\x1b[2J\\x1b]0;evil\\x07\\xff" in terminal.text()
    task = "printf 'Content-Type: text/plain\\n\\n\\033[2Jx'"
    assert ctl.sh(task, "-w") == "\x1b[2Jx"


# ---- completion ------------------------------------------------------------


def complete(ctl, line):
    """What bash offers at the end of this line."""
    words = line.split(" ")
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _deferctl; ' \
        'printf "%s\\n" "${COMPREPLY[@]}"'
    words[0] = ctl.program
    done = subprocess.run(["bash", "--norc", "-c", script, "bash",
                           os.path.join(SOURCE, "ctl", "deferctl.bash-completion"), *words],
                          env=ctl.env(), capture_output=True, text=True, check=True)
    assert not done.stderr, done
    return done.stdout.split()


def test_completion(world, ctl):
    commands = re.findall(r"^  (\w+) ", ctl("help"), re.M)
    assert sorted(complete(ctl, "deferctl ")) == sorted(commands)
    assert complete(ctl, "deferctl re") == ["resume", "reload", "restart"]
    assert complete(ctl, "deferctl -s /x sho") == ["show"]
    assert complete(ctl, "deferctl help dr") == ["drain"]
    assert complete(ctl, "deferctl list -s time") == ["timed-out"]
    assert complete(ctl, "deferctl list --state ca") == ["cancelled"]
    assert complete(ctl, f"deferctl submit -d {world.path('bin', 'deferd-m')}") == \
        [world.path("bin", "deferd-master")]


def test_completion_knows_all_options(ctl):
    for command in re.findall(r"^  (\w+) ", ctl("help"), re.M):
        usage = ctl("help", command).split("\n", 1)
        options = set(re.findall(r"^  (?:(-\w)(?:, | ))?(--\w+)?", usage[1], re.M))
        options = {o for pair in options for o in pair if o} | \
            set(re.findall(r"(?<=\s)-\w|--json|-t(?= TIME)", usage[0].partition(command)[2]))
        assert options <= set(complete(ctl, f"deferctl {command} -")), command


def test_completion_of_tasks(daemon, ctl):
    done = ctl.sh(OK)
    daemon.wait(done)
    running = ctl.sh("sleep 60")
    assert sorted(complete(ctl, "deferctl show ")) == sorted([done, running])
    assert complete(ctl, f"deferctl log {done[:6]}") == [done]
    assert complete(ctl, "deferctl cancel ") == [running]
    assert complete(ctl, "deferctl wait -t 5 ") == [running]
    ctl("cancel", running)
    ctl.socket = "/nowhere"
    assert complete(ctl, "deferctl show ") == []
