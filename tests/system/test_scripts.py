"""
One line makes a script asynchronous: Apache's Action and AddHandler in a
<Directory> or in .htaccess, behind both of its CGI modules, as the snippet in
examples/ has it.

"Directly" is the same URL with `X-Direct: 1`: then Apache runs the script
itself.  So the two runs differ in nothing else.
"""

import base64
import os
import re
import shutil

import pytest

import servers
from client import Answer, until
from conftest import missing
from harness import MASTER_USER, ended, find_build

ENV = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv -0\n"
ALICE = "Authorization: Basic " + base64.b64encode(b"alice:a").decode()
BOB = "Authorization: Basic " + base64.b64encode(b"bob:b").decode()
MODULES = ("actions", "mime", "dir", "rewrite", "authn_core", "authn_file", "authz_user", "setenvif",
           "auth_basic")
ROUTES = """
route "debian" {{ path = "/debian/*" scripts = "/usr/lib/cgi-bin" }}
route "cgit"   {{ path = "/cgit/*"   scripts = "/usr/lib/cgit" }}
route "strict" {{ path = "/strict/*" scripts = "{cgi}/../www" exit-status = "fail" }}
route "/*"     {{ scripts = "{cgi}/../www" }}
"""


class Scripts:
    """What the two servers below have in common; a mix-in."""

    def snippets(self):
        with open(os.path.join(servers.EXAMPLES, "apache-scripts.conf")) as f:
            text = f.read()
        for old, new in (("/usr/lib/cgi-bin/defer.cgi", self.world.door),
                         ("/run/deferd/deferd.sock", self.world.spare_socket),
                         ("/var/www", self.world.path("www"))):
            assert old in text
            text = text.replace(old, new)
        w = self.world
        return text + f"""
TypesConfig /dev/null
AccessFileName .htaccess
DocumentRoot {w.path("www")}
Alias /debian/ /usr/lib/cgi-bin/
Alias /cgit/ /usr/lib/cgit/
<Directory {w.path("www")}>
	Require all granted
	Options +ExecCGI +FollowSymLinks
	AllowOverride All
	SetEnv FROM_THE_FOLDER yes
	<If "%{{HTTP:X-Direct}} == '1'">
		SetHandler cgi-script
	</If>
</Directory>
<Directory {w.path("www", "plain")}>
	RemoveHandler .cgi
</Directory>
<Directory {w.path("www", "slow")}>
	DirectoryIndex env.cgi
	AuthType Basic
	AuthName slow
	AuthUserFile {w.path("www-users")}
	Require user alice
</Directory>
<DirectoryMatch "^/usr/lib/(cgi-bin|cgit)">
	Require all granted
	Options +ExecCGI
	Action defer-script /cgi-bin/defer.cgi
	SetHandler defer-script
	SetEnv CGIT_CONFIG {w.path("cgitrc")}
	<If "%{{HTTP:X-Direct}} == '1'">
		SetHandler cgi-script
	</If>
</DirectoryMatch>
"""


class ScriptsCgid(Scripts, servers.ApacheCgid):
    name = "scripts-mod_cgid"
    modules = servers.ApacheCgid.modules + MODULES


class ScriptsCgi(Scripts, servers.ApacheCgi):
    name = "scripts-mod_cgi"
    modules = servers.ApacheCgi.modules + MODULES


class ScriptsNginx(servers.Nginx):
    name = "scripts-nginx"

    def snippets(self):
        with open(os.path.join(servers.EXAMPLES, "nginx-scripts.conf")) as f:
            text = f.read()
        for old, new in (("/run/deferd/deferd.sock", self.world.spare_socket),
                         ("/var/www", self.world.path("www")), ("/slow/", "/open/")):
            assert old in text
            text = text.replace(old, new)
        guarded = text.replace("location /open/ {", "location /slow/ {\n\tauth_basic slow;\n"
                               f"\tauth_basic_user_file {self.world.path('www-users')};")
        assert "#scgi_param\t" in guarded
        return text + guarded.replace("#scgi_param\t", "scgi_param\t")


@pytest.fixture(scope="module")
def daemon(world, built):
    for folder in ("www", "www/slow", "www/open", "www/plain", "www/strict", "elsewhere"):
        os.makedirs(world.path(folder))
    # alice:a, bob:b
    world.write("alice:{SHA}hvfkN/qlp/zhXR3cuerq6jd2Z7g=\n"
                "bob:{SHA}6dcfXufJLW3J6S/9rRe4vUlBj5g=\n", "www-users")
    world.write("root-title=Slow things\nfooter=/dev/null\nenable-index-owner=0\n", "cgitrc")
    for folder in ("slow", "open", "strict", "plain"):
        put(world, ENV, "www", folder, "env.cgi")
    put(world, ENV, "elsewhere", "env.cgi")
    d = world.daemon(ROUTES, keep=600).start()
    yield d
    d.stop()


