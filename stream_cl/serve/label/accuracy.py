"""What the answers do for the pipeline: its own accuracy, from its /metrics, if it serves them.

The unbiased estimate, with its interval, over the latest events; where none of those is answered
yet, over all: that is what labels are for. Nothing else here can know it, since only asked events
have answers. A pipeline that does not answer is no fault of the people who label: then nothing is
shown.
"""

from __future__ import annotations

import re
import threading
import urllib.request
from collections import deque
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, Final, NamedTuple

from stream_cl.core.clock import Clock

EVERY_S: Final = 10.0
BEFORE_S: Final = 3600.0
"""So long ago was the accuracy that the one of now is compared with, or less."""
_WAIT_S: Final = 5.0
_BYTES: Final = 4_000_000
_LINE: Final = re.compile(
    rb"^stream_cl_figure_ratio\{"
    rb'(?=[^}]*figure="((?:window_)?unbiased)")[^}]*bound="(value|low|high)"[^}]*\} (\S+)$',
    re.MULTILINE,
)


class Figure(NamedTuple):
    """An accuracy with its interval, of the latest events or of all."""

    latest: bool
    value: float
    low: float
    high: float


class Accuracy:
    """Asks a pipeline every `EVERY_S`, in a thread of its own, until it is closed.

    Args:
        fetch: gives what /metrics says.
    """

    def __init__(self, fetch: Callable[[], bytes], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._seen: deque[tuple[float, Figure]] = deque()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, name="accuracy", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._over.set()

    def look(self) -> None:
        """Ask once."""
        try:
            found = figure(self._fetch())
        except (OSError, HTTPException, ValueError):  # it is not there, or is something else
            found = None
        now_s = self._clock.monotonic_s()
        with self._lock:
            if found is not None:
                self._seen.append((now_s, found))
            while self._seen and self._seen[0][0] < now_s - BEFORE_S:
                self._seen.popleft()

    def shown(self) -> dict[str, Any] | None:
        """The accuracy now with its interval, and what it was before; None where nobody knows."""
        with self._lock:
            if not self._seen:
                return None
            now_s, now = self._seen[-1]
            before_s, before = next(one for one in self._seen if one[1].latest == now.latest)
        if self._clock.monotonic_s() - now_s > 3 * EVERY_S:
            return None
        since_s = round(now_s - before_s)
        then = before.value if since_s else None
        return {**now._asdict(), "before": then, "since_s": since_s}

    def _go(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(EVERY_S)


def figure(metrics: bytes) -> Figure | None:
    """The unbiased accuracy; None where it is not known yet."""
    found: dict[bytes, dict[str, float]] = {}
    for name, bound, number in _LINE.findall(metrics):
        found.setdefault(name, {})[bound.decode()] = float(number)
    for name in (b"window_unbiased", b"unbiased"):
        bounds = found.get(name, {})
        if len(bounds) == 3 and all(0 <= one <= 1 for one in bounds.values()):
            return Figure(name == b"window_unbiased", **bounds)
    return None


def fetching(url: str, token: str | None) -> Callable[[], bytes]:
    """Asks for a page of this machine: no proxy is asked, and no other address."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, headers=headers)
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.HTTPHandler())
    opener.add_handler(urllib.request.HTTPErrorProcessor())
    opener.add_handler(urllib.request.HTTPDefaultErrorHandler())

    def fetch() -> bytes:
        with opener.open(request, timeout=_WAIT_S) as told:
            body: bytes = told.read(_BYTES)
        return body

    return fetch
