"""What the benchmarks share: options, the machine, one core, tables, targets."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


class MissingData(Exception):
    """The real stream that a benchmark runs over is not there; says where it was looked for."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    data_dir: folder of the real streams. seeds: runs of `accuracy`. limit: its events at
    most. profile: whether `step` prints where the time goes.
    """

    data_dir: Path
    seeds: int
    limit: int | None
    profile: bool


def say(text: str) -> None:
    """One line or more to stdout, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def machine() -> str:
    """What the figures were measured on, in one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "orjson"))
    return (
        f"{_cpu()}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}; Python {platform.python_version()}, {packages}, 1 thread"
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process on the last of its cores for a while; the first often has interrupts.

    Processes started meanwhile stay on it, too.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under their heads: the first to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[j]) for line in lines) for j in range(len(head))]
    for number, line in enumerate(lines):
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        say("  ".join(cells).rstrip())
        if number == 0:
            say("  ".join("-" * width for width in widths))


def target(what: str, figure: float, wanted: float, at_least: bool = True, unit: str = "") -> None:
    """One promised figure beside its target."""
    reached = figure >= wanted if at_least else figure <= wanted
    sign = "≥" if at_least else "≤"
    said = "reached" if reached else "missed"
    say(f"{said:7}  {what}: {_shown(figure)}{unit} (target {sign} {_shown(wanted)}{unit})")


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:,.2f}"
