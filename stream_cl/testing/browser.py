"""A real browser for tests, as pytest fixtures: the system's Chromium, driven by Playwright.

In a `conftest.py`: `pytest_plugins = ["stream_cl.testing.browser"]`. Chromium is looked for on the
path; `STREAM_CL_CHROMIUM` names another one. Where there is none, or Playwright is not installed,
the tests are skipped and say how to get it; with `STREAM_CL_REQUIRE` naming `chromium`, as in CI,
they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from stream_cl.config import environment
from stream_cl.core.errors import UserError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WAIT_MS: Final = 30_000
"""Longest wait for anything that a page does; a machine that runs other things is slow."""
SERIOUS: Final = ("serious", "critical")
"""Impacts of faults that axe finds which no page may have."""


class NoBrowser(UserError):
    """No browser can be had on this machine; the message says how to get one."""


def find_chromium(environ: Mapping[str, str]) -> str:
    """The path of Chromium.

    Args:
        environ: the environment.

    Raises:
        NoBrowser: there is none, or no Playwright to drive it.
    """
    try:
        import playwright.sync_api  # noqa: F401  whether it is there
    except ImportError as error:
        raise NoBrowser(f"no browser: `pip install playwright` ({error})") from None
    named = environ.get("STREAM_CL_CHROMIUM")
    if named:
        found = shutil.which(named)
        if found is None:
            raise NoBrowser(f"STREAM_CL_CHROMIUM={named} is no program: name one, or unset it")
        return found
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    raise NoBrowser(
        "no browser: install Chromium (Debian: apt install chromium), or name it in "
        "STREAM_CL_CHROMIUM"
    )


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    # Root has no sandbox; and a container's /dev/shm is often too small for a page.
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield started
        finally:
            started.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; skips the test, or fails it, where there is none."""
    try:
        return find_chromium(environment())
    except NoBrowser as error:
        if "chromium" in environment().get("STREAM_CL_REQUIRE", "").split(","):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def started_browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for the tests of a module; each takes a `person` of its own."""
    with browser(chromium) as started:
        yield started


@pytest.fixture
def person(started_browser: Browser) -> Iterator[Callable[..., Person]]:
    """`person()` opens a browser profile of its own; `person(color_scheme="dark", …)` takes what
    Playwright's `new_context` takes. What scripts complain of fails the test."""
    people: list[Person] = []

    def come(**settings: Any) -> Person:
        people.append(Person(started_browser.new_context(**settings)))
        return people[-1]

    yield come
    for one in people:
        one.context.close()
    complaints = [complaint for one in people for complaint in one.complaints]
    assert not complaints, complaints


class Person:
    """Somebody at a browser.

    complaints: errors of scripts, and what the content security policy has stopped; a test that
    provokes some clears the list. asked: every address that a page asked for.
    """

    def __init__(self, context: BrowserContext) -> None:
        context.set_default_timeout(WAIT_MS)
        self.context = context
        self.complaints: list[str] = []
        self.asked: list[str] = []
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        # That an answer was 401 or that the network is cut is for the page to handle.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def page(self, url: str = "about:blank") -> Page:
        """A new page, at `url`."""
        page = self.context.new_page()
        page.goto(url)
        return page


def faults(page: Page) -> list[str]:
    """The serious faults of accessibility that axe finds on a page as it is now."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['target']}"
        for one in found
        for node in one["nodes"]
        if one["impact"] in SERIOUS
    ]
