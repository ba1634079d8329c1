"""Three users (root, the daemon's, the tasks'), and the walls between them."""

import os
import pwd
import shutil
import subprocess
from functools import partial

import pytest

from client import scgi, until
from harness import MASTER_USER, NO_TASK, ROOT, WORKER_USER, field
from servers import WEB_USER

root_only = pytest.mark.skipif(not ROOT, reason="needs to be root")
HELLO = "printf 'Content-Type: text/plain\\n\\nhello'"
TYPE = "printf 'Content-Type: text/plain\\n\\n'\n"


def uids(pid):
    return set(map(int, field(pid, "Uid").split()))


@root_only
def test_who_runs_what(make):
    """launcher root, master `user`, workers `run-as`; no group more than theirs"""
    d = make()
    master, worker = pwd.getpwnam(MASTER_USER), pwd.getpwnam(WORKER_USER)
    assert uids(d.launcher()) == {0}
    for pid, who in [(d.master(), master)] + [(p, worker) for p in d.workers()]:
        assert uids(pid) == {who.pw_uid}
        assert set(map(int, field(pid, "Gid").split())) == {who.pw_gid}
        assert 0 not in map(int, field(pid, "Groups").split())
        assert int(field(pid, "CapEff"), 16) == int(field(pid, "CapPrm"), 16) == 0


@root_only
def test_never_the_web_servers_user(make):
    """mod_cgid sends SIGTERM to old PIDs: launcher and master are not its user"""
    d = make()
    web = pwd.getpwnam(WEB_USER).pw_uid
    for pid in (d.launcher(), d.master()):
        assert web not in uids(pid)


@root_only
def test_a_task_cannot_read_the_store(make, world):
    """A task that tries to read the store"""
    d = make()
    big = d.submit("/cat", b"secret" * 20_000)
    d.wait(big)
    spool = world.path("spare", "spool")
    assert d.run(f"ls {spool} && exit 0; {HELLO}").body == b"hello"
    done = d.run(f"{TYPE} for f in /proc/{d.master()}/fd/* /proc/{d.master()}/mem "
                 f"/proc/{d.master()}/environ; do head -c 9 $f 2>/dev/null; done; echo end")
    assert done.body == b"end\n"


@root_only
def test_a_task_cannot_signal_the_master(make):
    """signal the master, trace it"""
    d = make()
    master = d.master()
    done = d.run(f"{TYPE} for p in {master} {d.launcher()}; do for s in 0 TERM KILL STOP; do "
                 "kill -$s $p 2>/dev/null && echo signalled; done; done; echo end")
    assert done.body == b"end\n"
    assert d.children("deferd-master") == [master]


@root_only
def test_a_task_cannot_open_the_control_socket(make, world):
    """open the control socket"""
    d = make()
    world.script("control", "#!/usr/bin/python3\nimport socket\n"
                 "print('Content-Type: text/plain\\n')\ntry:\n"
                 f"    socket.socket(socket.AF_UNIX).connect({world.path('spare', 'control.sock')!r})\n"
                 "    print('connected')\nexcept PermissionError:\n    print('refused')\n")
    assert d.wait(d.submit("/run/control", method="GET")).body == b"refused\n"


@root_only
def test_spool_is_closed_to_others(make, world):
    make()
    s = os.stat(world.path("spare", "spool"))
    assert s.st_mode & 0o077 == 0 and s.st_uid == pwd.getpwnam(MASTER_USER).pw_uid


def ask_as(world, name, path):
    """Asks the daemon as another user: what python printed, and its errors."""
    copy = world.path("bin", "client.py")
    if not os.path.exists(copy):
        shutil.copy(os.path.join(os.path.dirname(__file__), "client.py"), copy)
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from client import scgi\n"
            f"print(scgi(sys.argv[2], 'GET', '/status/{NO_TASK}', timeout=10).status)")
    return subprocess.run(["/usr/bin/python3", "-B", "-c", code, world.path("bin"), path],
                          user=name, group=pwd.getpwnam(name).pw_gid, extra_groups=[],
                          capture_output=True, text=True, timeout=30, cwd="/")


@root_only
def test_who_can_open_the_socket(make, world):
    """Who can open the socket is the web server: 0660, SO_PEERCRED checked"""
    d = make()
    ask = partial(ask_as, world, path=d.socket)
    assert ask(WEB_USER).stdout == "404\n"
    assert "PermissionError" in ask("nobody").stderr
    os.chmod(d.socket, 0o666)       # the mode is one wall, the peer's user another
    done = ask("nobody")
    assert done.stdout == "" and done.returncode != 0
    assert ask(WEB_USER).stdout == "404\n"


@root_only
def test_started_by_an_ordinary_user(world, built):
    """Started by an ordinary user, all run as that user"""
    folder = world.path("nobody")
    os.mkdir(folder)
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    sock = os.path.join(folder, "s")
    conf = world.write(f'socket = "{sock}"\ncontrol = "{folder}/c"\nstore = "memory"\n'
                       f'spool = "{folder}/spool"\npeers = {{ "nobody", "root" }}\n'
                       f'route "/sh/*" {{ exec = "{world.path("cgi", "sh.cgi")}" }}\n', "nobody", "conf")
    os.mkdir(folder + "/spool", 0o700)
    os.chown(folder + "/spool", nobody.pw_uid, nobody.pw_gid)
    p = subprocess.Popen([world.path("bin", "deferd"), "-f", "-c", conf], cwd="/", user="nobody",
                         group=nobody.pw_gid, extra_groups=[], stderr=subprocess.PIPE,
                         env={**os.environ, "DEFERD_LIBEXECDIR": world.path("bin")})
    try:
        def serves():
            assert p.poll() is None, p.stderr.read()
            try:
                return scgi(sock, "GET", f"/status/{NO_TASK}", mount="", timeout=5)
            except OSError:
                return None
        until(serves, "it serves")
        task = scgi(sock, "POST", "/sh", (TYPE + "id -un").encode(), mount="").id
        done = until(lambda: (a := scgi(sock, "GET", f"/status/{task}", mount="")).status == 200
                     and a, "it ran")
        assert done.body == b"nobody\n"
        mine = [pid for pid, what in world.processes().items() if "deferd" in what[0]
                and "/nobody/" in what[2] or pid == p.pid]
        assert all(uids(pid) == {nobody.pw_uid} for pid in mine)
    finally:
        p.terminate()
        p.wait(30)
        p.stderr.close()


def test_as_whoever_we_are(make):
    """Without root all run as one user; the rest is the same"""
    d = make()
    assert d.run(TYPE + "id -un").body.decode().strip() == WORKER_USER
    if not ROOT:
        assert {u for p in [d.launcher(), d.master(), *d.workers()] for u in uids(p)} \
            == {os.geteuid()}
