"""`stream-cl report`: how a period went, as one HTML file that can be sent to anyone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from stream_cl.cli.common import ConfigPath, Sets, emit, progress, read_config
from stream_cl.core.errors import OffsetOutOfRange, StreamClError, UserError

if TYPE_CHECKING:
    from stream_cl.cli.report_account import Account
    from stream_cl.config import Config
    from stream_cl.core.protocols import Transport
    from stream_cl.core.records import TopicPartition


_TAIL: Final = 100
"""Records before the end of the period among which its last one is looked for."""


class Period(NamedTuple):
    """From `since_ms` up to, not including, `until_ms`; epoch milliseconds of append time."""

    since_ms: int
    until_ms: int


def command(
    config: ConfigPath,
    since: Annotated[
        str,
        typer.Option(metavar="TIME|AGO", help="Where it begins: RFC 3339, or 24h, 7d, 90m ago."),
    ] = "24h",
    until: Annotated[
        str | None, typer.Option(metavar="TIME|AGO", help="Where it ends; now without it.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The HTML file to write.")
    ] = Path("report.html"),
    sets: Sets = None,
) -> None:
    """Write a report of a period: accuracy, spend, classes, calibration, people, faults."""
    loaded = read_config(config, sets)
    from stream_cl.build import open_transport
    from stream_cl.cli.report_page import report
    from stream_cl.core.clock import SystemClock
    from stream_cl.decode.moments import moment_ms

    clock = SystemClock()
    now_ms = clock.now_ms()
    since_ms = moment_ms(since, now_ms, "--since")
    until_ms = now_ms if until is None else moment_ms(until, now_ms, "--until")
    if since_ms >= until_ms:
        raise UserError(f"--since {since}: is not before the end; give an earlier time")
    log = open_transport(loaded, clock, create=False)
    try:
        found = read(loaded, log, Period(since_ms, until_ms))
    finally:
        log.close()
    write(out, report(found, loaded, now_ms))
    emit(f"wrote {out}")


def read(config: Config, log: Transport, period: Period) -> Account:
    """Everything that the log has of the period, in one pass.

    Raises:
        UserError: nothing was predicted in it.
    """
    from stream_cl.build import decoder
    from stream_cl.cli.report_account import Account
    from stream_cl.core.topics import Topics
    from stream_cl.transport.merged import runs
    from stream_cl.transport.seek import offsets_at

    topics, every = Topics(config.topics.prefix), config.labels.join == "every"
    wanted = [topics.predictions, topics.label_requests, topics.labels, topics.dead_letters]
    wanted += [topics.manifest, *([topics.events] if every else [])]
    there = log.topics()
    if topics.predictions not in there:
        raise UserError(
            f"{config.log_name} has no topic {topics.predictions}; is topics.prefix right?"
        )
    wanted = [topic for topic in wanted if topic in there]
    positions = offsets_at(log, wanted, period.since_ms)
    predicted = _span(log, topics.predictions, positions, period)
    account = Account(topics, decoder(config.format, config.folder), *predicted, every)
    with progress("records") as advance:
        done = 0
        try:
            for chunk in runs(log, wanted, positions):
                if chunk.timestamps_ms[0] >= period.until_ms:
                    break
                account.take(chunk)
                done += len(chunk)
                advance(done)
        except OffsetOutOfRange as expired:
            raise StreamClError(f"{expired} while the report was made; make it again") from None
    return account


def _span(
    log: Transport, topic: str, positions: dict[TopicPartition, int], period: Period
) -> Period:
    """The period from its first prediction to its last one, so that no picture is mostly empty.

    Raises:
        UserError: there is none.
    """
    from stream_cl.pipeline.publish import rfc3339
    from stream_cl.transport.seek import offsets_at

    ends = offsets_at(log, [topic], period.until_ms)
    first_ms, last_ms = [], []
    for at, end in ends.items():
        # What lies between may be a broker's own records alone.
        if positions[at] >= end:
            continue
        first = log.read(topic, at.partition, positions[at], 1)
        if len(first) and first.timestamps_ms[0] < period.until_ms:
            first_ms.append(first.timestamps_ms[0])
            last = log.read(topic, at.partition, max(positions[at], end - _TAIL), _TAIL)
            newest_ms = last.timestamps_ms[-1] + 1 if len(last) else period.until_ms
            last_ms.append(min(newest_ms, period.until_ms))
    if not first_ms:
        since, until = (text.decode() for text in rfc3339([period.since_ms, period.until_ms]))
        raise UserError(
            f"--since: nothing was predicted from {since} to {until}; give an earlier time, such "
            "as --since 30d"
        )
    return Period(min(first_ms), max(last_ms))


def write(path: Path, page: str) -> None:
    """Write the page over what is there, whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"--out {path}: cannot be written ({error.strerror}); name another file"
        ) from None
