"""The waiting page (issue 4, 3) as a person sees it."""

import os

import pytest
from client import until
from looks import check_looks, shoot_all, shows


def path_of(browser, apache):
    url = browser.driver.current_url
    assert url.startswith(apache.url)
    return url[len(apache.url):]


def open_slow(browser, apache, task):
    """Opens a slow URL, and is at the waiting page; gives its link."""
    browser.driver.get(apache.url + task.url)
    link = path_of(browser, apache)
    assert link.startswith("/jobs/status/")
    shows(browser, "state", "Running")
    until(lambda: task.started() == 1, "the task runs")
    return link


def progress_is(browser, percent, message):
    shows(browser, "percent", f"{percent}%", 40)
    shows(browser, "message", message)
    assert browser.steady(lambda: browser.find("bar").get_attribute("value")) == str(percent)
    assert browser.driver.title.startswith(f"{percent}% Running")


def test_from_the_first_look_to_the_result(browser, apache, task):
    """Progress moves, the result comes in the page's place; no flicker with JavaScript"""
    t = task()
    link = open_slow(browser, apache, t)
    assert not browser.steady(lambda: browser.find("progress").is_displayed()), \
        "no bar before there is progress"
    assert browser.steady(lambda: browser.find("path").text) == t.url[len("/jobs"):]
    assert browser.driver.title.startswith("Running")
    if browser.javascript:
        browser.driver.execute_script("window.mark = 1")
    t.say("10 reading <b>&amp; more")
    progress_is(browser, 10, "reading <b>&amp; more")
    t.say("64 writing page 3")
    progress_is(browser, 64, "writing page 3")
    if browser.javascript:
        assert browser.driver.execute_script("return window.mark") == 1, "the page was not loaded again"
    t.say("end")
    shows(browser, "result", "the result", 40)
    assert path_of(browser, apache) == link
    assert browser.driver.title == "Done"
    assert t.started() == 1
    browser.check(apache.url)


def test_elapsed_time_goes_on(js_browser, apache, task):
    """Elapsed time counts up with JavaScript, without asking the server"""
    open_slow(js_browser, apache, task())
    first = js_browser.text("elapsed")
    until(lambda: js_browser.text("elapsed") not in ("", first), "the time goes on")
    minutes, seconds = js_browser.text("elapsed").split(":")
    assert minutes == "0" and 0 < int(seconds) < 30


def test_cancel_by_the_button(browser, apache, task):
    """The button cancels; the link then says so, with 410; back and reload change nothing"""
    t = task()
    link = open_slow(browser, apache, t)
    browser.steady(lambda: browser.find("cancel").find_element("tag name", "button").click())
    until(lambda: "was cancelled" in browser.text(), "the page says that it was cancelled")
    assert path_of(browser, apache) == link
    assert "410" in browser.text()
    answer = apache.curl(link)
    assert (answer.status, answer.state) == (410, "cancelled")
    browser.driver.refresh()
    assert "was cancelled" in browser.text()
    browser.driver.back()
    until(lambda: t.url not in browser.driver.current_url, "back does not submit")
    assert t.started() == 1
    browser.check(apache.url, [410])


def test_cancel_by_the_keyboard(js_browser, apache, task):
    """Tab finds the button, which shows that it has the focus; Enter presses it"""
    from selenium.webdriver.common.keys import Keys
    open_slow(js_browser, apache, task())
    js_browser.driver.find_element("tag name", "body").send_keys(Keys.TAB)
    focused = js_browser.driver.switch_to.active_element
    assert focused.text == "Cancel"
    assert focused.value_of_css_property("outline-style") == "solid"
    focused.send_keys(Keys.ENTER)
    until(lambda: "was cancelled" in js_browser.text(), "it is cancelled")
    js_browser.check(apache.url, [410])


def downloaded(browser):
    """The file that has been saved; what is still under way has another name."""
    names = [n for n in os.listdir(browser.downloads)
             if not n.endswith(".crdownload") and not n.startswith(".")]
    return names[0] if names else None


def test_a_download(browser, apache, task):
    """A result that is a file is saved once; with JavaScript the page says so and stops asking"""
    for name in os.listdir(browser.downloads):
        os.unlink(os.path.join(browser.downloads, name))
    t = task('Content-Type: application/octet-stream\n'
             'Content-Disposition: attachment; filename="report.bin"\n\n' + "x" * 100000)
    link = open_slow(browser, apache, t)
    t.say("end")
    assert until(lambda: downloaded(browser), "the file is there", 40) == "report.bin"
    path = os.path.join(browser.downloads, "report.bin")
    until(lambda: os.path.getsize(path) == 100001, "it is whole")
    if browser.javascript:
        assert "download has begun" in browser.text("state")
        again = browser.find("again")
        assert again.is_displayed() and not browser.find("cancel").is_displayed()
        shoot_all(browser, "download")
        before = len(browser.requests())
        os.unlink(path)
        again.find_element("tag name", "a").click()
        assert until(lambda: downloaded(browser), "it can be had again") == "report.bin"
        until(lambda: len(browser.requests()) == before + 1, "one click, one request")
    assert path_of(browser, apache) == link
    assert t.started() == 1
    browser.check(apache.url)


