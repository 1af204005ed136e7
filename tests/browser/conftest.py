"""Pages in headless Chromium, at the widths of a phone and of a screen."""

from __future__ import annotations

import os
import shutil

import pytest
from browser_pages import SCREEN
from playwright.sync_api import sync_playwright

# The names under which systems install Chromium; Playwright's own download is not needed.
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    """The browser; it closes after the last test."""
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    assert found, f"none of {_NAMES} is on the path: install Debian's package chromium"
    # Chromium's sandbox refuses to run as root, as in a container.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Open a file or an address at a width, without scripts if asked; what the page asks of a network is refused.

    Messages of the console and requests that leave the machine are errors of the page: they are in `page.complaints`.
    """
    contexts = []

    def opened(address, width=SCREEN, *, scripts=True, scheme="light"):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=scripts, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda one: page.complaints.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda one: page.complaints.append(str(one)))
        context.route("**/*", lambda route: _only_here(route, page.complaints))
        page.goto(address if "://" in str(address) else address.resolve().as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


def _only_here(route, complaints):
    url = route.request.url
    if url.startswith(("file:", "data:", "blob:", "http://127.0.0.1", "http://localhost")):
        route.continue_()
    else:
        complaints.append(f"asks the network for {url}")
        route.abort()
