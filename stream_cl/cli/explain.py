"""`stream-cl explain`: everything that the log knows about one event, in the order it happened."""

from __future__ import annotations

from typing import Annotated

import typer

from stream_cl.cli.common import ConfigPath, Sets, emit, read_config
from stream_cl.core.errors import UserError


def command(
    config: ConfigPath,
    event_id: Annotated[str, typer.Argument(metavar="EVENT-ID", help="The event's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    sets: Sets = None,
) -> None:
    """Follow an event: its features, prediction, request, labels, and what became of them."""
    import orjson

    loaded = read_config(config, sets)
    from stream_cl.build import open_transport
    from stream_cl.core.clock import SystemClock
    from stream_cl.core.topics import Topics
    from stream_cl.pipeline.explain import TOPICS, explain, told

    log = open_transport(loaded, SystemClock(), create=False)
    try:
        found = explain(log, Topics(loaded.topics.prefix), event_id)
    finally:
        log.close()
    if not any(found[topic] for topic in TOPICS):
        raise UserError(f"{event_id}: no topic of {loaded.log_name} has a record of this id")
    if as_json:
        emit(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    for line in told(found):
        emit(line)
