"""Label requests as tasks of Label Studio, and what people did with them as answers. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import quoteattr

from stream_cl.core.records import NONE_OF_THESE

MODEL: Final = "stream_cl"
SHOWN: Final = "event"
"""Name of the tag that shows an event, in projects that we make."""
_TEXT_SHOWN: Final = 2000


class Control(NamedTuple):
    """The Choices tag of a project: its name, the tag that it belongs to, what it offers."""

    name: str
    to_name: str
    choices: frozenset[str]


class Request(NamedTuple):
    """A label request, of which Label Studio gets the fields of `document`."""

    id: str
    request: str
    open: bool
    document: Mapping[str, Any]
    traceparent: str | None


class Answer(NamedTuple):
    """What one person made of one task. label None: skipped, or left empty."""

    id: str
    request: str
    user: int
    label: str | None
    time: str
    annotation: int
    traceparent: str | None


def label_config(control: str, labels: Iterable[str]) -> str:
    """The labelling interface of a project: the features as a table, the classes below it."""
    choices = "".join(f"<Choice value={quoteattr(label)}/>" for label in labels)
    return (
        f'<View><Table name="{SHOWN}" value="$features"/>'
        f'<Choices name={quoteattr(control)} toName="{SHOWN}" choice="single-radio" '
        f'required="true">{choices}<Choice value="None of these" alias="{NONE_OF_THESE}"/>'
        "</Choices></View>"
    )


def control_of(parsed: Mapping[str, Any], name: str) -> Control | None:
    """The control of a project whose `parsed_label_config` this is; None where it has none of
    this name that is a Choices tag."""
    found = parsed.get(name)
    if not isinstance(found, Mapping) or found.get("type") != "Choices":
        return None
    to_names, labels = found.get("to_name"), found.get("labels")
    if not isinstance(to_names, list) or not to_names or not isinstance(labels, list):
        return None
    return Control(name, str(to_names[0]), frozenset(map(str, labels)))


def task_of(request: Request, control: Control, predictions: bool) -> dict[str, Any]:
    """A task to import. Its `data` names the request, so that it is found again."""
    document = request.document
    features = document.get("features")
    if "vector" in document:
        features = {"vector": document["vector"]}
    candidates = [str(name) for name in document.get("candidates") or ()]
    task: dict[str, Any] = {
        "data": {
            "request": request.request,
            "id": request.id,
            "features": {
                name: _shown(value) for name, value in (features or {"id": request.id}).items()
            },
            "candidates": ", ".join(candidates),
            "priority": document.get("priority"),
            "time": document.get("time"),
            "expires": document.get("expires"),
        },
        "meta": {"traceparent": request.traceparent},
    }
    # Label Studio shows a prediction of a class that the project lacks as none at all.
    if predictions and candidates and candidates[0] in control.choices:
        task["predictions"] = [
            {"model_version": MODEL, "result": [_result(control, candidates[0])]}
        ]
    return task


def _shown(value: Any) -> Any:
    """A value as its table shows it: texts and lists cut, so that a page of them opens."""
    if isinstance(value, list):
        value = str(value)
    if isinstance(value, str) and len(value) > _TEXT_SHOWN:
        return f"{value[: _TEXT_SHOWN - 1]}…"
    return value


def _result(control: Control, label: str) -> dict[str, Any]:
    return {
        "from_name": control.name,
        "to_name": control.to_name,
        "type": "choices",
        "value": {"choices": [label]},
    }


def answers_of(task: Mapping[str, Any], control: Control) -> list[Answer]:
    """Everybody's latest answer in a task, in the order in which they were given; [] for a task
    of others. An annotation that says several classes at once is none.
    """
    data, meta = task.get("data"), task.get("meta")
    if not isinstance(data, Mapping):
        return []
    id_, request = data.get("id"), data.get("request")
    if not isinstance(id_, str) or not isinstance(request, str):
        return []
    trace = meta.get("traceparent") if isinstance(meta, Mapping) else None
    trace = trace if isinstance(trace, str) else None
    latest: dict[int, Answer] = {}
    for annotation in task.get("annotations") or ():
        label = _label(annotation, control)
        user = annotation.get("completed_by")
        user = user.get("id") if isinstance(user, Mapping) else user
        if label == "" or not isinstance(user, int):
            continue
        time, number = str(annotation.get("updated_at")), int(annotation.get("id", 0))
        answer = Answer(id_, request, user, label, time, number, trace)
        known = latest.get(user)
        if known is None or _order(known) < _order(answer):
            latest[user] = answer
    return sorted(latest.values(), key=_order)


def _order(answer: Answer) -> tuple[str, int]:
    return answer.time, answer.annotation


def _label(annotation: Mapping[str, Any], control: Control) -> str | None:
    """The class; None where it was skipped or left empty; "" where it is no single class."""
    results = annotation.get("result") or []
    if annotation.get("was_cancelled"):
        return None
    ours = [one for one in results if one.get("from_name") == control.name]
    if not ours:
        return None
    choices = ours[0].get("value", {}).get("choices")
    if len(ours) == 1 and isinstance(choices, list) and len(choices) == 1:
        return str(choices[0])
    return ""
