"""Which answers are in the labels topic already, and which revision the next one has.

Label Studio numbers no revisions, reports an answer as often as it is asked, and its webhooks come
twice or never. What decides is what was published last for (request, annotator): the same answer
is not published again, another one is the next revision. The topic itself is the memory: each label
of ours carries the headers of this file, and they are read back at the start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from stream_cl.core.records import Headers
from stream_cl.serve.label_studio.tasks import Answer

ANNOTATION: Final = "label-studio"
"""Header: `PROJECT/ANNOTATION`, of which the label was made."""
CURSOR: Final = "label-studio-cursor"
"""Header: up to where all answers were published when this one was."""
TRACE: Final = "traceparent"
LEDGER_MAX: Final = 500_000
"""Pairs of request and annotator that are remembered; the oldest give way."""


class Ledger:
    """What was published last. Memory: `LEDGER_MAX` × about 500 bytes."""

    def __init__(self, project: int) -> None:
        self.cursor = ""
        self._project = project
        # A person may answer two requests about an event: each has its answer, and they share
        # the count of revisions.
        self._labels: dict[tuple[str, str], str | None] = {}
        self._revisions: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._labels)

    def note(self, value: bytes | None, headers: Headers) -> None:
        """A record of the labels topic, in the order of the log; those of others are passed
        over."""
        named = dict(headers)
        if named.get(ANNOTATION, b"").partition(b"/")[0] != str(self._project).encode():
            return
        try:
            document = orjson.loads(value or b"")
            label = None if document.get("abstain") else document["label"]
            id_, annotator, request = (document[n] for n in ("id", "annotator", "request"))
            self._put(request, id_, annotator, int(document["revision"]), label)
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # somebody else's, with our header
        self.cursor = max(self.cursor, named.get(CURSOR, b"").decode("ascii", "ignore"))

    def records(
        self, answers: Iterable[tuple[Answer, str]], cursor: str
    ) -> list[tuple[bytes, bytes, Headers]]:
        """Key, value and headers of what is to be published of (answer, annotator) pairs."""
        made = []
        for answer, annotator in answers:
            at = (answer.request, annotator)
            if at in self._labels and self._labels[at] == answer.label:
                continue
            revision = self._revisions.get((answer.id, annotator), -1) + 1
            self._put(answer.request, answer.id, annotator, revision, answer.label)
            headers = [
                (ANNOTATION, f"{self._project}/{answer.annotation}".encode()),
                (CURSOR, cursor.encode()),
            ]
            if answer.traceparent:
                headers.append((TRACE, answer.traceparent.encode("ascii", "replace")))
            value = _value(answer, annotator, revision)
            made.append((answer.id.encode(), value, tuple(headers)))
        return made

    def _put(
        self, request: str, id_: str, annotator: str, revision: int, label: str | None
    ) -> None:
        _newest(self._labels, (request, annotator), label)
        _newest(self._revisions, (id_, annotator), revision)


def _newest(known: dict[tuple[str, str], Any], at: tuple[str, str], value: object) -> None:
    known.pop(at, None)
    known[at] = value
    if len(known) > LEDGER_MAX:
        del known[next(iter(known))]


def _value(answer: Answer, annotator: str, revision: int) -> bytes:
    said: dict[str, Any] = {"abstain": True} if answer.label is None else {"label": answer.label}
    document = {
        "v": 1,
        "id": answer.id,
        **said,
        "annotator": annotator,
        "request": answer.request,
        "revision": revision,
        "time": answer.time,
    }
    return orjson.dumps(document)
