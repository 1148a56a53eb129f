"""Questions that are closed: answered or expired.

Kept so that a repeated answer can be told from a conflicting one and from a late one.
"""

from __future__ import annotations

from typing import NamedTuple

from stream_cl.core.snapshot import SetDigest, Snapshot


class Answer(NamedTuple):
    """The answer that closed a question; `label` None when it expired unanswered."""

    label: str | None
    annotator: str = ""
    revision: int = 0


EXPIRED = Answer(None)


class Closed:
    """The last `capacity` closed questions: id → answer.

    Memory: capacity × about 500 bytes at the usual sizes of ids and labels.
    """

    def __init__(self, capacity: int) -> None:
        assert capacity > 0
        self.capacity = capacity
        self._answers: dict[str, Answer] = {}
        self._digest = SetDigest()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, id_: str) -> Answer | None:
        return self._answers.get(id_)

    def close(self, id_: str, answer: Answer) -> None:
        """Remember how a question ended; the oldest is forgotten when there is no room."""
        self.forget(id_)
        if len(self._answers) >= self.capacity:
            self.forget(next(iter(self._answers)))
        self._answers[id_] = answer
        self._digest.add(id_, *answer)

    def forget(self, id_: str) -> None:
        """An event of this id is new again, or its place is needed."""
        answer = self._answers.pop(id_, None)
        if answer is not None:
            self._digest.remove(id_, *answer)

    def fingerprint(self) -> Snapshot:
        return {"answers": len(self), "digest": self._digest.hex()}

    def snapshot(self) -> Snapshot:
        return {
            "ids": list(self._answers),
            "answers": [list(answer) for answer in self._answers.values()],
            "digest": self._digest.hex(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        n = len(snapshot["ids"])
        assert n <= self.capacity, f"{n} closed questions, where {self.capacity} are remembered"
        self._answers, self._digest = {}, SetDigest()
        for id_, answer in zip(snapshot["ids"], snapshot["answers"], strict=True):
            self.close(id_, Answer(*answer))
        assert self._digest.hex() == snapshot["digest"], "closed questions changed on the way"
