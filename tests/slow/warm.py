"""Imported once by the process that `lives.Forked` forks from: all that a life will need."""

from __future__ import annotations

from stream_cl import build
from stream_cl.checkpoint import folder as _folder  # noqa: F401  imported late by build
from stream_cl.config import Config
from stream_cl.core.topics import NAMES, Topics
from stream_cl.pipeline import machine as _machine  # noqa: F401  the same
from stream_cl.pipeline import runner as _runner  # noqa: F401  the same
from stream_cl.transport import sqlite as _sqlite  # noqa: F401  the same
from tests.slow import victim as _victim  # noqa: F401  the program of a life

for _memory in ("reservoir", "class_balanced"):
    _config = Config.model_validate(
        {"learner": {"kind": "replay_mlp"}, "memory": {"kind": _memory}}
    )
    build.fresh_state(_config)
    build.plan(_config, Topics(), dict.fromkeys(NAMES, 1), lambda topic, key: 0)
