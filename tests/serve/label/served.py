"""`stream-cl label` as a process, and somebody who labels in a browser."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

from stream_cl.testing.browser import Person
from tests.cli.processes import PATIENCE_S, Place, until

TOKENS = {"anna": "anna-0123456789abcdef", "bob": "bob-0123456789abcdef"}
PEOPLE = {name: {"token": token} for name, token in TOKENS.items()}
CLASSES = ["up", "down"]


class Served:
    """A labelling server of a place; started again it has the same port."""

    def __init__(self, here: Place, *arguments: object) -> None:
        self.here = here
        self.arguments = arguments
        self.url = ""
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        port = re.search(r":(\d+)/", self.url)
        process = self.here.start("label", "--port", port[1] if port else 0, *self.arguments)
        assert process.stdout is not None
        self.url = process.stdout.readline().strip()
        assert self.url.startswith("http"), process.communicate()
        self._process = process

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def stop(self) -> str:
        """End it as a user does; what it said."""
        assert self._process is not None
        self._process.terminate()
        _, said = self._process.communicate(timeout=PATIENCE_S)
        assert self._process.returncode == 0, said
        return said


MEASURE = """() => {
  window.took_ms = [];
  let began = 0;
  document.addEventListener("keydown", (event) => { began = event.timeStamp; }, true);
  new MutationObserver(() => {
    const since = began;
    began = 0;
    // The second frame begins when the first one, with the next question in it, was painted.
    if (since) requestAnimationFrame(() => requestAnimationFrame(() => {
      window.took_ms.push(performance.now() - since);
    }));
  }).observe(document.getElementById("item"), { attributes: true });
}"""


@dataclass
class Labeller:
    """Somebody who labels with keys only.

    said: request → the class that was answered last.
    """

    name: str
    page: Page
    person: Person
    said: dict[str, str] = field(default_factory=dict)

    @classmethod
    def login(cls, name: str, person: Person, url: str, token: str | None = None) -> Labeller:
        page = person.page(url)
        page.locator("#token").fill(token or TOKENS[name])
        page.keyboard.press("Enter")
        page.wait_for_selector("#item")
        made = cls(name, page, person)
        made.request()
        page.evaluate(MEASURE)
        return made

    def shown(self) -> str:
        found: str = self.page.evaluate("document.getElementById('item').dataset.request || ''")
        return found

    def request(self, other_than: str = "") -> str:
        """The request of the question that is there, as soon as it is another one."""
        return str(until(lambda: (r := self.shown()) != other_than and r, "a question"))

    def answer(self, label: str) -> str:
        """Answer the question that is there by its key."""
        request = self.request()
        self.page.keyboard.press(str(CLASSES.index(label) + 1))
        self.said[request] = label
        until(lambda: self.shown() != request, "the next question")
        return request

    def undo(self, request: str) -> None:
        """Take the last answer back: its question is there again."""
        self.page.keyboard.press("u")
        until(lambda: self.shown() == request, "the question again")
        del self.said[request]

    def took_ms(self) -> list[float]:
        found: list[float] = self.page.evaluate("window.took_ms")
        return found

    def asked(self) -> list[str]:
        """Every address that the page asked for."""
        return self.person.asked

    def line(self) -> str:
        return self.page.locator("#line").inner_text()


@contextmanager
def offline(labeller: Labeller) -> Iterator[None]:
    """The network is cut."""
    labeller.page.context.set_offline(True)
    yield
    labeller.page.context.set_offline(False)


def published(labels: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(request, annotator) → what stands in the labels topic, by revision."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in labels:
        found.setdefault((one["request"], one["annotator"]), []).append(one)
    for answers in found.values():
        answers.sort(key=lambda one: int(one.get("revision", 0)))
    return found
