"""What happened in a period, added up record by record in the order of the log.

A question is an event that was asked for, from its prediction until its first answer; the
answer is judged against what was predicted, as the pipeline itself does it
(`evaluation.prequential`), and counts in the stretch of the period in which the event was
predicted. What a person has asked for and not got stays open: its event is spoken for by the
answers of its stretch (`evaluation.late`).

Memory: `OPEN_MAX` questions of about 600 bytes, `EARLY_MAX` labels, the classes, and a fixed
number of stretches; it does not grow with the period.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from stream_cl.cli.report_records import (
    Drift,
    Letter,
    Made,
    Question,
    Stretch,
    Watch,
    answers_of,
    letter_of,
    made_of,
    object_of,
    raw_of,
)
from stream_cl.core.limits import CLASSES_MAX
from stream_cl.core.records import NONE_OF_THESE, Chunk, Label
from stream_cl.evaluation.late import OpenQuestions
from stream_cl.evaluation.prequential import Prequential
from stream_cl.labels.accounts import Accounts
from stream_cl.labels.classes import Classes

if TYPE_CHECKING:
    from stream_cl.core.topics import Topics
    from stream_cl.decode.decoder import Decoder

STRETCHES: Final = 96
OPEN_MAX: Final = 100_000
EARLY_MAX: Final = 100_000
ANNOTATORS_MAX: Final = 1000
LETTERS_SHOWN: Final = 3
"""Examples of dead letters of one code."""
MARKS_MAX: Final = 1000
"""Drifts, starts and codes that are kept."""
_RECENT: Final = 10_000
"""Answers that stand for the questions that are open (`Prequential`)."""
_UNCERTAINTY_BLOCK: Final = 32
_ERROR_BLOCK: Final = 4


class Account:
    """Give it the runs of all topics, merged by append time.

    Args:
        topics: their names.
        decoder: reads labels, and events where their labels come with them.
        since_ms, until_ms: the period that is cut into stretches.
        every: labels come for all events; no question is put.
    """

    def __init__(
        self, topics: Topics, decoder: Decoder, since_ms: int, until_ms: int, every: bool
    ) -> None:
        self.since_ms, self.until_ms = since_ms, max(until_ms, since_ms + 1)
        self.every = every
        self.stretches = [Stretch() for _ in range(STRETCHES)]
        self.classes = Classes(CLASSES_MAX)
        self.figures = Prequential(window_events=2**62, window_labels=_RECENT)
        self.counts: Counter[str] = Counter()
        self.letters: Counter[str] = Counter()
        self.examples: dict[str, list[Letter]] = {}
        self.annotators = Accounts(ANNOTATORS_MAX)
        self.drifts: list[Drift] = []
        self.starts_ms: list[int] = []
        self._decoder = decoder
        self._open: dict[str, Question] = {}
        self._early: dict[str, str] = {}
        self._uncertainty, self._errors = Watch(_UNCERTAINTY_BLOCK), Watch(_ERROR_BLOCK)
        self._readers = {
            topics.events: self._take_events,
            topics.predictions: self._take_predictions,
            topics.label_requests: self._take_requests,
            topics.labels: self._take_labels,
            topics.dead_letters: self._take_letters,
            topics.manifest: self._take_manifest,
        }

    def take(self, chunk: Chunk) -> None:
        """Add the records of a run."""
        self._readers[chunk.topic](chunk)

    @property
    def waiting(self) -> OpenQuestions:
        """The questions that have no answer yet."""
        events = [question.event for question in self._open.values()]
        propensity = [question.propensity for question in self._open.values()]
        return OpenQuestions(np.array(events, np.int64), np.array(propensity, np.float64))

    def at(self, append_ms: int) -> Stretch:
        """The stretch that holds this moment."""
        share = (append_ms - self.since_ms) / (self.until_ms - self.since_ms)
        return self.stretches[min(max(int(share * STRETCHES), 0), STRETCHES - 1)]

    def _take_events(self, chunk: Chunk) -> None:
        """Labels that come with their events; read only where every event has one."""
        if not self.every:
            return
        events, _ = self._decoder.events(raw_of(chunk))
        for id_, label in zip(events.ids, events.labels, strict=True):
            if label is not None:
                self._wait(id_, label)

    def _wait(self, id_: str, label: str) -> None:
        self._early.setdefault(id_, label)
        if len(self._early) > EARLY_MAX:
            del self._early[next(iter(self._early))]

    def _take_predictions(self, chunk: Chunk) -> None:
        for append_ms, value in zip(chunk.timestamps_ms, chunk.values, strict=True):
            made = made_of(value)
            if made is None:
                self.counts["unreadable"] += 1
                continue
            stretch = self.at(append_ms)
            stretch.events += 1
            stretch.uncertainty += made.uncertainty
            self.counts["events"] += 1
            self.counts["unaskable"] += made.propensity == 0
            if made.label is not None:
                self._drift(append_ms, "uncertainty", self._uncertainty.add(made.uncertainty))
            if made.propensity > 0 and (made.asked or self.every):
                self._ask(append_ms, made)

    def _ask(self, append_ms: int, made: Made) -> None:
        question = Question(
            event=self.counts["events"] - 1,
            append_ms=append_ms,
            propensity=made.propensity,
            predicted=-1 if made.label is None else self._number(made.label),
            confidence=1.0 - made.uncertainty,
            last=self.figures.last,
            held_out=made.reason == "held_out",
            probabilities=made.probabilities,
        )
        self.counts["questions"] += 1
        early = self._early.pop(made.id, None)
        if early is not None:
            self._judge([(question, early)])
            return
        self._open[made.id] = question
        if len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]
            self.counts["forgotten"] += 1

    def _number(self, label: str) -> int:
        """The class's number; classes beyond the bound share the last one."""
        number = self.classes.number(label)
        return CLASSES_MAX - 1 if number is None else number

    def _take_requests(self, chunk: Chunk) -> None:
        for append_ms, value in zip(chunk.timestamps_ms, chunk.values, strict=True):
            request = object_of(value)
            if request.get("status") == "open":
                self.at(append_ms).asked += 1
                self.counts["asked"] += 1
            elif request.get("status") == "withdrawn":
                self.counts["withdrawn"] += 1

    def _take_labels(self, chunk: Chunk) -> None:
        labels, refused = self._decoder.labels(raw_of(chunk))
        self.counts["labels"] += len(labels)
        self.counts["labels_refused"] += len(refused)
        judged: list[tuple[Question, str]] = []
        for label in labels:
            question = self._open.get(label.id)
            append_ms = chunk.timestamps_ms[label.row]
            self._book(label, question, append_ms)
            if label.label is None:
                self.counts["abstained"] += 1
            elif question is not None:
                del self._open[label.id]
                judged.append((question, label.label))
                wrong = float(question.predicted != self._number(label.label))
                self._drift(append_ms, "errors", self._errors.add(wrong))
            else:
                # Of the same millisecond as its question, or there before its event.
                self._wait(label.id, label.label)
        self._judge(judged)

    def _book(self, label: Label, question: Question | None, append_ms: int) -> None:
        answered_ms = append_ms if label.time_ms is None else label.time_ms
        took_ms = None if question is None else max(0, answered_ms - question.append_ms)
        self.annotators.book(label.annotator, label.label is None, label.cost, took_ms)

    def _judge(self, judged: Sequence[tuple[Question, str]]) -> None:
        """Add answers to the figures, and to the stretches of their events."""
        if not judged:
            return
        questions, labels = [one for one, _ in judged], [label for _, label in judged]
        numbers = [-1 if label == NONE_OF_THESE else self._number(label) for label in labels]
        answers = answers_of(questions, labels, numbers, len(self.classes))
        self.counts["answered"] += len(judged)
        self.figures.add(answers)
        for i, question in enumerate(questions):
            one = slice(i, i + 1)
            self.at(question.append_ms).sums.add(answers.right[one], answers.propensity[one])

    def _take_letters(self, chunk: Chunk) -> None:
        for row, append_ms in enumerate(chunk.timestamps_ms):
            code, letter = letter_of(chunk, row)
            self.at(append_ms).letters += 1
            self.counts["letters"] += 1
            if code in self.letters or len(self.letters) < MARKS_MAX:
                self.letters[code] += 1
                shown = self.examples.setdefault(code, [])
                if len(shown) < LETTERS_SHOWN:
                    shown.append(letter)

    def _take_manifest(self, chunk: Chunk) -> None:
        for append_ms, value in zip(chunk.timestamps_ms, chunk.values, strict=True):
            if b'"kind":"open"' in (value or b"")[:100] and len(self.starts_ms) < MARKS_MAX:
                self.starts_ms.append(append_ms)

    def _drift(self, append_ms: int, watched: str, change: int) -> None:
        if change and len(self.drifts) < MARKS_MAX:
            self.drifts.append(Drift(append_ms, watched, change > 0))
