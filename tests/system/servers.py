"""
Real web servers, each in its own directory on a port of its own.

What makes a server serve deferd is never written here: it is the snippet in
examples/, with only the mount, the door and the socket replaced.  Each server
has it three times: /jobs leads to the daemon that most tests share, /spare to
one that a test starts for itself, and so does /private, for USERS only.
"""

import base64
import hashlib
import http.client
import os
import pwd
import shutil
import signal
import socket
import subprocess

from client import curl, until

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "examples")
USERS = ("alice", "bob")        # their passwords are their names
WEB_USER = "www-data" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


reserved = []


def free_port():
    """
    One that stays ours, though nobody listens there yet: the kernel gives it to nobody else while
    it is bound, but for who names it and sets SO_REUSEADDR, as web servers do.
    """
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    reserved.append(s)
    return s.getsockname()[1]


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


class Server:
    """One web server.  Subclasses say what is needed around the snippet."""

    name = binary = snippet_name = None
    is_cgi = True           # the door runs, and hands over its descriptors
    chunked = "decoded"     # what becomes of a chunked body: decoded | buffered | 411
    path_info = True        # tells PATH_INFO

    def __init__(self, world):
        self.world = world
        self.dir = os.path.join(world.base, self.name)
        self.log = os.path.join(self.dir, "error.log")
        self.process = None

    def snippet(self, mount, sock):
        with open(os.path.join(EXAMPLES, self.snippet_name)) as f:
            text = f.read()
        for old, new in (("/usr/lib/cgi-bin/defer.cgi", self.world.door),
                         ("/run/deferd/deferd.sock", sock), ("/jobs", mount)):
            if old != "/usr/lib/cgi-bin/defer.cgi" or self.is_cgi:
                assert old in text, f"{self.snippet_name} does not say {old}"
            text = text.replace(old, new)
        return text

    def snippets(self):
        return (self.snippet("/jobs", self.world.socket) +
                self.snippet("/spare", self.world.spare_socket) +
                self.private(self.snippet("/private", self.world.spare_socket)))

    def private(self, snippet):
        """The same behind basic authentication."""
        raise NotImplementedError

    def passwords(self, hashed=True):
        path = os.path.join(self.dir, "passwords")
        with open(path, "w") as f:
            for user in USERS:
                digest = base64.b64encode(hashlib.sha1(user.encode()).digest()).decode()
                f.write(f"{user}:{'{SHA}' + digest if hashed else user}\n")
        return path

    def start(self):
        os.makedirs(self.dir, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.dir, WEB_USER)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with open(os.path.join(self.dir, "server.conf"), "w") as f:
            f.write(self.config())
        with open(os.path.join(self.dir, "output"), "wb") as out:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                cwd=self.dir, start_new_session=True)
        until(lambda: self.process.poll() is not None or self.ready(), f"{self.name} is up")
        assert self.process.poll() is None, f"{self.name} does not start: {self.tail()}"
        return self

    def ready(self):
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            c.request("GET", "/")
            c.getresponse().read()
            c.close()
            return True
        except (OSError, http.client.HTTPException):
            return False

    def tail(self):
        text = ""
        for name in (self.log, os.path.join(self.dir, "output")):
            if os.path.exists(name):
                with open(name, errors="replace") as f:
                    text += f.read()[-3000:]
        return text

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def curl(self, path, *options, **more):
        return curl(self.url + path, *options, **more)


class Apache(Server):
    binary = "apache2"
    modules = ()
    modules_dir = "/usr/lib/apache2/modules"

    def command(self):
        return [program("apache2"), "-d", self.dir, "-f", f"{self.dir}/server.conf",
                "-DFOREGROUND"]

    def config(self):
        loads = "".join(f"LoadModule {m}_module {self.modules_dir}/mod_{m}.so\n"
                        for m in ("authz_core", "authz_user", "authn_core", "authn_file",
                                  "auth_basic", "alias", "env", "headers") + self.modules)
        user = f"User {WEB_USER}\nGroup {WEB_USER}\n" if os.geteuid() == 0 else ""
        return (f"{loads}{user}ServerName localhost\nServerSignature On\nListen 127.0.0.1:{self.port}\n"
                f"PidFile {self.dir}/pid\nErrorLog {self.log}\nDefaultRuntimeDir {self.dir}\n"
                f"Mutex file:{self.dir} default\nDocumentRoot {self.dir}\nTimeout 60\n"
                f"{self.extra()}{self.snippets()}")

    def extra(self):
        return ""

    def private(self, snippet):
        return (f'{snippet}<Location "/private">\nAuthType Basic\nAuthName x\n'
                f"AuthUserFile {self.passwords()}\nRequire valid-user\n</Location>\n")


