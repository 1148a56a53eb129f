"""What every encoder must do: subclass `EncoderContract` in a pytest file.

class TestMyEncoder(EncoderContract):
    @pytest.fixture
    def make(self):
        return lambda: MyEncoder(width=8)

    @pytest.fixture
    def events(self):
        return ...  # 400 events or more, of every kind that it may meet
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import pytest

from stream_cl.core.limits import STANDARD_SCORE_MAX
from stream_cl.core.records import DEAD_LETTER_CODES, Events, FloatMatrix
from stream_cl.core.snapshot import digest
from stream_cl.decode.encoder import Encoder

MakeEncoder = Callable[[], Encoder]
_AFTER_RESTORE: Final = 200


def encode_in_steps(encoder: Encoder, events: Events, sizes: Iterable[int]) -> FloatMatrix:
    """The encodings of `events` taken in steps of `sizes`, each committed; the rest as one."""
    parts = []
    start = 0
    for size in [*sizes, len(events)]:
        step = events.take(range(start, min(start + size, len(events))))
        encoded = encoder.encode(step)
        encoder.commit(encoded)
        parts.append(encoded.x)
        start += len(step)
    return np.concatenate(parts)


class EncoderContract:
    """Tests that hold for every encoder."""

    standardises = True
    """Whether encodings are within ± limits.STANDARD_SCORE_MAX."""

    @pytest.fixture
    def make(self) -> MakeEncoder:
        """A function that builds a new encoder, the same each time."""
        raise NotImplementedError("a subclass gives the encoder")

    @pytest.fixture
    def events(self) -> Events:
        """Events of which the encoder takes at least the first."""
        raise NotImplementedError("a subclass gives the events")

    def test_shape(self, make: MakeEncoder, events: Events) -> None:
        """Learners read `float32 [n, width]`, row by row and finite, also for no events."""
        encoder = make()
        for part in (events, events.take([0]), events.take([])):
            x = encoder.encode(part).x
            assert x.shape == (len(part), encoder.width)
            assert x.dtype == np.float32
            assert x.flags.c_contiguous
            assert np.isfinite(x).all()

    def test_pure(self, make: MakeEncoder, events: Events) -> None:
        """An aborted step is taken again: encoding must leave no trace until it is committed."""
        encoder = make()
        encoder.commit(encoder.encode(events))
        before = digest(encoder.snapshot())
        first, second = encoder.encode(events), encoder.encode(events)
        assert first.x.tobytes() == second.x.tobytes()
        assert digest(encoder.snapshot()) == before

    def test_any_split(self, make: MakeEncoder, events: Events) -> None:
        """The size of a step must not change an encoding, or runs could not be compared."""
        n = len(events)
        whole, states = None, set()
        for sizes in ([], [1] * n, [1, 2, 3, 5, 8, 13] * n, [n // 2], [0, n - 1]):
            encoder = make()
            x = encode_in_steps(encoder, events, sizes).tobytes()
            assert whole is None or x == whole
            whole = x
            states.add((digest(encoder.snapshot()), digest(encoder.fingerprint())))
        assert len(states) == 1

    def test_restore(self, make: MakeEncoder, events: Events) -> None:
        """A recovered run encodes the next 200 events to the same bits as one never killed."""
        half = len(events) // 2
        encoder, other = make(), make()
        encoder.commit(encoder.encode(events.take(range(half))))
        # Not a new one: what it held before must be gone.
        other.commit(other.encode(events.take(range(half, len(events)))))
        other.restore(encoder.snapshot())
        assert digest(other.snapshot()) == digest(encoder.snapshot())
        assert digest(other.fingerprint()) == digest(encoder.fingerprint())
        rest = events.take(range(half, min(half + _AFTER_RESTORE, len(events))))
        same = encode_in_steps(other, rest, [7]).tobytes()
        assert same == encode_in_steps(encoder, rest, []).tobytes()
        assert other.counters == encoder.counters

    def test_snapshot_is_a_copy(self, make: MakeEncoder, events: Events) -> None:
        """A checkpoint is written while the run goes on: what it holds must stand still."""
        encoder = make()
        encoder.commit(encoder.encode(events))
        snapshot = encoder.snapshot()
        before = digest(snapshot)
        encoder.commit(encoder.encode(events))
        assert digest(snapshot) == before
        other = make()
        other.restore(snapshot)
        other.commit(other.encode(events))
        assert digest(snapshot) == before

    def test_refused(self, make: MakeEncoder, events: Events) -> None:
        """An event that is refused must not change how the others are encoded."""
        encoder = make()
        encoded = encoder.encode(events)
        assert encoded.rejected == encoder.refused(events)
        for event, code, reason in encoded.rejected:
            assert code in DEAD_LETTER_CODES
            assert reason
            assert not encoded.x[event].any()
        out = {event for event, _, _ in encoded.rejected}
        kept = [i for i in range(len(events)) if i not in out]
        alone = make()
        assert alone.encode(events.take(kept)).x.tobytes() == encoded.x[kept].tobytes()

    def test_arguments_unchanged(self, make: MakeEncoder, events: Events) -> None:
        """The features are published with label requests after they were encoded."""
        before = repr(events)
        encoder = make()
        encoder.commit(encoder.encode(events))
        assert repr(events) == before

    def test_scores_bounded(self, make: MakeEncoder, events: Events) -> None:
        """One wild value must not throw a learner far off, where numbers are scaled."""
        limit = STANDARD_SCORE_MAX if self.standardises else np.inf
        x = encode_in_steps(make(), events, [3])
        assert np.abs(x).max(initial=0.0) <= limit
