"""A small stream with two classes and a driver over it, for the tests in this folder."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from stream_cl.testing.driver import TestDriver

SMALL: dict[str, Any] = {
    "step": {"max_events": 20},
    "encoder": {"kind": "hashing", "width": 16},
    "budget": {"kind": "fraction", "fraction": 0.2},
    "checkpoint": {"every_steps": 3, "digest_every_steps": 1},
}


def features(n: int, seed: int = 0) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {"a": draw.gauss(0, 1), "b": draw.gauss(0, 1), "c": draw.choice("xyz")} for _ in range(n)
    ]


def label_of(event: dict[str, Any]) -> str:
    return "up" if event["a"] > event["b"] else "down"


def filled(folder: Path, config: dict[str, Any] | None = None, events: int = 200) -> TestDriver:
    """A driver whose log holds events, labels of half of them, duplicates and rubbish.

    Everything is written before the pipeline starts, at different times.
    """
    driver = TestDriver({**SMALL, **(config or {})}, folder)
    stream = features(events)
    for start in range(0, events, 50):
        part = stream[start : start + 50]
        ids = driver.events(part)
        driver.clock.advance(seconds=1)
        driver.pipe("events", [b"{not json", b'{"id":"' + ids[0].encode() + b'","time":1}'])
        answers = {id_: label_of(x) for id_, x in zip(ids, part, strict=True)}
        driver.labels(dict(list(answers.items())[::2]), annotator="test")
        driver.clock.advance(seconds=1)
    return driver


def outputs(driver: TestDriver) -> dict[str, list[Any]]:
    """Everything published, without what may differ between two runs: the incarnation."""
    kept = {}
    for topic in ("predictions", "label-requests", "dead-letters"):
        kept[topic] = [
            (r.key, r.value, {k: v for k, v in r.headers.items() if k != "incarnation"})
            for r in driver.read(topic)
        ]
    return kept