class ApacheCgid(Apache):
    name, snippet_name = "apache-mod_cgid", "apache-mod_cgid.conf"
    modules = ("mpm_event", "cgid")

    def extra(self):
        return f"ScriptSock {self.dir}/cgisock\nStartServers 2\n"


class ApacheControl(ApacheCgid):
    """The same, and the control socket of the daemon behind /spare, on a port of its own."""

    name = "apache-control"

    def config(self):
        self.control_port = free_port()
        self.control_url = f"http://127.0.0.1:{self.control_port}"
        return super().config()

    def snippets(self):
        return super().snippets() + self.control()

    def control(self):
        with open(os.path.join(EXAMPLES, "apache-control.conf")) as f:
            text = f.read()
        for old, new in (("/usr/lib/cgi-bin/defer.cgi", self.world.door),
                         ("/run/deferd/control.sock", self.world.path("spare", "control.sock")),
                         ("/etc/apache2/deferd.passwords", self.passwords()),
                         ("Require user operator", f"Require user {USERS[0]}"),
                         ("127.0.0.1:8321", f"127.0.0.1:{self.control_port}")):
            assert old in text, f"apache-control.conf does not say {old}"
            text = text.replace(old, new)
        return text

    def control_curl(self, path, *options, **more):
        """As the operator, unless the options say who."""
        if "-u" not in options:
            options += ("-u", f"{USERS[0]}:{USERS[0]}")
        return curl(f"{self.control_url}/deferd{path}", *options, **more)


class ApacheCgi(Apache):
    name, snippet_name = "apache-mod_cgi", "apache-mod_cgi.conf"
    modules = ("mpm_prefork", "cgi")

    def extra(self):
        return "StartServers 4\nMaxRequestWorkers 32\n"


class ApacheScgi(Apache):
    name, snippet_name = "apache-mod_proxy_scgi", "apache-mod_proxy_scgi.conf"
    modules = ("mpm_event", "proxy", "proxy_scgi")
    is_cgi, chunked, path_info = False, "411", False


class Nginx(Server):
    name = binary = "nginx"
    snippet_name = "nginx.conf"
    is_cgi, chunked, path_info = False, "buffered", False

    def command(self):
        return [program("nginx"), "-p", self.dir, "-e", self.log, "-c",
                f"{self.dir}/server.conf"]

    def config(self):
        user = f"user {WEB_USER};\n" if os.geteuid() == 0 else ""
        temp = "".join(f"{kind}_temp_path {self.dir}/{kind};\n"
                       for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        text = self.snippets().replace("scgi_params;", "/etc/nginx/scgi_params;")
        return (f"{user}daemon off;\nworker_processes 2;\npid {self.dir}/pid;\n"
                "events { worker_connections 1024; }\n"
                f"http {{\n{temp}access_log off;\nserver {{\nlisten 127.0.0.1:{self.port};\n"
                f"{text}}}\n}}\n")


    def private(self, snippet):
        line = "#scgi_param\t\tREMOTE_USER $remote_user;"
        assert line in snippet
        return snippet.replace(line, f"auth_basic x;\nauth_basic_user_file {self.passwords()};\n"
                               + line.lstrip("#"))


class Lighttpd(Server):
    binary = "lighttpd"
    chunked = "buffered"

    def command(self):
        return [program("lighttpd"), "-D", "-f", f"{self.dir}/server.conf"]

    def config(self):
        user = f'server.username = "{WEB_USER}"\n' if os.geteuid() == 0 else ""
        return (f'{user}server.bind = "127.0.0.1"\nserver.port = {self.port}\n'
                f'server.document-root = "{self.dir}"\nserver.errorlog = "{self.log}"\n'
                f'server.upload-dirs = ( "{self.dir}" )\n{self.snippets()}')


    def private(self, snippet):
        return (f'{snippet}server.modules += ( "mod_auth", "mod_authn_file" )\n'
                'auth.backend = "plain"\n'
                f'auth.backend.plain.userfile = "{self.passwords(hashed=False)}"\n'
                '$HTTP["url"] =~ "^/private(/|$)" {\nauth.require = ( "" => ( "method" => "basic", '
                '"realm" => "x", "require" => "valid-user" ) )\n}\n')


class LighttpdCgi(Lighttpd):
    name, snippet_name = "lighttpd-mod_cgi", "lighttpd-mod_cgi.conf"


class LighttpdScgi(Lighttpd):
    name, snippet_name = "lighttpd-mod_scgi", "lighttpd-mod_scgi.conf"
    is_cgi = False


KINDS = {kind.name: kind for kind in
         (ApacheCgid, ApacheCgi, ApacheScgi, Nginx, LighttpdCgi, LighttpdScgi)}

# Not for every test that goes through the servers.
OTHERS = {ApacheControl.name: ApacheControl}
