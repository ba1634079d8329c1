"""Modules: what the function can do, and what becomes of one that misbehaves."""

import os
import signal
import time

import pytest

from client import until
from harness import alive

# One function for all: the path below the route says what it does.
SOURCE = r"""
#include <deferd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

DEFERD_MODULE

static void
touch(const struct deferd_api *api, struct deferd_task *t, const char *suffix)
{
	char path[512];
	FILE *f;
	snprintf(path, sizeof(path), "%s%s", api->variable(t, "MARK"), suffix);
	if ((f = fopen(path, "a")) != NULL) {
		fputs("x", f);
		fclose(f);
	}
}

static int
there(const struct deferd_api *api, struct deferd_task *t, const char *suffix)
{
	char path[512];
	snprintf(path, sizeof(path), "%s%s", api->variable(t, "MARK"), suffix);
	return access(path, F_OK) == 0;
}

static void
copy(const struct deferd_api *api, struct deferd_task *t)
{
	char data[40000];
	int64_t n;
	while ((n = api->read(t, data, sizeof(data))) > 0)
		api->write(t, data, n);
}

__attribute__((noinline)) static void
overflow(void)
{
	volatile char big[64 << 20];
	memset((char *)big, 1, sizeof(big));
}

int
deferd_run(const struct deferd_api *api, struct deferd_task *t)
{
	const char *what = api->variable(t, "PATH_INFO");
	char text[200];

	api->header(t, "Content-Type", "text/plain");
	if (strcmp(what, "/copy") == 0) {
		copy(api, t);
	} else if (strcmp(what, "/full") == 0) {
		api->status(t, 404);
		api->header(t, "X-A", "1");
		api->header(t, "X-A", "2");
		if (api->header(t, "X-B", "a\r\nEvil: 1") != -1 || api->status(t, 99) != -1)
			return 1;
		snprintf(text, sizeof(text), "%s %s %d %s", api->variable(t, "REQUEST_METHOD"),
		    api->variable(t, "QUERY_STRING"), api->variable(t, "NOT_THERE") == NULL,
		    api->variable(t, "HTTP_X_TEST"));
		api->write(t, text, strlen(text));
	} else if (strcmp(what, "/fails") == 0) {
		api->write(t, "x", 1);
		return 3;
	} else if (strcmp(what, "/segfault") == 0) {
		while (!there(api, t, "-crash"))
			usleep(1000);
		*(volatile int *)0 = 1;
	} else if (strcmp(what, "/abort") == 0) {
		abort();
	} else if (strcmp(what, "/overflow") == 0) {
		overflow();
	} else if (strcmp(what, "/exit") == 0) {
		exit(0);
	} else if (strcmp(what, "/never") == 0) {
		touch(api, t, "-never");
		for (;;)
			pause();
	} else if (strcmp(what, "/gate") == 0) {
		touch(api, t, "-starts");
		while (!there(api, t, "-go"))
			usleep(1000);
		api->write(t, "through", 7);
	} else if (strcmp(what, "/polite") == 0) {
		api->progress(t, 42, "rendering");
		while (!api->cancelled(t))
			usleep(1000);
		touch(api, t, "-polite");
	} else if (strcmp(what, "/log") == 0) {
		api->log(t, "a word from the module");
	}
	return 0;
}
"""


@pytest.fixture
def module(world, make):
    name = world.module("test", SOURCE)

    class Module:
        mark = world.path("out", f"module-{time.monotonic_ns()}")
        daemon = make(timeout=120, grace=1, workers=1, threads=4, routes="""
route "/m/*"    {{ module = "%s" env = {{ "MARK=%s" }} }}
route "/t/*"    {{ module = "%s" env = {{ "MARK=%s" }} timeout = 1 }}
route "/p/*"    {{ module = "%s" env = {{ "MARK=%s" }} timeout = 1 grace = 60 }}
route "/sh/*"   {{ exec = "{cgi}/sh.cgi" }}
route "/gone"   {{ module = "gone.so" }}
""" % ((name, mark) * 3))

        def touch(self, suffix):
            open(self.mark + suffix, "w").close()

        def starts(self):
            return os.path.getsize(self.mark + "-starts") \
                if os.path.exists(self.mark + "-starts") else 0
    m = Module()
    yield m
    m.touch("-go")


def test_what_it_can_do(module):
    """looks variables up, sets status, adds headers, writes the body"""
    d = module.daemon
    done = d.wait(d.submit("/m/full", method="PUT", query="a=b", extra=[("HTTP_X_TEST", "y")]))
    assert (done.status, done.body, done.state) == (404, b"PUT a=b 1 y", "succeeded")
    assert done.all("X-A") == ["1", "2"] and done.get("Evil") is None


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 5_000_000])
def test_bodies(module, size):
    """reads the body, writes the body"""
    body = os.urandom(size)
    done = module.daemon.wait(module.daemon.submit("/m/copy", body))
    assert done.body == body


def test_fails(module):
    """Anything else than 0: the task has failed, and what was written is dropped"""
    done = module.daemon.wait(module.daemon.submit("/m/fails"))
    assert (done.status, done.state) == (500, "failed")


def test_log(module):
    task = module.daemon.submit("/m/log")
    module.daemon.wait(task)
    until(lambda: [l for l in module.daemon.log().splitlines() if task in l and "a word" in l],
          "it is logged")


def test_module_that_is_not_there(module):
    """cannot be started: failed, reason says so; others go on"""
    done = module.daemon.wait(module.daemon.submit("/gone"))
    assert (done.status, done.state) == (500, "failed") and done.json["detail"]
    assert module.daemon.wait(module.daemon.submit("/m/copy", b"x")).body == b"x"


