"""Asking a second time: questions that want several answers, and labels that are in doubt.

A question that wants more answers is asked again when an answer came, one after another, until it
has them. Besides, a share of the requests goes to the most doubtful label, where that is worth more
than a new event (`labels.relabel`): where its quality is below the mean that the new events of the
step had.

All of it is inside the budget, whose own propensities stay true, since nothing that it drew is
taken back. It charges a question with all the answers that are wanted when it is asked (`answers`
in `budget._ranked`): those are reserved here, each further request or answer takes one of them, and
`due` gives back what a question does not need, once its first answer is here; what nobody answers
at all the budget takes back whole. Every other request is charged by `due`, and given back and
withdrawn if nobody answers it within the ttl. A request that is still open may be repeated; the new
one names the one that it supersedes, which is withdrawn with it.

While the pipeline is paused, questions that want more answers are held; they go on afterwards.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import numpy as np
import orjson

from stream_cl.core.limits import (
    ANSWERS_PER_QUESTION,
    EXPIRED_PER_STEP,
    REQUEST_BYTES_KEPT,
    REQUESTS_BYTES_MAX,
)
from stream_cl.core.snapshot import SetDigest, Snapshot
from stream_cl.labels.join import Joined
from stream_cl.labels.panel import Panel
from stream_cl.labels.question import Question
from stream_cl.pipeline.publish import rfc3339
from stream_cl.pipeline.requests import request_id
from stream_cl.pipeline.scored import Scored

SAVED: Final = 10.0
"""Requests' worth of the share that may be saved up while no label is in doubt."""
RESUMED: Final = 1000
"""Held questions that a step goes on with after a pause: 16 MB of requests at most."""


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
        # Answers that the budget was charged with: of questions that wait for their first answer,
        # of `_held`, and of `_open`.
        self._reserved: dict[str, int] = {}
        self._held: dict[str, None] = {}  # want more answers since a pause; of texts
        # When the request went out and its attempt, the oldest first. Checkpoints of the time
        # before have no attempt.
        self._open: dict[str, tuple[int, ...]] = {}
        self._forgotten: list[tuple[str, str]] = []  # open about events whose id is new again
        self._due = 0

    def __len__(self) -> int:
        return len(self._texts)

    def keep(self, scored: Scored) -> None:
        """Take the texts of a step's own requests, before what came in it is looked at."""
        for key, text in scored.requests:
            id_ = key.decode()
            self._drop(id_)
            self._give_back(id_)
            if id_ in self._open:
                self._forgotten += self._give_up(id_, 0)
            self._reserve(id_, self.answers - 1)
            if len(text) > REQUEST_BYTES_KEPT:
                continue
            self._texts[id_] = text
            self._bytes += len(text)
            self._digest.add(id_, text)
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
        self, panel: Panel, joined: Joined, scored: Scored, asking: bool
    ) -> list[tuple[str, bytes]]:
        """The requests to repeat after a step, as (event id, value); none unless `asking`."""
        held = list(islice(self._held, RESUMED)) if asking else []
        answered = [answer.waiting.ids[0] for answer in joined.answered]
        chosen = []
        for id_ in dict.fromkeys([*held, *answered, *joined.weighed]):
            self._release(id_)
            question = panel.get(id_)
            if not self._wants_more(panel, question):
                if question is None or question.asked_ms < 0:
                    self._give_back(id_)
            elif id_ not in self._texts:
                self._give_back(id_)
            elif not asking:
                self._hold(id_)
            else:
                left = self._reserved.get(id_, 0)
                chosen += self._ask(panel, id_, scored.time_ms)
                self._reserve(id_, max(0, left - 1))
                self._due += left == 0
        return chosen + self._doubtful(panel, scored) if asking else []

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
        attempt = panel.asked_again(id_, time_ms)
        supersedes = {}
        if id_ in self._open:  # else it was answered, or withdrawn when it lapsed
            before = self._close(id_) or attempt - 1
            supersedes = {"supersedes": request_id(id_, before)}
            self._due -= 1
        self._open[id_] = time_ms, attempt
        self._digest.add(id_, "open", time_ms, attempt)
        changed: dict[str, Any] = {
            **supersedes,
            "request": request_id(id_, attempt),
            "expires": rfc3339([time_ms + self._ttl_ms])[0].decode(),
            "attempt": attempt,
        }
        return [(id_, orjson.dumps({**orjson.loads(self._texts[id_]), **changed}))]

    def next_lapse_ms(self) -> int | None:
        """When the oldest request that is open expires."""
        oldest = next(iter(self._open.values()), None)
        return None if oldest is None else oldest[0] + self._ttl_ms

    def lapse(self, panel: Panel, read_to_ms: int) -> list[tuple[str, str]]:
        """Give back what nobody answered in time; returns what is to be withdrawn, as (event id,
        request). No more expires than a transaction should carry; the next step goes on."""
        lapsed, self._forgotten = self._forgotten, []
        while (due_ms := self.next_lapse_ms()) is not None:
            late = due_ms <= read_to_ms and len(lapsed) < EXPIRED_PER_STEP
            if not late and len(self._open) <= self.capacity:
                break
            id_ = next(iter(self._open))
            question = panel.get(id_)
            lapsed += self._give_up(id_, 0 if question is None else question.attempt)
        return lapsed

    def _give_up(self, id_: str, attempt: int) -> list[tuple[str, str]]:
        """The open request, to be withdrawn, by its own attempt or else the one given."""
        attempt = self._close(id_) or attempt
        self._give_back(id_)
        self._due -= 1
        return [(id_, request_id(id_, attempt))] if attempt else []

    def _close(self, id_: str) -> int:
        """The open request's attempt; 0 where a checkpoint did not say it."""
        asked = self._open.pop(id_)
        self._digest.remove(id_, "open", *asked)
        return asked[1] if len(asked) > 1 else 0

    def _hold(self, id_: str) -> None:
        self._held[id_] = None
        self._digest.add(id_, "held")

    def _release(self, id_: str) -> bool:
        """Hold a question no longer; whether it was held."""
        if id_ not in self._held:
            return False
        del self._held[id_]
        self._digest.remove(id_, "held")
        return True

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
        # What is reserved for a question that is still open stays: nobody may answer it, and the
        # budget takes all of it back then.
        if self._release(id_):
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
            "open": [[id_, *asked] for id_, asked in self._open.items()],
            "held": list(self._held),
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
        self._reserved = dict(snapshot["reserved"])
        for id_, number in self._reserved.items():
            self._digest.add(id_, "reserved", number)
        self._open = {id_: tuple(asked) for id_, *asked in snapshot["open"]}
        for id_, asked in self._open.items():
            self._digest.add(id_, "open", *asked)
        self._held = {}
        for id_ in snapshot.get("held", ()):
            self._hold(id_)
