"""`stream-cl compare`: ways of asking over recorded streams, beside asking at random.

Strategies × budgets × rates × seeds, each a run of `stream-cl evaluate`, in parallel processes.
The folder keeps every finished run: a comparison that was stopped goes on where it was, and one
that is asked for again with one more strategy runs that one alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream_cl.cli.common import Sets, emit, say
from stream_cl.core.errors import UserError

if TYPE_CHECKING:
    from stream_cl.cli.compare_cells import Cell

TABLE: Final = "table.md"
VALUES: Final = "table.csv"
PICTURE: Final = "picture.svg"


def command(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file; defaults without it.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="FILE[,FILE]",
            help="CSV with a column `label`; several, one after the other, are one stream. May be "
            "repeated.",
        ),
    ] = None,
    strategies: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:KEY=VALUE],…",
            help="Query strategies; the config's without it. `random` is always run.",
        ),
    ] = None,
    budgets: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND[:KEY=VALUE],…", help="Budgets; the config's without it."),
    ] = None,
    rates: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE,…", help="Values of `budget.fraction`; the budgets' own without it."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Runs, seeds 0 … N−1.")] = 5,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where results are kept.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes; one a core without it.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Events at most.")] = None,
    id_column: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", help="A column of ids, which is no feature."),
    ] = None,
    sets: Sets = None,
) -> None:
    """Compare ways of asking over recorded streams; answers come from the files.

    A strategy or budget is a kind with settings, as uncertainty:measure=entropy, or YAML in
    braces. The folder gets cells.jsonl with every run, table.md, table.csv and picture.svg.
    Accuracies are means over the seeds with 95 % t intervals; differences to `random` are paired
    by seed at the same budget and rate, and their p are adjusted after Holm.
    """
    from stream_cl.cli import compare_plan
    from stream_cl.cli.compare_cells import Results
    from stream_cl.cli.compare_pool import run

    if not data:
        raise UserError("--data: name a CSV file with a column `label`")
    if out is None:
        raise UserError("--out: name a folder; finished runs are kept there")
    wanted = compare_plan.rates(rates)
    ways = compare_plan.ways(config, sets or [], strategies or [], budgets or [], wanted)
    streams = [compare_plan.stream(text, limit, id_column) for text in data]
    cells = compare_plan.cells(config, streams, ways, seeds)
    found = run(cells, Results(_folder(out)), jobs)
    emit(write(found, out).rstrip("\n"))
    say(f"{out}: {TABLE}, {VALUES}, {PICTURE}")


def _folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: is no folder ({error.strerror}); name another") from None
    return out


def write(found: Sequence[tuple[Cell, dict[str, Any]]], out: Path) -> str:
    """Write table and picture into a folder; returns the table."""
    from stream_cl.cli.compare_picture import picture
    from stream_cl.cli.compare_table import comma_separated, lines, markdown

    made = lines(found)
    table = markdown(made)
    for name, text in (
        (TABLE, table),
        (VALUES, comma_separated(made)),
        (PICTURE, picture(made, found)),
    ):
        # Whoever looks while it is written sees the old one, whole.
        (out / f".{name}").write_text(text, encoding="utf-8")
        (out / f".{name}").replace(out / name)
    return table
