"""Puts a pipeline's status, health and metrics behind HTTP: what `http.port` switches on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from stream_cl.observe.health import Health, Phase

if TYPE_CHECKING:
    from stream_cl.config import Config
    from stream_cl.core.clock import Clock
    from stream_cl.core.protocols import Spending
    from stream_cl.observe.metrics import Shown
    from stream_cl.pipeline.runner import Pipeline
    from stream_cl.pipeline.watch import Status, StepTimes
    from stream_cl.serve.http import Answer

ASK_S: Final = 2.0
"""How long a request waits for the step that is being taken."""


class Endpoints:
    """/metrics, /live and /ready of one pipeline.

    Made before the pipeline, which is told to `watch`; `turn` is called between its steps.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        from stream_cl.observe.metrics import Metrics

        self.health = Health(clock, config.http.ready_lag)
        self._config = config
        self._metrics = Metrics()

    def watch(self, times: StepTimes) -> None:
        """Take the times of a step into the histograms."""
        stages_s = {
            "take": times.take_s,
            "score": times.score_s,
            "commit": times.commit_s,
            "learn": times.learn_s,
        }
        self._metrics.observe_step(stages_s, times.behind_s)

    @contextmanager
    def serving(self, pipeline: Pipeline) -> Iterator[None]:
        """Answer on `http.port` while this lasts; nothing is served where it is 0.

        Raises:
            UserError: the port is taken.
        """
        from stream_cl.pipeline.watch import Questions

        self._questions = Questions(pipeline.status)
        http = self._config.http
        if http.port == 0:
            yield
            return
        from stream_cl.serve.http import StatusServer

        pages = {"/metrics": self._show, "/live": self._live, "/ready": self._ready}
        server = StatusServer(http.host, http.port, pages)
        try:
            yield
        finally:
            server.close()

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

    def _show(self) -> Answer:
        from stream_cl.serve.http import METRICS_TYPE, Answer

        wait_s = ASK_S if self.health.phase is Phase.RUNNING else 0.0
        body = self._metrics.exposition(_shown(self._questions.ask(wait_s), self._config))
        return Answer(HTTPStatus.OK, METRICS_TYPE, body)

    def _live(self) -> Answer:
        return _said(*self.health.live())

    def _ready(self) -> Answer:
        # Before the first step there is nobody who would answer a question.
        running = self.health.phase is Phase.RUNNING
        return _said(*self.health.ready(self._questions.ask(ASK_S).lag if running else 0))


def _said(well: bool, why: str) -> Answer:
    from stream_cl.serve.http import TEXT_TYPE, Answer

    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(status, TEXT_TYPE, f"{why}\n".encode())


def _spent(spending: Spending | None) -> dict[str, float]:
    """Gauges of what is spent."""
    if spending is None:
        return {}
    return {
        "budget_target_ratio": spending.target,
        "budget_floor_ratio": spending.floor,
        "budget_spent_labels": spending.asked - spending.refunded,
        "budget_refunded_labels": spending.refunded,
        "budget_refund_waiting_labels": spending.waiting,
        "budget_price_units": spending.price,
        "budget_paid_units": spending.paid,
        "propensity_mean_ratio": spending.mean_propensity,
        "propensity_min_ratio": spending.min_propensity,
    }


def _shown(status: Status, config: Config) -> Shown:
    from stream_cl.observe.metrics import Shown

    gauges = {
        "step": status.step,
        "incarnation": status.incarnation,
        "learned_labels": status.learned,
        "lag_records": status.lag,
        "asking": float(status.asking),
        "checkpoint_steps_behind": status.step - (status.checkpoint_step or 0),
        **_spent(status.spending),
        "open_requests": 0
        if config.labels.join == "every"
        else status.stores.get("pending", (0, 0))[0],
    }
    figures = {
        name: (figure.value, figure.low, figure.high)
        for name, figure in status.figures.items()
        if figure is not None
    }
    scores = {name: score for name, score in status.scores.items() if score is not None}
    classes = {
        (name, figure): (estimate.value, estimate.low, estimate.high)
        for name, one in status.classes.items()
        for figure, estimate in (("recall", one.recall), ("precision", one.precision))
        if estimate is not None
    }
    gain = None if status.advice is None else status.advice.interval
    return Shown(
        status.counts,
        gauges,
        status.stores,
        figures,
        scores,
        classes,
        gain,
        status.annotators,
    )
