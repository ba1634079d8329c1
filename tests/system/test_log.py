"""The log: one line for each event, whoever writes into it; nothing secret; nobody waits for it."""

import glob
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from client import connect, netstring, read_all, scgi, scgi_head, until
from harness import NO_TASK, ROOT, SOURCE

END = "printf 'Content-Type: text/plain\\n\\nhello'\n"
VALUE = r'(?:[^\s"=\\]+|"(?:[^"\\]|\\.)*"(?:\.\.\.)?)'
EVENT = rf"[a-z]+(?:-[a-z]+)*(?: [a-z-]+={VALUE})*(?: \[cut\])?"
FRONT = re.compile(rf"deferd(?:-master|-worker)?\[\d+\]: (?:error|warning|info|debug): ({EVENT})")


def events(text, name=None):
    """The events of a log in front; anything in it that is none is an error."""
    found = []
    for line in text[:-1].split("\n"):
        match = FRONT.fullmatch(line)
        assert match, f"no event: {line!r}"
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line), repr(line)
        found.append(match[1])
    return [e for e in found if name is None or e.split(" ")[0] == name]


def value(event, key):
    return re.search(rf" {key}=({VALUE})", event)[1]


def settled(d, task):
    """All of a task's log, when it has ended."""
    until(lambda: any(task in e for e in events(d.log(), "ended")), "its end is logged")
    return [e for e in events(d.log()) if f"task={task}" in e]


# ---- what is said ------------------------------------------------------------


def test_story_of_a_task(make):
    """accepted, started, stderr, ended: each with the task's id; waiting and running time, exit, reason"""
    d = make()
    task = d.sh("echo 'a \"word\"' >&2\nsleep 0.2\nexit 3\n")
    d.wait(task)
    story = settled(d, task)
    assert [e.split(" ")[0] for e in story] == ["accepted", "started", "stderr", "ended"]
    assert value(story[0], "method") == "POST" and value(story[0], "path") == "/sh"
    assert value(story[0], "route") == "/sh/*" and value(story[1], "attempt") == "1"
    assert value(story[2], "text") == r'"a \"word\""'
    assert value(story[3], "state") == "failed" and value(story[3], "exit") == "3"
    assert 0.2 <= float(value(story[3], "ran")) < 20 and float(value(story[3], "waited")) < 20
    assert "status 3" in value(story[3], "reason")
    assert f"warning: {story[3]}" in d.log()


def test_other_ends(make, world):
    """cancelled, killed by a signal, interrupted and requeued, removed"""
    d = make(workers=1)
    task = d.sh("kill -9 $$\n")
    d.wait(task)
    assert value(settled(d, task)[-1], "exit") == "signal:9"
    assert d.request("DELETE", f"/status/{task}").status == 204
    assert events(d.log(), "removed") == [f"removed task={task}"]
    task = d.sh("sleep 60\n")
    d.wait_state(task, "running")
    d.request("DELETE", f"/status/{task}")
    assert value(settled(d, task)[-1], "state") == "cancelled"
    assert value(settled(d, task)[-1], "exit") == "none"
    go = world.path("out", "other-ends")
    task = d.submit("/sh", f"while [ ! -e {go} ]; do sleep 0.02; done\n{END}".encode(), method="PUT")
    d.wait_state(task, "running")
    os.kill(d.workers()[0], signal.SIGKILL)
    until(lambda: events(d.log(), "requeued"), "it is requeued")
    open(go, "w").close()
    d.wait(task)
    story = settled(d, task)
    assert [e.split(" ")[0] for e in story] == ["accepted", "started", "requeued", "started", "ended"]
    assert "worker" in value(story[2], "reason") and value(story[4], "attempt") == "2"
    assert any("exit=signal:9" in e for e in events(d.log(), "worker-died"))


def test_refused(make):
    """refused: the reason; at a bounded rate: a flood of bad requests does not flood the log"""
    d = make(max_body="1K")
    assert d.request("POST", "/sh", b"x" * 2000).status == 413
    assert d.get("/nothing/here", query="a=secret").status == 404
    said = events(d.log(), "refused")
    assert any("task=none reason=body-too-large method=POST path=/sh" in e for e in said)
    assert any("reason=no-route method=GET path=/nothing/here" in e for e in said)
    before = len(said)
    start = time.monotonic()
    for _ in range(500):
        d.get(f"/status/{NO_TASK}")
    took = time.monotonic() - start
    assert len(events(d.log(), "refused")) - before <= 20 + 5 * (took + 1)
    until(lambda: d.get(f"/status/{NO_TASK}") and re.search(r"skipped=[1-9]", d.log()),
          "it is said how many were skipped")


