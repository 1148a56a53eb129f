"""Several answers to one question: who said what, what follows from it, and when that changes.

The first answer settles a question and is learned at once; the question stays here, with the
event's features, so that a later answer of somebody else, or a revision, can be weighed with it.
Where the consensus becomes another class, a `Correction` says so. Trust moves with every answer,
so each answer looks again at a few older questions, in turn.

Rules of consensus, the first that applies: the class that the config gives a gold question; the
last answer of an expert; the most probable class by `dawid_skene`, or without it the most votes
(of equal ones the class that stands).
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

import numpy as np

from stream_cl.core.limits import ANSWERS_PER_QUESTION
from stream_cl.core.snapshot import SetDigest, Snapshot
from stream_cl.labels.agreement import Agreement
from stream_cl.labels.dawid_skene import DawidSkene, Posterior
from stream_cl.labels.question import Correction, Question, Vote
from stream_cl.labels.relabel import quality

REVISITS: Final = 3
"""Older questions that each answer looks at again."""
_EQUAL: Final = 1e-9
"""Posteriors closer than this are equal, so that rounding changes no label."""


class Panel:
    """Bounded store: id → answered question, and what is known of those who answer.

    Args:
        capacity: questions; the oldest gives way, what it taught about annotators stays.
        trust: what weighs the answers; None gives everybody one vote.
        experts: annotators whose answers are taken as right.

    Memory: capacity × (4 · width + 24 · classes + about 900 bytes) with a few answers each, and
    that of `trust`. An answer costs 1 + REVISITS posteriors.
    """

    def __init__(
        self, capacity: int, trust: DawidSkene | None, experts: frozenset[str] = frozenset()
    ) -> None:
        assert capacity > 0
        self.capacity = capacity
        self.trust = trust
        self.experts = experts
        self.agreement = Agreement()
        self._questions: dict[str, Question] = {}
        self._turn: dict[str, None] = {}  # who is looked at again next
        self._digest = SetDigest()
        self._answers, self._opened = 0, 0
        self._model = [1.0, 2.0]  # predictions that the consensus bore out, of so many

    def __len__(self) -> int:
        return len(self._questions)

    def get(self, id_: str) -> Question | None:
        """The answered question about this event; not to be changed."""
        return self._questions.get(id_)

    def open(self, id_: str, question: Question) -> None:
        """A question is about to get its first answer; the oldest leaves for want of room."""
        self.forget(id_)
        if len(self) >= self.capacity:
            self.forget(next(iter(self._questions)))
        self._questions[id_], self._turn[id_] = question, None
        self._digest.add(id_, *question.key())
        self._opened += 1

    def forget(self, id_: str) -> None:
        """An event of this id is new again, or its place is needed."""
        question = self._questions.pop(id_, None)
        if question is not None:
            del self._turn[id_]
            self._digest.remove(id_, *question.key())

    def vote(self, id_: str, vote: Vote, classes: int) -> list[Correction]:
        """An answer to a question that is here, or a revision of one; `classes` are known so far.

        Returns what became another class: older questions too, where trust moved. For the first
        answer to a question there is nothing to correct, even if it is outvoted at once.
        """
        question = self._questions[id_]
        others = [v for v in question.votes if v.annotator != vote.annotator]
        assert len(others) < ANSWERS_PER_QUESTION
        first = not question.votes
        self._answers += len(others) == len(question.votes)
        self.agreement.add([v.number for v in question.votes], -1)
        self.agreement.add([v.number for v in [*others, vote]])
        if self.trust is not None:
            # Before this answer counts: of two who differ the first one stands.
            question.prior = self.trust.shares(max(classes, vote.number + 1))
            self.trust.came(vote.annotator, vote.number)
        self._digest.remove(id_, *question.key())
        question.asked_ms = -1
        self._digest.add(id_, *question.key())
        corrections = [self._settle(id_, question, [*others, vote], classes)]
        if first and len(question.predicted):
            self._model[0] += float(question.predicted.argmax() == question.number)
            self._model[1] += 1.0
        if self.trust is not None:
            corrections += [self._look_again(classes) for _ in range(REVISITS)]
        return [one for one in corrections if one is not None]

    def sure(self, question: Question) -> bool:
        """Whether its class is known from the config or an expert."""
        return self._known(question) >= 0

    def most_doubtful(
        self, time_ms: int, ttl_ms: int, among: Container[str] | None = None
    ) -> tuple[str, float] | None:
        """The question whose label is least likely right, and its quality; None where there is
        none that may be asked again. Costs O(questions)."""
        found: tuple[str, float] | None = None
        for id_, question in self._questions.items():
            waits = question.asked_ms >= 0 and time_ms < question.asked_ms + ttl_ms
            full = max(len(question.votes), question.attempt) >= ANSWERS_PER_QUESTION
            shut = waits or full or self.sure(question) or (among is not None and id_ not in among)
            if not shut and (found is None or question.quality < found[1]):
                found = id_, question.quality
        return found

    def asked_again(self, id_: str, time_ms: int) -> int:
        """A request for another answer goes out at `time_ms`; returns the number of the attempt."""
        question = self._questions[id_]
        self._digest.remove(id_, *question.key())
        question.attempt += 1
        question.asked_ms = time_ms
        self._digest.add(id_, *question.key())
        return question.attempt

    def _settle(
        self, id_: str, question: Question, votes: list[Vote], classes: int
    ) -> Correction | None:
        """Find the consensus of `votes`, and learn from it whom to trust."""
        if self.trust is not None and len(question.q):
            self.trust.learn(_pairs(question.votes), question.q, -1)
        self._digest.remove(id_, *question.key())
        old, question.votes = question.number, votes
        question.q = self._posterior(question, classes)
        if self.trust is not None:
            self.trust.learn(_pairs(votes), question.q)
        best = int(question.q.argmax())
        # Of equal ones the class that stands; of those of a first look, the first answered.
        stands = old if old >= 0 else votes[0].number
        if question.q[stands] >= question.q[best] - _EQUAL:
            best = stands
        question.number = best
        question.quality = self._quality_of(question)
        self._digest.add(id_, *question.key())
        if best == old or old < 0:
            return None
        return Correction(id_, question.x, old, best, question.weight, question.held_out)

    def _look_again(self, classes: int) -> Correction | None:
        id_ = next(iter(self._turn))
        del self._turn[id_]
        self._turn[id_] = None
        question = self._questions[id_]
        if not question.votes:
            return None
        return self._settle(id_, question, question.votes, classes)

    def _posterior(self, question: Question, classes: int) -> Posterior:
        known, votes = self._known(question), question.votes
        if known >= 0:
            q = np.zeros(max(classes, known + 1))
            q[known] = 1.0
            return q
        if self.trust is not None:
            return self.trust.posterior(_pairs(votes), classes, question.prior)
        counts = np.bincount([vote.number for vote in votes], minlength=classes)
        shares: Posterior = counts / len(votes)
        return shares

    def _known(self, question: Question) -> int:
        """The class that is right for sure, by the config or an expert; −1 if nobody knows."""
        if question.gold >= 0 or not self.experts:
            return question.gold
        return next((v.number for v in reversed(question.votes) if v.annotator in self.experts), -1)

    def _quality_of(self, question: Question) -> float:
        predicted, number = question.predicted, question.number
        if self.trust is None or not len(predicted) or self._known(question) >= 0:
            return question.weight
        right, judged = self._model
        return quality(
            question.weight,
            self.trust.trusts([vote.annotator for vote in question.votes]).tolist(),
            float(predicted[number]) if number < len(predicted) else 0.0,
            right / judged,
            self.trust.largest_share(),
            self._answers / self._opened,
        )

    def fingerprint(self) -> Snapshot:
        """Count and digest of the answers, and what is known of annotators."""
        return {
            "questions": len(self),
            "digest": self._digest.hex(),
            "turn": next(iter(self._turn), ""),
            **self._scalars(),
        }

    def snapshot(self) -> Snapshot:
        questions = self._questions.values()
        return {
            "ids": list(self._questions),
            "turn": list(self._turn),
            "questions": [question.plain() for question in questions],
            "x": np.concatenate([q.x for q in questions]) if questions else np.zeros((0, 0)),
            "predicted": [question.predicted.copy() for question in questions],
            "q": [question.q.copy() for question in questions],
            "prior": [question.prior.copy() for question in questions],
            "digest": self._digest.hex(),
            **self._scalars(),
        }

    def _scalars(self) -> Snapshot:
        return {
            "answers": self._answers,
            "opened": self._opened,
            "model": list(self._model),
            "agreement": self.agreement.snapshot(),
            "trust": None if self.trust is None else self.trust.snapshot(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        n = len(snapshot["ids"])
        assert n <= self.capacity, f"{n} answered questions, where {self.capacity} may be kept"
        self._questions, self._digest = {}, SetDigest()
        columns = zip(
            snapshot["ids"], snapshot["questions"],
            *(snapshot[name] for name in ("predicted", "q", "prior")),
            strict=True,
        )  # fmt: skip
        for i, (id_, plain, *own) in enumerate(columns):
            x, fields = snapshot["x"][i : i + 1].copy(), dict(plain)
            votes = [Vote(*vote) for vote in fields.pop("votes")]
            predicted, q, prior = (column.copy() for column in own)
            question = Question(x, predicted=predicted, q=q, prior=prior, votes=votes, **fields)
            self._questions[id_] = question
            self._digest.add(id_, *question.key())
        assert self._digest.hex() == snapshot["digest"], "answers changed on the way"
        self._turn = dict.fromkeys(snapshot["turn"])
        self._answers, self._opened = snapshot["answers"], snapshot["opened"]
        self._model = list(snapshot["model"])
        self.agreement.restore(snapshot["agreement"])
        if self.trust is not None:
            self.trust.restore(snapshot["trust"])


def _pairs(votes: list[Vote]) -> list[tuple[str, int]]:
    return [(vote.annotator, vote.number) for vote in votes]
