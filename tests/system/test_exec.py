"""contract.md section 5: what an exec task gets, and how it ends."""

import os
import time

import pytest

from client import until
from harness import ROOT, WORKER_USER, alive

TYPE = "printf 'Content-Type: text/plain\\n\\n'\n"


def environment(answer):
    assert answer.status == 200, answer
    return dict(line.split("=", 1) for line in answer.body.decode("latin-1").split("\0") if line)


# ---- what it gets ----------------------------------------------------------


def test_own_directory_and_argv(world, make):
    """the program, in its own directory, no shell, argv = its path"""
    world.write("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\npwd; tr '\\0' '|' "
                "</proc/$$/cmdline; echo; sed 's/.*) //' /proc/$$/stat | cut -d' ' -f3\necho $$\n",
                "cgi", "where is it;.cgi", mode=0o755)
    d = make(routes='route "/x" {{ exec = "{cgi}/where is it;.cgi" }}')
    lines = d.wait(d.submit("/x", method="GET", query="a+b")).body.decode().splitlines()
    assert lines[0] == world.path("cgi")
    assert lines[1] == f"/bin/sh|{world.path('cgi', 'where is it;.cgi')}|"
    assert lines[2].strip() == lines[3], "in its own process group"


def test_stdin(shared):
    """stdin: the body as a file at offset 0 (empty: /dev/null)"""
    world = shared.world
    world.script("stdin", "#!/usr/bin/python3\nimport os, stat\n"
                 "print('Content-Type: text/plain\\n')\ns = os.fstat(0)\n"
                 "null = stat.S_ISCHR(s.st_mode) and s.st_rdev == os.makedev(1, 3)\n"
                 "print(stat.S_ISREG(s.st_mode), null, s.st_size,"
                 " null or os.lseek(0, 0, os.SEEK_CUR), len(os.read(0, 1 << 20)))\n")
    for size in (1, 1000, 65536, 65537, 500_000):
        done = shared.wait(shared.submit("/run/stdin", b"x" * size))
        assert done.body == f"True False {size} 0 {size}\n".encode()
    done = shared.wait(shared.submit("/run/stdin"))
    assert done.body.startswith(b"False True")


def test_descriptors(shared):
    """No descriptor but 0-3"""
    shared.world.script("fds", "#!/usr/bin/python3\nimport os\n"
                        "print('Content-Type: text/plain\\n')\n"
                        "def there(n):\n    try: os.fstat(n)\n    except OSError: return False\n"
                        "    return True\nprint([n for n in range(1024) if there(n)])\n")
    # what python itself opens to read the script is closed again by then
    assert shared.wait(shared.submit("/run/fds", b"x")).body == b"[0, 1, 2, 3]\n"


def test_signals_are_at_their_defaults(shared):
    """Nothing of the worker's signal mask or dispositions reaches a script"""
    text = shared.run(TYPE + "grep -E 'Sig(Blk|Ign)' /proc/self/status").body.decode()
    libc_own = 0b11 << 31       # 32 and 33: whoever started us decides, no program can
    for line in text.splitlines():
        assert int(line.split()[1], 16) & ~libc_own == 0, line


def test_environment_through_servers(shared, server):
    """Environment: every variable of the request block, as under mod_cgi"""
    link = server.curl("/jobs/env/a%20b?x=1%202", headers=["X-Test: one", "Cookie: c=1"])
    env = environment(shared.wait(link.id))
    assert env["REQUEST_METHOD"] == "GET" and env["QUERY_STRING"] == "x=1%202"
    assert env["HTTP_X_TEST"] == "one" and env["HTTP_COOKIE"] == "c=1"
    assert env["SERVER_PROTOCOL"] == "HTTP/1.1" and env["REMOTE_ADDR"] == "127.0.0.1"
    assert env["SERVER_PORT"] == str(server.port)
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == ("/jobs/env", "/a b")
    assert env["DEFERD_TASK_ID"] == link.id
    assert env["DEFERD_PROGRESS_FD"] == "3"
    assert env["CONTENT_LENGTH"] == "0" if "CONTENT_LENGTH" in env else True
    assert env["GATEWAY_INTERFACE"] == "CGI/1.1"


