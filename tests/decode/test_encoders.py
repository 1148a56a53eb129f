"""The three encoders by the contract of all encoders, and what each does with values."""

from __future__ import annotations

import subprocess
import sys
from math import log1p, sqrt
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.limits import FEATURE_ABS_MAX, STANDARD_SCORE_MAX
from stream_cl.core.records import Events
from stream_cl.decode.columns import ColumnsEncoder
from stream_cl.decode.encoder import Encoder
from stream_cl.decode.hashing import HashingEncoder
from stream_cl.decode.vector import VectorEncoder
from stream_cl.decode.vocabulary import KEY_BYTES
from stream_cl.testing.encoder_contract import EncoderContract, MakeEncoder, encode_in_steps
from tests.decode.records import events_of, rows_of


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
        lambda: VectorEncoder(2, standardise=True),
    ]
    for make in makes:
        whole = encode_in_steps(make(), events, [])
        assert np.isfinite(whole).all()
        assert np.abs(whole).max(initial=0) <= STANDARD_SCORE_MAX
        assert whole.tobytes() == encode_in_steps(make(), events, sizes).tobytes()


def _last(encoder: Encoder, *made: Any) -> list[float]:
    encoded = encoder.encode(events_of(*made))
    encoder.commit(encoded)
    return [round(value, 6) for value in encoded.x[-1].tolist()]


def test_columns_read_what_is_a_number() -> None:
    """A CSV that was read as texts must work like one that was read as numbers."""
    as_numbers = [{"a": 1, "b": 0.5}, {"a": 2, "b": -300}, {"a": True, "b": 4}]
    as_texts = [{"a": "1", "b": " .5"}, {"b": "-3e2", "a": "2."}, {"a": True, "b": "+4"}]
    first, second = ColumnsEncoder(["a", "b"]), ColumnsEncoder(["a", "b"])
    assert _last(first, *as_numbers) == _last(second, *as_texts)
    assert second.counters == {"unknown_features": 0, "unparsable": 0}


def test_columns_count_what_they_cannot_use() -> None:
    """An operator sees a schema that drifted away by these counters."""
    encoder = ColumnsEncoder(["a", "b"])
    for text in ("", "x", "nan", "inf", "1_000", "٣", "0x10", "1e200", "1,5", "1" * 65):
        assert _last(encoder, {"a": text}) == [0.0, 0.0]
    assert encoder.counters == {"unknown_features": 0, "unparsable": 10}
    _last(encoder, {"a": 1, "other": 1, "more": 2}, {"a": 1, "other": 1, "more": 2})
    _last(encoder, {"a": None, "other": "x"})
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


def test_hashing_gives_each_key_a_slot() -> None:
    encoder = HashingEncoder(8, 0)
    assert _last(encoder, {"n": 1, "city": "Kiel", "on": True}, {"n": 3, "city": "Bonn"}) == [
        1.0,
        0,
        0,
        1.0,
        0,
        0,
        0,
        0,
    ]
    assert encoder.keys == ["n", "city=Kiel", "on", "city=Bonn"]


def test_hashing_type_change_is_another_key() -> None:
    """A feature that turns from number to text must not be read as its old number."""
    encoder = HashingEncoder(4, 0)
    assert _last(encoder, {"a": 5}, {"a": "5"}, {"a": None}, {"a": 7}) == [1.0, 0, 0, 0]
    assert encoder.keys == ["a", "a=5"]


def test_hashing_text_by_words() -> None:
    encoder = HashingEncoder(8, 0)
    part = round(1 / sqrt(4), 6)
    assert _last(encoder, {"t": "Win a big PRIZE, a big prize!"}) == [part] * 4 + [0] * 4
    assert encoder.keys == ["t~win", "t~a", "t~big", "t~prize"]
    assert _last(encoder, {"t": "three words only"})[4] == 1.0
    assert _last(encoder, {"t": "! ? . ,"}) == [0.0] * 8


def test_a_code_is_a_category_however_it_comes() -> None:
    """An airport's number says nothing by its size, and it is the same airport as 3, 3.0 or "3",
    alone, beside others, and in events that are of numbers only."""
    encoder = HashingEncoder(8, 0, categories=["airport", "place"])
    assert _last(encoder, {"airport": 3, "size": 1.0}, {"airport": 3.0}, {"airport": "3"})[0] == 1
    assert encoder.keys == ["airport=3", "size"]
    _last(encoder, {"airport": 0.5}, {"airport": True}, {"place": "one of more words than three"})
    assert encoder.keys[2:] == ["airport=0.5", "airport=1", "place=one of more words than three"]
    assert _last(encoder, {"airport": None, "size": None}) == [0] * 8


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.1, "0.1"), (-0.0, "0"), (1e17, "1e+17"), (2.0**53, "9007199254740992"), (-12.0, "-12")],
)
def test_a_code_is_written_as_people_write_it(number: float, text: str) -> None:
    """The producer that sends the code as text and the one that sends a number mean the same."""
    encoder = HashingEncoder(4, 0, categories=["code"])
    _last(encoder, {"code": number}, {"code": text})
    assert encoder.keys == [f"code={text}"]


def test_hashing_overflow_is_signed_and_shared() -> None:
    """A vocabulary that is full still hears of new keys."""
    encoder = HashingEncoder(4, 3)
    _last(encoder, {"first": 1})
    x = _last(encoder, {"late": -20.0, "c": "red"})
    expected = [0.0] * 4
    for key, value in (("late", -log1p(20.0)), ("c=red", 1.0)):
        code = crc32(key.encode())
        expected[1 + (code >> 1) % 3] += value if code & 1 else -value
    assert x == pytest.approx(expected, abs=1e-6)
    assert encoder.counters == {"overflow_keys": 2}
    assert encoder.keys == ["first"]


def test_hashing_without_overflow_drops_and_counts() -> None:
    encoder = HashingEncoder(1, 0)
    _last(encoder, {"a": 1, "b": 2, "c": "x"}, {"a": 2, "b": 2})
    assert encoder.counters == {"overflow_keys": 3}


def test_no_feature_is_taken_for_another() -> None:
    """Names are anybody's; those that look like keys must not share a slot."""
    encoder = HashingEncoder(32, 0)
    long = "x" * 300
    made: list[Any] = [
        {"a=b": 1},
        {"a": "b"},
        {"a": "b=c"},
        {"a=b": "c"},
        {"a~b": 1},
        {"a": "b of the words"},
        {"[0]": 1},
        [1.0],
        {"\\": 1},
        {"a": long},
        {"a": long + "y"},
        {"a": "é" * 60},
        {"a": ""},
    ]
    _last(encoder, *made)
    assert len(encoder.keys) == len(made) + 3  # the text has four words
    assert max(len(key.encode()) for key in encoder.keys) <= KEY_BYTES


def test_airlines_is_mostly_categories(data_dir: Path) -> None:
    """A real stream with thousands of categories keeps within its width."""
    rows = rows_of(data_dir / "airlines_chrono.csv.gz", 3000)
    events = events_of(*({name: float(value) for name, value in row.items()} for row in rows))
    codes = ["airline", "flight", "airport_from", "airport_to", "day_of_week", "day"]
    encoder = HashingEncoder(256, 64, categories=codes)
    x = encode_in_steps(encoder, events, [1, 100, 1000])
    assert len(encoder.keys) == 192
    assert encoder.counters["overflow_keys"] > 0
    assert np.count_nonzero(x, axis=1).min() >= 4


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
