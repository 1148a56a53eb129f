"""`stream-cl produce`: the rows of a CSV file as events, at a steady rate if asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from stream_cl.cli.common import Advance, ConfigPath, Sets, progress, read_config, say, stop_asked
from stream_cl.core.errors import UserError

if TYPE_CHECKING:
    from stream_cl.cli.rows import Row
    from stream_cl.core.clock import Clock
    from stream_cl.core.protocols import Transport

BATCH_EVENTS: Final = 1000
_BATCHES_PER_S: Final = 50
_LONGEST_SLEEP_S: Final = 0.1


class Numbered(NamedTuple):
    """A row and the id that it is produced with."""

    id: str
    row: Row


def command(
    config: ConfigPath,
    data: Annotated[
        Path, typer.Option("--data", metavar="FILE", help="A .csv or .csv.gz file with a header.")
    ],
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", metavar="N", help="Events per second; as fast as it goes without it."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=0, help="Events to produce at most.")
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id", metavar="COLUMN", help="The column with the ids; row numbers from 0 without it."
        ),
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin again at the end; ids become <loop>-<row>.")
    ] = False,
    with_label: Annotated[
        bool, typer.Option("--with-label", help="Send the column `label` with the events.")
    ] = False,
    sets: Sets = None,
) -> None:
    """Produce the rows of a CSV file as events, without the column `label`.

    The event time is the time of producing. Ctrl-C ends it cleanly.
    """
    if rate is not None and not 0 < rate < float("inf"):
        raise UserError(f"--rate {rate:g}: give a number of events per second above 0")
    settings = read_config(config, sets)
    from stream_cl.build import create_topics, open_transport
    from stream_cl.core.clock import SystemClock

    clock = SystemClock()
    rows = islice(numbered(data, id_column, loop, with_label), limit)
    transport = open_transport(settings, clock)
    try:
        topics = create_topics(settings, transport)
        if not loop and id_column is None and _holds_events(transport, topics.events):
            say(
                f"{topics.events} holds events already; the ids 0, 1, … may be among them, and "
                "an id that comes again with another time is refused: see --loop and --id"
            )
        with stop_asked() as stopped, progress("events", limit) as advance:
            send = Sender(transport, topics.events, clock, with_label, data)
            produced = paced(rows, send, clock, rate, stopped, advance)
    finally:
        transport.close()
    say(f"produced {produced} events to {topics.events}")


def _holds_events(transport: Transport, topic: str) -> bool:
    return any(bounds.end > 0 for bounds in transport.bounds([topic]).values())


def numbered(data: Path, id_column: str | None, loop: bool, need_label: bool) -> Iterator[Numbered]:
    """The rows of a file with their ids, again and again with `loop`.

    Raises:
        UserError: as `read_rows` does.
    """
    from stream_cl.cli.rows import read_rows

    for turn in count():
        for row in read_rows(data, id_column, need_label):
            id_ = str(row.number) if row.id is None else row.id
            yield Numbered(f"{turn}-{id_}" if loop else id_, row)
        if not loop:
            return


class Sender:
    """Appends events to a topic, each to the partition of its id."""

    def __init__(
        self, transport: Transport, topic: str, clock: Clock, with_label: bool, data: Path
    ) -> None:
        self._transport = transport
        self._topic = topic
        self._clock = clock
        self._with_label = with_label
        self._data = data

    def __call__(self, batch: list[Numbered]) -> None:
        """Append a batch in one transaction; the event time is now.

        Raises:
            UserError: an id or an event is too large for a record.
        """
        from stream_cl.core.records import Outgoing

        now_ms = self._clock.now_ms()
        keys: dict[int, list[bytes | None]] = {}
        values: dict[int, list[bytes]] = {}
        for one in batch:
            key = one.id.encode()
            partition = self._transport.partition_for(self._topic, key)
            keys.setdefault(partition, []).append(key)
            values.setdefault(partition, []).append(self._event(one, key, now_ms))
        self._transport.append(
            [
                Outgoing(self._topic, partition, keys[partition], values[partition])
                for partition in sorted(keys)
            ]
        )

    def _event(self, one: Numbered, key: bytes, now_ms: int) -> bytes:
        import orjson

        from stream_cl.core import limits

        event = {"v": 1, "id": one.id, "time": now_ms, "features": one.row.features}
        if self._with_label and one.row.label is not None:
            event["label"] = one.row.label
        value = orjson.dumps(event)
        place = f"{self._data}:{one.row.line}"
        if not 0 < len(key) <= limits.ID_BYTES:
            raise UserError(f"{place}: an id of {len(key)} bytes; give 1 to {limits.ID_BYTES}")
        if len(value) > limits.RECORD_BYTES:
            most = limits.RECORD_BYTES
            raise UserError(f"{place}: an event of {len(value)} bytes; a record takes {most}")
        return value


def paced(
    rows: Iterator[Numbered],
    send: Callable[[list[Numbered]], None],
    clock: Clock,
    rate: float | None,
    stopped: Callable[[], bool],
    advance: Advance,
) -> int:
    """Send all rows in batches; returns how many.

    With a rate, event n is due n / rate seconds after the start, however long sending takes:
    what is late is sent at once, so the rate does not drift.
    """
    started = clock.monotonic_s()
    least = 1 if rate is None else max(1, min(BATCH_EVENTS, int(rate / _BATCHES_PER_S)))
    sent = 0
    while not stopped():
        room = BATCH_EVENTS
        if rate is not None:
            elapsed = clock.monotonic_s() - started
            room = min(BATCH_EVENTS, int(elapsed * rate) + 1 - sent)
            if room < least and sent:
                wait_s = (sent + least - 1) / rate - elapsed
                clock.sleep(min(max(wait_s, 0.001), _LONGEST_SLEEP_S))
                continue
        batch = list(islice(rows, room))
        if not batch:
            break
        send(batch)
        sent += len(batch)
        advance(sent)
    return sent