@pytest.fixture(scope="module", params=[ScriptsCgid, ScriptsCgi], ids=lambda k: k.name)
def apache(request, world, daemon):
    if not servers.program("apache2") or not shutil.which("curl"):
        missing("apache2 or curl")
    server = request.param(world).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def nginx(world, daemon):
    if not servers.program("nginx") or not shutil.which("curl"):
        missing("nginx or curl")
    server = ScriptsNginx(world).start()
    yield server
    server.stop()


def put(world, text, *path):
    return world.write(text, *path, mode=0o755)


def directly(apache, url, *options, headers=(), **more):
    return apache.curl(url, *options, headers=["X-Direct: 1", *headers], **more)


def link_of(answer):
    assert answer.status == 202, answer
    return answer.get("Location")


def outcome(apache, url, *options, headers=(), **more):
    """Submits, and gives what the link says in the end."""
    link = link_of(apache.curl(url, *options, headers=headers, **more))
    return until(lambda: ended(apache.curl(link, headers=headers)), "the script has ended", 60)


def variables(answer):
    assert answer.status == 200, answer
    return dict(p.split("=", 1) for p in answer.body.decode("latin-1").split("\0") if p)


# -- it works, and the links are guarded like the script --

def test_in_a_directory(apache):
    """Action and AddHandler in a <Directory>: 202, and the link lives under the script"""
    link = link_of(apache.curl("/open/env.cgi?a=1"))
    assert link.startswith("/open/env.cgi/-/status/"), link
    env = variables(until(lambda: ended(apache.curl(link)), "it has ended"))
    assert env["QUERY_STRING"] == "a=1"
    info = apache.curl(link + "/info").json
    assert (info["state"], info["path"]) == ("succeeded", "/open/env.cgi")
    assert apache.curl(link, method="DELETE").status == 204
    assert apache.curl(link).status == 404


def test_in_htaccess(apache, world):
    """One line in .htaccess is all there is to do, where the handler is not yet set"""
    direct = apache.curl("/plain/env.cgi")
    assert direct.status == 200 and direct.body.decode() == ENV     # nobody runs it
    world.write("Action defer-script /cgi-bin/defer.cgi\nAddHandler defer-script .cgi\n",
                "www", "plain", ".htaccess")
    try:
        assert variables(outcome(apache, "/plain/env.cgi"))["SCRIPT_NAME"] == "/plain/env.cgi"
    finally:
        os.unlink(world.path("www", "plain", ".htaccess"))


def test_cancel_below_the_script(apache, world):
    """DELETE link and POST <link>/cancel, below the script"""
    put(world, "#!/bin/sh\nexec sleep 60\n", "www", "open", "sleep.cgi")
    link = link_of(apache.curl("/open/sleep.cgi"))
    assert apache.curl(link + "/cancel", method="POST").status == 204
    assert apache.curl(link).status == 410


def test_access_rules_guard_script_and_links(apache):
    """The access rules of /slow guard /slow/x.cgi and its links; the task is alice's"""
    for headers in ((), (BOB,)):
        assert apache.curl("/slow/env.cgi", headers=headers).status == 401
    link = link_of(apache.curl("/slow/env.cgi/x/y", headers=[ALICE]))
    assert link.startswith("/slow/env.cgi/-/status/"), link
    for headers in ((), (BOB,)):
        for url in (link, link + "/info"):
            assert apache.curl(url, headers=headers).status == 401
        assert apache.curl(link + "/cancel", method="POST", headers=headers).status == 401
    env = variables(until(lambda: ended(apache.curl(link, headers=[ALICE])), "it has ended"))
    assert env["REMOTE_USER"] == "alice"


@pytest.mark.parametrize("url", ["/slow/env.cgi", "/open/env.cgi"])
def test_no_other_way_to_the_task(apache, daemon, url):
    """A task of a script is found below that script only, by id too: 404 elsewhere"""
    link = link_of(apache.curl(url, headers=[ALICE]))
    task = link.rsplit("/", 1)[1]
    for way in (f"/cgi-bin/defer.cgi/status/{task}", f"/cgi-bin/defer.cgi{link}",
                f"/strict/env.cgi/-/status/{task}", f"{url}/x/-/status/{task}"):
        answer = apache.curl(way, headers=[ALICE])
        assert (answer.status, answer.state) == (404, None), (way, answer)
    assert daemon.status(task).status == 404
    assert until(lambda: ended(apache.curl(link, headers=[ALICE])), "it has ended").status == 200


