"""
A task that means harm: each line of doc/security-table.md, by the name that stands there.

Two kinds of lines: what it cannot do, and, as honestly, what it can, because it is the same
user (`run-as`) as every other task.
"""

import os
import platform
import re
import signal
import subprocess
import time

import pytest

from client import until
from harness import SANITIZED, SOURCE, alive
from test_confined import landlock
from test_users import root_only

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64",
                                reason="the script knows the numbers of x86-64")
REFUSED = {"EPERM", "EACCES", "ENOENT", "ESRCH"}
HELLO = "printf 'Content-Type: text/plain\\n\\nhello'"
ROUTES = """
route "/sh/*"     {{ exec = "{cgi}/sh.cgi" }}
route "/hostile/*" {{ exec = "{cgi}/hostile.py" timeout = 60 grace = 1 }}
route "/small/*"  {{ exec = "{cgi}/hostile.py" timeout = 60 grace = 1 processes = 60 }}
"""
WALLS = """
route "/walled/*" {{ exec = "{cgi}/hostile.py" landlock = {{ "rx:/" }} }}
"""


@pytest.fixture
def serve(world, make):
    def start(routes=ROUTES, **settings):
        with open(f"{SOURCE}/tests/system/hostile.py") as f:
            world.write(f.read(), "cgi", "hostile.py", mode=0o755)
        return make(routes=routes, workers=1, threads=4, **settings)
    return start


def try_it(d, what, argument="", route="hostile"):
    """What it tried, and what came of it."""
    done = d.wait(d.submit(f"/{route}/{what}", str(argument).encode()))
    assert done.status == 200, done
    return dict(line.rsplit(" ", 1) for line in done.body.decode().splitlines())


def serves(d):
    assert d.run(HELLO).body == b"hello"


# ---- the daemon ------------------------------------------------------------------


@pytest.mark.skipif(SANITIZED, reason="LeakSanitizer must trace itself")
@pytest.mark.parametrize("who", ["master", "launcher", "worker"])
def test_memory(serve, who):
    """mem, maps, process_vm_readv, ptrace, pidfd_getfd: also where all is one user"""
    d = serve()
    pid = d.workers()[0] if who == "worker" else getattr(d, who)()
    tried = try_it(d, "memory", pid)
    assert len(tried) == 7 and set(tried.values()) <= REFUSED, tried


@root_only
@pytest.mark.parametrize("who", ["master", "launcher"])
def test_signals(serve, who):
    d = serve()
    pid = getattr(d, who)()
    assert set(try_it(d, "signals", pid).values()) == {"EPERM"}
    assert alive(pid)


@root_only
def test_files(serve, world):
    """store, spool"""
    folder = world.path("hostile-db")
    os.makedirs(folder, exist_ok=True)
    os.chown(folder, 1, 1)      # daemon's
    os.chmod(folder, 0o755)
    d = serve(store=f"sqlite:{folder}/tasks.db")
    tried = try_it(d, "files", f"{folder}/tasks.db:{folder}/tasks.db-wal:{world.path('spare', 'spool')}")
    assert set(tried.values()) == {"EACCES"}, tried


@root_only
def test_control_socket(serve, world):
    d = serve()
    assert try_it(d, "sockets", world.path("spare", "control.sock")) == {"control.sock": "EACCES"}


@root_only
def test_data_socket(serve):
    """It can submit, where run-as is a peer; that user is the web server's, too, then"""
    d = serve()
    assert try_it(d, "sockets", d.socket) == {"deferd.sock": "done"}
    d.stop()
    d.settings["peers"] = ("root", "nobody")
    d.start()
    assert try_it(d, "sockets", d.socket) == {"deferd.sock": "EACCES"}


def test_descriptors(serve):
    """Nothing inherited but stdin, stdout, stderr, progress: no frame, no slate, no socket"""
    tried = try_it(serve(), "descriptors")
    assert {fd: what for fd, what in tried.items() if int(fd) > 3 and what != "/dev/null"} == {}
    assert set(tried.values()) <= {"/dev/null", "pipe", "/memfd"}
    assert "slate" not in str(tried)


