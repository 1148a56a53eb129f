"""Worker processes, and results as they come.

Each worker is a process with one thread for numbers, so that as many of them as there are cores
do not stand in each other's way, and has a pipe to its stdin: it leaves when that ends, whatever
became of us.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Final

import orjson

from stream_cl.cli.common import progress, say
from stream_cl.cli.compare_cells import Cell, Results
from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import StreamClError, UserError

PROGRAM: Final = (sys.executable, "-m", "stream_cl.cli.compare_worker")
_ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    # River's trees iterate over sets.
    "PYTHONHASHSEED": "0",
}
_TELL_S: Final = 30.0
Answer = tuple[Cell, dict[str, Any]]


def run(
    cells: Sequence[Cell],
    results: Results,
    jobs: int | None = None,
    program: Sequence[str] = PROGRAM,
) -> list[Answer]:
    """The figures of every cell, in the order of the cells; what is in the file is not run.

    Args:
        cells: what is wanted.
        results: the file.
        jobs: processes; as many as there are cores without it.
        program: the worker.

    Raises:
        UserError, StreamClError: as `run_all`.
    """
    known = results.read()
    missing = {cell.job.key: cell for cell in cells if cell.job.key not in known}
    count = min(jobs or len(os.sched_getaffinity(0)), len(missing))
    before = len(cells) - len(missing)
    say(f"{len(cells)} runs, {before} of them done before, {count} at a time")
    with _told(len(cells)) as advance:
        done = run_all(list(missing.values()), results, count, program)
        for number, (cell, figures) in enumerate(done, start=before + 1):
            known[cell.job.key] = figures
            advance(number)
    return [(cell, known[cell.job.key]) for cell in cells]


@contextmanager
def _told(total: int) -> Iterator[Callable[[int], None]]:
    """A moving line on a terminal; a line now and then where stderr is a file."""
    clock = SystemClock()
    told_s = clock.monotonic_s()
    with progress("runs", total) as advance:

        def tell(done: int) -> None:
            nonlocal told_s
            advance(done)
            now_s = clock.monotonic_s()
            if not sys.stderr.isatty() and now_s - told_s >= _TELL_S:
                told_s = now_s
                say(f"{done} of {total} runs")

        yield tell


def run_all(
    cells: Sequence[Cell], results: Results, jobs: int, program: Sequence[str] = PROGRAM
) -> Iterator[Answer]:
    """Run every cell; each is in the file of results before it is handed out.

    Args:
        cells: in the order in which they begin; those of one stream should stand together.
        results: where they are kept.
        jobs: processes at most.
        program: the worker.

    Raises:
        UserError: a cell cannot be run as it was asked for.
        StreamClError: a cell failed, or a worker was ended. What was done is kept.
    """
    waiting, found = deque(cells), SimpleQueue[Answer]()
    workers = [_start(program) for _ in range(min(jobs, len(cells)))]
    try:
        for worker in workers:
            threading.Thread(target=_feed, args=(worker, waiting, found), daemon=True).start()
        for _ in cells:
            cell, answer = found.get()
            if "error" in answer:
                raise _error(cell, answer)
            results.append(cell, answer["figures"])
            yield cell, answer["figures"]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _start(program: Sequence[str]) -> subprocess.Popen[bytes]:
    from stream_cl.config import environment

    return subprocess.Popen(
        program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**environment(), **_ONE_THREAD},
        # A Ctrl-C in the terminal reaches us alone, and we end them.
        start_new_session=True,
    )


def _feed(
    worker: subprocess.Popen[bytes], waiting: deque[Cell], found: SimpleQueue[Answer]
) -> None:
    assert worker.stdin
    assert worker.stdout
    while True:
        try:
            cell = waiting.popleft()
        except IndexError:
            return
        try:
            worker.stdin.write(cell.job.written())
            worker.stdin.flush()
            line = worker.stdout.readline()
        except OSError:
            line = b""
        if not line:
            found.put((cell, {"error": f"its process ended with {worker.wait()}"}))
            return
        found.put((cell, orjson.loads(line)))


def _error(cell: Cell, answer: dict[str, Any]) -> StreamClError:
    what = answer["error"]
    if answer.get("user"):
        return UserError(what)
    named = ", ".join(f"{name} {value}" for name, value in cell.named().items())
    return StreamClError(f"{named}: {what}\nwhat was done before is kept; run it again to go on")
