"""What every memory promises, as tests.

Subclass `MemoryContract` in a test file and give it a factory:

    class TestReservoir(MemoryContract):
        def make(self, width=3, capacity=20, seed=1, max_bytes=None) -> Reservoir:
            return Reservoir(width, capacity, seed, max_bytes)

Events come from a fixed seed, and a failure names it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Corrects, Memory
from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Digest, digest

SEED: Final = 30
WIDTH: Final = 3
CAPACITY: Final = 20
CLASSES: Final = 4

Entries = tuple[FloatMatrix, npt.NDArray[np.int64]]


def entries(n: int, seed: int = SEED, classes: int = CLASSES, first: int = 0) -> Entries:
    """`x [n, WIDTH]`, `y [n]`, classes drawn unevenly; x[:, 0] numbers the entries from `first`."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(n, WIDTH)).astype(np.float32)
    x[:, 0] = np.arange(first, first + n)
    return x, np.minimum(draws.geometric(0.5, n) - 1, classes - 1).astype(np.int64)


def state_of(memory: Memory) -> tuple[Digest, Digest]:
    """Digests of its fingerprint and of its whole snapshot."""
    return digest(memory.fingerprint()), digest(memory.snapshot())


def contents(memory: Memory) -> dict[int, int]:
    """Number of the entry → its class, of all that are held. Draws, so it changes the memory."""
    x, y = memory.sample(len(memory))
    return dict(zip(x[:, 0].astype(int).tolist(), y.tolist(), strict=True))


