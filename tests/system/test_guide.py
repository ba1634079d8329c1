"""
The guides in doc/: every fenced block of theirs is run here, in its order.  What
a block is says the comment before it:

	<!-- file PATH [MODE] -->	it is the content of this file
	<!-- server NAME -->		a conversation that needs this web server
	<!-- user -->			a conversation that names the user "deferd"
	<!-- root -->			a conversation that only root can have
	<!-- check WORD -->		`deferd -n` of this configuration warns with this word
	<!-- elsewhere PATH -->		another test runs it

A block of the language "console" is a conversation with a shell (house.py).
"""

import itertools
import os
import re
import subprocess
import threading

import pytest

from client import scgi, until
from harness import ROOT, SOURCE, MASTER_USER, find_build
from house import House

FENCE = re.compile(r"(?:^<!-- (?P<what>.*?) -->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$",
                   re.M | re.S)


def blocks(name):
    with open(os.path.join(SOURCE, "doc", name)) as f:
        return [(m["what"] or "", m["language"], m["body"]) for m in FENCE.finditer(f.read())]


@pytest.fixture
def house(world, built):
    h = House(world)
    yield h
    h.stop()


def run_block(house, what, language, body):
    kind, *words = what.split()  or [""]
    if kind == "elsewhere":
        assert os.path.exists(os.path.join(SOURCE, words[0])), f"who runs this? {body}"
    elif kind == "file":
        house.file(words[0], body, int(words[1], 8) if len(words) > 1 else 0o644)
    elif kind == "check":
        house.put("etc/tried/deferd.conf", f'user = "{MASTER_USER}"\n{body}')
        assert words[0] in house.say("deferd -n -c /etc/tried/deferd.conf 2>&1 >/dev/null")[0]
    else:
        assert language == "console", f"what is this? {body}"
        if kind == "server":
            house.need(words[0])
        if kind == "user":
            body = body.replace("deferd:", MASTER_USER + ":")
        if kind != "root" or ROOT:
            house.converse(body)


@pytest.mark.parametrize("name", ["guide.md", "operators.md", "scripts.md", "troubleshooting.md"])
def test_guide(house, name):
    found = blocks(name)
    assert found
    if not find_build("deferd-check"):
        pytest.skip("a build without SQLite keeps nothing")
    try:
        for what, language, body in found:
            run_block(house, what, language, body)
    finally:
        house.stop()


def block(name, holds):
    """The one block that holds these words."""
    found = [body for _, _, body in blocks(name) if holds in body]
    assert len(found) == 1
    return found[0]


def sound(house, folder):
    """Whether no task in a backup is without its bodies."""
    return subprocess.run([house.world.path("bin", "deferd-check"),
                           "sqlite:" + house.path(folder + "/tasks.db"),
                           house.path(folder + "/spool")], stdout=subprocess.DEVNULL).returncode == 0


def test_backup_under_load(house):
    """operators.md: what had ended before a backup is there after it was restored."""
    if not find_build("deferd-check"):
        pytest.skip("a build without SQLite keeps nothing")
    house.file("/usr/lib/cgi-bin/cat.cgi", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\nexec cat\n",
               0o755)
    house.configure('route "/cat" { exec = "/usr/lib/cgi-bin/cat.cgi" keep = 3600 }\n')
    house.file("/usr/local/sbin/deferd-backup", block("operators.md", "# deferd-backup DIR"), 0o755)
    house.converse("# systemctl start deferd\n")
    sock, ended, over = house.path("run/deferd/deferd.sock"), {}, threading.Event()

    def load(number):
        for i in itertools.count():
            if over.is_set():
                return
            body = b"%d of %d\n" % (i, number) * (20000 if i % 8 == 0 else 1)
            answer = scgi(sock, "POST", "/cat", body, extra=[("HTTP_PREFER", "wait=20")])
            assert answer.status == 200
            ended[answer.id] = body

    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    try:
        until(lambda: len(ended) > 300, "much has been done", 240)
        for n in range(5):
            house.converse(f"# /usr/local/sbin/deferd-backup /srv/{n}\n$ deferctl ping\n...serving\n")
            assert sound(house, f"/srv/{n}")
        before = dict(ended)
        house.converse("# /usr/local/sbin/deferd-backup /srv/deferd-backup\n")
        after = len(ended)
        until(lambda: len(ended) > after + 100, "more has been done", 240)
    finally:
        over.set()
        for t in threads:
            t.join()
    restore = block("operators.md", "rm -rf /var/lib/deferd/tasks.db*")
    house.converse(restore.replace("deferd:", MASTER_USER + ":").partition("# deferctl list")[0])
    assert any(len(body) > 1 << 16 for body in before.values())
    for task, body in before.items():
        answer = scgi(sock, "GET", f"/status/{task}")
        assert (answer.status, answer.body) == (200, body)
    last = list(ended)[-1]
    assert scgi(sock, "GET", f"/status/{last}").status == 404, "it is not the backup"


@pytest.mark.parametrize("name", ["README.md", "doc/guide.md", "doc/operators.md", "doc/scripts.md",
                                  "doc/troubleshooting.md", "bench/README.md"])
def test_links(name):
    """What a document points to is there."""
    with open(os.path.join(SOURCE, name)) as f:
        text = f.read()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        path = os.path.join(SOURCE, os.path.dirname(name), target)
        assert os.path.exists(path), f"{name} points to {target}"