@pytest.mark.parametrize("how", ["segfault", "abort", "overflow", "exit"])
def test_crash_costs_one_worker(module, how):
    """a crashing module: the guilty task answers 500, never the table; no script dies"""
    d = module.daemon
    module.touch("-crash")
    earlier = d.submit("/m/copy", b"kept")
    d.wait(earlier)
    go = module.mark + "-go"
    script = d.sh(f"while [ ! -e {go} ]; do sleep 0.02; done\n"
                  "printf 'Content-Type: x/y\\n\\nscript'")
    d.wait_state(script, "running")
    done = d.wait(d.submit(f"/m/{how}", method="POST"))
    assert (done.status, done.state) == (500, "failed")
    assert ("called exit()" if how == "exit" else "crashed") in done.json["detail"]
    assert d.status(earlier).body == b"kept"
    assert d.status(script).state == "running"
    assert d.wait(d.submit("/m/copy", b"again")).body == b"again"
    module.touch("-go")
    assert d.wait(script).body == b"script"


def test_neighbours_follow_the_rerun_rule(module):
    """only the culprit fails at once; its neighbours follow the rerun rule"""
    d = module.daemon
    get = d.submit("/m/gate", method="GET")
    post = d.submit("/m/gate", method="POST")
    until(lambda: module.starts() == 2, "both run")
    guilty = d.submit("/m/segfault", method="GET")
    d.wait_state(guilty, "running")
    module.touch("-crash")
    done = d.wait(guilty)
    assert (done.status, done.state) == (500, "failed"), "also though GET is idempotent"
    done = d.wait(post)
    assert done.state == "failed" and "interrupted" in done.json["detail"]
    until(lambda: module.starts() == 3, "the GET runs again")
    module.touch("-go")
    assert d.wait(get).body == b"through"


def test_never_returns(module):
    """A module that does not return is answered 504 and its worker retired"""
    d = module.daemon
    d.wait(d.submit("/m/copy"))
    worker = next(p for p in d.workers() if maps(p, "test.so"))
    start = time.monotonic()
    done = d.wait(d.submit("/t/never"))
    assert (done.status, done.state) == (504, "timed-out")
    assert time.monotonic() - start < 50
    until(lambda: not alive(worker), "its worker is gone")
    assert d.wait(d.submit("/m/copy", b"again")).body == b"again"


def test_retiring_lets_others_finish(module):
    """killed when its other jobs are done or after `grace` more"""
    d = module.daemon
    neighbour = d.submit("/m/polite", method="GET")
    d.wait_state(neighbour, "running")
    assert d.wait(d.submit("/t/never")).state == "timed-out"
    # the neighbour runs in a worker that must go: it is run again, or goes on
    assert d.status(neighbour).status == 202
    assert d.status(neighbour, "DELETE").status == 204


def test_cancelled(module):
    """a module sees `cancelled()`; the slot is free afterwards"""
    d = module.daemon
    task = d.submit("/m/polite")
    until(lambda: d.status(task).json.get("progress"), "it runs: not only in the table")
    assert d.status(task, "DELETE").status == 204
    assert d.status(task).status == 410
    until(lambda: os.path.exists(module.mark + "-polite"), "it has seen it")
    tasks = [d.submit("/m/copy", b"x") for _ in range(8)]
    assert all(d.wait(t).body == b"x" for t in tasks)


def test_cancelled_by_the_time_limit(module):
    """over `timeout`: timed-out; the module sees cancelled() and its worker lives on"""
    d = module.daemon
    d.wait(d.submit("/m/copy"))
    before = [p for p in d.workers() if maps(p, "test.so")]
    assert d.wait(d.submit("/p/polite")).state == "timed-out"
    until(lambda: os.path.exists(module.mark + "-polite"), "it has seen it")
    assert [p for p in d.workers() if maps(p, "test.so")] == before


def test_cancel_of_one_that_never_asks(module):
    """DELETE of a module that does not look: 410 at once, its worker is replaced"""
    d = module.daemon
    task = d.submit("/m/never")
    until(lambda: os.path.exists(module.mark + "-never"), "it runs")
    assert d.status(task, "DELETE").status == 204
    assert d.status(task).status == 410
    tasks = [d.submit("/m/copy", b"x") for _ in range(8)]
    assert all(d.wait(t).body == b"x" for t in tasks)


def test_kill_a_module_worker(module):
    """Death without a culprit costs every job on the slate an attempt"""
    d = module.daemon
    get = d.submit("/m/gate", method="GET")
    until(lambda: module.starts() == 1, "it runs")
    os.kill(next(p for p in d.workers() if maps(p, "test.so")), signal.SIGKILL)
    until(lambda: module.starts() == 2, "it runs again")
    module.touch("-go")
    assert d.wait(get).body == b"through"


def test_many_at_once(module):
    """called from many threads at the same time"""
    d = module.daemon
    tasks = [d.submit("/m/gate") for _ in range(4)]
    until(lambda: module.starts() == 4, "all four run together")
    module.touch("-go")
    assert all(d.wait(t).body == b"through" for t in tasks)


def test_answer(shared, server):
    """answer.so, the example of every document"""
    answer = server.curl("/jobs/answer/hello")
    done = shared.wait(answer.id)
    assert done.json == "The answer is: answer/hello" or done.json == "The answer is: hello"
    assert done.get("Content-Type") == "application/json"


def maps(pid, name):
    try:
        with open(f"/proc/{pid}/maps") as f:
            return name in f.read()
    except OSError:
        return False
