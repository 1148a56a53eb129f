"""What the program says on stderr: one line per happening, as text or as JSON."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog

Level = Literal["debug", "info", "warning", "error"]


def configure(level: Level, form: Literal["text", "json"]) -> None:
    """Set up every logger of this process."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def logger(**fields: Any) -> Any:
    """A logger whose lines carry `fields`."""
    return structlog.get_logger().bind(**fields)


def bind(**fields: Any) -> None:
    """From now on every line of this process carries `fields`."""
    structlog.contextvars.bind_contextvars(**fields)
