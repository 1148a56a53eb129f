"""`startup`: how long a user waits for the command line, and a stream for its first prediction."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Final

from load_tests.report import Options, say, table, target
from load_tests.synthetic import COLUMNS, events
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.core.records import Outgoing, TopicPartition

HELP_TARGET_S: Final = 0.5
_TIMES: Final = 7
_PATIENCE_S: Final = 60
_PROGRAM: Final = [str(Path(sys.executable).with_name("stream-cl"))]


def run(options: Options) -> None:
    """Print the table."""
    say(f"one process each, files warm, median of {_TIMES}")
    helped = [_help() for _ in range(_TIMES)]
    first = [_first_step() for _ in range(_TIMES)]
    rows = [
        [what, f"{median(times):.2f}", f"{min(times):.2f} to {max(times):.2f}"]
        for what, times in (
            ("stream-cl --help", helped),
            ("stream-cl run, to the first prediction", first),
        )
    ]
    table(["command", "seconds", "least to most"], rows)
    target("stream-cl --help", median(helped), HELP_TARGET_S, at_least=False, unit=" s")


def _help() -> float:
    began = perf_counter()
    subprocess.run([*_PROGRAM, "--help"], check=True, capture_output=True)
    return perf_counter() - began


def _first_step() -> float:
    """From the start of the process to the first prediction that others can read."""
    with TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(f"encoder: {{kind: columns, columns: [{', '.join(COLUMNS)}]}}\n")
        settings = Config.model_validate({}).beside(Path(folder))
        log = build.open_transport(settings, SystemClock())
        topics = build.create_topics(settings, log)
        log.append([Outgoing(topics.events, 0, [None] * 32, events(0, 32))])
        at = TopicPartition(topics.predictions, 0)
        began = perf_counter()
        process = subprocess.Popen(
            [*_PROGRAM, "run", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while log.bounds([topics.predictions])[at].end == 0:
                assert process.poll() is None, "`stream-cl run` left before its first step"
                assert perf_counter() - began < _PATIENCE_S, "no prediction came"
                sleep(0.005)
            return perf_counter() - began
        finally:
            process.terminate()
            process.wait()
            log.close()
