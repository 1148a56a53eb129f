"""`make bench-asking`: how well the pipeline asks, measured on this machine.

    make bench-asking ARGS=grid                the default way of asking against random
    make bench-asking ARGS="reach --seeds 3"   labels needed for random's accuracy at 10 %
    make bench-asking ARGS=single              both with one event a step, over arrays
    make bench-asking ARGS=strategies          every strategy against random
    make bench-asking ARGS=peer                scikit-activeml's strategies with the same learner
    make bench-asking ARGS=cost                the query's share of a step
    make bench-asking ARGS="spend intervals"   and conformal, crowd, cifar10n, novelty: what
                                               `make bench` has of asking; of the options they take
                                               --data-dir, and --seeds and --limit where it does

Runs are kept in a cache folder, var/asking unless told otherwise, under a key of code, config and
data: a benchmark that was stopped goes on where it was, and `--streams` runs it in pieces.
"""

from __future__ import annotations

import argparse
import os
import sys

# Before numpy is imported anywhere: one thread, so that one core is one core.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

from collections.abc import Callable  # noqa: E402  after the thread counts
from pathlib import Path  # noqa: E402
from typing import Final  # noqa: E402

from load_tests import (  # noqa: E402
    asking_cost,
    asking_grid,
    asking_peer,
    asking_single,
    asking_strategies,
    streams,
)
from load_tests.asking_grid import Wanted  # noqa: E402
from load_tests.bench import BENCHMARKS  # noqa: E402
from load_tests.report import MissingData, Options, machine, say  # noqa: E402
from stream_cl.core.errors import StreamClError  # noqa: E402

ROOT: Final = Path(__file__).resolve().parents[1]
OF_BENCH: Final = ("spend", "intervals", "conformal", "crowd", "cifar10n", "novelty")
"""What `make bench` has of asking."""


def _of_bench(name: str) -> Callable[[Wanted], None]:
    """One of `OF_BENCH`, with what it takes of the command line."""
    return lambda wanted: BENCHMARKS[name](
        Options(wanted.data_dir, wanted.seeds, wanted.limit, profile=False)
    )


PARTS: Final[dict[str, Callable[[Wanted], None]]] = {
    "grid": asking_grid.grid,
    "reach": asking_grid.reach,
    "single": asking_single.single,
    "strategies": asking_strategies.strategies,
    "peer": asking_peer.peer,
    "cost": asking_cost.cost,
    **{name: _of_bench(name) for name in OF_BENCH},
}


def main() -> None:
    """Run the parts that the command line names."""
    wanted, names = _arguments()
    say(machine())
    for name in names:
        say(f"\n== {name} ==")
        try:
            PARTS[name](wanted)
        except MissingData as missing:
            say(f"skipped: {missing}")
        except StreamClError as error:
            sys.exit(str(error))


def _arguments() -> tuple[Wanted, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m load_tests.asking", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="PART", help=", ".join(PARTS))
    beside = ROOT.parent / "shared" / "data"
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("STREAM_CL_DATA", beside)),
        help="folder of real streams (STREAM_CL_DATA, or ../shared/data beside the checkout)",
    )
    parser.add_argument("--cache", type=Path, default=ROOT / "var" / "asking", help="runs so far")
    parser.add_argument("--streams", default=",".join(streams.NAMES), help="some of them")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 to N-1")
    parser.add_argument("--jobs", type=int, help="processes; one a core without it")
    parser.add_argument("--limit", type=int, help="events at most of each stream")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets")
    parser.add_argument("--strategies", action="append", default=[], help="the default's without")
    parser.add_argument("--budgets", action="append", default=[], help="the default's without")
    parser.add_argument(
        "--page", type=Path, help="a page with markers to write into, as docs/asking.md"
    )
    given = parser.parse_args()
    names, wanted = given.names or list(PARTS), given.streams.split(",")
    unknown = [name for name in names if name not in PARTS]
    unknown += [name for name in wanted if name not in streams.NAMES]
    if unknown:
        known = f"{', '.join(PARTS)}; streams {', '.join(streams.NAMES)}"
        parser.error(f"{', '.join(unknown)}: there are {known}")
    if given.seeds < 2:
        parser.error("--seeds: an interval of the mean needs 2 at least")
    return (
        Wanted(
            given.data_dir, given.cache, tuple(wanted), given.seeds, given.jobs, given.limit,
            tuple(given.sets), tuple(given.strategies), tuple(given.budgets), given.page,
        ),
        names,
    )  # fmt: skip


if __name__ == "__main__":
    main()