def test_environment_minus(shared):
    """minus HTTP_PROXY, HTTP_TRANSFER_ENCODING, HTTP_EXPECT, HTTP_RANGE, HTTP_IF_*, PATH, ..."""
    names = ["HTTP_PROXY", "HTTP_EXPECT", "HTTP_RANGE", "HTTP_IF_NONE_MATCH",
             "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_RANGE", "IFS", "ENV", "BASH_ENV", "LD_PRELOAD",
             "LD_LIBRARY_PATH", "DYLD_X", "DEFERD_SOCKET", "DEFERD_OTHER", "lower", "A-B", "1X",
             "BASH_FUNC_x%%"]
    extra = [(n, "evil") for n in names] + [("PATH", "/evil"), ("OTHER_1", "kept"), ("_X", "kept")]
    env = environment(shared.wait(shared.submit("/env", method="GET", extra=extra)))
    assert not [n for n in names if n in env]
    assert "evil" not in env["PATH"] and "/usr/bin" in env["PATH"]
    assert env["OTHER_1"] == env["_X"] == "kept"


def test_environment_of_the_daemon_stays_out(make):
    """Environment built from nothing"""
    os.environ["DEFERD_TEST_SECRET"] = os.environ["TEST_SECRET"] = "secret"
    try:
        d = make()
    finally:
        del os.environ["DEFERD_TEST_SECRET"], os.environ["TEST_SECRET"]
    env = environment(d.wait(d.submit("/env", method="GET")))
    assert "secret" not in env.values() and "DEFERD_LIBEXECDIR" not in env


def test_environment_of_one_request_is_not_in_the_next(shared):
    """Environment of one request seen in the next (CVE-2011-2766)"""
    shared.wait(shared.submit("/env", method="GET", extra=[("HTTP_SECRET", "x")]))
    for _ in range(40):
        assert "HTTP_SECRET" not in environment(shared.wait(shared.submit("/env", method="GET")))


def test_env_of_the_route(make):
    """plus the route's `env`, which wins over the request's"""
    d = make(routes='route "/e/*" {{ exec = "{cgi}/env.cgi" env = {{ "A=1", "HTTP_X=mine", '
                    '"EMPTY=" }} }}')
    env = environment(d.wait(d.submit("/e", method="GET", extra=[("HTTP_X", "theirs")])))
    assert (env["A"], env["HTTP_X"], env["EMPTY"]) == ("1", "mine", "")


@pytest.mark.parametrize("url, script, info", [
    ("/e", "/spare/e", None), ("/e/", "/spare/e", "/"), ("/e/x/y", "/spare/e", "/x/y")])
def test_script_name_and_path_info(make, url, script, info):
    """SCRIPT_NAME / PATH_INFO are split at the route's literal prefix"""
    d = make(routes='route "/e/*" {{ exec = "{cgi}/env.cgi" }}')
    env = environment(d.wait(d.submit(url, method="GET")))
    assert env["SCRIPT_NAME"] == script and env.get("PATH_INFO") in (info, info or "")


def test_content_length_is_the_true_length(world, shared, start_server):
    """CONTENT_LENGTH is the true length, of a chunked body too"""
    world.script("length", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n"
                 'echo "$CONTENT_LENGTH $HTTP_TRANSFER_ENCODING"\n')
    for name in ("apache-mod_cgid", "nginx", "lighttpd-mod_cgi"):
        answer = start_server(name).curl("/jobs/run/length", body=b"x" * 12345, chunked=True)
        assert shared.wait(answer.id).body == b"12345 \n"


def test_limits(make):
    """Resource limits per route (cpu, memory, file size, processes, nice)"""
    d = make(routes="""
route "/sh/*" {{ exec = "{cgi}/sh.cgi" cpu = 7 memory = "512M" file-size = "1M" nice = 19 }}
""")
    out = d.run(TYPE + "ulimit -t; ulimit -v; ulimit -f; nice").body.split()
    assert out == [b"7", b"524288", b"2048", b"19"]


def test_pushes_nobody_aside(shared):
    """workers, all their threads and what they run are SCHED_BATCH; who answers is not"""
    batch = {os.SCHED_BATCH}
    for pid in shared.workers():
        threads = map(int, os.listdir(f"/proc/{pid}/task"))
        assert {os.sched_getscheduler(t) for t in threads} == batch
    for pid in shared.launcher(), shared.master():
        assert os.sched_getscheduler(pid) == os.sched_getscheduler(0)
    policy = "cut -d')' -f2 /proc/self/stat | cut -d' ' -f40"
    assert {int(shared.run(TYPE + policy).body)} == batch


def nice_of(pid):
    """of all its threads, which have the same"""
    values = {os.getpriority(os.PRIO_PROCESS, int(t)) for t in os.listdir(f"/proc/{pid}/task")}
    assert len(values) == 1
    return values.pop()


