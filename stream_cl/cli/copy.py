"""`stream-cl copy`: topics of one log into another, in the order in which their records came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from stream_cl.cli.common import ConfigPath, Sets, emit, progress, read_config, stop_asked
from stream_cl.core.errors import TransportError, UserError
from stream_cl.core.topics import NAMES, Topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_cl.cli.common import Advance
    from stream_cl.config import Config
    from stream_cl.core.protocols import Transport
    from stream_cl.core.records import Chunk, Outgoing, TopicPartition

_INPUTS: Final = "events,labels,control"
_APART_S: Final = 0.002
"""Between two partitions, so that a log that stamps milliseconds itself keeps their order."""


class _OriginalTimes:
    """A clock that shows when the records that are written now came in the first place."""

    def __init__(self) -> None:
        self.time_ms = 0

    def now_ms(self) -> int:
        return self.time_ms

    def monotonic_s(self) -> float:
        return self.time_ms / 1000

    def sleep(self, seconds: float) -> None:
        """Nothing has to be waited for: time is that of the records."""


def command(
    config: ConfigPath,
    to: Annotated[
        str, typer.Option("--to", metavar="TRANSPORT", help="sqlite:///FILE or kafka://HOST:PORT.")
    ],
    names: Annotated[
        str, typer.Option("--topics", metavar="NAME,…", help="Topics, without their prefix.")
    ] = _INPUTS,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="Records at most.")
    ] = None,
    sets: Sets = None,
) -> None:
    """Copy topics from the config's log into another one.

    Keys, values, headers and partitions stay; records of all topics are interleaved by append
    time, as a pipeline would read them. An embedded log keeps the append times too (to 10 ms);
    Kafka stamps its own. Each transaction also commits how far the source was read, so a copy
    that was stopped goes on where it was when it is started again, and nothing is there twice.
    """
    from stream_cl.core.clock import SystemClock

    source_config = read_config(config, sets)
    target_config = read_config(config, [*(sets or []), f"transport={to}"])
    if target_config.transport == source_config.transport:
        raise UserError(f"--to: {to} is the log that is copied from; name another")
    chosen = _chosen(names, source_config.topics.prefix)
    from stream_cl import build

    clock, times = SystemClock(), _OriginalTimes()
    source = build.open_transport(source_config, clock, create=False)
    try:
        stamps = to.startswith("sqlite:")
        target = build.open_transport(target_config, times if stamps else clock)
        try:
            with stop_asked() as stop, progress("records", limit) as advance:
                copied = _Copy(source, target, chosen, _group(source_config)).run(
                    lambda chunk: _follow(chunk, times) if stamps else clock.sleep(_APART_S),
                    limit,
                    stop,
                    advance,
                )
        finally:
            target.close()
    finally:
        source.close()
    emit(f"{copied:,} records of {', '.join(chosen)} copied to {to}")


def _chosen(names: str, prefix: str) -> list[str]:
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    for name in chosen:
        if name not in NAMES or name == "manifest":
            why = "its offsets mean this log alone" if name == "manifest" else "there is none"
            there = ", ".join(known for known in NAMES if known != "manifest")
            raise UserError(f"--topics: {name!r} cannot be copied ({why}); take some of {there}")
    if not chosen:
        raise UserError("--topics: name one topic at least")
    return [Topics(prefix).named(name) for name in chosen]


def _group(config: Config) -> str:
    """Under this name the target keeps how far this source was read."""
    from hashlib import blake2b

    address = config.transport
    if address.startswith("sqlite:"):
        address = str(config.log_file.resolve())
    return f"stream-cl-copy-{blake2b(address.encode(), digest_size=8).hexdigest()}"


def _follow(chunk: Chunk, times: _OriginalTimes) -> None:
    times.time_ms = chunk.timestamps_ms[0]


class _Copy:
    """One copy of `topics` from a log into another.

    Args:
        group: under which the target keeps the positions in the source.
    """

    def __init__(self, source: Transport, target: Transport, topics: list[str], group: str) -> None:
        self._source = source
        self._target = target
        self._topics = topics
        self._group = group

    def run(
        self,
        before: Callable[[Chunk], None],
        limit: int | None,
        stop: Callable[[], bool],
        advance: Advance,
    ) -> int:
        """Copy up to the source's end of now; how many records were copied.

        Args:
            before: called with each run of one partition before it is written.
            limit: records at most.
            stop: asked between two transactions.
            advance: told how many are copied.
        """
        from stream_cl.transport.merged import runs

        self._create()
        copied = 0
        for chunk in runs(self._source, self._topics, self._positions()):
            left = len(chunk) if limit is None else min(len(chunk), limit - copied)
            if not left or stop():
                break
            part = chunk.part(0, left)
            before(part)
            self._write(part)
            copied += left
            advance(copied)
        return copied

    def _create(self) -> None:
        """The topics, with as many partitions as in the source."""
        there, known = self._target.topics(), self._source.topics()
        for topic in self._topics:
            if topic not in known:
                raise UserError(f"--topics: the log has no topic {topic}; it has {sorted(known)}")
            if topic not in there:
                self._target.create_topic(topic, known[topic])
            elif there[topic] != known[topic]:
                raise TransportError(
                    f"topic {topic} has {known[topic]} partitions here and {there[topic]} there: "
                    "keys would change their places; copy into another log, or another prefix"
                )

    def _positions(self) -> dict[TopicPartition, int]:
        """Where to go on; records that stand there from elsewhere would be mixed with these."""
        positions = self._target.group_offsets(self._group)
        if not positions:
            for at, bounds in self._target.bounds(self._topics).items():
                if bounds.end > 0:
                    raise TransportError(
                        f"{at.topic}[{at.partition}] is not empty there: copy into another log"
                    )
        return positions

    def _write(self, chunk: Chunk) -> None:
        from stream_cl.core.records import TopicPartition

        place = TopicPartition(chunk.topic, chunk.partition)
        self._target.append_and_commit(_batches(chunk), self._group, {place: chunk.offsets[-1] + 1})


def _batches(chunk: Chunk) -> list[Outgoing]:
    """The records of a chunk as batches of records with the same names of headers."""
    from itertools import groupby

    from stream_cl.core.records import Outgoing

    batches = []
    rows = range(len(chunk))
    for names, own in groupby(rows, key=lambda i: tuple(name for name, _ in chunk.headers[i])):
        part = list(own)
        if len(set(names)) < len(names):
            # A header twice: each such record has its own common ones.
            batches += [_one(chunk, i) for i in part]
            continue
        batches.append(
            Outgoing(
                chunk.topic,
                chunk.partition,
                [chunk.keys[i] for i in part],
                # Logs take null values too, though no output of ours is null.
                cast("list[bytes]", [chunk.values[i] for i in part]),
                (),
                {name: [chunk.headers[i][j][1] for i in part] for j, name in enumerate(names)},
            )
        )
    return batches


def _one(chunk: Chunk, i: int) -> Outgoing:
    from stream_cl.core.records import Outgoing

    values = cast("list[bytes]", [chunk.values[i]])
    return Outgoing(chunk.topic, chunk.partition, [chunk.keys[i]], values, chunk.headers[i])
