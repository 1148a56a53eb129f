"""Everything that the log knows about one event, in the order it happened.

Topics are searched from their ends back, since it is mostly a recent event that somebody asks
about; whoever cannot wait says until when to search, and is told what was left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

from stream_cl.core.protocols import Transport
from stream_cl.core.records import Chunk
from stream_cl.core.topics import Topics
from stream_cl.pipeline.publish import rfc3339

TOPICS: Final = ("events", "predictions", "label-requests", "labels", "dead-letters")
_READ_AT_ONCE: Final = 2000

Tired = Callable[[], bool]
"""Whether to stop searching the topic that is searched now."""


def explain(
    log: Transport, topics: Topics, id_: str, patience: Callable[[int], Tired] | None = None
) -> dict[str, Any]:
    """Topic → the records about the event; `outcome` says what became of each label.

    Args:
        log: read only.
        topics: their names.
        id_: of the event.
        patience: called before each topic, with how many are left, gives what ends the search in
            it; None searches everything. `unsearched` names the topics that were not read whole.
    """
    found: dict[str, Any] = {"id": id_, "unsearched": []}
    names = [*TOPICS, "manifest"]
    for left, name in zip(range(len(names), 0, -1), names, strict=True):
        tired = patience(left) if patience is not None else _never
        if name == "manifest":
            found["steps"], whole = _steps(log, topics, found, tired)
        else:
            found[name], whole = _about(log, topics.named(name), id_, tired)
        if not whole:
            found["unsearched"].append(name)
    found["outcome"] = _outcomes(found)
    return found


def _never() -> bool:
    return False


def _backwards(log: Transport, topic: str, tired: Tired) -> Iterator[Chunk | None]:
    """The records of a topic, a part of a partition at a time, from the ends back; None at the
    end where `tired` kept it from reading all."""
    if topic not in log.topics():
        return
    bounds = log.bounds([topic])
    open_ = {at.partition: (own.start, own.end) for at, own in sorted(bounds.items())}
    while open_ := {p: span for p, span in open_.items() if span[1] > span[0]}:
        for partition, (start, end) in open_.items():
            first = max(start, end - _READ_AT_ONCE)
            position = first
            while position < end:
                if tired():
                    yield None
                    return
                chunk = log.read(topic, partition, position, end - position)
                if not len(chunk):  # what is left are a transaction's markers
                    break
                position = chunk.offsets[-1] + 1
                inside = sum(offset < end for offset in chunk.offsets)
                yield chunk if inside == len(chunk) else chunk.part(0, inside)
            open_[partition] = (start, first)


def _about(log: Transport, topic: str, id_: str, tired: Tired) -> tuple[list[dict[str, Any]], bool]:
    """The records of a topic whose `id` or key is `id_`, and whether all of it was searched."""
    found: list[dict[str, Any]] = []
    whole = True
    # Most records are of other events: a search in the bytes is ten times cheaper than JSON.
    key, needles = id_.encode(), _spellings(id_)
    for chunk in _backwards(log, topic, tired):
        if chunk is None:
            whole = False
            break
        for i, value in enumerate(chunk.values):
            own = chunk.keys[i] == key
            if own or any(needle in (value or b"") for needle in needles):
                record = _record(chunk, i)
                if own or record["id"] == id_:
                    found.append(record)
    return sorted(found, key=lambda record: (record["partition"], record["offset"])), whole


def _spellings(id_: str) -> set[bytes]:
    """How JSON may write an id: as it is, and with everything escaped that is not ASCII."""
    return {orjson.dumps(id_)[1:-1], json.dumps(id_)[1:-1].encode()}


def _record(chunk: Chunk, i: int) -> dict[str, Any]:
    try:
        value = orjson.loads(chunk.values[i] or b"null")
    except orjson.JSONDecodeError:
        value = (chunk.values[i] or b"").decode(errors="replace")
    return {
        "id": value.get("id") if isinstance(value, dict) else None,
        "partition": chunk.partition,
        "offset": chunk.offsets[i],
        "append_ms": chunk.timestamps_ms[i],
        "headers": {name: body.decode(errors="replace") for name, body in chunk.headers[i]},
        "value": value,
    }


def _steps(
    log: Transport, topics: Topics, found: dict[str, Any], tired: Tired
) -> tuple[dict[str, int], bool]:
    """`0@17` → the step that read the label at offset 17 of partition 0, from the manifest's
    slices; and whether all that could say so was searched."""
    wanted = {(topics.labels, r["partition"], r["offset"]) for r in found["labels"]}
    steps: dict[str, int] = {}
    if not wanted:
        return steps, True
    for chunk in _backwards(log, topics.manifest, tired):
        if chunk is None:
            return steps, False
        for value in chunk.values:
            entry = orjson.loads(value or b"{}")
            for topic, partition, start, stop, *_ in entry.get("slices", ()):
                for at in wanted:
                    if at[:2] == (topic, partition) and start <= at[2] < stop:
                        steps[f"{partition}@{at[2]}"] = entry["step"]
        if len(steps) == len(wanted):
            break
    return steps, True


def _outcomes(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What became of each label: the rules of `labels.join`, read off the topics."""
    letters = {
        (r["headers"].get("partition"), r["headers"].get("offset")): r["headers"].get("code")
        for r in found["dead-letters"]
        if r["headers"].get("topic", "").endswith("labels")
    }
    decided = [p["value"] for p in found["predictions"] if isinstance(p["value"], dict)]
    held_out = any(value.get("reason") == "held_out" for value in decided)
    answered, outcomes = False, []
    for record in found["labels"]:
        value, at = record["value"], (record["partition"], record["offset"])
        step = found["steps"].get(f"{at[0]}@{at[1]}")
        if step is None:
            fate = "not read yet"
        elif (code := letters.get((str(at[0]), str(at[1])))) is not None:
            fate = code
        elif isinstance(value, dict) and value.get("abstain"):
            fate = "abstained"
        elif answered:
            fate = "repeated"
        elif not found["predictions"]:
            fate = "early: its event has not come"
        else:
            answered = True
            fate = "held out, not learned" if held_out else "learned"
        outcomes.append({"partition": at[0], "offset": at[1], "step": step, "fate": fate})
    return outcomes