def test_after_a_restart(apache, daemon):
    """Durable like the task: its owner and its place are known after a restart"""
    if not find_build("deferd-check"):
        pytest.skip("built without SQLite")
    store = os.path.join(os.path.dirname(daemon.socket), "scripts")
    os.mkdir(store, 0o700)
    shutil.chown(store, MASTER_USER)
    daemon.stop()
    daemon.settings["store"] = f"sqlite:{store}/tasks.db"
    try:
        daemon.start()
        link = link_of(apache.curl("/slow/env.cgi", headers=[ALICE]))
        until(lambda: ended(apache.curl(link, headers=[ALICE])), "it has ended")
        daemon.stop()
        daemon.start()
        assert variables(apache.curl(link, headers=[ALICE]))["REMOTE_USER"] == "alice"
        task = link.rsplit("/", 1)[1]
        for way in (f"/cgi-bin/defer.cgi/status/{task}", f"/open/env.cgi/-/status/{task}"):
            assert apache.curl(way, headers=[ALICE]).status == 404
    finally:
        daemon.stop()
        daemon.settings["store"] = "memory"
        daemon.start()
        shutil.rmtree(store)


def test_directory_index(apache):
    """A script that is its folder's index: the link is still below the script"""
    link = link_of(apache.curl("/slow/", headers=[ALICE]))
    assert link.startswith("/slow/env.cgi/-/status/"), link


# -- what is refused --

def test_direct_request(apache):
    """A direct request for /cgi-bin/defer.cgi/slow/x.cgi does not get around the access rules"""
    for url in ("/slow/env.cgi", "/open/env.cgi"):
        for headers in ((), (ALICE,), ("Redirect-Status: 200", "Redirect-Handler: defer-script",
                                       f"Redirect-Url: {url}")):
            answer = apache.curl(f"/cgi-bin/defer.cgi{url}", headers=headers)
            assert answer.status == 404 and b"no-route" in answer.body, answer


@pytest.mark.parametrize("more", [
    "", "SetEnv URL /slow/env.cgi", "SetEnv REDIRECT_URL /slow/env.cgi",
    "SetEnv STATUS 200", "SetEnvIf Request_URI . REDIRECT_URL=/slow/env.cgi"])
def test_forged_handler(apache, world, more):
    """.htaccess with SetEnv HANDLER and a RewriteRule: REDIRECT_URL differs, refused"""
    world.write("SetEnv HANDLER defer-script\nRewriteEngine On\n" + more + "\n"
                "RewriteRule ^forge$ /cgi-bin/defer.cgi/slow/env.cgi [L,"
                "E=URL:/slow/env.cgi,E=REDIRECT_URL:/slow/env.cgi]\n",
                "www", "open", ".htaccess")
    try:
        answer = apache.curl("/open/forge")
        assert answer.status == 404 and b"no-route" in answer.body, answer
    finally:
        os.unlink(world.path("www", "open", ".htaccess"))


def test_forged_action(apache, world):
    """An Action that names another script leads to none"""
    world.write("Action defer-script /cgi-bin/defer.cgi/slow/env.cgi\n",
                "www", "open", ".htaccess")
    try:
        assert apache.curl("/open/env.cgi").status == 404
    finally:
        os.unlink(world.path("www", "open", ".htaccess"))


def test_other_handler(apache, world):
    """Only the configured handler"""
    world.write("Action other /cgi-bin/defer.cgi\nAddHandler other .cgi\n",
                "www", "plain", ".htaccess")
    try:
        assert apache.curl("/plain/env.cgi").status == 404
    finally:
        os.unlink(world.path("www", "plain", ".htaccess"))


def test_symlinks(apache, world):
    """Only under the root after symlinks"""
    for link, to in (("out", world.path("elsewhere")), ("in.cgi", "../strict/env.cgi"),
                     ("out.cgi", world.path("elsewhere", "env.cgi"))):
        if not os.path.lexists(world.path("www", "open", link)):
            os.symlink(to, world.path("www", "open", link))
    for url in ("/open/out.cgi", "/open/out/env.cgi"):
        answer = apache.curl(url)
        assert answer.status == 403 and b"no-script" in answer.body, answer
    assert variables(outcome(apache, "/open/in.cgi"))["SCRIPT_NAME"] == "/open/in.cgi"


