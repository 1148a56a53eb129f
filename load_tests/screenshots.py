"""`make screenshots`: the pictures of our pages in docs/images/, from a pipeline that runs.

    python -m load_tests.screenshots [NAME…]     console, report, labelling; all without a name

Parcels come in, three people answer, and after half a minute what makes a parcel heavy changes, so
that there is something to see. Pictures need Chromium.
"""

from __future__ import annotations

import argparse
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import orjson

from load_tests.report import say
from stream_cl.build import create_topics, open_transport
from stream_cl.config import environment
from stream_cl.config.file import load
from stream_cl.core.clock import SystemClock
from stream_cl.core.records import Outgoing
from stream_cl.testing.browser import browser, find_chromium
from stream_cl.testing.kafka_process import free_ports

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES: Final = Path(__file__).resolve().parents[1] / "docs" / "images"
RATE: Final = 120
CHANGES_S: Final = 30
LASTS_S: Final = 600
"""More than pictures take on any machine; the processes are ended with the last one."""
_PATIENCE_S: Final = 120.0
_WIDE: Final = {"viewport": {"width": 1280, "height": 800}}
_PHONE: Final = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5}


class Stage:
    """A folder with a config and a stream, and the processes started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_ports(1)[0]
        self.config = folder / "config.yaml"
        settings = {
            "transport": "sqlite:///parcels.db",
            "http": {"port": self.port},
            "budget": {"fraction": 0.1},
            "query": {"kind": "burst_on_drift"},
            "annotators": {"trust": "dawid_skene"},
        }
        self.config.write_text(orjson.dumps(settings).decode())
        self.stream = folder / "stream.csv"
        self.stream.write_text("\n".join(_parcels(RATE * LASTS_S)))

    @contextmanager
    def process(self, *arguments: object) -> Iterator[None]:
        """A command on the config while this lasts."""
        name, *rest = map(str, arguments)
        line = [sys.executable, "-m", "stream_cl.cli.main", name, str(self.config), *rest]
        started = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            started.terminate()
            try:
                started.wait(30)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()

    def wait_for_labels(self, count: int) -> None:
        """Wait until so many labels are there."""
        config = load(self.config, [], environment())
        log = open_transport(config, SystemClock())
        labels = create_topics(config, log).labels
        until_s = time.monotonic() + _PATIENCE_S
        while sum(bounds.end for bounds in log.bounds([labels]).values()) < count:
            if time.monotonic() > until_s:
                raise SystemExit(f"fewer than {count} labels after {_PATIENCE_S:g} s")
            time.sleep(0.5)
        log.close()

    def rubbish(self) -> None:
        """Records that become dead letters."""
        config = load(self.config, [], environment())
        log = open_transport(config, SystemClock())
        topics = create_topics(config, log)
        values = [b'{"id": "parcel-17", "time": "yesterday"}', b"\xff\xfe\x00not JSON", b"[1, 2]"]
        log.append([Outgoing(topics.events, 0, [None] * len(values), values)])
        log.close()


def _parcels(count: int) -> Iterator[str]:
    draw = random.Random(7)
    yield "weight,size,colour,label"
    for number in range(count):
        weight, size = draw.uniform(0, 30), draw.uniform(10, 120)
        heavy = 15 if number < RATE * CHANGES_S else 7
        kind = "bulky" if size > 80 else "heavy" if weight > heavy else "small"
        yield f"{weight:.1f},{size:.0f},{draw.choice(['brown', 'white'])},{kind}"


def answers(port: int) -> None:
    """Wait until somebody listens on a port."""
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"nobody listens on port {port} after {_PATIENCE_S:g} s")


def picture(started: Browser, url: str, name: str, act: Callable[[Any], None], **more: Any) -> None:
    """docs/images/NAME.png: the page at `url` after `act`, in a browser set up by `more`."""
    context = started.new_context(**more)
    page = context.new_page()
    page.goto(url)
    act(page)
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    context.close()
    say(f"wrote {path.relative_to(IMAGES.parents[1])}")


def console(started: Browser, folder: Path) -> None:
    """The console in a wide window, light and dark, on a phone, and the story of an event."""
    stage = Stage(folder)
    url = f"http://127.0.0.1:{stage.port}/"

    def look(page: Any) -> None:
        page.get_by_text("running", exact=True).wait_for(timeout=1000 * _PATIENCE_S)
        page.locator("#predictions tr").first.wait_for()
        page.wait_for_timeout(3000)

    def explain(page: Any) -> None:
        look(page)
        page.locator("#predictions tr:has(.mark) button").first.click()
        page.locator("#story-parts li.request").wait_for()
        page.wait_for_timeout(500)

    with stage.process("run"):
        answers(stage.port)
        people = ("--annotators", 3, "--delay", "lognormal:1,0.7", "--error-rate", 0.05)
        with (
            stage.process("annotate", "--truth", stage.stream, *people),
            stage.process("produce", "--data", stage.stream, "--rate", RATE),
        ):
            time.sleep(2 * CHANGES_S)
            stage.rubbish()
            picture(started, url, "console", look, **_WIDE)
            picture(started, url, "console-dark", look, color_scheme="dark", **_WIDE)
            picture(started, url, "console-phone", look, **_PHONE)
            picture(started, url, "console-explain", explain, **_WIDE)


def labelling(started: Browser, folder: Path) -> None:
    """The labelling page in a wide window, light and dark, and on a phone, after some answers."""
    stage, port = Stage(folder), free_ports(1)[0]
    url = f"http://127.0.0.1:{port}/"

    def look(page: Any) -> None:
        for _ in range(6):
            page.locator("#classes button.likely").first.click()
            page.wait_for_timeout(700)
        page.keyboard.press("w")
        page.wait_for_timeout(1000)

    with (
        stage.process("run"),
        stage.process("produce", "--data", stage.stream, "--rate", RATE),
    ):
        with stage.process("annotate", "--truth", stage.stream, "--delay", 1):
            stage.wait_for_labels(400)
        with stage.process("label", "--as", "Anna", "--port", port):
            answers(port)
            picture(started, url, "labelling", look, **_WIDE)
            picture(started, url, "labelling-dark", look, color_scheme="dark", **_WIDE)
            picture(started, url, "labelling-phone", look, **_PHONE)


def report(started: Browser, folder: Path) -> None:
    """The report, light and dark, of a minute with a change in its middle."""
    stage, made = Stage(folder), folder / "report.html"
    people = ("--annotators", 3, "--delay", "lognormal:1,0.7", "--error-rate", 0.05)
    with stage.process("run"):
        answers(stage.port)
        with (
            stage.process("annotate", "--truth", stage.stream, *people),
            stage.process("produce", "--data", stage.stream, "--rate", RATE),
        ):
            time.sleep(2 * CHANGES_S)
            stage.rubbish()
            time.sleep(2)
    line = [sys.executable, "-m", "stream_cl.cli.main", "report", str(stage.config)]
    subprocess.run([*line, "--out", str(made)], check=True, stdout=subprocess.DEVNULL)
    for name, scheme in (("report", "light"), ("report-dark", "dark")):
        wide = {"viewport": {"width": 1100, "height": 1000}, "color_scheme": scheme}
        picture(started, made.as_uri(), name, lambda page: page.wait_for_timeout(200), **wide)


PAGES: Final[dict[str, Callable[[Browser, Path], None]]] = {
    "console": console,
    "report": report,
    "labelling": labelling,
}
"""Name → what takes its pictures, with a browser and an empty folder."""


def main() -> None:
    """Take the pictures that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m load_tests.screenshots", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PAGES))
    names = parser.parse_args().names or list(PAGES)
    unknown = [name for name in names if name not in PAGES]
    if unknown:
        parser.error(f"{', '.join(unknown)}: there are {', '.join(PAGES)}")
    IMAGES.mkdir(exist_ok=True)
    with browser(find_chromium(environment())) as started:
        for name in names:
            with TemporaryDirectory() as folder:
                PAGES[name](started, Path(folder))


if __name__ == "__main__":
    main()
