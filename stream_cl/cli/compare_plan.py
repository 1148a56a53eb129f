"""What a comparison runs: streams × strategies × budgets × rates × seeds, checked beforehand.

A mistake in any of them is told before the first run, and names the option that made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from stream_cl.cli.common import read_config
from stream_cl.cli.compare_cells import Cell, Job, code_digest, data_digest, key
from stream_cl.cli.compare_notation import as_set, section, split
from stream_cl.cli.compare_table import CONTROL
from stream_cl.cli.rows import read_rows
from stream_cl.core.errors import ConfigError, UserError

if TYPE_CHECKING:
    from stream_cl.config import Config


@dataclass(frozen=True, slots=True)
class Stream:
    """Files that follow each other, and the digest of what is taken of them."""

    name: str
    files: tuple[str, ...]
    digest: str
    limit: int | None = None
    id_column: str | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """A way of asking, and what makes it when it is laid over the config.

    rate: the fraction that it spends; None where its budget has none.
    """

    strategy: str
    budget: str
    rate: float | None
    sets: tuple[str, ...]


def stream(text: str, limit: int | None = None, id_column: str | None = None) -> Stream:
    """The stream that `--data` names.

    Raises:
        UserError: a file is missing, or has no column `label`.
    """
    files = [Path(text)] if Path(text).exists() else [Path(part) for part in text.split(",")]
    for path in files:
        # A file that cannot be read is told now, not after an hour of runs.
        list(islice(read_rows(path, id_column, need_label=True), 1))
    name = "+".join(path.name.split(".")[0] for path in files)
    digest = data_digest(files, limit, id_column)
    return Stream(name, tuple(map(str, files)), digest, limit, id_column)


def rates(text: str | None) -> list[float | None]:
    """The shares that `--rates` names; [None] without it.

    Raises:
        UserError: one of them is no share.
    """
    if text is None:
        return [None]
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < rate <= 1 for rate in found):
        raise UserError(f"--rates {text}: give shares above 0 and up to 1, as 0.01,0.05,0.1")
    return [*dict.fromkeys(found)]


def ways(
    config: Path | None,
    sets: Sequence[str],
    strategies: Sequence[str],
    budgets: Sequence[str],
    wanted: Sequence[float | None],
) -> list[Way]:
    """Every strategy with every budget and rate, and `random` with each of those.

    Raises:
        ConfigError: with the mistakes of the first of them that has one.
        UserError: the config asks for nothing, or no budget has a rate.
    """
    loaded = read_config(config, list(sets))
    if loaded.labels.join == "every":
        raise UserError("labels.join: `every` asks for nothing; leave it out to compare")
    asked = _named("query", "--strategies", strategies, loaded.query.kind)
    asked.pop(CONTROL, None)
    found = []
    for budget, spends in _named("budget", "--budgets", budgets, loaded.budget.kind).items():
        laid = [*sets, *spends]
        shared = _checked(config, laid, f"--budgets {budget}" if spends else "")
        own = getattr(shared.budget, "fraction", None)
        for rate in [None] if own is None else wanted:
            told = [] if rate is None else [f"budget.fraction={rate!r}"]
            for strategy, query in {CONTROL: [f"query={{kind: {CONTROL}}}"], **asked}.items():
                whole = (*laid, *told, *query)
                _checked(config, whole, f"--strategies {strategy}" if query else "")
                found.append(Way(strategy, budget, own if rate is None else rate, whole))
    if list(wanted) != [None] and all(way.rate is None for way in found):
        raise UserError("--rates: no budget here has a `fraction`; leave it out")
    return found


def _named(name: str, option: str, given: Sequence[str], default: str) -> dict[str, list[str]]:
    """Text of each → what to lay over the config; the config's own where none is given."""
    if not given:
        return {default: []}
    return {text: [as_set(name, section(option, text))] for text in split(given)}


def _checked(config: Path | None, sets: Sequence[str], place: str) -> Config:
    """The config, whose mistakes name the option that made them."""
    try:
        return read_config(config, list(sets))
    except ConfigError as error:
        if not place:
            raise
        told = [text.replace("--set:", f"{place}:", 1) for text in error.mistakes]
        raise ConfigError(told) from None


def cells(
    config: Path | None, streams: Sequence[Stream], found: Sequence[Way], seeds: int
) -> list[Cell]:
    """Every cell, those of a stream together."""
    code, place = code_digest(), str(config) if config else None
    made = []
    for one in streams:
        for way in found:
            for seed in range(seeds):
                sets = (*way.sets, f"seed={seed}")
                named = key(read_config(config, list(sets)), one.digest, code)
                job = Job(named, place, sets, one.files, one.limit, one.id_column)
                made.append(Cell(one.name, way.strategy, way.budget, way.rate, seed, job))
    return made
