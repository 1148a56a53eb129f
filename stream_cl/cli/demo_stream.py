"""The stream that the demo shows: its rows, its truth and the two configs that it runs with."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import Final

from stream_cl.cli.rows import LABEL, Row, read_rows, value_of
from stream_cl.core.errors import Rejected, StreamClError, UserError

FASTEST_PER_S: Final = 2000
"""Events per second that the demo shows at most: more than a person can follow."""

CHOSEN: Final = "chosen"
RANDOM: Final = "random"
SIDES: Final = (CHOSEN, RANDOM)
"""The two pipelines: one chooses what it asks, one asks at random, all else being equal."""

CONFIG: Final = """\
# A config that `stream-cl demo` writes and runs with. Every other key has its default:
# `stream-cl init FILE` writes all of them down.
transport: sqlite:///{log}
query:
  kind: {query}
step:
  max_events: 256     # after an outage; otherwise a step takes what has arrived, and that is less
budget:
  fraction: 0.10      # of all events; the default is half of it, for streams that do not end
  cold_start: 20      # asked at once, so that a short stream is not over before it is learned
labels:
  ttl_s: 60           # the demo's annotator answers within seconds
checkpoint:
  path: {checkpoints}
  every_steps: 100    # often enough to have one before the pipeline is killed
log:
  format: json        # the demo reads from it what a recovery did
"""

_ROWS_FILE: Final = "stream.csv"
_FILES: Final = {
    CHOSEN: ("demo.yaml", {"log": "demo.db", "query": "uncertainty", "checkpoints": "checkpoints"}),
    RANDOM: (
        "random.yaml",
        {"log": "random.db", "query": "random", "checkpoints": "checkpoints-random"},
    ),
}


@dataclass(frozen=True, slots=True)
class Stream:
    """What is shown. `truth` has the label of every row, None where the file has none;
    `configs` has the config of each of `SIDES`."""

    name: str
    file: Path
    configs: Mapping[str, Path]
    rate: float
    truth: Sequence[str | None]
    cut: bool

    @property
    def seconds(self) -> float:
        """How long it takes at its rate."""
        return self.events / self.rate

    @property
    def events(self) -> int:
        """Rows that are produced."""
        return len(self.truth)


class Source:
    """Rows to show: of a file, or else of a stream that comes with river.

    Raises:
        UserError: the file is not there, is no CSV or has no column `label`.
        StreamClError: river has no such stream any more.
    """

    def __init__(self, data: Path | None) -> None:
        self.name = "Image segments (UCI Statlog; comes with river)" if data is None else str(data)
        self._data = data
        rows = _packaged() if data is None else read_rows(data, need_label=True)
        # The first row is read now, so that a file that is no stream is known at once.
        self._rows: Iterator[Row] = chain([next(rows)], rows)

    def write(self, folder: Path, seconds: float) -> Stream:
        """Copy as many rows as can be shown into `folder`, and the configs beside them.

        Raises:
            UserError: a row cannot be read, or no row has a label.
        """
        most = max(1, int(FASTEST_PER_S * seconds))
        file = folder / _ROWS_FILE
        truth: list[str | None] = []
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            for row in islice(self._rows, most):
                if not truth:
                    writer.writerow([*row.features, LABEL])
                truth.append(self._label(row))
                writer.writerow([*row.features.values(), row.label])
        if not any(truth):
            raise UserError(f"{self.name}: the column `label` is empty in all {len(truth)} rows")
        configs = {}
        for side, (name, values) in _FILES.items():
            configs[side] = folder / name
            configs[side].write_text(CONFIG.format(**values), encoding="utf-8")
        rate = len(truth) / seconds
        return Stream(self.name, file, configs, rate, truth, next(self._rows, None) is not None)

    def _label(self, row: Row) -> str | None:
        from stream_cl.decode.fields import label_text

        if row.label is None:
            return None
        try:
            return label_text(row.label)
        except Rejected as error:
            raise UserError(f"{self.name}:{row.line}: {error.reason}") from None


def _packaged() -> Iterator[Row]:
    """River's `datasets.ImageSegments`: 2,310 × 18 numbers, 7 classes, in no order of time.

    Read from the packaged file, since importing river takes seconds.
    """
    package = find_spec("river")
    folders = list(package.submodule_search_locations or []) if package else []
    try:
        with zipfile.ZipFile(Path(folders[0]) / "datasets" / "segment.csv.zip") as archive:
            (member,) = archive.namelist()
            reader = csv.reader(TextIOWrapper(archive.open(member), encoding="utf-8"))
            *names, _ = next(reader)
            for number, (*cells, label) in enumerate(reader):
                features = {name: value_of(cell) for name, cell in zip(names, cells, strict=True)}
                yield Row(number, reader.line_num, None, features, label)
    except (OSError, IndexError, ValueError, StopIteration, zipfile.BadZipFile) as error:
        raise StreamClError(
            f"the stream that should come with river cannot be read ({error}); name a CSV file "
            "with --data"
        ) from error