def test_reload_and_back_start_nothing(browser, apache, task):
    """F5 and the back button start nothing twice, neither while it runs nor after"""
    t = task()
    browser.driver.get(apache.url + "/jobs/nothing-here")
    link = open_slow(browser, apache, t)
    for _ in range(3):
        browser.driver.refresh()
        assert browser.text("state") == "Running"
    browser.driver.back()
    browser.driver.forward()
    assert path_of(browser, apache) == link
    t.say("end")
    shows(browser, "result", "the result", 40)
    browser.driver.refresh()
    browser.driver.back()
    until(lambda: "Nothing here" in browser.text(), "back leads to before the task")
    browser.driver.forward()
    shows(browser, "result", "the result", 40)
    assert t.started() == 1
    browser.check(apache.url, [404])


def test_failures_are_pages(browser, apache, shared, task):
    """failed: 500 and a page; no such task: 404 and a page; the facts of the problem document"""
    t = task("no head at all")
    link = open_slow(browser, apache, t)
    t.say("end")
    until(lambda: "The task failed" in browser.text(), "the page says that it failed", 40)
    problem = apache.curl(link).json
    for fact in (problem["detail"], problem["type"], problem["task"], "500"):
        assert fact in browser.text()
    browser.driver.get(apache.url + "/jobs/status/" + "0" * 32)
    assert "No such task" in browser.text() and browser.driver.title == "No such task"
    browser.check(apache.url, [500, 404])


def test_a_redirect_is_followed(browser, apache, task, world):
    """A result that leads elsewhere leads the browser there"""
    t = task("Status: 302 Found\nLocation: /jobs/nothing-here\n\n")
    open_slow(browser, apache, t)
    t.say("end")
    until(lambda: "Nothing here" in browser.text(), "the browser followed", 40)
    browser.check(apache.url, [404])


def test_the_connection_is_lost(js_browser, apache, make):
    """An outage is said, the page goes on trying, and finds out how it ended"""
    d = make()
    task = d.sh("sleep 100")
    js_browser.driver.get(f"{apache.url}/spare/status/{task}")
    shows(js_browser, "state", "Running")
    d.kill()
    shows(js_browser, "state", "Connection lost, trying again")
    assert js_browser.driver.title.startswith("Connection lost")
    shoot_all(js_browser, "lost")
    d.start()           # its store was in memory: the task has gone
    until(lambda: "No such task" in js_browser.text(), "it finds out", 60)
    js_browser.check(apache.url, [503, 500, 404])


def test_queued_is_said(js_browser, apache, make):
    """A queued task says that it waits; running follows in place"""
    routes = 'route "/sh/*" {{ exec = "{cgi}/sh.cgi" max-running = 1 }}\n'
    d = make(routes=routes)
    gate = d.world.path("out", "queued")
    first = d.sh(f"while [ ! -e {gate} ]; do sleep 0.05; done; printf 'Status: 200\\n\\n'")
    second = d.sh("sleep 100")
    js_browser.driver.get(f"{apache.url}/spare/status/{second}")
    assert js_browser.text("state") == "Waiting for its turn"
    assert js_browser.driver.title.startswith("Waiting")
    shoot_all(js_browser, "queued")
    with open(gate, "w"):
        pass
    d.wait(first)
    shows(js_browser, "state", "Running")
    js_browser.check(apache.url)


# ---- looks ------------------------------------------------------------------


@pytest.mark.parametrize("progress", ["", "64 rendering page 3 of 12"])
def test_looks_of_the_waiting_page(js_browser, apache, task, progress):
    """Light and dark, narrow and wide; for those who hear it and those who press keys"""
    t = task()
    open_slow(js_browser, apache, t)
    if progress:
        t.say(progress)
        progress_is(js_browser, 64, progress[3:])
    check_looks(js_browser, "progress" if progress else "running")
    script = js_browser.driver.execute_script
    assert script("return document.documentElement.lang") == "en"
    assert script("return document.querySelectorAll('main, h1').length") == 2
    assert js_browser.find("state").get_attribute("role") == "status"
    assert js_browser.find("state").get_attribute("aria-live") == "polite"
    if progress:
        assert js_browser.find("bar").accessible_name == "Progress"
    js_browser.theme("light", prefers_reduced_motion="reduce")
    assert script("return getComputedStyle(document.querySelector('.dot')).animationName") == "none"
    js_browser.theme("light", prefers_reduced_motion="no-preference")
    assert script("return getComputedStyle(document.querySelector('.dot')).animationName") == "pulse"


def test_looks_of_a_problem(js_browser, apache):
    """The same style for errors"""
    js_browser.driver.get(apache.url + "/jobs/status/" + "0" * 32)
    check_looks(js_browser, "problem")


def test_looks_without_javascript(window, apache, task):
    """What a browser without JavaScript sees"""
    browser = window(False)
    t = task()
    open_slow(browser, apache, t)
    assert "looks again every" in browser.text()
    shoot_all(browser, "noscript")
