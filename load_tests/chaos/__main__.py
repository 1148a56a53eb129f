"""`make chaos`: proves the promises of DESIGN §3 on a real Kafka broker by breaking it.

    python -m load_tests.chaos [--events N] [--seed N] [--kills N] [--zombies N]
                               [--broker-restarts N] [--cuts N] [--kills-beforehand N]
                               [--client kafka-python|librdkafka]

Leaves with 1 if anything does not hold, with 2 if a broker or Toxiproxy cannot be had.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys

# Before numpy is imported anywhere: one thread, as the digests of a run and its replay need.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

from pathlib import Path  # noqa: E402  after the thread counts
from tempfile import mkdtemp  # noqa: E402
from typing import Final  # noqa: E402

from load_tests.chaos.run import Amounts, chaos  # noqa: E402
from load_tests.chaos.toxiproxy import NoToxiproxy, find_toxiproxy  # noqa: E402
from load_tests.report import say  # noqa: E402
from stream_cl.core.errors import UserError  # noqa: E402

CLIENTS: Final = ("kafka-python", "librdkafka")


def main() -> int:
    """Run as the command line says; the exit status."""
    amounts = _amounts()
    # So that everything that was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        proxy = find_toxiproxy() if amounts.cuts else None
        return _chaos(amounts, proxy)
    except (NoToxiproxy, UserError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _chaos(amounts: Amounts, proxy: Path | None) -> int:
    """In a folder that stays, to be looked into, if anything does not hold."""
    folder = Path(mkdtemp(prefix="stream-cl-chaos-"))
    broken = True
    try:
        broken = bool(chaos(amounts, folder, proxy))
    finally:
        if broken:
            say(f"the broker's data and the checkpoints are in {folder}")
        else:
            shutil.rmtree(folder)
    return int(broken)


def _amounts() -> Amounts:
    parser = argparse.ArgumentParser(prog="python -m load_tests.chaos", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    for name, value in Amounts()._asdict().items():
        choices = CLIENTS if name == "client" else None
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(value), default=value, choices=choices
        )
    return Amounts(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
