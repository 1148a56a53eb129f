"""The three encoders by the contract of all encoders, and what each does with values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.limits import FEATURE_ABS_MAX, STANDARD_SCORE_MAX
from stream_cl.core.records import Events
from stream_cl.decode.columns import ColumnsEncoder
from stream_cl.decode.hashing import HashingEncoder
from stream_cl.decode.vector import VectorEncoder
from stream_cl.testing.encoder_contract import EncoderContract, MakeEncoder, encode_in_steps
from tests.decode.records import events_of, last_row


def _mixed(n: int, seed: int = 1) -> Events:
    """Events of one schema, of others, with nulls, texts, changed types and vectors."""
    random = np.random.default_rng(seed)
    made: list[Any] = []
    for i in range(n):
        a, b, c = random.normal(size=3).tolist()
        kinds: list[Any] = [
            {"a": a, "b": b, "c": c},
            {"a": a, "b": b, "c": c},
            {"a": a, "b": b > 0, "c": c},
            {"c": c, "a": a},
            {"a": None, "b": f"value {int(b * 5)}", "c": "1.5"},
            {"a": "one of many words that come and go", "new" + str(i % 50): i},
            {},
            [a, b, c],
            [a, b],
        ]
        made.append(kinds[int(random.integers(len(kinds)))] if i else kinds[0])
    return events_of(*made)


class TestColumnsContract(EncoderContract):
    @pytest.fixture
    def make(self) -> MakeEncoder:
        return lambda: ColumnsEncoder(["a", "b", "absent", "c"])

    @pytest.fixture
    def events(self) -> Events:
        return _mixed(500)


class TestSmallHashingContract(EncoderContract):
    @pytest.fixture
    def make(self) -> MakeEncoder:
        return lambda: HashingEncoder(16, 8)

    @pytest.fixture
    def events(self) -> Events:
        return _mixed(500)


class TestWideHashingContract(TestSmallHashingContract):
    @pytest.fixture
    def make(self) -> MakeEncoder:
        return lambda: HashingEncoder(512, 0)


class TestCategoriesContract(TestSmallHashingContract):
    @pytest.fixture
    def make(self) -> MakeEncoder:
        return lambda: HashingEncoder(16, 8, categories=["b", "absent"])


class TestLogarithmicContract(TestSmallHashingContract):
    @pytest.fixture
    def make(self) -> MakeEncoder:
        return lambda: HashingEncoder(16, 8, categories=["b"], logarithmic=["a", "absent"])


class TestInteractionsContract(TestSmallHashingContract):
    @pytest.fixture
    def make(self) -> MakeEncoder:
        pairs = [("a", "b"), ("c", "*")]
        return lambda: HashingEncoder(48, 8, logarithmic=["a"], interactions=pairs)


class TestLogarithmicColumnsContract(TestColumnsContract):
    @pytest.fixture
    def make(self) -> MakeEncoder:
        return lambda: ColumnsEncoder(["a", "b", "absent", "c"], logarithmic=["b", "absent"])


class TestVectorContract(EncoderContract):
    standardises = False

    @pytest.fixture
    def make(self) -> MakeEncoder:
        return lambda: VectorEncoder(3)

    @pytest.fixture
    def events(self) -> Events:
        return _vectors_first(_mixed(700))


def _vectors_first(events: Events) -> Events:
    first = next(i for i, vector in enumerate(events.vectors) if vector and len(vector) == 3)
    return events.take([first, *(i for i in range(len(events)) if i != first)])


class TestStandardisedVectorContract(TestVectorContract):
    standardises = True

    @pytest.fixture
    def make(self) -> MakeEncoder:
        return lambda: VectorEncoder(3, standardise=True)


_value = (
    st.floats(-FEATURE_ABS_MAX, FEATURE_ABS_MAX)
    | st.sampled_from([FEATURE_ABS_MAX, -FEATURE_ABS_MAX, 0, 1e9, 1e9 + 1e-3, True, None])
    | st.text(max_size=30)
    | st.sampled_from(["a b c d", "a=b", "1e5", "nan", "-7"])
)
_event = st.dictionaries(
    st.sampled_from(["a", "b", "a=b", "a~b", "[0]", "\\", "é"]), _value, max_size=4
) | st.lists(st.floats(-FEATURE_ABS_MAX, FEATURE_ABS_MAX), min_size=1, max_size=3)


@settings(deadline=None)  # the first call compiles
@given(st.lists(_event, max_size=12), st.lists(st.integers(0, 4), max_size=6))
def test_any_events_any_split(made: list[Any], sizes: list[int]) -> None:
    """Finite for whatever comes, and the same bits for whatever the steps are."""
    events = events_of(*made)
    makes: list[MakeEncoder] = [
        lambda: ColumnsEncoder(["a", "b", "é"]),
        lambda: HashingEncoder(6, 3),
        lambda: HashingEncoder(64, 0),
        lambda: HashingEncoder(64, 0, categories=["a"]),
        lambda: HashingEncoder(5, 2, logarithmic=["a", "b", "[0]"]),
        lambda: HashingEncoder(9, 2, categories=["b"], interactions=[("a", "*"), ("b", "é")]),
        lambda: HashingEncoder(64, 0, logarithmic=["a"], interactions=[("*", "é"), ("*", "a")]),
        lambda: ColumnsEncoder(["a", "b", "é"], logarithmic=["b", "é"]),
        lambda: VectorEncoder(2, standardise=True),
    ]
    for make in makes:
        whole = encode_in_steps(make(), events, [])
        assert np.isfinite(whole).all()
        assert np.abs(whole).max(initial=0) <= STANDARD_SCORE_MAX
        assert whole.tobytes() == encode_in_steps(make(), events, sizes).tobytes()


@pytest.mark.parametrize("beside", [{}, {"t": "text"}], ids=["numbers alone", "beside a text"])
def test_a_size_is_read_as_its_logarithm(beside: dict[str, Any]) -> None:
    """Bytes: 0 and 40 are as far apart as 40 and a thousand, and alike beside a gigabyte.

    Whichever encoder reads it and whatever stands beside it, and a debt is a size below zero.
    """
    sizes = [0.0, 40.0, 1e3, 1e9, -40.0, 0.0]
    made = [{"bytes": v, "share": v, **beside} for v in sizes]
    as_logs = [{"bytes": float(np.sign(v) * np.log1p(abs(v))), **beside} for v in sizes]
    makes: list[tuple[MakeEncoder, MakeEncoder]] = [
        (lambda: HashingEncoder(4, 0, logarithmic=["bytes"]), lambda: HashingEncoder(4, 0)),
        (
            lambda: ColumnsEncoder(["bytes", "share"], ["bytes"]),
            lambda: ColumnsEncoder(["bytes", "share"]),
        ),
    ]
    for make, plain in makes:
        size, share = last_row(make(), *made)[:2]
        assert size == pytest.approx(last_row(plain(), *as_logs)[0], abs=1e-6)
        assert share == last_row(plain(), *made)[1] != size


def test_a_vector_has_no_names_to_be_logarithmic() -> None:
    first, second = HashingEncoder(4, 0, logarithmic=["[0]"]), HashingEncoder(4, 0)
    assert last_row(first, [1.0], [5.0]) == last_row(second, [1.0], [5.0])


def test_logarithms_of_what_is_no_number_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        HashingEncoder(4, 0, categories=["a"], logarithmic=["a"])
    with pytest.raises(ValueError, match="has to be a column"):
        ColumnsEncoder(["a"], logarithmic=["b"])


def test_columns_read_what_is_a_number() -> None:
    """A CSV that was read as texts must work like one that was read as numbers."""
    as_numbers = [{"a": 1, "b": 0.5}, {"a": 2, "b": -300}, {"a": True, "b": 4}]
    as_texts = [{"a": "1", "b": " .5"}, {"b": "-3e2", "a": "2."}, {"a": True, "b": "+4"}]
    first, second = ColumnsEncoder(["a", "b"]), ColumnsEncoder(["a", "b"])
    assert last_row(first, *as_numbers) == last_row(second, *as_texts)
    assert second.counters == {"unknown_features": 0, "unparsable": 0}


def test_columns_count_what_they_cannot_use() -> None:
    """An operator sees a schema that drifted away by these counters."""
    encoder = ColumnsEncoder(["a", "b"])
    for text in ("", "x", "nan", "inf", "1_000", "٣", "0x10", "1e200", "1,5", "1" * 65):
        assert last_row(encoder, {"a": text}) == [0.0, 0.0]
    assert encoder.counters == {"unknown_features": 0, "unparsable": 10}
    last_row(encoder, {"a": 1, "other": 1, "more": 2}, {"a": 1, "other": 1, "more": 2})
    last_row(encoder, {"a": None, "other": "x"})
    assert encoder.counters == {"unknown_features": 5, "unparsable": 10}


def test_columns_refuse_bad_settings() -> None:
    for columns in ([], ["a", "a"]):
        with pytest.raises(ValueError, match="distinct"):
            ColumnsEncoder(columns)


def test_vector_as_it_is() -> None:
    """Embeddings keep their geometry; beyond float32 there is only its largest number."""
    encoder = VectorEncoder(3)
    x = encoder.encode(events_of([1, -2.5, 0.1], [1e100, -1e100, 0])).x
    largest = float(np.finfo(np.float32).max)
    assert x.tolist() == [[1, -2.5, float(np.float32(0.1))], [largest, -largest, 0]]


_PROGRAM = """
from tests.decode.test_encoders import _mixed
from stream_cl.decode.hashing import HashingEncoder
from stream_cl.core.snapshot import digest
encoder = HashingEncoder(16, 8)
encoder.commit(encoder.encode(_mixed(200)))
print(digest(encoder.snapshot()), digest(encoder.fingerprint()))
"""


def test_another_process_gives_the_same_state() -> None:
    """Texts hash differently in every process; the encoder must not."""
    root = Path(__file__).resolve().parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root), "PATH": ""},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
