"""
The world of one test session: a directory under /tmp that holds the programs
under test, their configurations, sockets, spool and scripts; and the daemons.

Nothing outside this directory is touched, and at the end nothing of it is
left: no file, no process.
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

from client import Answer, scgi, until

ROOT = os.geteuid() == 0
ME = pwd.getpwuid(os.geteuid()).pw_name
MASTER_USER = "daemon" if ROOT else ME      # any user that is neither root nor the workers'
WORKER_USER = "www-data" if ROOT else ME

BUILD = os.path.abspath(os.environ.get("DEFERD_BUILD", "."))
SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAMS = ("deferd", "deferd-master", "deferd-worker", "defer.cgi")
NO_TASK = "0" * 32
SANITIZED = bool(os.environ.get("DEFERD_SANITIZED"))    # memory and time say nothing then

# /sh runs the request's body as a shell script; /run/NAME a script that a test
# wrote; /cat gives the body back; /answer is the example of the documents.
ROUTES = """
route "/sh/*"     {{ exec = "{cgi}/sh.cgi"  timeout = 120 }}
route "/run/*"    {{ exec = "{cgi}/run.cgi" timeout = 120 }}
route "/cat/*"    {{ exec = "{cgi}/cat.cgi" }}
route "/env/*"    {{ exec = "{cgi}/env.cgi" }}
route "/answer/*" {{ module = "answer.so" env = {{ "ANSWER_SECONDS=0" }} }}
"""

SCRIPTS = {
    "sh.cgi": "#!/bin/sh\nexec /bin/sh -s\n",
    "run.cgi": '#!/bin/sh\nexec "${0%/*}/../scripts$PATH_INFO"\n',
    "cat.cgi": "#!/bin/sh\nprintf 'Content-Type: application/octet-stream\\n\\n'\nexec cat\n",
    "env.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec env -0\n",
}


def find_build(name):
    for folder in ("", "cgi", "daemon", "examples", ".libs"):
        path = os.path.join(BUILD, folder, name)
        if os.path.exists(path):
            return path
    return None


class World:
    def __init__(self):
        self.base = tempfile.mkdtemp(prefix="deferd-", dir="/tmp")
        os.chmod(self.base, 0o755)     # the web server's user must get through
        for name in ("bin", "modules", "cgi", "scripts", "run", "spare", "out"):
            os.mkdir(self.path(name))
        os.chmod(self.path("out"), 0o1777)
        self.door = self.path("bin", "defer.cgi")
        self.socket = self.path("run", "deferd.sock")
        self.spare_socket = self.path("spare", "deferd.sock")
        self.daemons = []
        for name in PROGRAMS:
            self.install(find_build(name), "bin", name)
        self.install(find_build("answer.so"), "modules", "answer.so")
        for name, text in SCRIPTS.items():
            self.write(text, "cgi", name, mode=0o755)

    def path(self, *parts):
        return os.path.join(self.base, *parts)

    def write(self, text, *parts, mode=0o644):
        path = self.path(*parts)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def install(self, source, *parts):
        if source:
            shutil.copy(source, self.path(*parts))
            os.chmod(self.path(*parts), 0o755)

    def script(self, name, text):
        """A program that the route /run/NAME runs."""
        return self.write(text, "scripts", name, mode=0o755)

    def module(self, name, text):
        """Builds a module from C; gives its file name."""
        source = self.write(text, "modules", name + ".c")
        subprocess.run(["cc", "-std=gnu11", "-g", "-shared", "-fPIC", "-pthread",
                        f"-I{SOURCE}/daemon/worker", "-o", self.path("modules", name + ".so"),
                        source], check=True)
        return name + ".so"

    def daemon(self, routes=ROUTES, spare=True, listener=None, **settings):
        """A daemon that is not started yet; `listener` is its socket, held by the test."""
        d = Daemon(self, "spare" if spare else "run", routes, settings)
        d.listener = listener
        self.daemons.append(d)
        return d

    def processes(self):
        """Every process that has its program, folder or command line in this world."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                what = [os.readlink(f"/proc/{pid}/exe"), os.readlink(f"/proc/{pid}/cwd")]
                with open(f"/proc/{pid}/cmdline", errors="replace") as f:
                    what.append(f.read().replace("\0", " "))
            except OSError:
                continue
            if int(pid) != os.getpid() and any(self.base in w for w in what):
                found[int(pid)] = what
        return found

    def close(self):
        """Ends everything; what does not end by itself then is an error."""
        for d in self.daemons:
            d.kill()
        with contextlib.suppress(AssertionError):       # a signal is not yet a death
            until(lambda: not self.processes(), "all have ended", 10)
        left = self.processes()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.base)
        assert not left, f"processes left over: {left}"


