"""What every page is asked in a browser."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

PHONE, SCREEN = 360, 1440


def violations(page):
    """What axe-core finds wrong for people with disabilities: one line per rule, with the first place."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']} at {one['nodes'][0]['target']}" for one in found]


def is_wider_than_its_window(page):
    """Whether one must scroll sideways to read the page."""
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