def test_refused_query(make):
    """what stands in a query is told to who has sent it, and not to the log"""
    d = make()
    control = d.world.path(d.folder, "control.sock")
    for query in ("state=s3cr3t", "s3cr3t=1", "s3cr3t=%", "limit=5&older=s3cr3t"):
        answer = scgi(control, "GET", "/tasks", query=query)
        assert answer.status == 400 and "s3cr3t" in answer.json["detail"]
    until(lambda: d.log().count("reason=bad-request method=GET path=/tasks ") == 4,
          "they are logged")
    assert "s3cr3t" not in d.log()


def test_operator(make):
    """reload, pause, resume, drain are told of"""
    d = make()
    control = d.world.path(d.folder, "control.sock")
    for verb in ("pause", "pause", "resume"):
        assert scgi(control, "POST", f"/{verb}", mount=d.mount).status == 204
    assert len(events(d.log(), "paused")) == len(events(d.log(), "resumed")) == 1
    d.settings["keep"] = 123
    d.write_conf()
    d.process.send_signal(signal.SIGHUP)
    until(lambda: events(d.log(), "reloaded"), "it is reloaded")
    assert value(events(d.log(), "reloading")[0], "needs-restart") == '""'
    d.stop()
    assert [events(d.log(), e) != [] for e in ("stopping", "draining", "exit")] == [True] * 3


# ---- what is not said ---------------------------------------------------------

SECRETS = ("TheBod", "TheQuery", "TheAuthorization", "TheCookie", "TheProxy", "TheReferer")
EXTRA = (("HTTP_AUTHORIZATION", "TheAuthorization"), ("HTTP_COOKIE", "TheCookie"),
         ("HTTP_PROXY_AUTHORIZATION", "TheProxy"), ("HTTP_REFERER", "TheReferer"))


@pytest.mark.parametrize("debug", [False, True], ids=["default", "debug"])
def test_secrets(make, debug):
    """no request body, no Authorization, no Cookie, no query string in a log; error paths and -d too"""
    d = make(*(["-d"] if debug else []), max_body="10K")
    ask = {"query": "q=TheQuery", "extra": EXTRA}
    for code in (END, "exit 3 # TheBody\n", "kill -9 $$ # TheBody\n", "# TheBody, no response\n"):
        d.wait(d.submit("/sh", code.encode(), **ask))
    d.request("POST", "/sh", b"#TheBod" * 5000, **ask)             # too large
    d.request("POST", "/nothing", b"#TheBod", **ask)
    d.request("PROPFIND", "/sh", b"#TheBod", **ask)
    d.request("GET", f"/status/{NO_TASK}", **ask)
    d.request("POST", "/sh", b"#TheBod", query="q=TheQuery", extra=EXTRA + (("HTTP_IDEMPOTENCY_KEY", "\x01"),))
    for head in (scgi_head("POST", "/sh", length=7, **ask).replace(b"SCGI\x001", b"SCGI\x002"),
                 scgi_head("POST", "/sh", length=7, query="q=TheQuery", extra=EXTRA + EXTRA),
                 scgi_head("POST", "/%00", length=7, **ask), b"14:TheBodyTheBody,",
                 netstring(b"CONTENT_LENGTH\0x\0HTTP_COOKIE\0TheCookie\0")):
        with connect(d.socket) as s:
            s.sendall(head + b"#TheBod")
            s.shutdown(socket.SHUT_WR)
            try:
                read_all(s)
            except ConnectionError:
                pass
    d.stop()
    text = d.log()
    assert events(text, "refused") and events(text, "ended")
    assert debug == bool(events(text, "done"))
    assert [word for word in SECRETS if word in text] == []


# ---- hostile input -------------------------------------------------------------

NASTY = b"a\\nb\x1b[2J\x1b]0;title\x07\r\x00\x9b31m\xc2\x9b1m\xff\xfe\xc3\x28\xed\xa0\x80\x7f\"=\\ end"


