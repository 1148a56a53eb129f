"""Every query strategy through crashes: what it knows is part of the state.

When this fails, a pipeline that was killed asks for other events than one that was not, and
replay stops at a digest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream_cl.config import kinds
from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import SMALL, filled, label_of, outputs

SHORT: dict[str, dict[str, Any]] = {
    "burst_on_drift": {"events": 20, "delta": 0.9},
}
"""Settings with which a strategy does within 200 events what it is there for."""
WRAPPED: dict[str, Any] = {
    "kind": "class_balance",
    "of": {"kind": "burst_on_drift", **SHORT["burst_on_drift"], "of": {"kind": "stochastic"}},
}
QUERIES = {kind: {"kind": kind, **SHORT.get(kind, {})} for kind in kinds("query")}


@pytest.mark.parametrize("query", [*QUERIES.values(), WRAPPED], ids=[*QUERIES, "three in one"])
def test_killed_again_and_again_it_asks_for_the_same(tmp_path: Path, query: dict[str, Any]) -> None:
    """From a checkpoint, from the manifest, and between scoring and learning."""
    found = []
    for name, crashes in (
        ("untouched", ()),
        ("killed", (("step-scored", 3), ("committed", 4), ("learned", 2), ("committed", 3))),
    ):
        (tmp_path / name).mkdir()
        with filled(tmp_path / name, {"query": query}) as driver:
            for point, nth in crashes:
                driver.crash_at(point, nth)
            driver.settle()
            found.append((outputs(driver), driver.digest()))
            assert driver.pipeline is not None
            assert driver.pipeline.state.learned > 10, "it had nothing to learn from"
    assert found[0] == found[1]


def test_drifts_are_counted(tmp_path: Path) -> None:
    """/metrics shows how many there were; a restart must not begin at 0."""
    query = {"kind": "class_balance", "of": QUERIES["burst_on_drift"]}
    easy = [{"a": 3.0 * (-1) ** i, "b": 0.0} for i in range(600)]
    hard = [{"a": 0.01 * (-1) ** i, "b": 0.0} for i in range(300)]
    with TestDriver({**SMALL, "query": query}, tmp_path) as driver:
        ids = driver.events(easy[:200])
        driver.clock.advance(seconds=1)
        driver.labels({id_: label_of(x) for id_, x in zip(ids, easy, strict=False)})
        driver.clock.advance(seconds=1)
        driver.events([*easy[200:], *hard])
        driver.crash_at("committed", 40)
        driver.settle()
        assert driver.pipeline is not None
        state = driver.pipeline.state
        assert state.counts["drifts"] == state.query.drifts > 0  # type: ignore[attr-defined]
