"""What is shown of an event, and what is marked as unusual: a mark that cries wolf is not looked
at, and one that is missing hides the very thing that a person should see."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import orjson
import pytest

from stream_cl.serve.label.looks import KEPT, LEAST, Looks, is_image
from tests.serve.label.questions import question


def seen(values: list[Any], name: str = "x") -> Looks:
    looks = Looks()
    for at, value in enumerate(values):
        looks.see(question(str(at), features={name: value}))
    return looks


def mark(looks: Looks, value: Any, name: str = "x") -> str | None:
    (row,) = looks.show({"features": {name: value}})["rows"]
    found: str | None = row["mark"]
    return found


def test_a_number_far_from_the_others_is_marked() -> None:
    looks = seen([float(i % 100) for i in range(200)])
    assert mark(looks, 1000.0) == "unusual: above 200 of the last 200 questions"
    assert mark(looks, -1000) == "unusual: below 200 of the last 200 questions"
    assert mark(looks, 99.0) is None


def test_a_rare_word_is_marked_and_a_name_is_not() -> None:
    assert mark(seen(["DE", "FR"] * 50), "XX") == "unusual: 0 of the last 100 questions had this"
    assert mark(seen(["DE", "FR"] * 50), "DE") is None
    assert mark(seen([f"customer {i}" for i in range(100)]), "customer 1000") is None
    assert mark(seen(["long text " * 20] * 100), "another one") is None


def test_nothing_is_marked_before_there_is_something_to_compare_with() -> None:
    assert mark(seen([1.0] * (LEAST - 1)), 9.0) is None
    assert mark(seen([1.0] * LEAST), 9.0) is not None
    assert mark(seen([1.0, "a"] * (LEAST - 1)), 9.0) is None, "numbers and words are counted apart"


def test_what_was_long_ago_is_forgotten() -> None:
    assert mark(seen([1.0] * KEPT + [5.0] * KEPT), 5.0) is None


def test_every_value_is_a_text() -> None:
    """A browser would make another number of a long one."""
    fields = {"a": 2**63, "b": 1e150, "c": True, "d": None, "e": "<script>", "f": 0.1}
    rows = Looks().show({"features": fields})["rows"]
    assert [one["value"] for one in rows] == [
        "9223372036854775808", "1e+150", "true", "missing", "<script>", "0.1"
    ]  # fmt: skip
    assert Looks().show(orjson.loads(orjson.dumps({"features": [1]})))["rows"] == []


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    )


def test_images_that_run_nothing_are_shown_as_images() -> None:
    data = base64.b64encode(png()).decode()
    assert is_image(f"data:image/png;base64,{data}")
    for text in (
        f"data:image/svg+xml;base64,{data}", f"data:text/html;base64,{data}",
        f"data:image/jpeg;base64,{data}", "data:image/png;base64,", "data:image/png,x",
        f"data:image/png;base64,{data}\n", f"data:image/png;base64,{data}' onerror='x",
        "https://example.org/a.png", "javascript:alert(1)", "data:image/gif;base64,R0lGOD",
    ):  # fmt: skip
        assert not is_image(text), text


@pytest.mark.parametrize(
    ("shape", "count", "kind"),
    [
        ((2, 2), 4, "picture"),
        ((2, 2, 3), 12, "picture"),
        ((2, 2), 5, "vector"),
        (None, 4, "vector"),
    ],
)
def test_a_vector_of_the_right_length_is_an_image(
    shape: tuple[int, ...] | None, count: int, kind: str
) -> None:
    shown = Looks(shape).show({"vector": [0.123456789] * (count - 1) + [2**53], "features": {}})
    values = shown[kind]["values"] if kind == "picture" else shown[kind]
    assert values == [0.123457] * (count - 1) + [9.0072e15]
