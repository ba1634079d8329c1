"""The page of tasks (issue 5, 2) as an operator sees it, behind a password."""

import pytest
from client import scgi, until
from harness import ROOT
from looks import check_looks, no_markup, shoot_all
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

ROUTES = """
route "/sh/*"  {{ exec = "{cgi}/sh.cgi" timeout = 120 }}
route "/one/*" {{ exec = "{cgi}/sh.cgi" timeout = 120 max-running = 1 }}
"""


@pytest.fixture
def apache(start_server):
    return start_server("apache-control")


@pytest.fixture
def daemon(make, apache, window):
    yield make(routes=ROUTES, control_peers=("www-data",) if ROOT else None,
               run_as="nobody" if ROOT else None, drain=1)
    for b in window.all.values():
        b.leave()


def open_tasks(browser, apache, query=""):
    """With the password in the address, as people write it."""
    browser.driver.get(apache.control_url.replace("//", "//alice:alice@") + "/deferd/tasks" + query)
    assert browser.text("running"), browser.driver.page_source


def row(browser, task):
    """The text of a task's row; "" if there is none."""
    return browser.text("t" + task)


def in_list(browser, name, task):
    return browser.driver.find_elements(By.CSS_SELECTOR, f"#{name} #t{task}") != []


def refreshed(browser):
    """The page has brought itself up to date."""
    before = browser.text("note")
    until(lambda: browser.text("note") not in ("", before), "the page refreshes itself", 40)


def press(browser, name):
    browser.steady(lambda: browser.find(name).click())


def test_cancel_by_the_button(browser, apache, daemon):
    """A running task with its progress; its button cancels, and one is where one was"""
    task = daemon.sh("echo '42 reading <b>page 3' >&3; sleep 100")
    daemon.wait_state(task, "running")
    until(lambda: b"42" in daemon.status(task).body, "it has told its progress")
    open_tasks(browser, apache, "?route=%2Fsh%2F*")
    assert in_list(browser, "running", task)
    assert "42% reading <b>page 3" in row(browser, task)
    assert "POST /sh" in row(browser, task)
    assert browser.driver.title == "1 running, 0 waiting - deferd"
    press(browser, "c" + task)
    until(lambda: in_list(browser, "finished", task), "it is listed as finished")
    assert "cancelled" in row(browser, task)
    assert browser.driver.current_url.endswith("/deferd/tasks?route=%2Fsh%2F*")
    assert daemon.status(task).state == "cancelled"
    browser.check(apache.control_url)


def test_pause_and_resume(browser, apache, daemon):
    """The button pauses, the page says so, what comes waits; and back"""
    open_tasks(browser, apache)
    press(browser, "switch")
    until(lambda: "Paused" in browser.text("now") and browser.text("switch") == "Resume",
          "it is said")
    task = daemon.sh("printf 'Status: 200\\n\\n'")
    open_tasks(browser, apache)
    assert in_list(browser, "waiting", task)
    assert browser.driver.title == "Paused, 0 running, 1 waiting - deferd"
    shoot_all(browser, "tasks-paused")
    press(browser, "switch")
    until(lambda: browser.text("switch") == "Pause", "it is said")
    assert daemon.wait(task).status == 200
    browser.check(apache.control_url)


def test_failures(browser, apache, daemon):
    """Why it failed, and the end of what it had to say, as text; the whole of it one click away"""
    task = daemon.sh("seq 1 30 >&2; echo '<script>document.title = 1</script>' >&2; exit 3")
    daemon.wait(task)
    open_tasks(browser, apache)
    text = row(browser, task)
    assert in_list(browser, "failures", task)
    assert "exited with status 3" in text
    assert "\n30\n<script>document.title = 1</script>" in text and "\n21\n" not in text
    assert browser.driver.title == "0 running, 0 waiting - deferd"
    browser.check(apache.control_url)
    browser.find("t" + task).find_element(By.LINK_TEXT, "whole log").click()
    until(lambda: browser.text().startswith("1\n2\n3"), "the log is shown")


def test_filter(browser, apache, daemon):
    """A plain GET form: what was chosen is in the address, shown, and chosen still"""
    task = daemon.sh("sleep 100")
    other = daemon.run("exit 1").id
    open_tasks(browser, apache)
    assert row(browser, task) and row(browser, other)
    browser.driver.find_element(By.CSS_SELECTOR, "[name=state][value=failed]").click()
    Select(browser.driver.find_element(By.NAME, "newer")).select_by_visible_text("10 minutes")
    browser.driver.find_element(By.CSS_SELECTOR, "#filter button").click()
    until(lambda: "state=failed" in browser.driver.current_url, "the form was sent")
    assert row(browser, other) and not row(browser, task)
    chosen = browser.driver.find_element(By.CSS_SELECTOR, "[name=state][value=failed]")
    assert chosen.is_selected()
    newer = Select(browser.driver.find_element(By.NAME, "newer"))
    assert newer.first_selected_option.text == "10 minutes"
    browser.driver.find_element(By.LINK_TEXT, "Show all").click()
    until(lambda: row(browser, task), "all are shown")
    browser.check(apache.control_url)


