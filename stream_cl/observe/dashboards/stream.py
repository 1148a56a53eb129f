"""Stream: do events come, are they predicted, and how soon."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from stream_cl.observe.dashboards.frame import ASK, Part, dashboard
from stream_cl.observe.dashboards.panels import ACT, CALM, LOOK, WELL, Line, graph, tile


def stream() -> Dashboard:
    """The dashboard."""
    return dashboard(
        "stream",
        "Stream",
        "For who is on call: whether events come, are predicted, and how soon.",
        [_healthy(), _flow(), _latency(), _refused()],
    )


_LETTERS: Final = f"sum by (job, instance) ({ASK.rate('dead_letters')})"
_READ: Final = f"({ASK.rate('events')} + {ASK.rate('labels_read')})"


def _healthy() -> Part:
    return Part(
        "Is it healthy?",
        [
            tile(
                "State",
                "Good: running. `not running` for more than some minutes: it starts, replays or "
                "stops; /ready says which. No value: Prometheus does not reach it.",
                ASK.gauge("running"),
                "none",
                [(None, ACT), (1, WELL)],
                words={"0": ("not running", ACT), "1": ("running", WELL)},
                alert="StreamClNotRunning",
            ),
            tile(
                "Events",
                "Events predicted in a second. Good: what the sources send. 0 while records are "
                "unread: look at the latency of a step below.",
                ASK.rate("predictions"),
                "eps",
                [(None, CALM)],
            ),
            tile(
                "Behind",
                "Age of the oldest record that is not read yet. Good: below a second or two, and "
                "not growing. Growing: the stream is faster than the pipeline.",
                ASK.gauge("lag_seconds"),
                "s",
                [(None, WELL), (10, LOOK), (60, ACT)],
                alert="StreamClLagGrowing",
            ),
            tile(
                "Unread records",
                "Records of all input topics that are not read yet. Good: about a step's worth. "
                "/ready says 503 above http.ready_lag.",
                f"sum by (job, instance) ({ASK.gauge('lag_records')})",
                "short",
                [(None, WELL), (1_000, LOOK), (10_000, ACT)],
                alert="StreamClLagGrowing",
            ),
            tile(
                "Prediction p99",
                "99 of 100 predictions were committed within this time after their event was "
                "appended. Good: what those who read them count on.",
                ASK.quantile(0.99, "prediction_seconds"),
                "s",
                [(None, WELL), (1, LOOK), (10, ACT)],
                alert="StreamClLagGrowing",
            ),
            tile(
                "Dead letters",
                "Share of the records read that could not be used. Good: near 0. Else the codes "
                "below say why, and `stream-cl consume CONFIG --topic dead-letters` shows them.",
                f"{_LETTERS} / ({_READ} > 0) or 0 * {_READ}",
                "percentunit",
                [(None, WELL), (0.001, LOOK), (0.01, ACT)],
                alert="StreamClDeadLettersRising",
            ),
        ],
    )


def _flow() -> Part:
    return Part(
        "Flow",
        [
            graph(
                "Events and predictions",
                "Read and predicted in a second; the two differ by duplicates and dead letters. "
                "Good: one line on the other. A gap that stays: see `What was refused`.",
                [
                    Line(ASK.rate("events"), "read {{instance}}", dashed=True),
                    Line(ASK.rate("predictions"), "predicted {{instance}}"),
                    Line(ASK.rate("labels_read"), "labels {{instance}}"),
                ],
                "eps",
                low=0,
                width=12,
            ),
            graph(
                "Unread records by topic",
                "Good: a flat line near 0. Only labels grow: many answers came at once. Events "
                "grow: raise step.max_events, or give it a faster machine.",
                [Line(ASK.gauge("lag_records"), "{{topic}} {{instance}}")],
                "short",
                low=0,
                alert="StreamClLagGrowing",
                width=12,
            ),
        ],
    )


def _latency() -> Part:
    return Part(
        "Latency",
        [
            graph(
                "From event to prediction",
                "From the append of an event to the commit of its prediction. Good: the quantiles "
                "lie close together; a p99 that leaves them points at pauses or at catching up.",
                [
                    Line(ASK.quantile(q, "prediction_seconds"), f"p{100 * q:g} {{{{instance}}}}")
                    for q in (0.5, 0.95, 0.99)
                ],
                "s",
                low=0,
            ),
            graph(
                "Step by stage, p95",
                "take reads, score decodes, predicts and decides, commit writes, learn learns. "
                "Good: steady. The tallest one is what to make faster.",
                [Line(ASK.quantile(0.95, "step_seconds", by="stage"), "{{stage}} {{instance}}")],
                "s",
                low=0,
            ),
            graph(
                "Learner, mean per step",
                "Time of a step in the learner alone. Good: a small part of score and of learn. "
                "Otherwise a smaller model, or fewer rehearsals, is what helps.",
                [Line(ASK.mean("learner_seconds"), "{{call}} {{instance}}")],
                "s",
                low=0,
            ),
            graph(
                "Steps",
                "Steps in a second. Few steps with many unread records: each is slow.",
                [Line(ASK.observed("step_whole_seconds"), "steps {{instance}}")],
                "ops",
                low=0,
            ),
            graph(
                "Whole step",
                "All stages together. Nobody is answered sooner than a step takes; "
                "step.max_ms bounds it.",
                [
                    Line(ASK.quantile(q, "step_whole_seconds"), f"p{100 * q:g} {{{{instance}}}}")
                    for q in (0.5, 0.95, 0.99)
                ],
                "s",
                low=0,
            ),
            graph(
                "Newest record of a step",
                "From the append of the newest record that a step took to its commit. Good: about "
                "the time of a step. More: records wait before they are read.",
                [
                    Line(ASK.quantile(q, "behind_seconds"), f"p{100 * q:g} {{{{instance}}}}")
                    for q in (0.5, 0.99)
                ],
                "s",
                low=0,
            ),
        ],
    )


def _refused() -> Part:
    return Part(
        "What was refused",
        [
            graph(
                "Dead letters by code",
                "Records that could not be used, in a second. Good: nothing. The code says what "
                "was wrong with them: docs/records.md, dead-letters.",
                [
                    Line(f"{ASK.rate('dead_letters')} > 0", "{{code}} {{instance}}"),
                    Line(_LETTERS, "all {{instance}}", dashed=True),
                ],
                "cps",
                low=0,
                alert="StreamClDeadLettersRising",
                width=12,
            ),
            graph(
                "Duplicates and failed predictions",
                "Duplicates: events dropped because they had come before; some are normal where a "
                "source sends again. Failed: the learner could not predict; look at the log.",
                [
                    Line(ASK.rate("duplicates"), "duplicates {{instance}}"),
                    Line(ASK.rate("predictions_failed"), "failed {{instance}}", colour="red"),
                ],
                "eps",
                low=0,
                alert="StreamClLearnerFails",
                width=12,
            ),
        ],
    )
