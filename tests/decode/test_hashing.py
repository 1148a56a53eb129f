"""Any features into a fixed width: what each kind of value becomes."""

from __future__ import annotations

from math import log1p, sqrt
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from stream_cl.decode.hashing import HashingEncoder
from stream_cl.decode.vocabulary import KEY_BYTES
from stream_cl.testing.encoder_contract import encode_in_steps
from tests.decode.records import events_of, last_row, rows_of


def test_hashing_gives_each_key_a_slot() -> None:
    encoder = HashingEncoder(8, 0)
    assert last_row(encoder, {"n": 1, "city": "Kiel", "on": True}, {"n": 3, "city": "Bonn"}) == [
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
    assert last_row(encoder, {"a": 5}, {"a": "5"}, {"a": None}, {"a": 7}) == [1.0, 0, 0, 0]
    assert encoder.keys == ["a", "a=5"]


def test_hashing_text_by_words() -> None:
    encoder = HashingEncoder(8, 0)
    part = round(1 / sqrt(4), 6)
    assert last_row(encoder, {"t": "Win a big PRIZE, a big prize!"}) == [part] * 4 + [0] * 4
    assert encoder.keys == ["t~win", "t~a", "t~big", "t~prize"]
    assert last_row(encoder, {"t": "three words only"})[4] == 1.0
    assert last_row(encoder, {"t": "! ? . ,"}) == [0.0] * 8


def test_a_code_is_a_category_however_it_comes() -> None:
    """An airport's number says nothing by its size, and it is the same airport as 3, 3.0 or "3",
    alone, beside others, and in events that are of numbers only."""
    encoder = HashingEncoder(8, 0, categories=["airport", "place"])
    assert (
        last_row(encoder, {"airport": 3, "size": 1.0}, {"airport": 3.0}, {"airport": "3"})[0] == 1
    )
    assert encoder.keys == ["airport=3", "size"]
    last_row(
        encoder, {"airport": 0.5}, {"airport": True}, {"place": "one of more words than three"}
    )
    assert encoder.keys[2:] == ["airport=0.5", "airport=1", "place=one of more words than three"]
    assert last_row(encoder, {"airport": None, "size": None}) == [0] * 8


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.1, "0.1"), (-0.0, "0"), (1e17, "1e+17"), (2.0**53, "9007199254740992"), (-12.0, "-12")],
)
def test_a_code_is_written_as_people_write_it(number: float, text: str) -> None:
    """The producer that sends the code as text and the one that sends a number mean the same."""
    encoder = HashingEncoder(4, 0, categories=["code"])
    last_row(encoder, {"code": number}, {"code": text})
    assert encoder.keys == [f"code={text}"]


def test_hashing_overflow_is_signed_and_shared() -> None:
    """A vocabulary that is full still hears of new keys."""
    encoder = HashingEncoder(4, 3)
    last_row(encoder, {"first": 1})
    x = last_row(encoder, {"late": -20.0, "c": "red"})
    expected = [0.0] * 4
    for key, value in (("late", -log1p(20.0)), ("c=red", 1.0)):
        code = crc32(key.encode())
        expected[1 + (code >> 1) % 3] += value if code & 1 else -value
    assert x == pytest.approx(expected, abs=1e-6)
    assert encoder.counters == {"overflow_keys": 2}
    assert encoder.keys == ["first"]


def test_hashing_without_overflow_drops_and_counts() -> None:
    encoder = HashingEncoder(1, 0)
    last_row(encoder, {"a": 1, "b": 2, "c": "x"}, {"a": 2, "b": 2})
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
    last_row(encoder, *made)
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


def test_what_a_feature_says_may_depend_on_another() -> None:
    """The learner can tell a reset of one service from a reset of another, and large from small
    among the values of one protocol."""
    pairs = [("flag", "service"), ("protocol", "bytes")]
    encoder = HashingEncoder(16, 0, interactions=pairs)
    rows = [
        {"flag": "RST", "service": "http", "protocol": "tcp", "bytes": 1000.0},
        {"flag": "RST", "service": "dns", "protocol": "udp", "bytes": 10.0},
        {"flag": "RST", "service": "http", "protocol": "udp", "bytes": 30.0},
    ]
    x = last_row(encoder, *rows)
    both, bytes_of_udp = "\\*8:flag=RSTservice=http", "\\*12:protocol=udpbytes"
    assert x[encoder.keys.index(both)] == 1.0
    assert x[encoder.keys.index(bytes_of_udp)] == 1.0, "30 of 10 and 30, and not beside 1,000"
    assert x[encoder.keys.index("\\*8:flag=RSTservice=dns")] == 0.0
    assert x[encoder.keys.index("bytes")] < 0.0
    assert last_row(encoder, {"flag": "RST", "service": None}).count(0.0) == 15


def test_two_numbers_interact_by_their_product() -> None:
    encoder = HashingEncoder(4, 0, interactions=[("price", "amount")])
    plain = HashingEncoder(4, 0)
    rows = [{"price": p, "amount": a} for p, a in ((2.0, 5.0), (3.0, -1.0), (1e150, 1e150))]
    products = [{"product": p} for p in (10.0, -3.0, 1e150)]
    assert last_row(encoder, *rows)[2] == last_row(plain, *products)[0]


@pytest.mark.parametrize(
    "pairs", [[("a", "*")], [("*", "a"), ("b", "a")], [("a", "c"), ("a", "*")]]
)
def test_every_other_feature_once(pairs: list[tuple[str, str]]) -> None:
    """However pairs are named, none is there twice, whose slot would be added to twice."""
    encoder = HashingEncoder(16, 0, interactions=pairs)
    assert set(last_row(encoder, {"a": "x", "b": "y", "c": "z"})) <= {0.0, 1.0}
    assert sorted(key[-3:] for key in encoder.keys[3:]) in (["b=y", "c=z"], ["a=x", "c=z"])


def test_stars_that_meet_pair_once() -> None:
    encoder = HashingEncoder(16, 0, interactions=[("a", "*"), ("b", "*")])
    assert set(last_row(encoder, {"a": "x", "b": "y", "c": "z"})) <= {0.0, 1.0}
    assert len(encoder.keys) == 6


def test_no_interaction_is_taken_for_another() -> None:
    """Values are anybody's: none can look like two features that interact, nor two like others."""
    encoder = HashingEncoder(64, 0, interactions=[("a", "b"), ("a=b", "c")])
    made: list[Any] = [
        {"a": "b", "b": "c"},
        {"a": "bb=", "b": "c"},
        {"a": "b", "b": "b=c"},
        {"a=b": "c", "c": "d"},
        {"a": "b=cc", "b": "d"},
        {"\\*3:a=bb": "c"},
        {"\\*3:a": "bb=c"},
    ]
    apart = [last_row(encoder, event) for event in made]
    assert len({tuple(row) for row in apart}) == len(made)
    assert sum(key.startswith("\\*") for key in encoder.keys) == 5


def test_longer_texts_and_vectors_interact_with_nothing() -> None:
    encoder = HashingEncoder(16, 0, interactions=[("a", "*")])
    last_row(encoder, {"a": "more than three words here", "b": 1.0}, [1.0, 2.0])
    assert not any(key.startswith("\\*") for key in encoder.keys)


@pytest.mark.parametrize("pairs", [[("a", "a")], [("a", "b"), ("b", "a")], [("*", "*")]])
def test_interactions_of_one_or_twice_are_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match="of two features, and named once"):
        HashingEncoder(4, 0, interactions=pairs)
