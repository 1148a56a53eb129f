"""Which events come again, by a model that keeps every id in a list."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.draws import Draws
from stream_cl.core.snapshot import digest
from stream_cl.decode.duplicates import CONFLICT, DUPLICATE, FRESH, DuplicateWindow

_DRAWS = Draws(1)


def _step(
    window: DuplicateWindow, ids: list[str], content: list[int], also: dict[str, int]
) -> list[int]:
    """One step as the pipeline takes it: check, then commit what is fresh."""
    words = _DRAWS.words(ids)
    verdicts = window.check(ids, content, words, also)
    fresh = np.flatnonzero(verdicts == FRESH)
    window.commit([content[i] for i in fresh], words[fresh])
    return verdicts.tolist()


class _Model:
    """The latest ids in a plain list."""

    def __init__(self, window_events: int, also: dict[str, int]) -> None:
        self.window_events, self.also = window_events, also
        self.entries: list[tuple[str, int]] = []

    def verdict(self, id_: str, content: int) -> int:
        known = self.also | dict(self.entries[-self.window_events :])
        if id_ not in known:
            self.entries.append((id_, content))
            return FRESH
        return DUPLICATE if known[id_] == content else CONFLICT


_events = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), max_size=60)


@settings(deadline=None)  # the first call compiles
@given(
    _events,
    st.integers(1, 9),
    st.lists(st.integers(0, 15), max_size=8),
    st.dictionaries(st.integers(0, 12).map(str), st.integers(0, 1), max_size=3),
)
def test_like_a_list_whatever_the_steps(
    events: list[tuple[int, int]], size: int, sizes: list[int], also: dict[str, int]
) -> None:
    """A verdict that depends on the step size would make runs differ; and restore changes
    nothing."""
    ids = [str(id_) for id_, _ in events]
    content = [checksum for _, checksum in events]
    model = _Model(size, also)
    expected = [model.verdict(*event) for event in zip(ids, content, strict=True)]
    window = DuplicateWindow(size)
    got: list[int] = []
    start = 0
    for step in [*sizes, len(ids)]:
        got += _step(window, ids[start : start + step], content[start : start + step], also)
        start += step
        again = DuplicateWindow(size)
        _step(again, ["stale", "other"], [1, 2], {})
        again.restore(window.snapshot())
        assert again.fingerprint() == window.fingerprint()
        assert digest(again.snapshot()) == digest(window.snapshot())
        window = again
    assert got == expected
    assert len(window) == min(size, len(model.entries))


def test_long_run_stays_within_its_window() -> None:
    """Many rounds through the ring: what is inside is known, what is outside is new."""
    window = DuplicateWindow(1000)
    for start in range(0, 20_000, 700):
        ids = [f"e{i}" for i in range(start, start + 700)]
        assert not any(_step(window, ids, [1] * 700, {}))
    inside = [f"e{i}" for i in range(start - 300, start + 700)]
    words = _DRAWS.words(inside)
    assert window.check(inside, [1] * 1000, words, {}).tolist() == [DUPLICATE] * 1000
    assert window.check(inside, [2] * 1000, words, {}).tolist() == [CONFLICT] * 1000
    outside = [f"e{i}" for i in range(start - 300)]
    words = _DRAWS.words(outside)
    assert not window.check(outside, [1] * len(outside), words, {}).any()


def test_check_is_pure() -> None:
    """An aborted step is taken again and must not meet itself."""
    window = DuplicateWindow(10)
    _step(window, ["a"], [1], {})
    before = digest(window.snapshot()), window.fingerprint()
    ids = ["a", "b", "b"]
    for _ in range(2):
        verdicts = window.check(ids, [1, 1, 2], _DRAWS.words(ids), {}).tolist()
        assert verdicts == [DUPLICATE, FRESH, CONFLICT]
    assert (digest(window.snapshot()), window.fingerprint()) == before


def test_fingerprint_follows_id_content_and_order() -> None:
    """Two states that differ must not pass for one on replay."""
    seen = set()
    for ids, content in (
        (["a", "b"], [1, 2]),
        (["b", "a"], [2, 1]),
        (["a", "b"], [1, 3]),
        (["a", "c"], [1, 2]),
        (["a"], [1]),
    ):
        window = DuplicateWindow(10)
        _step(window, ids, content, {})
        seen.add(str(window.fingerprint()))
    assert len(seen) == 5


def test_another_window_keeps_the_youngest() -> None:
    """A config with another window starts from the old checkpoint."""
    window = DuplicateWindow(10)
    ids = [f"e{i}" for i in range(25)]
    _step(window, ids, [1] * 25, {})
    for size in (4, 100):
        other = DuplicateWindow(size)
        other.restore(window.snapshot())
        assert len(other) == min(size, 10)
        again = DuplicateWindow(size)
        again.restore(other.snapshot())
        assert again.fingerprint() == other.fingerprint()
        known = [again.check([id_], [1], _DRAWS.words([id_]), {})[0] for id_ in ids]
        assert known == [FRESH] * (25 - len(other)) + [DUPLICATE] * len(other)


def test_bounds() -> None:
    with pytest.raises(ValueError, match="window_events"):
        DuplicateWindow(0)