def test_hostile_stderr(make, world):
    """newlines, escapes, invalid UTF-8, 8-bit C1, 100 KB lines on stderr: one line each"""
    d = make()
    path = world.path("out", "nasty")
    with open(path, "wb") as f:
        f.write(NASTY + b"\n" + b"x" * 100_000 + b"\n" + b"\x1b" * 100_000 + b"\nended task=" +
                NO_TASK.encode() + b" state=succeeded\n\r\n\n" + b"no newline")
    task = d.sh(f"cat {path} >&2\n{END}")
    d.wait(task)
    said = [e for e in settled(d, task) if e.startswith("stderr ")]
    assert len(said) == 5, said
    assert all(e.startswith(f"stderr task={task} text=") and len(e) < 1200 for e in said)
    assert value(said[0], "text") == (r'"a\\nb\x1b[2J\x1b]0;title\x07\r\x00\x9b31m\xc2\x9b1m\xff\xfe'
                                      r'\xc3(\xed\xa0\x80\x7f\"=\\ end"')
    assert said[1].endswith('x"...') or said[1].endswith("x" * 900), said[1][-30:]
    assert said[2].endswith(r'\x1b"...') and said[4].endswith('text="no newline"')
    assert not [e for e in events(d.log(), "ended") if NO_TASK in e]


def test_hostile_paths(make):
    """the same in a path, a method, a reason"""
    d = make(routes='route "/run/*" {{ exec = "{cgi}/run.cgi" }}\n')
    for path in ("/run/a\x1b[2J", "/run/\xff\xc2\x9b", "/run/" + "y" * 50_000, '/run/a" task="x',
                 "/run/a task=0 state=succeeded", "/no/\x9b\xe9", "/no/" + "z" * 60_000, "/no/a\nb"):
        for method in ("GET", "POST", "G\x1bT"):
            d.request(method, path)
    until(lambda: len(events(d.log(), "refused")) >= 10, "they are refused")
    found = events(d.log())
    assert all(len(e) < 4096 for e in found)
    for event in found:
        keys = [pair.split("=")[0] for pair in re.findall(rf" ([a-z-]+={VALUE})", event)]
        assert len(keys) == len(set(keys)), event       # nobody has added one
        assert "state" not in keys or keys[0:3] == ["task", "state", "route"], event
    assert len([e for e in found if re.search(r'path="/run/a task=0 state=succeeded"', e)]) == 2


# ---- where it goes ---------------------------------------------------------------


