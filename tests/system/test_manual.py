"""
The manual pages and the program say the same: settings, options, problem types;
and what stands under EXAMPLES works.
"""

import glob
import os
import re
import shutil
import subprocess

import pytest

from client import until
from harness import BUILD, MASTER_USER, SOURCE, find_build
from house import House

PAGES = ("defer.cgi.8", "deferctl.8", "deferd.8", "deferd.conf.5", "deferd_module.3")
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "DIAGNOSTICS",
            "SEE ALSO", "STANDARDS", "SECURITY CONSIDERATIONS"]


def source(page):
    with open(os.path.join(BUILD, "doc", page)) as f:
        return f.read()


def section(page, name):
    """The lines of one section, as mdoc."""
    found = re.search(rf'^\.S[hs] "?{re.escape(name)}"?\n(.*?)(?=^\.S[hs] |\Z)', source(page),
                      re.M | re.S)
    assert found, f"{page} has no {name}"
    return found.group(1)


def plain(mdoc):
    """Text lines without the escapes of roff."""
    for old, new in ((r"\e", "\\"), (r"\(dq", '"'), (r"\&", "")):
        mdoc = mdoc.replace(old, new)
    return mdoc


def examples(page):
    """Every display of EXAMPLES and DIAGNOSTICS, with what its @test says."""
    found = []
    for name in ("EXAMPLES", "DIAGNOSTICS"):
        text = section(page, name)
        shown = re.findall(r'(?:^\.\\" @test (.*)\n)?^\.Bd -literal.*\n((?:.*\n)*?)^\.Ed', text,
                           re.M)
        assert all(kind for kind, _ in shown), f"{page}: an example without @test"
        found += [(kind.split(), plain(body)) for kind, body in shown]
    return found


@pytest.fixture(scope="module")
def house(world, built):
    h = House(world)
    yield h
    h.stop()


@pytest.fixture(params=PAGES)
def page(request):
    if not os.path.exists(os.path.join(BUILD, "doc", request.param)):
        pytest.skip("the manual pages are not built")
    return request.param


# ---- as mdoc -----------------------------------------------------------------


