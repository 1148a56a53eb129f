"""Asking a second time: questions that want several answers, and labels that are in doubt.

A question that wants more answers is asked again when an answer came, one after another, until it
has them. Besides, a share of the requests goes to the most doubtful label, where that is worth more
than a new event (`labels.relabel`): where its quality is below the mean that the new events of the
step had.

All of it is inside the budget, whose own propensities stay true, since nothing that it drew is
taken back. It charges a question with all the answers that are wanted when it is asked (`answers`
in `budget._ranked`): those are reserved here, each further request or answer takes one of them, and
`due` gives back what a question does not need. Every other request is charged by `due`, and given
back if nobody answers it within the ttl. Such a request may be repeated; the new one names the one
that it supersedes, which is withdrawn with it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import orjson

from stream_cl.core.limits import ANSWERS_PER_QUESTION, REQUEST_BYTES_KEPT, REQUESTS_BYTES_MAX
from stream_cl.core.snapshot import SetDigest, Snapshot
from stream_cl.labels.join import Joined
from stream_cl.labels.panel import Panel
from stream_cl.labels.question import Question
from stream_cl.pipeline.publish import rfc3339
from stream_cl.pipeline.requests import request_id
from stream_cl.pipeline.scored import Scored

SAVED: Final = 10.0
"""Requests' worth of the share that may be saved up while no label is in doubt."""


