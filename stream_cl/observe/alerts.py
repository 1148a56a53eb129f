"""Every alert, in one table; `prometheus/alerts.yml` is made from it and from nothing else.

An alert says that somebody must look, so each has a page of its own in the runbooks. At a start,
without events, labels or figures, an expression has no value, and what has none does not fire.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import yaml

from stream_cl.observe.promql import PromQL

RUNBOOKS: Final = "http://127.0.0.1:3000/public/stream_cl/runbooks.md"
"""Where the runbooks are read if nobody says otherwise: the Grafana of deploy/docker-compose.yml
hands them out."""

ALL: Final = PromQL("", "15m")
Severity = Literal["critical", "warning"]
"""critical: predictions have stopped, or soon will. warning: somebody must look today."""

NEED_ROOM: Final = "~pending|early_labels|classes|annotators"
"""Stores that lose something when they are full; the others are windows and reservoirs, which are
meant to be."""


class Alert(NamedTuple):
    """One rule: an expression in PromQL that must hold for as long as `lasting` says.

    summary: one line for who is called; `{{ $value }}` and `{{ $labels.… }}` are what was found.
    """

    name: str
    severity: Severity
    lasting: str
    expression: str
    summary: str


ALERTS: Final = (
    Alert(
        "StreamClNotRunning",
        "critical",
        "5m",
        f"up == 0 and on (job, instance) last_over_time({ALL.gauge('step')}[1d])\n"
        f"or {ALL.gauge('running')} == 0",
        "{{ $labels.instance }} has predicted nothing for 5 minutes: it is down, replays or stops",
    ),
    Alert(
        "StreamClRecoveryLoop",
        "critical",
        "0m",
        "changes(process_start_time_seconds[30m]) >= 3\n"
        f"and on (job, instance) last_over_time({ALL.gauge('step')}[30m])",
        "{{ $labels.instance }} was started {{ $value }} times within 30 minutes",
    ),
    Alert(
        "StreamClReplayMismatch",
        "warning",
        "0m",
        f"{ALL.gauge('recovery_differing_steps')} > 0",
        "{{ $labels.instance }} replayed {{ $value }} steps with other numbers than the manifest's",
    ),
    Alert(
        "StreamClLagGrowing",
        "warning",
        "10m",
        f"{ALL.gauge('lag_seconds')} > 60\nand deriv({ALL.gauge('lag_seconds')}[15m]) > 0",
        "{{ $labels.instance }} is {{ $value | humanizeDuration }} behind and falls further behind",
    ),
    Alert(
        "StreamClDeadLettersRising",
        "warning",
        "5m",
        f"sum by (job, instance) ({ALL.increase('dead_letters')}) > 10\n"
        f"and sum by (job, instance) ({ALL.increase('dead_letters')})\n"
        f"  > 0.01 * sum by (job, instance) ("
        f"{ALL.increase('events')} + {ALL.increase('labels_read')})",
        "{{ $labels.instance }} could not use {{ $value | humanize }} records in 15 minutes, "
        "more than 1 %",
    ),
    Alert(
        "StreamClLearnerFails",
        "warning",
        "0m",
        f"{ALL.increase('quarantines', '1h')} > 0\n"
        f"or {ALL.increase('predictions_failed', '1h')} > 0",
        "The learner of {{ $labels.instance }} failed on batches of labels or on events",
    ),
    Alert(
        "StreamClNoLabels",
        "warning",
        "1h",
        f"{ALL.gauge('asking')} == 1\n"
        f"and {ALL.increase('asked', '1h')} > 0\n"
        f"and {ALL.increase('labels_read', '1h')} == 0",
        "{{ $labels.instance }} asks, and nobody has answered for an hour",
    ),
    Alert(
        "StreamClBudgetBurning",
        "warning",
        "15m",
        f"{ALL.increase('asked', '1h')}\n"
        f"  > 20 + 1.5 * avg_over_time({ALL.gauge('budget_target_ratio')}[1h])"
        f" * {ALL.increase('predictions', '1h')}",
        "{{ $labels.instance }} asked for {{ $value | humanize }} labels in an hour, half as many "
        "again as its target",
    ),
    Alert(
        "StreamClDriftWithoutLabels",
        "warning",
        "10m",
        f"{ALL.increase('drifts', '1h')} > 0\nand changes({ALL.gauge('learned_labels')}[1h]) == 0",
        "{{ $labels.instance }} saw a drift within the hour and has learned nothing since",
    ),
    Alert(
        "StreamClAccuracyBelowBaseline",
        "warning",
        "30m",
        f"{ALL.gauge('figure_ratio', figure='window_unbiased', bound='high')}\n"
        f"  < on (job, instance) {ALL.gauge('score_ratio', score='window_no_change')}",
        "{{ $labels.instance }} is right in {{ $value | humanizePercentage }} at most; repeating "
        "the last label would do better",
    ),
    Alert(
        "StreamClForgetting",
        "warning",
        "15m",
        f"{ALL.gauge('forgetting_ratio')} > 0.2",
        "{{ $labels.instance }} has lost {{ $value | humanizePercentage }} of held-out accuracy, "
        "in the mean over its classes",
    ),
    Alert(
        "StreamClCalibrationOff",
        "warning",
        "30m",
        f"{ALL.gauge('score_ratio', score='window_calibration_error')} > 0.2",
        "The confidence of {{ $labels.instance }} is off by {{ $value | humanizePercentage }}",
    ),
    Alert(
        "StreamClCheckpointOld",
        "warning",
        "5m",
        f"time() - {ALL.gauge('checkpoint_timestamp_seconds')} > 900\n"
        f"and {ALL.gauge('checkpoint_steps_behind')} > 0\n"
        f"and changes({ALL.gauge('step')}[15m]) > 0",
        "{{ $labels.instance }} has written no checkpoint for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "StreamClStoreFull",
        "warning",
        "15m",
        f"{ALL.gauge('store_entries', store=NEED_ROOM)} / {ALL.gauge('store_bound')} >= 0.95",
        "The store {{ $labels.store }} of {{ $labels.instance }} is "
        "{{ $value | humanizePercentage }} full",
    ),
)


def runbook(name: str, base: str = RUNBOOKS) -> str:
    """Where the runbook of an alert is read.

    Raises:
        LookupError: there is no such alert.
    """
    if name not in {alert.name for alert in ALERTS}:
        raise LookupError(f"no alert {name}")
    return f"{base}#{name.lower()}"


def rules() -> str:
    """The file of rules for Prometheus, as YAML."""
    written = [
        {
            "alert": alert.name,
            "expr": alert.expression,
            "for": alert.lasting,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "runbook_url": runbook(alert.name)},
        }
        for alert in ALERTS
    ]
    head = "# Made by `make dashboards` from stream_cl/observe/alerts.py: change it there.\n"
    groups = {"groups": [{"name": "stream_cl", "rules": written}]}
    return head + yaml.dump(groups, Dumper=_Dumper, sort_keys=False, width=1000)


class _Dumper(yaml.SafeDumper):
    """Writes lists indented, and texts of several lines as such."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
