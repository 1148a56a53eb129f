"""Finds what is traced in a step. Called only where tracing is on; some 0.2 µs a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from stream_cl.core.protocols import REASONS
from stream_cl.core.records import RawRecords
from stream_cl.observe.trail import TracedEvent, TracedLabel, TracedRecord, Trail, sampled
from stream_cl.pipeline.requests import request_id
from stream_cl.pipeline.scored import Scored
from stream_cl.pipeline.step import Plan

_NANO: Final = 10**9


def tell_trail(
    scored: Scored,
    plan: Plan,
    step: int,
    began_ms: int,
    at_s: tuple[float, ...],
    tell: Callable[[Trail], None],
) -> None:
    """Tell of a step in which something is traced.

    Args:
        scored: the step.
        plan: what does not change.
        step: its number.
        began_ms: the wall clock when it began.
        at_s: when it began, had taken, scored, committed and learned, by the monotonic clock.
        tell: gets the trail; not called where nothing is traced.
    """
    events, decision = scored.events, scored.verdicts.decision
    traced = [i for i, row in enumerate(events.rows) if sampled(scored.raw_events.headers[row])]
    labels = [label for label in scored.labels if sampled(scored.raw_labels.headers[label.row])]
    if not traced and not labels:
        return
    moments = [began_ms * 10**6 + round((at - at_s[0]) * _NANO) for at in at_s]
    trail = Trail(
        step=step,
        model=plan.model,
        began_ns=moments[0],
        scored_ns=moments[2],
        committed_ns=moments[3],
        learned_ns=moments[4],
        events=[
            TracedEvent(
                _record(scored.raw_events, events.rows[i], events.ids[i]),
                bool(decision.asked[i]),
                float(decision.propensity[i]),
                REASONS[decision.reason[i]],
                request_id(events.ids[i]) if decision.asked[i] else None,
            )
            for i in traced
        ],
        labels=[
            TracedLabel(
                _record(scored.raw_labels, label.row, label.id),
                label.annotator,
                label.label is None,
            )
            for label in labels
        ],
        predictions=plan.topics.predictions,
        requests=plan.topics.label_requests,
    )
    tell(trail)


def _record(raw: RawRecords, row: int, id_: str) -> TracedRecord:
    return TracedRecord(raw.topic, raw.partitions[row], raw.offsets[row], id_, raw.headers[row])
