"""`sqlite`: the pipeline over the embedded log against loops that do no more than is needed.

Four programs take turns in one run, block after block, over the same events:

pipeline       `Pipeline.step`: reads events and labels, predicts, asks, learns, commits
plain program  sqlite3 with a table per topic and a row per record: reads the events, parses
               them with orjson, writes the very bytes that the pipeline wrote in that step
               (key, value and headers of every record, the manifest too), commits
plain topics   the same with what a topic has besides: partition, offset, append time, key and
               headers of every record, read and written
over the log   the same bare loop over `SqliteTransport`'s own read and append

All of them commit once per step, durable (WAL, synchronous=FULL), on one core and one disk.
A disk that is busy makes all of them slow alike and the ratio look good, so the table says
what a COMMIT of the plain program took. What the bare loops write is handed to them ready
made. What the pipeline asks is answered
between its steps, off the clock, as another process would; the bare loops read no labels.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from load_tests.programs import PipelineOverLog
from load_tests.report import Options, one_core, say, table, target
from load_tests.sqlite_programs import OverLog, Plain, PlainTopics
from load_tests.stages import Stages
from load_tests.synthetic import events
from stream_cl.pipeline import replay, runner, slicer
from stream_cl.transport import sqlite_batches, sqlite_frame

TARGET_RATIO: Final = 0.6
_BLOCKS: Final = 9
_STEPS: Final = {1000: 12, 32: 120, 1: 600}
"""Step size → steps in a block; one block more goes before, as warm-up."""


def run(options: Options) -> None:
    """Print the table, and the profile if it is asked for."""
    say(
        "10 numeric features (columns), 5 % labels, softmax, one core, a file on disk; medians "
        f"over {_BLOCKS} blocks of {', '.join(f'{n} steps of {s:,}' for s, n in _STEPS.items())}"
    )
    rows, promised, as_topics = [], 0.0, 0.0
    with one_core():
        for size, steps in _STEPS.items():
            figures, commit_ms = _compare(size, steps)
            rates = [median(block[name] for block in figures) for name in range(4)]
            plain = median(block[0] / block[1] for block in figures)
            topics = median(block[0] / block[2] for block in figures)
            own = median(block[0] / block[3] for block in figures)
            if size == max(_STEPS):
                promised, as_topics = plain, topics
            rows.append(
                [
                    f"{size:,}",
                    *(f"{rate:,.0f}" for rate in rates),
                    f"{plain:.2f}",
                    f"{topics:.2f}",
                    f"{own:.2f}",
                    f"{commit_ms:.2f}",
                ]
            )
        head = ["step", "pipeline", "plain program", "plain topics", "over the log"]
        head += ["to plain", "to topics", "to over-log", "COMMIT ms"]
        table(head, rows)
        say("(events per second; a ratio is the median of the ratios of each block)")
        what = "through SQLite, against the plain program, steps of 1,000"
        target(what, promised, TARGET_RATIO)
        what = "through SQLite, against plain topics, steps of 1,000"
        target(what, as_topics, TARGET_RATIO)
        if options.profile:
            _profile(max(_STEPS))


def _compare(size: int, steps: int) -> tuple[list[tuple[float, ...]], float]:
    """Events per second of pipeline, plain program and bare loop over the log, per block; and
    the milliseconds of a COMMIT."""
    figures = []
    with _folder() as name:
        folder = Path(name)
        pipeline = PipelineOverLog(folder, size)
        plain = Plain(folder)
        bare: list[Plain | OverLog] = [plain, PlainTopics(folder), OverLog(folder)]
        for number in range(_BLOCKS + 1):
            values = events(number * steps * size, (number + 1) * steps * size)
            for program in (pipeline, *bare):
                program.send(values)
            block = pipeline.block(steps)
            # The bare loops change places, so that none is always the later one.
            order = [(number + at) % 3 for at in range(3)]
            seconds = {at: bare[at].block(block) for at in order}
            if number:
                n = block.events
                figures.append((n / block.seconds, *(n / seconds[at] for at in range(3))))
        for program in (pipeline, *bare):
            program.close()
    return figures, 1000 * median(plain.commits_s)


def _folder() -> TemporaryDirectory[str]:
    # Not the folder for temporary files: on many machines that is memory.
    Path("var").mkdir(exist_ok=True)
    return TemporaryDirectory(dir="var")


def _profile(size: int) -> None:
    """Print what each part of a step over the log takes."""
    stages = Stages()
    with _folder() as name:
        program = PipelineOverLog(Path(name), size)
        steps = 10 * _STEPS[size]
        program.send(events(0, (steps + 20) * size))
        program.block(20)
        pipeline: Any = program.pipeline
        for owner, function, stage in (
            (pipeline, "step", "the rest"),
            (runner, "score", "score"),
            (runner, "learn", "learn"),
            (replay, "outputs_digest", "digest of the outputs"),
            (pipeline._slicer, "take", "slice: bookkeeping"),
            (slicer, "_digest", "digest of the slices"),
            (sqlite_batches, "fetch", "log: read rows"),
            (sqlite_batches, "chunk", "log: decode frames"),
            (sqlite_frame, "encode", "log: encode frames"),
            (sqlite_batches, "append", "log: insert rows"),
            (program.log._file, "_commit", "log: COMMIT (with its fsync)"),
            (program.log._file, "appended", "log: checkpoint of the WAL"),
            (program.log, "_append", "log: the rest of a commit"),
        ):
            stages.wrap(owner, function, stage)
        try:
            block = program.block(steps)
        finally:
            stages.unwrap()
        say(f"\nprofile, steps of {size:,}: mean {block.seconds / block.events * 1e6:.2f}")
        table(["stage", "µs/event", "share"], stages.table(block.events))
        program.close()
