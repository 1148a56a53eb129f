"""A worker of `load_tests.asking`: cells over the arrays of a stream, event for event as a pipeline
goes through it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from load_tests.asking_arrays import ask, encoded_once, words_of
from load_tests.asking_worker import load
from stream_cl.cli.compare_cells import Job
from stream_cl.cli.compare_worker import checked_config, main
from stream_cl.pipeline.offline import Row


def run(job: Job, rows: Iterable[Row]) -> dict[str, Any]:
    """The figures of one way with one seed."""
    config = checked_config(job)
    x, y = encoded_once(job, config, rows)
    asked = ask(config, x, y, words_of(config, len(y)))
    return {
        "events": len(y),
        "labels_asked": asked.labels,
        "accuracy": asked.accuracy,
        "cpu_s": asked.cpu_s,
    }


if __name__ == "__main__":
    main(Job, load, run)
