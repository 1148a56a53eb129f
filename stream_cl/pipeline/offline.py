"""The same steps without a log: records in memory, answers from a recorded truth.

For benchmarks and for replaying a recorded stream: what is measured is the code that runs
in production, from the records' bytes to the outputs' bytes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from stream_cl.core.clock import Clock
from stream_cl.core.records import Chunk
from stream_cl.pipeline.crowd import Crowd
from stream_cl.pipeline.decoded import decoded
from stream_cl.pipeline.scored import Scored
from stream_cl.pipeline.state import State
from stream_cl.pipeline.step import Plan, learn, score
from stream_cl.pipeline.taken import Taken


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded event and its true label, None where nobody ever told."""

    features: dict[str, Any] | list[float]
    label: str | None


@dataclass(slots=True)
class Outcome:
    """What a run gave: one entry per event in each list.

    truth: class name, None where it was not recorded: nobody answers, nothing is judged.
    predicted: class name, None where none was known or the event was refused.
    asked: whether it was asked about at first. labels: asked for, further answers to a question
        among them; spent: those asked for by the end of the event's step.
    seconds: spent in steps, answers included; reading the data is not.
    """

    truth: list[str | None] = field(default_factory=list)
    predicted: list[str | None] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)
    propensity: list[float] = field(default_factory=list)
    spent: list[int] = field(default_factory=list)
    labels: int = 0
    steps: int = 0
    seconds: float = 0.0

    def judged(self) -> tuple[list[str], list[str | None]]:
        """Truth and prediction of the events whose truth is known."""
        pairs = [
            (truth, predicted)
            for truth, predicted in zip(self.truth, self.predicted, strict=True)
            if truth is not None
        ]
        return [truth for truth, _ in pairs], [predicted for _, predicted in pairs]


class Offline:
    """Takes steps over records that are handed in.

    Logical time is the number of records handed in, in milliseconds: a recorded stream
    has no other.

    Args:
        offsets: event records and label records handed in before, where a run is carried on.
    """

    def __init__(self, state: State, plan: Plan, offsets: Sequence[int] = (0, 0)) -> None:
        self.state = state
        self.plan = plan
        self._offsets = dict(zip((plan.topics.events, plan.topics.labels), offsets, strict=True))

    @property
    def offsets(self) -> list[int]:
        """Event records and label records handed in so far."""
        return list(self._offsets.values())

    def step(self, events: Sequence[bytes], labels: Sequence[bytes]) -> Scored:
        """Score and learn one step."""
        topics = self.plan.topics
        chunks = [
            self._chunk(topic, values)
            for topic, values in ((topics.events, events), (topics.labels, labels))
            if values
        ]
        time_ms = sum(self._offsets.values())
        read = decoded(Taken(chunks, [], time_ms, None), self.plan.decoder, topics)
        scored = score(self.state, read, time_ms, 1, self.plan)
        learn(self.state, scored, self.plan)
        return scored

    def _chunk(self, topic: str, values: Sequence[bytes]) -> Chunk:
        n, start = len(values), self._offsets[topic]
        self._offsets[topic] = start + n
        return Chunk(topic, 0, range(start, start + n), [0] * n, [None] * n, values, [()] * n)


