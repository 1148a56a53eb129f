"""`stream-cl annotate`: answers label requests from a file of true labels, late and wrong.

For trying out and for load tests: a stand-in for the people and programs that answer. Its
own reading position is committed with its answers, in one transaction, so that killed and
started again it loses no request; answers that it gives twice are counted as repeated.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stream_cl.cli.common import ConfigPath, Sets, read_config, say, stop_asked
from stream_cl.cli.delays import delay_of
from stream_cl.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream_cl.core.clock import Clock
    from stream_cl.core.protocols import Transport
    from stream_cl.core.records import TopicPartition
    from stream_cl.core.topics import Topics

GROUP: Final = "annotate"
_LOOK_S: Final = 0.02


def command(
    config: ConfigPath,
    truth: Annotated[
        Path, typer.Option("--truth", metavar="FILE", help="CSV with a column `label`.")
    ],
    delay: Annotated[
        str,
        typer.Option(metavar="SECONDS|lognormal:MEDIAN,SIGMA", help="Time an answer takes."),
    ] = "0",
    error_rate: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Share of wrong answers.")
    ] = 0.0,
    annotators: Annotated[int, typer.Option(min=1, metavar="N", help="How many answer.")] = 1,
    until_idle: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Leave when nothing came for this long."),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", help="The column with the ids; else row numbers."),
    ] = None,
    sets: Sets = None,
) -> None:
    """Answer label requests from a file of true labels."""
    settings = read_config(config, sets)
    delay_s = delay_of(delay)
    from stream_cl.build import create_topics, open_transport
    from stream_cl.core.clock import SystemClock

    clock = SystemClock()
    labels = true_labels(truth, id_column)
    log = open_transport(settings, clock)
    try:
        topics = create_topics(settings, log)
        crowd = Crowd(labels, settings.seed, delay_s, error_rate, annotators)
        desk = Desk(log, topics, crowd, clock, None if id_column else truth)
        with stop_asked() as stop:
            desk.work(stop, until_idle)
    finally:
        log.close()
    say(f"{desk.answered} answers, {desk.unknown} requests for events that {truth} has no label of")


def true_labels(path: Path, id_column: str | None) -> dict[str, str]:
    """id → label, as the pipeline writes labels; rows whose label is empty are left out.

    Raises:
        UserError: the file cannot be read, has no label column or a label that is too long.
    """
    from stream_cl.cli.rows import read_rows
    from stream_cl.core.errors import Rejected
    from stream_cl.decode.fields import label_text

    labels: dict[str, str] = {}
    for row in read_rows(path, id_column, need_label=True):
        if row.label is None:
            continue
        try:
            labels[row.id or str(row.number)] = label_text(row.label)
        except Rejected as error:
            raise UserError(f"{path}:{row.line}: {error.reason}") from None
    return labels


@dataclass(slots=True)
class Crowd:
    """Who answers, when, and how well. Draws depend on seed and request alone."""

    truth: dict[str, str]
    seed: int
    delay_s: Callable[[float], float]
    error_rate: float
    annotators: int
    _classes: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._classes = sorted(set(self.truth.values()))

    def answer(self, id_: str) -> str | None:
        """The label for an event, right or wrong; None for an event that is not in the file."""
        from stream_cl.core.draws import keyed_unit

        right = self.truth.get(id_) or self.truth.get(_row_of(id_) or "")
        if right is None or keyed_unit(self.seed, "annotate error", id_) >= self.error_rate:
            return right
        others = [label for label in self._classes if label != right]
        which = keyed_unit(self.seed, "annotate wrong", id_)
        return others[int(which * len(others))] if others else right

    def takes_s(self, request: str) -> float:
        from stream_cl.core.draws import keyed_unit

        return self.delay_s(keyed_unit(self.seed, "annotate delay", request))

    def name(self, request: str) -> str:
        from stream_cl.core.draws import keyed_unit

        return f"annotator-{int(keyed_unit(self.seed, 'annotate who', request) * self.annotators)}"


def _row_of(id_: str) -> str | None:
    """The row's number where `produce` numbered the rows: `<row>`, or `<loop>-<row>` with
    `--loop`. None for any other id, `order-17` among them."""
    loop, dash, row = id_.partition("-")
    numbered = loop.isdecimal() and (not dash or row.isdecimal())
    return (row or loop) if numbered else None


@dataclass(order=True, slots=True)
class _Task:
    due_s: float
    number: int
    id: str = field(compare=False)
    request: str = field(compare=False)
    at: TopicPartition = field(compare=False)
    offset: int = field(compare=False)
    trace: bytes | None = field(compare=False)


class Desk:
    """Takes requests from the topic, and puts answers into the labels topic when they are due.

    Args:
        numbered: the file whose rows are known by their numbers, None where they have ids.

    Raises:
        UserError: an id is asked for that is no row's number, where rows are numbered.
    """

    def __init__(
        self,
        log: Transport,
        topics: Topics,
        crowd: Crowd,
        clock: Clock,
        numbered: Path | None = None,
    ) -> None:
        from stream_cl.transport.follow import Follower

        self.answered = 0
        self.unknown = 0
        self._log = log
        self._topics = topics
        self._crowd = crowd
        self._clock = clock
        self._numbered = numbered
        self._group = f"{topics.prefix}{GROUP}"
        positions = log.group_offsets(self._group)
        self._follower = Follower(log, [topics.label_requests], positions)
        self._tasks: list[_Task] = []
        self._open: set[str] = set()
        self._taken = 0

    def work(self, stop: Callable[[], bool], until_idle_s: float | None) -> None:
        """Answer until told to stop, or nothing came and nothing waits for `until_idle_s`."""
        busy_s = self._clock.monotonic_s()
        while not stop():
            if self._take() + self._answer() or self._tasks:
                busy_s = self._clock.monotonic_s()
            elif until_idle_s is not None and self._clock.monotonic_s() - busy_s >= until_idle_s:
                return
            self._clock.sleep(self._wait_s())

    def _wait_s(self) -> float:
        if not self._tasks:
            return _LOOK_S
        return min(_LOOK_S, max(0.0, self._tasks[0].due_s - self._clock.monotonic_s()))

    def _take(self) -> int:
        import orjson

        from stream_cl.core.records import TopicPartition

        taken = 0
        for chunk in self._follower.poll():
            at = TopicPartition(chunk.topic, chunk.partition)
            for row, value in enumerate(chunk.values):
                request = orjson.loads(value or b"{}")
                task = (request["id"], request["request"], at, chunk.offsets[row])
                trace = dict(chunk.headers[row]).get("traceparent")
                self._note(request.get("status"), *task, trace)
            taken += len(chunk)
        return taken

    def _note(
        self,
        status: str,
        id_: str,
        request: str,
        at: TopicPartition,
        offset: int,
        trace: bytes | None,
    ) -> None:
        if self._numbered and _row_of(id_) is None:
            # Before anything is taken from the topic: a question that is passed over is lost.
            raise UserError(
                f"event {id_!r:.100} is asked for, but without --id the rows of {self._numbered} "
                "have numbers; name the column with the ids, as for produce"
            )
        if status == "withdrawn":
            self._open.discard(request)
            return
        due_s = self._clock.monotonic_s() + self._crowd.takes_s(request)
        self._taken += 1
        self._open.add(request)
        heapq.heappush(self._tasks, _Task(due_s, self._taken, id_, request, at, offset, trace))

    def _answer(self) -> int:
        now_s = self._clock.monotonic_s()
        due = []
        while self._tasks and self._tasks[0].due_s <= now_s:
            due.append(heapq.heappop(self._tasks))
        if due:
            self._publish([task for task in due if task.request in self._open])
            self._open.difference_update(task.request for task in due)
        return len(due)

    def _publish(self, tasks: Sequence[_Task]) -> None:
        import orjson

        from stream_cl.core.records import Outgoing

        batches: dict[int, Outgoing] = {}
        traces: dict[int, list[bytes | None]] = {}
        for task in tasks:
            label = self._crowd.answer(task.id)
            if label is None:
                self.unknown += 1
                continue
            value = {
                "v": 1,
                "id": task.id,
                "label": label,
                "annotator": self._crowd.name(task.request),
                "request": task.request,
                "time": self._clock.now_ms(),
            }
            key = task.id.encode()
            at = self._log.partition_for(self._topics.labels, key)
            trace = traces.setdefault(at, [])
            # A label goes on with the trace of its event.
            each = {"traceparent": trace}
            batch = batches.setdefault(at, Outgoing(self._topics.labels, at, [], [], each=each))
            trace.append(task.trace)
            batch.keys = [*batch.keys, key]
            batch.values = [*batch.values, orjson.dumps(value)]
            self.answered += 1
        self._log.append_and_commit(list(batches.values()), self._group, self._safe())

    def _safe(self) -> dict[TopicPartition, int]:
        """Positions before which every request is answered: where a restart must begin."""
        safe = dict(self._follower.positions)
        for task in self._tasks:
            safe[task.at] = min(safe[task.at], task.offset)
        return safe
