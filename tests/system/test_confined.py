"""
What each of deferd's processes may still do, and the walls that a route puts around its
programs: no-new-privs, landlock, network.
"""

import os
import platform
import pwd
import shutil
import subprocess

import pytest

from client import until
from harness import ROOT, SANITIZED, SOURCE, WORKER_USER, field
from test_users import TYPE, root_only

HELLO = "printf 'Content-Type: text/plain\\n\\nhello'"
CAPABILITIES = {"kill": 5, "setgid": 6, "setuid": 7, "setpcap": 8, "dac_override": 1}


def built_with_seccomp(world):
    out = subprocess.run([world.path("bin", "deferd"), "-V"], capture_output=True, text=True,
                         check=True).stdout
    return "no seccomp" not in out


def mask(*names):
    return sum(1 << CAPABILITIES[n] for n in names)


def sets(pid):
    return {name: int(field(pid, name), 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapInh",
                                                         "CapAmb")}


# ---- the three roles -----------------------------------------------------------


@root_only
def test_launcher_keeps_what_it_needs(make):
    """users and signals; the way through directories at hand, not in use"""
    mine, has = sets(os.getpid()), sets(make().launcher())
    always = mask("kill", "setgid", "setuid", "setpcap") & mine["CapPrm"]
    assert has["CapEff"] == always
    assert has["CapPrm"] == always | mask("dac_override") & mine["CapPrm"]
    assert has["CapInh"] == has["CapAmb"] == 0


@root_only
def test_launcher_reads_and_removes_where_root_may(make, world):
    """a reload of settings in somebody else's closed folder; no socket left at the end"""
    d = make()
    folder = world.path("spare")
    try:
        shutil.chown(folder, "nobody")
        os.chmod(folder, 0o711)
        os.chmod(d.conf_path, 0o600)
        shutil.chown(d.conf_path, "nobody")
        d.settings["keep"] = 77
        d.write_conf()
        os.kill(d.launcher(), 1)
        until(lambda: "reloaded" in d.log(), "it is read")
        d.stop()
        assert not os.path.exists(d.socket)
    finally:
        os.chmod(folder, 0o755)
        shutil.chown(folder, "root")


def test_master_gains_nothing(make):
    """no capability, none by an exec either; not traced, no core"""
    d = make()
    master = d.master()
    assert field(master, "NoNewPrivs") == "1"
    if ROOT:
        assert set(sets(master).values()) == {0}
    if not SANITIZED:
        assert os.stat(f"/proc/{master}/mem").st_uid == 0
        assert os.stat(f"/proc/{d.launcher()}/mem").st_uid == 0


def test_every_thread_of_the_master_is_confined(make, world):
    d = make()
    if not built_with_seccomp(world):
        assert 'unconfined error="this build has no seccomp"' in d.log()
        pytest.skip("this build has no seccomp")
    assert " confined" in d.log()
    threads = os.listdir(f"/proc/{d.master()}/task")
    assert len(threads) > 1
    for tid in threads:
        assert field(f"{d.master()}/task/{tid}", "Seccomp") == "2"
        assert field(f"{d.master()}/task/{tid}", "NoNewPrivs") == "1"


def test_workers_are_as_their_user(make):
    """What tasks may gain by a setuid program is what they may under the web server"""
    d = make()
    for worker in d.workers():
        assert field(worker, "NoNewPrivs") == field(os.getpid(), "NoNewPrivs")
        assert field(worker, "Seccomp") == field(os.getpid(), "Seccomp")
        assert sets(worker)["CapBnd"] == sets(os.getpid())["CapBnd"]


def build_shim(world, name):
    shim = world.path("modules", name + ".so")
    subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", shim,
                    f"{SOURCE}/tests/fault/{name}.c"], check=True)
    return shim


def read_report(path):
    def whole():
        if not os.path.exists(path):
            return None
        with open(path) as f:
            text = f.read()
        return text.endswith("end\n") and text
    return dict(line.split() for line in until(whole, "all is tried").splitlines()[:-1])


# What anybody may do where nobody refuses it: the test would be blind without these.
ANYBODY = {"process_vm_readv", "process_vm_writev", "fork", "pidfd_open",
           "socket-inet", "socket-inet6", "socket-inet-udp", "socket-netlink", "socket-hidden",
           "setpriority", "setuid", "dumpable", "chmod-s", "create-s", "mmap-wx", "mprotect-wx",
           "personality"}