def replay(
    offline: Offline,
    rows: Iterable[Row],
    step_events: int,
    delay_events: int,
    clock: Clock,
    progress: Callable[[int], None] = lambda _: None,
    crowd: Crowd | None = None,
) -> Outcome:
    """Run a recorded stream through a pipeline, answering what it asks, and asks again.

    An answer is read `delay_events` events after its event, or after its question was asked again;
    with 0 before the next step. Where labels come for all events and the delay is 0 they come with
    them, and are learned after the event is predicted. Without a `crowd` one annotator answers, who
    is always right.
    """
    outcome, crowd = Outcome(), crowd or Crowd(0)
    every = offline.plan.every
    with_label = every and delay_events == 0
    due: list[tuple[int, int, bytes]] = []
    batch: list[Row] = []

    def take() -> None:
        for row in batch:
            if row.label is not None:
                crowd.saw(row.label)
        asking = crowd if with_label else None
        events = [_event(len(outcome.truth) + i, row, asking) for i, row in enumerate(batch)]
        began = clock.monotonic_s()
        scored = offline.step(events, _answers(due, len(outcome.truth)))
        outcome.seconds += clock.monotonic_s() - began
        _record(outcome, scored, batch, offline)
        outcome.labels += sum(row.label is not None for row in batch) if with_label else 0
        _ask(due, scored, outcome, every and not with_label, delay_events, crowd)
        _ask_again(due, offline, outcome, delay_events, crowd)
        while delay_events == 0 and due:
            answers = _answers(due, len(outcome.truth))
            began = clock.monotonic_s()
            offline.step([], answers)
            outcome.seconds += clock.monotonic_s() - began
            _ask_again(due, offline, outcome, delay_events, crowd)
        outcome.spent += [outcome.labels] * len(batch)
        progress(len(outcome.truth))
        batch.clear()

    for row in rows:
        batch.append(row)
        if len(batch) >= step_events:
            take()
    if batch:
        take()
    return outcome


def _event(number: int, row: Row, crowd: Crowd | None) -> bytes:
    kind = "features" if isinstance(row.features, dict) else "vector"
    event: dict[str, Any] = {"v": 1, "id": str(number), "time": number, kind: row.features}
    if crowd is not None and row.label is not None:
        event["label"] = crowd.answer(str(number), row.label)["label"]
    return orjson.dumps(event)


def _answers(due: list[tuple[int, int, bytes]], number: int) -> list[bytes]:
    answers = []
    while due and due[0][0] <= number:
        answers.append(heapq.heappop(due)[2])
    return answers


def _record(outcome: Outcome, scored: Scored, batch: list[Row], offline: Offline) -> None:
    names = offline.state.join.classes.names
    n, k = scored.verdicts.probabilities.shape
    best = scored.verdicts.probabilities.argmax(axis=1).tolist() if k else []
    predicted: list[str | None] = [None] * len(batch)
    asked, propensity = [False] * len(batch), [0.0] * len(batch)
    decision = scored.verdicts.decision
    for i in range(n):
        row = scored.events.rows[i]
        predicted[row] = names[best[i]] if k else None
        asked[row] = bool(decision.asked[i])
        propensity[row] = float(decision.propensity[i])
    outcome.truth += [row.label for row in batch]
    outcome.predicted += predicted
    outcome.asked += asked
    outcome.propensity += propensity
    outcome.steps += 1


def _ask(
    due: list[tuple[int, int, bytes]],
    scored: Scored,
    outcome: Outcome,
    all_: bool,
    delay: int,
    crowd: Crowd,
) -> None:
    """Put the answers to what was asked (or to everything) where they wait for their time."""
    decision = scored.verdicts.decision
    for id_, asked in zip(scored.events.ids, decision.asked.tolist(), strict=True):
        number = int(id_)
        label = outcome.truth[number]
        if label is not None and (asked or all_):
            answer = orjson.dumps(crowd.answer(id_, label))
            heapq.heappush(due, (number + delay, number, answer))
        outcome.labels += asked or (all_ and label is not None)


def _ask_again(
    due: list[tuple[int, int, bytes]], offline: Offline, outcome: Outcome, delay: int, crowd: Crowd
) -> None:
    """The same for the questions that the last step asks again."""
    for id_, question in offline.state.outbox.asked_again:
        number = int(id_)
        label = outcome.truth[number]
        if label is not None:
            answer = crowd.answer(id_, label, orjson.loads(question)["attempt"])
            heapq.heappush(due, (len(outcome.truth) + delay, number, orjson.dumps(answer)))
        outcome.labels += 1
