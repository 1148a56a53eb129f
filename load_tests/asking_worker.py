"""A worker of `load_tests.asking`: cells through the whole pipeline."""

from __future__ import annotations

from collections.abc import Iterable

from load_tests import streams
from stream_cl.cli.compare_cells import Job
from stream_cl.cli.compare_worker import main, run_job
from stream_cl.pipeline.offline import Row


def load(job: Job) -> Iterable[Row]:
    """The rows of a job."""
    return streams.rows(job.files, job.limit)


if __name__ == "__main__":
    main(Job, load, run_job)
