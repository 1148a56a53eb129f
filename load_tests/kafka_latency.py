"""`latency`: from the moment an event is due to the moment its prediction can be read.

An open loop sends 1,000 events a second to one topic; in turn the pipeline (`stream-cl run`) and
a bare loop of the same client answer them, with transactions and without, each in a process of
its own beside the broker's. Round after round in one run, so that both see the same machine.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic_ns
from typing import Any, Final

import orjson
import yaml

from load_tests.kafka import started
from load_tests.report import Options, say, table, target
from load_tests.synthetic import config

RATE: Final = 1000
TARGET_RATIO: Final = 1.5
_SECONDS, _WARM_S = 15.0, 3.0
_ROUNDS: Final = 3
_READY_S: Final = 60
_CLIENTS: Final = ("kafka-python", "librdkafka")


def run(options: Options) -> None:
    """Print the table and the targets."""
    broker = started()
    try:
        say(
            f"{RATE:,} events/s by schedule, {_SECONDS - _WARM_S:.0f} s counted, {_ROUNDS} rounds"
            " in turn; medians over the rounds; milliseconds from due to readable (read_committed)"
        )
        rows, ratios = [], {}
        for client in _CLIENTS:
            for delivery in ("exactly_once", "at_least_once"):
                found = [
                    (
                        _measure(
                            broker.bootstrap, f"p{n}-{delivery}-", client, delivery, bare=False
                        ),
                        _measure(
                            broker.bootstrap, f"b{n}-{delivery}-", client, delivery, bare=True
                        ),
                    )
                    for n in range(_ROUNDS)
                ]
                for at in ("50", "99"):
                    ours, theirs = (median(pair[i][at] for pair in found) for i in range(2))
                    ratio = median(pair[0][at] / pair[1][at] for pair in found)
                    ratios[f"p{at}, {delivery}, {client}"] = ratio
                    rows.append(
                        [client, delivery, f"p{at}", f"{ours:.1f}", f"{theirs:.1f}", f"{ratio:.2f}"]
                    )
        table(["client", "delivery", "at", "pipeline ms", "bare loop ms", "ratio"], rows)
        for what, ratio in ratios.items():
            target(f"latency {what}, against the bare loop", ratio, TARGET_RATIO, at_least=False)
    finally:
        broker.close()


def _measure(
    bootstrap: str, prefix: str, client: str, delivery: str, *, bare: bool
) -> dict[str, float]:
    """Percentile → milliseconds, of one program under load."""
    prefix = f"{'bare' if bare else 'pipeline'}-{client}-{prefix}"
    with TemporaryDirectory() as name:
        file = Path(name) / "latency.yaml"
        settings: dict[str, Any] = config("columns", 1000)
        settings |= {"transport": f"kafka://{bootstrap}", "client": client, "delivery": delivery}
        file.write_text(yaml.safe_dump(settings | {"topics": {"prefix": prefix}}))
        _topics(file)
        program = _bare(bootstrap, prefix, client, delivery) if bare else _pipeline(file)
        try:
            return _load(bootstrap, prefix)
        finally:
            program.terminate()
            program.wait(timeout=60)


def _topics(file: Path) -> None:
    command = [sys.executable, "-m", "stream_cl.cli.main", "topics", "create", str(file)]
    subprocess.run(command, check=True, capture_output=True)


def _pipeline(file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "stream_cl.cli.main", "run", str(file)]
    program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert program.stderr is not None
    for line in program.stderr:
        if "running" in line or "incarnation" in line:
            break
    return program


def _bare(bootstrap: str, prefix: str, client: str, delivery: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "load_tests.kafka_bare", "--bootstrap", bootstrap]
    command += ["--events", f"{prefix}events", "--prefix", prefix, "--client", client]
    program = subprocess.Popen(
        command + ["--plain"] * (delivery == "at_least_once"), stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    program.stdout.readline()
    return program


def _load(bootstrap: str, prefix: str) -> dict[str, float]:
    """Send and receive; percentile → milliseconds."""
    start_ns = monotonic_ns() + 4_000_000_000
    shared = ["--bootstrap", bootstrap, "--rate", str(RATE), "--seconds", str(_SECONDS)]
    shared += ["--warm-s", str(_WARM_S), "--start-ns", str(start_ns)]
    generator = [sys.executable, "-m", "load_tests.open_loop"]
    receiver = subprocess.Popen(
        [*generator, "receive", "--topic", f"{prefix}predictions", *shared],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert receiver.stdout is not None
    receiver.stdout.readline()
    subprocess.run(
        [*generator, "send", "--topic", f"{prefix}events", *shared],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    found = orjson.loads(receiver.communicate(timeout=120)[0])
    if found["answered"] != round(RATE * _SECONDS) or found["twice"]:
        raise RuntimeError(f"not every event was answered once: {found}")
    milliseconds: dict[str, float] = found["ms"]
    return milliseconds
