"""`stream-cl inspect`: what state a pipeline is in, without touching it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_cl.cli.common import ConfigPath, Sets, emit, read_config
from stream_cl.cli.run import fix_hash_seed
from stream_cl.core.errors import UserError
from stream_cl.core.topics import NAMES, Topics

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

    loaded = read_config(config, sets)
    fix_hash_seed(loaded)
    found = inspect(loaded)
    if as_json:
        emit(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    for name, value in found.items():
        if isinstance(value, dict):
            emit(f"{name}:")
            for inner, number in value.items():
                emit(f"  {inner}: {_shown(number)}")
        else:
            emit(f"{name}: {value}")


def _shown(value: Any) -> Any:
    """Figures to four digits, as people read them; `--json` has them all."""
    if isinstance(value, dict):
        return {name: _shown(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def inspect(config: Config) -> dict[str, Any]:
    """What `inspect` prints.

    Raises:
        UserError: there is no log, or no pipeline has used these topics of it.
    """
    from stream_cl import build
    from stream_cl.core.clock import SystemClock
    from stream_cl.pipeline.details import details_of
    from stream_cl.pipeline.watch import figures_of, scores_of, stores_of

    clock = SystemClock()
    # Looking makes nothing: neither a log nor a topic.
    log = build.open_transport(config, clock, create=False)
    try:
        _check_topics(config, list(log.topics()))
        pipeline = build.pipeline(config, log, clock)
        story = pipeline.look()
        state = pipeline.state
        stores, every = stores_of(state), config.labels.join == "every"
        spending = state.budget.spending()
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
                for name, estimate in figures_of(state).items()
            },
            "scores": scores_of(state),
            "details": details_of(state),
            "spend": {
                "asked": state.counts.get("asked", 0),
                "answered": state.counts.get("answered", 0),
                "unanswered": state.counts.get("unanswered", 0),
                "target_share": None if every else spending.target,
                "refunded": spending.refunded,
                "paid": spending.paid,
            },
        }
    finally:
        log.close()


def _check_topics(config: Config, there: list[str]) -> None:
    named = Topics(config.topics.prefix)
    missing = [named.named(name) for name in NAMES if named.named(name) not in there]
    if missing:
        raise UserError(
            f"topics.prefix: {config.log_name} has no topic {missing[0]}; there are: "
            f"{', '.join(sorted(there)) or 'none'}"
        )