def test_who_answers_goes_first(make):
    """where they may, launcher and master are two steps of nice before the value they were started with; workers and
    tasks have that value"""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    beside, rise = min(before + 7, 19), 2 if os.sched_getscheduler(0) == os.SCHED_OTHER else 0
    try:
        os.setpriority(os.PRIO_PROCESS, 0, before - 1)
    except PermissionError:     # nor may deferd
        beside, rise = before, 0
    try:
        os.setpriority(os.PRIO_PROCESS, 0, beside)
        d = make()
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)
    assert [nice_of(pid) for pid in (d.launcher(), d.master())] == [beside - rise] * 2
    assert {nice_of(pid) for pid in d.workers()} == {beside}
    assert int(d.run(TYPE + "nice").body) == beside


def test_pushes_aside_whom_it_is_told_to(make):
    """an administrator's own choice of a policy stays"""
    before = os.sched_getscheduler(0)
    try:        # not SCHED_IDLE: on a busy machine it would never start
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pytest.skip("who is not root may choose no better policy")
    try:
        d = make()
    finally:
        os.sched_setscheduler(0, before, os.sched_param(0))
    assert {os.sched_getscheduler(pid) for pid in d.workers()} == {os.SCHED_RR}
    assert nice_of(d.master()) == os.getpriority(os.PRIO_PROCESS, 0)


def test_user(shared):
    """user code runs as `run-as`, with its groups and no more"""
    out = shared.run(TYPE + "id -un; id -Gn; grep CapEff /proc/self/status").body.split()
    assert out[0] == WORKER_USER.encode()
    if ROOT:
        assert out[1:-2] == [WORKER_USER.encode()] and int(out[-1], 16) == 0


# ---- how it ended ----------------------------------------------------------


@pytest.mark.parametrize("what, code, words", [
    ("exit not 0, even after a complete-looking response", TYPE + "echo x; exit 3", ["3", "status"]),
    ("killed by a signal", TYPE + "echo x; kill -9 $$", ["9", "signal", "kill"]),
    ("dies after its headers", TYPE + "kill -11 $$", ["11", "signal", "egmentation"]),
    ("no output", "exit 0", ["no output"]),
    ("no valid head", "echo hello", ["head"]),
    ("no empty line", "echo Content-Type: x/y", ["empty line"]),
    ("head over 64 KiB", "head -c 70000 /dev/zero | tr '\\0' x", ["64 KiB"]),
    ("folded line", "printf 'Content-Type: x/y\\nA: b\\n c\\n\\n'", ["folded"]),
    ("NUL in the head", "printf 'Content-Type: x/y\\nA: \\0\\n\\n'", ["NUL"]),
    ("bad name", "printf 'Content-Type: x/y\\nA b: c\\n\\n'", ["name"]),
    ("bad status", "printf 'Status: 99\\nContent-Type: x/y\\n\\n'", ["status"]),
])
def test_failed(shared, what, code, words):
    """failed, reason says which"""
    done = shared.run(code)
    assert (done.status, done.state) == (500, "failed"), what
    detail = done.json["detail"]
    assert any(w in detail for w in words), f"{what}: {detail}"


def test_exit_status_ignore(make):
    """exit-status = "ignore" per route (there: logged)"""
    d = make(routes='route "/sh/*" {{ exec = "{cgi}/sh.cgi" exit-status = "ignore" }}')
    task = d.sh(TYPE + "echo x; exit 3")
    done = d.wait(task)
    assert (done.status, done.body, done.state) == (200, b"x\n", "succeeded")
    until(lambda: [l for l in d.log().splitlines() if task in l and "3" in l], "it is logged")
    assert d.run(TYPE + "kill -9 $$").state == "failed", "a signal is no exit status"


def test_timed_out(make):
    """over `timeout`: timed-out; group killed"""
    d = make(timeout=60, grace=60,
             routes='route "/sh/*" {{ exec = "{cgi}/sh.cgi"  timeout = 2  grace = 2 }}')
    out = d.world.path("out")
    start = time.monotonic()
    done = d.run(f"trap '' TERM; sleep 1001 & echo $! $$ >{out}/timeout\nwhile :; do wait; done")
    assert done.state == "timed-out" and 1.9 < time.monotonic() - start < 50
    pids = [int(x) for x in open(f"{out}/timeout").read().split()]
    assert len(pids) == 2
    until(lambda: not any(map(alive, pids)), "the group is gone")


