"""How a question is written, and how it is taken back.

A request says what annotators need to decide, and why they are asked: the classes that it may be,
events like it that were answered, what the strategy and the budget made of it. Requests are few,
so each is a dict of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from stream_cl.core.limits import RECORD_BYTES
from stream_cl.core.protocols import REASONS
from stream_cl.core.records import Events, RawRecords
from stream_cl.evaluation.conformal import NO_SET
from stream_cl.pipeline.batches import Keyed
from stream_cl.pipeline.evidence import Shown
from stream_cl.pipeline.publish import ROUND_DIGITS, Verdicts, rfc3339


def request_id(id_: str, attempt: int = 1) -> str:
    """Names one question about one event."""
    return f"{id_}/{attempt}"


@dataclass(frozen=True, slots=True)
class Requests:
    """How questions are written.

    fields: names of the features that may leave, None for all. candidates: classes named at
    most.
    """

    strategy: str
    ttl_ms: int
    fields: frozenset[str] | None
    candidates: int

    def open(
        self,
        raw: RawRecords,
        events: Events,
        verdicts: Verdicts,
        class_names: Sequence[str],
        time_ms: int,
        shown: Sequence[Shown],
    ) -> list[Keyed]:
        """The question about each event that is asked for, in their order; `shown` has what goes
        with each."""
        asked = verdicts.decision.asked.nonzero()[0].tolist()
        if not asked:
            return []
        expires = rfc3339([time_ms + self.ttl_ms])[0].decode()
        times = rfc3339([events.times_ms[i] for i in asked])
        chosen = verdicts.probabilities[asked]
        best = np.argsort(-chosen, axis=1, kind="stable")[:, : self.candidates].tolist()
        utilities = verdicts.utility[asked].round(ROUND_DIGITS).tolist()
        decision = verdicts.decision
        propensities = decision.propensity[asked].tolist()
        lines = [None] * len(asked)
        if decision.threshold is not None:
            lines = decision.threshold[asked].round(ROUND_DIGITS).tolist()
        questions = []
        for at, i in enumerate(asked):
            id_, evidence = events.ids[i], shown[at]
            listed = best[at] if evidence.size == NO_SET else best[at][: evidence.size]
            question = {
                "v": 1,
                "id": id_,
                "request": request_id(id_),
                "status": "open",
                "time": times[at].decode(),
                **self._features(raw, events, i),
                "candidates": [class_names[c] for c in listed],
                "coverage": evidence.coverage,
                "utility": utilities[at],
                "propensity": propensities[at],
                "strategy": self.strategy,
                "priority": round(evidence.priority, 3),
                "reason": {
                    "draw": REASONS[decision.reason[i]],
                    "strategy": self.strategy,
                    "utility": utilities[at],
                    "threshold": lines[at],
                    "examples": [
                        {
                            "id": example.id,
                            "label": class_names[example.number],
                            "distance": round(example.distance, 4),
                        }
                        for example in evidence.examples
                    ],
                },
                "expires": expires,
                "attempt": 1,
            }
            questions.append(Keyed(id_.encode(), _fitting(question), events.rows[i]))
        return questions

    def _features(self, raw: RawRecords, events: Events, i: int) -> dict[str, Any]:
        features = events.features[i]
        if isinstance(features, tuple):
            # Only the names were kept; few events are asked for, so the record is read again.
            features = orjson.loads(raw.values[events.rows[i]] or b"")["features"]
            assert isinstance(features, dict)
        if features is None:
            # A vector has no names to choose by: it leaves only when everything may.
            return {"vector": events.vectors[i]} if self.fields is None else {"features": {}}
        if self.fields is not None:
            features = {name: value for name, value in features.items() if name in self.fields}
        return {"features": features}


def _fitting(question: dict[str, Any]) -> bytes:
    """The question as JSON; without the features where a record could not hold it with them."""
    value = orjson.dumps(question)
    if len(value) <= RECORD_BYTES:
        return value
    rest = {name: field for name, field in question.items() if name != "vector"}
    return orjson.dumps({**rest, "features": {}, "features_left_out": True})


def withdrawn(id_: str, request: str | None = None) -> Keyed:
    """The record that takes a question back: the first about the event, or the one named."""
    request = request or request_id(id_)
    value = {"v": 1, "id": id_, "request": request, "status": "withdrawn"}
    return Keyed(id_.encode(), orjson.dumps(value))


def repeated(id_: str, text: bytes) -> list[Keyed]:
    """A question that is asked again, behind the withdrawal of the one that it supersedes."""
    before = orjson.loads(text).get("supersedes")
    earlier = [] if before is None else [withdrawn(id_, before)]
    return [*earlier, Keyed(id_.encode(), text)]
