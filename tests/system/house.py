"""
A house for what the documents say: a directory in which a machine looks as they
presuppose it, with deferd and a web server installed.  Examples are run in it
word by word; only the paths of the machine (/etc, /run ...) and the port become
those of the house.

Two kinds of example: a file, and a conversation with a shell, in which lines
that begin with "$ " or "# " are commands and the lines below what they print.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from client import until
from harness import BUILD, ROOT, SOURCE, MASTER_USER, WORKER_USER, find_build
from servers import free_port, program

# What the documents call by name, and the house has.
PLACES = re.compile(r"(?<![\w.~-])/(?:etc|run|srv|tmp|var/(?:www|lib/deferd|log)|"
                    r"usr/(?:lib/(?:cgi-bin|deferd)|local/sbin|share/doc/deferd))(?![\w.-])")
FOLDERS = ("bin", "home", "tmp", "run/deferd", "var/www/html", "var/lib/deferd/spool", "var/log",
           "usr/lib/cgi-bin", "usr/lib/deferd", "srv", "etc/nginx/snippets",
           "etc/apache2/conf-available", "etc/apache2/conf-enabled", "etc/apache2/mods-enabled",
           "etc/lighttpd/conf-available", "etc/lighttpd/conf-enabled")
ANSWER = 'route "/*" { module = "answer.so"  env = { "ANSWER_SECONDS=0" } }\n'
HIDDEN = "/usr/lib/apache2/modules/mod_%s.so"

SYSTEMCTL = """#!/bin/sh
# systemctl VERB [--now] UNIT...: as much of it as the documents use.  No socket is
# held here, so that one is started or stopped says nothing.
verb=$1; shift
[ "$1" = --now ] && shift
if [ $# -gt 1 ]; then
	for each; do "$0" "$verb" "$each" || exit; done
	exit 0
fi
unit=${{1%.service}}
[ "$unit" != deferd.socket ] || exit 0
pid=$(cat "{house}/run/$unit.pid" 2>/dev/null)
alive() {{ [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }}
stop() {{
	alive || return 0
	kill "$pid"
	while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
	rm -f "{house}/run/$unit.pid"
}}
start() {{
	case $unit in
	deferd) ;;
	*)	# there is one port for all
		for other in apache2 nginx lighttpd; do "$0" stop $other; done ;;
	esac
	case $unit in
	deferd) exec deferd ;;
	apache2) "{apache2}" -d "{house}/etc/apache2" -f apache2.conf -k start ;;
	nginx) "{nginx}" -p "{house}" -e "{house}/var/log/nginx" -c "{house}/etc/nginx/nginx.conf" ;;
	lighttpd) "{lighttpd}" -f "{house}/etc/lighttpd/lighttpd.conf" ;;
	esac
	tries=0
	until curl -s -o /dev/null "http://127.0.0.1:{port}/" 2>/dev/null; do
		tries=$((tries + 1)); [ $tries -lt 200 ] || exit 1
		sleep 0.05
	done
}}
case $verb in
start|enable) alive || start ;;
stop) stop ;;
restart) stop; start ;;
reload)
	case $unit in
	deferd) deferctl reload ;;
	*) stop; start ;;
	esac ;;
