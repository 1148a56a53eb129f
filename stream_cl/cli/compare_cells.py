"""The cells of a comparison: what is run, under which key it is kept, and the file of results.

A cell is one run of one strategy with one budget, rate and seed over one stream. Its key has a
digest of each thing that its figures depend on: the state's part of the config, the data, the
code and the versions of numeric libraries. So a comparison that was stopped goes on where it was,
and what was run with other settings, data or code is run anew. The file has one JSON object a
line, each written at once; a line that a stop cut short counts as not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import blake2b, sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from stream_cl.core.errors import StreamClError

if TYPE_CHECKING:
    from stream_cl.config import Config

FORMAT: Final = 1
RESULTS: Final = "cells.jsonl"
_LIBRARIES: Final = ("numpy", "numba", "scipy", "torch", "river")
_NOT_ENTERED: Final = {"api", "checkpoint", "cli", "observe", "serve", "testing", "transport"}
"""Parts of the package that a run without a log does not enter."""
_ENTERED: Final = {"cli/evaluate.py", "cli/rows.py", "cli/compare_worker.py"}


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is told of a cell.

    config: a YAML file; sets: what is laid over it. files: of the stream, one after the other.
    limit: events at most. id_column: a column that is no feature.
    """

    key: str
    config: str | None
    sets: tuple[str, ...]
    files: tuple[str, ...]
    limit: int | None = None
    id_column: str | None = None

    def written(self) -> bytes:
        """The job as one line of JSON."""
        return orjson.dumps(asdict(self)) + b"\n"


@dataclass(frozen=True, slots=True)
class Cell:
    """A job, and how the table names it. `rate` is None where the budget has no fraction."""

    stream: str
    strategy: str
    budget: str
    rate: float | None
    seed: int
    job: Job

    def named(self) -> dict[str, Any]:
        """What stands in the file beside the figures, for people."""
        names = ("stream", "strategy", "budget", "rate", "seed")
        return {name: getattr(self, name) for name in names}


def config_digest(config: Config) -> str:
    """Of everything in the config that the figures depend on."""
    from stream_cl.config import state_keys

    labels = config.labels
    simulated = [labels.delay, labels.annotators, labels.error_rate]
    return _digest({**state_keys(config), "simulated": simulated})


def key(config: Config, data: str, code: str) -> str:
    """The key of a cell: digests of the config, the data and the code.

    Args:
        config: with the cell's seed, strategy, budget and rate.
        data: digest of the stream.
        code: `code_digest`.
    """
    return "-".join([config_digest(config), _digest([FORMAT, data]), code])


def _digest(plain: Any) -> str:
    written = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    return blake2b(written, digest_size=16).hexdigest()


def data_digest(files: Iterable[Path], limit: int | None, id_column: str | None) -> str:
    """Of the bytes of the files of a stream, and of what is taken of them."""
    found = sha256(orjson.dumps([limit, id_column]))
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
        found.update(b"|")
    return found.hexdigest()


def code_digest() -> str:
    """Of the code that a cell runs through, and of the versions of numeric libraries."""
    root = Path(__file__).resolve().parents[1]
    found = blake2b(digest_size=16)
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        part = name.split("/")[0].removesuffix(".py").split("_")[0]
        if name in _ENTERED or part not in _NOT_ENTERED:
            found.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    found.update(_libraries())
    return found.hexdigest()


@cache
def _libraries() -> bytes:
    return " ".join(f"{name} {version(name)}" for name in _LIBRARIES).encode()


class Results:
    """The file of results in a folder, which is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / RESULTS

    def read(self) -> dict[str, dict[str, Any]]:
        """key → figures; the last line of a key counts."""
        found = {}
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        for line in lines:
            try:
                one = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # empty, or cut short when the program was stopped
            if isinstance(one, dict) and isinstance(one.get("figures"), dict) and "key" in one:
                found[one["key"]] = one["figures"]
        return found

    def append(self, cell: Cell, figures: dict[str, Any]) -> None:
        """Add the figures of a cell: on disk when this returns, whole or not at all.

        Raises:
            StreamClError: nothing can be written there.
        """
        line = orjson.dumps({"key": cell.job.key, **cell.named(), "figures": figures})
        try:
            opened = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                # The newline before ends a line that an earlier stop may have cut short.
                os.write(opened, b"\n" + line + b"\n")
                os.fsync(opened)
            finally:
                os.close(opened)
        except OSError as error:
            raise StreamClError(f"{self.path}: cannot be written ({error.strerror})") from None