def test_checked_again_at_exec(apache, world):
    """... checked again at exec: what became a way out meanwhile is not run"""
    path = put(world, ENV, "www", "open", "moved.cgi")
    put(world, "#!/bin/sh\nexec sleep 60\n", "www", "open", "sleep.cgi")
    busy = [link_of(apache.curl("/open/sleep.cgi")) for _ in range(32)]     # every thread
    link = link_of(apache.curl("/open/moved.cgi"))
    assert apache.curl(link).json["state"] == "queued"
    os.unlink(path)
    os.symlink(world.path("elsewhere", "env.cgi"), path)
    for other in busy:
        assert apache.curl(other, method="DELETE").status == 204
    answer = until(lambda: ended(apache.curl(link)), "it has ended")
    assert (answer.status, answer.state) == (500, "failed"), answer
    os.unlink(path)


def test_not_executable(apache, world):
    """Only executable regular files"""
    world.write(ENV, "www", "open", "plain.cgi")
    answer = apache.curl("/open/plain.cgi")
    assert answer.status == 403 and b"no-script" in answer.body, answer


def test_dotdot(apache):
    """`..` is the web server's to resolve; what it leaves is refused"""
    answer = apache.curl("/open/../slow/env.cgi")
    assert answer.status == 401, answer
    for url in ("/open/env.cgi/../../slow/env.cgi", "/open/env.cgi/%2e%2e/%2e%2e/slow/env.cgi"):
        assert apache.curl(url).status == 401, url
    assert apache.curl("/open/env.cgi/..%2f..%2fslow/env.cgi").status == 404
    assert apache.curl("/open/nothing.cgi").status == 404


def test_the_claim_on_the_socket(daemon):
    """Believed only as a whole: every part of the claim, left out or changed"""
    root = daemon.world.path("www")
    claim = {"REDIRECT_STATUS": "200", "REDIRECT_HANDLER": "defer-script",
             "REDIRECT_URL": "/open/env.cgi", "PATH_TRANSLATED": root + "/open/env.cgi"}

    def submit(changed):
        return daemon.get("/open/env.cgi", extra=[(k, v) for k, v in {**claim, **changed}.items()
                                                  if v is not None])
    assert submit({}).status == 202
    for changed in ({"REDIRECT_STATUS": None}, {"REDIRECT_STATUS": "404"},
                    {"REDIRECT_HANDLER": None}, {"REDIRECT_HANDLER": "defer-scripts"},
                    {"REDIRECT_URL": None}, {"REDIRECT_URL": "/open/env.cgi/"},
                    {"REDIRECT_URL": "http://localhost/open/env.cgi"}, {"PATH_TRANSLATED": None},
                    {"PATH_TRANSLATED": root + "/open/none.cgi"},
                    {"PATH_TRANSLATED": root + "/open"}):
        assert submit(changed).status == 404, changed
    assert submit({"PATH_TRANSLATED": "/bin/true"}).status == 403
    assert submit({"PATH_TRANSLATED": root + "/../../../bin/true"}).status == 400
    assert submit({"PATH_TRANSLATED": root + "/open/env.cgi/more"}).status == 400


# -- the same as directly --

def known_differences(env, same):
    """What is the run's own, or not to be known behind Apache's redirect."""
    for name in list(env):
        if name in ("HTTP_X_DIRECT", "REMOTE_PORT", "PATH", "PWD", "_", "SERVER_SIGNATURE",
                    "AUTH_TYPE", "CONTEXT_PREFIX", "CONTEXT_DOCUMENT_ROOT") or \
                name.startswith("DEFERD_"):
            del env[name]
    assert same in env
    return env


@pytest.mark.parametrize("url, same", [
    ("/open/env.cgi", "SCRIPT_NAME"), ("/open/env.cgi?a=1&b=%20", "QUERY_STRING"),
    ("/open/env.cgi/extra%20a/b.html?x", "PATH_INFO"), ("/slow/env.cgi/x", "REMOTE_USER"),
    ("/slow/", "SCRIPT_FILENAME"), ("/open/env.cgi/", "PATH_INFO")])
def test_environment(apache, url, same):
    """The environment of the script: as under a direct mod_cgi, but for what doc/contract.md lists"""
    headers = [ALICE, "X-Other: 1", "Cookie: a=b"]
    direct = variables(directly(apache, url, headers=headers))
    deferred = variables(outcome(apache, url, headers=headers))
    assert deferred["FROM_THE_FOLDER"] == "yes"
    assert known_differences(deferred, same) == known_differences(direct, same)


