"""A pipeline in memory, for programs and notebooks: events in, predictions out, answers back.

    >>> pipeline = Pipeline(learner={"kind": "prototype"}, seed=0)
    >>> predictions = pipeline.feed([{"sky": "grey"}, {"sky": "blue"}, {"sky": "white"}])
    >>> [request.id for request in pipeline.requests]
    ['0', '1', '2']
    >>> pipeline.answer({"0": "rain", "1": "sun"})
    {'learned': 2}
    >>> [prediction.label for prediction in pipeline.feed([{"sky": "blue"}, {"sky": "grey"}])]
    ['sun', 'rain']

The steps are those of `stream-cl run`, from the records' bytes to the outputs' bytes; what is
missing is the log, and with it transactions, other processes and recovery. Logical time is the
number of records handed in, in milliseconds: with `labels={"ttl_s": 10}` a question waits for
10,000 records. Longer than other modules, because each method has its example.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, overload

import orjson

from stream_cl import __version__, api_html, build
from stream_cl.api_config import FORMAT, checked, config_of, unreadable
from stream_cl.api_records import (
    LabelRequest,
    Prediction,
    answer_value,
    event_value,
    listed,
    prediction_of,
    request_of,
)
from stream_cl.checkpoint.format import decode, encode
from stream_cl.config import Config, environment, public, state_keys
from stream_cl.config.file import load
from stream_cl.core.errors import (
    CheckpointCorrupt,
    StateIncompatible,
    UserError,
)
from stream_cl.core.records import DeadLetter
from stream_cl.core.snapshot import Snapshot
from stream_cl.core.topics import NAMES, Topics
from stream_cl.evaluation.intervals import Estimate
from stream_cl.labels.join import FATES
from stream_cl.pipeline.offline import Offline
from stream_cl.pipeline.scored import Scored
from stream_cl.pipeline.watch import live_figures

DEAD_LETTERS_KEPT: Final = 1000

_MISSING: Final = object()  # None says something: the annotator abstains


class Pipeline:
    """A pipeline in memory. Arguments are the sections of the config, those that need no log.

    Same arguments, same records: same predictions. (Models of river may iterate over texts;
    for those start Python with PYTHONHASHSEED=0.)

    Args:
        seed: every draw follows from it.
        others: a section each, as in the file that `stream-cl init` writes.

    Raises:
        ConfigError: with a line for every mistake.

    >>> Pipeline(learner={"kind": "prototype"}, budget={"fraction": 0.1}, seed=3)
    <stream_cl.Pipeline: prototype, 0 events, 0 labels learned, 0 questions open>
    >>> Pipeline(learner={"kind": "softmacks"})
    Traceback (most recent call last):
    stream_cl.core.errors.ConfigError: learner.kind: 'softmacks' is not among them; did you mean softmax?
    """  # noqa: E501  a message is one line

    def __init__(
        self,
        *,
        seed: int = 0,
        encoder: Mapping[str, Any] | None = None,
        learner: Mapping[str, Any] | None = None,
        memory: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        budget: Mapping[str, Any] | None = None,
        labels: Mapping[str, Any] | None = None,
        step: Mapping[str, Any] | None = None,
        dedupe: Mapping[str, Any] | None = None,
        requests: Mapping[str, Any] | None = None,
        evaluation: Mapping[str, Any] | None = None,
        annotators: Mapping[str, Any] | None = None,
    ) -> None:
        sections = {
            "encoder": encoder, "learner": learner, "memory": memory, "query": query,
            "budget": budget, "labels": labels, "step": step, "dedupe": dedupe,
            "requests": requests, "evaluation": evaluation, "annotators": annotators,
        }  # fmt: skip
        given = {name: section for name, section in sections.items() if section is not None}
        self._begin(checked({"seed": seed, **given}))

    @classmethod
    def from_config(cls, path: str | Path) -> Pipeline:
        """The pipeline of a YAML file, the one that `stream-cl run` takes.

        What the file says of log, checkpoints, HTTP and logging has no effect here.

        Raises:
            ConfigError: with a line for every mistake.

        >>> Pipeline.from_config("missing.yaml")
        Traceback (most recent call last):
        stream_cl.core.errors.ConfigError: missing.yaml: there is no such file; `stream-cl init missing.yaml` writes one
        """  # noqa: E501
        pipeline = cls.__new__(cls)
        pipeline._begin(load(Path(path), [], environment()))
        return pipeline

    def _begin(self, config: Config) -> None:
        self.config = config
        topics = Topics(config.topics.prefix)
        one = {topics.named(name): 1 for name in NAMES}
        self._plan = build.plan(config, topics, one, lambda topic, key: 0)
        self._steps = Offline(build.fresh_state(config), self._plan)
        self._requests: dict[str, bytes] = {}
        self._dead_letters: deque[DeadLetter] = deque(maxlen=DEAD_LETTERS_KEPT)

    def __repr__(self) -> str:
        state = self._steps.state
        return (
            f"<stream_cl.Pipeline: {self._plan.model}, {state.events} events, "
            f"{state.learned} labels learned, {len(self._open())} questions open>"
        )

    def _repr_html_(self) -> str:
        figures = {
            name: "–" if one is None else f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"
            for name, one in self.figures().items()
        }
        return api_html.fields(repr(self), {**self.counts, **figures})

    def feed(self, events: Iterable[Any]) -> list[Prediction]:
        """Predict events, in steps of `step.max_events`.

        An event is a dict of features (name → number, text, boolean or None; NaN is None), a
        sequence of numbers, or a record: a dict with `features` or `vector`, and `id`, `time`
        and `label` if you have them. A label is learned after its event was predicted. Without
        an id events are numbered.

        Returns a prediction for each event that was taken, in order: one that cannot be used
        becomes a dead letter, one that is repeated is dropped (see `dead_letters`, `counts`).

        Raises:
            UserError: something is no event at all; nothing was fed then.

        >>> pipeline = Pipeline()
        >>> [event.id for event in pipeline.feed([{"x": 1}, {"id": "b", "features": {"x": 2}}])]
        ['0', 'b']
        """
        first = self._steps.offsets[0]
        values = [event_value(i, first + i, event) for i, event in enumerate(listed(events))]
        found: list[Prediction] = []
        for batch in self._batches(values):
            for out in self._step(batch, []).outputs:
                if out.topic == self._plan.topics.predictions:
                    found += map(prediction_of, out.values)
        return found

    @overload
    def answer(self, answers: Mapping[str, Any], /, *, annotator: str = "") -> dict[str, int]: ...

    @overload
    def answer(self, answers: str, label: Any, /, *, annotator: str = "") -> dict[str, int]: ...

    def answer(
        self, answers: Mapping[str, Any] | str, label: Any = _MISSING, /, *, annotator: str = ""
    ) -> dict[str, int]:
        """Answer questions, `answer({id: label, …})` or `answer(id, label)`; learns at once.

        A label is text, a number or a boolean; None abstains, and the question stays open.

        Returns fate → how many, by the table in `docs/records.md`: `learned`, `held_out` (kept
        for testing), `repeated`, `late`, `early` (the event is not here yet), …

        Raises:
            UserError: an id or a label that can be none; nothing was answered then.

        >>> pipeline = Pipeline()
        >>> predictions = pipeline.feed([{"x": 1}, {"x": 2}])
        >>> pipeline.answer("0", "cat", annotator="anna")
        {'learned': 1}
        >>> pipeline.answer({"0": "dog", "1": None})
        {'abstained': 1, 'conflicting': 1}
        """
        if isinstance(answers, Mapping) == (label is not _MISSING):
            raise UserError("answer: give a dict of id → label, or an id and a label")
        pairs = answers.items() if isinstance(answers, Mapping) else [(answers, label)]
        values = [answer_value(id_, given, annotator) for id_, given in pairs]
        before = self.counts
        for batch in self._batches(values):
            self._step([], batch)
        added = {fate: self.counts.get(f"labels.{fate}", 0) for fate in FATES}
        fates = {fate: n - before.get(f"labels.{fate}", 0) for fate, n in added.items()}
        return {fate: n for fate, n in fates.items() if n}

    @property
    def requests(self) -> list[LabelRequest]:
        """The open questions, the oldest first.

        >>> len(Pipeline().requests)
        0
        """
        return [request_of(value) for value in self._open().values()]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What could not be used, as it came, with code and reason: the latest 1,000.

        >>> pipeline = Pipeline()
        >>> pipeline.feed([{"id": "", "features": {}}])
        []
        >>> pipeline.dead_letters[0].code, pipeline.dead_letters[0].reason
        ('bad_id', '`id` is empty')
        """
        return list(self._dead_letters)

    @property
    def counts(self) -> dict[str, int]:
        """Totals, by the names that `stream-cl inspect` uses; what never happened is not there.

        >>> pipeline = Pipeline()
        >>> predictions = pipeline.feed([{"x": 1}])
        >>> pipeline.counts["asked"]
        1
        """
        return dict(self._steps.state.counts)

    def figures(self) -> dict[str, Estimate | None]:
        """Accuracy with 95 % intervals, `None` where nothing was answered.

        naive: on the answered questions, which are the hard ones. unbiased: of all events,
        each answer weighed by how likely it was to be asked. held_out: on events that were drawn
        uniformly. `window_…`: over the last `evaluation.window` events. sequence: as unbiased,
        with an interval that holds at all times together. `…set_coverage…`: how often the
        candidates of requests held the truth.

        >>> pipeline = Pipeline(labels={"join": "every"})
        >>> predictions = pipeline.feed(
        ...     {"features": {"x": i % 2}, "label": i % 2} for i in range(100)
        ... )
        >>> pipeline.figures()["unbiased"].value
        0.68
        """
        state = self._steps.state
        return live_figures(state)

    def snapshot(self) -> Snapshot:
        """Everything that the next prediction depends on, as a copy; see `restore`.

        >>> sorted(Pipeline().snapshot())
        ['config', 'digest', 'format', 'offsets', 'requests', 'state', 'version']
        """
        state = self._steps.state
        return {
            "format": FORMAT,
            "version": __version__,
            "config": public(self.config),
            "offsets": self._steps.offsets,
            "requests": [value.decode() for value in self._open().values()],
            "digest": str(state.fingerprint()),
            "state": state.snapshot(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of a pipeline of the same config. Dead letters are forgotten.

        Raises:
            UserError: it is one of another config.
            StateIncompatible: it is one of another version of stream_cl that cannot be read.

        >>> pipeline = Pipeline()
        >>> before = pipeline.snapshot()
        >>> first = pipeline.feed([{"x": 1}])
        >>> pipeline.restore(before)
        >>> pipeline.feed([{"x": 1}]) == first
        True
        """
        saved = config_of(snapshot)
        mine, theirs = state_keys(self.config), state_keys(saved)
        other = [name for name in sorted(mine) if mine[name] != theirs.get(name)]
        if other:
            raise UserError(f"the snapshot has another {', '.join(other)}; use Pipeline.load")
        state = build.fresh_state(self.config)
        try:
            state.restore(snapshot["state"])
            steps = Offline(state, self._plan, snapshot["offsets"])
            requests = {orjson.loads(text)["id"]: text.encode() for text in snapshot["requests"]}
            same = str(state.fingerprint()) == snapshot["digest"]
        except (LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
            raise StateIncompatible(unreadable(snapshot, error)) from error
        if not same:
            raise CheckpointCorrupt("the state is not the one that was saved; use another file")
        self._steps, self._requests = steps, requests
        self._dead_letters.clear()

    def save(self, path: str | Path) -> None:
        """Write the snapshot to a file, whole or not at all: arrays as safetensors, no code.

        Raises:
            UserError: it cannot be written.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Pipeline(seed=5).save(f"{folder}/pipeline.safetensors")
        ...     Pipeline.load(f"{folder}/pipeline.safetensors").config.seed
        5
        """
        target = Path(path)
        temporary = target.with_name(f"{target.name}.tmp")
        data = encode(self.snapshot())
        try:
            temporary.write_bytes(data)
            temporary.replace(target)
        except OSError as error:
            raise UserError(
                f"{target}: cannot be written ({error.strerror}); name another"
            ) from None

    @classmethod
    def load(cls, path: str | Path) -> Pipeline:
        """The pipeline that `save` wrote, with its config.

        Raises:
            UserError: there is no such file.
            CheckpointCorrupt: it is not what `save` wrote.
            StateIncompatible: another version of stream_cl wrote it, and it cannot be read.

        >>> Pipeline.load("missing.safetensors")
        Traceback (most recent call last):
        stream_cl.core.errors.UserError: missing.safetensors: cannot be read (No such file or directory); name a file that Pipeline.save wrote
        """  # noqa: E501
        try:
            snapshot = decode(Path(path).read_bytes())
            pipeline = cls.__new__(cls)
            pipeline._begin(config_of(snapshot))
            pipeline.restore(snapshot)
        except OSError as error:
            raise UserError(
                f"{path}: cannot be read ({error.strerror}); name a file that Pipeline.save wrote"
            ) from None
        except CheckpointCorrupt as error:
            raise CheckpointCorrupt(f"{path}: {error}") from error
        return pipeline

    def _batches(self, values: list[bytes]) -> Iterable[list[bytes]]:
        size = self.config.step.max_events
        return (values[i : i + size] for i in range(0, len(values), size))

    def _step(self, events: list[bytes], labels: list[bytes]) -> Scored:
        scored = self._steps.step(events, labels)
        for out in scored.outputs:
            if out.topic == self._plan.topics.label_requests:
                opened = zip(out.keys, out.values, strict=True)
                self._requests |= {key.decode(): value for key, value in opened if key}
        if len(self._requests) > 2 * self.config.labels.pending_capacity:
            self._open()
        # What learning found would be published with the next step, which may never come.
        self._dead_letters += scored.dead_letters + self._steps.state.outbox.dead_letters
        return scored

    def _open(self) -> dict[str, bytes]:
        """id → request, of the questions that are still open; the others are forgotten."""
        pending = self._steps.state.join.pending
        self._requests = {id_: value for id_, value in self._requests.items() if id_ in pending}
        return self._requests
