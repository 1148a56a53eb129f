"""Drive a pipeline by hand: pipe records in, read what comes out, advance time, crash it.

    with TestDriver({"learner": {"kind": "no_change"}}) as driver:
        driver.events([{"x": 1.0}, {"x": 2.0}])
        driver.settle()
        assert len(driver.read("predictions")) == 2

The log, the checkpoints and the code path are the real ones, in a folder of its own; only
the clock is not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import orjson

from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.faults import Faults
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.core.topics import Topics
from stream_cl.pipeline.runner import Pipeline
from stream_cl.pipeline.settings import Recovered
from stream_cl.testing.clock import FakeClock
from stream_cl.testing.faults import CrashAt, SimulatedCrash


class Read(NamedTuple):
    """A record as a test wants it: JSON parsed, headers as a dict of text."""

    key: str | None
    value: Any
    headers: dict[str, str]
    partition: int
    offset: int


class TestDriver:
    """A pipeline, its log and its clock.

    Args:
        config: sections and keys that differ from the defaults.
        folder: where log and checkpoints are; a temporary one if not given.
    """

    __test__ = False  # not a test class, whatever its name

    def __init__(self, config: Mapping[str, Any] | None = None, folder: Path | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory() if folder is None else None
        self.folder = Path(self._temporary.name) if self._temporary else Path(str(folder))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clock = FakeClock()
        self.config = Config.model_validate(dict(config or {})).beside(self.folder)
        self.log = build.open_transport(self.config, self.clock)
        self.topics: Topics = build.create_topics(self.config, self.log)
        self.pipeline: Pipeline | None = None
        self._sent = 0

    def start(self, faults: Faults | None = None, new_state: bool = False) -> Recovered:
        """Start the pipeline, or start another one as another process would."""
        log = build.open_transport(self.config, self.clock, faults)
        self.pipeline = build.pipeline(self.config, log, self.clock, faults)
        return self.pipeline.start(new_state=new_state)

    def reconfigure(self, **sections: Any) -> None:
        """The config that the next start has."""
        changed = {**self.config.model_dump(), **sections}
        self.config = Config.model_validate(changed).beside(self.folder)

    def events(self, features: Iterable[Mapping[str, Any]], **fields: Any) -> list[str]:
        """Append one event per dict of features; ids count up. Returns the ids."""
        values, ids = [], []
        for each in features:
            id_ = str(self._sent)
            event = {"id": id_, "time": self.clock.now_ms(), "features": dict(each), **fields}
            values.append(orjson.dumps(event))
            ids.append(id_)
            self._sent += 1
        self.pipe("events", values, keys=[id_.encode() for id_ in ids])
        return ids

    def labels(self, answers: Mapping[str, str | None], **fields: Any) -> None:
        """Append one label per id; None abstains."""
        values = [
            {"id": id_, **({"abstain": True} if label is None else {"label": label}), **fields}
            for id_, label in answers.items()
        ]
        self.pipe("labels", [orjson.dumps(v) for v in values])

    def pipe(
        self,
        topic: str,
        values: Iterable[bytes],
        keys: Iterable[bytes | None] | None = None,
        partition: int = 0,
    ) -> None:
        """Append any bytes to an input topic."""
        listed = list(values)
        name = self.topics.named(topic)
        known = list(keys) if keys is not None else [None] * len(listed)
        self.log.append([Outgoing(name, partition, known, listed)])

    def settle(self, steps: int = 10_000, expiry: bool = True) -> int:
        """Take steps until there is nothing to do. Returns how many."""
        if self.pipeline is None:
            self.start()
        assert self.pipeline is not None
        for taken in range(steps):
            if not self.pipeline.step(expiry=expiry):
                return taken
        raise AssertionError(f"still busy after {steps} steps")

    def crash_at(self, point: str, nth: int = 1) -> None:
        """Run until `point` is reached for the nth time, then lose everything in memory.

        Raises:
            AssertionError: the point was not reached.
        """
        try:
            self.start(CrashAt(point, nth))
            self.settle()
            assert self.pipeline is not None
            self.pipeline.close()
        except SimulatedCrash:
            if self.pipeline is not None:
                self.pipeline.abandon()
            self.pipeline = None
            return
        raise AssertionError(f"{point} was not reached {nth} times")

    def read(self, topic: str) -> list[Read]:
        """Every record of a topic, by partition and offset."""
        name = self.topics.named(topic)
        records = []
        for (_, partition), bounds in sorted(self.log.bounds([name]).items()):
            offset = bounds.start
            while offset < bounds.end:
                chunk = self.log.read(name, partition, offset, 10_000)
                for i, at in enumerate(chunk.offsets):
                    key, headers = chunk.keys[i], chunk.headers[i]
                    records.append(
                        Read(
                            None if key is None else key.decode(),
                            _parsed(chunk.values[i]),
                            {header: body.decode() for header, body in headers},
                            partition,
                            at,
                        )
                    )
                offset = chunk.offsets[-1] + 1
        return records

    def position(self, topic: str, partition: int = 0) -> int:
        """The next offset that the pipeline reads of an input topic."""
        assert self.pipeline is not None
        at = TopicPartition(self.topics.named(topic), partition)
        return self.pipeline.state.positions.get(at, 0)

    def digest(self) -> str:
        """Digest of the state, discrete and numeric."""
        assert self.pipeline is not None
        return str(self.pipeline.state.fingerprint())

    def __enter__(self) -> TestDriver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.pipeline is not None and error is None:
            self.pipeline.close()
        self.log.close()
        if self._temporary is not None:
            self._temporary.cleanup()


def _parsed(value: bytes | None) -> Any:
    try:
        return orjson.loads(value or b"null")
    except orjson.JSONDecodeError:
        return value
