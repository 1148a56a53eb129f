"""What people may answer, and how a question is shown to them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from stream_cl.core.limits import LABEL_BYTES
from stream_cl.core.records import NONE_OF_THESE
from stream_cl.serve.label.journal import GOLD, TAKEN_BACK, WRITTEN, Entry, Journal
from stream_cl.serve.label.looks import Looks
from stream_cl.serve.label.question import Question, candidates


@dataclass(frozen=True, slots=True)
class Manner:
    """How questions are shown.

    classes: the only ones offered; empty: those seen. max_classes: no more are offered.
    weighs: whether the pipeline takes revisions of an answer that it has learned. lease_s: how long
    a browser may keep a question without being heard of.
    """

    classes: tuple[str, ...] = ()
    max_classes: int = 1000
    hide_suggestion: bool = False
    hide_candidates: bool = False
    highlight: tuple[str, ...] = ()
    weighs: bool = False
    lease_s: float = 120.0


class Form:
    """The classes that are offered, and questions as a page shows them.

    A class keeps its place, and so its key, for as long as the journal is kept.
    """

    def __init__(self, manner: Manner, journal: Journal, looks: Looks) -> None:
        self.manner = manner
        self.looks = looks
        self._journal = journal
        self._classes = dict.fromkeys(manner.classes or journal.classes())

    @property
    def classes(self) -> list[str]:
        """In the order of their keys."""
        return list(self._classes)

    def page(self, person: str) -> dict[str, Any]:
        """What a page needs to know once."""
        manner = self.manner
        return {
            "name": person,
            "hide_suggestion": manner.hide_suggestion,
            "hide_candidates": manner.hide_candidates,
            "may_add": not manner.classes,
            "highlight": list(manner.highlight),
            "weighs": manner.weighs,
            "lease_s": manner.lease_s,
            "none": NONE_OF_THESE,
        }

    def offer(self, names: Iterable[str]) -> None:
        """Classes that were seen; each has its key from now on."""
        if self.manner.classes:
            return
        room = self.manner.max_classes - len(self._classes)
        new = [name for name in names if name not in self._classes and is_class(name)][:room]
        if new:
            self._journal.add_classes(new)
            self._classes |= dict.fromkeys(new)

    def wrong(self, label: Any) -> str | None:
        """Why a label cannot be taken."""
        if not isinstance(label, str) or not label.strip():
            return "give a label, or skip"
        label = unicodedata.normalize("NFC", label)
        if len(label.encode(errors="replace")) > LABEL_BYTES or not label.isprintable():
            return f"a class has 1 to {LABEL_BYTES} bytes of text"
        if label == NONE_OF_THESE or label in self._classes:
            return None
        if self.manner.classes:
            return "this class is not offered"
        if len(self._classes) >= self.manner.max_classes:
            return f"there are {self.manner.max_classes} classes already, which is the most"
        return None

    def item(self, question: Question, ticket: str, was: Entry | None = None) -> dict[str, Any]:
        """A question as a page shows it; `was` is the answer that is to be changed."""
        fields = orjson.loads(question.body)
        manner, named = self.manner, candidates(fields)
        reason = fields.get("reason")
        if manner.hide_candidates and isinstance(reason, dict):
            # What was like it, and what that was, is a suggestion as well.
            reason = {key: value for key, value in reason.items() if key != "examples"}
        shown = sorted(named) if manner.hide_suggestion else named
        return {
            "request": question.request,
            "id": question.id,
            "time": fields.get("time"),
            "ticket": ticket,
            "was": None if was is None else _before(was),
            "candidates": [] if manner.hide_candidates else shown,
            "suggestion": None if manner.hide_suggestion else question.guess,
            "coverage": None if manner.hide_candidates else fields.get("coverage"),
            "attempt": question.attempt,
            "expires_ms": question.expires_ms,
            "why": reason if isinstance(reason, dict) else None,
            **self.looks.show(fields),
        }


def is_class(name: Any) -> bool:
    """Whether a name may be offered as a class."""
    return (
        isinstance(name, str)
        and name != NONE_OF_THESE
        and 0 < len(name.encode(errors="replace")) <= LABEL_BYTES
        and name.isprintable()
        and bool(name.strip())
    )


def classes_of(question: Question) -> list[str]:
    """The classes that a request names: those that it may be, and those of events like it."""
    fields = orjson.loads(question.body)
    reason = fields.get("reason")
    examples = reason.get("examples") if isinstance(reason, dict) else None
    labels = [one.get("label") for one in examples or () if isinstance(one, dict)]
    return [*candidates(fields), *(label for label in labels if isinstance(label, str))]


def _before(was: Entry) -> dict[str, Any]:
    published = was.state not in (TAKEN_BACK, WRITTEN, GOLD)
    return {"label": was.label, "answer": was.answer, "published": published}