class Syslog:
    """A log daemon of the test's own, where $DEFERD_SYSLOG says."""

    def __init__(self, path):
        self.path = path
        self.open()

    def open(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.setblocking(False)

    def lines(self):
        found = []
        while True:
            try:
                found.append(self.socket.recv(1 << 16))
            except BlockingIOError:
                return found


@pytest.fixture
def background(world, built):
    """A daemon in the background, and its syslog."""
    d = world.daemon()
    log = Syslog(world.path("out", "syslog"))
    d.write_conf()
    with open(d.conf_path, "a") as f:
        f.write(f'pid-file = "{world.path("spare", "pid")}"\n')
    os.makedirs(world.path("spare", "spool"), mode=0o700, exist_ok=True)
    if ROOT:
        import shutil
        from harness import MASTER_USER
        shutil.chown(world.path("spare", "spool"), MASTER_USER)
    subprocess.run(d.command("-c", d.conf_path), env={**d.env(), "DEFERD_SYSLOG": log.path},
                   check=True, timeout=30)
    with open(world.path("spare", "pid")) as f:
        pid = int(f.read())
    yield d, log
    os.kill(pid, signal.SIGTERM)
    until(lambda: not os.path.exists(f"/proc/{pid}"), "it has ended", 60)
    os.unlink(log.path)


def test_syslog(background, world):
    """in the background: syslog; the same line, with its priority; one line each"""
    d, log = background
    path = world.path("out", "nasty")
    with open(path, "wb") as f:
        f.write(NASTY)
    found = log.lines()         # its queue is short, ten in places
    task = d.sh(f"cat {path} >&2\nexit 3\n")

    def its_end():
        found.extend(log.lines())
        return any(b" ended task=" + task.encode() in line for line in found)
    until(its_end, "its end is logged")
    head = re.compile(rb"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (deferd[a-z-]*)\[\d+\]: (.*)")
    parts = [head.fullmatch(line) for line in found]
    assert all(parts), found
    for part in parts:
        text = part[3].decode()
        assert re.fullmatch(EVENT, text) and not re.search(r"[\x00-\x1f\x7f-\x9f]", text), part[0]
    end = [p for p in parts if p[3].startswith(b"ended")][0]
    assert int(end[1]) == 3 * 8 + 4 and end[2] == b"deferd-master"
    said = [p for p in parts if p[3].startswith(b"stderr")][0]
    assert int(said[1]) == 3 * 8 + 6 and said[2] == b"deferd-worker"


def test_syslog_stops(background):
    """the syslog is slow, or gone, and comes back: nobody waits, and the gap is told"""
    d, log = background
    for _ in range(200):                    # nobody reads: its queue is full soon
        d.run(END)
    start = time.monotonic()
    assert d.get(f"/status/{NO_TASK}").status == 404
    assert time.monotonic() - start < 30
    assert 0 < len(log.lines()) < 400
    d.run(END)
    until(lambda: [line for line in log.lines() if b" log-lost lines=" in line] or
          (d.run(END) and False), "the gap is told")
    log.socket.close()
    d.run(END)
    os.unlink(log.path)
    d.run(END)
    log.open()
    d.run(END)
    assert [line for line in log.lines() if b" ended task=" in line]


def test_journal(world, built, make):
    """stderr is the journal's: <priority> before each line, and no name"""
    ours, theirs = socket.socketpair()
    d = world.daemon()
    d.write_conf()
    st = os.fstat(theirs.fileno())
    d.process = subprocess.Popen(
        d.command("-f", "-c", d.conf_path), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        env={**d.env(), "JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"}, cwd="/", start_new_session=True)
    theirs.close()
    try:
        until(d.serves, "it serves")
        answer = d.run("echo 'a\x1bb' >&2; echo $JOURNAL_STREAM >&2; exit 3\n")
        assert answer.status == 500
        # a journal that is stuck stops nobody
        for _ in range(300):
            assert d.run("i=0; while [ $i -lt 40 ]; do i=$((i+1)); "
                         "echo many many many many words >&2; done\n" + END).body == b"hello"
        start = time.monotonic()
        assert d.get(f"/status/{NO_TASK}").status == 404
        assert time.monotonic() - start < 30
        ours.setblocking(False)
        text = b""
        try:
            while chunk := ours.recv(1 << 20):
                text += chunk
        except BlockingIOError:
            pass
        lines = text.decode().split("\n")
        assert lines.pop() == ""
        assert all(re.fullmatch(rf"<[3467]>{EVENT}", line) for line in lines), lines[:50]
        assert any(line.startswith("<4>ended") for line in lines)
        assert any(line.startswith("<6>stderr") and r'text="a\x1bb"' in line for line in lines)
        assert any(line.startswith("<6>accepted") for line in lines)
    finally:
        ours.close()
        d.kill()


# ---- the code and its document ----------------------------------------------------

CALL = re.compile(r'\blog_(error|warn|info|debug|fatal|at)\(([^"();]*)'
                  r'"((?:[^"\\]|\\.)*(?:"\s*"(?:[^"\\]|\\.)*)*)"')


def calls():
    for path in sorted(glob.glob(f"{SOURCE}/daemon/**/*.c", recursive=True)):
        with open(path) as f:
            text = f.read()
        if os.path.basename(path) == "log.c":
            continue
        found = list(CALL.finditer(text))
        assert len(found) == len(re.findall(r"\blog_(?:error|warn|info|debug|fatal|at)\(", text)), \
            f"{path}: a call whose format is no literal"
        for match in found:
            level = {"fatal": "error", "at": "info", "warn": "warning"}.get(match[1], match[1])
            yield path, level, re.sub(r'"\s*"', "", match[3])


def test_one_style():
    """every call: event key=value; no quotes by hand; no ids but as task="""
    for path, _, line in calls():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*( [a-z-]+=(%(\.\*)?s|%m|%(l|ll|z)?[du]|%\.3f|[\w./-]+))*",
                            line), f"{path}: {line}"
        assert not re.search(r" (id|task_id|body|query|cookie|authorization)=", line), f"{path}: {line}"


def test_every_event_is_documented():
    """doc/logging.md has every event, its level and its keys, and no other"""
    code = {"log-lost": ({"warning"}, {"lines"})}
    for _, level, line in calls():
        levels, keys = code.setdefault(line.split(" ")[0], (set(), set()))
        levels.add(level)
        keys.update(re.findall(r" ([a-z-]+)=", line))
    with open(f"{SOURCE}/doc/logging.md") as f:
        rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \| ([^|]+) \|$", f.read(),
                          re.M)
    documented = {r[0]: (set(r[2].split(", ")), set(re.findall(r"`([^`]+)`", r[3]))) for r in rows}
    assert len(rows) == len(documented)
    assert documented == code