class MemoryContract:
    """Subclass it, name the class `Test…`, implement `make`."""

    def make(
        self,
        width: int = WIDTH,
        capacity: int = CAPACITY,
        seed: int = 1,
        max_bytes: int | None = None,
    ) -> Memory:
        """A memory that holds nothing."""
        raise NotImplementedError

    def filled(self, n: int = 200) -> Memory:
        """A memory that n entries were offered to."""
        memory = self.make()
        memory.add(*entries(n))
        return memory

    def test_an_empty_memory_gives_nothing(self) -> None:
        """The first labels of a stream are learned before anything can be rehearsed."""
        memory = self.make()
        before = state_of(memory)
        x, y = memory.sample(10)
        assert x.shape == (0, WIDTH)
        assert x.dtype == np.float32
        assert y.shape == (0,)
        assert y.dtype == np.int64
        memory.add(*entries(0))
        assert state_of(memory) == before

    def test_all_is_kept_while_there_is_room(self) -> None:
        memory = self.make()
        x, y = entries(CAPACITY)
        memory.add(x, y)
        assert len(memory) == CAPACITY
        assert contents(memory) == dict(enumerate(y.tolist()))

    def test_it_never_holds_more_than_its_bounds(self) -> None:
        """Otherwise a pipeline that runs for months runs out of memory."""
        one = self.make(capacity=1).bytes_max
        for memory, most in (
            (self.make(), CAPACITY),
            (self.make(capacity=1), 1),
            (self.make(capacity=10**6, max_bytes=7 * one), 7),
        ):
            assert memory.capacity == most
            for start in range(0, 400, 50):
                memory.add(*entries(50, seed=start, first=start))
                assert len(memory) == min(start + 50, most)
                assert memory.bytes_used <= memory.bytes_max
            assert _array_bytes(memory) <= memory.bytes_max

    def test_offering_one_by_one_equals_a_batch(self) -> None:
        """Otherwise the memory depends on how many labels a step happened to take."""
        x, y = entries(200)
        whole = self.make()
        whole.add(x, y)
        for size in (1, 2, 7, CAPACITY - 1, CAPACITY, CAPACITY + 1, 199):
            parts = self.make()
            for start in range(0, 200, size):
                parts.add(x[start : start + size], y[start : start + size])
            assert state_of(parts) == state_of(whole), f"parts of {size}"

    def test_a_sample_holds_different_entries_as_they_were_offered(self) -> None:
        memory = self.filled()
        offered_x, offered_y = entries(200)
        for count in (0, 1, 7, CAPACITY, 10 * CAPACITY):
            x, y = memory.sample(count)
            numbers = x[:, 0].astype(int)
            assert len(set(numbers.tolist())) == len(y) == min(count, CAPACITY)
            assert (x == offered_x[numbers]).all()
            assert (y == offered_y[numbers]).all()

    def test_every_entry_is_drawn_as_often(self) -> None:
        """An entry that is never drawn is forgotten although it takes room."""
        memory = self.filled()
        rounds, each = 4000, 5
        drawn = np.concatenate([memory.sample(each)[0][:, 0].astype(int) for _ in range(rounds)])
        counts = np.unique(drawn, return_counts=True)[1]
        assert len(counts) == CAPACITY
        # Binomial: mean 1,000, standard deviation 27; five of them.
        assert np.abs(counts - rounds * each / CAPACITY).max() < 137

    def test_draws_move_on_and_are_part_of_the_state(self) -> None:
        memory = self.filled()
        before = digest(memory.fingerprint())
        first, second = (memory.sample(5)[0].tobytes() for _ in range(2))
        assert first != second
        assert digest(memory.fingerprint()) != before

    def test_same_seed_same_memory_other_seed_another(self) -> None:
        assert state_of(self.filled()) == state_of(self.filled())
        other = self.make(seed=2)
        other.add(*entries(200))
        assert state_of(other) != state_of(self.filled())

    def test_a_restored_memory_goes_on_to_the_bit(self) -> None:
        """Otherwise a learner rehearses other events after a restart."""
        for n in (0, 5, 200):
            memory = self.filled(n)
            saved, before = memory.snapshot(), state_of(memory)
            other = self.make(seed=9)
            other.add(*entries(50, seed=SEED + 1))
            other.restore(saved)
            assert state_of(other) == before
            for part in range(3):
                more = entries(40, seed=SEED + 2 + part, first=1000 * part)
                for one in (memory, other):
                    one.add(*more)
                assert memory.sample(6)[0].tobytes() == other.sample(6)[0].tobytes()
                assert state_of(other) == state_of(memory)

    def test_a_corrected_entry_has_its_new_class_and_nothing_else_changes(self) -> None:
        """A revised label would else be rehearsed wrong for as long as its entry is kept."""
        memory, (x, y) = self.filled(), entries(200)
        if not isinstance(memory, Corrects):
            return
        other = self.make()
        other.restore(memory.snapshot())
        held = contents(other)
        number, old = next(iter(held.items()))
        assert not memory.correct(x[number], old + 1, old), "it has another class"
        assert not memory.correct(x[number] + 1, old, old + 1), "no such event"
        same = self.filled()
        assert state_of(memory) == state_of(same)
        assert memory.correct(x[number], old, CLASSES + 2), "a class that is new here"
        assert state_of(memory)[0] != state_of(same)[0]
        restored = self.make()
        restored.restore(memory.snapshot())
        assert state_of(restored) == state_of(memory)
        assert contents(restored) == {**held, number: CLASSES + 2}
        for one in (memory, restored):
            one.sample(len(one)) if one is memory else None
            one.add(*entries(100, seed=SEED + 6, first=500))
            assert one.bytes_used <= one.bytes_max
        assert state_of(restored) == state_of(memory)
        assert y[number] == old, "the arguments are left alone"

    def test_nothing_is_shared(self) -> None:
        """Otherwise a reused buffer of the pipeline would reach into the state."""
        memory, (x, y) = self.make(), entries(10)
        memory.add(x, y)
        x[...], y[...] = -1, 0
        drawn_x, drawn_y = memory.sample(10)
        drawn_x[...], drawn_y[...] = -1, 0
        saved = memory.snapshot()
        before = digest(saved)
        other = self.make()
        other.restore(saved)
        other.add(*entries(100, seed=SEED + 5))
        memory.add(*entries(100, seed=SEED + 5))
        assert digest(saved) == before
        assert min(saved["x"][:, 0]) >= 0

    def test_the_fingerprint_sees_every_change(self) -> None:
        """Otherwise a replay that went astray would not be noticed."""
        x, y = entries(10)
        seen = set()
        for change in ("none", "number", "class", "order"):
            memory, other_x, other_y = self.make(), x.copy(), y.copy()
            if change == "number":
                other_x[4, 1] += 1
            elif change == "class":
                other_y[4] += 1
            elif change == "order":
                other_x, other_y = x[::-1], y[::-1]
            memory.add(other_x, other_y)
            seen.add(digest(memory.fingerprint()))
        assert len(seen) == 4

    def test_the_fingerprint_stays_small(self) -> None:
        memory = self.make(capacity=5000)
        memory.add(*entries(6000))
        assert _bytes_in(memory.fingerprint()) < 1000


def _bytes_in(node: Any) -> int:
    if isinstance(node, dict):
        return sum(_bytes_in(value) for value in node.values())
    return node.nbytes if isinstance(node, np.ndarray) else 16


def _array_bytes(node: object) -> int:
    """Bytes of the arrays in an object and in the objects that it is made of."""
    if isinstance(node, np.ndarray):
        return node.nbytes
    inner = getattr(node, "__dict__", {})
    return sum(_array_bytes(value) for value in inner.values())
