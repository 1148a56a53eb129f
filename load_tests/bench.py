"""`make bench`: the speed and the accuracy that are promised, measured on this machine.

    python -m load_tests.bench                 all benchmarks
    python -m load_tests.bench step sqlite     some of them

Each prints a table, the machine, its settings, and every promised figure with its target and
`reached` or `missed`. A missed figure does not fail the run: a benchmark measures, and a
shared machine has bad minutes.
"""

from __future__ import annotations

import argparse
import os

# Before numpy is imported anywhere: one thread, so that one core is one core.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

from collections.abc import Callable  # noqa: E402  after the thread counts
from pathlib import Path  # noqa: E402
from typing import Final  # noqa: E402

from load_tests import (  # noqa: E402
    accuracy,
    conformal,
    console,
    crowd,
    intervals,
    novelty,
    scrape,
    spend,
    sqlite,
    startup,
    step,
)
from load_tests.report import MissingData, Options, machine, say  # noqa: E402


def _replay_mlp(options: Options) -> None:
    # torch takes seconds to import, and the other benchmarks do without it.
    from load_tests import replay_mlp

    replay_mlp.main(["--data-dir", str(options.data_dir)])


def _kafka(options: Options) -> None:
    # The others do without a Kafka client, too.
    from load_tests import kafka

    kafka.run(options)


def _latency(options: Options) -> None:
    from load_tests import kafka_latency

    kafka_latency.run(options)


def _cifar10n(options: Options) -> None:
    # The only one that learns with torch besides replay_mlp.
    from load_tests import cifar10n

    cifar10n.run(options)


BENCHMARKS: Final[dict[str, Callable[[Options], None]]] = {
    "startup": startup.run,
    "step": step.run,
    "sqlite": sqlite.run,
    "scrape": scrape.run,
    "console": console.run,
    "accuracy": accuracy.run,
    "intervals": intervals.run,
    "conformal": conformal.run,
    "crowd": crowd.run,
    "cifar10n": _cifar10n,
    "spend": spend.run,
    "novelty": novelty.run,
    "replay_mlp": _replay_mlp,
    "kafka": _kafka,
    "latency": _latency,
}


def main() -> None:
    """Run the benchmarks that the command line names."""
    options, names = _arguments()
    say(machine())
    for name in names:
        say(f"\n== {name} ==")
        try:
            BENCHMARKS[name](options)
        except MissingData as missing:
            say(f"skipped: {missing}")


def _arguments() -> tuple[Options, list[str]]:
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(prog="python -m load_tests.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("STREAM_CL_DATA", beside)),
        help="folder of real streams (STREAM_CL_DATA, or ../shared/data beside the checkout)",
    )
    parser.add_argument("--seeds", type=int, default=5, help="accuracy: seeds 0 to N-1")
    parser.add_argument("--limit", type=int, help="accuracy: events at most")
    parser.add_argument("--profile", action="store_true", help="step: where the time goes")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: there are {', '.join(BENCHMARKS)}")
    if given.seeds < 2:
        parser.error("--seeds: an interval of the mean needs 2 at least")
    options = Options(given.data_dir, given.seeds, given.limit, given.profile)
    return options, given.names or list(BENCHMARKS)


if __name__ == "__main__":
    main()