def test_lint(page):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is missing")
    done = subprocess.run(["mandoc", "-Tlint", os.path.join(BUILD, "doc", page)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    # which pages of others are installed here, and how long the paths of this build are,
    # says nothing about ours
    said = [line for line in done.stdout.splitlines()
            if "referenced manual not found" not in line and "line longer than" not in line]
    assert not said
    assert "@" not in re.sub(r"@(test|file|-|[A-Z])", "", source(page)), "an @word@ is left"


def test_sections(page):
    """Each is complete in itself."""
    left_out = {"deferd.conf.5": {"SYNOPSIS", "EXIT STATUS"}, "deferd_module.3": {"EXIT STATUS"}}
    there = [s.strip('"') for s in re.findall(r"^\.Sh (.*)$", source(page), re.M)]
    assert set(SECTIONS) - left_out.get(page, set()) <= set(there)


def test_cross_references(page):
    """What it refers to of ours is there."""
    ours = re.findall(r"^\.Xr (defer\S*) (\d)", source(page), re.M)
    assert ours and {f"{name}.{number}" for name, number in ours} <= set(PAGES)


# ---- as the program ----------------------------------------------------------


def settings():
    tool = os.path.join(BUILD, "tests", "describe")
    if not os.path.exists(tool):
        pytest.skip("tests/describe is not built")
    lines = subprocess.run([tool], stdout=subprocess.PIPE, text=True, check=True).stdout
    names, *rows = [line.split("\t") for line in lines.splitlines()]
    return [dict(zip(names, row)) for row in rows]


def setting_words(row):
    """How deferd.conf(5) ends the paragraphs of a setting."""
    where = {"top": "At the top", "route": "In routes", "top, route": "At the top and in routes"}
    reload = {"yes": "taken at a reload", "no": "needs a restart", "start": "needs a new start"}
    values = row["values"][0].upper() + row["values"][1:]
    return f"{values}. Default: {row['default']}. {where[row['where']]}; {reload[row['reload']]}."


def test_settings():
    """The list in deferd.conf(5) is that of the program: no more, no less, no other value."""
    items = dict(re.findall(r"^\.It Ic ([a-z-]+)\n(.*?)(?=^\.It |^\.El)",
                            section_all("deferd.conf.5", "SETTINGS"), re.M | re.S))
    rows = settings()
    assert set(items) == {row["name"] for row in rows}
    for row in rows:
        if row["name"] == "store" and not find_build("deferd-check"):
            continue        # the manual is that of a build with SQLite
        words = " ".join(plain(items[row["name"]]).split())
        assert words.endswith(setting_words(row)), f"{row['name']}: not {setting_words(row)}"
        assert ".Pp" in items[row["name"]], f"{row['name']}: says nothing of its own"


def section_all(page, name):
    """A section with its subsections."""
    return re.search(rf"^\.Sh {name}\n(.*?)(?=^\.Sh |\Z)", source(page), re.M | re.S).group(1)


def test_problem_types():
    """Every `type` that an answer can have is listed with its status, and no other."""
    with open(os.path.join(SOURCE, "daemon/master/problem.c")) as f:
        rows = re.findall(r'\[PROBLEM_\w+\] = \{ "([a-z-]+)", (\d+),', f.read())
    assert len(rows) > 10
    with open(os.path.join(SOURCE, "cgi/defer.c")) as f:
        door = re.findall(r'PROBLEM\("(\d+)",(?:\s*"[^"]*",){2}\s*"([a-z-]+)"', f.read())
    assert len(door) == 2
    said = re.findall(r"^\.It Li (\S+) Pq (\d+)$", section("deferd.8", "Problem documents"), re.M)
    assert len(said) == len(set(said))
    assert set(rows) | {(name, status) for status, name in door} == set(said)


def options(usage):
    """-x and --long as a usage line names them."""
    found = set(re.findall(r"(?<![\w-])--([a-z-]+)", usage))
    for letters in re.findall(r"(?<![\w-])-([a-zA-Z]+)", usage):
        found |= set(letters)
    return found


def mdoc_options(mdoc):
    """What stands behind Fl, up to the next macro."""
    found = set()
    for words in re.findall(r"\bFl((?: (?:-?[a-z-]+|[a-zA-Z]{1,3}|,)(?= |$))+)", mdoc, re.M):
        for word in words.split():
            if word in ("Ar", "Fl", "Op", "Xc", "Ns", "Ic", "Li"):
                break
            found |= {word.lstrip("-")} if word.startswith("-") else set(word.strip(","))
    return found


def test_deferd_options(world, built):
    """The options of deferd(8) are those of the program's usage, and each has its item."""
    done = subprocess.run([world.path("bin", "deferd"), "--no-such-option"],
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    usage = done.stderr[done.stderr.index("usage:"):]
    assert options(usage) == mdoc_options(section("deferd.8", "SYNOPSIS"))
    items = re.findall(r"^\.It Fl -?([\w-]+)", section("deferd.8", "DESCRIPTION"), re.M)
    assert sorted(items) == sorted(options(usage))


def deferctl(*arguments):
    tool = os.path.join(BUILD, "deferctl")
    if not os.path.exists(tool):
        pytest.skip("deferctl is not built")
    return subprocess.run([tool, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True).stdout


def test_deferctl_commands():
    """Every command of the program has its item in deferctl(8), with the same options."""
    listed = re.findall(r"^  ([a-z]+)\b", deferctl("help"), re.M)
    text = section_all("deferctl.8", "DESCRIPTION")
    items = dict(re.findall(r"^\.It (?:Xo\n\.)?Ic ([a-z]+)(.*?)(?=^\.It (?:Xo\n\.)?Ic |^\.Ss |\Z)",
                            text, re.M | re.S))
    assert len(listed) > 10 and set(listed) == set(items)
    for command in listed:
        first, *rest = deferctl("help", command).splitlines()
        first = first.replace("[-s SOCKET] ", "")
        usage = "\n".join([first] + [line[:20] for line in rest if line.startswith("  ")])
        assert options(usage) == mdoc_options(items[command]), command


def test_deferctl_options():
    """Those before the command."""
    with open(os.path.join(SOURCE, "ctl/main.c")) as f:
        program = f.read()
    letters = re.search(r'getopt_long\(argc, argv, "\+([\w:]+)"', program).group(1)
    names = re.search(r"long_options\[\] = \{(.*?)\};", program, re.S).group(1)
    wanted = set(letters.replace(":", "")) | set(re.findall(r'"(\w+)"', names))
    text = section("deferctl.8", "DESCRIPTION")
    assert mdoc_options("\n".join(re.findall(r"^\.It Fl.*$", text, re.M))) == wanted


def test_events():
    """deferd(8) lists every event of the log, and no other."""
    said = set()
    for items in re.findall(r"^\.It Li (.*)$", section("deferd.8", "The log"), re.M):
        said |= set(items.replace(" ,", "").split())
    told = set()
    for path in glob.glob(f"{SOURCE}/daemon/**/*.c", recursive=True):
        with open(path) as f:
            told |= set(re.findall(r'\blog_(?:error|warn|info|debug|fatal|at)\((?:[^"();]*,\s*)?"([a-z-]+)',
                                   f.read()))
    assert len(told) > 50
    assert told - said == set(), "not in the manual"
    assert said - told <= {"log-lost"}, "in the manual only"


def test_environment():
    """What the programs look up in their environment has its place in their pages."""
    for folder, page in (("daemon/launcher", "deferd.8"), ("daemon/store", "deferd.8"), ("ctl", "deferctl.8"),
                         ("cgi", "defer.cgi.8")):
        text = "\n".join(open(path).read() for path in glob.glob(f"{SOURCE}/{folder}/*.c"))
        names = set(re.findall(r'getenv\("(\w+)"\)', text)) - {"CONTENT_LENGTH",
                                                              "HTTP_TRANSFER_ENCODING"}
        for constant in re.findall(r"getenv\(([A-Z_]+)\)", text):
            names.add(re.search(rf'#define\s+{constant}\s+"(\w+)"', text).group(1))
        said = set(re.findall(r"\b([A-Z_]{4,})\b", section(page, "ENVIRONMENT")))
        assert names and names <= said, (page, names - said)


def test_operators_paths():
    """deferctl(8) has every path that only the control socket knows."""
    with open(os.path.join(SOURCE, "daemon/master/operate.c")) as f:
        paths = set(re.findall(r'\{ "(/\w+)"', f.read()))
    assert len(paths) > 8
    said = "\n".join(re.findall(r"^\.It Li .*$", section("deferctl.8", "Over HTTP"), re.M))
    assert paths == {p for p in re.findall(r"(/\w+)", said) if p not in ("/status", "/log")}


def test_metrics_named():
    """What operators.md says to watch is there to be watched."""
    with open(os.path.join(SOURCE, "daemon/master/view_metrics.c")) as f:
        there = set(re.findall(r'"(deferd_\w+)"', f.read()))
    with open(os.path.join(SOURCE, "doc/operators.md")) as f:
        named = set(re.findall(r"`(deferd_\w+)`", f.read()))
    assert len(named) > 8 and named <= there, named - there


def test_module_interface():
    """deferd_module(3) has the table of deferd.h, and an item for each of its members."""
    with open(os.path.join(SOURCE, "daemon/worker/deferd.h")) as f:
        table = re.search(r"struct deferd_api \{(.*?)\n\};", f.read(), re.S).group(1)
    table = re.sub(r"/\*.*?\*/", "", table, flags=re.S)
    shown = re.search(r"struct deferd_api \{(.*?)\n\};", source("deferd_module.3"), re.S).group(1)
    assert table.split() == shown.split()
    members = re.findall(r"\(\*(\w+)\)", table)
    items = re.findall(r"^\.It (?:Fn|Va) (\w+)", section("deferd_module.3", "DESCRIPTION"), re.M)
    assert items == ["abi"] + members


def test_what_a_task_is_not_told():
    """defer.cgi(8) names what env.c keeps from a task."""
    with open(os.path.join(SOURCE, "daemon/worker/env.c")) as f:
        refused = re.search(r"refused\[\] = \{(.*?)\};", f.read(), re.S).group(1)
    said = section("defer.cgi.8", "What a task is told")
    for name in re.findall(r'"([A-Z_*]+)"', refused):
        assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said) or name in (
            "SCGI", "PATH_TRANSLATED", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"), name


def test_door_messages():
    """Everything that defer.cgi says on stderr has its line in defer.cgi(8)."""
    with open(os.path.join(SOURCE, "cgi/defer.c")) as f:
        text = f.read()
    said = section("defer.cgi.8", "DIAGNOSTICS")
    why = re.findall(r'return "([^"]+)";', text) + re.findall(r'complain\("\w+", "([^"]+)"', text)
    assert len(why) >= 8
    for words in why:
        assert words in said


# ---- examples ----------------------------------------------------------------


def check_conf(house, text):
    """Through `deferd -n`, as it stands, but with a user that there is."""
    users = f'user = "{MASTER_USER}"\n' if not re.search(r"^user\s*=", text, re.M) else ""
    house.put("etc/tried/deferd.conf", text + users)
    return subprocess.run([house.world.path("bin", "deferd"), "-n", "-c",
                           house.path("etc/tried/deferd.conf")], env=house.env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_conf(house, text):
    done = check_conf(house, text)
    assert done.returncode == 0, done.stderr
    house.configure(text + house_rest(text))


def house_rest(text):
    """What an example does not route goes to answer.so, so that others work beside it."""
    from house import ANSWER
    return "" if '"/*"' in text else ANSWER


def serve(house, unit, path, text):
    """A web server with the example in its configuration answers 202 below /jobs."""
    house.need(unit)
    house.configure('mount = "/jobs"\n' + house_rest(""))
    house.file(path, text)
    house.converse(f"# systemctl restart deferd\n# systemctl restart {unit}\n"
                   "$ curl -s -o /dev/null -w '%{http_code}\\n' http://localhost/jobs/hello\n202\n")
    house.say(f"systemctl stop {unit}")


def run_example(house, kind, body, before):
    """`before` is the configuration that failed last, for what it says."""
    if kind[0] == "conf":
        run_conf(house, body)
    elif kind[0] == "conf-error":
        done = check_conf(house, body)
        assert done.returncode == 1
        return done.stderr
    elif kind[0] == "says":
        assert " ".join(body.split()) in " ".join(before.split())
    elif kind[0] == "c":
        house.put(f"home/{kind[1]}.c", body)
    elif kind[0] == "apache":
        house.say("a2enmod cgid headers")
        serve(house, "apache2", "/etc/apache2/conf-enabled/jobs.conf", body)
    elif kind[0] == "nginx":
        serve(house, "nginx", "/etc/nginx/snippets/jobs.conf", body)
    elif kind[0] == "lighttpd":
        serve(house, "lighttpd", "/etc/lighttpd/conf-enabled/jobs.conf", body)
    elif kind[0] == "sh" and ("sqlite3" not in body or find_build("deferd-check")):
        house.converse("# systemctl stop deferd")
        if not re.search(r"^[#$] deferd( -f.*)?$", body, re.M):
            house.converse("# systemctl start deferd")
        house.converse(body)
        if body.rstrip().endswith("&"):     # it is there when it answers, not when it was started
            until(lambda: house.say("deferctl ping")[1] == 0, "what was started answers")
    else:
        assert kind[0] == "sh", f"@test {kind}?"
    return ""


def test_examples(house, page):
    """What stands under EXAMPLES works, in its order."""
    shown = examples(page)
    assert shown
    house.configure(house_rest(""))
    said = ""
    try:
        for kind, body in shown:
            said = run_example(house, kind, body, said)
    finally:
        house.stop()