@pytest.mark.parametrize("how", ["cancel", "time", "kill worker"])
def test_timeout_and_job_control(make, how):
    """cancel, timeout: timeout(1) and `set -m` make groups of their own, and are stopped all the same"""
    d = make(timeout=3 if how == "time" else 60, grace=1, rerun="never",
             routes='route "/sh/*" {{ exec = "{cgi}/sh.cgi" }}')
    out = d.world.path("out", "below-" + how.split()[0])
    task = d.sh(f"timeout 1005 sh -c 'echo $$ >{out}; sleep 1006'; :")
    until(lambda: os.path.exists(out) and open(out).read(), "it runs")
    below = int(open(out).read())
    if how == "cancel":
        assert d.status(task, method="DELETE").status == 204
    elif how == "kill worker":
        for worker in d.workers():
            os.kill(worker, 9)
    until(lambda: not alive(below), "what timeout(1) started is gone")
    d.wait_state(task, {"cancel": "cancelled", "time": "timed-out"}.get(how, "failed"))


def test_cannot_be_started(world, make):
    """cannot be started: failed, reason says which errno"""
    world.write("#!/bin/sh\n", "cgi", "no-x.cgi", mode=0o644)
    world.write("#!/no/such/interpreter\n", "cgi", "no-i.cgi", mode=0o755)
    world.write("neither script nor program\n", "cgi", "no-f.cgi", mode=0o755)
    d = make(routes="".join(f'route "/{n}" {{{{ exec = "{{cgi}}/no-{n}.cgi" }}}}\n' for n in "xifn"))
    for name, words in (("x", "Permission denied"), ("i", "No such file"),
                        ("f", "Exec format error"), ("n", "No such file")):
        done = d.wait(d.submit("/" + name, method="GET"))
        assert (done.status, done.state) == (500, "failed")
        assert words in done.json["detail"], done


def test_background_child_keeps_stdout(shared, server):
    """a background child that holds stdout open does not hold the task open, and is killed"""
    out = shared.world.path("out", f"background-{server.name}")
    start = time.monotonic()
    code = f"{TYPE} sleep 1002 & echo $! >{out}; echo done"
    answer = server.curl("/jobs/sh", body=code.encode())
    done = shared.wait(answer.id)
    assert done.body == b"done\n" and time.monotonic() - start < 50
    until(lambda: not alive(int(open(out).read())), "the child is killed")


def test_setsid_escapes(shared):
    """`setsid` escapes the group, on purpose"""
    out = shared.world.path("out", "escaped")
    done = shared.run(f"{TYPE} setsid sh -c 'echo $$ >{out}; exec sleep 1003' </dev/null >/dev/null"
                      f" 2>&1 & while [ ! -s {out} ]; do sleep 0.01; done; echo done")
    assert done.body == b"done\n"
    pid = int(open(out).read())
    assert alive(pid)
    os.kill(pid, 9)


def test_output_is_drained(shared):
    """the leader exited *and* its stdout is drained: nothing of it is lost"""
    for size in (60_000, 65_536, 3_000_000):
        done = shared.run(TYPE + f"head -c {size} /dev/zero")
        assert done.size == size


def test_writes_before_it_reads(shared, server):
    """Pipes deadlock: a 300 KB POST to a script that writes 300 KB before it reads"""
    shared.world.script("first", "#!/bin/sh\nprintf 'Content-Type: x/y\\n\\n'\n"
                        "head -c 300000 /dev/zero\nwc -c\n")
    answer = server.curl("/jobs/run/first", body=b"x" * 300_000)
    done = shared.wait(answer.id)
    assert done.body == b"\0" * 300_000 + b"300000\n"


def test_head_of_tiny_lines(shared):
    """head over 64 KiB is about what the script wrote: tiny lines are longer when they go out"""
    d = shared
    task = d.sh(r"echo Status: 200; yes a: | head -n 20000; printf '\nbody'")
    answer = d.wait(task)
    assert (answer.status, answer.state, answer.body) == (200, "succeeded", b"body")
    assert len([h for h in answer.headers if h[0] == "a"]) == 20000
    assert d.get(f"/status/{task}/info").json["http"]["status"] == 200


def test_floods_stderr(shared):
    """a script that floods stderr first; stderr kept, last 64 KiB, rate-limited in the log"""
    before = len(shared.log())
    done = shared.run("yes 'a line on stderr' | head -c 20000000 >&2\n" + TYPE + "echo done")
    assert done.body == b"done\n"
    assert len(shared.log()) - before < 1_000_000


