"""Puts a pipeline's console, health and metrics behind HTTP: what `http.port` switches on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from stream_cl.observe.health import Health, Phase

if TYPE_CHECKING:
    from stream_cl.config import Config
    from stream_cl.core.clock import Clock
    from stream_cl.pipeline.feed import Feed
    from stream_cl.pipeline.runner import Pipeline
    from stream_cl.pipeline.watch import StepTimes
    from stream_cl.serve.server import HttpServer
    from stream_cl.serve.status import Answer

ASK_S: Final = 2.0
"""How long a request waits for the step that is being taken."""
_FAULTS_TOLD: Final = 20
"""Somebody who knows how to make the service fail must not fill the log with it."""


class Endpoints:
    """The console, /metrics, /live and /ready of one pipeline.

    Made before the pipeline, which is told to `watch`; `turn` is called between its steps.

    url: of the console; None while nothing is served.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        from stream_cl.cli.shown import StepHistograms
        from stream_cl.observe.exposition import Metrics

        self.health = Health(clock, config.http.ready_lag)
        self._config, self._clock = config, clock
        self._metrics = Metrics()
        self._histograms = StepHistograms(self._metrics)
        self.url: str | None = None
        self._feed = _feed(config, clock) if config.http.port else None
        self._faults = 0

    def watch(self, times: StepTimes) -> None:
        """Take the times of a step into the histograms, and what it published into the feed."""
        self._histograms(times)
        if self._feed is not None:
            self._feed.watch(times)

    @contextmanager
    def serving(self, pipeline: Pipeline) -> Iterator[None]:
        """Answer on `http.port` while this lasts; nothing is served where it is 0.

        Raises:
            UserError: the port is taken, or the file with the token cannot be read.
        """
        from stream_cl.pipeline.watch import Questions

        self._pipeline, self._questions = pipeline, Questions(pipeline.status)
        if self._feed is None:
            yield
            return
        with self._served(self._feed) as server:
            self.url = server.url
            yield
        self.url = None

    @contextmanager
    def _served(self, feed: Feed) -> Iterator[HttpServer]:
        from stream_cl.cli.console import Watched, about, explained
        from stream_cl.config.http import http_token, is_loopback
        from stream_cl.serve.broadcast import Broadcaster
        from stream_cl.serve.console import console_app
        from stream_cl.serve.server import HttpServer

        config, http = self._config, self._config.http
        broadcaster = Broadcaster(Watched(feed, self.health, self._clock), self._fault)
        app = console_app(
            status={"/metrics": self._show, "/live": self._live, "/ready": self._ready},
            broadcaster=broadcaster,
            explain=explained(config, self._clock, self._ends),
            about=about(config),
            token=http_token(http, config.folder),
            loopback=is_loopback(http.host),
            clock=self._clock,
            fault=self._fault,
        )
        server = HttpServer(http.host, http.port, app)
        try:
            yield server
        finally:
            broadcaster.close()
            server.close()

    def _ends(self) -> bool:
        return self.health.phase is Phase.STOPPING

    def _fault(self, error: Exception) -> None:
        from stream_cl.observe.logs import logger

        self._faults += 1
        if self._faults <= _FAULTS_TOLD:
            logger().error("http: a fault of the service", exc_info=error)

    def running(self) -> None:
        """The pipeline is recovered and takes steps."""
        self.health.phase = Phase.RUNNING
        self.health.beat()

    def stopping(self) -> None:
        """The pipeline takes no more steps."""
        self.health.phase = Phase.STOPPING

    def turn(self) -> None:
        """The loop has turned: answer what was asked meanwhile."""
        self.health.beat()
        self._questions.turn()
        if self._feed is not None:
            self._feed.turn(self._pipeline)

    def _show(self) -> Answer:
        from stream_cl.cli.shown import shown
        from stream_cl.serve.status import METRICS_TYPE, Answer

        running = self.health.phase is Phase.RUNNING
        status = self._questions.ask(ASK_S if running else 0.0)
        found = shown(status, running, self._config, self._clock.monotonic_s())
        body = self._metrics.exposition(found)
        return Answer(HTTPStatus.OK, METRICS_TYPE, body)

    def _live(self) -> Answer:
        return _said(*self.health.live())

    def _ready(self) -> Answer:
        # Before the first step there is nobody who would answer a question.
        running = self.health.phase is Phase.RUNNING
        return _said(*self.health.ready(self._questions.ask(ASK_S).lag if running else 0))


def _feed(config: Config, clock: Clock) -> Feed:
    from stream_cl.core.topics import Topics
    from stream_cl.pipeline.feed import Feed

    return Feed(Topics(config.topics.prefix), clock)


def _said(well: bool, why: str) -> Answer:
    from stream_cl.serve.status import TEXT_TYPE, Answer

    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(status, TEXT_TYPE, f"{why}\n".encode())