def quote(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "{ " + ", ".join(f'"{v}"' for v in value) + " }"
    return f'"{value}"'


class Daemon:
    """The real thing: `deferd -f -c conf`, with its master and workers."""

    def __init__(self, world, folder, routes, settings):
        self.world, self.folder = world, folder
        self.socket = world.path(folder, "deferd.sock")
        self.conf_path = world.path(folder, "deferd.conf")
        self.log_path = world.path(folder, "log")
        self.mount = "/jobs" if folder == "run" else "/spare"
        self.routes, self.settings = routes, settings
        self.process = self.listener = None
        self.log_start = 0

    def conf(self):
        w = self.world
        settings = {"socket": self.socket, "control": w.path(self.folder, "control.sock"),
                    "store": "memory", "spool": w.path(self.folder, "spool"),
                    "module-dir": w.path("modules"), "mount": self.mount, "drain": 5,
                    "peers": ("root", "www-data") if ROOT else (ME,)}
        if ROOT:
            settings.update({"user": MASTER_USER, "run-as": WORKER_USER})
        settings.update({k.replace("_", "-"): v for k, v in self.settings.items()})
        lines = [f"{k} = {quote(v)}\n" for k, v in settings.items() if v is not None]
        return "".join(lines) + self.routes.format(cgi=w.path("cgi"), out=w.path("out"))

    def write_conf(self):
        with open(self.conf_path, "w") as f:
            f.write(self.conf())

    def env(self):
        return {**os.environ, "DEFERD_LIBEXECDIR": self.world.path("bin")}

    def command(self, *options):
        return [self.world.path("bin", "deferd"), *options]

    def activation(self):
        """As systemd starts who is to have the socket (sd_listen_fds(3))."""
        if not self.listener:
            return []
        return ["bash", "-c", 'fd=$1; shift; exec 3<&$fd; export LISTEN_PID=$$ LISTEN_FDS=1; '
                'exec "$@"', "bash", str(self.listener.fileno())]

    def passed(self):
        return (self.listener.fileno(),) if self.listener else ()

    def start(self, *options):
        self.write_conf()
        spool = self.world.path(self.folder, "spool")
        if not os.path.exists(str(self.settings.get("store")).partition(":")[2]):
            shutil.rmtree(spool, ignore_errors=True)    # of another life, and deferd says so
        os.makedirs(spool, mode=0o700, exist_ok=True)
        if ROOT:
            shutil.chown(spool, MASTER_USER)
        self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.activation() + self.command("-f", "-c", self.conf_path, *options),
                env=self.env(), pass_fds=self.passed(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                start_new_session=True)
        until(self.serves, "the daemon serves")
        until(lambda: self.log().count("worker-ready") >= self.expected_workers(),
              "its workers are ready")
        return self

    def expected_workers(self):
        """`workers` for all executables, and for each module."""
        modules = set(re.findall(r'module = "([^"]*)"', self.routes))
        programs = "exec =" in self.routes or "scripts =" in self.routes
        return self.settings.get("workers", 2) * (programs + len(modules))

    def serves(self):
        assert self.process.poll() is None, f"deferd ended: {self.log()}"
        try:
            return self.get(f"/status/{NO_TASK}", timeout=5).status == 404
        except OSError:
            return False

    def log(self):
        """What was logged since the last start: whole lines, of the last one a part may be there."""
        with open(self.log_path, "rb") as f:
            f.seek(self.log_start)
            return f.read().rpartition(b"\n")[0].decode(errors="replace") + "\n"

    def check_sanitizers(self):
        """What a sanitizer has to say, it says in the log."""
        with open(self.log_path, errors="replace") as f:
            found = [line for line in f if "Sanitizer" in line or "runtime error:" in line]
        assert not found, found

    # requests on the socket itself

    def request(self, method, url, body=b"", **more):
        return scgi(self.socket, method, url, body, mount=self.mount, **more)

    def get(self, url, **more):
        return self.request("GET", url, **more)

    def submit(self, url, body=b"", method="POST", **more):
        answer = self.request(method, url, body, **more)
        assert answer.status == 202, answer
        return answer.id

    def sh(self, code):
        return self.submit("/sh", code.encode())

    def status(self, task, method="GET"):
        return self.request(method, f"/status/{task}")

    def wait(self, task, timeout=120):
        """Polls the link until the task has ended; gives the last answer."""
        return until(lambda: ended(self.status(task)), f"task {task} has ended", timeout)

    def wait_state(self, task, state, timeout=120):
        def question():
            answer = self.status(task)
            return answer.state == state and answer
        return until(question, f"task {task} is {state}", timeout)

    def run(self, code, timeout=120):
        return self.wait(self.sh(code), timeout)

    # processes

    def launcher(self):
        return self.process.pid

    def children(self, name):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    comm, rest = re.match(r"\d+ \((.*)\) (.*)", f.read(), re.S).groups()
            except OSError:
                continue
            state, ppid = rest.split()[:2]
            if comm == name and int(ppid) == self.launcher() and state != "Z":
                found.append(int(pid))
        return sorted(found)

    def master(self):
        return until(lambda: self.children("deferd-master"), "there is a master")[0]

    def workers(self):
        """By their pools, executables' first: the numbers of processes begin anew now and then."""
        return sorted(self.children("deferd-worker"), key=arguments)

    def stop(self, timeout=60):
        """SIGTERM; the daemon ends by itself, and says so with 0."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout) == 0, self.log()
        self.process = None

    def kill(self):
        """Whatever happens.  The children of a dead launcher end by themselves."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


def ended(answer: Answer):
    return answer.state not in (None, "queued", "running") and answer


def alive(pid):
    """Whether this process still runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return re.match(r"\d+ \(.*\) (.)", f.read(), re.S).group(1) not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def arguments(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
        return f.read()
    return b""      # it has just died


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def field(pid, name):
    """A line of /proc/PID/status: VmRSS in KiB, or words."""
    with open(f"/proc/{pid}/status") as f:
        return re.search(rf"^{name}:\s*(.*)$", f.read(), re.M).group(1)
