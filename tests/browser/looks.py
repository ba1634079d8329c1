"""What the tests of every page ask of how it looks."""

import re

from client import until


def shows(browser, name, text, timeout=60):
    """The element comes to say this; if not, what it says is the failure."""
    try:
        until(lambda: browser.text(name) == text, text, timeout)
    except AssertionError:
        assert browser.text(name) == text, browser.driver.page_source


def shoot_all(browser, name):
    for theme in ("light", "dark"):
        for width in (360, 1280):
            browser.theme(theme)
            browser.width(width)
            browser.shoot(f"{name}-{theme}-{width}")
    browser.theme("light")


CONTRAST = """
const lum = c => { const [r, g, b] = c.match(/[0-9.]+/g).slice(0, 3).map(v => {
        v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
        return .2126 * r + .7152 * g + .0722 * b; };
const ground = e => { for (; e; e = e.parentElement) {
        const c = getComputedStyle(e).backgroundColor;
        if (!/, 0\\)$/.test(c)) return c; } return "rgb(255, 255, 255)"; };
return [...document.querySelectorAll("body *")].filter(e => e.checkVisibility() &&
        [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())).map(e => {
        const [a, b] = [lum(getComputedStyle(e).color), lum(ground(e))].sort((x, y) => y - x);
        return [e.textContent, (a + .05) / (b + .05)]; });
"""


def no_markup(browser):
    """No tag is seen as text, as a noscript with a display of its own shows its own."""
    text = browser.driver.execute_script("return document.body.innerText")
    assert text and not re.search("</?[a-z]", text), text


def check_looks(browser, name):
    """Contrast AA in both themes, nothing wider than a narrow window, no markup as text."""
    no_markup(browser)
    for theme in ("light", "dark"):
        browser.theme(theme)
        found = browser.driver.execute_script(CONTRAST)
        assert len(found) >= 3
        assert not [f for f in found if f[1] < 4.5], (theme, found)
        for width in (320, 360, 1280):
            browser.width(width)
            assert browser.driver.execute_script(
                "return document.documentElement.scrollWidth") <= width
    shoot_all(browser, name)
