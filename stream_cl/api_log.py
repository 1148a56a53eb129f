"""A log, seen from a notebook: its topics as data frames, read and never written.

    >>> import stream_cl
    >>> log = stream_cl.connect("sqlite:///no-such-log.db")
    Traceback (most recent call last):
    stream_cl.core.errors.UserError: transport: there is no log no-such-log.db yet; `stream-cl run` makes it

Only committed records are read, at most `limit` of them and at most `READ_BYTES` bytes.
"""  # noqa: E501  a message is one line

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import starmap
from pathlib import Path
from typing import Any, Final

import orjson

from stream_cl import api_html, build
from stream_cl.api_frames import Library, Row, frame, library
from stream_cl.api_rows import COLUMNS, Rows
from stream_cl.api_scrape import scraped
from stream_cl.config import Config, environment
from stream_cl.config.file import load
from stream_cl.config.http import http_token
from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import UserError
from stream_cl.core.protocols import Transport
from stream_cl.core.records import Chunk, TopicPartition
from stream_cl.core.topics import NAMES, Topics
from stream_cl.decode.moments import moment_ms
from stream_cl.transport.merged import runs
from stream_cl.transport.seek import offsets_at

LIMIT: Final = 10_000
"""Records that are read unless a limit is given."""
READ_BYTES: Final = 512_000_000
"""Values that one call holds at most."""

