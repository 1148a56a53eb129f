"""Taking the next step while this one is committed changes nothing but the time it takes.

When this fails, a pipeline on Kafka skips events, takes some twice, or makes another state of the
same log than the same pipeline on one machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.errors import TransportError
from stream_cl.core.protocols import Transport, Writer
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.pipeline.runner import Pipeline
from stream_cl.testing.clock import FakeClock
from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import SMALL, filled, outputs

_EVENTS = 200


class _Distant:
    """A log whose writers wait for it, as those of Kafka do; `lost` commits then fail."""

    def __init__(self, log: Transport) -> None:
        self.looked = 0
        self.lost = 0
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def writer(self, name: str) -> Writer:
        return _DistantWriter(self, self._log.writer(name))


class _DistantWriter:
    def __init__(self, log: _Distant, writer: Writer) -> None:
        self._log = log
        self._writer = writer

    @property
    def epoch(self) -> int:
        return self._writer.epoch

    def commit(
        self,
        batches: Sequence[Outgoing],
        group: str,
        offsets: Mapping[TopicPartition, int],
        meanwhile: Callable[[], None] | None = None,
    ) -> list[int]:
        if meanwhile is not None:
            self._log.looked += 1
            meanwhile()
        if self._log.lost and offsets:
            self._log.lost -= 1
            raise TransportError("the commit was refused")
        return self._writer.commit(batches, group, offsets)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log that holds events, labels, duplicates and rubbish."""
    folder = tmp_path_factory.mktemp("inputs")
    filled(folder, events=_EVENTS).log.close()
    return folder


def opened(folder: Path) -> tuple[Pipeline, _Distant]:
    settings = Config.model_validate(SMALL).beside(folder)
    clock = FakeClock()
    log = _Distant(build.open_transport(settings, clock))
    distant: Any = log
    pipeline = build.pipeline(settings, distant, clock)
    pipeline.start()
    return pipeline, log


def left_by(folder: Path) -> dict[str, list[Any]]:
    with TestDriver(SMALL, folder) as driver:
        return outputs(driver)


def test_outputs_and_state_are_those_of_a_log_that_is_near(tmp_path: Path, inputs: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    for folder in (near, far):
        shutil.copytree(inputs, folder)
    pipeline, log = opened(far)
    found = spied(pipeline)
    while pipeline.step(expiry=False):
        pass
    pipeline.close()
    log.close()
    with TestDriver(SMALL, near) as driver:
        driver.settle(expiry=False)
        assert driver.pipeline is not None
        assert str(pipeline.state.fingerprint()) == str(driver.pipeline.state.fingerprint())
    assert left_by(far) == left_by(near)
    assert len(found) > 5, "nothing was looked at ahead, so nothing was shown"


def test_a_step_whose_commit_failed_is_taken_again(tmp_path: Path, inputs: Path) -> None:
    """And not the one after it, which had been looked at already."""
    shutil.copytree(inputs, tmp_path / "log")
    pipeline, log = opened(tmp_path / "log")
    pipeline.step()
    log.lost = 1
    with pytest.raises(TransportError):
        pipeline.step()
    while pipeline.step(expiry=False):
        pass
    pipeline.close()
    log.close()
    ids = [value["id"] for _, value, _ in left_by(tmp_path / "log")["predictions"]]
    assert len(ids) == _EVENTS
    assert len(set(ids)) == _EVENTS


def test_a_step_that_is_not_full_is_not_kept(tmp_path: Path) -> None:
    """Else what comes while it is committed would wait for the step after it."""
    with TestDriver(SMALL, tmp_path) as driver:
        driver.events([{"a": float(i), "b": 0.0, "c": "x"} for i in range(30)])
    pipeline, log = opened(tmp_path)
    found = spied(pipeline)
    assert pipeline.step()
    assert log.looked == 1
    assert not found
    assert pipeline._lookahead.take(pipeline.state.positions) is None
    assert pipeline.step(), "the rest is there nevertheless"
    assert pipeline.state.events == 30
    pipeline.close()
    log.close()


def spied(pipeline: Pipeline) -> list[int]:
    """Grows with each step that was looked at ahead and is used."""
    found: list[int] = []
    take = pipeline._lookahead.take

    def spy(positions: Any) -> Any:
        step = take(positions)
        if step is not None:
            found.append(step.taken.count)
        return step

    pipeline._lookahead.take = spy  # type: ignore[method-assign]
    return found