def test_what_a_taken_over_master_cannot_do(make, world, monkeypatch):
    """exec, other processes, network, kernel, rights: refused; and it goes on serving"""
    if not built_with_seccomp(world):
        pytest.skip("this build has no seccomp")
    shim, report = build_shim(world, "escape"), world.path("out", "escape")
    monkeypatch.setattr("harness.Daemon.env", lambda d: {
        **os.environ, "DEFERD_LIBEXECDIR": world.path("bin"), "LD_PRELOAD": shim,
        "ESCAPE_PROGRAM": "deferd-master", "ESCAPE_REPORT": report})
    d = make()
    tried = read_report(report)
    assert len(tried) > 60
    assert {"execve", "ptrace", "fork", "socket-inet"} <= set(tried)
    refused = {"ENOSYS"} if field(os.getpid(), "Seccomp") == "0" else {"ENOSYS", "EPERM"}
    assert {name: e for name, e in tried.items() if e not in refused} == {}
    assert d.run(HELLO).body == b"hello"

    free = world.path("out", "free")
    with subprocess.Popen(["sleep", "100"], user=WORKER_USER if ROOT else None, cwd="/tmp",
                          env={"LD_PRELOAD": shim, "ESCAPE_PROGRAM": "sleep", "ESCAPE_NOW": "1",
                               "ESCAPE_REPORT": free}) as sleeper:
        try:
            without = read_report(free)
        finally:
            sleeper.kill()
    assert ANYBODY <= {name for name, e in without.items() if e == "done"}


# ---- the walls of a route --------------------------------------------------------


def walled(walls):
    return f'route "/sh/*" {{{{ exec = "{{cgi}}/sh.cgi" {walls} }}}}\n'


RULES = ('landlock = {{ "rx:/usr", "rx:{cgi}", "rw:{out}", "rw:/dev/null" }}')


@root_only
@pytest.mark.parametrize("walls,who", [("", "root"), ("no-new-privs = yes", WORKER_USER),
                                       ("network = no", WORKER_USER),
                                       (RULES.replace("{out}", "/tmp"), WORKER_USER)])
def test_setuid_programs(make, world, walls, who):
    """work, unless a route says otherwise"""
    if "network" in walls and not built_with_seccomp(world):
        pytest.skip("this build has no seccomp")
    if "landlock" in walls and not has_landlock():
        pytest.skip("this kernel has no Landlock")
    if os.statvfs(world.base).f_flag & os.ST_NOSUID:
        pytest.skip("/tmp is mounted nosuid")
    world.install("/usr/bin/id", "cgi", "suid-id")
    os.chmod(world.path("cgi", "suid-id"), 0o4755)
    d = make(routes=f'route "/sh/*" {{{{ exec = "{{cgi}}/sh.cgi" {walls} }}}}\n', workers=1)
    got = d.run(f"{TYPE}{world.path('cgi', 'suid-id')} -u").body.decode()
    assert int(got) == pwd.getpwnam(who).pw_uid


def has_landlock():
    d = subprocess.run(["/usr/bin/python3", "-c", "import ctypes, sys; "
                        "sys.exit(ctypes.CDLL(None).syscall(444, 0, 0, 1) <= 0)"])
    return d.returncode == 0


landlock = pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")


@landlock
def test_landlock(make, world):
    """reads, writes, runs what its rules name, and nothing else"""
    d = make(routes=walled(RULES), workers=1)
    out = world.path("out", "written")
    secret = world.write("secret", "scripts", "secret")
    program = world.script("program", "#!/bin/sh\necho ran\n")
    done = d.run(f"""{TYPE}
        cat {secret} /etc/passwd 2>/dev/null
        echo hello >{out} && cat {out}
        echo x >{world.path("scripts", "new")} && echo wrote
        {program} && echo ran
        ls {world.path("scripts")} && echo listed
        rm {secret} && echo removed
        mv {out} {world.path("scripts", "moved")} && echo moved
        echo end""")
    assert done.body == b"hello\nend\n", done.body


@landlock
def test_landlock_of_a_read_only_route(make, world):
    """r is no w and no x"""
    secret = world.write("known", "scripts", "known", mode=0o777)
    world.script("tool", "#!/bin/sh\necho ran\n")
    rules = f'landlock = {{{{ "rx:/usr", "rx:{{cgi}}", "r:{world.path("scripts")}" }}}}'
    d = make(routes=walled(rules), workers=1)
    done = d.run(f"{TYPE}cat {secret}; echo x >>{secret} && echo wrote; "
                 f"{world.path('scripts', 'tool')}; rm -f {secret} && echo removed; exit 0")
    assert done.body == b"known", done.body


