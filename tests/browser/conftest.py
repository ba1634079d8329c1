"""
A real browser, Chromium without a window, in front of a real Apache with
mod_cgid and a real deferd: the world is that of tests/system.
"""

import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile

import pytest

SYSTEM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system")
sys.path.append(SYSTEM)

from client import until        # noqa: E402


def load_fixtures():
    """Those of tests/system; its conftest.py cannot be imported under that name from here."""
    spec = importlib.util.spec_from_file_location("system_conftest",
                                                  os.path.join(SYSTEM, "conftest.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


system = load_fixtures()
for name in ("world", "running_servers", "start_server", "built", "shared", "make",
             "pytest_runtest_protocol", "pytest_runtest_makereport"):
    globals()[name] = getattr(system, name)

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
# No window, nobody else's settings, and no word to anybody but the server.
SWITCHES = ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
            "no-proxy-server", "disable-background-networking", "disable-component-update",
            "disable-sync", "disable-dev-shm-usage", "disable-extensions",
            "disable-default-apps", "force-device-scale-factor=1")


class Browser:
    """One window.  Remembers what was asked and what was complained about."""

    def __init__(self, javascript=True, reduced=False):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
        self.javascript = javascript
        self.dir = tempfile.mkdtemp(prefix="deferd-browser-", dir="/tmp")
        self.downloads = os.path.join(self.dir, "downloads")
        os.mkdir(self.downloads)
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for switch in SWITCHES:
            options.add_argument("--" + switch)
        options.add_argument(f"--user-data-dir={self.dir}/profile")
        options.add_experimental_option("prefs", {
            "download.default_directory": self.downloads,
            "profile.managed_default_content_settings.javascript": 1 if javascript else 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        try:
            self.driver = webdriver.Chrome(service=Service(DRIVER, log_path=os.devnull),
                                           options=options)
        except Exception:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise
        self.driver.set_page_load_timeout(60)
        self.events, self.complaints = [], []

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.dir, ignore_errors=True)

    def listen(self):
        """Takes over what has been logged since the last time."""
        for entry in self.driver.get_log("performance"):
            self.events.append(json.loads(entry["message"])["message"])
        self.complaints += self.driver.get_log("browser")

    def leave(self):
        """Away from the page, which would go on asking, and forgets all about it."""
        self.driver.get("about:blank")
        self.listen()
        self.events.clear()
        self.complaints.clear()

    def requests(self, resource=None):
        """URLs asked for so far, without passwords; `resource`: only Document, Fetch ..."""
        self.listen()
        return [re.sub("//[^/@]*@", "//", e["params"]["request"]["url"]) for e in self.events
                if e["method"] == "Network.requestWillBeSent" and
                resource in (None, e["params"].get("type"))]

    def find(self, name):
        """An element by its id."""
        from selenium.webdriver.common.by import By
        return self.driver.find_element(By.ID, name)

    def steady(self, act):
        """What act() gives; again, where another page has come between its finding and its doing."""
        from selenium.common.exceptions import (NoSuchElementException,
                                                StaleElementReferenceException)

        def question():
            try:
                return [act()]
            except (NoSuchElementException, StaleElementReferenceException):
                return None
        return until(question, "the page stays for so long")[0]

    def text(self, name=None):
        """What can be seen of the page, or of an element; "" if there is none."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.common.by import By
        try:
            return (self.find(name) if name else
                    self.driver.find_element(By.TAG_NAME, "body")).text
        except WebDriverException:      # between two pages
            return ""

    def theme(self, scheme, **more):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        features += [{"name": n.replace("_", "-"), "value": v} for n, v in more.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def width(self, width, height=720):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def shoot(self, name):
        """A picture, if somebody wants to look: DEFERD_SHOTS names a folder."""
        folder = os.environ.get("DEFERD_SHOTS")
        if folder:
            os.makedirs(folder, exist_ok=True)
            self.driver.save_screenshot(os.path.join(folder, name + ".png"))

    def check(self, url, statuses=()):
        """
        Nothing was asked of anybody else, and nothing complained about but
        the statuses that the test has brought about.
        """
        outside = [u for u in self.requests() if not u.startswith((url, "data:", "about:",
                                                                   "chrome:"))]
        assert not outside, outside
        wanted = tuple(f"status of {s}" for s in statuses)
        bad = [c for c in self.complaints if not (wanted and any(w in c["message"]
                                                                  for w in wanted))]
        assert not bad, bad


def need_browser():
    try:
        import selenium     # noqa: F401
    except ImportError:
        system.missing("python3-selenium")
    if not CHROMIUM or not DRIVER:
        system.missing("chromium or chromedriver")


@pytest.fixture(scope="module")
def window():
    """One browser with JavaScript and one without, kept for the module."""
    need_browser()
    made = {}

    def get(javascript=True):
        if javascript not in made:
            made[javascript] = Browser(javascript)
        made[javascript].leave()
        return made[javascript]
    get.all = made
    yield get
    for b in made.values():
        b.close()


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript"])
def browser(request, window):
    return window(request.param)


@pytest.fixture
def js_browser(window):
    return window(True)


@pytest.fixture
def apache(start_server):
    return start_server("apache-mod_cgid")


class Task:
    """A script that does what the test says, when it says it."""

    def __init__(self, world, name, result):
        self.world, self.name = world, name
        self.go, self.runs = world.path("out", name + ".go"), world.path("out", name + ".runs")
        # Follows the file line by line: progress to descriptor 3, until "end".
        world.script(name, f"""#!/bin/sh
echo run >>{self.runs}
n=1
while :; do
\tline=$(sed -n "${{n}}p" {self.go} 2>/dev/null)
\tcase $line in
\t"") sleep 0.05; continue ;;
\tend) break ;;
\t*) echo "$line" >&3 ;;
\tesac
\tn=$((n + 1))
done
cat <<'END'
{result}
END
""")
        self.url = "/jobs/run/" + name

    def say(self, line):
        with open(self.go, "a") as f:
            f.write(line + "\n")

    def started(self):
        try:
            with open(self.runs) as f:
                return len(f.readlines())
        except FileNotFoundError:
            return 0


@pytest.fixture
def task(world, shared, window):
    """Makes such scripts; whatever becomes of the test, they end with it."""
    made = []

    def new(result="Content-Type: text/html\n\n<title>Done</title><link rel=icon href=data:,><p id=result>the result"):
        name = f"page{os.urandom(4).hex()}"
        made.append(Task(world, name, result))
        return made[-1]
    yield new
    for b in window.all.values():
        b.leave()       # else it would follow the result into the next test
    for t in made:
        t.say("end")