# ---- its own end ------------------------------------------------------------------


def pid_in(path):
    def read():
        if os.path.exists(path):
            with open(path) as f:
                return int(f.read() or 0)
        return None
    return until(read, f"{path} is written")


def test_survival(serve, world):
    """Of all that a cancel ends, what has left by setsid(2) or two forks lives on"""
    d = serve()
    out = world.path("out", "survive")
    task = d.submit("/hostile/survive", out.encode())
    pids = {name: pid_in(f"{out}.{name}")
            for name in ("leader", "group", "stopped", "traced", "session", "orphan")}
    try:
        d.request("POST", f"/status/{task}/cancel")
        assert d.wait(task).status == 410
        for name in ("leader", "group", "stopped", "traced", "session"):
            until(lambda n=name: not alive(pids[n]), f"{name} is dead")
        assert alive(pids["orphan"])        # on purpose: README, "Limits"
        serves(d)
        # the worker's session is what it could not leave
        os.kill(d.workers()[0], signal.SIGKILL)
        until(lambda: not alive(pids["orphan"]), "it is dead with its worker")
    finally:
        for pid in pids.values():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


# It learns when the worker reads, and comes just before; if the worker then looks at nothing
# else any more, it leaves it at that.
THIEF = r"""
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}
static int unread(int fd, long ns)
{
	long end = now() + ns;
	int n;

	while (ioctl(fd, FIONREAD, &n) == 0 && n > 0 && now() < end)
		usleep(100);
	return n > 0;
}
int main(void)
{
	int fd = open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK);
	long late = 20000, tries = 0, end;
	char c;

	signal(SIGTERM, SIG_IGN);
	write(1, "Content-Type: text/plain\n\n", 26);
	unread(1, 10000000000);
	for (;;) {
		write(1, "x", 1);
		for (end = now() + late; now() < end;)
			;
		late += read(fd, &c, 1) == 1 ? 300 : -1000 - tries++ % 7 * 300;
		write(2, "e", 1);
		if (unread(2, 300000000))
			pause();
	}
}
"""


def test_stealing(serve, world):
    """It takes what the worker was about to read: the clock and the others do not wait for that"""
    d = serve(ROUTES + 'route "/thief/*" {{ exec = "{cgi}/thief" timeout = 2 grace = 1 }}')
    source = world.write(THIEF, "modules", "thief.c")
    subprocess.run(["cc", "-O2", "-o", world.path("cgi", "thief"), source], check=True)
    worker = d.workers()
    go = world.path("out", "stolen")
    beside = d.submit("/sh", f"while [ ! -e {go} ]; do sleep 0.1; done; {HELLO}".encode())
    start = time.monotonic()
    assert d.wait(d.submit("/thief/x"), 60).state == "timed-out"
    assert time.monotonic() - start < 50, "it was over in time"
    assert d.status(beside).state == "running"
    open(go, "w").close()
    assert d.wait(beside).body == b"hello"
    assert d.workers() == worker, "nobody had to kill it"


@pytest.mark.skipif(SANITIZED, reason="LeakSanitizer must trace itself")
def test_tracing_the_leader(serve):
    """A zombie is its tracer's: that one is killed, and the task has its result"""
    d = serve()
    worker = d.workers()
    assert try_it(d, "trace") == {"traced": "y"}
    assert d.workers() == worker
    serves(d)


def test_limits_of_its_worker(serve):
    """Whoever can run nothing any more, nor get its limits back, makes room for another worker"""
    d = serve()
    worker = d.workers()
    d.wait(d.submit("/hostile/lower", b"RLIMIT_NOFILE"))    # or its worker has noticed by then
    d.submit("/sh", HELLO.encode())
    until(lambda: d.workers() not in (worker, []), "another one comes")
    until(lambda: "limits-lowered" in d.log(), "it is said")
    serves(d)


