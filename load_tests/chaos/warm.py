"""Imported once by the process that lives are forked from: all that one will need.

A life that is to be killed is over sooner than Python has imported its libraries.
"""

from __future__ import annotations

from load_tests.chaos import victim as _victim  # noqa: F401  the program of a life
from stream_cl import build
from stream_cl.checkpoint import folder as _folder  # noqa: F401  imported late by build
from stream_cl.config import Config
from stream_cl.core.topics import NAMES, Topics
from stream_cl.pipeline import machine as _machine  # noqa: F401  the same
from stream_cl.transport import kafka as _kafka  # noqa: F401  the same
from stream_cl.transport import kafka_python as _kafka_python  # noqa: F401  the same

_config = Config.model_validate({"encoder": {"kind": "columns", "columns": ["x"]}})
build.fresh_state(_config)
build.plan(_config, Topics(), dict.fromkeys(NAMES, 1), lambda topic, key: 0)