def test_stderr_is_logged(shared):
    """each line logged with the task id"""
    task = shared.sh("echo 'to the log\033[31m' >&2\n" + TYPE)
    shared.wait(task)
    line = until(lambda: [l for l in shared.log().splitlines() if task in l and "to the log" in l],
                 "it is in the log")[0]
    assert "\033" not in line


@pytest.mark.parametrize("code, status, location", [
    ("printf 'Location: /elsewhere\\n\\n'", 302, "/elsewhere"),
    ("printf 'Location: http://x.example/\\n\\n'", 302, "http://x.example/"),
    ("printf 'Status: 201 Created\\nLocation: /new\\nContent-Type: x/y\\n\\nmade'", 201, "/new"),
    ("printf 'Status: 202 Accepted\\nLocation: /x\\nContent-Type: x/y\\n\\nlater'", 202, "/x"),
    ("printf 'Status: 303 See\\nLocation: /x\\n\\n'", 303, "/x"),
])
def test_location(shared, server, code, status, location):
    """Location without Status: 302; no server runs an internal redirect in its place"""
    answer = server.curl("/jobs/sh", body=code.encode())
    shared.wait(answer.id)
    done = server.curl(answer.get("Location"))
    assert (done.status, done.state) == (status, "succeeded")
    where = done.get("Location")
    assert where == location or where == server.url + location
    if "made" in code:
        assert done.body == b"made"


def test_200_with_location(shared, server):
    """200 + Location: body and Location stay (Apache would replace the body by /x)"""
    code = "printf 'Status: 200 OK\\nLocation: /x\\nContent-Type: text/plain\\n\\nmine'"
    answer = server.curl("/jobs/sh", body=code.encode())
    shared.wait(answer.id)
    done = server.curl(answer.get("Location"))
    assert (done.status, done.body, done.state) == (200, b"mine", "succeeded"), done
    assert done.get("Location") in ("/x", server.url + "/x")


def test_nph(shared):
    """an HTTP/1.x status line (nph) is understood"""
    done = shared.run("printf 'HTTP/1.1 418 Teapot\\r\\nContent-Type: x/y\\r\\n\\r\\ntea'")
    assert (done.status, done.body) == (418, b"tea")


@pytest.mark.parametrize("end", ["\\n", "\\r\\n"])
def test_line_ends(shared, end):
    """LF or CRLF"""
    done = shared.run(f"printf 'Content-Type: x/y{end}A: b{end}{end}body'")
    assert (done.get("Content-Type"), done.get("A"), done.body) == ("x/y", "b", b"body")


def test_dropped_headers(shared, server):
    """hop-by-hop headers, X-Accel-*, X-Sendfile and Deferd-* dropped"""
    code = ("printf 'Content-Type: text/plain\\nTransfer-Encoding: chunked\\nConnection: x-hop\\n"
            "X-Hop: 1\\nKeep-Alive: 5\\nUpgrade: h2c\\nX-Accel-Redirect: /secret\\n"
            "X-Accel-Buffering: no\\nX-Sendfile: /etc/passwd\\nX-LIGHTTPD-send-file: /etc/passwd\\n"
            "X-Kept: 1\\n\\nmine'")
    answer = server.curl("/jobs/sh", body=code.encode())
    shared.wait(answer.id)
    done = server.curl(answer.get("Location"))
    assert (done.status, done.body, done.get("X-Kept")) == (200, b"mine", "1")
    for name in ("X-Hop", "Upgrade", "X-Accel-Redirect", "X-Accel-Buffering", "X-Sendfile",
                 "X-LIGHTTPD-send-file"):
        assert done.get(name) is None, name


def test_no_shell_sees_the_request(shared):
    """never a shell (CVE-2014-6271)"""
    out = shared.world.path("out", "shellshock")
    evil = "() { :;}; touch " + out
    shared.wait(shared.submit("/env", method="GET", query="$(touch%20" + out + ")",
                              extra=[("HTTP_USER_AGENT", evil)]))
    assert not os.path.exists(out)


def test_progress(make):
    """progress through DEFERD_PROGRESS_FD: `42 rendering page 3`"""
    d = make()
    out = d.world.path("out", "progress")
    task = d.sh(f"echo '42 rendering page 3' >&3; while [ ! -e {out} ]; do sleep 0.02; done\n" + TYPE)
    until(lambda: "rendering" in d.status(task).body.decode() if d.status(task).state == "running"
          else False, "the progress is shown")
    document = d.status(task).json["progress"]
    assert document == {"percent": 42, "message": "rendering page 3"}
    open(out, "w").close()
    assert d.wait(task).status == 200
