"""`stream-cl explain`: everything that the log knows about one event, in the order it happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream_cl.cli.common import ConfigPath, Sets, emit, read_config
from stream_cl.core.errors import UserError

if TYPE_CHECKING:
    from stream_cl.core.protocols import Transport
    from stream_cl.core.records import Chunk
    from stream_cl.core.topics import Topics

_READ_AT_ONCE: Final = 2000
_TOPICS: Final = ("events", "predictions", "label-requests", "labels", "dead-letters")


def command(
    config: ConfigPath,
    event_id: Annotated[str, typer.Argument(metavar="EVENT-ID", help="The event's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    sets: Sets = None,
) -> None:
    """Follow an event: its features, prediction, request, labels, and what became of them."""
    import orjson

    loaded = read_config(config, sets)
    from stream_cl.build import open_transport
    from stream_cl.core.clock import SystemClock
    from stream_cl.core.topics import Topics

    log = open_transport(loaded, SystemClock(), create=False)
    try:
        found = explain(log, Topics(loaded.topics.prefix), event_id)
    finally:
        log.close()
    if not any(found[topic] for topic in _TOPICS):
        raise UserError(f"{event_id}: no topic of {loaded.log_name} has a record of this id")
    if as_json:
        emit(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    for line in told(found):
        emit(line)


def explain(log: Transport, topics: Topics, id_: str) -> dict[str, Any]:
    """Topic → the records about the event; `outcome` says what became of each label."""
    found: dict[str, Any] = {"id": id_}
    for name in _TOPICS:
        found[name] = _about(log, topics.named(name), id_)
    found["steps"] = _steps(log, topics, found)
    found["outcome"] = _outcomes(found)
    return found


def _about(log: Transport, topic: str, id_: str) -> list[dict[str, Any]]:
    """The records of a topic whose `id` or key is `id_`."""
    from stream_cl.transport.follow import Follower

    if topic not in log.topics():
        return []
    follower, found = Follower(log, [topic]), []
    # Most records are of other events: a search in the bytes is ten times cheaper than JSON.
    needle = id_.encode()
    while chunks := follower.poll(_READ_AT_ONCE):
        for chunk in chunks:
            for i, value in enumerate(chunk.values):
                if needle in (value or b"") or chunk.keys[i] == needle:
                    record = _record(chunk, i)
                    if record["id"] == id_ or chunk.keys[i] == needle:
                        found.append(record)
    return found


def _record(chunk: Chunk, i: int) -> dict[str, Any]:
    import orjson

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


def _steps(log: Transport, topics: Topics, found: dict[str, Any]) -> dict[str, int]:
    """`labels[0]@17` → the step that read the label, from the manifest's slices."""
    import orjson

    from stream_cl.transport.follow import Follower

    wanted = {(topics.labels, r["partition"], r["offset"]) for r in found["labels"]}
    if not wanted or topics.manifest not in log.topics():
        return {}
    steps = {}
    follower = Follower(log, [topics.manifest])
    while chunks := follower.poll(_READ_AT_ONCE):
        for value in (value for chunk in chunks for value in chunk.values):
            entry = orjson.loads(value or b"{}")
            for topic, partition, start, stop, *_ in entry.get("slices", ()):
                for at in wanted:
                    if at[:2] == (topic, partition) and start <= at[2] < stop:
                        steps[f"{partition}@{at[2]}"] = entry["step"]
    return steps


def _outcomes(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What became of each label: the rules of `labels.join`, read off the topics."""
    letters = {
        (int(r["headers"]["partition"]), int(r["headers"]["offset"])): r["headers"]["code"]
        for r in found["dead-letters"]
        if r["headers"].get("topic", "").endswith("labels")
    }
    held_out = any(p["value"].get("reason") == "held_out" for p in found["predictions"])
    answered, outcomes = False, []
    for record in found["labels"]:
        value, at = record["value"], (record["partition"], record["offset"])
        step = found["steps"].get(f"{at[0]}@{at[1]}")
        if step is None:
            fate = "not read yet"
        elif at in letters:
            fate = letters[at]
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
    from stream_cl.pipeline.publish import rfc3339

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