def test_refreshing_disturbs_nobody(js_browser, apache, daemon):
    """What is being typed, the focus, an opened page: all stays while the lists change"""
    first = daemon.sh("sleep 100")
    daemon.wait_state(first, "running")
    open_tasks(js_browser, apache)
    js_browser.driver.execute_script("window.mark = 1")
    owner = js_browser.driver.find_element(By.NAME, "owner")
    owner.send_keys("ali")
    second = daemon.sh("sleep 100")
    until(lambda: row(js_browser, second), "the new one is shown", 40)
    assert owner.get_attribute("value") == "ali"
    owner.send_keys("ce")
    assert owner.get_attribute("value") == "alice"
    js_browser.driver.execute_script("arguments[0].focus()", js_browser.find("c" + first))
    third = daemon.sh("sleep 100")
    until(lambda: row(js_browser, third), "the next one is shown", 40)
    assert js_browser.driver.switch_to.active_element.get_attribute("id") == "c" + first
    js_browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    until(lambda: in_list(js_browser, "finished", first), "the key cancels it")
    assert js_browser.driver.execute_script("return window.mark") == 1, "it was loaded again"
    js_browser.check(apache.control_url)


def test_without_javascript(window, apache, daemon):
    """Loads itself again if that is chosen; not while somebody might be typing"""
    browser = window(False)
    open_tasks(browser, apache)
    assert not browser.driver.find_elements(By.CSS_SELECTOR, "meta[http-equiv=refresh]")
    Select(browser.driver.find_element(By.NAME, "refresh")).select_by_visible_text("10 seconds")
    browser.driver.find_element(By.CSS_SELECTOR, "#filter button").click()
    until(lambda: "refresh=10" in browser.driver.current_url, "the form was sent")
    task = daemon.sh("sleep 100")
    assert not row(browser, task)
    until(lambda: row(browser, task), "the page has loaded itself again", 40)
    no_markup(browser)
    shoot_all(browser, "tasks-noscript")
    browser.check(apache.control_url)


def test_what_is_old_is_said(js_browser, apache, daemon):
    """No answer: the page says that what it shows is old; and stops saying so"""
    open_tasks(js_browser, apache)
    assert not js_browser.find("stale").is_displayed()
    daemon.kill()
    until(lambda: "what is shown is old" in js_browser.text("stale"), "it is said", 40)
    daemon.start()
    until(lambda: not js_browser.find("stale").is_displayed(), "it is fresh again", 40)
    js_browser.check(apache.control_url, [503])


def test_a_response_runs_nothing(js_browser, apache, daemon):
    """A script in a task's response stays still where the operator's buttons are"""
    task = daemon.sh("printf 'Content-Type: text/html\\n\\n<title>calm</title><link rel=icon "
                     "href=data:,><p id=p>x<script>document.title = \"ran\"</script>'")
    daemon.wait(task)
    open_tasks(js_browser, apache)
    js_browser.driver.get(f"{apache.control_url}/deferd/status/{task}")
    assert js_browser.text("p") == "x" and js_browser.driver.title == "calm"
    js_browser.leave()
    js_browser.driver.get(f"{apache.url}/spare/status/{task}")
    assert js_browser.driver.title == "ran"     # elsewhere it is as it always was


# ---- looks ------------------------------------------------------------------


def test_looks_of_nothing(js_browser, apache, daemon):
    """No task at all"""
    open_tasks(js_browser, apache)
    check_looks(js_browser, "tasks-empty")


def test_looks_of_much(js_browser, apache, daemon):
    """Some of everything, light and dark, narrow and wide; and those who hear it"""
    for i in range(6):
        daemon.run("sleep 0.2; printf 'Content-Type: text/plain\\n\\n%s' " + "x" * 50 * i)
    daemon.run("echo 'Traceback (most recent call last):' >&2; "
               "echo '  File \"report.py\", line 42' >&2; exit 3")
    daemon.run("kill -9 $$")
    daemon.submit("/sh/" + "a-long-name-" * 20, b"echo '64 rendering page 3 of 12' >&3; sleep 100")
    for _ in range(3):
        daemon.submit("/one/x", b"sleep 100")
    open_tasks(js_browser, apache)
    refreshed(js_browser)
    check_looks(js_browser, "tasks")
    script = js_browser.driver.execute_script
    assert script("return document.querySelectorAll('main, h1').length") == 2
    for name, text in (("rates", "Tasks per minute"), ("times", "Mean time of a task")):
        chart = js_browser.find(name)
        assert chart.aria_role in ("img", "image") and chart.accessible_name.startswith(text)
        assert chart.size["height"] > 100
    assert script("return document.querySelectorAll('#rates .s-succeeded')[0].getBBox().height") > 10
    for field in js_browser.driver.find_elements(By.CSS_SELECTOR, "input, select"):
        assert field.accessible_name, field.get_attribute("outerHTML")
    js_browser.check(apache.control_url)


def test_looks_of_a_thousand(js_browser, apache, daemon):
    """A thousand tasks: all there, quick to load"""
    for _ in range(1000):
        scgi(daemon.socket, "POST", "/one/x", b"sleep 100", mount="/spare")
    open_tasks(js_browser, apache, "?limit=1000")
    assert len(js_browser.driver.find_elements(By.CSS_SELECTOR, "#waiting li")) == 999
    refreshed(js_browser)
    shoot_all(js_browser, "tasks-thousand")
    open_tasks(js_browser, apache)
    assert "the newest 100" in js_browser.text("waiting")
    js_browser.check(apache.control_url)
