"""A driver in which every event is asked for, and reading what the tests look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from stream_cl.core.records import TopicPartition
from stream_cl.testing.driver import TestDriver

TTL_S = 10.0
BASE: dict[str, Any] = {
    "step": {"max_events": 4},
    "encoder": {"kind": "columns", "columns": ["x"]},
    "learner": {"kind": "majority"},
    "query": {"kind": "random"},
    "budget": {
        "kind": "fraction", "fraction": 1.0, "floor": 1.0, "held_out": 0.0, "cold_start": 0,
    },
    "labels": {"ttl_s": TTL_S, "pending_capacity": 50},
    "checkpoint": {"every_steps": 5, "digest_every_steps": 1},
}  # fmt: skip

EVERY = {"labels": {"join": "every", "pending_capacity": 5, "held_out_fraction": 0.0}}
# Spaces, a key and a field of its own: a dead letter must carry the bytes and not the meaning.
ODD = b'  {"label" : "up",   "id":"%b", "x_note":"caf\xc3\xa9"}  '


def driver(**sections: Mapping[str, Any]) -> TestDriver:
    """A started driver; sections are merged into BASE."""
    merged = {name: {**BASE.get(name, {}), **keys} for name, keys in sections.items()}
    made = TestDriver({**BASE, **merged})
    made.start()
    return made


def ask(made: TestDriver, n: int = 1, **fields: Any) -> list[str]:
    """n events, taken and asked for."""
    ids = made.events([{"x": float(i)} for i in range(n)], **fields)
    made.settle(expiry=False)
    return ids


def pause(made: TestDriver, command: str = "pause") -> None:
    made.pipe("control", [orjson.dumps({"v": 1, "command": command})])
    made.settle(expiry=False)


def fates(made: TestDriver) -> dict[str, int]:
    """fate → labels or events, of those that there are."""
    assert made.pipeline is not None
    counts = made.pipeline.state.counts
    return {name[7:]: n for name, n in counts.items() if name.startswith("labels.") and n}


class Letter(NamedTuple):
    """A dead letter as it stands in the log."""

    key: bytes | None
    value: bytes | None
    code: str
    reason: str
    source: tuple[str, int, int]


def letters(made: TestDriver) -> list[Letter]:
    """Every dead letter, with the bytes as they are."""
    found = []
    name = made.topics.dead_letters
    for at, bounds in sorted(made.log.bounds([name]).items()):
        if bounds.end == bounds.start:
            continue
        chunk = made.log.read(name, at.partition, bounds.start, 10_000)
        for key, value, raw in zip(chunk.keys, chunk.values, chunk.headers, strict=True):
            headers = {header: body.decode() for header, body in raw}
            source = headers["topic"], int(headers["partition"]), int(headers["offset"])
            found.append(Letter(key, value, headers["code"], headers["reason"], source))
    return found


def as_sent(made: TestDriver, topic: str, offset: int, partition: int = 0) -> Letter:
    """The record at an offset of an input topic, as a letter without code and reason."""
    chunk = made.log.read(made.topics.named(topic), partition, offset, 1)
    source = (made.topics.named(topic), partition, offset)
    return Letter(chunk.keys[0], chunk.values[0], "", "", source)


def end_of(made: TestDriver, topic: str) -> int:
    """The offset that the next record of a topic gets."""
    name = made.topics.named(topic)
    return made.log.bounds([name])[TopicPartition(name, 0)].end


def requests(made: TestDriver) -> list[tuple[str, str]]:
    """(id, status) of every label request, in order."""
    return [(r.value["id"], r.value["status"]) for r in made.read("label-requests")]


def answer(made: TestDriver, id_: str) -> int:
    """An answer in odd bytes, taken; its offset."""
    offset = end_of(made, "labels")
    made.pipe("labels", [ODD % id_.encode()], keys=[b"\xff key"])
    made.settle(expiry=False)
    return offset


def assert_letter(made: TestDriver, code: str, topic: str, offset: int, reason: str) -> None:
    """The last dead letter is that record, byte for byte, and says why in one line."""
    last = letters(made)[-1]
    assert last._replace(code="", reason="") == as_sent(made, topic, offset)
    assert last.code == code
    assert reason in last.reason
    assert "\n" not in last.reason


def learned(made: TestDriver) -> int:
    assert made.pipeline is not None
    return made.pipeline.state.learned
