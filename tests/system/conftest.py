"""Fixtures: the world, the servers in it, the daemon that most tests share."""

import os
import shutil
import signal

import pytest

import servers
from harness import PROGRAMS, ROOT, World, find_build

LATEST = 3600 if os.environ.get("DEFERD_LONG") == "1" else 600     # seconds for one test
REQUIRE = os.environ.get("DEFERD_REQUIRE") == "1"     # nothing may be skipped for want of a program


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: needs the machine for itself (tests/system.sh)")


def missing(what):
    if REQUIRE:
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def world():
    if not find_build("defer.cgi"):
        missing("defer.cgi")
    w = World()
    yield w
    w.close()


@pytest.fixture(scope="session")
def running_servers(world):
    started = {}
    yield started
    for server in started.values():
        server.stop()


@pytest.fixture(params=list(servers.KINDS))
def server(request, world, running_servers):
    """Every web server in turn; each is started once."""
    return get_server(world, running_servers, request.param)


@pytest.fixture(params=[n for n, k in servers.KINDS.items() if k.is_cgi])
def cgi_server(request, world, running_servers):
    """Those that run the door."""
    return get_server(world, running_servers, request.param)


@pytest.fixture
def start_server(world, running_servers):
    """One by its name."""
    return lambda name: get_server(world, running_servers, name)


def get_server(world, started, name):
    kind = {**servers.KINDS, **servers.OTHERS}[name]
    if not servers.program(kind.binary):
        missing(kind.binary)
    if not shutil.which("curl"):
        missing("curl")
    if name not in started:
        started[name] = kind(world).start()
    return started[name]


@pytest.fixture(scope="session")
def built():
    for name in PROGRAMS:
        if not find_build(name):
            missing(name)


@pytest.fixture(scope="session")
def shared(world, built):
    """The daemon behind /jobs."""
    d = world.daemon(spare=False, keep=600, workers=2, threads=8, max_body="1G",
                     max_response="1G").start()
    yield d
    d.stop()
    d.check_sanitizers()
    assert not os.listdir(world.path("run", "spool")), "files left in the spool"


@pytest.fixture
def make(request, world, built):
    """Starts daemons with settings of the test's own, behind /spare, one at a time."""
    made = []

    def start(*options, **settings):
        d = world.daemon(**settings)
        made.append(d)
        return d.start(*options)
    yield start
    for d in made:
        d.kill()
        if "crash" not in request.node.name:    # those that are meant to
            d.check_sanitizers()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Nothing hangs: a test that takes minutes has failed."""
    def late(signo, frame):
        raise TimeoutError(f"the test took more than {LATEST} s")
    signal.signal(signal.SIGALRM, late)
    signal.alarm(LATEST)
    yield
    signal.alarm(0)


def is_closed_to_us(error):
    """Who is not root cannot look into master and workers: they are not dumpable."""
    return not ROOT and isinstance(error, PermissionError) and \
        str(error.filename).startswith("/proc/")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the daemons said."""
    report = (yield).get_result()
    if call.excinfo and is_closed_to_us(call.excinfo.value):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"Skipped: {call.excinfo.value}: needs root")
    w = item.funcargs.get("world") if hasattr(item, "funcargs") else None
    if report.failed and w:
        for d in [d for d in w.daemons if d.folder == "run" and "shared" in item.funcargs] + \
                [d for d in w.daemons if d.folder == "spare"][-1:]:
            if os.path.exists(d.log_path):
                report.sections.append((f"log of {d.folder}", d.log()[-4000:]))
