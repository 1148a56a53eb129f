"""A process that runs cells of a comparison: jobs on stdin, results on stdout, a line each.

It leaves when its stdin ends, in the middle of a cell too: whoever wanted the result is gone.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from stream_cl.cli.compare_cells import Job, code_digest, config_digest
from stream_cl.core.errors import StreamClError, UserError

if TYPE_CHECKING:
    from stream_cl.config import Config
    from stream_cl.pipeline.offline import Outcome, Row

CURVE_POINTS: Final = 50

AnyJob = TypeVar("AnyJob", bound=Job)


def main(
    kind: type[AnyJob],
    load: Callable[[AnyJob], Iterable[Row]],
    run: Callable[[AnyJob, Iterable[Row]], dict[str, Any]],
) -> None:
    """Answer jobs until stdin ends.

    Args:
        kind: what a line of stdin is read as.
        load: reads the stream of a job; called again only where the next job has another.
        run: the figures of a job over that stream.
    """
    jobs: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    # What libraries print must not stand among the results.
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    kept: tuple[Any, Iterable[Row]] = (None, [])
    while True:
        job = _job(jobs.get(), kind)
        try:
            wanted = (job.files, job.limit, job.id_column)
            if kept[0] != wanted:
                kept = (wanted, load(job))
            answer = orjson.dumps({"key": job.key, "figures": run(job, kept[1])})
        except StreamClError as error:
            answer = _failed(job, str(error), isinstance(error, UserError))
        except Exception:
            answer = _failed(job, traceback.format_exc())
        try:
            results.write(answer + b"\n")
            results.flush()
        except BrokenPipeError:
            os._exit(0)


def _failed(job: Job, error: str, user: bool = False) -> bytes:
    return orjson.dumps({"key": job.key, "error": error, "user": user})


def _listen(jobs: SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        jobs.put(line)
    os._exit(0)


def _job(line: bytes, kind: type[AnyJob]) -> AnyJob:
    given = orjson.loads(line)
    for name in ("sets", "files"):
        given[name] = tuple(given[name])
    return kind(**given)


def recorded_rows(job: Job) -> list[Row]:
    """The rows of a job's CSV files, one file after the other."""
    from itertools import islice

    from stream_cl.cli.evaluate import recorded

    every = (row for file in job.files for row in recorded(Path(file), None, job.id_column))
    return list(islice(every, job.limit))


def run_job(job: Job, rows: Iterable[Row]) -> dict[str, Any]:
    """The figures of one cell.

    Raises:
        UserError: the config or the code is no longer what the key was made of.
    """
    from stream_cl.cli.evaluate import figures, run_once

    config = checked_config(job)
    outcome, live = run_once(config, rows)
    return {**figures(outcome, live), "curve": curve(outcome)}


def checked_config(job: Job) -> Config:
    """The config of a job.

    Raises:
        UserError: it or the code is no longer what the key was made of.
    """
    from stream_cl.config import environment
    from stream_cl.config.file import load

    config = load(Path(job.config) if job.config else None, job.sets, environment())
    code, made_of = code_digest(), job.key.split("-")
    if made_of[0] != config_digest(config):
        raise UserError(f"{job.config}: has changed meanwhile; start again")
    if made_of[2] != code:
        raise UserError("the code of stream_cl has changed meanwhile; start again")
    return config


def curve(outcome: Outcome, points: int = CURVE_POINTS) -> list[Sequence[float]]:
    """(events, labels asked for, accuracy) since the start, at most `points` times."""
    import numpy as np

    judged = np.array([truth is not None for truth in outcome.truth])
    pairs = zip(outcome.truth, outcome.predicted, strict=True)
    right = np.array([truth is not None and truth == predicted for truth, predicted in pairs])
    right, judged = np.cumsum(right), np.cumsum(judged)
    ends = np.unique(np.linspace(0, len(judged), points + 1).astype(int)[1:])
    return [
        (end, outcome.spent[end - 1], round(float(right[end - 1] / max(1, judged[end - 1])), 5))
        for end in ends.tolist()
        if end
    ]


if __name__ == "__main__":
    main(Job, recorded_rows, run_job)
