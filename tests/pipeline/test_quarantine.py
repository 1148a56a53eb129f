"""A learner that fails on a batch: it goes back, the labels come out as dead letters, and the
stream goes on; the same again on replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_cl.core.snapshot import digest
from stream_cl.learners.softmax import Softmax
from stream_cl.pipeline import guard as guard_module
from stream_cl.pipeline.guard import GuardedLearner
from stream_cl.testing.driver import TestDriver
from stream_cl.testing.learner_contract import events, same_bits
from tests.pipeline.hands import BASE, as_sent, fates, letters

CONFIG: dict[str, Any] = {
    **BASE,
    "step": {"max_events": 10},
    "learner": {"kind": "softmax"},
    "checkpoint": {"every_steps": 3, "digest_every_steps": 1},
}
POISON = 2
"""Class number of the label on which the learner fails."""


@contextmanager
def failing(error: Callable[[], BaseException]) -> Iterator[None]:
    """Softmax learns half of a batch with the poisonous class, then fails."""
    learn = Softmax.learn

    def fails(self: Softmax, x: Any, y: Any, weight: Any) -> None:
        if (y == POISON).any():
            learn(self, x[:2], y[:2], weight[:2])
            raise error()
        learn(self, x, y, weight)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Softmax, "learn", fails)
        yield


def boom() -> Exception:
    return ValueError("boom\n  in two lines " + "x" * 500)


def filled(folder: Path) -> TestDriver:
    """Events, then good labels, then a batch with the poisonous one, then good ones again."""
    made = TestDriver(CONFIG, folder)
    for labels in (["a", "b"] * 5, ["b", "a", "poison", "a"], ["a", "b"] * 5, ["b"] * 3):
        ids = made.events([{"x": float(i % 3)} for i in range(len(labels))])
        made.clock.advance(seconds=0.1)
        made.labels(dict(zip(ids, labels, strict=True)), annotator="anna")
        made.clock.advance(seconds=0.1)
    return made


def published(made: TestDriver) -> list[Any]:
    kept = []
    for topic in ("predictions", "label-requests", "dead-letters"):
        for r in made.read(topic):
            kept.append(
                (r.key, r.value, {k: v for k, v in r.headers.items() if k != "incarnation"})
            )
    return kept


def quarantined(made: TestDriver) -> list[tuple[int, str]]:
    """(step, reason) of the manifest's records that name one."""
    records = [r.value for r in made.read("manifest")]
    return [(r["step"], r["quarantined"]) for r in records if r.get("quarantined")]


def test_the_learner_goes_back_and_the_labels_come_out(tmp_path):
    """Else one absurd batch stops the stream, or ruins every later prediction."""
    with failing(boom), filled(tmp_path) as made:
        made.start()
        assert made.pipeline is not None
        state = made.pipeline.state
        while state.quarantined is None:
            before = digest(state.guard.fingerprint())
            assert made.pipeline.step()
        bad = state.step
        assert digest(state.guard.fingerprint()) == before, "to the bit"
        assert letters(made) == [], "they are published by the next step"
        assert made.pipeline.step()
        lost = letters(made)
        assert {letter.code for letter in lost} == {"quarantined"}
        offsets = [letter.source[2] for letter in lost]
        assert 12 in offsets, "the poisonous label is the 13th"
        for letter in lost:
            assert letter._replace(code="", reason="") == as_sent(made, "labels", letter.source[2])
        assert {letter.reason for letter in lost} == {letters(made)[0].reason}
        reason = lost[0].reason
        assert reason.startswith("the learner failed: ValueError: boom in two lines x")
        assert len(reason) <= 300
        assert "\n" not in reason
        assert quarantined(made) == [(bad + 1, reason)]
        made.settle(expiry=False)
        assert fates(made) == {"learned": 27 - len(lost), "quarantined": len(lost)}
        assert state.learned == 27 - len(lost)
        assert state.counts["quarantines"] == 1
        assert len(made.read("predictions")) == 27
        assert quarantined(made) == [(bad + 1, reason)], "it is said once"


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], str, int]:
    """Outputs, digest and the step of the quarantine, of a run that was never killed."""
    with failing(boom), filled(tmp_path_factory.mktemp("untouched")) as made:
        made.settle(expiry=False)
        return published(made), made.digest(), quarantined(made)[0][0] - 1


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("point", ["step-scored", "committed", "learning", "learned"])
def test_killed_around_a_quarantine_the_run_ends_the_same(tmp_path, point, after, untouched):
    """In the step that fails, before its record is written, and after it."""
    outputs, ended, bad = untouched
    with failing(boom), filled(tmp_path) as made:
        # The first commit of a life is that of OPEN.
        made.crash_at(point, bad + after + (point == "committed"))
        made.settle(expiry=False)
        assert published(made) == outputs
        assert made.digest() == ended


