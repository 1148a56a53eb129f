"""The recorded streams that asking is measured on, by name.

Most are CSV files as `stream-cl evaluate` takes them. nsl_kdd is its training part and then its
test part, in which classes come that were never seen. airlines is its first 100,000 rows. mnist is
made a stream by a permutation that is always the same: all 70,000 images, the 60,000 of the
training part and the 10,000 of the test part mixed, as vectors of 784 numbers from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from load_tests.report import MissingData
from stream_cl.cli.compare_cells import data_digest
from stream_cl.cli.compare_plan import Stream
from stream_cl.cli.evaluate import recorded
from stream_cl.pipeline.offline import Row

FILES: Final[dict[str, tuple[str, ...]]] = {
    "elec2": ("elec2.csv.gz",),
    "insects": ("insects_gradual_balanced.csv.gz",),
    "covertype": ("covertype_first100k.csv.gz",),
    "airlines": ("airlines_chrono.csv.gz",),
    "nsl_kdd": ("nsl_kdd_train20.csv.gz", "nsl_kdd_test.csv.gz"),
    "mnist": ("mnist.npz",),
}
NAMES: Final = tuple(FILES)
_LIMITS: Final = {"airlines": 100_000}
_SETS: Final[dict[str, tuple[str, ...]]] = {
    "mnist": ("encoder={kind: vector, width: 784}",),
    # Numbers in the file, and codes all the same: some 610 keys, so that the default width would
    # give one number to many airports.
    "airlines": (
        "encoder.categories=[airline, airport_from, airport_to, day_of_week]",
        "encoder.width=1024",
    ),
    # Its sizes, durations and counts; the other numbers are shares and flags. What any of them
    # means depends on the protocol, and on the service how a connection ends.
    "nsl_kdd": (
        'encoder.interactions=[[protocol_type, "*"], [service, flag]]',
        "encoder.width=768",
        "encoder.logarithmic=[duration, src_bytes, dst_bytes, wrong_fragment, urgent, hot,"
        " num_failed_logins, num_compromised, su_attempted, num_root, num_file_creations,"
        " num_shells, num_access_files, num_outbound_cmds, count, srv_count, dst_host_count,"
        " dst_host_srv_count]",
    ),
}
_CHOSEN: Final[dict[str, tuple[str, ...]]] = {
    "airlines": ("learner.epsilon=3", "learner.learning_rate_fast=0.5", "learner.forget_fast=1"),
}


def sets(name: str) -> tuple[str, ...]:
    """What a stream needs of the config, as `--set` takes it."""
    return _SETS.get(name, ())


def chosen(name: str) -> tuple[str, ...]:
    """Settings of the learner that were chosen on other events of the stream (decision 0030), as
    `--set` takes them; nothing for a stream that has no others."""
    return _CHOSEN.get(name, ())


def stream(name: str, folder: Path, limit: int | None = None) -> Stream:
    """A stream by name.

    Args:
        name: one of `NAMES`.
        folder: where the files are.
        limit: events at most.

    Raises:
        MissingData: a file is not there.
    """
    files = [folder / file for file in FILES[name]]
    for path in files:
        if not path.exists():
            raise MissingData(f"there is no {path}; set STREAM_CL_DATA or --data-dir")
    most = min(filter(None, (limit, _LIMITS.get(name))), default=None)
    return Stream(name, tuple(map(str, files)), data_digest(files, most, None), most)


def rows(files: Iterable[str], limit: int | None = None) -> Iterable[Row]:
    """The rows of a stream's files, to be gone through any number of times."""
    paths = [Path(file) for file in files]
    if paths[0].suffix == ".npz":
        return Images(paths[0], limit)
    return list(islice((row for path in paths for row in recorded(path)), limit))


class Images:
    """MNIST in its mixed order; rows are made when they are gone through."""

    def __init__(self, path: Path, limit: int | None) -> None:
        with np.load(path) as data:
            x = np.concatenate([data["X_train"], data["X_test"]]).reshape(-1, 784)
            y = np.concatenate([data["y_train"], data["y_test"]])
        order = np.random.default_rng(0).permutation(len(y))[:limit]
        self._x, self._y = x[order], y[order]

    def __len__(self) -> int:
        return len(self._y)

    def __iter__(self) -> Iterator[Row]:
        grey: Any = [round(value / 255, 4) for value in range(256)]
        for image, digit in zip(self._x, self._y.tolist(), strict=True):
            yield Row([grey[value] for value in image.tolist()], str(digit))
