"""Our asking without the pipeline around it, to be compared with a library that has none: over
vectors that are encoded beforehand, by `stream_cl.pipeline.arrays`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from time import process_time
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from stream_cl import build
from stream_cl.cli.compare_cells import Job
from stream_cl.config import Config
from stream_cl.core.draws import Draws
from stream_cl.core.records import FloatMatrix, RawRecords
from stream_cl.pipeline.arrays import Course
from stream_cl.pipeline.offline import Row

_CHUNK: Final = 1000


def encoded(config: Config, rows: Iterable[Row]) -> tuple[FloatMatrix, npt.NDArray[np.int64]]:
    """The stream as our pipeline's learner sees it: `x float32 [n, d]`, classes `y [n]`."""
    encoder, decoder = build.encoder(config.encoder), build.decoder(config.format, config.folder)
    parts, labels, names = [], [], dict[str | None, int]()
    given = iter(rows)
    while part := list(islice(given, _CHUNK)):
        start = len(labels)
        values: list[bytes | None] = []
        for i, row in enumerate(part, start=start):
            kind = "features" if isinstance(row.features, dict) else "vector"
            values.append(orjson.dumps({"id": str(i), "time": i, kind: row.features}))
            labels.append(names.setdefault(row.label, len(names)))
        n = len(part)
        raw = RawRecords("events", [0] * n, list(range(n)), [None] * n, values, [()] * n)
        events, _ = decoder.events(raw)
        found = encoder.encode(events)
        encoder.commit(found)
        assert len(found.x) == n
        parts.append(found.x)
    return np.concatenate(parts), np.array(labels, dtype=np.int64)


Words = npt.NDArray[np.uint64]

_last: dict[Any, tuple[FloatMatrix, npt.NDArray[np.int64]]] = {}
"""The stream that was encoded last, by what it was encoded from."""


def encoded_once(
    job: Job, config: Config, rows: Iterable[Row]
) -> tuple[FloatMatrix, npt.NDArray[np.int64]]:
    """`encoded`, unless the job before was of the same events and encoder."""
    made_of = (job.files, job.limit, config.encoder.model_dump_json())
    if made_of not in _last:
        _last.clear()
        _last[made_of] = encoded(config, rows)
    return _last[made_of]


class Asked(NamedTuple):
    """What came of a stream: the share predicted right, labels asked for, and CPU time."""

    accuracy: float
    labels: int
    cpu_s: float


def ask(
    config: Config, x: FloatMatrix, y: npt.NDArray[np.int64], words: Words | None = None
) -> Asked:
    """Go through encoded events `x [n, d]` of classes `y [n]`, in steps of `step.max_events`.

    words: what is drawn for each event, `words_of` for the draws of a pipeline; any others without.
    """
    go_through(config, x[:1000], y[:1000], None if words is None else words[:1000])  # compiles
    began = process_time()
    course = go_through(config, x, y, words)
    cpu_s = process_time() - began
    return Asked(float((course.predicted == y).mean()), int(course.asked.sum()), cpu_s)


def words_of(config: Config, n: int) -> Words:
    """What a pipeline that replays n recorded events draws for them, whose ids are numbers."""
    return Draws(config.seed).words(map(str, range(n)))


def go_through(
    config: Config, x: FloatMatrix, y: npt.NDArray[np.int64], words: Words | None
) -> Course:
    """As `ask`, event by event: which classes were predicted and which events were asked for."""
    if words is None:
        generator = np.random.default_rng(config.seed)
        words = generator.integers(2**64, size=(len(x), 3), dtype=np.uint64)
    return build.array_steps(config, x.shape[1], config.step.max_events).run(x, y, words)