def test_place_and_name(apache, world):
    """Working directory the script's; argv[0] its path; stdin the body"""
    put(world, "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\npwd; echo \"$0 $#\"; cat\n",
        "www", "open", "place.cgi")
    direct = directly(apache, "/open/place.cgi", body=b"hello")
    deferred = outcome(apache, "/open/place.cgi", body=b"hello")
    assert direct.body == deferred.body and b"hello" in direct.body


def test_nph_and_exit_status(apache, world):
    """A status line of its own is understood; exit-status is "ignore" here unless set"""
    sloppy = "#!/bin/sh\nprintf 'HTTP/1.1 418 Tea\\r\\nX-A: b\\r\\n\\r\\nshort'\nexit 3\n"
    put(world, sloppy, "www", "open", "nph-sloppy.cgi")
    put(world, sloppy, "www", "strict", "nph-sloppy.cgi")
    answer = outcome(apache, "/open/nph-sloppy.cgi")
    assert (answer.status, answer.get("X-A"), answer.body) == (418, "b", b"short")
    answer = outcome(apache, "/strict/nph-sloppy.cgi")
    assert (answer.status, answer.state) == (500, "failed")


def page(answer: Answer):
    """What a client sees, less what differs between any two runs."""
    skip = {"date", "last-modified", "expires", "cache-control", "deferd-task", "deferd-state",
            "etag", "accept-ranges", "content-length", "transfer-encoding", "keep-alive",
            "connection", "referrer-policy", "vary"}
    body = re.sub(rb"\d\d:\d\d:\d\d", b"hh:mm:ss", answer.body)     # man2html says when
    return (answer.status, sorted((n, v) for n, v in answer.headers if n.lower() not in skip),
            body)


@pytest.mark.parametrize("url", [
    pytest.param("/debian/man/man2html?env+1", id="C-man2html"),
    pytest.param("/debian/man/man2html", id="C-man2html-form"),
    pytest.param("/debian/man/mansec?x+1", id="C-mansec"),
    pytest.param("/debian/man/mansearch?env", id="awk-mansearch"),
    pytest.param("/debian/info2www", id="Perl-info2www"),
    pytest.param("/debian/info2www?(none)Top", id="Perl-info2www-missing"),
    pytest.param("/cgit/cgit.cgi/", id="C-cgit"),
    pytest.param("/cgit/cgit.cgi/nothing/tree/?h=x", id="C-cgit-404")])
def test_other_peoples_programs(apache, url):
    """Other people's CGI programs from Debian, unchanged: the same page, byte for byte"""
    program = url.split("?")[0].replace("/debian/", "/usr/lib/cgi-bin/")
    program = program.replace("/cgit/", "/usr/lib/cgit/", 1).split(".cgi/")[0]
    if not (os.path.exists(program) or os.path.exists(program + ".cgi")):
        missing(program)
    direct = directly(apache, url)
    assert len(direct.body) > 100, direct
    assert page(outcome(apache, url)) == page(direct)


def test_nginx(nginx, world):
    """The same for nginx: what Apache says by itself, its configuration says"""
    link = link_of(nginx.curl("/open/env.cgi/a%20b?x=1", "-u", "root:x"))
    assert link.startswith("/open/env.cgi/-/status/"), link
    env = variables(until(lambda: ended(nginx.curl(link)), "it has ended"))
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == ("/open/env.cgi", "/a b")
    assert env["SCRIPT_FILENAME"] == world.path("www", "open", "env.cgi")
    assert "REMOTE_USER" not in env
    assert not [name for name in env if name.startswith("REDIRECT_")]


def test_nginx_access_rules(nginx):
    """... and the rules of the location guard the script and its links"""
    headers = ["Redirect-Url: /slow/env.cgi", "Redirect-Remote-User: alice"]
    assert nginx.curl("/slow/env.cgi", headers=headers).status == 401
    link = link_of(nginx.curl("/slow/env.cgi", headers=[ALICE]))
    task = link.rsplit("/", 1)[1]
    assert nginx.curl(link).status == 401
    assert nginx.curl(link, headers=[BOB]).status == 404        # not his
    assert nginx.curl(f"/open/env.cgi/-/status/{task}", headers=[ALICE]).status == 404
    assert nginx.curl(f"/open/..%2fslow/env.cgi/-/status/{task}").status == 401
    env = variables(until(lambda: ended(nginx.curl(link, headers=[ALICE])), "it has ended"))
    assert env["REMOTE_USER"] == "alice"