def test_leaving_for_good(serve, world):
    """Two forks and setsid(2): it is a service now, of its user, and none of ours"""
    d = serve()
    out = world.path("out", "leave")
    assert d.wait(d.submit("/hostile/leave", out.encode())).status == 200
    pid = pid_in(out)
    try:
        os.kill(d.workers()[0], signal.SIGKILL)
        until(lambda: "worker-died" in d.log(), "the worker is buried")
        serves(d)
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


@root_only
def test_process_table(serve, world):
    """`processes` bounds it; all are dead with it, and others are served meanwhile"""
    d = serve()
    out = world.path("out", "fill")
    if os.path.exists(out):
        os.unlink(out)
    task = d.submit("/small/fill", out.encode())
    until(lambda: os.path.exists(out) and os.path.getsize(out), "it gets no more")
    with open(out) as f:
        n, error = f.read().split()
    assert int(n) <= 60 and error == "EAGAIN"
    serves(d)
    d.request("POST", f"/status/{task}/cancel")
    assert d.wait(task).status == 410
    until(lambda: "hostile.py" not in str(world.processes()), "its children are gone")


# ---- what it can do, being the same user -------------------------------------------


@root_only
def test_other_tasks(serve):
    """It can trace and kill another task of its user, which fails, and no other"""
    d = serve()
    victim, other = d.submit("/hostile/sleep", b"1"), d.submit("/hostile/sleep", b"2")
    d.wait_state(victim, "running")
    d.wait_state(other, "running")

    def pids():
        return sorted(p for p, what in d.world.processes().items()
                      if "hostile.py" in what[2] and "python3" in what[2])
    pid = until(lambda: len(pids()) == 2 and pids(), "both run")[0]
    assert "done" in try_it(d, "memory", pid).values()
    assert try_it(d, "signals", pid)["SIGTERM"] == "done"
    until(lambda: sorted(d.status(t).state for t in (victim, other)) == ["failed", "running"],
          "one has failed")
    serves(d)


@root_only
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_worker(serve, how):
    """
    It can kill its worker: another one comes, and what ran in it is told as interrupted.  One
    that is stopped is missed when the task's time is over.
    """
    d = serve(ROUTES + 'route "/brief/*" {{ exec = "{cgi}/hostile.py" timeout = 1 grace = 1 }}')
    worker = d.workers()[0]
    done = d.wait(d.submit(f"/brief/{how}", str(worker).encode()))
    assert done.status == (500 if how == "kill" else 504)
    until(lambda: d.workers() and d.workers() != [worker], "there is another one")
    serves(d)


@root_only
@landlock
def test_landlock(serve):
    """With landlock (Linux 6.12) it can neither trace nor signal what is not its own"""
    d = serve(routes=ROUTES + WALLS)
    victim = d.submit("/hostile/sleep", b"1")
    d.wait_state(victim, "running")
    worker = d.workers()[0]
    sleeper = until(lambda: [p for p, what in d.world.processes().items()
                             if "hostile.py" in what[2] and "python3" in what[2]], "it runs")[0]
    for pid in (sleeper, worker):
        assert set(try_it(d, "signals", pid, "walled").values()) == {"EPERM"}
    tried = try_it(d, "memory", sleeper, "walled")
    assert tried["ptrace"] == tried["process_vm_readv"] == "EPERM" and tried["mem"] == "EACCES"
    assert d.status(victim).state == "running" and d.workers() == [worker]


# ---- the table ----------------------------------------------------------------------


def test_the_table_has_a_test_for_each_line():
    with open(f"{SOURCE}/doc/security-table.md") as f:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", f.read())
    assert len(named) >= 15
    for file, test in named:
        with open(f"{SOURCE}/tests/system/{file}") as f:
            assert f"def {test}(" in f.read(), (file, test)
    with open(__file__) as f:
        mine = set(re.findall(r"^def (test_\w+)", f.read(), re.M))
    assert mine - {test for _, test in named} == {"test_the_table_has_a_test_for_each_line"}