@landlock
def test_landlock_of_a_path_that_is_missing(make):
    """Nothing runs with fewer walls: the task fails, and says which rule"""
    d = make(routes=walled('landlock = {{ "rx:/", "rw:/no/where" }}'), workers=1)
    assert "/no/where" in d.log()
    done = d.run(HELLO)
    assert done.status == 500 and b"cannot be confined: rw:/no/where" in done.body


@pytest.mark.skipif(platform.machine() != "x86_64" or SANITIZED, reason="the shim is for x86-64")
def test_kernel_without_landlock(make, world, monkeypatch):
    """It says so at the start and with -n; the tasks fail, and do not run unconfined"""
    shim = build_shim(world, "old_kernel")
    env = {**os.environ, "DEFERD_LIBEXECDIR": world.path("bin"), "LD_PRELOAD": shim}
    monkeypatch.setattr("harness.Daemon.env", lambda d: env)
    d = make(routes=walled('landlock = {{ "rx:/" }}'), workers=1)
    assert "setting=landlock" in d.log() and "no Landlock" in d.log()
    checked = subprocess.run(d.command("-n", "-c", d.conf_path), env=env, capture_output=True,
                             text=True)
    assert "no Landlock" in checked.stderr
    done = d.run(HELLO)
    assert done.status == 500 and b"cannot be confined: landlock" in done.body


CONNECT = """#!/usr/bin/python3
import errno, os, socket, ctypes
print("Content-Type: text/plain\\n")
for family in ("AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            socket.socket(getattr(socket, family), kind)
            print(family, "made")
        except OSError as e:
            print(family, errno.errorcode[e.errno])
libc = ctypes.CDLL(None, use_errno=True)
print("io_uring", libc.syscall(425, 1, None), errno.errorcode[ctypes.get_errno()])
"""


def test_network_no(make, world):
    """No socket but Unix ones, nor by its children; nothing else is missing"""
    if not built_with_seccomp(world):
        pytest.skip("this build has no seccomp")
    world.script("connect", CONNECT)
    d = make(routes=walled("network = no") + 'route "/free/*" {{ exec = "{cgi}/sh.cgi" }}\n',
             workers=1)
    program = world.path("scripts", "connect")
    assert d.run(program).body.decode().splitlines() == [
        "AF_INET EACCES", "AF_INET EACCES", "AF_INET6 EACCES", "AF_INET6 EACCES",
        "AF_NETLINK EACCES", "AF_NETLINK EACCES", "AF_UNIX made", "AF_UNIX made",
        "io_uring -1 ENOSYS"]
    free = d.wait(d.submit("/free", program.encode())).body.decode().splitlines()
    assert free[:4] == ["AF_INET made"] * 2 + ["AF_INET6 made"] * 2


def test_walls_hold_for_scripts(make, world):
    """routes with scripts too"""
    if not built_with_seccomp(world):
        pytest.skip("this build has no seccomp")
    script = world.script("connect.py", CONNECT)
    d = make(routes=f'route "/s/*" {{{{ scripts = "{world.path("scripts")}" network = no }}}}\n',
             workers=1)
    done = d.get("/s/connect.py", extra=[
        ("REDIRECT_HANDLER", "defer-script"), ("PATH_TRANSLATED", script),
        ("REDIRECT_STATUS", "200"), ("REDIRECT_URL", "/s/connect.py"),
        ("HTTP_PREFER", "wait=20")])
    assert b"AF_INET EACCES" in done.body, done


def test_new_walls_at_a_reload(make, world):
    if not built_with_seccomp(world):
        pytest.skip("this build has no seccomp")
    world.script("connect", CONNECT)
    d = make(routes=walled(""), workers=1)
    program = world.path("scripts", "connect")
    assert b"AF_INET made" in d.run(program).body
    d.routes = walled("network = no")
    d.write_conf()
    os.kill(d.launcher(), 1)
    until(lambda: "reloaded" in d.log(), "it is read")
    assert b"AF_INET EACCES" in d.run(program).body


@pytest.mark.parametrize("walls", ["no-new-privs = yes", 'landlock = {{ "r:/usr" }}', "network = no"])
def test_not_for_modules(world, built, walls):
    """A module shares its process with other tasks"""
    d = world.daemon(routes=f'route "/*" {{{{ module = "answer.so" {walls} }}}}\n')
    d.write_conf()
    checked = subprocess.run(d.command("-n", "-c", d.conf_path), capture_output=True, text=True)
    assert checked.returncode != 0
    assert "shares its process" in checked.stderr or "no seccomp" in checked.stderr