def told(found: dict[str, Any]) -> list[str]:
    """The story as lines for a person."""

    def at(record: dict[str, Any]) -> str:
        when = rfc3339([record["append_ms"]])[0].decode()
        return f"{when}  [{record['partition']}]@{record['offset']}"

    lines = []
    for record in found["events"]:
        value = record["value"]
        shown = value.get("features", value.get("vector")) if isinstance(value, dict) else value
        lines.append(f"event       {at(record)}  {shown!s:.300}")
    for record in found["predictions"]:
        v = record["value"]
        lines.append(
            f"prediction  {at(record)}  step {v['step']} by {v['model']}: {v['label']!r}, "
            f"uncertainty {v['uncertainty']:.3f}; asked: {v['asked']} ({v['reason']}, "
            f"propensity {v['propensity']:.4f})"
        )
    for record in found["label-requests"]:
        v = record["value"]
        until = f", until {v['expires']}" if "expires" in v else ""
        lines.append(f"request     {at(record)}  {v['request']} {v['status']}{until}")
    for record, outcome in zip(found["labels"], found["outcome"], strict=True):
        v = record["value"] if isinstance(record["value"], dict) else {}
        by = f" by {v['annotator']!r}" if v.get("annotator") else ""
        step = "" if outcome["step"] is None else f" in step {outcome['step']}"
        lines.append(f"label       {at(record)}  {v.get('label')!r}{by}: {outcome['fate']}{step}")
    for record in found["dead-letters"]:
        h = record["headers"]
        lines.append(f"dead letter {at(record)}  {h.get('code')}: {h.get('reason')}")
    return lines
