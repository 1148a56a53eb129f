"""`stream-cl schema`: the JSON Schema of a config, for editors."""

from __future__ import annotations

from stream_cl.cli.common import Sets, emit


def command(sets: Sets = None) -> None:
    """Print the JSON Schema of a config; with --set, the defaults in it are those values."""
    import orjson

    from stream_cl.config.file import load
    from stream_cl.config.template import json_schema

    document = json_schema(load(None, sets or [], {}))
    emit(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
