"""Questions whose answer is known, mixed among the others: they tell how reliable somebody is.

They look like the others and are never published: the pipeline knows nothing of these events.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any, Final

import orjson

from stream_cl.core.draws import keyed_unit
from stream_cl.core.errors import UserError
from stream_cl.core.limits import ID_BYTES, LABEL_BYTES, RECORD_BYTES
from stream_cl.serve.label.question import Question

ITEMS_MOST: Final = 10_000
FILE_BYTES: Final = 100_000_000


class Gold:
    """Questions with known answers; which of them somebody gets next depends on seed and name.

    Args:
        items: question → right answer.
        share: of all questions that are served.
    """

    def __init__(self, items: dict[Question, str], share: float, seed: int) -> None:
        assert 0 <= share < 1
        self._items = {question.request: (question, label) for question, label in items.items()}
        self._ratio = share / (1 - share)
        self._seed = seed

    def before(self, person: str, request: str) -> bool:
        """Whether a person is asked a gold question before this request."""
        return keyed_unit(self._seed, "gold", person, request) < self._ratio

    def next(self, person: str, done: Container[str]) -> Question | None:
        """The next one for a person, whose requests in `done` were answered or are on the way."""
        left = [question for name, (question, _) in self._items.items() if name not in done]
        order = (keyed_unit(self._seed, "gold order", person, one.request) for one in left)
        return min(zip(order, left, strict=True), key=lambda one: one[0], default=(0, None))[1]

    def get(self, request: str) -> tuple[Question, str] | None:
        """A question of this name and its answer."""
        return self._items.get(request)


def read_gold(path: Path) -> dict[Question, str]:
    """Question → right answer, from JSON lines of `id`, `features` or `vector`, and `label`.

    Raises:
        UserError: the file cannot be read, or a line is not that.
    """
    try:
        if path.stat().st_size > FILE_BYTES:
            raise UserError(f"label.gold: {path} has more than {FILE_BYTES} bytes; take fewer")
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"label.gold: {path} cannot be read ({error.strerror})") from None
    found: dict[Question, str] = {}
    names: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            question, label = _item(line)
        except ValueError as error:
            raise UserError(f"label.gold: {path}:{number}: {error}") from None
        if question.request in names:
            raise UserError(
                f"label.gold: {path}:{number}: its id stands there twice; leave one out"
            )
        names.add(question.request)
        found[question] = label
    if not 0 < len(found) <= ITEMS_MOST:
        raise UserError(f"label.gold: {path} has {len(found)} questions; give 1 to {ITEMS_MOST}")
    return found


def _item(line: bytes) -> tuple[Question, str]:
    """A line's question and answer.

    Raises:
        ValueError: what is wrong with it.
    """
    if len(line) > RECORD_BYTES:
        raise ValueError(f"more than {RECORD_BYTES} bytes")
    try:
        fields: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise ValueError("no JSON; write one object a line") from None
    if not isinstance(fields, dict):
        raise ValueError("no JSON object; write one a line")
    id_, label = fields.get("id"), fields.get("label")
    if not isinstance(id_, str) or not 0 < len(id_.encode()) <= ID_BYTES or not id_.isprintable():
        raise ValueError(f"`id` has to be a text of 1 to {ID_BYTES} bytes")
    if not isinstance(label, str) or not 0 < len(label.encode()) <= LABEL_BYTES:
        raise ValueError(f"`label` has to be a text of 1 to {LABEL_BYTES} bytes")
    features, vector = fields.get("features"), fields.get("vector")
    if isinstance(features, dict) == isinstance(vector, list):
        raise ValueError("give `features`, an object, or `vector`, a list")
    shown = {"features": features} if isinstance(features, dict) else {"vector": vector}
    body = orjson.dumps({"id": id_, "time": fields.get("time"), **shown})
    # An id has no control characters, so no request of the stream is named so.
    name = f"gold\x1f{id_}"
    return Question(id_, name, 1, 0, 0.0, None, body, 0), label
