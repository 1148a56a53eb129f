"""stream_cl: online learning on live streams, with few labels and no restarts.

    >>> import stream_cl
    >>> pipeline = stream_cl.Pipeline(learner={"kind": "softmax"}, seed=0)
    >>> [prediction.asked for prediction in pipeline.feed([{"x": 1.0}, {"x": 2.0}])]
    [True, True]

What stands in `__all__` is the interface for programs and notebooks, see `stream_cl.api`. It
is imported when it is first used: `import stream_cl` itself takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stream_cl.api import Pipeline
    from stream_cl.api_arrays import Simulation, simulate
    from stream_cl.api_log import Log, connect
    from stream_cl.api_records import LabelRequest, Prediction
    from stream_cl.core.errors import ConfigError, StreamClError, UserError
    from stream_cl.core.records import DeadLetter
    from stream_cl.evaluation.intervals import Estimate

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "DeadLetter",
    "Estimate",
    "LabelRequest",
    "Log",
    "Pipeline",
    "Prediction",
    "Simulation",
    "StreamClError",
    "UserError",
    "__version__",
    "connect",
    "simulate",
]

_HOME = {
    "ConfigError": "stream_cl.core.errors",
    "DeadLetter": "stream_cl.core.records",
    "Estimate": "stream_cl.evaluation.intervals",
    "LabelRequest": "stream_cl.api_records",
    "Log": "stream_cl.api_log",
    "Pipeline": "stream_cl.api",
    "Prediction": "stream_cl.api_records",
    "Simulation": "stream_cl.api_arrays",
    "StreamClError": "stream_cl.core.errors",
    "UserError": "stream_cl.core.errors",
    "connect": "stream_cl.api_log",
    "simulate": "stream_cl.api_arrays",
}


def __getattr__(name: str) -> Any:
    # numpy and pydantic take longer to import than `stream-cl --help` may take to answer.
    if name not in _HOME:
        raise AttributeError(f"module 'stream_cl' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
