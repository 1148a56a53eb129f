"""`stream-cl inspect`: what state a pipeline is in, without touching it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_cl.cli.common import ConfigPath, Sets, emit, read_config

if TYPE_CHECKING:
    from stream_cl.config import Config


def command(
    config: ConfigPath,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    sets: Sets = None,
) -> None:
    """Step, incarnation, digest, positions, lag and how full every store is.

    The state is rebuilt from the newest checkpoint and the manifest; a running pipeline
    is not disturbed.
    """
    import orjson

    found = inspect(read_config(config, sets))
    if as_json:
        emit(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    for name, value in found.items():
        if isinstance(value, dict):
            emit(f"{name}:")
            for inner, number in value.items():
                emit(f"  {inner}: {number}")
        else:
            emit(f"{name}: {value}")


def inspect(config: Config) -> dict[str, Any]:
    """What `inspect` prints."""
    from stream_cl import build
    from stream_cl.core.clock import SystemClock

    clock = SystemClock()
    log = build.open_transport(config, clock)
    try:
        pipeline = build.pipeline(config, log, clock)
        story = pipeline.look()
        state = pipeline.state
        stores = {
            "pending": (len(state.join.pending), config.labels.pending_capacity),
            "early_labels": (len(state.join.early), config.labels.early_capacity),
            "closed_questions": (len(state.join.closed), config.labels.closed_window),
            "duplicate_window": (len(state.window), config.dedupe.window_events),
            "held_out": (len(state.held_out), config.labels.held_out_capacity),
            "classes": (len(state.join.classes), config.learner.max_classes),
            "memory": (0, config.memory.capacity),
        }
        return {
            "step": state.step,
            "incarnation": story.incarnation,
            "digest": str(state.fingerprint()),
            "time_ms": state.time_ms,
            "positions": {f"{t}[{p}]": o for (t, p), o in sorted(state.positions.items())},
            "lag": pipeline.lag(),
            "checkpoint_step": story.base.step if story.base else None,
            "stores": {name: {"fill": n, "capacity": most} for name, (n, most) in stores.items()},
            "classes": list(state.join.classes.names),
            "counts": dict(sorted(state.counts.items())),
            "accuracy": {
                name: None if estimate is None else estimate._asdict()
                for name, estimate in state.accuracy.figures(state.events).items()
            },
        }
    finally:
        log.close()