Moment = str | int | datetime
"""RFC 3339, `24h` ago (s, m, h, d, w), epoch milliseconds, or a datetime with an offset."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def connect(log: str | Path, *, sets: Iterable[str] = (), frames: str | None = None) -> Log:
    """A log, to be read.

    Args:
        log: `sqlite:///FILE`, `kafka://HOST:PORT`, or the path of a config, which says also how
            to log in to Kafka and what the topics are called.
        sets: values over the config, as `--set` takes them: `["topics.prefix=shop-"]`.
        frames: `polars` or `pandas`; None takes the one that is installed, polars first.

    Raises:
        ConfigError: with a line for every mistake.
        UserError: there is no such log, or no such library.
        TransportError: it cannot be read, or brokers cannot be reached.
    """
    made_by = None if frames is None else library(frames)
    given = list(sets)
    if str(log).startswith(("sqlite:", "kafka:")):
        address = orjson.dumps(str(log)).decode()  # a text in YAML, whatever stands in it
        config = load(None, [f"transport={address}", *given], environment())
    else:
        config = load(Path(log), given, environment())
    return Log(config, made_by)


class Log:
    """What `stream_cl.connect` gives. Close it, or use it in a `with`.

    Each topic is a method that gives a data frame, and `rows` gives the same as a list of dicts.
    `start` and `stop` bound the time of append, `stop` itself left out. Without a `start` the
    latest `limit` records are read, with one the first `limit` from there on. Columns:
    `append_time`, `log_partition` and `log_offset` say where a record stands, the others are the
    fields of docs/records.md, those of objects each in a column of its own.
    """

    def __init__(self, config: Config, frames: Library | None = None) -> None:
        self.config = config
        self._frames = frames
        self._clock = SystemClock()
        self._topics = Topics(config.topics.prefix)
        self._log: Transport = build.open_transport(config, self._clock, create=False)
        self._rows = Rows(build.decoder(config.format, config.folder))

    def events(
        self, limit: int = LIMIT, start: Moment | None = None, stop: Moment | None = None
    ) -> Any:
        """What came in."""
        return self._frame("events", limit, start, stop)

    def predictions(
        self, limit: int = LIMIT, start: Moment | None = None, stop: Moment | None = None
    ) -> Any:
        """What was predicted, asked, and with which propensity."""
        return self._frame("predictions", limit, start, stop)

    def requests(
        self, limit: int = LIMIT, start: Moment | None = None, stop: Moment | None = None
    ) -> Any:
        """The questions, and their withdrawals."""
        return self._frame("label-requests", limit, start, stop)

    def labels(
        self, limit: int = LIMIT, start: Moment | None = None, stop: Moment | None = None
    ) -> Any:
        """The answers."""
        return self._frame("labels", limit, start, stop)

    def dead_letters(
        self, limit: int = LIMIT, start: Moment | None = None, stop: Moment | None = None
    ) -> Any:
        """What could not be used, and why."""
        return self._frame("dead-letters", limit, start, stop)

    def manifest(
        self, limit: int = LIMIT, start: Moment | None = None, stop: Moment | None = None
    ) -> Any:
        """The steps."""
        return self._frame("manifest", limit, start, stop)

    def metrics(self, url: str | None = None, token: str | None = None) -> Any:
        """What a running pipeline shows under /metrics now: `name`, `value`, and a column for
        each label.

        Args:
            url: of the page; without it the one of `http.host` and `http.port` in the config.
            token: what the page asks for; without a URL the one of the config.

        Raises:
            UserError: there is no such page, or what stands there is none of metrics.
        """
        http = self.config.http
        if url is None and http.port == 0:
            raise UserError("metrics: http.port is 0 in the config; give the URL of /metrics")
        if url is None:
            url = f"http://{http.host}:{http.port}/metrics"
            token = token or http_token(http, self.config.folder)
        rows = scraped(url, token)
        return frame(rows, ["name", "value"], self._frames or library(None))

    def rows(
        self,
        topic: str,
        limit: int = LIMIT,
        start: Moment | None = None,
        stop: Moment | None = None,
    ) -> list[Row]:
        """The records of a topic, by its name in docs/records.md (`dead-letters`), as dicts.

        Raises:
            UserError: there is no such topic, or a moment is none.
            TransportError: the log cannot be read.
        """
        if topic not in NAMES:
            raise UserError(f"rows: {topic!r:.60} is no topic; there are {', '.join(NAMES)}")
        if limit < 0:
            raise UserError(f"limit: {limit} is below 0; give how many records to read at most")
        found = self._read(self._topics.named(topic), limit, start, stop)
        return list(starmap(self._rows.row, ((topic, chunk) for chunk in found)))

    def _frame(self, topic: str, limit: int, start: Moment | None, stop: Moment | None) -> Any:
        made_by = self._frames or library(None)
        return frame(self.rows(topic, limit, start, stop), COLUMNS, made_by)

    def _read(
        self, topic: str, limit: int, start: Moment | None, stop: Moment | None
    ) -> deque[Chunk]:
        """Records as chunks of one each, in the order of the log."""
        now_ms = self._clock.now_ms()
        stop_ms = None if stop is None else moment_ms(stop, now_ms, "stop")
        if start is not None:
            positions = offsets_at(self._log, [topic], moment_ms(start, now_ms, "start"))
        else:
            positions = self._latest(topic, limit, stop_ms)
        found: deque[Chunk] = deque()
        held = 0
        for chunk in runs(self._log, [topic], positions) if limit else ():
            for row in range(len(chunk)):
                if stop_ms is not None and chunk.timestamps_ms[row] >= stop_ms:
                    return found
                one = chunk.part(row, row + 1)
                found.append(one)
                held += len(one.values[0] or b"")
                if start is not None and len(found) == limit:
                    return found
                if len(found) > limit:
                    held -= len(found.popleft().values[0] or b"")
                if held > READ_BYTES:
                    raise UserError(
                        f"{topic}: {len(found):,} records have more than {READ_BYTES:,} bytes; "
                        "give a smaller limit"
                    )
        return found

    def _latest(self, topic: str, limit: int, stop_ms: int | None) -> dict[TopicPartition, int]:
        """Offsets from which on each partition has its latest `limit` records, if it has them."""
        bounds = self._log.bounds([topic])
        ends = {at: known.end for at, known in bounds.items()}
        if stop_ms is not None:
            ends = offsets_at(self._log, [topic], stop_ms)
        return {
            at: _back(self._log, at, known.start, ends[at], limit) for at, known in bounds.items()
        }

    def close(self) -> None:
        """Let go of the log."""
        self._log.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<stream_cl.Log: {self.config.log_name}>"

    def _repr_html_(self) -> str:
        there = self._log.topics()
        names = [name for name in NAMES if self._topics.named(name) in there]
        rows = []
        for name in names:
            bounds = self._log.bounds([self._topics.named(name)])
            latest = [
                append for at, known in bounds.items() for append in self._newest(at, known.end)
            ]
            newest = _EPOCH + timedelta(milliseconds=max(latest)) if latest else "–"
            records = sum(known.end - known.start for known in bounds.values())
            rows.append([name, len(bounds), f"{records:,}", newest])
        heads = ["topic", "partitions", "offsets", "newest"]
        return api_html.table(f"Log {self.config.log_name}", heads, rows)

    def _newest(self, at: TopicPartition, end: int) -> Sequence[int]:
        start = self._log.bounds([at.topic])[at].start
        if start >= end:
            return []
        return self._log.read(at.topic, at.partition, max(start, end - 10), 10).timestamps_ms[-1:]


def _back(log: Transport, at: TopicPartition, start: int, end: int, limit: int) -> int:
    """The offset from which on there are `limit` records before `end`.

    Offsets are not all records: a broker takes some for itself. So it goes back until there are
    enough.
    """
    begin, found = end, 0
    while begin > start and found < limit:
        stop, begin = begin, max(start, begin - (limit - found))
        position = begin
        while position < stop:
            chunk = log.read(at.topic, at.partition, position, min(1000, stop - position))
            offsets = [offset for offset in chunk.offsets if offset < stop]
            found += len(offsets)
            position = offsets[-1] + 1 if offsets else stop
    return begin