*) echo "systemctl: $verb?" >&2; exit 1 ;;
esac
"""

STUBS = {
    "sudo": '#!/bin/sh\nexec "$@"\n',
    "deferd": '#!/bin/sh\nexec "{world}/bin/deferd" -c "{house}/etc/deferd.conf" "$@"\n',
    "deferctl": '#!/bin/sh\nexec "{build}/deferctl" "$@"\n',
    "curl": '#!/bin/sh\nexec "{curl}" -q -sS --noproxy "*" --max-time 60 "$@"\n',
    "systemctl": SYSTEMCTL,
    "a2enmod": '#!/bin/sh\nfor m; do\n\techo "LoadModule ${{m}}_module ' + HIDDEN % "$m" +
               '" >"{house}/etc/apache2/mods-enabled/$m.load"\ndone\n',
    "a2enconf": '#!/bin/sh\nfor c; do\n\tln -sf "../conf-available/$c.conf" '
                '"{house}/etc/apache2/conf-enabled/"\ndone\n',
    "lighttpd-enable-mod": '#!/bin/sh\ncd "{house}/etc/lighttpd/conf-enabled" &&\n'
                           'for c; do\n\tln -sf ../conf-available/*-"$c".conf .\ndone\n',
}

APACHE = """
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {house}/run/apache2.pid
TypesConfig /dev/null
ErrorLog {house}/var/log/apache2
DefaultRuntimeDir {house}/run
Mutex file:{house}/run default
DocumentRoot {house}/var/www/html
{loads}
{user}
IncludeOptional mods-enabled/*.load
<IfModule cgid_module>
ScriptSock {house}/run/cgisock
</IfModule>
ScriptAlias "/cgi-bin/" "{house}/usr/lib/cgi-bin/"
SetEnv DEFERD_SOCKET {house}/run/deferd/deferd.sock
IncludeOptional conf-enabled/*.conf
"""

NGINX = """
{user}
pid {house}/run/nginx.pid;
events {{ }}
http {{
{temp}
	access_log off;
	server {{
		listen 127.0.0.1:{port};
		root {house}/var/www/html;
		include snippets/*.conf;
	}}
}}
"""

LIGHTTPD = """
{user}
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{house}/var/www/html"
server.errorlog = "{house}/var/log/lighttpd"
server.pid-file = "{house}/run/lighttpd.pid"
server.upload-dirs = ( "{house}/tmp" )
server.modules = ( "mod_setenv" )
setenv.set-environment = ( "DEFERD_SOCKET" => "{house}/run/deferd/deferd.sock" )
include "{house}/etc/lighttpd/conf-enabled/*.conf"
"""


class House:
    def __init__(self, world):
        self.world, self.base = world, tempfile.mkdtemp(prefix="house-", dir=world.base)
        os.chmod(self.base, 0o755)
        self.port = free_port()
        for folder in FOLDERS:
            os.makedirs(self.path(folder), exist_ok=True)
        if ROOT:
            for folder in ("var/lib/deferd", "var/lib/deferd/spool"):
                shutil.chown(self.path(folder), MASTER_USER)
        for folder in ("tmp", "home", "var/log"):
            os.chmod(self.path(folder), 0o1777)
        self.env = {**os.environ, "HOME": self.path("home"), "LC_ALL": "C",
                    "PATH": f"{self.path('bin')}:{os.environ['PATH']}:/usr/sbin:/sbin",
                    "APACHE_RUN_DIR": self.path("run"),
                    "DEFERD_LIBEXECDIR": world.path("bin"),
                    "DEFERD_CONTROL": self.path("run/deferd/control.sock"),
                    "DEFERD_SOCKET": self.path("run/deferd/deferd.sock")}
        self.names = {"house": self.base, "world": world.base, "build": BUILD, "port": self.port,
                      "curl": shutil.which("curl"),
                      **{p: program(p) or "false" for p in ("apache2", "nginx", "lighttpd")}}
        for name, text in STUBS.items():
            self.put("bin/" + name, text.format(**self.names), 0o755)
        self.servers()
        shutil.copy(world.path("modules", "answer.so"), self.path("usr/lib/deferd"))
        shutil.copy(world.door, self.path("usr/lib/cgi-bin"))
        world.install(find_build("deferd-check"), "bin", "deferd-check")
        include = self.put("home/deferd.h", "")
        shutil.copy(os.path.join(SOURCE, "daemon/worker/deferd.h"), include)
        self.env["C_INCLUDE_PATH"] = self.path("home")
        self.configure(ANSWER)
        self.shell = None

    def path(self, name):
        return os.path.join(self.base, name.lstrip("/"))

    def put(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def servers(self):
        loads = "".join(f"LoadModule {m}_module {HIDDEN % m}\n" for m in
                        ("mpm_event", "authz_core", "authz_host", "alias", "env", "mime"))
        temp = "".join(f"{kind}_temp_path {self.path('tmp')}/{kind};\n" for kind in
                       ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.put("etc/apache2/apache2.conf", APACHE.format(
            **self.names, loads=loads, user="User www-data\nGroup www-data" if ROOT else ""))
        self.put("etc/nginx/nginx.conf", NGINX.format(
            **self.names, temp=temp, user="user www-data;" if ROOT else ""))
        self.put("etc/lighttpd/lighttpd.conf", LIGHTTPD.format(
            **self.names, user='server.username = "www-data"' if ROOT else ""))
        with open(os.path.join(SOURCE, "debian/conf-available/deferd.conf")) as f:
            self.put("etc/apache2/conf-available/deferd.conf", self.inside(f.read()))
        if os.path.exists("/etc/nginx/scgi_params"):
            shutil.copy("/etc/nginx/scgi_params", self.path("etc/nginx"))

    # what the documents say, in the house

    def inside(self, text):
        text = PLACES.sub(lambda m: self.base + m.group(), text)
        return re.sub(r"http://localhost(?=[/$\s]|$)", f"http://127.0.0.1:{self.port}", text)

    def outside(self, text):
        text = text.replace(f"http://127.0.0.1:{self.port}", "http://localhost")
        return text.replace(self.base, "")

    def configure(self, text, path="/etc/deferd.conf"):
        """deferd.conf, with the places of the house where it says nothing of them."""
        settings = {"socket": "/run/deferd/deferd.sock", "control": "/run/deferd/control.sock",
                    "store": "sqlite:/var/lib/deferd/tasks.db", "spool": "/var/lib/deferd/spool",
                    "module-dir": "/usr/lib/deferd", "pid-file": "/run/deferd.pid"}
        lines = [f'{k} = "{v}"' for k, v in settings.items()
                 if not re.search(rf"^{k}\s*=", text, re.M)]
        lines += [f'user = "{MASTER_USER}"', f'run-as = "{WORKER_USER}"']
        text = re.sub(r"^(user|run-as)\s*=.*\n", "", text, flags=re.M)
        if not find_build("deferd-check"):      # a build without SQLite
            lines = [line.replace("sqlite:/var/lib/deferd/tasks.db", "memory") for line in lines]
        self.put(path, self.inside("\n".join(lines) + "\n" + text))

    def file(self, path, text, mode=0o644):
        if os.path.basename(path) == "deferd.conf" and "conf-available" not in path:
            self.configure(text, path)
        else:
            self.put(path, self.inside(text), mode)

    def need(self, server):
        """Skips what a web server is missing for."""
        if not program(server):
            (pytest.fail if os.environ.get("DEFERD_REQUIRE") == "1" else pytest.skip)(
                f"{server} is missing")

    def say(self, command, timeout=120):
        """One command in the house's shell; what it prints, and its status."""
        if self.shell is None:
            self.shell = subprocess.Popen(
                ["sh"], env=self.env, cwd=self.path("home"), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        mark = b"(the end of it: "
        self.shell.stdin.write(self.inside(command).encode() + b"\nprintf '" + mark + b"%s\\n' $?\n")
        self.shell.stdin.flush()
        got, deadline = b"", time.monotonic() + timeout
        while not (end := re.search(re.escape(mark) + rb"(\d+)\n", got)):
            wait = max(0, deadline - time.monotonic())
            assert select.select([self.shell.stdout], [], [], wait)[0], f"$ {command}: hangs: {got}"
            chunk = os.read(self.shell.stdout.fileno(), 65536)
            assert chunk, f"the shell has ended: {command}: {got}"
            got += chunk
        return self.outside(got[:end.start()].decode(errors="replace")), int(end[1])

    def converse(self, text):
        """A whole example: every command prints what stands below it."""
        for command, expected in conversation(text):
            got, status = self.say(command)
            assert matches(expected, got), f"$ {command}\nexpected:\n{expected}\ngot:\n{got}"
            if not expected:
                assert status == 0, f"$ {command}\nstatus {status}: {got}"

    def stop(self):
        """Everything that was started here."""
        if self.shell is not None:
            os.killpg(self.shell.pid, signal.SIGTERM)
            self.shell.wait()
            self.shell.stdin.close()
            self.shell.stdout.close()
            self.shell = None
        for unit in ("apache2", "nginx", "lighttpd", "deferd"):
            subprocess.run(["systemctl", "stop", unit], env=self.env, check=True, timeout=60,
                           executable=self.path("bin/systemctl"))
        until(lambda: not self.left(), "what ran in the house has ended", 30)

    def left(self):
        return {p: w for p, w in self.world.processes().items()
                if any(self.base in x for x in w)}


def complete(command):
    """Whether a shell would run this, or wait for more."""
    if command.rstrip(" ").endswith("\\"):
        return False
    return subprocess.run(["sh", "-n", "-c", command], stderr=subprocess.DEVNULL).returncode == 0


def conversation(text):
    """The commands of an example, each with what it prints."""
    found, command, expected = [], None, ""
    for line in text.splitlines():
        if command is not None and not complete(command):
            command += "\n" + line
        elif line.startswith(("$ ", "# ")):
            if command is not None:
                found.append((command, expected))
            command, expected = line[2:], ""
        else:
            assert command is not None, f"no command before: {line}"
            expected += line + "\n"
    if command is not None:
        found.append((command, expected))
    return found


def pattern(line):
    """... stands for anything; ids and times are those of the day."""
    line = re.escape(line.rstrip()).replace(re.escape("..."), ".*")
    line = re.sub(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", "[0-9a-f]{32}", line)
    line = re.sub(r"\d{4}\\-\d\d\\-\d\dT\d\d:\d\d:\d\d(\\\.\d+)?Z", r"[0-9T:.-]+Z", line)
    return line


def matches(expected, got):
    """Line by line; a line of three dots alone stands for any lines."""
    lines = [line.rstrip() for line in expected.rstrip("\n").split("\n")] if expected else []
    text = "".join(line.rstrip() + "\n" for line in got.replace("\r", "").splitlines())
    whole = "".join(r"(?:.*\n)*?" if line == "..." else pattern(line) + r"\n" for line in lines)
    return re.fullmatch(whole, text) is not None if lines else True