class AskAgain:
    """Which questions are asked again, and the texts of their first requests.

    Args:
        answers: wanted for every question.
        share: of the requests that may go to doubtful labels.
        ttl_ms: a request waits so long for its answer.
        capacity: texts kept; the oldest gives way, as where they would take more than
            REQUESTS_BYTES_MAX in all. A question without its text is not asked again.
    """

    def __init__(self, answers: int, share: float, ttl_ms: int, capacity: int) -> None:
        assert answers >= 1
        assert 0.0 <= share <= 1.0
        self.answers, self.share = answers, share
        self.capacity = capacity
        self._ttl_ms = ttl_ms
        self._texts: dict[str, bytes] = {}
        self._bytes = 0
        self._digest = SetDigest()
        self._saved = 0.0
        self._reserved: dict[str, int] = {}  # answers that the budget was charged with; of texts
        self._open: dict[str, int] = {}  # when the request went out, the oldest first
        self._due = 0

    def __len__(self) -> int:
        return len(self._texts)

    def keep(self, scored: Scored) -> None:
        """Take the texts of a step's own requests, before what came in it is looked at."""
        for key, text in scored.requests:
            id_ = key.decode()
            self._drop(id_)
            if len(text) > REQUEST_BYTES_KEPT:
                self._due -= self.answers - 1
                continue
            self._texts[id_] = text
            self._bytes += len(text)
            self._digest.add(id_, text)
            self._reserve(id_, self.answers - 1)
            while len(self._texts) > self.capacity or self._bytes > REQUESTS_BYTES_MAX:
                self._drop(next(iter(self._texts)))

    def came(self, id_: str, revision: bool) -> bool:
        """A further answer came, or a revision; whether it was asked for."""
        if id_ in self._open:
            self._close(id_)
            return True
        left = 0 if revision else self._reserved.get(id_, 0)
        if left:
            self._reserve(id_, left - 1)
        return left > 0

    def expired(self, id_: str) -> None:
        """Nobody answered the first request; the budget refunds the whole question."""
        self._reserve(id_, 0)

    def choose(
        self, panel: Panel, joined: Joined, scored: Scored, read_to_ms: int
    ) -> list[tuple[str, bytes]]:
        """The requests to repeat after a step, as (event id, value)."""
        self._lapse(read_to_ms)
        chosen = []
        for id_ in dict.fromkeys([*(a.waiting.ids[0] for a in joined.answered), *joined.weighed]):
            question = panel.get(id_)
            if self._wants_more(panel, question):
                left = self._reserved.get(id_, 0)
                if asked := self._ask(panel, id_, scored.time_ms):
                    self._reserve(id_, max(0, left - 1))
                    self._due += left == 0
                chosen += asked
            elif question is None or question.asked_ms < 0:
                self._give_back(id_)
        return chosen + self._doubtful(panel, scored)

    def due(self) -> int:
        """What the budget is to be charged with since the last call; below 0 it gets back."""
        due, self._due = self._due, 0
        return due

    def _wants_more(self, panel: Panel, question: Question | None) -> bool:
        if question is None or panel.sure(question):
            return False
        few = len(question.votes) < self.answers and question.attempt < ANSWERS_PER_QUESTION
        return few and question.asked_ms < 0

    def _doubtful(self, panel: Panel, scored: Scored) -> list[tuple[str, bytes]]:
        asked = np.flatnonzero(scored.verdicts.decision.asked)
        if not self.share or not len(asked):
            return []
        self._saved = min(self._saved + self.share * len(asked), SAVED + len(asked))
        new = 1.0 - scored.verdicts.uncertainty[asked].mean()  # the largest probabilities
        chosen = []
        while self._saved >= 1.0:
            doubtful = panel.most_doubtful(scored.time_ms, self._ttl_ms, self._texts)
            if doubtful is None or doubtful[1] >= new:
                break
            chosen += self._ask(panel, doubtful[0], scored.time_ms)
            self._due += 1
            self._saved -= 1.0
        return chosen

    def _ask(self, panel: Panel, id_: str, time_ms: int) -> list[tuple[str, bytes]]:
        text = self._texts.get(id_)
        if text is None:
            return []
        question = panel.get(id_)
        open_ = question is not None and question.asked_ms >= 0  # nobody answered that one
        attempt = panel.asked_again(id_, time_ms)
        if id_ in self._open:
            self._close(id_)
            self._due -= 1
        self._open[id_] = time_ms
        self._digest.add(id_, "open", time_ms)
        changed: dict[str, Any] = {
            **({"supersedes": request_id(id_, attempt - 1)} if open_ else {}),
            "request": request_id(id_, attempt),
            "expires": rfc3339([time_ms + self._ttl_ms])[0].decode(),
            "attempt": attempt,
        }
        return [(id_, orjson.dumps({**orjson.loads(text), **changed}))]

    def _lapse(self, read_to_ms: int) -> None:
        """Give back what nobody answered in time."""
        while self._open:
            id_, asked_ms = next(iter(self._open.items()))
            if asked_ms + self._ttl_ms > read_to_ms and len(self._open) <= self.capacity:
                return
            self._close(id_)
            self._give_back(id_)
            self._due -= 1

    def _close(self, id_: str) -> None:
        self._digest.remove(id_, "open", self._open.pop(id_))

    def _reserve(self, id_: str, answers: int) -> None:
        before = self._reserved.pop(id_, 0)
        if before:
            self._digest.remove(id_, "reserved", before)
        if answers:
            self._reserved[id_] = answers
            self._digest.add(id_, "reserved", answers)

    def _give_back(self, id_: str) -> None:
        self._due -= self._reserved.get(id_, 0)
        self._reserve(id_, 0)

    def _drop(self, id_: str) -> None:
        self._give_back(id_)
        text = self._texts.pop(id_, None)
        if text is not None:
            self._bytes -= len(text)
            self._digest.remove(id_, text)

    def fingerprint(self) -> Snapshot:
        return {"texts": len(self), "digest": self._digest.hex(), "saved": self._saved}

    def snapshot(self) -> Snapshot:
        texts = [text.decode() for text in self._texts.values()]
        return {
            "ids": list(self._texts),
            "texts": texts,
            "saved": self._saved,
            "reserved": [list(one) for one in self._reserved.items()],
            "open": [list(one) for one in self._open.items()],
        }

    def restore(self, snapshot: Snapshot) -> None:
        n = len(snapshot["ids"])
        assert n <= self.capacity, f"{n} texts of requests, where {self.capacity} may be kept"
        self._texts, self._bytes, self._digest = {}, 0, SetDigest()
        for id_, text in zip(snapshot["ids"], snapshot["texts"], strict=True):
            self._texts[id_] = text.encode()
            self._bytes += len(self._texts[id_])
            self._digest.add(id_, self._texts[id_])
        self._saved = snapshot["saved"]
        self._reserved, self._open = dict(snapshot["reserved"]), dict(snapshot["open"])
        for what, numbers in (("reserved", self._reserved), ("open", self._open)):
            for id_, number in numbers.items():
                self._digest.add(id_, what, number)