def test_replay_obeys_the_manifest_though_the_learner_no_longer_fails(tmp_path, untouched):
    """The fault may be mended, or have been the machine's: the state is the log's all the same."""
    outputs, ended, bad = untouched
    with filled(tmp_path) as made:
        with failing(boom):
            made.crash_at("learned", bad + 2)
        for checkpoint in (tmp_path / "checkpoints").iterdir():
            checkpoint.unlink()
        found = made.start()
        assert (found.checkpoint_step, found.replayed) == (None, bad + 2)
        made.settle(expiry=False)
        assert published(made) == outputs
        assert made.digest() == ended


def test_what_no_record_names_yet_is_learned_by_a_learner_that_is_mended(tmp_path, untouched):
    """Killed before the next step's record: nobody was told, so nothing has to be obeyed."""
    _, _, bad = untouched
    with filled(tmp_path) as made:
        with failing(boom):
            made.crash_at("learned", bad)
        made.start()
        made.settle(expiry=False)
        assert fates(made) == {"learned": 27}
        assert letters(made) == []


def test_out_of_memory_stops(tmp_path):
    """It is not the batch's fault, and what was half learned must not go on."""
    with filled(tmp_path) as made:
        with failing(MemoryError), pytest.raises(MemoryError):
            made.settle(expiry=False)
        assert made.pipeline is not None
        made.pipeline.abandon()
        made.start()
        made.settle(expiry=False)
        assert fates(made) == {"learned": 27}
        assert len(made.read("predictions")) == 27


# The guard alone


class Fragile:
    """A softmax learner that fails as it is told to."""

    def __init__(self) -> None:
        self.inner = Softmax(5, 1, 12)
        self.fault: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def predict(self, x: Any) -> Any:
        if self.fault == "memory":
            raise MemoryError
        if self.fault == "raises" or (self.fault == "bad row" and (x[:, 0] > 90).any()):
            raise ValueError("cannot predict")
        answer = self.inner.predict(x)
        if self.fault == "not finite":
            answer[x[:, 0] > 90] = np.nan
        return answer

    def learn(self, x: Any, y: Any, weight: Any) -> None:
        self.inner.learn(x, y, weight)
        if self.fault == "learning raises":
            self.fault = None
            raise RuntimeError("after the fact")
        if self.fault == "diverges":
            self.fault = "not finite"


@pytest.mark.parametrize("fault", ["learning raises", "diverges"])
@pytest.mark.parametrize("rows", [7, 1000])
def test_going_back_is_to_the_bit(fault, rows, monkeypatch):
    """From the last copy and what was learned since, however long ago that copy was taken."""
    monkeypatch.setattr(guard_module, "JOURNAL_ROWS", rows)
    fragile, clean = Fragile(), Softmax(5, 1, 12)
    guard = GuardedLearner(fragile)  # type: ignore[arg-type]
    x, y, weight = events(120)
    x[:, 0] += 100
    for start in range(0, 120, 4):
        batch = (x[start : start + 4], y[start : start + 4], weight[start : start + 4])
        if start % 12 == 8:
            fragile.fault = fault
            assert guard.learn(batch) is not None
            fragile.fault = None
        else:
            assert guard.learn(batch) is None
            clean.learn(*batch)
        assert digest(guard.fingerprint()) == digest(clean.fingerprint())
    assert same_bits(guard.predict(x)[0], clean.predict(x))


def test_restoring_forgets_what_was_learned_before(monkeypatch):
    """Else a failure after a rollback would bring back what was rolled back."""
    fragile = Fragile()
    guard, batch = GuardedLearner(fragile), events(20)  # type: ignore[arg-type]
    empty = guard.snapshot()
    guard.learn(batch)
    guard.restore(empty)
    fragile.fault = "learning raises"
    assert guard.learn(batch) is not None
    assert digest(guard.snapshot()) == digest(empty)


@pytest.mark.parametrize("fault", ["bad row", "not finite"])
def test_an_event_that_cannot_be_predicted_is_as_uncertain_as_can_be(fault):
    """The others of its step are predicted as ever."""
    fragile = Fragile()
    guard = GuardedLearner(fragile)  # type: ignore[arg-type]
    guard.learn(events(50))
    x = events(6)[0]
    x[:, 0] = np.minimum(x[:, 0], 80)
    expected = guard.predict(x)[0].copy()
    x[2, 0] = 95
    fragile.fault = fault
    answer, failed = guard.predict(x)
    assert failed == 1
    k = fragile.inner.n_classes
    assert answer[2].tolist() == [1 / k] * k
    others = [0, 1, 3, 4, 5]
    assert same_bits(answer[others], expected[others])


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_learner_that_predicts_nothing_at_all_stops_nothing(n):
    fragile = Fragile()
    guard = GuardedLearner(fragile)  # type: ignore[arg-type]
    for k in (0, 4):
        fragile.fault = "raises"
        answer, failed = guard.predict(events(n)[0])
        assert answer.shape == (n, k)
        assert failed == n
        fragile.fault = None
        guard.learn(events(50))
    fragile.fault = "memory"
    with pytest.raises(MemoryError):
        guard.predict(events(n)[0])
